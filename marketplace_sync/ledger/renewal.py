"""Wishes that nobody has begun to send, brought up to date: what leaves is what is true when it leaves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection

from marketplace_sync.decoding import decoded
from marketplace_sync.domain.effects import PAYLOAD_TYPES
from marketplace_sync.ledger.database import driver, notify
from marketplace_sync.ledger.outbox import Wish
from marketplace_sync.ledger.wished import forget


def renew(
    connection: Connection, wishes: Sequence[Wish], same: Callable[[Any, Any], bool], withdrawn_because: str
) -> int:
    """Give wishes that are recorded already their newest payload, unless `same(recorded, newest)`.

    One that was refused or given up gets another life with it; so does one that was withdrawn for exactly the reason
    `withdrawn_because`. One that may have reached the vendor is left alone. Returns how many were changed.
    """
    changed = 0
    forget(connection)
    by_key = {(wish.connection, wish.natural_key): wish for wish in wishes}
    for name in sorted({wish.connection for wish in wishes}):
        rows = driver(connection).execute(
            "SELECT effect_id, natural_key, state, payload::text, last_problem FROM ledger.effects"
            " WHERE connection = %s AND natural_key = ANY(%s) AND state IN ('pending', 'refused', 'dead', 'superseded')"
            " ORDER BY effect_id FOR UPDATE",
            (name, [wish.natural_key for wish in wishes if wish.connection == name]),
        )
        revived = 0
        for effect_id, key, state, recorded, problem in rows.fetchall():
            wish = by_key[name, key]
            withdrawn = state == "superseded"
            if withdrawn and problem != withdrawn_because:
                continue
            known = decoded(recorded, PAYLOAD_TYPES[wish.kind])
            if same(known, wish.payload) and not withdrawn:
                continue
            driver(connection).execute(
                "UPDATE ledger.effects SET payload = %s::json, state = 'pending', finished_at = NULL,"
                " attempts = CASE state WHEN 'pending' THEN attempts ELSE LEAST(attempts, 1) END,"
                " not_before = CASE state WHEN 'pending' THEN not_before ELSE now() END,"
                " in_doubt_since = NULL WHERE effect_id = %s",
                (msgspec.json.encode(wish.payload).decode(), effect_id),
            )
            changed += 1
            revived += state != "pending"
        if revived:
            notify(connection, {name})
    return changed
