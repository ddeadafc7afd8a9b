"""Opaque cursors over a sorted sequence, and the links that carry them."""

from __future__ import annotations

import base64
import json
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from marketplace_sync.sandbox.klaviyo.answers import Refusal, bad_parameter

Key = tuple[Any, ...]


@dataclass(frozen=True)
class Cursor:
    """Where a page starts: after a key, or (going back) before it."""

    key: Key
    backwards: bool


@dataclass(frozen=True)
class Page:
    """Keys in the order asked for, and the cursors to its neighbours."""

    keys: list[Key]
    next: str | None
    prev: str | None


class Cursors:
    """Writes and reads cursors. One belongs to the request it came from, and may be made to expire."""

    def __init__(self, now: Callable[[], float], lifetime_seconds: float | None) -> None:
        self._now = now
        self.lifetime_seconds = lifetime_seconds
        self.expired_before = 0.0

    def write(self, question: str, key: Key, backwards: bool) -> str:
        content = [list(key), int(backwards), zlib.crc32(question.encode()), self._now()]
        return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")

    def read(self, question: str, text: str) -> Cursor:
        """Raises a 400 for a cursor that is not ours, belongs to another request or is too old."""
        try:
            key, backwards, checksum, written = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            age = self._now() - written
        except (ValueError, TypeError):
            raise self._bad() from None
        expired = written < self.expired_before or (self.lifetime_seconds is not None and age > self.lifetime_seconds)
        if checksum != zlib.crc32(question.encode()) or expired:
            raise self._bad()
        return Cursor(tuple(key), bool(backwards))

    @staticmethod
    def _bad() -> Refusal:
        return bad_parameter("Invalid cursor provided.", "page[cursor]")


def page_of(
    keys: Sequence[Key],
    *,
    descending: bool,
    size: int,
    cursor: Cursor | None,
    accept: Callable[[Key], bool],
    write: Callable[[Key, bool], str],
    low: int = 0,
    high: int | None = None,
) -> Page:
    """One page of `keys[low:high]` (sorted ascending) in the wanted direction, skipping what `accept` refuses.

    A cursor names a key, not a position, so rows that come and go between two pages are neither lost nor repeated.
    """
    high = len(keys) if high is None else high
    backwards = cursor is not None and cursor.backwards
    downwards = descending != backwards
    if cursor is not None:
        if downwards:
            high = min(high, max(low, bisect_left(keys, cursor.key)))
        else:
            low = max(low, min(high, bisect_right(keys, cursor.key)))
    found: list[Key] = []
    positions = range(high - 1, low - 1, -1) if downwards else range(low, high)
    more = False
    for position in positions:
        if not accept(keys[position]):
            continue
        if len(found) == size:
            more = True
            break
        found.append(keys[position])
    if backwards:
        found.reverse()
    after, before = (True, more) if backwards else (more, cursor is not None)
    return Page(
        found,
        next=write(found[-1], False) if found and after else None,
        prev=write(found[0], True) if found and before else None,
    )
