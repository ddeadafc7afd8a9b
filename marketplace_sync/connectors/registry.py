"""Which platforms exist, and how a configured connection becomes a connector. A new one is its folder and one line
here, or a distribution of its own with an entry point (docs/adding-a-system.md).

A vendor's package exposes, at its top:

    ROLE: str                                     "marketplace", "store" or "marketing"
    SETTINGS: type[ConnectionSettings]            the keys of its connections; unknown keys are refused
    budget(settings) -> BudgetSpec                what the vendor allows, per bucket; "default" is always one of them
    secrets(settings) -> list[str]                every secret value, to be taken out of messages (raises SecretMissing)
    authentication(settings) -> Authentication | Signature | None
                                                  what puts credentials on a request (`connectors.authentication` has
                                                  the fixed ones) or signs it; None when nothing does
    capabilities(settings) -> declaration         what a route may ask of such a connection, before anybody was asked
                                                  (`ports`: one of the ...Capabilities)
    connect(name, settings, wire) -> connector    a Marketplace, Store or MarketingPlatform (`ports`)

and may expose:

    THROTTLED_SECONDS: float | tuple[float, ...]  how long a 429 without Retry-After asks us to wait (default 10), the
                                                  first time and each further time in a row
    THROTTLED_BY: tuple[int, ...]                 other answers that mean the same (default none)
    WEBHOOK_REFUSAL: int                          what a delivery that is not genuine is answered with (default 401)
    DEFAULT_HEADERS: dict[str, str]               headers of every request (a vendor's API revision, ...)
    DIALECTS: dict[str, Dialect]                  accounts of it that speak another platform's protocol, by the value of
                                                  their connection's `dialect`

It is imported only when a connection of it is used. Connectors get their wire handed in and import no HTTP library.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from importlib.metadata import entry_points
from types import ModuleType
from typing import TYPE_CHECKING, Any

from marketplace_sync.connectors.budget import BudgetSpec, RateBudget
from marketplace_sync.connectors.dialects import Dialect, spoken
from marketplace_sync.settings import ConnectionSettings

if TYPE_CHECKING:
    from marketplace_sync.connectors.memory import Memory
    from marketplace_sync.connectors.transport import Exchange, HttpWire

PLATFORMS: dict[str, str] = {
    "john_lewis": "marketplace_sync.connectors.john_lewis",
    "klaviyo": "marketplace_sync.connectors.klaviyo",
    "magento": "marketplace_sync.connectors.magento",
    "marketplacer": "marketplace_sync.connectors.marketplacer",
    "mirakl": "marketplace_sync.connectors.mirakl",
    "shopify": "marketplace_sync.connectors.shopify",
}
"""Platform name -> package, of the platforms that come with this software."""

PLUGINS = "marketplace_sync.connectors"
"""The group of entry points under which other distributions bring platforms of their own."""

BudgetFactory = Callable[[str, BudgetSpec], RateBudget]
"""(connection, what its vendor allows) -> the budget its calls draw from: `LocalBudget` or the ledger's shared one."""


@functools.cache
def _plugins() -> dict[str, str]:
    return {found.name: found.value for found in entry_points(group=PLUGINS)}


def platforms() -> dict[str, str]:
    """Platform name -> package, of every platform that is installed. Nobody replaces one of ours."""
    return {**_plugins(), **PLATFORMS}


def package(platform: str) -> ModuleType:
    """The vendor's package. Raises KeyError for an unknown platform."""
    known = PLATFORMS.get(platform)
    return importlib.import_module(platforms()[platform] if known is None else known)


def package_of(settings: ConnectionSettings) -> ModuleType:
    """The package that speaks for a connection: its platform's, or that of the protocol which its dialect is."""
    vendor = package(settings.platform)
    dialect = _dialects(vendor).get(str(getattr(settings, "dialect", "")))
    return vendor if dialect is None else package(dialect.platform)


@functools.cache
def settings_class(platform: str, dialect: str = "") -> type[ConnectionSettings]:
    """The keys of a platform's connections, or of those that speak one of its dialects. An unknown dialect is left to
    the platform's own class to refuse. Raises KeyError for an unknown platform."""
    vendor = package(platform)
    rail = _dialects(vendor).get(dialect)
    own: type[ConnectionSettings] = vendor.SETTINGS
    return own if rail is None else spoken(package(rail.platform).SETTINGS, dialect, rail)


def _dialects(vendor: ModuleType) -> dict[str, Dialect]:
    found: dict[str, Dialect] = getattr(vendor, "DIALECTS", {})
    return found


def open_wire(
    name: str,
    settings: ConnectionSettings,
    budget_factory: BudgetFactory,
    *,
    patience: float = 120.0,
    write_patience: float | None = None,
    on_exchange: Callable[[Exchange], None] | None = None,
    memory: Memory | None = None,
) -> HttpWire:
    """The wire of one configured connection, as patient as its package's `patience` says that lists need it at least.
    Raises SecretMissing, KeyError for an unknown platform."""
    from marketplace_sync.connectors.transport import HttpWire

    vendor = package_of(settings)
    return HttpWire(
        name,
        settings.base_url,
        settings,
        budget_factory(name, vendor.budget(settings)),
        vendor.authentication(settings),
        vendor.secrets(settings),
        getattr(vendor, "DEFAULT_HEADERS", {}),
        throttled_seconds=getattr(vendor, "THROTTLED_SECONDS", 10.0),
        throttled_by=getattr(vendor, "THROTTLED_BY", ()),
        patience=max(patience, vendor.patience(settings) if hasattr(vendor, "patience") else 0.0),
        write_patience=write_patience,
        on_exchange=on_exchange,
        memory=memory,
    )


def open_connection(
    name: str,
    settings: ConnectionSettings,
    budget_factory: BudgetFactory,
    *,
    patience: float = 120.0,
    write_patience: float | None = None,
    on_exchange: Callable[[Exchange], None] | None = None,
    memory: Memory | None = None,
) -> Any:
    """The connector of one configured connection: a Marketplace, Store or MarketingPlatform, by its package's ROLE.

    `patience` is how long (seconds) a call may wait for room in the rate budget before it is given up as Throttled. It
    must be longer than the vendor's longest window, or a long list is never read to its end. `write_patience` is the
    same for writes and may be short: an effect that found no room is simply sent later. `memory` is where answers are
    kept that the vendor gives only now and then; in this process, unless told.
    Raises SecretMissing, KeyError for an unknown platform.
    """
    wire = open_wire(
        name,
        settings,
        budget_factory,
        patience=patience,
        write_patience=write_patience,
        on_exchange=on_exchange,
        memory=memory,
    )
    return package_of(settings).connect(name, settings, wire)
