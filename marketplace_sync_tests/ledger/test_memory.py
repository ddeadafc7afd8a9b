"""What a vendor gives once a day is asked for once a day, however many processes want to know it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import text

from marketplace_sync.connectors.memory import LocalMemory, Memory
from marketplace_sync.domain.errors import Throttled
from marketplace_sync.ledger.database import Ledger
from marketplace_sync.ledger.memory import KeptMemory

DAY = timedelta(days=1)


class Vendor:
    """Answers once, and then says that it was asked already."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> bytes:
        self.asked += 1
        if self.asked > 1:
            raise Throttled("once a day", retry_after=86_400)
        return b'{"model": "DROPSHIP"}'


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    opened = Ledger(database_url)
    yield opened
    opened.close()


@pytest.fixture(params=["kept", "local"])
def memory(request: pytest.FixtureRequest) -> Memory:
    if request.param == "kept":
        return KeptMemory(request.getfixturevalue("ledger"), "bazaar")
    return LocalMemory()


def test_an_answer_is_asked_for_once(memory: Memory) -> None:
    vendor = Vendor()
    assert memory.remembered("shop", DAY, vendor) == memory.remembered("shop", DAY, vendor)
    assert vendor.asked == 1


def test_an_old_answer_is_better_than_none(memory: Memory) -> None:
    vendor = Vendor()
    first = memory.remembered("shop", DAY, vendor)
    assert memory.remembered("shop", timedelta(), vendor) == first
    assert vendor.asked == 2


def test_nothing_is_made_up_where_nothing_is_known(memory: Memory) -> None:
    def refused() -> bytes:
        raise Throttled("once a day", retry_after=86_400)

    with pytest.raises(Throttled):
        memory.remembered("shop", DAY, refused)


def test_processes_share_it_and_those_that_come_at_once_ask_once(ledger: Ledger) -> None:
    vendor = Vendor()
    found: list[bytes] = []

    def want() -> None:
        found.append(KeptMemory(ledger, "bazaar").remembered("shop", DAY, vendor))

    threads = [threading.Thread(target=want) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [b'{"model": "DROPSHIP"}'] * 6
    assert vendor.asked == 1


def test_each_connection_and_question_has_its_own_answer(ledger: Ledger) -> None:
    def says(answer: bytes) -> Callable[[], bytes]:
        return lambda: answer

    for name, key in (("bazaar", "shop"), ("markt", "shop"), ("bazaar", "carriers")):
        assert KeptMemory(ledger, name).remembered(key, DAY, says(f"{name} {key}".encode())) == f"{name} {key}".encode()
    with ledger.begin() as connection:
        assert connection.execute(text("SELECT count(*) FROM ledger.vendor_answers")).scalar() == 3


def test_however_many_wait_for_an_answer_the_one_who_asks_can_keep_it(database_url: str) -> None:
    """More threads than the pool has sessions: were each to wait with one, nobody could write the answer down."""
    small = Ledger(database_url, pool_size=1)
    memory = KeptMemory(small, "bazaar")
    all_there = threading.Barrier(20)
    asked: list[str] = []

    def slow() -> bytes:
        asked.append("once")
        threading.Event().wait(0.5)  # the vendor thinks, and everybody else comes
        return b"carriers"

    def want() -> bytes:
        all_there.wait()
        return memory.remembered("carriers", DAY, slow)

    with ThreadPoolExecutor(20) as threads:
        found = [one.result() for one in [threads.submit(want) for _ in range(20)]]
    small.close()
    assert (found, asked) == ([b"carriers"] * 20, ["once"])
