"""The rate budget a wire draws from: what it promises, and the one that lives in this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from marketplace_sync.domain.rates import (
    BucketSpec,
    BudgetSpec,
    CostBucket,
    FixedWindow,
    Grant,
    NoRoom,
    Usage,
    answered_late,
    is_late,
    learn,
    take,
)

__all__ = ["BucketSpec", "BudgetSpec", "CostBucket", "FixedWindow", "Grant", "LocalBudget", "NoRoom", "RateBudget"]


class RateBudget(Protocol):
    """Room for calls to one vendor account. Thread-safe; a shared one counts for several processes."""

    def acquire(self, bucket: str, cost: int = 1, *, up_to: int = 1, patience: float | None = None) -> Grant:
        """Wait until there is room for at least one call of `cost`, then take room for up to `up_to` of them.

        The grant says for how many (1 to `up_to`). They are to be made at once, and `answered` is to be told when
        that is over. Raises NoRoom when the wait would be longer than `patience` seconds (None: wait as long as it
        takes), KeyError for a bucket that was never declared and ValueError for a call that costs more than its bucket
        can hold.
        """
        ...

    def answered(self, bucket: str, grant: Grant, cost: int = 1) -> None:
        """The granted calls of `cost` each have an answer, or failed: if that took long, they count from now on. Never
        raises: the calls have been made, and what was answered matters more."""
        ...

    def learn(self, bucket: str, *, available: float | None = None, blocked_seconds: float | None = None) -> None:
        """A call ended. Take in what the vendor said about the bucket: what is left in it, or how long it is closed;
        neither, when it said nothing that can be read."""
        ...


class LocalBudget:
    """A budget for one process: nobody else may use the account meanwhile."""

    def __init__(
        self,
        spec: BudgetSpec,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._spec = spec
        self._usage = {bucket: Usage() for bucket in spec}
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()

    def acquire(self, bucket: str, cost: int = 1, *, up_to: int = 1, patience: float | None = None) -> Grant:
        waited_until = None if patience is None else self._clock() + patience
        while True:
            with self._lock:
                now = self._clock()
                granted, wait = take(self._spec[bucket], self._usage[bucket], now, cost, up_to)
            if granted:
                return Grant(granted, now, now)
            if waited_until is not None and now + wait > waited_until:
                raise NoRoom(bucket, wait)
            self._sleep(wait)

    def answered(self, bucket: str, grant: Grant, cost: int = 1) -> None:
        spec = self._spec[bucket]
        with self._lock:
            now = self._clock()
            if is_late(spec, now - grant.noticed):
                answered_late(spec, self._usage[bucket], now, grant.at, cost * grant.calls)

    def learn(self, bucket: str, *, available: float | None = None, blocked_seconds: float | None = None) -> None:
        with self._lock:
            learn(self._spec[bucket], self._usage[bucket], self._clock(), available, blocked_seconds)
