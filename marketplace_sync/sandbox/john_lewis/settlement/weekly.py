"""The Mondays: publishes the files of the week that ended, once, and writes them into a folder where one is set."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.john_lewis.settings import WEEKDAYS, EdgeSettings
from marketplace_sync.sandbox.john_lewis.settlement import sheets
from marketplace_sync.sandbox.john_lewis.settlement.reports import COLUMNS, Cell, Report, remittance_rows
from marketplace_sync.sandbox.john_lewis.settlement.spoiling import Spoiling
from marketplace_sync.sandbox.john_lewis.settlement.takings import LONDON, Takings, london_day
from marketplace_sync.sandbox.state import Document, State

PUBLISHED_AT = time(6, 0)
"""London's time, on the Monday after a week's end. (John Lewis, settlement)"""
FORMATS = ("csv", "xlsx")
RETRY_SECONDS = 60.0


class Settlements:
    """Collection `settlements`: id, week_ending, published_at, mode, purchase_orders (what each comes to in pence),
    payment_due, remitted once a remittance named them, written (into the folder), and sheets: what each file holds, by
    its name without ending."""

    def __init__(self, state: State, clock: Clock, settings: EdgeSettings, takings: Takings) -> None:
        self.settings = settings
        self.spoiling = Spoiling(state, clock, takings)
        self._settlements = state.collection("settlements")
        self._calendar = state.collection("settlement_calendar")
        self._state = state
        self._clock = clock
        self._takings = takings
        self._write_again_at = 0.0
        state.on_reload.append(self._look_again)
        self._look_again()

    def _look_again(self) -> None:
        self._unwritten = [key for key, each in self._settlements.items() if not each.get("written", True)]

    def tick(self) -> None:
        """Publish every week whose Monday has come."""
        if not self.settings.settlement_feed:
            return
        while self._clock.now() >= _monday_after(week_ending := self._next_week_ending()):
            self._calendar.put("week", {"ending": str(week_ending + timedelta(days=7))})
            self._publish(week_ending)

    def publish_early(self) -> Document | None:
        """What has happened until now as the report of a week that ends today; None when nothing has."""
        return self._publish(self._today())

    def _next_week_ending(self) -> date:
        known = self._calendar.get("week")
        if known is None:
            today = self._today()
            until = (WEEKDAYS.index(self.settings.settlement_week_ends_on) - today.weekday()) % 7
            known = self._calendar.put("week", {"ending": str(today + timedelta(days=until))})
        return date.fromisoformat(known["ending"])

    def _publish(self, week_ending: date) -> Document | None:
        """Nothing is published of a week in which nothing happened and nothing was paid."""
        facts = self._takings.until(week_ending)
        if not facts and not self._owed_by(week_ending):
            return None
        number = self._state.counter("settlement")
        report = Report(self.settings, week_ending, number)
        facts = self.spoiling.slip(facts, report, week_ending)
        rows = report.rows(fact for _, fact in facts)
        self.spoiling.spoil(rows, report, week_ending)
        for key, _ in facts:
            self._takings.reported(key)
        due = week_ending + timedelta(days=self.settings.payment_terms_days)
        document: dict[str, Any] = {
            "id": f"JLS-{number:06d}",
            "week_ending": str(week_ending),
            "published_at": self._clock.now().isoformat(),
            "mode": report.mode,
            "purchase_orders": report.purchase_orders(rows),
            "payment_due": str(due),
            "sheets": {},
            "written": self.settings.settlement_folder is None,
        }
        if facts:
            cells = [[row.cells[column] for column in COLUMNS[report.mode]] for row in rows]
            document["sheets"][self._free_name("sor_d2c", week_ending)] = {"kind": report.mode, "rows": cells}
        self._settlements.put(document["id"], document)
        for paid_on, ours in self._paid_until(week_ending):
            number_text = f"JLR{paid_on:%Y%m%d}-{number:06d}"
            remitted = {"kind": "remittance", "rows": remittance_rows(number_text, paid_on, ours)}
            document["sheets"][self._free_name("remittance", paid_on)] = remitted
        if not document["sheets"]:  # all of it slipped
            self._settlements.delete(document["id"])
            return None
        if not document["written"]:
            self._unwritten.append(document["id"])
        return document

    def _owed_by(self, day: date) -> list[Document]:
        """Settlements whose payment fell due by that day and that no remittance has named yet."""
        return [
            each
            for each in self._settlements.values()
            if each["payment_due"] <= str(day) and each["purchase_orders"] and "remitted" not in each
        ]

    def _paid_until(self, day: date) -> Iterator[tuple[date, list[tuple[str, int]]]]:
        """(payment day, purchase orders and what they come to) of every remittance that is due."""
        found: dict[str, list[tuple[str, int]]] = {}
        for owed in self._owed_by(day):
            found.setdefault(owed["payment_due"], []).extend(owed["purchase_orders"].items())
            owed["remitted"] = True
            self._settlements.put(owed["id"], owed)
        for paid_on, ours in sorted(found.items()):
            yield date.fromisoformat(paid_on), ours

    def _free_name(self, what: str, day: date) -> str:
        """A second report of one day, which only `publish_early` makes, has a number behind its name."""
        taken = sum(name.startswith(f"{what}_{day}") for each in self._settlements.values() for name in each["sheets"])
        return f"{what}_{day}" if not taken else f"{what}_{day}_{taken + 1}"

    def write(self) -> None:
        """Put what was published into the folder. Raises OSError when it cannot be written; it waits a minute, then."""
        if self.settings.settlement_folder is None or self._clock.timestamp() < self._write_again_at:
            return
        for key in list(self._unwritten):
            self._write_again_at = self._clock.timestamp() + RETRY_SECONDS
            document = self._settlements[key]
            self._write(Path(self.settings.settlement_folder), document)
            self._settlements.put(key, {**document, "written": True})
            self._unwritten.remove(key)
            self._write_again_at = 0.0

    def _write(self, folder: Path, document: Document) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in document["sheets"]:
            for kind in self.settings.settlement_folder_formats:
                # whoever watches the folder never sees half a file, nor a hidden one
                hidden = folder / f".{name}.{kind}.part"
                hidden.write_bytes(_bytes(document, name, kind))
                hidden.replace(folder / f"{name}.{kind}")

    def page(self, offset: int, limit: int) -> tuple[int, list[Document]]:
        """How many there are, and one page of them, newest first, as the feed shows them."""
        found = list(self._settlements.values())[::-1]
        return len(found), [listed(each) for each in found[offset : offset + limit]]

    def file(self, settlement_id: str, name: str) -> tuple[bytes, str]:
        """(content, media type). Raises LookupError."""
        document = self._settlements.get(settlement_id)
        stem, _, kind = name.rpartition(".")
        if document is None or kind not in FORMATS or stem not in document["sheets"]:
            raise LookupError(f"no file {name} of a settlement {settlement_id}")
        return _bytes(document, stem, kind), sheets.MEDIA_TYPES[kind]

    def _today(self) -> date:
        return london_day(self._clock.now())


def listed(document: Document) -> Document:
    """A settlement as the feed shows it."""
    files = [f"{name}.{kind}" for name in document["sheets"] for kind in FORMATS]
    return {"id": document["id"], "week_ending": document["week_ending"], "files": files}


def _bytes(document: Document, name: str, kind: str) -> bytes:
    sheet = document["sheets"][name]
    rows: list[list[Cell]] = sheet["rows"]
    return sheets.bytes_of(kind, COLUMNS[sheet["kind"]], rows)


def _monday_after(week_ending: date) -> datetime:
    days = 7 - week_ending.weekday()
    return datetime.combine(week_ending + timedelta(days=days), PUBLISHED_AT, LONDON)
