"""A payout as a journal that balances, in the layouts in which accounting packages take journals in."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import polars as pl

from marketplace_sync.domain.errors import MarketplaceSyncError
from marketplace_sync.domain.money import decimal_text
from marketplace_sync.domain.settlement.booking import by_account
from marketplace_sync.domain.settlement.result import Document, Result
from marketplace_sync.domain.settlement.settings import JournalSettings
from marketplace_sync.reports.settlement_text import safe_cell


class DoesNotBalance(MarketplaceSyncError):
    """Debits and credits of a journal differ: a bug. Nothing is written."""


@dataclass(frozen=True)
class Entry:
    """One line of a journal. `amount`: minor units, debit positive, credit negative."""

    account: str
    amount: int
    description: str


@dataclass(frozen=True)
class Journal:
    document: Document
    entries: tuple[Entry, ...]


def journals(result: Result, settings: JournalSettings) -> list[Journal]:
    """One per document: its lines by account, the payout to the bank, and what stays with the marketplace. Raises
    DoesNotBalance."""
    found = []
    for document in result.documents:
        sums = result.sums.filter(
            (pl.col("document") == document.accounting_document_number) & (pl.col("currency") == document.currency)
        )
        lines = by_account(sums.select("type", "amount").iter_rows())
        booked = {name: -amount for name, amount in lines.items()}
        booked["bank"] = document.amount_transferred
        booked["marketplace"] = document.lines_total - document.amount_transferred
        entries = tuple(
            Entry(getattr(settings.accounts, name), amount, f"{document.accounting_document_number} {name}")
            for name, amount in booked.items()
            if amount
        )
        if sum(entry.amount for entry in entries):
            raise DoesNotBalance(
                f"The journal of {document.accounting_document_number} does not balance. Please report this."
            )
        found.append(Journal(document, entries))
    return found


def write_journal(result: Result, stream: BinaryIO, settings: JournalSettings) -> None:
    """CSV in the configured layout: UTF-8, decimal points."""
    rows = {"xero": _xero, "quickbooks": _quickbooks, "sage": _sage}[settings.layout]
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    for row in rows(journals(result, settings), settings):
        writer.writerow(row)
    stream.write(text.getvalue().encode("utf-8"))


def _xero(found: list[Journal], settings: JournalSettings) -> Iterator[list[str]]:
    """Manual journals: debits positive, credits negative; lines of one narration and day are one journal."""
    yield ["*Narration", "*Date", "Description", "*AccountCode", "*TaxRate", "*Amount"]
    for journal in found:
        document = journal.document
        for entry in journal.entries:
            yield [
                safe_cell(f"Payout {document.accounting_document_number} {document.currency}"),
                _day(document),
                safe_cell(entry.description),
                entry.account,
                settings.tax_rate,
                decimal_text(entry.amount, document.currency),
            ]


def _quickbooks(found: list[Journal], settings: JournalSettings) -> Iterator[list[str]]:
    """Journal entries: debits and credits in columns of their own."""
    yield ["Journal No", "Journal Date", "Account", "Debits", "Credits", "Description", "Currency"]
    for journal in found:
        document = journal.document
        for entry in journal.entries:
            amount = decimal_text(abs(entry.amount), document.currency)
            yield [
                safe_cell(document.accounting_document_number),
                _day(document),
                entry.account,
                amount if entry.amount > 0 else "",
                amount if entry.amount < 0 else "",
                safe_cell(entry.description),
                document.currency,
            ]


def _sage(found: list[Journal], settings: JournalSettings) -> Iterator[list[str]]:
    """Audit trail transactions: JD debits and JC credits a nominal account; T9 is outside VAT."""
    yield [
        "Type", "Account Reference", "Nominal A/C Ref", "Department Code", "Date", "Reference", "Details", "Net Amount",
        "Tax Code", "Tax Amount",
    ]  # fmt: skip
    for journal in found:
        document = journal.document
        for entry in journal.entries:
            yield [
                "JD" if entry.amount > 0 else "JC",
                "",
                entry.account,
                "0",
                _day(document),
                safe_cell(document.accounting_document_number),
                safe_cell(entry.description),
                decimal_text(abs(entry.amount), document.currency),
                "T9",
                decimal_text(0, document.currency),
            ]


def _day(document: Document) -> str:
    day = document.paid_on or document.created_on
    return day.strftime("%d/%m/%Y") if day else ""
