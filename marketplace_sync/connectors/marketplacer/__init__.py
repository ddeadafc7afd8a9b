"""A Marketplacer instance over its GraphQL API, with an operator's key or a seller's."""

from __future__ import annotations

import base64

from marketplace_sync.connectors.authentication import FixedHeaders
from marketplace_sync.connectors.budget import BudgetSpec, FixedWindow
from marketplace_sync.connectors.marketplacer.connector import Marketplacer, declared
from marketplace_sync.connectors.marketplacer.settings import MarketplacerSettings
from marketplace_sync.connectors.ports import MarketplaceCapabilities
from marketplace_sync.connectors.wire import Authentication, Wire

ROLE = "marketplace"
SETTINGS = MarketplacerSettings
THROTTLED_SECONDS = (60.0, 120.0, 240.0)
"""A refusal may come without Retry-After: then a minute at least, and longer each further time (sheet, 1: limits)."""
THROTTLED_BY = (503,)
"""Too many calls are answered with a 429 or with this (sheet, 1: limits)."""
WEBHOOK_REFUSAL = 200
"""A 4xx switches the hook off for good and is not repeated (sheet, 6): what is refused is dropped and answered so."""


def budget(settings: MarketplacerSettings) -> BudgetSpec:
    """Marketplacer counts ten seconds together."""
    return {"default": (FixedWindow(settings.requests_per_second * 10, 10.0),)}


def secrets(settings: MarketplacerSettings) -> list[str]:
    """The key, the gate's password and the hooks' secrets. Raises SecretMissing."""
    found = [settings.api_key.reveal(), *(secret.reveal() for secret in settings.webhook_secrets)]
    gate = [secret.reveal() for secret in (settings.gate_username, settings.gate_password) if secret is not None]
    return found + gate


def authentication(settings: MarketplacerSettings) -> Authentication:
    """The key in its own header, always; Basic belongs to the gate before the instance (sheet, 1). Raises
    SecretMissing."""
    headers = {"marketplacer-api-key": settings.api_key.reveal()}
    if settings.gate_username is not None and settings.gate_password is not None:
        gate = f"{settings.gate_username.reveal()}:{settings.gate_password.reveal()}".encode()
        headers["authorization"] = f"Basic {base64.b64encode(gate).decode()}"
    return FixedHeaders(headers)


def capabilities(settings: MarketplacerSettings) -> MarketplaceCapabilities:
    """What any such connection offers, before anybody was asked."""
    return declared(settings)


def connect(name: str, settings: MarketplacerSettings, wire: Wire) -> Marketplacer:
    """The connector of one instance. Talks to nobody yet."""
    return Marketplacer(name, settings, wire)
