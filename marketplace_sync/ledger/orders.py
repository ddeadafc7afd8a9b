"""Orders, their lines, every version of what was said, and the events in between. Bulk by COPY, history untouched."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection, text

from marketplace_sync.decoding import converted, decoder
from marketplace_sync.domain.lifecycle import OrderEvent
from marketplace_sync.domain.orders import Order, Refund, Return
from marketplace_sync.ledger import binary_copy as to
from marketplace_sync.ledger.binary_copy import copy_in
from marketplace_sync.ledger.database import AMONG, driver, listed

_encode = msgspec.json.Encoder().encode
_decode_order = decoder(Order).decode
decode_return = decoder(Return).decode
_decode_refund = decoder(Refund).decode


_WITHOUT_YIELDING = 2047
"""Bytes up to which hashlib keeps the interpreter to itself: giving it up for microseconds costs more when other
threads want it."""


def content_hash(payload: bytes) -> bytes:
    digest = hashlib.blake2b(payload[:_WITHOUT_YIELDING], digest_size=16)
    for start in range(_WITHOUT_YIELDING, len(payload), _WITHOUT_YIELDING):
        digest.update(payload[start : start + _WITHOUT_YIELDING])
    return digest.digest()


class Head(msgspec.Struct, frozen=True, gc=False):
    """What is known of the last statement of something."""

    content_hash: bytes
    version: int


class StoredOrder(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An order to be stored with the statement it was read from."""

    order: Order
    payload: bytes
    content_hash: bytes
    version: int


class NewOrder(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An order never seen before and what happened to it, as rows that are ready to be copied in."""

    order: Order
    events: list[OrderEvent]
    row: bytes
    line_rows: bytes
    statement_row: bytes
    event_rows: bytes


def lock_import(connection: Connection, name: str) -> None:
    """One importer per connection until the transaction ends, so that what is new can be copied in without asking."""
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"import:{name}"})


def statement_heads(connection: Connection, name: str, kind: str, keys: Sequence[str]) -> dict[str, Head]:
    """The last kept statement of each key, whether it could be read or not."""
    rows = (
        driver(connection)
        .execute(
            "SELECT DISTINCT ON (key) key, content_hash, version FROM ledger.statements"
            f" WHERE connection = %s AND kind = %s AND key {AMONG} ORDER BY key, version DESC",
            (name, kind, listed(keys)),
        )
        .fetchall()
    )
    return {row[0]: Head(bytes(row[1]), row[2]) for row in rows}


def last_statements(connection: Connection, name: str, order_ids: Sequence[str]) -> dict[str, bytes]:
    """What a marketplace stated last of each of these orders, verbatim."""
    rows = (
        driver(connection)
        .execute(
            "SELECT DISTINCT ON (key) key, payload FROM ledger.statements"
            f" WHERE connection = %s AND kind = 'order' AND key {AMONG} ORDER BY key, version DESC",
            (name, listed(order_ids)),
        )
        .fetchall()
    )
    return {row[0]: bytes(row[1]) for row in rows}


def load(connection: Connection, name: str, order_ids: Sequence[str], *, lock: bool = False) -> dict[str, Order]:
    """Orders as last stated and carried forward. `lock`: nobody else changes them until this transaction ends."""
    rows = (
        driver(connection)
        .execute(
            f"SELECT order_id, document::text FROM ledger.orders WHERE connection = %s AND order_id {AMONG}"
            f" ORDER BY order_id {'FOR UPDATE' if lock else ''}",
            (name, listed(order_ids)),
        )
        .fetchall()
    )
    return {row[0]: _decode_order(row[1]) for row in rows}


def lock(connection: Connection, name: str, order_ids: Sequence[str]) -> None:
    """Keep others from changing these orders until the transaction ends."""
    driver(connection).execute(
        f"SELECT 1 FROM ledger.orders WHERE connection = %s AND order_id {AMONG} ORDER BY order_id FOR UPDATE",
        (name, listed(order_ids)),
    )


_ORDER_COLUMNS = (
    "connection, order_id, reference, customer_order_number, status, placed_at, first_seen_at, changed_at, currency,"
    " is_test, open_units, unacknowledged_units, acknowledge_by, dispatch_by, document"
)
_LINE_COLUMNS = (
    "connection, order_id, line_id, sku, stock_number, quantity, acknowledged, dispatched, cancelled, unit_price,"
    " promised_on"
)
_STATEMENT_COLUMNS = "connection, kind, key, version, content_hash, seen_at, payload"
_EVENT_COLUMNS = (
    "event_id, connection, order_id, kind, line_id, key, quantity, initiator, amount, detail, occurred_at, seen_at"
)
_SEVEN, _ELEVEN, _TWELVE, _FIFTEEN = map(to.fields, (7, 11, 12, 15))
_NO_DETAIL, _KIND = to.raw(b"{}"), to.text("order")


def prepared(name: str, stored: StoredOrder, events: list[OrderEvent], seen_at: datetime) -> NewOrder:
    """Writes the rows of an order never seen before, which needs no database. Raises what a column cannot hold."""
    order, seen = stored.order, to.moment(seen_at)
    waiting, unacknowledged_units = _open(order)
    of_connection, order_id = to.repeated(name), to.text(order.order_id)
    row = b"".join(
        (
            _FIFTEEN, of_connection, order_id, to.text(order.reference), to.text(order.customer_order_number),
            to.repeated(order.status), to.moment(order.placed_at), seen, seen, to.repeated(order.currency),
            to.boolean(order.is_test), to.integer(waiting), to.integer(unacknowledged_units),
            to.moment(order.acknowledge_by), to.moment(order.dispatch_by), to.raw(_encode(order)),
        )
    )  # fmt: skip
    of_order = _ELEVEN + of_connection + order_id
    lines = [
        part
        for line in order.lines
        for part in (
            of_order, to.repeated(line.line_id), to.repeated(line.sku), to.repeated(line.stock_number),
            to.four_integers(line.quantity, line.acknowledged, line.dispatched, line.cancelled),
            to.big_integer(line.unit_price), to.day(line.promised_on),
        )
    ]  # fmt: skip
    happened = [
        part
        for event in events
        for part in (
            _TWELVE, to.raw(event.id_bytes), of_connection, order_id, to.repeated(event.kind.value),
            to.repeated(event.line_id), to.repeated(event.key), to.integer(event.quantity),
            to.repeated(event.initiator.value), to.big_integer(event.amount),
            to.raw(_encode(event.detail)) if event.detail else _NO_DETAIL, to.moment(event.occurred_at), seen,
        )
    ]  # fmt: skip
    return NewOrder(
        order=order,
        events=events,
        row=row,
        line_rows=b"".join(lines),
        statement_row=_statement_row(name, stored, seen),
        event_rows=b"".join(happened),
    )


def insert(connection: Connection, new: Sequence[NewOrder]) -> None:
    """Orders never seen before, with lines, first statement and events. The caller holds `lock_import`."""
    copy_in(connection, f"ledger.orders ({_ORDER_COLUMNS})", (one.row for one in new))
    copy_in(connection, f"ledger.order_lines ({_LINE_COLUMNS})", (one.line_rows for one in new))
    copy_in(connection, f"ledger.statements ({_STATEMENT_COLUMNS})", (one.statement_row for one in new))
    copy_in(connection, f"ledger.order_events ({_EVENT_COLUMNS})", (one.event_rows for one in new))


def update(connection: Connection, name: str, changed: Sequence[StoredOrder], seen_at: datetime) -> None:
    """Orders stated differently than before: the new version is kept beside the old ones."""
    for stored in changed:
        save(connection, name, stored.order, seen_at)
    seen = to.moment(seen_at)
    rows = (_statement_row(name, stored, seen) for stored in changed)
    copy_in(connection, f"ledger.statements ({_STATEMENT_COLUMNS})", rows)


def save(connection: Connection, name: str, order: Order, seen_at: datetime) -> None:
    """Write back an order that is in the ledger."""
    cursor = driver(connection).cursor()
    cursor.execute(
        "UPDATE ledger.orders SET status = %s, changed_at = %s, open_units = %s, unacknowledged_units = %s,"
        " acknowledge_by = %s, dispatch_by = %s, reference = %s, customer_order_number = %s, document = %s::json"
        " WHERE connection = %s AND order_id = %s",
        (
            order.status, seen_at, order.open_units(), unacknowledged(order), order.acknowledge_by, order.dispatch_by,
            order.reference, order.customer_order_number, _encode(order).decode(), name, order.order_id,
        ),
    )  # fmt: skip
    cursor.executemany(
        f"INSERT INTO ledger.order_lines ({_LINE_COLUMNS})"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (connection, order_id, line_id) DO UPDATE SET sku = excluded.sku,"
        " stock_number = excluded.stock_number, quantity = excluded.quantity, acknowledged = excluded.acknowledged,"
        " dispatched = excluded.dispatched, cancelled = excluded.cancelled, unit_price = excluded.unit_price,"
        " promised_on = excluded.promised_on",
        list(_line_rows(name, order)),
    )


def unacknowledged(order: Order) -> int:
    return sum(max(0, line.quantity - line.cancelled - max(line.acknowledged, line.dispatched)) for line in order.lines)


def _open(order: Order) -> tuple[int, int]:
    """`open_units` and `unacknowledged` of an order, which is usually all of it."""
    lines = order.lines
    if any(line.acknowledged or line.dispatched or line.cancelled for line in lines):
        return order.open_units(), unacknowledged(order)
    units = sum([line.quantity for line in lines])
    return units, units


def _line_rows(name: str, order: Order) -> Iterable[tuple[Any, ...]]:
    for line in order.lines:
        yield (
            name, order.order_id, line.line_id, line.sku, line.stock_number, line.quantity, line.acknowledged,
            line.dispatched, line.cancelled, line.unit_price, line.promised_on,
        )  # fmt: skip


def _statement_row(name: str, stored: StoredOrder, seen: bytes) -> bytes:
    return b"".join(
        (
            _SEVEN, to.repeated(name), _KIND, to.text(stored.order.order_id), to.integer(stored.version),
            to.raw(stored.content_hash), seen, to.raw(stored.payload),
        )
    )  # fmt: skip


def keep_statement(
    connection: Connection,
    name: str,
    kind: str,
    key: str,
    version: int,
    payload: bytes,
    seen_at: datetime,
    *,
    content_hash: bytes,
) -> None:
    """Keep one statement verbatim (a return, a refund, or one that could not be read), known by `content_hash`."""
    driver(connection).execute(
        f"INSERT INTO ledger.statements ({_STATEMENT_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT DO NOTHING",
        (name, kind, key, version, content_hash, seen_at, payload),
    )


def record_events(connection: Connection, events: Sequence[OrderEvent], seen_at: datetime) -> list[OrderEvent]:
    """Store events; returns those that were not known before, in order."""
    new = []
    for event in events:
        stored = driver(connection).execute(
            f"INSERT INTO ledger.order_events ({_EVENT_COLUMNS})"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (event_id) DO NOTHING",
            _event_row(event, seen_at),
        )
        if stored.rowcount:
            new.append(event)
    return new


def _event_row(event: OrderEvent, seen_at: datetime) -> tuple[Any, ...]:
    return (
        event.event_id, event.connection, event.order_id, event.kind.value, event.line_id, event.key, event.quantity,
        event.initiator.value, event.amount, _encode(event.detail).decode(), event.occurred_at, seen_at,
    )  # fmt: skip


def events_of(connection: Connection, name: str, order_id: str, kinds: Sequence[str] = ()) -> list[OrderEvent]:
    rows = (
        driver(connection)
        .execute(
            "SELECT connection, order_id, kind, line_id, key, quantity, initiator, amount, detail::text, occurred_at"
            " FROM ledger.order_events WHERE connection = %s AND order_id = %s AND (%s OR kind = ANY(%s))"
            " ORDER BY occurred_at, event_id",
            (name, order_id, not kinds, list(kinds)),
        )
        .fetchall()
    )
    return [
        converted(
            {
                "connection": row[0], "order_id": row[1], "kind": row[2], "line_id": row[3], "key": row[4],
                "quantity": row[5], "initiator": row[6], "amount": row[7], "detail": msgspec.json.decode(row[8]),
                "occurred_at": row[9],
            },
            OrderEvent,
        )
        for row in rows
    ]  # fmt: skip


def as_held(connection: Connection, name: str, stated: Return | Refund) -> Return | Refund:
    """A return or refund under the id that it is held under since an earlier release, so that nothing of it is told or
    paid once more under the one it has now."""
    if not stated.formerly:
        return stated
    held = driver(connection).execute(
        "SELECT 1 FROM ledger.reversals WHERE connection = %s AND kind IN ('return', 'refund') AND key = %s",
        (name, stated.formerly),
    )
    if held.fetchone() is None:
        return stated
    if isinstance(stated, Return):
        return replace(stated, return_id=stated.formerly)
    return replace(stated, refund_id=stated.formerly)


def save_reversal(connection: Connection, name: str, stated: Return | Refund, seen_at: datetime) -> None:
    """A return or refund as now stated."""
    kind, key, state = (
        ("return", stated.return_id, stated.state.value)
        if isinstance(stated, Return)
        else ("refund", stated.refund_id, "refunded")
    )
    driver(connection).execute(
        "INSERT INTO ledger.reversals (connection, kind, key, order_id, state, changed_at, document)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s::json) ON CONFLICT (connection, kind, key) DO UPDATE SET"
        " state = excluded.state, changed_at = excluded.changed_at, document = excluded.document",
        (name, kind, key, stated.order_id, state, seen_at, _encode(stated).decode()),
    )


def reversals_of(connection: Connection, name: str, order_ids: Sequence[str]) -> list[Return | Refund]:
    """The returns and refunds of these orders as last stated, oldest first."""
    rows = driver(connection).execute(
        f"SELECT kind, document::text FROM ledger.reversals WHERE connection = %s AND order_id {AMONG}"
        " ORDER BY changed_at, kind, key",
        (name, listed(order_ids)),
    )
    found: list[Return | Refund] = []
    for kind, document in rows:
        found.append(decode_return(document) if kind == "return" else _decode_refund(document))
    return found
