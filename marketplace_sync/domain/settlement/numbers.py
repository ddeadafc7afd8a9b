"""Amounts as files write them, exactly: what is no plain number in the declared way of writing is none at all."""

from __future__ import annotations

import re
from decimal import Decimal

from marketplace_sync.domain.money import NotMoney, exponent, minor_units
from marketplace_sync.domain.settlement.layouts import FileLayout

_PLAIN = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_NOISE = Decimal("1e-6")
"""Of a minor unit: what a spreadsheet's binary numbers are off by. More is a part of a penny."""


def plain(text: str, layout: FileLayout) -> str:
    """A number with a decimal point and nothing else. Raises NotMoney, saying why."""
    number = text.replace(layout.thousands, "") if layout.thousands else text
    if layout.decimal != ".":
        if "." in number:
            raise NotMoney(f"has a point, where {layout.decimal!r} is the decimal mark")
        number = number.replace(layout.decimal, ".")
    if not _PLAIN.fullmatch(number):
        how = ": how numbers are written is declared as `decimal` and `thousands`" if "," in number else ""
        raise NotMoney(f"is not an amount{how}")
    return number


def whole_minor_units(text: str, currency: str, layout: FileLayout) -> int:
    """An amount of which no part is lost. Raises NotMoney, saying why."""
    number = plain(text, layout)
    try:
        minor = minor_units(number, currency)
    except NotMoney:
        raise NotMoney("is not an amount") from None
    if abs(Decimal(number).scaleb(exponent(currency)) - minor) > _NOISE:
        raise NotMoney(f"is not a whole number of the smallest units of {currency}")
    return minor
