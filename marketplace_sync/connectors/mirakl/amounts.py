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
    return _less(now, line_id, [] if now.is_less_cancelations else now.lines[line_id].cancelations or [])


def not_given_back(now: OrderNow, line_id: str) -> Worth:
    """What of that was not given back yet. Raises Malformed."""
    line = now.lines[line_id]
    return _less(now, line_id, [*([] if now.is_less_cancelations else line.cancelations or []), *(line.refunds or [])])


def _less(now: OrderNow, line_id: str, gone: Sequence[Reversal]) -> Worth:
    line, where = now.lines[line_id], f"line {line_id}"
    price, shipping = (
        fields.amount(stated, now.currency, f"{where} {name}")
        - sum(fields.amount(getattr(each, part), now.currency, f"{where} taken back {part}") for each in gone)
        for stated, name, part in (
            (line.price, "price", "amount"),
            (line.shipping_price, "shipping_price", "shipping_amount"),
        )
    )
    return Worth(
        price,
        shipping,
        _less_taxes(now, line.taxes or (), [tax for each in gone for tax in each.taxes or ()], where),
        _less_taxes(now, line.shipping_taxes or (), [tax for each in gone for tax in each.shipping_taxes or ()], where),
    )


def _less_taxes(now: OrderNow, taxes: Sequence[Tax], gone: Sequence[Tax], where: str) -> list[tuple[Tax, int]]:
    taken: Counter[str] = Counter()
    for tax in gone:
        taken[fields.text(tax.code)] += fields.amount(tax.amount, now.currency, f"{where} taken back taxes")
    return [
        (tax, fields.amount(tax.amount, now.currency, f"{where} taxes") - taken.pop(code, 0))
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
    both are split as what is left of the line is, and `taxes` are stated even when there are none (Mirakl, order
    writes: refunds). Raises Malformed."""
    rest = not_given_back(now, line_id)
    net, taxes = _parts(now, rest.price, rest.taxes, gross)
    shipping, shipping_taxes = _parts(now, rest.shipping, rest.shipping_taxes, delivery)
    entry: dict[str, Any] = {
        "order_line_id": line_id,
        "quantity": quantity,
        "amount": json_number(net, now.currency),
        "shipping_amount": json_number(shipping, now.currency),
        "currency_iso_code": now.currency,
        "reason_code": reason,
    }
    if taxes or now.tax_on_top:
        entry["taxes"] = taxes
    if delivery and (shipping_taxes or now.tax_on_top):
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


def goods_of(now: OrderNow, made: Reversal) -> int:
    """Minor units of goods, with tax, that a refund gave back. Raises Malformed."""
    taxes = made.taxes or () if now.tax_on_top else ()
    return fields.amount(made.amount, now.currency, "refunds amount") + sum(
        fields.amount(tax.amount, now.currency, "refunds taxes") for tax in taxes
    )


def goods_left(now: OrderNow, line_id: str) -> int:
    """Minor units of a line's goods, with tax, that were not given back yet. Raises Malformed."""
    return _goods(now, worth(now, line_id)) - sum(goods_of(now, one) for one in now.lines[line_id].refunds or ())


def _goods(now: OrderNow, whole: Worth) -> int:
    return whole.price + (sum(amount for _, amount in whole.taxes) if now.tax_on_top else 0)


def _parts(now: OrderNow, price: int, taxes: Sequence[tuple[Tax, int]], gross: int) -> tuple[int, list[dict[str, Any]]]:
    """(amount, taxes) of a gross amount, shared out as `price` and `taxes` are. On top each tax has its share of what
    those before it left over, so that neither a tax nor the amount comes to more than there is of it."""
    rest, of = gross, price + sum(amount for _, amount in taxes) if now.tax_on_top else price
    parts = []
    for tax, amount in taxes:
        part = min(fields.portion(amount, rest, of), amount) if of > 0 and amount > 0 else 0
        parts.append((tax, part))
        if now.tax_on_top:
            rest, of = rest - part, of - amount
    return rest, _named(now, parts)


def gross_of(now: OrderNow, line_id: str, quantity: int) -> int:
    """What units of a line are worth with tax, in proportion to what is left of it. Raises Malformed."""
    counts = now.counts[line_id]
    return fields.portion(_goods(now, worth(now, line_id)), quantity, counts.quantity - counts.cancelled)


def _named(now: OrderNow, taxes: Sequence[tuple[Tax, int]]) -> list[dict[str, Any]]:
    return [
        {"code": fields.text(tax.code), "amount": json_number(part, now.currency)}
        for tax, part in taxes
        if _must_be_named(now, tax)
    ]


def _must_be_named(now: OrderNow, tax: Tax) -> bool:
    """Taxes that Mirakl does not work out by itself (Mirakl, order writes: refunds)."""
    return now.tax_on_top or fields.text(tax.tax_calculation_rule) == "NONE"
