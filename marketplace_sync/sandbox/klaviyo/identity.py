"""Ids as the vendor hands them out, and hints that more than one collection needs."""

from __future__ import annotations

from marketplace_sync.sandbox.state import State

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


# Two digits at a time: ids are made by the thousand.
_PAIRS = [low + high for high in _DIGITS for low in _DIGITS]
_DOUBLES = [high + low for high in _CROCKFORD for low in _CROCKFORD]


class Ids:
    """Unique over restarts (a stored counter), scattered so that nobody takes them for numbers."""

    def __init__(self, state: State) -> None:
        self._state = state

    def short(self, kind: str, length: int = 6) -> str:
        """Six to eleven letters and digits, like the ids of lists, metrics and events."""
        return self.scatter(self._state.counter(kind), length)

    @staticmethod
    def scatter(number: int, length: int) -> str:
        mixed = (number * 2_862_933_555_777_941_757 + 3_037_000_493) % 62**length
        found = []
        for _ in range(0, length, 2):
            mixed, pair = divmod(mixed, 62 * 62)
            found.append(_PAIRS[pair])
        return "".join(found)[:length]

    def profile(self, milliseconds: int) -> str:
        """Twenty-six characters that begin with the time, like the ids of profiles."""
        number = (milliseconds << 80) | ((self._state.counter("profile") * 0x9E3779B97F4A7C15F39D) % (1 << 80))
        return "".join([_DOUBLES[(number >> shift) & 0x3FF] for shift in range(120, -1, -10)])
