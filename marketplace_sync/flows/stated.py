"""A statement that is news, and what of storing it needs no database: that is done while an earlier page is stored."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from marketplace_sync.connectors.ports import Statement
from marketplace_sync.domain import deadlines
from marketplace_sync.domain.lifecycle import changes
from marketplace_sync.domain.orders import Order, Refund, Return
from marketplace_sync.flows.context import Context, Route
from marketplace_sync.ledger import orders
from marketplace_sync.ledger.database import is_about_data


class Changed(Struct, frozen=True, gc=False):
    """A statement that is not the last one kept of its key, and what was read from it."""

    statement: Statement
    content_hash: bytes
    parts: Sequence[Order | Return | Refund]
    problem: str
    """Why it could not be read; empty when it could."""
    new: Sequence[orders.NewOrder] = ()
    """Its order as rows, written while an earlier page is stored. Empty when it was stated before, or not readably."""


def with_rows(context: Context, name: str, routes: Sequence[Route], one: Changed, now: datetime) -> Changed:
    """Writes the rows of an order that is probably new, while an earlier page is stored."""
    try:
        new = [
            as_new(name, routes, as_stored(context, name, routes, one, part, None), now)
            for part in one.parts
            if isinstance(part, Order)
        ]
    except Exception as problem:
        if not is_about_data(problem):
            raise
        return one  # whoever stores it meets it again, and puts it aside
    return replace(one, new=new)


def as_stored(
    context: Context, name: str, routes: Sequence[Route], one: Changed, order: Order, head: orders.Head | None
) -> orders.StoredOrder:
    """An order as this statement of it makes it; `head`: the statement before."""
    return orders.StoredOrder(
        order=_with_deadlines(context, name, routes, order),
        payload=one.statement.payload,
        content_hash=one.content_hash,
        version=head.version + 1 if head else 1,
    )


def as_new(name: str, routes: Sequence[Route], stored: orders.StoredOrder, now: datetime) -> orders.NewOrder:
    """An order never seen before, with what had happened to it by then."""
    events = changes(name, None, stored.order, _by(routes, stored.order, now))
    return orders.prepared(name, stored, events, now)


def _by(routes: Sequence[Route], order: Order, now: datetime) -> datetime:
    """When that happened which had happened to an order before it was seen for the first time: lately. Of one that was
    history by then nobody knows, and as history it is told, so that no message goes out to its buyer."""
    history = min((route.settings.late_event_after for route in routes), default=None)
    return order.placed_at if history is not None and now - order.placed_at > history else now


def _with_deadlines(context: Context, name: str, routes: Sequence[Route], order: Order) -> Order:
    if not routes:
        return order
    zone = context.connections[name].time_zone
    settings = routes[0].settings
    promised = min((line.promised_on for line in order.lines if line.promised_on), default=None)
    return replace(
        order,
        acknowledge_by=order.acknowledge_by
        or deadlines.acknowledge_by(order.placed_at, settings.acknowledge_within, zone),
        dispatch_by=order.dispatch_by
        or deadlines.dispatch_by(promised, order.placed_at, settings.dispatch_lead_days, zone),
    )
