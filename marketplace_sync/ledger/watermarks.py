"""How far each feed was read. Moved only in the transaction that stored what was read."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, text


def get(connection: Connection, name: str, feed: str) -> str | None:
    value = connection.execute(
        text("SELECT value FROM ledger.watermarks WHERE connection = :name AND feed = :feed"),
        {"name": name, "feed": feed},
    ).scalar()
    return None if value is None else str(value)


def whole_from(connection: Connection, name: str, feed: str) -> datetime | None:
    """When the last reading that came to its end began: what was so then was read. None: none did yet."""
    value = connection.execute(
        text("SELECT whole_from FROM ledger.watermarks WHERE connection = :name AND feed = :feed"),
        {"name": name, "feed": feed},
    ).scalar()
    assert value is None or isinstance(value, datetime)
    return value


def moment(connection: Connection) -> datetime:
    """Now, by the clock of the ledger."""
    value = connection.execute(text("SELECT now()")).scalar_one()
    assert isinstance(value, datetime)
    return value


def ended(connection: Connection, name: str, feed: str, began: datetime) -> None:
    """The feed was read to its end, from `began` on (`moment`)."""
    advance(connection, name, feed, None, read=0, changed=0)
    connection.execute(
        text("UPDATE ledger.watermarks SET whole_from = :began WHERE connection = :name AND feed = :feed"),
        {"name": name, "feed": feed, "began": began},
    )


def advance(connection: Connection, name: str, feed: str, value: str | None, *, read: int, changed: int) -> None:
    """Note a read of the feed; `value` None keeps the position (the feed has none, or the read is not finished)."""
    connection.execute(
        text(
            "INSERT INTO ledger.watermarks AS w (connection, feed, value, read_at, read_count, changed_count)"
            " VALUES (:name, :feed, :value, now(), :read, :changed) ON CONFLICT (connection, feed) DO UPDATE SET"
            " value = COALESCE(excluded.value, w.value), read_at = now(), read_count = w.read_count + :read,"
            " changed_count = w.changed_count + :changed"
        ),
        {"name": name, "feed": feed, "value": value, "read": read, "changed": changed},
    )


def whole_ages(connection: Connection) -> dict[tuple[str, str], float]:
    """Seconds since the last reading of each feed began that came to its end; without those that were never read so."""
    rows = connection.execute(
        text(
            "SELECT connection, feed, EXTRACT(EPOCH FROM now() - whole_from) FROM ledger.watermarks"
            " WHERE whole_from IS NOT NULL"
        )
    )
    return {(str(name), str(feed)): float(age) for name, feed, age in rows}


def ages(connection: Connection) -> dict[tuple[str, str], float]:
    """Seconds since anything of each feed was last read, to its end or not."""
    rows = connection.execute(
        text("SELECT connection, feed, EXTRACT(EPOCH FROM now() - read_at) FROM ledger.watermarks")
    )
    return {(str(name), str(feed)): float(age) for name, feed, age in rows}
