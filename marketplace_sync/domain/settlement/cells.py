"""The cells of one order: settlement lines laid beside what was expected, per order line, refund and component."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from marketplace_sync.domain.settlement.codes import Code
from marketplace_sync.domain.settlement.inputs import HELD_STATE, SETTLED_STATES, SettlementLine
from marketplace_sync.domain.settlement.line_types import COMMISSION_KINDS, KNOWN, Component

POOLED = -1
"""The position of a cell that covers several order lines, because the settlement names none."""


@dataclass(slots=True, eq=False)
class Cell:
    """One component of one order line or refund. `position` counts the order's lines; those that only the settlement
    knows come after them."""

    position: int
    component: Component
    refund_id: str = ""
    line_id: str = ""
    expected: int = 0
    covered: tuple[int, ...] = ()
    """Positions; a refund's cell covers one per refund of the record."""
    covers: int = 1
    lines: list[SettlementLine] = field(default_factory=list)
    codes: list[Code] = field(default_factory=list)
    """Root causes that begin here, the first one first."""
    surplus: int = 0
    """What duplicate lines add to the amount."""
    netted: bool = False
    """The operator's own lines lowered what was expected."""

    @property
    def settled(self) -> int:
        return sum(line.amount for line in self.lines if line.payment_state in SETTLED_STATES)

    @property
    def held(self) -> int:
        return sum(line.amount for line in self.lines if line.payment_state == HELD_STATE)

    @property
    def actual(self) -> int:
        return sum(line.amount for line in self.lines)

    @property
    def kept(self) -> int:
        """The amount without duplicate lines."""
        return self.actual - self.surplus

    @property
    def difference(self) -> int:
        return self.actual - self.expected

    @property
    def commission_kind(self) -> bool:
        return self.component in COMMISSION_KINDS

    @property
    def reversed(self) -> bool:
        """Given and taken back whole."""
        return bool(self.lines) and self.actual == 0 and any(line.amount for line in self.lines)

    @property
    def present(self) -> bool:
        return bool(self.lines) and not self.reversed

    @property
    def key(self) -> tuple[int, str, str]:
        return (self.position, self.refund_id, self.component)

    @property
    def code(self) -> Code | None:
        return self.codes[0] if self.codes else None

    def blame(self, code: Code) -> None:
        if code not in self.codes:
            self.codes.append(code)


def counted(line: SettlementLine) -> bool:
    """Settled or held; a reserve or a line that is not applicable is neither."""
    return line.payment_state in SETTLED_STATES or line.payment_state == HELD_STATE


def against_nature(line: SettlementLine) -> bool:
    """Takes back what lines of its type give, or gives back what they take."""
    known = KNOWN.get(line.type)
    return known is not None and line.amount * known.sign < 0


def first_day(lines: Iterable[SettlementLine]) -> date | None:
    return min((line.created_on for line in lines if line.created_on), default=None)


def find_duplicates(cell: Cell, wanted: int | None = None) -> None:
    """Sets `surplus`: more lines of one type, refund and amount than explain what was expected.

    One amount in equal parts is not a duplicate, so as many of each are kept as come nearest to what is `wanted` (by
    default what was expected), and always one: a refund that nobody expected explains one line.
    """
    off = cell.actual - (cell.expected if wanted is None else wanted)
    amounts: dict[tuple[str, int], int] = {}
    for line in cell.lines:
        if line.amount and not against_nature(line):
            amounts[line.type, line.amount] = amounts.get((line.type, line.amount), 0) + 1
    repeated = [(amount, count) for (_, amount), count in sorted(amounts.items()) if count > 1]
    if not repeated or off == 0:
        return
    # Of two equally near choices the one that keeps more lines: a surplus must be evident.
    best = (abs(off), 0)
    choices = [0]
    for amount, count in repeated:
        choices = [so_far + amount * extra for so_far in choices for extra in range(min(count, 50))]
    for surplus in choices:
        best = min(best, (abs(off - surplus), surplus), key=lambda pair: (pair[0], abs(pair[1])))
    cell.surplus = best[1]
