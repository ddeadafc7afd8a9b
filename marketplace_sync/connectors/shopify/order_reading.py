"""Turns an order as Shopify states it into the project's own: pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec

from marketplace_sync.connectors.ports import Malformed
from marketplace_sync.connectors.shopify import marks
from marketplace_sync.connectors.shopify.order_answers import (
    Facts,
    Fulfillment,
    Line,
    Listed,
    MoneyBag,
    Reference,
    Refund,
    RefundedLine,
)
from marketplace_sync.connectors.shopify.taken_off import removed_units
from marketplace_sync.decoding import decoded
from marketplace_sync.domain.money import NotMoney, minor_units, share
from marketplace_sync.domain.store import (
    Fulfilment,
    ShippedLine,
    StoreOrder,
    StoreOrderLine,
    StoreRefund,
    Tracking,
)
from marketplace_sync.domain.store import RefundedLine as StoreRefundedLine


def read_facts(stated: msgspec.Raw) -> Facts:
    """Raises Malformed when the order is not as Shopify documents orders."""
    try:
        return decoded(stated, Facts)
    except (msgspec.DecodeError, RecursionError) as problem:
        raise Malformed(f"order {listed(stated).id} is not as documented: {str(problem)[:200]}") from None


def listed(stated: msgspec.Raw) -> Listed:
    """As much as can be read of which order it is and when it changed."""
    try:
        return decoded(stated, Listed)
    except (msgspec.DecodeError, RecursionError):
        try:
            return Listed(id=decoded(stated, Reference).id)
        except (msgspec.DecodeError, RecursionError):
            return Listed()


def store_order(facts: Facts) -> StoreOrder:
    """The order, its lists complete. Raises Malformed when an amount is none."""
    removed = removed_units(facts)
    try:
        refunds = tuple(_refund(refund, removed, taxes_included=facts.taxes_included) for refund in facts.refunds)
    except NotMoney as problem:
        raise Malformed(f"order {facts.name} ({facts.id}): a refund's amount cannot be read: {problem}") from None
    return StoreOrder(
        store_order_id=facts.id,
        name=facts.name,
        source_identifier=facts.source_identifier or "",
        updated_at=facts.updated_at,
        lines=tuple(_line(line) for line in facts.line_items.nodes),
        fulfilments=tuple(_fulfilment(fulfilment) for fulfilment in facts.fulfillments),
        refunds=refunds,
        cancelled_at=facts.cancelled_at,
        cancel_reason=facts.cancel_reason or "",
    )


def source_line_id(line: Line) -> str:
    """The marketplace's id of a line, as it was written at injection; empty when it is not ours."""
    return next((item.value or "" for item in line.custom_attributes if item.key == marks.LINE_PROPERTY), "")


def _line(line: Line) -> StoreOrderLine:
    return StoreOrderLine(
        line_id=line.id, sku=line.sku or "", quantity=line.quantity, source_line_id=source_line_id(line)
    )


def _fulfilment(stated: Fulfillment) -> Fulfilment:
    return Fulfilment(
        fulfilment_id=stated.id,
        # Only SUCCESS has left; every other status, also one that Shopify adds tomorrow, has not.
        succeeded=stated.status == "SUCCESS",
        status=stated.status,
        shipped_at=stated.created_at,
        updated_at=stated.updated_at,
        lines=tuple(
            ShippedLine(line_id=line.line_item.id, sku=line.line_item.sku or "", quantity=line.quantity or 0)
            for line in stated.fulfillment_line_items.nodes
        ),
        tracking=tuple(
            Tracking(company=parcel.company or "", number=parcel.number or "", url=parcel.url or "")
            for parcel in stated.tracking_info
        ),
    )


def _refund(stated: Refund, removed: Counter[tuple[str, int]], *, taxes_included: bool) -> StoreRefund:
    """A line's amount is its part of the money that was given back: staff may give back less than a line is worth, or
    nothing. What was given on top (delivery, goodwill) belongs to no line and only shows in the refund's amount."""
    amount = _amount(stated.total_refunded_set)
    lines = stated.refund_line_items.nodes
    worth = [_amount(line.subtotal_set) + (0 if taxes_included else _amount(line.total_tax_set)) for line in lines]
    parts = worth if amount >= sum(worth) else share(amount, worth)
    return StoreRefund(
        refund_id=stated.id,
        refunded_at=stated.processed_at,
        lines=tuple(
            row
            for at, (line, part) in enumerate(zip(lines, parts, strict=True))
            for row in _refunded_lines(line, part, removed[stated.id, at])
        ),
        amount=amount,
        reference=marks.reference_in(stated.note),
        note=stated.note or "",
    )


def _refunded_lines(stated: RefundedLine, amount: int, removed: int) -> Iterator[StoreRefundedLine]:
    """`restockType` CANCEL means that the units were taken off before they left, RETURN that they came back; of others
    nothing is said (Shopify, cancel and refund), and `removed` of them were taken off."""
    if stated.restock_type == "CANCEL":
        removed = stated.quantity
    units = [removed, stated.quantity - removed]
    for unshipped, quantity, part in zip((True, False), units, share(amount, units), strict=True):
        if quantity:
            yield StoreRefundedLine(
                line_id=stated.line_item.id,
                sku=stated.line_item.sku or "",
                quantity=quantity,
                unshipped=unshipped,
                amount=part,
                returned=stated.restock_type == "RETURN",
            )


def _amount(bag: MoneyBag) -> int:
    return minor_units(bag.shop_money.amount, bag.shop_money.currency_code)
