"""Stays with one connection for a few seconds: handles its webhooks and brings its effects the moment they appear."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from marketplace_sync.domain.effects import Lane
from marketplace_sync.flows import courier, observe_store
from marketplace_sync.flows.context import Context
from marketplace_sync.ledger import outbox

_LOOK_AGAIN = 1.0
"""Seconds after which the outbox is looked at even if nobody called: a notification may be lost with its connection."""


@dataclass
class Attendance:
    """What happened while attending."""

    connection: str
    webhooks: int = 0
    delivered: Counter[tuple[str, str]] = field(default_factory=Counter)
    refused: int = 0
    dead: int = 0
    in_doubt: int = 0
    last_problem: str = ""


def attend(context: Context, name: str, seconds: float, stop: Callable[[], bool] = lambda: False) -> Attendance:
    """Work for `seconds`, woken by whatever records an effect or a delivery for this connection."""
    report = Attendance(name)
    end = time.monotonic() + seconds
    listener = context.ledger.listen()
    try:
        while not stop():
            if name in context.stores:
                report.webhooks += observe_store.process_inbox(context, name)
            done = courier.drain(context, name, until=lambda: time.monotonic() >= end)
            report.delivered += done.delivered
            report.refused += done.refused
            report.dead += done.dead
            report.in_doubt += done.in_doubt
            report.last_problem = done.last_problem or report.last_problem
            left = end - time.monotonic()
            if left <= 0:
                break
            with context.ledger.begin() as connection:
                due = outbox.seconds_until_next(connection, name, tuple(Lane))
            pause = min(left, _LOOK_AGAIN if due is None else max(0.02, min(due, _LOOK_AGAIN)))
            waited_until = time.monotonic() + pause
            while time.monotonic() < waited_until:
                if name in listener.wait(waited_until - time.monotonic()):
                    break
    finally:
        listener.close()
    return report
