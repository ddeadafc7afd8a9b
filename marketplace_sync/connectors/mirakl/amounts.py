"""What a cancellation or a refund of units is worth, in the parts that Mirakl wants to hear."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from marketplace_sync.connectors.mirakl import fields
from marketplace_sync.connectors.mirakl.now import OrderNow
from marketplace_sync.connectors.mirakl.orders import Line, Tax
from marketplace_sync.domain.money import json_number


def cancelation(now: OrderNow, line_id: str, quantity: int, reason: str) -> dict[str, Any]:
    """One entry of OR30: amounts in proportion to the units that are left of the line. Raises Malformed."""
    line, left = now.lines[line_id], now.counts[line_id].open
    price = fields.amount(line.price, now.currency, f"line {line_id} price")
    shipping = fields.amount(line.shipping_price, now.currency, f"line {line_id} shipping_price")
    entry: dict[str, Any] = {
        "order_line_id": line_id,
        "quantity": quantity,
        "amount": json_number(fields.portion(price, quantity, left), now.currency),
        "shipping_amount": json_number(fields.portion(shipping, quantity, left), now.currency),
        "currency_iso_code": now.currency,
        "reason_code": reason,
    }
    for name, taxes in (("taxes", line.taxes), ("shipping_taxes", line.shipping_taxes)):
        parts = _stated(now, taxes or (), quantity, left)
        if parts:
            entry[name] = parts
    return entry


def refund(now: OrderNow, line_id: str, quantity: int, gross: int, reason: str) -> dict[str, Any]:
    """One entry of OR28 for `gross` minor units with tax, shipping left alone. Where tax comes on top, the amount is
    split as the line itself is. Raises Malformed."""
    line = now.lines[line_id]
    net, taxes = split(now, line, line_id, gross)
    entry: dict[str, Any] = {
        "order_line_id": line_id,
        "quantity": quantity,
        "amount": json_number(net, now.currency),
        "shipping_amount": 0,
        "currency_iso_code": now.currency,
        "reason_code": reason,
    }
    if taxes:
        entry["taxes"] = taxes
    return entry


def split(now: OrderNow, line: Line, line_id: str, gross: int) -> tuple[int, list[dict[str, Any]]]:
    """(amount, taxes) as OR28 takes a gross amount. Raises Malformed."""
    price = fields.amount(line.price, now.currency, f"line {line_id} price")
    taxes = [tax for tax in line.taxes or () if fields.text(tax.code)]
    amounts = [fields.amount(tax.amount, now.currency, f"line {line_id} taxes") for tax in taxes]
    whole = price + sum(amounts) if now.tax_on_top else price
    if whole == 0:
        return gross, []
    parts = [fields.portion(amount, gross, whole) for amount in amounts]
    named = [
        {"code": fields.text(tax.code), "amount": json_number(part, now.currency)}
        for tax, part in zip(taxes, parts, strict=True)
        if _must_be_named(now, tax)
    ]
    return (gross - sum(parts) if now.tax_on_top else gross), named


def gross_of(now: OrderNow, line_id: str, quantity: int) -> int:
    """What units of a line are worth with tax, in proportion to what is left of it. Raises Malformed."""
    line, counts = now.lines[line_id], now.counts[line_id]
    price = fields.amount(line.price, now.currency, f"line {line_id} price")
    if now.tax_on_top:
        price += sum(fields.amount(tax.amount, now.currency, f"line {line_id} taxes") for tax in line.taxes or ())
    return fields.portion(price, quantity, counts.quantity - counts.cancelled)


def _stated(now: OrderNow, taxes: Sequence[Tax], part: int, whole: int) -> list[dict[str, Any]]:
    return [
        {
            "code": fields.text(tax.code),
            "amount": json_number(
                fields.portion(fields.amount(tax.amount, now.currency, "taxes"), part, whole), now.currency
            ),
        }
        for tax in taxes
        if fields.text(tax.code) and _must_be_named(now, tax)
    ]


def _must_be_named(now: OrderNow, tax: Tax) -> bool:
    """Taxes that Mirakl does not work out by itself (Mirakl, order writes: refunds)."""
    return now.tax_on_top or fields.text(tax.tax_calculation_rule) == "NONE"
