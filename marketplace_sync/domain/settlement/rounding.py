"""Half up in integers: commission, VAT and exchange are rounded once each, and never by way of a float."""

from __future__ import annotations

from fractions import Fraction


def half_up(numerator: int, denominator: int) -> int:
    """`numerator / denominator` to the nearest integer, halves away from zero. `denominator` is positive."""
    if numerator < 0:
        return -((-2 * numerator + denominator) // (2 * denominator))
    return (2 * numerator + denominator) // (2 * denominator)


def of(rate: Fraction, amount: int) -> int:
    """`rate × amount` in whole minor units, rounded half up."""
    return half_up(rate.numerator * amount, rate.denominator)
