"""Reads a marketplace's own settlement feed into the ledger: its transaction log, and payouts as it states them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Protocol, runtime_checkable

import msgspec

from marketplace_sync.domain.settlement.inputs import SettlementLine
from marketplace_sync.flows.context import Context
from marketplace_sync.flows.settlement_account import account
from marketplace_sync.ledger import settlement as ledger
from marketplace_sync.ledger import watermarks

FEED = "settlement"
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
    lines = marketplace.settlement_lines(since)
    while part := list(islice(lines, AT_ONCE)):
        frame = _frame(part, owner.channel)
        with context.ledger.begin() as connection:
            ledger.lock(connection, name)
            stored = ledger.merge_lines(connection, name, frame, None)
        report.read += len(part)
        report.new += stored["new"]
        report.changed += stored["changed"]
    payouts = list(marketplace.settlement_documents(since))
    with context.ledger.begin() as connection:
        for payout in payouts:
            ledger.merge_document(
                connection,
                name,
                document=payout.voucher_number or payout.cycle_id,
                currency=payout.currency,
                transferred=payout.transferred_to_seller,
                state=payout.state,
                reference=payout.bank_reference,
                created_on=payout.created_at.astimezone(owner.zone).date(),
                detail={"cycle_id": payout.cycle_id},
            )
        watermarks.advance(
            connection, name, FEED, began.isoformat(), read=report.read, changed=report.new + report.changed
        )
    return report


def _frame(lines: list[SettlementLine], channel: str) -> Any:
    import polars as pl

    from marketplace_sync.domain.settlement.frames import Book, once

    renamed = (msgspec.structs.replace(line, channel=channel) for line in lines)
    frame = once(Book.of((), renamed).lines)
    return frame.with_columns(pl.lit("").alias("date_created"))
