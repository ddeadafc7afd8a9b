"""The reports of one payout, written into a folder of their own: what an earlier run wrote stays where it is."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

import msgspec

from marketplace_sync.flows.context import Context
from marketplace_sync.flows.settlement_payout import Payout
from marketplace_sync.ledger import payouts
from marketplace_sync.reports.settlement_csv import write_csv
from marketplace_sync.reports.settlement_html import write_html
from marketplace_sync.reports.settlement_json import write_json
from marketplace_sync.reports.settlement_xlsx import write_xlsx

WORKBOOK, TABLE, DOCUMENT, PAGE, JOURNAL = (
    "reconciliation.xlsx",
    "reconciliation.csv",
    "reconciliation.json",
    "reconciliation.html",
    "journal.csv",
)


@dataclass(frozen=True)
class Written:
    """`unchanged`: an earlier report says the same, and is shown in place of a new one."""

    folder: Path
    unchanged: bool

    def __truediv__(self, name: str) -> Path:
        return self.folder / name


def write_reports(context: Context, payout: Payout, reports: Path) -> Written:
    """Workbook, CSV, JSON and a page for people, below `reports`, and remember them. The same conclusion as the last
    time is no new report. Raises OSError."""
    account, document = payout.account, payout.document
    stream = io.BytesIO()
    write_json(payout.part, stream)
    digest = hashlib.sha256(stream.getvalue()).digest()
    last = payout.earlier[0] if payout.earlier else None
    unchanged = last is not None and last.digest == digest and (Path(last.folder) / WORKBOOK).is_file()
    if unchanged and last is not None:
        folder = Path(last.folder)
    else:
        folder = reports / account.name / folder_name(document) / f"run_{payout.run_id}"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        put(folder / DOCUMENT, lambda out: out.write(stream.getvalue()))
        put(folder / TABLE, partial(write_csv, payout.part))
        put(folder / WORKBOOK, partial(write_xlsx, payout.part, connection=account.name))
        put(folder / PAGE, partial(write_html, payout.part, connection=account.name))
    with context.ledger.begin() as connection:
        figures = {
            "in": [msgspec.to_builtins(each) for each in payout.figures],
            "needs_a_person": len(payout.problems),
            "is_history": payout.is_history,
        }
        payouts.record_report(
            connection, account.name, document, payout.run_id, digest=digest, folder=str(folder), figures=figures
        )
    return Written(folder, unchanged)


def folder_name(document: str) -> str:
    """A document's number as the name of a folder; one that had to be changed stays unique."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", document).strip("._")[:80]
    if name == document:
        return name
    return f"{name}-{hashlib.sha256(document.encode()).hexdigest()[:8]}"


def put(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write beside the file and put it in its place when it is whole. Raises OSError."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as stream:
            write(stream)
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
