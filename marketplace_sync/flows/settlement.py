"""Reconciles a connection's payouts: reads the book, concludes, records what changed since the last run and why."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from marketplace_sync.flows.context import Context
from marketplace_sync.flows.settlement_account import Account, account
from marketplace_sync.flows.settlement_items import report_exceptions
from marketplace_sync.flows.settlement_sources import refresh
from marketplace_sync.ledger import settlement as ledger

if TYPE_CHECKING:
    import polars as pl
    from sqlalchemy import Connection

    from marketplace_sync.domain.settlement.result import Result
    from marketplace_sync.ledger.reconciliations import News, Run


@dataclass(frozen=True)
class Reconciled:
    """A run over the whole book. `changes`: kind, subject, before, after, why; none at the first run, and none when an
    earlier day than the last run's was looked at."""

    account: Account
    as_of: date
    result: Result
    changes: pl.DataFrame
    run_id: int
    is_history: bool

    @property
    def exceptions(self) -> int:
        statuses = self.result.orders["status"].to_list()
        return statuses.count("exception") + sum(d.status == "exception" for d in self.result.documents)


def reconcile_connection(context: Context, name: str, as_of: date | None = None) -> Reconciled:
    """Reconcile everything of one marketplace connection as of the evening of a local day, by default today.

    Raises UnknownConnection, ConfigurationError, LedgerError."""
    from marketplace_sync.domain.settlement.reconcile import reconcile
    from marketplace_sync.ledger import reconciliations
    from marketplace_sync.ledger.settlement_reading import read_book, store_is_known

    owner = account(context, name)
    day = as_of or owner.today(context)
    with context.ledger.begin() as connection:
        ledger.lock(connection, name)
        refresh(connection, context, owner)
        read_at = reconciliations.clock(connection)
        store_known = owner.store is not None or store_is_known(connection, name)
        book = read_book(connection, name, owner.channel, store_known=store_known, zone=str(owner.zone))
        result = reconcile(book, owner.finance, day)
        del book
        last = reconciliations.last_run(connection, name)
        # Today is never history, whatever day after it was once looked at.
        is_history = last is not None and day < last.as_of and day != owner.today(context)
        settings_hash = hashlib.sha256(owner.finance.model_dump_json().encode()).digest()
        rows = result_rows(result, owner)
        changed, gone, changes = _changes(connection, owner, last, day, settings_hash, rows, is_history=is_history)
        run_id = reconciliations.record_run(
            connection,
            name,
            as_of=day,
            read_at=read_at,
            settings_hash=settings_hash,
            orders=result.orders.height,
            exceptions=sum(status == "exception" for status in rows["status"]),
            changes=changes.height,
            codes=_count_codes(rows),
        )
        if not is_history:
            reconciliations.store_results(connection, name, run_id, changed, gone)
            reconciliations.record_changes(connection, run_id, changes)
            report_exceptions(connection, owner, result)
    return Reconciled(owner, day, result, changes, run_id, is_history)


def result_rows(result: Result, owner: Account) -> pl.DataFrame:
    """A result as rows that can be compared between runs: one per order, line outside orders and document."""
    import polars as pl

    from marketplace_sync.ledger.reconciliations import results_schema

    own = pl.col("channel") == owner.channel
    subject = pl.when(own).then("order_id").otherwise(pl.concat_str("channel", pl.lit(":"), "order_id"))
    orders = result.orders.select(
        pl.lit("order").alias("kind"),
        subject.alias("subject"),
        "currency",
        "status",
        pl.col("codes").list.join(",").alias("codes"),
        "expected",
        "settled",
        "held",
    )
    nothing = pl.lit(None, pl.Int64)
    lines = result.unallocated.select(
        pl.lit("line").alias("kind"),
        pl.col("line_id").alias("subject"),
        "currency",
        pl.lit("").alias("status"),
        pl.col("code").alias("codes"),
        nothing.alias("expected"),
        pl.col("amount").alias("settled"),
        nothing.alias("held"),
    )
    documents = pl.DataFrame(
        [
            ("document", f"{d.accounting_document_number} {d.currency}", d.currency, d.status.value, ",".join(d.codes),
             d.lines_total, d.amount_transferred, d.bank_received)
            for d in result.documents
        ],
        results_schema(),
        orient="row",
    )  # fmt: skip
    return pl.concat([orders, lines, documents])


def _count_codes(rows: pl.DataFrame) -> dict[str, int]:
    import polars as pl

    codes = rows.select(pl.col("codes").str.split(",").explode().alias("code")).filter(pl.col("code") != "")
    return dict(sorted(codes.group_by("code").len().iter_rows()))


def _changes(
    connection: Connection,
    owner: Account,
    last: Run | None,
    day: date,
    settings_hash: bytes,
    rows: pl.DataFrame,
    *,
    is_history: bool,
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """(results to be stored, results whose subject is gone, changes with their reasons)."""
    import polars as pl

    from marketplace_sync.ledger import reconciliations

    schema = {"kind": pl.String, "subject": pl.String, "before": pl.String, "after": pl.String, "why": pl.String}
    nothing = pl.DataFrame(schema=schema)
    if is_history:
        return rows.head(0), rows.head(0), nothing
    before = reconciliations.results(connection, owner.name)
    changed = rows.join(before, on=rows.columns, how="anti", nulls_equal=True, maintain_order="left")
    gone = before.join(rows, on=["kind", "subject"], how="anti", maintain_order="left")
    if last is None:
        return changed, gone, nothing
    said = ("status", "codes", "expected", "settled", "held")

    def spoken(frame: pl.DataFrame, name: str) -> pl.DataFrame:
        return frame.select("kind", "subject", pl.struct(said).struct.json_encode().alias(name))

    both = spoken(changed, "after").join(spoken(before, "before"), on=["kind", "subject"], how="left")
    both = pl.concat(
        [both, spoken(gone, "before").with_columns(pl.lit(None, pl.String).alias("after")).select(both.columns)]
    )
    why = _why(reconciliations.news(connection, owner.name, last.read_at), last, day, settings_hash)
    reasons = [why(kind, subject) for kind, subject in both.select("kind", "subject").iter_rows()]
    changes = both.with_columns(pl.Series("why", reasons, pl.String)).select(list(schema)).sort("kind", "subject")
    return changed, gone, changes


def _why(news: News, last: Run, day: date, settings_hash: bytes) -> Callable[[str, str], str]:
    always = []
    if last.settings_hash != settings_hash:
        always.append("the finance settings changed")
    if last.as_of != day:
        always.append(f"it is {day:%Y-%m-%d} instead of {last.as_of:%Y-%m-%d}")

    def why(kind: str, subject: str) -> str:
        found = []
        if kind == "order":
            if subject in news.settled_orders:
                found.append("settlement lines were added or changed")
            if subject in news.sold_orders:
                found.append("what was sold or refunded was stated anew")
        elif kind == "line" and subject in news.lines:
            found.append("the line was added or changed")
        elif kind == "document":
            number = subject.rpartition(" ")[0]
            if number in news.documents:
                found.append("settlement lines were added or changed")
            if number in news.received:
                found.append("bank receipts were added")
        return "; ".join(found or always or ["something it depends on changed: another order, line or payout"])

    return why
