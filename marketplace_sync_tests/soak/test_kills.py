"""A hundred kills of a running installation under load: every order, event and dispatch arrives, and once."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from marketplace_sync_tests.faults import campaigns

pytestmark = pytest.mark.soak

KILLS = int(os.environ.get("SOAK_KILLS", "100"))
SEED = int(os.environ.get("SOAK_SEED", "20261128"))


@pytest.fixture
def home() -> Iterator[Path]:
    """Short enough for PostgreSQL's sockets."""
    with tempfile.TemporaryDirectory(prefix="mst-soak-", ignore_cleanup_errors=True) as folder:
        yield Path(folder) / "home"


def test_a_hundred_kills_lose_nothing_and_repeat_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        outcome = campaigns.kill(home, kills=KILLS, seed=SEED, tell=lambda line: print(line, flush=True))
        print(outcome.text())
    outcome.check()
    assert outcome.done.total() >= KILLS
    assert len(outcome.done) >= (len(campaigns.PARTS) if KILLS >= 50 else 1)


def test_faults_of_every_kind_on_a_fifth_of_all_calls_lose_nothing_and_repeat_nothing(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = campaigns.strike(home, seconds=240, shop={"orders_per_minute": 20.0})
    with capsys.disabled():
        print(outcome.text())
    outcome.check()
    assert {what.removeprefix("struck: ") for what in outcome.done} == campaigns.FAULTS.keys()
