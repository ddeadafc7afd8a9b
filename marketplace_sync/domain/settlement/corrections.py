"""What was wrong once and was put right by a later line of the same order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from marketplace_sync.domain.settlement.cells import Cell, against_nature, first_day
from marketplace_sync.domain.settlement.codes import ORDER_REVIEW, Code, Status, order_status
from marketplace_sync.domain.settlement.inputs import SettlementLine, SoldOrder
from marketplace_sync.domain.settlement.line_types import Component
from marketplace_sync.domain.settlement.refunds import Refunds
from marketplace_sync.domain.settlement.sales import Sale

Key = tuple[int, str, str]


@dataclass(slots=True)
class Judged:
    """The cells of an order, each with the root causes that begin in it."""

    cells: list[Cell]
    sale: Sale
    refunds: Refunds
    manual: list[Cell]

    def wrong(self) -> set[Key]:
        """Cells that are an exception whatever the day."""
        return {cell.key for cell in self.cells if order_status(cell.codes) is Status.EXCEPTION}


def find_corrections(
    order: SoldOrder,
    lines: Sequence[SettlementLine],
    judged: Judged,
    compare: Callable[[Sequence[SettlementLine]], Judged],
) -> bool:
    """True when something was an exception without the later lines and is none with them. The cells concerned get the
    code CORRECTED instead of what they had."""
    found = _offset_by_hand(judged)
    wrong_now = judged.wrong()
    once_wrong: set[Key] = set()
    for some in _earlier(lines):
        before = compare(some)
        once_wrong |= {key for key in before.wrong() - wrong_now if not _part_of_the_units(order, before, key)}
    for cell in judged.cells:
        if cell.key in once_wrong and not cell.codes:
            cell.blame(Code.CORRECTED)
    return found or bool(once_wrong)


def _earlier(lines: Sequence[SettlementLine]) -> Iterator[list[SettlementLine]]:
    """The order as it stood on each earlier day, and without the lines that take something back."""
    dated = sorted(lines, key=_day)
    days = [list(group) for _, group in groupby(dated, key=_day)]
    for count in range(1, len(days)):
        yield [line for day in days[:count] for line in day]
    forward = [line for line in lines if not against_nature(line)]
    if forward and len(forward) < len(lines):
        yield forward


def _day(line: SettlementLine) -> date:
    return line.created_on or date.min


def _part_of_the_units(order: SoldOrder, before: Judged, key: Key) -> bool:
    """A line of several units that is settled unit by unit was never wrong."""
    position, _, component = key
    if component not in (Component.PRODUCT, Component.SHIPPING) or not 0 <= position < len(order.lines):
        return False
    quantity = order.lines[position].quantity
    cell = next(c for c in before.cells if c.key == key)
    share = cell.kept * quantity
    return quantity > 1 and bool(cell.expected) and share % cell.expected == 0 and 0 < share < cell.expected * quantity


def _offset_by_hand(judged: Judged) -> bool:
    """Does what the operator credited or charged by hand, or a commission given back without a refund, put the order's
    differences right? Compared with all of them, with those of one refund, order line or root cause, and with each."""
    orphans = [cell for unit in judged.refunds.orphans for cell in unit.cells.values()]
    hands = [cell for cell in judged.manual if cell.code in ORDER_REVIEW]
    others = [cell for cell in judged.cells if cell.difference and cell not in hands and cell not in orphans]
    commissions = [cell for cell in others if cell.component in (Component.COMMISSION, Component.COMMISSION_VAT)]
    corrected = _offset(hands, others) or _offset(orphans, commissions)
    for cell in orphans:
        if not cell.codes and cell.present:
            cell.blame(Code.COMMISSION_RATE_MISMATCH)
            break
    total = sum(cell.actual for cell in hands)
    left = sum(cell.difference for cell in others)
    if not corrected and total * left < 0 and abs(total) < abs(left):
        # Put right in part: what is left still has its root cause, and the part is no riddle of its own.
        for cell in hands:
            cell.codes.clear()
    return corrected


def _offset(helping: list[Cell], others: list[Cell]) -> bool:
    total = sum(cell.actual for cell in helping)
    chosen = _that_add_up_to(others, -total) if total else []
    if not helping or chosen is None or not _not_before(helping, chosen):
        return False
    for cell in [*chosen, *helping]:
        cell.codes = [Code.CORRECTED]
    return True


def _that_add_up_to(cells: list[Cell], wanted: int) -> list[Cell] | None:
    groups: list[list[Cell]] = [cells]
    aspects: tuple[Callable[[Cell], object], ...] = (
        lambda c: (c.position, c.refund_id),
        lambda c: c.position,
        lambda c: c.refund_id,
        lambda c: c.code,
        lambda c: c.component in (Component.COMMISSION, Component.COMMISSION_VAT),
    )
    for aspect in aspects:
        grouped: dict[object, list[Cell]] = {}
        for cell in cells:
            grouped.setdefault(aspect(cell), []).append(cell)
        groups += grouped.values()
    groups += [[cell] for cell in cells]
    return next((group for group in groups if group and sum(c.difference for c in group) == wanted), None)


def _not_before(helping: Sequence[Cell], chosen: Sequence[Cell]) -> bool:
    helped = first_day(line for cell in chosen for line in cell.lines)
    came = max((line.created_on for cell in helping for line in cell.lines if line.created_on), default=None)
    return helped is None or came is None or came >= helped
