"""One made-up order and the lines a marketplace would settle for it, all right: what faults are put into."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from random import Random
from typing import Any

from marketplace_sync.domain.settlement.frames import Book
from marketplace_sync.domain.settlement.inputs import BankReceipt, SettlementLine, SoldOrder
from marketplace_sync.domain.settlement.settings import FinanceSettings

CHANNEL = "bazaar"
AS_OF = date(2026, 10, 31)
FIRST_DAY = date(2026, 8, 20)
PAID_UNTIL = date(2026, 10, 21)
"""Cycles that ended by then are paid; what was settled since is held."""

SETTINGS: dict[str, Any] = {
    "commission_rates": {"default": 0.15, "categories": {"garden": 0.125}, "skus": {"SKU-7": 0.08}},
}
RATES = {"garden": Fraction(125, 1000), "SKU-7": Fraction(8, 100)}

Row = dict[str, Any]


@dataclass
class Month:
    """Records, and the codes that a correct matcher gives: order id -> codes, line id -> code, document -> codes."""

    sold: list[SoldOrder] = field(default_factory=list)
    lines: list[SettlementLine] = field(default_factory=list)
    receipts: list[BankReceipt] = field(default_factory=list)
    orders: dict[str, set[str]] = field(default_factory=dict)
    outside: dict[str, str] = field(default_factory=dict)
    documents: dict[str, set[str]] = field(default_factory=dict)
    as_of: date = AS_OF

    @property
    def book(self) -> Book:
        return Book.of(self.sold, self.lines, self.receipts)

    @property
    def finance(self) -> FinanceSettings:
        return FinanceSettings.model_validate(SETTINGS)


@dataclass
class Draft:
    """An order that is settled as it should be, until a fault is put in."""

    order: Row
    items: list[Row]
    refunds: list[Row]
    rows: list[Row]
    rng: Random
    settled_on: date
    codes: set[str] = field(default_factory=set)
    pennies: int = 0

    def rows_of(self, kind: str) -> list[Row]:
        return [row for row in self.rows if row["type"] == kind]

    def add(self, like: Row, **changes: Any) -> None:
        name = f"{like['line_id']}+{len(self.rows)}"
        self.rows.append(like | {"line_id": name} | changes)

    @property
    def old(self) -> bool:
        """Shipped and settled so long ago that everything missing is overdue."""
        return bool((AS_OF - self.settled_on).days > 31)


def half_up(value: Fraction) -> int:
    return int(value + Fraction(1, 2)) if value >= 0 else -int(-value + Fraction(1, 2))


def rate_of(item: Row) -> Fraction:
    return RATES.get(item["sku"]) or RATES.get(item["categories"][0]) or Fraction(15, 100)


def draft_of(rng: Random, order_id: str, items_sold: int) -> Draft:
    placed = FIRST_DAY + timedelta(days=rng.randrange(68))
    shipped = placed + timedelta(days=rng.randrange(1, 4))
    settled = shipped + timedelta(days=rng.randrange(6, 12))
    items: list[Row] = [
        {
            "line_id": f"{order_id}-{n}",
            "sku": f"SKU-{rng.randrange(40)}",
            "categories": (rng.choice(["kitchen", "garden", "toys"]),),
            "price": rng.randrange(300, 20000),
            "shipping": rng.choice([0, 395, 495, 1095]) if n == 1 else 0,
            "shipped_on": shipped,
        }
        for n in range(1, items_sold + 1)
    ]
    about = {"order_id": order_id, "created_on": settled} | state_of(settled)
    rows = [row for item in items for row in sale_rows(item, about)]
    draft = Draft({"order_id": order_id, "placed_on": placed}, items, [], rows, rng, settled)
    if rng.random() < 0.12 and settled < PAID_UNTIL - timedelta(days=10):
        refund_rows(draft, items[0], "R1", items[0]["price"] if rng.random() < 0.5 else items[0]["price"] // 3)
    return draft


def state_of(day: date) -> Row:
    if day > PAID_UNTIL:
        return {"payment_state": "PENDING", "document": ""}
    cycle = min((limit for limit in (1, 11, 21) if day.day <= limit), default=0)
    end = day.replace(day=cycle) if cycle else (day.replace(day=28) + timedelta(days=5)).replace(day=1)
    return {"payment_state": "PAID", "document": f"INV-{end:%Y%m%d}"}


def sale_rows(item: Row, about: Row) -> list[Row]:
    fee = half_up(rate_of(item) * (item["price"] + item["shipping"]))
    amounts = {
        "ORDER_AMOUNT": item["price"],
        "ORDER_SHIPPING_AMOUNT": item["shipping"],
        "COMMISSION_FEE": -fee,
        "COMMISSION_VAT": -half_up(Fraction(fee, 5)),
    }
    return [
        about
        | {"line_id": f"{item['line_id']}/{kind}", "type": kind, "amount": amount, "order_line_id": item["line_id"]}
        for kind, amount in amounts.items()
        if amount
    ]


def refund_rows(
    draft: Draft, item: Row, refund_id: str, amount: int, *, day: date | None = None, recorded: bool = True
) -> None:
    """Both sides of a refund, or only the settlement's."""
    day = day or draft.settled_on + timedelta(days=5)
    if recorded:
        draft.refunds.append({"refund_id": refund_id, "line_id": item["line_id"], "refunded_on": day, "amount": amount})
    fee = half_up(rate_of(item) * amount)
    amounts = {
        "REFUND_ORDER_AMOUNT": -amount,
        "REFUND_COMMISSION_FEE": fee,
        "REFUND_COMMISSION_VAT": half_up(Fraction(fee, 5)),
    }
    about = {
        "order_id": draft.order["order_id"],
        "order_line_id": item["line_id"],
        "refund_id": refund_id,
        "created_on": day,
    }
    draft.rows += [
        about | state_of(day) | {"line_id": f"{item['line_id']}/{refund_id}/{kind}", "type": kind, "amount": amount}
        for kind, amount in amounts.items()
    ]
