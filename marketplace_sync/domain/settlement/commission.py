"""Is a commission right, wrong by its rate, or wrong by what it was taken on? And the VAT on it?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from marketplace_sync.domain.settlement.cells import Cell, find_duplicates
from marketplace_sync.domain.settlement.codes import Code
from marketplace_sync.domain.settlement.expectation import Expectation, other_commissions
from marketplace_sync.domain.settlement.line_types import Component
from marketplace_sync.domain.settlement.rounding import of
from marketplace_sync.domain.settlement.rules import Rules

Cells = Mapping[tuple[int, Component], Cell]
Slack = Callable[[Cell], int]
"""How many minor units a cell may be off without being wrong: none once the order's pennies add up too high."""


def near(value: int, wanted: Iterable[int | None], slack: int) -> bool:
    return any(amount is not None and abs(value - amount) <= slack for amount in wanted)


def covering(cells: Cells, component: Component, positions: Sequence[int]) -> list[Cell] | None:
    """The cells of a component that cover exactly these order lines; None when they cover more or fewer."""
    found: list[Cell] = []
    covered: set[int] = set()
    for position in positions:
        cell = next(
            (c for c in cells.values() if c.component is component and position in c.covered),
            None,
        )
        if cell is None:
            continue
        if cell not in found:
            found.append(cell)
        covered.update(cell.covered)
    return found if covered <= set(positions) else None


def following(cells: Cells, cell: Cell, expected: Sequence[Expectation], rules: Rules) -> set[int]:
    """Commission at the agreed rate on what was settled: with shipping or without it, as the setting has it first."""
    products = covering(cells, Component.PRODUCT, cell.covered)
    shippings = covering(cells, Component.SHIPPING, cell.covered)
    if products is None or shippings is None:
        return set()
    rates = {expected[p].rate for p in cell.covered}
    if len(rates) != 1 or None in rates:
        return set()
    rate = rates.pop()
    assert rate is not None
    counted = [*products, *(shippings if rules.commission_on_shipping else ())]
    return {of(rate, sum(get(c) for c in counted)) for get in (_actual, _kept)}


def _actual(cell: Cell) -> int:
    return cell.actual


def _kept(cell: Cell) -> int:
    return cell.kept


def settled_on_other_bases(cells: Cells, cell: Cell, expected: Sequence[Expectation]) -> set[int]:
    """Commission at the agreed rate on the settled product alone, and on settled product and shipping."""
    products = covering(cells, Component.PRODUCT, cell.covered) or []
    shippings = covering(cells, Component.SHIPPING, cell.covered) or []
    rates = {expected[p].rate for p in cell.covered}
    if len(rates) != 1 or None in rates:
        return set()
    rate = rates.pop()
    assert rate is not None
    product, shipping = sum(c.kept for c in products), sum(c.kept for c in shippings)
    return {of(rate, product), of(rate, product + shipping)}


def judge_commission(cells: Cells, cell: Cell, expected: Sequence[Expectation], rules: Rules, slack: Slack) -> None:
    """Judges a commission cell that has lines."""
    find_duplicates(cell)
    if cell.surplus:
        cell.blame(Code.DUPLICATE_LINE)
    charged = -cell.kept
    if near(charged, [-cell.expected], slack(cell)):
        return
    followed = following(cells, cell, expected, rules)
    if near(charged, followed, slack(cell)):
        if cell.netted and -cell.expected not in followed:
            cell.expected = cell.kept
        return
    others = other_commissions([expected[p] for p in cell.covered]) | settled_on_other_bases(cells, cell, expected)
    right_rate = near(charged, others, slack(cell))
    cell.blame(Code.COMMISSION_BASE_MISMATCH if right_rate else Code.COMMISSION_RATE_MISMATCH)


def judge_vat(cell: Cell, charged: Sequence[Cell], rules: Rules, slack: Slack, wanted: Iterable[int] = ()) -> None:
    """Judges a VAT cell (with or without lines), given the cells of the commission it belongs to. `wanted`: amounts,
    signed like the cell's, that are right for another reason."""
    find_duplicates(cell)
    if cell.surplus:
        cell.blame(Code.DUPLICATE_LINE)
    right = {
        sum(of(rules.vat, c.kept) for c in charged),
        sum(of(rules.vat, c.actual) for c in charged),
        of(rules.vat, sum(c.kept for c in charged)),
        *wanted,
    }
    if all(c.kept == c.expected for c in charged):
        right.add(cell.expected)
    if not near(cell.kept, right, slack(cell)):
        cell.blame(Code.COMMISSION_VAT_MISMATCH)
