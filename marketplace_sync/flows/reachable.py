"""Shows a person when a vendor cannot be read, and takes it back once it can."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from marketplace_sync.domain.errors import AnswerUnreadable, BudgetFull, CredentialsRefused, VendorUnavailable
from marketplace_sync.domain.work_items import Problem
from marketplace_sync.flows.context import Context
from marketplace_sync.ledger import watermarks, work_items

_LATELY = timedelta(minutes=15)
"""Longer than whatever limits how often a list may be read, so that two readers of one list are nobody's outage."""


@contextmanager
def reading(context: Context, name: str) -> Iterator[None]:
    """Around one whole read of a vendor. What it raises goes on."""
    try:
        yield
    except CredentialsRefused as problem:
        _report(context, name, "CONNECTION_REFUSED", f"{name} does not accept our credentials: {problem}")
        raise
    except VendorUnavailable as problem:
        if isinstance(problem, BudgetFull) and was_read_lately(context, name):
            raise
        _report(context, name, "CONNECTION_DOWN", f"{name} could not be read: {problem}")
        raise
    except AnswerUnreadable as problem:
        _report(context, name, "MALFORMED_STATEMENT", f"{name} answers in a way that cannot be read: {problem}")
        raise
    codes = ["CONNECTION_REFUSED", "CONNECTION_DOWN", "MALFORMED_STATEMENT"]
    with context.ledger.begin() as connection:
        work_items.close(connection, codes, [name], "it was read")


def is_down(context: Context, name: str, why: str) -> None:
    """Shown without a read: it is known that nobody would answer one."""
    _report(context, name, "CONNECTION_DOWN", f"{name} could not be read: {why}")


def was_read_lately(context: Context, name: str, feed: str | None = None) -> bool:
    """Whether this feed of the vendor, or else some feed of it, was read to its end in the last quarter of an hour."""
    with context.ledger.begin() as connection:
        ages = watermarks.ages(connection)
    return any(
        age < _LATELY.total_seconds() for (read, what), age in ages.items() if read == name and feed in (None, what)
    )


def _report(context: Context, name: str, code: str, message: str) -> None:
    with context.ledger.begin() as connection:
        work_items.report(connection, [Problem(code=code, subject=name, connection=name, message=message)])
