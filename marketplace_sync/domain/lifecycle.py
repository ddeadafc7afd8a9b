"""What happened to an order between two statements of it: order events; the same fact is always the same event."""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec
from msgspec.structs import replace

from marketplace_sync.domain.erased_buyers import with_known_buyer
from marketplace_sync.domain.orders import Initiator, Order, OrderLine, Refund, Return, ReturnState

_NAMESPACE = uuid.UUID("6f1d3c1e-8a52-5f0b-9a53-2a3a0f8c7d11")
_OF_NAMESPACE = hashlib.sha1(_NAMESPACE.bytes, usedforsecurity=False)


class EventKind(StrEnum):
    """The steps of an order's life. `dispatched` is the store's word, `dispatch_confirmed` the marketplace's."""

    PLACED = "placed"
    ACKNOWLEDGED = "acknowledged"
    DISPATCHED = "dispatched"
    DISPATCH_CONFIRMED = "dispatch_confirmed"
    CANCELLATION_REQUESTED = "cancellation_requested"
    CANCELLED = "cancelled"
    RETURN_REQUESTED = "return_requested"
    RETURN_DECLINED = "return_declined"
    RETURNED = "returned"
    REFUNDED = "refunded"


class OrderEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One fact about one order (`line_id` empty) or one line of it, with the units it concerns."""

    connection: str
    order_id: str
    kind: EventKind
    occurred_at: datetime
    key: str
    """What makes the fact unique within its order and kind: a cumulative count, a fulfilment id, a refund id."""
    line_id: str = ""
    quantity: int = 0
    initiator: Initiator = Initiator.UNKNOWN
    amount: int | None = None
    """Minor units of the order's currency, where the source states money."""
    detail: dict[str, Any] = msgspec.field(default_factory=dict)
    """`reason`, `return_id`, `tracking`; `basis`: the price basis of `amount`, where it may differ from the order's."""

    @property
    def event_id(self) -> uuid.UUID:
        """The same fact has the same id, whoever sees it and however often."""
        return uuid.UUID(bytes=self.id_bytes)

    @property
    def id_bytes(self) -> bytes:
        return id_bytes(self.connection, self.order_id, self.kind, self.line_id, self.key)


def event_id(connection: str, order_id: str, kind: str, line_id: str, key: str) -> uuid.UUID:
    return uuid.UUID(bytes=id_bytes(connection, order_id, kind, line_id, key))


def id_bytes(connection: str, order_id: str, kind: str, line_id: str, key: str) -> bytes:
    """UUIDv5 (RFC 9562, section 5.5), as `uuid.uuid5` makes it, in a fifth of its time."""
    digest = _OF_NAMESPACE.copy()
    digest.update("\x1f".join((connection, order_id, kind, line_id, key)).encode())
    made = bytearray(digest.digest()[:16])
    made[6] = made[6] & 0x0F | 0x50
    made[8] = made[8] & 0x3F | 0x80
    return bytes(made)


def carried(before: Order | None, after: Order) -> Order:
    """`after`, keeping what `before` already knew: units ordered and cancelled never become fewer, a buyer never blank.

    Some marketplaces reduce a line's quantity when units are cancelled, or leave the line out: what vanished was
    cancelled.
    """
    if before is None:
        return after
    stated = {line.line_id: line for line in after.lines}
    lines = []
    for known in before.lines:
        line = stated.pop(known.line_id, None)
        if line is None:
            lines.append(replace(known, cancelled=max(known.cancelled, known.quantity - known.dispatched)))
            continue
        vanished = max(0, known.quantity - line.quantity)
        cancelled = max(known.cancelled, line.cancelled, vanished)
        dispatched = max(known.dispatched, line.dispatched)
        still_open = max(0, max(known.quantity, line.quantity) - cancelled - dispatched)
        lines.append(
            replace(
                line,
                quantity=max(known.quantity, line.quantity),
                # money goes with the quantity: of the units that vanished the new amounts know nothing any more
                total=known.total if vanished else line.total,
                tax=known.tax if vanished else line.tax,
                cancelled=cancelled,
                # a listing may lag behind what the marketplace took from us: what is settled is not asked for
                cancellation_requested=min(line.cancellation_requested, still_open),
                acknowledged=max(known.acknowledged, line.acknowledged),
                dispatched=dispatched,
            )
        )
    lines.extend(stated.values())
    return replace(
        with_known_buyer(before, after),
        lines=tuple(lines),
        acknowledge_by=after.acknowledge_by or before.acknowledge_by,
        placed_at=before.placed_at,
    )


def changes(connection: str, before: Order | None, after: Order, seen_at: datetime) -> list[OrderEvent]:
    """The events that lead from one statement to the next. `before` None: the order is new.

    `after` has been through `carried`. Marketplaces that do not say when a status moved give `seen_at`. An order is
    placed when units of it are first seen.
    """
    events: list[OrderEvent] = []
    if after.has_units() and (before is None or not before.has_units()):
        events.append(
            OrderEvent(
                connection=connection,
                order_id=after.order_id,
                kind=EventKind.PLACED,
                occurred_at=after.placed_at,
                key="1",
                quantity=sum([line.quantity for line in after.lines]),
            )
        )
    earlier = {line.line_id: line for line in before.lines} if before else {}
    for line in after.lines:
        known = earlier.get(line.line_id)
        if known is not None or _has_moved(line):
            events.extend(_line_changes(connection, after.order_id, known, line, seen_at))
    return events


def _has_moved(line: OrderLine) -> bool:
    return bool(line.acknowledged or line.dispatched or line.cancelled or line.cancellation_requested)


def _line_changes(
    connection: str, order_id: str, before: OrderLine | None, after: OrderLine, seen_at: datetime
) -> list[OrderEvent]:
    earlier = _counts(before) if before else {}
    asked_before = before is not None and before.cancellation_requested > 0
    found = []
    for kind, count in _counts(after).items():
        known = earlier.get(kind, 0)
        if count <= known:
            continue
        initiator = Initiator.UNKNOWN
        detail: dict[str, Any] = {}
        if kind in (EventKind.CANCELLED, EventKind.CANCELLATION_REQUESTED):
            asked = asked_before or kind is EventKind.CANCELLATION_REQUESTED
            initiator = Initiator.CUSTOMER if asked else Initiator.MARKETPLACE
            if after.cancelled_by:
                initiator = Initiator(after.cancelled_by)
            if after.cancel_reason:
                detail["reason"] = after.cancel_reason
        found.append(
            OrderEvent(
                connection=connection,
                order_id=order_id,
                kind=kind,
                occurred_at=seen_at,
                key=str(count),
                line_id=after.line_id,
                quantity=count - known,
                initiator=initiator,
                detail=detail,
            )
        )
    return found


def _counts(line: OrderLine) -> dict[EventKind, int]:
    return {
        EventKind.ACKNOWLEDGED: line.acknowledged,
        # Units asked for and units already cancelled together, so that a second request is a new fact.
        EventKind.CANCELLATION_REQUESTED: (
            line.cancellation_requested + line.cancelled if line.cancellation_requested else 0
        ),
        EventKind.DISPATCH_CONFIRMED: line.dispatched,
        EventKind.CANCELLED: line.cancelled,
    }


def return_events(connection: str, stated: Return) -> list[OrderEvent]:
    """The facts one statement of a return holds; stating it again yields the same events."""
    common: dict[str, Any] = {
        "connection": connection,
        "order_id": stated.order_id,
        "line_id": stated.line_id,
        "key": stated.return_id,
        "quantity": stated.quantity,
        "initiator": Initiator(stated.initiator),
        "detail": {"reason": stated.reason, "return_id": stated.return_id, "basis": stated.refund_basis.value},
    }
    events = [OrderEvent(kind=EventKind.RETURN_REQUESTED, occurred_at=stated.requested_at, **common)]
    if stated.state in (ReturnState.DECLINED, ReturnState.REJECTED):
        events.append(OrderEvent(kind=EventKind.RETURN_DECLINED, occurred_at=stated.changed_at, **common))
    # goods of which it was said what they are like came back, also where that was over before anybody read it
    judged = stated.state is ReturnState.CLOSED and stated.compliant is not None
    if stated.state in (ReturnState.APPROVED, ReturnState.RECEIVED) or judged:
        events.append(OrderEvent(kind=EventKind.RETURNED, occurred_at=stated.changed_at, **common))
    if stated.state is ReturnState.APPROVED:
        events.append(
            OrderEvent(kind=EventKind.REFUNDED, occurred_at=stated.changed_at, amount=stated.refund_amount, **common)
        )
    return events


def refund_events(connection: str, stated: Refund) -> list[OrderEvent]:
    return [
        OrderEvent(
            connection=connection,
            order_id=stated.order_id,
            kind=EventKind.REFUNDED,
            occurred_at=stated.refunded_at,
            key=stated.refund_id,
            line_id=stated.line_id,
            quantity=stated.quantity,
            initiator=Initiator(stated.initiator),
            amount=None if stated.amount is None else stated.amount + stated.shipping_amount,
            detail={
                "reason": stated.reason,
                "shipping_amount": stated.shipping_amount,
                "basis": stated.basis.value,
            },
        )
    ]
