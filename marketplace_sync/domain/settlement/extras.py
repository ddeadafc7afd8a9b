"""What nobody expected on an order: penalties, fees, the operator's own charges and credits, unknown line types."""

from __future__ import annotations

from collections.abc import Sequence

from marketplace_sync.domain.settlement.cells import POOLED, Cell
from marketplace_sync.domain.settlement.codes import Code
from marketplace_sync.domain.settlement.inputs import SettlementLine
from marketplace_sync.domain.settlement.line_types import KNOWN, Component, Place, is_manual


def extra_cells(lines: Sequence[SettlementLine]) -> list[Cell]:
    """One cell per component, code and order line. Nothing of it was expected."""
    cells: dict[tuple[Component, Code, str], Cell] = {}
    for line in sorted(lines, key=lambda each: each.line_id):
        known = KNOWN.get(line.type)
        component = known.component if known else Component.OTHER
        code = _code(line)
        key = (component, code, line.order_line_id)
        if key not in cells:
            cells[key] = Cell(
                position=POOLED, component=component, line_id=line.order_line_id, refund_id=line.refund_id
            )
        cells[key].lines.append(line)
    for (_, code, _), cell in cells.items():
        if not cell.reversed:
            cell.blame(code)
    return [cells[key] for key in sorted(cells)]


def _code(line: SettlementLine) -> Code:
    known = KNOWN.get(line.type)
    if known is None or known.code is None:
        return Code.UNKNOWN_LINE_TYPE
    return known.code


def is_extra(line: SettlementLine) -> bool:
    """Not a line of the sale or of a refund."""
    known = KNOWN.get(line.type)
    return known is None or known.place is not Place.ORDER


def manual(cells: Sequence[Cell]) -> list[Cell]:
    """The cells by which the operator puts earlier mistakes right."""
    return [cell for cell in cells if any(is_manual(KNOWN.get(line.type)) for line in cell.lines)]
