"""Rate budgets that several processes share: one row per connection and bucket, counted by the database's clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
import psycopg
import structlog
from msgspec import structs
from sqlalchemy import JSON, Column, DateTime, Engine, Table, Text
from sqlalchemy.exc import OperationalError

from marketplace_sync.decoding import decoded
from marketplace_sync.domain.errors import LedgerUnavailable
from marketplace_sync.domain.rates import (
    AHEAD_SECONDS,
    BudgetSpec,
    CostBucket,
    Grant,
    NoRoom,
    Usage,
    ahead,
    answered_late,
    is_late,
    learn,
    take,
)
from marketplace_sync.ledger.database import driver
from marketplace_sync.ledger.tables import metadata

T = TypeVar("T")

_log = structlog.get_logger(__name__)

rate_budgets = Table(
    "rate_budgets",
    metadata,
    Column("connection", Text, primary_key=True),
    Column("bucket", Text, primary_key=True),
    # domain.rates.Usage as JSON, without what has a column of its own; json, not jsonb: it is read and written whole.
    Column("state", JSON, nullable=False),
    Column("blocked_until", DateTime(timezone=True)),
)

_READ = (
    "SELECT state::text, extract(epoch FROM blocked_until)::float8, extract(epoch FROM clock_timestamp())::float8,"
    " xmin::text FROM ledger.rate_budgets WHERE connection = %s AND bucket = %s"
)
_NEW = "INSERT INTO ledger.rate_budgets (connection, bucket, state) VALUES (%s, %s, '{}') ON CONFLICT DO NOTHING"
# The transaction that wrote a row names its version: nothing is saved over what somebody else saved meanwhile.
_SAVE = (
    "UPDATE ledger.rate_budgets SET state = %s::json, blocked_until = %s"
    " WHERE connection = %s AND bucket = %s AND xmin = %s::xid"
)
# The clock is read outside the locking part: inside it would be the time before the wait for the row.
_LOCK = (
    "WITH locked AS MATERIALIZED (SELECT *, xmin FROM ledger.rate_budgets WHERE connection = %s AND bucket = %s"
    " FOR UPDATE) SELECT state::text, extract(epoch FROM blocked_until)::float8,"
    " extract(epoch FROM clock_timestamp())::float8, xmin::text FROM locked"
)
_TRIES = 4
"""So often a count is saved unless somebody else was quicker; then it is locked, so that everybody gets a turn."""


class SharedBudget:
    """`connectors.budget.RateBudget` through PostgreSQL, for one connection. Thread-safe; never sleeps holding a lock.

    Raises LedgerUnavailable when the database does not answer: without it nobody knows what others have used.
    """

    def __init__(
        self, engine: Engine, connection: str, spec: BudgetSpec, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._connection = connection
        self._spec = spec
        self._sleep = sleep
        # threads of one process take turns here, which costs nothing; processes find out from the row
        self._turns = {bucket: threading.Lock() for bucket in spec}
        # Who reads page after page is given the turns of the next pages with one of them: the row is asked every
        # twentieth time, not every time. Whoever comes now and then is not.
        self._ahead: dict[str, list[Grant]] = {bucket: [] for bucket in spec}
        self._asked = dict.fromkeys(spec, 0.0)

    def acquire(self, bucket: str, cost: int = 1, *, up_to: int = 1, patience: float | None = None) -> Grant:
        """See `RateBudget.acquire`."""
        spec = self._spec[bucket]
        single = cost == up_to == 1
        if single and (kept := self._kept(bucket)):
            return kept

        def taken(usage: Usage, now: float) -> tuple[Grant, float]:
            noticed = time.monotonic()  # before the commit: it may take its time, and the grant counts already
            further = ahead(spec, usage, now) if single and noticed - self._asked[bucket] < AHEAD_SECONDS else 0
            granted, wait = take(spec, usage, now, cost, up_to + further)
            return Grant(granted, now, noticed), wait

        waited = 0.0
        while True:
            grant, wait = self._change(bucket, taken)
            self._asked[bucket] = grant.noticed
            if grant.calls > up_to:
                one = structs.replace(grant, calls=1)
                self._ahead[bucket] = [one] * (grant.calls - 1)
                return one
            if grant.calls:
                return grant
            if patience is not None and waited + wait > patience:
                raise NoRoom(bucket, wait)
            self._sleep(wait)
            waited += wait

    def _kept(self, bucket: str) -> Grant | None:
        """A call that was counted a moment ago and not made yet."""
        try:
            grant = self._ahead[bucket].pop()
        except IndexError:
            return None
        return grant if time.monotonic() - grant.noticed < AHEAD_SECONDS else None

    def answered(self, bucket: str, grant: Grant, cost: int = 1) -> None:
        """See `RateBudget.answered`. Asks the database only about answers that were late."""
        spec = self._spec[bucket]
        if not is_late(spec, time.monotonic() - grant.noticed):
            return

        def told(usage: Usage, now: float) -> None:
            answered_late(spec, usage, now, grant.at, cost * grant.calls)

        try:
            self._change(bucket, told)
        except LedgerUnavailable:
            # At worst a later call is refused, which is known to have changed nothing.
            _log.warning("a late answer was not counted", connection=self._connection, bucket=bucket)

    def learn(self, bucket: str, *, available: float | None = None, blocked_seconds: float | None = None) -> None:
        """See `RateBudget.learn`."""
        spec = self._spec[bucket]
        if available is None and blocked_seconds is None and not isinstance(spec, CostBucket):
            return  # a window counts a call, whatever became of it

        self._ahead[bucket] = []

        def told(usage: Usage, now: float) -> None:
            learn(spec, usage, now, available, blocked_seconds)

        self._change(bucket, told)

    def _change(self, bucket: str, change: Callable[[Usage, float], T]) -> T:
        """Change a bucket's usage as if nobody else did meanwhile; does it over when somebody did."""
        try:
            with self._turns[bucket], self._engine.connect() as pooled:
                session = driver(pooled)
                for _ in range(_TRIES):
                    found, result = self._changed(session, _READ, bucket, change)
                    if found:
                        return result
                with session.transaction():
                    found, result = self._changed(session, _LOCK, bucket, change)
                assert found, "a locked row stays as it is"
                return result
        except (OperationalError, psycopg.OperationalError) as problem:
            raise LedgerUnavailable(
                f"the rate budget of {self._connection} cannot be read: the ledger's database does not answer; "
                "nothing was sent"
            ) from problem

    def _changed(
        self, session: psycopg.Connection[Any], read: str, bucket: str, change: Callable[[Usage, float], T]
    ) -> tuple[bool, T]:
        """(Whether it counts, what `change` said)."""
        key = (self._connection, bucket)
        row = session.execute(read, key).fetchone()
        if row is None:
            session.execute(_NEW, key)
            row = session.execute(read, key).fetchone()
            assert row is not None
        state, blocked_until, now, version = row
        usage = decoded(state, Usage)
        usage.blocked_until = blocked_until or 0.0
        result = change(usage, now)
        until = datetime.fromtimestamp(usage.blocked_until, UTC) if usage.blocked_until > now else None
        usage.blocked_until = 0.0
        saved = session.execute(_SAVE, (msgspec.json.encode(usage).decode(), until, *key, version))
        return saved.rowcount > 0, result
