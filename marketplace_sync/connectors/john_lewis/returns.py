"""Reads one return as the Edge states it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from marketplace_sync.connectors.john_lewis import fields
from marketplace_sync.connectors.john_lewis.orders import Item, line_of, unit_price
from marketplace_sync.connectors.john_lewis.statuses import RETURN_REASONS, RETURNING, code
from marketplace_sync.connectors.ports import Malformed
from marketplace_sync.decoding import converted, decoder
from marketplace_sync.domain.money import share
from marketplace_sync.domain.orders import PriceBasis, Return, ReturnState


class EdgeReturn(msgspec.Struct):
    id: Any = None
    quantity: Any = None
    order: Any = None
    order_item: Any = None
    status: Any = None
    return_reason: Any = None
    return_reason_code: Any = None
    return_date: Any = None
    created_at: Any = None
    requested_at: Any = None
    authorised_at: Any = None
    declined_at: Any = None
    rejected_at: Any = None
    approved_at: Any = None
    return_approved_amount: Any = None


_decoder = decoder(EdgeReturn, float_hook=Decimal)


def parse_return(payload: bytes, zone: ZoneInfo, default_currency: str, basis: PriceBasis) -> Return:
    """One return from the Edge's JSON of it. Raises Malformed, naming the field."""
    try:
        stated = fields.read_leniently(_decoder, payload)
    except (ValueError, RecursionError, ArithmeticError) as problem:
        raise Malformed(f"the return cannot be read: {str(problem)[:200]}") from None
    return_id = fields.key(stated.id, "id")
    if not return_id:
        raise Malformed("id is empty")
    order, item = _object(stated.order), _object(stated.order_item)
    order_id = fields.id_in(order.get("url")) or fields.key(order.get("id"), "order.id") or fields.id_in(stated.order)
    if not order_id:
        raise Malformed("order: neither url nor id says which order it is")
    line_id = line_of(fields.key(item.get("line_reference"), "order_item.line_reference"), order.get("items"))
    if not line_id:
        raise Malformed("order_item.line_reference is empty")
    requested_at = next(
        (
            found
            for value in (stated.requested_at, stated.created_at, stated.return_date)
            if (found := fields.moment(value, zone))
        ),
        None,
    )
    if requested_at is None:
        raise Malformed("requested_at: no time says when it was asked for")
    status = _object(stated.status).get("code") if isinstance(stated.status, dict) else stated.status
    state = _state(code(status), stated)
    currency = fields.words(order.get("currency_code")).upper() or default_currency
    quantity = fields.units(stated.quantity, "quantity")
    amount = fields.money(stated.return_approved_amount, currency, "return_approved_amount")
    if basis is PriceBasis.COST:
        amount = _with_tax(amount, item, quantity, currency)
    return Return(
        return_id=return_id,
        order_id=order_id,
        line_id=line_id,
        quantity=quantity,
        state=state,
        status=fields.words(status),
        requested_at=requested_at,
        changed_at=_changed_at(state, stated, zone) or requested_at,
        reason=_reason(stated),
        refund_amount=amount if state is ReturnState.APPROVED else None,
        refund_basis=basis,
    )


def _with_tax(amount: int | None, item: dict[str, Any], quantity: int, currency: str) -> int | None:
    """An amount up to the cost of the units as the order states it lacks their tax where that cost does: in full or in
    part, it is stated as the cost is. More than that has the tax in it already."""
    try:
        row = converted(item, Item)
        price = unit_price([row], currency)
        ordered, total = fields.units(row.quantity, "quantity"), fields.money(row.total, currency, "total")
    except (msgspec.ValidationError, Malformed):
        return amount  # the order itself says what is wrong with its line
    if amount is None or price is None or not 0 < amount <= price[0] * quantity:
        return amount
    gross = price[1] * quantity
    if ordered and total is not None and abs(price[1] * ordered - total) <= ordered:
        gross = share(total, [quantity, ordered - quantity])[0]  # a unit's price is a rounding of it
    return share(gross, [amount, price[0] * quantity - amount])[0]


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _state(status: str, stated: EdgeReturn) -> ReturnState:
    """By its status; a status we do not know is judged by the steps that have a time."""
    if status in RETURNING:
        return RETURNING[status]
    if "CANCEL" in status:
        return ReturnState.CANCELLED
    for at, state in (
        (stated.approved_at, ReturnState.APPROVED),
        (stated.rejected_at, ReturnState.REJECTED),
        (stated.declined_at, ReturnState.DECLINED),
        (stated.authorised_at, ReturnState.AUTHORISED),
    ):
        if isinstance(at, str) and at.strip():
            return state
    return ReturnState.UNKNOWN if status else ReturnState.REQUESTED


def _changed_at(state: ReturnState, stated: EdgeReturn, zone: ZoneInfo) -> datetime | None:
    by_state = {
        ReturnState.APPROVED: stated.approved_at,
        ReturnState.REJECTED: stated.rejected_at,
        ReturnState.DECLINED: stated.declined_at,
        ReturnState.AUTHORISED: stated.authorised_at,
    }
    return fields.moment(by_state.get(state), zone)


def _reason(stated: EdgeReturn) -> str:
    reason = _object(stated.return_reason)
    number = fields.words(stated.return_reason_code) or fields.words(reason.get("code"))
    return fields.words(reason.get("description")) or RETURN_REASONS.get(number, number)
