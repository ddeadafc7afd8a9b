"""Leases end with their holder, deliveries are stored once, work items close and reopen."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from marketplace_sync.domain.work_items import CODES, Problem
from marketplace_sync.ledger import inbox, watermarks, work_items
from marketplace_sync.ledger.database import Ledger
from marketplace_sync.ledger.lease import holders, lease


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    opened = Ledger(database_url)
    yield opened
    opened.close()


def test_a_connection_has_one_courier_at_a_time(ledger: Ledger) -> None:
    with lease(ledger, "john_lewis") as first, lease(ledger, "john_lewis") as second:
        assert first
        assert not second
        with lease(ledger, "klaviyo_main") as other:
            assert other
        assert holders(ledger, ["john_lewis", "shopify_main"]) == {"john_lewis"}
    with lease(ledger, "john_lewis") as again:
        assert again


def test_a_lease_is_free_again_when_its_block_fails(ledger: Ledger) -> None:
    def fail() -> None:
        with lease(ledger, "john_lewis"):
            raise RuntimeError("a bug")

    with pytest.raises(RuntimeError):
        fail()
    with lease(ledger, "john_lewis") as held:
        assert held


def test_a_killed_holder_lets_go_at_once(ledger: Ledger) -> None:
    program = (
        "import sys, time\n"
        "from marketplace_sync.ledger.database import Ledger\n"
        "from marketplace_sync.ledger.lease import lease\n"
        "with lease(Ledger(sys.argv[1]), 'john_lewis') as held:\n"
        "    print(held, flush=True)\n"
        "    time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", program, ledger.url], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        with lease(ledger, "john_lewis") as held:
            assert not held
    finally:
        os.kill(holder.pid, signal.SIGKILL)
        holder.communicate()
    end = time.monotonic() + 5
    while time.monotonic() < end:
        with lease(ledger, "john_lewis") as held:
            if held:
                return
    pytest.fail("the lease of a killed process was not released within five seconds")


def test_a_delivery_is_stored_once(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        assert inbox.receive(connection, "shopify_main", "d-1", "fulfillments/create", b"{}")
    with ledger.begin() as connection:
        assert not inbox.receive(connection, "shopify_main", "d-1", "fulfillments/create", b"{}")
        assert inbox.receive(connection, "other_shop", "d-1", "fulfillments/create", b"{}")
    with ledger.begin() as connection:
        (waiting,) = inbox.waiting(connection, "shopify_main", 10)
        inbox.processed(connection, "shopify_main", [waiting.delivery_id])
    with ledger.begin() as connection:
        assert inbox.waiting(connection, "shopify_main", 10) == []
        assert inbox.count_waiting(connection, "other_shop") == 1


def test_a_delivery_that_cannot_be_followed_up_now_comes_back_later(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        inbox.receive(connection, "shopify_main", "d-1", "orders/updated", b"{}")
        inbox.later(connection, "shopify_main", ["d-1"], "the store is down", timedelta(hours=1))
    with ledger.begin() as connection:
        assert inbox.waiting(connection, "shopify_main", 10) == []
        inbox.later(connection, "shopify_main", ["d-1"], "the store is down", timedelta(0))
    with ledger.begin() as connection:
        (delivery,) = inbox.waiting(connection, "shopify_main", 10)
    assert delivery.attempts == 2


def problem(subject: str = "john_lewis:1", message: str = "it is so") -> Problem:
    return Problem(
        code="UNKNOWN_SKU", subject=subject, message=message, connection="john_lewis", impact=1200, currency="GBP"
    )


def test_a_work_item_is_one_row_however_often_it_is_seen(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        assert work_items.report(connection, [problem()]) == 1
    with ledger.begin() as connection:
        assert work_items.report(connection, [problem(message="it is still so")]) == 0
        (item,) = work_items.listing(connection)
    assert item["message"] == "it is still so"
    assert item["times_seen"] == 2
    assert item["owner"] == "merchandising"


def test_a_work_item_closes_when_its_cause_is_gone_and_reopens_when_it_returns(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        work_items.report(connection, [problem()])
        assert work_items.close(connection, ["UNKNOWN_SKU"], ["john_lewis:1"], "the SKU exists now") == 1
        assert work_items.listing(connection) == []
    with ledger.begin() as connection:
        assert work_items.report(connection, [problem()]) == 1
        (item,) = work_items.listing(connection)
    assert item["times_opened"] == 2
    assert item["closed_because"] is None


def test_of_one_code_only_what_was_found_again_stays_open(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        work_items.report(connection, [problem("john_lewis:1"), problem("john_lewis:2")])
        found = [problem("john_lewis:2"), problem("john_lewis:3")]
        assert work_items.report_all(connection, ["UNKNOWN_SKU"], "john_lewis", found, "gone") == 1
        assert {item["subject"] for item in work_items.listing(connection)} == {"john_lewis:2", "john_lewis:3"}
        assert work_items.counts(connection) == {"UNKNOWN_SKU": 2}


def test_money_at_risk_comes_first(ledger: Ledger) -> None:
    dear = Problem(code="EFFECT_DEAD", subject="b", message="m", impact=99900, currency="GBP")
    unknown = Problem(code="EFFECT_DEAD", subject="c", message="m")
    with ledger.begin() as connection:
        work_items.report(connection, [unknown, problem(), dear])
        assert [item["impact"] for item in work_items.listing(connection)] == [99900, 1200, None]


def test_every_code_says_what_to_do() -> None:
    for name, code in CODES.items():
        assert name == code.name
        assert code.action.endswith(".")
        assert len(code.action) > 15


def test_a_watermark_keeps_its_place_when_a_read_brings_none(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        assert watermarks.get(connection, "john_lewis", "orders") is None
        watermarks.advance(connection, "john_lewis", "orders", "page-3", read=100, changed=2)
        watermarks.advance(connection, "john_lewis", "orders", None, read=0, changed=0)
        assert watermarks.get(connection, "john_lewis", "orders") == "page-3"
