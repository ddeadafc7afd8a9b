"""The sale side of one order: product, shipping, tax, fees, commission and its VAT, cell by cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from marketplace_sync.domain.settlement.cells import POOLED, Cell, find_duplicates
from marketplace_sync.domain.settlement.codes import Code
from marketplace_sync.domain.settlement.commission import Slack, judge_commission, judge_vat, near
from marketplace_sync.domain.settlement.expectation import Expectation, expectation, stranger
from marketplace_sync.domain.settlement.inputs import SettlementLine, SoldOrder
from marketplace_sync.domain.settlement.line_types import KNOWN, Component
from marketplace_sync.domain.settlement.placing import Positions, sale_cells
from marketplace_sync.domain.settlement.rounding import of
from marketplace_sync.domain.settlement.rules import Rules

_KINDS = (
    Component.PRODUCT,
    Component.SHIPPING,
    Component.TAX,
    Component.COMMISSION,
    Component.COMMISSION_VAT,
    Component.FEE,
)


@dataclass(slots=True)
class Sale:
    cells: dict[tuple[int, Component], Cell]
    expected: list[Expectation]
    """Per position."""
    missing: list[Cell] = field(default_factory=list)
    """Expected, and neither settled nor held."""

    def cell(self, position: int, component: Component) -> Cell | None:
        return next((c for c in self.cells.values() if c.component is component and position in c.covered), None)


def build_sale(order: SoldOrder, positions: Positions, lines: Sequence[SettlementLine], rules: Rules) -> Sale:
    """Cells with what is expected in them; nothing judged yet."""
    expectations = [expectation(order, line, rules) for line in order.lines]
    expectations += [stranger(expectations, rules)] * (len(positions) - len(expectations))
    amounts: dict[tuple[int, Component], int] = {}
    for position, e in enumerate(expectations):
        amounts[position, Component.PRODUCT] = e.product
        amounts[position, Component.SHIPPING] = e.shipping
        amounts[position, Component.TAX] = (e.tax or 0) if rules.tax_excluded else 0
        amounts[position, Component.FEE] = e.line.fees
        commission = e.commission(rules) or 0
        amounts[position, Component.COMMISSION] = -commission
        amounts[position, Component.COMMISSION_VAT] = -of(rules.vat, commission)
    cells = sale_cells(positions, lines, amounts)
    _pool_vat_with_commission(cells)
    sale = Sale(cells, expectations)
    for cell in sale.cells.values():
        _net_operator_lines(cell, sale, rules)
    _adopt_what_nobody_agreed(sale, rules)
    return sale


def _pool_vat_with_commission(cells: dict[tuple[int, Component], Cell]) -> None:
    """VAT per line beside a commission for several lines, or the other way round: only the sums can be compared."""
    kinds = (Component.COMMISSION, Component.COMMISSION_VAT)
    pooled = {p for kind in kinds if (POOLED, kind) in cells for p in cells[POOLED, kind].covered}
    if not pooled:
        return
    for kind in kinds:
        parts = [c for c in cells.values() if c.component is kind and not pooled.isdisjoint(c.covered)]
        covered = tuple(sorted(pooled.union(*(c.covered for c in parts))))
        for part in parts:
            del cells[part.position, kind]
        cells[POOLED, kind] = Cell(
            position=POOLED,
            component=kind,
            expected=sum(c.expected for c in parts),
            covered=covered,
            covers=len(covered),
            lines=[line for c in parts for line in c.lines],
        )


def _net_operator_lines(cell: Cell, sale: Sale, rules: Rules) -> None:
    """What the operator pays or remits itself was never the seller's to receive."""
    operators = sum(line.amount for line in cell.lines if KNOWN[line.type].operator_nets)
    if not operators:
        return
    if cell.component is Component.TAX and not rules.tax_excluded:
        mirrored = cell.actual - operators
        stated = [e.tax for p in cell.covered if (e := sale.expected[p]).tax is not None]
        if not mirrored:
            # The tax is inside the price: remitting it takes it out again.
            cell.expected = -sum(stated) if any(stated) else operators
        return
    cell.expected = max(0, cell.expected + operators)
    if cell.component is Component.SHIPPING:
        for position in cell.covered:
            commission = sale.cell(position, Component.COMMISSION)
            if commission is not None:
                commission.netted = True


def _adopt_what_nobody_agreed(sale: Sale, rules: Rules) -> None:
    """Without a rate from anybody commission cannot be judged, nor tax that the record does not state."""
    for cell in sale.cells.values():
        known = [sale.expected[p] for p in cell.covered]
        if cell.component is Component.TAX and rules.tax_excluded:
            if any(e.tax is None for e in known):
                cell.expected = cell.actual
        elif cell.component is Component.COMMISSION and any(e.rate is None for e in known):
            cell.expected = cell.actual
            for position in cell.covered:
                vat = sale.cell(position, Component.COMMISSION_VAT)
                if vat is not None and vat.covered == cell.covered:
                    vat.expected = -of(rules.vat, -cell.actual)


def judge_sale(sale: Sale, rules: Rules, slack: Slack) -> None:
    """Leaves codes on cells, and what is missing in `sale.missing`."""
    alive = {position for cell in sale.cells.values() if cell.present for position in cell.covered}
    ordered = sorted(sale.cells.values(), key=lambda c: (_KINDS.index(c.component), c.position))
    for cell in ordered:
        there = cell.present or (cell.reversed and not alive.isdisjoint(cell.covered))
        if not there and cell.component is not Component.COMMISSION_VAT:
            if cell.expected:
                sale.missing.append(cell)
            continue
        if cell.component in (Component.PRODUCT, Component.SHIPPING):
            wrong = Code.AMOUNT_MISMATCH if cell.component is Component.PRODUCT else Code.SHIPPING_MISMATCH
            _judge_amount(cell, wrong)
        elif cell.component is Component.COMMISSION:
            judge_commission(sale.cells, cell, sale.expected, rules, slack)
        elif cell.component is Component.COMMISSION_VAT:
            _judge_sale_vat(sale, cell, rules, slack, there=there)
        elif not _follows_the_sale(sale, cell):
            _judge_amount(cell, Code.AMOUNT_MISMATCH)


def _judge_amount(cell: Cell, wrong: Code) -> None:
    find_duplicates(cell)
    if cell.surplus:
        cell.blame(Code.DUPLICATE_LINE)
    if cell.kept != cell.expected:
        cell.blame(wrong)


def _judge_sale_vat(sale: Sale, cell: Cell, rules: Rules, slack: Slack, *, there: bool) -> None:
    found = {id(c): c for p in cell.covered if (c := sale.cell(p, Component.COMMISSION)) is not None}
    charged = list(found.values())
    if not there and not any(c.present for c in charged):
        if cell.expected:
            sale.missing.append(cell)
        return
    judge_vat(cell, charged, rules, slack)


def _follows_the_sale(sale: Sale, cell: Cell) -> bool:
    """Tax on another amount than was sold is wrong by that amount only."""
    if cell.component is not Component.TAX or cell.kept == cell.expected or not cell.expected:
        return False
    parts = [
        c
        for component in (Component.PRODUCT, Component.SHIPPING)
        for p in cell.covered
        if (c := sale.cell(p, component)) is not None
    ]
    unique = list({id(c): c for c in parts}.values())
    sold, settled = sum(c.expected for c in unique), sum(c.kept for c in unique)
    if sold == settled or not sold:
        return False
    return near(cell.kept, [of(Fraction(cell.expected, sold), settled)], cell.covers)
