"""Reads a marketplace's own settlement feed into the ledger: its transaction log, and payouts as it states them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, runtime_checkable

import msgspec

from marketplace_sync.connectors.ports import Malformed
from marketplace_sync.connectors.selling import IssuesBilling
from marketplace_sync.domain.settlement.inputs import SettlementLine
from marketplace_sync.domain.work_items import Problem
from marketplace_sync.flows.context import Context
from marketplace_sync.flows.settlement_account import Account, account
from marketplace_sync.ledger import settlement as ledger
from marketplace_sync.ledger import watermarks, work_items

FEED, DOCUMENTS = "settlement", "settlement_documents"
DOCUMENTS_EVERY = timedelta(days=1)
"""Payouts and accounting documents may be listed once a day. (Mirakl, call budget)"""
PAID_WITHIN = timedelta(days=45)
"""For so long a payout or document is read again, until surely nothing becomes of it any more."""
OVERLAP = timedelta(hours=6)
"""How far before the start of the last read the next one begins: lines may appear late, and one line twice is one."""
AT_ONCE = 20_000


class StatedPayout(Protocol):
    """One payout as the marketplace closed it. Amounts in minor units of `currency`."""

    cycle_id: str
    created_at: datetime
    currency: str
    transferred_to_seller: int
    state: str
    bank_reference: str
    voucher_number: str


@runtime_checkable
class StatesSettlement(Protocol):
    """A marketplace connector that can be asked what was settled."""

    def settlement_lines(self, since: datetime | None = None, document: str = "") -> Iterator[SettlementLine]:
        """Lines updated since (None: all). Raises TransportError, Malformed."""
        ...

    def settlement_documents(self, since: datetime | None = None) -> Iterator[StatedPayout]:
        """Payouts stated since. Raises TransportError, Malformed."""
        ...


@dataclass
class SettlementReport:
    connection: str
    read: int = 0
    new: int = 0
    changed: int = 0
    payouts: int = 0
    """Payouts that the marketplace stated."""
    invoices: int = 0
    """Accounting documents that it stated."""


def is_settled(context: Context, name: str) -> bool:
    """Does anything say what this marketplace pays: its interface, or files, as a route's `finance:` declares?"""
    return isinstance(context.marketplaces[name], StatesSettlement) or any(
        route.settings.finance for route in context.routes_of(name)
    )


def import_settlement(context: Context, name: str, *, everything: bool = False) -> SettlementReport:
    """Read what was settled since the last read. Raises TransportError, Malformed: what was stored stays, and the next
    read begins where this one did. Does nothing for a marketplace that cannot be asked, or is not to be."""
    report = SettlementReport(name)
    marketplace = context.marketplaces[name]
    owner = account(context, name)
    if owner.finance.settlement == "files" or not isinstance(marketplace, StatesSettlement):
        return report
    began = context.now()
    with context.ledger.begin() as connection:
        last = None if everything else watermarks.get(connection, name, FEED)
    since = datetime.fromisoformat(last) - OVERLAP if last else None
    try:
        for part in _parts(marketplace.settlement_lines(since)):
            frame = _frame(part, owner.channel)
            with context.ledger.begin() as connection:
                ledger.lock(connection, name)
                stored = ledger.merge_lines(connection, name, frame, None)
            report.read += len(part)
            report.new += stored["new"]
            report.changed += stored["changed"]
    except Malformed as problem:
        with context.ledger.begin() as connection:
            work_items.report(connection, [_unreadable(name, problem)])
        raise
    with context.ledger.begin() as connection:
        watermarks.advance(
            connection, name, FEED, began.isoformat(), read=report.read, changed=report.new + report.changed
        )
        work_items.close(connection, ["MALFORMED_STATEMENT"], [_log_of(name)], "all of the log could be read")
    _import_documents(context, owner, marketplace, report, everything=everything)
    return report


def _parts(lines: Iterator[SettlementLine]) -> Iterator[list[SettlementLine]]:
    """What was read before something that cannot be read is a part as well."""
    part: list[SettlementLine] = []
    try:
        for line in lines:
            part.append(line)
            if len(part) >= AT_ONCE:
                yield part
                part = []
    except Malformed:
        if part:
            yield part
        raise
    if part:
        yield part


def _log_of(name: str) -> str:
    return f"{name}:settlement log"


def _unreadable(name: str, problem: Malformed) -> Problem:
    return Problem(
        code="MALFORMED_STATEMENT",
        subject=_log_of(name),
        connection=name,
        message=f"The settlement log of {name} has lines that cannot be read: {problem}. All others were taken; the log"
        " is read from the same place again until it can be read to its end.",
    )


def _import_documents(
    context: Context, owner: Account, marketplace: StatesSettlement, report: SettlementReport, *, everything: bool
) -> None:
    """Payouts and accounting documents, at most as often as marketplaces allow. What was made a while ago is read
    again: it is paid later."""
    now = context.now()
    with context.ledger.begin() as connection:
        last = watermarks.get(connection, owner.name, DOCUMENTS)
    before = datetime.fromisoformat(last) if last and not everything else None
    if before is not None and now - before < DOCUMENTS_EVERY:
        return
    since = before - PAID_WITHIN if before else None
    payouts = list(marketplace.settlement_documents(since))
    invoices = list(marketplace.billing_documents(since)) if isinstance(marketplace, IssuesBilling) else []
    with context.ledger.begin() as connection:
        for payout in payouts:
            ledger.merge_document(
                connection,
                owner.name,
                document=payout.voucher_number or payout.cycle_id,
                currency=payout.currency,
                transferred=payout.transferred_to_seller,
                state=payout.state,
                reference=payout.bank_reference,
                created_on=payout.created_at.astimezone(owner.zone).date(),
                detail={"cycle_id": payout.cycle_id},
            )
        for invoice in invoices:
            ledger.merge_document(
                connection,
                owner.name,
                document=invoice.number or invoice.document_id,
                currency=invoice.currency,
                transferred=None,
                state=invoice.payment_state,
                reference=invoice.bank_reference,
                created_on=invoice.issued_at.astimezone(owner.zone).date() if invoice.issued_at else None,
                detail={"type": invoice.type, "excl_taxes": invoice.net, "incl_taxes": invoice.gross},
            )
        watermarks.advance(
            connection, owner.name, DOCUMENTS, now.isoformat(), read=len(payouts) + len(invoices), changed=0
        )
    report.payouts, report.invoices = len(payouts), len(invoices)


def _frame(lines: list[SettlementLine], channel: str) -> Any:
    import polars as pl

    from marketplace_sync.domain.settlement.frames import Book, once

    renamed = (msgspec.structs.replace(line, channel=channel) for line in lines)
    frame = once(Book.of((), renamed).lines)
    return frame.with_columns(pl.lit("").alias("date_created"))
