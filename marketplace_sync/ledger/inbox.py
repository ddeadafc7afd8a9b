"""Webhook deliveries: stored before they are answered, once per delivery id, processed until they are understood."""

from __future__ import annotations

from datetime import timedelta

import msgspec
from sqlalchemy import Connection, text

from marketplace_sync.ledger.database import CHANNEL, driver
from marketplace_sync.ledger.plain import plain


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    connection: str
    delivery_id: str
    topic: str
    body: bytes
    attempts: int


def receive(connection: Connection, name: str, delivery_id: str, topic: str, body: bytes) -> bool:
    """Store one delivery and wake whoever processes it. False when it was here before."""
    row = (
        driver(connection)
        .execute(
            "WITH stored AS (INSERT INTO ledger.inbox (connection, delivery_id, topic, body, received_at, not_before)"
            " VALUES (%s, %s, %s, %s, clock_timestamp(), now())"
            " ON CONFLICT (connection, delivery_id) DO NOTHING RETURNING 1)"
            " SELECT (SELECT count(*) FROM stored), pg_notify(%s, %s)",
            (name, delivery_id, topic, body, CHANNEL, name),
        )
        .fetchone()
    )
    return row is not None and row[0] > 0


def waiting(connection: Connection, name: str, limit: int) -> list[Delivery]:
    """The oldest unprocessed deliveries, without those that somebody is noting just now."""
    rows = (
        driver(connection)
        .execute(
            "SELECT connection, delivery_id, topic, body, attempts FROM ledger.inbox WHERE connection = %s"
            " AND state = 'received' AND not_before <= now() ORDER BY not_before, received_at LIMIT %s"
            " FOR UPDATE SKIP LOCKED",
            (name, limit),
        )
        .fetchall()
    )
    return [
        Delivery(connection=row[0], delivery_id=row[1], topic=row[2], body=bytes(row[3]), attempts=row[4])
        for row in rows
    ]


def processed(connection: Connection, name: str, delivery_ids: list[str]) -> None:
    connection.execute(
        text(
            "UPDATE ledger.inbox SET state = 'processed', finished_at = clock_timestamp(), problem = NULL"
            " WHERE connection = :name AND delivery_id = ANY(:delivery_ids)"
        ),
        {"name": name, "delivery_ids": delivery_ids},
    )


def forget(connection: Connection, older_than: timedelta, limit: int) -> int:
    """Delete deliveries that were processed longer ago; at most `limit` at once. Returns how many."""
    return (
        driver(connection)
        .execute(
            "DELETE FROM ledger.inbox WHERE (connection, delivery_id) IN (SELECT connection, delivery_id"
            " FROM ledger.inbox WHERE state = 'processed' AND finished_at < now() - %s::interval LIMIT %s)",
            (older_than, limit),
        )
        .rowcount
    )


def unreadable(connection: Connection, name: str, delivery_id: str, problem: str) -> None:
    connection.execute(
        text(
            "UPDATE ledger.inbox SET state = 'unreadable', finished_at = now(), problem = :problem"
            " WHERE connection = :name AND delivery_id = :delivery_id"
        ),
        {"name": name, "delivery_id": delivery_id, "problem": plain(problem)},
    )


def later(connection: Connection, name: str, delivery_ids: list[str], problem: str, after: timedelta) -> None:
    """What a delivery is about could not be read now: try again."""
    connection.execute(
        text(
            "UPDATE ledger.inbox SET attempts = attempts + 1, not_before = now() + :after, problem = :problem"
            " WHERE connection = :name AND delivery_id = ANY(:delivery_ids)"
        ),
        {"name": name, "delivery_ids": delivery_ids, "problem": plain(problem), "after": after},
    )


def count_waiting(connection: Connection, name: str) -> int:
    found = connection.execute(
        text("SELECT count(*) FROM ledger.inbox WHERE connection = :name AND state = 'received'"), {"name": name}
    ).scalar()
    return int(found or 0)
