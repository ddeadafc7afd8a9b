"""What a vendor may be asked for only now and then, kept for whoever wants to know it next, in whichever process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

from marketplace_sync.domain.errors import TransportError


class Memory(Protocol):
    """The memory of one connection. Thread-safe."""

    def remembered(self, key: str, valid_for: timedelta, ask: Callable[[], bytes]) -> bytes:
        """The answer that is kept under `key`, if it is not older than `valid_for`; else that of `ask`, which is kept.

        One asks at a time. When `ask` raises a TransportError, an older answer is given, if there is any: what a shop
        is like hardly changes, and being told so late is better than not to be told. Raises what `ask` raises.
        """
        ...


class LocalMemory:
    """The memory of a process that has no ledger."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, bytes]] = {}

    def remembered(self, key: str, valid_for: timedelta, ask: Callable[[], bytes]) -> bytes:
        """See `Memory.remembered`."""
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None and self._clock() - kept[0] < valid_for.total_seconds():
                return kept[1]
            try:
                answer = ask()
            except TransportError:
                if kept is None:
                    raise
                return kept[1]
            self._kept[key] = (self._clock(), answer)
            return answer
