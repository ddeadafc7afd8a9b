"""Deliveries that wait for an import that takes long leave the sessions of the ledger to everybody else."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.pool import QueuePool

from marketplace_sync.flows.import_orders import import_order
from marketplace_sync_tests.flows.town import JL, town

DELIVERIES = 12


def test_whoever_waits_for_an_import_waits_without_a_session(database_url: str, tmp_path: Path) -> None:
    with town(database_url, tmp_path) as here, ThreadPoolExecutor(DELIVERIES) as deliveries:
        placed = [str(here.place()) for _ in range(DELIVERIES)]
        pool = here.context.ledger.engine.pool
        assert isinstance(pool, QueuePool)
        with here.context.ledger.session() as another:
            _lock(another, "pg_advisory_lock")
            imports = [deliveries.submit(import_order, here.context, JL, order_id) for order_id in placed]
            while not _waiting(another):
                assert not any(one.done() for one in imports)
                time.sleep(0.01)
            seen = []
            until = time.monotonic() + 1.0
            while time.monotonic() < until:
                seen.append(_waiting(another))
                time.sleep(0.02)
            _lock(another, "pg_advisory_unlock")
        assert set(seen) == {1}
        assert all(one.result(60) for one in imports)
        assert pool.checkedout() == 0
        with here.context.ledger.begin() as connection:
            assert connection.execute(text("SELECT count(*) FROM ledger.orders")).scalar() == DELIVERIES


def _lock(connection: Connection, how: str) -> None:
    connection.execute(text(f"SELECT {how}(hashtextextended(:key, 0))"), {"key": f"import:{JL}"})
    connection.commit()


def _waiting(connection: Connection) -> int:
    found = connection.execute(
        text(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
    ).scalar()
    connection.commit()
    return int(found or 0)
