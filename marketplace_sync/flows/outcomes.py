"""What follows when a vendor took, or refused, what a courier brought: in the transaction that notes the delivery."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace
from sqlalchemy import Connection

from marketplace_sync.domain.effects import (
    AcknowledgeOrder,
    CancelLines,
    CancelOrder,
    CloseReturn,
    CreateOrder,
    Dispatch,
    Effect,
    EffectKind,
    JudgeReturn,
    Lane,
    LineUnits,
    ReceiveReturn,
    RefundLines,
    RemoveLines,
    StateReference,
)
from marketplace_sync.domain.lifecycle import OrderEvent
from marketplace_sync.domain.orders import Initiator, Order
from marketplace_sync.domain.store import RefundedLine, StoreOrder, StoreOrderLine, StoreRefund
from marketplace_sync.domain.work_items import Problem
from marketplace_sync.flows import advance, goods_back
from marketplace_sync.flows.context import Context, from_source_identifier
from marketplace_sync.ledger import orders, outbox, store, work_items

_OF_AN_ORDER = (AcknowledgeOrder, Dispatch, CancelLines, RefundLines, ReceiveReturn, JudgeReturn, CloseReturn)
"""What the marketplace was told of one of its orders."""


def lock_order(connection: Connection, effect: Effect) -> None:
    """Lock the order that the outcome will change, before its effect: everybody locks in this sequence."""
    payload = effect.payload
    found: tuple[str, str] | None = None
    if isinstance(payload, CreateOrder | CancelOrder | RemoveLines):
        found = from_source_identifier(payload.source_identifier)
    elif isinstance(payload, _OF_AN_ORDER):
        found = (effect.connection, payload.order_id)
    if found is not None:
        orders.load(connection, found[0], [found[1]], lock=True)


def delivered(connection: Connection, context: Context, effect: Effect, result: dict[str, Any]) -> None:
    """Note what the delivery means for the order and wish for what comes next."""
    payload = effect.payload
    if isinstance(payload, CreateOrder):
        _created(connection, context, effect.connection, payload, result)
    elif isinstance(payload, CancelOrder | RemoveLines):
        _taken_off(connection, context, effect, payload)
    elif isinstance(payload, AcknowledgeOrder):
        _moved(connection, context, effect.connection, payload.order_id, acknowledged=payload.lines)
    elif isinstance(payload, Dispatch):
        _moved(connection, context, effect.connection, payload.order_id, dispatched=payload.lines)
    elif isinstance(payload, CancelLines):
        initiator = Initiator.CUSTOMER if payload.requested_by_marketplace else Initiator.SELLER
        _moved(connection, context, effect.connection, payload.order_id, cancelled=payload.lines, initiator=initiator)
    elif isinstance(payload, RefundLines):
        _moved(connection, context, effect.connection, payload.order_id)
    elif isinstance(payload, ReceiveReturn | JudgeReturn | CloseReturn):
        _return_moved(connection, context, effect.connection, payload)


def nothing_to_decide(connection: Connection, effects: Sequence[Effect]) -> None:
    """What a person was asked about these effects is settled: they were delivered."""
    if effects:
        codes = ["EFFECT_REFUSED", "EFFECT_DEAD", "EFFECT_IN_DOUBT"]
        work_items.close(connection, codes, [subject_of(effect) for effect in effects], "it was delivered")


def no_longer_in_doubt(connection: Connection, effect: Effect) -> None:
    """Its vendor said whether it did what it was asked, whatever follows from it."""
    work_items.close(connection, ["EFFECT_IN_DOUBT"], [subject_of(effect)], "the vendor said what became of it")


def subject_of(effect: Effect) -> str:
    return f"{effect.connection}:{effect.natural_key}"


def given_up(connection: Connection, effect: Effect, code: str, reason: str) -> None:
    """Refused or dead: a person decides."""
    what = effect.kind.value.replace("_", " ")
    happened = {
        "EFFECT_REFUSED": "refused to",
        "EFFECT_DEAD": "could not be brought to",
        "EFFECT_IN_DOUBT": "was asked, and does not say whether it did",
    }[code]
    work_items.report(
        connection,
        [
            Problem(
                code=code,
                subject=subject_of(effect),
                connection=effect.connection,
                order_id=_order_id(effect),
                message=f"{effect.connection} {happened} {what} for {effect.subject} (attempt {effect.attempts}):"
                f" {reason}. Effect {effect.effect_id} is kept.",
                evidence={
                    "effect_id": effect.effect_id,
                    "kind": effect.kind.value,
                    "source": effect.source,
                    "reason": reason,
                },
            )
        ],
    )


def _order_id(effect: Effect) -> str:
    """The marketplace's id of the order an effect is about; empty when it is about none."""
    ours = from_source_identifier(str(getattr(effect.payload, "source_identifier", "")))
    return ours[1] if ours else str(getattr(effect.payload, "order_id", ""))


def refused(connection: Connection, context: Context, effect: Effect) -> None:
    """The order may have changed since the wish: what is still right of it is wished for anew."""
    payload = effect.payload
    found: tuple[str, str] | None = None
    if isinstance(payload, AcknowledgeOrder | Dispatch | CancelLines | RefundLines):
        found = (effect.connection, payload.order_id)
    elif isinstance(payload, CancelOrder | RemoveLines):
        found = from_source_identifier(payload.source_identifier)
    order = orders.load(connection, found[0], [found[1]], lock=True).get(found[1]) if found else None
    if order is not None and found is not None:
        _follow(connection, context, found[0], order, ())


def _created(connection: Connection, context: Context, name: str, payload: CreateOrder, result: dict[str, Any]) -> None:
    ours = from_source_identifier(payload.source_identifier)
    assert ours is not None
    order = orders.load(connection, ours[0], [ours[1]], lock=True)[ours[1]]
    if store.order_of(connection, name, *ours) is None:
        lines = result.get("lines", {})
        created = StoreOrder(
            store_order_id=result["store_order_id"],
            name=result.get("name", ""),
            source_identifier=payload.source_identifier,
            # older than anything the store will say of it, whatever the clocks of the two sides
            updated_at=datetime.fromtimestamp(0, UTC),
            lines=tuple(
                StoreOrderLine(
                    line_id=lines.get(variant.line_id, ""),
                    sku=variant.sku,
                    quantity=line.open,
                    source_line_id=variant.line_id,
                )
                for variant in payload.variants
                for line in payload.order.lines
                if line.line_id == variant.line_id
            ),
        )
        store.save_order(connection, name, created, ours[0], ours[1], context.now())
    if context.marketplaces[ours[0]].capabilities.keeps_our_reference:
        _state_reference(connection, ours[0], order.order_id, result.get("name") or result["store_order_id"])
    _follow(connection, context, ours[0], order, ())


def _state_reference(connection: Connection, marketplace: str, order_id: str, reference: str) -> None:
    """Its subject is its own, so that nothing of the order waits for it: a marketplace may take these rarely."""
    outbox.record(
        connection,
        [
            outbox.Wish(
                connection=marketplace,
                kind=EffectKind.STATE_REFERENCE,
                natural_key=f"reference:{order_id}",
                subject=f"reference:{order_id}",
                lane=Lane.CATALOGUE,
                payload=StateReference(order_id=order_id, reference=reference),
                order_connection=marketplace,
                order_id=order_id,
            )
        ],
    )


def _taken_off(connection: Connection, context: Context, effect: Effect, payload: CancelOrder | RemoveLines) -> None:
    """The store took units off the order: note it on our copy, so that the marketplace is told without waiting."""
    ours = from_source_identifier(payload.source_identifier)
    assert ours is not None
    order = orders.load(connection, ours[0], [ours[1]], lock=True)[ours[1]]
    known = store.order_of(connection, effect.connection, *ours)
    if known is None:
        return
    if isinstance(payload, CancelOrder):
        known = replace(known, cancelled_at=known.cancelled_at or context.now())
    elif not any(refund.reference == payload.reference for refund in known.refunds):
        by_source = {line.source_line_id: line for line in known.lines}
        removed = tuple(
            RefundedLine(
                line_id=by_source[units.line_id].line_id, sku=units.sku, quantity=units.quantity, unshipped=True
            )
            for units in payload.lines
            if units.line_id in by_source
        )
        refund = StoreRefund(
            refund_id=payload.reference, refunded_at=context.now(), lines=removed, reference=payload.reference
        )
        known = replace(known, refunds=(*known.refunds, refund))
    store.save_order(connection, effect.connection, known, ours[0], ours[1], context.now())
    _follow(connection, context, ours[0], order, ())


def _moved(
    connection: Connection,
    context: Context,
    name: str,
    order_id: str,
    *,
    acknowledged: Sequence[LineUnits] = (),
    dispatched: Sequence[LineUnits] = (),
    cancelled: Sequence[LineUnits] = (),
    initiator: Initiator | None = None,
) -> None:
    progress = advance.progressed(
        connection,
        context,
        name,
        order_id,
        acknowledged=acknowledged,
        dispatched=dispatched,
        cancelled=cancelled,
        initiator=initiator,
    )
    if progress is not None:
        order, events = progress
        _follow(connection, context, name, order, events)


def _return_moved(
    connection: Connection, context: Context, name: str, payload: ReceiveReturn | JudgeReturn | CloseReturn
) -> None:
    order = orders.load(connection, name, [payload.order_id], lock=True).get(payload.order_id)
    events = goods_back.told(connection, context, name, payload)
    if order is not None:
        _follow(connection, context, name, order, events)


def _follow(connection: Connection, context: Context, name: str, order: Order, events: Sequence[OrderEvent]) -> None:
    for route in context.routes_of(name):
        advance.order_changed(connection, context, route, order, events)
