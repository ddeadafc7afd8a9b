"""What of the outbox does not get through: since when it fails, and where our own code failed over it."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection

from marketplace_sync.ledger.database import driver


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """Effects of one connection that do not get through, for one reason."""

    count: int
    since: datetime
    example: str
    """The last problem of the oldest."""
    effect_ids: list[int]
    """The first of them."""
    kind: str = ""
    broke_at: str = ""


def failing(connection: Connection, name: str, longer_than: timedelta) -> Trouble | None:
    """What has been failing for longer than this and is still tried; None: nothing."""
    row = (
        driver(connection)
        .execute(
            "SELECT count(*), min(failing_since), (array_agg(last_problem ORDER BY failing_since))[1],"
            " (array_agg(effect_id ORDER BY failing_since))[1:10] FROM ledger.effects WHERE connection = %s"
            " AND failing_since < now() - %s AND state IN ('pending', 'sending', 'in_doubt')",
            (name, longer_than),
        )
        .fetchone()
    )
    if row is None or not row[0]:
        return None
    return Trouble(count=row[0], since=row[1], example=row[2] or "", effect_ids=row[3])


def broken(connection: Connection, name: str) -> list[Trouble]:
    """What our own code failed over and is not settled, by kind and place."""
    rows = driver(connection).execute(
        "SELECT count(*), min(created_at), (array_agg(last_problem ORDER BY effect_id))[1],"
        " (array_agg(effect_id ORDER BY effect_id))[1:10], kind, broke_at FROM ledger.effects WHERE connection = %s"
        " AND broke_at IS NOT NULL AND state IN ('pending', 'sending', 'in_doubt', 'dead') GROUP BY kind, broke_at",
        (name,),
    )
    return [
        Trouble(count=row[0], since=row[1], example=row[2] or "", effect_ids=row[3], kind=row[4], broke_at=row[5])
        for row in rows
    ]
