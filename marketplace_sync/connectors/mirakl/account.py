"""What a shop and its platform are like: asked once a day, because that is how often it may be asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from marketplace_sync.connectors.mirakl.calls import Calls
from marketplace_sync.connectors.mirakl.settings import MiraklSettings
from marketplace_sync.domain.orders import PriceBasis

DROPSHIP = "DROPSHIP"
T = TypeVar("T")


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
    """Remembers for `account_valid_for`. Thread-safe. Methods raise TransportError; properties ask nobody."""

    def __init__(self, settings: MiraklSettings, calls: Calls, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._calls = calls
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, Any]] = {}

    def shop(self) -> Shop:
        return self._remembered("shop", lambda: self._calls.get("/api/account", Shop, operation="read the shop"))

    def platform(self) -> Platform:
        return self._remembered(
            "platform",
            lambda: self._calls.get("/api/platform/configuration", Platform, operation="read the configuration"),
        )

    def carriers(self) -> list[Carrier]:
        return self._remembered(
            "carriers",
            lambda: self._calls.get("/api/shipping/carriers", _Carriers, operation="read carriers").carriers,
        )

    def reasons(self, kind: str) -> list[Reason]:
        """Reasons of one type (`REFUND`, `CANCELATION`, ...) that sellers may give."""
        found: list[Reason] = self._remembered(
            "reasons",
            lambda: (
                self._calls.get(
                    "/api/reasons",
                    _Reasons,
                    params={"locale": self._settings.locale} if self._settings.locale else None,
                    operation="read reasons",
                ).reasons
            ),
        )
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
        known = self._known.get("shop")
        if known is None or known[1].model == DROPSHIP:
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

    def _remembered(self, name: str, ask: Callable[[], T]) -> T:
        with self._lock:
            known = self._known.get(name)
            now = self._clock()
            if known is not None and now - known[0] < self._settings.account_valid_for.total_seconds():
                found: T = known[1]
                return found
            asked = ask()
            self._known[name] = (now, asked)
            return asked
