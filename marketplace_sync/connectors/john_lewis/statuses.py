"""The Edge's status codes, and what they say about the units of a line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from marketplace_sync.connectors.john_lewis import fields
from marketplace_sync.domain.orders import Initiator, ReturnState

NEW = "ORDER"
BACKORDER = "BACKORDER"
CANCEL_ASKED = "CANCEL"
CANCELLED = "CANCEL_ACK"
RETURN_ASKED = "RMA"

OPEN = (NEW, "ORDER_ACK", BACKORDER, CANCEL_ASKED)
"""Statuses in which units still wait to be dispatched or cancelled."""
_ACCEPTED = ("ORDER_ACK", BACKORDER)
RETURNING = {
    RETURN_ASKED: ReturnState.REQUESTED,
    "RMA_ACK": ReturnState.AUTHORISED,
    "RMA_AUTHORISED": ReturnState.AUTHORISED,
    "RMA_COLLECTION_BOOKED": ReturnState.AUTHORISED,
    "RMA_REC": ReturnState.APPROVED,
    "RMA_REJ": ReturnState.DECLINED,
    "RMA_EXC": ReturnState.REJECTED,
}
"""Statuses after DISPATCH, as states of a return (John Lewis, statuses and workflow)."""

_AS_WRITTEN = {status: status for status in (*OPEN, CANCELLED, "DISPATCH", *RETURNING)}
"""What need not be tidied up to be known: nearly every status there is."""

CANCEL_REASONS = {
    "101": "pick failed",
    "102": "other",
    "126": "changed mind",
    "127": "changed the quantity",
    "128": "found it cheaper",
    "129": "wrong address",
    "130": "wrong delivery date",
    "131": "late or delayed",
    "132": "wants a delivery time",
}
CANCELLED_BY = {
    "101": Initiator.SELLER,
    "102": Initiator.UNKNOWN,
    "126": Initiator.CUSTOMER,
    "127": Initiator.CUSTOMER,
    "128": Initiator.CUSTOMER,
    "129": Initiator.CUSTOMER,
    "130": Initiator.CUSTOMER,
    "131": Initiator.SELLER,
    "132": Initiator.CUSTOMER,
}
"""Whose doing a cancellation with this reason is (John Lewis, cancellations and returns)."""
RETURN_REASONS = {
    "200": "faulty",
    "225": "damaged",
    "250": "missing items",
    "275": "missing components",
    "300": "no longer wanted",
    "325": "not as expected",
    "350": "wrong description",
    "375": "emergency withdrawal",
    "400": "never delivered",
    "425": "problem with another item",
    "450": "late",
}


class Row(Protocol):
    quantity: Any
    status: Any


class Progress(msgspec.Struct, gc=False):
    """The counts of one line, in units."""

    quantity: int = 0
    unacknowledged: int = 0
    acknowledged: int = 0
    dispatched: int = 0
    cancellation_requested: int = 0
    cancelled: int = 0
    return_requested: int = 0
    returning: int = 0
    """Units whose return was asked for and answered."""
    was_cancelled: bool = False
    """Units were cancelled, even where the row that says so has quantity 0."""
    unknown: list[str] = msgspec.field(default_factory=list)

    @property
    def open(self) -> int:
        return self.quantity - self.dispatched - self.cancelled


def code(status: Any) -> str:
    known = _AS_WRITTEN.get(status) if type(status) is str else None
    return known or fields.words(status).upper()


def progress(line_id: str, rows: Sequence[Row], order_status: Any) -> Progress:
    """What the rows of one line say together. A row without a status has the order's. Raises Malformed."""
    counts = Progress()
    for row in rows:
        quantity = fields.units(row.quantity, "line", line_id, "quantity")
        status = code(row.status) or code(order_status)
        counts.quantity += quantity
        if status == NEW:
            counts.unacknowledged += quantity
        elif status in _ACCEPTED:
            counts.acknowledged += quantity
        elif status == CANCEL_ASKED:
            counts.cancellation_requested += quantity
        elif status == CANCELLED:
            counts.cancelled += quantity
            counts.was_cancelled = True
        elif status == "DISPATCH" or status in RETURNING:
            counts.acknowledged += quantity
            counts.dispatched += quantity
            counts.return_requested += quantity if status == RETURN_ASKED else 0
            counts.returning += quantity if status in RETURNING and status != RETURN_ASKED else 0
        elif status not in counts.unknown:
            counts.unknown.append(status[:40])
    return counts
