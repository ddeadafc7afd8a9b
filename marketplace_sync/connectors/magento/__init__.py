"""Magento 2 (Open Source, or Adobe Commerce on a host of one's own) as a store, over its REST API."""

from __future__ import annotations

from marketplace_sync.connectors.authentication import FixedHeaders
from marketplace_sync.connectors.budget import BudgetSpec, FixedWindow
from marketplace_sync.connectors.magento.settings import MagentoSettings
from marketplace_sync.connectors.magento.signing import OAuth1
from marketplace_sync.connectors.magento.store import MagentoStore, declared
from marketplace_sync.connectors.ports import StoreCapabilities
from marketplace_sync.connectors.wire import Authentication, Signature, Wire

__all__ = [
    "ROLE", "SETTINGS", "MagentoSettings", "MagentoStore", "authentication", "budget", "capabilities", "connect",
    "secrets",
]  # fmt: skip

ROLE = "store"
SETTINGS = MagentoSettings


def connect(name: str, settings: MagentoSettings, wire: Wire) -> MagentoStore:
    """The connector of one shop. Talks to nobody yet."""
    return MagentoStore(name, settings, wire)


def capabilities(settings: MagentoSettings) -> StoreCapabilities:
    """What any such connection offers, before anybody was asked."""
    return declared(settings)


def budget(settings: MagentoSettings) -> BudgetSpec:
    """Magento itself has no general limit (Magento, limits): what the merchant's servers can take is a setting."""
    return {"default": (FixedWindow(settings.requests_per_minute, 60.0),)}


def secrets(settings: MagentoSettings) -> list[str]:
    """Every secret value of the connection. Raises SecretMissing."""
    named = (settings.consumer_key, settings.consumer_secret, settings.access_token, settings.access_token_secret)
    return [secret.reveal() for secret in named if secret is not None]


def authentication(settings: MagentoSettings) -> Authentication | Signature:
    """Signed requests, or the token alone where the merchant allowed that (Magento, authentication).
    Raises SecretMissing."""
    if settings.authentication == "bearer":
        return FixedHeaders({"authorization": f"Bearer {settings.access_token.reveal()}"})
    assert settings.consumer_key is not None, "settings see to it"
    assert settings.consumer_secret is not None
    assert settings.access_token_secret is not None
    return OAuth1(
        consumer_key=settings.consumer_key.reveal(),
        consumer_secret=settings.consumer_secret.reveal(),
        token=settings.access_token.reveal(),
        token_secret=settings.access_token_secret.reveal(),
    )
