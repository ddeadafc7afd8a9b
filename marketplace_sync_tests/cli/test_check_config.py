"""`check-config` tells everything that is wrong before anything runs, by its words and by its exit code."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from marketplace_sync.cli.busy import WaitsInAll
from marketplace_sync.config import PACKAGED, load
from marketplace_sync.connectors import registry
from marketplace_sync.connectors.budget import LocalBudget
from marketplace_sync.domain.rates import FixedWindow, NoRoom
from marketplace_sync.ledger.budgets import SharedBudget
from marketplace_sync.ledger.lease import lease
from marketplace_sync.ledger.location import urls_of
from marketplace_sync.project import open_project
from marketplace_sync.sandbox import default_world
from marketplace_sync.sandbox.serve import RunningSandbox
from marketplace_sync_tests.cli.command import run


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    # who checks as often as tests do would wait for the marketplaces' minutes
    unlimited = {
        name: {**like, "rate_factor": 0} if default_world.ACCOUNTS[name] == "mirakl" else like
        for name, like in default_world.SETTINGS.items()
    }
    with RunningSandbox(accounts=default_world.ACCOUNTS, settings=unlimited) as running:
        yield running


@pytest.fixture
def file(tmp_path: Path, sandbox: RunningSandbox) -> Path:
    """The sandbox's own configuration, at the sandbox of this test."""
    path = tmp_path / "marketplace_sync.yaml"
    path.write_text(PACKAGED.read_text().replace("http://127.0.0.1:8700", sandbox.base_url))
    return path


@pytest.fixture(autouse=True)
def _home(short_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKETPLACE_SYNC_HOME", str(short_folder / "checked"))


def check(file: Path, *arguments: str, **environ: str) -> tuple[int, str]:
    code, output, complaint = run("check-config", *arguments, environ={"MARKETPLACE_SYNC_CONFIG": str(file), **environ})
    assert complaint == ""
    assert "Traceback" not in output
    return code, output


def test_everything_works(file: Path) -> None:
    code, output = check(file)
    assert code == 0, output
    assert f"{file}: 8 connections, 5 routes, no problems" in output
    for connection in ("john_lewis", "shopify_main", "klaviyo_main"):
        assert f"\n{connection}: " in output
    assert "FAILS" not in output


def test_a_key_that_is_refused_is_that_connection_s_failure_alone(file: Path) -> None:
    code, output = check(file, "--json", KLAVIYO_API_KEY="pk_wrong_hush")
    assert code == 1
    assert "hush" not in output
    document = json.loads(output)
    assert {c["connection"]: c["works"] for c in document["connections"]} == {
        "john_lewis": True,
        "john_lewis_home": True,
        "bazaar": True,
        "galerie": True,
        "arcade": True,
        "magento_main": True,
        "shopify_main": True,
        "klaviyo_main": False,
    }
    (failure,) = [f for c in document["connections"] for f in c["findings"] if not f["works"]]
    assert failure["detail"]
    assert failure["fix"]


def test_a_sandbox_that_does_not_run_is_said_at_once(file: Path, sandbox: RunningSandbox) -> None:
    file.write_text(file.read_text().replace(sandbox.base_url, "http://127.0.0.1:9"))
    code, output = check(file)
    assert code == 1
    assert output.count("nothing listens on 127.0.0.1:9; start the simulated vendors: `marketplace-sync sandbox`") == 8


def test_problems_of_the_file_are_told_to_people_and_programs(file: Path) -> None:
    file.write_text(file.read_text().replace("store: shopify_main", "store: shopify_mian", 1).replace("24h", "soon"))
    code, output = check(file)
    assert code == 2
    assert f"{file}: 1 problem\n" in output
    assert "routes.john_lewis.acknowledge_within: 'soon' is not a duration; write it like" in output
    code, output = check(file, "--json")
    document = json.loads(output)
    assert (code, document["works"], len(document["problems"])) == (2, False, 1)


def test_a_database_of_somebody_else_s_is_tried_too(file: Path, postgres_url: str) -> None:
    code, output = check(file, MARKETPLACE_SYNC_DATABASE_URL="postgresql://me:hush@127.0.0.1:1/sync")
    assert code == 1
    assert "database: database: FAILS: the database postgresql://me@127.0.0.1:1/sync cannot be used" in output
    assert "hush" not in output
    code, output = check(file, MARKETPLACE_SYNC_DATABASE_URL=postgres_url)
    assert code == 0
    assert "database: database: works" in output


def test_what_it_asks_counts_for_whoever_asks_next(file: Path, database_url: str) -> None:
    code, output = check(file, MARKETPLACE_SYNC_DATABASE_URL=database_url)
    assert code == 0, output
    project = open_project(load(file), database=urls_of(database_url))
    with contextlib.closing(project.ledger):
        settings = project.configuration.connections["bazaar"]
        budget = SharedBudget(project.ledger.counting, "bazaar", registry.package_of(settings).budget(settings))
        with pytest.raises(NoRoom) as full:
            budget.acquire("orders", patience=0)
        # once a minute, counted from the answer when that was late, and a little more
        assert 0 < full.value.wait < 90, "the next poll waits, and is not refused"
        code, output = check(file, MARKETPLACE_SYNC_DATABASE_URL=database_url)
        assert code == 0
        assert "bazaar: orders: works: it answers, and was asked just before" in output


def test_a_connection_whose_budget_is_used_up_is_busy_and_not_failing(file: Path, database_url: str) -> None:
    project = open_project(load(file), database=urls_of(database_url))
    with contextlib.closing(project.ledger):
        settings = project.configuration.connections["klaviyo_main"]
        budget = SharedBudget(project.ledger.counting, "klaviyo_main", registry.package_of(settings).budget(settings))
        for bucket in registry.package_of(settings).budget(settings):
            budget.learn(bucket, blocked_seconds=600)
        with lease(project.ledger, "klaviyo_main"):
            code, output = check(file, MARKETPLACE_SYNC_DATABASE_URL=database_url)
        assert code == 3, output
        assert "FAILS" not in output
        (line,) = [one for one in output.splitlines() if one.startswith("klaviyo_main: ")]
        assert line.startswith("klaviyo_main: key: BUSY: klaviyo_main: read the account was not sent")
        assert "its courier, which is at work (0 effects wait)" in line
        said = re.search(r"try again after (\d\d:\d\d:\d\d) UTC", line)
        assert said is not None
        assert {(datetime.now(UTC) + timedelta(minutes=n)).strftime("%H:%M") for n in (8, 9, 10)} >= {said.group(1)[:5]}
        code, output = check(
            file, "--json", MARKETPLACE_SYNC_DATABASE_URL=database_url, SHOPIFY_ACCESS_TOKEN="shpat_no"
        )
        states = {c["connection"]: c["state"] for c in json.loads(output)["connections"]}
        assert (states["klaviyo_main"], states["john_lewis"], states["shopify_main"]) == ("busy", "works", "fails")
        assert code == 1, "what fails comes before what is busy"


def test_a_check_waits_half_a_minute_for_all_of_a_connection_and_not_for_each_call() -> None:
    clock = [0.0]

    def wait(seconds: float) -> None:
        clock[0] += seconds

    local = LocalBudget({"default": (FixedWindow(1, 25.0),)}, clock=lambda: clock[0], sleep=wait)
    patient = WaitsInAll(local, 30.0, clock=lambda: clock[0])
    assert patient.acquire("default").calls == 1
    assert patient.acquire("default").calls == 1, "after some 25 s"
    with pytest.raises(NoRoom):
        patient.acquire("default")
    assert 25 < clock[0] < 30
