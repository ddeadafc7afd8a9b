"""What is looked at regularly costs what is open or new, and who cannot be reached is shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from marketplace_sync.domain.errors import TransportError
from marketplace_sync_tests.flows.town import JL, Town, town


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> Iterator[Town]:
    with town(database_url, tmp_path) as found:
        yield found


HISTORY = (
    "INSERT INTO ledger.orders (connection, order_id, reference, customer_order_number, status, placed_at,"
    " first_seen_at, changed_at, currency, is_test, open_units, unacknowledged_units, dispatch_by, document)"
    " SELECT 'a', n, n, n, 'DISPATCH', at, at, at, 'GBP', false, 0, 0, at, '{}' FROM (SELECT n,"
    " now() - interval '8d' - n * interval '1m' AS at FROM generate_series(1, 20000) n) past",
    "INSERT INTO ledger.order_events (event_id, connection, order_id, kind, line_id, key, quantity, initiator, detail,"
    " occurred_at, seen_at) SELECT gen_random_uuid(), 'a', order_id, 'dispatched', '1', '1', 1, 'seller', '{}',"
    " placed_at, placed_at FROM ledger.orders",
    "ANALYZE ledger.orders",
    "ANALYZE ledger.order_events",
)


@pytest.mark.parametrize(
    ("question", "index"),
    [
        (
            "SELECT order_id FROM ledger.orders WHERE connection = 'a' AND open_units > 0 AND dispatch_by IS NOT NULL"
            " ORDER BY dispatch_by LIMIT 5000",
            "ix_orders_to_dispatch",
        ),
        (
            "SELECT order_id FROM ledger.orders WHERE connection = 'a' AND first_seen_at BETWEEN now() - interval '7d'"
            " AND now()",
            "ix_orders_first_seen",
        ),
        (
            "SELECT order_id FROM ledger.order_events WHERE connection = 'a' AND kind = 'dispatched'"
            " AND seen_at BETWEEN now() - interval '7d' AND now()",
            "ix_order_events_seen",
        ),
    ],
)
def test_a_regular_look_needs_no_walk_through_history(here: Town, question: str, index: str) -> None:
    with here.project.ledger.begin() as connection:
        for statement in HISTORY:
            connection.execute(text(statement))
        plan = "\n".join(connection.execute(text(f"EXPLAIN {question}")).scalars())
    assert index in plan, plan


def test_a_marketplace_that_refuses_our_key_is_shown_until_it_takes_it_again(here: Town) -> None:
    here.sandbox.control("PUT", f"{JL}/faults", [{"kind": "status", "status": 401}])
    with pytest.raises(TransportError):
        here.read_marketplace()
    assert here.work_items() == {"CONNECTION_REFUSED": 1}
    here.sandbox.control("PUT", f"{JL}/faults", [])
    here.read_marketplace()
    assert here.work_items() == {}
