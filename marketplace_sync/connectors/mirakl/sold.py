"""Reads one order of OR11 as what it is worth to the seller: amounts, commission, refunds and their reasons."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from marketplace_sync.connectors.mirakl import fields
from marketplace_sync.connectors.mirakl.settings import MiraklSettings
from marketplace_sync.connectors.ports import Malformed
from marketplace_sync.decoding import decoder
from marketplace_sync.domain.settlement.inputs import CANCELLED_STATES, SoldLine, SoldOrder, StoreRefund

Text = str | int | None


class _Part(msgspec.Struct):
    amount: Any = None
    commissionable: bool | None = None
    payable_to_shop: bool | None = None


class _Breakdown(msgspec.Struct):
    parts: list[_Part] | None = None


class _Tax(msgspec.Struct):
    amount: Any = None
    amount_breakdown: _Breakdown | None = None


class _Fee(msgspec.Struct):
    amount: Any = None


class _Promotion(msgspec.Struct):
    deduced_amount: Any = None


class _Reversal(msgspec.Struct):
    id: Text = None
    amount: Any = None
    shipping_amount: Any = None
    quantity: Any = None
    reason_code: Text = None
    created_date: Text = None
    taxes: list[_Tax] | None = None
    shipping_taxes: list[_Tax] | None = None


class _Line(msgspec.Struct):
    order_line_id: Text = None
    order_line_state: Text = None
    offer_sku: Text = None
    category_code: Text = None
    category_label: Text = None
    quantity: Any = None
    price: Any = None
    shipping_price: Any = None
    origin_unit_price: Any = None
    price_unit: Any = None
    price_amount_breakdown: _Breakdown | None = None
    shipping_price_amount_breakdown: _Breakdown | None = None
    taxes: list[_Tax] | None = None
    shipping_taxes: list[_Tax] | None = None
    fees: list[_Fee] | None = None
    promotions: list[_Promotion] | None = None
    commission_fee: Any = None
    refunds: list[_Reversal] | None = None
    cancelations: list[_Reversal] | None = None
    shipped_date: Text = None


class _Stated(msgspec.Struct):
    order_id: Text
    order_lines: list[_Line]
    commercial_id: Text = None
    order_state: Text = None
    created_date: Text = None
    currency_iso_code: Text = None


_decoder = decoder(_Stated, float_hook=Decimal)


def sold_order(payload: bytes, name: str, settings: MiraklSettings) -> SoldOrder:
    """Amounts in minor units of the order's currency. Raises Malformed."""
    try:
        stated = _decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ArithmeticError) as problem:
        raise Malformed(f"the order cannot be read: {str(problem)[:200]}") from None
    order_id = fields.text(stated.order_id)
    currency = fields.text(stated.currency_iso_code).upper() or settings.currency
    if not order_id or len(currency) != 3:
        raise Malformed("order_id or currency_iso_code is missing")
    zone = ZoneInfo(settings.time_zone)
    lines = tuple(_line(line, currency, settings, zone) for line in stated.order_lines)
    refunds = [
        _refund(refund, fields.text(line.order_line_id), currency, zone)
        for line in stated.order_lines
        for refund in line.refunds or ()
    ]
    state = fields.text(stated.order_state).upper()
    return SoldOrder(
        channel=name,
        order_id=order_id,
        commercial_id=fields.text(stated.commercial_id),
        currency=currency,
        cancelled=state in CANCELLED_STATES or (bool(lines) and all(line.cancelled for line in lines)),
        placed_on=_day(stated.created_date, zone),
        lines=lines,
        refunds=tuple(refunds),
        refund_reasons={refund.refund_id: refund.reason for refund in refunds if refund.refund_id and refund.reason},
    )


def _line(line: _Line, currency: str, settings: MiraklSettings, zone: ZoneInfo) -> SoldLine:
    """A part that is not payable to the shop is money it will not receive; a part that is not commissionable is no base
    of the commission (Mirakl, orders: amount breakdowns)."""
    where = f"line {fields.text(line.order_line_id)}"
    quantity = fields.units(line.quantity, f"{where} quantity") if line.quantity is not None else 1
    price = fields.amount(line.price, currency, f"{where} price")
    shipping = fields.amount(line.shipping_price, currency, f"{where} shipping_price")
    if not settings.quantity_after_cancelations:
        price -= sum(fields.amount(each.amount, currency, where) for each in line.cancelations or ())
        shipping -= sum(fields.amount(each.shipping_amount, currency, where) for each in line.cancelations or ())
    payable, base = _parts(line.price_amount_breakdown, price, currency, where)
    payable_shipping, base_shipping = _parts(line.shipping_price_amount_breakdown, shipping, currency, where)
    deduced = sum(fields.amount(each.deduced_amount, currency, where) for each in line.promotions or ())
    others = [price, price + deduced]
    for unit_price in (line.origin_unit_price, line.price_unit):
        others.append(fields.amount(unit_price, currency, where) * quantity)
    taxes = [*(line.taxes or ()), *(line.shipping_taxes or ())]
    state = fields.text(line.order_line_state).upper()
    return SoldLine(
        line_id=fields.text(line.order_line_id),
        sku=line.offer_sku if isinstance(line.offer_sku, str) else fields.text(line.offer_sku),
        categories=tuple(
            dict.fromkeys(filter(None, (fields.text(line.category_code), fields.text(line.category_label))))
        ),
        quantity=quantity,
        price=payable,
        shipping=payable_shipping,
        tax=_taxes(taxes, currency, where) if taxes else 0,
        fees=sum(fields.amount(fee.amount, currency, where) for fee in line.fees or ()),
        base_price=None if base == payable else base,
        base_shipping=None if base_shipping == payable_shipping else base_shipping,
        other_prices=tuple(dict.fromkeys(amount for amount in others if amount not in (0, payable, base))),
        own_commission=fields.money(line.commission_fee, currency, f"{where} commission_fee"),
        shipped_on=_day(line.shipped_date, zone),
        cancelled=state in CANCELLED_STATES or quantity == 0,
    )


def _parts(breakdown: _Breakdown | None, amount: int, currency: str, where: str) -> tuple[int, int]:
    """(payable to the shop, commissionable) of an amount: all of it where its parts are not stated."""
    parts = (breakdown.parts if breakdown else None) or ()
    sums = [(fields.amount(part.amount, currency, where), part) for part in parts]
    if not sum(value for value, _ in sums):
        return amount, amount
    payable = sum(value for value, part in sums if part.payable_to_shop is not False)
    commissionable = sum(value for value, part in sums if part.commissionable is not False)
    return payable, commissionable


def _taxes(taxes: list[_Tax], currency: str, where: str) -> int:
    """Tax that the seller receives: what the operator remits itself is not payable to the shop."""
    total = 0
    for tax in taxes:
        amount = fields.amount(tax.amount, currency, where)
        total += _parts(tax.amount_breakdown, amount, currency, where)[0]
    return total


def _refund(refund: _Reversal, line_id: str, currency: str, zone: ZoneInfo) -> StoreRefund:
    refund_id = fields.text(refund.id)
    where = f"refund {refund_id}"
    taxes = [*(refund.taxes or ()), *(refund.shipping_taxes or ())]
    return StoreRefund(
        refund_id=refund_id,
        line_id=line_id,
        refunded_on=_day(refund.created_date, zone),
        amount=fields.amount(refund.amount, currency, where),
        shipping=fields.amount(refund.shipping_amount, currency, where),
        tax=_taxes(taxes, currency, where) if taxes else None,
        quantity=fields.units(refund.quantity, where) if refund.quantity is not None else None,
        reason=fields.text(refund.reason_code),
    )


def _day(stated: Any, zone: ZoneInfo) -> date | None:
    moment = fields.moment(stated)
    return moment.astimezone(zone).date() if moment else None
