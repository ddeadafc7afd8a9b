"""Dagster's view of the installation: it loads, it is alive by default, and whoever opens it understands it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from marketplace_sync.domain.work_items import Team
from marketplace_sync.ledger import embedded
from marketplace_sync_tests.defs.asset_specs import SNAPSHOT, loaded, rendered

TOP = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return loaded()


@pytest.fixture(scope="module")
def specs(definitions: dg.Definitions) -> list[dg.AssetSpec]:
    found = list(definitions.resolve_all_asset_specs())
    assert found
    return found


def test_the_definitions_are_complete(definitions: dg.Definitions) -> None:
    """Every resource that is asked for is there, and nothing has the name of something else."""
    dg.Definitions.validate_loadable(definitions)


def test_dagster_itself_finds_the_workspace_valid(short_folder: Path) -> None:
    """As a person and CI run it, from the checkout, with nothing set but the home: the embedded database starts, and
    is gone afterwards."""
    home = short_folder / "definitions"

    done = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate", "-w", "workspace.yaml"],
        capture_output=True,
        text=True,
        cwd=TOP,
        env={**os.environ, "MARKETPLACE_SYNC_HOME": str(home)},
        timeout=300,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Validation successful" in done.stdout + done.stderr
    assert (home / "postgres" / "data" / "PG_VERSION").is_file(), "it did not use the embedded database"
    assert embedded.wait_until_stopped(home, 60), "the embedded server outlived its last user"


def test_every_asset_is_as_it_was_reviewed(definitions: dg.Definitions) -> None:
    """A key is a name that people's dashboards, alerts and histories hang on: a change of one shows up as a diff."""
    assert rendered(definitions) == SNAPSHOT.read_text(encoding="utf-8"), (
        "the assets changed; if that is meant, write them down again: python -m marketplace_sync_tests.defs.asset_specs"
    )


def test_every_asset_says_what_it_is_and_whose_it_is(specs: list[dg.AssetSpec]) -> None:
    teams = {f"team:{team.value}" for team in Team}

    assert [spec.key.to_user_string() for spec in specs if not (spec.description or "").strip()] == []
    assert [spec.key.to_user_string() for spec in specs if not spec.owners or not set(spec.owners) <= teams] == []
    assert [spec.key.to_user_string() for spec in specs if not spec.group_name or not spec.kinds] == []


def test_every_check_says_what_it_asks(definitions: dg.Definitions) -> None:
    checks = [spec for definition in definitions.asset_checks or () for spec in definition.check_specs]

    assert checks
    assert [check.name for check in checks if not (check.description or "").strip()] == []


def test_whatever_is_delivered_hangs_on_what_is_read(specs: list[dg.AssetSpec]) -> None:
    """Lineage without loose ends: an asset without anything upstream is one that is read from a vendor."""
    without_upstream = {spec.key.path[-1] for spec in specs if not list(spec.deps)}
    read = {"orders", "invoices", "refunds", "amendments", "sweep", "returns", "settlement"}

    assert without_upstream == read | {"catalogue", "webhooks"}


def test_an_installation_is_alive_without_anybody_switching_it_on(definitions: dg.Definitions) -> None:
    repository = definitions.get_repository_def()
    schedules = repository.schedule_defs
    sensors = repository.sensor_defs

    assert schedules
    assert sensors
    assert [one.name for one in schedules if one.default_status is not dg.DefaultScheduleStatus.RUNNING] == []
    assert [one.name for one in sensors if one.default_status is not dg.DefaultSensorStatus.RUNNING] == []


def test_every_connection_has_its_courier(definitions: dg.Definitions) -> None:
    names = {sensor.name for sensor in definitions.get_repository_def().sensor_defs}

    assert {f"courier_of_{name}" for name in ("john_lewis", "shopify_main", "klaviyo_main")} <= names


def test_everything_that_is_read_has_a_schedule(definitions: dg.Definitions, specs: list[dg.AssetSpec]) -> None:
    read = {"_".join(spec.key.path) for spec in specs if spec.freshness_policy is not None}

    assert read
    assert {f"read_{name}" for name in read} <= {one.name for one in definitions.get_repository_def().schedule_defs}


def test_what_is_read_once_a_day_is_read_when_it_is_night_where_its_marketplace_is(definitions: dg.Definitions) -> None:
    sweep = definitions.get_repository_def().get_schedule_def("read_arcade_sweep")

    assert (sweep.cron_schedule, sweep.execution_timezone) == ("7 3 * * *", "Europe/London")


def test_dagster_warns_of_nothing_that_is_its_own_doing_and_of_all_that_is_ours(short_folder: Path) -> None:
    program = """
import dagster as dg
from marketplace_sync.definitions import defs
defs.load_fn().get_repository_def()
dg.SensorDefinition(name="mine", evaluation_fn=lambda _: None, job_name="job", owners=["team:mine"])
"""
    environ = {**os.environ, "MARKETPLACE_SYNC_HOME": str(short_folder / "home")}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environ, cwd=TOP)
    assert done.returncode == 0, done.stderr
    warned = [line for line in done.stderr.splitlines() if "Warning" in line]
    assert [line.split(":")[0] for line in warned] == ["<string>"], done.stderr
    assert "BetaWarning: Parameter `owners`" in warned[0]
