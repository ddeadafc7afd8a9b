"""Reads single values as the Edge writes them: blanks, nulls, numbers as text and dates without a zone included."""

from __future__ import annotations

import contextlib
import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from marketplace_sync.connectors.ports import Malformed
from marketplace_sync.domain.money import NotMoney, minor_units

_MOST_UNITS = 1_000_000
LONGEST_KEY = 200
_YEARS = range(1990, 2200)
"""Outside of these a date is a slip of somebody's pen, and calendars end not far beyond."""
_ID = re.compile(r"(?=\D*\d)[A-Za-z0-9_-]{1,64}")
_SURROGATES = re.compile(
    rb"\\\\"
    rb"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)


# Prices, rates and dates repeat from order to order: reading them once is most of the speed of reading orders.
@lru_cache(maxsize=8192)
def _amount(value: str, currency: str) -> int | None:
    return minor_units(value, currency) if value and not value.isspace() else None


def exact(value: Any) -> str:
    """A key, unchanged but for what no database keeps; null and blanks are empty, numbers are their digits."""
    if isinstance(value, str):
        value = value.replace("\x00", "") if "\x00" in value else value
        return "" if value.isspace() else value
    if value is None or isinstance(value, bool):
        return ""
    if isinstance(value, int):
        return str(value)
    raise Malformed(f"{type(value).__name__} where text is expected")


def key(value: Any, field: str) -> str:
    """As `exact`, of a length that an index takes. Raises Malformed."""
    found = exact(value)
    if len(found) > LONGEST_KEY:
        raise Malformed(f"{field}: {_shown(found)}… has {len(found)} characters, which is no key")
    return found


def words(value: Any) -> str:
    """Text for people: as `exact`, without surrounding blanks."""
    if type(value) is str and "\x00" not in value:
        return value.strip()
    return exact(value).strip()


def id_in(url: Any) -> str:
    """The id at the tail of a URL (its host is never trusted), empty when there is none."""
    if not isinstance(url, str):
        return ""
    if "?" in url or "#" in url:
        url = url.partition("?")[0].partition("#")[0]
    tail = url.rstrip("/").rpartition("/")[2]
    return tail if _ID.fullmatch(tail) else ""


def units(value: Any, *field: str) -> int:
    """A quantity: whole, not negative, of a size that an order can have. Raises Malformed naming the field, which is
    given in words that are put together only then."""
    if type(value) is int and 0 <= value <= _MOST_UNITS:
        return value
    try:
        number = Decimal(str(value).strip()) if isinstance(value, str | int | Decimal) else None
    except InvalidOperation:
        number = None
    if number is None or isinstance(value, bool) or not number.is_finite() or not 0 <= number <= _MOST_UNITS:
        raise Malformed(f"{' '.join(field)}: {_shown(value)} is not a quantity")
    if number != int(number):
        raise Malformed(f"{' '.join(field)}: {_shown(value)} is not a whole quantity")
    return int(number)


def money(value: Any, currency: str, *field: str) -> int | None:
    """Minor units; None for null and blanks. Raises Malformed, as `units`."""
    if value is None:
        return None
    try:
        if isinstance(value, str):
            return _amount(value, currency)
        if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
            return minor_units(value, currency)
    except (NotMoney, ArithmeticError):
        pass
    raise Malformed(f"{' '.join(field)}: {_shown(value)} is not an amount")


def tax_rate(value: Any) -> str:
    """`"20.00"`, `"0.2"` and `20` are a fifth: `"0.2"`. Empty when it is not stated or no rate."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return ""
    return _tax_rate(value)


@lru_cache(maxsize=256)
def _tax_rate(value: str | int | Decimal) -> str:
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
        if found.year not in _YEARS:
            return None
        return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def day(value: Any) -> date | None:
    """The day of a date or of a date and time as it is written; None when it is neither."""
    return _day(value) if isinstance(value, str) else None


@lru_cache(maxsize=4096)
def _day(value: str) -> date | None:
    try:
        found = date.fromisoformat(value.strip()[:10])
        return found if found.year in _YEARS else None
    except ValueError:
        return None


def mended(body: bytes) -> bytes:
    """JSON in which halves of surrogate pairs are replaced: they are no characters, and one would spoil its page."""
    return _SURROGATES.sub(lambda found: rb"\ufffd" if found.group(1) else found.group(0), body)


def rescued(body: bytes) -> bytes:
    """What is no JSON by the letter (bare control characters, NaN) but can still be told apart, written again as JSON.
    Fractions become text, as the Edge writes amounts anyway. Raises ValueError, RecursionError."""
    found = json.loads(body.decode("utf-8-sig"), strict=False, parse_float=str, parse_constant=lambda _: None)
    return mended(json.dumps(found).encode())


T = TypeVar("T")


def read_leniently(decoder: msgspec.json.Decoder[T], payload: bytes) -> T:
    """One object of the Edge: as it came, then mended, then written anew. Raises ValueError, RecursionError."""
    try:
        return decoder.decode(payload)
    except (ValueError, RecursionError) as problem:
        for remedy in (mended, rescued):
            with contextlib.suppress(ValueError, RecursionError):
                return decoder.decode(remedy(payload))
        raise problem


_PUNCTUATION = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{},]', re.DOTALL)


def rows_apart(body: bytes) -> tuple[list[bytes], bytes]:
    """A list that no reader takes, cut into its rows by brackets and quotation marks alone: (rows byte for byte, the
    envelope around them with an empty list). Raises ValueError when it is no list, or one that does not end."""
    depth, key, start, opened, level = 0, b"", 0, -1, 0
    rows: list[bytes] = []
    for found in _PUNCTUATION.finditer(body):
        sign = found.group()
        if sign in b"[{":
            depth += 1
            if opened < 0 and sign == b"[" and (depth == 1 or (depth == 2 and key == b'"results"')):
                opened, level, start = found.start(), depth, found.end()
        elif sign in b"]}":
            depth -= 1
        elif sign != b"," and depth == 1 and opened < 0:
            key = sign
        if opened >= 0 and ((sign == b"," and depth == level) or (sign == b"]" and depth == level - 1)):
            row = body[start : found.start()].strip()
            rows += [row] if row else []
            start = found.end()
            if sign == b"]":
                return rows, body[: opened + 1] + body[found.start() :]
    raise ValueError("it is no list, or one that does not end")


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
