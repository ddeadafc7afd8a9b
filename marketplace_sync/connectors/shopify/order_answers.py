"""How Shopify states an order: the shapes its answers are read into, open to new statuses and missing parts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Generic, TypeVar

import msgspec

from marketplace_sync.connectors.ports import UNNAMED
from marketplace_sync.connectors.shopify.graphql import PageInfo

T = TypeVar("T")
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
# An id of another form was not given by Shopify: to follow something under it would be to lose it.
GlobalId = Annotated[str, msgspec.Meta(pattern=r"\Agid://shopify/[A-Za-z]{1,60}/[A-Za-z0-9_?&=-]{1,100}\Z")]


class Connection(msgspec.Struct, Generic[T], rename="camel"):
    nodes: list[T]
    page_info: PageInfo


class Money(msgspec.Struct, rename="camel"):
    amount: str
    currency_code: str


class MoneyBag(msgspec.Struct, rename="camel"):
    shop_money: Money


class Attribute(msgspec.Struct):
    key: str
    value: str | None = None


class Line(msgspec.Struct, rename="camel"):
    id: GlobalId
    quantity: int
    """Units ordered, those removed since included."""
    unfulfilled_quantity: int | None = None
    """Units that are still to be shipped."""
    sku: str | None = None
    custom_attributes: list[Attribute] = []


class LineReference(msgspec.Struct):
    id: GlobalId
    sku: str | None = None


class ShippedLine(msgspec.Struct, rename="camel"):
    line_item: LineReference
    quantity: int | None = None


class Tracking(msgspec.Struct):
    company: str | None = None
    number: str | None = None
    url: str | None = None


class Fulfillment(msgspec.Struct, rename="camel"):
    id: GlobalId
    status: str
    created_at: Moment
    updated_at: Moment
    tracking_info: list[Tracking]
    fulfillment_line_items: Connection[ShippedLine]


class RefundedLine(msgspec.Struct, rename="camel"):
    quantity: int
    restock_type: str
    line_item: LineReference
    subtotal_set: MoneyBag
    total_tax_set: MoneyBag


class Refund(msgspec.Struct, rename="camel"):
    id: GlobalId
    processed_at: Moment
    total_refunded_set: MoneyBag
    refund_line_items: Connection[RefundedLine]
    created_at: Moment | None = None
    note: str | None = None


class Head(msgspec.Struct, rename="camel", kw_only=True):
    """What an order says about itself, without its lists."""

    id: GlobalId
    name: str
    updated_at: Moment
    taxes_included: bool
    source_identifier: str | None = None
    cancelled_at: Moment | None = None
    cancel_reason: str | None = None


class Facts(Head, rename="camel", kw_only=True):
    """An order with its lists, each cut off where the query said."""

    line_items: Connection[Line]
    fulfillments: list[Fulfillment]
    refunds: list[Refund]


class Lined(Head, rename="camel", kw_only=True):
    line_items: Connection[Line]


class Reference(msgspec.Struct):
    id: GlobalId


class Listed(msgspec.Struct, rename="camel"):
    """What a listed order says about itself even when the rest of it cannot be read."""

    id: GlobalId = UNNAMED
    updated_at: Moment | None = None


class OrdersPage(msgspec.Struct):
    """Orders unread: one that is not as documented must not cost the others of its page."""

    orders: Connection[msgspec.Raw]

    @property
    def page_info(self) -> PageInfo:
        return self.orders.page_info


class OneOrder(msgspec.Struct):
    """One order unread, `null` when there is none."""

    order: msgspec.Raw = msgspec.Raw(b"null")


class IdentifiedOrder(msgspec.Struct, rename="camel"):
    order_by_identifier: Reference | None = None


class OrderLines(msgspec.Struct):
    order: Lined | None = None

    @property
    def page_info(self) -> PageInfo:
        return self.order.line_items.page_info if self.order else PageInfo(has_next_page=False)


class Parts(msgspec.Struct):
    fulfillments: list[Reference] = []
    refunds: list[Reference] = []


class OrderParts(msgspec.Struct):
    order: Parts | None = None


class FulfillmentPage(msgspec.Struct):
    fulfillment: Fulfillment | None = None

    @property
    def page_info(self) -> PageInfo:
        return self.fulfillment.fulfillment_line_items.page_info if self.fulfillment else PageInfo(has_next_page=False)


class RefundPage(msgspec.Struct):
    refund: Refund | None = None

    @property
    def page_info(self) -> PageInfo:
        return self.refund.refund_line_items.page_info if self.refund else PageInfo(has_next_page=False)


class Metafield(msgspec.Struct):
    value: str


class Sourced(msgspec.Struct, rename="camel"):
    id: GlobalId
    created_at: Moment
    source_identifier: str | None = None
    metafield: Metafield | None = None


class SourcesPage(msgspec.Struct):
    orders: Connection[Sourced]

    @property
    def page_info(self) -> PageInfo:
        return self.orders.page_info
