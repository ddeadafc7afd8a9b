"""Stock levels: one file for many offers, worked off by the marketplace later, whose report says what it did not take.

A level is in doubt from the moment its file was taken until the marketplace has worked the file off. In a new process
nobody knows the file any more: then the level is sent again, which is harmless.
"""

from __future__ import annotations

import csv
import io
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote

import msgspec

from marketplace_sync.connectors.mirakl import fields, files
from marketplace_sync.connectors.mirakl.calls import Calls
from marketplace_sync.connectors.mirakl.refusals import refused
from marketplace_sync.connectors.mirakl.settings import MiraklSettings
from marketplace_sync.connectors.outcomes import outcome_of, unresolved
from marketplace_sync.domain.effects import (
    Delivered,
    Effect,
    InDoubt,
    NotThere,
    Outcome,
    Postponed,
    Refused,
    Resolution,
    SetStock,
)
from marketplace_sync.domain.errors import RequestRejected, TransportError

_IMPORTS = "/api/offers/stock/imports"
_FILES_REMEMBERED = 50


class _Status(msgspec.Struct):
    status: str
    has_error_report: bool = False


class _File(msgspec.Struct):
    """One file under way."""

    import_id: str
    lines: dict[int, int]
    """Effect -> its line, as the marketplace is taken to count."""
    skus: dict[str, int]
    """SKU -> its line."""
    asked_at: float | None = None
    status: str = "WAITING"
    failures: dict[int, str] | None = None
    """Line -> the marketplace's words; None while it is not worked off."""
    stray: str = ""
    """Words of failures that cannot be told to any line."""


class StockLevels:
    """Thread-safe."""

    def __init__(self, settings: MiraklSettings, calls: Calls, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._calls = calls
        self._clock = clock
        self._lock = threading.Lock()
        self._files: list[_File] = []

    def send(self, effects: Sequence[Effect]) -> list[Outcome]:
        """One file (STO01), which leaves everything but the quantity of an offer alone (Mirakl, offers)."""
        wishes = [effect.payload for effect in effects]
        unfit = [_unfit(wish) for wish in wishes]
        fit = [effect for effect, problem in zip(effects, unfit, strict=True) if problem is None]
        outcome: Outcome | None = self._send(fit) if fit else None
        return [problem or outcome or Postponed("not sent") for problem in unfit]

    def _send(self, effects: Sequence[Effect]) -> Outcome:
        rows: list[list[str]] = []
        lines: dict[int, int] = {}
        skus: dict[str, int] = {}
        for number, effect in enumerate(effects, start=self._settings.stock_report_first_line):
            rows.append([effect.payload.sku, str(max(0, effect.payload.quantity)), "", ""])
            lines[effect.effect_id] = skus[effect.payload.sku] = number
        content = files.table(("offer-sku", "quantity", "warehouse-code", "update-delete"), rows)
        try:
            answer = self._calls.send(
                "POST",
                _IMPORTS,
                content=files.multipart(files.Part("file", content, "text/csv; charset=utf-8", "stock.csv")),
                headers={"content-type": files.CONTENT_TYPE},
                bucket="stock",
                operation="send stock",
            )
            taken = self._calls.decoded(answer, files.Taken, "send stock")
            import_id = fields.text(taken.import_id)
        except RequestRejected as problem:
            return refused(problem)
        except TransportError as problem:
            return outcome_of(problem)
        with self._lock:
            self._files = [*self._files, _File(import_id=import_id, lines=lines, skus=skus)][-_FILES_REMEMBERED:]
        return InDoubt(f"the marketplace has taken stock file {import_id} and not yet worked it off")

    def verdict(self, effect: Effect) -> Resolution:
        """What became of a level: by its file's status (STO02) and, where it has one, its error report (STO03)."""
        with self._lock:
            file = next((one for one in reversed(self._files) if effect.effect_id in one.lines), None)
            if file is None:
                return NotThere()
            try:
                waits = self._ask(file)
            except TransportError as problem:
                return unresolved(problem)
            if waits is not None:
                return Postponed(f"stock file {file.import_id} is {file.status}", after=waits, counts_as_attempt=False)
            line = file.lines[effect.effect_id]
            if file.status == "FAILED" and not (file.failures or {}).get(line):
                return Refused(f"stock file {file.import_id} failed as a whole", code="STOCK_FILE_FAILED")
            words = (file.failures or {}).get(line)
            if words:
                return Refused(f"SKU {effect.payload.sku}: {words}", code="STOCK_REFUSED")
            if file.stray:
                return Refused(
                    f"stock file {file.import_id} has failures that name no level, perhaps this one: {file.stray}",
                    code="STOCK_REFUSED",
                )
            return Delivered({"import_id": file.import_id})

    def _ask(self, file: _File) -> float | None:
        """Bring what is known of a file up to date, no more often than allowed. Seconds to wait while it is being
        worked off, None once it is done. Raises TransportError."""
        if file.failures is not None:
            return None
        every = self._settings.stock_status_every.total_seconds()
        now = self._clock()
        if file.asked_at is not None and now - file.asked_at < every:
            return every - (now - file.asked_at)
        file.asked_at = now
        path = f"{_IMPORTS}/{quote(file.import_id, safe='')}"
        status = self._calls.get(f"{path}/status", _Status, operation="read stock status")
        file.status = status.status
        if status.status not in ("COMPLETE", "FAILED"):
            return every
        file.failures = {}
        if status.has_error_report:
            try:
                self._read_report(file, path)
            except TransportError:
                file.failures = None
                raise
        return None

    def _read_report(self, file: _File, path: str) -> None:
        """A line number, then the reason (Mirakl, offers: stock). Whether the heading counts as a line is not said, so
        a reason that names a SKU of the file goes before the number."""
        answer = self._calls.raw(
            f"{path}/error_report",
            bucket="default",
            operation="read stock errors",
            headers=files.REPORT,
        )
        found: dict[int, str] = {}
        for row in csv.reader(io.StringIO(answer.body.decode("utf-8-sig", "replace")), delimiter=";"):
            if not row or not row[0].strip().isdecimal():
                continue
            words = "; ".join(cell.strip() for cell in row[1:] if cell.strip())[:300] or "refused without a reason"
            line = _named(words, file.skus) or int(row[0])
            if line in file.lines.values():
                found[line] = words
            else:
                file.stray = words
        file.failures = found


def _named(words: str, skus: Mapping[str, int]) -> int | None:
    """The line of the SKU that the words name; of several that fit into each other the longest."""
    for sku in sorted((sku for sku in skus if sku in words), key=len, reverse=True):
        if re.search(rf"(?<![\w-]){re.escape(sku)}(?![\w-])", words):
            return skus[sku]
    return None


def _unfit(wish: SetStock) -> Refused | None:
    if not wish.sku.strip() or "\n" in wish.sku or "\r" in wish.sku:
        return Refused(f"{wish.sku!r} is no SKU that a stock file can name", code="NO_SKU")
    return None
