"""What a courier notes of each effect when its vendor answered, or did not: the one place that judges a failure.

An effect ends in one of these ways: delivered; refused, when its vendor said why not; dead, when it failed for a reason
of its own `max_attempts` times, or, that often too, for `keep_trying` because its vendor was not there.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import Connection

from marketplace_sync.domain.effects import (
    ASKS_NOBODY,
    Delivered,
    Effect,
    EffectState,
    InDoubt,
    NotThere,
    Postponed,
    Refused,
    Resolution,
)
from marketplace_sync.flows import outcomes
from marketplace_sync.flows.context import Context
from marketplace_sync.ledger import outbox

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
    broken: int = 0
    """Our own code failed over them."""
    last_problem: str = ""
    held_back: float = 0.0
    """Seconds until the next is tried, because the vendor takes none; 0: it does."""

    def total(self) -> int:
        return sum(self.delivered.values())

    def tried(self) -> int:
        """How many effects something became of, good or bad."""
        return self.total() + self.postponed + self.refused + self.dead + self.in_doubt + self.broken + self.resolved

    def add(self, other: DrainReport) -> None:
        self.delivered += other.delivered
        self.postponed += other.postponed
        self.refused += other.refused
        self.dead += other.dead
        self.in_doubt += other.in_doubt
        self.resolved += other.resolved
        self.broken += other.broken
        self.last_problem = other.last_problem or self.last_problem


def answered(
    connection: Connection,
    context: Context,
    batch: Sequence[Effect],
    results: Sequence[Resolution],
    report: DrainReport,
) -> None:
    """What the vendor said to these effects, one answer each."""
    done = [(e, r) for e, r in zip(batch, results, strict=True) if isinstance(r, Delivered)]
    for effect, _ in done:
        outcomes.lock_order(connection, effect)
    new = outbox.delivered(connection, [(effect.effect_id, result.result) for effect, result in done])
    done = [(effect, result) for effect, result in done if effect.effect_id in new]
    for effect, result in done:
        report.delivered[effect.kind.value, effect.source] += 1
        outcomes.delivered(connection, context, effect, result.result)
    outcomes.nothing_to_decide(connection, [effect for effect, _ in done])
    for effect, outcome in zip(batch, results, strict=True):
        if not isinstance(outcome, Delivered):
            _not_delivered(connection, context, effect, outcome, report)


def resolved(connection: Connection, context: Context, effect: Effect, answer: Resolution, report: DrainReport) -> None:
    """What the vendor said about an effect in doubt. Only `Delivered` counts where somebody decided meanwhile: who did
    it by hand and skipped it does not want it sent."""
    if isinstance(answer, Postponed | InDoubt):
        _still_in_doubt(connection, context, effect, answer, report)
        return
    report.resolved += 1
    if isinstance(answer, Delivered):
        answered(connection, context, [effect], [answer], report)
        return
    if isinstance(answer, Refused):
        settled = _refused(connection, context, effect, answer, report)
    elif why := _given_up(context, effect, of_its_own=bool(effect.broke_at)):
        settled = _dead(connection, effect, f"no answer, and it is not there{why}", report)
    else:
        said = "its answer was lost; it may be sent again"
        settled = outbox.postponed(connection, effect, said, timedelta(), counts_as_attempt=True)
    if settled:
        outcomes.no_longer_in_doubt(connection, effect)


def _not_delivered(
    connection: Connection, context: Context, effect: Effect, result: Resolution, report: DrainReport
) -> None:
    assert not isinstance(result, Delivered | NotThere)
    report.last_problem = result.reason
    if isinstance(result, Refused):
        _refused(connection, context, effect, result, report)
    elif isinstance(result, InDoubt):
        report.in_doubt += 1
        # one that can be asked by something (a job) is being worked on
        failed = not result.ask_by
        pause = _pause_while_failing(effect) if failed else pause_after(effect.attempts)
        outbox.in_doubt(connection, effect, result.reason, pause, result.ask_by, failed=failed)
    elif result.counts_as_attempt and (why := _given_up(context, effect, of_its_own=result.of_its_own)):
        _dead(connection, effect, f"{result.reason}{why}", report)
    else:
        report.postponed += 1
        after = timedelta(seconds=result.after or 0)
        if result.after is None:
            of_its_own = result.of_its_own or not result.is_failure
            after = pause_after(effect.attempts) if of_its_own else _pause_while_failing(effect)
        outbox.postponed(
            connection,
            effect,
            result.reason,
            after,
            counts_as_attempt=result.counts_as_attempt,
            failed=result.is_failure,
        )


def _still_in_doubt(
    connection: Connection, context: Context, effect: Effect, answer: Postponed | InDoubt, report: DrainReport
) -> None:
    failed = answer.is_failure if isinstance(answer, Postponed) else not answer.ask_by
    after = answer.after if isinstance(answer, Postponed) else None
    since = outbox.in_doubt(
        connection,
        effect,
        answer.reason,
        None if after is None else timedelta(seconds=after),
        answer.ask_by if isinstance(answer, InDoubt) else None,
        failed=failed,
    )
    if since is None:
        return
    # A vendor that is down says nothing about any effect: that is one thing to look at, and not one for each of them.
    down = isinstance(answer, Postponed) and failed
    if since > (context.connections[effect.connection].keep_trying if down else DOUBT_FOR_A_PERSON):
        outcomes.given_up(connection, effect, "EFFECT_IN_DOUBT", answer.reason)
    report.in_doubt += 1
    report.last_problem = answer.reason


def _given_up(context: Context, effect: Effect, *, of_its_own: bool) -> str:
    """Why it is not tried again, to be said after its last problem; empty when it is."""
    settings = context.connections[effect.connection]
    if of_its_own:
        return f" (tried {effect.attempts} times)" if effect.attempts >= settings.max_attempts else ""
    # An installation that was off for longer than that has not tried: then its last failure is not the vendor's.
    tried = effect.attempts >= settings.max_attempts
    if effect.failing_since is None or effect.failing_for < settings.keep_trying or not tried:
        return ""
    return f" (failing since {effect.failing_since:%Y-%m-%d %H:%M} UTC)"


def _refused(connection: Connection, context: Context, effect: Effect, result: Refused, report: DrainReport) -> bool:
    """False: somebody decided meanwhile, and nothing follows from it."""
    report.last_problem = result.reason
    outcomes.lock_order(connection, effect)
    if result.code in ASKS_NOBODY:
        report.postponed += 1
        if not outbox.finish(connection, effect, EffectState.SUPERSEDED, result.code):
            return False
    else:
        report.refused += 1
        if not outbox.finish(connection, effect, EffectState.REFUSED, result.reason):
            return False
        outcomes.given_up(connection, effect, "EFFECT_REFUSED", result.reason)
    outcomes.refused(connection, context, effect)
    return True


def _dead(connection: Connection, effect: Effect, reason: str, report: DrainReport) -> bool:
    """False as in `_refused`."""
    report.dead += 1
    report.last_problem = reason
    if not outbox.finish(connection, effect, EffectState.DEAD, reason):
        return False
    outcomes.given_up(connection, effect, "EFFECT_DEAD", reason)
    return True


def pause_after(attempts: int) -> timedelta:
    """For what fails for a reason of its own: half a second, doubling to five minutes, with jitter so that many effects
    do not come back together."""
    return timedelta(seconds=min(300.0, 0.5 * 2 ** min(attempts, 10)) * random.uniform(0.5, 1.0))


def _pause_while_failing(effect: Effect) -> timedelta:
    """For what fails because of its vendor: a quarter of the time that it has been failing, between half a second and a
    minute. Bad luck in a row costs seconds; and who waits a minute after an hour of nothing has lost little, while
    `outages` sees to it that a vendor who takes nothing is left in peace."""
    quarter = effect.failing_for.total_seconds() / 4
    return timedelta(seconds=min(60.0, max(0.5, quarter)) * random.uniform(0.5, 1.0))


def says_of_the_vendor(result: Resolution) -> bool | None:
    """True: the vendor takes what it is brought. False: nothing comes of it, because of the vendor. None: this tells
    neither."""
    if isinstance(result, Delivered | Refused):
        return True
    if isinstance(result, InDoubt):
        return None if result.ask_by else False
    if isinstance(result, Postponed):
        of_the_vendor = result.is_failure and not result.of_its_own and (result.shown or result.after is None)
        return False if of_the_vendor else None
    return None
