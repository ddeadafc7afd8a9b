"""How the store's warehouse sends an order off: in which parcels, with which carriers and tracking numbers."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

UNMAPPED_CARRIER = "Parrot Post"
"""A carrier that exists nowhere, so that no carrier table has a line for it."""


def _royal_mail(chance: random.Random) -> str:
    return f"{chance.choice('KQTZ')}{chance.choice('ABCDEFGH')}{chance.randrange(10**9):09d}GB"


def _digits(prefix: str, length: int) -> Callable[[random.Random], str]:
    def number(chance: random.Random) -> str:
        rest = length - len(prefix)
        return f"{prefix}{chance.randrange(10**rest):0{rest}d}"

    return number


CARRIERS: dict[str, Callable[[random.Random], str]] = {
    "Royal Mail": _royal_mail,
    "DPD UK": _digits("1597", 14),
    "Evri": _digits("H0", 16),
    "Parcelforce": _digits("PB", 13),
    "Yodel": _digits("JD0002", 18),
}
"""The carriers the warehouse works with, as the store names them, and what their tracking numbers look like."""


@dataclass(frozen=True)
class Parcel:
    """One call of the store's act `ship`. `lines` None is everything that is left."""

    company: str
    tracking_numbers: list[str]
    lines: list[dict[str, Any]] | None = None
    after_seconds: float = 0.0
    """How long after the parcel before it."""


@dataclass
class Packing:
    """How often an order does not leave in one piece."""

    partial_rate: float = 0.10
    two_parcels_rate: float = 0.08
    gap_seconds: float = field(default=30.0)


def pack(
    lines: list[dict[str, Any]], chance: random.Random, packing: Packing, company: str | None = None
) -> list[Parcel]:
    """The parcels for these lines ({sku, unfulfilled}), in the order in which they leave."""
    company = company or chance.choice(list(CARRIERS))
    number = CARRIERS.get(company, _digits("PP", 10))
    units = sum(line["unfulfilled"] for line in lines)
    drawn = chance.random()
    if units > 1 and drawn < packing.partial_rate:
        first = chance.choice([line for line in lines if line["unfulfilled"]])
        some = [{"sku": first["sku"], "quantity": chance.randrange(1, min(first["unfulfilled"], units - 1) + 1)}]
        return [
            Parcel(company, [number(chance)], some),
            Parcel(company, [number(chance)], after_seconds=packing.gap_seconds),
        ]
    if units > 1 and drawn < packing.partial_rate + packing.two_parcels_rate:
        return [Parcel(company, [number(chance), number(chance)])]
    return [Parcel(company, [number(chance)])]
