"""Every fault at 20 % at once while a few orders live their lives: most calls fail, and nothing is lost or repeated."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from marketplace_sync_tests.faults import campaigns
from marketplace_sync_tests.faults.books import Books, balance
from marketplace_sync_tests.faults.documents import JL, KLAVIYO, SHOP
from marketplace_sync_tests.flows.town import Town, town

pytestmark = pytest.mark.soak

ORDERS = 8


def test_every_kind_of_fault_at_twenty_per_cent_loses_nothing_and_repeats_nothing(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = campaigns.Outcome("every fault at 20%")
    began = time.monotonic()
    patient: dict[str, Any] = {"timeout_seconds": 5, "max_answer_megabytes": 1}
    connections: dict[str, dict[str, Any]] = {
        JL: {**patient, "settle_after": "1s"}, SHOP: {**patient, "doubt_settles_after": "1s"}, KLAVIYO: patient,
    }  # fmt: skip
    with town(database_url, tmp_path, connections=connections) as here:
        here.settle()
        for turn, account in enumerate((JL, SHOP, KLAVIYO)):
            rules = [
                {**rule, **({"megabytes": 2} if rule["kind"] == "huge" else {})} for rule in campaigns.rules(0.2, turn)
            ]
            here.sandbox.control("PUT", f"{account}/faults", rules)
        orders = [here.place("MUG-RED", "BOWL-BLUE", quantity=2) for _ in range(ORDERS)]
        outcome.books = _until_balanced(here)
        for number, order_id in enumerate(orders):
            if number % 4:
                here.ship(order_id, tracking_numbers=[f"RM{number}"])
            else:
                here.sandbox.act(JL, "request_cancellation", order_id=order_id, line_ref="1", quantity=1)
        outcome.books = _until_balanced(here)
        campaigns.struck(outcome, here.sandbox.control("GET", "")["accounts"])
        outcome.open_items = str(here.work_items())
    outcome.seconds = time.monotonic() - began
    with capsys.disabled():
        print(outcome.text())
    outcome.check()
    assert outcome.books.counts["orders in the store"] == ORDERS
    assert {what.removeprefix("struck: ") for what in outcome.done} == campaigns.FAULTS.keys()


def _until_balanced(here: Town, seconds: float = 600.0) -> Books:
    give_up = time.monotonic() + seconds
    while True:
        here.sync()
        books = balance(lambda path: here.sandbox.control("GET", path), {"Royal Mail"})
        if books.balanced or time.monotonic() > give_up:
            return books
