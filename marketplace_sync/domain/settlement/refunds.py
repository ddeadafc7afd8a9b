"""The refund side of one order: is each refund in the store, settled, within what was sold, its commission back?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from marketplace_sync.domain.settlement.cells import Cell, find_duplicates
from marketplace_sync.domain.settlement.codes import Code
from marketplace_sync.domain.settlement.commission import Slack, judge_vat, near
from marketplace_sync.domain.settlement.expectation import Expectation
from marketplace_sync.domain.settlement.inputs import SettlementLine, SoldOrder
from marketplace_sync.domain.settlement.line_types import Component
from marketplace_sync.domain.settlement.placing import Positions
from marketplace_sync.domain.settlement.refund_units import Unit, build_cells, pair_refunds, refunded_line
from marketplace_sync.domain.settlement.rounding import of
from marketplace_sync.domain.settlement.rules import Rules
from marketplace_sync.domain.settlement.sales import Sale


@dataclass(slots=True)
class Refunds:
    units: list[Unit]
    missing: list[Unit] = field(default_factory=list)
    """In the record, and neither settled nor held."""

    @property
    def cells(self) -> list[Cell]:
        return [cell for unit in self.units for cell in unit.cells.values()]

    @property
    def orphans(self) -> list[Unit]:
        """Commission given back without a refund that it could belong to."""
        return [u for u in self.units if not u.recorded and not u.refund_id and not u.has_refund_lines and u.lines]


def build_refunds(
    order: SoldOrder, positions: Positions, lines: Sequence[SettlementLine], sale: Sale, rules: Rules
) -> Refunds:
    units = pair_refunds(order, positions, lines)
    for unit in units:
        build_cells(unit, positions, sale.expected, rules)
    # The refunds that the store knows are the ones that explain what was sold back; the others come on top.
    units.sort(key=lambda unit: (not unit.recorded, unit.first_day, unit.refund_id, unit.position))
    return Refunds(units)


def judge_refund_amounts(order: SoldOrder, refunds: Refunds, sale: Sale, rules: Rules) -> None:
    """Leaves codes on cells, and what is missing in `refunds.missing`."""
    limits = _Limits(sale)
    for unit in refunds.units:
        if not unit.has_refund_lines:
            _judge_without_lines(refunds, unit)
            continue
        for component in (Component.REFUND, Component.REFUND_SHIPPING, Component.TAX, Component.FEE):
            cell = unit.cells.get(component)
            if cell is not None and cell.lines:
                find_duplicates(cell)
                if cell.surplus:
                    cell.blame(Code.DUPLICATE_LINE)
        unit.exceeds = limits.exceeded_by(unit)
        _judge_amounts(order, unit, rules)


def judge_refund_commissions(refunds: Refunds, sale: Sale, rules: Rules, slack: Slack) -> None:
    """After the sale and the refunds' amounts: adds the cells of commission that should have come back and did not."""
    for unit in refunds.units:
        if unit.has_refund_lines:
            _judge_commission(unit, sale, rules, slack)


def _judge_without_lines(refunds: Refunds, unit: Unit) -> None:
    if unit.recorded:
        if any(cell.expected for cell in unit.cells.values()):
            refunds.missing.append(unit)
    elif unit.refund_id and any(cell.present for cell in unit.cells.values()):
        _blame(unit, Code.REFUND_NOT_IN_STORE)


def _judge_amounts(order: SoldOrder, unit: Unit, rules: Rules) -> None:
    product, shipping = unit.cells.get(Component.REFUND), unit.cells.get(Component.REFUND_SHIPPING)
    if is_chargeback(order, unit, rules.settings.chargeback_reasons):
        _blame(unit, Code.CHARGEBACK)
    elif unit.exceeds:
        _blame(unit, Code.REFUND_EXCEEDS_ORDER)
    elif not unit.recorded:
        _blame(unit, Code.REFUND_NOT_IN_STORE)
    if unit.exceeds or not unit.recorded:
        return
    for cell, wrong in ((product, Code.AMOUNT_MISMATCH), (shipping, Code.SHIPPING_MISMATCH)):
        if cell is not None and cell.kept != cell.expected:
            cell.blame(wrong)
    amounts_differ = any(cell is not None and cell.kept != cell.expected for cell in (product, shipping))
    for component in (Component.TAX, Component.FEE):
        cell = unit.cells.get(component)
        if cell is None or cell.kept == cell.expected:
            continue
        if component is Component.TAX and abs(cell.kept - cell.expected) <= cell.covers and not _tax_stated(unit):
            cell.expected = cell.kept
        elif not amounts_differ:
            cell.blame(Code.AMOUNT_MISMATCH)


def _tax_stated(unit: Unit) -> bool:
    return all(refund.tax is not None for refund in unit.recorded)


def _blame(unit: Unit, code: Code) -> None:
    place = next(
        (c for kind in (Component.REFUND, Component.REFUND_SHIPPING) if (c := unit.cells.get(kind)) and c.lines),
        next(iter(unit.cells.values())),
    )
    place.blame(code)


def _judge_commission(unit: Unit, sale: Sale, rules: Rules, slack: Slack) -> None:
    cell = unit.cells.get(Component.REFUND_COMMISSION)
    wanted = _right_commissions(unit, sale, rules)
    if cell is None:
        if wanted and min(wanted) > 0:
            cell = unit.cells[Component.REFUND_COMMISSION] = _empty(unit, Component.REFUND_COMMISSION)
        else:
            _judge_vat_of_refund(unit, None, sale, rules, slack)
            return
    find_duplicates(cell, min(wanted, key=lambda amount: abs(cell.actual - amount)) if wanted else None)
    if cell.surplus:
        cell.blame(Code.DUPLICATE_LINE)
    tolerated = slack(cell)
    if not wanted:
        if unit.recorded:
            cell.expected = cell.kept
    elif not cell.present and min(wanted) > tolerated:
        cell.blame(Code.COMMISSION_NOT_REFUNDED)
        return
    elif not near(cell.kept, wanted, tolerated):
        if cell.kept > min(wanted):
            wrong = None if unit.exceeds else Code.COMMISSION_RATE_MISMATCH
        else:
            wrong = None if unit.exceeds and _all_of_it(unit, sale) else Code.COMMISSION_REFUND_SHORT
        if wrong:
            cell.blame(wrong)
    _judge_vat_of_refund(unit, cell, sale, rules, slack)


def _empty(unit: Unit, component: Component) -> Cell:
    some = next(iter(unit.cells.values()))
    return Cell(
        position=unit.position,
        component=component,
        refund_id=unit.refund_id,
        line_id=some.line_id,
        covered=some.covered,
        covers=some.covers,
    )


def _right_commissions(unit: Unit, sale: Sale, rules: Rules) -> set[int]:
    """What the commission back may be: at the agreed rate on what was refunded, and at the rate of the sale itself."""
    refunded = unit.amount(Component.REFUND)
    shipping = unit.amount(Component.REFUND_SHIPPING)
    e = refunded_line(sale.expected, unit.position, rules)
    wanted: set[int] = set()
    if e is not None and e.rate is not None:
        agreed = e.refunded_commission(refunded, shipping, rules)
        assert agreed is not None
        wanted.add(agreed)
        recorded = -sum(
            cell.expected for k in (Component.REFUND, Component.REFUND_SHIPPING) if (cell := unit.cells.get(k))
        )
        if unit.recorded and recorded == refunded + shipping:
            wanted.add(sum(unit.recorded_commissions))
    charged = sale.cell(unit.position, Component.COMMISSION) if unit.position >= 0 else None
    if charged is not None and charged.present:
        wanted |= _at_the_rate_of_the_sale(charged, refunded, shipping, sale, rules, e)
    return wanted


def _at_the_rate_of_the_sale(
    charged: Cell, refunded: int, shipping: int, sale: Sale, rules: Rules, e: Expectation | None
) -> set[int]:
    parts = {
        id(c): c
        for component in (Component.PRODUCT, *((Component.SHIPPING,) if rules.commission_on_shipping else ()))
        for p in charged.covered
        if (c := sale.cell(p, component)) is not None and c.present
    }
    base = sum(c.kept for c in parts.values())
    if base <= 0 or charged.kept == charged.expected:
        return set()
    counted = refunded + (shipping if rules.commission_on_shipping else 0)
    wanted = {of(Fraction(-charged.kept, base), counted)}
    if charged.code is Code.COMMISSION_BASE_MISMATCH and e is not None and e.rate is not None:
        wanted |= {of(e.rate, refunded), of(e.rate, refunded + shipping)}
    return wanted


def _all_of_it(unit: Unit, sale: Sale) -> bool:
    """More refunded than sold: no more commission can come back than was charged."""
    charged = sale.cell(unit.position, Component.COMMISSION) if unit.position >= 0 else None
    cell = unit.cells.get(Component.REFUND_COMMISSION)
    return charged is not None and cell is not None and cell.kept >= min(-charged.kept, -charged.expected)


def _judge_vat_of_refund(unit: Unit, commission: Cell | None, sale: Sale, rules: Rules, slack: Slack) -> None:
    cell = unit.cells.get(Component.REFUND_COMMISSION_VAT)
    back = commission.kept if commission else 0
    if cell is None:
        if not back or not of(rules.vat, back):
            return
        cell = unit.cells[Component.REFUND_COMMISSION_VAT] = _empty(unit, Component.REFUND_COMMISSION_VAT)
    wanted: list[int] = []
    if unit.position >= 0:
        charged = sale.cell(unit.position, Component.COMMISSION)
        vat = sale.cell(unit.position, Component.COMMISSION_VAT)
        if charged is not None and vat is not None and charged.kept and vat.code is Code.COMMISSION_VAT_MISMATCH:
            wanted.append(of(Fraction(vat.kept, charged.kept), back))
    judge_vat(cell, [commission] if commission else [], rules, slack, wanted)


class _Limits:
    """What was sold, per order line and in the order, and how much of it was refunded so far."""

    def __init__(self, sale: Sale) -> None:
        self._sold = [None if e.stranger else (e.product, e.shipping) for e in sale.expected]
        self._fees = sum(e.line.fees for e in sale.expected)
        self._refunded: dict[int, tuple[int, int]] = {}

    def exceeded_by(self, unit: Unit) -> bool:
        """Counts this refund in; True when what was refunded so far is more than was sold."""
        product, shipping = unit.amount(Component.REFUND), unit.amount(Component.REFUND_SHIPPING)
        before = self._refunded.get(unit.position, (0, 0))
        now = (before[0] + product, before[1] + shipping)
        self._refunded[unit.position] = now
        whole = sum(sum(sold) for sold in self._sold if sold) + self._fees
        if sum(sum(amounts) for amounts in self._refunded.values()) > whole:
            return True
        sold = self._sold[unit.position] if 0 <= unit.position < len(self._sold) else None
        if sold is None:
            return False
        if sum(now) > sum(sold):
            return True
        agreed = bool(unit.recorded) and all(
            cell.kept == cell.expected
            for component in (Component.REFUND, Component.REFUND_SHIPPING)
            if (cell := unit.cells.get(component)) is not None
        )
        return (now[0] > sold[0] or now[1] > sold[1]) and not agreed


def is_chargeback(order: SoldOrder, unit: Unit, reasons: Iterable[str]) -> bool:
    """By the marketplace's reason for the refund, the record's where the marketplace gives none, or the words of the
    settlement file."""
    names = {_letters(reason) for reason in reasons}
    given = order.refund_reasons.get(unit.refund_id, "") if unit.refund_id else ""
    stated = [given] if given else [refund.reason for refund in unit.recorded]
    if any(_letters(reason) in names for reason in stated if reason):
        return True
    return any(_says(line.description, names) for line in unit.lines if line.description)


def _letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).casefold()


def _says(description: str, names: set[str]) -> bool:
    """Does a text contain one of the names, however it is hyphenated or spaced?"""
    words = [word for word in re.split(r"[\W_]+", description.casefold()) if word]
    for start in range(len(words)):
        for end in range(start + 1, min(start + 4, len(words)) + 1):
            said = "".join(words[start:end])
            if said in names or said.removesuffix("s") in names:
                return True
    return False
