"""What assets are cut into: one partition per payout of a connection, made when the payout appears, and months."""

from __future__ import annotations

from datetime import date
from urllib.parse import quote, unquote

import dagster as dg

STATEMENTS_FROM = "2025-01-01"

_PLAIN = "".join(chr(code) for code in range(32, 127) if chr(code) not in '%",')


def payouts(connection: str) -> dg.DynamicPartitionsDefinition:
    return dg.DynamicPartitionsDefinition(name=f"{connection}_payouts")


def months(zone: str) -> dg.MonthlyPartitionsDefinition:
    """Every month, the one under way among them."""
    return dg.MonthlyPartitionsDefinition(start_date=STATEMENTS_FROM, timezone=zone, end_offset=1)


def key_of(document: str) -> str:
    """A payout's number as a partition key: the number itself, but for signs that no key may have."""
    return quote(document, safe=_PLAIN).replace("...", "%2E%2E%2E")


def document_of(key: str) -> str:
    return unquote(key)


def month_of(key: str) -> date:
    """The first day of a month's partition (`2026-09-01`), or of a month as people write it (`2026-09`). Raises
    ValueError."""
    return date.fromisoformat(f"{key}-01" if len(key) == 7 else key).replace(day=1)


def month_after(first: date) -> date:
    return date(first.year + first.month // 12, first.month % 12 + 1, 1)


def month_before(day: date) -> date:
    """The first day of the month before the one that `day` is in."""
    return date(day.year - (day.month == 1), (day.month - 2) % 12 + 1, 1)
