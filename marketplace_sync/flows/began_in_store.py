"""Which of the marketplace's refunds answer one that began in the store, which has booked it: whether we told of it, a
person did by hand, or the marketplace said no at first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from marketplace_sync.domain.effects import EffectKind, EffectState
from marketplace_sync.domain.lifecycle import EventKind, OrderEvent
from marketplace_sync.domain.orders import Order
from marketplace_sync.domain.store import StoreOrder, StoreRefund
from marketplace_sync.flows.context import Route, source_identifier
from marketplace_sync.flows.fulfilment import line_ids
from marketplace_sync.flows.withdrawing import GIVEN_UP
from marketplace_sync.ledger import orders, wished
from marketplace_sync.ledger.wished import Wished

_NOT_BOOKED = (*GIVEN_UP, EffectState.SUPERSEDED)


REFERENCE = "refund:"
"""How the notes of refunds that we record in a store begin."""


@dataclass(frozen=True)
class Given:
    """What a refund in the store gave back for one line of the marketplace's order; without a line, money alone."""

    refund_id: str
    line_id: str
    quantity: int
    amount: int | None

    def is_answered_by(self, event: OrderEvent) -> bool:
        """Units by as many of the same line. Money that names no units is only known by its amount."""
        if event.quantity and self.quantity:
            return (event.line_id, event.quantity) == (self.line_id, self.quantity)
        same_line = not self.line_id or not event.line_id or event.line_id == self.line_id
        return same_line and not event.quantity and event.amount is not None and event.amount == self.amount


def reference(route: Route, order: Order, key: str) -> str:
    """Under which a refund of the marketplace's is booked in the store, once."""
    return f"{REFERENCE}{source_identifier(route.marketplace, order.order_id)}:{key}"


def asked_for(connection: Connection, route: Route, order: Order) -> list[Wished]:
    """Our requests to the marketplace to give back what the store did."""
    name = route.marketplace
    return wished.of_order(connection, name, EffectKind.REFUND_LINES, name, order.order_id)


def answered(
    connection: Connection,
    route: Route,
    order: Order,
    store_order: StoreOrder,
    events: Sequence[OrderEvent],
    staff: Sequence[StoreRefund],
) -> dict[str, Given | None]:
    """Key of a refund of the marketplace's -> what it answers of what staff did in the store; None: it was made for us,
    and named. The others are told by what they give back: one by one, the oldest first, one of the same amount before
    another. What the store took from us answers nothing; what it did not take may have been booked by hand."""
    ours: set[str] = set()
    known: dict[str, int] = {}
    for one in asked_for(connection, route, order):
        named = [str(refund_id) for refund_id in one.result.get("refund_ids") or ()]
        ours.update(named)
        if named:
            known[one.payload.refund_key] = not_given_back(one)
    free = _given(staff, line_ids(order, store_order), known)
    refunds = [event for event in events if event.kind is EventKind.REFUNDED]
    found: dict[str, Given | None] = {event.key: None for event in refunds if event.key in ours}
    for event in sorted(refunds, key=lambda one: (one.occurred_at, one.key)):
        if event.key in ours or not free or _is_booked(connection, route, order, event):
            continue
        fitting = [one for one in free if one.is_answered_by(event)]
        if fitting:
            chosen = next((one for one in fitting if one.amount == event.amount), fitting[0])
            free.remove(chosen)
            found[event.key] = chosen
    return found


def booked_by_hand(
    connection: Connection, route: Route, order: Order, store_order: StoreOrder, staff: Sequence[StoreRefund]
) -> frozenset[str]:
    """Refunds of staff's (ids) by which they booked what the marketplace gave back and the store had not taken from us:
    whatever is in them answers that, and the marketplace is not to pay it once more."""
    tried = {
        one.natural_key
        for one in wished.all_of_order(connection, route.marketplace, order.order_id)
        if one.kind is EffectKind.RECORD_REFUND and one.connection == route.store and one.state in _NOT_BOOKED
    }
    if not tried:
        return frozenset()
    told = {one.payload.refund_key for one in asked_for(connection, route, order)}
    left = [refund for refund in staff if refund.refund_id not in told]
    stated = orders.events_of(connection, route.marketplace, order.order_id, [EventKind.REFUNDED])
    events = [event for event in stated if reference(route, order, event.key) in tried]
    found = answered(connection, route, order, store_order, events, left)
    answering = Counter(one.refund_id for one in found.values() if one is not None)
    whole = Counter(one.refund_id for one in _given(left, line_ids(order, store_order), {}))
    return frozenset(refund_id for refund_id, count in answering.items() if count == whole[refund_id])


def _is_booked(connection: Connection, route: Route, order: Order, event: OrderEvent) -> bool:
    """Whether the store has it from us, or is going to."""
    assert route.store is not None
    key = reference(route, order, event.key)
    ours = wished.find(connection, route.store, key, route.marketplace, order.order_id)
    return ours is not None and ours.state not in _NOT_BOOKED


def beyond_units(refund: StoreRefund) -> int:
    """Minor units that staff gave back besides what the units are worth: delivery, as a rule. As much as rounding makes
    of single lines is nothing."""
    amounts = [line.amount for line in refund.lines]
    if refund.amount is None or None in amounts:
        return 0
    rest = refund.amount - sum(amount or 0 for amount in amounts)
    return rest if rest > len(amounts) else 0


def not_given_back(one: Wished) -> int:
    """Minor units of what we asked for that the marketplace did not take."""
    return int(one.result.get("not_given_back") or 0)


def _given(refunds: Sequence[StoreRefund], mapping: Mapping[str, str], known: Mapping[str, int]) -> list[Given]:
    """What was given back for shipped units, or as money alone, oldest first. `mapping`: the store's line id -> the
    marketplace's; `known`: refund -> what the marketplace left of it, of those that it made for us."""
    found = []
    for refund in sorted(refunds, key=lambda one: one.refunded_at):
        if refund.refund_id not in known:
            found += [
                Given(refund.refund_id, mapping[line.line_id], line.quantity, line.amount)
                for line in refund.lines
                if not line.unshipped and line.line_id in mapping
            ]
        alone = known.get(refund.refund_id, beyond_units(refund))
        if alone:
            found.append(Given(refund.refund_id, "", 0, alone))
    return found
