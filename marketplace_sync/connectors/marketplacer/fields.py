"""Reads single values as Marketplacer writes them: cents, opaque ids, display amounts, times with a zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from marketplace_sync.connectors.ports import Malformed
from marketplace_sync.domain.money import NotMoney, exponent, minor_units

_MOST_UNITS = 1_000_000
_AMOUNT = re.compile(r"\d[\d.,]*")


def text(value: Any) -> str:
    """Words or a key without surrounding blanks; null is empty. Raises Malformed."""
    if value is None or isinstance(value, bool):
        return ""
    if isinstance(value, str | int):
        return str(value).replace("\x00", "").strip()
    raise Malformed(f"{type(value).__name__} where text is expected")


def text_if_any(value: Any) -> str:
    """As `text`; empty for what is no text, where one odd value must not stand in the way of all others."""
    return text(value) if isinstance(value, str | int) else ""


def units(value: Any, field: str) -> int:
    """Raises Malformed."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST_UNITS:
        raise Malformed(f"{field}: {value!r:.40} is not a quantity")
    return value


def moment(value: Any) -> datetime | None:
    """UTC; None when nothing or no time is stated."""
    if not isinstance(value, str) or not value.strip():
        return None
    try:
        found = datetime.fromisoformat(value.strip())
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def cents(value: Any, formatted: Any, currency: str, field: str) -> int | None:
    """Minor units from `...Cents`, or from the display string beside it where an instance has no cents any more
    (sheet, 2: drift). Raises Malformed."""
    if value is not None:
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**15:
            return value
        raise Malformed(f"{field}Cents: {value!r:.40} is not an amount")
    shown = text(formatted)
    if not shown:
        return None
    found = _AMOUNT.search(shown)
    if found is None:
        raise Malformed(f"{field}Formatted: {shown[:40]!r} is not an amount")
    digits = found.group().rstrip(".,")
    point = max(digits.rfind("."), digits.rfind(","))
    places = exponent(currency)
    if point >= 0 and places and len(digits) - point - 1 == places:
        digits = re.sub("[.,]", "", digits[:point]) + "." + digits[point + 1 :]
    else:
        digits = re.sub("[.,]", "", digits)
    try:
        amount = minor_units(digits, currency)
    except (NotMoney, ArithmeticError):
        raise Malformed(f"{field}Formatted: {shown[:40]!r} is not an amount") from None
    return -amount if "-" in shown[: found.start()] or shown.startswith("(") else amount


def rate(value: Any) -> str:
    """`0.1`, `10` and `10.0` are a tenth: `"0.1"`; empty when it is not stated or no rate."""
    try:
        found = Decimal(value) if isinstance(value, int | Decimal | str) and not isinstance(value, bool) else None
    except InvalidOperation:
        found = None
    if found is None or not found.is_finite() or not 0 <= found <= 100:
        return ""
    return f"{(found / 100 if found >= 1 else found).normalize():f}"


def timestamp(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
