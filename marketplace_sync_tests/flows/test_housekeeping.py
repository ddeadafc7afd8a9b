"""Handled deliveries are kept for a while and then not; what nobody handled is kept."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import text

from marketplace_sync.flows import housekeeping
from marketplace_sync.ledger import inbox
from marketplace_sync_tests.flows.town import SHOP, town


def test_only_what_was_handled_long_ago_is_deleted(database_url: str, tmp_path: Path) -> None:
    with town(database_url, tmp_path) as here:
        with here.project.ledger.begin() as connection:
            for delivery_id in ("old", "new", "waiting", "unreadable"):
                inbox.receive(connection, SHOP, delivery_id, "orders/updated", b"{}")
            inbox.processed(connection, SHOP, ["old", "new"])
            inbox.unreadable(connection, SHOP, "unreadable", "no JSON")
            connection.execute(
                text("UPDATE ledger.inbox SET finished_at = now() - interval '31 days' WHERE delivery_id <> 'new'")
            )
        assert housekeeping.clear_inbox(here.context) == 1
        with here.project.ledger.begin() as connection:
            left = connection.execute(text("SELECT delivery_id FROM ledger.inbox ORDER BY 1")).scalars().all()
        assert left == ["new", "unreadable", "waiting"]
