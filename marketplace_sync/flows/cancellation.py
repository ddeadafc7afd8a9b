"""Cancellations, both ways: what the marketplace cancels leaves the store first, what the store cancels is told on.

Two counts per line are brought together, units the marketplace wants or shows cancelled and units the store has taken
off. The marketplace is only told that units are cancelled once the store cannot ship them any more.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection

from marketplace_sync.domain.effects import CancelLines, CancelOrder, EffectKind, EffectState, Lane, RemoveLines
from marketplace_sync.domain.orders import Order
from marketplace_sync.domain.store import StoreOrder
from marketplace_sync.domain.work_items import Problem
from marketplace_sync.flows import injection
from marketplace_sync.flows.context import Route, source_identifier
from marketplace_sync.flows.fulfilment import line_ids, line_units
from marketplace_sync.flows.telling import to_marketplace
from marketplace_sync.flows.withdrawing import GIVEN_UP, withdraw
from marketplace_sync.ledger import outbox, renewal, wished, work_items

_TAKING_OFF = (EffectKind.CANCEL_ORDER, EffectKind.REMOVE_LINES)
_LYING = (EffectState.PENDING, *GIVEN_UP)
_ALL_LEFT = "nothing of it is left in the store"


def wanted(order: Order) -> dict[str, int]:
    """Line id -> units that the marketplace shows as cancelled or asks to cancel."""
    return {line.line_id: line.cancelled + line.cancellation_requested for line in order.lines}


def taken_off(order: Order, store_order: StoreOrder) -> dict[str, int]:
    """Marketplace line id -> units the store has taken off the order before they were shipped."""
    mapping = line_ids(order, store_order)
    found: dict[str, int] = {}
    for refund in store_order.refunds:
        for line in refund.lines:
            line_id = mapping.get(line.line_id)
            if line.unshipped and line_id is not None:
                found[line_id] = found.get(line_id, 0) + line.quantity
    if store_order.cancelled_at is not None:
        shipped = shipped_units(order, store_order)
        for store_line in store_order.lines:
            line_id = mapping.get(store_line.line_id)
            if line_id is not None:
                rest = store_line.quantity - shipped.get(line_id, 0)
                found[line_id] = max(found.get(line_id, 0), rest)
    return found


def shipped_units(order: Order, store_order: StoreOrder) -> dict[str, int]:
    mapping = line_ids(order, store_order)
    found: dict[str, int] = {}
    for fulfilment in store_order.fulfilments:
        for line in fulfilment.lines if fulfilment.succeeded else ():
            line_id = mapping.get(line.line_id)
            if line_id is not None:
                found[line_id] = found.get(line_id, 0) + line.quantity
    return found


def cancel(
    connection: Connection,
    route: Route,
    order: Order,
    store_order: StoreOrder | None,
    settled: work_items.Settled,
    *,
    seller_can_cancel: bool,
    can_remove_lines: bool,
) -> None:
    """Bring the two sides' cancellations together for one order. A store that lets no units be taken off an order that
    goes on (`can_remove_lines`) leaves that to a person, and the marketplace is told once it was done."""
    if route.store is None:
        return
    if store_order is None:
        _before_injection(connection, route, order)
        return
    want, have, shipped = wanted(order), taken_off(order, store_order), shipped_units(order, store_order)
    in_store: dict[str, int] = {}
    mapping = line_ids(order, store_order)
    for store_line in store_order.lines:
        line_id = mapping.get(store_line.line_id)
        if line_id is not None:
            in_store[line_id] = in_store.get(line_id, 0) + store_line.quantity
    leaving = wished.units_under_way(
        connection, route.store, EffectKind.REMOVE_LINES, route.marketplace, order.order_id
    )
    telling = _telling(connection, route, order)
    agreeing = _telling(connection, route, order, requested=True)
    left_before = _left_before_injection(connection, route, order, in_store)
    remove: dict[str, int] = {}
    agree: dict[str, int] = {}
    tell: dict[str, int] = {}
    too_late: dict[str, int] = {}
    for line in order.lines:
        injected = in_store.get(line.line_id, 0)
        never_injected = max(0, line.quantity - injected - left_before.get(line.line_id, 0))
        target = max(0, want[line.line_id] - never_injected)
        removed = have.get(line.line_id, 0)
        promised = removed + leaving.get(line.line_id, 0)
        possible = injected - shipped.get(line.line_id, 0)
        if target > promised:
            feasible = min(target, possible)
            if feasible > promised:
                remove[line.line_id] = feasible - promised
            if target > possible and line.cancellation_requested:
                too_late[line.line_id] = target - possible
        if line.cancellation_too_late and line.line_id in in_store:
            too_late[line.line_id] = too_late.get(line.line_id, 0) + line.cancellation_too_late
        confirmed = removed + never_injected if removed else removed
        told = line.cancelled + telling.get(line.line_id, 0)
        untold = min(confirmed, line.quantity - line.dispatched) - told
        if untold > 0:
            agree[line.line_id] = min(untold, max(0, line.cancellation_requested - agreeing.get(line.line_id, 0)))
            tell[line.line_id] = untold - agree[line.line_id]
    by_hand = False
    if remove:
        gone = {line_id: have.get(line_id, 0) + leaving.get(line_id, 0) for line_id in in_store}
        by_hand = not _take_off(
            connection, route, order, store_order, remove, gone, shipped, in_store, can_remove_lines=can_remove_lines
        )
    if not by_hand:
        settled.add(["REMOVE_BY_HAND"], "nothing is left to be taken off the order")
    if too_late:
        work_items.report(connection, [_too_late(route, order, too_late)])
    else:
        settled.add(["CANCELLED_AFTER_DISPATCH"], "it is settled")
    if all(shipped.get(line_id, 0) + have.get(line_id, 0) >= quantity for line_id, quantity in in_store.items()):
        _nothing_left(connection, route, order)
    _reached(connection, route, order)
    # what was asked for is agreed to even where the marketplace takes no cancellation of the seller's own
    if any(agree.values()):
        _tell(connection, route, order, agree, telling, requested=True)
    if any(tell.values()):
        before = {line_id: telling.get(line_id, 0) + n for line_id, n in agree.items()}
        if seller_can_cancel:
            _tell(connection, route, order, tell, before, requested=False)
        else:
            work_items.report(connection, [_unsupported(route, order, tell)])


def overtaken(connection: Connection, route: Route, order: Order) -> None:
    """All of the order has left although its buyer had cancelled it: what the store refused asks nobody any more."""
    key = f"cancel:{source_identifier(route.marketplace, order.order_id)}"
    refused = route.store and wished.find(connection, route.store, key, route.marketplace, order.order_id)
    if refused and refused.state in _LYING:
        withdraw(connection, refused, "all of the order has left")


def _nothing_left(connection: Connection, route: Route, order: Order) -> None:
    """Every unit has left the store or was taken off its order: what it refused to take off, or was still to, asks
    nobody any more. Where the buyer had cancelled what has left, that is shown as such."""
    for one in wished.all_of_order(connection, route.marketplace, order.order_id):
        if one.connection == route.store and one.kind in _TAKING_OFF and one.state in _LYING:
            withdraw(connection, one, _ALL_LEFT)


def _reached(connection: Connection, route: Route, order: Order) -> None:
    """A cancellation that the marketplace refused and shows all the same: somebody else told it, or it took a part of
    what it then gave no answer to."""
    name = route.marketplace
    cancelled = {line.line_id: line.cancelled for line in order.lines}
    for one in wished.of_order(connection, name, EffectKind.CANCEL_LINES, name, order.order_id):
        if one.state in GIVEN_UP and all(
            cancelled.get(units.line_id, 0) >= (units.before or 0) + units.quantity for units in one.payload.lines
        ):
            withdraw(connection, one, "the units are cancelled")


def _left_before_injection(
    connection: Connection, route: Route, order: Order, in_store: Mapping[str, int]
) -> dict[str, int]:
    """Line id -> units that somebody had dispatched when the store got the rest: not the store's, and not cancelled."""
    if not any(line.dispatched and line.quantity > in_store.get(line.line_id, 0) for line in order.lines):
        return {}
    assert route.store is not None
    injected = wished.of_order(connection, route.store, EffectKind.CREATE_ORDER, route.marketplace, order.order_id)
    return {line.line_id: line.dispatched for wish in injected for line in wish.payload.order.lines}


def _telling(connection: Connection, route: Route, order: Order, *, requested: bool = False) -> dict[str, int]:
    """Line id -> units that the marketplace is about to be told of; `requested`: of those that it asked for."""
    name = route.marketplace

    def wanted(one: wished.Wished) -> bool:
        return not requested or bool(one.payload.requested_by_marketplace)

    return wished.units_under_way(connection, name, EffectKind.CANCEL_LINES, name, order.order_id, wanted)


def _before_injection(connection: Connection, route: Route, order: Order) -> None:
    """Everything cancelled before the store got it: it is not injected at all."""
    want = wanted(order)
    if not all(want[line.line_id] >= line.quantity for line in order.lines):
        return
    assert route.store is not None
    key = injection.natural_key(route, order.order_id)
    outbox.supersede(connection, route.store, key, injection.CANCELLED_BEFORE)
    _agree(connection, route, order)


def held_back(connection: Connection, route: Route, order: Order) -> None:
    """What the marketplace asks to cancel of an order that the store cannot be given is agreed to: the store has none
    of it, and it may be all that holds up the rest."""
    if not order.awaiting_release:
        _agree(connection, route, order)


def _agree(connection: Connection, route: Route, order: Order) -> None:
    telling = _telling(connection, route, order)
    asked = {
        line.line_id: line.cancellation_requested - telling.get(line.line_id, 0)
        for line in order.lines
        if line.cancellation_requested > telling.get(line.line_id, 0)
    }
    if asked and not injection.under_way(connection, route, order.order_id):
        _tell(connection, route, order, asked, telling, requested=True)


def _take_off(
    connection: Connection,
    route: Route,
    order: Order,
    store_order: StoreOrder,
    remove: Mapping[str, int],
    have: Mapping[str, int],
    shipped: Mapping[str, int],
    in_store: Mapping[str, int],
    *,
    can_remove_lines: bool,
) -> bool:
    """Wish for the units to leave the store's order; False when a person has to take them off."""
    assert route.store is not None
    identifier = source_identifier(route.marketplace, order.order_id)
    asked = [line for line in order.lines if line.cancellation_requested]
    said = next((line.cancelled_by for line in asked or order.lines if line.cancelled_by), "")
    initiator = said or ("customer" if asked else "marketplace")
    reason = next((line.cancel_reason for line in order.lines if line.cancel_reason), "")
    whole = not any(shipped.values()) and all(
        have.get(line_id, 0) + remove.get(line_id, 0) >= quantity for line_id, quantity in in_store.items()
    )
    payload: CancelOrder | RemoveLines
    if not whole and not can_remove_lines:
        work_items.report(connection, [_by_hand(route, order, store_order, remove)])
        return False
    if whole:
        kind, key = EffectKind.CANCEL_ORDER, f"cancel:{identifier}"
        payload = CancelOrder(
            store_order_id=store_order.store_order_id, source_identifier=identifier, reason=reason, initiator=initiator
        )
    else:
        totals = ",".join(f"{line_id}={have.get(line_id, 0) + n}" for line_id, n in sorted(remove.items()))
        kind, key = EffectKind.REMOVE_LINES, f"remove:{identifier}:{totals}"
        payload = RemoveLines(
            store_order_id=store_order.store_order_id,
            source_identifier=identifier,
            reference=key,
            lines=line_units(order, remove),
            reason=reason,
        )
    wish = outbox.Wish(
        connection=route.store,
        kind=kind,
        natural_key=key,
        subject=identifier,
        lane=Lane.REVERSALS,
        payload=payload,
        order_connection=route.marketplace,
        order_id=order.order_id,
    )
    if not outbox.record(connection, [wish]):
        # a parcel was taken back: what was withdrawn because of it can be taken off after all
        renewal.renew(connection, [wish], lambda known, newest: True, _ALL_LEFT)
    return True


def _tell(
    connection: Connection,
    route: Route,
    order: Order,
    units: Mapping[str, int],
    telling: Mapping[str, int],
    *,
    requested: bool,
) -> None:
    """`telling`: units that the marketplace hears of before these.

    What it asked for and what is our own are told apart, as it need not take both. A cancellation of our own may be
    refused for what else is open of its line (John Lewis, cancellations: whole lines only), so it is told again once
    that has changed.
    """
    before = {line.line_id: line.cancelled + telling.get(line.line_id, 0) for line in order.lines}
    lines = line_units(order, units, before)
    of_open = {
        line.line_id: "" if requested else f"/{line.quantity - line.dispatched - before[line.line_id]}"
        for line in order.lines
    }
    totals = ",".join(f"{one.line_id}={before[one.line_id] + one.quantity}{of_open[one.line_id]}" for one in lines)
    payload = CancelLines(
        order_id=order.order_id,
        lines=lines,
        requested_by_marketplace=requested,
        reason=next((line.cancel_reason for line in order.lines if line.cancel_reason), ""),
    )
    key = f"cancel:{order.order_id}:{totals}"
    wish = to_marketplace(route.marketplace, EffectKind.CANCEL_LINES, key, payload, Lane.REVERSALS)
    if outbox.record(connection, [wish]):
        _told_anew(connection, route, order, payload, key)


def _told_anew(connection: Connection, route: Route, order: Order, newest: CancelLines, key: str) -> None:
    """What was refused of the same lines before is told with the newest: a person has one matter to look at."""
    name, lines = route.marketplace, {units.line_id for units in newest.lines}
    for one in wished.of_order(connection, name, EffectKind.CANCEL_LINES, name, order.order_id):
        known: CancelLines = one.payload
        if (
            one.natural_key != key
            and one.state in GIVEN_UP
            and known.requested_by_marketplace is newest.requested_by_marketplace
            and all(units.line_id in lines for units in known.lines)
        ):
            withdraw(connection, one, "it is told anew, as the order is now")


def _unsupported(route: Route, order: Order, units: Mapping[str, int]) -> Problem:
    return Problem(
        code="SELLER_CANCEL_UNSUPPORTED",
        subject=source_identifier(route.marketplace, order.order_id),
        connection=route.marketplace,
        order_id=order.order_id,
        message=f"Units of order {order.reference} were cancelled in the store, and {route.display_name}"
        " takes no cancellations from sellers.",
        impact=order.total,
        currency=order.currency,
        evidence={"units": {line_id: n for line_id, n in units.items() if n}},
    )


def _by_hand(route: Route, order: Order, store_order: StoreOrder, units: Mapping[str, int]) -> Problem:
    skus = {line.line_id: line.sku or line.line_id for line in order.lines}
    wanted_off = ", ".join(f"{count} of {skus.get(line_id, line_id)}" for line_id, count in sorted(units.items()))
    return Problem(
        code="REMOVE_BY_HAND",
        subject=source_identifier(route.marketplace, order.order_id),
        connection=route.marketplace,
        order_id=order.order_id,
        message=f"{route.display_name} cancels {wanted_off} of order {order.reference}, and in {route.store} only a"
        f" person can take units off an order ({store_order.name}). Until then they may ship; {route.display_name}"
        " is answered once they are off.",
        impact=order.total,
        currency=order.currency,
        evidence={"units": dict(units), "store_order": store_order.name},
    )


def _too_late(route: Route, order: Order, units: Mapping[str, int]) -> Problem:
    return Problem(
        code="CANCELLED_AFTER_DISPATCH",
        subject=source_identifier(route.marketplace, order.order_id),
        connection=route.marketplace,
        order_id=order.order_id,
        message=f"{route.display_name} asks to cancel units of order {order.reference} that the store has shipped."
        " The dispatch is stated to the marketplace.",
        impact=order.total,
        currency=order.currency,
        evidence={"units": dict(units)},
    )
