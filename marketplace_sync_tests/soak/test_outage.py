"""Vendors that are away for an hour: nothing is lost, nobody is asked without end, and a person is told once."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from marketplace_sync_tests.faults import campaigns
from marketplace_sync_tests.faults.documents import JL, KLAVIYO

pytestmark = pytest.mark.soak

MINUTES = float(os.environ.get("SOAK_OUTAGE_MINUTES", "60"))
AWAY = (JL, KLAVIYO)
_CALLS_A_MINUTE = 100
"""John Lewis allows 250. Schedules go on asking, each some times."""


def test_a_marketplace_and_klaviyo_are_away_for_an_hour(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled(), tempfile.TemporaryDirectory(prefix="mst-away-", ignore_cleanup_errors=True) as folder:
        outcome = campaigns.outage(
            Path(folder) / "home",
            seconds=MINUTES * 60,
            away=AWAY,
            shop={"orders_per_minute": 6.0, "history": 40, "ship_after_seconds": 60.0, "ship_within_seconds": 300.0},
            tell=lambda line: print(line, flush=True),
        )
        print(outcome.text(), outcome.open_items, outcome.said, sep="\n")
    outcome.check()
    for name in AWAY:
        assert outcome.done[f"calls of {name} that were answered with 500"] <= _CALLS_A_MINUTE * max(MINUTES, 3)
    assert outcome.open_items.count("DELIVERIES_FAILING") == len(AWAY)
    assert "DELIVERIES_FAILING" not in outcome.said
