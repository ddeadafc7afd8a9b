"""Parcels that others sent: where no store of ours ships, the marketplace's word is what a buyer is told.

It is told of each parcel once, with its number. One that is stated before its number was typed in is waited for a while
(Marketplacer's sheet, 10); then the buyer is told without, and a person is shown.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from itertools import groupby

from sqlalchemy import Connection

from marketplace_sync.domain.lifecycle import EventKind, OrderEvent
from marketplace_sync.domain.orders import Order, StatedParcel
from marketplace_sync.domain.store import Tracking
from marketplace_sync.flows import tracking
from marketplace_sync.flows.context import Route, source_identifier
from marketplace_sync.flows.customer_events import Teller, fulfilled_key
from marketplace_sync.ledger import orders, outbox

_Ends = dict[str, tuple[int, int]]
"""Line id -> (units, how many of the line have left with these)."""


def tell(
    connection: Connection, route: Route, order: Order, now: datetime, only: Collection[str] | None = None
) -> None:
    """Wish for the message of every parcel that the marketplace has stated and the buyer was not told of. `only`: the
    lines that no store ships."""
    assert route.marketing is not None
    if not any(line.dispatched for line in order.lines):
        return
    for parcel, ends, seen_at, complete in _confirmed(connection, route, order, only):
        key = ",".join(f"{line_id}={until}" for line_id, (_, until) in ends.items())
        subject = f"{source_identifier(route.marketplace, order.order_id)}:{(parcel and parcel.parcel_id) or key}"
        if outbox.is_known(connection, route.marketing, fulfilled_key(route, order, key)):
            if parcel is not None and parcel.number:
                tracking.has_come(connection, subject)
            continue
        left_at = seen_at if parcel is None or parcel.left_at is None else min(parcel.left_at, now)
        is_missing = False
        if parcel is not None:
            waits, is_missing = tracking.of_stated(connection, route, order, parcel, subject, seen_at, now)
            if waits:
                continue
        units = {line_id: quantity for line_id, (quantity, _) in ends.items()}
        stated = [Tracking(company=parcel.carrier, number=parcel.number, url=parcel.url)] if parcel is not None else []
        teller = Teller(connection, route, [order], now)
        wish = teller.fulfilled(order, key, left_at, units, stated, complete, tracking_missing=is_missing)
        outbox.record(connection, [wish])


def _confirmed(
    connection: Connection, route: Route, order: Order, only: Collection[str] | None
) -> Iterator[tuple[StatedParcel | None, _Ends, datetime, bool]]:
    """Parcel, units, when they were first seen, and whether nothing is left after them. What was seen together is
    divided among its parcels, always in the same way: a parcel that is told later is the parcel that was waited for."""
    places = {line.line_id: place for place, line in enumerate(order.lines)}
    found = orders.events_of(connection, route.marketplace, order.order_id, [EventKind.DISPATCH_CONFIRMED])
    found = [event for event in found if only is None or event.line_id in only]
    found.sort(key=lambda event: (event.occurred_at, places.get(event.line_id, len(places))))
    batches = [list(together) for _, together in groupby(found, key=lambda event: event.occurred_at)]
    for number, batch in enumerate(batches, 1):
        parcels = _by_parcel(order, batch)
        for place, (parcel, ends) in enumerate(parcels, 1):
            is_last = number == len(batches) and place == len(parcels)
            yield parcel, ends, batch[0].occurred_at, is_last and order.open_units() == 0


def _by_parcel(order: Order, confirmed: Sequence[OrderEvent]) -> list[tuple[StatedParcel | None, _Ends]]:
    """The confirmed units by the parcel that they left in; of a marketplace that names no parcels, one tracking number
    is one. Each line's counts go through its parcels in turn; what no parcel accounts for comes last, untracked."""
    found: dict[str, tuple[StatedParcel, _Ends]] = {}
    untracked: _Ends = {}
    for event in confirmed:
        passed, until = 0, int(event.key)
        begins = until - event.quantity
        for parcel in order.parcels:
            left = passed + parcel.units.get(event.line_id, 0)
            here = min(left, until) - max(passed, begins)
            if here > 0:
                known = parcel.parcel_id or "\0".join((parcel.carrier, parcel.number, parcel.url))
                _, units = found.setdefault(known, (parcel, {}))
                units[event.line_id] = (units.get(event.line_id, (0, 0))[0] + here, min(left, until))
            passed = left
        if passed < until:
            rest = until - max(passed, begins)
            untracked[event.line_id] = (rest, until)
    return [*found.values(), *([(None, untracked)] if untracked else [])]
