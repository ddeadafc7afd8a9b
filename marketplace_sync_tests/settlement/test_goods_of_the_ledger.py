"""John Lewis' aggregate and itemised reports against orders that were really placed, sent and given back."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from marketplace_sync.domain.settlement.layouts import FileKind
from marketplace_sync.flows.settlement import reconcile_connection
from marketplace_sync.flows.settlement_import import import_file
from marketplace_sync.flows.settlement_payout import reconcile_payout
from marketplace_sync_tests.flows.town import JL, Town, town

HEADINGS = ("Week Ending Date", "Day Date", "Ordering Supplier Name", "Ordering Supplier Number", "Branch",
            "Branch Short Name", "EAN Product Code", "Product Code", "Product_Description", "Total Sales Value",
            "Total Sales Quantity", "Total Returns Value", "Total Returns Quantity", "VAT Code",
            "Net Cost Value")  # fmt: skip


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> Iterator[Town]:
    with town(database_url, tmp_path, route={"finance": {"settlement": "files"}}) as found:
        yield found


def sent(here: Town, *order_ids: Any) -> list[dict[str, Any]]:
    """What the ledger says of the orders' lines and of the day on which they left."""
    with here.project.ledger.begin() as connection:
        rows = connection.execute(
            text(
                "SELECT e.order_id, e.line_id, (e.occurred_at AT TIME ZONE 'Europe/London')::date AS day, e.quantity,"
                " l.stock_number, l.unit_price, o.document -> 'lines' -> 0 ->> 'barcode' AS ean,"
                " (o.document -> 'lines' -> 0 ->> 'total')::int AS total,"
                " COALESCE((o.document -> 'lines' -> 0 ->> 'tax')::int, 0) AS tax, o.reference"
                " FROM ledger.order_events e JOIN ledger.order_lines l USING (connection, order_id, line_id)"
                " JOIN ledger.orders o USING (connection, order_id)"
                " WHERE e.kind = 'dispatched' AND e.order_id = ANY(:ids) ORDER BY e.order_id"
            ),
            {"ids": [str(each) for each in order_ids]},
        )
        return [dict(row) for row in rows.mappings()]


def report(*rows: tuple[date, str, str, int, int, int]) -> bytes:
    """Day, EAN, stock number, units sold, units returned, cost in pence."""
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(HEADINGS)
    for day, ean, stock_number, sold, returned, cost in rows:
        writer.writerow(
            ["2099-01-03", day, "Us", 17, 1, "OXF", ean, stock_number, "Mug", "99.00", sold, "0", returned, "S",
             f"{cost / 100:.2f}"]
        )  # fmt: skip
    return stream.getvalue().encode()


def take(here: Town, content: bytes) -> None:
    taken = import_file(here.context, JL, FileKind.SETTLEMENT, "sor_d2c_2099-01-03.csv", content)
    assert not taken.rejected


def test_rows_of_a_day_and_a_product_pay_the_orders_that_left_then(here: Town) -> None:
    first, second = here.place("MUG-RED", quantity=2), here.place("MUG-RED")
    here.settle()
    here.ship(first)
    here.ship(second)
    here.settle()
    lines = sent(here, first, second)
    assert [line["quantity"] for line in lines] == [2, 1]
    costs = sum(line["total"] - line["tax"] for line in lines)
    one = lines[0]
    assert one["ean"]
    nobodys = (one["day"], "4006381333931", "99999999", 1, 0, 500)
    take(here, report((one["day"], one["ean"], one["stock_number"], 3, 0, costs), nobodys))

    payout = reconcile_payout(here.context, JL, "2099-01-03")

    found = {row["order_id"]: (row["status"], row["expected"]) for row in payout.part.orders.iter_rows(named=True)}
    assert found == {line["order_id"]: ("matched", line["total"] - line["tax"]) for line in lines}
    (left,) = payout.part.unallocated.iter_rows(named=True)
    assert (left["amount"], left["code"]) == (500, "UNKNOWN_ORDER")
    (figures,) = payout.figures
    assert (figures.missing, figures.matched, figures.outside) == (0, costs, 500)
    assert [problem.code for problem in payout.problems] == ["UNKNOWN_ORDER"]


def test_an_itemised_row_finds_its_order_by_the_number_that_either_side_calls_it(here: Town) -> None:
    order_id = here.place("MUG-RED")
    here.settle()
    here.ship(order_id)
    here.settle()
    (line,) = sent(here, order_id)
    order = here.jl_order(order_id)
    head = (*HEADINGS[:10], "Order Number", "Customer Order Number", "Line Ref", "Transaction Type", "Quantity",
            "Gross", "VAT", "Commission Rate", "Commission", "Fee", "Net Payable", "PO Number")  # fmt: skip
    cost = f"{line['total'] / 100:.2f}"

    def row(number: str, buyers: str, po: str) -> str:
        return ",".join(
            ["2099-01-03", str(line["day"]), "Us", "17", "1", "OXF", line["ean"], line["stock_number"], "Mug", "99.00",
             number, buyers, line["line_id"], "SALE", "1", cost, "0", "0", "0", "0", cost, po]
        )  # fmt: skip

    for number, buyers, po in (
        (line["reference"], "", "PO-1"),
        ("", order["customer_order_number"], "PO-2"),
        ("nobody knows it", "nor it", "PO-3"),
    ):
        take(here, "\n".join((",".join(head), row(number, buyers, po))).encode())
    result = reconcile_connection(here.context, JL).result
    orders = {row["order_id"]: row for row in result.orders.iter_rows(named=True)}
    assert set(orders) == {str(order_id), "nobody knows it"}
    assert orders[str(order_id)]["documents"] == ["PO-1", "PO-2"]
    assert orders[str(order_id)]["codes"] == ["DUPLICATE_LINE"], "it is settled twice here, under either number"
    assert orders["nobody knows it"]["codes"] == ["UNKNOWN_ORDER"]
    for po in ("PO-1", "PO-2", "PO-3"):
        assert [each.missing for each in reconcile_payout(here.context, JL, po).figures] == [0]
