"""The shapes of what an instance states of an order, every field as lenient as it may be."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from marketplace_sync.connectors.ports import Malformed
from marketplace_sync.decoding import decoder


class _Lenient(msgspec.Struct, rename="camel"):
    pass


class Pair(_Lenient):
    key: Any = None
    value: Any = None


class _Coded(_Lenient):
    short: Any = None
    code: Any = None


class Address(_Lenient):
    address: Any = None
    subaddress: Any = None
    city: Any = None
    postcode: Any = None
    state: _Coded | None = None
    country: _Coded | None = None


class Taxon(_Lenient):
    display_name: Any = None
    tree_name: Any = None


class _Taxons(_Lenient):
    nodes: list[Taxon | None] | None = None


class _Name(_Lenient):
    name: Any = None


class OptionValue(_Lenient):
    option_type: _Name | None = None
    option_value: _Name | None = None
    text_value: Any = None


class _OptionValues(_Lenient):
    nodes: list[OptionValue | None] | None = None


class Advert(_Lenient):
    typename: str = msgspec.field(default="", name="__typename")
    details: Advert | None = None
    taxon_nullable: Taxon | None = None
    secondary_taxons: _Taxons | None = None
    advert_option_values: _OptionValues | None = None
    metadata: list[Pair] | None = None


class _Variant(_Lenient):
    advert: Advert | None = None


class Line(_Lenient):
    id: str
    quantity: Any = None
    status_full: Any = None
    advert_id: Any = None
    advert_title: Any = None
    brand_name: Any = None
    variant_id: Any = None
    variant_name: Any = None
    variant_sku: Any = None
    variant_barcode: Any = None
    item_amount_cents: Any = None
    item_amount_formatted: Any = None
    subtotal_cents: Any = None
    subtotal_formatted: Any = None
    discount_cents: Any = None
    discount_formatted: Any = None
    tax_total_cents: Any = None
    tax_total_formatted: Any = None
    tax_rate: Any = None
    variant: _Variant | None = None


class LineRef(_Lenient):
    id: str


class Shipped(_Lenient):
    quantity: Any = None
    line_item: LineRef | None = None


class Shipment(_Lenient):
    id: str
    carrier: Any = None
    tracking_number: Any = None
    tracking_link: Any = None
    dispatched_at: Any = None
    created_at: Any = None
    note: Any = None
    shipped_items: list[Shipped] | None = None


class RefundLine(_Lenient):
    id: str
    status: Any = None
    dispatched: bool | None = None
    only_remittance: bool | None = None
    quantity: Any = None
    reason: Any = None
    amount_cents: Any = None
    amount_formatted: Any = None
    line_item: LineRef | None = None


class RefundRequest(_Lenient):
    id: str
    status: Any = None
    initiated_by: Any = None
    created_at: Any = None
    updated_at: Any = None
    refunded_at: Any = None
    refund_amount_cents: Any = None
    refund_amount_formatted: Any = None
    external_ids: list[Pair] | None = None
    line_items: list[RefundLine] = []


class AmendedLine(_Lenient):
    id: str
    status: Any = None
    dispatched: bool | None = None
    quantity: Any = None
    total_cents: Any = None
    total_formatted: Any = None
    line_item: LineRef | None = None


class Amendment(_Lenient):
    id: str
    created_at: Any = None
    updated_at: Any = None
    line_items: list[AmendedLine] = []


class Seller(_Lenient):
    id: Any = None
    legacy_id: Any = None
    business_name: Any = None


class Invoice(_Lenient):
    id: str
    legacy_id: Any = None
    created_at: Any = None
    status_flags: list[Any] | None = None
    delivery_type: Any = None
    order_purged_at: Any = None
    buyer_email_address: Any = None
    buyer_first_name: Any = None
    buyer_surname: Any = None
    buyer_phone: Any = None
    total_cents: Any = None
    total_formatted: Any = None
    shipping_cost_cents: Any = None
    shipping_cost_formatted: Any = None
    tax_total_cents: Any = None
    tax_total_formatted: Any = None
    seller: Seller | None = None
    shipping_address: Address | None = None
    buyer_billing_address: Address | None = None
    line_items: list[Line] = []
    shipments: list[Shipment] = []
    refund_requests: list[RefundRequest] = []
    amendments: list[Amendment] = []


class _Invoices(_Lenient):
    total_count: int | None = None
    nodes: list[Invoice | None] | None = None


class Order(_Lenient):
    id: str
    legacy_id: Any = None
    status: Any = None
    created_at: Any = None
    purged_at: Any = None
    email_address: Any = None
    billing_email_address: Any = None
    first_name: Any = None
    surname: Any = None
    phone: Any = None
    company_name: Any = None
    total_cents: Any = None
    total_formatted: Any = None
    shipping_cost_cents: Any = None
    shipping_cost_formatted: Any = None
    tax_total_cents: Any = None
    tax_total_formatted: Any = None
    external_ids: list[Pair] | None = None
    metadata: list[Pair] | None = None
    address: Address | None = None
    billing_address: Address | None = None
    invoices: _Invoices | None = None


def invoices_of(order: Order) -> list[Invoice]:
    """Every invoice of an order. One that ended in an error comes as null beside the others (sheet, 2: partial
    success), and its lines are no less bought for that. Raises Malformed when not all of them were stated."""
    found = [one for one in (order.invoices.nodes if order.invoices else None) or () if one is not None]
    counted = (order.invoices.total_count if order.invoices else None) or 0
    if counted > len(found):
        raise Malformed(f"it has {counted} invoices and only {len(found)} of them were stated")
    return found


class OptIn(_Lenient):
    email: Any = None
    source_type: Any = None
    subscribed_at: Any = None


class _Country(_Lenient):
    currency_code: Any = None
    tax_inclusive: bool | None = None


class _Site(_Lenient):
    vertical_code: Any = None
    site_name: Any = None
    country: _Country | None = None


class Stated(_Lenient):
    """One statement: the order (or, to a seller's key, the invoice), the instance, and opt-ins near its time."""

    node: msgspec.Raw = msgspec.Raw()
    errors: list[Any] = []
    """Why the order is not there, or not whole."""
    site: _Site | None = None
    opt_ins: list[OptIn] = []
    carriers: dict[str, str] = {}
    """Carrier -> the base of its tracking links; stated where a parcel has no link."""

    def currency(self) -> str:
        found = self.site.country.currency_code if self.site and self.site.country else None
        return str(found or "").upper()

    def tax_inclusive(self) -> bool | None:
        """None: the instance does not say, as to a seller's key."""
        return self.site.country.tax_inclusive if self.site and self.site.country else None


_statements = decoder(Stated)
_orders = decoder(Order, float_hook=Decimal)
_invoices = decoder(Invoice, float_hook=Decimal)


def decoded(payload: bytes, *, seller: bool) -> tuple[Stated, Order]:
    """A seller's invoice is taken as an order with this one part. Raises Malformed."""
    try:
        stated = _statements.decode(payload)
        if stated.errors:
            words = "; ".join(str(each) for each in stated.errors)[:200]
            raise Malformed(f"not all of it can be read: {words}")
        if not seller:
            return stated, _orders.decode(stated.node)
        invoice = _invoices.decode(stated.node)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ArithmeticError) as problem:
        raise Malformed(f"the order cannot be read: {str(problem)[:200]}") from None
    return stated, Order(
        id=invoice.id,
        legacy_id=invoice.legacy_id,
        status="COMPLETE",
        created_at=invoice.created_at,
        purged_at=invoice.order_purged_at,
        email_address=invoice.buyer_email_address,
        first_name=invoice.buyer_first_name,
        surname=invoice.buyer_surname,
        phone=invoice.buyer_phone,
        total_cents=invoice.total_cents,
        total_formatted=invoice.total_formatted,
        shipping_cost_cents=invoice.shipping_cost_cents,
        shipping_cost_formatted=invoice.shipping_cost_formatted,
        tax_total_cents=invoice.tax_total_cents,
        tax_total_formatted=invoice.tax_total_formatted,
        address=invoice.shipping_address,
        billing_address=invoice.buyer_billing_address,
        invoices=_Invoices(nodes=[invoice]),
    )
