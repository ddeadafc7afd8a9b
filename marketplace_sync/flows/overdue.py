"""Lists that ought to have been read by now. A vendor that was away at their hour is asked again once it is back, not
at their next hour."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from msgspec import Struct

from marketplace_sync.flows.context import Context
from marketplace_sync.ledger import watermarks, work_items

SELDOM = timedelta(minutes=10)
"""What is read more often comes by itself soon enough."""
_LATE = timedelta(minutes=5)
"""A run may wait its turn for so long without anything being wrong."""


class Reading(Struct, frozen=True):
    """A list of a connection and how often it is read."""

    connection: str
    feed: str
    every: timedelta


def overdue(context: Context, readings: Iterable[Reading], *, since: timedelta) -> list[Reading]:
    """Those that are seldom read, should have been, and whose vendor is not known to be away. `since`: for how long
    this installation has been reading: what it has never read to the end is not late yet when it has just begun."""
    with context.ledger.begin() as connection:
        ages = watermarks.whole_ages(connection)
        away = work_items.open_subjects(connection, ["CONNECTION_DOWN", "CONNECTION_REFUSED"])
    found = []
    for reading in readings:
        if reading.every < SELDOM or reading.connection in away:
            continue
        age = ages.get((reading.connection, reading.feed))
        late = since > _LATE if age is None else timedelta(seconds=age) > reading.every + _LATE
        if late:
            found.append(reading)
    return found
