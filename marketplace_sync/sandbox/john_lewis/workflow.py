"""Which status follows which, for an order's lines, and what happens to a line when only part of it moves on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Order = dict[str, Any]
Line = dict[str, Any]

ON_HOLD = "ON_HOLD"
"""Not in the vendor's documentation: stands for the values that appear without notice."""

RANK = {
    status: place
    for place, status in enumerate(
        (
            ON_HOLD, "ORDER", "CANCEL", "BACKORDER", "ORDER_ACK", "DISPATCH", "RMA", "RMA_ACK", "RMA_AUTHORISED",
            "RMA_COLLECTION_BOOKED", "RMA_REJ", "RMA_EXC", "RMA_REC", "CANCEL_ACK",
        )
    )
}  # fmt: skip
"""The earliest comes first; an order shows the earliest of its lines, so that what waits for somebody is seen."""

SELLER_ACTIONS: dict[str, tuple[tuple[str, ...], str]] = {
    "acknowledge": (("ORDER", "BACKORDER"), "ORDER_ACK"),
    "backorder": (("ORDER", "ORDER_ACK"), "BACKORDER"),
    "dispatch": (("ORDER_ACK", "BACKORDER", "CANCEL"), "DISPATCH"),
    "cancel_acknowledge": (("CANCEL", "ORDER", "ORDER_ACK", "BACKORDER"), "CANCEL_ACK"),
    "return_acknowledge": (("RMA",), "RMA_AUTHORISED"),
}
"""Action to the statuses it leaves, in the order in which they are drawn on, and the one it leads to."""

CANCELLABLE = ("ORDER", "ORDER_ACK", "BACKORDER")


class Refused(ValueError):
    """The vendor does not do this; the text is what the caller reads after "Validation error: "."""


def lines_of(order: Order, ref: str, part_number: str | None) -> list[Line]:
    """The rows of one order line: one, or several once it was split. Raises Refused for a pair that is not there."""
    rows = [line for line in order["lines"] if line["ref"] == ref and part_number in (None, line["part_number"])]
    if not rows:
        raise Refused(f"Order item with part_number '{part_number}' and line_ref '{ref}' not found")
    return rows


def move(
    order: Order, rows: Sequence[Line], quantity: int, sources: Sequence[str], target: str, *, suffix_refs: bool = False
) -> list[Line]:
    """Move `quantity` units of these rows to `target`, splitting the last row used; the moved rows, changed in place.

    A row that is cancelled keeps its place with quantity 0 and remembers what it was. Raises Refused when fewer units
    are in one of the `sources` statuses.
    """
    if quantity <= 0:
        raise Refused(f"Quantity must be greater than 0, not {quantity}")
    candidates = [row for source in sources for row in rows if row["status"] == source]
    item = rows[0]["ref"]
    if not candidates:
        raise Refused(f"Order item '{item}' cannot go from {rows[-1]['status']} to {target}")
    if quantity > (available := sum(row["quantity"] for row in candidates)):
        raise Refused(f"Quantity {quantity} is greater than the open quantity {available} for order item '{item}'")
    moved = []
    for row in candidates:
        taken = min(quantity, row["quantity"])
        quantity -= taken
        moved.append(_take(order, row, taken, suffix_refs))
        if quantity == 0:
            break
    for row in moved:
        row["status"] = target
        if target == "CANCEL_ACK":
            row["cancelled"] = row["quantity"]
            row["quantity"] = 0
    order["status"] = status_of(order)
    return moved


def _take(order: Order, row: Line, quantity: int, suffix_refs: bool) -> Line:
    """The row itself, or a new row with so many of its units right after it."""
    if quantity == row["quantity"]:
        return row
    part = {**row, "item": order["next_item"], "quantity": quantity}
    order["next_item"] += 1
    row["quantity"] -= quantity
    if suffix_refs:
        base = str(row["ref"]).split("/")[0]
        siblings = sum(str(line["ref"]).split("/")[0] == base for line in order["lines"])
        part["ref"] = f"{base}/{siblings + 1}"
    order["lines"].insert(order["lines"].index(row) + 1, part)
    return part


def status_of(order: Order) -> str:
    """The earliest status of the order's lines."""
    return min((str(line["status"]) for line in order["lines"]), key=RANK.__getitem__)
