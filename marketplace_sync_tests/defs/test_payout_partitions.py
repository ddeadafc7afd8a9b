"""Payouts in Dagster: a partition appears with its document, turns red, says why, is rerun, and turns green."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.execution.plan.objects import UserFailureData
from dagster._core.test_utils import instance_for_test

from marketplace_sync.defs import partitions, resources, settlement, settlement_feed
from marketplace_sync.defs.resources import Day, Installation
from marketplace_sync.domain.settlement.layouts import FileKind
from marketplace_sync.flows import decide
from marketplace_sync.flows.context import Route
from marketplace_sync.ledger import payouts, work_items
from marketplace_sync.ledger import settlement as settlement_ledger
from marketplace_sync_tests.settlement.office import NAME, Office, bank_file, opened, settlement_file, store_file
from marketplace_sync_tests.settlement.scene import SETTINGS, gave_back, order, payment, receipt, refund, sale

PARTITIONS = f"{NAME}_payouts"


class Desk:
    """An installation whose Dagster is at hand."""

    def __init__(self, office: Office, instance: dg.DagsterInstance) -> None:
        self.office, self.instance = office, instance
        context = office.context
        self.definitions = dg.Definitions.merge(
            settlement.build(context),
            settlement_feed.build(context),
            dg.Definitions(resources={"installation": Installation(), "day": Day()}, executor=dg.in_process_executor),
        )
        self.cursor: str | None = None

    def tick(self) -> list[dg.RunRequest]:
        """What the sensor asks for, with its partitions made."""
        repository = self.definitions.get_repository_def()
        context = dg.build_sensor_context(
            self.instance, self.cursor, repository_def=repository, resources={"installation": Installation()}
        )
        found = repository.get_sensor_def(f"payouts_of_{NAME}")(context)
        if not isinstance(found, dg.SensorResult):
            return []
        self.cursor = found.cursor
        for request in found.dynamic_partitions_requests or ():
            self.instance.add_dynamic_partitions(request.partitions_def_name, request.partition_keys)
        return list(found.run_requests or ())

    def run(self, key: str, as_of: str = "") -> dg.ExecuteInProcessResult:
        job = self.definitions.resolve_job_def(f"payout_{NAME}")
        return job.execute_in_process(
            partition_key=key, instance=self.instance, raise_on_error=False, run_config=self._day(as_of)
        )

    def run_month(self, month: str, as_of: str = "") -> dg.ExecuteInProcessResult:
        job = self.definitions.get_repository_def().get_job(f"payouts_of_a_month_{NAME}")
        ops = {f"reconcile_a_month_of_{NAME}": {"config": {"month": month}}}
        return job.execute_in_process(
            run_config={"ops": ops, **self._day(as_of)}, instance=self.instance, raise_on_error=False
        )

    @staticmethod
    def _day(as_of: str) -> dict[str, Any]:
        return {"resources": {"day": {"config": {"as_of": as_of}}}} if as_of else {}

    def shown(self, name: str, key: str) -> dict[str, Any]:
        """Metadata of the last materialisation of an asset's partition; nothing when there is none."""
        records = self.instance.fetch_materializations(
            dg.AssetRecordsFilter(dg.AssetKey([NAME, name]), asset_partitions=[key]), limit=1
        ).records
        if not records:
            return {}
        made = records[0].asset_materialization
        assert made is not None
        return {
            name: [row.data for row in value.records] if isinstance(value, dg.TableMetadataValue) else value.value
            for name, value in made.metadata.items()
        }


@pytest.fixture
def desk(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setenv("MARKETPLACE_SYNC_HOME", str(tmp_path / "home"))
    with opened(database_url, tmp_path, SETTINGS) as office, instance_for_test() as instance:
        monkeypatch.setattr(resources, "_opened", lambda: office.project)
        yield Desk(office, instance)


def failure_of(done: dg.ExecuteInProcessResult) -> UserFailureData | None:
    """What the one step that failed says."""
    (event,) = (event for event in done.all_events if event.is_step_failure)
    return event.step_failure_data.user_failure_data


def open_codes(office: Office) -> set[str]:
    with office.project.ledger.begin() as connection:
        return {item["code"] for item in work_items.listing(connection)}


def a_payout_with_a_refund_that_the_store_lacks(office: Office) -> None:
    office.take(FileKind.STORE_ORDERS, store_file([order("A"), order("B")]))
    office.take(FileKind.SETTLEMENT, settlement_file([*sale(), *refund(), *sale("B"), payment(4920)]), "september.csv")
    office.take(FileKind.BANK_RECEIPTS, bank_file([receipt(4920, "D1")]))


def test_a_payout_turns_red_says_why_and_turns_green_once_the_refund_is_in_the_store(desk: Desk) -> None:
    assert desk.tick() == []
    a_payout_with_a_refund_that_the_store_lacks(desk.office)
    (request,) = desk.tick()
    assert request.partition_key == "D1"
    assert desk.instance.get_dynamic_partitions(PARTITIONS) == ["D1"]

    first = desk.run("D1")

    assert not first.success
    checks = {found.check_name: found for found in first.get_asset_check_evaluations()}
    assert {name for name, found in checks.items() if not found.passed} == {
        "enough_is_matched",
        "nothing_needs_a_person",
    }
    assert (said := failure_of(first)) is not None
    assert said.description == (
        "Payout D1 of bazaar does not add up: 41.00 GBP of it needs a person. Order A: the marketplace refunded a buyer"
        " and the store does not know. Expected 45.10 GBP, settled 4.10, held 0.00 GBP. The spreadsheet is"
        f" {desk.shown('exception_report', 'D1')['workbook']}. What to do (cx): Record the refund in the store, or"
        " dispute it at the marketplace. Then run this partition again; the journal waits for it."
    )
    assert said.metadata["money_at_risk"].value == "41.00 GBP"
    assert checks["every_penny_is_accounted_for"].metadata["missing_minor_units"].value == 0
    assert {found.partition for found in checks.values()} == {"D1"}
    assert desk.shown("accounting_journal", "D1") == {}, "the journal waits"
    report = desk.shown("exception_report", "D1")
    assert (report["exceptions"], report["money_at_risk"]) == (1, "41.00 GBP")
    (row,) = report["what_needs_a_person"]
    assert (row["code"], row["order"], row["owner"]) == ("REFUND_NOT_IN_STORE", "A", "cx")
    workbook = Path(report["workbook"])
    assert workbook.is_file()
    assert "september.csv" in desk.shown("settlement_lines", "D1")["came_from"]
    assert open_codes(desk.office) == {"REFUND_NOT_IN_STORE"}

    desk.office.take(FileKind.STORE_ORDERS, store_file([order("A", refunds=(gave_back("R1"),))]))
    again = desk.run("D1")

    assert again.success
    assert open_codes(desk.office) == set(), "the work item closes itself"
    (change,) = desk.shown("reconciliation", "D1")["changes"]
    assert change["what"] == "order A"
    assert change["why"] == "what was sold or refunded was stated anew"
    assert "REFUND_NOT_IN_STORE" in change["before"]
    assert "matched" in change["now"]
    assert desk.shown("reconciliation", "D1")["last_report_files"] == str(workbook.parent)
    journal = desk.shown("accounting_journal", "D1")
    assert journal["out_of_balance"] == 0
    assert Path(journal["journal"]).is_file()
    assert workbook.is_file(), "the earlier report is kept"
    assert Path(desk.shown("exception_report", "D1")["workbook"]) != workbook


def test_what_the_marketplace_took_is_held_against_its_invoice(desk: Desk) -> None:
    a_payout_with_a_refund_that_the_store_lacks(desk.office)
    desk.instance.add_dynamic_partitions(PARTITIONS, ["D1"])

    def compared(gross: int, kind: str = "AUTO_INVOICE") -> tuple[bool, dict[str, Any]]:
        with desk.office.project.ledger.begin() as connection:
            settlement_ledger.merge_document(
                connection, NAME, document="D1", currency="GBP", transferred=None, state="", reference="",
                created_on=None, detail={"type": kind, "excl_taxes": gross, "incl_taxes": gross},
            )  # fmt: skip
        done = desk.run("D1")
        (check,) = (
            found for found in done.get_asset_check_evaluations() if found.check_name == "fees_are_what_was_invoiced"
        )
        return check.passed, {name: value.value for name, value in check.metadata.items()}

    passed, said = compared(0, "MANUAL_INVOICE")
    assert (passed, said["taken"], said["note"][:32]) == (True, "10.80 GBP", "the marketplace has issued no in")
    assert compared(1080) == (True, {"difference": "0.00 GBP", "taken": "10.80 GBP", "invoiced": "10.80 GBP"})
    assert compared(1180) == (False, {"difference": "-1.00 GBP", "taken": "10.80 GBP", "invoiced": "11.80 GBP"})


def test_a_rerun_without_news_is_the_same_report_and_changes_nothing(desk: Desk) -> None:
    a_payout_with_a_refund_that_the_store_lacks(desk.office)
    desk.tick()
    desk.run("D1")
    before = desk.shown("exception_report", "D1")
    desk.run("D1")
    after = desk.shown("exception_report", "D1")
    assert after["workbook"] == before["workbook"]
    assert after["note"] == "nothing changed since the last report, whose files these are"
    assert desk.shown("reconciliation", "D1")["changed_since_last_report"] == 0


def test_a_partition_compares_itself_with_its_own_last_report_whatever_ran_between(desk: Desk) -> None:
    a_payout_with_a_refund_that_the_store_lacks(desk.office)
    later = sale("C", document="D2", commission=-700, vat=-140)
    desk.office.take(FileKind.STORE_ORDERS, store_file([order("C")]))
    desk.office.take(FileKind.SETTLEMENT, settlement_file([*later, payment(4660, "D2")]))
    desk.office.take(FileKind.BANK_RECEIPTS, bank_file([receipt(4660, "D2")]))
    assert {request.partition_key for request in desk.tick()} == {"D1", "D2"}
    desk.run("D1")
    desk.run("D2")
    desk.office.take(FileKind.STORE_ORDERS, store_file([order("A", refunds=(gave_back("R1"),))]))
    desk.run("D2")
    desk.run("D1")
    assert desk.shown("reconciliation", "D2")["changed_since_last_report"] == 0
    (change,) = desk.shown("reconciliation", "D1")["changes"]
    assert change["what"] == "order A"


def test_what_a_person_has_decided_needs_nobody_any_more(desk: Desk) -> None:
    a_payout_with_a_refund_that_the_store_lacks(desk.office)
    desk.tick()
    assert not desk.run("D1").success
    with desk.office.project.ledger.begin() as connection:
        (item,) = work_items.listing(connection)
    decide.close_work_item(desk.office.context, item["work_item_id"], "agreed with CX", "ada")
    assert desk.run("D1").success
    assert desk.shown("exception_report", "D1")["decided_by_people"]


def test_whatever_comes_later_of_a_payout_is_reason_to_look_again_and_nothing_else_is(desk: Desk) -> None:
    a_payout_with_a_refund_that_the_store_lacks(desk.office)
    (first,) = desk.tick()
    assert desk.tick() == []
    desk.office.take(FileKind.BANK_RECEIPTS, bank_file([receipt(10, "D1", ref="late")]))
    (second,) = desk.tick()
    assert second.partition_key == "D1"
    assert second.run_key != first.run_key


def test_all_of_a_month_is_one_run(desk: Desk) -> None:
    a_payout_with_a_refund_that_the_store_lacks(desk.office)
    october = payment(4510, "D3").created_on
    assert october is not None
    lines = [*sale("E", document="D3"), payment(4510, "D3", on=october.replace(month=10))]
    desk.office.take(FileKind.STORE_ORDERS, store_file([order("E")]))
    desk.office.take(FileKind.SETTLEMENT, settlement_file(lines))
    desk.office.take(FileKind.BANK_RECEIPTS, bank_file([receipt(4510, "D3")]))

    done = desk.run_month("2026-09")

    assert done.success
    assert desk.shown("exception_report", "D1")["exceptions"] == 1
    assert desk.shown("accounting_journal", "D1") == {}
    assert desk.shown("exception_report", "D3") == {}, "it was paid in October"
    check = dg.AssetCheckKey(dg.AssetKey([NAME, "exception_report"]), "nothing_needs_a_person")
    (record,) = desk.instance.event_log_storage.get_asset_check_execution_history(check, limit=5)
    assert record.status.value == "FAILED"


def test_a_month_in_which_money_was_lost_fails_and_reports_all_other_payouts(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_payout_with_a_refund_that_the_store_lacks(desk.office)
    desk.office.take(FileKind.STORE_ORDERS, store_file([order("E")]))
    desk.office.take(FileKind.SETTLEMENT, settlement_file([*sale("E", document="D2"), payment(4510, "D2")]))
    desk.office.take(FileKind.BANK_RECEIPTS, bank_file([receipt(4510, "D2")]))
    kept = payouts.lines_of

    def one_line_less(connection: Any, name: str, document: str) -> Any:
        lines = kept(connection, name, document)
        return lines.filter(lines["type"] != "COMMISSION_FEE") if document == "D1" else lines

    monkeypatch.setattr(payouts, "lines_of", one_line_less)

    done = desk.run_month("2026-09")

    assert not done.success
    (failure,) = done.filter_events(lambda event: event.is_step_failure)
    assert "report of D1:" in str(failure.step_failure_data.user_failure_data)
    assert desk.shown("exception_report", "D1") == {}, "nothing further is made of it"
    assert desk.shown("accounting_journal", "D2")["out_of_balance"] == 0
    assert not desk.run("D1").success


def test_an_earlier_day_is_looked_at_from_the_run_configuration_and_changes_nothing(desk: Desk) -> None:
    a_payout_with_a_refund_that_the_store_lacks(desk.office)
    desk.tick()
    desk.run("D1")
    before = desk.shown("exception_report", "D1")

    assert desk.run_month("2026-09", as_of="the fifth").success is False
    assert desk.run_month("2026-09", as_of="2026-09-05").success, "nothing was settled by then"
    assert desk.shown("exception_report", "D1") == before
    desk.run("D1", as_of="2026-09-10")

    shown = desk.shown("reconciliation", "D1")
    assert shown["as_of"] == "2026-09-10"
    assert "an earlier day" in shown["note"]
    assert open_codes(desk.office) == {"REFUND_NOT_IN_STORE"}
    desk.run("D1")
    assert desk.shown("reconciliation", "D1")["changed_since_last_report"] == 0
    assert desk.shown("exception_report", "D1")["workbook"] == before["workbook"]


def test_a_file_that_is_not_what_its_totals_say_turns_its_payouts_red(desk: Desk) -> None:
    finance = SETTINGS | {"files": {"settlement": {"controls": [{"marker": "Total", "sums": {"amount": "amount"}}]}}}
    (route,) = desk.office.context.routes
    settings = route.settings.model_copy(update={"finance": finance})
    changed = Route(route.name, route.marketplace, route.display_name, settings, route.store, route.marketing)
    object.__setattr__(desk.office.context, "routes", (changed,))
    desk.office.take(FileKind.STORE_ORDERS, store_file([order("A")]))
    desk.office.take(FileKind.SETTLEMENT, settlement_file([*sale(), payment(4510)]) + "Total,,12.00,GBP" + "," * 8)
    desk.office.take(FileKind.BANK_RECEIPTS, bank_file([receipt(4510, "D1")]))
    desk.tick()

    done = desk.run("D1")

    wrong = {found.check_name: found for found in done.get_asset_check_evaluations() if not found.passed}
    assert set(wrong) == {"files_are_what_their_own_totals_say", "nothing_needs_a_person"}
    totals = wrong["files_are_what_their_own_totals_say"].metadata["totals"]
    assert isinstance(totals, dg.TableMetadataValue)
    (row,) = totals.records
    assert (row.data["stated"], row.data["taken"], row.data["of"]) == ("12.00", "0.00", "amount")


@pytest.mark.parametrize("document", ["D1", "2026/09-00017 B", 'a "name", 100%', "three...dots", "Zürich\t1"])
def test_any_number_of_a_payout_is_a_partition_key_and_back(document: str) -> None:
    key = partitions.key_of(document)
    assert partitions.document_of(key) == document
    assert "..." not in key
    assert key.isprintable()
    assert ("%" in key) == (document not in ("D1", "2026/09-00017 B"))


def test_what_is_unsettled_and_what_a_month_came_to_are_assets(desk: Desk) -> None:
    a_payout_with_a_refund_that_the_store_lacks(desk.office)
    graph = desk.definitions.get_implicit_global_asset_job_def()
    month = graph.get_subset(asset_selection={dg.AssetKey([NAME, "statement"])})
    assert month.execute_in_process(partition_key="2026-09-01", instance=desk.instance).success
    rows = {row["what"]: row["GBP"] for row in desk.shown("statement", "2026-09-01")["statement"]}
    assert (rows["sales"], rows["refunds"], rows["payout"], rows["received"]) == ("100.00", "-50.00", "49.20", "49.20")
    # 8.25 + 8.25 − 7.50 of 100 + 10 − 50
    assert rows["commission_rate_pct"] == "15.00"
    assert rows["days_to_cash"] == "9.0"
    unsettled = dg.AssetKey([NAME, "unsettled"])
    done = graph.get_subset(asset_selection={unsettled}).execute_in_process(instance=desk.instance)
    assert done.success
