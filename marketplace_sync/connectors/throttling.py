"""How long a vendor wants to be left alone that does not say for how long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence


class Waits:
    """The waits, in seconds, that refusals in a row stand for: the first, then the longer ones when it refuses again as
    soon as it is asked again, the last for ever. Each bucket for itself. Thread-safe."""

    def __init__(self, seconds: float | Sequence[float], clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = (seconds,) if isinstance(seconds, int | float) else tuple(seconds)
        self._clock = clock
        self._lock = threading.Lock()
        self._last: dict[str, tuple[int, float]] = {}
        """Bucket -> the place of its last wait among the waits, and when that is over."""

    def after_refusal(self, bucket: str) -> float:
        """Seconds from now. Calls that were under way together are refused together, and wait for the same moment."""
        with self._lock:
            now = self._clock()
            place, over = self._last.get(bucket, (-1, now))
            if now < over:
                return over - now
            again = place >= 0 and now - over <= self._seconds[place]
            place = min(place + 1, len(self._seconds) - 1) if again else 0
            self._last[bucket] = (place, now + self._seconds[place])
            return self._seconds[place]
