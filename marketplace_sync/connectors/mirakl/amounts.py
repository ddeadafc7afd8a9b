"""What a cancellation or a refund of units is worth, in the parts that Mirakl wants to hear."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from marketplace_sync.connectors.mirakl import fields
from marketplace_sync.connectors.mirakl.now import OrderNow
from marketplace_sync.connectors.mirakl.orders import Reversal, Tax
from marketplace_sync.domain.money import json_number


class Worth(NamedTuple):
    """What is left of a line once cancelled units are off it, in minor units as the line states them."""

    price: int
    shipping: int
    taxes: list[tuple[Tax, int]]
    """Those with a code."""
    shipping_taxes: list[tuple[Tax, int]]


def worth(now: OrderNow, line_id: str) -> Worth:
    """Raises Malformed."""
    line, where = now.lines[line_id], f"line {line_id}"
    gone = [] if now.is_less_cancelations else line.cancelations or []
    price, shipping = (
        fields.amount(stated, now.currency, f"{where} {name}")
        - sum(fields.amount(getattr(each, part), now.currency, f"{where} cancelations {part}") for each in gone)
        for stated, name, part in (
            (line.price, "price", "amount"),
            (line.shipping_price, "shipping_price", "shipping_amount"),
        )
    )
    return Worth(
        price,
        shipping,
        _left(now, line.taxes or (), [tax for each in gone for tax in each.taxes or ()], where),
        _left(now, line.shipping_taxes or (), [tax for each in gone for tax in each.shipping_taxes or ()], where),
    )


def _left(now: OrderNow, taxes: Sequence[Tax], gone: Sequence[Tax], where: str) -> list[tuple[Tax, int]]:
    cancelled: Counter[str] = Counter()
    for tax in gone:
        cancelled[fields.text(tax.code)] += fields.amount(tax.amount, now.currency, f"{where} cancelations taxes")
    return [
        (tax, fields.amount(tax.amount, now.currency, f"{where} taxes") - cancelled.pop(code, 0))
        for tax in taxes
        if (code := fields.text(tax.code))
    ]


def cancelation(now: OrderNow, line_id: str, quantity: int, reason: str) -> dict[str, Any]:
    """One entry of OR30: amounts in proportion to the units that are left of the line. Raises Malformed."""
    whole, left = worth(now, line_id), now.counts[line_id].open
    entry: dict[str, Any] = {
        "order_line_id": line_id,
        "quantity": quantity,
        "amount": json_number(fields.portion(whole.price, quantity, left), now.currency),
        "shipping_amount": json_number(fields.portion(whole.shipping, quantity, left), now.currency),
        "currency_iso_code": now.currency,
        "reason_code": reason,
    }
    for name, taxes in (("taxes", whole.taxes), ("shipping_taxes", whole.shipping_taxes)):
        parts = _named(now, [(tax, fields.portion(amount, quantity, left)) for tax, amount in taxes])
        if parts:
            entry[name] = parts
    return entry


def refund(now: OrderNow, line_id: str, quantity: int, gross: int, delivery: int, reason: str) -> dict[str, Any]:
    """One entry of OR28 for `gross` minor units of goods and `delivery` of shipping, with tax. Where tax comes on top,
    both are split as the line itself is. Raises Malformed."""
    whole = worth(now, line_id)
    net, taxes = _parts(now, whole.price, whole.taxes, gross)
    shipping, shipping_taxes = _parts(now, whole.shipping, whole.shipping_taxes, delivery)
    entry: dict[str, Any] = {
        "order_line_id": line_id,
        "quantity": quantity,
        "amount": json_number(net, now.currency),
        "shipping_amount": json_number(shipping, now.currency),
        "currency_iso_code": now.currency,
        "reason_code": reason,
    }
    if taxes:
        entry["taxes"] = taxes
    if delivery and shipping_taxes:
        entry["shipping_taxes"] = shipping_taxes
    return entry


def delivery_left(now: OrderNow, line_id: str) -> int:
    """Minor units of a line's shipping, with tax, that were not given back yet. Raises Malformed."""
    whole = worth(now, line_id)
    gross = whole.shipping + (sum(amount for _, amount in whole.shipping_taxes) if now.tax_on_top else 0)
    return max(0, gross - sum(delivery_of(now, one) for one in now.lines[line_id].refunds or ()))


def delivery_of(now: OrderNow, made: Reversal) -> int:
    """Minor units of shipping, with tax, that a refund gave back. Raises Malformed."""
    taxes = made.shipping_taxes or () if now.tax_on_top else ()
    return fields.amount(made.shipping_amount, now.currency, "refunds shipping_amount") + sum(
        fields.amount(tax.amount, now.currency, "refunds shipping_taxes") for tax in taxes
    )


def split(now: OrderNow, line_id: str, gross: int) -> tuple[int, list[dict[str, Any]]]:
    """(amount, taxes) as OR28 takes a gross amount. Raises Malformed."""
    whole = worth(now, line_id)
    return _parts(now, whole.price, whole.taxes, gross)


def _parts(now: OrderNow, price: int, taxes: Sequence[tuple[Tax, int]], gross: int) -> tuple[int, list[dict[str, Any]]]:
    whole = price + sum(amount for _, amount in taxes) if now.tax_on_top else price
    if whole == 0:
        return gross, []
    parts = [(tax, fields.portion(amount, gross, whole)) for tax, amount in taxes]
    return (gross - sum(part for _, part in parts) if now.tax_on_top else gross), _named(now, parts)


def gross_of(now: OrderNow, line_id: str, quantity: int) -> int:
    """What units of a line are worth with tax, in proportion to what is left of it. Raises Malformed."""
    whole, counts = worth(now, line_id), now.counts[line_id]
    gross = whole.price + (sum(amount for _, amount in whole.taxes) if now.tax_on_top else 0)
    return fields.portion(gross, quantity, counts.quantity - counts.cancelled)


def _named(now: OrderNow, taxes: Sequence[tuple[Tax, int]]) -> list[dict[str, Any]]:
    return [
        {"code": fields.text(tax.code), "amount": json_number(part, now.currency)}
        for tax, part in taxes
        if _must_be_named(now, tax)
    ]


def _must_be_named(now: OrderNow, tax: Tax) -> bool:
    """Taxes that Mirakl does not work out by itself (Mirakl, order writes: refunds)."""
    return now.tax_on_top or fields.text(tax.tax_calculation_rule) == "NONE"
