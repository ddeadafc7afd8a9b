"""Files as people have them: odd rows are listed and stop nothing, other layouts are declared, the same file is one."""

from __future__ import annotations

import io
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from marketplace_sync.domain.settlement.layouts import FileKind, FileLayout
from marketplace_sync.domain.settlement.rows import UnusableFile
from marketplace_sync.flows.settlement_files import read_rows
from marketplace_sync_tests.settlement.office import Office, settlement_file, store_file
from marketplace_sync_tests.settlement.scene import CHANNEL, TODAY, gave_back, item, order, sale

HEADER = "id,type,amount,currency,channel,order_id,date_created,description\n"


def rejected(office: Office, content: str | bytes, kind: FileKind = FileKind.SETTLEMENT) -> dict[int, str]:
    return {each.line: each.reason for each in office.take(kind, content).rejected}


def stored(office: Office) -> list[dict[str, Any]]:
    return office.rows(
        "SELECT line_id, amount, payment_state, created_on FROM ledger.settlement_lines ORDER BY line_id"
    )


def rows(content: str | bytes, **layout: Any) -> dict[str, list[str]]:
    raw = content.encode() if isinstance(content, str) else content
    (part,) = read_rows(raw, FileKind.SETTLEMENT, FileLayout(**layout))
    return {name: column for name, column in part.columns.items() if name in ("id", "amount", "description")}


def test_bad_rows_are_listed_with_line_and_reason_and_the_others_are_taken(office: Office) -> None:
    content = HEADER + (
        "1,ORDER_AMOUNT,10.00,GBP,,A,2026-09-01,fine\n"
        ",ORDER_AMOUNT,10.00,GBP,,A,2026-09-01,no id\n"
        "3,ORDER_AMOUNT,ten,GBP,,A,2026-09-01,no amount\n"
        "4,ORDER_AMOUNT,10.00,POUND,,A,2026-09-01,no currency\n"
        "5,ORDER_AMOUNT,10.00,GBP,,A,soon,no day\n"
        "6,ORDER_AMOUNT,10.00,GBP\n"
        '7,ORDER_AMOUNT,10.00,GBP,,A,2026-09-01,"never closed\n'
        "8,,10.00,GBP,,A,2026-09-01,no type\n"
        "\n"
        "9,ORDER_AMOUNT,1e999,GBP,,A,2026-09-01,endless\n"
        "10,ORDER_AMOUNT,-0.05,GBP,,A,2026-09-01T23:30:00Z,fine\n"
    )
    report = office.take(FileKind.SETTLEMENT, content)
    assert {each.line: each.reason for each in report.rejected} == {
        3: "`id` is empty",
        4: "the amount 'ten' is not an amount",
        5: "`currency` is not a code like GBP",
        6: "`date_created` 'soon' is not a date",
        7: "it has 4 cells where the first line names 8",
        8: "a quotation mark is opened and not closed",
        9: "`type` is empty",
        11: "the amount '1e999' is not an amount",
    }
    assert (
        next(each.raw for each in report.rejected if each.line == 4) == "3,ORDER_AMOUNT,ten,GBP,,A,2026-09-01,no amount"
    )
    assert report.new == 2
    # half past eleven in the evening UTC is the next day in London's summer
    assert [(row["line_id"], row["amount"], row["created_on"]) for row in stored(office)] == [
        ("1", 1000, date(2026, 9, 1)),
        ("10", -5, date(2026, 9, 2)),
    ]


def test_a_file_with_nothing_but_bad_rows_is_taken_all_the_same(office: Office) -> None:
    assert rejected(office, HEADER + "x\n") == {2: "it has 1 cells where the first line names 8"}
    assert stored(office) == []


def test_the_same_file_again_changes_nothing(office: Office) -> None:
    content = settlement_file(sale())
    first = office.take(FileKind.SETTLEMENT, content)
    again = office.take(FileKind.SETTLEMENT, content, "renamed.csv")
    assert (first.new, again.new) == (4, 0)
    assert "as file.csv" in again.seen_before


def test_a_line_moves_on_in_its_payment_and_never_back(office: Office) -> None:
    pending, paid = sale(payment_state="PENDING"), sale(payment_state="PAID")
    office.take(FileKind.SETTLEMENT, settlement_file(pending))
    later = office.take(FileKind.SETTLEMENT, settlement_file(paid))
    assert (later.new, later.changed) == (0, 4)
    back = office.take(FileKind.SETTLEMENT, settlement_file(pending[:3]))
    assert (back.new, back.changed, back.superseded) == (0, 0, 3)
    assert {row["payment_state"] for row in stored(office)} == {"PAID"}


def test_an_id_with_two_amounts_in_one_file_is_one_line_and_is_named_whatever_comes_first(office: Office) -> None:
    rows_of = ["1,T,50.00,GBP\n", "1,T,49.00,GBP\n", "2,T,1.00,GBP\n", "2,T,1.00,GBP\n"]
    for turned in (1, -1):
        office.clear()
        report = office.take(FileKind.SETTLEMENT, "id,type,amount,currency\n" + "".join(rows_of[::turned]))
        assert (report.new, report.contradicted) == (2, ["1"])
        assert [row["amount"] for row in stored(office)] == [5000, 100]


def test_rows_of_a_store_record_that_contradict_each_other_are_named_and_the_last_is_taken(office: Office) -> None:
    right = store_file([order("A", refunds=(gave_back("R1"),)), order("B")])
    wrong = store_file([order("A", item("A-1", price=4900), refunds=(gave_back("R1", amount=100),)), order("B")])
    report = office.take(FileKind.STORE_ORDERS, right + "".join(wrong.splitlines(keepends=True)[1:]))
    assert report.contradicted == ["A A-1", "A R1 A-1"]
    prices = office.rows("SELECT line_id, price FROM ledger.sold_lines ORDER BY line_id")
    assert [(row["line_id"], row["price"]) for row in prices] == [("A-1", 4900), ("B-1", 5000)]
    assert office.take(FileKind.STORE_ORDERS, right).contradicted == []


def test_the_file_is_kept_as_it_came(office: Office) -> None:
    import zlib

    content = (HEADER + "1,ORDER_AMOUNT,10.00,GBP,,A,,é\x00\n").encode("cp1252")
    assert list(rejected(office, content)) == [2]
    (kept,) = office.rows("SELECT content, row_count, rejected FROM ledger.settlement_files")
    assert zlib.decompress(kept["content"]) == content
    assert kept["rejected"][0]["line"] == 2


def test_columns_that_are_missing_are_named_with_the_way_out(office: Office) -> None:
    with pytest.raises(UnusableFile, match=r"no column amount, currency; it has: id, type, Betrag.*columns:"):
        office.take(FileKind.SETTLEMENT, "id,type,Betrag\n1,ORDER_AMOUNT,3\n")
    with pytest.raises(UnusableFile, match="empty"):
        office.take(FileKind.SETTLEMENT, "")
    assert office.rows("SELECT 1 FROM ledger.settlement_files") == []


def test_rows_of_another_channel_are_not_this_connections(office: Office) -> None:
    mine, other = order("A"), order("B", channel="elsewhere")
    report = office.take(FileKind.STORE_ORDERS, store_file([mine, other]))
    assert (report.new, report.elsewhere) == (1, 1)
    with pytest.raises(UnusableFile, match="set `channel`"):
        office.take(FileKind.STORE_ORDERS, store_file([other]))


def test_a_later_store_file_adds_refunds_and_keeps_the_lines(office: Office) -> None:
    office.take(FileKind.STORE_ORDERS, store_file([order("A")]))
    refunded = order("A", refunds=(gave_back("R1"),))
    only_the_refund = store_file([refunded]).splitlines(keepends=True)
    office.take(FileKind.STORE_ORDERS, only_the_refund[0] + only_the_refund[2])
    office.take(FileKind.SETTLEMENT, settlement_file(sale()))
    (found,) = office.report(TODAY)["orders"]
    assert (found["expected_net"], found["codes"]) == ("4.10", ["PARTIALLY_SETTLED"])


def test_a_cancelled_line_is_cancelled_by_a_later_file(office: Office) -> None:
    office.take(FileKind.STORE_ORDERS, store_file([order("A")]))
    office.take(FileKind.STORE_ORDERS, store_file([order("A", cancelled=True)]))
    (found,) = office.report(TODAY)["orders"]
    assert (found["expected_net"], found["status"]) == ("0.00", "matched")


@pytest.mark.parametrize(
    ("content", "layout"),
    [
        ("\ufeffid,type,amount,currency,description\n1,T,1.50,GBP,é\n".encode(), {}),
        ("id;type;amount;currency;description\n1;T;1,50;GBP;é\n".encode("cp1252"),
         {"separator": ";", "decimal": ",", "encoding": "cp1252"}),
        ("id\ttype\tamount\tcurrency\tdescription\n1\tT\t1.50\tGBP\té\n".encode("utf-16"),
         {"separator": "\t", "encoding": "utf-16"}),
        ("Report\n\nNr,type,Net,currency,description\n1,T,1.50,GBP,é\n".encode(),
         {"skip_rows": 2, "columns": {"id": "Nr", "amount": "Net"}}),
        ("id,type,amount,description\r1,T,1.50,é\r".encode(), {"constants": {"currency": "GBP"}}),
        ('id,type,amount,currency,description\r\n"1","T","1.50","GBP","é"\r\n'.encode(), {}),
    ],
    ids=["byte order mark", "semicolons", "utf-16 with tabs", "names below a title", "constants", "all quoted"],
)  # fmt: skip
def test_other_layouts_are_declared(content: bytes, layout: dict[str, Any]) -> None:
    assert rows(content, **layout) == {
        "id": ["1"],
        "amount": ["1,50" if layout.get("decimal") == "," else "1.50"],
        "description": ["é"],
    }


def test_cells_may_go_over_lines_and_hold_quotation_marks() -> None:
    found = rows('id,type,amount,currency,description\n1,T,1,GBP,"two\nlines, ""quoted"""\n2,T,2,GBP,5" pipe\n')
    assert found["description"] == ['two\nlines, "quoted"', '5" pipe']
    assert found["id"] == ["1", "2"]


def test_a_workbook_is_read_like_a_text_file(office: Office) -> None:
    stream = io.BytesIO()
    book = xlsxwriter.Workbook(stream, {"in_memory": True})
    sheet = book.add_worksheet()
    day = book.add_format({"num_format": "yyyy-mm-dd"})
    for column, name in enumerate(("id", "type", "amount", "currency", "order_id", "date_created")):
        sheet.write(0, column, name)
    sheet.write_number(1, 0, 4711)
    sheet.write_string(1, 1, "ORDER_AMOUNT")
    sheet.write_number(1, 2, 12.1)
    sheet.write_string(1, 3, "GBP")
    sheet.write_string(1, 4, "A")
    sheet.write_datetime(1, 5, date(2026, 9, 1), day)
    book.close()
    assert rejected(office, stream.getvalue()) == {}
    assert [(row["line_id"], row["amount"], row["created_on"]) for row in stored(office)] == [
        ("4711", 1210, date(2026, 9, 1))
    ]


@pytest.mark.parametrize(
    ("content", "taken"),
    [
        ("ID;Type;Amount;CURRENCY\n1;T;1.50;GBP\n", 1),
        ("\ufeffid\ttype\tamount\tcurrency\n1\tT\t1.50\tGBP\n", 1),
        ("\n,,,\nid,type,amount,currency\n\n1,T,1.50,GBP\n", 1),
        ("id,type,amount,currency\n1,T,1.50,GBP\n".encode("utf-16"), 1),
        ("id,type,amount,currency\n1,T,1.50,GBP\n2,T,2,GBP,,\n".replace("\n", "\r"), 2),
    ],
    ids=["semicolons and capitals", "tabs and a mark", "nothing above the names", "UTF-16 that says so", "old Macs"],
)
def test_what_is_plain_needs_no_declaration(office: Office, content: str | bytes, taken: int) -> None:
    report = office.take(FileKind.SETTLEMENT, content)
    assert (report.new, report.rejected) == (taken, [])


def test_an_amount_is_exact_or_no_amount(office: Office) -> None:
    written = ["50.005", "1_000", "\u0661\u0662", "(50.00)", "50.00-", "NaN", "+5", "5e1", "0.10", "-0.00", ".5", "7."]
    rows_of = "".join(f"{number},T,{amount},GBP\n" for number, amount in enumerate(written))
    found = rejected(office, f"id,type,amount,currency\n{rows_of}x,T,5000.50,JPY\ny,T,5.123,KWD\n")
    assert sorted(found) == [2, 3, 4, 5, 6, 7, 14]
    assert found[2] == "the amount '50.005' is not a whole number of the smallest units of GBP"
    assert [row["amount"] for row in stored(office)] == [50, 700, 500, 5000, 10, 0, 5123]


def test_a_decimal_comma_that_nobody_declared_is_said_to_be_one(office: Office) -> None:
    found = rejected(office, "id;type;amount;currency\n1;T;50,00;GBP\n")
    assert "declared as `decimal`" in found[2]


@pytest.mark.parametrize("day", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "2026-02-30", "45910"])
def test_a_day_that_is_none_is_a_bad_row(office: Office, day: str) -> None:
    assert rejected(office, f"id,type,amount,currency,date_created\n1,T,1,GBP,{day}\n") == {
        2: f"`date_created` {day!r} is not a date"
    }


def test_an_id_as_long_as_a_book_is_a_bad_row(office: Office) -> None:
    from random import Random

    long = "".join(Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=9000))
    content = f"id,type,amount,currency,order_id\n{long},T,1,GBP,A\n2,T,1,GBP,{long}\n3,T,1,GBP,A\n"
    assert rejected(office, content) == {2: "`id` is longer than 500", 3: "`order_id` is longer than 500"}


def test_a_workbook_that_is_none_is_refused(office: Office) -> None:
    with pytest.raises(UnusableFile, match="cannot be read"):
        office.take(FileKind.SETTLEMENT, b"PK\x03\x04 and no more")


def test_lines_of_another_connections_channel_are_refused_by_name(
    module_database_url: str, tmp_path: Path, office: Office
) -> None:
    content = settlement_file([line for line in sale() if line.type == "ORDER_AMOUNT"])
    assert rejected(office, content.replace(f",{CHANNEL},", ",nobody,")) == {}
    (found,) = office.report(TODAY)["orders"]
    assert (found["channel"], found["codes"]) == ("nobody", ["UNKNOWN_ORDER"])
