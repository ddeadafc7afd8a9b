"""Reads one order as what it is worth to the seller: it is settled invoice by invoice, each with its own postage."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

from marketplace_sync.connectors.marketplacer import fields, stated
from marketplace_sync.connectors.marketplacer.orders import ours, parse_order
from marketplace_sync.connectors.marketplacer.settings import MarketplacerSettings
from marketplace_sync.domain.money import share
from marketplace_sync.domain.orders import Order, OrderLine, Refund, Return, ReturnState
from marketplace_sync.domain.settlement.inputs import SoldLine, SoldOrder, StoreRefund


def sold_order(payload: bytes, name: str, settings: MarketplacerSettings) -> SoldOrder | None:
    """Amounts in minor units of the order's currency, what the buyer paid; None when the order is none of ours. Raises
    Malformed. (sheet, 9: what is settled is an invoice, or an amendment of one)"""
    order, returned = None, []
    for found in parse_order(payload, settings):
        if isinstance(found, Order):
            order = found
        else:
            returned.append(found)
    if order is None:
        return None
    said = stated.decoded(payload, seller=settings.key_of == "seller")[1]
    invoices = {line.id: invoice for invoice in ours(said, settings) for line in invoice.line_items}
    zone = ZoneInfo(settings.time_zone)
    postage = _postage(order, invoices)
    lines = tuple(_line(line, invoices[line.line_id], postage.get(line.line_id, 0), zone) for line in order.lines)
    return SoldOrder(
        channel=name,
        order_id=order.order_id,
        commercial_id=order.customer_order_number,
        currency=order.currency,
        cancelled=bool(lines) and all(line.cancelled for line in lines),
        placed_on=order.placed_at.astimezone(zone).date(),
        lines=lines,
        refunds=tuple(refund for each in returned for refund in _refunds(each, zone)),
    )


def _postage(order: Order, invoices: dict[str, stated.Invoice]) -> dict[str, int]:
    """Line id -> postage: that of an invoice with the first of its lines that is not cancelled. Where an instance does
    not say it of invoices, the order's with the first line of all."""
    first: dict[str, OrderLine] = {}
    for line in order.lines:
        chosen = first.setdefault(invoices[line.line_id].id, line)
        if _wanted(line) and not _wanted(chosen):
            first[invoices[line.line_id].id] = line
    found = {}
    for line in first.values():
        invoice = invoices[line.line_id]
        amount = fields.cents(
            invoice.shipping_cost_cents,
            invoice.shipping_cost_formatted,
            order.currency,
            f"invoice {invoice.id} postage",
        )
        if amount is None:
            return {order.lines[0].line_id: order.shipping_price or 0}
        found[line.line_id] = amount
    return found


def _wanted(line: OrderLine) -> int:
    return max(0, line.quantity - line.cancelled)


def _line(line: OrderLine, invoice: stated.Invoice, postage: int, zone: ZoneInfo) -> SoldLine:
    whole = line.total if line.total is not None else (line.unit_price or 0) * line.quantity
    wanted = _wanted(line)
    return SoldLine(
        line_id=line.line_id,
        sku=line.sku,
        categories=(line.category,) if line.category else (),
        quantity=line.quantity,
        price=share(whole, [wanted, line.quantity - wanted])[0] if line.quantity else whole,
        shipping=postage,
        tax=line.tax,
        shipped_on=_left(line.line_id, invoice, zone),
        cancelled=wanted == 0,
        invoice=" ".join(dict.fromkeys(filter(None, (invoice.id, fields.text(invoice.legacy_id))))),
    )


def _left(line_id: str, invoice: stated.Invoice, zone: ZoneInfo) -> date | None:
    """The day on which the last of a line left; a parcel that names no items is the whole invoice."""
    moments = [
        moment
        for shipment in invoice.shipments
        if shipment.shipped_items is None
        or any(item.line_item is not None and item.line_item.id == line_id for item in shipment.shipped_items)
        if (moment := fields.moment(shipment.dispatched_at) or fields.moment(shipment.created_at)) is not None
    ]
    return max(moments).astimezone(zone).date() if moments else None


def _refunds(found: Return | Refund | Order, zone: ZoneInfo) -> list[StoreRefund]:
    """What the buyer got back; a return that is only asked for is nothing yet."""
    if isinstance(found, Refund):
        refund_id, at, amount = found.refund_id, found.refunded_at, found.amount
    elif isinstance(found, Return) and found.state is ReturnState.APPROVED:
        refund_id, at, amount = found.return_id, found.changed_at, found.refund_amount
    else:
        return []
    return [
        StoreRefund(
            refund_id=refund_id,
            line_id=found.line_id,
            refunded_on=at.astimezone(zone).date(),
            amount=amount or 0,
            quantity=found.quantity,
            reason=found.reason,
        )
    ]
