"""What vendors said about themselves and may not be asked again every time, shared by all processes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Lock

from sqlalchemy import Column, Connection, DateTime, LargeBinary, Table, Text, text

from marketplace_sync.domain.errors import TransportError
from marketplace_sync.ledger.database import Ledger
from marketplace_sync.ledger.tables import metadata

vendor_answers = Table(
    "vendor_answers",
    metadata,
    Column("connection", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("answer", LargeBinary, nullable=False),
    Column("kept_at", DateTime(timezone=True), nullable=False),
)

_RECALL = text(
    "SELECT answer, now() - kept_at < :valid_for FROM ledger.vendor_answers WHERE connection = :name AND key = :key"
)
_KEEP = text(
    "INSERT INTO ledger.vendor_answers (connection, key, answer, kept_at)"
    " VALUES (:name, :key, :answer, clock_timestamp()) ON CONFLICT (connection, key)"
    " DO UPDATE SET answer = excluded.answer, kept_at = excluded.kept_at"
)


class KeptMemory:
    """`connectors.memory.Memory` in the ledger, for one connection. Raises LedgerUnavailable."""

    def __init__(self, ledger: Ledger, connection: str) -> None:
        self._ledger = ledger
        self._name = connection
        self._asking: defaultdict[str, Lock] = defaultdict(Lock)

    def remembered(self, key: str, valid_for: timedelta, ask: Callable[[], bytes]) -> bytes:
        """See `Memory.remembered`."""
        with self._ledger.begin() as connection:
            known, is_valid = self._known(connection, key, valid_for)
        if known is not None and is_valid:
            return known
        # Threads wait for each other here, without a session: as many as the pool is large, each waiting with one for
        # the lock of another process, would leave none to whoever holds that lock.
        with self._asking[key], self._alone(f"{self._name}:{key}") as connection:
            # whoever waited finds the answer of the one before
            with connection.begin():
                known, is_valid = self._known(connection, key, valid_for)
            if known is not None and is_valid:
                return known
            try:
                answer = ask()
            except TransportError:
                if known is None:
                    raise
                return known
            with connection.begin():
                connection.execute(_KEEP, {"name": self._name, "key": key, "answer": answer})
            return answer

    def _known(self, connection: Connection, key: str, valid_for: timedelta) -> tuple[bytes | None, bool]:
        """The answer that was kept last, and whether it still holds."""
        row = connection.execute(_RECALL, {"name": self._name, "key": key, "valid_for": valid_for}).first()
        return (None, False) if row is None else (bytes(row[0]), bool(row[1]))

    @contextmanager
    def _alone(self, lock: str) -> Iterator[Connection]:
        """One at a time, whatever the process, and the session that holds the lock: no transaction, because a vendor
        may take its time, and nothing of the ledger waits for it."""
        about = {"lock": lock}
        with self._ledger.session() as connection:
            try:
                connection.execute(text("SELECT pg_advisory_lock(hashtextextended(:lock, 2))"), about)
                connection.commit()
                yield connection
                connection.execute(text("SELECT pg_advisory_unlock(hashtextextended(:lock, 2))"), about)
                connection.commit()
            except BaseException:
                connection.invalidate()  # the session, and with it the lock, ends whatever state it is in
                raise


def kept(connection: Connection, name: str, key: str) -> bytes | None:
    """What was noted last under `key` of a connection, however long ago."""
    found = connection.execute(
        text("SELECT answer FROM ledger.vendor_answers WHERE connection = :name AND key = :key"),
        {"name": name, "key": key},
    ).scalar()
    return None if found is None else bytes(found)


def keep(connection: Connection, name: str, key: str, answer: bytes) -> None:
    """Note it, in the transaction of what was read together with it."""
    if kept(connection, name, key) != answer:
        connection.execute(_KEEP, {"name": name, "key": key, "answer": answer})
