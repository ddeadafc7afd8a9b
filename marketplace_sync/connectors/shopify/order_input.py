"""Writes a marketplace's order as the input of Shopify's orderCreate: pure, and exact to the penny."""

from __future__ import annotations

from datetime import UTC
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

import msgspec

from marketplace_sync.connectors.shopify import marks
from marketplace_sync.connectors.shopify.addresses import mailing_address
from marketplace_sync.connectors.shopify.settings import ShopifySettings
from marketplace_sync.domain.effects import CreateOrder
from marketplace_sync.domain.money import decimal_text, share
from marketplace_sync.domain.orders import Address, Order, OrderLine

_MOST_LINES = 250
_LONGEST_TAG = 40
_LONGEST_TEXT = 255


class CannotBeSent(ValueError):
    """The order cannot become a store order as it stands. The message says why, for a person."""


class _Priced(msgspec.Struct, frozen=True):
    """What one line (or the delivery) is booked at, in minor units."""

    unit: int
    quantity: int
    tax: int | None
    rate: str
    taxes_included: bool
    rest: int = 0
    """What the units come to beyond `unit` each: a price that does not divide."""

    @property
    def total(self) -> int:
        """What the buyer owes for it, tax and rest included."""
        on_top = 0 if self.taxes_included else self.tax or 0
        return self.unit * self.quantity + self.rest + on_top


def order_create_variables(wanted: CreateOrder, settings: ShopifySettings) -> dict[str, Any]:
    """`order` and `options` of orderCreate (Shopify, orderCreate). Raises CannotBeSent.

    Prices are the marketplace's unit prices on whatever basis the order has; the order says which. A line without a
    price is booked at 0.00 and marked, because a parcel must not wait for a price. Units that the marketplace had
    cancelled or dispatched already are left out. A line has one price for each of its units, in whole minor units: what
    the marketplace's totals are above that is a charge of its own beside the delivery, so that lines stay what they
    are. One payment of the exact sum makes the order paid.
    """
    order = wanted.order
    lines = [line for line in order.lines if line.open > 0]
    if not lines:
        raise CannotBeSent(f"order {order.reference} has no units left to send: all were cancelled or dispatched")
    if len(lines) > _MOST_LINES:
        raise CannotBeSent(
            f"order {order.reference} has {len(lines)} lines, and Shopify takes {_MOST_LINES}: enter it by hand"
        )
    variants = {variant.line_id: variant.variant_id for variant in wanted.variants}
    unknown = [line.sku or line.line_id for line in lines if not variants.get(line.line_id)]
    if unknown:
        raise CannotBeSent(f"order {order.reference}: no variant of the shop is known for {', '.join(unknown)}")
    priced = [_priced(line, settings) for line in lines]
    delivery = _delivery(order, settings)
    entry: dict[str, Any] = {
        "sourceIdentifier": wanted.source_identifier,
        "poNumber": _short(order.customer_order_number or order.reference),
        "tags": _tags(wanted),
        "metafields": [
            {
                "namespace": settings.metafield_namespace,
                "key": settings.metafield_key,
                "type": "id",
                "value": wanted.source_identifier,
            }
        ],
        "customAttributes": _attributes(wanted, priced_at=sum(item.total for item in [*priced, delivery])),
        "currency": order.currency,
        "taxesIncluded": settings.taxes_included,
        "processedAt": order.placed_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "buyerAcceptsMarketing": False,
        "test": order.is_test,
        "lineItems": [
            _line(line, item, variants[line.line_id], order.currency, settings)
            for line, item in zip(lines, priced, strict=True)
        ],
        "shippingLines": [
            {
                "title": settings.shipping_title,
                "code": settings.shipping_code,
                "priceSet": _money(delivery.unit, order.currency),
                "taxLines": _tax_lines(delivery, order.currency, settings),
            },
            *_rounding(sum(item.rest for item in priced), order.currency),
        ],
        **_payment(wanted, sum(item.total for item in [*priced, delivery]), settings),
        **_addresses(order),
    }
    if settings.send_buyer_email and order.buyer_email:
        entry["email"] = order.buyer_email
    options = {
        "inventoryBehaviour": settings.inventory_behaviour,
        "sendReceipt": settings.send_receipts,
        "sendFulfillmentReceipt": settings.send_receipts,
    }
    return {"order": entry, "options": options}


def _priced(line: OrderLine, settings: ShopifySettings) -> _Priced:
    gross = line.price_of(line.open)
    if gross is None:
        return _Priced(0, line.open, None, "", settings.taxes_included)
    tax = line.tax
    if tax is not None and line.open != line.quantity:
        tax = share(tax, [line.open, line.quantity - line.open])[0]
    return _with_tax(gross, line.open, tax, line.tax_rate, settings)


def _delivery(order: Order, settings: ShopifySettings) -> _Priced:
    return _with_tax(order.shipping_price or 0, 1, order.shipping_tax, "", settings)


def _rounding(rest: int, currency: str) -> list[dict[str, Any]]:
    if not rest:
        return []
    return [{"title": "Rounding", "code": "ROUNDING", "priceSet": _money(rest, currency), "taxLines": []}]


def _with_tax(gross: int, quantity: int, tax: int | None, stated_rate: str, settings: ShopifySettings) -> _Priced:
    """`gross` includes the tax. A rate without an amount gives the amount, an amount without a rate the rate."""
    rate = _rate(stated_rate)
    if tax is None and rate is not None:
        tax = _rounded(Decimal(gross) * rate / (1 + rate))
    if tax is not None and rate is None and gross > tax:
        rate = (Decimal(tax) / Decimal(gross - tax)).quantize(Decimal("0.0001"), rounding=ROUND_HALF_UP)
    if tax is None or rate is None:
        unit, rest = divmod(gross, quantity)
        return _Priced(unit, quantity, None, "", settings.taxes_included, rest)
    unit, rest = divmod(gross if settings.taxes_included else gross - tax, quantity)
    return _Priced(unit, quantity, tax, f"{rate.normalize():f}", settings.taxes_included, rest)


def _rate(stated: str) -> Decimal | None:
    try:
        rate = Decimal(stated) if stated else None
    except InvalidOperation:
        return None
    return rate if rate is not None and rate.is_finite() and 0 <= rate < 10 else None


def _rounded(value: Decimal) -> int:
    return int(value.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def _line(
    line: OrderLine, priced: _Priced, variant_id: str, currency: str, settings: ShopifySettings
) -> dict[str, Any]:
    properties = [{"name": marks.LINE_PROPERTY, "value": line.line_id}]
    if line.price_of(line.open) is None:
        properties.append({"name": "_price_missing", "value": "true"})
    return {
        "variantId": variant_id,
        "quantity": priced.quantity,
        "requiresShipping": True,
        "priceSet": _money(priced.unit, currency),
        "taxLines": _tax_lines(priced, currency, settings),
        "properties": properties,
    }


def _tax_lines(priced: _Priced, currency: str, settings: ShopifySettings) -> list[dict[str, Any]]:
    if priced.tax is None:
        return []
    return [{"title": settings.tax_title, "rate": priced.rate, "priceSet": _money(priced.tax, currency)}]


def _payment(wanted: CreateOrder, total: int, settings: ShopifySettings) -> dict[str, Any]:
    """The marketplace holds the money: one payment of the exact sum under its name. Nothing owed is paid as it is."""
    if total == 0:
        return {"financialStatus": "PAID"}
    payment = {
        "kind": "SALE",
        "status": "SUCCESS",
        "gateway": settings.gateway or wanted.marketplace,
        "amountSet": _money(total, wanted.order.currency),
    }
    return {"transactions": [payment]}


def _tags(wanted: CreateOrder) -> list[str]:
    """The route's tags and our own, each once: Shopify folds tags that differ in case, and a comma ends a tag."""
    tags: dict[str, str] = {}
    for tag in (*wanted.tags, marks.tag(wanted.source_identifier)):
        short = " ".join(tag.replace(",", " ").split())[:_LONGEST_TAG].strip()
        if short:
            tags.setdefault(short.casefold(), short)
    return list(tags.values())


def _attributes(wanted: CreateOrder, priced_at: int) -> list[dict[str, str]]:
    order = wanted.order
    attributes = {
        "marketplace": wanted.marketplace,
        "marketplace_order": order.order_id,
        "marketplace_reference": order.reference,
        "customer_order_number": order.customer_order_number,
        "price_basis": str(order.price_basis),
    }
    if any(line.price_of(line.open) is None for line in order.lines):
        attributes["price_missing"] = "true"
    if order.total is not None and order.total != priced_at:
        attributes["marketplace_total"] = f"{decimal_text(order.total, order.currency)} {order.currency}"
    return [{"key": key, "value": value} for key, value in attributes.items() if value]


def _addresses(order: Order) -> dict[str, Any]:
    found = {}
    if order.shipping_address != Address():
        found["shippingAddress"] = mailing_address(order.shipping_address)
    if order.billing_address is not None and order.billing_address != Address():
        found["billingAddress"] = mailing_address(order.billing_address)
    return found


def _money(minor: int, currency: str) -> dict[str, Any]:
    return {"shopMoney": {"amount": decimal_text(minor, currency), "currencyCode": currency}}


def _short(text: str) -> str:
    return text[:_LONGEST_TEXT]
