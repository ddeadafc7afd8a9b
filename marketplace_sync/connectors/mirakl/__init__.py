"""Any Mirakl-run marketplace over its seller API: orders, shipments, refunds, returns, stock and the ledger."""

from __future__ import annotations

from datetime import timedelta

from marketplace_sync.connectors.authentication import FixedHeaders
from marketplace_sync.connectors.budget import BudgetSpec, FixedWindow
from marketplace_sync.connectors.mirakl.connector import Mirakl, declared
from marketplace_sync.connectors.mirakl.settings import MiraklSettings
from marketplace_sync.connectors.ports import MarketplaceCapabilities
from marketplace_sync.connectors.wire import Authentication, Wire

ROLE = "marketplace"
SETTINGS = MiraklSettings
THROTTLED_SECONDS = 60.0
"""A 429 may come without Retry-After: most operations are allowed once a minute (Mirakl, call budget)."""


def budget(settings: MiraklSettings) -> BudgetSpec:
    """A bucket for each group of operations that has a ceiling of its own (Mirakl, call budget). Lists of orders and
    returns are read from their beginning once an interval; of their further pages the ceiling says nothing, as it does
    elsewhere ("once a day plus its pages"), so whether they count is a setting."""
    general = (FixedWindow(settings.requests_per_minute, 60.0),)
    return {
        "default": general,
        **dict.fromkeys(("shop", "platform", "carriers", "reasons"), general),
        "orders": _once_in(settings.orders_interval),
        "order_pages": (FixedWindow(settings.orders_requests_per_minute, 60.0),),
        # Apart from the list, so that a list read too often does not keep a parcel waiting.
        "lookups": (FixedWindow(settings.lookups_per_minute, 60.0),),
        "returns": _once_in(settings.returns_interval),
        "return_pages": (FixedWindow(settings.returns_requests_per_minute, 60.0),),
        "references": (FixedWindow(settings.imports_per_minute, 60.0),),
        "prices": (FixedWindow(settings.imports_per_minute, 60.0),),
        "offers": (FixedWindow(settings.imports_per_minute, 60.0),),
        "price_reports": (FixedWindow(settings.imports_per_minute, 60.0),),
        "offer_reports": (FixedWindow(settings.imports_per_minute, 60.0),),
        "product_reports": (FixedWindow(settings.imports_per_minute, 60.0),),
        "products": (FixedWindow(settings.product_files_per_hour, 3600.0),),
        "stock": (FixedWindow(settings.stock_files_per_minute, 60.0),),
        "transactions": (
            FixedWindow(settings.transactions_per_minute, 60.0),
            FixedWindow(settings.transactions_per_hour, 3600.0),
        ),
    }


def patience(settings: MiraklSettings) -> float:
    """Seconds that a list may wait for its next page: less, and it is never read to its end."""
    longest = max(settings.orders_interval, settings.returns_interval) if settings.pages_count else timedelta()
    return 1.1 * longest.total_seconds()


def _once_in(interval: timedelta) -> tuple[FixedWindow, ...]:
    return (FixedWindow(1, interval.total_seconds()),) if interval else ()


def secrets(settings: MiraklSettings) -> list[str]:
    """The shop's key. Raises SecretMissing."""
    return [settings.api_key.reveal()]


def authentication(settings: MiraklSettings) -> Authentication:
    """The raw key, without a scheme (Mirakl, basics: authentication). Raises SecretMissing."""
    return FixedHeaders({"authorization": settings.api_key.reveal()})


def capabilities(settings: MiraklSettings) -> MarketplaceCapabilities:
    """What any such connection offers, before anybody was asked."""
    return declared(settings)


def connect(name: str, settings: MiraklSettings, wire: Wire) -> Mirakl:
    """The connector of one shop. Talks to nobody yet."""
    return Mirakl(name, settings, wire)
