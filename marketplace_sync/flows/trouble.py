"""Shows a person what a courier does not get through: one work item for an outage, one for each defect of our own."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import structlog
from sqlalchemy import Connection

import marketplace_sync
from marketplace_sync.domain.effects import Effect
from marketplace_sync.domain.work_items import Problem
from marketplace_sync.flows.context import Context
from marketplace_sync.flows.settling import pause_after
from marketplace_sync.ledger import failing, outbox, work_items

FAILING_FOR = timedelta(minutes=2)
"""A failure that is over sooner is of no interest to anybody."""
_OURS = Path(marketplace_sync.__file__).parent
_FRAMES = 8
_log = structlog.get_logger(__name__)


def review(context: Context, name: str, *, tried: bool = True) -> None:
    """Say what of this connection fails or broke, and close what is over. `tried`: something was, so there may be
    news."""
    with context.ledger.begin() as connection:
        outage = failing.failing(connection, name, FAILING_FOR)
        if outage is None:
            work_items.close(connection, ["DELIVERIES_FAILING"], [name], "nothing fails any more")
        elif tried:
            work_items.report(connection, [_outage(context, name, outage)])
        broken = failing.broken(connection, name)
        still = [_subject(name, one.kind, one.broke_at) for one in broken]
        work_items.close_others(connection, "INTERNAL_ERROR", name, still, "what it was about is settled")
        if tried:
            work_items.report(connection, [_defect(name, one) for one in broken])


def broke(connection: Connection, effects: Sequence[Effect], problem: Exception, *, was_in_doubt: bool) -> None:
    """Our own code failed over these effects. Whether they reached their vendor is not known; what is: that they are
    kept, and where the defect is. The words of the exception are not: they may quote what an effect carries."""
    place = place_of(problem)
    first = effects[0]
    _log.error(
        "our own code failed", connection=first.connection, kind=first.kind.value, place=place,
        effects=[effect.effect_id for effect in effects[:10]], frames=_frames(problem),
    )  # fmt: skip
    for effect in effects:
        pause = None if was_in_doubt else pause_after(effect.attempts)
        outbox.in_doubt(connection, effect, f"our own code failed: {place}", pause, broke_at=place)
    work_items.report(
        connection, [_defect(first.connection, one) for one in failing.broken(connection, first.connection)]
    )


def place_of(problem: BaseException) -> str:
    """The exception's class and the last of our own lines on the way to it."""
    frames = traceback.extract_tb(problem.__traceback__)
    ours = [frame for frame in frames if _OURS in Path(frame.filename).parents]
    for frame in reversed(ours or frames):
        return f"{type(problem).__name__} in {_where(frame)}"
    return type(problem).__name__


def _where(frame: traceback.FrameSummary) -> str:
    path = Path(frame.filename)
    short = path.relative_to(_OURS) if _OURS in path.parents else Path(path.name)
    return f"{short.as_posix()}:{frame.lineno} ({frame.name})"


def _frames(problem: BaseException) -> list[str]:
    return [_where(frame) for frame in traceback.extract_tb(problem.__traceback__)[-_FRAMES:]]


def _subject(name: str, kind: str, broke_at: str) -> str:
    return f"{name}:{kind}:{broke_at}"


def _defect(name: str, found: failing.Trouble) -> Problem:
    what = found.kind.replace("_", " ")
    return Problem(
        code="INTERNAL_ERROR",
        subject=_subject(name, found.kind, found.broke_at),
        connection=name,
        message=f"{found.count} × {what} for {name} could not be handled, because our own code fails:"
        f" {found.broke_at}. Every effect is kept and tried again; the first is {found.effect_ids[0]}.",
        evidence={"effect_ids": found.effect_ids, "place": found.broke_at, "last_problem": found.example},
    )


def _outage(context: Context, name: str, found: failing.Trouble) -> Problem:
    hours = context.connections[name].keep_trying.total_seconds() / 3600
    return Problem(
        code="DELIVERIES_FAILING",
        subject=name,
        connection=name,
        message=f"{found.count} deliveries to {name} have been failing since {found.since:%Y-%m-%d %H:%M} UTC:"
        f" {found.example}. Each is kept and tried again, a minute later at the latest, for {hours:g} h; once one gets"
        " through, the others follow at once.",
        evidence={"effect_ids": found.effect_ids, "since": found.since.isoformat(), "last_problem": found.example},
    )
