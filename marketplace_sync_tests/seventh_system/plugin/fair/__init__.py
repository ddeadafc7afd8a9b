"""The Fair, a marketplace that does not exist: the smallest connector that does everything a marketplace's must."""

from __future__ import annotations

from marketplace_sync.connectors.authentication import FixedHeaders
from marketplace_sync.connectors.budget import BudgetSpec, FixedWindow
from marketplace_sync.connectors.ports import MarketplaceCapabilities
from marketplace_sync.connectors.wire import Authentication, Wire
from marketplace_sync.domain.orders import PriceBasis
from marketplace_sync.settings import ConnectionSettings, Secret

from .connector import Fair

ROLE = "marketplace"


class FairSettings(ConnectionSettings):
    api_key: Secret


SETTINGS = FairSettings


def budget(settings: FairSettings) -> BudgetSpec:
    return {"default": (FixedWindow(600, 60.0),)}


def secrets(settings: FairSettings) -> list[str]:
    return [settings.api_key.reveal()]


def authentication(settings: FairSettings) -> Authentication:
    return FixedHeaders({"x-fair-key": settings.api_key.reveal()})


def capabilities(settings: FairSettings) -> MarketplaceCapabilities:
    return MarketplaceCapabilities(
        price_basis=PriceBasis.RETAIL,
        needs_acknowledgement=True,
        seller_can_cancel=True,
        seller_refunds=False,
        has_returns=False,
        has_stock=False,
    )


def connect(name: str, settings: FairSettings, wire: Wire) -> Fair:
    return Fair(wire, capabilities(settings))
