"""How often each operation may be called by one key: the published intervals, as windows on the sandbox's clock."""

from __future__ import annotations

import math
from collections import deque

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.mirakl.settings import MiraklSettings

_DAY = 86_400
WINDOWS: dict[str, tuple[tuple[int, float], ...]] = {
    **dict.fromkeys(("A01", "A02", "A21", "AF01", "CH11", "CUR01", "L01", "DO01", "OF61", "OR75"), ((1, _DAY),)),
    **dict.fromkeys(("SH11", "SH12", "SH21", "SH31", "IV01", "SBC11", "TL03"), ((1, _DAY),)),
    **dict.fromkeys(("OR11", "OR04", "OF24", "STO01", "PRI01", "OF02", "OF03", "OF04", "PRI02"), ((1, 60),)),
    **dict.fromkeys(("PRI03", "STO03", "P42", "P51"), ((1, 60),)),
    **dict.fromkeys(("OR13", "ST12", "RT11"), ((1, 300),)),
    **dict.fromkeys(("H11", "PM11", "VL11"), ((1, 3600),)),
    "OR14": ((1, 2),),
    "STO02": ((1, 15),),
    "P41": ((1, 900),),
    "TL02": ((20, 60), (60, 3600)),
    "TL04": ((1, 10),),
    "OR31": ((5, 1),),
}
"""Calls and seconds. What is not here is called on each event or page view. (Mirakl, call budget)"""

ONE_PER_OBJECT = frozenset(("OR14", "STO02", "TL04", "P42", "OF02", "OF03", "PRI03", "STO03"))
"""Polled per job: each job has a window of its own."""


class Cadence:
    """Sliding windows per operation. Calls that were refused do not count."""

    def __init__(self, clock: Clock, settings: MiraklSettings) -> None:
        self.settings = settings
        self._clock = clock
        self._calls: dict[str, deque[float]] = {}

    def wait(self, operation: str, about: str = "") -> int | None:
        """Count one call; seconds to wait when it is one too many, None when it is let in."""
        windows = WINDOWS.get(operation)
        if windows is None or self.settings.rate_factor == 0:
            return None
        key = f"{operation}:{about}" if operation in ONE_PER_OBJECT else operation
        calls = self._calls.setdefault(key, deque(maxlen=64))
        now = self._clock.timestamp()
        for most, seconds in windows:
            period = seconds * self.settings.rate_factor
            recent = [at for at in calls if at > now - period]
            if len(recent) >= most:
                return max(1, math.ceil(recent[-most] + period - now))
        calls.append(now)
        return None
