"""Money and moments as the marketplace keeps them (minor units, seconds) and as it writes them (decimals, ISO)."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

_EXPONENTS = {"JPY": 0, "KRW": 0, "HUF": 2, "KWD": 3, "BHD": 3}


class BadValue(ValueError):
    """What was sent for a field is not of its kind."""


def decimals(currency: str) -> int:
    return _EXPONENTS.get(currency, 2)


def money(amount: int, currency: str) -> Decimal:
    """Minor units as the API's decimal number."""
    return Decimal(amount).scaleb(-decimals(currency))


def minor(value: Any, currency: str, name: str) -> int:
    """A JSON number or a string of one in minor units. Raises BadValue, also for fractions of a minor unit."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise BadValue(f"The field '{name}' has a wrong datatype")
    try:
        scaled = Decimal(str(value)).scaleb(decimals(currency))
    except InvalidOperation as problem:
        raise BadValue(f"The field '{name}' has a wrong datatype") from problem
    if not scaled.is_finite() or scaled != int(scaled):
        raise BadValue(f"The field '{name}' has more than {decimals(currency)} decimals")
    return int(scaled)


def per_cent(amount: int, rate: Decimal) -> int:
    """Rounded half up. (Mirakl, simulator rules: commission)"""
    return int((Decimal(amount) * rate / 100).quantize(Decimal(1), rounding=ROUND_HALF_UP))


def share(whole: int, part: int, of: int) -> int:
    """`whole` × part ∕ of, rounded half up; 0 when there is nothing to share by."""
    if of == 0:
        return 0
    return int((Decimal(whole) * part / of).quantize(Decimal(1), rounding=ROUND_HALF_UP))


def iso(moment: float | None) -> str | None:
    """Seconds since 1970 as the API writes dates: UTC, seconds, Z."""
    if moment is None:
        return None
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str, name: str) -> float:
    """Seconds since 1970. Raises BadValue for what has no zone or no seconds: both are mandatory. (Mirakl, dates)"""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as problem:
        raise BadValue(f"The field '{name}' has a wrong datatype") from problem
    if found.tzinfo is None or text.count(":") < 2:
        raise BadValue(f"The field '{name}' has a wrong datatype")
    return found.timestamp()
