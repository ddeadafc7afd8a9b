"""Reads a connection's whole book out of the ledger, in the columns that reconciliation takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, text

from marketplace_sync.domain.settlement.inputs import BankReceipt
from marketplace_sync.ledger.database import driver
from marketplace_sync.ledger.settlement import read_frame

if TYPE_CHECKING:
    from datetime import date

    import polars as pl

    from marketplace_sync.domain.settlement.frames import Book


def _without(schema: pl.Schema, *names: str) -> pl.Schema:
    import polars as pl

    kept: dict[str, Any] = {name: kind for name, kind in schema.items() if name not in names}
    return pl.Schema(kept)


def _sold_orders() -> pl.Schema:
    import polars as pl

    from marketplace_sync.domain.settlement.frames import ORDERS

    return pl.Schema(dict(_without(ORDERS, "channel", "held")) | {"stated": pl.String})


def _sold_lines() -> pl.Schema:
    from marketplace_sync.domain.settlement.frames import ORDER_LINES

    return _without(ORDER_LINES, "channel")


def _sold_refunds() -> pl.Schema:
    import polars as pl

    from marketplace_sync.domain.settlement.frames import REFUNDS

    first: dict[str, Any] = {"order_id": pl.String, "refund_no": pl.UInt32}
    return pl.Schema(first | dict(_without(REFUNDS, "channel", "order_id")))


def _listed(schema: pl.Schema, prefix: str = "") -> str:
    import polars as pl

    return ", ".join(
        f"array_to_json({prefix}{name})" if isinstance(kind, pl.List) else f"{prefix}{name}"
        for name, kind in schema.items()
    )


def sold_of(
    connection: Connection, name: str, source: str, order_ids: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """(orders, lines, refunds) that `source` stated before, of these orders."""
    cursor = driver(connection).cursor()
    cursor.execute("CREATE TEMP TABLE wanted_orders (order_id text PRIMARY KEY) ON COMMIT DROP")
    with cursor.copy("COPY wanted_orders FROM STDIN") as copy:
        for (order_id,) in order_ids.iter_rows():
            copy.write_row((order_id,))
    found = []
    for table, schema in (
        ("sold_orders", _sold_orders()),
        ("sold_lines", _sold_lines()),
        ("sold_refunds", _sold_refunds()),
    ):
        query = (
            f"SELECT {_listed(schema, 't.')} FROM ledger.{table} t JOIN wanted_orders w USING (order_id)"
            " WHERE t.connection = %s AND t.source = %s"
        )
        found.append(read_frame(connection, query, schema, (name, source)))
    cursor.execute("DROP TABLE wanted_orders")
    return found[0], found[1], found[2]


def store_is_known(connection: Connection, name: str) -> bool:
    """Was a store record ever imported for this connection?"""
    found = connection.execute(
        text("SELECT 1 FROM ledger.settlement_files WHERE connection = :name AND kind = 'store_orders' LIMIT 1"),
        {"name": name},
    )
    return found.first() is not None


_ORDERS = """
    WITH m AS (SELECT * FROM ledger.sold_orders WHERE connection = %(name)s AND source = 'marketplace'),
         f AS (SELECT * FROM ledger.sold_orders WHERE connection = %(name)s AND source = 'file'),
         s AS (SELECT * FROM ledger.sold_orders WHERE connection = %(name)s AND source = 'store')
    SELECT %(channel)s::text, COALESCE(m.order_id, f.order_id),
        COALESCE(NULLIF(m.commercial_id, ''), f.commercial_id, ''), COALESCE(NULLIF(m.currency, ''), f.currency, ''),
        NOT %(known)s::boolean OR f.order_id IS NOT NULL OR s.order_id IS NOT NULL,
        CASE WHEN m.order_id IS NULL THEN f.cancelled
             ELSE m.cancelled OR (f.cancelled AND f.shipped_on IS NULL) IS TRUE OR s.cancelled IS TRUE END,
        m.placed_on, COALESCE(m.shipped_on, CASE WHEN m.order_id IS NULL THEN NULL ELSE s.shipped_on END)
    FROM m FULL JOIN f USING (order_id) LEFT JOIN s ON s.order_id = COALESCE(m.order_id, f.order_id)
"""
"""The marketplace's word on amounts and state; the store's on whether it has the order, and whether it cancelled it
before anything left."""


def _lines_query() -> str:
    own = _without(_sold_lines(), "shipped_on", "cancelled", "order_id", "line_no")
    return f"""
    SELECT %(channel)s::text, l.order_id, l.line_no, {_listed(own, "l.")},
        COALESCE(l.shipped_on, f.shipped_on), l.cancelled
    FROM ledger.sold_lines l
    LEFT JOIN ledger.sold_lines f ON l.source = 'marketplace' AND f.connection = l.connection AND f.source = 'file'
        AND f.order_id = l.order_id AND f.line_id = l.line_id AND f.line_id <> ''
    WHERE l.connection = %(name)s AND (l.source = 'marketplace' OR l.source = 'file' AND NOT EXISTS (
        SELECT 1 FROM ledger.sold_orders m WHERE m.connection = l.connection AND m.source = 'marketplace'
        AND m.order_id = l.order_id))
    """


_REFUNDS = """
    SELECT %(channel)s::text, order_id, refund_id, line_id, refunded_on, amount, shipping, tax, quantity, reason
    FROM ledger.sold_refunds r WHERE connection = %(name)s AND CASE WHEN NOT %(known)s::boolean
        THEN source = 'marketplace'
        ELSE source = 'file' OR source = 'store' AND NOT EXISTS (SELECT 1 FROM ledger.sold_orders f
            WHERE f.connection = r.connection AND f.source = 'file' AND f.order_id = r.order_id) END
"""
"""The store's refunds: a file's word before the connected store's. The marketplace's only where there is no store."""

_REASONS = """
    SELECT %(channel)s::text, order_id, refund_id, reason FROM ledger.sold_refunds
    WHERE connection = %(name)s AND source = 'marketplace' AND refund_id <> '' AND reason <> ''
"""

_DISPATCHES = """
    SELECT e.order_id, e.line_id, (e.occurred_at AT TIME ZONE %(zone)s)::date, sum(e.quantity)::bigint,
        min(l.quantity - l.cancelled)::bigint,
        array_to_json(ARRAY[COALESCE(min(d.barcode), ''), min(l.stock_number), min(l.sku)]),
        bool_or(l.unit_price IS NOT NULL)
    FROM ledger.order_events e JOIN ledger.order_lines l USING (connection, order_id, line_id)
    LEFT JOIN (SELECT o.connection, o.order_id, line ->> 'line_id' AS line_id, line ->> 'barcode' AS barcode
        FROM ledger.orders o, json_array_elements(o.document -> 'lines') line WHERE o.connection = %(name)s) d
        USING (connection, order_id, line_id)
    WHERE e.connection = %(name)s AND e.kind = 'dispatched'
    GROUP BY e.order_id, e.line_id, (e.occurred_at AT TIME ZONE %(zone)s)::date
"""
"""Units by the day on which they left, with all that their product is called by."""

_NAMES = """
    SELECT order_id, name FROM (
        SELECT order_id, reference AS name FROM ledger.orders WHERE connection = %(name)s
        UNION SELECT order_id, customer_order_number FROM ledger.orders WHERE connection = %(name)s
        UNION SELECT order_id, commercial_id FROM ledger.sold_orders WHERE connection = %(name)s) called
    WHERE name <> ''
"""

_AWAITED = """
    SELECT l.order_id FROM ledger.settlement_lines l, (SELECT COALESCE((SELECT read_at FROM ledger.watermarks
        WHERE connection = %(name)s AND feed = 'orders'), '-infinity') - interval '10 minutes' AS looked) orders
    WHERE l.connection = %(name)s AND l.changed_at > looked AND l.seen_at > looked AND l.file_id IS NULL
        AND l.order_id <> '' AND NOT EXISTS (SELECT 1 FROM ledger.settlement_lines b WHERE b.connection = l.connection
            AND b.order_id = l.order_id AND b.seen_at <= looked)
    UNION SELECT order_id FROM ledger.effects WHERE order_connection = %(name)s AND kind = 'create_order'
        AND state IN ('pending', 'sending', 'in_doubt')
"""
"""Orders that the marketplace has not been asked for since it stated money for them, whatever a read of them that began
before and ended just after may have missed; and those that are going into the store."""

_RECEIPTS = (
    "SELECT bank_ref, amount, currency, received_on, documents FROM ledger.bank_receipts WHERE connection = %s"
    " ORDER BY bank_ref, received_on, amount, digest"
)


def read_book(connection: Connection, name: str, channel: str, *, store_known: bool, zone: str = "UTC") -> Book:
    """The book of a connection as it is now. `store_known`: there is a store's record, which says what is held.
    `zone`: in which days are counted."""
    from marketplace_sync.domain.settlement import frames, goods

    known = {"name": name, "channel": channel, "known": store_known, "zone": zone}

    def read(query: str, schema: pl.Schema) -> pl.DataFrame:
        return read_frame(connection, query, schema, known)

    lines = f"SELECT {_listed(frames.LINES)} FROM ledger.settlement_lines WHERE connection = %(name)s"
    stated = f"SELECT {_listed(goods.GOODS)} FROM ledger.settlement_goods WHERE connection = %(name)s"
    of_goods = read(stated, goods.GOODS)
    more = {"goods": of_goods}
    if of_goods.height:
        more |= {"dispatches": read(_DISPATCHES, goods.DISPATCHES), "names": read(_NAMES, goods.NAMES)}
    receipts = driver(connection).execute(_RECEIPTS, (name,)).fetchall()
    return frames.Book(
        orders=read(_ORDERS, frames.ORDERS),
        order_lines=read(_lines_query(), frames.ORDER_LINES),
        refunds=read(_REFUNDS, frames.REFUNDS),
        refund_reasons=read(_REASONS, frames.REFUND_REASONS),
        lines=read(lines, frames.LINES),
        receipts=tuple(_receipt(*row) for row in receipts),
        each_line_once=True,
        awaited=awaited(connection, name),
        **more,
    )


def awaited(connection: Connection, name: str) -> frozenset[str]:
    """Ids of orders that may yet come by themselves, so that money for them is no reason to alarm anybody."""
    rows = driver(connection).execute(_AWAITED, {"name": name})
    return frozenset(str(row[0]) for row in rows)


def _receipt(bank_ref: str, amount: int, currency: str, received_on: date | None, documents: list[str]) -> BankReceipt:
    return BankReceipt(
        bank_ref=bank_ref, amount=amount, currency=currency, received_on=received_on, documents=tuple(documents)
    )
