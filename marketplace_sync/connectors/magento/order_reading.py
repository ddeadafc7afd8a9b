"""Turns an order as Magento states it, with its shipments and credit memos, into the project's own: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from marketplace_sync.connectors.magento import marks
from marketplace_sync.connectors.magento.answers import CreditMemo, Item, Number, OrderFacts, Shipment, whole
from marketplace_sync.connectors.magento.settings import MagentoSettings
from marketplace_sync.connectors.ports import Malformed
from marketplace_sync.domain.money import minor_units, share
from marketplace_sync.domain.store import (
    Fulfilment,
    RefundedLine,
    ShippedLine,
    StoreOrder,
    StoreOrderLine,
    StoreRefund,
    Tracking,
)

CANCELLED = "canceled"
_CREDIT_MEMO_CANCELLED = 3
TAKEN_OFF = ("cancel:", "remove:")
"""How the references of our credit memos begin that took units off an order before they left."""


def store_order(
    facts: OrderFacts, shipments: Sequence[Shipment], credit_memos: Sequence[CreditMemo], settings: MagentoSettings
) -> StoreOrder:
    """Raises Malformed; also for an order that was edited in the admin, where Magento cancels it and makes another one:
    that is no cancellation, and nobody but a person can tell what it is."""
    if facts.state == CANCELLED and facts.relation_child_real_id:
        raise Malformed(
            f"order {facts.increment_id} was edited in the admin and replaced by {facts.relation_child_real_id},"
            " which is not followed: state at the marketplace by hand what becomes of it"
        )
    try:
        return _read(facts, shipments, credit_memos, settings)
    except ValueError as problem:
        raise Malformed(f"order {facts.increment_id} ({facts.entity_id}): {problem}") from None


def _read(
    facts: OrderFacts, shipments: Sequence[Shipment], credit_memos: Sequence[CreditMemo], settings: MagentoSettings
) -> StoreOrder:
    parents = {item.item_id: item.parent_item_id for item in facts.items if item.parent_item_id}
    items = [item for item in facts.items if item.item_id not in parents]
    memos = sorted(
        (memo for memo in credit_memos if memo.state != _CREDIT_MEMO_CANCELLED),
        key=lambda memo: (memo.created_at, memo.entity_id),
    )
    refunds = _refunds(facts, items, shipments, memos, came_back=settings.credited_came_back)
    cancelled = facts.state == CANCELLED
    taken_off = _taken_off(facts, items)
    if taken_off and not cancelled:
        refunds = [*refunds, taken_off]
    changes = [facts.updated_at, *(one.updated_at for one in shipments), *(one.updated_at for one in memos)]
    return StoreOrder(
        store_order_id=str(facts.entity_id),
        name=facts.increment_id,
        source_identifier=marks.source_identifier(
            facts.increment_id, facts.payment.additional_information if facts.payment else None, settings
        ),
        updated_at=max(map(moment, changes)),
        lines=tuple(_line(item) for item in items),
        fulfilments=tuple(_fulfilment(one, parents) for one in shipments),
        refunds=tuple(refunds),
        cancelled_at=moment(facts.updated_at) if cancelled else None,
        cancel_reason=facts.status or "" if cancelled else "",
    )


def moment(stated: str) -> datetime:
    """`2026-11-19 08:00:00`, always UTC whatever the shop's zone (Magento, time). Raises ValueError."""
    return datetime.strptime(stated, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)


def _line(item: Item) -> StoreOrderLine:
    return StoreOrderLine(
        line_id=str(item.item_id),
        sku=item.sku or "",
        quantity=whole(item.qty_ordered, f"qty_ordered of item {item.item_id}"),
        source_line_id=item.ext_order_item_id or "",
    )


def _fulfilment(stated: Shipment, parents: Mapping[int, int]) -> Fulfilment:
    """A shipment cannot be unmade. What belongs to a composite product is stated for its parent and its children."""
    lines = [
        ShippedLine(
            line_id=str(line.order_item_id),
            sku=line.sku or "",
            quantity=whole(line.qty, f"qty in shipment {stated.entity_id}"),
        )
        for line in stated.items or ()
        if line.order_item_id not in parents
    ]
    return Fulfilment(
        fulfilment_id=str(stated.entity_id),
        succeeded=True,
        status="shipped",
        shipped_at=moment(stated.created_at),
        updated_at=moment(stated.updated_at),
        lines=tuple(line for line in lines if line.quantity > 0),
        tracking=tuple(
            Tracking(company=track.title or track.carrier_code or "", number=track.track_number or "")
            for track in stated.tracks or ()
        ),
    )


def _refunds(
    facts: OrderFacts,
    items: Sequence[Item],
    shipments: Sequence[Shipment],
    memos: Sequence[CreditMemo],
    *,
    came_back: bool,
) -> list[StoreRefund]:
    """Credit memos, oldest first. Magento does not say of their units whether they had left: units beyond those that
    were shipped by then were taken off (Magento, credit memo), and no more than were never shipped. Its times are
    whole seconds: a shipment of the same second counts as later, where the quantities allow it."""
    known = {item.item_id for item in items}
    credited = dict.fromkeys(known, 0)
    never_shipped = {
        item.item_id: whole(item.qty_ordered, f"qty of item {item.item_id}")
        - _shipped_by(item.item_id, None, shipments)
        for item in items
    }
    found = []
    for memo in memos:
        currency = memo.order_currency_code or facts.order_currency_code or ""
        reference = next((mark for one in memo.comments or () if (mark := marks.reference_in(one.comment))), "")
        stated = [line for line in memo.items or () if line.order_item_id in known]
        worth = [
            max(0, _money(line.row_total_incl_tax, currency) - _money(line.discount_amount, currency))
            for line in stated
        ]
        paid = max(0, sum(worth) - _money(memo.adjustment_negative, currency))
        parts = share(min(paid, sum(worth)), worth) if sum(worth) else [0] * len(worth)
        lines: list[RefundedLine] = []
        for line, amount in zip(stated, parts, strict=True):
            quantity = whole(line.qty, f"qty in credit memo {memo.entity_id}")
            if quantity <= 0:
                continue
            before = credited[line.order_item_id]
            credited[line.order_item_id] = before + quantity
            shipped = _shipped_by(line.order_item_id, memo.created_at, shipments)
            taken = max(0, before + quantity - shipped) - max(0, before - shipped)
            taken = min(taken, max(0, never_shipped[line.order_item_id]))
            if reference:
                taken = quantity if reference.startswith(TAKEN_OFF) else 0
            never_shipped[line.order_item_id] -= taken
            for unshipped, units in ((True, taken), (False, quantity - taken)):
                if units:
                    lines.append(
                        RefundedLine(
                            line_id=str(line.order_item_id),
                            sku=line.sku or "",
                            quantity=units,
                            unshipped=unshipped,
                            amount=amount * units // quantity,
                            returned=came_back and not unshipped and not reference,
                        )
                    )
        found.append(
            StoreRefund(
                refund_id=str(memo.entity_id),
                refunded_at=moment(memo.created_at),
                lines=tuple(lines),
                amount=_money(memo.grand_total, currency),
                reference=reference,
                note=next((one.comment for one in memo.comments or () if one.comment), ""),
            )
        )
    return found


def _shipped_by(item_id: int, at: str | None, shipments: Sequence[Shipment]) -> int:
    """Units of the item that were shipped before this second; None: at all."""
    return sum(
        whole(line.qty, f"qty in shipment {one.entity_id}")
        for one in shipments
        if at is None or one.created_at < at
        for line in one.items or ()
        if line.order_item_id == item_id
    )


def _taken_off(facts: OrderFacts, items: Sequence[Item]) -> StoreRefund | None:
    """Units that were cancelled while the order goes on: no credit memo tells of them, only the lines' counts."""
    lines = [
        RefundedLine(line_id=str(item.item_id), sku=item.sku or "", quantity=units, unshipped=True)
        for item in items
        if (units := whole(item.qty_canceled, f"qty_canceled of item {item.item_id}")) > 0
    ]
    if not lines:
        return None
    return StoreRefund(refund_id="cancelled", refunded_at=moment(facts.updated_at), lines=tuple(lines))


def _money(stated: Number, currency: str) -> int:
    return 0 if stated is None else minor_units(stated, currency)
