"""Reads one order as the Edge states it.

The Edge gives every line a status instead of counts, and splits a line into rows when its units part ways. Rows of one
`line_reference` are one line here, and their statuses are its counts.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from marketplace_sync.connectors.john_lewis import fields
from marketplace_sync.connectors.john_lewis.statuses import CANCEL_REASONS, CANCELLED_BY, Progress, progress
from marketplace_sync.connectors.ports import Malformed
from marketplace_sync.decoding import decoder
from marketplace_sync.domain.orders import Address, Order, OrderLine, PriceBasis

_PART = re.compile(r"(.+)[/._-]\d{1,3}")

Text = str | int | None


class Item(msgspec.Struct, gc=False):
    """One row of an order, every field as lenient as it may be."""

    line_reference: Text = None
    part_number: Text = None
    retailer_sku_reference: Text = None
    supplier_sku_reference: Text = None
    quantity: Any = None
    name: Text = None
    description: Text = None
    status: Text = None
    unit_cost_price: Any = None
    tax: Any = None
    tax_rate: Any = None
    total: Any = None
    promised_date: Text = None
    cancel_reason_code: Text = None


class ShippingAddress(msgspec.Struct, gc=False):
    full_name: Text = None
    line_1: Text = None
    line_2: Text = None
    city: Text = None
    state: Text = None
    postal_code: Text = None
    country: Text = None
    phone: Text = None
    email: Text = None


class EdgeOrder(msgspec.Struct):
    items: list[Item]
    url: Text = None
    order_reference: Text = None
    order_date: Text = None
    status: Text = None
    end_user_purchase_order_reference: Text = None
    test_flag: Any = None
    currency_code: Text = None
    tax: Any = None
    total: Any = None
    shipping_address: ShippingAddress | None = None


_decoder = decoder(EdgeOrder, float_hook=Decimal)


def decoded(payload: bytes) -> EdgeOrder:
    """Raises Malformed."""
    try:
        return fields.read_leniently(_decoder, payload)
    except (ValueError, RecursionError, ArithmeticError) as problem:
        raise Malformed(f"the order cannot be read: {str(problem)[:200]}") from None


def parse_order(payload: bytes, zone: ZoneInfo, default_currency: str) -> Order:
    """One order from the Edge's JSON of it. Prices are cost prices. Raises Malformed, naming the field."""
    stated = decoded(payload)
    order_id = fields.id_in(stated.url)
    if not order_id:
        raise Malformed("url: no order id at its end")
    warnings: list[str] = []
    placed_at = fields.moment(stated.order_date, zone)
    if placed_at is None:
        raise Malformed(f"order_date: {str(stated.order_date)[:40]!r} is no time")
    reference = fields.key(stated.order_reference, "order_reference").strip()
    if not reference:
        reference = order_id
        warnings.append("it has no order_reference")
    currency = fields.words(stated.currency_code).upper()
    if not currency:
        currency = default_currency
        warnings.append(f"it states no currency, {default_currency} is assumed")
    elif len(currency) != 3 or not currency.isascii() or not currency.isalpha():
        raise Malformed(f"currency_code: {currency[:20]!r} is no currency")
    address = _address(stated.shipping_address, warnings)
    return Order(
        order_id=order_id,
        reference=reference,
        customer_order_number=fields.key(
            stated.end_user_purchase_order_reference, "end_user_purchase_order_reference"
        ).strip()
        or reference.partition("-")[0]
        or reference,
        status=fields.words(stated.status),
        placed_at=placed_at,
        currency=currency,
        price_basis=PriceBasis.COST,
        lines=_lines(stated, currency, warnings),
        shipping_address=address,
        buyer_email=address.email,
        total=fields.money(stated.total, currency, "total"),
        tax=fields.money(stated.tax, currency, "tax"),
        is_test=_is_true(stated.test_flag),
        warnings=tuple(warnings),
    )


def rows_by_line(stated: EdgeOrder) -> dict[str, list[Item]]:
    """`line_reference` -> its rows, in the order they are stated. Raises Malformed.

    Whether the parts of a split line keep its reference is not documented. A reference that is another one with a
    number behind it (`1` and `1/2`), of the same product, is taken for a part: as a line of its own it would look as
    if units had vanished from the first line and were cancelled.
    """
    rows: dict[str, list[Item]] = {}
    for index, item in enumerate(stated.items):
        line_id = fields.exact(item.line_reference)
        if not line_id:
            raise Malformed(f"items[{index}].line_reference is empty: the line could never be answered")
        if len(line_id) > fields.LONGEST_KEY:
            fields.key(line_id, f"items[{index}].line_reference")
        if line_id in rows:
            rows[line_id].append(item)
        else:
            rows[line_id] = [item]
    for line_id in list(rows):
        whole = None if line_id.isalnum() else _PART.fullmatch(line_id)
        if (
            whole
            and whole[1] in rows
            and fields.exact(rows[whole[1]][0].part_number) == fields.exact(rows[line_id][0].part_number)
        ):
            rows[whole[1]].extend(rows.pop(line_id))
    return rows


def line_of(reference: str, items: Any) -> str:
    """The line that a row's reference belongs to, given the order's other rows as plain JSON (or anything else)."""
    whole = _PART.fullmatch(reference)
    if whole is None or not isinstance(items, list):
        return reference
    part_numbers = {
        fields.exact(row.get("line_reference")): row.get("part_number") for row in items if isinstance(row, dict)
    }
    same = whole[1] in part_numbers and part_numbers[whole[1]] == part_numbers.get(reference)
    return whole[1] if same else reference


def _lines(stated: EdgeOrder, currency: str, warnings: list[str]) -> tuple[OrderLine, ...]:
    found = []
    for line_id, rows in rows_by_line(stated).items():
        if len(rows) > 1 and len({fields.exact(row.part_number) for row in rows}) > 1:
            raise Malformed(f"line {line_id} has several part numbers: it is not one product")
        found.append(_line(line_id, rows, stated, currency, warnings))
    return tuple(found)


def _line(line_id: str, rows: list[Item], stated: EdgeOrder, currency: str, warnings: list[str]) -> OrderLine:
    counts = progress(line_id, rows, stated.status)
    if counts.unknown:
        warnings.extend(f"line {line_id} has the unknown status {status!r}" for status in counts.unknown)
    first = rows[0]
    promised = None
    for row in rows:
        stated_day = fields.day(row.promised_date)
        if stated_day is None:
            if fields.exact(row.promised_date):
                warnings.append(f"line {line_id} has a promised_date that is no date")
        elif promised is None or stated_day < promised:
            promised = stated_day
    price, total, tax, rate = _amounts(line_id, rows, counts, currency)
    why = _cancel_code(rows, counts)
    return OrderLine(
        line_id=line_id,
        quantity=counts.quantity,
        sku=fields.exact(first.supplier_sku_reference),
        stock_number=fields.exact(first.part_number),
        barcode=fields.words(first.retailer_sku_reference),
        title=fields.words(first.name) or fields.words(first.description),
        unit_price=price,
        total=total,
        tax=tax,
        tax_rate=rate,
        promised_on=promised,
        acknowledged=counts.acknowledged,
        dispatched=counts.dispatched,
        cancellation_requested=counts.cancellation_requested,
        cancelled=counts.cancelled,
        cancel_reason=f"{CANCEL_REASONS[why]} ({why})" if why in CANCEL_REASONS else why,
        cancelled_by=CANCELLED_BY[why].value if why in CANCELLED_BY else "",
    )


_Amounts = tuple[int | None, int | None, int | None, str]
"""Of a line: one unit with tax, the whole line, its tax, the rate of it."""


def _amounts(line_id: str, rows: list[Item], counts: Progress, currency: str) -> _Amounts:
    row = rows[0]
    if len(rows) == 1 and counts.quantity:
        try:
            return _amounts_of_row(row.unit_cost_price, row.quantity, row.total, row.tax, row.tax_rate, currency)
        except (TypeError, Malformed):
            pass  # what is no amount is said below, with its line
    # What is left of a cancelled row states its old amounts or none: only rows with units count.
    alive = [each for each in rows if fields.units(each.quantity) > 0]
    price = unit_price(alive or rows, currency)
    totals = [fields.money(each.total, currency, "line", line_id, "total") for each in alive]
    taxes = [fields.money(each.tax, currency, "line", line_id, "tax") for each in alive]
    return price[1] if price else None, _sum(totals), _sum(taxes), fields.tax_rate(row.tax_rate)


@lru_cache(maxsize=8192, typed=True)
def _amounts_of_row(cost: Any, quantity: Any, total: Any, tax: Any, rate: Any, currency: str) -> _Amounts:
    """Products are sold at the same price for a while, so the same amounts come again and again."""
    price = unit_price([Item(unit_cost_price=cost, quantity=quantity, total=total, tax=tax, tax_rate=rate)], currency)
    return (
        price[1] if price else None,
        fields.money(total, currency),
        fields.money(tax, currency),
        fields.tax_rate(rate),
    )


def unit_price(rows: list[Item], currency: str) -> tuple[int, int] | None:
    """What John Lewis pays for one unit, (as stated, with tax); None when it states no cost price. Raises Malformed.

    `unit_cost_price` is net, unless the row's own sums say otherwise. A cancelled row has no sums: its tax rate tells.
    """
    for row in rows:
        cost = fields.money(row.unit_cost_price, currency, "unit_cost_price")
        if cost is None:
            continue
        quantity = fields.units(row.quantity, "quantity")
        total = fields.money(row.total, currency, "total")
        tax = fields.money(row.tax, currency, "tax")
        if quantity and total is not None and tax is not None and abs(cost * quantity + tax - total) <= quantity:
            return cost, (2 * total + quantity) // (2 * quantity)
        if quantity and total is not None and abs(cost * quantity - total) <= quantity:
            return cost, cost
        rate = Decimal(fields.tax_rate(row.tax_rate) or 0)
        return cost, int((cost * (1 + rate)).quantize(Decimal(1), rounding=ROUND_HALF_UP))
    return None


def _sum(amounts: list[int | None]) -> int | None:
    stated = [amount for amount in amounts if amount is not None]
    return sum(stated) if stated and len(stated) == len(amounts) else None


def _cancel_code(rows: list[Item], counts: Progress) -> str:
    """Why units are cancelled, or are to be, where the Edge states it."""
    if not counts.cancellation_requested and not counts.cancelled and counts.quantity:
        return ""
    codes = [fields.words(row.cancel_reason_code) for row in rows]
    return next((code for code in codes if code), "")


def _address(stated: ShippingAddress | None, warnings: list[str]) -> Address:
    if stated is None:
        warnings.append("it has no shipping address")
        return Address()
    return Address(
        full_name=fields.words(stated.full_name),
        line_1=fields.words(stated.line_1),
        line_2=fields.words(stated.line_2),
        city=fields.words(stated.city),
        region=fields.words(stated.state),
        postal_code=fields.words(stated.postal_code),
        country=fields.words(stated.country).upper(),
        phone=fields.words(stated.phone),
        email=fields.words(stated.email),
    )


def _is_true(value: Any) -> bool:
    return value is True or value == 1 or (isinstance(value, str) and value.strip().lower() in ("true", "1", "yes"))
