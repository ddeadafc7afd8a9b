"""What comes back: requested at John Lewis, never by the seller, and decided step by step."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.john_lewis.order_book import OrderBook
from marketplace_sync.sandbox.john_lewis.wire import RETURN_REASONS
from marketplace_sync.sandbox.john_lewis.workflow import Line, Order, Refused, lines_of, move, status_of
from marketplace_sync.sandbox.state import Document, State

_NAMESPACE = uuid.UUID("a1f4a1c0-5d67-4d4c-9a43-6a0b6d7f3e52")
_OPEN = ("RMA", "RMA_ACK", "RMA_AUTHORISED", "RMA_COLLECTION_BOOKED")
_STEPS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "authorise": (("RMA", "RMA_ACK"), "RMA_AUTHORISED", "authorised"),
    "book_collection": (("RMA_AUTHORISED",), "RMA_COLLECTION_BOOKED", "collection"),
    "approve": (("RMA_AUTHORISED", "RMA_COLLECTION_BOOKED"), "RMA_REC", "approved"),
    "reject": (("RMA_AUTHORISED", "RMA_COLLECTION_BOOKED"), "RMA_EXC", "rejected"),
    "decline": (("RMA", "RMA_ACK"), "RMA_REJ", "declined"),
}
"""Step to the statuses it starts from, the one it leads to, and the name of its time. (Virtualstock, workflow)"""


@dataclass(frozen=True)
class Wanted:
    """So much of one order line is to come back."""

    line_ref: str
    quantity: int
    reason_code: int
    part_number: str | None = None
    message: str | None = None
    method: str = "no_collection"
    rma_reference: str | None = None
    debit_note: bool = False


class Returns:
    """Returns by their uuid, kept in step with the status of the order lines they are about."""

    def __init__(self, state: State, clock: Clock, book: OrderBook) -> None:
        self._returns = state.collection("returns")
        self._clock = clock
        self._book = book
        self._state = state
        self.on_approval: list[Callable[[Document, Order, list[Line]], None]] = []
        """Told of every return that was approved, with its order and the rows that came back."""

    def get(self, return_id: str) -> Document:
        """Raises LookupError."""
        found = self._returns.get(return_id)
        if found is None:
            raise LookupError(f"no return {return_id}")
        return found

    def newest_first(self) -> Iterator[tuple[Document, Order]]:
        """Every return with its order as it is now."""
        for found in reversed(list(self._returns.values())):
            order = self._book.get(found["order_id"])
            assert order is not None
            yield found, order

    def request(self, order_id: int | str, wanted: list[Wanted]) -> list[Document]:
        """Announce what is to come back, all of it or nothing.

        Raises LookupError for an unknown order, Refused when less was dispatched of a line than is to come back.
        """
        order = self._book.copy_of(order_id)
        announced = [self._announce(order, each) for each in wanted]
        for document in announced:
            document["id"] = str(uuid.uuid5(_NAMESPACE, f"{order_id} {self._state.counter('return')}"))
            self._returns.put(document["id"], document)
        self._book.put(order)
        return announced

    def _announce(self, order: Order, wanted: Wanted) -> Document:
        if wanted.reason_code not in RETURN_REASONS:
            known = ", ".join(map(str, RETURN_REASONS))
            raise Refused(f"Reason code {wanted.reason_code} is not one of {known}")
        rows = lines_of(order, wanted.line_ref, wanted.part_number)
        dispatched = sum(row["quantity"] for row in rows if row["status"] == "DISPATCH")
        if not 0 < wanted.quantity <= dispatched:
            raise Refused(
                f"Return quantity value {wanted.quantity} is greater than dispatch quantity {dispatched}"
                f" for order item '{wanted.line_ref}'"
            )
        moved = move(order, rows, wanted.quantity, ("DISPATCH",), "RMA")
        return {
            "order_id": order["id"],
            "item": moved[0]["item"],
            "items": [row["item"] for row in moved],
            "line_ref": wanted.line_ref,
            "quantity": wanted.quantity,
            "reason_code": wanted.reason_code,
            "status": "RMA",
            "method": wanted.method,
            "rma_reference": wanted.rma_reference,
            "debit_note": wanted.debit_note,
            "requested_at": self._clock.now().isoformat(),
            "requested_message": wanted.message,
        }

    def step(self, name: str, return_id: str, *, amount: int | None = None, message: str | None = None) -> Document:
        """Take a return one step on. `amount` in pence is what an approval pays back; all of it, unless told.

        Raises LookupError for an unknown return, Refused when the step does not follow its status.
        """
        sources, target, moment = _STEPS[name]
        found = self.get(return_id)
        if found["status"] not in sources:
            raise Refused(f"Return {return_id} cannot go from {found['status']} to {target}")
        document = {**found, "status": target, f"{moment}_at": self._clock.now().isoformat()}
        document[f"{moment}_message"] = message
        order, rows = self._order_of(found)
        if name == "book_collection":
            document["collection_date"] = str(self._clock.now().date() + timedelta(days=2))
        if name == "approve":
            self._set_amount(document, rows, amount)
        for row in rows:
            row["status"] = target
        order["status"] = status_of(order)
        self._returns.put(return_id, document)
        self._book.put(order)
        for told in self.on_approval if name == "approve" else ():
            told(document, order, rows)
        return document

    def _set_amount(self, document: dict[str, Any], rows: list[Line], amount: int | None) -> None:
        costs = [row["cost"] for row in rows]
        full = None if None in costs else sum(row["cost"] * row["quantity"] for row in rows)
        if amount is not None and (amount < 0 or (full is not None and amount > full)):
            raise Refused(f"The amount is between 0 and {full} pence, not {amount}")
        document["approved_amount"] = full if amount is None else amount
        partial = amount is not None and amount != full
        document["approved_amount_status"] = "partially" if partial else "fully"

    def acknowledged(self, order: Order, rows: list[Line]) -> None:
        """A seller's `return_acknowledge` moved these rows: the returns they belong to follow."""
        items = {row["item"] for row in rows}
        for found in list(self._returns.values()):
            if found["order_id"] == order["id"] and found["status"] == "RMA" and items & set(found["items"]):
                authorised_at = self._clock.now().isoformat()
                self._returns.put(found["id"], {**found, "status": "RMA_AUTHORISED", "authorised_at": authorised_at})

    def withdraw(self, return_id: str) -> None:
        """The customer keeps it after all: the return ends and the line is dispatched again. Raises as `step` does."""
        found = self.get(return_id)
        if found["status"] not in _OPEN:
            raise Refused(f"Return {return_id} cannot be cancelled, it is {found['status']}")
        order, rows = self._order_of(found)
        for row in rows:
            row["status"] = "DISPATCH"
        order["status"] = status_of(order)
        self._returns.delete(return_id)
        self._book.put(order)

    def _order_of(self, found: Document) -> tuple[Order, list[Line]]:
        order = self._book.copy_of(found["order_id"])
        return order, [line for line in order["lines"] if line["item"] in found["items"]]
