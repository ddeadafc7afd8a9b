"""Reads one order as OR11 states it, and the refunds on its lines."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from marketplace_sync.connectors.mirakl import buyers, fields
from marketplace_sync.connectors.mirakl.progress import INCIDENT, KNOWN, Progress, is_held, progress
from marketplace_sync.connectors.mirakl.settings import MiraklSettings
from marketplace_sync.connectors.mirakl.shipments import BESIDE, Shipment
from marketplace_sync.connectors.ports import Malformed
from marketplace_sync.decoding import decoder
from marketplace_sync.domain.orders import Order, OrderLine, PriceBasis, Refund, StatedParcel

Text = str | int | None
_NEVER = datetime.max.replace(tzinfo=UTC)


class Tax(msgspec.Struct):
    amount: Any = None
    code: Text = None
    rate: Any = None
    tax_calculation_rule: Text = None


class Reversal(msgspec.Struct):
    """One entry of `refunds[]` or `cancelations[]`."""

    id: Text = None
    amount: Any = None
    shipping_amount: Any = None
    quantity: Any = None
    reason_code: Text = None
    created_date: Text = None
    taxes: list[Tax] | None = None
    shipping_taxes: list[Tax] | None = None
    fees: list[Tax] | None = None


class Line(msgspec.Struct):
    order_line_id: Text = None
    order_line_state: Text = None
    order_line_state_reason_label: Text = None
    offer_sku: Text = None
    product_sku: Text = None
    product_title: Text = None
    category_label: Text = None
    quantity: Any = None
    price: Any = None
    shipping_price: Any = None
    taxes: list[Tax] | None = None
    shipping_taxes: list[Tax] | None = None
    refunds: list[Reversal] | None = None
    cancelations: list[Reversal] | None = None
    fees: list[Tax] | None = None
    shipped_date: Text = None


class _DeliveryDate(msgspec.Struct):
    latest: Text = None


class Stated(msgspec.Struct, rename={"shipments": BESIDE}):
    """One order of OR11, every field as lenient as it may be, and what was read with it."""

    order_id: Text
    order_lines: list[Line]
    commercial_id: Text = None
    order_state: Text = None
    order_state_reason_label: Text = None
    created_date: Text = None
    currency_iso_code: Text = None
    total_price: Any = None
    shipping_price: Any = None
    order_tax_mode: Text = None
    shipping_deadline: Text = None
    shipping_company: Text = None
    shipping_tracking: Text = None
    shipping_tracking_url: Text = None
    delivery_date: _DeliveryDate | None = None
    can_cancel: bool | None = None
    has_incident: bool | None = None
    customer: buyers.Customer | None = None
    customer_notification_email: Text = None
    order_additional_fields: list[buyers.AdditionalField] | None = None
    shipments: list[Shipment] | None = None

    def sent(self) -> list[Shipment]:
        """Those that left, in that order as far as they say when."""
        left = [one for one in self.shipments or () if one.has_left]
        return sorted(left, key=lambda one: fields.moment(one.shipped_date) or _NEVER)


_decoder = decoder(Stated, float_hook=Decimal)


def decoded(payload: bytes) -> Stated:
    """Raises Malformed."""
    try:
        return _decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ArithmeticError) as problem:
        raise Malformed(f"the order cannot be read: {str(problem)[:200]}") from None


def currency_of(stated: Stated, settings: MiraklSettings) -> str:
    """Raises Malformed when none is known."""
    currency = fields.text(stated.currency_iso_code).upper() or settings.currency
    if len(currency) != 3 or not currency.isascii() or not currency.isalpha():
        raise Malformed(f"currency_iso_code: {currency[:20]!r} is no currency; set `currency` if the shop has only one")
    return currency


def tax_on_top(stated: Stated) -> bool:
    return fields.text(stated.order_tax_mode) == "TAX_EXCLUDED"


def line_progress(stated: Stated, line: Line, settings: MiraklSettings) -> Progress:
    """Raises Malformed."""
    where = f"line {fields.text(line.order_line_id)}"
    return progress(
        order_state=fields.text(stated.order_state),
        line_state=fields.text(line.order_line_state),
        quantity=fields.units(line.quantity, f"{where} quantity"),
        cancelations=[
            fields.units(each.quantity, f"{where} cancelations quantity") if each.quantity is not None else 0
            for each in line.cancelations or ()
        ],
        shipped=fields.moment(line.shipped_date) is not None,
        quantity_after_cancelations=settings.quantity_after_cancelations,
    )


def parse_order(payload: bytes, settings: MiraklSettings, basis: PriceBasis) -> list[Order | Refund]:
    """The order, then the refunds of its lines. Raises Malformed, naming the field."""
    stated = decoded(payload)
    order_id = fields.text(stated.order_id)
    if not order_id:
        raise Malformed("order_id is empty")
    placed_at = fields.moment(stated.created_date)
    if placed_at is None:
        raise Malformed(f"created_date: {fields.shown(stated.created_date)} is no time")
    currency = currency_of(stated, settings)
    warnings: list[str] = []
    lines = [_line(line, stated, settings, currency, warnings) for line in stated.order_lines]
    if len({line.line_id for line in lines}) < len(lines):
        raise Malformed("order_lines: an order_line_id comes twice")
    shipping_tax = _taxes([tax for line in stated.order_lines for tax in line.shipping_taxes or ()], currency)
    tax = _taxes([tax for line in stated.order_lines for tax in line.taxes or ()], currency)
    on_top = tax_on_top(stated)
    shipping = fields.money(stated.shipping_price, currency, "shipping_price")
    total = fields.money(stated.total_price, currency, "total_price")
    every_tax = None if tax is None and shipping_tax is None else (tax or 0) + (shipping_tax or 0)
    if total is not None and on_top:
        total += every_tax or 0
    paid = None
    if total is not None and basis is PriceBasis.RETAIL:
        paid = total + (_cancelled(stated, currency) if settings.quantity_after_cancelations else 0)
        # Fees are part of the total and of no line of a store's order, nor of what is given back for one: what was
        # paid is told without them, so that a purchase given back whole comes to nothing.
        paid -= sum(_taxes(line.fees, currency) or 0 for line in stated.order_lines)
    customer = stated.customer or buyers.Customer()
    email, is_relay = buyers.email(stated.customer_notification_email, stated.order_additional_fields, settings)
    order = Order(
        order_id=order_id,
        reference=order_id,
        customer_order_number=fields.text(stated.commercial_id) or order_id,
        status=fields.text(stated.order_state),
        placed_at=placed_at,
        currency=currency,
        price_basis=basis,
        lines=tuple(lines),
        shipping_address=buyers.address(customer.shipping_address, customer),
        billing_address=buyers.address(customer.billing_address, customer) if customer.billing_address else None,
        buyer_email=email,
        buyer_email_is_relay=is_relay,
        buyer_id=fields.text(customer.customer_id),
        buyer_locale=fields.text(customer.locale),
        shipping_price=shipping + (shipping_tax or 0) if shipping is not None and on_top else shipping,
        shipping_tax=shipping_tax,
        total=total,
        paid=paid,
        tax=every_tax,
        # Whatever the payment workflow, what may be shipped is told by the state alone (Mirakl, order life cycle).
        on_hold=fields.text(stated.order_state) not in KNOWN,
        awaiting_release=is_held(fields.text(stated.order_state)),
        acknowledge_by=placed_at + settings.accept_within if settings.accept_within else None,
        dispatch_by=fields.moment(stated.shipping_deadline),
        parcels=_parcels(stated, lines),
        warnings=tuple(_oddities(stated, warnings)),
        incidents=tuple(
            fields.text(line.order_line_id)
            for line in stated.order_lines
            if fields.text(line.order_line_state) == INCIDENT
        ),
    )
    return [order, *_refunds(stated, order, basis)]


def _parcels(stated: Stated, lines: Sequence[OrderLine]) -> tuple[StatedParcel, ...]:
    """The shipments that left. Without any an order shows one tracking number, that of what left last (Mirakl, order
    fields). Raises Malformed."""
    if sent := stated.sent():
        return tuple(_parcel(shipment) for shipment in sent)
    number, units = fields.text(stated.shipping_tracking), {one.line_id: one.dispatched for one in lines}
    if not number or not any(units.values()):
        return ()
    return (
        StatedParcel(
            units={line_id: count for line_id, count in units.items() if count},
            carrier=fields.text(stated.shipping_company),
            number=number,
            url=fields.text(stated.shipping_tracking_url),
        ),
    )


def _parcel(shipment: Shipment) -> StatedParcel:
    tracking = shipment.tracking
    return StatedParcel(
        units={line_id: count for line_id, count in shipment.units().items() if count},
        parcel_id=fields.text(shipment.id),
        left_at=fields.moment(shipment.shipped_date),
        carrier=(fields.text(tracking.carrier_name) or fields.text(tracking.carrier_code)) if tracking else "",
        number=fields.text(tracking.tracking_number) if tracking else "",
        url=fields.text(tracking.tracking_url) if tracking else "",
    )


def _line(line: Line, stated: Stated, settings: MiraklSettings, currency: str, warnings: list[str]) -> OrderLine:
    line_id = fields.text(line.order_line_id)
    if not line_id:
        raise Malformed("order_lines: an order_line_id is empty, the line could never be answered")
    counts = line_progress(stated, line, settings)
    in_parcels = sum(shipment.units().get(line_id, 0) for shipment in stated.sent())
    taken = line.cancelations or []
    # A line's price shrinks with its cancelled units: together they are what was ordered.
    net = fields.money(line.price, currency, f"line {line_id} price")
    tax = _taxes(line.taxes, currency)
    if net is not None and settings.quantity_after_cancelations:
        net += sum(fields.amount(each.amount, currency, f"line {line_id} cancelations amount") for each in taken)
        cancelled_tax = sum(_taxes(each.taxes, currency) or 0 for each in taken)
        tax = None if tax is None and not cancelled_tax else (tax or 0) + cancelled_tax
    gross = net + (tax or 0) if net is not None and tax_on_top(stated) else net
    delivery = fields.money(line.shipping_price, currency, f"line {line_id} shipping_price") or 0
    if tax_on_top(stated):
        delivery += _taxes(line.shipping_taxes, currency) or 0
    if settings.quantity_after_cancelations:
        delivery += sum(_delivery_of(each, stated, currency, f"line {line_id} cancelations") for each in taken)
    rates = {fields.tax_rate(tax.rate) for tax in line.taxes or ()}
    promised = fields.moment(stated.delivery_date.latest) if stated.delivery_date else None
    return OrderLine(
        line_id=line_id,
        quantity=counts.quantity,
        sku=line.offer_sku if isinstance(line.offer_sku, str) else fields.text(line.offer_sku),
        stock_number=fields.text(line.product_sku),
        title=fields.text(line.product_title),
        unit_price=None if gross is None or not counts.quantity else fields.portion(gross, 1, counts.quantity),
        total=gross,
        delivery=delivery,
        tax=tax,
        tax_rate=rates.pop() if len(rates) == 1 else "",
        promised_on=promised.astimezone(ZoneInfo(settings.time_zone)).date() if promised else None,
        category=fields.text(line.category_label),
        acknowledged=counts.acknowledged,
        dispatched=max(counts.dispatched, min(in_parcels, counts.quantity - counts.cancelled)),
        cancelled=counts.cancelled,
        cancel_reason=_cancel_reason(line, stated) if counts.cancelled else "",
    )


def _cancelled(stated: Stated, currency: str) -> int:
    """What cancellations took off the order's total but for fees; it shrinks with them. Raises Malformed."""
    found = 0
    for each in (one for line in stated.order_lines for one in line.cancelations or ()):
        found += fields.amount(each.amount, currency, "cancelations amount")
        found += _delivery_of(each, stated, currency, "cancelations")
        if tax_on_top(stated):
            found += _taxes(each.taxes, currency) or 0
    return found


def _delivery_of(taken_back: Reversal, stated: Stated, currency: str, where: str) -> int:
    """With its tax. Raises Malformed."""
    amount = fields.amount(taken_back.shipping_amount, currency, f"{where} shipping_amount")
    return amount + (_taxes(taken_back.shipping_taxes, currency) or 0) if tax_on_top(stated) else amount


def _cancel_reason(line: Line, stated: Stated) -> str:
    codes = [fields.text(each.reason_code) for each in line.cancelations or ()]
    return (
        next((code for code in codes if code), "")
        or fields.text(line.order_line_state_reason_label)
        or fields.text(stated.order_state_reason_label)
    )


def _refunds(stated: Stated, order: Order, basis: PriceBasis) -> list[Refund]:
    """An entry stays for ever and is known by its id (Mirakl, orders: refunds). Amounts with tax."""
    found = []
    for line in stated.order_lines:
        line_id = fields.text(line.order_line_id)
        known = order.line(line_id)
        for refund in line.refunds or ():
            refund_id = fields.text(refund.id)
            if not refund_id:
                raise Malformed(f"line {line_id} refunds: an id is empty")
            net = fields.amount(refund.amount, order.currency, f"refund {refund_id} amount")
            if tax_on_top(stated):
                net += _taxes(refund.taxes, order.currency) or 0
            units = fields.units(refund.quantity, f"refund {refund_id} quantity") if refund.quantity is not None else 0
            found.append(
                Refund(
                    refund_id=refund_id,
                    order_id=order.order_id,
                    line_id=line_id,
                    quantity=min(units, known.quantity) if known else units,
                    amount=net,
                    shipping_amount=_delivery_of(refund, stated, order.currency, f"refund {refund_id}"),
                    refunded_at=fields.moment(refund.created_date) or order.placed_at,
                    reason=fields.text(refund.reason_code),
                    basis=basis,
                )
            )
    return found


def _taxes(taxes: list[Tax] | None, currency: str) -> int | None:
    amounts = [fields.amount(tax.amount, currency, "taxes amount") for tax in taxes or ()]
    return sum(amounts) if amounts else None


def _oddities(stated: Stated, warnings: list[str]) -> list[str]:
    state = fields.text(stated.order_state)
    if state not in KNOWN:
        warnings.append(f"it has the unknown state {state[:40]!r} and is held back until it has one that is known")
    for line in stated.order_lines:
        line_state = fields.text(line.order_line_state)
        if line_state and line_state not in KNOWN:
            warnings.append(f"line {line.order_line_id} has the unknown state {line_state[:40]!r}")
    return warnings
