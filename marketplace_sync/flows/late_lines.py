"""Lines that a marketplace states after the order has gone on: a purchase from several sellers comes as one invoice
each, and one of them may take longer than it is waited for.

Nothing that has left is corrected in secret. Klaviyo hears of each line once; what the store lacks is a person's.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Connection

from marketplace_sync.domain.effects import EffectKind
from marketplace_sync.domain.money import decimal_text
from marketplace_sync.domain.orders import Order, OrderLine
from marketplace_sync.domain.store import StoreOrder
from marketplace_sync.domain.work_items import Problem
from marketplace_sync.flows.context import Route, source_identifier
from marketplace_sync.flows.customer_events import Teller, placed_key
from marketplace_sync.flows.fulfilment import line_ids
from marketplace_sync.ledger import outbox, renewal, wished, work_items


def tell(connection: Connection, teller: Teller, order: Order, *, sale: bool) -> None:
    """Klaviyo hears of what was bought besides. Placed Order is made whole if it has not left yet, and is let go when
    there is nothing more to come; its value is that of the whole purchase in either case (`Order.to_come`)."""
    if not sale or not outbox.is_known(connection, teller.marketing, placed_key(teller.route, order)):
        return
    wishes = list(teller.placed(order, sale=sale))
    outbox.record(connection, wishes)
    events = [wish for wish in wishes if wish.kind is EffectKind.TRACK_EVENT]
    renewal.renew(connection, events, lambda known, newest: bool(known == newest), "nothing withdraws an event")
    if not order.to_come:
        outbox.let_go(connection, teller.marketing, placed_key(teller.route, order))


def missing_in(connection: Connection, route: Route, order: Order, store_order: StoreOrder) -> list[OrderLine]:
    """Lines that the store's order lacks because they were not known when it was made."""
    there = set(line_ids(order, store_order).values())
    absent = [line for line in order.lines if line.line_id not in there]
    if not absent or route.store is None:
        return []
    made = wished.of_order(connection, route.store, EffectKind.CREATE_ORDER, route.marketplace, order.order_id)
    known = {line.line_id for wish in made for line in wish.payload.order.lines}
    return [line for line in absent if known and line.line_id not in known]


def show(
    connection: Connection,
    route: Route,
    order: Order,
    missing: Collection[OrderLine],
    settled: work_items.Settled,
) -> None:
    """A person sees what the store's order lacks for as long as somebody has to ship it."""
    subject = source_identifier(route.marketplace, order.order_id)
    to_ship = [line for line in missing if line.open > line.cancellation_requested]
    if not to_ship:
        settled.add(["LINE_NOT_IN_STORE"], "the store has all that is to be shipped")
        return
    names = ", ".join(f"{line.open - line.cancellation_requested} × {line.sku or line.line_id}" for line in to_ship)
    amounts = [line.total for line in to_ship]
    work_items.report(
        connection,
        [
            Problem(
                code="LINE_NOT_IN_STORE",
                subject=subject,
                connection=route.marketplace,
                order_id=order.order_id,
                message=f"{route.display_name} stated {names} of order {order.reference} after {route.store} had the"
                " order, which lacks it. Everything else of the order goes its way.",
                impact=None if None in amounts else sum(amount for amount in amounts if amount),
                currency=order.currency,
                evidence={"lines": [{"line": line.line_id, "sku": line.sku} for line in to_ship]},
            )
        ],
    )


def watch(connection: Connection, name: str, read: Sequence[Order]) -> None:
    """Orders that were taken although there is more to come."""
    work_items.report(connection, [_incomplete(name, order) for order in read if order.to_come])
    whole = [source_identifier(name, order.order_id) for order in read if not order.to_come]
    work_items.close(connection, ["ORDER_INCOMPLETE"], whole, "the marketplace has stated all of it")


def _incomplete(name: str, order: Order) -> Problem:
    return Problem(
        code="ORDER_INCOMPLETE",
        subject=source_identifier(name, order.order_id),
        connection=name,
        order_id=order.order_id,
        message=f"Order {order.reference} of {name} costs {decimal_text(order.to_come, order.currency)}"
        f" {order.currency} more than what it states as bought. It was waited for and has gone on with what there is;"
        " what follows is taken up when it is stated.",
        impact=order.to_come,
        currency=order.currency,
        evidence={"lines": len(order.lines)},
    )
