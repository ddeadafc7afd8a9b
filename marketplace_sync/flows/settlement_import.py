"""Takes in files of settlement lines, store orders and bank receipts: each once, as it came, with what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from marketplace_sync.domain.errors import MarketplaceSyncError
from marketplace_sync.domain.money import decimal_text
from marketplace_sync.domain.settlement.known_layouts import recognised
from marketplace_sync.domain.settlement.layouts import REQUIRED, FileKind, FileLayout
from marketplace_sync.domain.settlement.rows import TEXT_KEPT, Rejected, UnusableFile
from marketplace_sync.flows.context import Context
from marketplace_sync.flows.settlement_account import Account, account
from marketplace_sync.flows.settlement_controls import report_totals
from marketplace_sync.flows.settlement_files import header_of, read_rows
from marketplace_sync.ledger import settlement as ledger

if TYPE_CHECKING:
    import polars as pl
    from sqlalchemy import Connection

    from marketplace_sync.domain.settlement.columns import Typed
    from marketplace_sync.domain.settlement.control_totals import Compared, ControlTotals

REJECTED_KEPT = 10_000
LARGEST_FILE = 900_000_000
"""What the ledger can keep in one piece."""


class ControlTotalsDiffer(MarketplaceSyncError):
    """What was stored is not what the file says: a bug. Nothing of the file was kept."""


@dataclass
class ImportReport:
    """What came of one file. Totals in minor units, by (document, currency): number of lines and their sum."""

    kind: FileKind
    file: str
    seen_before: str = ""
    """When the same file was imported, with its name then; nothing was done this time."""
    rows: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    elsewhere: int = 0
    """Rows of another channel."""
    superseded: int = 0
    """Rows that say less than what is known: the line is known further on in its payment."""
    contradicted: list[str] = field(default_factory=list)
    """Ids that the file states with different amounts: the same id is one line, so one of them was taken."""
    rejected: list[Rejected] = field(default_factory=list)
    totals: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    controls: list[Compared] = field(default_factory=list)
    """Totals that the file states of itself, against what was taken of its rows."""

    def as_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind.value,
            "file": self.file,
            "seen_before": self.seen_before or None,
            "rows": self.rows,
            "new": self.new,
            "changed": self.changed,
            "unchanged": self.unchanged,
            "elsewhere": self.elsewhere,
            "superseded": self.superseded,
            "contradicted": self.contradicted,
            "rejected": [{"line": each.line, "reason": each.reason, "raw": each.raw} for each in self.rejected],
            "totals": [
                {"document": document, "currency": currency, "lines": count, "sum": decimal_text(total, currency)}
                for (document, currency), (count, total) in sorted(self.totals.items())
            ],
            "controls": [
                {
                    "line": each.line,
                    "of": each.of,
                    "stated": None if each.stated is None else f"{each.stated:f}",
                    "found": f"{each.found:f}",
                    "difference": None if each.difference is None else f"{each.difference:f}",
                    "agrees": each.agrees,
                    "raw": each.raw[:TEXT_KEPT],
                }
                for each in self.controls
            ],
        }


def import_file(context: Context, name: str, kind: FileKind, file_name: str, content: bytes) -> ImportReport:
    """Import one file for a marketplace connection. The same bytes a second time change nothing. Raises UnusableFile
    when nothing of it can be read, UnknownConnection, ConfigurationError."""
    from marketplace_sync.domain.settlement import columns

    if len(content) > LARGEST_FILE:
        raise UnusableFile(f"{file_name} is larger than {LARGEST_FILE // 10**6} MB: import it in parts.")
    owner = account(context, name)
    layout = _layout(context, owner, kind, content)
    channels = columns.Channels(owner.channel, owner.other_channels)
    read = {
        FileKind.SETTLEMENT: partial(columns.settlement, layout=layout, zone=owner.zone, channels=channels),
        FileKind.STORE_ORDERS: partial(columns.store_orders, layout=layout, zone=owner.zone, channels=channels),
        FileKind.BANK_RECEIPTS: partial(columns.bank_receipts, layout=layout, zone=owner.zone),
    }[kind]
    report = ImportReport(kind, file_name)
    totals: ControlTotals | None = None
    with context.ledger.begin() as connection:
        ledger.lock(connection, name)
        before = ledger.known_file(connection, name, kind.value, content)
        if before is not None:
            report.seen_before = f"{before.imported_at:%Y-%m-%d %H:%M} UTC as {before.name}"
            return report
        parts = []
        for rows in read_rows(content, kind, layout):
            parts.append(read(rows))
            totals = rows.controls
        frame = _together(report, parts)
        if totals is not None:
            report.controls = totals.compared({rejected.line for rejected in report.rejected})
        _refuse_other_channels(owner, kind, report, parts)
        if kind is FileKind.SETTLEMENT:
            report.totals = _totals(frame)
        file_id = ledger.keep_file(
            connection,
            name,
            kind.value,
            file_name,
            content,
            row_count=report.rows,
            rejected=report.as_dict()["rejected"][:REJECTED_KEPT],
            totals=report.as_dict()["totals"],
            controls=report.as_dict()["controls"],
        )
        report_totals(connection, name, file_name, report.as_dict()["controls"], len(report.rejected))
        if kind is FileKind.SETTLEMENT:
            names_orders = "customer_order_number" in layout.columns
            _store_lines(connection, name, frame, file_id, report, names_orders=names_orders)
        elif kind is FileKind.BANK_RECEIPTS:
            report.new = ledger.merge_receipts(connection, name, frame, file_id)
            report.unchanged = frame.height - report.new
        else:
            _store_record(connection, name, frame, report)
    return report


def _layout(context: Context, owner: Account, kind: FileKind, content: bytes) -> FileLayout:
    """What the route declares; else, for a file in the marketplace's own layout, that; else ours. Where nothing is
    declared, semicolons and tabs between names of columns that are known are as good as commas."""
    declared = owner.finance.files.of(kind)
    if declared != FileLayout():
        return declared
    platform = context.connections[owner.name].platform
    for separator in (",", ";", "\t"):
        mine = FileLayout(separator=separator)
        header = [cell.strip() for cell in header_of(content, mine)]
        theirs = recognised(platform, header) if kind is FileKind.SETTLEMENT else None
        if theirs is not None:
            return theirs.model_copy(update={"separator": separator})
        if {name.casefold() for name in header} >= set(REQUIRED[kind]):
            return mine
    return declared


def _together(report: ImportReport, parts: list[Typed]) -> pl.DataFrame:
    import polars as pl

    frame = pl.concat(part.frame for part in parts)
    report.elsewhere = sum(part.elsewhere for part in parts)
    report.rejected = [rejected for part in parts for rejected in part.rejected]
    report.rows = frame.height + len(report.rejected) + report.elsewhere
    return frame


def _refuse_other_channels(owner: Account, kind: FileKind, report: ImportReport, parts: list[Typed]) -> None:
    """A file in which not one row is this connection's was meant for another, or the connection is called otherwise."""
    if kind is FileKind.STORE_ORDERS and report.elsewhere and report.elsewhere == report.rows - len(report.rejected):
        raise UnusableFile(
            f"No row of {report.file} is of the channel {owner.channel!r}. Nothing was imported. If the file calls"
            f" {owner.name} otherwise, set `channel` on that connection."
        )


def _totals(frame: pl.DataFrame) -> dict[tuple[str, str], tuple[int, int]]:
    import polars as pl

    sums = frame.group_by("document", "currency").agg(pl.len(), pl.col("amount").sum())
    return {(document, currency): (count, total) for document, currency, count, total in sums.iter_rows()}


def _store_lines(
    connection: Connection,
    name: str,
    frame: pl.DataFrame,
    file_id: int,
    report: ImportReport,
    *,
    names_orders: bool,
) -> None:
    """Lines of a file into the ledger, and its control totals against what is there afterwards. `names_orders`: the
    file calls orders otherwise than by their ids."""
    import polars as pl

    from marketplace_sync.domain.settlement.frames import once

    lines = once(frame.with_columns(pl.lit(None, pl.Date).alias("document_created_on")))
    if lines.height < frame.height:
        amounts = frame.group_by("line_id").agg(pl.col("amount").n_unique()).filter(pl.col("amount") > 1)
        report.contradicted = amounts["line_id"].sort().to_list()
    stored = ledger.merge_lines(connection, name, lines, file_id)
    said = ("customer_order_number", "ean", "stock_number")
    goods = lines.filter(names_orders or pl.any_horizontal(pl.col(column) != "" for column in said))
    if goods.height:
        ledger.merge_goods(connection, name, goods)
    report.new, report.changed = stored["new"], stored["changed"]
    report.superseded = ledger.count_superseded(connection, name, lines)
    report.unchanged = lines.height - report.new - report.changed - report.superseded
    total = int(str(lines["amount"].sum()))
    if stored["stored"] != lines.height or (not report.superseded and stored["sum"] != total):
        raise ControlTotalsDiffer(
            f"{report.file} has {lines.height} lines that add up to {total} minor units, and {stored['stored']} that"
            f" add up to {stored['sum']} were stored. Nothing was kept. Please report this with the file."
        )


def _store_record(connection: Connection, name: str, rows: pl.DataFrame, report: ImportReport) -> None:
    from marketplace_sync.domain.settlement.store_record import contradictions, merged
    from marketplace_sync.ledger.settlement_reading import sold_of

    known = sold_of(connection, name, "file", rows.select("order_id").unique())
    orders, lines, refunds = merged(known, rows)
    report.contradicted = contradictions(rows)
    ledger.replace_sold(connection, name, "file", orders, lines, refunds)
    report.changed = known[0].height
    report.new = orders.height - report.changed
