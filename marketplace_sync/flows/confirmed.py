"""Parcels that others sent: where no store of ours ships, the marketplace's word is what a buyer is told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from marketplace_sync.domain.lifecycle import EventKind, OrderEvent
from marketplace_sync.domain.orders import Order
from marketplace_sync.domain.store import Tracking
from marketplace_sync.flows.context import Route
from marketplace_sync.flows.customer_events import Teller
from marketplace_sync.ledger import outbox


def tell(connection: Connection, route: Route, order: Order, events: Sequence[OrderEvent], now: datetime) -> None:
    """Without a store of ours the marketplace's own word on dispatch is what the buyer is told."""
    confirmed = [event for event in events if event.kind is EventKind.DISPATCH_CONFIRMED]
    if not confirmed:
        return
    teller = Teller(connection, route, [order], now)
    parcels = _by_parcel(order, confirmed)
    for place, (tracking, ends) in enumerate(parcels, 1):
        key = ",".join(f"{line_id}={until}" for line_id, (_, until) in ends.items())
        units = {line_id: quantity for line_id, (quantity, _) in ends.items()}
        complete = place == len(parcels) and order.open_units() == 0
        stated = [tracking] if tracking is not None else []
        outbox.record(connection, [teller.fulfilled(order, key, confirmed[0].occurred_at, units, stated, complete)])


_Ends = dict[str, tuple[int, int]]
"""Line id -> (units, how many of the line have left with these)."""


def _by_parcel(order: Order, confirmed: Sequence[OrderEvent]) -> list[tuple[Tracking | None, _Ends]]:
    """The confirmed units by the parcel that they left in, one tracking number being one parcel. Each line's counts go
    through its parcels in turn; what no parcel accounts for comes last, untracked."""
    found: dict[Tracking | None, _Ends] = {}
    untracked: _Ends = {}
    for event in confirmed:
        passed, until = 0, int(event.key)
        begins = until - event.quantity
        for parcel in order.parcels:
            left = passed + parcel.units.get(event.line_id, 0)
            here = min(left, until) - max(passed, begins)
            if here > 0:
                tracking = Tracking(company=parcel.carrier, number=parcel.number, url=parcel.url)
                units = found.setdefault(tracking, {})
                units[event.line_id] = (units.get(event.line_id, (0, 0))[0] + here, min(left, until))
            passed = left
        if passed < until:
            rest = until - max(passed, begins)
            untracked[event.line_id] = (rest, until)
    return [*found.items(), *([(None, untracked)] if untracked else [])]
