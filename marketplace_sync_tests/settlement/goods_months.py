"""Months of reports that name a day, a product and units instead of orders, with discrepancies put in and written down.

Each product is sold on one day, so that what is wrong with it is wrong with nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random

from marketplace_sync.domain.settlement.inputs import SettlementLine, SoldOrder
from marketplace_sync_tests.settlement.cases.goods import BARE
from marketplace_sync_tests.settlement.scene import Goods, Scene, gave_back, item, line, order

AS_OF = date(2026, 10, 31)
FIRST_DAY = date(2026, 8, 20)


@dataclass
class _Cell:
    """Orders of one product and day, and the rows that report them."""

    ean: str
    cost: int
    day: date
    units: dict[str, int]
    rng: Random
    rows: list[tuple[date, int, int]] = field(default_factory=list)
    """Day, units sold, units returned."""
    off: int = 0
    """By how much the first row's amount is not what its units cost."""
    returned: dict[str, int] = field(default_factory=dict)
    """Units that the store refunded, by order, on the day after."""
    codes: dict[str, set[str]] = field(default_factory=dict)
    outside: dict[int, str] = field(default_factory=dict)

    @property
    def late(self) -> bool:
        return (AS_OF - self.day).days > 30

    @property
    def missing(self) -> set[str]:
        return {"MISSING_SETTLEMENT" if self.late else "NOT_YET_DUE"}

    def in_one_row(self) -> None:
        self.rows = [(self.day, sum(self.units.values()), 0)]


def _as_it_should_be(cell: _Cell) -> None:
    """As many rows as there are branches."""


def _slipped(cell: _Cell) -> None:
    cell.rows = [(day + timedelta(days=1), sold, back) for day, sold, back in cell.rows]


def _not_reported(cell: _Cell) -> None:
    cell.rows = []
    cell.codes = dict.fromkeys(cell.units, cell.missing)


def _twice(cell: _Cell) -> None:
    cell.in_one_row()
    cell.rows *= 2
    cell.outside = {1: "DUPLICATE_LINE"}


def _too_many(cell: _Cell) -> None:
    cell.rows = [(cell.day, sum(cell.units.values()) + 1, 0)]
    cell.outside = {0: "UNKNOWN_ORDER"}


def _too_few(cell: _Cell) -> None:
    name = next(iter(cell.units))
    cell.units = {name: 3}
    cell.rows = [(cell.day, 2, 0)]
    cell.codes = {name: {"MISSING_SETTLEMENT" if cell.late else "PARTIALLY_SETTLED"}}


def _either(cell: _Cell) -> None:
    names = [f"{cell.ean}-{letter}" for letter in "ABC"]
    cell.units = dict(zip(names, (1, 2, 3), strict=True))
    cell.rows = [(cell.day, 3, 0)]
    cell.codes = dict.fromkeys(names, cell.missing)
    cell.outside = {0: "UNKNOWN_ORDER"}


def _one_of_many(cell: _Cell) -> None:
    names = [f"{cell.ean}-{number}" for number in range(7)]
    cell.units = dict.fromkeys(names, 2)
    cell.rows = [(cell.day, 5, 0), (cell.day, 7, 0)]
    cell.codes = {names[-1]: cell.missing}


def _nobodys(cell: _Cell) -> None:
    cell.in_one_row()
    cell.units = {}
    cell.outside = {0: "UNKNOWN_ORDER"}


def _a_penny(cell: _Cell) -> None:
    name = next(iter(cell.units))
    cell.units = {name: cell.units[name]}
    cell.in_one_row()
    cell.off = 1
    cell.codes = {name: {"AMOUNT_MISMATCH"}}


def _came_back(cell: _Cell) -> None:
    name = next(iter(cell.units))
    cell.returned = {name: cell.units[name]}
    cell.rows.append((cell.day + timedelta(days=1), 0, cell.units[name]))


def _came_back_and_nobody_knows(cell: _Cell) -> None:
    cell.rows.append((cell.day + timedelta(days=9), 0, 1))
    cell.outside = {len(cell.rows) - 1: "REFUND_NOT_IN_STORE"}


WHATS: tuple[Callable[[_Cell], None], ...] = (
    _as_it_should_be, _as_it_should_be, _slipped, _not_reported, _twice, _too_many, _too_few, _either, _one_of_many,
    _nobodys, _a_penny, _came_back, _came_back_and_nobody_knows,
)  # fmt: skip


def goods_month(seed: int, products: int = 120) -> Scene:
    rng = Random(seed)
    made = Scene(f"goods of seed {seed}", "", settings=BARE, as_of=AS_OF)
    for number in range(products):
        ean = f"50{number:011d}"
        names = [f"{ean}-{letter}" for letter in "ABCD"[: rng.randrange(1, 5)]]
        units = {name: rng.randrange(1, 4) for name in names}
        cell = _Cell(ean, rng.randrange(199, 20000), FIRST_DAY + timedelta(days=rng.randrange(60)), units, rng)
        cell.rows = [(cell.day, some, 0) for some in _split(sum(units.values()), rng)]
        rng.choice(WHATS)(cell)
        _put(cell, made)
    rng.shuffle(made.lines)
    rng.shuffle(made.sold)
    return made


def _split(units: int, rng: Random) -> list[int]:
    """Over branches."""
    found = []
    while units:
        found.append(rng.randrange(1, units + 1))
        units -= found[-1]
    return found


def _put(cell: _Cell, made: Scene) -> None:
    for name, units in cell.units.items():
        made.sold.append(_order(cell, name, units))
        made.orders[name] = cell.codes.get(name, set())
    for number, (day, sold, back) in enumerate(cell.rows):
        amount = cell.cost * (sold - back) + (cell.off if number == 0 else 0)
        name = f"{cell.ean}/{number}"
        week = day + timedelta(days=6 - day.weekday())
        made.lines.append(_row(name, amount, day, f"{week:%Y-%m-%d}"))
        made.goods[name] = Goods(sold, back, cell.ean)
        if number in cell.outside:
            made.outside[name] = cell.outside[number]


def _order(cell: _Cell, name: str, units: int) -> SoldOrder:
    sold = item("1", cell.cost * units, 0, sku=cell.ean, quantity=units, shipped_on=cell.day)
    back = cell.returned.get(name)
    if not back:
        return order(name, sold)
    day = cell.day + timedelta(days=1)
    refund = gave_back(f"R-{name}", "1", cell.cost * back, quantity=back, refunded_on=day)
    return order(name, sold, refunds=(refund,))


def _row(name: str, amount: int, day: date, document: str) -> SettlementLine:
    kind = "ORDER_AMOUNT" if amount >= 0 else "REFUND_ORDER_AMOUNT"
    return line(name, kind, amount, "", "", document=document, created_on=day, payment_state="")
