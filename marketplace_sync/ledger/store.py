"""What a store holds, as last read: its catalogue and the marketplace orders it has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection, text

from marketplace_sync.decoding import decoder
from marketplace_sync.domain.store import StoreOrder, Variant
from marketplace_sync.ledger.database import driver

_decode_variant = decoder(Variant).decode
_decode_order = decoder(StoreOrder).decode


def replace_catalogue(connection: Connection, name: str, variants: Iterable[Variant], seen_at: datetime) -> int:
    """The store's whole catalogue as just read; what is not in it any more is gone. Returns the number of variants."""
    cursor = driver(connection).cursor()
    cursor.execute(
        "CREATE TEMP TABLE staged_variants (position int GENERATED ALWAYS AS IDENTITY, sku text, variant_id text,"
        " document json) ON COMMIT DROP"
    )
    count = 0
    with cursor.copy("COPY staged_variants (sku, variant_id, document) FROM STDIN") as copy:
        for variant in variants:
            copy.write_row((variant.sku, variant.variant_id, msgspec.json.encode(variant).decode()))
            count += 1
    cursor.execute(
        "INSERT INTO ledger.store_variants (connection, sku, variant_id, document, seen_at)"
        " SELECT DISTINCT ON (sku, variant_id) %s, sku, variant_id, document, %s FROM staged_variants"
        " ORDER BY sku, variant_id, position DESC"
        " ON CONFLICT (connection, sku, variant_id) DO UPDATE SET document = excluded.document,"
        " seen_at = excluded.seen_at",
        (name, seen_at),
    )
    cursor.execute("DELETE FROM ledger.store_variants WHERE connection = %s AND seen_at < %s", (name, seen_at))
    return count


def variants(connection: Connection, name: str, skus: Sequence[str]) -> dict[str, Variant]:
    """The variant of each SKU, compared exactly; of several with one SKU, always the same one."""
    rows = (
        driver(connection)
        .execute(
            "SELECT DISTINCT ON (sku) sku, document::text FROM ledger.store_variants"
            " WHERE connection = %s AND sku = ANY(%s) ORDER BY sku, variant_id",
            (name, list(skus)),
        )
        .fetchall()
    )
    return {row[0]: _decode_variant(row[1]) for row in rows}


def skus(connection: Connection, name: str) -> list[str]:
    found = connection.execute(
        text("SELECT DISTINCT sku FROM ledger.store_variants WHERE connection = :name"), {"name": name}
    )
    return [str(sku) for sku in found.scalars()]


def duplicate_skus(connection: Connection, name: str) -> dict[str, list[str]]:
    rows = connection.execute(
        text(
            "SELECT sku, array_agg(variant_id ORDER BY variant_id) FROM ledger.store_variants"
            " WHERE connection = :name AND sku <> '' GROUP BY sku HAVING count(*) > 1 ORDER BY sku"
        ),
        {"name": name},
    )
    return {str(sku): list(ids) for sku, ids in rows}


def catalogue_age(connection: Connection, name: str) -> float | None:
    """Seconds since the catalogue was last read; None: never."""
    found = connection.execute(
        text("SELECT EXTRACT(EPOCH FROM now() - max(seen_at)) FROM ledger.store_variants WHERE connection = :name"),
        {"name": name},
    ).scalar()
    return None if found is None else float(found)


def save_order(
    connection: Connection,
    name: str,
    order: StoreOrder,
    order_connection: str | None,
    order_id: str | None,
    at: datetime,
) -> bool:
    """Keep a store order as just read. False when what we have is newer (webhooks overtake polls and each other)."""
    changed = driver(connection).execute(
        "INSERT INTO ledger.store_orders AS s (connection, store_order_id, name, source_identifier, order_connection,"
        " order_id, updated_at, cancelled_at, seen_at, document) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s::json)"
        " ON CONFLICT (connection, store_order_id) DO UPDATE SET name = excluded.name,"
        " source_identifier = excluded.source_identifier, order_connection = excluded.order_connection,"
        " order_id = excluded.order_id, updated_at = excluded.updated_at, cancelled_at = excluded.cancelled_at,"
        " seen_at = excluded.seen_at, document = excluded.document WHERE s.updated_at <= excluded.updated_at",
        (
            name, order.store_order_id, order.name, order.source_identifier, order_connection, order_id,
            # a time to come, believed, would make every later reading look old
            min(order.updated_at, at), order.cancelled_at, at, msgspec.json.encode(order).decode(),
        ),
    )  # fmt: skip
    return changed.rowcount > 0


def orders_by_id(connection: Connection, name: str, store_order_ids: Sequence[str]) -> dict[str, StoreOrder]:
    """Those of these store orders that belong to a marketplace's, as last read, by the store's id."""
    rows = driver(connection).execute(
        "SELECT store_order_id, document::text FROM ledger.store_orders WHERE connection = %s"
        " AND store_order_id = ANY(%s) AND order_id IS NOT NULL",
        (name, list(store_order_ids)),
    )
    return {row[0]: _decode_order(row[1]) for row in rows}


def order_of(connection: Connection, name: str, order_connection: str, order_id: str) -> StoreOrder | None:
    """The (first) store order of a marketplace order, as last read."""
    row = (
        driver(connection)
        .execute(
            "SELECT document::text FROM ledger.store_orders WHERE order_connection = %s AND order_id = %s"
            " AND connection = %s ORDER BY updated_at LIMIT 1",
            (order_connection, order_id, name),
        )
        .fetchone()
    )
    return None if row is None else _decode_order(row[0])
