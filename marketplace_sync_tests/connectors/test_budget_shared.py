"""A rate budget that several processes share through the ledger holds for all of them together."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import msgspec
import pytest
import structlog
from sqlalchemy import Engine, create_engine, text

from marketplace_sync.connectors.budget import BudgetSpec, CostBucket, FixedWindow, Grant, NoRoom
from marketplace_sync.domain.errors import LedgerUnavailable
from marketplace_sync.domain.rates import Usage, ahead, take
from marketplace_sync.ledger.budgets import SharedBudget, rate_budgets


@pytest.fixture
def engine(empty_database_url: str) -> Iterator[Engine]:
    engine = create_engine(empty_database_url, pool_size=4)
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA ledger"))
        rate_budgets.create(connection)
    yield engine
    engine.dispose()


# Parts of an hour are half a minute long: 118 of them are 59 minutes.
_AN_HOUR_AGO = text(
    "UPDATE ledger.rate_budgets SET state = jsonb_set(state::jsonb, '{windows,3600,0,0}',"
    " to_jsonb((state->'windows'->'3600'->0->>0)::int - 118))"
)
_COUNTED = text("SELECT part->>1 FROM ledger.rate_budgets, json_array_elements(state->'windows'->'3600') part")

_PROCESS = """
import sys
from sqlalchemy import create_engine
from marketplace_sync.connectors.budget import FixedWindow, NoRoom
from marketplace_sync.ledger.budgets import SharedBudget
budget = SharedBudget(create_engine(sys.argv[1]), "shop", {"default": (FixedWindow(1500, 3600.0),)})
granted = budget.acquire("default").calls
print("ready", flush=True)
sys.stdin.readline()
try:
    while True:
        granted += budget.acquire("default", up_to=3, patience=0).calls
except NoRoom:
    print(granted)
"""


def test_processes_together_get_exactly_what_the_vendor_allows(engine: Engine, empty_database_url: str) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _PROCESS, empty_database_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    granted = [int(process.communicate(timeout=60)[0]) for process in processes]
    assert sum(granted) == 1500
    assert sum(calls > 1 for calls in granted) >= 2


def test_two_connections_of_one_vendor_do_not_share(engine: Engine) -> None:
    spec: BudgetSpec = {"default": (FixedWindow(1, 3600.0),)}
    SharedBudget(engine, "one", spec).acquire("default")
    SharedBudget(engine, "two", spec).acquire("default", patience=0)
    with pytest.raises(NoRoom):
        SharedBudget(engine, "one", spec).acquire("default", patience=0)


def test_a_wait_learnt_by_one_holds_for_the_other_and_ends(engine: Engine) -> None:
    spec: BudgetSpec = {"default": ()}
    SharedBudget(engine, "shop", spec).learn("default", blocked_seconds=0.3)
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        time.sleep(seconds)

    assert SharedBudget(engine, "shop", spec, sleep=sleep).acquire("default").calls == 1
    assert 0 < sum(slept) <= 0.35
    with engine.connect() as connection:
        assert connection.execute(text("SELECT blocked_until FROM ledger.rate_budgets")).scalar() is None


def test_a_cost_bucket_is_shared_with_what_the_vendor_said_about_it(engine: Engine) -> None:
    spec: BudgetSpec = {"graphql": CostBucket(1000, 1.0)}
    SharedBudget(engine, "shop", spec).acquire("graphql", 100)
    SharedBudget(engine, "shop", spec).learn("graphql", available=250)
    assert SharedBudget(engine, "shop", spec).acquire("graphql", 100, up_to=9).calls == 2


def test_a_call_that_was_answered_late_counts_for_everybody_from_its_answer(engine: Engine) -> None:
    spec: BudgetSpec = {"default": (FixedWindow(1, 3600.0),)}
    granted = SharedBudget(engine, "shop", spec).acquire("default")
    in_time = msgspec.structs.replace(granted, noticed=granted.noticed - 20)
    SharedBudget(engine, "shop", spec).answered("default", in_time)
    with pytest.raises(NoRoom) as full:
        SharedBudget(engine, "shop", spec).acquire("default", patience=0)
    assert full.value.wait < 3720
    with engine.begin() as connection:  # 59 minutes go by
        connection.execute(_AN_HOUR_AGO)
    an_hour_late = msgspec.structs.replace(granted, at=granted.at - 3540, noticed=granted.noticed - 3540)
    SharedBudget(engine, "shop", spec).answered("default", an_hour_late)
    with pytest.raises(NoRoom) as full:
        SharedBudget(engine, "shop", spec).acquire("default", patience=0)
    assert full.value.wait > 3600
    with engine.connect() as connection:
        assert connection.execute(_COUNTED).scalars().all() == ["1"]


def test_that_the_budget_cannot_be_told_is_no_reason_to_lose_an_answer(engine: Engine) -> None:
    granted = Grant(calls=1, at=0.0, noticed=time.monotonic() - 100)
    nowhere = create_engine("postgresql+psycopg://nobody@127.0.0.1:9/none", connect_args={"connect_timeout": 1})
    with structlog.testing.capture_logs() as logged:
        SharedBudget(nowhere, "shop", {"default": (FixedWindow(1, 60.0),)}).answered("default", granted)
    assert [entry["event"] for entry in logged] == ["a late answer was not counted"]


def test_without_its_database_nothing_may_be_sent() -> None:
    nowhere = create_engine("postgresql+psycopg://nobody@127.0.0.1:9/none", connect_args={"connect_timeout": 1})
    with pytest.raises(LedgerUnavailable, match="nothing was sent"):
        SharedBudget(nowhere, "shop", {"default": ()}).acquire("default")


def test_who_reads_page_after_page_asks_the_row_now_and_then_and_everybody_sees_it_counted(engine: Engine) -> None:
    spec: BudgetSpec = {"default": (FixedWindow(3000, 3600.0),)}
    reader = SharedBudget(engine, "shop", spec)
    moments = {reader.acquire("default").at for _ in range(200)}
    assert len(moments) < 100
    with engine.connect() as connection:
        counted = sum(map(int, connection.execute(_COUNTED).scalars()))
    assert 200 <= counted <= 220
    assert SharedBudget(engine, "shop", spec).acquire("default", up_to=3000).calls == 3000 - counted


def test_turns_that_were_taken_ahead_end_with_the_vendors_wish_to_be_left_alone(engine: Engine) -> None:
    reader = SharedBudget(engine, "shop", {"default": (FixedWindow(3000, 3600.0),)})
    for _ in range(3):
        reader.acquire("default")
    reader.learn("default", blocked_seconds=30)
    with pytest.raises(NoRoom):
        reader.acquire("default", patience=0)


def test_little_is_taken_ahead_and_nothing_where_it_could_be_missed() -> None:
    def in_advance(*windows: FixedWindow, used: int = 0) -> int:
        usage = Usage()
        take(windows, usage, 1000.0, up_to=max(1, used))
        return ahead(windows, usage, 1000.0)

    assert in_advance(FixedWindow(250, 60.0)) == 8
    assert in_advance(FixedWindow(100_000, 60.0)) == 20
    assert in_advance(FixedWindow(250, 60.0), used=124) == 8
    assert in_advance(FixedWindow(250, 60.0), used=125) == 0
    assert in_advance(FixedWindow(20, 3600.0)) == 0
    assert in_advance(FixedWindow(10_000, 60.0), FixedWindow(75, 1.0)) == 0
    assert ahead(CostBucket(1000, 50.0), Usage(), 1000.0) == ahead((), Usage(), 1000.0) == 0
