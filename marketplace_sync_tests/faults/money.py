"""Compares money: what a marketplace says of each order, what its store has of it, and what Klaviyo was told of it.

All amounts are whole pence of one currency; money in any other counts as none. What is promised:

* **The store's order** costs what the marketplace states for the units that were sent there and for their delivery, tax
  included, on the marketplace's own basis: cost where it pays the seller cost, else what the buyer paid (configuration,
  `price_basis`; Mirakl's sheet, shop models). It is paid with exactly that, to the penny (configuration, totals that
  do not divide), unless staff cancelled it whole before it was.
* **Refunds** come to the same money on both sides, whoever made them, delivery that was given back included: line by
  line where every refund of the order is about one line, else for the order. One that is above what the store still
  holds by less than a penny for each unit ordered is booked with what it holds (there too): so much may be missing
  where nothing is left, and nothing elsewhere. Delivery that staff give back with units beyond that of their lines is
  the store's alone, and a person is shown it (work items, SELLER_REFUND).
* **Klaviyo** (DESIGN, rules that are easy to get wrong: value) is told of goods at the store's price where the
  marketplace states cost, else at the marketplace's with the delivery (Klaviyo's sheet, standard order metrics). That
  is taken back with the units of its line, or with the last unit where it is stated of the whole order. Without a
  price of each of its SKUs an order has no value. Refunds are told as the money that the buyer got back where the
  marketplace states that, else as the store's price of their units, or that part of it which was given back of what
  they cost. Of a cancelled order no more is taken off in all than was placed: whichever is told first takes its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

CURRENCY = "GBP"

VALUED = ("Placed Order", "Cancelled Order", "Refunded Order")


@dataclass(frozen=True)
class GivenBack:
    """One refund, as one side has it."""

    amount: int
    units: Counter[str] = field(default_factory=Counter)
    """By the marketplace's line; empty where it is about money alone."""
    delivery: int = 0
    """Part of the amount, where staff gave it back or the marketplace states it."""


@dataclass(frozen=True)
class Sold:
    """One line as the marketplace states it. Money includes tax."""

    sku: str
    ordered: int
    cancelled: int
    goods: int
    """What all ordered units come to."""
    delivery: int = 0
    """Where each line has its own."""
    taken: Sequence[tuple[int, int, int]] = ()
    """(units, goods, delivery) of its cancellations, the first one first, where the marketplace states their money."""

    @property
    def delivery_left(self) -> int:
        return self.delivery - sum(off_delivery for _, _, off_delivery in self.taken)

    def sent(self, units: int) -> int:
        """What it came to when so many units of it were left."""
        goods, delivery, gone = self.goods, self.delivery, self.ordered - units
        for count, off_goods, off_delivery in self.taken:
            if gone <= 0:
                break
            goods, delivery, gone = goods - off_goods, delivery - off_delivery, gone - count
        return goods + delivery - _share(self.goods, max(0, gone), self.ordered)


@dataclass(frozen=True)
class Stated:
    """What a marketplace says of one order."""

    lines: Mapping[str, Sold]
    refunds: Sequence[GivenBack] = ()
    delivery: int = 0
    """Of the order as a whole."""
    prices: Mapping[str, int] | None = None
    """The store's, by SKU, where the marketplace states cost; None: it states what the buyer paid."""

    def values(self) -> dict[str, int]:
        """Metric -> what Klaviyo is to be told in all."""
        if self.prices is not None and not all(line.sku in self.prices for line in self.lines.values()):
            return dict.fromkeys(VALUED, 0)
        refunded = sum(
            one.amount
            if self.prices is None
            else sum(self._given_back(self.lines[ref], units, one) for ref, units in one.units.items())
            for one in self.refunds
        )
        lines = self.lines.values()
        placed = sum(self._worth(line, line.ordered) for line in lines)
        cancelled = sum(self._worth(line, line.cancelled) for line in lines)
        if self.prices is None:
            placed += self.delivery + sum(line.delivery for line in lines)
            if self.is_off:
                cancelled, refunded = placed, 0
            else:
                cancelled += sum(_share(line.delivery, line.cancelled, line.ordered) for line in lines)
        return {"Placed Order": placed, "Cancelled Order": cancelled, "Refunded Order": refunded}

    @property
    def is_off(self) -> bool:
        """All of it was cancelled, and what the buyer paid is known: refunds and it share what was placed."""
        return self.prices is None and all(line.cancelled == line.ordered for line in self.lines.values())

    def _given_back(self, line: Sold, units: int, refund: GivenBack) -> int:
        """At cost, of a refund of units of one line."""
        goods, cost = refund.amount - refund.delivery, _share(line.goods, units, line.ordered)
        worth = self._worth(line, units)
        return worth if cost - goods < units else _share(worth, goods, cost)

    def _worth(self, line: Sold, units: int) -> int:
        return _share(line.goods, units, line.ordered) if self.prices is None else self.prices[line.sku] * units


@dataclass(frozen=True)
class InStore:
    """What the store has of one order."""

    total: int
    paid: int | None
    """By the marketplace, when the order was made; None: it was cancelled before that."""
    refunds: Sequence[GivenBack] = ()
    is_empty: bool = False
    """All that was paid has been given back."""


@dataclass(frozen=True)
class Difference:
    """Two sides that name other sums. `what` says which."""

    what: str
    there: int
    wanted: int
    missing: int = 0
    """By less than so much `there` may be the smaller."""

    @property
    def matters(self) -> bool:
        return self.there != self.wanted and self.wanted - self.there not in range(self.missing)

    def text(self) -> str:
        return f"{self.what}: {shown(self.there)} instead of {shown(self.wanted)}"


def in_store(said: Stated, units: Mapping[str, int], store: InStore) -> list[Difference]:
    """`units` are those of each line that the store was sent."""
    wanted = said.delivery + sum(line.sent(units[ref]) for ref, line in said.lines.items())
    return [
        Difference("order in the store", store.total, wanted),
        Difference("payment in the store", wanted if store.paid is None else store.paid, wanted),
        *_refunds(said.refunds, store.refunds, beyond(said, store), sum(units.values()) if store.is_empty else 0),
    ]


def beyond(said: Stated, store: InStore) -> Counter[str]:
    """Delivery that staff gave back beyond that of the lines they named, by the first of these lines."""
    found: Counter[str] = Counter()
    for one in store.refunds:
        found[next(iter(one.units), "")] += one.delivery
    for one in store.refunds:
        if one.delivery:
            found[next(iter(one.units), "")] -= sum(said.lines[ref].delivery_left for ref in one.units)
    return +found


def at_klaviyo(said: Stated, events: Sequence[Mapping[str, Any]]) -> list[Difference]:
    told: Counter[str] = Counter()
    for event in events:
        if event.get("value") is not None and event["currency"] == CURRENCY:
            told[event["name"]] += pence(event["value"])
    if said.is_off:
        told["Cancelled Order"] += told.pop("Refunded Order", 0)
    return [Difference(f"value of {name} at Klaviyo", told[name], wanted) for name, wanted in said.values().items()]


def _refunds(
    there: Sequence[GivenBack], store: Sequence[GivenBack], more: Counter[str], missing: int
) -> list[Difference]:
    """`more`: what the store alone has, by line. `missing`: by less than so much it may have less."""
    if any(len(one.units) > 1 for one in (*there, *store)):
        sums = sum(one.amount for one in store), sum(one.amount for one in there) + more.total()
        return [Difference("refunds in the store", *sums, missing)]
    by_line = [more, Counter[str]()]
    for side, refunds in zip(by_line, (there, store), strict=True):
        for one in refunds:
            side[next(iter(one.units), "")] += one.amount
    wanted, found = by_line
    return [
        Difference(f"refunds in the store of {f'line {ref}' if ref else 'no line'}", found[ref], wanted[ref], missing)
        for ref in sorted(wanted.keys() | found.keys())
    ]


def _share(amount: int, part: int, whole: int) -> int:
    """Rounded half up."""
    return (2 * amount * part + whole) // (2 * whole) if part else 0


def pence(amount: Any) -> int:
    """Of an amount as JSON has it. What is finer than a penny is rounded, as whoever shows it does."""
    return int((Decimal(str(amount)) * 100).quantize(Decimal(1), rounding=ROUND_HALF_UP))


def shown(amount: int) -> str:
    return f"{Decimal(amount) / 100:.2f} {CURRENCY}"
