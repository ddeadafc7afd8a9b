"""The vendor's error answers, read into what a program needs (which row, which code) and what a person needs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from marketplace_sync.decoding import decoded
from marketplace_sync.domain.effects import Refused

_EMAIL = re.compile(r"[^\s\"'<>(),;:]+@[^\s\"'<>(),;:]+")
_PHONE = re.compile(r"\+?\d[\d\s().-]{6,}\d")
_SECONDS = re.compile(r"available in (\d+(?:\.\d+)?) second", re.IGNORECASE)
_SAMPLE = "+12345678901"
"""The number that the vendor itself prints as an example."""
_LONGEST = 400


class Source(msgspec.Struct, frozen=True):
    pointer: str | None = None
    """JSON pointer into the body that was sent."""
    parameter: str | None = None


class VendorError(msgspec.Struct, frozen=True):
    """One entry of `errors`. Every member may be missing: rows of jobs have come with `detail` alone."""

    code: str = ""
    title: str = ""
    detail: str = ""
    source: Source | None = None
    meta: dict[str, Any] | None = None

    @property
    def pointer(self) -> str:
        return (self.source.pointer or self.source.parameter or "") if self.source else ""


class _Document(msgspec.Struct, frozen=True):
    errors: list[VendorError] = []


def errors(body: bytes) -> list[VendorError]:
    """The entries of a JSON:API error document; empty when it is none."""
    try:
        return decoded(body, _Document).errors
    except (msgspec.MsgspecError, RecursionError):
        return []


def seconds_until_available(body: bytes) -> float | None:
    """What a 429 says in words when it carries no Retry-After (Klaviyo, rate limits)."""
    for error in errors(body):
        if found := _SECONDS.search(error.detail):
            return float(found.group(1))
    return None


def duplicate_of(found: Sequence[VendorError]) -> str | None:
    """The profile that already has one of the identifiers, when that is what the refusal is about."""
    for error in found:
        if error.code == "duplicate_profile":
            return str((error.meta or {}).get("duplicate_profile_id") or "")
    return None


def refused(what: str, status: int | None, found: Sequence[VendorError], private: Iterable[str] = ()) -> Refused:
    """The refusal for a person: what Klaviyo said and where, with e-mail addresses and phone numbers taken out.

    `what` names the thing refused; `private` are further values to take out, e.g. the identifiers that were sent.
    """
    private = [value for value in private if value]
    sayings = [_saying(error, private) for error in found[:3]]
    if len(found) > 3:
        sayings.append(f"and {len(found) - 3} more")
    said = "; ".join(sayings) or "it gave no reason that can be read"
    answered = f" ({status})" if status else ""
    return Refused(
        f"Klaviyo refused {what}{answered}: {said}. It stored nothing; correct it and send it again, or skip it.",
        code=next((error.code for error in found if error.code), str(status or "")),
    )


def _saying(error: VendorError, private: Iterable[str]) -> str:
    words = " ".join(part.strip() for part in (error.title, error.detail) if part.strip()) or error.code or "no reason"
    for value in private:
        words = words.replace(value, "[…]")
    words = _EMAIL.sub("[e-mail]", words)
    words = _PHONE.sub(lambda found: found.group() if found.group() == _SAMPLE else "[number]", words)
    words = words[:_LONGEST].rstrip(". ")
    return f"{words} (at {error.pointer[:120]})" if error.pointer else words
