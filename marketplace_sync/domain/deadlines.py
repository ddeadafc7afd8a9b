"""When an order must be acknowledged and must leave: working time in the marketplace's country."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from holidays import HolidayBase


@cache
def _holidays(country: str, region: str | None) -> HolidayBase:
    import holidays

    return holidays.country_holidays(country, subdiv=region)


@lru_cache(maxsize=4096)
def is_working_day(day: date, country: str = "GB", region: str | None = "ENG") -> bool:
    return day.weekday() < 5 and day not in _holidays(country, region)


def acknowledge_by(placed_at: datetime, within: timedelta, zone: str) -> datetime:
    """`within` after the order was placed; when that falls on a day off, noon of the next working day."""
    local = (placed_at + within).astimezone(ZoneInfo(zone))
    if is_working_day(local.date()):
        return local.astimezone(UTC)
    day = local.date()
    while not is_working_day(day):
        day += timedelta(days=1)
    return datetime.combine(day, time(12), ZoneInfo(zone)).astimezone(UTC)


def dispatch_by(promised_on: date | None, placed_at: datetime, lead_working_days: int, zone: str) -> datetime:
    """The end of the working day that lies `lead_working_days` before the promised delivery; without a promise,
    `lead_working_days` after the order was placed."""
    day = promised_on or placed_at.astimezone(ZoneInfo(zone)).date()
    step = -1 if promised_on else 1
    remaining = lead_working_days
    while remaining > 0:
        day += timedelta(days=step)
        if is_working_day(day):
            remaining -= 1
    return datetime.combine(day, time(17), ZoneInfo(zone)).astimezone(UTC)
