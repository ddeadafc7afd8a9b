"""The courier of one connection: brings its effects to the vendor, most urgent lane first, and never repeats in doubt.

`drain` is run by whoever holds the connection's lease: an attendant, a run that works off a backlog, the command line.
One that dies is followed by another, which first asks the vendor about what the dead one was sending.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection

from marketplace_sync.connectors.ports import Outbound
from marketplace_sync.connectors.wire import no_write_after
from marketplace_sync.domain.effects import (
    BULK_LANES,
    URGENT_LANES,
    Effect,
    EffectKind,
    Lane,
    NotThere,
    Resolution,
)
from marketplace_sync.flows import customer_events, settling, trouble
from marketplace_sync.flows.context import Context
from marketplace_sync.flows.settling import DrainReport as DrainReport
from marketplace_sync.ledger import outages, outbox
from marketplace_sync.ledger.database import is_unavailable
from marketplace_sync.ledger.lease import lease

_KEPT_FREE = 4
"""One in so many of the calls that may be under way at once is never taken by bulk or by questions about doubts, so
that a parcel finds one free whatever else is going on."""
_LOOK_AGAIN = 0.05
"""Seconds after which a courier looks for something more urgent while calls are under way."""
_BULK_BATCHES = 4
PATIENCE = 10.0
"""Seconds that one call of a courier may wait for its vendor's rate budget before the effect is put back, so that
something more urgent on another budget is not kept waiting."""
_MARGIN = 5.0
"""Seconds between the last moment at which a write can be under way and that at which somebody else may ask for it."""
_REVIEW_EVERY = 5.0
"""Seconds between two looks at what does not get through, while a courier is at work."""


def drain(
    context: Context,
    name: str,
    lanes: Sequence[Lane] = tuple(Lane),
    *,
    until: Callable[[], bool] = lambda: False,
    progress: Callable[[DrainReport], None] = lambda report: None,
    patience: float = 0.0,
) -> DrainReport:
    """Deliver what is due of these lanes until nothing is, or `until()` says stop. Effects that a vendor postponed are
    left for a later drain. `patience`: seconds to wait for the lease when another courier is at work."""
    report = DrainReport(name)
    with lease(context.ledger, name, patience) as held:
        if not held:
            report.held = False
            return report
        with context.ledger.begin() as connection:
            outbox.abandon(connection, name)
            failing = outages.of(connection, name) is not None
        _Round(context, name, lanes, report, failing).work(until, progress)
        trouble.review(context, name, tried=report.tried() > 0)
    return report


@dataclass(frozen=True)
class _Task:
    """One call of the vendor: effects to deliver together, or a single one to ask about."""

    effects: list[Effect]
    doubt: bool = False


class _Round:
    """One drain at work. Its own thread claims and settles, the pool's threads speak to the vendor."""

    def __init__(self, context: Context, name: str, lanes: Sequence[Lane], report: DrainReport, failing: bool) -> None:
        self._context = context
        self._name = name
        self._urgent = [lane for lane in lanes if lane in URGENT_LANES]
        self._bulk = [lane for lane in lanes if lane in BULK_LANES]
        self._report = report
        self._failing = failing
        self._outbound = context.outbound(name)
        self._size = self._outbound.concurrency()
        self._kept_free = max(1, self._size // _KEPT_FREE) if self._size > 1 else 0
        settings = context.connections[name]
        # Whatever is read before it, a write begins within so many seconds of its claim or is not made; and it ends
        # within the time of one request. So what is claimed is under way no longer than it is held.
        self._begins_within = PATIENCE + settings.timeout_seconds + settings.connect_timeout_seconds
        self._hold = timedelta(seconds=self._begins_within + settings.timeout_seconds + _MARGIN)
        self._under_way: dict[Future[Sequence[Resolution]], _Task] = {}

    def work(self, until: Callable[[], bool], progress: Callable[[DrainReport], None]) -> None:
        """Whatever happens, what came back is settled; then the first problem of the ledger's is raised. What our own
        code fails over is noted with its effect, and keeps nobody."""
        broken: Exception | None = None
        looked = time.monotonic()
        with ThreadPoolExecutor(self._size, thread_name_prefix=f"courier-{self._name}") as pool:
            while True:
                over = broken is not None or until()
                # Told to stop, it still brings what is urgent for as long as bulk that is under way keeps it: nobody
                # else may until then.
                if broken is None and (not over or any(map(_is_bulk, self._under_way.values()))):
                    last_moment = time.monotonic() + self._begins_within  # counted from before the claim
                    for task in self._next(self._urgent, () if over else self._bulk):
                        self._under_way[pool.submit(self._call, task, last_moment)] = task
                if not self._under_way:
                    break
                for future in wait(self._under_way, _LOOK_AGAIN, FIRST_COMPLETED).done:
                    task = self._under_way.pop(future)
                    try:
                        self._came_back(task, future)
                    except Exception as problem:
                        broken = broken or problem
                        continue
                    progress(self._report)
                if broken is None and time.monotonic() - looked > _REVIEW_EVERY:
                    looked = time.monotonic()
                    trouble.review(self._context, self._name)
        if broken is not None:
            raise broken

    def _came_back(self, task: _Task, future: Future[Sequence[Resolution]]) -> None:
        """Raises what concerns more than these effects: that the ledger is not there."""
        try:
            answers = future.result()
            if len(answers) != len(task.effects):
                raise AssertionError(f"{len(answers)} answers to {len(task.effects)} effects")
        except Exception as problem:
            self._broke(task, problem)
        else:
            self._settle(task, answers)

    def _settle(self, task: _Task, answers: Sequence[Resolution]) -> None:
        report = settling.DrainReport(self._name)
        try:
            with self._context.ledger.begin() as connection:
                self._note(connection, task, answers)
                if task.doubt:
                    settling.resolved(connection, self._context, task.effects[0], answers[0], report)
                else:
                    settling.answered(connection, self._context, task.effects, answers, report)
        except Exception as problem:
            if len(task.effects) == 1 or is_unavailable(problem):
                self._broke(task, problem)
                return
            for effect, answer in zip(task.effects, answers, strict=True):
                self._settle(_Task([effect], task.doubt), [answer])
        else:
            self._report.add(report)

    def _note(self, connection: Connection, task: _Task, answers: Sequence[Resolution]) -> None:
        """What these answers say of the vendor: whether it is there for the others."""
        said = {settling.says_of_the_vendor(answer) for answer in answers}
        asked = task.doubt and not self._outbound.is_idempotent(task.effects[0].kind)
        if True in said or (asked and isinstance(answers[0], NotThere)):
            if self._failing:
                outages.over(connection, self._name, got_through=True in said)
                self._failing = False
        elif False in said:
            outages.failed(connection, self._name, task.effects[0].effect_id)
            self._failing = True
        elif self._failing and not task.doubt:
            outages.put_off(connection, self._name)

    def _broke(self, task: _Task, problem: Exception) -> None:
        if is_unavailable(problem):
            raise problem
        report = settling.DrainReport(self._name)
        with self._context.ledger.begin() as connection:
            trouble.broke(connection, task.effects, problem, was_in_doubt=task.doubt)
            report.broken += len(task.effects)
            report.last_problem = trouble.place_of(problem)
        self._report.add(report)

    def _next(self, urgent: Sequence[Lane], bulk: Sequence[Lane]) -> list[_Task]:
        """What may be started now: questions about doubts, what is urgent, and bulk where there is room for it."""
        free = self._size - len(self._under_way)
        asking = {task.effects[0].effect_id for task in self._under_way.values() if task.doubt}
        with self._context.ledger.begin() as connection:
            outage = outages.of(connection, self._name) if self._failing else None
            if outage is not None and outage.stands:
                return self._feel_the_way(connection, outage, (*urgent, *bulk))
            self._report.held_back = 0.0
            may_ask = min(free, max(1, self._size // _KEPT_FREE) - len(asking))
            doubts = outbox.doubtful(connection, self._name, may_ask + len(asking)) if may_ask > 0 else []
            doubts = [effect for effect in doubts if effect.effect_id not in asking][: max(0, may_ask)]
            free -= len(doubts)
            effects = self._claim(connection, urgent, free)
            effects += self._claim(connection, bulk, free - len(effects) - self._kept_free)
        return [*(_Task([effect], doubt=True) for effect in doubts), *map(_Task, _batches(effects, self._outbound))]

    def _feel_the_way(self, connection: Connection, outage: outages.Outage, lanes: Sequence[Lane]) -> list[_Task]:
        """While the vendor takes nothing: one call now and then. It is about what has not failed yet, if there is such,
        so that what fails for a reason of its own keeps nobody; all others wait, and lose no attempt."""
        self._report.held_back = outage.next_try_in.total_seconds()
        if self._under_way or self._report.held_back > 0 or not lanes:
            return []
        effects = outbox.claim(connection, self._name, lanes, 1, self._hold, unfailed=True)
        effects = effects or outbox.claim(connection, self._name, lanes, 1, self._hold)
        if effects:
            return [_Task(effects)]
        return [_Task([effect], doubt=True) for effect in outbox.doubtful(connection, self._name, 1)]

    def _claim(self, connection: Connection, lanes: Sequence[Lane], room: int) -> list[Effect]:
        if room <= 0 or not lanes:
            return []
        effects = outbox.claim(connection, self._name, lanes, room, self._hold)
        if not effects:
            return []
        last = effects[-1]
        limit = self._outbound.batch_limit(last.kind, last.lane)
        same = [effect for effect in effects if (effect.kind, effect.lane) == (last.kind, last.lane)]
        if limit > 1 and len(effects) == room and len(same) > room // 2:
            # there is more of it: fill the vendor's largest batches
            more = limit * min(room, _BULK_BATCHES) - len(same)
            effects += outbox.claim(connection, self._name, [last.lane], more, self._hold)
        return effects

    def _call(self, task: _Task, last_moment: float) -> Sequence[Resolution]:
        harmless = self._outbound.is_idempotent(task.effects[0].kind)
        if not task.doubt:
            with no_write_after(math.inf if harmless else last_moment):
                return self._outbound.deliver([self._as_of_now(effect) for effect in task.effects])
        (effect,) = task.effects
        return [NotThere() if harmless else self._outbound.resolve(effect)]

    def _as_of_now(self, effect: Effect) -> Effect:
        if effect.kind is not EffectKind.TRACK_EVENT:
            return effect
        return customer_events.as_of(effect, self._context.routes_of(effect.source), self._context.now())


def _is_bulk(task: _Task) -> bool:
    return task.effects[0].lane in BULK_LANES


def _batches(effects: Sequence[Effect], outbound: Outbound) -> list[list[Effect]]:
    batches: list[list[Effect]] = []
    for effect in effects:
        last = batches[-1] if batches else None
        if (
            last is not None
            and (last[0].kind, last[0].lane) == (effect.kind, effect.lane)
            and len(last) < outbound.batch_limit(effect.kind, effect.lane)
            # what our own code failed over goes alone, so that it fails alone the next time
            and not last[0].broke_at
            and not effect.broke_at
        ):
            last.append(effect)
        else:
            batches.append([effect])
    return batches


def stop_after(seconds: float) -> Callable[[], bool]:
    """An `until` for `drain`."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() >= end
