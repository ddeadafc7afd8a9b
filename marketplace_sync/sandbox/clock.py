"""The sandbox's own time, so that token lifetimes, deadlines and rate windows can be tested without waiting."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class Clock:
    """Real time plus an offset that the control endpoint moves forward. `speed` makes simulated time run faster."""

    def __init__(self, offset_seconds: float = 0.0, speed: float = 1.0) -> None:
        self._started = time.time()
        self.offset_seconds = offset_seconds
        self.speed = speed

    def timestamp(self) -> float:
        now = time.time()
        return self._started + (now - self._started) * self.speed + self.offset_seconds

    def lead(self) -> float:
        """Seconds by which the sandbox is ahead of the real time: what a restart has to be given back as offset."""
        return self.timestamp() - time.time()

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.timestamp(), UTC)

    def advance(self, seconds: float) -> None:
        if seconds < 0:
            raise ValueError("the sandbox's clock only moves forward")
        self.offset_seconds += seconds
