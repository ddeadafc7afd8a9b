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


def rate_of(order: dict[str, Any]) -> Decimal:
    """Units of an order's currency for one of the currency that the shop keeps its books in."""
    return exact(order.get("base_to_order_rate")) or Decimal(1)


def twins(amounts: dict[str, Decimal], rate: Decimal, base: dict[str, Decimal] | None = None) -> dict[str, Decimal]:
    """Amounts in both currencies; those of the books follow from the rate unless they are given."""
    told = base or {}
    in_books = {f"base_{name}": told.get(name, exact(amount / rate)) for name, amount in amounts.items()}
    return {**amounts, **in_books}


def share(total: Any, part: Decimal, whole: Decimal) -> Decimal:
    """What falls to `part` of `whole` units, to the penny."""
    return ZERO if not whole else pence(exact(total) * part / whole)
