"""Amounts and quantities: numbers on the wire and in the documents, decimals wherever they are reckoned with."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

ZERO = Decimal(0)
_PLACES = Decimal("0.0001")


def exact(value: Any) -> Decimal:
    """The number of a document; absent is nothing. The database keeps four decimal places."""
    return ZERO if value is None else Decimal(str(value)).quantize(_PLACES, ROUND_HALF_UP)


def number(value: Decimal) -> int | float:
    """As JSON writes it: whole without a point."""
    return int(value) if value == value.to_integral_value() else float(value)


def pence(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.01"), ROUND_HALF_UP)


def share(total: Any, part: Decimal, whole: Decimal) -> Decimal:
    """What falls to `part` of `whole` units, to the penny."""
    return ZERO if not whole else pence(exact(total) * part / whole)
