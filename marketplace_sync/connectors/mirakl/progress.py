"""Mirakl's states, and what they say about the units of a line."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

STAGING = "STAGING"
WAITING = "WAITING_ACCEPTANCE"
PAYING = ("WAITING_DEBIT", "WAITING_DEBIT_PAYMENT")
SHIPPING = "SHIPPING"
SHIPPED = ("SHIPPED", "TO_COLLECT", "RECEIVED", "CLOSED")
DEAD = ("REFUSED", "CANCELED")
INCIDENT = "INCIDENT_OPEN"
_REFUNDED = ("REFUNDED", "WAITING_REFUND", "WAITING_REFUND_PAYMENT")
_OPEN = (STAGING, WAITING, *PAYING, SHIPPING)
KNOWN = frozenset((*_OPEN, *SHIPPED, *DEAD, INCIDENT, "INCIDENT_CLOSED", *_REFUNDED))


def is_held(order_state: str) -> bool:
    """Whether nothing may be shipped yet. New states may come at any time (Mirakl, basics): what is none that is known
    to let an order go holds it back."""
    return order_state in (STAGING, WAITING, *PAYING) or order_state not in KNOWN


class Progress(msgspec.Struct, frozen=True):
    """The counts of one line, in units. `quantity` is what was ordered, cancelled units included."""

    quantity: int
    cancelled: int
    acknowledged: int
    dispatched: int

    @property
    def open(self) -> int:
        return self.quantity - self.cancelled - self.dispatched


def progress(
    *,
    order_state: str,
    line_state: str,
    quantity: int,
    cancelations: Sequence[int],
    shipped: bool,
    quantity_after_cancelations: bool,
) -> Progress:
    """What a line says. `quantity` and `cancelations` are units as stated, `shipped`: it states a shipping date.

    An incident and a refund say nothing about the parcel: then the shipping date does, or the order's state (Mirakl,
    order life cycle). A line whose state nobody knows is what its order is; where that is unknown as well the line is
    not accepted: that could not be taken back once the order turns out to wait for it.
    """
    taken = sum(cancelations)
    ordered = quantity + taken if quantity_after_cancelations else quantity
    taken = min(taken, ordered)
    state = line_state if line_state in KNOWN else order_state
    if state in DEAD:
        return Progress(ordered, ordered, 0, 0)
    rest = ordered - taken
    if state in _REFUNDED and not shipped and order_state in _OPEN:
        return Progress(ordered, ordered, rest, 0)  # paid back and never sent
    sent = state in SHIPPED or shipped or (state not in _OPEN and order_state in SHIPPED)
    if sent:
        return Progress(ordered, taken, ordered - taken, rest)
    accepted = state in KNOWN and state not in (STAGING, WAITING)
    return Progress(ordered, taken, rest if accepted else 0, 0)
