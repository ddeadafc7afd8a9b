"""Exceptions of a reconciliation as work items: opened when they appear, closed by themselves when they are gone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from marketplace_sync.domain.money import decimal_text
from marketplace_sync.domain.settlement.codes import MEANINGS, Code
from marketplace_sync.domain.work_items import Problem
from marketplace_sync.ledger import work_items
from marketplace_sync.ledger.plain import plain

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from marketplace_sync.domain.settlement.result import Result
    from marketplace_sync.flows.settlement_account import Account

OURS = [code for code, meaning in MEANINGS.items() if meaning.owner]
GONE = "the last reconciliation does not find it any more"


def report_exceptions(connection: Connection, owner: Account, result: Result) -> int:
    """Open, refresh or close work items so that they are what this result says. Returns how many were opened."""
    found = list(problems_of(owner, result))
    return work_items.report_all(connection, [code.value for code in OURS], owner.name, found, GONE)


def of_order(name: str, channel: str, order_id: str) -> str:
    """The subject of an order's exceptions."""
    return f"{name}:settlement:{channel}:{order_id}"


def of_line(name: str, line_id: str) -> str:
    """The subject of a line outside orders."""
    return f"{name}:line:{line_id}"


def of_payout(name: str, number: str, currency: str) -> str:
    """The subject of a payout's exceptions."""
    return f"{name}:payout:{number}:{currency}"


def decided(connection: Connection, owner: Account, result: Result) -> dict[tuple[str, str], work_items.Decided]:
    """(code, subject) of what this result finds and a person has dealt with, as it is found now."""
    closed = work_items.decided(connection, owner.name, [code.value for code in OURS])
    if not closed:
        return {}
    return {
        (problem.code, problem.subject): known
        for problem in problems_of(owner, result)
        if (known := closed.get((problem.code, work_items.subject_of(problem.subject))))
        and known.message == plain(problem.message)
    }


def problems_of(owner: Account, result: Result) -> Iterator[Problem]:
    """Everything in a result that somebody has to look at."""
    yield from _of_orders(owner, result)
    for row in result.unallocated.iter_rows(named=True):
        code = Code(row["code"])
        if MEANINGS[code].owner:
            amount = decimal_text(row["amount"], row["currency"])
            named = f" It may be about order {row['suggested_order']}." if row["suggested_order"] else ""
            yield Problem(
                code=code.value,
                subject=of_line(owner.name, row["line_id"]),
                connection=owner.name,
                message=f"{row['type']} of {amount} {row['currency']} in payout {row['document'] or '(none yet)'}:"
                f" {MEANINGS[code].title.lower()}.{named}",
                impact=abs(row["amount"]),
                currency=row["currency"],
                evidence={"line_id": row["line_id"], "document": row["document"]},
            )
    for document in result.documents:
        for code in document.codes:
            if MEANINGS[code].owner:
                short = abs(document.bank_expected - document.bank_received)
                yield Problem(
                    code=code.value,
                    subject=of_payout(owner.name, document.accounting_document_number, document.currency),
                    connection=owner.name,
                    message=f"Payout {document.accounting_document_number}: {MEANINGS[code].title.lower()}. Expected"
                    f" {decimal_text(document.bank_expected, document.bank_currency)} {document.bank_currency},"
                    f" received {decimal_text(document.bank_received, document.bank_currency)}.",
                    impact=None if code is Code.SYSTEMATIC_ROUNDING else short,
                    currency=document.bank_currency,
                    evidence={"document": document.accounting_document_number},
                )


def _of_orders(owner: Account, result: Result) -> Iterator[Problem]:
    import polars as pl

    for row in result.orders.filter(pl.col("status") == "exception").iter_rows(named=True):
        currency = row["currency"]
        at_risk = row["settled"] + row["held"] if row["variance"] is None else row["variance"]
        for name in row["codes"]:
            code = Code(name)
            if not MEANINGS[code].owner:
                continue
            yield Problem(
                code=name,
                subject=of_order(owner.name, row["channel"], row["order_id"]),
                connection=owner.name,
                order_id=row["order_id"],
                message=f"Order {row['order_id']}: {MEANINGS[code].title.lower()}. Expected"
                f" {decimal_text(row['expected'], currency)} {currency}, settled"
                f" {decimal_text(row['settled'], row['settled_currency'])}, held"
                f" {decimal_text(row['held'], row['settled_currency'])} {row['settled_currency']}.",
                impact=abs(at_risk),
                currency=currency,
                evidence={"codes": row["codes"], "documents": row["documents"], "as_of": result.as_of.isoformat()},
            )
