"""Faults of every kind, together on every fifth call, cost time: nothing is lost, and nothing happens twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from marketplace_sync_tests.faults.struck import live_through, quiet_town


def test_every_fifth_call_is_struck_and_every_order_lives_its_life_once(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with quiet_town(database_url, tmp_path) as here:
        outcome = live_through(here, "every kind of fault, on a fifth of all calls", 0.022, orders=4, within=120)
    with capsys.disabled():
        print(outcome.text())
    outcome.check()
    assert outcome.books.counts["orders in the store"] == 4
    assert sum(outcome.done.values()) > 10
