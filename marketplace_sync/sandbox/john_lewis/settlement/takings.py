"""What there is to report: units as they leave, come back or are cancelled, each kept until a weekly report has it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.john_lewis import wire
from marketplace_sync.sandbox.john_lewis.deadlines import is_overdue
from marketplace_sync.sandbox.john_lewis.order_book import Order, OrderBook
from marketplace_sync.sandbox.john_lewis.products import Products
from marketplace_sync.sandbox.john_lewis.returns import Returns
from marketplace_sync.sandbox.john_lewis.settings import EdgeSettings
from marketplace_sync.sandbox.john_lewis.workflow import ON_HOLD, Line
from marketplace_sync.sandbox.state import Document, State

LONDON = ZoneInfo("Europe/London")
SALE, RETURN, CANCELLATION, PENALTY = "SALE", "RETURN", "CANCELLATION", "PENALTY"
_NOT_LEFT = (ON_HOLD, "ORDER", "CANCEL", "BACKORDER", "ORDER_ACK")
_LATE = 131


class Takings:
    """Collection `unsettled`: one document per movement of an order line, until it is reported.

    kind, day (London's), order_id, order_reference, customer_order_number, line_ref, sku, ean, product_code,
    description, quantity, and net: pence without VAT, from the order or, where that states none, the price book.
    Test orders and other retailers' are nobody's to pay.
    """

    def __init__(
        self, state: State, clock: Clock, settings: EdgeSettings, book: OrderBook, products: Products, returns: Returns
    ) -> None:
        self.settings = settings
        self._unsettled = state.collection("unsettled")
        self._state = state
        self._clock = clock
        self._products = products
        book.on_change.append(self._changed)
        returns.on_approval.append(self._came_back)

    def until(self, day: date) -> list[tuple[str, Document]]:
        """What was not reported yet and happened on or before that day, or had been left out of an earlier report."""
        last = str(day)
        return [(key, each) for key, each in self._unsettled.items() if each["day"] <= last or "left_out_of" in each]

    def reported(self, key: str) -> None:
        self._unsettled.delete(key)

    def leave_for_the_next(self, key: str, week_ending: date, booked_on: date) -> None:
        """It slips: the next report has it, under that day."""
        kept = self._unsettled[key]
        self._unsettled.put(key, {**kept, "left_out_of": str(week_ending), "day": str(booked_on)})

    def _changed(self, before: Order | None, order: Order) -> None:
        if before is None or not self._is_paid_for(order):
            return
        was = {row["item"]: row["status"] for row in before["lines"]}
        for row in order["lines"]:
            status = was.get(row["item"], "ORDER")
            if row["status"] == "DISPATCH" and status in _NOT_LEFT:
                self._note(SALE, order, row, row["quantity"])
                if is_overdue(row["promised"], self._today(), 0):
                    self._note(PENALTY, order, row, 1)
            elif row["status"] == "CANCEL_ACK" and status in _NOT_LEFT:
                self._note(CANCELLATION, order, row, row["cancelled"])
                if row.get("reason") == _LATE:
                    self._note(PENALTY, order, row, 1)

    def _came_back(self, returned: Document, order: Order, rows: list[Line]) -> None:
        if self._is_paid_for(order):
            quantity = sum(row["quantity"] for row in rows)
            self._note(RETURN, order, rows[0], quantity, returned["approved_amount"])

    def _is_paid_for(self, order: Order) -> bool:
        return self.settings.settlement_feed and not order["test"] and order["retailer"] == wire.JOHN_LEWIS

    def _note(self, kind: str, order: Order, row: Line, quantity: int, net: int | None = None) -> None:
        product = self._listed(row)
        cost = row["cost"] if row["cost"] is not None else product.get("cost", 0)
        fact: dict[str, Any] = {
            "kind": kind,
            "day": str(self._today()),
            "order_id": order["id"],
            "order_reference": order["reference"],
            "customer_order_number": order["customer_order_number"] or "",
            "line_ref": row["ref"],
            "sku": row["sku"] or product.get("sku", ""),
            "ean": row["barcode"],
            "product_code": row["part_number"],
            "description": row["title"],
            "quantity": quantity,
            "net": cost * quantity if net is None else net,
        }
        self._unsettled.put(str(self._state.counter("movement")), fact)

    def _listed(self, row: Line) -> Document:
        """The product of the price book, which may have another stock number by now; empty when it is gone."""
        for product in self._products.with_part_number(row["part_number"]):
            return product
        try:
            return self._products.by_sku(row["sku"])
        except LookupError:
            return {}

    def _today(self) -> date:
        return london_day(self._clock.now())


def london_day(moment: datetime) -> date:
    return moment.astimezone(LONDON).date()
