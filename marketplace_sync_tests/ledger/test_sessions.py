"""Sessions of the ledger are kept for whoever comes next, and one that ended meanwhile is nobody's problem."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import psycopg
import pytest
from sqlalchemy import event, text

from marketplace_sync.domain.errors import LedgerUnavailable
from marketplace_sync.ledger import database
from marketplace_sync.ledger.budgets import SharedBudget
from marketplace_sync.ledger.database import Ledger


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    found = Ledger(database_url)
    yield found
    found.close()


def _session(ledger: Ledger) -> int:
    with ledger.begin() as connection:
        return int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())


def test_a_session_that_the_server_ended_while_it_rested_is_replaced_without_a_word(ledger: Ledger) -> None:
    rested = _session(ledger)
    assert _session(ledger) == rested
    with psycopg.connect(database._libpq(ledger.url), autocommit=True) as administrator:
        administrator.execute("SELECT pg_terminate_backend(%s, 5000)", (rested,))
    assert _session(ledger) != rested


def test_a_session_that_rested_for_long_is_asked_and_stays(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    rested = _session(ledger)
    monkeypatch.setattr(database, "_RESTED", 0.0)
    assert _session(ledger) == rested


def test_as_many_sessions_as_are_used_at_once_stay_open(ledger: Ledger) -> None:
    opened: list[object] = []
    event.listen(ledger.engine, "connect", lambda session, _record: opened.append(session))
    together = threading.Barrier(12)

    def use(_turn: int) -> None:
        with ledger.begin() as connection:
            connection.execute(text("SELECT 1"))
            together.wait(10)

    with ThreadPoolExecutor(12) as threads:
        for _ in range(3):
            list(threads.map(use, range(12)))
    assert len(opened) == 12


def test_a_count_waits_for_no_disk_and_leaves_no_transaction_open(ledger: Ledger) -> None:
    budget = SharedBudget(ledger.counting, "shop", {"default": ()})
    assert budget.acquire("default").calls == 1
    with ledger.counting.connect() as connection:
        assert connection.execute(text("SHOW synchronous_commit")).scalar() == "off"
        idle = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND pid <> pg_backend_pid()"
        assert connection.execute(text(f"{idle} AND datname = current_database()")).scalar() == 0


def test_when_every_session_is_in_use_it_says_so_and_is_no_defect(database_url: str) -> None:
    small = Ledger(database_url, pool_size=1, patience=0.05)
    with ExitStack() as taken:
        for _ in range(9):
            taken.enter_context(small.session())
        with pytest.raises(LedgerUnavailable, match=r"every session that this process may have .* in use for 0.05 s"):
            small.at_once("SELECT 1")
    assert small.at_once("SELECT 1") == [(1,)]
    small.close()
