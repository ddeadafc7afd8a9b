"""What waits in the outbox, by kind: for asset metadata, for deciding whether a courier run is worth starting,
and for saying who uses a connection."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, text


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    waiting: int
    oldest_seconds: float
    given_up: int
    """Refused or dead: a person decides."""


def of_kinds(connection: Connection, name: str, kinds: Sequence[str], source: str | None = None) -> Waiting:
    row = connection.execute(
        text(
            "SELECT count(*) FILTER (WHERE state IN ('pending', 'sending', 'in_doubt')) AS waiting,"
            " COALESCE(EXTRACT(EPOCH FROM now() - min(created_at)"
            " FILTER (WHERE state IN ('pending', 'sending', 'in_doubt'))), 0) AS oldest,"
            " count(*) FILTER (WHERE state IN ('refused', 'dead')) AS given_up"
            " FROM ledger.effects WHERE connection = :name AND kind = ANY(:kinds)"
            " AND state IN ('pending', 'sending', 'in_doubt', 'refused', 'dead')"
            " AND (CAST(:source AS text) IS NULL OR order_connection = :source)"
        ),
        {"name": name, "kinds": list(kinds), "source": source},
    ).one()
    return Waiting(waiting=row.waiting, oldest_seconds=float(row.oldest), given_up=row.given_up)


def at_most(connection: Connection, name: str, limit: int) -> int:
    """How many effects are due, counted no further than `limit`: after an import there may be millions."""
    found = connection.execute(
        text(
            "SELECT count(*) FROM (SELECT 1 FROM ledger.effects WHERE connection = :name AND state = 'pending'"
            " AND not_before <= now() LIMIT :limit) AS due"
        ),
        {"name": name, "limit": limit},
    ).scalar()
    return int(found or 0)


def of_connection(connection: Connection, name: str) -> int:
    """How many effects a connection's courier has still to bring, or is bringing."""
    return int(
        connection.execute(
            text("SELECT count(*) FROM ledger.effects WHERE connection = :name AND state IN ('pending', 'sending')"),
            {"name": name},
        ).scalar_one()
    )
