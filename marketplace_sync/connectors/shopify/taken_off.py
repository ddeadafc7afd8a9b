"""Which units that were refunded without restocking had not left and never will: Shopify says it of no refund. Pure."""

from __future__ import annotations

from collections import Counter

from marketplace_sync.connectors.shopify import marks
from marketplace_sync.connectors.shopify.order_answers import Facts, Fulfillment, Line, Moment, Refund

_NEVER_LEFT = ("CANCELLED", "ERROR", "FAILURE")


def removed_units(facts: Facts) -> Counter[tuple[str, int]]:
    """(refund, place among its lines) -> units of it that were taken off the order.

    Units that staff take off, or cancel, without restocking them are NO_RESTOCK, as refunds of shipped goods are; but
    they are not to be shipped any more, where other refunds of what has not left change nothing about that (Shopify,
    cancel and refund). So the line says how many there are, and the refunds which: first those that were refunded
    beyond what had been shipped by then, as shipped units are refunded first; then the latest ones, because the earlier
    were read before the units were gone.
    """
    found: Counter[tuple[str, int]] = Counter()
    refunds = sorted(facts.refunds, key=_made_at)
    if not any(row.restock_type == "NO_RESTOCK" for refund in refunds for row in refund.refund_line_items.nodes):
        return found
    for line in facts.line_items.nodes:
        left = _gone(facts, line)
        if left <= 0:
            continue
        rows: list[tuple[tuple[str, int], int]] = []
        before = 0
        for refund in refunds:
            shipped = sum(_units(parcel, line) for parcel in facts.fulfillments if _had_left(parcel, _made_at(refund)))
            for at, row in enumerate(refund.refund_line_items.nodes):
                if row.line_item.id != line.id or row.restock_type == "CANCEL":
                    continue
                beyond = max(0, before + row.quantity - shipped) - max(0, before - shipped)
                before += row.quantity
                if row.restock_type == "NO_RESTOCK" and not marks.reference_in(refund.note):
                    taken = min(beyond, left)
                    found[refund.id, at] = taken
                    left -= taken
                    rows.append(((refund.id, at), row.quantity - taken))
        for key, units in reversed(rows):
            taken = min(units, left)
            found[key] += taken
            left -= taken
    return found


def _gone(facts: Facts, line: Line) -> int:
    """Units of a line that neither left, nor are to be shipped, nor were taken off with restocking. Of a cancelled
    order nothing is to be shipped, whatever its lines still say."""
    to_ship = 0 if facts.cancelled_at is not None else line.unfulfilled_quantity
    if to_ship is None:
        return 0
    shipped = sum(_units(parcel, line) for parcel in facts.fulfillments if parcel.status not in _NEVER_LEFT)
    restocked = sum(
        row.quantity
        for refund in facts.refunds
        for row in refund.refund_line_items.nodes
        if row.line_item.id == line.id and row.restock_type == "CANCEL"
    )
    return line.quantity - shipped - to_ship - restocked


def _units(parcel: Fulfillment, line: Line) -> int:
    return sum(row.quantity or 0 for row in parcel.fulfillment_line_items.nodes if row.line_item.id == line.id)


def _had_left(parcel: Fulfillment, at: Moment) -> bool:
    """Whether it was under way at that time; one that was cancelled after it was."""
    return parcel.created_at <= at and (parcel.status not in _NEVER_LEFT or parcel.updated_at > at)


def _made_at(refund: Refund) -> Moment:
    return refund.created_at or refund.processed_at
