"""What a store holds: variants for sale, orders as it has them, fulfilments and refunds made in it."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Variant(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One sellable thing of a store. SKUs are compared exactly; `price` is minor units including tax."""

    sku: str
    variant_id: str
    title: str
    price: int | None = None
    currency: str = ""
    brand: str = ""
    category: str = ""
    collections: tuple[str, ...] = ()
    barcode: str = ""
    image_url: str = ""
    url: str = ""
    inventory_item_id: str = ""
    available: int | None = None
    """Sellable units over all locations; None when the store does not count this variant."""
    product_id: str = ""


class StoreOrderLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    line_id: str
    """The store's own id of the line."""
    sku: str
    quantity: int
    source_line_id: str = ""
    """The marketplace's line id, as we wrote it on the line at injection."""


class ShippedLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    line_id: str
    sku: str
    quantity: int


class Tracking(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    company: str = ""
    number: str = ""
    url: str = ""


class Fulfilment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Parcels that left the store together."""

    fulfilment_id: str
    succeeded: bool
    """False once the store cancelled it or it failed."""
    status: str
    shipped_at: datetime
    updated_at: datetime
    lines: tuple[ShippedLine, ...]
    tracking: tuple[Tracking, ...] = ()


class RefundedLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    line_id: str
    sku: str
    quantity: int
    unshipped: bool
    """True: the units were taken off the order before they left (a cancellation by the seller)."""
    amount: int | None = None
    returned: bool = False
    """The store says that these units came back."""


class StoreRefund(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    refund_id: str
    refunded_at: datetime
    lines: tuple[RefundedLine, ...]
    amount: int | None = None
    reference: str = ""
    """The key we wrote into it when it was ours; empty when somebody made it in the store."""
    note: str = ""


class StoreOrder(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One order as the store has it now."""

    store_order_id: str
    name: str
    source_identifier: str
    """`<connection>:<order id>` of the marketplace order, as we wrote it at injection."""
    updated_at: datetime
    lines: tuple[StoreOrderLine, ...]
    fulfilments: tuple[Fulfilment, ...] = ()
    refunds: tuple[StoreRefund, ...] = ()
    cancelled_at: datetime | None = None
    cancel_reason: str = ""
