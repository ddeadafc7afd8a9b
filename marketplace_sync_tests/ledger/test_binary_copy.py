"""What is copied in binary is what the same values are as parameters, and what no column holds is refused as data."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone

import psycopg
import pytest
from sqlalchemy import text as sql

from marketplace_sync.domain import lifecycle
from marketplace_sync.ledger import binary_copy as to
from marketplace_sync.ledger.database import Ledger, driver, is_about_data

COLUMNS = "words, bytes, identifier, document, one, two, three, four, large, truth, at, on_day"
MAKE = (
    "CREATE TEMP TABLE copied (words text, bytes bytea, identifier uuid, document json, one int, two int, three int,"
    " four int, large bigint, truth boolean, at timestamptz, on_day date)"
)
VALUES = [
    ("plain", b"\x00\xff", uuid.UUID(int=7), '{"a":"é\\u0000"}', 0, -1, 2**31 - 1, -(2**31), 2**63 - 1, True,
     datetime(1999, 12, 31, 23, 59, 59, 999999, UTC), date(1999, 12, 31)),
    ("tab\tnewline\n\\N 💷", b"", uuid.UUID(int=2**128 - 1), "[]", 1, 2, 3, 4, None, False,
     datetime(2026, 3, 29, 1, 30, tzinfo=timezone(timedelta(hours=1))), None),
    ("", b"\\x", uuid.UUID(int=0), "null", 0, 0, 0, 0, -(2**63), True, None, date(2199, 12, 31)),
]  # fmt: skip


@pytest.fixture(scope="module")
def ledger(postgres_url: str) -> Iterator[Ledger]:
    opened = Ledger(postgres_url)
    yield opened
    opened.close()


def test_binary_rows_are_what_parameters_would_be(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        connection.execute(sql(MAKE))
        to.copy_in(
            connection,
            f"copied ({COLUMNS})",
            (
                b"".join(
                    (
                        to.fields(12), to.text(words), to.raw(content), to.raw(identifier.bytes),
                        to.raw(document.encode()), to.four_integers(one, two, three, four), to.big_integer(large),
                        to.boolean(truth), to.moment(at), to.day(on_day),
                    )
                )
                for words, content, identifier, document, one, two, three, four, large, truth, at, on_day in VALUES
            ),
        )  # fmt: skip
        read = "SELECT words, bytes, identifier, document::text, one, two, three, four, large, truth, at, on_day"
        found = driver(connection).execute(f"{read} FROM copied").fetchall()
        connection.execute(sql("DROP TABLE copied"))
    assert [tuple(row) for row in found] == VALUES


def test_more_rows_than_go_out_at_once_all_arrive(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        connection.execute(sql("CREATE TEMP TABLE many (number int, words text) ON COMMIT DROP"))
        rows = (to.fields(2) + to.integer(n) + to.text("x" * 1000) for n in range(2000))
        to.copy_in(connection, "many (number, words)", rows)
        found = connection.execute(sql("SELECT count(*), sum(number), sum(length(words)) FROM many")).one()
    assert tuple(found) == (2000, 1999 * 1000, 2_000_000)


@pytest.mark.parametrize(
    ("column", "value", "kind"),
    [
        ("one", lambda: to.integer(2**31), struct.error),
        ("one", lambda: to.four_integers(0, 0, 0, -(2**31) - 1)[-8:], struct.error),
        ("large", lambda: to.big_integer(2**63), struct.error),
        ("words", lambda: to.text("\ud800"), UnicodeEncodeError),
        ("words", lambda: to.text("a\x00b"), psycopg.DataError),
        ("document", lambda: to.raw(b"{"), psycopg.DataError),
        ("at", lambda: to.moment(datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)), TypeError),
    ],
)
def test_a_value_that_no_column_holds_is_refused_as_data(
    ledger: Ledger, column: str, value: object, kind: type[Exception]
) -> None:
    """So that the one order it belongs to is put aside, and not the import ended."""
    assert callable(value)

    def copied() -> None:
        with ledger.begin() as connection:
            connection.execute(sql(MAKE.replace("copied", "refusing")))
            to.copy_in(connection, f"refusing ({column})", (to.fields(1) + value() for _ in range(1)))

    with pytest.raises(kind) as refused:
        copied()
    assert is_about_data(refused.value)


def test_event_ids_are_the_ones_that_are_in_ledgers_already() -> None:
    parts = ("john_lewis", "4500028", "dispatch_confirmed", "1", "2")
    assert lifecycle.event_id(*parts) == uuid.uuid5(
        uuid.UUID("6f1d3c1e-8a52-5f0b-9a53-2a3a0f8c7d11"), "\x1f".join(parts)
    )
