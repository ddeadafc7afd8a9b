"""Every fault at 20 %, alone and all at once, while a few orders live their lives: nothing is lost or repeated."""

from __future__ import annotations

from pathlib import Path

import pytest

from marketplace_sync_tests.faults import campaigns
from marketplace_sync_tests.faults.struck import calm, live_through, quiet_town

pytestmark = pytest.mark.soak

ORDERS = 8
NINE_OF_TEN_FOR = 400


@pytest.mark.parametrize("kind", campaigns.FAULTS)
def test_one_kind_of_fault_on_a_fifth_of_all_calls(
    database_url: str, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with quiet_town(database_url, tmp_path) as here:
        outcome = live_through(here, f"{kind} at 20%", 0.2, orders=ORDERS, kinds=(kind,), within=300)
    _as_it_should_be(outcome, capsys)
    assert outcome.done.keys() == {f"struck: {kind}"}


@pytest.mark.parametrize(("probability", "share"), [(0.022, "a fifth"), (0.067, "half")])
def test_every_kind_of_fault_at_once(
    database_url: str, tmp_path: Path, probability: float, share: str, capsys: pytest.CaptureFixture[str]
) -> None:
    title = f"every kind of fault at {probability:.1%}, {share} of all calls"
    with quiet_town(database_url, tmp_path) as here:
        outcome = live_through(here, title, probability, orders=ORDERS, within=600)
    _as_it_should_be(outcome, capsys)


def test_every_kind_of_fault_at_twenty_per_cent_each(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """That strikes nine calls of ten: an order takes up to an hour then, and some arrive later. What
    did has arrived once, and what did not arrives when it is over."""
    with quiet_town(database_url, tmp_path) as here:
        outcome = live_through(here, "every kind of fault at 20%", 0.2, orders=ORDERS, within=NINE_OF_TEN_FOR)
        with capsys.disabled():
            print(outcome.text())
        assert outcome.books.repeated == []
        assert {what.removeprefix("struck: ") for what in outcome.done} == campaigns.FAULTS.keys()
        outcome.title += ", and when it is over"
        outcome.books = calm(here, within=300)
    _as_it_should_be(outcome, capsys)


def _as_it_should_be(outcome: campaigns.Outcome, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(outcome.text())
    outcome.check()
    assert outcome.books.counts["orders in the store"] == ORDERS
