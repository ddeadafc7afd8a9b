"""One courier per connection at a time: a lease that ends with the database session of its holder.

A killed courier's session ends at once, so its successor need not wait for a time-out. A courier that merely lost its
session may still have a request under way: what it was sending is not touched before `effects.sending_until`.

A courier that is given patience says that it waits, and an attendant that sees it lets go.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, text

from marketplace_sync.ledger.database import Ledger, driver

_TRIES_EVERY = 0.05


def _number(name: str, purpose: str = "courier") -> int:
    digest = hashlib.blake2b(f"{purpose}:{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


@contextmanager
def lease(ledger: Ledger, name: str, patience: float = 0.0) -> Iterator[bool]:
    """True inside the block when this process is the connection's courier; False when another one is, still after
    `patience` seconds."""
    # nothing but locks of the session: no statement needs a transaction around it
    connection = ledger.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    try:
        held = _locked(connection, _number(name)) or (patience > 0 and _waited(connection, name, patience))
        try:
            yield held
        finally:
            if held:
                _unlock(connection, _number(name))
    except BaseException:
        connection.invalidate()  # the session, and with it the lock, ends whatever state it is in
        raise
    finally:
        connection.close()


def _waited(connection: Connection, name: str, patience: float) -> bool:
    give_up = time.monotonic() + patience
    said = _locked(connection, _number(name, "waiting"))
    held = False
    while not held and time.monotonic() < give_up:
        time.sleep(_TRIES_EVERY)
        held = _locked(connection, _number(name))
    if said:
        _unlock(connection, _number(name, "waiting"))
    return held


def _locked(connection: Connection, number: int) -> bool:
    row = driver(connection).execute("SELECT pg_try_advisory_lock(%s)", (number,)).fetchone()
    return row is not None and bool(row[0])


def _unlock(connection: Connection, number: int) -> None:
    driver(connection).execute("SELECT pg_advisory_unlock(%s)", (number,))


def is_wanted(ledger: Ledger, name: str) -> bool:
    """Whether another courier waits for the lease: whoever can do its work later lets go of it."""
    ((free,),) = ledger.at_once("SELECT pg_try_advisory_xact_lock_shared(%s)", (_number(name, "waiting"),))
    return not free


def holders(ledger: Ledger, names: list[str]) -> set[str]:
    """Which of these connections have a courier at work right now, anywhere."""
    with ledger.begin() as connection:
        rows = connection.execute(
            text(
                "SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks"
                " WHERE locktype = 'advisory' AND granted AND objsubid = 1"
            )
        ).scalars()
        taken = {int(row) for row in rows}
    return {name for name in names if _number(name) in taken}
