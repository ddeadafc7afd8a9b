"""Files that go up and reports that come back: CSV with semicolons, in the multipart bodies of imports."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from marketplace_sync.connectors.mirakl import fields
from marketplace_sync.connectors.mirakl.calls import Calls
from marketplace_sync.connectors.selling import RowProblem

_BOUNDARY = "marketplace-sync-7b1f0c"
CONTENT_TYPE = f"multipart/form-data; boundary={_BOUNDARY}"
REPORT = {"accept": "text/csv, application/octet-stream, */*"}


class Part(msgspec.Struct, frozen=True):
    """One part of a multipart body; `file_name` for a file."""

    name: str
    content: bytes
    content_type: str = ""
    file_name: str = ""


class Taken(msgspec.Struct):
    """What every import answers. (Mirakl, offers: PRI01 spells it twice)"""

    import_id: Any


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue().encode()


def multipart(*parts: Part) -> bytes:
    found = []
    for part in parts:
        named = f'; filename="{part.file_name}"' if part.file_name else ""
        found.append(f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{part.name}"{named}\r\n'.encode())
        if part.content_type:
            found.append(f"Content-Type: {part.content_type}\r\n".encode())
        found += [b"\r\n", part.content, b"\r\n"]
    return b"".join([*found, f"--{_BOUNDARY}--\r\n".encode()])


def send(calls: Calls, path: str, content: bytes, *, bucket: str, operation: str, file_name: str) -> str:
    """Upload one CSV. Returns the number of the import. Raises TransportError; AnswerUnreadable when it gave none."""
    body = multipart(Part("file", content, "text/csv; charset=utf-8", file_name))
    answer = calls.send(
        "POST", path, content=body, headers={"content-type": CONTENT_TYPE}, bucket=bucket, operation=operation
    )
    import_id = fields.text(calls.decoded(answer, Taken, operation).import_id)
    if not import_id:
        raise calls.unreadable(operation, "it gives the file no number", answer.status)
    return import_id


def problems(report: bytes) -> tuple[RowProblem, ...]:
    """The rows of an error report. Its columns differ from import to import, so each is known by its heading."""
    rows = csv.reader(io.StringIO(report.decode("utf-8-sig", "replace")), delimiter=";")
    heading = [cell.strip().lower() for cell in next(rows, [])]
    return tuple(_problem(dict(zip(heading, row, strict=False))) for row in rows if any(cell.strip() for cell in row))


def _problem(row: Mapping[str, str]) -> RowProblem:
    """What names the line, the SKU and the reason; every other cell is part of the reason."""
    line, sku, words = None, "", []
    for name, value in row.items():
        cell = value.strip()
        if "line" in name and cell.isdecimal():
            line = int(cell)
        elif "sku" in name or name == "offer-id":
            sku = sku or cell
        elif cell and ("error" in name or "message" in name or "reason" in name):
            words.append(cell)
    words = words or [value.strip() for value in row.values() if value.strip()]
    return RowProblem(line=line, sku=sku, message="; ".join(words)[:300] or "refused without a reason")


def rows(report: bytes) -> tuple[dict[str, str], ...]:
    """A file row by row, its cells by their columns; cells beyond those that have a heading are left out."""
    found = csv.reader(io.StringIO(report.decode("utf-8-sig", "replace")), delimiter=";")
    heading = [cell.strip() for cell in next(found, [])]
    return tuple(dict(zip(heading, row, strict=False)) for row in found if any(cell.strip() for cell in row))


def column(report: bytes, name: str) -> tuple[str, ...]:
    """One column of a report; empty when it has none of that name."""
    rows = csv.DictReader(io.StringIO(report.decode("utf-8-sig", "replace")), delimiter=";")
    return tuple((row.get(name) or "").strip() for row in rows if (row.get(name) or "").strip())
