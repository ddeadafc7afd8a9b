"""One courier per connection at a time: a lease that ends with the database session of its holder.

A killed courier's session ends at once, so its successor need not wait for a time-out. A courier that merely lost its
session may still have a request under way: what it was sending is not touched before `effects.sending_until`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text

from marketplace_sync.ledger.database import Ledger


def _number(name: str) -> int:
    digest = hashlib.blake2b(f"courier:{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


@contextmanager
def lease(ledger: Ledger, name: str) -> Iterator[bool]:
    """True inside the block when this process is the connection's courier; False when another one is."""
    connection = ledger.engine.connect()
    try:
        held = bool(connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _number(name)}).scalar())
        connection.commit()
        try:
            yield held
        finally:
            if held:
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _number(name)})
                connection.commit()
    except BaseException:
        connection.invalidate()  # the session, and with it the lock, ends whatever state it is in
        raise
    finally:
        connection.close()


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
