"""Moves an order on: from what the marketplace, the store and the outbox say now, wishes for whatever is still missing.

It looks at states, not at messages, so calling it again is harmless and calling it late loses nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec.structs import replace
from sqlalchemy import Connection

from marketplace_sync.connectors.ports import Silence
from marketplace_sync.domain.effects import AcknowledgeOrder, EffectKind, Lane, LineUnits
from marketplace_sync.domain.lifecycle import EventKind, OrderEvent, changes
from marketplace_sync.domain.orders import Initiator, Order, OrderLine
from marketplace_sync.domain.work_items import Problem
from marketplace_sync.flows import (
    cancellation,
    confirmed,
    fulfilment,
    goods_back,
    injection,
    late_lines,
    releasing,
    returning,
    silence,
)
from marketplace_sync.flows.context import Context, Route, source_identifier
from marketplace_sync.flows.customer_events import METRICS, Teller, first_reversal_key
from marketplace_sync.flows.telling import to_marketplace
from marketplace_sync.flows.withdrawing import GIVEN_UP, withdraw
from marketplace_sync.ledger import orders, outbox, store, wished, work_items
from marketplace_sync.ledger.database import driver

_REVERSALS = tuple(METRICS)
_REVERSED = (EventKind.RETURN_REQUESTED, EventKind.REFUNDED)
_REVERSING = (*_REVERSED, EventKind.RETURNED)
_RECORDED = (EventKind.DISPATCHED, *_REVERSED)


def new_orders(connection: Connection, context: Context, name: str, placed: Sequence[Order]) -> None:
    """Orders seen for the first time: told to Klaviyo, injected, or (history, test orders, without units) only kept."""
    now = context.now()
    capabilities = silence.offered(connection, context, name)
    for route in context.routes_of(name):
        real = [order for order in placed if not order.is_test and order.has_units()]
        work_items.report(
            connection,
            [
                Problem(
                    code="TEST_ORDER",
                    subject=source_identifier(name, order.order_id),
                    connection=name,
                    order_id=order.order_id,
                    message=f"Order {order.reference} of {route.display_name} is marked as a test. It is kept and goes"
                    " nowhere.",
                )
                for order in placed
                if order.is_test and not route.settings.import_test_orders
            ],
        )
        if capabilities.acknowledge_before_store:
            for order in releasing.acceptable(connection, route, placed):
                acknowledge(connection, route, order)
            real = [order for order in real if releasing.is_sale(order)]
        silence.show(connection, route, capabilities)
        if silence.is_told(route, capabilities) and real:
            teller = Teller(connection, route, real, now)
            sale = capabilities.silence is Silence.NONE
            outbox.record(connection, [wish for order in real for wish in teller.placed(order, sale=sale)])
        injection.inject(connection, route, placed)


def order_changed(
    connection: Connection, context: Context, route: Route, order: Order, events: Sequence[OrderEvent]
) -> None:
    """Everything that may have to follow from a change of one order (locked by the caller)."""
    now = context.now()
    store_order = store.order_of(connection, route.store, route.marketplace, order.order_id) if route.store else None
    late: list[OrderLine] = []
    capabilities = silence.offered(connection, context, route.marketplace)
    recorded: Sequence[OrderEvent] | None = None
    settled = work_items.Settled(source_identifier(route.marketplace, order.order_id))
    cancellation.cancel(
        connection,
        route,
        order,
        store_order,
        settled,
        seller_can_cancel=capabilities.seller_can_cancel,
        can_remove_lines=route.store is None or context.stores[route.store].capabilities.can_remove_lines,
    )
    if route.store:
        if store_order is None:
            if capabilities.acknowledge_before_store and (
                not order.awaiting_release or releasing.acceptable(connection, route, [order])
            ):
                acknowledge(connection, route, order)
            injection.inject(connection, route, [order])
            cancellation.held_back(connection, route, order)
        else:
            if capabilities.needs_acknowledgement:
                acknowledge(connection, route, order)
            late = late_lines.missing_in(connection, route, order, store_order)
            late_lines.show(connection, route, order, late, settled)
            recorded = orders.events_of(connection, route.marketplace, order.order_id, _RECORDED)
            fulfilment.fulfil(connection, silence.kept(route, capabilities), order, store_order, recorded, now)
            returning.told_by_store(connection, route, order, store_order, capabilities.seller_refunds)
    if any(event.kind in _REVERSING for event in events) or not events:
        # refunds may have come before the store had the order, so they are looked at again once something moves
        if recorded is None:
            recorded = orders.events_of(connection, route.marketplace, order.order_id, _REVERSED)
        reversed_ = [event for event in recorded if event.kind in _REVERSED]
        follows = capabilities.follows_returns
        returning.mirror(connection, route, order, store_order, reversed_, follows_returns=follows)
    if capabilities.follows_returns and any(event.kind is EventKind.RETURN_REQUESTED for event in recorded or ()):
        goods_back.follow(connection, route, order, store_order)
    elif route.store:
        returning.answered_elsewhere(connection, route, order)
    if silence.is_told(route, capabilities) and not order.is_test:
        placed_now = capabilities.acknowledge_before_store or any(event.kind is EventKind.PLACED for event in events)
        if placed_now and not releasing.told_as_placed(connection, route, order):
            if not releasing.is_sale(order):
                events = ()
            else:
                sale = capabilities.silence is Silence.NONE
                outbox.record(connection, list(Teller(connection, route, [order], now).placed(order, sale=sale)))
                events = orders.events_of(connection, route.marketplace, order.order_id)
        _tell_reversals(connection, route, order, events, now)
        if route.store is None:
            confirmed.tell(connection, route, order, now)
        elif late:
            confirmed.tell(connection, route, order, now, {line.line_id for line in late})
    _note_settled(connection, route, order, settled)
    settled.close(connection)


def lines_added(connection: Connection, context: Context, route: Route, before: Order, after: Order) -> None:
    """Lines that are stated for the first time, of an order that has gone on without them; or that there are none."""
    known = {line.line_id for line in before.lines}
    capabilities = silence.offered(connection, context, route.marketplace)
    is_whole_now = before.to_come > 0 and not after.to_come
    if after.is_test or (all(line.line_id in known for line in after.lines) and not is_whole_now):
        return
    if silence.is_told(route, capabilities):
        sale = capabilities.silence is Silence.NONE
        late_lines.tell(connection, Teller(connection, route, [after], context.now()), after, sale=sale)


def acknowledge(connection: Connection, route: Route, order: Order) -> None:
    """Tell the marketplace that we will ship the order: the store has it, or can serve it as soon as it is released.

    An acknowledgement is taken whole or not at all. One that was refused because a buyer changed their mind meanwhile
    about one line is followed by one for the others.
    """
    name, kind = route.marketplace, EffectKind.ACKNOWLEDGE_ORDER
    under_way = wished.units_under_way(connection, name, kind, name, order.order_id)
    known = {line.line_id: max(line.acknowledged, line.dispatched) for line in order.lines}
    units = {
        line.line_id: wanting
        for line in order.lines
        if not line.cancellation_requested
        and (wanting := line.quantity - line.cancelled - known[line.line_id] - under_way.get(line.line_id, 0)) > 0
    }
    earlier = wished.of_order(connection, name, kind, name, order.order_id)
    given_up = [one for one in earlier if one.state in GIVEN_UP]
    if any(_units(one.payload.lines) == units for one in given_up):
        return  # nothing has changed since: a person decides
    for one in given_up:
        withdraw(connection, one, "what is left to acknowledge is no longer the same")
    if not units:
        return
    before = {line_id: count + under_way.get(line_id, 0) for line_id, count in known.items()}
    key = f"acknowledge:{order.order_id}"
    if earlier:
        key += ":" + ",".join(f"{line_id}={before[line_id] + count}" for line_id, count in sorted(units.items()))
    payload = AcknowledgeOrder(
        order_id=order.order_id,
        lines=fulfilment.line_units(order, units, before=before),
        placed_at=order.placed_at,
    )
    outbox.record(connection, [to_marketplace(name, kind, key, payload, Lane.ACKNOWLEDGEMENTS)])


def _units(lines: Sequence[LineUnits]) -> dict[str, int]:
    return {units.line_id: units.quantity for units in lines}


def _tell_reversals(
    connection: Connection, route: Route, order: Order, events: Sequence[OrderEvent], now: datetime
) -> None:
    """Cancellations, returns and refunds to Klaviyo, one event per kind, occasion and who began it."""
    groups: dict[tuple[EventKind, str, Initiator], list[OrderEvent]] = {}
    for event in events:
        if event.kind in _REVERSALS:
            # lines cancelled together are one event to the buyer; a return or refund is one by its own id
            occasion = event.key if event.kind not in (EventKind.CANCELLED, EventKind.CANCELLATION_REQUESTED) else ""
            groups.setdefault((event.kind, occasion, event.initiator), []).append(event)
    if not groups:
        return
    teller = Teller(connection, route, [order], now)
    together = sorted(groups.values(), key=lambda group: group[0].occurred_at)
    for index, group in enumerate(together):
        kind = group[0].kind
        key = first_reversal_key(route, order, kind)
        first = wished.find(connection, teller.marketing, key, route.marketplace, order.order_id) is None
        later = [event for others in together[index + 1 :] for event in others]
        outbox.record(connection, [teller.reversal(_before(order, later), group, first)])


def _before(order: Order, later: Sequence[OrderEvent]) -> Order:
    """The order without those of its cancellations that are told later, each with what it took itself."""
    units: Counter[str] = Counter()
    for event in later:
        if event.kind is EventKind.CANCELLED:
            units[event.line_id] += event.quantity
    if not units:
        return order
    lines = [replace(line, cancelled=max(0, line.cancelled - units[line.line_id])) for line in order.lines]
    return replace(order, lines=tuple(lines))


def _note_settled(connection: Connection, route: Route, order: Order, settled: work_items.Settled) -> None:
    if orders.unacknowledged(order) == 0:
        codes = ["ACKNOWLEDGE_DUE", "ACKNOWLEDGE_OVERDUE", "NOT_ENOUGH_STOCK"]
        settled.add(codes, "the order was acknowledged or cancelled")
    if order.open_units() == 0:
        codes = ["DISPATCH_DUE", "DISPATCH_OVERDUE", "UNKNOWN_SKU", "UNUSABLE_ADDRESS"]
        settled.add(codes, "nothing of the order is open any more")
        if not any(cancellation.wanted(order).values()):
            cancellation.overtaken(connection, route, order)


def progressed(
    connection: Connection,
    context: Context,
    name: str,
    order_id: str,
    *,
    acknowledged: Sequence[LineUnits] = (),
    dispatched: Sequence[LineUnits] = (),
    cancelled: Sequence[LineUnits] = (),
    initiator: Initiator | None = None,
) -> tuple[Order, list[OrderEvent]] | None:
    """The marketplace took what we told it: note it as if the marketplace had stated it, so that its own statement of
    the same fact, later or before, is no news. Returns the order and the new events."""
    before = orders.load(connection, name, [order_id], lock=True).get(order_id)
    if before is None:
        return None
    lines = []
    for line in before.lines:
        gone = min(line.quantity, _reached(line.cancelled, cancelled, line.line_id))
        lines.append(
            replace(
                line,
                acknowledged=min(line.quantity, _reached(line.acknowledged, acknowledged, line.line_id)),
                dispatched=min(line.quantity, _reached(line.dispatched, dispatched, line.line_id)),
                cancelled=gone,
                cancellation_requested=max(0, line.cancellation_requested - (gone - line.cancelled)),
            )
        )
    after = replace(before, lines=tuple(lines))
    now = context.now()
    events = changes(name, before, after, now)
    if initiator is not None:
        # whose doing it is that the marketplace asked, it may have said itself
        asked = initiator is Initiator.CUSTOMER
        said = {line.line_id for line in after.lines if asked and line.cancelled_by}
        events = [
            replace(event, initiator=initiator)
            if event.kind is EventKind.CANCELLED and event.line_id not in said
            else event
            for event in events
        ]
    new = orders.record_events(connection, events, now)
    orders.save(connection, name, after, now)
    return after, new


def as_begun(connection: Connection, name: str, order_id: str, events: Sequence[OrderEvent]) -> list[OrderEvent]:
    """Events of a statement that shows what we told before its answer is settled: such a cancellation is the seller's.
    Where the marketplace itself says whose it is, that stays."""
    of_marketplace = [
        event for event in events if event.kind is EventKind.CANCELLED and event.initiator is Initiator.MARKETPLACE
    ]
    if not of_marketplace:
        return list(events)
    telling = wished.of_order(connection, name, EffectKind.CANCEL_LINES, name, order_id)
    own = [one.payload for one in telling if one.unsettled]
    ours = {units.line_id for told in own if not told.requested_by_marketplace for units in told.lines}
    return [
        replace(event, initiator=Initiator.SELLER) if event in of_marketplace and event.line_id in ours else event
        for event in events
    ]


def _reached(count: int, told: Sequence[LineUnits], line_id: str) -> int:
    """A line's count after what we told. A read of the marketplace may have shown it already, before its lost answer
    was settled; and what was to come before it may have been refused."""
    for units in told:
        if units.line_id == line_id:
            reached = count + units.quantity
            if units.before is not None:
                reached = max(count, min(reached, units.before + units.quantity))
            count = reached
    return count


def waited_long_enough(connection: Connection, context: Context, name: str, limit: int = 1000) -> int:
    """Move on the orders of which a parcel waited for its number until now. Returns how many there were."""
    rows = (
        driver(connection)
        .execute(
            "SELECT DISTINCT order_id FROM ledger.work_items WHERE code = 'TRACKING_MISSING' AND connection = %s"
            " AND order_id IS NOT NULL AND (evidence->>'waits_until')::timestamptz <= %s"
            # a person who closed it has only said that they know
            " AND (state = 'open' OR closed_by IS NOT NULL AND (evidence->>'waits_until')::timestamptz > %s) LIMIT %s",
            (name, context.now(), context.now() - timedelta(minutes=5), limit),
        )
        .fetchall()
    )
    return _look_again(connection, context, name, [row[0] for row in rows])


def blocked(connection: Connection, context: Context, name: str, limit: int = 1000) -> int:
    """Look again at orders that wait for a person: a new SKU, a new carrier mapping, a usable address lets them go.

    At most `limit` at once, those first that were not looked at for longest."""
    rows = (
        driver(connection)
        .execute(
            "SELECT order_id FROM ledger.work_items WHERE state = 'open' AND order_id IS NOT NULL"
            " AND (connection = %s"
            " AND code IN ('UNKNOWN_SKU', 'NOT_ENOUGH_STOCK', 'UNUSABLE_ADDRESS', 'UNMAPPED_CARRIER',"
            " 'TRACKING_MISSING')"
            # the store refused it, perhaps for a product that was made anew since
            " OR code = 'EFFECT_REFUSED' AND evidence->>'kind' = 'create_order' AND evidence->>'source' = %s)"
            " GROUP BY order_id ORDER BY min(last_seen_at) LIMIT %s",
            (name, name, limit),
        )
        .fetchall()
    )
    return _look_again(connection, context, name, [row[0] for row in rows])


def _look_again(connection: Connection, context: Context, name: str, order_ids: Sequence[str]) -> int:
    """Move these orders on, as if each had just changed. Returns how many there are."""
    waiting = orders.load(connection, name, order_ids, lock=True)
    for order in waiting.values():
        for route in context.routes_of(name):
            order_changed(connection, context, route, order, ())
    return len(waiting)
