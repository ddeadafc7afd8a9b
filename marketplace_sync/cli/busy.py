"""Connections whose rate budget is used up while they are tried: how long that is waited for, and who uses it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from marketplace_sync.connectors.budget import Grant, RateBudget
from marketplace_sync.ledger import lease, waiting, watermarks

if TYPE_CHECKING:
    from marketplace_sync.ledger.database import Ledger

_LATELY = 120.0
"""Seconds within which a read may still be felt in a rate budget."""


class WaitsInAll:
    """A rate budget for somebody who waits so long for all of its calls together, and not for each of them."""

    def __init__(self, budget: RateBudget, seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._budget = budget
        self._left = seconds
        self._clock = clock

    def acquire(self, bucket: str, cost: int = 1, *, up_to: int = 1, patience: float | None = None) -> Grant:
        """See `RateBudget.acquire`."""
        began = self._clock()
        try:
            return self._budget.acquire(bucket, cost, up_to=up_to, patience=max(0.0, self._left))
        finally:
            self._left -= self._clock() - began

    def answered(self, bucket: str, grant: Grant, cost: int = 1) -> None:
        """See `RateBudget.answered`."""
        self._budget.answered(bucket, grant, cost)

    def learn(self, bucket: str, *, available: float | None = None, blocked_seconds: float | None = None) -> None:
        """See `RateBudget.learn`."""
        self._budget.learn(bucket, available=available, blocked_seconds=blocked_seconds)


def used_by(ledger: Ledger | None, name: str) -> str:
    """Who uses a connection, as far as the ledger knows."""
    known = [] if ledger is None else _known(ledger, name)
    return "; ".join(known) or "something that the ledger knows nothing of (a read under way, another check)"


def _known(ledger: Ledger, name: str) -> list[str]:
    found = []
    at_work = bool(lease.holders(ledger, [name]))
    with ledger.begin() as connection:
        left = waiting.of_connection(connection, name)
        ages = watermarks.ages(connection)
    if at_work:
        found.append(f"its courier, which is at work ({left} effects wait)")
    elif left:
        found.append(f"{left} effects, which wait for its courier")
    reads = [
        f"{feed} ({age:.0f} s ago)" for (read, feed), age in sorted(ages.items()) if read == name and age < _LATELY
    ]
    if reads:
        found.append(f"reads: {', '.join(reads)}")
    return found
