"""Whether the Edge shows that an action happened: judged from the counts of the order's lines, never from hope.

The Edge knows no idempotency key and shows no parcel, only how many units of a line are in which status. So:

* Acknowledging, agreeing to a cancellation and taking note of a return end a status; it is there or it is not.
* A dispatch is certain when none or all of the line's units have left, and for parts of a line when the effect says how
  many units left before (`LineUnits.before`). Otherwise one of two parcels of the same line cannot be told from the
  other, and the verdict is in doubt.
* A part of a line that the seller cancels is told by how many units were cancelled before. Where the Edge sets
  cancelled rows to quantity 0, what it shows no more of what was ordered (`LineUnits.ordered`) is what was cancelled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum

from marketplace_sync.connectors.john_lewis.statuses import Progress
from marketplace_sync.domain.effects import (
    CALLED_OFF,
    AcknowledgeOrder,
    AcknowledgeReturn,
    CancelLines,
    Delivered,
    Dispatch,
    InDoubt,
    LineUnits,
    NotThere,
    Refused,
    Resolution,
)

Action = AcknowledgeOrder | Dispatch | CancelLines | AcknowledgeReturn


class _Seen(Enum):
    YES = "yes"
    NO = "no"
    UNCLEAR = "unclear"


def verdict(action: Action, lines: Mapping[str, Progress]) -> Resolution:
    """What the order's lines (`line_reference` -> counts) say about an action.

    Delivered: it is there. NotThere: it is not, and it may be sent. Refused: it is not, and it cannot be done any more.
    InDoubt: the counts allow both.
    """
    judge: Callable[[LineUnits, Progress], tuple[_Seen, str]]
    if isinstance(action, AcknowledgeOrder):
        judge = _acknowledged
    elif isinstance(action, Dispatch):
        judge = _dispatched
    elif isinstance(action, AcknowledgeReturn):
        judge = _return_taken
    else:
        judge = _request_agreed if action.requested_by_marketplace else _cancelled
    found: list[tuple[LineUnits, _Seen]] = []
    for units in action.lines:
        counts = lines.get(units.line_id)
        if counts is None:
            return Refused(f"the order has no line {units.line_id}", code="NO_SUCH_LINE")
        seen, impossible = judge(units, counts)
        if impossible:
            code = CALLED_OFF if isinstance(action, AcknowledgeReturn) else "NOT_POSSIBLE_ANY_MORE"
            return Refused(f"line {units.line_id}: {impossible}", code=code)
        found.append((units, seen))
    if all(seen is _Seen.YES for _, seen in found):
        return Delivered({"found": True})
    if all(seen is _Seen.NO for _, seen in found):
        return NotThere()
    unclear = [units.line_id for units, seen in found if seen is not _Seen.YES]
    return InDoubt(
        f"the order's lines do not tell whether it happened (line {', '.join(unclear)}); look at order "
        f"{action.order_id} in the portal"
    )


def _acknowledged(units: LineUnits, counts: Progress) -> tuple[_Seen, str]:
    if counts.unacknowledged:
        return _Seen.NO, ""
    if counts.acknowledged or counts.dispatched:
        return _Seen.YES, ""
    if counts.cancellation_requested:
        return _Seen.NO, "John Lewis asks to cancel it, there is nothing to acknowledge"
    return _Seen.NO, "its units are cancelled, there is nothing to acknowledge"


def _dispatched(units: LineUnits, counts: Progress) -> tuple[_Seen, str]:
    if units.before is not None:
        gone = counts.dispatched - units.before
        if gone >= units.quantity:
            return _Seen.YES, ""
        if gone > 0:
            return _Seen.UNCLEAR, ""
    elif counts.dispatched >= units.quantity:
        return (_Seen.YES if counts.open <= 0 else _Seen.UNCLEAR), ""
    if counts.open < units.quantity:
        return _Seen.NO, f"{units.quantity} units left, and only {max(0, counts.open)} are still open at John Lewis"
    return _Seen.NO, ""


def _request_agreed(units: LineUnits, counts: Progress) -> tuple[_Seen, str]:
    if counts.cancellation_requested:
        return _Seen.NO, ""
    if counts.was_cancelled:
        return _Seen.YES, ""
    if counts.dispatched:
        return _Seen.NO, "it was dispatched, John Lewis does not ask to cancel it any more"
    return _Seen.NO, "John Lewis does not ask to cancel it any more"


def _cancelled(units: LineUnits, counts: Progress) -> tuple[_Seen, str]:
    if counts.was_cancelled and counts.open <= 0:
        return _Seen.YES, ""
    cancelled = counts.cancelled
    if counts.was_cancelled and units.ordered is not None:
        cancelled = max(cancelled, units.ordered - counts.quantity + cancelled)
    if cancelled and units.before is not None:
        if cancelled >= units.before + units.quantity:
            return _Seen.YES, ""
        if cancelled > units.before:
            return _Seen.UNCLEAR, ""
    elif counts.was_cancelled:
        return _Seen.UNCLEAR, ""
    if counts.open < units.quantity:
        return _Seen.NO, f"only {max(0, counts.open)} units are still open, {counts.dispatched} were dispatched"
    return _Seen.NO, ""


def _return_taken(units: LineUnits, counts: Progress) -> tuple[_Seen, str]:
    if counts.return_requested:
        return _Seen.NO, ""
    if counts.returning:
        return _Seen.YES, ""
    return _Seen.NO, "no return is asked for"  # the buyer keeps it after all: a return that is called off vanishes
