"""Settlement files in the marketplaces' own layouts, and in one that a route declares: several amounts in a row."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
import yaml

from marketplace_sync.config import load
from marketplace_sync.domain.settlement.layouts import FileKind
from marketplace_sync.flows.settlement_import import ImportReport, import_file
from marketplace_sync.ledger.location import urls_of
from marketplace_sync.project import Project, open_project

NAME = "john_lewis"
SHOP = ("Week Ending Date,Day Date,Ordering Supplier Name,Ordering Supplier Number,Branch,Branch Short Name,"
        "EAN Product Code,Product Code,Product_Description,Total Sales Value")  # fmt: skip
ITEMISED = (
    f"{SHOP},Order Number,Customer Order Number,Line Ref,Transaction Type,Quantity,Gross,VAT,Commission Rate,"
    "Commission,Fee,Net Payable,PO Number"
)
START = "2026-09-05,2026-09-03,Us,17,1,OXF,5012345,P1,Mug,50.00"


def itemised(*rows: str) -> str:
    return "\n".join((ITEMISED, *(f"{START},{row}" for row in rows))) + "\n"


class Finance:
    def __init__(self, project: Project) -> None:
        self.project = project

    def take(self, content: str | bytes, name: str = "file.csv") -> ImportReport:
        raw = content.encode() if isinstance(content, str) else content
        return import_file(self.project.context, NAME, FileKind.SETTLEMENT, name, raw)

    def lines(self) -> list[tuple[Any, ...]]:
        with self.project.ledger.begin() as connection:
            from sqlalchemy import text

            rows = connection.execute(
                text("SELECT type, amount, order_id, document FROM ledger.settlement_lines ORDER BY type, amount")
            )
            return [tuple(row) for row in rows]


def opened(database_url: str, folder: Path, finance: dict[str, Any]) -> Project:
    accounts = {
        NAME: {"platform": "john_lewis", "base_url": "http://127.0.0.1:9/edge",
               "username": {"env": "U", "default": "u"}, "password": {"env": "P", "default": "p"}},
        "klaviyo": {"platform": "klaviyo", "base_url": "http://127.0.0.1:9/k", "api_key": {"env": "K", "default": "k"}},
    }  # fmt: skip
    path = folder / "marketplace_sync.yaml"
    routes = {NAME: {"marketing": "klaviyo", "finance": {"settlement": "files", **finance}}}
    path.write_text(yaml.safe_dump({"connections": accounts, "routes": routes}))
    return open_project(load(path), database=urls_of(database_url))


@pytest.fixture
def finance(database_url: str, tmp_path: Path) -> Iterator[Finance]:
    with opened(database_url, tmp_path, {}) as project:
        yield Finance(project)


def test_an_itemised_report_becomes_lines_of_orders_and_bad_rows_are_listed(finance: Finance) -> None:
    content = itemised(
        "SO1,C1,L1,SALE,1,50.00,8.33,0.30,15.00,0,35.00,PO-9",
        "SO1,C1,L1,RETURN,1,50.00,8.33,0.30,15.00,0,-35.00,PO-9",
        "SO2,C2,L1,SALE,1,much,0,0,0,0,1.00,PO-9",
        "SO2,C2,L1,PENALTY,1,0,0,0,0,0,-2.50,PO-9",
        ",,,GIFT WRAP,1,0,0,0,0,0,-0.40,PO-9",
    )
    report = finance.take(content)
    assert [(each.line, each.reason) for each in report.rejected] == [(4, "`Gross` is 'much', which is not an amount")]
    assert "SO2,C2,L1,SALE,1,much" in report.rejected[0].raw
    assert report.totals == {("PO-9", "GBP"): (6, -290)}
    assert finance.lines() == [
        ("COMMISSION_FEE", -1500, "SO1", "PO-9"),
        ("GIFT_WRAP", -40, "", "PO-9"),
        ("ORDER_AMOUNT", 5000, "SO1", "PO-9"),
        ("REFUND_COMMISSION_FEE", 1500, "SO1", "PO-9"),
        ("REFUND_ORDER_AMOUNT", -5000, "SO1", "PO-9"),
        ("SELLER_PENALTY_FEE", -250, "SO2", "PO-9"),
    ]


def test_what_a_rows_net_amount_says_beyond_its_parts_is_counted_and_named(finance: Finance) -> None:
    finance.take(itemised("SO1,C1,L1,SALE,1,50.00,8.33,0.30,15.00,0,34.90,PO-9"))
    assert ("DIFFERENCE_TO_STATED_NET", -10, "SO1", "PO-9") in finance.lines()
    assert sum(line[1] for line in finance.lines()) == 3490


def test_equal_rows_of_a_file_are_two_and_the_same_file_is_one(finance: Finance) -> None:
    row = "SO1,C1,L1,SALE,1,50.00,8.33,0.30,15.00,0,35.00,PO-9"
    finance.take(itemised(row, row))
    assert len(finance.lines()) == 4
    finance.take(itemised(row, row) + "\n", "with another ending.csv")
    assert len(finance.lines()) == 4


def test_an_aggregate_report_as_a_workbook_is_money_without_orders(finance: Finance) -> None:
    heads = [*SHOP.split(","), "Total Sales Quantity", "Total Returns Value", "Total Returns Quantity", "VAT Code",
             "Net Cost Value"]  # fmt: skip
    stream = io.BytesIO()
    book = xlsxwriter.Workbook(stream, {"in_memory": True})
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, heads)
    sheet.write_row(1, 0, [*START.split(","), 1, 0, 0, "S", 22.75])
    sheet.write_row(2, 0, [*START.split(","), 0, 50, 1, "S", -22.75])
    book.close()
    finance.take(stream.getvalue(), "sor_d2c_2026-09-05.xlsx")
    assert finance.lines() == [
        ("ORDER_AMOUNT", 2275, "", "2026-09-05"),
        ("REFUND_ORDER_AMOUNT", -2275, "", "2026-09-05"),
    ]


def test_a_remittance_says_what_was_paid_of_each_purchase_order(finance: Finance) -> None:
    finance.take(
        "Remittance Number,Payment Date,Document Type,Document Number,PO Number,Gross,Discount,Net,Currency\n"
        "R1,2026-10-30,INVOICE,I1,PO-9,35.00,0.50,34.50,GBP\n"
        "R1,2026-10-30,DEBIT_NOTE,N1,PO-9,2.50,0,2.50,GBP\n"
    )
    assert finance.lines() == [
        ("INVOICEABLE_ONE_OFF_DEBIT", -50, "", "PO-9"),
        ("PAYMENT", -3450, "", "PO-9"),
        ("PAYMENT", 250, "", "PO-9"),
    ]


def test_a_routes_own_layout_comes_first(database_url: str, tmp_path: Path) -> None:
    layout = {
        "separator": ";",
        "decimal": ",",
        "columns": {"order_id": "Bestellung", "accounting_document_number": "Abrechnung"},
        "constants": {"currency": "EUR"},
        "row_kind": "Art",
        "amounts": {"Verkauf": {"Brutto": "+ORDER_AMOUNT", "Provision": "-COMMISSION_FEE"}},
    }
    with opened(database_url, tmp_path, {"files": {"settlement": layout}}) as project:
        mine = Finance(project)
        report = mine.take("Bestellung;Abrechnung;Art;Brutto;Provision\nA;D7;Verkauf;10,00;1,50\nB;D7;Storno;1;1\n")
        assert mine.lines() == [("COMMISSION_FEE", -150, "A", "D7"), ("ORDER_AMOUNT", 1000, "A", "D7")]
        assert [each.line for each in report.rejected] == [3]
