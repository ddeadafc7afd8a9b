"""What was accepted but is not done yet: a durable queue, worked off in order of time as the clock passes."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.klaviyo.answers import Json
from marketplace_sync.sandbox.state import State


class Pipeline:
    """`later` puts work off; `run_due` does what is due. With a delay of zero work is done at once.

    Entries are kept in the collection `queue` until they are done, so a killed process still does what it accepted.
    """

    def __init__(self, state: State, clock: Clock) -> None:
        self._state = state
        self._clock = clock
        self._entries = state.collection("queue")
        self._workers: dict[str, Callable[[Any], None]] = {}
        self._due: list[tuple[float, int]] = []
        self.reload()

    def worker(self, kind: str, work: Callable[[Any], None]) -> None:
        self._workers[kind] = work

    def reload(self) -> None:
        """Rebuild the order of work from what is kept."""
        self._due = [(entry["due"], entry["number"]) for entry in self._entries.values()]
        heapq.heapify(self._due)

    def __len__(self) -> int:
        return len(self._due)

    def later(self, kind: str, content: Any, delay_seconds: float) -> None:
        if delay_seconds <= 0:
            self._workers[kind](content)
            return
        number = self._state.counter("queue")
        due = self._clock.timestamp() + delay_seconds
        self._entries.put(str(number), {"number": number, "kind": kind, "due": due, "content": content})
        heapq.heappush(self._due, (due, number))

    def waiting(self, kind: str) -> list[Json]:
        """The contents of one kind that are not done yet."""
        return [entry["content"] for entry in self._entries.values() if entry["kind"] == kind]

    def run_due(self) -> None:
        """Do everything that is due; what the work itself puts off for later waits for its own time."""
        now = self._clock.timestamp()
        while self._due and self._due[0][0] <= now:
            _, number = heapq.heappop(self._due)
            entry = self._entries.get(str(number))
            if entry is None:
                continue
            self._entries.delete(str(number))
            self._workers[entry["kind"]](entry["content"])
