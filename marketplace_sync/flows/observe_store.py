"""Watches the store: its catalogue, and what became of our orders. Webhooks wake it, polling makes it sure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from marketplace_sync.connectors.ports import UNNAMED, Malformed, StoreOrderPage
from marketplace_sync.domain.store import StoreOrder
from marketplace_sync.domain.work_items import Problem
from marketplace_sync.flows import advance, reachable, unreadable
from marketplace_sync.flows.context import Context, from_source_identifier
from marketplace_sync.ledger import orders, store, watermarks, work_items
from marketplace_sync.ledger.database import is_about_data

FEED, CATALOGUE = "orders", "catalogue"


@dataclass
class StoreReport:
    connection: str
    read: int = 0
    ours: int = 0
    moved: int = 0


def refresh_catalogue(context: Context, name: str) -> int:
    """Read the store's whole catalogue; orders that waited for a SKU go on. Returns the number of variants.
    Raises TransportError: the catalogue then stays as it was."""
    pages = context.stores[name].variants()
    with context.ledger.begin() as connection:
        count = store.replace_catalogue(
            connection, name, (variant for page in pages for variant in page), context.now()
        )
        duplicates = store.duplicate_skus(connection, name)
        problems = [
            Problem(
                code="DUPLICATE_SKU",
                subject=f"{name}:{sku}",
                connection=name,
                message=f"{name} has the SKU {sku!r} on {len(ids)} variants.",
                evidence={"variants": ids},
            )
            for sku, ids in duplicates.items()
        ]
        work_items.report_all(connection, ["DUPLICATE_SKU"], name, problems, "every variant has its own SKU now")
        watermarks.advance(connection, name, CATALOGUE, None, read=count, changed=0)
        watermarks.ended(connection, name, CATALOGUE, watermarks.moment(connection))
    for route in context.routes_into(name):
        with context.ledger.begin() as connection:
            advance.blocked(connection, context, route.marketplace)
    return count


def poll_orders(
    context: Context, name: str, progress: Callable[[StoreReport], None] = lambda report: None
) -> StoreReport:
    """Read the store's changed orders to the end. Raises TransportError."""
    with reachable.reading(context, name):
        return _poll_orders(context, name, progress)


def _poll_orders(context: Context, name: str, progress: Callable[[StoreReport], None]) -> StoreReport:
    report = StoreReport(name)
    with context.ledger.begin() as connection:
        watermark = watermarks.get(connection, name, FEED)
    nameless = False
    for page in context.stores[name].changed_orders(watermark):
        nameless = nameless or any(store_order_id == UNNAMED for store_order_id, _ in page.unreadable)
        moved = _note_page(context, name, page)
        report.read += len(page.orders)
        report.ours += sum(one is not None for one in moved)
        report.moved += sum(map(bool, moved))
        progress(report)
    with context.ledger.begin() as connection:
        watermarks.advance(connection, name, FEED, None, read=0, changed=0)
        if not nameless:
            # whichever it was, it has been read under its own name since: a read begins before the end of the last
            unreadable.close_store_orders(connection, name, [UNNAMED])
    return report


def _note_page(context: Context, name: str, page: StoreOrderPage) -> list[bool | None]:
    """A page in one transaction, its orders one by one when one of them cannot be kept. As `observed`, per order."""
    try:
        with context.ledger.begin() as connection:
            _lock(connection, context, name, page.orders)
            same = _same(connection, context, name, page.orders)
            moved = [
                False if order.store_order_id in same else observed(connection, context, name, order)
                for order in page.orders
            ]
            unreadable.close_store_orders(connection, name, [order.store_order_id for order in page.orders])
            _page_read(connection, name, page, moved)
    except Exception as problem:
        if not is_about_data(problem):
            raise
        moved = [_note_alone(context, name, order) for order in page.orders]
        with context.ledger.begin() as connection:
            _page_read(connection, name, page, moved)
    return moved


def _page_read(connection: Connection, name: str, page: StoreOrderPage, moved: Sequence[bool | None]) -> None:
    for store_order_id, problem in page.unreadable:
        unreadable.report_store_order(connection, name, store_order_id, problem)
    changed = sum(map(bool, moved))
    watermarks.advance(connection, name, FEED, page.watermark, read=len(page.orders), changed=changed)


def _note_alone(context: Context, name: str, order: StoreOrder) -> bool | None:
    """As `observed`, in a transaction of its own; an order that cannot be kept is shown to a person."""
    try:
        with context.ledger.begin() as connection:
            moved = observed(connection, context, name, order)
            unreadable.close_store_orders(connection, name, [order.store_order_id])
            return moved
    except Exception as problem:
        if not is_about_data(problem):
            raise
        reason = unreadable.reason(name, order.store_order_id, problem)
    with context.ledger.begin() as connection:
        unreadable.report_store_order(connection, name, order.store_order_id, reason)
    return False


def _lock(connection: Connection, context: Context, name: str, read: Sequence[StoreOrder]) -> None:
    """Lock the marketplace orders of a whole page in the sequence in which everybody locks them: one by one in the
    store's sequence, this and an import of the same orders could wait for each other."""
    wanted: dict[str, list[str]] = {}
    for order in read:
        ours = from_source_identifier(order.source_identifier)
        if ours is not None and context.route(ours[0], name) is not None:
            wanted.setdefault(ours[0], []).append(ours[1])
    for marketplace, order_ids in sorted(wanted.items()):
        orders.lock(connection, marketplace, order_ids)


def _same(connection: Connection, context: Context, name: str, read: Sequence[StoreOrder]) -> set[str]:
    """Ids of those that are ours and exactly as known. Every read overlaps the one before, so on most pages that is
    nearly all: they are found together, and nothing is asked about each."""
    known = store.orders_by_id(connection, name, [order.store_order_id for order in read])
    same = {order.store_order_id for order in read if known.get(order.store_order_id) == order}
    for order in read:
        ours = from_source_identifier(order.source_identifier)
        if ours is None or context.route(ours[0], name) is None:
            same.discard(order.store_order_id)
    return same


def observed(connection: Connection, context: Context, name: str, store_order: StoreOrder) -> bool | None:
    """One store order as just read. None: not one of ours; False: nothing newer than what is known."""
    ours = from_source_identifier(store_order.source_identifier)
    route = context.route(ours[0], name) if ours else None
    if ours is None or route is None:
        return None
    # The marketplace order is locked first, always, so that two observers of one order wait for each other.
    order = orders.load(connection, ours[0], [ours[1]], lock=True).get(ours[1])
    if order is None:
        return None
    known = store.order_of(connection, name, ours[0], ours[1])
    if known is not None and known.store_order_id != store_order.store_order_id:
        _twice(connection, route.display_name, name, order.reference, known, store_order)
        return None
    if known == store_order or not store.save_order(connection, name, store_order, ours[0], ours[1], context.now()):
        return False
    advance.order_changed(connection, context, route, order, ())
    return True


def _twice(
    connection: Connection, display_name: str, name: str, reference: str, known: StoreOrder, other: StoreOrder
) -> None:
    if other.cancelled_at is not None:
        work_items.close(connection, ["ORDER_TWICE_IN_STORE"], [other.source_identifier], "one of them is cancelled")
        return
    work_items.report(
        connection,
        [
            Problem(
                code="ORDER_TWICE_IN_STORE",
                subject=other.source_identifier,
                connection=name,
                message=f"{name} has order {reference} of {display_name} twice: {known.name} and {other.name}."
                f" {known.name} is the one that is followed.",
                evidence={"store_orders": [known.store_order_id, other.store_order_id]},
            )
        ],
    )


def read_again(context: Context, name: str, store_order_id: str) -> None:
    """Read one order of a store again and note what became of it. Raises TransportError."""
    try:
        order = context.stores[name].order(store_order_id)
    except Malformed as problem:
        with context.ledger.begin() as connection:
            unreadable.report_store_order(connection, name, store_order_id, str(problem))
        return
    if order is not None:
        _note_alone(context, name, order)


def ensure_catalogue(context: Context, name: str) -> None:
    """Read the store's catalogue if it never was: orders are judged and valued by it. Raises TransportError."""
    with context.ledger.begin() as connection:
        age = store.catalogue_age(connection, name)
    if age is None:
        refresh_catalogue(context, name)
