"""What a shop and its platform are like: asked once a day, because that is how often it may be asked."""

from __future__ import annotations

import msgspec

from marketplace_sync.connectors.mirakl.calls import Calls
from marketplace_sync.connectors.mirakl.settings import MiraklSettings
from marketplace_sync.domain.orders import PriceBasis

DROPSHIP = "DROPSHIP"


class Shop(msgspec.Struct):
    """A01, as far as it matters here."""

    shop_id: int | None = None
    shop_name: str = ""
    shop_state: str = ""
    model: str | None = None
    currency_iso_code: str | None = None


class _Shipment(msgspec.Struct):
    multi_shipment: bool | None = None


class _Returns(msgspec.Struct):
    marketplace: bool | None = None
    drop_ship: bool | None = None
    one_creditor: bool | None = None


class _Features(msgspec.Struct):
    disable_seller_alternative_carrier: bool | None = None
    order_tax_mode: str | None = None
    shipment: _Shipment | None = None
    returns: _Returns | None = None


class Platform(msgspec.Struct):
    """PC01, as far as it matters here."""

    features: _Features
    platform_name: str = ""
    timezone: str = ""


class Carrier(msgspec.Struct, frozen=True):
    code: str
    label: str = ""
    standard_code: str | None = None


class _Carriers(msgspec.Struct):
    carriers: list[Carrier]


class Reason(msgspec.Struct, frozen=True):
    code: str
    type: str
    label: str = ""
    is_shop_right: bool = False


class _Reasons(msgspec.Struct):
    reasons: list[Reason]


class Account:
    """Asks at most once per `account_valid_for`, whatever the process. Thread-safe. Methods raise TransportError;
    properties ask nobody."""

    def __init__(self, settings: MiraklSettings, calls: Calls) -> None:
        self._settings = settings
        self._calls = calls
        self._model: str | None = None

    def shop(self) -> Shop:
        found = self._calls.remembered("/api/account", Shop, key="shop", operation="read the shop")
        self._model = found.model or ""
        return found

    def platform(self) -> Platform:
        path, operation = "/api/platform/configuration", "read the configuration"
        return self._calls.remembered(path, Platform, key="platform", operation=operation)

    def carriers(self) -> list[Carrier]:
        path = "/api/shipping/carriers"
        return self._calls.remembered(path, _Carriers, key="carriers", operation="read carriers").carriers

    def reasons(self, kind: str) -> list[Reason]:
        """Reasons of one type (`REFUND`, `CANCELATION`, ...) that sellers may give."""
        params = {"locale": self._settings.locale} if self._settings.locale else None
        found = self._calls.remembered(
            "/api/reasons", _Reasons, params=params, key="reasons", operation="read reasons"
        ).reasons
        return [reason for reason in found if reason.type == kind and reason.is_shop_right]

    def learn_model(self) -> None:
        """Make sure that `price_basis` is known."""
        if self._settings.price_basis == "auto":
            self.shop()

    @property
    def price_basis(self) -> PriceBasis:
        """What the shop's prices are. While the shop's model is not known: cost, which nobody takes for revenue."""
        if self._settings.price_basis != "auto":
            return PriceBasis(self._settings.price_basis)
        if self._model is None or self._model == DROPSHIP:
            return PriceBasis.COST
        return PriceBasis.RETAIL

    def multi_shipment(self) -> bool:
        if self._settings.multi_shipment is not None:
            return self._settings.multi_shipment
        shipment = self.platform().features.shipment
        return bool(shipment and shipment.multi_shipment)

    def only_registered_carriers(self) -> bool:
        if self._settings.only_registered_carriers is not None:
            return self._settings.only_registered_carriers
        return bool(self.platform().features.disable_seller_alternative_carrier)

    def has_returns(self) -> bool:
        """Whether this shop's model has returns; otherwise a return shows only as a refund."""
        returns = self.platform().features.returns
        if returns is None:
            return False
        model = self.shop().model or "MARKETPLACE"
        return bool(
            {"DROPSHIP": returns.drop_ship, "ONE_CREDITOR": returns.one_creditor}.get(model, returns.marketplace)
        )
