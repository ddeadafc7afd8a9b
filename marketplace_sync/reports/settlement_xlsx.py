"""A reconciliation as a workbook: what finance opens first, in the order in which it is worked off."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, BinaryIO

import polars as pl
import xlsxwriter

from marketplace_sync.domain.money import exponent
from marketplace_sync.domain.settlement.codes import MEANINGS, Code, Status
from marketplace_sync.domain.settlement.line_types import Component
from marketplace_sync.domain.settlement.result import Result
from marketplace_sync.reports import settlement_rows as rows
from marketplace_sync.reports.settlement_text import safe_cell

_FORMULAS_OFF = {
    "in_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
    "constant_memory": False,
}
LAST_ROW = 1_048_575
"""A sheet ends there; what does not fit is in the CSV and JSON."""

_ORDER_HEADINGS = ("Order", "Buyer's number", "Channel", "Currency", "Expected", "Settled", "Held", "Difference",
                   "Codes", "Payouts")  # fmt: skip


class _Book:
    """A workbook with the few formats that the sheets share."""

    def __init__(self, stream: BinaryIO) -> None:
        self.file = xlsxwriter.Workbook(stream, dict(_FORMULAS_OFF))
        # The same result is the same file, byte for byte.
        self.file.set_properties({"created": datetime(2000, 1, 1, tzinfo=UTC).replace(tzinfo=None)})
        self.bold = self.file.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
        self.title = self.file.add_format({"bold": True, "font_size": 14})
        self.day = self.file.add_format({"num_format": "yyyy-mm-dd"})
        self.wrap = self.file.add_format({"text_wrap": True, "valign": "top"})
        self._money: dict[int, Any] = {}

    def money(self, currency: str) -> Any:
        digits = exponent(currency)
        if digits not in self._money:
            places = "." + "0" * digits if digits else ""
            self._money[digits] = self.file.add_format({"num_format": f"#,##0{places};[Red]-#,##0{places}"})
        return self._money[digits]

    def sheet(self, name: str, headings: tuple[str, ...], widths: tuple[int, ...]) -> _Sheet:
        return _Sheet(self, name, headings, widths)


class _Sheet:
    """Rows under a frozen line of headings that can be filtered."""

    def __init__(self, book: _Book, name: str, headings: tuple[str, ...], widths: tuple[int, ...]) -> None:
        self._book, self._width, self._row = book, len(headings), 0
        self.sheet = book.file.add_worksheet(name)
        for column, (heading, width) in enumerate(zip(headings, widths, strict=True)):
            self.sheet.write_string(0, column, heading, book.bold)
            self.sheet.set_column(column, column, width)
        self.sheet.freeze_panes(1, 1)
        # Printed, every page has the headings, and no row is cut in two.
        self.sheet.set_landscape()
        self.sheet.set_paper(9)
        self.sheet.fit_to_pages(1, 0)
        self.sheet.repeat_rows(0)

    def add(self, *cells: Any) -> None:
        """Text, None, a day, or (minor units, currency)."""
        if self._row >= LAST_ROW:
            return
        self._row += 1
        for column, cell in enumerate(cells):
            if isinstance(cell, tuple):
                minor, currency = cell
                if minor is not None:
                    # A cell's number is binary; what it shows is exact, and nothing is calculated with it here.
                    self.sheet.write_number(
                        self._row, column, minor / 10 ** exponent(currency), self._book.money(currency)
                    )
            elif isinstance(cell, int):
                self.sheet.write_number(self._row, column, cell)
            elif hasattr(cell, "isoformat"):
                self.sheet.write_datetime(self._row, column, cell, self._book.day)
            elif cell:
                self.sheet.write_string(self._row, column, safe_cell(str(cell))[:32_000])

    def done(self) -> None:
        self.sheet.autofilter(0, 0, max(1, self._row), self._width - 1)


def write_xlsx(result: Result, stream: BinaryIO, *, connection: str) -> None:
    """Sheets: summary, exceptions by money, their components, not yet settled, matched, outside orders, fees, payouts
    (control totals)."""
    book = _Book(stream)
    _summary(book, result, connection)
    _exceptions(book, result)
    _differences(book, result)
    _orders(book, "Not settled", rows.with_status(result, Status.PENDING))
    _orders(book, "Matched", rows.with_status(result, Status.MATCHED, Status.MATCHED_TOLERANCE))
    _outside(book, result)
    _fees(book, result)
    _payouts(book, result)
    book.file.close()


def _summary(book: _Book, result: Result, connection: str) -> None:
    sheet = book.file.add_worksheet("Summary")
    sheet.set_column(0, 0, 34)
    sheet.set_column(1, 8, 16)
    sheet.write_string(0, 0, safe_cell(f"Payouts of {connection}"), book.title)
    sheet.write_string(1, 0, "as of the evening of")
    sheet.write_datetime(1, 1, datetime.combine(result.as_of, datetime.min.time()), book.day)
    row = 3
    for total in rows.totals(result):
        for name, minor in (
            ("Expected of orders", total.expected),
            ("Difference", total.variance),
            ("Settled on orders", total.settled),
            ("Held", total.held),
            ("Outside orders", total.outside),
            ("Transferred", total.transferred),
        ):
            sheet.write_string(row, 0, f"{name}, {total.currency}")
            sheet.write_number(row, 1, minor / 10 ** exponent(total.currency), book.money(total.currency))
            row += 1
        sheet.write_string(row, 0, f"Orders, {total.currency} (of these exceptions)")
        sheet.write_number(row, 1, total.orders)
        sheet.write_number(row, 2, total.exceptions)
        row += 2
    for column, heading in enumerate(("Code", "Orders", "Money at risk", "Currency", "Owner", "What it means")):
        sheet.write_string(row, column, heading, book.bold)
    for code, currency, count, at_risk in _by_code(result):
        row += 1
        sheet.write_string(row, 0, code.value)
        sheet.write_number(row, 1, count)
        sheet.write_number(row, 2, at_risk / 10 ** exponent(currency), book.money(currency))
        sheet.write_string(row, 3, currency)
        sheet.write_string(row, 4, MEANINGS[code].owner)
        sheet.write_string(row, 5, MEANINGS[code].title)


def _by_code(result: Result) -> list[tuple[Code, str, int, int]]:
    """(code, currency, orders, money at risk in those that are exceptions), most money first."""
    every = result.orders.select("currency", pl.col("codes").alias("code")).explode("code").drop_nulls("code")
    risk = rows.exceptions(result).select("currency", pl.col("codes").alias("code"), "at_risk").explode("code")
    sums = risk.group_by("code", "currency").agg(pl.col("at_risk").sum())
    counts = every.group_by("code", "currency").len().join(sums, on=["code", "currency"], how="left")
    found = [
        (Code(row["code"]), row["currency"], row["len"], row["at_risk"] or 0) for row in counts.iter_rows(named=True)
    ]
    return sorted(found, key=lambda each: (-each[3], -each[2], each[0], each[1]))


def _exceptions(book: _Book, result: Result) -> None:
    headings = ("Money at risk", *_ORDER_HEADINGS, "Owner", "What it means", "What to do")
    sheet = book.sheet("Exceptions", headings, (14, 26, 22, 14, 9, 13, 13, 13, 13, 30, 24, 12, 50, 60))
    for row in rows.exceptions(result).iter_rows(named=True):
        currency = row["currency"]
        sheet.add((row["at_risk"], currency), *_order_cells(row), row["owner"], row["meaning"], row["action"])
    sheet.done()


def _order_cells(row: dict[str, Any]) -> tuple[Any, ...]:
    currency, paid = row["currency"], row["settled_currency"]
    return (
        row["order_id"], row["commercial_id"], row["channel"], currency, (row["expected"], currency),
        (row["settled"], paid), (row["held"], paid), (row["variance"], currency), ", ".join(row["codes"]),
        ", ".join(row["documents"]),
    )  # fmt: skip


def _orders(book: _Book, name: str, orders: pl.DataFrame) -> None:
    sheet = book.sheet(name, _ORDER_HEADINGS, (26, 22, 14, 9, 13, 13, 13, 13, 30, 24))
    for row in orders.head(LAST_ROW).iter_rows(named=True):
        sheet.add(*_order_cells(row))
    sheet.done()


def _differences(book: _Book, result: Result) -> None:
    headings = ("Order", "Order line", "Refund", "Component", "Expected", "Settled", "Held", "Difference", "Code")
    sheet = book.sheet("Differences", headings, (26, 26, 22, 22, 13, 13, 13, 13, 30))
    wrong = result.orders.filter(pl.col("status") == Status.EXCEPTION.value)
    wrong = wrong.select("o", "order_id", "currency", "settled_currency")
    parts = result.components.join(wrong, on="o", how="inner", maintain_order="left")
    for row in parts.head(LAST_ROW).iter_rows(named=True):
        currency, paid = row["currency"], row["settled_currency"]
        difference = row["settled"] + row["held"] - row["expected"] if currency == paid else None
        sheet.add(
            row["order_id"], row["order_line_id"], row["refund_id"], row["component"], (row["expected"], currency),
            (row["settled"], paid), (row["held"], paid), (difference, currency), row["code"],
        )  # fmt: skip
    sheet.done()


def _outside(book: _Book, result: Result) -> None:
    headings = ("Line", "Type", "Amount", "Currency", "Code", "Owner", "May be about order", "Payout", "Day")
    sheet = book.sheet("Outside orders", headings, (38, 28, 13, 9, 26, 12, 24, 20, 12))
    for row in result.unallocated.iter_rows(named=True):
        owner = MEANINGS[Code(row["code"])].owner
        sheet.add(
            row["line_id"], row["type"], (row["amount"], row["currency"]), row["currency"], row["code"], owner,
            row["suggested_order"], row["document"], row["created_on"],
        )  # fmt: skip
    sheet.done()


def _fees(book: _Book, result: Result) -> None:
    """What the marketplace takes, by kind: commission and its VAT net of refunds, fees, and lines outside orders."""
    sheet = book.sheet("Fees", ("What", "Currency", "Amount"), (34, 9, 16))
    currencies = result.orders.select("o", "settled_currency")
    kinds = (Component.COMMISSION, Component.COMMISSION_VAT, Component.REFUND_COMMISSION,
             Component.REFUND_COMMISSION_VAT, Component.FEE, Component.OTHER)  # fmt: skip
    on_orders = (
        result.components.filter(pl.col("component").is_in([kind.value for kind in kinds]))
        .join(currencies, on="o", how="left")
        .group_by("component", "settled_currency")
        .agg((pl.col("settled") + pl.col("held")).sum().alias("amount"))
        .with_columns(pl.col("component").cast(pl.String))
        .sort("settled_currency", "component")
    )
    for row in on_orders.iter_rows(named=True):
        sheet.add(row["component"], row["settled_currency"], (row["amount"], row["settled_currency"]))
    outside = result.unallocated.group_by("code", "currency").agg(pl.col("amount").sum()).sort("currency", "code")
    for row in outside.iter_rows(named=True):
        sheet.add(f"{row['code']} (outside orders)", row["currency"], (row["amount"], row["currency"]))
    sheet.done()


def _payouts(book: _Book, result: Result) -> None:
    """Control totals: opening + lines − transferred = closing, and what the bank received."""
    headings = (
        "Payout", "Created", "Paid", "Currency", "Opening", "Lines", "Transferred", "Closing", "Status", "Codes",
        "Bank expected", "Bank received", "Bank currency",
    )  # fmt: skip
    sheet = book.sheet("Payouts", headings, (24, 12, 12, 9, 14, 14, 14, 14, 16, 30, 14, 14, 12))
    for d in result.documents:
        c, bank = d.currency, d.bank_currency
        sheet.add(
            d.accounting_document_number, d.created_on, d.paid_on, c, (d.opening_balance, c), (d.lines_total, c),
            (d.amount_transferred, c), (d.closing_balance, c), d.status.value, ", ".join(d.codes),
            (d.bank_expected, bank), (d.bank_received, bank), bank,
        )  # fmt: skip
    sheet.done()
