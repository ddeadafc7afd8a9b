"""Parcels that left the store: told to the marketplace under its own carrier code, and to Klaviyo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from msgspec.structs import replace
from sqlalchemy import Connection

from marketplace_sync.domain.effects import (
    WAITS_FOR_THE_REST,
    Dispatch,
    EffectKind,
    EffectState,
    Lane,
    LineUnits,
)
from marketplace_sync.domain.lifecycle import EventKind, OrderEvent
from marketplace_sync.domain.orders import Initiator, Order
from marketplace_sync.domain.store import Fulfilment, StoreOrder, Tracking
from marketplace_sync.domain.work_items import Problem
from marketplace_sync.flows import tracking
from marketplace_sync.flows.context import Route, source_identifier
from marketplace_sync.flows.customer_events import Teller, fulfilled_key
from marketplace_sync.flows.telling import to_marketplace
from marketplace_sync.flows.withdrawing import GIVEN_UP, withdraw
from marketplace_sync.ledger import orders, outbox, renewal, wished, work_items

_SEEN_LATE = timedelta(minutes=5)
"""A parcel that is heard of so long after it left may have been told already: by an installation that has since been
put back to an earlier moment, or by a person while it stood still."""


def line_ids(order: Order, store_order: StoreOrder) -> dict[str, str]:
    """Store line id -> marketplace line id: by what we wrote on the line, else by the only line with that SKU."""
    found = {}
    for line in store_order.lines:
        if line.source_line_id:
            found[line.line_id] = line.source_line_id
            continue
        same = [candidate.line_id for candidate in order.lines if candidate.sku and candidate.sku == line.sku]
        if len(same) == 1:
            found[line.line_id] = same[0]
    return found


def _told(events: Sequence[OrderEvent]) -> dict[str, dict[str, int]]:
    """Fulfilment id -> marketplace line id -> units, of what was already recorded as dispatched."""
    known: dict[str, dict[str, int]] = {}
    for event in events:
        if event.kind is EventKind.DISPATCHED:
            known.setdefault(event.key, {})[event.line_id] = event.quantity
    return known


def fulfil(
    connection: Connection,
    route: Route,
    order: Order,
    store_order: StoreOrder,
    recorded: Sequence[OrderEvent],
    now: datetime,
) -> None:
    """Compare the store's fulfilments with the order's recorded events, and record and wish for what is new."""
    known = _told(recorded)
    mapping = line_ids(order, store_order)
    left = {line.line_id: line.quantity - line.cancelled for line in order.lines}
    for units in known.values():
        for line_id, quantity in units.items():
            left[line_id] = left.get(line_id, 0) - quantity
    for fulfilment in store_order.fulfilments:
        if not fulfilment.succeeded and fulfilment.fulfilment_id in known:
            released = _undo(connection, route, order, fulfilment)
            for line_id, quantity in known[fulfilment.fulfilment_id].items() if released else ():
                left[line_id] = left.get(line_id, 0) + quantity
    for fulfilment in sorted(store_order.fulfilments, key=lambda one: (one.shipped_at, one.fulfilment_id)):
        if not fulfilment.succeeded:
            continue
        subject = _subject(route, order, fulfilment)
        if fulfilment.fulfilment_id in known:
            _overtaken(connection, route, order, fulfilment, subject)
            _completed(connection, route, order, fulfilment, left)
            _announce(connection, route, order, fulfilment, known[fulfilment.fulfilment_id], left, subject, now)
            continue
        units, surplus = _units(fulfilment, mapping, left)
        if surplus:
            work_items.report(connection, [_too_many(route, order, fulfilment, surplus, subject)])
        if not units:
            continue
        for line_id, quantity in units.items():
            left[line_id] -= quantity
        events = [
            OrderEvent(
                connection=route.marketplace,
                order_id=order.order_id,
                kind=EventKind.DISPATCHED,
                occurred_at=fulfilment.shipped_at,
                key=fulfilment.fulfilment_id,
                line_id=line_id,
                quantity=quantity,
                initiator=Initiator.SELLER,
                detail={
                    "tracking": [{"company": t.company, "number": t.number, "url": t.url} for t in fulfilment.tracking]
                },
            )
            for line_id, quantity in units.items()
        ]
        orders.record_events(connection, events, now)
        _announce(connection, route, order, fulfilment, units, left, subject, now)
        if now - fulfilment.shipped_at > _SEEN_LATE and _is_shown(order, mapping, store_order, known, units):
            key = dispatch_key(route, order, fulfilment.fulfilment_id)
            outbox.supersede(connection, route.marketplace, key, "the marketplace showed it before it was known here")
        known[fulfilment.fulfilment_id] = units


def _is_shown(
    order: Order,
    mapping: Mapping[str, str],
    store_order: StoreOrder,
    known: Mapping[str, Mapping[str, int]],
    units: Mapping[str, int],
) -> bool:
    """Whether the marketplace shows a parcel that nobody here has told it: as many units of each of its lines beyond
    those of the parcels that are known. Units that the store never had say nothing of its parcels."""
    had: dict[str, int] = {}
    for stored in store_order.lines:
        line_id = mapping.get(stored.line_id, "")
        had[line_id] = had.get(line_id, 0) + stored.quantity
    return all(
        had.get(line.line_id, 0) >= line.quantity
        and line.dispatched - sum(told.get(line.line_id, 0) for told in known.values()) >= units[line.line_id]
        for line in order.lines
        if line.line_id in units
    )


def _overtaken(connection: Connection, route: Route, order: Order, fulfilment: Fulfilment, subject: str) -> None:
    """The marketplace refused to hear of a parcel, and nothing of what it holds is asked for any more: to say it again
    is pointless. Where the buyer had cancelled it meanwhile, a person has goods to get back."""
    key = dispatch_key(route, order, fulfilment.fulfilment_id)
    told = wished.find(connection, route.marketplace, key, route.marketplace, order.order_id)
    if told is None or told.state not in GIVEN_UP:
        return
    lines = [(line, units) for units in told.payload.lines if (line := order.line(units.line_id)) is not None]
    if any(line.open for line, _ in lines):
        return
    surplus = [line for line, units in lines if line.dispatched < (units.before or 0) + units.quantity]
    withdraw(connection, told, "the units were cancelled" if surplus else "the units are dispatched")
    if surplus:
        skus = [line.sku or line.line_id for line in surplus]
        work_items.report(connection, [_too_many(route, order, fulfilment, skus, subject)])


def _completed(
    connection: Connection, route: Route, order: Order, fulfilment: Fulfilment, left: Mapping[str, int]
) -> None:
    """Whether anything is still to leave after a parcel may change until it is told: another one left, was taken back,
    or the rest was cancelled. One that waits for the rest where orders ship as a whole goes when there is none."""
    key = dispatch_key(route, order, fulfilment.fulfilment_id)
    told = wished.find(connection, route.marketplace, key, route.marketplace, order.order_id)
    if told is None or told.state not in (EffectState.PENDING, EffectState.SUPERSEDED):
        return
    completes = _nothing_left(left)
    if told.payload.completes is completes or (told.state is EffectState.SUPERSEDED and not completes):
        return
    wish = _wish(route, order, fulfilment, replace(told.payload, completes=completes))
    renewal.renew(connection, [wish], lambda known, newest: bool(known == newest), WAITS_FOR_THE_REST)


def _nothing_left(left: Mapping[str, int]) -> bool:
    return all(quantity <= 0 for quantity in left.values())


def _wish(route: Route, order: Order, fulfilment: Fulfilment, payload: Dispatch) -> outbox.Wish:
    key = dispatch_key(route, order, fulfilment.fulfilment_id)
    return to_marketplace(route.marketplace, EffectKind.DISPATCH, key, payload, Lane.URGENT)


def _subject(route: Route, order: Order, fulfilment: Fulfilment) -> str:
    return f"{source_identifier(route.marketplace, order.order_id)}:{fulfilment.fulfilment_id}"


def _undo(connection: Connection, route: Route, order: Order, fulfilment: Fulfilment) -> bool:
    """The store cancelled a fulfilment. True when the marketplace was never told of it: its units are to be shipped
    again, and the next fulfilment states them. Otherwise a person has to settle it."""
    key, subject = dispatch_key(route, order, fulfilment.fulfilment_id), _subject(route, order, fulfilment)
    outbox.supersede(connection, route.marketplace, key, "the store cancelled the fulfilment before it was stated")
    stated = wished.find(connection, route.marketplace, key, route.marketplace, order.order_id)
    if stated is not None and stated.state is not EffectState.SUPERSEDED:
        work_items.report(connection, [_undone(route, order, fulfilment, subject)])
        return False
    gone = "the store cancelled the fulfilment"
    closing = [
        "UNMAPPED_CARRIER",
        "TRACKING_MISSING",
        "TRACKING_CHANGED",
        "FULFILMENT_UNDONE",
        "SHIPPED_MORE_THAN_ORDERED",
    ]
    work_items.close(connection, closing, [subject], gone)
    work_items.close(connection, ["EFFECT_REFUSED", "EFFECT_DEAD"], [f"{route.marketplace}:{key}"], gone)
    return True


def dispatch_key(route: Route, order: Order, fulfilment_id: str) -> str:
    return f"dispatch:{order.order_id}:{fulfilment_id}"


def _announce(
    connection: Connection,
    route: Route,
    order: Order,
    fulfilment: Fulfilment,
    units: Mapping[str, int],
    left: Mapping[str, int],
    subject: str,
    now: datetime,
) -> None:
    """Wish that the marketplace and the buyer knew of a fulfilment, as soon as its number is known. `left`: units of
    each line that are still to leave after all fulfilments there are."""
    key = dispatch_key(route, order, fulfilment.fulfilment_id)
    wish = wished.find(connection, route.marketplace, key, route.marketplace, order.order_id)
    stated = None if wish is None else _corrected(connection, route, order, fulfilment, subject, wish)
    to_tell = route.marketing is not None and not order.is_test and not _is_told(connection, route, order, fulfilment)
    over = wish is None and _nothing_to_state(order, units)
    if over:
        _not_stated(connection, route, order, fulfilment, units, left, subject, to_tell)
    if not to_tell and (over or stated is not None):
        return
    number = stated
    if number is None:
        number = tracking.number(connection, route, order, fulfilment, subject, now, buyer_only=over)
    if number is None:
        if not over:
            _show_carrier(connection, route, order, fulfilment, subject)
        return
    if stated is None and not over:
        _dispatch(connection, route, order, fulfilment, units, number, subject, _nothing_left(left))
    if to_tell:
        teller = Teller(connection, route, [order], now)
        told = teller.fulfilled(
            order, fulfilment.fulfilment_id, fulfilment.shipped_at, units, fulfilment.tracking, _nothing_left(left)
        )
        outbox.record(connection, [told])


def _is_told(connection: Connection, route: Route, order: Order, fulfilment: Fulfilment) -> bool:
    assert route.marketing is not None
    key = fulfilled_key(route, order, fulfilment.fulfilment_id)
    return wished.find(connection, route.marketing, key, route.marketplace, order.order_id) is not None


def _corrected(
    connection: Connection, route: Route, order: Order, fulfilment: Fulfilment, subject: str, wish: wished.Wished
) -> str:
    """The tracking number that the marketplace is told, or was. One that the store gave or changed since goes with a
    dispatch that is not there yet; else somebody has to state it by hand."""
    known: Dispatch = wish.payload
    parcel = tracking.parcel_of(fulfilment)
    if parcel.number in ("", known.tracking_number) or wish.state not in (EffectState.PENDING, *GIVEN_UP):
        tracking.came_later(connection, route, order, fulfilment, subject, known.tracking_number)
        return known.tracking_number
    newest = replace(
        known,
        carrier=route.settings.carriers.get(parcel.company, known.carrier),
        tracking_number=parcel.number,
        tracking_url=parcel.url,
    )
    renewal.renew(connection, [_wish(route, order, fulfilment, newest)], lambda *_: False, WAITS_FOR_THE_REST)
    tracking.has_come(connection, subject)
    return parcel.number


def _dispatch(
    connection: Connection,
    route: Route,
    order: Order,
    fulfilment: Fulfilment,
    units: Mapping[str, int],
    number: str,
    subject: str,
    completes: bool,
) -> None:
    """Wish the marketplace knew of a fulfilment, once its carrier is one that the marketplace takes."""
    parcel = tracking.parcel_of(fulfilment)
    carrier = route.settings.carriers.get(parcel.company)
    if carrier is None:
        work_items.report(connection, [_unmapped(route, order, fulfilment, parcel, subject)])
        return
    work_items.close(connection, ["UNMAPPED_CARRIER"], [subject], "the carrier is mapped now")
    payload = Dispatch(
        order_id=order.order_id,
        lines=line_units(order, units, before=_stated_before(connection, route, order)),
        carrier=carrier,
        tracking_number=number,
        tracking_url=parcel.url,
        shipped_at=fulfilment.shipped_at,
        fulfilment_id=fulfilment.fulfilment_id,
        completes=completes,
    )
    outbox.record(connection, [_wish(route, order, fulfilment, payload)])


def _nothing_to_state(order: Order, units: Mapping[str, int]) -> bool:
    """Whether all that is in a parcel was stated by hand, or cancelled since it left."""
    return all(line.open <= 0 for line in order.lines if line.line_id in units)


def _not_stated(
    connection: Connection,
    route: Route,
    order: Order,
    fulfilment: Fulfilment,
    units: Mapping[str, int],
    left: Mapping[str, int],
    subject: str,
    to_tell: bool,
) -> None:
    """A parcel that the marketplace is not told of: the items that kept it waiting are over. Where more units left than
    the marketplace shows, they were cancelled while it waited, and a person has goods to get back."""
    waited_for = ["UNMAPPED_CARRIER"] if to_tell else ["UNMAPPED_CARRIER", "TRACKING_MISSING"]
    work_items.close(connection, waited_for, [subject], tracking.NOT_STATED)
    surplus = [
        line.sku or line.line_id
        for line in order.lines
        if line.line_id in units and line.quantity - line.cancelled - left[line.line_id] > line.dispatched
    ]
    if surplus:
        work_items.report(connection, [_too_many(route, order, fulfilment, surplus, subject)])


def _show_carrier(connection: Connection, route: Route, order: Order, fulfilment: Fulfilment, subject: str) -> None:
    """A carrier that nobody mapped is shown while the number is still waited for: both are missing, and the person who
    maps one may take as long as the number. No carrier at all is what comes with the number."""
    parcel = tracking.parcel_of(fulfilment)
    if parcel.company in route.settings.carriers:
        work_items.close(connection, ["UNMAPPED_CARRIER"], [subject], "the carrier is mapped now")
    elif parcel.company:
        work_items.report(connection, [_unmapped(route, order, fulfilment, parcel, subject)])


def _stated_before(connection: Connection, route: Route, order: Order) -> dict[str, int]:
    """Units of each line that the marketplace shows as dispatched or is about to be told of."""
    name = route.marketplace
    under_way = wished.units_under_way(connection, name, EffectKind.DISPATCH, name, order.order_id)
    return {line.line_id: line.dispatched + under_way.get(line.line_id, 0) for line in order.lines}


def line_units(
    order: Order, units: Mapping[str, int], before: Mapping[str, int] | None = None
) -> tuple[LineUnits, ...]:
    return tuple(
        LineUnits(
            line_id=line.line_id,
            quantity=units[line.line_id],
            sku=line.sku,
            stock_number=line.stock_number,
            before=None if before is None else before.get(line.line_id, 0),
            ordered=None if before is None else line.quantity,
        )
        for line in order.lines
        if units.get(line.line_id)
    )


def _units(
    fulfilment: Fulfilment, mapping: Mapping[str, str], left: Mapping[str, int]
) -> tuple[dict[str, int], list[str]]:
    """Marketplace line id -> units this fulfilment ships of what is still owed, and the SKUs of what is too much."""
    units: dict[str, int] = {}
    surplus = []
    for shipped in fulfilment.lines:
        line_id = mapping.get(shipped.line_id)
        owed = left.get(line_id, 0) - units.get(line_id, 0) if line_id is not None else 0
        take = min(shipped.quantity, max(0, owed))
        if line_id is not None and take > 0:
            units[line_id] = units.get(line_id, 0) + take
        if take < shipped.quantity:
            surplus.append(shipped.sku or shipped.line_id)
    return units, surplus


def _unmapped(route: Route, order: Order, fulfilment: Fulfilment, parcel: Tracking, subject: str) -> Problem:
    return Problem(
        code="UNMAPPED_CARRIER",
        subject=subject,
        connection=route.marketplace,
        order_id=order.order_id,
        message=f"A parcel of order {order.reference} left with {parcel.company or 'no carrier named'!r}, and the route"
        f" {route.name} maps no such carrier to a code of {route.display_name}. The dispatch is kept and waits.",
        impact=order.total,
        currency=order.currency,
        evidence={
            "carrier": parcel.company,
            "fulfilment": fulfilment.fulfilment_id,
            "tracking_number": parcel.number,
            "mapped": sorted(route.settings.carriers),
            "setting": f"routes.{route.name}.carriers",
        },
    )


def _undone(route: Route, order: Order, fulfilment: Fulfilment, subject: str) -> Problem:
    return Problem(
        code="FULFILMENT_UNDONE",
        subject=subject,
        connection=route.marketplace,
        order_id=order.order_id,
        message=f"The store cancelled a fulfilment of order {order.reference} ({fulfilment.status}) after it was"
        f" recorded as dispatched to {route.display_name}.",
        evidence={"fulfilment": fulfilment.fulfilment_id, "status": fulfilment.status},
    )


def _too_many(route: Route, order: Order, fulfilment: Fulfilment, skus: list[str], subject: str) -> Problem:
    return Problem(
        code="SHIPPED_MORE_THAN_ORDERED",
        subject=subject,
        connection=route.marketplace,
        order_id=order.order_id,
        message=f"The store shipped more of {', '.join(skus)} than order {order.reference} still asks for.",
        evidence={"fulfilment": fulfilment.fulfilment_id, "skus": skus},
    )
