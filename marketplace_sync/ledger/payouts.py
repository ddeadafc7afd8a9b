"""Payouts one by one: which were touched since, their lines, and what was reported of each, run by run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import Connection, text

from marketplace_sync.ledger.settlement import read_frame

if TYPE_CHECKING:
    import polars as pl


class Touched(msgspec.Struct, frozen=True):
    """A payout, and when something was last heard of it: a line, a changed state, a bank receipt."""

    document: str
    at: datetime


def touched_since(connection: Connection, name: str, since: datetime | None) -> list[Touched]:
    """Payouts of a connection that something was heard of after a moment (None: ever), the longest ago first."""
    rows = connection.execute(
        text(
            "SELECT document, max(at) FROM ("
            " SELECT document, changed_at AS at FROM ledger.settlement_lines"
            "  WHERE connection = :name AND document <> '' AND changed_at > :since"
            " UNION ALL SELECT unnest(documents), seen_at FROM ledger.bank_receipts"
            "  WHERE connection = :name AND seen_at > :since"
            # what waits for an order is looked at again after each read of orders, until it came or nobody knows it
            " UNION ALL SELECT l.document, w.read_at FROM ledger.reconciliation_results r"
            "  JOIN ledger.settlement_lines l ON l.connection = r.connection AND l.order_id = r.subject"
            "  JOIN ledger.watermarks w ON w.connection = r.connection AND w.feed = 'orders'"
            "  WHERE r.connection = :name AND r.kind = 'order' AND r.codes = 'ORDER_AWAITED' AND w.read_at > :since"
            " ) heard"
            " WHERE EXISTS (SELECT 1 FROM ledger.settlement_lines l"
            "  WHERE l.connection = :name AND l.document = heard.document)"
            " GROUP BY document ORDER BY max(at), document"
        ),
        {"name": name, "since": since or datetime.fromisoformat("1900-01-01T00:00:00+00:00")},
    )
    return [Touched(document, at) for document, at in rows]


def documents_of_month(connection: Connection, name: str, first: date, after: date) -> list[str]:
    """Payouts that were paid from `first` on and before `after`, or made then and not paid at all, oldest first."""
    rows = connection.execute(
        text(
            "SELECT document, COALESCE(min(created_on) FILTER (WHERE type = 'PAYMENT'), max(document_created_on),"
            " max(created_on)) AS day FROM ledger.settlement_lines WHERE connection = :name AND document <> ''"
            " GROUP BY document HAVING COALESCE(min(created_on) FILTER (WHERE type = 'PAYMENT'),"
            "  max(document_created_on), max(created_on)) >= :first AND COALESCE(min(created_on)"
            "  FILTER (WHERE type = 'PAYMENT'), max(document_created_on), max(created_on)) < :after"
            " ORDER BY day, document"
        ),
        {"name": name, "first": first, "after": after},
    )
    return [str(row.document) for row in rows]


def lines_of(connection: Connection, name: str, document: str) -> pl.DataFrame:
    """The lines of a payout as they are kept: line_id, type, amount, currency, channel, order_id, order_line_id,
    created_on, payment_state, file (its name; empty when it came by the marketplace's interface)."""
    import polars as pl

    texts = ("line_id", "type", "currency", "channel", "order_id", "order_line_id", "payment_state", "file")
    schema: dict[str, Any] = dict.fromkeys(texts, pl.String)
    schema |= {"amount": pl.Int64, "created_on": pl.Date}
    listed = ", ".join("COALESCE(f.name, '')" if column == "file" else f"l.{column}" for column in schema)
    query = (
        f"SELECT {listed} FROM ledger.settlement_lines l LEFT JOIN ledger.settlement_files f USING (file_id)"
        " WHERE l.connection = %s AND l.document = %s ORDER BY l.line_id"
    )
    return read_frame(connection, query, pl.Schema(schema), (name, document))


def stated_transfer(connection: Connection, name: str, document: str) -> dict[str, int]:
    """What the marketplace itself says that it transferred for a payout, by currency, in minor units."""
    rows = connection.execute(
        text(
            "SELECT currency, transferred FROM ledger.settlement_documents"
            " WHERE connection = :name AND document = :document AND transferred IS NOT NULL"
        ),
        {"name": name, "document": document},
    )
    return {str(row.currency): int(row.transferred) for row in rows}


def stated_invoice(connection: Connection, name: str, document: str) -> dict[str, int]:
    """What the marketplace invoiced of its own accord with a payout, with tax, by currency, in minor units: positive is
    what the seller owes."""
    rows = connection.execute(
        text(
            "SELECT currency, CAST(detail ->> 'incl_taxes' AS bigint) AS gross FROM ledger.settlement_documents"
            " WHERE connection = :name AND document = :document AND detail ->> 'type' = 'AUTO_INVOICE'"
        ),
        {"name": name, "document": document},
    )
    return {str(row.currency): int(row.gross) for row in rows if row.gross is not None}


class FileTotals(msgspec.Struct, frozen=True, kw_only=True):
    """What a file states of its own totals, and how many of its rows could not be taken."""

    file: str
    controls: list[dict[str, Any]]
    rejected: int


def totals_of_files(connection: Connection, name: str, document: str) -> list[FileTotals]:
    """Of the files that a payout's lines came from: of several of one name the last one's."""
    rows = connection.execute(
        text(
            "SELECT DISTINCT ON (f.name) f.name, f.controls, jsonb_array_length(f.rejected)"
            " FROM ledger.settlement_files f WHERE f.connection = :name AND f.kind = 'settlement'"
            "  AND f.name IN (SELECT g.name FROM ledger.settlement_lines l"
            "  JOIN ledger.settlement_files g USING (file_id) WHERE l.connection = :name AND l.document = :document)"
            " ORDER BY f.name, f.file_id DESC"
        ),
        {"name": name, "document": document},
    )
    return [
        FileTotals(file=file, controls=controls, rejected=rejected) for file, controls, rejected in rows if controls
    ]


def decided(connection: Connection, name: str) -> set[tuple[str, str]]:
    """(code, subject) of what a person looked at and closed, and of which nothing else was said since."""
    rows = connection.execute(
        text(
            "SELECT code, subject FROM ledger.work_items"
            " WHERE connection = :name AND state = 'closed' AND closed_by IS NOT NULL"
        ),
        {"name": name},
    )
    return {(code, subject) for code, subject in rows}


class PayoutReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was reported of a payout at one run."""

    run_id: int
    made_at: datetime
    digest: bytes
    folder: str
    figures: dict[str, Any]


def reports_of(connection: Connection, name: str, document: str, limit: int = 50) -> list[PayoutReport]:
    """The newest first."""
    rows = connection.execute(
        text(
            "SELECT run_id, made_at, digest, folder, figures FROM ledger.payout_reports"
            " WHERE connection = :name AND document = :document ORDER BY run_id DESC LIMIT :limit"
        ),
        {"name": name, "document": document, "limit": limit},
    ).mappings()
    return [PayoutReport(**{**row, "digest": bytes(row["digest"])}) for row in rows]


def record_report(
    connection: Connection,
    name: str,
    document: str,
    run_id: int,
    *,
    digest: bytes,
    folder: str,
    figures: Mapping[str, Any],
) -> None:
    connection.execute(
        text(
            "INSERT INTO ledger.payout_reports (connection, document, run_id, digest, folder, figures, made_at)"
            " VALUES (:name, :document, :run_id, :digest, :folder, CAST(:figures AS jsonb), clock_timestamp())"
            " ON CONFLICT (connection, document, run_id) DO UPDATE SET digest = excluded.digest,"
            " folder = excluded.folder, figures = excluded.figures, made_at = excluded.made_at"
        ),
        {
            "name": name,
            "document": document,
            "run_id": run_id,
            "digest": digest,
            "folder": folder,
            "figures": msgspec.json.encode(figures).decode(),
        },
    )


def changes_after(
    connection: Connection, name: str, run_id: int, subjects: Mapping[str, Iterable[str]]
) -> list[dict[str, Any]]:
    """What later runs than `run_id` concluded otherwise of these subjects (kind -> subjects), each change of each run,
    in the order of runs: kind, subject, before, after, why."""
    found: list[dict[str, Any]] = []
    for kind, names in subjects.items():
        rows = connection.execute(
            text(
                "SELECT c.run_id, c.kind, c.subject, c.before, c.after, c.why FROM ledger.reconciliation_changes c"
                " JOIN ledger.reconciliation_runs r USING (run_id) WHERE r.connection = :name AND c.run_id > :run_id"
                " AND c.kind = :kind AND c.subject = ANY(:subjects)"
            ),
            {"name": name, "run_id": run_id, "kind": kind, "subjects": list(names)},
        ).mappings()
        found += [dict(row) for row in rows]
    return sorted(found, key=lambda row: row["run_id"])
