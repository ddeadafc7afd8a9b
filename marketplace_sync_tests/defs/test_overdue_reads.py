"""What is read once an hour and was missed is read once its vendor is back, not an hour later."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.test_utils import instance_for_test
from sqlalchemy import text

from marketplace_sync.defs import couriers, polling, resources
from marketplace_sync.defs.resources import Installation
from marketplace_sync.domain.errors import BudgetFull
from marketplace_sync.domain.work_items import Problem
from marketplace_sync.ledger import work_items
from marketplace_sync_tests.flows.mirakl_town import BAZAAR, mirakl_town
from marketplace_sync_tests.flows.town import JL, SHOP, Town, town


class Desk:
    def __init__(self, here: Town, instance: dg.DagsterInstance) -> None:
        self.here, self.instance = here, instance
        self.definitions = dg.Definitions.merge(
            polling.build(here.context),
            couriers.build(here.context),
            dg.Definitions(resources={"installation": Installation()}),
        )
        self.cursor: str | None = None

    def tick(self) -> tuple[set[str], str]:
        """What the sensor wants to have read, and the key of the run."""
        repository = self.definitions.get_repository_def()
        resources = {"installation": Installation()}
        context = dg.build_sensor_context(self.instance, self.cursor, repository_def=repository, resources=resources)
        found = repository.get_sensor_def("overdue_reads")(context)
        assert isinstance(found, dg.SensorResult)
        self.cursor = found.cursor
        requests = list(found.run_requests or ())
        keys = {key.to_user_string() for request in requests for key in request.asset_selection or ()}
        return keys, "".join(str(request.run_key) for request in requests)

    def older(self, name: str, feed: str, by: timedelta) -> None:
        with self.here.project.ledger.begin() as connection:
            done = connection.execute(
                text("UPDATE ledger.watermarks SET whole_from = now() - :by WHERE connection = :name AND feed = :feed"),
                {"by": by, "name": name, "feed": feed},
            )
        assert done.rowcount == 1


@pytest.fixture
def desk(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setenv("MARKETPLACE_SYNC_HOME", str(tmp_path / "home"))
    with town(database_url, tmp_path) as here, instance_for_test() as instance:
        monkeypatch.setattr(resources, "_opened", lambda: here.project)
        yield Desk(here, instance)


def test_what_was_missed_is_read_when_its_vendor_is_back(desk: Desk) -> None:
    assert desk.here.sync().problems == []
    assert desk.tick() == (set(), "")
    desk.older(JL, "sweep", timedelta(minutes=64))
    desk.older(JL, "orders", timedelta(minutes=64))
    desk.older(SHOP, "catalogue", timedelta(minutes=66))
    assert desk.tick()[0] == {f"{SHOP}/catalogue"}, "a run may wait its turn; what is read all the time comes by itself"
    desk.older(JL, "sweep", timedelta(minutes=66))
    down = Problem(code="CONNECTION_DOWN", subject=JL, connection=JL, message="John Lewis could not be read.")
    with desk.here.project.ledger.begin() as connection:
        work_items.report(connection, [down])
    assert desk.tick()[0] == {f"{SHOP}/catalogue"}, "a vendor that is away is asked by what is read all the time"
    with desk.here.project.ledger.begin() as connection:
        work_items.close(connection, [down.code], [JL], "it was read")
    keys, run = desk.tick()
    assert keys == {f"{JL}/sweep", f"{SHOP}/catalogue"}
    assert desk.tick() == (keys, run), "Dagster starts one run for a key: one that fails is not repeated at each look"


def test_what_was_never_read_is_missed_only_when_there_was_time_for_it(desk: Desk) -> None:
    assert desk.tick() == (set(), "")
    desk.cursor = (desk.here.context.now() - timedelta(minutes=6)).isoformat()
    assert desk.tick()[0] == {f"{JL}/sweep", f"{JL}/returns", f"{SHOP}/catalogue"}


def test_a_vendor_that_gives_no_answer_is_not_asked_anew_by_the_same_run(desk: Desk) -> None:
    """Its schedule, or the sensor above, asks again; the run says in a sentence what happened."""
    assert desk.here.sync().problems == []
    desk.here.sandbox.control("PUT", f"{JL}/faults", [{"kind": "status", "status": 503}])
    done = desk.definitions.get_implicit_global_asset_job_def().execute_in_process(
        instance=desk.instance, asset_selection=[dg.AssetKey([JL, "orders"])], raise_on_error=False
    )
    assert not done.success
    assert [event.step_key for event in done.all_events if event.event_type_value == "STEP_UP_FOR_RETRY"] == []
    (failed,) = [event for event in done.all_events if event.is_step_failure]
    said = failed.step_failure_data.user_failure_data
    assert said is not None
    assert (said.description or "").startswith(f"The feed orders of {JL} could not be read: "), said.description
    struck = desk.here.sandbox.control("GET", "")["accounts"][JL]["faults"]["struck"]["status"]
    assert struck == 4, "one call, four attempts"


def test_a_list_that_may_not_be_read_again_yet_is_no_failure(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A schedule and the sensor above may want it in the same minute."""
    monkeypatch.setenv("MARKETPLACE_SYNC_HOME", str(tmp_path / "home"))
    seldom = {BAZAAR: {"returns_interval": "5m"}}
    with mirakl_town(database_url, tmp_path, connections=seldom) as here, instance_for_test() as instance:
        monkeypatch.setattr(resources, "_opened", lambda: here.project)
        desk = Desk(here, instance)

        def read_returns() -> dict[str, object]:
            done = desk.definitions.get_implicit_global_asset_job_def().execute_in_process(
                instance=instance, asset_selection=[dg.AssetKey([BAZAAR, "returns"])]
            )
            (made,) = done.get_asset_materialization_events()
            return dict(made.materialization.metadata)

        assert "not_read_again_yet" not in read_returns()
        assert "not_read_again_yet" in read_returns()
        assert here.work_items() == {}


def test_a_vendor_that_was_not_asked_because_it_allows_no_call_yet_is_waited_for() -> None:
    full = BudgetFull("the rate budget has no room for 200 s", retry_after=200, connection=JL)
    with pytest.raises(dg.Failure) as failed, polling.read_in_its_time("The feed returns of bazaar"):
        raise full
    assert failed.value.allow_retries
