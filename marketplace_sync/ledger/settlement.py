"""Writes and reads what was sold, settled and received, a million rows at a time, as columns through COPY."""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import Connection, text

from marketplace_sync.ledger.database import driver

if TYPE_CHECKING:
    import polars as pl

_NULL = "\\N"
_STATES = "('', 'PENDING', 'PAYABLE', 'PAYMENT_IN_PROGRESS', 'PAID')"

LINE_COLUMNS = (
    "line_id", "type", "amount", "currency", "channel", "order_id", "order_line_id", "refund_id", "document",
    "document_created_on", "payment_state", "created_on", "date_created", "description",
)  # fmt: skip
GOODS_COLUMNS = ("line_id", "ean", "stock_number", "sold", "returned", "net_of_tax", "customer_order_number")
SOLD_ORDER_COLUMNS = (
    "order_id", "commercial_id", "currency", "cancelled", "placed_on", "shipped_on", "stated",
)  # fmt: skip
SOLD_LINE_COLUMNS = (
    "order_id", "line_no", "line_id", "sku", "categories", "quantity", "price", "shipping", "tax", "fees", "base_price",
    "base_shipping", "other_prices", "own_commission", "invoice", "shipped_on", "cancelled",
)  # fmt: skip
SOLD_REFUND_COLUMNS = (
    "order_id", "refund_no", "refund_id", "line_id", "refunded_on", "amount", "shipping", "tax", "quantity", "reason",
)  # fmt: skip


class StoredFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was imported before, or just now."""

    file_id: int
    name: str
    imported_at: datetime


def file_digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def lock(connection: Connection, name: str) -> None:
    """One import or reconciliation per connection until the transaction ends."""
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 1))"), {"key": f"settlement:{name}"})


def known_file(connection: Connection, name: str, kind: str, content: bytes) -> StoredFile | None:
    row = connection.execute(
        text(
            "SELECT file_id, name, imported_at FROM ledger.settlement_files"
            " WHERE connection = :name AND kind = :kind AND content_hash = :digest"
        ),
        {"name": name, "kind": kind, "digest": file_digest(content)},
    ).first()
    return None if row is None else StoredFile(file_id=row[0], name=row[1], imported_at=row[2])


def keep_file(
    connection: Connection,
    name: str,
    kind: str,
    file_name: str,
    content: bytes,
    *,
    row_count: int,
    rejected: Sequence[Mapping[str, Any]],
    totals: Sequence[Mapping[str, Any]],
    controls: Sequence[Mapping[str, Any]] = (),
) -> int:
    """Keep a file as it came, with what came of it. Returns its id."""
    found = connection.execute(
        text(
            "INSERT INTO ledger.settlement_files (connection, kind, content_hash, name, content, size, row_count,"
            " rejected, totals, controls, imported_at) VALUES (:name, :kind, :digest, :file_name, :content, :size,"
            " :row_count, CAST(:rejected AS jsonb), CAST(:totals AS jsonb), CAST(:controls AS jsonb), now())"
            " RETURNING file_id"
        ),
        {
            "name": name,
            "kind": kind,
            "digest": file_digest(content),
            "file_name": file_name,
            "content": zlib.compress(content, 6),
            "size": len(content),
            "row_count": row_count,
            "rejected": _json(rejected),
            "totals": _json(totals),
            "controls": _json(controls),
        },
    ).scalar_one()
    return int(found)


def _json(value: Any) -> str:
    """What PostgreSQL keeps of a text: everything but zero bytes and halves of letters."""
    written = msgspec.json.encode(value).decode("utf-8", "replace")
    return written.replace("\\u0000", "\\ufffd")


def merge_lines(connection: Connection, name: str, lines: pl.DataFrame, file_id: int | None) -> dict[str, int]:
    """Add settlement lines (columns `LINE_COLUMNS`); the same id is the same line. A line that was known further on in
    its payment stays so. Returns how many were new, changed and stored in all, and the sum of what is stored of them
    in minor units."""
    cursor = driver(connection).cursor()
    listed = ", ".join(LINE_COLUMNS)
    cursor.execute(
        f"CREATE TEMP TABLE staged_lines ON COMMIT DROP AS SELECT {listed} FROM ledger.settlement_lines WITH NO DATA"
    )
    copy_in(connection, "staged_lines", LINE_COLUMNS, lines)
    kept = [column for column in LINE_COLUMNS if column != "line_id"]
    rank = f"array_position(ARRAY[{_STATES[1:-1]}], {{}}.payment_state)"
    changes = ", ".join(f"{column} = excluded.{column}" for column in kept)
    cursor.execute(
        f"INSERT INTO ledger.settlement_lines AS l (connection, {listed}, file_id, seen_at, changed_at)"
        f" SELECT %(name)s, {listed}, %(file)s, clock_timestamp(), clock_timestamp() FROM staged_lines"
        f" ON CONFLICT (connection, line_id) DO UPDATE SET {changes}, file_id = excluded.file_id,"
        "  changed_at = clock_timestamp()"
        f" WHERE COALESCE({rank.format('excluded')}, 99) >= COALESCE({rank.format('l')}, 99)"
        f"  AND ({', '.join(f'l.{c}' for c in kept)}) IS DISTINCT FROM ({', '.join(f'excluded.{c}' for c in kept)})"
        " RETURNING (l.xmax = 0)::int",
        {"name": name, "file": file_id},
    )
    new = changed = 0
    while part := cursor.fetchmany(50_000):
        fresh = sum(row[0] for row in part)
        new, changed = new + fresh, changed + len(part) - fresh
    stored, total = cursor.execute(
        "SELECT count(*), COALESCE(sum(l.amount), 0)::bigint FROM ledger.settlement_lines l"
        " JOIN staged_lines s USING (line_id) WHERE l.connection = %s",
        (name,),
    ).fetchone() or (0, 0)
    cursor.execute("DROP TABLE staged_lines")
    return {"new": new, "changed": changed, "stored": stored, "sum": total}


def count_superseded(connection: Connection, name: str, lines: pl.DataFrame) -> int:
    """How many of these lines are known further on in their payment than they say."""
    cursor = driver(connection).cursor()
    cursor.execute("CREATE TEMP TABLE staged_states (line_id text, payment_state text) ON COMMIT DROP")
    copy_in(connection, "staged_states", ("line_id", "payment_state"), lines)
    rank = f"COALESCE(array_position(ARRAY[{_STATES[1:-1]}], {{}}.payment_state), 99)"
    found = cursor.execute(
        "SELECT count(*) FROM ledger.settlement_lines l JOIN staged_states s USING (line_id)"
        f" WHERE l.connection = %s AND {rank.format('l')} > {rank.format('s')}",
        (name,),
    ).fetchone()
    cursor.execute("DROP TABLE staged_states")
    return int(found[0]) if found else 0


def merge_goods(connection: Connection, name: str, lines: pl.DataFrame) -> None:
    """What lines say of goods (columns `GOODS`), in place of what they said before."""
    cursor = driver(connection).cursor()
    listed = ", ".join(GOODS_COLUMNS)
    cursor.execute(
        f"CREATE TEMP TABLE staged_goods ON COMMIT DROP AS SELECT {listed} FROM ledger.settlement_goods WITH NO DATA"
    )
    copy_in(connection, "staged_goods", GOODS_COLUMNS, lines)
    changes = ", ".join(f"{column} = excluded.{column}" for column in GOODS_COLUMNS if column != "line_id")
    cursor.execute(
        f"INSERT INTO ledger.settlement_goods (connection, {listed}) SELECT %(name)s, {listed} FROM staged_goods"
        f" ON CONFLICT (connection, line_id) DO UPDATE SET {changes}",
        {"name": name},
    )
    cursor.execute("DROP TABLE staged_goods")


def merge_receipts(connection: Connection, name: str, receipts: pl.DataFrame, file_id: int) -> int:
    """Add bank receipts (bank_ref, amount, currency, received_on, documents). Returns how many were new."""
    new = 0
    cursor = driver(connection).cursor()
    for row in receipts.iter_rows(named=True):
        digest = hashlib.sha256(_json([str(value) for value in row.values()]).encode()).digest()
        cursor.execute(
            "INSERT INTO ledger.bank_receipts (connection, digest, bank_ref, amount, currency, received_on, documents,"
            " file_id, seen_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, clock_timestamp()) ON CONFLICT DO NOTHING",
            (
                name, digest, row["bank_ref"], row["amount"], row["currency"], row["received_on"],
                list(row["documents"]), file_id,
            ),
        )  # fmt: skip
        new += cursor.rowcount
    return new


def merge_document(
    connection: Connection,
    name: str,
    *,
    document: str,
    currency: str,
    transferred: int | None,
    state: str,
    reference: str,
    created_on: date | None,
    detail: Mapping[str, Any],
) -> None:
    """What the marketplace itself says of a payout or an accounting document, in place of what it said before; where
    both bear one number, each keeps what only it says."""
    connection.execute(
        text(
            "INSERT INTO ledger.settlement_documents AS d (connection, document, currency, transferred, state,"
            " reference, created_on, detail, changed_at) VALUES (:name, :document, :currency, :transferred, :state,"
            " :reference, :created_on, CAST(:detail AS jsonb), clock_timestamp())"
            " ON CONFLICT (connection, document, currency)"
            " DO UPDATE SET transferred = COALESCE(excluded.transferred, d.transferred),"
            " state = COALESCE(NULLIF(excluded.state, ''), d.state),"
            " reference = COALESCE(NULLIF(excluded.reference, ''), d.reference),"
            " detail = d.detail || excluded.detail, changed_at = excluded.changed_at"
        ),
        {
            "name": name,
            "document": document,
            "currency": currency,
            "transferred": transferred,
            "state": state,
            "reference": reference,
            "created_on": created_on,
            "detail": _json(detail),
        },
    )


def replace_sold(
    connection: Connection, name: str, source: str, orders: pl.DataFrame, lines: pl.DataFrame, refunds: pl.DataFrame
) -> None:
    """Put these orders, with their lines and refunds, in place of what `source` said of them before. Columns as in
    `SOLD_…_COLUMNS`."""
    cursor = driver(connection).cursor()
    cursor.execute("CREATE TEMP TABLE staged_orders (order_id text PRIMARY KEY) ON COMMIT DROP")
    copy_in(connection, "staged_orders", ("order_id",), orders)
    for table in ("sold_refunds", "sold_lines", "sold_orders"):
        cursor.execute(
            f"DELETE FROM ledger.{table} t USING staged_orders s"
            " WHERE t.connection = %s AND t.source = %s AND t.order_id = s.order_id",
            (name, source),
        )
    cursor.execute("DROP TABLE staged_orders")
    now = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    copy_in(
        connection,
        "ledger.sold_orders",
        SOLD_ORDER_COLUMNS,
        orders,
        {"connection": name, "source": source, "changed_at": now.isoformat()},
    )
    copy_in(connection, "ledger.sold_lines", SOLD_LINE_COLUMNS, lines, {"connection": name, "source": source})
    copy_in(connection, "ledger.sold_refunds", SOLD_REFUND_COLUMNS, refunds, {"connection": name, "source": source})


def copy_in(
    connection: Connection,
    table: str,
    columns: Sequence[str],
    frame: pl.DataFrame,
    constants: Mapping[str, str] | None = None,
) -> None:
    import polars as pl

    constants = constants or {}
    wanted = frame.select(
        *(pl.lit(value).alias(name) for name, value in constants.items()),
        *(_array(frame, name) if isinstance(frame.schema[name], pl.List) else pl.col(name) for name in columns),
    )
    listed = ", ".join((*constants, *columns))
    command = f"COPY {table} ({listed}) FROM STDIN WITH (FORMAT csv, NULL '{_NULL}')"
    with driver(connection).cursor().copy(command) as copy:
        for part in wanted.iter_slices(100_000):
            buffer = io.BytesIO()
            part.write_csv(buffer, include_header=False, null_value=_NULL, quote_style="non_numeric")
            copy.write(buffer.getvalue())


def _array(frame: pl.DataFrame, name: str) -> pl.Expr:
    """A list as PostgreSQL writes an array."""
    import polars as pl

    each = (
        pl.element()
        .cast(pl.String)
        .str.replace_all("\\", "\\\\", literal=True)
        .str.replace_all('"', '\\"', literal=True)
    )
    quoted = pl.col(name).list.eval(pl.concat_str(pl.lit('"'), each, pl.lit('"'))).list.join(",")
    return pl.concat_str(pl.lit("{"), quoted, pl.lit("}")).alias(name)


def read_frame(
    connection: Connection, query: str, schema: pl.Schema, parameters: Sequence[Any] | Mapping[str, Any] = ()
) -> pl.DataFrame:
    """The rows of a query in the columns of `schema`. Lists must be selected as `array_to_json`; text is never null."""
    import polars as pl

    plain = pl.Schema({n: pl.String if isinstance(t, pl.List) else t for n, t in schema.items()})
    flags = [name for name, kind in schema.items() if kind == pl.Boolean]
    plain = pl.Schema({name: pl.String if name in flags else kind for name, kind in plain.items()})
    frames: list[pl.DataFrame] = []
    with driver(connection).cursor().copy(f"COPY ({query}) TO STDOUT WITH (FORMAT csv)", parameters) as copy:
        buffer = io.BytesIO()
        for block in copy:
            buffer.write(block)
            if buffer.tell() > 32_000_000:
                frames.append(_parsed(buffer, plain))
                buffer = io.BytesIO()
        frames.append(_parsed(buffer, plain))
    frame = pl.concat(frames)
    return frame.with_columns(
        *(pl.col(name) == "t" for name in flags),
        *(pl.col(name).str.json_decode(kind) for name, kind in schema.items() if isinstance(kind, pl.List)),
    )


def _parsed(buffer: io.BytesIO, schema: pl.Schema) -> pl.DataFrame:
    import polars as pl

    if not buffer.tell():
        return pl.DataFrame(schema=schema)
    buffer.seek(0)
    repeated = [name for name, kind in schema.items() if kind == pl.Categorical]
    text = pl.Schema({name: pl.String if name in repeated else kind for name, kind in schema.items()})
    frame = pl.read_csv(buffer, has_header=False, schema=text, infer_schema=False)
    return frame.with_columns(pl.col(pl.String).fill_null("")).with_columns(pl.col(repeated).cast(pl.Categorical))
