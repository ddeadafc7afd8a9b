"""John Lewis over Virtualstock's Edge (REST v4): orders, dispatch, cancellations, returns and stock.

Accounts on its other rail (`dialect: mirakl`) speak Mirakl's protocol, with what is John Lewis' own about it as
defaults here (John Lewis, Mirakl dialect). The Edge's file rail over SFTP is not spoken.
"""

from __future__ import annotations

from marketplace_sync.connectors import authentication as fixed
from marketplace_sync.connectors.budget import BudgetSpec, FixedWindow
from marketplace_sync.connectors.dialects import Dialect
from marketplace_sync.connectors.john_lewis.authentication import JsonWebTokens
from marketplace_sync.connectors.john_lewis.connector import JohnLewis, declared
from marketplace_sync.connectors.john_lewis.settings import JohnLewisSettings
from marketplace_sync.connectors.ports import MarketplaceCapabilities
from marketplace_sync.connectors.wire import Authentication, Wire

ROLE = "marketplace"
SETTINGS = JohnLewisSettings
THROTTLED_SECONDS = 60.0
"""A 429 of the Edge carries no Retry-After: wait for the next minute (John Lewis, Edge REST basics: throttle)."""

DIALECTS = {
    "mirakl": Dialect(
        platform="mirakl",
        # Carriers are those of John Lewis' own list, whatever the platform would let pass (John Lewis, carriers).
        defaults={"currency": "GBP", "only_registered_carriers": True},
    )
}


def budget(settings: JohnLewisSettings) -> BudgetSpec:
    """One window for everything that a login does."""
    return {"default": (FixedWindow(settings.requests_per_minute, 60.0),)}


def secrets(settings: JohnLewisSettings) -> list[str]:
    """The password and the pair as Basic sends it. Raises SecretMissing."""
    username, password = settings.username.reveal(), settings.password.reveal()
    return [password, f"{username}:{password}"]


def authentication(settings: JohnLewisSettings) -> Authentication:
    """What signs requests in, by the settings' `authentication`. Raises SecretMissing."""
    username, password = settings.username.reveal(), settings.password.reveal()
    if settings.authentication == "basic":
        return fixed.basic(username, password)
    return JsonWebTokens(username, password)


def capabilities(settings: JohnLewisSettings) -> MarketplaceCapabilities:
    """What the Edge offers this account."""
    return declared(settings)


def connect(name: str, settings: JohnLewisSettings, wire: Wire) -> JohnLewis:
    """The connector of one John Lewis account. Talks to nobody yet."""
    return JohnLewis(name, settings, wire)
