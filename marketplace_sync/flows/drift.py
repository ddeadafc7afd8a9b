"""Compares the systems themselves, not our memory of them: what should be there and is not becomes a work item.

Each comparison looks at a recent window that is old enough for everything in flight to have arrived.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, text

from marketplace_sync.connectors.ports import Malformed, Statement
from marketplace_sync.domain.orders import Order, OrderLine
from marketplace_sync.domain.work_items import Problem
from marketplace_sync.flows.context import Context, Route, source_identifier
from marketplace_sync.ledger import orders, watermarks, work_items

WINDOW = timedelta(days=7)
GRACE = timedelta(minutes=2)
"""Younger facts may still be under way or waiting for a vendor's search index."""
_AT_ONCE = 1000
"""Statements that are in memory at once."""


@dataclass
class Comparison:
    """What one comparison found: how much was compared, and the rows that do not agree."""

    name: str
    compared: int = 0
    missing: list[dict[str, Any]] = field(default_factory=list)
    extra: list[dict[str, Any]] = field(default_factory=list)
    as_stated: int = 0
    """How many of those compared were compared with what the other system has stated of its own accord since; of the
    others only what it answered us is known, so far."""

    @property
    def agrees(self) -> bool:
        return not self.missing and not self.extra


def orders_in_store(context: Context, route: Route) -> Comparison:
    """Every open order of the marketplace against the orders that the store really has. Raises TransportError."""
    assert route.store is not None
    now = context.now()
    since, until = now - WINDOW, now - GRACE
    with context.ledger.begin() as connection:
        rows = connection.execute(
            text(
                "SELECT o.order_id, o.reference, o.placed_at, o.first_seen_at, o.currency,"
                " o.document->>'total' AS total, e.state, e.last_problem, s.store_order_id"
                " FROM ledger.orders o"
                " LEFT JOIN ledger.effects e ON e.connection = :store AND e.natural_key = 'create:' || o.connection ||"
                " ':' || o.order_id"
                " LEFT JOIN ledger.store_orders s ON s.connection = :store AND s.order_connection = o.connection"
                " AND s.order_id = o.order_id"
                " WHERE o.connection = :name AND NOT o.is_test AND o.first_seen_at BETWEEN :since AND :until"
                # what the marketplace has not released yet cannot be there
                " AND coalesce(o.document->>'awaiting_release', 'false') <> 'true'"
                " AND (o.open_units > 0 OR e.state = 'delivered') ORDER BY o.placed_at"
            ),
            {"store": route.store, "name": route.marketplace, "since": since, "until": until},
        ).all()
    there: dict[str, list[str]] = {}
    for identifier, store_order_id in context.stores[route.store].source_identifiers(since - timedelta(hours=1)):
        there.setdefault(identifier, []).append(store_order_id)
    comparison = Comparison("orders in the store", compared=len(rows))
    problems = []
    for row in rows:
        identifier = source_identifier(route.marketplace, row.order_id)
        held = there.get(identifier, [])
        if not held and not (row.store_order_id and row.state == "delivered" and row.first_seen_at < since):
            reason = row.last_problem or (f"its injection is {row.state}" if row.state else "it may not go yet")
            comparison.missing.append(
                {"order": row.reference, "order_id": row.order_id, "placed_at": row.placed_at, "why": reason}
            )
            problems.append(
                Problem(
                    code="ORDER_NOT_IN_STORE",
                    subject=identifier,
                    connection=route.marketplace,
                    order_id=row.order_id,
                    message=f"Order {row.reference} of {route.display_name} is not in {route.store}: {reason}.",
                    # an order without an injection waits for a person, whose own item carries the money already
                    impact=int(row.total) if row.total and row.state else None,
                    currency=row.currency,
                    evidence={"placed_at": row.placed_at.isoformat(), "injection": row.state},
                )
            )
        if len(held) > 1:
            comparison.extra.append({"order": row.reference, "order_id": row.order_id, "store_orders": held})
    with context.ledger.begin() as connection:
        work_items.report_all(connection, ["ORDER_NOT_IN_STORE"], route.marketplace, problems, "the store has it now")
    return comparison


def dispatches_at_marketplace(context: Context, route: Route) -> Comparison:
    """Every parcel that left the store against what the marketplace itself shows as dispatched. Of a dispatch that it
    took before it was last read whole, its own last statement of the order counts, and not that it took it."""
    now = context.now()
    with context.ledger.begin() as connection:
        feed = context.marketplaces[route.marketplace].capabilities.dispatches_shown_by
        whole_from = watermarks.whole_from(connection, route.marketplace, feed) if feed else None
        rows = connection.execute(
            text(
                "SELECT d.order_id, d.line_id, o.reference, o.currency, sum(d.quantity) AS left_store,"
                " min(d.occurred_at) AS first_left, l.dispatched, l.quantity - l.cancelled AS owed,"
                " max(e.state) AS state,"
                " max(e.last_problem) AS problem, max(e.finished_at) AS taken_at,"
                " bool_and(COALESCE(e.state = 'delivered' AND e.finished_at < CAST(:read AS timestamptz), false))"
                " AS taken"
                " FROM ledger.order_events d"
                " JOIN ledger.orders o USING (connection, order_id)"
                " JOIN ledger.order_lines l USING (connection, order_id, line_id)"
                " LEFT JOIN ledger.effects e ON e.connection = d.connection"
                " AND e.natural_key = 'dispatch:' || d.order_id || ':' || d.key"
                " WHERE d.connection = :name AND d.kind = 'dispatched' AND d.seen_at BETWEEN :since AND :until"
                # a fulfilment that the store took back before it was stated has not left
                " AND e.state IS DISTINCT FROM 'superseded'"
                " AND (e.state IS NOT NULL OR NOT EXISTS (SELECT FROM ledger.store_orders s,"
                " json_array_elements(s.document->'fulfilments') f"
                " WHERE s.order_connection = d.connection AND s.order_id = d.order_id"
                " AND f->>'fulfilment_id' = d.key AND NOT (f->>'succeeded')::boolean))"
                " GROUP BY d.order_id, d.line_id, o.reference, o.currency, l.dispatched, l.quantity, l.cancelled"
                " ORDER BY first_left"
            ),
            {
                "name": route.marketplace,
                "since": now - WINDOW,
                "until": now - GRACE,
                "read": None if whole_from is None else whole_from - GRACE,
            },
        ).all()
        taken = sorted({row.order_id for row in rows if row.taken})
        shown = _as_stated(connection, context, route.marketplace, taken)
        comparison = Comparison("dispatches at the marketplace", compared=len(rows))
        problems = []
        for row in rows:
            at_marketplace, owed = int(row.dispatched), int(row.owed)
            why = row.problem or (f"its dispatch is {row.state}" if row.state else "it could not be stated yet")
            if row.taken and (line := shown.get((row.order_id, row.line_id))):
                comparison.as_stated += 1
                at_marketplace, owed = line.dispatched, min(owed, line.quantity - line.cancelled)
                why = f"it took the dispatch on {row.taken_at:%Y-%m-%d %H:%M} UTC and states the order without it since"
            if min(row.left_store, owed) <= at_marketplace:
                continue
            comparison.missing.append(
                {
                    "order": row.reference,
                    "line": row.line_id,
                    "units_left": int(row.left_store),
                    "units_at_marketplace": at_marketplace,
                    "left_at": row.first_left,
                    "why": why,
                }
            )
            problems.append(
                Problem(
                    code="DISPATCH_NOT_AT_MARKETPLACE",
                    subject=f"{source_identifier(route.marketplace, row.order_id)}:{row.line_id}",
                    connection=route.marketplace,
                    order_id=row.order_id,
                    message=f"{int(row.left_store)} unit(s) of order {row.reference} left the store, and"
                    f" {route.display_name} shows {at_marketplace}: {why}.",
                    evidence={"line": row.line_id, "left_at": row.first_left.isoformat()},
                )
            )
        codes, because = ["DISPATCH_NOT_AT_MARKETPLACE"], "the marketplace shows it now"
        work_items.report_all(connection, codes, route.marketplace, problems, because)
    return comparison


def _as_stated(
    connection: Connection, context: Context, name: str, order_ids: Sequence[str]
) -> dict[tuple[str, str], OrderLine]:
    """(order, line): the line as the marketplace's own last statement of the order has it. Orders whose last statement
    cannot be read are left out: they are a work item of their own."""
    parse = context.marketplaces[name].parse
    shown: dict[tuple[str, str], OrderLine] = {}
    for start in range(0, len(order_ids), _AT_ONCE):
        stated = orders.last_statements(connection, name, order_ids[start : start + _AT_ONCE])
        for key, payload in stated.items():
            try:
                parts = parse(Statement(kind="order", key=key, payload=payload))
            except Malformed:
                continue
            shown |= {
                (part.order_id, line.line_id): line for part in parts if isinstance(part, Order) for line in part.lines
            }
    return shown


def events_in_klaviyo(context: Context, route: Route, metrics: tuple[str, ...]) -> Comparison:
    """Every event delivered in the last day against what Klaviyo gives back. Raises TransportError."""
    assert route.marketing is not None
    now = context.now()
    since, until = now - timedelta(days=1), now - GRACE
    with context.ledger.begin() as connection:
        rows = connection.execute(
            text(
                "SELECT effect_id, order_id, payload->>'metric' AS metric, payload->>'unique_id' AS unique_id,"
                " CAST(payload->>'occurred_at' AS timestamptz) AS occurred_at, finished_at"
                " FROM ledger.effects WHERE connection = :marketing AND kind = 'track_event' AND state = 'delivered'"
                " AND finished_at BETWEEN :since AND :until AND order_connection = :name"
            ),
            {"marketing": route.marketing, "since": since, "until": until, "name": route.marketplace},
        ).all()
    comparison = Comparison("events in Klaviyo", compared=len(rows))
    problems = []
    for metric in metrics:
        sent = [row for row in rows if row.metric == metric]
        if not sent:
            continue
        first = min(row.occurred_at for row in sent) - timedelta(seconds=1)
        last = max(row.occurred_at for row in sent) + timedelta(seconds=1)
        seen = {event.sync_key for event in context.marketing[route.marketing].events(metric, first, last)}
        for row in sent:
            if row.unique_id in seen:
                continue
            comparison.missing.append(
                {"metric": metric, "order_id": row.order_id, "unique_id": row.unique_id, "occurred_at": row.occurred_at}
            )
            problems.append(
                Problem(
                    code="EVENT_NOT_IN_KLAVIYO",
                    subject=f"{route.marketing}:{metric}:{row.unique_id}",
                    connection=route.marketplace,
                    order_id=row.order_id or "",
                    message=f"{metric} of order {row.order_id} was accepted by {route.marketing} and is not there.",
                    evidence={"effect_id": row.effect_id, "occurred_at": row.occurred_at.isoformat()},
                )
            )
    with context.ledger.begin() as connection:
        codes, because = ["EVENT_NOT_IN_KLAVIYO"], "Klaviyo shows it now"
        work_items.report_all(connection, codes, route.marketplace, problems, because, f"{route.marketing}:")
    return comparison
