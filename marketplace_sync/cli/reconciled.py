"""A reconciliation as finance reads it in a terminal: the headline, the payouts, and what needs a person, by money."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from marketplace_sync.cli.showing import as_table, money

if TYPE_CHECKING:
    from marketplace_sync.domain.settlement.result import Document, Result
    from marketplace_sync.ledger.work_items import Decided

    Dealt = Mapping[tuple[str, str], Decided]
    """(code, subject) -> what a person said of it."""

AT_MOST = 50
"""Rows; a book with more of them is read in a spreadsheet."""


@dataclass(frozen=True)
class Row:
    """One order, line or payout of which something needs a person."""

    at_stake: int
    """Minor units."""
    codes: tuple[str, ...]
    owned: tuple[str, ...]
    """Of these, those that somebody has to deal with."""
    subject: str
    cells: tuple[str, str, str, str, str]
    """All but the codes."""

    def without(self, dealt_with: Dealt) -> Row | None:
        """What is left of it to deal with; None when nothing is."""
        over = {code for code in self.owned if (code, self.subject) in dealt_with}
        if over and over == set(self.owned):
            return None
        return replace(self, codes=tuple(code for code in self.codes if code not in over))


def show(result: Result, title: str, name: str, dealt_with: Dealt) -> None:
    """On standard output. `title` says what was reconciled, and as of when; `name` whose it is."""
    from marketplace_sync.reports.settlement_rows import totals

    rows = sorted(_rows(result, name), key=lambda row: (-row.at_stake, row.codes, row.cells))
    wrong = [left for row in rows if (left := row.without(dealt_with)) is not None]
    over = [(row, code) for row in rows for code in row.owned if (code, row.subject) in dealt_with]
    said = f", {_counted(len(over), 'has', 'have')} been dealt with" if over else ""
    print(f"{title}: {_counted(len(wrong), 'finding needs a person', 'findings need a person')}{said}")
    for total in totals(result):
        held = f", {total.text(total.held)} held" if total.held else ""
        print(
            f"  {_counted(total.orders, 'order', 'orders')}, {total.exceptions} of them wrong: expected"
            f" {total.text(total.expected)}, settled {total.text(total.settled)}{held}, difference"
            f" {total.text(total.variance)} {total.currency}; outside orders {total.text(total.outside)};"
            f" transferred {total.text(total.transferred)}"
        )
    print()
    as_table("Payouts", ("Payout", "Paid", "Status", "Transferred", "Expected at the bank", "Received", "Codes"),
             [_payout(document) for document in result.documents])  # fmt: skip
    print()
    columns = ("Code", "About", "Expected", "Seen", "Difference", "What to do")
    needed = [(", ".join(row.codes), *row.cells) for row in wrong[:AT_MOST]]
    as_table("Needs a person, the most money first", columns, needed)
    if len(wrong) > AT_MOST:
        print(f"… and {len(wrong) - AT_MOST} more: `--format xlsx --output FILE` writes all of them")
    if over:
        print()
        cells = [_dealt(row, code, dealt_with[code, row.subject]) for row, code in over[:AT_MOST]]
        as_table("Dealt with by a person", ("Code", "About", "Difference", "By", "Why"), cells)
        if len(over) > AT_MOST:
            print(f"… and {len(over) - AT_MOST} more: `marketplace-sync work-items --closed` lists them")


def _dealt(row: Row, code: str, said: Decided) -> tuple[str, ...]:
    about, _, _, difference, _ = row.cells
    return (code, about, difference, said.by, said.because)


def _counted(count: int, one: str, more: str) -> str:
    return f"{count:,} {one if count == 1 else more}"


def _payout(document: Document) -> tuple[str, ...]:
    paid = document.paid_on.isoformat() if document.paid_on else "not yet"
    return (
        document.accounting_document_number,
        paid,
        document.status.value,
        money(document.amount_transferred, document.currency),
        money(document.bank_expected, document.bank_currency),
        money(document.bank_received, document.bank_currency),
        ", ".join(document.codes),
    )


def _rows(result: Result, name: str) -> Iterator[Row]:
    """Orders that are exceptions, lines outside orders and payouts that somebody owns."""
    from marketplace_sync.domain.settlement.codes import MEANINGS, Code
    from marketplace_sync.flows.settlement_items import of_line, of_order, of_payout
    from marketplace_sync.reports.settlement_rows import exceptions

    for row in exceptions(result).iter_rows(named=True):
        cells = (
            f"order {row['order_id']}",
            money(row["expected"], row["currency"]),
            money(row["settled"] + row["held"], row["settled_currency"]),
            money(row["variance"], row["currency"]),
            row["action"],
        )
        owned = tuple(code for code in row["codes"] if MEANINGS[Code(code)].owner)
        subject = of_order(name, row["channel"], row["order_id"])
        yield Row(row["at_risk"], tuple(row["codes"]), owned, subject, cells)
    for row in result.unallocated.iter_rows(named=True):
        meaning = MEANINGS[Code(row["code"])]
        if meaning.owner:
            may_be = f", maybe of order {row['suggested_order']}" if row["suggested_order"] else ""
            seen = money(row["amount"], row["currency"])
            about = f"line {row['line_id']}, {row['type']}{may_be}"
            subject = of_line(name, row["line_id"])
            codes = (row["code"],)
            yield Row(abs(row["amount"]), codes, codes, subject, (about, "", seen, "", meaning.action))
    for document in result.documents:
        found = [code for code in document.codes if MEANINGS[code].owner]
        if found:
            difference = document.bank_received - document.bank_expected
            cells = (
                f"payout {document.accounting_document_number}",
                money(document.bank_expected, document.bank_currency),
                money(document.bank_received, document.bank_currency),
                money(difference, document.bank_currency),
                " ".join(MEANINGS[code].action for code in found),
            )
            subject = of_payout(name, document.accounting_document_number, document.currency)
            owned = tuple(code.value for code in found)
            yield Row(abs(difference), owned, owned, subject, cells)
