"""The courier of one connection: brings its effects to the vendor, most urgent lane first, and never repeats in doubt.

`drain` is run by whoever holds the connection's lease: a sensor's tick for the urgent lanes, a run for the rest, the
command line. One that dies is followed by another, which first asks the vendor about what the dead one was sending.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import Connection

from marketplace_sync.connectors.ports import Outbound
from marketplace_sync.domain.effects import (
    Delivered,
    Effect,
    EffectState,
    InDoubt,
    Lane,
    NotThere,
    Outcome,
    Postponed,
    Refused,
    Resolution,
)
from marketplace_sync.flows import outcomes
from marketplace_sync.flows.context import Context
from marketplace_sync.ledger import outbox
from marketplace_sync.ledger.lease import lease

_DOUBTS_AT_ONCE = 32
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
) -> DrainReport:
    """Deliver what is due of these lanes until nothing is, or `until()` says stop. Effects that a vendor postponed are
    left for a later drain."""
    report = DrainReport(name)
    outbound = context.outbound(name)
    with lease(context.ledger, name) as held:
        if not held:
            report.held = False
            return report
        with context.ledger.begin() as connection:
            outbox.abandon(connection, name)
        with ThreadPoolExecutor(outbound.concurrency(), thread_name_prefix=f"courier-{name}") as pool:
            while not until():
                worked = _resolve_doubts(context, name, outbound, report)
                worked += _deliver_wave(context, name, outbound, lanes, pool, report)
                progress(report)
                if not worked:
                    break
    return report


def _deliver_wave(
    context: Context,
    name: str,
    outbound: Outbound,
    lanes: Sequence[Lane],
    pool: ThreadPoolExecutor,
    report: DrainReport,
) -> int:
    """One batch for each worker. Small on purpose: something more urgent may have come meanwhile."""
    settings = context.connections[name]
    # the longest that a claimed effect can be under way: its turn for the rate budget, then the request itself
    hold = timedelta(seconds=PATIENCE + 2 * settings.timeout_seconds + settings.connect_timeout_seconds + 5)
    size = outbound.concurrency()
    with context.ledger.begin() as connection:
        effects = outbox.claim(connection, name, lanes, size, hold)
        if effects:
            limit = outbound.batch_limit(effects[-1].kind, effects[-1].lane)
            same = [e for e in effects if (e.kind, e.lane) == (effects[-1].kind, effects[-1].lane)]
            if limit > 1 and len(effects) == size and len(same) > size // 2:
                # a bulk lane: fill the vendor's largest batches
                effects += outbox.claim(connection, name, [effects[-1].lane], limit * min(size, 4), hold)
    if not effects:
        return 0
    batches = _batches(effects, outbound)
    for batch, results in pool.map(lambda batch: (batch, outbound.deliver(batch)), batches):
        with context.ledger.begin() as connection:
            _settle(connection, context, batch, results, report)
    return len(effects)


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
    connection: Connection, context: Context, batch: Sequence[Effect], results: Sequence[Outcome], report: DrainReport
) -> None:
    done = [(e, r) for e, r in zip(batch, results, strict=True) if isinstance(r, Delivered)]
    for effect, _ in done:
        outcomes.lock_order(connection, effect)
    outbox.delivered(connection, [(effect.effect_id, result.result) for effect, result in done])
    for effect, result in done:
        report.delivered[effect.kind.value, effect.source] += 1
        outcomes.delivered(connection, context, effect, result.result)
    for effect, outcome in zip(batch, results, strict=True):
        if not isinstance(outcome, Delivered):
            _not_delivered(connection, context, effect, outcome, report)


def _not_delivered(
    connection: Connection, context: Context, effect: Effect, result: Outcome, report: DrainReport
) -> None:
    assert not isinstance(result, Delivered)
    report.last_problem = result.reason
    if isinstance(result, Refused):
        report.refused += 1
        outcomes.lock_order(connection, effect)
        outbox.finish(connection, effect.effect_id, EffectState.REFUSED, result.reason)
        outcomes.given_up(connection, effect, "EFFECT_REFUSED", result.reason)
        outcomes.refused(connection, context, effect)
    elif isinstance(result, InDoubt):
        report.in_doubt += 1
        outbox.in_doubt(connection, effect.effect_id, result.reason, _pause(effect.attempts))
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


def _resolve_doubts(context: Context, name: str, outbound: Outbound, report: DrainReport) -> int:
    """Ask the vendor about effects in doubt. Returns how many were settled either way."""
    with context.ledger.begin() as connection:
        doubts = outbox.doubtful(connection, name, _DOUBTS_AT_ONCE)
    settled = 0
    for effect in doubts:
        answer: Resolution = NotThere() if outbound.is_idempotent(effect.kind) else outbound.resolve(effect)
        with context.ledger.begin() as connection:
            if isinstance(answer, Delivered):
                _settle(connection, context, [effect], [answer], report)
            elif isinstance(answer, NotThere):
                limit = context.connections[name].max_attempts
                if effect.attempts >= limit:
                    report.dead += 1
                    outbox.finish(connection, effect.effect_id, EffectState.DEAD, "no answer, and it is not there")
                    outcomes.given_up(connection, effect, "EFFECT_DEAD", "no answer, and it is not there")
                else:
                    zero = timedelta()
                    outbox.postponed(
                        connection, effect.effect_id, "its answer was lost; it may be sent again", zero,
                        counts_as_attempt=True,
                    )  # fmt: skip
            elif isinstance(answer, Postponed | InDoubt):
                after = answer.after if isinstance(answer, Postponed) else None
                pause = _pause(effect.attempts) if after is None else timedelta(seconds=after)
                since = outbox.in_doubt(connection, effect.effect_id, answer.reason, pause)
                if since > DOUBT_FOR_A_PERSON:
                    outcomes.given_up(connection, effect, "EFFECT_IN_DOUBT", answer.reason)
                report.last_problem = answer.reason
                continue
            else:
                _not_delivered(connection, context, effect, answer, report)
        settled += 1
        report.resolved += 1
    return settled


def stop_after(seconds: float) -> Callable[[], bool]:
    """An `until` for `drain`."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() >= end
