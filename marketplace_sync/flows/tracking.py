"""The tracking number of a parcel: waited for while it may still come, stood in for when it does not.

Stores let a parcel leave before anybody typed in its number, and marketplaces that were told a dispatch take no second
word on it. So a parcel of a carrier that tracks waits for its number for a while; the marketplace's deadline is hours
away, and the buyer's message is worth little without it.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from marketplace_sync.domain.orders import Order, StatedParcel
from marketplace_sync.domain.store import Fulfilment, Tracking
from marketplace_sync.domain.work_items import Problem
from marketplace_sync.flows.context import Route
from marketplace_sync.ledger import work_items

_MISSING, _CHANGED = "TRACKING_MISSING", "TRACKING_CHANGED"
NOT_STATED = "nothing of the parcel is left to be stated"


def parcel_of(fulfilment: Fulfilment) -> Tracking:
    """What is stated of a fulfilment: its first parcel with a number, else its first."""
    return next((t for t in fulfilment.tracking if t.number), None) or next(iter(fulfilment.tracking), Tracking())


def stand_in(order: Order, fulfilment: Fulfilment) -> str:
    """Stands in for a number when a carrier gives none: marketplaces demand some text."""
    reference = order.customer_order_number or order.reference
    return f"{reference}-{fulfilment.fulfilment_id.rsplit('/', 1)[-1]}"


def has_come(connection: Connection, subject: str) -> None:
    """The number of a parcel is known, so nobody has to look for it."""
    work_items.close(connection, [_MISSING], [subject], "the number has come")


def number(
    connection: Connection,
    route: Route,
    order: Order,
    fulfilment: Fulfilment,
    subject: str,
    now: datetime,
    *,
    buyer_only: bool,
) -> str | None:
    """What to state as the number; None: it is still waited for, and a person is shown which one. `buyer_only`: the
    marketplace is not told of this parcel, so nothing stands in for a number that does not come."""
    parcel = parcel_of(fulfilment)
    if parcel.number:
        has_come(connection, subject)
        return parcel.number
    substitute = stand_in(order, fulfilment)
    if parcel.company in route.settings.untracked_carriers:
        return substitute
    until = fulfilment.shipped_at + route.settings.tracking_within
    if now < until:
        who = "The buyer is" if buyer_only else f"{route.display_name} and the buyer are"
        what = f"{who} told when it comes, or without it at {until:%Y-%m-%d %H:%M} UTC"
        work_items.report(connection, [_problem(route, order, fulfilment, subject, what, until)])
        return None
    if buyer_only:
        work_items.close(connection, [_MISSING], [subject], NOT_STATED)
        return substitute
    what = f"{route.display_name} was told {substitute} in its place"
    work_items.report(connection, [_problem(route, order, fulfilment, subject, what)])
    return substitute


def came_later(
    connection: Connection, route: Route, order: Order, fulfilment: Fulfilment, subject: str, stated: str
) -> None:
    """The marketplace was told a stand-in, or a number that the store has changed since: somebody has to state by hand
    what the store says now."""
    number = parcel_of(fulfilment).number
    if number in ("", stated):
        work_items.close(connection, [_CHANGED], [subject], "the store says what the marketplace was told")
    elif stated == stand_in(order, fulfilment):
        what = f"{route.display_name} was told {stated} in its place; {number} came later and is stated by hand"
        work_items.report(connection, [_problem(route, order, fulfilment, subject, what)])
    else:
        work_items.report(connection, [_changed(route, order, fulfilment, subject, stated)])


def of_stated(
    connection: Connection,
    route: Route,
    order: Order,
    parcel: StatedParcel,
    subject: str,
    seen_at: datetime,
    now: datetime,
) -> tuple[bool, bool]:
    """Of a parcel that the marketplace states: whether its number is still waited for, and whether the buyer is told
    without one that there should be. A person is shown either, but for what is history."""
    if parcel.number:
        has_come(connection, subject)
        return False, False
    if parcel.carrier in route.settings.untracked_carriers:
        return False, False
    until = (parcel.left_at or seen_at) + route.settings.stated_tracking_within
    waits = now < until
    if waits or now - until < route.settings.late_event_after:
        work_items.report(connection, [_without_number(route, order, parcel, subject, until if waits else None)])
    return waits, not waits


def _without_number(route: Route, order: Order, parcel: StatedParcel, subject: str, until: datetime | None) -> Problem:
    told = f"when it comes, or without it at {until:%Y-%m-%d %H:%M} UTC" if until else "without it"
    return Problem(
        code=_MISSING,
        subject=subject,
        connection=route.marketplace,
        order_id=order.order_id,
        message=f"{route.display_name} shows a parcel of order {order.reference} that left with"
        f" {parcel.carrier or 'no carrier named'!r} and without a tracking number. The buyer"
        f" {'is' if until else 'was'} told {told}.",
        evidence={
            "carrier": parcel.carrier,
            "parcel": parcel.parcel_id,
            "settings": [f"routes.{route.name}.untracked_carriers", f"routes.{route.name}.stated_tracking_within"],
            **_waits(until),
        },
    )


def _changed(route: Route, order: Order, fulfilment: Fulfilment, subject: str, stated: str) -> Problem:
    number = parcel_of(fulfilment).number
    return Problem(
        code=_CHANGED,
        subject=subject,
        connection=route.marketplace,
        order_id=order.order_id,
        message=f"The store changed the tracking number of a parcel of order {order.reference} to {number} after"
        f" {route.display_name} was told {stated}.",
        evidence={"fulfilment": fulfilment.fulfilment_id, "tracking_number": number, "told": stated},
    )


def _waits(until: datetime | None) -> dict[str, str]:
    return {"waits_until": until.isoformat()} if until else {}


def _problem(
    route: Route, order: Order, fulfilment: Fulfilment, subject: str, what: str, until: datetime | None = None
) -> Problem:
    parcel = parcel_of(fulfilment)
    return Problem(
        code=_MISSING,
        subject=subject,
        connection=route.marketplace,
        order_id=order.order_id,
        message=f"A parcel of order {order.reference} left with {parcel.company or 'no carrier named'!r} and without a"
        f" tracking number. {what}.",
        evidence={
            "carrier": parcel.company,
            "fulfilment": fulfilment.fulfilment_id,
            "tracking_number": parcel.number,
            "settings": [f"routes.{route.name}.untracked_carriers", f"routes.{route.name}.tracking_within"],
            **_waits(until),
        },
    )
