"""The outcomes of one delivery as they become known, and when to stop beginning anything more."""

from __future__ import annotations

import time

from marketplace_sync.domain.effects import Outcome, Postponed

DELIVERY_SECONDS = 25.0
"""After this long a delivery starts no further request: what it did not get to is simply not sent yet. With the last
request's wait and answer this stays within a minute, for which a courier holds its effects."""


class Batch:
    """One outcome per effect, by its position in what was handed over."""

    def __init__(self, size: int) -> None:
        self._outcomes: list[Outcome | None] = [None] * size
        self._same: dict[int, int] = {}
        self._ends = time.monotonic() + DELIVERY_SECONDS
        self._stop: Postponed | None = None

    def settle(self, position: int, outcome: Outcome) -> None:
        self._outcomes[position] = outcome
        if isinstance(outcome, Postponed) and self._stop is None:
            # The vendor is closed for us: what is left of the batch would only queue behind this wait.
            self._stop = Postponed(outcome.reason, after=outcome.after, counts_as_attempt=False)

    def same(self, position: int, first: int) -> None:
        """The effect at `position` repeats the one at `first`: whatever becomes of that becomes of it."""
        self._same[position] = first

    def closed(self) -> Postponed | None:
        """Why nothing more of this batch is to be sent, if so."""
        if self._stop is None and time.monotonic() > self._ends:
            self._stop = Postponed("not sent yet: the batch took too long", after=0.0, counts_as_attempt=False)
        return self._stop

    def outcomes(self) -> list[Outcome]:
        """Every outcome, in order. An effect without one is a bug: AssertionError."""
        found = []
        for position in range(len(self._outcomes)):
            outcome = self._outcomes[self._same.get(position, position)]
            if outcome is None:
                raise AssertionError(f"the effect at {position} was forgotten")
            found.append(outcome)
        return found
