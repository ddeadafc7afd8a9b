"""Files as sellers upload them: the parts of a multipart body, and the rows of a CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from email.parser import BytesParser
from email.policy import HTTP

from starlette.requests import Request

from marketplace_sync.sandbox.mirakl.values import BadValue


async def parts(request: Request) -> dict[str, str]:
    """The parts of a multipart body by name. Raises BadValue without a `file`, or for one that is not UTF-8."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + await request.body())
    found: dict[str, str] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            try:
                found[name] = content.decode("utf-8-sig")
            except UnicodeDecodeError as problem:
                raise BadValue(f"The field '{name}' is not UTF-8") from problem
    if not found.get("file", "").strip():
        raise BadValue("The field 'file' is required")
    return found


def rows(file: str) -> list[dict[str, str]]:
    """The rows of a CSV with semicolons, by column; cells that are missing are empty."""
    reader = csv.DictReader(io.StringIO(file), delimiter=";", restval="")
    return [{name: (value or "").strip() for name, value in row.items() if isinstance(name, str)} for row in reader]


def written(header: Iterable[str], lines: Iterable[Iterable[object]]) -> str:
    """A CSV with semicolons."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", lineterminator="\n")
    writer.writerow(header)
    writer.writerows(lines)
    return out.getvalue()
