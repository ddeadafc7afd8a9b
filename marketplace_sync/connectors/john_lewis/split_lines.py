"""The references by which the parts of a split line are answered, where each part has got one of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from marketplace_sync.connectors.john_lewis import fields
from marketplace_sync.connectors.john_lewis.orders import Item
from marketplace_sync.connectors.john_lewis.statuses import BACKORDER, CANCEL_ASKED, NEW, RETURN_ASKED, code
from marketplace_sync.connectors.john_lewis.verdicts import Action
from marketplace_sync.domain.effects import AcknowledgeOrder, CancelLines, Dispatch


class Part(msgspec.Struct, frozen=True):
    """So many units under one reference of the Edge's, of the product with this stock number."""

    stock_number: str
    reference: str
    quantity: int


def whole_lines(action: Action) -> list[Part]:
    return [Part(units.stock_number, units.line_id, units.quantity) for units in action.lines]


def parts_of(action: Action, rows: Mapping[str, Sequence[Item]], order_status: Any) -> list[Part]:
    """An action's units by the rows that may take it, as the order states them now: `rows` are those of each line
    (`rows_by_line`), a row without a status has the order's. Empty: no line of it has parts with references of
    their own, or there are not enough units that may take it. Raises Malformed.

    Whether the parts of a split line keep its reference is not documented (John Lewis, order writes; a rule of the
    simulator has both). Nothing is lost where they do: the line's own reference is tried first.
    """
    if all(len({fields.exact(row.line_reference) for row in rows.get(one.line_id, ())}) < 2 for one in action.lines):
        return []
    statuses = _leaving(action)
    found: dict[tuple[str, str], int] = {}
    for units in action.lines:
        left = units.quantity
        for status in statuses:
            for row in rows.get(units.line_id, ()):
                if left and (code(row.status) or code(order_status)) == status:
                    taken = min(left, fields.units(row.quantity, "line", units.line_id, "quantity"))
                    left -= taken
                    key = (units.stock_number, fields.exact(row.line_reference))
                    found[key] = found.get(key, 0) + taken
        if left:
            return []
    return [Part(stock_number, reference, count) for (stock_number, reference), count in found.items() if count]


def _leaving(action: Action) -> tuple[str, ...]:
    """The statuses that an action ends, first those that it is meant for (John Lewis, statuses and workflow)."""
    if isinstance(action, AcknowledgeOrder):
        return (NEW,)
    if isinstance(action, Dispatch):
        return ("ORDER_ACK", BACKORDER, CANCEL_ASKED)
    if isinstance(action, CancelLines):
        return (CANCEL_ASKED,) if action.requested_by_marketplace else (NEW, "ORDER_ACK", BACKORDER)
    return (RETURN_ASKED,)
