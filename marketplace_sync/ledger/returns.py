"""Returns as the marketplace states them, and as we know them to be once it took what we told it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from marketplace_sync.domain.orders import Return, ReturnState
from marketplace_sync.ledger import orders
from marketplace_sync.ledger.database import driver

_OPEN = "kind = 'return' AND state IN ('requested', 'authorised', 'received')"
"""As the index has it: a few, however many there ever were."""


def of_order(connection: Connection, name: str, order_id: str) -> list[Return]:
    """Every return of an order, line by line, those first that were asked for first."""
    found = [one for one in orders.reversals_of(connection, name, [order_id]) if isinstance(one, Return)]
    return sorted(found, key=lambda one: (one.requested_at, one.return_id))


def order_of(connection: Connection, name: str, return_id: str) -> str | None:
    """The order that a return is of; None: there is no such return."""
    row = (
        driver(connection)
        .execute(
            "SELECT order_id FROM ledger.reversals WHERE connection = %s AND kind = 'return'"
            " AND (key = %s OR document->>'whole' = %s) LIMIT 1",
            (name, return_id, return_id),
        )
        .fetchone()
    )
    return None if row is None else str(row[0])


def open_ones(connection: Connection, names: Sequence[str], limit: int) -> list[tuple[str, Return]]:
    """(connection, return) of those that are not over, the oldest first."""
    rows = driver(connection).execute(
        f"SELECT connection, document::text FROM ledger.reversals WHERE {_OPEN} AND connection = ANY(%s)"
        " ORDER BY (document->>'requested_at'), key LIMIT %s",
        (list(names), limit),
    )
    return [(row[0], orders.decode_return(row[1])) for row in rows]


def older_than(connection: Connection, name: str, moment: datetime, limit: int = 5000) -> list[Return]:
    """Accepted returns that were asked for before this moment and are not over."""
    rows = driver(connection).execute(
        f"SELECT document::text FROM ledger.reversals WHERE {_OPEN} AND state <> 'requested' AND connection = %s"
        " AND (document->>'requested_at')::timestamptz < %s ORDER BY (document->>'requested_at'), key LIMIT %s",
        (name, moment, limit),
    )
    return [orders.decode_return(row[0]) for row in rows]


def is_open(one: Return) -> bool:
    return one.state in (ReturnState.REQUESTED, ReturnState.AUTHORISED, ReturnState.RECEIVED)
