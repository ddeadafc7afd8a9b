"""Units that a report states against units that are known, many to many. Nothing is forced: what fits in more than one
way, or not at all, is left."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from typing import Any

from marketplace_sync.domain.money import share

MOST_STATES = 50_000
"""Beyond so many sums of parts nobody looks for the one that fits."""


@dataclass(slots=True, eq=False)
class Stated:
    """Units of one product in one row of a report. `amount` is positive; None when the row does not tell."""

    line_id: str
    product: str
    day: date
    units: int
    amount: int | None


@dataclass(slots=True, eq=False)
class Known:
    """Units of one order line, or of one refund of it, on one day, and what they should come to: positive."""

    order_id: str
    line_id: str
    product: str
    day: date
    units: int
    amount: int
    refund_id: str = ""


@dataclass(frozen=True, slots=True)
class Piece:
    stated: Stated
    known: Known
    units: int
    amount: int


@dataclass(slots=True)
class _Pool:
    """One product's units that are not paired yet."""

    stated: list[Stated]
    known: list[Known]
    divisible: bool
    pieces: list[Piece] = field(default_factory=list)

    def take(self, stated: Sequence[Stated], known: Sequence[Known]) -> None:
        self.pieces += _pieces(stated, known)
        said, sent = set(stated), set(known)
        self.stated = [each for each in self.stated if each not in said]
        self.known = [each for each in self.known if each not in sent]


def pair(stated: Iterable[Stated], known: Iterable[Known], *, divisible: bool) -> list[Piece]:
    """Pairs that the evidence leaves no choice about, in this order: units of one product, day and unit cost that are
    as many on both sides; of one product and day; of days that follow each other, each unit at most one day off; and,
    where the numbers differ, the only choice of whole parts that comes to the same units and amount, or all of the
    smaller side. `divisible`: whether some of a known part's units may be settled without the others."""
    by_product: dict[str, _Pool] = {}
    for row in sorted(stated, key=lambda each: (each.day, _unit(each) or 0, each.line_id)):
        by_product.setdefault(row.product, _Pool([], [], divisible)).stated.append(row)
    for part in sorted(known, key=lambda each: (each.day, _unit(each) or 0, each.order_id, each.line_id)):
        if part.product in by_product:
            by_product[part.product].known.append(part)
    found: list[Piece] = []
    for _, pool in sorted(by_product.items()):
        _equal(pool, lambda each: (each.day, _unit(each)))
        _equal(pool, lambda each: (each.day,))
        for days in _runs_of_days(pool):
            _equal_over_days(pool, days)
        for days in [(day, day) for day in sorted({each.day for each in pool.stated})]:
            _unequal(pool, days)
        for days in _runs_of_days(pool):
            _unequal(pool, days)
        found += pool.pieces
    return found


def _unit(each: Stated | Known) -> int | None:
    return None if each.amount is None else each.amount // each.units


def _units(parts: Iterable[Stated | Known]) -> int:
    return sum(each.units for each in parts)


def _equal(pool: _Pool, key: Callable[[Any], tuple[Any, ...]]) -> None:
    for group in sorted({key(each) for each in pool.stated}, key=repr):
        stated = [each for each in pool.stated if key(each) == group]
        known = [each for each in pool.known if key(each) == group]
        if known and _units(stated) == _units(known):
            pool.take(stated, known)


def _runs_of_days(pool: _Pool) -> list[tuple[date, date]]:
    """First and last of days that follow each other and have something on either side."""
    runs: list[tuple[date, date]] = []
    for day in sorted(_days(pool.stated) | _days(pool.known)):
        if runs and (day - runs[-1][1]).days <= 1:
            runs[-1] = (runs[-1][0], day)
        else:
            runs.append((day, day))
    return runs


def _within(pool: _Pool, days: tuple[date, date]) -> tuple[list[Stated], list[Known]]:
    first, last = days
    return (
        [each for each in pool.stated if first <= each.day <= last],
        [each for each in pool.known if first <= each.day <= last],
    )


def _equal_over_days(pool: _Pool, days: tuple[date, date]) -> None:
    stated, known = _within(pool, days)
    if stated and known and _units(stated) == _units(known) and _near(stated, known):
        pool.take(stated, known)


def _near(stated: Sequence[Stated], known: Sequence[Known]) -> bool:
    """Can each unit be paired with one at most a day away? In the order of days is the best that can be done."""
    said = [each.day for each in sorted(stated, key=lambda s: s.day) for _ in range(each.units)]
    sent = [each.day for each in sorted(known, key=lambda k: k.day) for _ in range(each.units)]
    return all(abs((one - other).days) <= 1 for one, other in zip(said, sent, strict=False))


def _unequal(pool: _Pool, days: tuple[date, date]) -> None:
    stated, known = _within(pool, days)
    if not stated or not known:
        return
    rows, parts = _units(stated), _units(known)
    if rows <= parts:
        chosen = _only_choice(known, rows, _sum(stated))
        if chosen and _near(stated, chosen):
            pool.take(stated, chosen)
        elif rows < parts and len(known) == 1 and pool.divisible and _near(stated, known):
            pool.take(stated, known)
        return
    some = _a_choice(stated, parts, _sum(known))
    if some and _near(some, known):
        pool.take(some, known)
        return
    days_of_both = _days(stated) | _days(known)
    if (max(days_of_both) - min(days_of_both)).days <= 1:
        pool.take(stated, known)


def _days(parts: Iterable[Stated | Known]) -> set[date]:
    return {each.day for each in parts}


def _sum(parts: Iterable[Stated | Known]) -> int | None:
    amounts = [each.amount for each in parts]
    return None if None in amounts else sum(amount or 0 for amount in amounts)


def _only_choice(parts: Sequence[Known], units: int, amount: int | None) -> list[Known]:
    """The one choice of whole parts that comes to this; nothing when there is none or there are several. Parts that are
    alike in all that a report says are as good as each other: the first of them are chosen."""
    found, ways = _choices(parts, units, amount)
    return found if ways == 1 else []


def _a_choice(rows: Sequence[Stated], units: int, amount: int | None) -> list[Stated]:
    """Some choice of rows that comes to this: what is left over says the same whichever it is."""
    return _choices(rows, units, amount)[0]


def _choices(parts: Sequence[Any], units: int, amount: int | None) -> tuple[list[Any], int]:
    """(the first choice, how many there are that differ in more than which of like parts they take)."""
    if amount is None or any(each.amount is None for each in parts):
        return [], 0
    alike: dict[tuple[date, int, int], list[Any]] = {}
    for part in parts:
        alike.setdefault((part.day, part.units, part.amount), []).append(part)
    sums: dict[tuple[int, int], tuple[tuple[int, ...], int]] = {(0, 0): ((), 1)}
    for (_, each_units, each_amount), some in alike.items():
        before, sums = sums, {}
        for (u, a), (chosen, ways) in before.items():
            for taken in range(min(len(some), (units - u) // each_units) + 1):
                key = (u + taken * each_units, a + taken * each_amount)
                known = sums.get(key)
                sums[key] = (known[0], known[1] + ways) if known else ((*chosen, taken), ways)
        if len(sums) > MOST_STATES:
            return [], 0
    chosen, ways = sums.get((units, amount), ((), 0))
    return [part for taken, some in zip(chosen, alike.values(), strict=False) for part in some[:taken]], ways


def _pieces(stated: Sequence[Stated], known: Sequence[Known]) -> list[Piece]:
    """Units of rows on units of parts in their order. Where the rows come to what is expected, every part gets just
    that; else what a row states is shared out by what is expected of its units."""
    spans = _spans(stated, known)
    if _sum(stated) == _sum(known) and all(r.amount for r in stated) and all(k.amount for k in known):
        return _by_money(stated, known)
    found = []
    for row, group in groupby(spans, key=lambda span: span[0]):
        mine = list(group)
        weights = [part.amount * units * 1000 // part.units for _, part, units in mine]
        if not sum(weights):
            weights = [units for _, _, units in mine]
        covered = sum(units for _, _, units in mine)
        whole = sum(weights) // 1000 if row.amount is None else row.amount
        paid = whole if covered == row.units else whole * covered // row.units
        found += [
            Piece(row, part, units, amount) for (_, part, units), amount in zip(mine, share(paid, weights), strict=True)
        ]
    return found


def _spans(stated: Sequence[Stated], known: Sequence[Known]) -> list[tuple[Stated, Known, int]]:
    left = [[part, part.units] for part in known]
    found: list[tuple[Stated, Known, int]] = []
    for row in stated:
        units = row.units
        while units and left:
            entry: list[Any] = left[0]
            some = min(units, entry[1])
            found.append((row, entry[0], some))
            units -= some
            entry[1] -= some
            if not entry[1]:
                left.pop(0)
    return found


def _by_money(stated: Sequence[Stated], known: Sequence[Known]) -> list[Piece]:
    """Both sides come to the same: the rows' money fills one part after the other."""
    found: list[Piece] = []
    parts: list[list[Any]] = [[part, part.amount, part.units] for part in known]
    for row in stated:
        money, units = row.amount or 0, row.units
        while money:
            entry = parts[0]
            some = min(money, entry[1])
            money -= some
            entry[1] -= some
            counted = entry[2] if not entry[1] else min(units, entry[2])
            units, entry[2] = units - counted, entry[2] - counted
            found.append(Piece(row, entry[0], counted, some))
            if not entry[1]:
                parts.pop(0)
    return found
