"""Ids as the vendor hands them out, and hints that more than one collection needs."""

from __future__ import annotations

from marketplace_sync.sandbox.state import State

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class Ids:
    """Unique over restarts (a stored counter), scattered so that nobody takes them for numbers."""

    def __init__(self, state: State) -> None:
        self._state = state

    def short(self, kind: str, length: int = 6) -> str:
        """Six to eleven letters and digits, like the ids of lists, metrics and events."""
        return self.scatter(self._state.counter(kind), length)

    @staticmethod
    def scatter(number: int, length: int) -> str:
        size = 62**length
        mixed = (number * 2_862_933_555_777_941_757 + 3_037_000_493) % size
        found = []
        for _ in range(length):
            mixed, digit = divmod(mixed, 62)
            found.append(_DIGITS[digit])
        return "".join(found)

    def profile(self, milliseconds: int) -> str:
        """Twenty-six characters that begin with the time, like the ids of profiles."""
        number = (milliseconds << 80) | ((self._state.counter("profile") * 0x9E3779B97F4A7C15F39C) % (1 << 80))
        found = []
        for _ in range(26):
            number, digit = divmod(number, 32)
            found.append(_CROCKFORD[digit])
        return "".join(reversed(found))
