"""Working days, and what John Lewis cancels because it did not leave in time."""

from __future__ import annotations

from datetime import date, timedelta

DISPATCH_BEFORE_PROMISE = 2
"""Working days between the latest dispatch and the promised delivery. (John Lewis, dispatch deadline; assumed)"""


def working_days_from(day: date, count: int) -> date:
    """`count` working days (Monday to Friday) after `day`; before it, when negative."""
    step = timedelta(days=1 if count > 0 else -1)
    while count:
        day += step
        if day.weekday() < 5:
            count -= 1 if count > 0 else -1
    return day


def is_overdue(promised: str | None, today: date, after_working_days: int) -> bool:
    """Whether so many working days have passed since the latest dispatch for this promise."""
    if promised is None:
        return False
    latest_dispatch = working_days_from(date.fromisoformat(promised[:10]), -DISPATCH_BEFORE_PROMISE)
    return today > working_days_from(latest_dispatch, after_working_days)
