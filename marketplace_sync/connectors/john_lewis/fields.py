"""Reads single values as the Edge writes them: blanks, nulls, numbers as text and dates without a zone included."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from marketplace_sync.connectors.ports import Malformed
from marketplace_sync.domain.money import NotMoney, minor_units

_MOST_UNITS = 1_000_000
_TAIL = re.compile(r"([A-Za-z0-9_-]{1,64})/?(?:[?#].*)?$")
_SURROGATES = re.compile(
    rb"\\\\"
    rb"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)


def exact(value: Any) -> str:
    """A key, unchanged but for what no database keeps; null and blanks are empty, numbers are their digits."""
    if value is None or isinstance(value, bool):
        return ""
    if isinstance(value, str):
        value = value.replace("\x00", "") if "\x00" in value else value
        return value if value and not value.isspace() else ""
    if isinstance(value, int):
        return str(value)
    raise Malformed(f"{type(value).__name__} where text is expected")


def words(value: Any) -> str:
    """Text for people: as `exact`, without surrounding blanks."""
    return exact(value).strip()


def id_in(url: Any) -> str:
    """The id at the tail of a URL (its host is never trusted), empty when there is none."""
    if isinstance(url, str) and (found := _TAIL.search(url)):
        return found.group(1)
    return ""


def units(value: Any, field: str) -> int:
    """A quantity: whole, not negative, of a size that an order can have. Raises Malformed."""
    try:
        number = Decimal(str(value).strip()) if isinstance(value, str | int | Decimal) else None
    except InvalidOperation:
        number = None
    if number is None or isinstance(value, bool) or not number.is_finite() or not 0 <= number <= _MOST_UNITS:
        raise Malformed(f"{field}: {_shown(value)} is not a quantity")
    if number != int(number):
        raise Malformed(f"{field}: {_shown(value)} is not a whole quantity")
    return int(number)


def money(value: Any, currency: str, field: str) -> int | None:
    """Minor units; None for null and blanks. Raises Malformed."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise Malformed(f"{field}: {_shown(value)} is not an amount")
    try:
        return minor_units(value, currency)
    except (NotMoney, ArithmeticError):
        raise Malformed(f"{field}: {_shown(value)} is not an amount") from None


def tax_rate(value: Any) -> str:
    """`"20.00"`, `"0.2"` and `20` are a fifth: `"0.2"`. Empty when it is not stated or no rate."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return ""
    try:
        rate = Decimal(value.strip()) if isinstance(value, str) else Decimal(value)
    except InvalidOperation:
        return ""
    if not rate.is_finite() or not 0 <= rate <= 100:
        return ""
    if rate >= 1:
        rate /= 100
    return f"{rate.normalize():f}"


def moment(value: Any, zone: ZoneInfo) -> datetime | None:
    """UTC. A time without a zone is local in `zone` (John Lewis, Edge REST basics: dates). None when it is no time."""
    if not isinstance(value, str) or not value.strip():
        return None
    try:
        found = datetime.fromisoformat(value.strip())
        return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def day(value: Any) -> date | None:
    """The day of a date or of a date and time as it is written; None when it is neither."""
    if not isinstance(value, str):
        return None
    try:
        return date.fromisoformat(value.strip()[:10])
    except ValueError:
        return None


def mended(body: bytes) -> bytes:
    """JSON in which halves of surrogate pairs are replaced: they are no characters, and one would spoil its page."""
    return _SURROGATES.sub(lambda found: rb"\ufffd" if found.group(1) else found.group(0), body)


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return f"a {type(value).__name__}"
    return repr(value)[:40]


def reason_in(body: bytes) -> tuple[str, str]:
    """(words, code) of a refusal in any of the Edge's three shapes: `{detail, code}`, `{field: [text]}`, bare text."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        text = body.decode("utf-8", "replace").strip()
        return ("" if text.startswith("<") else text[:300]), ""
    if isinstance(found, str):
        return found[:300], ""
    if not isinstance(found, dict):
        return str(found)[:300], ""
    code = str(found.get("code") or "")[:60]
    if "detail" in found:
        return str(found["detail"])[:300], code
    parts = []
    for field, texts in found.items():
        if field != "code":
            said = ", ".join(map(str, texts)) if isinstance(texts, list) else str(texts)
            parts.append(f"{field}: {said}")
    return "; ".join(parts)[:300], code
