"""Opens the ledger: engine, schema version, and the notifications that wake couriers."""

from __future__ import annotations

import select
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Any, LiteralString

import msgspec
import psycopg
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    DBAPIError,
    InterfaceError,
    InvalidatePoolError,
    OperationalError,
    PendingRollbackError,
    ResourceClosedError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from marketplace_sync.domain.errors import LedgerUnavailable, MarketplaceSyncError

CHANNEL = "marketplace_sync"
"""The NOTIFY channel; the payload is the name of the connection that has something to do."""
_RESTED = 10.0
"""Seconds after which a pooled session is asked whether it is still there. One that ended sooner says so by itself,
unless its machine is gone without a word."""


def driver_url(url: str) -> str:
    """Name the driver: SQLAlchemy and other tools disagree on the default one of a plain `postgresql://`."""
    parsed = make_url(url)
    return parsed.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


class Ledger:
    """Connections to the ledger: `engine` is the pool of its transactions, `counting` that of rate budgets. Cheap to
    make; connects on first use. `patience`: seconds to wait for a session when all are in use."""

    def __init__(self, url: str, *, pool_size: int = 16, patience: float = 30.0) -> None:
        self.url = driver_url(url)
        self._patience = patience
        self.engine = self._pool(pool_size, 8)
        # A call of a vendor may be made while its thread has a transaction open (a catalogue is stored as it is read).
        # Were its turn counted over the same pool, as many such threads as the pool is large would wait for each other.
        self.counting = self._pool(8, 12)
        # Losing the last instant of a count in a crash of the database costs at most one refused call.
        event.listen(self.counting, "connect", _never_waits_for_the_disk)

    def _pool(self, size: int, overflow: int) -> Engine:
        """`size` sessions are kept, because a new one costs the server a process; `overflow` more end after use."""
        made = create_engine(self.url, pool_size=size, max_overflow=overflow, pool_timeout=self._patience, future=True)
        event.listen(made, "connect", _every_connection_in_utc)
        event.listen(made, "checkin", _back_in_the_pool)
        event.listen(made, "checkout", _is_there)
        return made

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """One transaction: committed at the end of the block, rolled back when it raises."""
        with self.session() as connection, connection.begin():
            yield connection

    @contextmanager
    def session(self) -> Iterator[Connection]:
        """A session for whoever begins and ends transactions itself. Raises LedgerUnavailable."""
        with self._answering():
            connection = self.engine.connect()
        with connection:
            yield connection

    def at_once(self, statement: LiteralString, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of one statement that is a transaction of its own: half of what it costs between a beginning and a
        commit. Takes the driver's placeholders."""
        with self._answering():
            pooled = self.engine.raw_connection()
        with closing(pooled), self._answering():
            session = pooled.driver_connection
            assert isinstance(session, psycopg.Connection)
            session.autocommit = True
            try:
                found = session.execute(statement, parameters)
                return found.fetchall() if found.description else []
            finally:
                if not session.closed:
                    session.autocommit = False

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, psycopg.OperationalError) as problem:
            raise LedgerUnavailable(
                f"the ledger's database does not answer ({_where(self.url)}): {_first_line(problem)}"
            ) from problem
        except PoolTimeout as problem:
            raise LedgerUnavailable(
                f"every session that this process may have with the ledger's database ({_where(self.url)}) was"
                f" in use for {self._patience:g} s; try again"
            ) from problem

    def now(self) -> datetime:
        return datetime.now(UTC)

    def close(self) -> None:
        self.engine.dispose()
        self.counting.dispose()

    def listen(self) -> Listener:
        return Listener(self.url)

    def check_version(self) -> None:
        """Raises LedgerTooNew when a later version of this software has been here, LedgerUnavailable when the schema
        is missing or old."""
        from marketplace_sync.ledger import migrate

        migrate.check(self)


def _every_connection_in_utc(dbapi_connection: Any, _record: Any) -> None:
    dbapi_connection.execute("SET TIME ZONE 'UTC'")
    dbapi_connection.commit()


def _never_waits_for_the_disk(dbapi_connection: Any, _record: Any) -> None:
    dbapi_connection.execute("SET synchronous_commit = off")
    dbapi_connection.commit()


def _back_in_the_pool(_dbapi_connection: Any, record: Any) -> None:
    record.info["rests_since"] = time.monotonic()


def _is_there(session: psycopg.Connection[Any], record: Any, _proxy: Any) -> None:
    """A session that is used all the time is not asked each time whether it is still there: that would be a sixth of
    all that the server is asked. A server that ends a session says so, and a session at rest has nothing else to say.
    """
    rests_since = record.info.get("rests_since")
    if rests_since is None or (time.monotonic() - rests_since < _RESTED and not _says_something(session)):
        return
    try:
        session.execute("")
        session.rollback()
    except psycopg.Error as problem:
        raise InvalidatePoolError() from problem


def _says_something(session: psycopg.Connection[Any]) -> bool:
    if session.closed:
        return True
    waiting = select.poll()
    waiting.register(session.fileno(), select.POLLIN)
    return bool(waiting.poll(0))


def driver(connection: Connection) -> psycopg.Connection[Any]:
    """The psycopg connection under a SQLAlchemy one, inside the same transaction: for COPY and for plain SQL."""
    found = connection.connection.driver_connection
    assert isinstance(found, psycopg.Connection)
    return found


def is_unavailable(problem: BaseException) -> bool:
    """Whether this says that the database went away, or would not let us in, rather than that something is wrong with
    what we asked of it."""
    gone = (
        LedgerUnavailable, OperationalError, InterfaceError, PoolTimeout, PendingRollbackError, ResourceClosedError,
        psycopg.OperationalError, psycopg.InterfaceError,
    )  # fmt: skip
    return isinstance(problem, gone) or (isinstance(problem, DBAPIError) and problem.connection_invalidated)


AMONG = "= ANY(ARRAY(SELECT json_array_elements_text(%s::json)))"
"""To be one of `listed`: for a thousand keys at once, whose array the driver would put together key by key."""


def listed(keys: Iterable[str]) -> str:
    """What AMONG takes."""
    return msgspec.json.encode(list(keys)).decode()


def notify(connection: Connection, names: set[str]) -> None:
    """Wake whoever waits for these connections, once this transaction is committed."""
    for name in sorted(names):
        driver(connection).execute("SELECT pg_notify(%s, %s)", (CHANNEL, name))


class Listener:
    """Waits for notifications on a connection of its own."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(_libpq(url), autocommit=True)
        self._connection.execute(f"LISTEN {CHANNEL}")

    def wait(self, seconds: float) -> set[str]:
        """The names that were notified; returns at the first of them, or empty after `seconds`."""
        found = {n.payload for n in self._connection.notifies(timeout=max(0.0, seconds), stop_after=1)}
        return found | {n.payload for n in self._connection.notifies(timeout=0)} if found else found

    def close(self) -> None:
        self._connection.close()


def is_about_data(problem: Exception) -> bool:
    """Whether work failed for what it was about, so that it will fail again: a value that no column holds, a date that
    no calendar has. False when the database or a vendor was down, busy or interrupted."""
    cause = getattr(problem, "orig", None) or problem
    if isinstance(cause, psycopg.Error):
        # data exceptions, broken constraints and exceeded limits (PostgreSQL, error codes)
        return isinstance(cause, psycopg.DataError) or (cause.sqlstate or "")[:2] in ("22", "23", "54")
    return not isinstance(cause, SQLAlchemyError | MarketplaceSyncError | OSError)


def _libpq(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def _where(url: str) -> str:
    return make_url(url).render_as_string(hide_password=True)


def _first_line(problem: Exception) -> str:
    return str(getattr(problem, "orig", problem)).strip().splitlines()[0]


def migrate(url: str) -> None:
    """Bring the ledger to this version's schema, from empty or any earlier one. Raises LedgerError."""
    from marketplace_sync.ledger import migrate as migrations

    migrations.upgrade(url)
