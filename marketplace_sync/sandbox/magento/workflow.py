"""How far an order is: what of it can still be invoiced, shipped, refunded, cancelled, and the state that follows."""

from __future__ import annotations

from decimal import Decimal

from marketplace_sync.sandbox.magento.amounts import ZERO, exact
from marketplace_sync.sandbox.state import Document

STATUSES = {
    "pending": "new", "pending_payment": "pending_payment", "processing": "processing", "complete": "complete",
    "closed": "closed", "canceled": "canceled", "holded": "holded", "payment_review": "payment_review",
    "fraud": "payment_review",
}  # fmt: skip
"""Each status belongs to one state; merchants add more. (state machine)"""

_OF_STATE = {"new": "pending", "processing": "processing", "complete": "complete", "closed": "closed"}


def is_part(item: Document) -> bool:
    """A component of a composite product: its parent is what is invoiced and shipped. (reading orders)"""
    return item.get("parent_item_id") is not None


def to_ship(order: Document, item: Document) -> Decimal:
    """Units that can still leave. Without a product behind it nothing can. (creating an order)"""
    known = item.get("product_id") is not None and item.get("product_type") is not None
    if order.get("is_virtual") == 1 or is_part(item) or item.get("is_virtual") == 1 or not known:
        return ZERO
    gone = max(exact(item["qty_shipped"]), exact(item["qty_refunded"]))
    return max(ZERO, exact(item.get("qty_ordered")) - gone - exact(item["qty_canceled"]))


def to_invoice(item: Document) -> Decimal:
    if is_part(item):
        return ZERO
    left = exact(item.get("qty_ordered")) - exact(item["qty_invoiced"]) - exact(item["qty_canceled"])
    return max(ZERO, left)


def to_refund(item: Document) -> Decimal:
    return ZERO if is_part(item) else max(ZERO, exact(item["qty_invoiced"]) - exact(item["qty_refunded"]))


def to_cancel(order: Document, item: Document) -> Decimal:
    """Units that are neither invoiced nor sent; of an item that cannot be shipped, those not invoiced."""
    left = to_invoice(item)
    return left if order.get("is_virtual") == 1 else min(left, max(to_ship(order, item), ZERO))


def can_invoice(order: Document) -> bool:
    if order["state"] in ("holded", "payment_review", "canceled", "complete", "closed"):
        return False
    return any(to_invoice(item) > 0 and not item.get("locked_do_invoice") for item in order["items"])


def can_ship(order: Document) -> bool:
    if order["state"] in ("holded", "payment_review", "canceled"):
        return False
    return any(to_ship(order, item) > 0 and not item.get("locked_do_ship") for item in order["items"])


def can_cancel(order: Document) -> bool:
    """Not once everything is invoiced: then there are only credit memos. (invoice, shipment, credit memo)"""
    if order["state"] in ("holded", "payment_review", "canceled", "complete", "closed"):
        return False
    return any(to_invoice(item) > 0 for item in order["items"])


def can_refund(order: Document) -> bool:
    if order["state"] in ("holded", "payment_review", "canceled", "closed"):
        return False
    return exact(order.get("total_paid")) - exact(order.get("total_refunded")) > 0


def can_hold(order: Document) -> bool:
    return order["state"] not in ("holded", "payment_review", "canceled", "complete", "closed")


def settle(order: Document) -> None:
    """What each save does to the state. (state machine)"""
    in_progress = any(exact(item["qty_invoiced"]) or exact(item["qty_shipped"]) for item in order["items"])
    if order["state"] == "new" and in_progress:
        _move(order, "processing")
    if order["state"] in ("canceled", "holded") or can_invoice(order):
        return
    if order["state"] in ("processing", "complete") and not can_ship(order):
        if not can_refund(order) and order.get("is_virtual") != 1:
            _move(order, "closed")
        elif order["state"] == "processing":
            _move(order, "complete")


def _move(order: Document, state: str) -> None:
    order["state"], order["status"] = state, _OF_STATE[state]
