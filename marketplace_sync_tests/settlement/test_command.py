"""`marketplace-sync import …` and `marketplace-sync reconcile` as a person calls them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from python_calamine import CalamineWorkbook

from marketplace_sync_tests.cli.command import run
from marketplace_sync_tests.settlement.office import NAME, bank_file, configuration, settlement_file, store_file
from marketplace_sync_tests.settlement.scene import SETTINGS, fee, order, payment, receipt, sale

FORMULA = '=HYPERLINK("http://evil.example","A")'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "marketplace_sync.yaml").write_text(yaml.safe_dump(configuration(SETTINGS)))
    (tmp_path / "orders.csv").write_text(store_file([order("A"), order("B"), order(FORMULA)]))
    lines = [*sale(product=4500), *sale(FORMULA, product=4000), *sale("B", document="D2"), payment(7510)]
    lines.append(fee("m", "MANUAL_INVOICE", -500, description="about order B"))
    (tmp_path / "settlement.csv").write_text(settlement_file(lines) + "bad row\n")
    (tmp_path / "bank.csv").write_text(bank_file([receipt(7000, "D1")]))
    return tmp_path


class Shell:
    def __init__(self, folder: Path, database_url: str) -> None:
        self.folder = folder
        self.environ = {
            "MARKETPLACE_SYNC_CONFIG": str(folder / "marketplace_sync.yaml"),
            "MARKETPLACE_SYNC_HOME": str(folder / "home"),
            "MARKETPLACE_SYNC_DATABASE_URL": database_url,
        }

    def __call__(self, *arguments: str) -> tuple[int, str]:
        code, output, complaint = run(*arguments, environ=self.environ, cwd=self.folder)
        assert "Traceback" not in complaint, complaint
        return code, output + complaint

    def import_all(self) -> None:
        for kind, file in (("store-orders", "orders"), ("settlement", "settlement"), ("bank-receipts", "bank")):
            code, said = self("import", kind, NAME, f"{file}.csv")
            assert code == 0, said

    def report(self, *arguments: str) -> dict[str, Any]:
        code, said = self("reconcile", NAME, "--as-of", "2026-09-20", "--output", "out.json", *arguments)
        assert code == 0, said
        found: dict[str, Any] = json.loads((self.folder / "out.json").read_text())
        return found


@pytest.fixture
def shell(folder: Path, database_url: str) -> Shell:
    return Shell(folder, database_url)


def test_from_files_to_the_report(shell: Shell) -> None:
    code, said = shell("import", "settlement", NAME, "settlement.csv")
    assert code == 0
    assert "14 new" in said
    assert "line 16: it has 1 cells where the first line names 12: bad row" in said
    assert "D1: 10 lines, -4.90 GBP" in said
    assert "imported before" in shell("import", "settlement", NAME, "settlement.csv")[1]
    shell.import_all()
    report = shell.report()
    assert list(report) == ["orders", "unallocated", "documents"]
    assert [order["order_id"] for order in report["orders"]] == [FORMULA, "A", "B"]
    first = report["orders"][1]
    assert first == {
        "channel": "bazaar",
        "order_id": "A",
        "commercial_id": None,
        "currency": "GBP",
        "status": "exception",
        "codes": ["AMOUNT_MISMATCH"],
        "expected_net": "45.10",
        "settled_net": "40.10",
        "held_net": "0.00",
        "variance": "-5.00",
        "documents": ["D1"],
        "components": [
            part("product", "50.00", "45.00", "AMOUNT_MISMATCH"),
            part("shipping", "5.00", "5.00"),
            part("commission", "-8.25", "-8.25"),
            part("commission_vat", "-1.65", "-1.65"),
        ],
    }
    assert report["unallocated"] == [
        {
            "line_id": "m",
            "type": "MANUAL_INVOICE",
            "amount": "-5.00",
            "currency": "GBP",
            "code": "MANUAL_INVOICE_REVIEW",
            "suggested_order": "B",
        }
    ]
    assert report["documents"][0] == {
        "accounting_document_number": "D1",
        "currency": "GBP",
        "opening_balance": "0.00",
        "lines_total": "70.20",
        "amount_transferred": "75.10",
        "closing_balance": "-4.90",
        "status": "exception",
        "codes": ["PAYOUT_SHORT"],
        "bank_expected": "75.10",
        "bank_received": "70.00",
    }


def part(component: str, expected: str, settled: str, code: str | None = None) -> dict[str, Any]:
    return {
        "order_line_id": "A-1",
        "refund_id": None,
        "component": component,
        "expected": expected,
        "settled": settled,
        "held": "0.00",
        "code": code,
    }


def test_one_payout_is_that_document_and_its_orders(shell: Shell) -> None:
    shell.import_all()
    report = shell.report("--payout", "D2")
    assert [order["order_id"] for order in report["orders"]] == ["B"]
    assert report["unallocated"] == []
    assert [each["accounting_document_number"] for each in report["documents"]] == ["D2"]
    code, said = shell("reconcile", NAME, "--payout", "D9", "--as-of", "2026-09-20")
    assert (code, "D9" in said) == (2, True)


def test_a_person_reads_a_table_and_a_program_json(shell: Shell) -> None:
    shell.import_all()
    code, said = shell("reconcile", NAME, "--as-of", "2026-09-20")
    assert code == 0
    assert "bazaar as of 2026-09-20: 4 findings need a person" in said
    assert "3 orders, 2 of them wrong: expected 135.30, settled 120.30, difference -15.00 GBP" in said
    rows = [[cell.strip() for cell in row.split("│")[1:-1]] for row in said.splitlines() if row.startswith("│")]
    payouts, findings = rows[:2], [row for row in rows[2:] if row[0]]
    assert payouts[0][:6] == ["D1", "2026-09-10", "exception", "75.10 GBP", "75.10 GBP", "70.00 GBP"]
    assert [row[:5] for row in findings] == [
        ["AMOUNT_MISMATCH", f"order {FORMULA}", "45.10 GBP", "35.10 GBP", "-10.00 GBP"],
        ["PAYOUT_SHORT", "payout D1", "75.10 GBP", "70.00 GBP", "-5.10 GBP"],
        ["AMOUNT_MISMATCH", "order A", "45.10 GBP", "40.10 GBP", "-5.00 GBP"],
        ["MANUAL_INVOICE_REVIEW", "line m, MANUAL_INVOICE, maybe of order B", "", "-5.00 GBP", ""],
    ]
    assert findings[2][5] == "Claim the difference."
    said = shell("reconcile", NAME, "--as-of", "2026-09-20", "--payout", "D2")[1]
    assert "payout D2: 0 findings need a person" in said
    assert "the most money first: none" in said
    for form in (["--json"], ["--format", "json"], ["--json", "--output", "-"]):
        assert json.loads(shell("reconcile", NAME, "--as-of", "2026-09-20", *form)[1])["documents"]
    assert shell("reconcile", NAME, "--json", "--format", "csv")[0] == 2


def test_what_a_person_has_dealt_with_stands_apart_until_something_else_is_found(shell: Shell) -> None:
    shell.import_all()
    shell("reconcile", NAME, "--as-of", "2026-09-20")
    items = {
        (one["code"], one["order_id"]): one["work_item_id"] for one in json.loads(shell("work-items", "--json")[1])
    }
    for key, why in ((("AMOUNT_MISMATCH", "A"), "claimed on Monday"), (("PAYOUT_SHORT", None), "the bank's fee")):
        assert shell("work-items", "close", str(items[key]), "--because", why)[0] == 0
    said = shell("reconcile", NAME, "--as-of", "2026-09-20")[1]
    assert "bazaar as of 2026-09-20: 2 findings need a person, 2 have been dealt with" in said
    needed, over = said.split("Needs a person")[1].split("Dealt with by a person")
    assert "order A" not in needed
    assert "payout D1" not in needed
    assert f"order {FORMULA}" in needed
    rows = [[cell.strip() for cell in row.split("│")[1:-1]] for row in over.splitlines() if row.startswith("│")]
    assert [(row[0], row[1], row[2], row[4]) for row in rows] == [
        ("PAYOUT_SHORT", "payout D1", "-5.10 GBP", "the bank's fee"),
        ("AMOUNT_MISMATCH", "order A", "-5.00 GBP", "claimed on Monday"),
    ]
    (shell.folder / "bank.csv").write_text(bank_file([receipt(7000, "D1"), receipt(100, "D1", ref="R2")]))
    assert shell("import", "bank-receipts", NAME, "bank.csv")[0] == 0
    said = shell("reconcile", NAME, "--as-of", "2026-09-20")[1]
    assert "3 findings need a person, 1 has been dealt with" in said


def test_exit_codes_tell_bad_input_from_exceptions(shell: Shell) -> None:
    assert shell("import", "settlement", NAME, "nowhere.csv")[0] == 2
    assert shell("import", "settlement", "nobody", "settlement.csv")[0] == 2
    assert shell("import", "settlement", NAME, "marketplace_sync.yaml")[0] == 2
    assert shell("reconcile", "nobody")[0] == 2
    assert shell("reconcile", NAME, "--as-of", "yesterday")[0] == 2
    assert shell("reconcile", NAME, "--format", "pdf")[0] == 2
    assert shell("reconcile", NAME, "--format", "xlsx")[0] == 2
    assert shell("reconcile", NAME, "--fail-on-exceptions")[0] == 0
    shell.import_all()
    code, said = shell("reconcile", NAME, "--as-of", "2026-09-20", "--fail-on-exceptions", "--output", "x.json")
    assert (code, "3 exceptions" in said) == (3, True)


def test_settings_that_are_wrong_are_named(shell: Shell) -> None:
    wrong = SETTINGS | {"tolerance": 1, "commission_rates": {"default": 15}}
    (shell.folder / "marketplace_sync.yaml").write_text(yaml.safe_dump(configuration(wrong)))
    code, said = shell("reconcile", NAME)
    assert code == 2
    assert "routes.bazaar.finance.tolerance" in said
    assert "write 0.15 for 15 %" in said


def test_no_cell_of_a_spreadsheet_is_a_formula(shell: Shell) -> None:
    shell.import_all()
    for form in ("csv", "xlsx"):
        code, said = shell("reconcile", NAME, "--as-of", "2026-09-20", "--format", form, "--output", f"out.{form}")
        assert code == 0, said
    text = (shell.folder / "out.csv").read_bytes().decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["record"] for row in rows] == ["order", "order", "order", "line", "document", "document"]
    assert rows[0]["order_id"] == f"'{FORMULA}"
    assert (rows[1]["variance"], rows[1]["owner"]) == ("-5.00", "finance")
    book = CalamineWorkbook.from_path(str(shell.folder / "out.xlsx"))
    assert book.sheet_names == [
        "Summary", "Exceptions", "Differences", "Not settled", "Matched", "Outside orders", "Fees", "Payouts",
    ]  # fmt: skip
    worst, second = book.get_sheet_by_name("Exceptions").to_python()[1:]
    assert (worst[0], worst[1], worst[8]) == (10.0, f"'{FORMULA}", -10.0)
    assert (second[0], second[1], second[9]) == (5.0, "A", "AMOUNT_MISMATCH")


def test_a_page_and_a_journal_on_the_side(shell: Shell) -> None:
    shell.import_all()
    code, said = shell(
        "reconcile", NAME, "--as-of", "2026-09-20", "--output", "x.json", "--digest", "x.html", "--journal", "x.csv"
    )
    assert code == 0, said
    page = (shell.folder / "x.html").read_text()
    assert "<svg" in page
    assert "AMOUNT_MISMATCH" in page
    assert "<script" not in page
    assert 'href="http' not in page
    rows = list(csv.reader(io.StringIO((shell.folder / "x.csv").read_text())))
    assert rows[0] == ["*Narration", "*Date", "Description", "*AccountCode", "*TaxRate", "*Amount"]
    amounts: dict[str, float] = {}
    for row in rows[1:]:
        amounts[row[0]] = round(amounts.get(row[0], 0) + float(row[5]), 2)
    assert amounts == {"Payout D1 GBP": 0.0, "Payout D2 GBP": 0.0}


def test_a_months_statement_as_a_person_asks_for_it(shell: Shell) -> None:
    shell.import_all()
    code, said = shell("statement", "--month", "2026-09", "--format", "json")
    assert code == 0
    assert shell("statement", "--month", "2026-09", "--json") == (0, said)
    assert shell("statement", "--month", "2026-09", "--json", "--format", "csv")[0] == 2
    (row,) = json.loads(said)
    assert (row["channel"], row["month"], row["currency"]) == (NAME, "2026-09", "GBP")
    assert (row["sales"], row["payout"], row["received"]) == ("135.00", "75.10", "70.00")
    assert shell("statement", "nobody", "--month", "2026-09")[0] == 2
    assert shell("statement", "--month", "September")[0] == 2


def test_a_month_is_its_payouts_and_their_orders(shell: Shell) -> None:
    shell.import_all()
    whole = shell.report()
    month = shell.report("--month", "2026-09")
    assert [each["accounting_document_number"] for each in month["documents"]] == ["D1", "D2"]
    assert month["orders"] == whole["orders"]
    code, said = shell("reconcile", NAME, "--month", "2026-08")
    assert code == 2
    assert "August 2026" in said
    assert shell("reconcile", NAME, "--month", "2026-09", "--payout", "D1")[0] == 2
