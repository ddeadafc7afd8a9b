"""Refunds of the store's record paired with refunds of the settlement, and the cells of each pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from marketplace_sync.domain.settlement.cells import POOLED, Cell
from marketplace_sync.domain.settlement.expectation import Expectation, blended_rate, refund_tax
from marketplace_sync.domain.settlement.inputs import SettlementLine, SoldOrder, StoreRefund
from marketplace_sync.domain.settlement.line_types import KNOWN, Component
from marketplace_sync.domain.settlement.placing import LOOSE, Positions
from marketplace_sync.domain.settlement.rounding import of
from marketplace_sync.domain.settlement.rules import Rules

_COMMISSION = (Component.REFUND_COMMISSION, Component.REFUND_COMMISSION_VAT)


@dataclass(slots=True, eq=False)
class Unit:
    """One refund of one order line, on either side or on both. `position` is POOLED where the order line is unknown or
    the settlement sums several lines up."""

    refund_id: str
    position: int
    recorded: list[StoreRefund] = field(default_factory=list)
    recorded_positions: list[int] = field(default_factory=list)
    lines: list[SettlementLine] = field(default_factory=list)
    cells: dict[Component, Cell] = field(default_factory=dict)
    exceeds: bool = False
    """With it more is refunded than was sold."""
    recorded_commissions: list[int] = field(default_factory=list)

    @property
    def first_day(self) -> date:
        days = [line.created_on for line in self.lines if line.created_on]
        return min(days, default=date.max)

    def amount(self, component: Component) -> int:
        """Positive minor units settled or held, without duplicates."""
        cell = self.cells.get(component)
        return -cell.kept if cell else 0

    @property
    def has_refund_lines(self) -> bool:
        return any(
            (cell := self.cells.get(component)) is not None and cell.present
            for component in (Component.REFUND, Component.REFUND_SHIPPING, Component.TAX, Component.FEE)
        )

    @property
    def blamed(self) -> bool:
        return any(cell.codes for cell in self.cells.values())

    @property
    def due(self) -> date | None:
        """The day of the youngest refund of the record; None while one has no day."""
        days = [refund.refunded_on for refund in self.recorded]
        return None if None in days else max((d for d in days if d), default=None)


def pair_refunds(order: SoldOrder, positions: Positions, lines: Sequence[SettlementLine]) -> list[Unit]:
    """Units without cells. By refund id and order line; what has no id goes by order line and amount."""
    units: list[Unit] = []
    by_id: dict[str, list[SettlementLine]] = {}
    for line in lines:
        if line.refund_id:
            by_id.setdefault(line.refund_id, []).append(line)
    recorded: dict[str, list[StoreRefund]] = {}
    for refund in order.refunds:
        if refund.refund_id:
            recorded.setdefault(refund.refund_id, []).append(refund)
    for refund_id in sorted({*by_id, *recorded}):
        units += _units_of_one(refund_id, positions, by_id.get(refund_id, []), recorded.get(refund_id, []))
    nameless = [refund for refund in order.refunds if not refund.refund_id]
    _pair_nameless_records(units, positions, nameless)
    _place_nameless_lines(units, positions, [line for line in lines if not line.refund_id])
    return units


def _units_of_one(
    refund_id: str, positions: Positions, lines: list[SettlementLine], recorded: list[StoreRefund]
) -> list[Unit]:
    """One refund id may cover several order lines; where either side does not say which, they are one unit."""
    line_places = {positions.of(line) for line in lines}
    record_places = {positions.named(refund.line_id) for refund in recorded}
    named = (line_places | record_places) - {LOOSE}
    nameless = LOOSE in line_places or LOOSE in record_places
    if nameless and len(named) > 1:
        unit = Unit(refund_id, POOLED, list(recorded), [], list(lines))
        unit.recorded_positions = [positions.named(refund.line_id) for refund in recorded]
        return [unit]
    only = named.pop() if nameless and named else POOLED
    units: dict[int, Unit] = {}
    for line in lines:
        place = positions.of(line)
        place = only if place == LOOSE else place
        units.setdefault(place, Unit(refund_id, place)).lines.append(line)
    for refund in recorded:
        place = positions.named(refund.line_id)
        place = only if place == LOOSE else place
        unit = units.setdefault(place, Unit(refund_id, place))
        unit.recorded.append(refund)
        unit.recorded_positions.append(place)
    return [units[place] for place in sorted(units)]


def _total(lines: Sequence[SettlementLine], component: Component) -> int:
    return -sum(line.amount for line in lines if KNOWN[line.type].component is component)


def _pair_nameless_records(units: list[Unit], positions: Positions, recorded: list[StoreRefund]) -> None:
    """A store that does not know the marketplace's refund ids: the same amounts on the same line are the same refund,
    and so are the only two left."""
    waiting: list[tuple[StoreRefund, int]] = []
    for refund in sorted(recorded, key=lambda r: (r.refunded_on or date.min, r.amount, r.shipping, r.line_id)):
        place = positions.named(refund.line_id)
        found = next(
            (
                unit
                for unit in units
                if not unit.recorded
                and unit.lines
                and _same_place(unit.position, place)
                and _total(unit.lines, Component.REFUND) == refund.amount
                and _total(unit.lines, Component.REFUND_SHIPPING) == refund.shipping
            ),
            None,
        )
        if found is None:
            waiting.append((refund, place))
        else:
            found.recorded, found.recorded_positions = [refund], [found.position if place == LOOSE else place]
    for refund, place in waiting:
        rivals = [1 for other, other_place in waiting if other is not refund and _same_place(other_place, place)]
        left = [unit for unit in units if not unit.recorded and unit.lines and _same_place(unit.position, place)]
        if len(left) == 1 and not rivals:
            left[0].recorded, left[0].recorded_positions = [refund], [left[0].position if place == LOOSE else place]
        else:
            position = POOLED if place == LOOSE else place
            units.append(Unit("", position, [refund], [position]))


def _same_place(one: int, other: int) -> bool:
    return one == other or one < 0 or other < 0


def _place_nameless_lines(units: list[Unit], positions: Positions, lines: list[SettlementLine]) -> None:
    """Settlement lines without a refund id, per order line and component."""
    groups: dict[tuple[int, Component], list[SettlementLine]] = {}
    for line in lines:
        groups.setdefault((positions.of(line), KNOWN[line.type].component), []).append(line)
    for (place, component), group in sorted(groups.items(), key=lambda item: (_late(item[0][1]), item[0])):
        here = [unit for unit in units if _same_place(unit.position, place)]
        lacking = [
            unit
            for unit in here
            if (unit.recorded or unit.lines) and not any(KNOWN[line.type].component is component for line in unit.lines)
        ]
        for line in sorted(group, key=lambda each: (each.created_on or date.max, each.amount, each.line_id)):
            target = _unit_for(line, component, lacking, here)
            if target is None:
                target = Unit("", POOLED if place == LOOSE else place)
                units.append(target)
                here.append(target)
            target.lines.append(line)
            if target in lacking:
                lacking.remove(target)


def _late(component: Component) -> bool:
    """Commission goes where its refund went."""
    return component in _COMMISSION


def _unit_for(line: SettlementLine, component: Component, lacking: list[Unit], here: list[Unit]) -> Unit | None:
    if component is Component.REFUND or component is Component.REFUND_SHIPPING:
        fitting = [unit for unit in lacking if _recorded_amount(unit, component) == -line.amount]
        if fitting:
            return fitting[0]
        candidates = [unit for unit in lacking if unit.recorded]
        if len(candidates) == 1:
            return candidates[0]
        again = [
            unit
            for unit in here
            if any(abs(known.amount) == abs(line.amount) and known.type == line.type for known in unit.lines)
        ]
        return again[0] if again else None
    refunding = [unit for unit in lacking if unit.lines] or [unit for unit in here if unit.lines]
    if len(refunding) <= 1:
        return refunding[0] if refunding else None
    # Several refunds wait for their commission: they come in the order in which they were made.
    return min(refunding, key=lambda unit: (unit.first_day, unit.position, unit.refund_id))


def _recorded_amount(unit: Unit, component: Component) -> int | None:
    if not unit.recorded:
        return None
    if component is Component.REFUND:
        return sum(refund.amount for refund in unit.recorded)
    return sum(refund.shipping for refund in unit.recorded)


def build_cells(unit: Unit, positions: Positions, expected: Sequence[Expectation], rules: Rules) -> None:
    """What the record says beside what was settled. Nothing is expected of a refund that the record does not have."""
    amounts = dict.fromkeys(
        (Component.REFUND, Component.REFUND_SHIPPING, Component.REFUND_COMMISSION, Component.REFUND_COMMISSION_VAT), 0
    )
    amounts[Component.TAX] = 0
    tax_known = True
    for refund, position in zip(unit.recorded, unit.recorded_positions, strict=True):
        e = refunded_line(expected, position, rules)
        amounts[Component.REFUND] -= refund.amount
        amounts[Component.REFUND_SHIPPING] -= refund.shipping
        commission = (e.refunded_commission(refund.amount, refund.shipping, rules) if e else None) or 0
        unit.recorded_commissions.append(commission)
        amounts[Component.REFUND_COMMISSION] += commission
        amounts[Component.REFUND_COMMISSION_VAT] += of(rules.vat, commission)
        if rules.tax_excluded:
            tax = refund_tax(e, refund) if e else refund.tax
            tax_known = tax_known and tax is not None
            amounts[Component.TAX] -= tax or 0
    settled: dict[Component, list[SettlementLine]] = {}
    for line in unit.lines:
        settled.setdefault(KNOWN[line.type].component, []).append(line)
    for component in sorted({*amounts, *settled}):
        lines = settled.get(component, [])
        if not lines and not amounts.get(component):
            continue
        cell = Cell(
            position=unit.position,
            component=component,
            refund_id=unit.refund_id,
            line_id=positions.line_id(unit.position),
            expected=amounts.get(component, 0),
            covered=(unit.position,),
            covers=max(1, len(unit.recorded)),
            lines=lines,
        )
        operators = sum(line.amount for line in lines if KNOWN[line.type].operator_nets)
        if operators and cell.expected:
            cell.expected = min(0, cell.expected + operators)
        if component is Component.TAX and unit.recorded and not tax_known:
            cell.expected = cell.actual
        unit.cells[component] = cell


def refunded_line(expected: Sequence[Expectation], position: int, rules: Rules) -> Expectation | None:
    """The order line of a refund; where nobody says which, all of them as one line."""
    if 0 <= position < len(expected):
        return expected[position]
    known = [e for e in expected if not e.stranger]
    if not known:
        return None
    return replace(known[0], rate=blended_rate(known, rules), base_product=known[0].line.price)
