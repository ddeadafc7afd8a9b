"""Orders that a marketplace holds back until they are accepted: accepted when the store can serve them, told as sold
when they are released.

Such a marketplace shows the address, and lets anybody ship, only after the acceptance and the buyer's payment. Waiting
for the store to have the order before it is accepted would be waiting for ever.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import Connection, text

from marketplace_sync.domain.effects import EffectKind, EffectState
from marketplace_sync.domain.orders import Order
from marketplace_sync.domain.work_items import Problem
from marketplace_sync.flows import injection
from marketplace_sync.flows.context import Route, source_identifier
from marketplace_sync.ledger import orders as order_book
from marketplace_sync.ledger import store, wished, work_items

_GIVEN_UP = (EffectState.REFUSED, EffectState.DEAD, EffectState.SUPERSEDED)
_CODES = ("UNKNOWN_SKU", "NOT_ENOUGH_STOCK")


def is_sale(order: Order) -> bool:
    """Whether an order of such a marketplace counts as placed: released, and not dead before anything came of it."""
    return not order.awaiting_release and any(line.quantity > line.cancelled for line in order.lines)


def acceptable(connection: Connection, route: Route, orders: Sequence[Order]) -> list[Order]:
    """Those of the orders that may be accepted now: the store knows every product and has the units. The others become
    work items, long before the acceptance is due. Without a store of ours accepting is somebody else's."""
    if route.store is None:
        return []
    waiting = [
        order
        for order in orders
        if order.awaiting_release
        and not order.on_hold
        and order_book.unacknowledged(order) > 0
        and injection.wanted(route, order)
        and not _accepted(connection, route, order)
    ]
    if not waiting:
        return []
    skus = injection.our_skus(connection, route, waiting)
    variants = store.variants(connection, route.store, sorted(set(skus.values()) - {""}))
    promised = _promised(connection, route.store, list(variants))
    left = {
        sku: variant.available - promised.get(sku, 0)
        for sku, variant in variants.items()
        if variant.available is not None
    }
    near = injection.near_misses(connection, route.store)
    found: list[Order] = []
    problems: list[Problem] = []
    for order in waiting:
        needed: Counter[str] = Counter()
        for line in order.lines:
            needed[skus[order.order_id, line.line_id]] += max(0, line.open - line.cancellation_requested)
        missing = [line for line in order.lines if line.open > 0 and skus[order.order_id, line.line_id] not in variants]
        short = {sku: left[sku] for sku, units in needed.items() if units and sku in left and left[sku] < units}
        code = "UNKNOWN_SKU" if missing else "NOT_ENOUGH_STOCK" if short else ""
        if missing:
            problems.append(injection.unknown_sku(route, order, missing, skus, near))
        elif short:
            problems.append(_not_enough(route, order, short))
        else:
            found.append(order)
            for sku, units in needed.items():
                if sku in left:
                    left[sku] -= units
        settled = [each for each in _CODES if each != code]
        subject = source_identifier(route.marketplace, order.order_id)
        work_items.close(connection, settled, [subject], "what was missing is there now")
    work_items.report(connection, problems)
    return found


def told_as_placed(connection: Connection, route: Route, order: Order) -> bool:
    """Whether Klaviyo was told, or is about to be told, that the order was placed."""
    assert route.marketing is not None
    return wished.is_any(connection, route.marketing, EffectKind.TRACK_EVENT, route.marketplace, order.order_id)


def _accepted(connection: Connection, route: Route, order: Order) -> bool:
    name = route.marketplace
    accepted = wished.of_order(connection, name, EffectKind.ACKNOWLEDGE_ORDER, name, order.order_id)
    return any(one.state not in _GIVEN_UP for one in accepted)


def _promised(connection: Connection, name: str, skus: Sequence[str]) -> dict[str, int]:
    """SKU -> units of orders, of any marketplace, that were accepted and that the store does not know of yet."""
    rows = connection.execute(
        text(
            "SELECT l.sku, sum(l.quantity - l.cancelled - l.dispatched) FROM ledger.orders o"
            " JOIN ledger.order_lines l USING (connection, order_id)"
            " WHERE o.open_units > 0 AND l.sku = ANY(:skus)"
            " AND EXISTS (SELECT FROM ledger.effects e WHERE e.order_connection = o.connection"
            "  AND e.order_id = o.order_id AND e.connection = o.connection AND e.kind = :kind"
            "  AND e.state <> ALL(:given_up))"
            " AND NOT EXISTS (SELECT FROM ledger.store_orders s WHERE s.connection = :name"
            "  AND s.order_connection = o.connection AND s.order_id = o.order_id)"
            " GROUP BY l.sku"
        ),
        {
            "skus": list(skus),
            "name": name,
            "kind": EffectKind.ACKNOWLEDGE_ORDER.value,
            "given_up": [state.value for state in _GIVEN_UP],
        },
    )
    return {sku: int(units) for sku, units in rows}


def _not_enough(route: Route, order: Order, short: dict[str, int]) -> Problem:
    names = ", ".join(f"{max(0, units)} of {sku!r}" for sku, units in sorted(short.items()))
    return Problem(
        code="NOT_ENOUGH_STOCK",
        subject=source_identifier(route.marketplace, order.order_id),
        connection=route.marketplace,
        order_id=order.order_id,
        message=f"Order {order.reference} of {route.display_name} waits to be accepted, and {route.store} has only"
        f" {names} left. The order is kept and not accepted.",
        impact=order.total,
        currency=order.currency,
        evidence={"order": order.reference, "available": short},
    )
