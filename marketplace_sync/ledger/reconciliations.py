"""What reconciliations concluded, and what each changed against the one before."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import Connection, text

from marketplace_sync.ledger.database import driver
from marketplace_sync.ledger.settlement import copy_in, read_frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

COLUMNS = ("kind", "subject", "currency", "status", "codes", "expected", "settled", "held")
"""`kind`: order, line or document. `codes`: joined by commas."""


def results_schema() -> pl.Schema:
    import polars as pl

    return pl.Schema({name: pl.Int64 if name in COLUMNS[5:] else pl.String for name in COLUMNS})


class Run(msgspec.Struct, frozen=True, kw_only=True):
    run_id: int
    as_of: date
    ran_at: datetime
    read_at: datetime
    settings_hash: bytes


def last_run(connection: Connection, name: str) -> Run | None:
    """The last run that looked at the latest day so far: what its results are."""
    row = connection.execute(
        text(
            "SELECT run_id, as_of, ran_at, read_at, settings_hash FROM ledger.reconciliation_runs"
            " WHERE connection = :name ORDER BY as_of DESC, run_id DESC LIMIT 1"
        ),
        {"name": name},
    ).first()
    if row is None:
        return None
    return Run(run_id=row[0], as_of=row[1], ran_at=row[2], read_at=row[3], settings_hash=bytes(row[4]))


def clock(connection: Connection) -> datetime:
    moment: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    return moment


def record_run(
    connection: Connection,
    name: str,
    *,
    as_of: date,
    read_at: datetime,
    settings_hash: bytes,
    orders: int,
    exceptions: int,
    changes: int,
    codes: dict[str, int],
) -> int:
    found = connection.execute(
        text(
            "INSERT INTO ledger.reconciliation_runs (connection, as_of, ran_at, read_at, settings_hash, orders,"
            " exceptions, changes, codes) VALUES (:name, :as_of, clock_timestamp(), :read_at, :settings, :orders,"
            " :exceptions, :changes, CAST(:codes AS jsonb)) RETURNING run_id"
        ),
        {
            "name": name,
            "as_of": as_of,
            "read_at": read_at,
            "settings": settings_hash,
            "orders": orders,
            "exceptions": exceptions,
            "changes": changes,
            "codes": msgspec.json.encode(codes).decode(),
        },
    ).scalar_one()
    return int(found)


def results(connection: Connection, name: str) -> pl.DataFrame:
    """What the last run concluded, in the columns of `COLUMNS`."""
    columns = ", ".join(COLUMNS)
    query = f"SELECT {columns} FROM ledger.reconciliation_results WHERE connection = %s"
    return read_frame(connection, query, results_schema(), (name,))


def store_results(connection: Connection, name: str, run_id: int, changed: pl.DataFrame, gone: pl.DataFrame) -> None:
    """Put the changed results in place of the ones before, and take away those whose subject is gone."""
    import polars as pl

    cursor = driver(connection).cursor()
    cursor.execute("CREATE TEMP TABLE staged_subjects (kind text, subject text) ON COMMIT DROP")
    subjects = pl.concat([changed.select("kind", "subject"), gone.select("kind", "subject")])
    copy_in(connection, "staged_subjects", ("kind", "subject"), subjects)
    cursor.execute(
        "DELETE FROM ledger.reconciliation_results r USING staged_subjects s"
        " WHERE r.connection = %s AND r.kind = s.kind AND r.subject = s.subject",
        (name,),
    )
    cursor.execute("DROP TABLE staged_subjects")
    constants = {"connection": name, "since_run": str(run_id)}
    copy_in(connection, "ledger.reconciliation_results", COLUMNS, changed, constants)


def record_changes(connection: Connection, run_id: int, changes: pl.DataFrame) -> None:
    """kind, subject, before, after (JSON text or null), why."""
    columns = ("kind", "subject", "before", "after", "why")
    copy_in(connection, "ledger.reconciliation_changes", columns, changes, {"run_id": str(run_id)})


def changes_of(connection: Connection, run_id: int, limit: int = 1000) -> list[dict[str, Any]]:
    rows = connection.execute(
        text(
            "SELECT kind, subject, before, after, why FROM ledger.reconciliation_changes WHERE run_id = :run"
            " ORDER BY kind, subject LIMIT :limit"
        ),
        {"run": run_id, "limit": limit},
    )
    return [dict(row._mapping) for row in rows]


class News(msgspec.Struct, frozen=True):
    """What came in after a moment: order ids, line ids and documents concerned."""

    settled_orders: set[str]
    sold_orders: set[str]
    lines: set[str]
    documents: set[str]
    received: set[str]


def news(connection: Connection, name: str, since: datetime) -> News:
    cursor = driver(connection).cursor()

    def found(query: str) -> Sequence[tuple[Any, ...]]:
        return cursor.execute(query.encode(), (name, since)).fetchall()

    lines = found(
        "SELECT line_id, order_id, document FROM ledger.settlement_lines WHERE connection = %s AND changed_at > %s"
    )
    sold = found("SELECT order_id FROM ledger.sold_orders WHERE connection = %s AND changed_at > %s")
    received = found("SELECT unnest(documents) FROM ledger.bank_receipts WHERE connection = %s AND seen_at > %s")
    return News(
        settled_orders={row[1] for row in lines},
        sold_orders={row[0] for row in sold},
        lines={row[0] for row in lines},
        documents={row[2] for row in lines},
        received={row[0] for row in received},
    )
