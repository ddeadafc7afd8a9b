"""What happens at John Lewis by itself: held orders are released, stock numbers change, late orders are cancelled."""

from __future__ import annotations

import random

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.john_lewis.deadlines import is_overdue
from marketplace_sync.sandbox.john_lewis.order_book import Order, OrderBook
from marketplace_sync.sandbox.john_lewis.products import Products
from marketplace_sync.sandbox.john_lewis.settings import EdgeSettings
from marketplace_sync.sandbox.john_lewis.workflow import CANCELLABLE, ON_HOLD, move, status_of
from marketplace_sync.sandbox.state import State

_DAY = 86_400.0
_HOUR = 3_600.0
_LATE = 131
"""Reason code for late or delayed."""


class Housekeeping:
    """Looks at little per tick: lists by status are at hand, and lateness is looked for once an hour."""

    def __init__(
        self,
        state: State,
        clock: Clock,
        settings: EdgeSettings,
        book: OrderBook,
        products: Products,
        chance: random.Random,
    ) -> None:
        self.settings = settings
        self._due = state.collection("due")
        self._clock = clock
        self._book = book
        self._products = products
        self._chance = chance

    def tick(self) -> None:
        self._release_held()
        if self.settings.part_number_change_days is not None:
            every = self.settings.part_number_change_days * _DAY
            if self._is_time("part_number", every, first_after=every):
                self._products.change_part_number(self._chance.choice(self._products.skus()))
        if self.settings.automatic_cancel_working_days is not None and self._is_time("lateness", _HOUR, first_after=0):
            self._cancel_late(self.settings.automatic_cancel_working_days)

    def _is_time(self, what: str, every: float, first_after: float) -> bool:
        now = self._clock.timestamp()
        due = self._due.get(what)
        if due is None:
            due = self._due.put(what, {"at": now + first_after})
        if due["at"] > now:
            return False
        self._due.put(what, {"at": now + every})
        return True

    def _release_held(self) -> None:
        for order_id in self._book.with_status((ON_HOLD,)):
            order = self._book.copy_of(order_id)
            if order["held_until"] <= self._clock.timestamp():
                for line in order["lines"]:
                    line["status"] = "ORDER"
                order["status"] = status_of(order)
                self._book.put(order)

    def _cancel_late(self, after_working_days: int) -> None:
        """First asked to cancel, then cancelled when nobody answered within the hour. (John Lewis, assumptions)"""
        today = self._clock.now().date()
        for order_id in self._book.with_status(("CANCEL", *CANCELLABLE)):
            order = self._book.copy_of(order_id)
            late = [line for line in order["lines"] if line["status"] == "CANCEL" and line.get("reason") == _LATE]
            if late:
                units = sum(line["quantity"] for line in late)
                move(order, late, units, ("CANCEL",), "CANCEL_ACK")
                self._book.put(order)
            elif overdue := [
                line
                for line in order["lines"]
                if line["status"] in CANCELLABLE and is_overdue(line["promised"], today, after_working_days)
            ]:
                for line in overdue:
                    line.update(status="CANCEL", reason=_LATE)
                order["status"] = status_of(order)
                self._book.put(order)

    def cancel_what_has_not_left(self, order: Order) -> None:
        """John Lewis cancels by itself: straight to CANCEL_ACK. Raises Refused when everything has left."""
        units = sum(line["quantity"] for line in order["lines"] if line["status"] in CANCELLABLE)
        move(order, list(order["lines"]), max(units, 1), CANCELLABLE, "CANCEL_ACK")
        self._book.put(order)
