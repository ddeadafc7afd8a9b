"""A small dose of the long run: a few kills of a whole installation under load."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from marketplace_sync_tests.faults import campaigns

SEED = 20261128


@pytest.fixture
def home() -> Iterator[Path]:
    """Short enough for PostgreSQL's sockets."""
    with tempfile.TemporaryDirectory(prefix="mst-kill-", ignore_cleanup_errors=True) as folder:
        yield Path(folder) / "home"


def test_a_few_kills_lose_nothing_and_repeat_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = campaigns.kill(
        home,
        kills=3,
        seed=SEED,
        parts=("code server", "database session", "pass by hand", "sandbox"),
        pause=(0.5, 2.0),
        shop={"orders_per_minute": 240.0, "history": 3, "return_rate": 0.0, "seller_cancel_rate": 0.0,
              "buyer_cancel_rate": 0.0, "ship_within_seconds": 2.0},
        settle_within=180.0,
    )  # fmt: skip
    with capsys.disabled():
        print(outcome.text())
    outcome.check()
    assert outcome.done.total() == 3
    assert outcome.books.counts["orders in the store"] > 0
