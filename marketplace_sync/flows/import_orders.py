"""Reads a marketplace's feeds into the ledger: every version kept, every difference an event, every wish recorded with
the fact that caused it.

A page is one transaction. What was stated before in the same bytes is skipped without being parsed, so a poll costs
what changed, not what exists.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from msgspec.structs import replace
from sqlalchemy import Connection

from marketplace_sync.connectors.ports import Malformed, Page, Statement
from marketplace_sync.domain import deadlines
from marketplace_sync.domain.lifecycle import OrderEvent, carried, changes, refund_events, return_events
from marketplace_sync.domain.orders import Order, Refund, Return
from marketplace_sync.domain.work_items import Problem
from marketplace_sync.flows import advance
from marketplace_sync.flows.context import Context, Route, source_identifier
from marketplace_sync.ledger import orders, watermarks, work_items


@dataclass
class FeedReport:
    """What one read of a feed brought."""

    connection: str
    feed: str
    read: int = 0
    new: int = 0
    changed: int = 0
    malformed: int = 0
    events: int = 0
    examples: list[str] = field(default_factory=list)
    """Order references that were new, the first few, for a person to recognise."""


def import_feed(
    context: Context, name: str, feed: str, progress: Callable[[FeedReport], None] = lambda report: None
) -> FeedReport:
    """Read one feed to its end. Raises TransportError when the marketplace cannot be read: what was stored stays, the
    watermark stays where it was safe."""
    marketplace = context.marketplaces[name]
    with context.ledger.begin() as connection:
        watermark = watermarks.get(connection, name, feed)
        advance.blocked(connection, context, name)
    report = FeedReport(name, feed)
    for page in marketplace.read(feed, watermark):
        with context.ledger.begin() as connection:
            before = report.new + report.changed
            _store_page(connection, context, name, page, report)
            watermarks.advance(
                connection, name, feed, page.watermark,
                read=len(page.statements), changed=report.new + report.changed - before,
            )  # fmt: skip
        progress(report)
    with context.ledger.begin() as connection:
        watermarks.advance(connection, name, feed, None, read=0, changed=0)
    return report


def import_order(context: Context, name: str, order_id: str) -> bool:
    """Read one order again, whatever its feed says. False when the marketplace does not have it."""
    statement = context.marketplaces[name].fetch_order(order_id)
    if statement is None:
        return False
    with context.ledger.begin() as connection:
        _store_page(connection, context, name, Page(statements=[statement]), FeedReport(name, "order"))
    return True


def _store_page(connection: Connection, context: Context, name: str, page: Page, report: FeedReport) -> None:
    report.read += len(page.statements)
    if not page.statements:
        return
    orders.lock_import(connection, name)
    for kind in ("order", "return", "refund"):
        of_kind = {s.key: s for s in page.statements if s.kind == kind}
        if not of_kind:
            continue
        heads = orders.statement_heads(connection, name, kind, list(of_kind))
        changed = [
            (statement, orders.content_hash(statement.payload), heads.get(key)) for key, statement in of_kind.items()
        ]
        changed = [one for one in changed if one[2] is None or one[2].content_hash != one[1]]
        if kind == "order":
            _store_orders(connection, context, name, changed, report)
        else:
            for statement, _digest, head in changed:
                _store_reversal(connection, context, name, statement, head, report)


Changed = Sequence[tuple[Statement, bytes, orders.Head | None]]


def _store_orders(connection: Connection, context: Context, name: str, changed: Changed, report: FeedReport) -> None:
    now = context.now()
    routes = context.routes_of(name)
    parse = context.marketplaces[name].parse
    read: list[tuple[orders.StoredOrder, list[Return | Refund]]] = []
    readable: list[str] = []
    for statement, digest, head in changed:
        version = head.version + 1 if head else 1
        try:
            parts = parse(statement)
        except Malformed as problem:
            _keep_unreadable(connection, name, statement, version, str(problem), now, report)
            continue
        readable.append(source_identifier(name, statement.key))
        reversals = [part for part in parts if not isinstance(part, Order)]
        for part in parts:
            if isinstance(part, Order):
                order = _with_deadlines(context, name, routes, part)
                stored = orders.StoredOrder(
                    order=order, payload=statement.payload, content_hash=digest, version=version
                )
                read.append((stored, reversals))
    known = orders.load(connection, name, [stored.order.order_id for stored, _ in read], lock=True) if read else {}
    new = [stored for stored, _ in read if stored.order.order_id not in known]
    again = [stored for stored, _ in read if stored.order.order_id in known]
    if new:
        orders.insert(connection, name, new, now)
        events = [event for stored in new for event in changes(name, None, stored.order, now)]
        orders.copy_events(connection, events, now)
        report.new += len(new)
        report.events += len(events)
        report.examples.extend(s.order.reference for s in new[: max(0, 5 - len(report.examples))])
        advance.new_orders(connection, context, name, [stored.order for stored in new])
        _after_insert(connection, context, name, routes, new, events)
    for stored in again:
        before = known[stored.order.order_id]
        after = carried(before, stored.order)
        fresh = orders.record_events(connection, changes(name, before, after, now), now)
        orders.update(connection, name, [replace(stored, order=after)], now)
        report.changed += 1
        report.events += len(fresh)
        for route in routes:
            advance.order_changed(connection, context, route, after, fresh)
    for _, reversals in read:
        for reversal in reversals:
            _reversal_stated(connection, context, name, reversal, report)
    _report_oddities(connection, name, [stored.order for stored, _ in read])
    if readable and len(readable) < 1000:
        work_items.close(connection, ["MALFORMED_STATEMENT"], readable, "it was stated readably")


def _after_insert(
    connection: Connection,
    context: Context,
    name: str,
    routes: Sequence[Route],
    new: Sequence[orders.StoredOrder],
    events: Sequence[OrderEvent],
) -> None:
    """History: orders that had already moved on when they were seen first."""
    later: dict[str, list[OrderEvent]] = {}
    for event in events:
        if event.kind != "placed":
            later.setdefault(event.order_id, []).append(event)
    for stored in new:
        if stored.order.order_id in later:
            for route in routes:
                advance.order_changed(connection, context, route, stored.order, later[stored.order.order_id])


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


def _keep_unreadable(
    connection: Connection,
    name: str,
    statement: Statement,
    version: int,
    problem: str,
    now: datetime,
    report: FeedReport,
) -> None:
    orders.keep_statement(connection, name, statement.kind, statement.key, version, statement.payload, now)
    report.malformed += 1
    work_items.report(
        connection,
        [
            Problem(
                code="MALFORMED_STATEMENT",
                subject=source_identifier(name, statement.key),
                connection=name,
                order_id=statement.key if statement.kind == "order" else "",
                message=f"{name} stated {statement.kind} {statement.key} in a way that cannot be read: {problem}."
                " The statement is kept; nothing was done with it.",
                evidence={"kind": statement.kind, "version": version, "problem": problem},
            )
        ],
    )


def _report_oddities(connection: Connection, name: str, read: Sequence[Order]) -> None:
    work_items.report(
        connection,
        [
            Problem(
                code="ODD_STATEMENT",
                subject=source_identifier(name, order.order_id),
                connection=name,
                order_id=order.order_id,
                message=f"Order {order.reference} of {name}: {'; '.join(order.warnings)}. It was imported.",
                evidence={"warnings": list(order.warnings)},
            )
            for order in read
            if order.warnings
        ],
    )


def _store_reversal(
    connection: Connection,
    context: Context,
    name: str,
    statement: Statement,
    head: orders.Head | None,
    report: FeedReport,
) -> None:
    now = context.now()
    version = head.version + 1 if head else 1
    try:
        parts = context.marketplaces[name].parse(statement)
    except Malformed as problem:
        _keep_unreadable(connection, name, statement, version, str(problem), now, report)
        return
    orders.keep_statement(connection, name, statement.kind, statement.key, version, statement.payload, now)
    work_items.close(
        connection, ["MALFORMED_STATEMENT"], [source_identifier(name, statement.key)], "it was stated readably"
    )
    report.new += head is None
    report.changed += head is not None
    for part in parts:
        if not isinstance(part, Order):
            _reversal_stated(connection, context, name, part, report)


def _reversal_stated(
    connection: Connection, context: Context, name: str, stated: Return | Refund, report: FeedReport
) -> None:
    now = context.now()
    key = stated.return_id if isinstance(stated, Return) else stated.refund_id
    orders.save_reversal(connection, name, stated, now)
    found = return_events(name, stated) if isinstance(stated, Return) else refund_events(name, stated)
    events = orders.record_events(connection, found, now)
    report.events += len(events)
    order = orders.load(connection, name, [stated.order_id], lock=True).get(stated.order_id)
    subject = source_identifier(name, key)
    if order is None:
        work_items.report(
            connection,
            [
                Problem(
                    code="ORDER_NOT_HELD",
                    subject=subject,
                    connection=name,
                    order_id=stated.order_id,
                    message=f"{name} stated return or refund {key} of order {stated.order_id}, which is not held here."
                    " It is kept and followed up when the order comes.",
                    impact=stated.refund_amount if isinstance(stated, Return) else stated.amount,
                )
            ],
        )
        return
    work_items.close(connection, ["ORDER_NOT_HELD"], [subject], "the order is held now")
    if events:
        for route in context.routes_of(name):
            advance.order_changed(connection, context, route, order, events)
