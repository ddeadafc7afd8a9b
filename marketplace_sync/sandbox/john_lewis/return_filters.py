"""The filters of the returns list, which has dates where the orders list has none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from zoneinfo import ZoneInfo

from marketplace_sync.sandbox.john_lewis.seller_actions import BadFields
from marketplace_sync.sandbox.john_lewis.workflow import Order
from marketplace_sync.sandbox.state import Document

Condition = Callable[[Document, Order], bool]

_LONDON = ZoneInfo("Europe/London")

_EQUALS: dict[str, Callable[[Document, Order, str], bool]] = {
    "return_status": lambda found, order, value: value == found["status"],
    "return_reason": lambda found, order, value: value == str(found["reason_code"]),
    "return_approve_reason": lambda found, order, value: found["status"] == "RMA_REC" and value == "300",
    "return_reject_reason": lambda found, order, value: found["status"] == "RMA_EXC" and value == "321",
    "sla_violation": lambda found, order, value: False,
    "item_reference": lambda found, order, value: value in _part_numbers(found, order),
    "order_reference": lambda found, order, value: value == order["reference"],
    "return_amount": lambda found, order, value: value == found.get("approved_amount_status"),
    "supplier_uuid": lambda found, order, value: True,
}
_DATES: dict[str, Callable[[Document, date], bool]] = {
    "from_date": lambda found, day: _requested(found) >= day,
    "to_date": lambda found, day: _requested(found) <= day,
    "from_date_complete": lambda found, day: (done := _completed(found)) is not None and done >= day,
    "to_date_complete": lambda found, day: (done := _completed(found)) is not None and done <= day,
}
RETURN_FILTERS = (*_EQUALS, *_DATES)


def return_conditions(query: Mapping[str, str]) -> list[Condition]:
    """What a return has to meet to be listed. Raises BadFields for a date that is none."""
    return [_condition(name, query[name]) for name in RETURN_FILTERS if query.get(name)]


def _condition(name: str, value: str) -> Condition:
    if name in _EQUALS:
        equals = _EQUALS[name]
        return lambda found, order: equals(found, order, value)
    try:
        day = date.fromisoformat(value)
    except ValueError as problem:
        raise BadFields({name: ["Enter a valid date."]}) from problem
    compares = _DATES[name]
    return lambda found, order: compares(found, day)


def _part_numbers(found: Document, order: Order) -> set[str]:
    return {line["part_number"] for line in order["lines"] if line["item"] in found["items"]}


def _requested(found: Document) -> date:
    return _london_day(found["requested_at"])


def _completed(found: Document) -> date | None:
    moment = found.get("approved_at") or found.get("rejected_at") or found.get("declined_at")
    return None if moment is None else _london_day(moment)


def _london_day(moment: str) -> date:
    return datetime.fromisoformat(moment).astimezone(_LONDON).date()
