"""Wishes that were refused or given up and that nobody needs any more: withdrawn, and no person is asked about them."""

from __future__ import annotations

from sqlalchemy import Connection

from marketplace_sync.domain.effects import EffectState
from marketplace_sync.ledger import outbox, work_items
from marketplace_sync.ledger.wished import Wished

GIVEN_UP = (EffectState.REFUSED, EffectState.DEAD)


def withdraw(connection: Connection, one: Wished, because: str) -> None:
    """One that nobody has begun to send, or that its vendor refused, or that was given up."""
    if outbox.supersede(connection, one.connection, one.natural_key, because):
        subject = f"{one.connection}:{one.natural_key}"
        work_items.close(connection, ["EFFECT_REFUSED", "EFFECT_DEAD"], [subject], because)
