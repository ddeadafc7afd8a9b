"""What John Lewis' reports get wrong when somebody asks for it, and the record of what was made wrong.

Collection `inconsistencies`, for whoever compares what was found with it: kind, sku (or null), state `waiting` or
`made`, and once made: week_ending, mode, before and after (the row's cells, amounts in pence; null where there is no
such row) and about (the order lines that the row was about).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.john_lewis.settlement.reports import Report, Row, line_of
from marketplace_sync.sandbox.john_lewis.settlement.takings import CANCELLATION, PENALTY, RETURN, SALE, Takings
from marketplace_sync.sandbox.state import Document, State

NOBODYS_EAN = "4006381333931"
NOBODYS_PRODUCT_CODE = "99999999"
A_FEE = 1250
"""Pence of a fee that names no order."""

Made = tuple[Row | None, Row | None]
"""A row as it was and as it is; None for one that is not there."""


class Spoiling:
    """Applies what was asked for to the next report that has a row to do it to."""

    KINDS = (
        "slipped_day", "missing_line", "double_line", "wrong_quantity", "unknown_ean", "return_without_order",
        "rounding", "fee_without_order",
    )  # fmt: skip
    """As the sheet names them. (John Lewis, simulator rule 14)"""

    def __init__(self, state: State, clock: Clock, takings: Takings) -> None:
        self._asked = state.collection("inconsistencies")
        self._state = state
        self._clock = clock
        self._takings = takings

    def ask(self, kind: str, sku: str | None) -> Document:
        """Raises ValueError for a kind that there is not."""
        if kind not in self.KINDS:
            raise ValueError(f"there is no inconsistency {kind!r}; there are: {', '.join(self.KINDS)}")
        key = str(self._state.counter("inconsistency"))
        asked = {"number": int(key), "kind": kind, "sku": sku, "state": "waiting"}
        return self._asked.put(key, asked | {"asked_at": self._clock.now().isoformat()})

    def _waiting(self, *kinds: str) -> list[Document]:
        return [each for each in self._asked.values() if each["state"] == "waiting" and each["kind"] in kinds]

    def slip(self, facts: list[tuple[str, Document]], report: Report, week_ending: date) -> list[tuple[str, Document]]:
        """The facts of the week less those that slip: everything of the last day on which anything was sold or came
        back (of one SKU, if told), which the next report has under the day after."""
        for asked in self._waiting("slipped_day"):
            able = [each for each in facts if self._is_of(each[1], asked) and "left_out_of" not in each[1]]
            if not able:
                continue
            day = max(fact["day"] for _, fact in able)
            booked_on = date.fromisoformat(day) + timedelta(days=1)
            slipped = {key: fact for key, fact in able if fact["day"] == day}
            for key in slipped:
                self._takings.leave_for_the_next(key, week_ending, booked_on)
            facts = [each for each in facts if each[0] not in slipped]
            about = [line_of(fact) for fact in slipped.values()]
            done = {"day": day, "booked_on": str(booked_on), "about": about, "before": None, "after": None}
            self._done(asked, report, week_ending, done)
        return facts

    @staticmethod
    def _is_of(fact: Document, asked: Document) -> bool:
        return fact["kind"] not in (CANCELLATION, PENALTY) and asked["sku"] in (None, fact["sku"])

    def spoil(self, rows: list[Row], report: Report, week_ending: date) -> None:
        """Change rows of this report in place."""
        makers: dict[str, Callable[[Row, list[Row], Report], Made]] = {
            "missing_line": _missing,
            "double_line": _double,
            "wrong_quantity": _wrong_quantity,
            "unknown_ean": _unknown_ean,
            "return_without_order": _return_without_order,
            "rounding": _rounding,
            "fee_without_order": _fee_without_order,
        }
        for asked in self._waiting(*makers):
            row = next((row for row in rows if _is_a_sale(row) and asked["sku"] in (None, row.sku)), None)
            if row is None:
                continue
            about = list(row.about)
            before, after = makers[asked["kind"]](row, rows, report)
            if asked["kind"] in ("return_without_order", "fee_without_order"):
                about = []
            else:
                row.spoiled = True
            done = {
                "before": None if before is None else dict(before.cells),
                "after": None if after is None else dict(after.cells),
                "about": about,
            }
            self._done(asked, report, week_ending, done)

    def _done(self, asked: Document, report: Report, week_ending: date, done: dict[str, Any]) -> None:
        made = {**asked, "state": "made", "week_ending": str(week_ending), "mode": report.mode, **done}
        self._asked.put(str(asked["number"]), made)


def _is_a_sale(row: Row) -> bool:
    """A row that states units sold and nothing else, and that nothing was done to yet."""
    if row.spoiled:
        return False
    if "Transaction Type" in row.cells:
        return row.cells["Transaction Type"] == SALE
    return row.amount("Total Sales Quantity") > 0 and not row.amount("Total Returns Quantity")


def _missing(row: Row, rows: list[Row], report: Report) -> Made:
    rows.remove(row)
    return row, None


def _double(row: Row, rows: list[Row], report: Report) -> Made:
    rows.insert(rows.index(row), row.copy())
    return row, row


def _wrong_quantity(row: Row, rows: list[Row], report: Report) -> Made:
    """A unit too many, and its money with it."""
    before = row.copy()
    units = "Quantity" if report.mode == "itemised" else "Total Sales Quantity"
    amounts = ("Total Sales Value", "Gross", "VAT", "Commission", "Net Cost Value")
    for column in amounts:
        if column in row.cells:
            row.cells[column] = row.amount(column) * (before.amount(units) + 1) // before.amount(units)
    row.cells[units] = before.amount(units) + 1
    if report.mode == "itemised":
        row.cells["Net Payable"] = row.amount("Gross") - row.amount("Commission") - row.amount("Fee")
    return before, row


def _unknown_ean(row: Row, rows: list[Row], report: Report) -> Made:
    """EAN and product code are some other supplier's."""
    before = row.copy()
    row.cells |= {"EAN Product Code": NOBODYS_EAN, "Product Code": NOBODYS_PRODUCT_CODE}
    return before, row


def _return_without_order(row: Row, rows: list[Row], report: Report) -> Made:
    """A unit of what this row is about is said to have come back."""
    made = row.copy()
    if report.mode == "itemised":
        units = row.amount("Quantity")
        for column in ("Total Sales Value", "Gross", "VAT", "Commission"):
            made.cells[column] = -row.amount(column) // units
        net = made.amount("Gross") - made.amount("Commission")
        made.cells |= {"Order Number": f"{report.po_number(RETURN)}-X", "Customer Order Number": "", "Line Ref": "1"}
        made.cells |= {"Transaction Type": RETURN, "Quantity": 1, "Fee": 0, "Net Payable": net}
        made.cells["PO Number"] = report.po_number(RETURN)
    else:
        units = row.amount("Total Sales Quantity")
        made.cells |= {"Total Sales Quantity": 0, "Total Sales Value": 0, "Total Returns Quantity": 1}
        made.cells["Total Returns Value"] = row.amount("Total Sales Value") // units
        made.cells["Net Cost Value"] = -(row.amount("Net Cost Value") // units)
    rows.append(made)
    return None, made


def _rounding(row: Row, rows: list[Row], report: Report) -> Made:
    """A penny: of the commission where it shows, else of the cost."""
    before = row.copy()
    if report.mode == "aggregate":
        row.cells["Net Cost Value"] = row.amount("Net Cost Value") + 1
    else:
        column = "Commission" if row.amount("Commission") else "Gross"
        row.cells[column] = row.amount(column) + 1
        row.cells["Net Payable"] = row.amount("Gross") - row.amount("Commission") - row.amount("Fee")
    return before, row


def _fee_without_order(row: Row, rows: list[Row], report: Report) -> Made:
    """Something is deducted that is about no order and no product."""
    cells = dict.fromkeys(row.cells, "") | report.head(str(row.cells["Day Date"]), description="Processing fee")
    if report.mode == "itemised":
        cells |= {"Transaction Type": "PROCESSING_FEE", "Quantity": 0, "Gross": 0, "VAT": 0, "Commission Rate": "0.00"}
        cells |= {"Commission": 0, "Fee": A_FEE, "Net Payable": -A_FEE, "PO Number": report.po_number(PENALTY)}
    else:
        cells |= {"Total Sales Quantity": 0, "Total Returns Value": 0, "Total Returns Quantity": 0}
        cells |= {"VAT Code": row.cells["VAT Code"], "Net Cost Value": -A_FEE}
    made = Row(cells, spoiled=True)
    rows.append(made)
    return None, made
