"""Writes a marketplace's order as Magento stores one: pure, exact, every amount in both currencies.

Magento stores what it gets and calculates nothing (Magento, creating an order). So the sums are ours to keep:
subtotal + shipping + tax - discount = grand total, with the tax of the delivery part of the tax.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

import msgspec

from marketplace_sync.connectors.magento import marks
from marketplace_sync.connectors.magento.addresses import order_address, split_name
from marketplace_sync.connectors.magento.settings import MagentoSettings
from marketplace_sync.connectors.magento.shop import View
from marketplace_sync.domain.effects import CreateOrder
from marketplace_sync.domain.money import exponent, share
from marketplace_sync.domain.orders import Address, Order, OrderLine

_LONGEST_EXTERNAL = 32
_LONGEST_NAME = 255
_LONGEST_EMAIL = 128
_PLACES = Decimal("0.0001")
"""Magento keeps four decimals of an amount."""


class CannotBeSent(ValueError):
    """The order cannot become a store order as it stands. The message says why, for a person."""


class Product(msgspec.Struct):
    """What an order's line must say of its product, or shipping and stock break (Magento, creating an order)."""

    id: int
    sku: str
    name: str | None = None
    type_id: str | None = None
    weight: Decimal | int | None = None


class _Priced(msgspec.Struct, frozen=True):
    """Minor units; `gross` includes `tax`."""

    gross: int
    tax: int
    rate: Decimal

    @property
    def net(self) -> int:
        return self.gross - self.tax


def order_entity(
    wanted: CreateOrder, products: Mapping[str, Product], view: View, settings: MagentoSettings
) -> dict[str, Any]:
    """The `entity` of POST /V1/orders. `products`: by the variant's id. Raises CannotBeSent.

    A line without a price is booked at 0, because a parcel must not wait for a price. Units that the marketplace had
    cancelled or dispatched already are left out. Tax is what the marketplace states; none is made up.
    """
    order = wanted.order
    lines = [line for line in order.lines if line.open > 0]
    if not lines:
        raise CannotBeSent(f"order {order.reference} has no units left to send: all were cancelled or dispatched")
    money = _Money(order.currency, _rate(order, view, settings))
    variants = {variant.line_id: variant.variant_id for variant in wanted.variants}
    found = {line.line_id: products.get(variants.get(line.line_id, "")) for line in lines}
    unknown = [line.sku or line.line_id for line in lines if found[line.line_id] is None]
    if unknown:
        raise CannotBeSent(f"order {order.reference}: the shop has no product for {', '.join(unknown)} any more")
    priced = [_priced(line) for line in lines]
    delivery = _with_tax(order.shipping_price or 0, order.shipping_tax, "")
    goods_tax, subtotal = sum(one.tax for one in priced), sum(one.net for one in priced)
    total = sum(one.gross for one in priced) + delivery.gross
    email = _email(wanted, settings)
    first, last = split_name((order.billing_address or order.shipping_address).full_name)
    items = [_item(line, one, found[line.line_id], money, view) for line, one in zip(lines, priced, strict=True)]
    units = sum(line.open for line in lines)
    weight = sum((Decimal(item["row_weight"]) for item in items), Decimal())
    return {
        "increment_id": marks.order_number(wanted.source_identifier, settings),
        "ext_order_id": external_id(order),
        "store_id": view.store_id,
        "state": "new",
        "status": settings.order_status,
        "is_virtual": 0,
        "customer_is_guest": 1,
        "customer_group_id": 0,
        "customer_email": email,
        "customer_firstname": first or "-",
        "customer_lastname": last or "-",
        "customer_note_notify": 0,
        "email_sent": 0,
        "global_currency_code": view.currency,
        "base_currency_code": view.currency,
        "store_currency_code": view.currency,
        "order_currency_code": order.currency,
        "base_to_global_rate": 1,
        "base_to_order_rate": _number(money.rate),
        "store_to_base_rate": 1,
        "store_to_order_rate": _number(money.rate),
        **money.twice("subtotal", subtotal),
        **money.twice("subtotal_incl_tax", subtotal + goods_tax),
        **money.twice("tax_amount", goods_tax + delivery.tax),
        **money.twice("discount_amount", 0),
        **_shipping_amounts(delivery, money),
        **money.twice("grand_total", total),
        **money.twice("total_due", total),
        "shipping_description": settings.shipping_description,
        "total_qty_ordered": units,
        "total_item_count": len(items),
        "weight": _number(weight),
        "items": items,
        "billing_address": order_address(_billing(order), "billing", email),
        "payment": _payment(wanted, total, delivery, money, settings),
        "status_histories": [
            {
                "comment": _comment(wanted),
                "is_customer_notified": 0,
                "is_visible_on_front": 0,
                "parent_id": 0,
                "status": settings.order_status,
            }
        ],
        "extension_attributes": {
            # Without it the order counts as virtual, and nobody can ship it (Magento, creating an order).
            "shipping_assignments": [
                {
                    "shipping": {
                        "address": order_address(order.shipping_address, "shipping", email),
                        "method": settings.shipping_method,
                        "total": _shipping_amounts(delivery, money),
                    },
                    "items": [],
                }
            ]
        },
    }


class _Money:
    """Minor units of the order's currency as the numbers Magento wants, in that and in the base currency."""

    def __init__(self, currency: str, rate: Decimal) -> None:
        self.rate = rate
        self._unit = Decimal(1).scaleb(-exponent(currency))

    def number(self, minor: int | Decimal) -> int | float:
        return _number(minor * self._unit)

    def base(self, minor: int | Decimal) -> int | float:
        return _number(minor * self._unit / self.rate)

    def twice(self, name: str, minor: int | Decimal) -> dict[str, int | float]:
        return {name: self.number(minor), f"base_{name}": self.base(minor)}


def _number(value: Decimal) -> int | float:
    """A JSON number of at most four decimals; for the wire only."""
    rounded = value.quantize(_PLACES, rounding=ROUND_HALF_UP)
    return int(rounded) if rounded == rounded.to_integral_value() else float(rounded)


def _rate(order: Order, view: View, settings: MagentoSettings) -> Decimal:
    if order.currency == view.currency:
        return Decimal(1)
    rate = settings.currency_rates.get(order.currency)
    if rate is None or rate <= 0:
        raise CannotBeSent(
            f"order {order.reference} is in {order.currency} and the shop keeps its books in {view.currency}:"
            f" set `currency_rates: {{{order.currency}: ...}}` of this connection, then retry"
        )
    return rate


def _priced(line: OrderLine) -> _Priced:
    gross = line.price_of(line.open)
    if gross is None:
        return _Priced(0, 0, Decimal())
    tax = line.tax
    if tax is not None and line.open != line.quantity:
        tax = share(tax, [line.open, line.quantity - line.open])[0]
    return _with_tax(gross, tax, line.tax_rate)


def _with_tax(gross: int, tax: int | None, stated_rate: str) -> _Priced:
    """A rate without an amount gives the amount, an amount without a rate the rate."""
    try:
        rate = Decimal(stated_rate) if stated_rate else None
    except InvalidOperation:
        rate = None
    if rate is not None and not (rate.is_finite() and 0 <= rate < 10):
        rate = None
    if tax is None and rate is not None:
        tax = int((Decimal(gross) * rate / (1 + rate)).quantize(Decimal(1), rounding=ROUND_HALF_UP))
    if tax is None:
        return _Priced(gross, 0, Decimal())
    if rate is None:
        rate = (Decimal(tax) / Decimal(gross - tax)) if gross > tax else Decimal()
    return _Priced(gross, tax, rate.quantize(_PLACES, rounding=ROUND_HALF_UP))


def _item(line: OrderLine, priced: _Priced, product: Product | None, money: _Money, view: View) -> dict[str, Any]:
    assert product is not None
    quantity = Decimal(line.open)
    weight = Decimal(product.weight or 0)
    return {
        "sku": product.sku,
        "name": (product.name or line.title or product.sku)[:_LONGEST_NAME],
        "product_id": product.id,
        "product_type": product.type_id or "simple",
        "store_id": view.store_id,
        "is_virtual": int(product.type_id in ("virtual", "downloadable")),
        "qty_ordered": line.open,
        "weight": _number(weight),
        "row_weight": _number(weight * quantity),
        **money.twice("price", priced.net / quantity),
        **money.twice("original_price", priced.gross / quantity),
        **money.twice("price_incl_tax", priced.gross / quantity),
        "tax_percent": _number(priced.rate * 100),
        **money.twice("tax_amount", priced.tax),
        **money.twice("discount_amount", 0),
        **money.twice("row_total", priced.net),
        **money.twice("row_total_incl_tax", priced.gross),
        "ext_order_item_id": line.line_id[:_LONGEST_NAME],
    }


def _shipping_amounts(delivery: _Priced, money: _Money) -> dict[str, int | float]:
    return {
        **money.twice("shipping_amount", delivery.net),
        **money.twice("shipping_incl_tax", delivery.gross),
        **money.twice("shipping_tax_amount", delivery.tax),
        **money.twice("shipping_discount_amount", 0),
    }


def _payment(
    wanted: CreateOrder, total: int, delivery: _Priced, money: _Money, settings: MagentoSettings
) -> dict[str, Any]:
    order = wanted.order
    said = [wanted.marketplace, marks.source_mark(wanted.source_identifier), f"order: {order.reference}"]
    if order.customer_order_number:
        said.append(f"customer order number: {order.customer_order_number}")
    return {
        "method": settings.payment_method,
        "account_status": "",
        "cc_last4": "",
        "additional_information": said,
        "po_number": external_id(order),
        **money.twice("amount_ordered", total),
        **money.twice("shipping_amount", delivery.net),
    }


def external_id(order: Order) -> str:
    """What the buyer knows the order by, as far as Magento has room for it (32 characters); whole in the payment."""
    return (order.customer_order_number or order.reference or order.order_id)[:_LONGEST_EXTERNAL]


def _billing(order: Order) -> Address:
    """Magento takes no order without a billing address, and marketplaces often state none of their buyers'."""
    stated = order.billing_address
    return order.shipping_address if stated is None or stated.problems() else stated


def _comment(wanted: CreateOrder) -> str:
    order = wanted.order
    parts = [f"Imported from {wanted.marketplace}: order {order.reference}"]
    if order.customer_order_number and order.customer_order_number != order.reference:
        parts.append(f"customer order number {order.customer_order_number}")
    parts.append(f"prices are {'what the marketplace pays' if order.price_basis == 'cost' else 'what the buyer paid'}")
    if any(line.price_of(line.open) is None for line in order.lines):
        parts.append("a price is missing and booked at 0")
    return ", ".join(parts)


def _email(wanted: CreateOrder, settings: MagentoSettings) -> str:
    stated = wanted.order.buyer_email
    if settings.send_buyer_email and stated and len(stated) <= _LONGEST_EMAIL:
        return stated
    local = "".join(sign if sign.isascii() and sign.isalnum() else "-" for sign in wanted.source_identifier)[:64]
    return f"{local}@{settings.placeholder_email_domain}"
