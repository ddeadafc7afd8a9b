"""Rows in the server's binary COPY format: nothing is escaped on the way and nothing parsed on arrival, which is half
of what storing a long history costs.

The format is PostgreSQL's (documentation of COPY, section "Binary Format"; the values are what the types' `recv`
functions take). A value that a column cannot hold is refused as before: by `struct` here or by the server.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from datetime import UTC, date, datetime
from functools import lru_cache

from sqlalchemy import Connection

from marketplace_sync.ledger.database import driver

NULL = b"\xff\xff\xff\xff"
_SIGNATURE = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_END = b"\xff\xff"
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_FIRST_DAY = date(2000, 1, 1).toordinal()
_length = struct.Struct(">i").pack
_small = struct.Struct(">h").pack
_int4 = struct.Struct(">ii").pack
_int8 = struct.Struct(">iq").pack
_counts = struct.Struct(">iiiiiiii").pack
_AT_ONCE = 256 * 1024
_TRUE, _FALSE = b"\x00\x00\x00\x01\x01", b"\x00\x00\x00\x01\x00"


def text(value: str) -> bytes:
    encoded = value.encode()
    return _length(len(encoded)) + encoded


repeated = lru_cache(maxsize=4096)(text)
"""As `text`, for values that many rows share: SKUs, statuses, currencies."""


def raw(value: bytes) -> bytes:
    """A bytea; a json, which is sent as its text; a uuid, which is sent as its sixteen bytes."""
    return _length(len(value)) + value


def integer(value: int) -> bytes:
    return _int4(4, value)


def four_integers(one: int, two: int, three: int, four: int) -> bytes:
    return _counts(4, one, 4, two, 4, three, 4, four)


def big_integer(value: int | None) -> bytes:
    return NULL if value is None else _int8(8, value)


def boolean(value: bool) -> bytes:
    return _TRUE if value else _FALSE


def moment(value: datetime | None) -> bytes:
    """A timestamptz; a time without a zone is a TypeError."""
    if value is None:
        return NULL
    since = value - _EPOCH
    return _int8(8, (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds)


@lru_cache(maxsize=4096)
def day(value: date | None) -> bytes:
    return NULL if value is None else _int4(4, value.toordinal() - _FIRST_DAY)


def fields(count: int) -> bytes:
    """What every row begins with: the number of its fields."""
    return _small(count)


def copy_in(connection: Connection, table_and_columns: str, rows: Iterable[bytes]) -> None:
    """Append rows, each `fields(n)` and its n values, to a table named with its columns in their sequence."""
    with driver(connection).cursor().copy(f"COPY {table_and_columns} FROM STDIN (FORMAT binary)") as copy:
        waiting = [_SIGNATURE]
        size = 0
        for row in rows:
            waiting.append(row)
            size += len(row)
            if size > _AT_ONCE:
                copy.write(b"".join(waiting))
                waiting.clear()
                size = 0
        waiting.append(_END)
        copy.write(b"".join(waiting))
