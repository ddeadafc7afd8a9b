"""Returns and refunds: the marketplace's are recorded in the store, the store's are told on or shown to a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace
from sqlalchemy import Connection

from marketplace_sync.domain.effects import (
    AcknowledgeReturn,
    EffectKind,
    Lane,
    LineUnits,
    RecordRefund,
    RefundLines,
)
from marketplace_sync.domain.lifecycle import EventKind, OrderEvent
from marketplace_sync.domain.money import decimal_text
from marketplace_sync.domain.orders import Order, ReturnState
from marketplace_sync.domain.store import RefundedLine, StoreOrder, StoreRefund
from marketplace_sync.domain.work_items import Problem
from marketplace_sync.flows import began_in_store, injection
from marketplace_sync.flows.began_in_store import REFERENCE, Given, beyond_units
from marketplace_sync.flows.cancellation import shipped_units
from marketplace_sync.flows.context import Route, source_identifier
from marketplace_sync.flows.fulfilment import line_ids
from marketplace_sync.flows.telling import to_marketplace
from marketplace_sync.flows.withdrawing import GIVEN_UP, withdraw
from marketplace_sync.ledger import outbox, returns, wished, work_items

_WAITING = (ReturnState.REQUESTED, ReturnState.UNKNOWN)


def mirror(
    connection: Connection,
    route: Route,
    order: Order,
    store_order: StoreOrder | None,
    events: Sequence[OrderEvent],
    *,
    follows_returns: bool,
) -> None:
    """Answer the marketplace's returns and record its refunds in the store. Harmless for events handled before.

    Without a store nobody of ours answers, but for a marketplace that waits to be told how each return goes on
    (`follows_returns`): whether it is accepted there is a setting of the connection. What goes nowhere is not answered.
    """
    identifier = source_identifier(route.marketplace, order.order_id)
    wishes = []
    asking, answered = False, dict[str, Given | None]()
    if route.store and store_order is not None:
        asked = began_in_store.asked_for(connection, route, order)
        # the marketplace may state one before it answers: looked at again once it has
        asking = any(one.unsettled for one in asked)
        staff = made_by_staff(connection, route, order, store_order)
        answered = began_in_store.answered(connection, route, order, store_order, events, staff)
    is_ours = (route.store is not None or follows_returns) and injection.wanted(route, order)
    waiting = _waiting(connection, route, order, events) if is_ours else frozenset()
    for event in events:
        units = _units(order, event)
        if event.kind is EventKind.RETURN_REQUESTED and event.key in waiting:
            accepted = AcknowledgeReturn(order_id=order.order_id, return_id=event.key, lines=units)
            key = f"return:{event.key}"
            wishes.append(
                to_marketplace(route.marketplace, EffectKind.ACKNOWLEDGE_RETURN, key, accepted, Lane.REVERSALS)
            )
        if event.kind is EventKind.REFUNDED and route.store and store_order is not None:
            began = answered.get(event.key)
            if asking or (event.key in answered and (began is None or began.amount != 0)):
                continue
            if _was_cancelled(order, store_order, event):
                continue
            # what the buyer got back says nothing about a store order at cost prices, nor the reverse
            same_basis = event.detail.get("basis", order.price_basis) == order.price_basis
            amount = event.amount if same_basis else None
            if began is not None and amount:
                units = ()  # the store took the goods back without money: only that is left to book
            reference = began_in_store.reference(route, order, event.key)
            wishes.append(
                outbox.Wish(
                    connection=route.store,
                    kind=EffectKind.RECORD_REFUND,
                    natural_key=reference,
                    subject=identifier,
                    lane=Lane.REVERSALS,
                    payload=RecordRefund(
                        store_order_id=store_order.store_order_id,
                        source_identifier=identifier,
                        reference=reference,
                        lines=units,
                        currency=order.currency,
                        amount=amount,
                        reason=str(event.detail.get("reason", "")),
                        returned="return_id" in event.detail,
                    ),
                    order_connection=route.marketplace,
                    order_id=order.order_id,
                )
            )
    outbox.record(connection, wishes)


def _recorded(connection: Connection, route: Route, order: Order) -> frozenset[str]:
    """Ids that the store gave the refunds we made in it: ours, also when somebody there changed their notes."""
    made = wished.all_of_order(connection, route.marketplace, order.order_id)
    return frozenset(
        str(one.result["refund_id"]) for one in made if one.connection == route.store and one.result.get("refund_id")
    )


def made_by_staff(connection: Connection, route: Route, order: Order, store_order: StoreOrder) -> list[StoreRefund]:
    """The store's refunds, without those that we recorded in it."""
    if not store_order.refunds:
        return []
    recorded = _recorded(connection, route, order)
    return [
        refund
        for refund in store_order.refunds
        if not refund.reference.startswith(REFERENCE) and refund.refund_id not in recorded
    ]


def _waiting(connection: Connection, route: Route, order: Order, events: Sequence[OrderEvent]) -> frozenset[str]:
    """Ids of the returns that wait for an answer. One whose status we do not know may: being asked twice harms none."""
    if not any(event.kind is EventKind.RETURN_REQUESTED for event in events):
        return frozenset()
    stated = returns.of_order(connection, route.marketplace, order.order_id)
    return frozenset(one.return_id for one in stated if one.state in _WAITING)


def answered_elsewhere(connection: Connection, route: Route, order: Order) -> None:
    """An answer that was refused or given up, of a return that does not wait for one any more: somebody gave it at the
    marketplace."""
    name = route.marketplace
    wishes = wished.of_order(connection, name, EffectKind.ACKNOWLEDGE_RETURN, name, order.order_id)
    given_up = [one for one in wishes if one.state in GIVEN_UP]
    if not given_up:
        return
    states = {one.return_id: one.state for one in returns.of_order(connection, name, order.order_id)}
    for one in given_up:
        if states.get(one.payload.return_id, ReturnState.UNKNOWN) not in _WAITING:
            withdraw(connection, one, "the marketplace states it")


def told_by_store(
    connection: Connection, route: Route, order: Order, store_order: StoreOrder, seller_refunds: bool
) -> None:
    """Refunds that staff made in the store for shipped units, with what was given back besides, as delivery; or of
    money alone, which names no line to refund. Units that came back without money are no refund at the marketplace."""
    mapping = line_ids(order, store_order)
    staff = made_by_staff(connection, route, order, store_order)
    by_hand = began_in_store.booked_by_hand(connection, route, order, store_order, staff) if staff else frozenset()
    for refund in staff:
        if refund.refund_id in by_hand:
            continue
        taken_off = [line for line in refund.lines if line.unshipped]
        paid = [line for line in refund.lines if not line.unshipped and line.amount != 0 and mapping.get(line.line_id)]
        besides = beyond_units(refund)
        if not paid and (not besides or taken_off):
            continue
        if not seller_refunds:
            what = "units" if paid else "money, without naming units,"
            why = f"The store refunded {what} of order {order.reference}. {route.display_name} makes the refunds of its"
            _show(connection, route, order, refund, paid, refund.amount, f"{why} orders itself")
            continue
        if not paid:
            why = f"The store refunded money, without naming units, of order {order.reference}. {route.display_name}"
            _show(connection, route, order, refund, paid, besides, f"{why} has to be told by hand for which line")
            continue
        # cancelled units bring their own delivery: how much of it that was, a person sees
        delivery = 0 if taken_off else besides
        _tell(connection, route, order, refund, _by_line(paid, mapping), delivery)
        asked = began_in_store.asked_for(connection, route, order)
        left = sum(began_in_store.not_given_back(one) for one in asked if one.payload.refund_key == refund.refund_id)
        left += besides - delivery
        if left:
            why = (
                f"The store gave back {decimal_text(left, order.currency)} {order.currency} of order {order.reference}"
                f" besides its units, as delivery is, that {route.display_name} was not told of"
            )
            _show(connection, route, order, refund, paid, left, why)


def _show(
    connection: Connection,
    route: Route,
    order: Order,
    refund: StoreRefund,
    paid: Sequence[RefundedLine],
    amount: int | None,
    why: str,
) -> None:
    work_items.report(
        connection,
        [
            Problem(
                code="SELLER_REFUND",
                subject=f"{source_identifier(route.marketplace, order.order_id)}:{refund.refund_id}",
                connection=route.marketplace,
                order_id=order.order_id,
                message=f"{why}, so the buyer did not get this money.",
                impact=amount,
                currency=order.currency,
                evidence={"refund": refund.refund_id, "skus": [line.sku for line in paid]},
            )
        ],
    )


def _by_line(paid: Sequence[RefundedLine], mapping: Mapping[str, str]) -> list[tuple[str, RefundedLine]]:
    """One entry for each marketplace line: a store may split a line by what becomes of its units (Shopify, refunds:
    restocked or not), and a marketplace takes one word on each."""
    found: dict[str, RefundedLine] = {}
    for line in paid:
        line_id = mapping[line.line_id]
        known = found.get(line_id)
        if known is not None:
            stated = known.amount is not None and line.amount is not None
            amount = (known.amount or 0) + (line.amount or 0) if stated else None
            line = replace(known, quantity=known.quantity + line.quantity, amount=amount)
        found[line_id] = line
    return list(found.items())


def _tell(
    connection: Connection,
    route: Route,
    order: Order,
    refund: StoreRefund,
    paid: Sequence[tuple[str, RefundedLine]],
    delivery: int,
) -> None:
    payload = RefundLines(
        order_id=order.order_id,
        refund_key=refund.refund_id,
        lines=tuple(LineUnits(line_id=line_id, quantity=line.quantity, sku=line.sku) for line_id, line in paid),
        currency=order.currency,
        amounts=tuple(_asked(order, line_id, line) for line_id, line in paid),
        delivery=delivery,
        reason=refund.note,
    )
    key = f"refund:{order.order_id}:{refund.refund_id}"
    wish = to_marketplace(route.marketplace, EffectKind.REFUND_LINES, key, payload, Lane.REVERSALS)
    outbox.record(connection, [wish])


def _asked(order: Order, line_id: str, refunded: RefundedLine) -> int | None:
    """What the marketplace is asked to give back. A unit's price in a store may be a rounding: where a whole line was
    given back for what its units come to there, the buyer gets back its total."""
    line = order.line(line_id)
    total = line.price_of(line.quantity) if line is not None and line.quantity == refunded.quantity else None
    if total is None or refunded.amount is None or abs(total - refunded.amount) >= refunded.quantity:
        return refunded.amount
    return total


def _was_cancelled(order: Order, store_order: StoreOrder, event: OrderEvent) -> bool:
    """Whether a refund is what a cancellation gave back: of a line none of which is wanted any more, or has left. The
    store books the money with the units that are taken off."""
    line = order.line(event.line_id)
    if line is None or line.cancelled < line.quantity:
        return False
    return not shipped_units(order, store_order).get(line.line_id)


def _units(order: Order, event: OrderEvent) -> tuple[LineUnits, ...]:
    line = order.line(event.line_id)
    if line is None or event.quantity == 0:
        return ()  # money alone
    return (LineUnits(line_id=line.line_id, quantity=event.quantity, sku=line.sku, stock_number=line.stock_number),)
