"""Reads a marketplace's feeds into the ledger: every version kept, every difference an event, every wish recorded with
the fact that caused it.

Pages are stored 1,500 statements to a transaction. What was stated before in the same bytes is skipped without being
parsed, so a poll costs what changed, not what exists.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock

from msgspec.structs import replace
from sqlalchemy import Connection

from marketplace_sync.connectors.ports import Malformed, Page, Statement
from marketplace_sync.domain.lifecycle import OrderEvent, carried, changes, refund_events, return_events
from marketplace_sync.domain.orders import Order, Refund, Return
from marketplace_sync.domain.work_items import Problem
from marketplace_sync.flows import advance, incidents, injection, late_lines, privacy, reachable, silence, unreadable
from marketplace_sync.flows.context import Context, Route, source_identifier
from marketplace_sync.flows.stated import Changed, as_new, as_stored, with_rows
from marketplace_sync.ledger import orders, watermarks, work_items
from marketplace_sync.ledger.database import is_about_data

_importing: defaultdict[str, Lock] = defaultdict(Lock)

STATEMENTS_AT_ONCE = 1500
"""More of them save time (a transaction's own statements cost as much as forty orders) and take memory."""


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

    def add(self, part: FeedReport) -> None:
        self.new += part.new
        self.changed += part.changed
        self.malformed += part.malformed
        self.events += part.events
        self.examples.extend(part.examples[: max(0, 5 - len(self.examples))])


def import_feed(
    context: Context, name: str, feed: str, progress: Callable[[FeedReport], None] = lambda report: None
) -> FeedReport:
    """Read one feed to its end. Raises TransportError when the marketplace cannot be read: what was stored stays, the
    watermark stays where it was safe."""
    with reachable.reading(context, name):
        return _import_feed(context, name, feed, progress)


def _import_feed(context: Context, name: str, feed: str, progress: Callable[[FeedReport], None]) -> FeedReport:
    marketplace = context.marketplaces[name]
    with context.ledger.begin() as connection:
        watermark = watermarks.get(connection, name, feed)
        began = watermarks.moment(connection)
        advance.blocked(connection, context, name)
    report = FeedReport(name, feed)
    # This thread fetches; a second one parses what was fetched before, and a third waits for the database to take what
    # was parsed before that. When fetching fails, what came until then is stored all the same.
    with (
        ThreadPoolExecutor(1, thread_name_prefix=f"import-{name}") as storing,
        ThreadPoolExecutor(1, thread_name_prefix=f"parse-{name}") as parsing,
    ):
        stored: Future[None] | None = None
        parsed: Future[None] | None = None

        def parse_and_store(page: Page) -> None:
            nonlocal stored
            read = _read(context, name, page)
            if stored is not None:
                stored.result()
            stored = storing.submit(_store, context, name, feed, read, report)

        for page in _together(marketplace.read(feed, watermark)):
            if parsed is not None:
                parsed.result()
                progress(report)
            parsed = parsing.submit(parse_and_store, page)
        if parsed is not None:
            parsed.result()
        if stored is not None:
            stored.result()
            progress(report)
    with context.ledger.begin() as connection:
        watermarks.ended(connection, name, feed, began)
    return report


def import_order(context: Context, name: str, order_id: str) -> bool:
    """Read one order again, whatever its feed says. False when the marketplace does not have it. Raises
    TransportError, StillArriving."""
    statement = context.marketplaces[name].fetch_order(order_id)
    if statement is None:
        return False
    read = _read(context, name, Page(statements=[statement]))
    _store(context, name, None, read, FeedReport(name, "order"))
    return True


@dataclass(frozen=True)
class _Read:
    """A page of which only what is stated differently than before was parsed."""

    count: int
    watermark: str | None
    changed: list[Changed]


def _together(pages: Iterator[Page]) -> Iterator[Page]:
    """Small pages put together, so that a long history is not one transaction per vendor's page."""
    statements: list[Statement] = []
    watermark: str | None = None
    for page in pages:
        statements.extend(page.statements)
        watermark = page.watermark or watermark
        if len(statements) >= STATEMENTS_AT_ONCE:
            yield Page(statements=statements, watermark=watermark)
            statements, watermark = [], None
    if statements or watermark:
        yield Page(statements=statements, watermark=watermark)


def _read(context: Context, name: str, page: Page) -> _Read:
    """Find out what of a page is news, and parse that."""
    changed: list[Changed] = []
    parse, routes, now = context.marketplaces[name].parse, context.routes_of(name), context.now()
    with context.ledger.begin() as connection:
        heads = _heads(connection, name, page.statements)
    for statement in {(s.kind, s.key): s for s in page.statements}.values():
        digest = orders.content_hash(statement.payload)
        head = heads[statement.kind].get(statement.key)
        if head is not None and head.content_hash == digest:
            continue
        try:
            one = Changed(statement, digest, parse(statement), "")
            changed.append(with_rows(context, name, routes, one, now) if head is None else one)
        except Malformed as problem:
            digest = unreadable.digest(statement.payload)
            if head is None or head.content_hash != digest:
                changed.append(Changed(statement, digest, (), str(problem)))
    return _Read(len(page.statements), page.watermark, changed)


def _heads(connection: Connection, name: str, statements: Sequence[Statement]) -> dict[str, dict[str, orders.Head]]:
    keys: dict[str, list[str]] = {}
    for statement in statements:
        keys.setdefault(statement.kind, []).append(statement.key)
    return {kind: orders.statement_heads(connection, name, kind, of_kind) for kind, of_kind in keys.items()}


def _store(context: Context, name: str, feed: str | None, read: _Read, report: FeedReport) -> None:
    """One transaction: statements, orders, events, wishes, and how far the feed was read. When something in it can be
    read and not be kept, it alone is put aside, and the position moves on once all the rest is stored."""
    try:
        with _alone(context, name) if read.changed else context.ledger.begin() as connection:
            found = _store_changed(connection, context, name, read.changed)
            _advance(connection, name, feed, read, found)
    except Exception as problem:
        if not read.changed or not is_about_data(problem):
            raise
        found = _store_apart(context, name, read.changed, problem)
        with context.ledger.begin() as connection:
            _advance(connection, name, feed, read, found)
    report.read += read.count
    report.add(found)


@contextmanager
def _alone(context: Context, name: str) -> Iterator[Connection]:
    """A transaction during which nobody else imports from this connection. Threads of one process wait for each other
    before they take a session: a page of a feed may take half a minute, and a dozen deliveries that wait for it with a
    session each leave too few to everybody else."""
    with _importing[name], context.ledger.begin() as connection:
        orders.lock_import(connection, name)
        yield connection


def _advance(connection: Connection, name: str, feed: str | None, read: _Read, found: FeedReport) -> None:
    if feed is not None:
        watermarks.advance(connection, name, feed, read.watermark, read=read.count, changed=found.new + found.changed)


def _store_apart(context: Context, name: str, changed: Sequence[Changed], problem: Exception) -> FeedReport:
    """Halves, and halves of those that fail again, until what cannot be kept is alone."""
    found = FeedReport(name, "")
    if len(changed) == 1:
        (one,) = changed
        reason = unreadable.reason(name, one.statement.key, problem)
        with _alone(context, name) as connection:
            head = _heads(connection, name, [one.statement])[one.statement.kind].get(one.statement.key)
            unreadable.keep(connection, name, one.statement, head, reason, context.now())
        found.malformed += 1
        return found
    middle = len(changed) // 2
    for half in (changed[:middle], changed[middle:]):
        try:
            with _alone(context, name) as connection:
                part = _store_changed(connection, context, name, half)
        except Exception as again:
            if not is_about_data(again):
                raise
            part = _store_apart(context, name, half, again)
        found.add(part)
    return found


def _store_changed(connection: Connection, context: Context, name: str, changed: Sequence[Changed]) -> FeedReport:
    report = FeedReport(name, "")
    if not changed:
        return report
    silence.learnt(connection, context, name)
    # again, now that nobody else imports: what another importer stored meanwhile is no news
    heads = _heads(connection, name, [one.statement for one in changed])
    fresh = [
        (one, head)
        for one in changed
        for head in (heads[one.statement.kind].get(one.statement.key),)
        if head is None or head.content_hash != one.content_hash
    ]
    # everybody locks orders in the same sequence, or two who need the same ones wait for each other for ever
    known = orders.load(connection, name, [part.order_id for one, _ in fresh for part in one.parts], lock=True)
    stated = [(one, head) for one, head in fresh if one.statement.kind == "order"]
    if stated:
        _store_orders(connection, context, name, stated, known, report)
    for one, head in fresh:
        if one.statement.kind != "order":
            _store_reversal(connection, context, name, one, head, report)
    return report


def _store_orders(
    connection: Connection,
    context: Context,
    name: str,
    changed: Sequence[tuple[Changed, orders.Head | None]],
    known: Mapping[str, Order],
    report: FeedReport,
) -> None:
    now = context.now()
    routes = context.routes_of(name)
    new: list[orders.NewOrder] = []
    known_before: list[orders.StoredOrder] = []
    reversals: list[Return | Refund] = []
    readable: list[str] = []
    for one, head in changed:
        if one.problem:
            unreadable.keep(connection, name, one.statement, head, one.problem, now)
            report.malformed += 1
            continue
        readable.append(source_identifier(name, one.statement.key))
        of_order = [part for part in one.parts if isinstance(part, Order)]
        if strangers := [part for part in of_order if part.origin_unknown and part.order_id not in known]:
            privacy.not_imported(connection, name, strangers)
            continue
        reversals += [part for part in one.parts if not isinstance(part, Order)]
        if one.new and head is None and known.keys().isdisjoint(part.order_id for part in of_order):
            new += one.new
            continue
        for part in of_order:
            stored = as_stored(context, name, routes, one, part, head)
            if part.order_id in known:
                known_before.append(stored)
            else:
                new.append(as_new(name, routes, stored, now))
    if new:
        _store_new(connection, context, name, routes, new, report)
    for stored in known_before:
        before = known[stored.order.order_id]
        after = carried(before, stored.order)
        found = advance.as_begun(connection, name, after.order_id, changes(name, before, after, now))
        fresh = orders.record_events(connection, found, now)
        orders.update(connection, name, [replace(stored, order=after)], now)
        report.changed += 1
        report.events += len(fresh)
        for route in routes:
            advance.order_changed(connection, context, route, after, fresh)
            advance.lines_added(connection, context, route, before, after)
            injection.report_moved_address(connection, route, before, after)
        privacy.erased_at_marketplace(connection, context, name, before, after)
    for reversal in reversals:
        _reversal_stated(connection, context, name, reversal, report)
    read = [*(one.order for one in new), *(one.order for one in known_before)]
    _report_oddities(connection, name, read)
    incidents.follow(connection, name, read)
    late_lines.watch(connection, name, read)
    work_items.close(connection, ["MALFORMED_STATEMENT"], readable, "it was stated readably")


def _store_new(
    connection: Connection,
    context: Context,
    name: str,
    routes: Sequence[Route],
    new: Sequence[orders.NewOrder],
    report: FeedReport,
) -> None:
    orders.insert(connection, new)
    events = [event for one in new for event in one.events]
    report.new += len(new)
    report.events += len(events)
    report.examples.extend(stored.order.reference for stored in new[: max(0, 5 - len(report.examples))])
    advance.new_orders(connection, context, name, [stored.order for stored in new])
    _after_insert(connection, context, name, routes, new, events)


def _after_insert(
    connection: Connection,
    context: Context,
    name: str,
    routes: Sequence[Route],
    new: Sequence[orders.NewOrder],
    events: Sequence[OrderEvent],
) -> None:
    """History: orders that had already moved on when they were seen first, or whose returns were stated before them."""
    later: dict[str, list[OrderEvent]] = {}
    for event in events:
        if event.kind != "placed":
            later.setdefault(event.order_id, []).append(event)
    for reversal in orders.reversals_of(connection, name, [stored.order.order_id for stored in new]):
        key = reversal.return_id if isinstance(reversal, Return) else reversal.refund_id
        work_items.close(connection, ["ORDER_NOT_HELD"], [source_identifier(name, key)], "the order is held now")
        stated = return_events(name, reversal) if isinstance(reversal, Return) else refund_events(name, reversal)
        later.setdefault(reversal.order_id, []).extend(stated)
    for stored in new:
        if stored.order.order_id in later:
            for route in routes:
                advance.order_changed(connection, context, route, stored.order, later[stored.order.order_id])


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
    one: Changed,
    head: orders.Head | None,
    report: FeedReport,
) -> None:
    now = context.now()
    statement = one.statement
    version = head.version + 1 if head else 1
    if one.problem:
        unreadable.keep(connection, name, statement, head, one.problem, now)
        report.malformed += 1
        return
    orders.keep_statement(
        connection, name, statement.kind, statement.key, version, statement.payload, now, content_hash=one.content_hash
    )
    work_items.close(
        connection, ["MALFORMED_STATEMENT"], [source_identifier(name, statement.key)], "it was stated readably"
    )
    report.new += head is None
    report.changed += head is not None
    for part in one.parts:
        if not isinstance(part, Order):
            _reversal_stated(connection, context, name, part, report)


def _reversal_stated(
    connection: Connection, context: Context, name: str, stated: Return | Refund, report: FeedReport
) -> None:
    now = context.now()
    stated = orders.as_held(connection, name, stated)
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
    # a return that goes on without a new fact about the order may be for us to go on with
    if events or (isinstance(stated, Return) and context.marketplaces[name].capabilities.follows_returns):
        for route in context.routes_of(name):
            advance.order_changed(connection, context, route, order, events)
