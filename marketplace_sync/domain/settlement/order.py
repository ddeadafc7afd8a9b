"""The careful judgement of one order: every part compared, every difference given its one root cause."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from marketplace_sync.domain.settlement.cells import Cell, counted
from marketplace_sync.domain.settlement.codes import Code, Status, order_status
from marketplace_sync.domain.settlement.corrections import Judged, find_corrections
from marketplace_sync.domain.settlement.extras import extra_cells, is_extra, manual
from marketplace_sync.domain.settlement.inputs import HELD_STATE, SettlementLine, SoldOrder
from marketplace_sync.domain.settlement.line_types import COMPONENT_ORDER, KNOWN, Component
from marketplace_sync.domain.settlement.placing import Positions
from marketplace_sync.domain.settlement.refunds import build_refunds, judge_refund_amounts, judge_refund_commissions
from marketplace_sync.domain.settlement.rules import Rules
from marketplace_sync.domain.settlement.sales import Sale, build_sale, judge_sale


@dataclass(slots=True)
class Verdict:
    """What is concluded about one order. Money in minor units of the order's currency."""

    cells: list[Cell]
    codes: set[Code]
    expected: int
    settled: int
    held: int
    variance: int | None
    roundings: list[tuple[str, str, int]] = field(default_factory=list)
    """(document, currency, difference) where rounding is all that differs."""

    @property
    def status(self) -> Status:
        return order_status(self.codes)


def judge(order: SoldOrder, lines: Sequence[SettlementLine], rules: Rules) -> Verdict:
    """The verdict on one order and all its settlement lines, which need not be sorted."""
    lines = sorted(lines, key=lambda line: (line.created_on or date.min, line.line_id))
    if not order.held and lines:
        code = Code.ORDER_AWAITED if order.awaited else Code.UNKNOWN_ORDER
        return _standing_alone(len(order.lines), [], lines, code)
    if any(line.currency != order.currency for line in lines):
        expected = _compare(order, [], rules).cells
        return _standing_alone(len(order.lines), expected, lines, Code.CURRENCY_MISMATCH)
    if order.cancelled:
        return _cancelled(order, lines)
    return _judge_alive(order, [line for line in lines if counted(line)], rules)


def _standing_alone(position: int, expected: Sequence[Cell], lines: Sequence[SettlementLine], code: Code) -> Verdict:
    """Every line listed, nothing compared: one code says it all."""
    cells = {(cell.line_id, cell.refund_id, cell.component): cell for cell in expected}
    for line in lines:
        if not counted(line):
            continue
        known = KNOWN.get(line.type)
        component = known.component if known else Component.OTHER
        key = (line.order_line_id, line.refund_id, component)
        if key not in cells:
            cells[key] = Cell(
                position=position, component=component, refund_id=line.refund_id, line_id=line.order_line_id
            )
        cells[key].lines.append(line)
        cells[key].blame(code)
    verdict = _verdict(list(cells.values()), {code})
    if code is Code.CURRENCY_MISMATCH:
        verdict.variance = None
    return verdict


def _cancelled(order: SoldOrder, lines: Sequence[SettlementLine]) -> Verdict:
    """Nobody owes anything for it: right without lines, and once every line was taken back, or refunded in full."""
    verdict = _standing_alone(len(order.lines), [], lines, Code.CANCELLED_BUT_CHARGED)
    if not verdict.cells:
        verdict.codes = set()
    elif not _left_of(verdict.cells):
        verdict.codes = {Code.CORRECTED}
        for cell in verdict.cells:
            cell.codes = [Code.CORRECTED]
    return verdict


_TWINS = {
    Component.REFUND: Component.PRODUCT,
    Component.REFUND_SHIPPING: Component.SHIPPING,
    Component.REFUND_COMMISSION: Component.COMMISSION,
    Component.REFUND_COMMISSION_VAT: Component.COMMISSION_VAT,
}
"""What a refund gives back, by what it gives it back of."""


def _left_of(cells: Sequence[Cell]) -> list[int]:
    """What is left of a charge by order line and component once it was given back: product by product, so that two
    errors which cancel out in the total are two."""
    found: dict[tuple[str, Component], int] = {}
    for cell in cells:
        part = (cell.line_id, _TWINS.get(cell.component, cell.component))
        found[part] = found.get(part, 0) + cell.actual
    return [amount for amount in found.values() if amount]


def _verdict(cells: list[Cell], codes: set[Code]) -> Verdict:
    cells.sort(key=_place)
    expected = sum(cell.expected for cell in cells)
    settled, held = sum(cell.settled for cell in cells), sum(cell.held for cell in cells)
    return Verdict(cells, codes, expected, settled, held, settled + held - expected)


def _place(cell: Cell) -> tuple[object, ...]:
    """The sale line by line, then refund by refund, in the order's own order."""
    return (
        bool(cell.refund_id) or cell.component.startswith("refund"),
        cell.refund_id,
        cell.position < 0,
        cell.position,
        cell.line_id,
        COMPONENT_ORDER[cell.component],
        cell.code or "",
    )


def _judge_alive(order: SoldOrder, lines: Sequence[SettlementLine], rules: Rules) -> Verdict:
    judged = _compare(order, lines, rules)
    corrected = find_corrections(order, lines, judged, lambda some: _compare(order, some, rules))
    _judge_timing(order, judged, rules)
    _judge_holds(judged.cells, rules)
    codes = {code for cell in judged.cells for code in cell.codes} | ({Code.CORRECTED} if corrected else set())
    verdict = _verdict(judged.cells, codes)
    if Code.ROUNDING in codes:
        verdict.roundings = _roundings(verdict.cells)
    return verdict


def _roundings(cells: Sequence[Cell]) -> list[tuple[str, str, int]]:
    found: dict[tuple[str, str], int] = {}
    for cell in cells:
        if cell.code is Code.ROUNDING and cell.lines and cell.lines[-1].document:
            document = (cell.lines[-1].document, cell.lines[-1].currency)
            found[document] = found.get(document, 0) + cell.difference
    return [(*document, difference) for document, difference in sorted(found.items()) if difference]


def _compare(order: SoldOrder, lines: Sequence[SettlementLine], rules: Rules) -> Judged:
    """The comparison alone, without what depends on the day."""
    own = [line for line in lines if not is_extra(line)]
    extras = extra_cells([line for line in lines if is_extra(line)])
    positions = Positions(order, own)
    sale = build_sale(order, positions, [line for line in own if not KNOWN[line.type].refund], rules)
    refunds = build_refunds(order, positions, [line for line in own if KNOWN[line.type].refund], sale, rules)
    cells = [*sale.cells.values(), *refunds.cells, *extras]
    different = [cell for cell in cells if cell.difference]
    small = [cell for cell in different if _is_small(cell, rules)]
    pennies = sum(abs(cell.difference) for cell in small) <= rules.order_tolerance
    if pennies and len(small) == len(different):
        for cell in small:
            cell.blame(Code.ROUNDING)
        judge_refund_amounts(order, refunds, sale, rules)
        return Judged(cells, sale, refunds, manual(extras))

    def slack(cell: Cell) -> int:
        return rules.component_tolerance * cell.covers if pennies else 0

    judge_sale(sale, rules, slack)
    judge_refund_amounts(order, refunds, sale, rules)
    judge_refund_commissions(refunds, sale, rules, slack)
    return Judged([*sale.cells.values(), *refunds.cells, *extras], sale, refunds, manual(extras))


def _is_small(cell: Cell, rules: Rules) -> bool:
    return cell.commission_kind and abs(cell.difference) <= rules.component_tolerance * cell.covers


def _judge_timing(order: SoldOrder, judged: Judged, rules: Rules) -> None:
    """What is missing: late, or still in time."""
    sale, refunds = judged.sale, judged.refunds
    late: list[Cell] = []
    waiting: list[Cell] = []
    for cell in sale.missing:
        if not cell.codes:
            overdue = any(rules.overdue(_shipped_on(sale, order, position)) for position in cell.covered)
            (late if overdue else waiting).append(cell)
    refunds_waiting: list[Cell] = []
    for unit in refunds.missing:
        if not unit.blamed:
            if rules.overdue(unit.due):
                for cell in unit.cells.values():
                    cell.blame(Code.REFUND_NOT_SETTLED)
            else:
                refunds_waiting += unit.cells.values()
    for cell in late:
        cell.blame(Code.MISSING_SETTLEMENT)
    if late:
        waiting = []
    pending = Code.PARTIALLY_SETTLED
    if not any(cell.present for cell in [*sale.cells.values(), *refunds.cells]):
        pending = Code.NOT_YET_DUE
        if late:
            refunds_waiting = []
    for cell in [*waiting, *refunds_waiting]:
        cell.blame(pending)


def _shipped_on(sale: Sale, order: SoldOrder, position: int) -> date | None:
    return sale.expected[position].shipped_on if sale.expected[position : position + 1] else order.shipped_on


def _judge_holds(cells: Sequence[Cell], rules: Rules) -> None:
    for cell in cells:
        held = [line for line in cell.lines if line.payment_state == HELD_STATE]
        late = [line for line in held if rules.overdue(line.created_on)]
        if late:
            cell.blame(Code.HOLD_OVERDUE)
        if len(late) < len(held):
            cell.blame(Code.HELD)
