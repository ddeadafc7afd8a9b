"""Reads one return as RT11 states it. A return moves no money here: its refund is on the order's line."""

from __future__ import annotations

from typing import Any

import msgspec

from marketplace_sync.connectors.mirakl import fields
from marketplace_sync.connectors.ports import Malformed
from marketplace_sync.decoding import decoded
from marketplace_sync.domain.orders import Return, ReturnState

WAITING = "WAITING_ACCEPTANCE"
_STATES = {
    WAITING: ReturnState.REQUESTED,
    "IN_PROGRESS": ReturnState.AUTHORISED,
    # Goods that came back are not yet money given back (Mirakl, returns): only a refund is.
    "RECEIVED": ReturnState.RECEIVED,
    "CLOSED": ReturnState.CLOSED,
    "NO_RECEPTION": ReturnState.REJECTED,
    "REFUSED": ReturnState.DECLINED,
    "CANCELED": ReturnState.CANCELLED,
}
_OF_A_LINE = "#"


class Line(msgspec.Struct):
    order_line_id: Any = None
    quantity: Any = None
    reason_code: Any = None
    compliance: Any = None

    @property
    def compliant(self) -> bool | None:
        """What was stated of its goods last; None: nothing yet."""
        last = self.compliance[-1] if isinstance(self.compliance, list) and self.compliance else None
        said = last.get("compliant") if isinstance(last, dict) else None
        return said if isinstance(said, bool) else None


class Stated(msgspec.Struct):
    id: Any
    return_lines: list[Line]
    order_id: Any = None
    state: Any = None
    reason_code: Any = None
    date_created: Any = None
    last_updated: Any = None


def parse_returns(payload: bytes) -> list[Return]:
    """One return per line of it. A return of several lines has the line's id behind its own. Raises Malformed."""
    try:
        stated = decoded(payload, Stated)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise Malformed(f"the return cannot be read: {str(problem)[:200]}") from None
    return_id, order_id = fields.text(stated.id), fields.text(stated.order_id)
    if not return_id or not order_id:
        raise Malformed("id or order_id is empty")
    requested_at = fields.moment(stated.date_created)
    if requested_at is None:
        raise Malformed(f"date_created: {fields.shown(stated.date_created)} is no time")
    status = fields.text(stated.state)
    found = []
    for line in stated.return_lines:
        line_id = fields.text(line.order_line_id)
        if not line_id:
            raise Malformed("return_lines: an order_line_id is empty")
        found.append(
            Return(
                return_id=return_id if len(stated.return_lines) == 1 else f"{return_id}{_OF_A_LINE}{line_id}",
                order_id=order_id,
                line_id=line_id,
                quantity=fields.units(line.quantity, "return_lines quantity"),
                state=_STATES.get(status, ReturnState.UNKNOWN),
                status=status,
                requested_at=requested_at,
                changed_at=fields.moment(stated.last_updated) or requested_at,
                reason=fields.text(line.reason_code) or fields.text(stated.reason_code),
                whole="" if len(stated.return_lines) == 1 else return_id,
                compliant=line.compliant,
            )
        )
    return found


def vendor_id(return_id: str) -> str:
    """The marketplace's own id of a return that `parse_returns` gave."""
    return return_id.partition(_OF_A_LINE)[0]
