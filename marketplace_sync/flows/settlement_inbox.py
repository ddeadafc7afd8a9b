"""A folder that is watched: what finance puts into it is imported, and lies beside what came of it afterwards.

    inbox/<connection>/settlement/       settlement lines, remittances
    inbox/<connection>/store_orders/     the store's record
    inbox/<connection>/bank_receipts/    what the bank received

A file that was taken goes on to `taken` beside these three, one that cannot be read to `refused`, each with what was
said about it in a text file of the same name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from marketplace_sync.domain.settlement.layouts import FileKind
from marketplace_sync.domain.settlement.rows import UnusableFile
from marketplace_sync.flows.context import Context
from marketplace_sync.flows.settlement_import import ImportReport, import_file

STILL_FOR = timedelta(seconds=5)
"""A file that was written to a moment ago may not be whole."""
TAKEN, REFUSED = "taken", "refused"


@dataclass(frozen=True)
class Waiting:
    kind: FileKind
    path: Path
    written_at: float
    size: int


@dataclass(frozen=True)
class Taken:
    """What came of one file. `problem`: why nothing of it was imported; empty when it was."""

    kind: FileKind
    file: str
    report: ImportReport | None
    problem: str = ""


def prepare(inbox: Path, names: list[str]) -> None:
    """Make the folders, so that people see where to put what. Raises OSError."""
    for name in names:
        for kind in FileKind:
            (inbox / name / kind.value).mkdir(mode=0o700, parents=True, exist_ok=True)


def waiting(inbox: Path, name: str, now: datetime) -> list[Waiting]:
    """Files of a connection that are there and whole, store records first: settlements are judged by them."""
    found = []
    for kind in (FileKind.STORE_ORDERS, FileKind.SETTLEMENT, FileKind.BANK_RECEIPTS):
        for path in _files(inbox / name / kind.value):
            status = path.stat()
            if now.timestamp() - status.st_mtime >= STILL_FOR.total_seconds():
                found.append(Waiting(kind, path, status.st_mtime, status.st_size))
    return found


def _files(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        for path in sorted(folder.iterdir()):
            if path.is_file() and not path.name.startswith((".", "~$")):
                yield path


def take(context: Context, name: str, inbox: Path) -> list[Taken]:
    """Import every file that waits, each on its own. A file is moved after it was imported: one that is found again
    after a crash is the same file, and changes nothing. Raises OSError when the folder cannot be written."""
    found = []
    for each in waiting(inbox, name, context.now()):
        found.append(_take(context, name, each))
        _put_away(inbox / name, each, found[-1], context.now())
    return found


def _take(context: Context, name: str, waits: Waiting) -> Taken:
    try:
        report = import_file(context, name, waits.kind, waits.path.name, waits.path.read_bytes())
    except UnusableFile as problem:
        return Taken(waits.kind, waits.path.name, None, str(problem))
    return Taken(waits.kind, waits.path.name, report)


def _put_away(folder: Path, waits: Waiting, taken: Taken, now: datetime) -> None:
    into = folder / (REFUSED if taken.problem else TAKEN)
    into.mkdir(mode=0o700, parents=True, exist_ok=True)
    stem = f"{now:%Y-%m-%dT%H%M%S}-{waits.kind.value}-{waits.path.name}"
    said = taken.problem if taken.report is None else json.dumps(taken.report.as_dict(), indent=2, ensure_ascii=False)
    (into / f"{stem}.txt").write_text(f"{said}\n", encoding="utf-8")
    waits.path.replace(into / stem)
