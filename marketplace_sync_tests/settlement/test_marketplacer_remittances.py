"""Remittances as a Marketplacer instance works them out, as a file, through the ledger to the payout's partition."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.test_utils import instance_for_test

from marketplace_sync.defs import partitions, resources, settlement, settlement_feed
from marketplace_sync.defs.resources import Day, Installation
from marketplace_sync.domain.money import decimal_text
from marketplace_sync.domain.settlement.layouts import FileKind
from marketplace_sync.flows.context import Route
from marketplace_sync.flows.settlement import reconcile_connection
from marketplace_sync.flows.settlement_import import ImportReport, import_file
from marketplace_sync_tests.flows.marketplacer_town import MARKET, act, live, marketplacer_town, place
from marketplace_sync_tests.flows.town import Town

HEADINGS = ("Remittance ID", "Invoice ID", "Order ID", "Line Item ID", "Remittance Advice ID", "Currency",
            "Remitted At", "Amount", "Commission Amount", "Paid Amount")  # fmt: skip


@pytest.fixture
def here(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    monkeypatch.setenv("MARKETPLACE_SYNC_HOME", str(tmp_path / "home"))
    like = {"split_by_delivery_type": True}
    with marketplacer_town(database_url, tmp_path, store=None, with_klaviyo=True, like=like) as found:
        (route,) = [each for each in found.context.routes if each.marketplace == MARKET]
        rate = {"default": "0.12"}
        settings = route.settings.model_copy(
            update={"finance": {"settlement": "files", "commission_rates": rate, "commission_vat_rate": "0"}}
        )
        mine = Route(route.name, route.marketplace, route.display_name, settings, route.store, route.marketing)
        object.__setattr__(found.context, "routes", (mine,))
        yield found


def remitted(here: Town, orders: Sequence[Any]) -> tuple[str, list[list[str]]]:
    """(the advice, its rows): what the instance worked out, with its own ids."""
    act(here, "remit")
    documents = here.sandbox.documents
    order_of = {invoice["invoice_id"]: order["id"] for order in orders for invoice in order["invoices"]}
    of_amendment = {one["n"]: one["invoice"] for one in documents(MARKET, "invoice_amendments")}
    remittances = documents(MARKET, "remittances")
    rows = []
    for one in remittances:
        invoice = one["invoice"] or of_amendment[one["amendment"]]
        rows.append(
            [str(one["n"]), str(invoice), order_of[invoice], "", "RA-1", "GBP", "2026-09-30",
             decimal_text(one["amountCents"], "GBP"), decimal_text(one["commissionAmountCents"], "GBP"), ""]
        )  # fmt: skip
    total = sum(advice["totalCents"] for advice in documents(MARKET, "remittance_advices"))
    rows.append(["", "", "", "", "RA-1", "GBP", "2026-09-30", "", "", decimal_text(total, "GBP")])
    return decimal_text(total, "GBP"), rows


def take(here: Town, rows: Sequence[Sequence[str]], total: str = "") -> ImportReport:
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerows([HEADINGS, *rows])
    if total:
        writer.writerow(["Total", "", "", "", "", "", "", total, "", ""])
    return import_file(here.context, MARKET, FileKind.SETTLEMENT, "remittances.csv", stream.getvalue().encode())


def test_what_an_instance_remits_is_settled_order_by_order_in_its_partition(
    here: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = [place(here, "MUG-RED", quantity=2), place(here, "LAMP-BRASS")]
    live(here)
    for order in orders:
        act(here, "ship", order_id=order["order_id"])
    live(here)
    total, rows = remitted(here, orders)

    report = take(here, rows, total)

    assert report.rejected == []
    assert [(control.of, control.agrees) for control in report.controls] == [("Amount", True)]
    ((document, currency),) = report.totals
    assert (document, currency, report.totals[document, currency][1]) == ("RA-1", "GBP", 0), "all of it was paid"
    receipt = f"bank_ref,amount,currency,date,documents\nX1,{total},GBP,2026-10-02,RA-1\n".encode()
    import_file(here.context, MARKET, FileKind.BANK_RECEIPTS, "bank.csv", receipt)
    monkeypatch.setattr(resources, "_opened", lambda: here.project)
    definitions = dg.Definitions.merge(
        settlement.build(here.context),
        settlement_feed.build(here.context),
        dg.Definitions(resources={"installation": Installation(), "day": Day()}, executor=dg.in_process_executor),
    )
    with instance_for_test() as instance:
        instance.add_dynamic_partitions(str(partitions.payouts(MARKET).name), ["RA-1"])
        done = definitions.resolve_job_def(f"payout_{MARKET}").execute_in_process(
            partition_key="RA-1", instance=instance, raise_on_error=False
        )
        checks = {found.check_name: found for found in done.get_asset_check_evaluations()}
        problems = checks["nothing_needs_a_person"].metadata
        assert done.success, problems
        assert all(found.passed for found in checks.values())
        (made,) = instance.fetch_materializations(
            dg.AssetRecordsFilter(dg.AssetKey([MARKET, "matched_lines"]), asset_partitions=["RA-1"]), limit=1
        ).records
    assert made.asset_materialization is not None
    shown = {name: value.value for name, value in made.asset_materialization.metadata.items()}
    assert (shown["orders_matched"], shown["orders_wrong"], shown["match_rate"]) == (2, 0, 100.0)


def test_an_order_of_two_invoices_with_postage_is_wrong_at_no_time(here: Town) -> None:
    order = here.sandbox.act(MARKET, "place_order", lines=[
        {"sku": "MUG-RED", "quantity": 1, "unit": 2000, "postage": 400},
        {"sku": "MUG-RED", "quantity": 2, "unit": 1000, "postage": 400, "delivery_type": "NO_DISPATCH"},
    ])  # fmt: skip
    first, second = (invoice["invoice_id"] for invoice in order["invoices"])
    live(here)

    def concluded() -> list[tuple[str, list[str]]]:
        done = reconcile_connection(here.context, MARKET)
        return list(done.result.orders.select("status", "codes").iter_rows())

    act(here, "ship", order_id=order["order_id"], invoice_id=second)
    live(here)
    take(here, remitted(here, [order])[1])
    assert concluded() == [("pending", ["PARTIALLY_SETTLED"])], f"{first} is still to be remitted, postage and all"
    act(here, "ship", order_id=order["order_id"], invoice_id=first)
    live(here)
    take(here, remitted(here, [order])[1])
    assert concluded() == [("matched", [])]


def test_rows_in_pieces_and_again_are_the_same_lines_and_a_bad_one_is_listed(here: Town) -> None:
    rows = [
        ["91", "7", "O-1", "L-1", "RA-9", "GBP", "2026-09-30", "85.00", "15.00", ""],
        ["92", "8", "O-2", "", "RA-9", "GBP", "2026-09-30", "-42.50", "-7.50", ""],
        ["93", "9", "O-3", "", "RA-9", "GBP", "2026-09-30", "ten", "1.00", ""],
        ["", "", "", "", "RA-9", "GBP", "2026-09-30", "", "", "42.50"],
    ]
    report = take(here, rows)
    assert [(each.line, each.reason) for each in report.rejected] == [(4, "`Amount` is 'ten', which is not an amount")]
    take(here, rows[:1])
    take(here, rows[::-1])
    with here.project.ledger.begin() as connection:
        from sqlalchemy import text

        found = connection.execute(
            text("SELECT type, amount, order_id, order_line_id FROM ledger.settlement_lines ORDER BY order_id, type")
        )
        lines = [tuple(row) for row in found]
    assert lines == [
        ("PAYMENT", -4250, "", ""),
        ("COMMISSION_FEE", -1500, "O-1", "L-1"),
        ("ORDER_TOTAL_AMOUNT", 10000, "O-1", "L-1"),
        ("REFUND_COMMISSION_FEE", 750, "O-2", ""),
        ("REFUND_TOTAL_AMOUNT", -5000, "O-2", ""),
    ]
