"""Vendors that take nothing from anybody: one delivery at a time is tried until one gets through, then all the others.

Kept in the ledger, so that a courier that follows another, or runs in another process, knows what that one knew.
"""

from __future__ import annotations

from datetime import timedelta

import msgspec
from sqlalchemy import BigInteger, Column, DateTime, Integer, Table, Text, text
from sqlalchemy import Connection as Session

from marketplace_sync.ledger.database import driver
from marketplace_sync.ledger.tables import metadata

outages = Table(
    "outages",
    metadata,
    Column("connection", Text, primary_key=True),
    # in a row, of different effects: what fails for a reason of its own is no outage
    Column("failures", Integer, nullable=False),
    Column("last_effect", BigInteger, nullable=False),
    Column("since", DateTime(timezone=True), nullable=False),
    Column("next_try", DateTime(timezone=True), nullable=False),
)

_IN_A_ROW = 5
_FOR = timedelta(seconds=10)
"""As many failures with nothing in between that got through, for as long, are an outage."""

# a quarter of the time that it has lasted: what is soon over is noticed soon, and a long one costs the vendor little
_NEXT = "now() + GREATEST(interval '1 s', LEAST(interval '30 s', (now() - o.since) / 4))"
_READ = "SELECT failures, now() - since, next_try - now() FROM ledger.outages WHERE connection = %s"


class Outage(msgspec.Struct, frozen=True):
    """Deliveries of one connection that failed one after the other."""

    failures: int
    lasted: timedelta
    next_try_in: timedelta

    @property
    def stands(self) -> bool:
        """Whether this is the vendor, and no run of bad luck."""
        return self.failures >= _IN_A_ROW and self.lasted >= _FOR


def of(connection: Session, name: str) -> Outage | None:
    """None: the last delivery got through."""
    row = driver(connection).execute(_READ, (name,)).fetchone()
    return None if row is None else Outage(*row)


def failed(connection: Session, name: str, effect_id: int) -> None:
    """A delivery failed, for a reason of its vendor's."""
    connection.execute(
        text(
            "INSERT INTO ledger.outages AS o (connection, failures, last_effect, since, next_try)"
            " VALUES (:name, 1, :effect, now(), now()) ON CONFLICT (connection) DO UPDATE SET"
            " failures = o.failures + (o.last_effect <> excluded.last_effect)::int,"
            f" last_effect = excluded.last_effect, next_try = {_NEXT}"
        ),
        {"name": name, "effect": effect_id},
    )


def put_off(connection: Session, name: str) -> None:
    """The one that was tried says nothing of whether its vendor is back."""
    connection.execute(text(f"UPDATE ledger.outages o SET next_try = {_NEXT} WHERE connection = :name"), {"name": name})


def over(connection: Session, name: str, *, got_through: bool = True) -> int:
    """The vendor answered. When a delivery `got_through` after an outage, everything that waits because of it is due at
    once, in the order in which it was to leave: returns how many. What a dead courier was sending keeps its time."""
    outage = of(connection, name)
    connection.execute(text("DELETE FROM ledger.outages WHERE connection = :name"), {"name": name})
    if outage is None or not outage.stands or not got_through:
        return 0
    return connection.execute(
        text(
            "UPDATE ledger.effects SET not_before = now() WHERE connection = :name AND failing_since IS NOT NULL"
            " AND state IN ('pending', 'in_doubt') AND not_before > now() AND sending_until IS NULL"
        ),
        {"name": name},
    ).rowcount
