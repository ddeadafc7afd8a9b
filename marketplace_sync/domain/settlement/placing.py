"""Which order line a settlement line speaks of: by its id where it has one, by its amount where it has none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from marketplace_sync.domain.settlement.cells import POOLED, Cell
from marketplace_sync.domain.settlement.inputs import SettlementLine, SoldOrder
from marketplace_sync.domain.settlement.line_types import KNOWN, Component

LOOSE = -2
"""The settlement line names no order line."""


class Positions:
    """Positions of order lines by id. An id that the order does not know gets a position after the order's own, unless
    the order's record has lines without an id: the first of those whose price fits takes it."""

    def __init__(self, order: SoldOrder, lines: Sequence[SettlementLine]) -> None:
        self.ids: list[str] = [line.line_id for line in order.lines]
        self.own = len(self.ids)
        self._by_id = {line_id: place for place, line_id in enumerate(self.ids) if line_id}
        nameless = [place for place, line_id in enumerate(self.ids) if not line_id]
        unknown: dict[str, int] = {}
        for line in lines:
            if line.order_line_id and line.order_line_id not in self._by_id:
                product = line.amount if line.type == "ORDER_AMOUNT" else 0
                unknown[line.order_line_id] = unknown.get(line.order_line_id, 0) + product
        for line_id in sorted(unknown, key=lambda name: (-unknown[name], name)):
            place = _nameless_line(order, nameless, unknown[line_id], len(unknown))
            if place is None:
                place = len(self.ids)
                self.ids.append(line_id)
            else:
                nameless.remove(place)
                self.ids[place] = line_id
            self._by_id[line_id] = place

    def of(self, line: SettlementLine) -> int:
        if line.order_line_id:
            return self._by_id[line.order_line_id]
        return 0 if len(self.ids) == 1 else LOOSE

    def named(self, line_id: str) -> int:
        """The position of a line id of the store's record; LOOSE when it names none of this order's lines."""
        if line_id and line_id in self._by_id:
            return self._by_id[line_id]
        return 0 if len(self.ids) == 1 else LOOSE

    def line_id(self, position: int) -> str:
        return self.ids[position] if 0 <= position < len(self.ids) else ""

    def __len__(self) -> int:
        return len(self.ids)


def _nameless_line(order: SoldOrder, nameless: list[int], amount: int, unknown: int) -> int | None:
    if not nameless:
        return None
    fitting = [place for place in nameless if order.lines[place].price == amount]
    if fitting:
        return fitting[0]
    return nameless[0] if len(nameless) == 1 and unknown == 1 else None


def sale_cells(
    positions: Positions,
    lines: Sequence[SettlementLine],
    expected: Mapping[tuple[int, Component], int],
) -> dict[tuple[int, Component], Cell]:
    """Cells of the sale side, one per order line and component, or pooled where the settlement sums several lines up.

    `expected` has the signed amounts that are expected; components that are neither expected nor settled get no cell.
    """
    cells: dict[tuple[int, Component], Cell] = {}

    def cell(position: int, component: Component) -> Cell:
        if (position, component) not in cells:
            cells[position, component] = Cell(
                position=position,
                component=component,
                line_id=positions.line_id(position),
                covered=(position,),
            )
        return cells[position, component]

    loose: dict[Component, list[SettlementLine]] = {}
    for line in lines:
        position, component = positions.of(line), KNOWN[line.type].component
        if position == LOOSE:
            loose.setdefault(component, []).append(line)
        else:
            cell(position, component).lines.append(line)
    for component, unplaced in loose.items():
        free = [p for p in range(len(positions)) if (p, component) not in cells and expected.get((p, component))]
        placed = _by_amount(unplaced, {p: expected[p, component] for p in free})
        if placed is None:
            covered = tuple(free or range(len(positions)))
            pooled = Cell(position=POOLED, component=component, covered=covered, covers=len(covered), lines=unplaced)
            # Where nothing is left to cover, everything that speaks of this component is one cell.
            if not free:
                for p in range(len(positions)):
                    own = cells.pop((p, component), None)
                    pooled.lines = [*(own.lines if own else ()), *pooled.lines]
            cells[POOLED, component] = pooled
        else:
            for position, line in placed:
                cell(position, component).lines.append(line)
    pooled_positions = {(p, c.component) for c in cells.values() if c.position == POOLED for p in c.covered}
    for (position, component), amount in expected.items():
        if amount and (position, component) not in pooled_positions:
            cell(position, component)
    for each in cells.values():
        each.expected = sum(expected.get((p, each.component), 0) for p in each.covered)
    return cells


def _by_amount(lines: Sequence[SettlementLine], free: dict[int, int]) -> list[tuple[int, SettlementLine]] | None:
    """Each line to the order line that expects exactly its amount; repeats and reversals go where the first went.
    None when a line fits nowhere: then they only make sense together."""
    open_positions = dict(sorted(free.items()))
    went: dict[int, int] = {}
    placed: list[tuple[int, SettlementLine]] = []
    for line in sorted(lines, key=lambda each: (-abs(each.amount), each.amount < 0, each.line_id)):
        fitting = next((p for p, amount in open_positions.items() if amount == line.amount), None)
        if fitting is not None:
            del open_positions[fitting]
            went[line.amount] = fitting
        else:
            fitting = went.get(line.amount, went.get(-line.amount))
            if fitting is None:
                return None
        placed.append((fitting, line))
    return placed
