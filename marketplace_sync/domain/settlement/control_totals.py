"""A file's own totals, as its footer or title states them, against what was taken of its rows."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from marketplace_sync.domain.money import NotMoney
from marketplace_sync.domain.settlement.layouts import NEXT, ControlTotal, FileLayout
from marketplace_sync.domain.settlement.numbers import plain

_NUMBER = re.compile(r"[+-]?[0-9][0-9., ']*")
ROWS = "rows"


@dataclass(frozen=True)
class Compared:
    """One total of a file. `of`: the column that is summed, or `rows`. `stated` is None where it cannot be read."""

    line: int
    of: str
    stated: Decimal | None
    found: Decimal
    raw: str

    @property
    def difference(self) -> Decimal | None:
        """To a millionth: what a spreadsheet's binary numbers are off by is none."""
        return None if self.stated is None else round(self.found - self.stated, 6)

    @property
    def agrees(self) -> bool:
        return self.difference == 0


@dataclass(frozen=True, slots=True)
class _Stated:
    line: int
    cells: Sequence[str]
    raw: str
    control: ControlTotal


@dataclass
class ControlTotals:
    """Watches a file's rows go by: takes out those that state totals, and remembers what is summed of the others."""

    layout: FileLayout
    header: Sequence[str] = ()
    _stated: list[_Stated] = field(default_factory=list)
    _rows: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)

    def is_total(self, line: int, cells: Sequence[str], raw: str) -> bool:
        """Is it a row of totals? It is no other row then. Also above the names of the columns."""
        mine = [control for control in self.layout.controls if _marked(control, cells, self.header)]
        self._stated += [_Stated(line, tuple(cells), raw, control) for control in mine]
        return bool(mine)

    def saw(self, line: int, cells: Sequence[str]) -> None:
        """A row that is no total."""
        if self.layout.controls:
            self._rows.append((line, tuple(cells)))

    def compared(self, rejected: Collection[int]) -> list[Compared]:
        """Every total that the file states, against its rows but those that could not be taken."""
        places = {name.strip(): place for place, name in enumerate(self.header)}
        bad = set(rejected)
        taken = [cells for line, cells in self._rows if line not in bad]
        found: list[Compared] = []
        for stated in self._stated:
            control = stated.control
            mine = [cells for cells in taken if _is_about(control, stated.cells, cells, places)]
            if control.rows:
                found += self._compare(stated, ROWS, control.rows, Decimal(len(mine)), places)
            for column, where in control.sums.items():
                numbers = (self._number(_cell(cells, places.get(column))) for cells in mine)
                total = sum((number for number in numbers if number is not None), Decimal(0))
                found += self._compare(stated, column, where, total, places)
        return found

    def _compare(self, stated: _Stated, of: str, where: str, found: Decimal, places: dict[str, int]) -> list[Compared]:
        """Nothing where the total is left empty."""
        text = _after(stated) if where == NEXT else _cell(stated.cells, places.get(where))
        return [Compared(stated.line, of, self._number(text), found, stated.raw)] if text else []

    def _number(self, text: str) -> Decimal | None:
        try:
            return Decimal(plain(text.strip(), self.layout))
        except NotMoney:
            return None


def _marked(control: ControlTotal, cells: Sequence[str], header: Sequence[str]) -> bool:
    if control.column:
        names = [name.strip() for name in header]
        said = _cell(cells, names.index(control.column)) if control.column in names else ""
    else:
        said = next((cell.strip() for cell in cells if cell.strip()), "")
    rest = said[len(control.marker) :]
    return said.casefold().startswith(control.marker.casefold()) and not rest[:1].isalnum()


def _is_about(control: ControlTotal, total: Sequence[str], row: Sequence[str], places: dict[str, int]) -> bool:
    return all(_cell(total, places.get(column)) == _cell(row, places.get(column)) for column in control.by)


def _after(stated: _Stated) -> str:
    """The first number after the marker, in its own cell or in one behind it."""
    started = False
    for cell in stated.cells:
        text = cell.strip()
        if not started:
            if not text.casefold().startswith(stated.control.marker.casefold()):
                continue
            started, text = True, text[len(stated.control.marker) :]
        number = _NUMBER.search(text)
        if number:
            return number[0]
    return ""


def _cell(cells: Sequence[str], place: int | None) -> str:
    return cells[place].strip() if place is not None and place < len(cells) else ""
