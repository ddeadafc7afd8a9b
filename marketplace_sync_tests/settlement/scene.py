"""A small book to reconcile, written down in pence, with the conclusions that are expected of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import polars as pl

from marketplace_sync.domain.settlement.frames import Book
from marketplace_sync.domain.settlement.goods import GOODS, NAMES
from marketplace_sync.domain.settlement.inputs import BankReceipt, SettlementLine, SoldLine, SoldOrder, StoreRefund
from marketplace_sync.domain.settlement.reconcile import reconcile
from marketplace_sync.domain.settlement.result import Result
from marketplace_sync.domain.settlement.settings import FinanceSettings

CHANNEL = "bazaar"
SHIPPED, SETTLED, TODAY = date(2026, 9, 1), date(2026, 9, 10), date(2026, 9, 20)
LONG_AGO = date(2026, 7, 1)
"""Overdue today, by any of the default delays but the reserve's."""

SETTINGS: dict[str, Any] = {"commission_rates": {"default": "0.15"}}

Row = dict[str, Any]


@dataclass(frozen=True)
class Goods:
    """What a line names instead of an order."""

    sold: int = 0
    returned: int = 0
    ean: str = ""
    stock_number: str = ""
    customer_order_number: str = ""


@dataclass
class Scene:
    """`orders`, `outside` and `documents` say what is expected: order id -> codes (and status where it is not what the
    codes alone make of it), line id -> code, document -> codes. What is not named must not be concluded."""

    name: str
    why: str
    sold: list[SoldOrder] = field(default_factory=list)
    lines: list[SettlementLine] = field(default_factory=list)
    receipts: list[BankReceipt] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    awaited: frozenset[str] = frozenset()
    """Orders that may yet come by themselves."""
    as_of: date = TODAY
    orders: dict[str, set[str]] = field(default_factory=dict)
    status: dict[str, str] = field(default_factory=dict)
    variance: dict[str, int | None] = field(default_factory=dict)
    expected_net: dict[str, int] = field(default_factory=dict)
    outside: dict[str, str] = field(default_factory=dict)
    suggested: dict[str, str] = field(default_factory=dict)
    documents: dict[str, set[str]] = field(default_factory=dict)
    document_status: dict[str, str] = field(default_factory=dict)
    balances: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Document -> (opening, closing)."""
    goods: dict[str, Goods] = field(default_factory=dict)
    """Line id -> the product, and the units, that a line names instead of an order."""
    unsettled: dict[str, dict[str, int]] = field(default_factory=dict)
    """Order id -> order line id -> what is expected of it and neither settled nor held."""

    @property
    def finance(self) -> FinanceSettings:
        return FinanceSettings.model_validate(SETTINGS | self.settings)

    @property
    def book(self) -> Book:
        rows = [(name, each.ean, each.stock_number, each.sold, each.returned, False, each.customer_order_number)
                for name, each in self.goods.items()]  # fmt: skip
        names = [(each.order_id, each.commercial_id) for each in self.sold]
        return replace(
            Book.of(self.sold, self.lines, self.receipts),
            goods=pl.DataFrame(rows, GOODS, orient="row"),
            names=pl.DataFrame(names, NAMES, orient="row"),
            awaited=self.awaited,
        )

    def reconciled(self, *, all_careful: bool = False) -> Result:
        return reconcile(self.book, self.finance, self.as_of, all_careful=all_careful)


def item(line_id: str, price: int = 5000, shipping: int = 500, **more: Any) -> SoldLine:
    row: Row = {"line_id": line_id, "sku": "MUG-RED", "price": price, "shipping": shipping, "shipped_on": SHIPPED}
    return SoldLine(**row | more)


def order(order_id: str = "A", *lines: SoldLine, refunds: tuple[StoreRefund, ...] = (), **more: Any) -> SoldOrder:
    lines = lines or (item(f"{order_id}-1"),)
    row: Row = {"channel": CHANNEL, "order_id": order_id, "currency": "GBP", "lines": lines, "refunds": refunds}
    return SoldOrder(**row | more)


def gave_back(refund_id: str, line_id: str = "A-1", amount: int = 5000, shipping: int = 0, **more: Any) -> StoreRefund:
    row: Row = {
        "refund_id": refund_id,
        "line_id": line_id,
        "amount": amount,
        "shipping": shipping,
        "refunded_on": SETTLED,
    }
    return StoreRefund(**row | more)


def line(
    line_id: str, kind: str, amount: int, order_id: str = "A", order_line_id: str | None = None, **more: Any
) -> SettlementLine:
    row: Row = {
        "line_id": line_id,
        "type": kind,
        "amount": amount,
        "currency": "GBP",
        "channel": CHANNEL,
        "order_id": order_id,
        "order_line_id": (f"{order_id}-1" if order_id else "") if order_line_id is None else order_line_id,
        "document": "D1",
        "payment_state": "PAID",
        "created_on": SETTLED,
    }
    return SettlementLine(**row | more)


def sale(
    order_id: str = "A",
    order_line_id: str | None = None,
    *,
    product: int | None = 5000,
    shipping: int | None = 500,
    commission: int | None = -825,
    vat: int | None = -165,
    tax: int | None = None,
    name: str = "",
    **more: Any,
) -> list[SettlementLine]:
    """The lines of one settled order line; None leaves one out."""
    order_line_id = f"{order_id}-1" if order_line_id is None else order_line_id
    parts = (
        ("ORDER_AMOUNT", product),
        ("ORDER_SHIPPING_AMOUNT", shipping),
        ("ORDER_AMOUNT_TAX", tax),
        ("COMMISSION_FEE", commission),
        ("COMMISSION_VAT", vat),
    )
    name = name or order_line_id or order_id
    return [
        line(f"{name}/{kind}", kind, amount, order_id, order_line_id, **more)
        for kind, amount in parts
        if amount is not None
    ]


def refund(
    refund_id: str = "R1",
    order_id: str = "A",
    order_line_id: str | None = None,
    *,
    product: int | None = -5000,
    shipping: int | None = None,
    commission: int | None = 750,
    vat: int | None = 150,
    name: str = "",
    **more: Any,
) -> list[SettlementLine]:
    order_line_id = f"{order_id}-1" if order_line_id is None else order_line_id
    parts = (
        ("REFUND_ORDER_AMOUNT", product),
        ("REFUND_ORDER_SHIPPING_AMOUNT", shipping),
        ("REFUND_COMMISSION_FEE", commission),
        ("REFUND_COMMISSION_VAT", vat),
    )
    name = name or f"{order_line_id or order_id}/{refund_id}"
    return [
        line(f"{name}/{kind}", kind, amount, order_id, order_line_id, **{"refund_id": refund_id} | more)
        for kind, amount in parts
        if amount is not None
    ]


def payment(amount: int, document: str = "D1", on: date = SETTLED, currency: str = "GBP") -> SettlementLine:
    """The payout of `amount`, which the log books as what leaves the seller's account there."""
    return line(f"pay/{document}", "PAYMENT", -amount, "", "", document=document, created_on=on, currency=currency)


def fee(line_id: str, kind: str, amount: int, **more: Any) -> SettlementLine:
    """A line outside orders."""
    return line(line_id, kind, amount, "", "", **more)


def receipt(amount: int, *documents: str, ref: str = "", currency: str = "GBP", on: date = SETTLED) -> BankReceipt:
    return BankReceipt(
        bank_ref=ref or f"bank/{'+'.join(documents)}",
        amount=amount,
        currency=currency,
        received_on=on,
        documents=documents,
    )
