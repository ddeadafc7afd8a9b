"""Reads single values as Mirakl writes them: decimals exactly, enumerations as open text, nothing by hope."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

import msgspec

from marketplace_sync.connectors.ports import Malformed
from marketplace_sync.domain.money import NotMoney, minor_units

_MOST_UNITS = 1_000_000


def text(value: Any) -> str:
    """A key or words, without surrounding blanks; null is empty. Raises Malformed."""
    if value is None or isinstance(value, bool):
        return ""
    if isinstance(value, str | int):
        return str(value).replace("\x00", "").strip()
    raise Malformed(f"{type(value).__name__} where text is expected")


def units(value: Any, field: str) -> int:
    """A quantity: whole, not negative, of a size that an order can have. Raises Malformed."""
    if isinstance(value, Decimal) and value == value.to_integral_value():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST_UNITS:
        raise Malformed(f"{field}: {shown(value)} is not a quantity")
    return value


def money(value: Any, currency: str, field: str) -> int | None:
    """Minor units; None for null and blanks. Raises Malformed."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        if isinstance(value, str | int | Decimal) and not isinstance(value, bool):
            return minor_units(value, currency)
    except (NotMoney, ArithmeticError):
        pass
    raise Malformed(f"{field}: {shown(value)} is not an amount")


def amount(value: Any, currency: str, field: str) -> int:
    """As `money`; what is not stated is nothing."""
    return money(value, currency, field) or 0


def portion(total: int, part: int, whole: int) -> int:
    """`total * part / whole` in whole minor units, half away from zero; all of it when the whole is nothing."""
    if whole == 0 or part == whole:
        return total
    return int((Decimal(total) * part / whole).quantize(Decimal(1), rounding=ROUND_HALF_UP))


def tax_rate(value: Any) -> str:
    """`20`, `"20.00"` and `0.2` are a fifth: `"0.2"`. Empty when it is not stated or no rate."""
    try:
        rate = Decimal(value) if isinstance(value, str | int | Decimal) and not isinstance(value, bool) else None
    except InvalidOperation:
        rate = None
    if rate is None or not rate.is_finite() or not 0 <= rate <= 100:
        return ""
    return f"{(rate / 100 if rate >= 1 else rate).normalize():f}"


def moment(value: Any) -> datetime | None:
    """UTC; None when nothing or no time is stated. Times come with a zone (Mirakl, basics: dates)."""
    if not isinstance(value, str) or not value.strip():
        return None
    try:
        found = datetime.fromisoformat(value.strip())
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def timestamp(value: datetime) -> str:
    """A time as query strings take it: whole seconds, and a `Z`, because a `+` would be read as a blank."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def shown(value: Any) -> str:
    return f"a {type(value).__name__}" if isinstance(value, dict | list) else repr(value)[:40]


def reason_in(body: bytes) -> tuple[str, str]:
    """(words, code) of a refusal: `{message, status}`, with `code` and `errors[]` where an operation has them."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        said = body.decode("utf-8", "replace").strip()
        return ("" if said.startswith("<") else said[:300]), ""
    if not isinstance(found, dict):
        return str(found)[:300], ""
    parts = [str(found["message"])] if found.get("message") else []
    code = str(found.get("code") or "")
    for one in found["errors"] if isinstance(found.get("errors"), list) else ():
        if isinstance(one, dict):
            code = code or str(one.get("code") or "")
            parts.append(" ".join(str(one[key]) for key in ("field", "message", "code") if one.get(key)))
    return "; ".join(parts)[:300], code[:60]
