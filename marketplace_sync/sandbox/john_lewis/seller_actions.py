"""What a seller may do to an order: the fields each action needs, its checks, and the record of what was done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.john_lewis import carriers
from marketplace_sync.sandbox.john_lewis.order_book import OrderBook
from marketplace_sync.sandbox.john_lewis.settings import EdgeSettings
from marketplace_sync.sandbox.john_lewis.workflow import SELLER_ACTIONS, Line, Order, Refused, lines_of, move
from marketplace_sync.sandbox.state import State

_ALWAYS = ("part_number", "line_ref", "quantity")
_REQUIRED = {
    "acknowledge": _ALWAYS,
    "backorder": (*_ALWAYS, "sub_status", "supplier_dispatch_date"),
    "dispatch": (*_ALWAYS, "carrier", "supplier_dispatch_date", "tracking_number"),
    "cancel_acknowledge": _ALWAYS,
    "return_acknowledge": _ALWAYS,
}
_OPTIONAL = {
    "acknowledge": ("sub_status", "supplier_dispatch_date", "supplier_delivery_date", "comment", "fulfillment_route"),
    "backorder": ("supplier_delivery_date", "comment", "fulfillment_route"),
    "dispatch": ("tracking_url", "supplier_delivery_date"),
    "cancel_acknowledge": ("comment",),
    "return_acknowledge": (),
}
"""Fields of other actions are ignored, as any field is that the vendor does not know. (Virtualstock, order writes)"""
_LENGTHS = {
    "part_number": 255, "line_ref": 100, "sub_status": 100, "comment": 255, "fulfillment_route": 255,
    "carrier": 255, "tracking_number": 100, "tracking_url": 255,
}  # fmt: skip
_DATES = ("supplier_dispatch_date", "supplier_delivery_date")


class BadFields(ValueError):
    """The body lacks a field or has one that is no good: field name to what the vendor says of it, or a `detail`."""

    def __init__(self, fields: Mapping[str, list[str] | str]) -> None:
        super().__init__(str(fields))
        self.fields = fields


@dataclass(frozen=True)
class Request:
    """One item of an action as it was understood."""

    part_number: str
    line_ref: str
    quantity: int
    facts: dict[str, str]
    """The optional and action-specific fields that were sent."""


def parse(action: str, body: Any, settings: EdgeSettings) -> list[Request]:
    """The items of a body. Raises BadFields, and Refused for a carrier that is not approved."""
    items = body.get("items") if isinstance(body, dict) else None
    if not isinstance(items, list):
        raise BadFields({"items": ["This field is required."]})
    if not items or not all(isinstance(item, dict) for item in items):
        raise BadFields({"items": ["This list may not be empty and holds objects only."]})
    return [_parse_item(action, item, settings) for item in items]


def _parse_item(action: str, item: dict[str, Any], settings: EdgeSettings) -> Request:
    required: tuple[str, ...] = _REQUIRED[action]
    if action == "acknowledge" and settings.fulfilment_route_required:
        required = (*required, "fulfillment_route")
    item = {name: value for name, value in item.items() if name in (*required, *_OPTIONAL[action])}
    wrong: dict[str, list[str]] = {}
    facts: dict[str, str] = {}
    for name in required:
        if item.get(name) is None:
            wrong[name] = ["This field is required."]
        elif str(item[name]).strip() == "":
            wrong[name] = ["This field may not be blank."]
    for name, most in _LENGTHS.items():
        if item.get(name) is None or name in wrong:
            continue
        if isinstance(item[name], bool | list | dict):
            wrong[name] = ["Not a valid string."]
        elif len(str(item[name])) > most:
            wrong[name] = [f"Ensure this field has no more than {most} characters."]
        else:
            facts[name] = str(item[name])
    for name in _DATES:
        if item.get(name) and name not in wrong:
            if not _is_date(str(item[name]), only_date=action == "dispatch"):
                wrong[name] = ["Date has wrong format."]
            facts[name] = str(item[name])
    quantity = _quantity(item.get("quantity"))
    if quantity is None and "quantity" not in wrong:
        wrong["quantity"] = ["A valid integer is required."]
    if wrong or quantity is None:
        raise BadFields(wrong)
    if action == "dispatch":
        facts["carrier_slug"] = _approved(facts["carrier"], settings)
    return Request(facts.pop("part_number"), facts.pop("line_ref"), quantity, facts)


def _approved(carrier: str, settings: EdgeSettings) -> str:
    slug = carriers.slug_of(carrier, settings.approved_carriers)
    if slug is None:
        raise Refused(f"Carrier '{carrier}' not found")
    return slug


def _quantity(value: Any) -> int | None:
    """Whole numbers, also as text: the vendor's own samples write both."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return int(value) if isinstance(value, str) and value.strip().lstrip("-").isdecimal() else None


def _is_date(value: str, *, only_date: bool) -> bool:
    """A dispatch takes dates of 10 characters, the others date-times of 19 as well. (Virtualstock, order writes)"""
    try:
        if len(value) == 10:
            date.fromisoformat(value)
        elif len(value) == 19 and not only_date:
            datetime.fromisoformat(value)
        else:
            return False
    except ValueError:
        return False
    return True


class SellerActions:
    """Applies actions, whole or not at all, and keeps every accepted item in the collection `actions`."""

    def __init__(self, state: State, clock: Clock, book: OrderBook, settings: EdgeSettings) -> None:
        self.settings = settings
        self._state = state
        self._clock = clock
        self._book = book
        self._accepted = state.collection("actions")

    def apply(self, action: str, order_id: str, requests: list[Request]) -> tuple[Order, list[Line]]:
        """Raises LookupError for an unknown order and Refused when any of the items cannot be done."""
        order = self._book.copy_of(order_id)
        sources, target = SELLER_ACTIONS[action]
        moved: list[Line] = []
        for request in requests:
            rows = lines_of(order, request.line_ref, request.part_number)
            if action == "cancel_acknowledge" and not self.settings.partial_seller_cancel:
                _require_whole_line(rows, request.quantity)
            suffixed = self.settings.split_line_reference == "suffixed"
            moved += move(order, rows, request.quantity, sources, target, suffix_refs=suffixed)
        for request in requests:
            self._record(action, order, request)
        if not (action == "dispatch" and self.settings.dispatches_lost):
            self._book.put(order)
        return order, moved

    def _record(self, action: str, order: Order, request: Request) -> None:
        number = self._state.counter("action")
        self._accepted.put(
            str(number),
            {
                "number": number,
                "action": action,
                "order_id": order["id"],
                "order_reference": order["reference"],
                "line_ref": request.line_ref,
                "part_number": request.part_number,
                "quantity": request.quantity,
                "carrier": None,
                "tracking_number": None,
                **request.facts,
                "received_at": self._clock.now().isoformat(),
            },
        )


def _require_whole_line(rows: list[Line], quantity: int) -> None:
    """Without a request a seller cancels whole lines only. (John Lewis, cancellations)"""
    requested = sum(row["quantity"] for row in rows if row["status"] == "CANCEL")
    unasked = sum(row["quantity"] for row in rows if row["status"] in ("ORDER", "ORDER_ACK", "BACKORDER"))
    if quantity > requested and unasked and quantity != requested + unasked:
        raise Refused(
            f"Partial cancellation not allowed item '{rows[0]['ref']}': "
            f"{quantity} of {requested + unasked} units, {requested} of them requested"
        )
