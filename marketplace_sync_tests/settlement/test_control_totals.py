"""What a file states of its own totals is read, compared with what was taken, and a difference needs a person."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

import xlsxwriter

from marketplace_sync.domain.settlement.layouts import FileKind
from marketplace_sync.flows.context import Route
from marketplace_sync.flows.settlement_import import ImportReport
from marketplace_sync.flows.settlement_payout import reconcile_payout
from marketplace_sync.ledger import work_items
from marketplace_sync_tests.settlement.office import NAME, Office
from marketplace_sync_tests.settlement.scene import SETTINGS, TODAY

HEADER = "id,type,amount,currency,order_id,accounting_document_number,payment_state,date_created\n"
ROWS = (
    "1,ORDER_AMOUNT,50.00,GBP,A,D1,PAID,2026-09-10\n"
    "2,ORDER_AMOUNT,30.00,GBP,B,D2,PAID,2026-09-10\n"
    "3,COMMISSION_FEE,-7.50,GBP,A,D1,PAID,2026-09-10\n"
)
TOTAL = {"marker": "Total", "sums": {"amount": "amount"}}


def take(office: Office, content: bytes | str, *controls: dict[str, Any], **layout: Any) -> ImportReport:
    (route,) = office.context.routes
    finance = SETTINGS | {"files": {"settlement": {"controls": list(controls), **layout}}}
    settings = route.settings.model_copy(update={"finance": finance})
    changed = Route(route.name, route.marketplace, route.display_name, settings, route.store, route.marketing)
    object.__setattr__(office.context, "routes", (changed,))
    return office.take(FileKind.SETTLEMENT, content, "september.csv")


def said(report: ImportReport) -> list[tuple[int, str, str | None, str]]:
    return [(c.line, c.of, None if c.stated is None else str(c.stated), str(c.found)) for c in report.controls]


def open_codes(office: Office) -> list[str]:
    with office.project.ledger.begin() as connection:
        return [item["code"] for item in work_items.listing(connection)]


def test_a_footer_that_agrees_is_no_bad_row_and_nothing_to_look_at(office: Office) -> None:
    report = take(office, f"{HEADER}{ROWS}TOTAL,,72.50,GBP,,,,\n", TOTAL)
    assert report.rejected == []
    assert said(report) == [(5, "amount", "72.50", "72.50")]
    assert open_codes(office) == []


def test_a_total_that_the_rows_do_not_come_to_is_an_exception(office: Office) -> None:
    report = take(office, f"{HEADER}{ROWS}Total,,75.00,GBP,,,,\n", TOTAL)
    assert [(c.difference, c.agrees) for c in report.controls] == [(Decimal("-2.50"), False)]
    assert open_codes(office) == ["FILE_TOTALS_DIFFER"]
    kept = office.rows("SELECT controls FROM ledger.settlement_files")[0]["controls"]
    assert (kept[0]["stated"], kept[0]["found"], kept[0]["line"]) == ("75.00", "72.50", 5)


def test_rows_that_could_not_be_taken_are_missed_in_the_total(office: Office) -> None:
    report = take(office, f"{HEADER}{ROWS}4,ORDER_AMOUNT,ten,GBP,A,D1,PAID,\nTotal,,82.50,GBP,,,,\n", TOTAL)
    assert [each.line for each in report.rejected] == [5]
    assert said(report) == [(6, "amount", "82.50", "72.50")]
    with office.project.ledger.begin() as connection:
        (item,) = work_items.listing(connection)
    assert "line 6 states 82.50 of `amount` and 72.50 was taken. 1 rows could not be taken." in item["message"]


def test_a_whole_file_of_the_same_name_closes_it(office: Office) -> None:
    take(office, f"{HEADER}{ROWS}Total,,82.50,GBP,,,,\n", TOTAL)
    more = "4,ORDER_AMOUNT,10.00,GBP,A,D1,PAID,2026-09-10\n"
    take(office, f"{HEADER}{ROWS}{more}Total,,82.50,GBP,,,,\n", TOTAL)
    assert open_codes(office) == []


def test_totals_may_stand_above_the_names_and_count_rows(office: Office) -> None:
    title = "Statement of September\nRows: 3\nGross amount;; 1,00\nNet payable: 72.50 GBP\n"
    controls = ({"marker": "Rows", "rows": "next"}, {"marker": "Net payable", "sums": {"amount": "next"}})
    report = take(office, title + HEADER + ROWS, *controls, skip_rows=4)
    assert said(report) == [(2, "rows", "3", "3"), (4, "amount", "72.50", "72.50")]


def test_subtotals_are_of_the_rows_that_say_the_same(office: Office) -> None:
    footers = "Total,,42.50,,,D1,,\nTotal,,31.00,,,D2,,\n"
    by = TOTAL | {"by": ["accounting_document_number"]}
    report = take(office, HEADER + ROWS + footers, by)
    assert said(report) == [(5, "amount", "42.50", "42.50"), (6, "amount", "31.00", "30.00")]


def test_a_total_that_is_no_number_is_said_and_an_empty_one_is_none(office: Office) -> None:
    report = take(office, f"{HEADER}{ROWS}Total,,lots,,,,,\nTotal,,,,,,,\nTotally,ORDER_AMOUNT,1,GBP,A,D1,,\n", TOTAL)
    assert said(report) == [(5, "amount", None, "73.50")]
    assert not report.controls[0].agrees
    assert report.new == 4, "an id that only begins like the marker is a row like any other"


def test_decimal_commas_and_workbooks_have_totals_too(office: Office) -> None:
    text = (HEADER + ROWS).replace(",", ";").replace(".", ",") + "Summe;;72,50;;;;;\n"
    report = take(office, text, TOTAL | {"marker": "Summe"}, separator=";", decimal=",")
    assert said(report) == [(5, "amount", "72.50", "72.50")]
    stream = io.BytesIO()
    book = xlsxwriter.Workbook(stream, {"in_memory": True})
    sheet = book.add_worksheet()
    for number, row in enumerate((HEADER + ROWS).splitlines()):
        sheet.write_row(number, 0, [float(cell) if "." in cell else cell for cell in row.split(",")])
    sheet.write_row(5, 0, ["Total", "", 72.5])
    book.close()
    (control,) = take(office, stream.getvalue(), TOTAL).controls
    assert (control.line, control.stated, control.agrees) == (6, Decimal("72.5"), True)


def test_a_payout_whose_file_is_not_whole_needs_a_person_until_one_has_looked(office: Office) -> None:
    take(office, f"{HEADER}{ROWS}Total,,82.50,GBP,,,,\n", TOTAL)
    payout = reconcile_payout(office.context, NAME, "D1", TODAY)
    assert "FILE_TOTALS_DIFFER" in {problem.code for problem in payout.problems}
    more = "4,MANUAL_CREDIT,10.00,GBP,,D1,PAID,2026-09-10\n"
    take(office, f"{HEADER}{ROWS}{more}Total,,82.50,GBP,,,,\n", TOTAL)
    payout = reconcile_payout(office.context, NAME, "D1", TODAY)
    assert "FILE_TOTALS_DIFFER" not in {problem.code for problem in payout.problems}
