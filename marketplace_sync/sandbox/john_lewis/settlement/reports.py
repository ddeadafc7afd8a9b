"""The weekly report in its two modes, and the remittance: which columns they have and what stands in them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from marketplace_sync.sandbox.john_lewis import wire
from marketplace_sync.sandbox.john_lewis.settings import EdgeSettings
from marketplace_sync.sandbox.john_lewis.settlement.takings import PENALTY, RETURN, SALE
from marketplace_sync.sandbox.state import Document

Cell = int | str

_SHARED = (
    "Week Ending Date", "Day Date", "Ordering Supplier Name", "Ordering Supplier Number", "Branch",
    "Branch Short Name", "EAN Product Code", "Product Code", "Product_Description", "Total Sales Value",
)  # fmt: skip
REMITTANCE = (
    "Remittance Number", "Payment Date", "Document Type", "Document Number", "PO Number", "Gross", "Discount", "Net",
    "Currency",
)  # fmt: skip
COLUMNS = {
    "aggregate": (
        *_SHARED, "Total Sales Quantity", "Total Returns Value", "Total Returns Quantity", "VAT Code",
        "Net Cost Value",
    ),
    "itemised": (
        *_SHARED, "Order Number", "Customer Order Number", "Line Ref", "Transaction Type", "Quantity", "Gross", "VAT",
        "Commission Rate", "Commission", "Fee", "Net Payable", "PO Number",
    ),
    "remittance": REMITTANCE,
}  # fmt: skip
"""Kind of file to its columns. (John Lewis, settlement)"""
MONEY = frozenset({
    "Total Sales Value", "Total Returns Value", "Net Cost Value", "Gross", "VAT", "Commission", "Fee", "Net Payable",
    "Discount", "Net",
})  # fmt: skip
"""Columns whose cells are pence here and pounds in the file."""
UNITS = frozenset({"Total Sales Quantity", "Total Returns Quantity", "Quantity"})
VAT_CODE = "S"
_VAT_PERCENT = 20


@dataclass
class Row:
    """One row of a report. `about`: the order lines whose money or units it states."""

    cells: dict[str, Cell]
    sku: str = ""
    about: list[dict[str, Any]] = field(default_factory=list)
    spoiled: bool = False

    def amount(self, column: str) -> int:
        return int(self.cells[column])

    def copy(self) -> Row:
        return Row(dict(self.cells), self.sku, list(self.about), spoiled=True)


def vat(net: int) -> int:
    """As the orders themselves state it, half up."""
    return -vat(-net) if net < 0 else (net * _VAT_PERCENT + 50) // 100


class Report:
    """Makes the rows of one week. `number` tells its purchase orders from those of other weeks."""

    def __init__(self, settings: EdgeSettings, week_ending: date, number: int) -> None:
        self._settings = settings
        self._week_ending = week_ending
        self._number = number
        self.mode = settings.settlement_mode

    def rows(self, facts: Iterable[Document]) -> list[Row]:
        made = [self._itemised(fact) for fact in facts] if self.mode == "itemised" else self._aggregate(facts)
        return sorted(made, key=lambda row: (str(row.cells["Day Date"]), str(row.cells["EAN Product Code"])))

    def po_number(self, kind: str) -> str:
        """Purchase orders are split by branch and VAT code; what is paid, given back and deducted are three."""
        tail = {SALE: "", RETURN: "-R"}.get(kind, "-D")
        return f"PO{self._number:06d}-{self._settings.settlement_branch}{VAT_CODE}{tail}"

    def purchase_orders(self, rows: Iterable[Row]) -> dict[str, int]:
        """Purchase order to what it comes to, VAT included: what the rows say, whatever is wrong with them."""
        sums: dict[str, int] = {}
        for row in rows:
            if self.mode == "itemised":
                number, amount = str(row.cells["PO Number"]), row.amount("Net Payable")
            else:
                net = row.amount("Net Cost Value")
                kind = SALE if net >= 0 else RETURN
                number, amount = self.po_number(kind if row.cells["EAN Product Code"] else PENALTY), net + vat(net)
            sums[number] = sums.get(number, 0) + amount
        return {number: amount for number, amount in sums.items() if amount}

    def head(self, day: str, ean: str = "", product_code: str = "", description: str = "") -> dict[str, Cell]:
        return {
            "Week Ending Date": str(self._week_ending),
            "Day Date": day,
            "Ordering Supplier Name": wire.SUPPLIER_NAME,
            "Ordering Supplier Number": wire.SUPPLIER_ACCOUNT,
            "Branch": self._settings.settlement_branch,
            "Branch Short Name": self._settings.settlement_branch_name,
            "EAN Product Code": ean,
            "Product Code": product_code,
            "Product_Description": description,
            "Total Sales Value": 0,
        }

    def _head_of(self, fact: Document) -> dict[str, Cell]:
        return self.head(fact["day"], fact["ean"], fact["product_code"], fact["description"])

    def _retail(self, net: int) -> int:
        """What buyers paid: the cost with VAT is what is left of it after John Lewis' margin."""
        kept = Decimal(1) - Decimal(str(self._settings.commission_rate))
        return half_up(Decimal(net + vat(net)) / kept) if kept else 0

    def _aggregate(self, facts: Iterable[Document]) -> list[Row]:
        """A day and a product per row. Commission, fees and penalties do not show. (John Lewis, settlement, A7)"""
        found: dict[tuple[str, str, str], Row] = {}
        for fact in facts:
            if fact["kind"] not in (SALE, RETURN):
                continue
            row = found.get((fact["day"], fact["ean"], fact["product_code"]))
            if row is None:
                cells = self._head_of(fact)
                cells |= {"Total Sales Quantity": 0, "Total Returns Value": 0, "Total Returns Quantity": 0}
                cells |= {"VAT Code": VAT_CODE, "Net Cost Value": 0}
                row = found[fact["day"], fact["ean"], fact["product_code"]] = Row(cells, fact["sku"])
            sign, what = (1, "Total Sales") if fact["kind"] == SALE else (-1, "Total Returns")
            for column, more in (
                (f"{what} Quantity", fact["quantity"]),
                (f"{what} Value", self._retail(fact["net"])),
                ("Net Cost Value", sign * fact["net"]),
            ):
                row.cells[column] = row.amount(column) + more
            row.about.append(line_of(fact))
        return list(found.values())

    def _itemised(self, fact: Document) -> Row:
        """A movement of an order line per row: commission and fee are taken from its value with VAT."""
        kind, quantity = fact["kind"], fact["quantity"]
        sign = {SALE: 1, RETURN: -1}.get(kind, 0)
        gross = sign * (fact["net"] + vat(fact["net"]))
        rate = Decimal(str(self._settings.commission_rate))
        commission = half_up(gross * rate)
        fee = self._settings.fee_per_line if kind == SALE else 0
        penalty = quantity * self._settings.penalty_per_point if kind == PENALTY else 0
        cells = self._head_of(fact) | {
            "Total Sales Value": sign * self._retail(fact["net"]),
            "Order Number": fact["order_reference"],
            "Customer Order Number": fact["customer_order_number"],
            "Line Ref": fact["line_ref"],
            "Transaction Type": kind,
            "Quantity": quantity,
            "Gross": gross,
            "VAT": sign * vat(fact["net"]),
            "Commission Rate": f"{rate:.2f}" if sign else "0.00",
            "Commission": commission,
            "Fee": fee,
            "Net Payable": gross - commission - fee - penalty,
            "PO Number": self.po_number(kind),
        }
        return Row(cells, fact["sku"], [line_of(fact)])


def remittance_rows(number: str, paid_on: date, purchase_orders: Iterable[tuple[str, int]]) -> list[list[Cell]]:
    """What is paid of each purchase order on that day, in pence; notes are amounts taken off."""
    rows: list[list[Cell]] = []
    for po_number, amount in purchase_orders:
        kind, prefix = ("INVOICE", "SBI") if amount >= 0 else ("CREDIT_NOTE", "SBC")
        if po_number.endswith("-D"):
            kind, prefix = "DEBIT_NOTE", "SBD"
        document = f"{prefix}{po_number.removeprefix('PO')}"
        rows.append([number, str(paid_on), kind, document, po_number, abs(amount), 0, abs(amount), "GBP"])
    return rows


def line_of(fact: Document) -> dict[str, Any]:
    return {name: fact[name] for name in ("kind", "order_id", "order_reference", "line_ref", "quantity")}


def half_up(amount: Decimal) -> int:
    return int(amount.quantize(Decimal(1), rounding=ROUND_HALF_UP))
