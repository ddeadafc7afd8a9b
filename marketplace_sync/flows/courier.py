"""The courier of one connection: brings its effects to the vendor, most urgent lane first, and never repeats in doubt.

`drain` is run by whoever holds the connection's lease: an attendant, a run that works off a backlog, the command line.
One that dies is followed by another, which first asks the vendor about what the dead one was sending.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import Connection

from marketplace_sync.connectors.ports import Outbound
from marketplace_sync.domain.effects import (
    BULK_LANES,
    URGENT_LANES,
    Delivered,
    Effect,
    EffectState,
    InDoubt,
    Lane,
    NotThere,
    Postponed,
    Refused,
    Resolution,
)
from marketplace_sync.flows import outcomes
from marketplace_sync.flows.context import Context
from marketplace_sync.ledger import outbox
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


DOUBT_FOR_A_PERSON = timedelta(minutes=10)
"""After this long a person is shown an effect that its vendor cannot tell us about."""


@dataclass
class DrainReport:
    """What one drain did."""

    connection: str
    held: bool = True
    """False: another courier of this connection was at work, and this one did nothing."""
    delivered: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(effect kind, marketplace connection that caused it) -> how many."""
    postponed: int = 0
    refused: int = 0
    dead: int = 0
    in_doubt: int = 0
    resolved: int = 0
    last_problem: str = ""

    def total(self) -> int:
        return sum(self.delivered.values())


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
        _Round(context, name, lanes, report).work(until, progress)
    return report


@dataclass(frozen=True)
class _Task:
    """One call of the vendor: effects to deliver together, or a single one to ask about."""

    effects: list[Effect]
    doubt: bool = False


class _Round:
    """One drain at work. Its own thread claims and settles, the pool's threads speak to the vendor."""

    def __init__(self, context: Context, name: str, lanes: Sequence[Lane], report: DrainReport) -> None:
        self._context = context
        self._name = name
        self._urgent = [lane for lane in lanes if lane in URGENT_LANES]
        self._bulk = [lane for lane in lanes if lane in BULK_LANES]
        self._report = report
        self._outbound = context.outbound(name)
        self._size = self._outbound.concurrency()
        self._kept_free = max(1, self._size // _KEPT_FREE) if self._size > 1 else 0
        settings = context.connections[name]
        # the longest that a claimed effect can be under way: its turn for the rate budget, then the request itself
        seconds = PATIENCE + 2 * settings.timeout_seconds + settings.connect_timeout_seconds + 5
        self._hold = timedelta(seconds=seconds)
        self._under_way: dict[Future[Sequence[Resolution]], _Task] = {}

    def work(self, until: Callable[[], bool], progress: Callable[[DrainReport], None]) -> None:
        """Whatever happens, what came back is settled; then the first problem of a call, a bug, is raised."""
        broken: Exception | None = None
        with ThreadPoolExecutor(self._size, thread_name_prefix=f"courier-{self._name}") as pool:
            while True:
                over = broken is not None or until()
                # Told to stop, it still brings what is urgent for as long as bulk that is under way keeps it: nobody
                # else may until then.
                if broken is None and (not over or any(map(_is_bulk, self._under_way.values()))):
                    for task in self._next(self._urgent, () if over else self._bulk):
                        self._under_way[pool.submit(self._call, task)] = task
                if not self._under_way:
                    break
                for future in wait(self._under_way, _LOOK_AGAIN, FIRST_COMPLETED).done:
                    task = self._under_way.pop(future)
                    try:
                        answers = future.result()
                    except Exception as problem:
                        broken = broken or problem
                        continue
                    self._settle(task, answers)
                    progress(self._report)
        if broken is not None:
            raise broken

    def _next(self, urgent: Sequence[Lane], bulk: Sequence[Lane]) -> list[_Task]:
        """What may be started now: questions about doubts, what is urgent, and bulk where there is room for it."""
        free = self._size - len(self._under_way)
        asking = {task.effects[0].effect_id for task in self._under_way.values() if task.doubt}
        with self._context.ledger.begin() as connection:
            may_ask = min(free, max(1, self._size // _KEPT_FREE) - len(asking))
            doubts = outbox.doubtful(connection, self._name, may_ask + len(asking)) if may_ask > 0 else []
            doubts = [effect for effect in doubts if effect.effect_id not in asking][: max(0, may_ask)]
            free -= len(doubts)
            effects = self._claim(connection, urgent, free)
            effects += self._claim(connection, bulk, free - len(effects) - self._kept_free)
        return [*(_Task([effect], doubt=True) for effect in doubts), *map(_Task, _batches(effects, self._outbound))]

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

    def _call(self, task: _Task) -> Sequence[Resolution]:
        if not task.doubt:
            return self._outbound.deliver(task.effects)
        (effect,) = task.effects
        return [NotThere() if self._outbound.is_idempotent(effect.kind) else self._outbound.resolve(effect)]

    def _settle(self, task: _Task, answers: Sequence[Resolution]) -> None:
        with self._context.ledger.begin() as connection:
            if task.doubt:
                _resolved(connection, self._context, task.effects[0], answers[0], self._report)
            else:
                _settle(connection, self._context, task.effects, answers, self._report)


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
        ):
            last.append(effect)
        else:
            batches.append([effect])
    return batches


def _settle(
    connection: Connection,
    context: Context,
    batch: Sequence[Effect],
    results: Sequence[Resolution],
    report: DrainReport,
) -> None:
    done = [(e, r) for e, r in zip(batch, results, strict=True) if isinstance(r, Delivered)]
    for effect, _ in done:
        outcomes.lock_order(connection, effect)
    outbox.delivered(connection, [(effect.effect_id, result.result) for effect, result in done])
    for effect, result in done:
        report.delivered[effect.kind.value, effect.source] += 1
        outcomes.delivered(connection, context, effect, result.result)
    outcomes.nothing_to_decide(connection, [effect for effect, _ in done])
    for effect, outcome in zip(batch, results, strict=True):
        if not isinstance(outcome, Delivered):
            _not_delivered(connection, context, effect, outcome, report)


def _not_delivered(
    connection: Connection, context: Context, effect: Effect, result: Resolution, report: DrainReport
) -> None:
    assert not isinstance(result, Delivered | NotThere)
    report.last_problem = result.reason
    if isinstance(result, Refused):
        report.refused += 1
        outcomes.lock_order(connection, effect)
        outbox.finish(connection, effect.effect_id, EffectState.REFUSED, result.reason)
        outcomes.given_up(connection, effect, "EFFECT_REFUSED", result.reason)
        outcomes.refused(connection, context, effect)
    elif isinstance(result, InDoubt):
        report.in_doubt += 1
        outbox.in_doubt(connection, effect.effect_id, result.reason, _pause(effect.attempts), result.ask_by)
    elif result.counts_as_attempt and effect.attempts >= context.connections[effect.connection].max_attempts:
        report.dead += 1
        outbox.finish(connection, effect.effect_id, EffectState.DEAD, result.reason)
        outcomes.given_up(connection, effect, "EFFECT_DEAD", result.reason)
    else:
        report.postponed += 1
        after = _pause(effect.attempts) if result.after is None else timedelta(seconds=result.after)
        outbox.postponed(connection, effect.effect_id, result.reason, after, counts_as_attempt=result.counts_as_attempt)


def _pause(attempts: int) -> timedelta:
    """Half a second, doubling to five minutes, with jitter so that many effects do not come back together."""
    return timedelta(seconds=min(300.0, 0.5 * 2 ** min(attempts, 10)) * random.uniform(0.5, 1.0))


def _resolved(
    connection: Connection, context: Context, effect: Effect, answer: Resolution, report: DrainReport
) -> None:
    """What the vendor said about an effect in doubt."""
    if isinstance(answer, Postponed | InDoubt):
        after = answer.after if isinstance(answer, Postponed) else None
        ask_by = answer.ask_by if isinstance(answer, InDoubt) else None
        pause = _pause(effect.attempts) if after is None else timedelta(seconds=after)
        since = outbox.in_doubt(connection, effect.effect_id, answer.reason, pause, ask_by)
        if since > DOUBT_FOR_A_PERSON:
            outcomes.given_up(connection, effect, "EFFECT_IN_DOUBT", answer.reason)
        report.last_problem = answer.reason
        return
    report.resolved += 1
    if isinstance(answer, Delivered):
        _settle(connection, context, [effect], [answer], report)
    elif not isinstance(answer, NotThere):
        _not_delivered(connection, context, effect, answer, report)
    elif effect.attempts >= context.connections[effect.connection].max_attempts:
        report.dead += 1
        outbox.finish(connection, effect.effect_id, EffectState.DEAD, "no answer, and it is not there")
        outcomes.given_up(connection, effect, "EFFECT_DEAD", "no answer, and it is not there")
    else:
        said = "its answer was lost; it may be sent again"
        outbox.postponed(connection, effect.effect_id, said, timedelta(), counts_as_attempt=True)


def stop_after(seconds: float) -> Callable[[], bool]:
    """An `until` for `drain`."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() >= end
