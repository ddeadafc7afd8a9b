"""Rows as the bytes of a CSV file or a workbook: the same rows are always the same bytes."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import xlsxwriter

from marketplace_sync.sandbox.john_lewis import wire
from marketplace_sync.sandbox.john_lewis.settlement.reports import MONEY, UNITS, Cell

MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_MADE_AT = datetime(2026, 1, 1, tzinfo=UTC)


def bytes_of(kind: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """`kind` is csv or xlsx."""
    return _csv(columns, rows) if kind == "csv" else _workbook(columns, rows)


def _csv(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_text(column, cell) for column, cell in zip(columns, row, strict=True)])
    return stream.getvalue().encode()


def _text(column: str, cell: Cell) -> str:
    return str(wire.money(int(cell))) if column in MONEY else str(cell)


def _workbook(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    stream = io.BytesIO()
    book = xlsxwriter.Workbook(stream, {"in_memory": True, "strings_to_formulas": False})
    book.set_properties({"created": _MADE_AT})
    sheet = book.add_worksheet("Report")
    pounds = book.add_format({"num_format": "0.00"})
    sheet.write_row(0, 0, columns)
    for number, row in enumerate(rows, 1):
        for place, (column, cell) in enumerate(zip(columns, row, strict=True)):
            _write(sheet, number, place, column, cell, pounds)
    book.close()
    return stream.getvalue()


def _write(sheet: Any, number: int, place: int, column: str, cell: Cell, pounds: Any) -> None:
    if column in MONEY:
        sheet.write_number(number, place, Decimal(int(cell)) / 100, pounds)
    elif column in UNITS:
        sheet.write_number(number, place, int(cell))
    else:
        sheet.write_string(number, place, str(cell))
