"""Wishes to a marketplace about one of its orders: each order is a subject, so it hears of things as they happened."""

from __future__ import annotations

from marketplace_sync.domain.effects import (
    AcknowledgeOrder,
    AcknowledgeReturn,
    CancelLines,
    CloseReturn,
    Dispatch,
    EffectKind,
    JudgeReturn,
    Lane,
    ReceiveReturn,
    RefundLines,
)
from marketplace_sync.ledger.outbox import Wish

OfAnOrder = (
    AcknowledgeOrder
    | AcknowledgeReturn
    | CancelLines
    | CloseReturn
    | Dispatch
    | JudgeReturn
    | ReceiveReturn
    | RefundLines
)


def to_marketplace(name: str, kind: EffectKind, natural_key: str, payload: OfAnOrder, lane: Lane) -> Wish:
    """`name`: the marketplace's connection."""
    return Wish(
        connection=name,
        kind=kind,
        natural_key=natural_key,
        subject=payload.order_id,
        lane=lane,
        payload=payload,
        order_connection=name,
        order_id=payload.order_id,
    )
