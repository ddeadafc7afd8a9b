"""Every benchmark program runs: a small dose of each, its table held against what it must say, never against a time."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PROGRAMS = Path(__file__).resolve().parent.parent / "benchmarks"
Row = dict[str, Any]
Rows = list[Row]


def imported(rows: Rows) -> None:
    assert [row["what"] for row in rows] == [
        "bare loop, every field", "plain loop, .json()", "bare loop, few fields", "ours, kept only", "ours, with wishes"
    ]  # fmt: skip
    assert [row["orders"] for row in rows] == [200] * 5
    assert all({"of the bare loop", "of the plain loop"} <= row.keys() for row in rows)
    assert all(row["seconds"] >= 0 and row["per second"] > 0 for row in rows)
    assert all(20 < float(row["peak MiB"]) < 500 for row in rows if row["what"].startswith("ours"))


def budgets(rows: Rows) -> None:
    assert [row["vendor"] for row in rows] == [
        "john_lewis", "shopify_main", "magento_main", "arcade", "mirakl_shop", "klaviyo_main"
    ]  # fmt: skip
    assert all(row["calls"] >= 1 and row["refused (429)"] == "0.00%" for row in rows)


def klaviyo(rows: Rows) -> None:
    assert [row["delivered"] for row in rows] == [50, 1_000]
    assert all(row["refused (429)"] == "0.00%" for row in rows)


def growth(rows: Rows) -> None:
    assert {row["what"] for row in rows} >= {"poll with ten changes", "status"}
    assert all(row["100 orders, ms"] > 0 and row["1,000 orders, ms"] > 0 for row in rows)


def starting(rows: Rows) -> None:
    assert all(row["seconds"] > 0 for row in rows)
    assert "import the code location" in {row["what"] for row in rows}


def memory(rows: Rows) -> None:
    assert [row["effects delivered"] for row in rows] == list(range(100, 1_001, 100))
    assert all(row["resident MiB"] > 10 for row in rows)


def latency(rows: Rows) -> None:
    assert [(row["situation"], row["webhook to"], row["parcels"]) for row in rows] == [
        (situation, to, parcels)
        for situation, parcels in (("idle", 3), ("20 a second", 6), ("during a backlog", 3))
        for to in ("dispatch", "Klaviyo event")
    ]
    assert all(row["missing"] == 0 and 0 < row["p50 s"] <= row["worst s"] for row in rows)


def reconciled(rows: Rows) -> None:
    assert [row["what"].partition(":")[0] for row in rows if row["what"].startswith("ours")] == ["ours"] * 3
    assert all(row["rows"] > 1_000 for row in rows)


def payout(rows: Rows) -> None:
    assert [row["what"] for row in rows] == ["first run", "rerun, nothing changed"]
    assert all(row["orders"] == 300 and row["lines"] > 300 and row["exceptions"] > 0 for row in rows)


@pytest.mark.parametrize(
    ("program", "sane"),
    [
        ("import_orders", imported),
        ("rate_budgets", budgets),
        ("klaviyo_rate", klaviyo),
        ("poll_growth", growth),
        ("start_up", starting),
        ("courier_memory", memory),
        ("dispatch_latency", latency),
        ("reconciliation", reconciled),
        ("payout_partition", payout),
    ],
)
def test_a_small_dose_says_what_the_program_is_for(program: str, sane: Callable[[Rows], None]) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(PROGRAMS / f"{program}.py"), "--quick", "--json"],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    sane([json.loads(line) for line in done.stdout.splitlines()])


def test_every_program_has_a_small_dose_and_a_place_in_the_readme() -> None:
    readme = (PROGRAMS / "README.md").read_text(encoding="utf-8")
    for program in sorted(PROGRAMS.glob("[!_]*.py")):
        assert f"`{program.name}`" in readme, program.name
        assert "--quick" in program.read_text(encoding="utf-8") or "options(" in program.read_text(encoding="utf-8")
