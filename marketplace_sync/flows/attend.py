"""Stays with one connection: handles its webhooks (or asks it, where it sends none) and brings its effects the moment
they appear.

In threads of its own and not in a sensor's tick, because ticks have gaps between them, and one that is late by an
instant makes the next one come five seconds later.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from marketplace_sync.connectors.ports import WebhookSource
from marketplace_sync.domain.effects import Lane
from marketplace_sync.domain.errors import TransportError
from marketplace_sync.flows import advance, courier, deliveries, observe_store
from marketplace_sync.flows.context import Context
from marketplace_sync.ledger import outbox
from marketplace_sync.ledger.lease import is_wanted

_LOOK_AGAIN = 1.0
"""Seconds after which the ledger is looked at even if nobody called: a notification may be lost with its connection."""
_LEASE_TAKEN = 0.2
"""Seconds until an attendant looks whether the courier that has the lease, and does everything meanwhile, is done."""
_WAITING_ENDS = 15.0
"""Seconds between two looks at what waited for something until a certain time."""
_SHORTEST_PAUSE = 0.02
_SIBLINGS = 0.02
"""One change in a store comes as several deliveries: after this moment most of them are there, and what they are about
is read once."""


@dataclass
class Attendance:
    """What happened while attending."""

    connection: str
    webhooks: int = 0
    delivered: Counter[tuple[str, str]] = field(default_factory=Counter)
    """As in `DrainReport`."""
    refused: int = 0
    dead: int = 0
    in_doubt: int = 0
    last_problem: str = ""


class Attendant:
    """Attends one connection for as long as somebody keeps asking for it. Thread-safe."""

    def __init__(self, context: Context, name: str) -> None:
        self._context = context
        self._name = name
        self._lock = threading.Lock()
        self._report = Attendance(name)
        self._problem: Exception | None = None
        self._until = 0.0
        self._duties: dict[str, Callable[[], float]] = {"courier": self._bring}
        self._asked_at = -float("inf")
        self._waiting_over = _at_most_every(_WAITING_ENDS, self._let_go)
        if name in context.stores:
            # apart from the courier, whose backlog must not hold up what the store has to say
            tells = context.stores[name].capabilities.has_webhooks
            self._duties["inbox" if tells else "orders"] = self._observe if tells else self._ask
        elif isinstance(context.marketplaces.get(name), WebhookSource):
            self._duties["inbox"] = self._observe
        self._threads: dict[str, threading.Thread] = {}

    def stay(self, seconds: float) -> Attendance:
        """Attend for this long from now on; returns at once with what happened since it was last asked. Raises what
        ended the attending since then, and begins it again."""
        with self._lock:
            self._until = max(self._until, time.monotonic() + seconds)
            for duty in self._duties:
                if duty not in self._threads:
                    # No daemon: the interpreter waits for its end, so that nothing is cut off in the middle of a call.
                    thread = threading.Thread(target=self._run, args=(duty,), name=f"{duty}-{self._name}")
                    self._threads[duty] = thread
                    thread.start()
            if self._problem is not None:
                problem, self._problem = self._problem, None
                raise problem
            report, self._report = self._report, Attendance(self._name)
            return report

    def leave(self) -> None:
        """Stop attending; what is under way is brought to its end. For tests and for whoever shuts down in order."""
        with self._lock:
            self._until = 0.0
            threads = list(self._threads.values())
        for thread in threads:
            thread.join()

    def _over(self) -> bool:
        return time.monotonic() >= self._until or not threading.main_thread().is_alive()

    def _run(self, duty: str) -> None:
        problem: Exception | None = None
        while True:
            try:
                self._attend(self._duties[duty])
            except Exception as raised:
                problem = raised
            with self._lock:
                if problem is not None or self._over():
                    self._problem = self._problem or problem
                    del self._threads[duty]
                    return

    def _attend(self, work: Callable[[], float]) -> None:
        listener = self._context.ledger.listen()
        try:
            while not self._over():
                pause_ends = time.monotonic() + work()
                while (left := pause_ends - time.monotonic()) > 0 and not self._over():
                    # never to the end of a long pause, or whoever shuts down would wait for it
                    if self._name in listener.wait(min(left, _LOOK_AGAIN)):
                        break
        finally:
            listener.close()

    def _bring(self) -> float:
        """Bring what is due. Returns the seconds until there may be more, unless somebody calls."""
        wanted = _at_most_every(0.5, lambda: is_wanted(self._context.ledger, self._name))
        if wanted():
            return _LEASE_TAKEN
        done = courier.drain(
            self._context, self._name, until=lambda: self._over() or wanted(), progress=self._progress_since()
        )
        if not done.held:
            return _LEASE_TAKEN
        if self._name in self._context.marketplaces:
            self._waiting_over()
        with self._context.ledger.begin() as connection:
            due = outbox.seconds_until_next(connection, self._name, tuple(Lane))
        if due is None:
            return _LOOK_AGAIN
        return max(_SHORTEST_PAUSE, min(_LOOK_AGAIN, max(due, done.held_back)))

    def _let_go(self) -> bool:
        """Whether parcels had waited for their numbers until now."""
        with self._context.ledger.begin() as connection:
            return advance.waited_long_enough(connection, self._context, self._name) > 0

    def _progress_since(self) -> Callable[[courier.DrainReport], None]:
        """Adds to the report what a drain did since it was heard of last."""
        known = courier.DrainReport(self._name)

        def note(done: courier.DrainReport) -> None:
            nonlocal known
            with self._lock:
                report = self._report
                report.delivered += done.delivered - known.delivered
                report.refused += done.refused - known.refused
                report.dead += done.dead - known.dead
                report.in_doubt += done.in_doubt - known.in_doubt
                report.last_problem = done.last_problem or report.last_problem
            known = replace(done, delivered=Counter(done.delivered))

        return note

    def _observe(self) -> float:
        """Handle what the store or the marketplace delivered. Returns as `_bring` does."""
        time.sleep(_SIBLINGS)
        handled = deliveries.process_inbox(self._context, self._name)
        with self._lock:
            self._report.webhooks += handled
        return 0.0 if handled else _LOOK_AGAIN

    def _ask(self) -> float:
        """Ask a store that sends no webhooks what became of our orders, as often as it says. Returns as `_bring`
        does."""
        every = self._context.stores[self._name].capabilities.poll_seconds
        due = self._asked_at + every - time.monotonic()
        if due > 0:
            return due  # somebody called, about an effect
        try:
            observe_store.poll_orders(self._context, self._name)
        except TransportError as problem:
            # shown to a person where it was met; the store is asked again in its turn
            with self._lock:
                self._report.last_problem = str(problem)
        self._asked_at = time.monotonic()
        return float(every)


def _at_most_every(seconds: float, look: Callable[[], bool]) -> Callable[[], bool]:
    """`look`, at most this often; in between its last answer."""
    looked, found = -seconds, False

    def now_and_then() -> bool:
        nonlocal looked, found
        if time.monotonic() - looked >= seconds:
            looked, found = time.monotonic(), look()
        return found

    return now_and_then
