"""One payout out of a reconciliation of the whole book: its figures, proof that no penny is missing, what needs a
person, and what changed since it was last reported, with the reasons."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

import msgspec

from marketplace_sync.domain.money import decimal_text
from marketplace_sync.domain.settlement.line_types import INVOICED, PAYMENT
from marketplace_sync.domain.work_items import Problem
from marketplace_sync.flows.context import Context
from marketplace_sync.flows.settlement import Reconciled, reconcile_connection
from marketplace_sync.flows.settlement_account import Account
from marketplace_sync.flows.settlement_controls import problem_of
from marketplace_sync.flows.settlement_items import problems_of
from marketplace_sync.ledger import payouts
from marketplace_sync.ledger.work_items import subject_of

if TYPE_CHECKING:
    import polars as pl
    from sqlalchemy import Connection

    from marketplace_sync.domain.settlement.result import Document, Result


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """The headline figures of a payout in one currency, in its minor units. `matched`, `waiting`, `exceptions` and
    `outside` are what its lines come to on orders that are settled as expected, are waited for, are exceptions, and on
    no order: together they are `lines_total`."""

    currency: str
    lines: int
    lines_total: int
    opening_balance: int
    transferred: int
    closing_balance: int
    bank_currency: str
    bank_expected: int
    bank_received: int
    status: str
    matched: int
    waiting: int
    exceptions: int
    outside: int
    counted: int
    """What the ledger's lines add up to, counted apart from the engine."""
    stated: int | None = None
    """What the marketplace itself says that it transferred."""
    fees: int = 0
    """What it took for itself, with tax; positive is what the seller paid."""
    invoiced: int | None = None
    """What its invoice for that says."""
    by_account: dict[str, int] = msgspec.field(default_factory=dict)

    @property
    def missing(self) -> int:
        """Zero, or money was lost or invented on the way to the report."""
        parts = self.matched + self.waiting + self.exceptions + self.outside
        carried = self.opening_balance + self.lines_total - self.transferred - self.closing_balance
        return abs(parts - self.lines_total) + abs(self.counted - self.lines_total) + abs(carried)


class Change(msgspec.Struct, frozen=True):
    """`before` and `after`: status, codes and amounts in words; empty when it was not there."""

    kind: str
    subject: str
    before: str
    after: str
    why: str


@dataclass(frozen=True)
class Payout:
    """`part`: the payout and every order with a line in it. `problems` need a person; `decided` are those that a person
    has looked at and closed. `earlier`: what was reported before, the newest first."""

    account: Account
    document: str
    as_of: date
    run_id: int
    is_history: bool
    part: Result
    lines: pl.DataFrame
    figures: tuple[Figures, ...]
    problems: tuple[Problem, ...]
    decided: tuple[Problem, ...]
    earlier: tuple[payouts.PayoutReport, ...]
    changes: tuple[Change, ...]
    files: tuple[payouts.FileTotals, ...] = ()
    """That its lines came from, and that state totals of their own."""

    @property
    def orders(self) -> int:
        return int(self.part.orders.height)

    @property
    def wrong_orders(self) -> int:
        return self.part.orders["status"].to_list().count("exception")

    @property
    def match_rate(self) -> float:
        """The share of the payout's orders that are no exceptions, in per cent."""
        return 100.0 * (self.orders - self.wrong_orders) / self.orders if self.orders else 100.0


def reconcile_payout(context: Context, name: str, document: str, as_of: date | None = None) -> Payout:
    """Reconcile the book, and look at one payout of it. Raises UnknownConnection, UnknownDocument, ConfigurationError,
    LedgerError."""
    return payout_of(context, reconcile_connection(context, name, as_of), document)


def payout_of(context: Context, done: Reconciled, document: str) -> Payout:
    """One payout of a run that was made just now. Raises UnknownDocument."""
    owner = done.account
    part = done.result.payout(document)
    with context.ledger.begin() as connection:
        lines = payouts.lines_of(connection, owner.name, document)
        stated = payouts.stated_transfer(connection, owner.name, document)
        invoiced = payouts.stated_invoice(connection, owner.name, document)
        decided = payouts.decided(connection, owner.name)
        files = payouts.totals_of_files(connection, owner.name, document)
        before = payouts.reports_of(connection, owner.name, document)
        # what was looked at as of an earlier day is no report that others are compared with
        earlier = tuple(r for r in before if r.run_id != done.run_id and not r.figures.get("is_history"))
        changes = _changes(connection, owner, part, earlier[0].run_id) if earlier and not done.is_history else ()
    differing = (problem_of(owner.name, each.file, each.controls, each.rejected) for each in files)
    found = [*problems_of(owner, part), *(problem for problem in differing if problem is not None)]
    is_decided = [(problem.code, subject_of(problem.subject)) in decided for problem in found]
    return Payout(
        account=owner,
        document=document,
        as_of=done.as_of,
        run_id=done.run_id,
        is_history=done.is_history,
        part=part,
        lines=lines,
        figures=tuple(_figures(part, lines, each, done.as_of, stated, invoiced) for each in part.documents),
        problems=tuple(problem for problem, out in zip(found, is_decided, strict=True) if not out),
        decided=tuple(problem for problem, out in zip(found, is_decided, strict=True) if out),
        earlier=earlier,
        changes=changes,
        files=tuple(files),
    )


def payouts_of_month(context: Context, done: Reconciled, first: date) -> Result:
    """What a run concluded of the payouts that were paid in the month that begins on `first`. Raises UnknownDocument
    when there are none."""
    from marketplace_sync.domain.settlement.result import UnknownDocument

    after = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    with context.ledger.begin() as connection:
        numbers = payouts.documents_of_month(connection, done.account.name, first, after)
    found = of_documents(done.result, numbers)
    if not found.documents:
        raise UnknownDocument(f"No payout of {done.account.name} was paid or made in {first:%B %Y}.")
    return found


def of_documents(result: Result, numbers: Iterable[str]) -> Result:
    """Several payouts, such as those of a month, with every order that has a line in one of them."""
    import polars as pl

    wanted = sorted(set(numbers))
    is_wanted = pl.col("document").is_in(wanted)
    orders = result.orders.filter(pl.col("documents").list.eval(pl.element().is_in(wanted)).list.any())
    return replace(
        result,
        orders=orders,
        components=result.components.join(orders.select("o"), on="o", how="semi", maintain_order="left"),
        unallocated=result.unallocated.filter(is_wanted),
        documents=tuple(each for each in result.documents if each.accounting_document_number in wanted),
        sums=result.sums.filter(is_wanted),
        placed=result.placed.filter(is_wanted),
    )


def _figures(
    part: Result,
    kept: pl.DataFrame,
    document: Document,
    as_of: date,
    stated: dict[str, int],
    invoiced: dict[str, int],
) -> Figures:
    import polars as pl

    from marketplace_sync.domain.settlement.booking import by_account

    in_time = pl.col("created_on").is_null() | (pl.col("created_on") <= as_of)
    lines = kept.filter((pl.col("currency") == document.currency) & (pl.col("type") != PAYMENT) & in_time)
    outside = part.unallocated.filter(pl.col("currency") == document.currency)
    elsewhere = pl.concat([part.unallocated.select("line_id"), part.placed.select("line_id")])
    sums = _by_status(part, lines.join(elsewhere, on="line_id", how="anti"), document.currency)
    per_type = part.sums.filter(pl.col("currency") == document.currency).select("type", "amount")
    return Figures(
        currency=document.currency,
        lines=lines.height,
        lines_total=document.lines_total,
        opening_balance=document.opening_balance,
        transferred=document.amount_transferred,
        closing_balance=document.closing_balance,
        bank_currency=document.bank_currency,
        bank_expected=document.bank_expected,
        bank_received=document.bank_received,
        status=document.status.value,
        matched=sums.get("matched", 0) + sums.get("matched_tolerance", 0),
        waiting=sums.get("pending", 0),
        exceptions=sums.get("exception", 0),
        outside=_sum(outside),
        counted=_sum(lines),
        stated=stated.get(document.currency),
        fees=-_sum(per_type.filter(pl.col("type").is_in(list(INVOICED)))),
        invoiced=invoiced.get(document.currency),
        by_account=by_account(per_type.iter_rows()),
    )


def _by_status(part: Result, lines: pl.DataFrame, currency: str) -> dict[str, int]:
    """What lines on orders come to, by the status of their order. A line that names its order line only is its
    order's, and one that names goods only that of the orders it was found to pay."""
    import polars as pl

    named = part.components.filter(pl.col("order_line_id") != "").join(part.orders.select("o", "status"), on="o")
    by_line = named.select("order_line_id", pl.col("status").alias("status_by_line")).unique("order_line_id")
    orders = part.orders.select("channel", "order_id", "status")
    found = lines.join(orders, on=["channel", "order_id"], how="left").join(by_line, on="order_line_id", how="left")
    placed = part.placed.filter(pl.col("currency") == currency)
    placed = placed.join(part.orders.select("order_id", "status"), on="order_id", how="left").select("status", "amount")
    found = found.select(pl.coalesce("status", "status_by_line").alias("status"), "amount")
    sums = pl.concat([found, placed]).group_by("status").agg(pl.col("amount").sum())
    return {row["status"]: row["amount"] for row in sums.iter_rows(named=True) if row["status"] is not None}


def _sum(lines: pl.DataFrame) -> int:
    return int(str(lines["amount"].sum()))


def _changes(connection: Connection, owner: Account, part: Result, run_id: int) -> tuple[Change, ...]:
    """From what the payout's last report said to what it says now, whatever the runs between them were about."""
    orders = [
        order_id if channel == owner.channel else f"{channel}:{order_id}"
        for channel, order_id in part.orders.select("channel", "order_id").iter_rows()
    ]
    documents = {f"{each.accounting_document_number} {each.currency}": each.currency for each in part.documents}
    lines = dict(part.unallocated.select("line_id", "currency").iter_rows())
    currencies = {
        "order": dict(zip(orders, part.orders["currency"], strict=True)), "line": lines, "document": documents,
    }  # fmt: skip
    first: dict[tuple[str, str], Any] = {}
    last: dict[tuple[str, str], Any] = {}
    why: dict[tuple[str, str], dict[str, None]] = {}
    for row in payouts.changes_after(connection, owner.name, run_id, currencies):
        key = (row["kind"], row["subject"])
        first.setdefault(key, row["before"])
        last[key] = row["after"]
        why.setdefault(key, {}).update(dict.fromkeys(str(row["why"]).split("; ")))
    return tuple(
        Change(
            kind,
            subject,
            _spoken(kind, first[kind, subject], currencies[kind][subject]),
            _spoken(kind, last[kind, subject], currencies[kind][subject]),
            "; ".join(reasons),
        )
        for (kind, subject), reasons in sorted(why.items())
        if first[kind, subject] != last[kind, subject]
    )


_AMOUNTS = {
    "order": {"expected": "expected", "settled": "settled", "held": "held"},
    "line": {"settled": "amount"},
    "document": {"expected": "lines", "settled": "transferred", "held": "received"},
}
"""What the three amounts of a conclusion are, by what it is about."""


def _spoken(kind: str, conclusion: dict[str, Any] | None, currency: str) -> str:
    if conclusion is None:
        return ""
    codes = str(conclusion.get("codes") or "").replace(",", " ")
    amounts = [
        f"{word} {decimal_text(conclusion[name], currency)}"
        for name, word in _AMOUNTS[kind].items()
        if conclusion.get(name) is not None
    ]
    return " · ".join(part for part in (str(conclusion.get("status") or ""), codes, ", ".join(amounts)) if part)
