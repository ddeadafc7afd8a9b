"""What is read of Magento's answers: the few fields we use, every one of which may be missing or null."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from marketplace_sync.connectors.ports import Malformed

Number = Decimal | int | None


class Item(msgspec.Struct):
    """A line of an order. Composite products come as two: the parent with the price, the child with its id."""

    item_id: int
    sku: str | None = None
    parent_item_id: int | None = None
    qty_ordered: Number = None
    qty_invoiced: Number = None
    qty_shipped: Number = None
    qty_canceled: Number = None
    qty_refunded: Number = None
    row_total: Number = None
    tax_amount: Number = None
    discount_amount: Number = None
    ext_order_item_id: str | None = None


class Payment(msgspec.Struct):
    additional_information: Any = None


class OrderFacts(msgspec.Struct):
    entity_id: int
    increment_id: str
    updated_at: str = ""
    created_at: str = ""
    state: str | None = None
    status: str | None = None
    store_id: int | None = None
    order_currency_code: str | None = None
    base_currency_code: str | None = None
    base_to_order_rate: Number = None
    relation_child_real_id: str | None = None
    shipping_incl_tax: Number = None
    shipping_amount: Number = None
    shipping_refunded: Number = None
    base_shipping_amount: Number = None
    base_shipping_refunded: Number = None
    grand_total: Number = None
    total_paid: Number = None
    total_refunded: Number = None
    payment: Payment | None = None
    items: list[Item] = []


class Track(msgspec.Struct):
    track_number: str | None = None
    title: str | None = None
    carrier_code: str | None = None


class ShippedItem(msgspec.Struct):
    order_item_id: int
    qty: Number = None
    sku: str | None = None


class Shipment(msgspec.Struct):
    entity_id: int
    order_id: int
    created_at: str
    updated_at: str
    items: list[ShippedItem] | None = None
    tracks: list[Track] | None = None


class Comment(msgspec.Struct):
    comment: str | None = None


class CreditedItem(msgspec.Struct):
    order_item_id: int
    qty: Number = None
    sku: str | None = None
    row_total_incl_tax: Number = None
    discount_amount: Number = None


class CreditMemo(msgspec.Struct):
    entity_id: int
    order_id: int
    created_at: str
    updated_at: str
    state: int | None = None
    order_currency_code: str | None = None
    grand_total: Number = None
    adjustment_negative: Number = None
    items: list[CreditedItem] | None = None
    comments: list[Comment] | None = None


class Touched(msgspec.Struct):
    """A shipment or credit memo, as far as it says which order it belongs to."""

    entity_id: int
    order_id: int
    updated_at: str


class Listed(msgspec.Struct):
    """As much of an order as says which it is and when it changed, when the rest cannot be read."""

    entity_id: int = 0
    increment_id: str = ""
    updated_at: str = ""


ORDER_FIELDS = (
    "entity_id,increment_id,ext_order_id,state,status,store_id,created_at,updated_at,order_currency_code,"
    "base_currency_code,base_to_order_rate,base_shipping_amount,base_shipping_refunded,"
    "relation_child_real_id,shipping_amount,shipping_incl_tax,shipping_refunded,"
    "grand_total,total_paid,total_refunded,"
    "payment[additional_information],"
    "items[item_id,parent_item_id,sku,qty_ordered,qty_invoiced,qty_shipped,qty_canceled,qty_refunded,"
    "row_total,tax_amount,discount_amount,ext_order_item_id]"
)
SHIPMENT_FIELDS = (
    "entity_id,order_id,created_at,updated_at,items[order_item_id,sku,qty],tracks[track_number,title,carrier_code]"
)
CREDIT_MEMO_FIELDS = (
    "entity_id,order_id,state,created_at,updated_at,order_currency_code,grand_total,adjustment_negative,"
    "items[order_item_id,sku,qty,row_total_incl_tax,discount_amount],comments[comment]"
)


def whole(stated: Number, what: str) -> int:
    """Units: Magento states them as decimals. Raises Malformed for parts of a unit."""
    if stated is None:
        return 0
    units = int(stated)
    if units != stated or abs(units) > 10**9:
        raise Malformed(f"{what} is {str(stated)[:40]}, which is no number of units")
    return units
