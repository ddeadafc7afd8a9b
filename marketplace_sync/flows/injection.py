"""Puts marketplace orders into the store: when an order may go, and what a person must do when it may not."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from msgspec.structs import replace
from sqlalchemy import Connection, text

from marketplace_sync.domain.effects import CreateOrder, EffectKind, Lane, OrderedVariant
from marketplace_sync.domain.orders import Order
from marketplace_sync.domain.skus import suggestions
from marketplace_sync.domain.work_items import Problem
from marketplace_sync.flows.context import Route, source_identifier
from marketplace_sync.ledger import outbox, renewal, store, wished, work_items

CANCELLED_BEFORE = "the order was cancelled before it reached the store"
"""Why an injection was withdrawn; it goes after all when the cancellation is withdrawn."""


def natural_key(route: Route, order_id: str) -> str:
    return f"create:{source_identifier(route.marketplace, order_id)}"


def inject(connection: Connection, route: Route, orders: Sequence[Order]) -> int:
    """Wish for each order to be in the route's store; orders that cannot go yet become work items and are kept.

    Harmless to call again for the same order: it is in the store at most once, as it was last stated before it left.
    Returns how many wishes are new.
    """
    if route.store is None:
        return 0
    orders = [
        order
        for order in orders
        if _anything_to_ship(order)
        and wanted(route, order)
        and not order.awaiting_release
        and not _being_answered(connection, route, order)
    ]
    if not orders:
        return 0
    skus = our_skus(connection, route, orders)
    variants = store.variants(connection, route.store, sorted(set(skus.values()) - {""}))
    near = near_misses(connection, route.store)
    wishes, problems, settled = [], [], []
    for order in orders:
        subject = source_identifier(route.marketplace, order.order_id)
        missing = [line for line in order.lines if line.open > 0 and skus[order.order_id, line.line_id] not in variants]
        wrong_address = order.shipping_address.problems()
        if missing:
            problems.append(unknown_sku(route, order, missing, skus, near))
        else:
            settled.append(("UNKNOWN_SKU", subject))
        if wrong_address:
            problems.append(
                Problem(
                    code="UNUSABLE_ADDRESS",
                    subject=subject,
                    connection=route.marketplace,
                    order_id=order.order_id,
                    message=f"Order {order.reference} of {route.display_name} cannot be shipped: "
                    f"{', '.join(wrong_address)}. The order is kept and not yet in the store.",
                    impact=order.total,
                    currency=order.currency,
                    evidence={"problems": wrong_address, "order": order.reference},
                )
            )
        else:
            settled.append(("UNUSABLE_ADDRESS", subject))
        if missing or wrong_address:
            continue
        wishes.append(
            outbox.Wish(
                connection=route.store,
                kind=EffectKind.CREATE_ORDER,
                natural_key=natural_key(route, order.order_id),
                subject=subject,
                lane=Lane.INJECTION,
                payload=CreateOrder(
                    source_identifier=subject,
                    marketplace=route.display_name,
                    order=order,
                    variants=tuple(
                        OrderedVariant(line_id=line.line_id, variant_id=variants[sku].variant_id, sku=sku)
                        for line in order.lines
                        if line.open > 0
                        for sku in (skus[order.order_id, line.line_id],)
                    ),
                    tags=route.tags,
                ),
                order_connection=route.marketplace,
                order_id=order.order_id,
            )
        )
    new = outbox.record(connection, wishes)
    if new < len(wishes):
        renewal.renew(connection, wishes, _same_for_the_store, CANCELLED_BEFORE)
    work_items.report(connection, problems)
    for code in ("UNKNOWN_SKU", "UNUSABLE_ADDRESS"):
        subjects = [subject for settled_code, subject in settled if settled_code == code]
        work_items.close(connection, [code], subjects, "what was missing is there now")
    return new


def _anything_to_ship(order: Order) -> bool:
    """Whether units are open that nobody asked to cancel."""
    return any(line.open > line.cancellation_requested for line in order.lines)


def _being_answered(connection: Connection, route: Route, order: Order) -> bool:
    """Whether the marketplace is just told that it may cancel units: the order goes without them once it has the
    answer, and would go with them before."""
    name, kind = route.marketplace, EffectKind.CANCEL_LINES
    asked = any(line.cancellation_requested for line in order.lines)
    return asked and any(one.unsettled for one in wished.of_order(connection, name, kind, name, order.order_id))


def _same_for_the_store(known: CreateOrder, wanted: CreateOrder) -> bool:
    """Whether two statements of an order differ in nothing that a store is told of it."""
    return _as_told(known) == _as_told(wanted)


def _as_told(wish: CreateOrder) -> CreateOrder:
    lines = tuple(
        replace(line, acknowledged=0, cancellation_requested=0, cancel_reason="") for line in wish.order.lines
    )
    order = replace(wish.order, lines=lines, status="", acknowledge_by=None, dispatch_by=None, paid=None, warnings=())
    return replace(wish, order=order)


def report_moved_address(connection: Connection, route: Route, before: Order, after: Order) -> None:
    """An order whose address changed after it left for the store: a person must correct it before it ships."""
    subject = source_identifier(route.marketplace, after.order_id)
    if after.open_units() == 0:
        work_items.close(connection, ["ADDRESS_CHANGED"], [subject], "nothing of the order is open any more")
        return
    moved = before.shipping_address != after.shipping_address and not after.shipping_address.problems()
    if route.store is None or not moved or _state(connection, route, after.order_id) not in _LEFT:
        return
    work_items.report(
        connection,
        [
            Problem(
                code="ADDRESS_CHANGED",
                subject=subject,
                connection=route.marketplace,
                order_id=after.order_id,
                message=f"{route.display_name} states another delivery address for order {after.reference}, which"
                f" {route.store} has with the earlier one.",
                impact=after.total,
                currency=after.currency,
                evidence={"order": after.reference},
            )
        ],
    )


def wanted(route: Route, order: Order) -> bool:
    return not order.is_test or route.settings.import_test_orders


def our_skus(connection: Connection, route: Route, orders: Sequence[Order]) -> dict[tuple[str, str], str]:
    """Our SKU of every line. A line without one is known by its stock number: from the configuration, else from what
    the marketplace itself said of that stock number before, when it always said the same."""
    configured = route.settings.stock_numbers
    blank = {line.stock_number for order in orders for line in order.lines if not line.sku} - {"", *configured}
    learned: dict[str, str] = dict(
        connection.execute(
            text(
                "SELECT stock_number, min(sku) FROM ledger.order_lines WHERE connection = :name"
                " AND stock_number = ANY(:numbers) AND sku <> '' GROUP BY stock_number HAVING count(DISTINCT sku) = 1"
            ),
            {"name": route.marketplace, "numbers": sorted(blank)},
        ).all()
        if blank
        else []
    )
    return {
        (order.order_id, line.line_id): line.sku
        or configured.get(line.stock_number)
        or learned.get(line.stock_number, "")
        for order in orders
        for line in order.lines
    }


def near_misses(connection: Connection, name: str) -> Callable[[str], list[str]]:
    """What a SKU that a store does not have may have meant. The store's SKUs are read once, when one is asked for."""
    known = functools.cache(lambda: store.skus(connection, name))
    return functools.cache(lambda sku: suggestions(sku, known()))


def unknown_sku(
    route: Route,
    order: Order,
    missing: Sequence[object],
    skus: dict[tuple[str, str], str],
    near: Callable[[str], list[str]],
) -> Problem:
    assert route.store is not None
    lines = []
    for line in order.lines:
        if line in missing:
            sku = skus[order.order_id, line.line_id]
            lines.append(
                {
                    "sku": sku,
                    "stock_number": line.stock_number,
                    "title": line.title,
                    "did_you_mean": near(sku) if sku else [],
                }
            )
    names = ", ".join(repr(line["sku"]) if line["sku"] else f"stock number {line['stock_number']}" for line in lines)
    return Problem(
        code="UNKNOWN_SKU",
        subject=source_identifier(route.marketplace, order.order_id),
        connection=route.marketplace,
        order_id=order.order_id,
        message=f"Order {order.reference} of {route.display_name} names {names}, which {route.store} does not have. "
        "The order is kept and not yet in the store.",
        impact=order.total,
        currency=order.currency,
        evidence={"order": order.reference, "lines": lines},
    )


_LEFT = ("sending", "in_doubt", "delivered")


def under_way(connection: Connection, route: Route, order_id: str) -> bool:
    """Whether the order's injection was sent, or may have been: it is too late to take the wish back."""
    return _state(connection, route, order_id) in ("pending", *_LEFT)


def _state(connection: Connection, route: Route, order_id: str) -> str | None:
    found = connection.execute(
        text("SELECT state FROM ledger.effects WHERE connection = :name AND natural_key = :key"),
        {"name": route.store, "key": natural_key(route, order_id)},
    ).scalar()
    return None if found is None else str(found)
