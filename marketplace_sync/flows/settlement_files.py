"""Reads files of settlement lines, store orders and bank receipts into columns of text. A bad row is listed with its
line number, the reason and its text, and never stops the rest of the file."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from marketplace_sync.domain.settlement.control_totals import ControlTotals
from marketplace_sync.domain.settlement.layouts import REQUIRED, FileKind, FileLayout, columns_of
from marketplace_sync.domain.settlement.rows import TEXT_KEPT, Rejected, Rows, UnusableFile
from marketplace_sync.domain.settlement.wide_files import Unfolding

ROWS_AT_ONCE = 50_000
_LINES_OF_ONE_ROW = 50
"""A quotation mark that is not closed within so many lines was never opened on purpose."""


def read_rows(content: bytes, kind: FileKind, layout: FileLayout) -> Iterator[Rows]:
    """A file in pieces. CSV, or XLSX where the bytes are one. Raises UnusableFile."""
    totals = ControlTotals(layout)
    columns: _Columns | None = None
    skipped = 0
    part: list[_Record] = []
    for record in _records(content, layout):
        if skipped < layout.skip_rows:
            skipped += 1
            totals.is_total(record.line, record.cells or (), record.raw)
            continue
        if columns is None:
            # what stands above the table is empty in many a spreadsheet
            if record.cells is None or any(cell.strip() for cell in record.cells):
                columns = _columns(record, kind, layout)
                totals.header = columns.theirs
            continue
        if record.cells is not None and totals.is_total(record.line, record.cells, record.raw):
            continue
        part.append(record)
        if len(part) >= ROWS_AT_ONCE:
            yield _rows(part, kind, layout, columns, totals)
            part = []
    if columns is None:
        raise UnusableFile(f"The file is empty: it has no line with the names of its columns ({_wanted(kind)}).")
    last = _rows(part, kind, layout, columns, totals)
    last.controls = totals
    yield last


@dataclass(frozen=True)
class _Columns:
    """`ours`: our name of each column of the file, "" for those that are not ours."""

    theirs: list[str]
    ours: list[str]
    unfolding: Unfolding | None = None


def _columns(record: _Record, kind: FileKind, layout: FileLayout) -> _Columns:
    theirs = [cell.strip() for cell in _cells(record)]
    if layout.amounts:
        return _Columns(theirs, theirs, Unfolding(layout, theirs))
    return _Columns(theirs, _header(record, kind, layout))


def header_of(content: bytes, layout: FileLayout) -> list[str]:
    """The names of a file's columns, as far as they can be read with this layout; nothing of an empty file. Raises
    UnusableFile."""
    for number, record in enumerate(_records(content, layout)):
        if number >= layout.skip_rows and any(cell.strip() for cell in record.cells or ()):
            return list(record.cells or ())
    return []


def _records(content: bytes, layout: FileLayout) -> Iterator[_Record]:
    return _sheet(content, layout) if content[:4] == b"PK\x03\x04" else _text_lines(content, layout)


@dataclass(frozen=True)
class _Record:
    line: int
    raw: str
    cells: Sequence[str] | None
    problem: str = ""


def _text_lines(content: bytes, layout: FileLayout) -> Iterator[_Record]:
    """Rows of a CSV file, each with its text. Quoted cells may go over several lines."""
    encoding = _encoding(content, layout)
    stream = io.TextIOWrapper(io.BytesIO(content), encoding=encoding, errors="surrogateescape", newline="")
    waiting: list[str] = []
    began = 0
    for number, text in enumerate(stream, 1):
        if not waiting and not (text.count('"') % 2 and _ends_in_quotes(text, layout.separator)):
            yield _record(number, text, layout)
            continue
        began = began if waiting else number
        waiting.append(text)
        if not _ends_in_quotes("".join(waiting), layout.separator):
            yield _record(began, "".join(waiting), layout)
            waiting = []
        elif len(waiting) >= _LINES_OF_ONE_ROW:
            yield from _unclosed(began, waiting, layout)
            waiting = []
    if waiting:
        yield from _unclosed(began, waiting, layout)


def _encoding(content: bytes, layout: FileLayout) -> str:
    """A file that says itself that it is UTF-16 is believed."""
    if layout.encoding.lower().replace("_", "-") not in ("utf-8", "utf8"):
        return layout.encoding
    return "utf-16" if content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"


def _ends_in_quotes(text: str, separator: str) -> bool:
    """Does the row go on in the next line? A quotation mark opens a cell only at its beginning."""
    at = 0
    while at < len(text):
        if text[at] == '"':
            at = text.find('"', at + 1)
            while 0 <= at < len(text) - 1 and text[at + 1] == '"':
                at = text.find('"', at + 2)
            if at < 0:
                return True
        at = text.find(separator, at)
        if at < 0:
            return False
        at += 1
    return False


def _unclosed(began: int, lines: list[str], layout: FileLayout) -> Iterator[_Record]:
    """Only the line that opens is bad: what it swallowed is read again."""
    yield _Record(began, lines[0].rstrip("\r\n"), None, "a quotation mark is opened and not closed")
    for offset, text in enumerate(lines[1:], 1):
        yield _record(began + offset, text, layout)


def _record(line: int, text: str, layout: FileLayout) -> _Record:
    raw = text.rstrip("\r\n")
    if not raw.isascii() and any("\udc80" <= letter <= "\udcff" for letter in raw):
        readable = raw.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        return _Record(line, readable, None, f"not {layout.encoding}: declare the file's encoding")
    if "\x00" in raw:
        return _Record(line, raw.replace("\x00", "\N{SYMBOL FOR NULL}"), None, "it has a zero byte")
    if '"' not in raw:
        return _Record(line, raw, raw.split(layout.separator))
    try:
        cells = next(csv.reader([raw], delimiter=layout.separator, strict=True), [])
    except csv.Error as problem:
        return _Record(line, raw, None, f"not CSV: {problem}")
    return _Record(line, raw, cells)


def _sheet(content: bytes, layout: FileLayout) -> Iterator[_Record]:
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(content))
        name = layout.sheet or book.sheet_names[0]
        if name not in book.sheet_names:
            raise UnusableFile(f"The workbook has no sheet {name!r}; it has {', '.join(book.sheet_names)}.")
        sheet = book.get_sheet_by_name(name)
    except CalamineError as problem:
        raise UnusableFile(f"The workbook cannot be read: {problem}") from None
    for number, values in enumerate(sheet.iter_rows(), 1):
        cells = [_cell(value) for value in values]
        yield _Record(number, " | ".join(cells), cells)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == datetime.min.time() else value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


def _cells(record: _Record) -> Sequence[str]:
    if record.cells is None:
        raise UnusableFile(f"The line with the names of the columns cannot be read: {record.problem}.")
    return record.cells


def _header(record: _Record, kind: FileKind, layout: FileLayout) -> list[str]:
    """Our name of each column of the file, "" for those that are not ours."""
    cells = _cells(record)
    theirs = {layout.columns.get(name, name): name for name in columns_of(kind)}
    # our own names in whatever letters; what is declared, as it is declared
    written = {cell.strip() for cell in cells}
    loosely = {n.casefold(): n for n in columns_of(kind) if n not in layout.columns and n not in written}
    found = [theirs.get(cell.strip()) or loosely.get(cell.strip().casefold(), "") for cell in cells]
    there = {*found, *layout.constants} - {""}
    missing = [name for name in REQUIRED[kind] if name not in there]
    doubled = sorted({name for name in found if name and found.count(name) > 1})
    if missing:
        has = ", ".join(cell.strip() for cell in cells if cell.strip())[:500] or "none"
        raise UnusableFile(
            f"The file has no column {', '.join(missing)}; it has: {has}. Nothing was imported. If it names them"
            f" otherwise, declare that under `finance: files: {kind}: columns:`, and its separator and encoding there."
        )
    if doubled:
        raise UnusableFile(f"The file has the column {', '.join(doubled)} twice. Nothing was imported.")
    return found


def _wanted(kind: FileKind) -> str:
    return ", ".join(columns_of(kind))


def _rows(
    part: list[_Record], kind: FileKind, layout: FileLayout, columns_of_file: _Columns, totals: ControlTotals
) -> Rows:
    header, unfolding = columns_of_file.ours, columns_of_file.unfolding
    width = len(header)
    rejected: list[Rejected] = []
    good: list[_Record] = []
    for record in part:
        if record.cells is None:
            rejected.append(Rejected(record.line, record.problem, record.raw[:TEXT_KEPT]))
        elif not any(cell.strip() for cell in record.cells):
            continue
        elif len(record.cells) != width and not _only_empty_beyond(record.cells, width):
            reason = f"it has {len(record.cells)} cells where the first line names {width}"
            rejected.append(Rejected(record.line, reason, record.raw[:TEXT_KEPT]))
        else:
            good.append(record)
            totals.saw(record.line, record.cells)
    if unfolding is not None:
        cells = [record.cells or () for record in good]
        lines = unfolding.lines(cells, [record.line for record in good], [record.raw for record in good])
        lines.rejected += rejected
        return lines
    columns: dict[str, list[str]] = {}
    for place, name in enumerate(header):
        if name:
            columns[name] = [record.cells[place].strip() for record in good if record.cells is not None]
    for name in columns_of(kind):
        if name not in columns:
            columns[name] = [layout.constants.get(name, "")] * len(good)
    for name, meanings in layout.values.items():
        columns[name] = [meanings.get(value, value) for value in columns[name]]
    return Rows(columns, [record.line for record in good], [record.raw for record in good], rejected)


def _only_empty_beyond(cells: Sequence[str], width: int) -> bool:
    return len(cells) > width and not any(cell.strip() for cell in cells[width:])
