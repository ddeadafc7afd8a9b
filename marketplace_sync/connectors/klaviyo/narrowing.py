"""Sends rows as one job; when the vendor refuses the job, finds the rows at fault so that the others get through."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from marketplace_sync.connectors.klaviyo.batch import Batch
from marketplace_sync.connectors.klaviyo.refusals import errors
from marketplace_sync.connectors.wire import Answer
from marketplace_sync.domain.effects import InDoubt, Outcome, Postponed

_WORTH_A_JOB = 8
"""A job of fewer rows than this is not halved when it is refused: each row gets a verdict of its own."""
_PAUSE_SECONDS = 30.0


class Positioned(Protocol):
    @property
    def position(self) -> int:
        """Where the row's effect stands in its batch."""
        ...


Row = TypeVar("Row", bound=Positioned)


def send_narrowing(
    batch: Batch,
    rows: Sequence[Row],
    *,
    send: Callable[[Sequence[Row]], Answer | Postponed | InDoubt],
    pointed_at: Callable[[Sequence[Row], str], Sequence[Row]],
    accepted: Callable[[Sequence[Row], Answer], Sequence[Row]],
) -> list[Row]:
    """Send rows as a job and return those that are to be sent singly; all others are settled.

    `pointed_at` says which rows an error's JSON pointer is about. `accepted` settles the rows of a job that was taken
    and returns those of them that need a verdict of their own. A refused job was not processed (Klaviyo, bulk jobs;
    were it otherwise, sending the rest again would still be harmless: events are known by their id, profiles and
    consents are what they are).
    """
    alone: list[Row] = []
    parts: list[Sequence[Row]] = [rows]
    while parts:
        part = parts.pop()
        if len(part) < 2:
            alone.extend(part)
            continue
        if closed := batch.closed():
            _settle(batch, part, closed)
            continue
        answer = send(part)
        if not isinstance(answer, Answer):
            _settle(batch, part, _not_counted(answer))
        elif answer.status < 300:
            alone.extend(accepted(part, answer))
        else:
            faulty = {row.position for error in errors(answer.body) for row in pointed_at(part, error.pointer)}
            if faulty:
                alone.extend(row for row in part if row.position in faulty)
                parts.append([row for row in part if row.position not in faulty])
            elif len(part) < _WORTH_A_JOB:
                alone.extend(part)
            else:
                parts.extend((part[len(part) // 2 :], part[: len(part) // 2]))
    return alone


def _settle(batch: Batch, rows: Sequence[Positioned], outcome: Outcome) -> None:
    for row in rows:
        batch.settle(row.position, outcome)


def _not_counted(answer: Postponed | InDoubt) -> Postponed | InDoubt:
    """A job that surely was not processed leaves its rows untried, so that they may go in a job again."""
    if isinstance(answer, InDoubt):
        return answer
    return Postponed(
        answer.reason, after=_PAUSE_SECONDS if answer.after is None else answer.after, counts_as_attempt=False
    )
