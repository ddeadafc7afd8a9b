"""Reads request bodies against their declared shape and says where they are wrong, by JSON pointer."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from marketplace_sync.sandbox.klaviyo.answers import invalid

T = TypeVar("T")

_AT = re.compile(r"^(?P<what>.*?)(?: - at `\$(?P<path>.*)`)?$", re.DOTALL)
_FIELD = re.compile(r"^Object (?P<kind>contains unknown|missing required) field `(?P<name>.*)`$")
_EMAIL = re.compile(r"^[^@\s,;<>\"]+@[^@\s,;<>\"]+\.[^@\s.,;<>\"]{2,}$")
_E164 = re.compile(r"^\+[1-9]\d{6,14}$")
_CURRENCY = re.compile(r"^[A-Z]{3}$")


class Body(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A JSON object of a request; members the vendor does not know are refused."""


def read(shape: type[T], body: bytes) -> T:
    """The body as `shape`. Raises a 400 with the pointer of the first thing that is wrong."""
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.ValidationError as problem:
        raise _refused(str(problem)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise invalid(f"The request body is not valid JSON: {problem}", "/data") from None


def read_raw(raw: msgspec.Raw, pointer: str) -> dict[str, Any]:
    """A JSON object that was set aside while its surroundings were read."""
    try:
        return msgspec.json.decode(raw, type=dict[str, Any])
    except msgspec.ValidationError as problem:
        raise invalid(str(problem), pointer) from None


def _refused(message: str) -> Exception:
    found = _AT.match(message)
    assert found is not None
    what, path = found["what"], found["path"] or ""
    pointer = re.sub(r"\[(\d+|\.\.\.)\]", r"/\1", path.replace(".", "/")) if path else ""
    field = _FIELD.match(what)
    if field is None:
        return invalid(what, pointer or "/data")
    pointer = f"{pointer}/{field['name']}"
    if field["kind"] == "missing required":
        return invalid(f"'{field['name']}' is a required field.", pointer)
    return invalid(f"'{field['name']}' is not a valid field.", pointer)


def clean_email(value: str, pointer: str) -> str:
    """Trimmed and lower case. Raises a 400 when it is no address."""
    cleaned = value.strip().lower()
    if not _EMAIL.match(cleaned):
        raise invalid("Invalid email address", pointer)
    return cleaned


def check_phone(value: str, pointer: str, ineligible: frozenset[str] = frozenset()) -> str:
    """E.164 only (Klaviyo, phone numbers). Raises a 400 otherwise, or when the number is one declared ineligible."""
    if not _E164.match(value):
        raise invalid("Invalid phone number format (Example of a valid format: +12345678901)", pointer)
    if value in ineligible:
        raise invalid("The phone number provided either does not exist or is ineligible to receive SMS", pointer)
    return value


def check_currency(value: str, pointer: str) -> str:
    """Three capital letters, as ISO 4217 has them."""
    if not _CURRENCY.match(value):
        raise invalid("Currency codes must be ISO 4217", pointer)
    return value


def read_time(value: str, pointer: str) -> float:
    """Unix seconds of an ISO 8601 text; without a zone it is taken as UTC. Raises a 400."""
    try:
        parsed = datetime.fromisoformat(value.strip())
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise invalid("Datetime is not valid ISO 8601", pointer) from None
