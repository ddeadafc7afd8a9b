"""A reconciliation as finance reads it in a terminal: the headline, the payouts, and what needs a person, by money."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from marketplace_sync.cli.showing import as_table, money

if TYPE_CHECKING:
    from marketplace_sync.domain.settlement.result import Document, Result

AT_MOST = 50
"""Rows; a book with more of them is read in a spreadsheet."""

Row = tuple[int, tuple[str, str, str, str, str, str]]
"""Money at stake in minor units, and the cells."""


def show(result: Result, title: str) -> None:
    """On standard output. `title` says what was reconciled, and as of when."""
    from marketplace_sync.reports.settlement_rows import totals

    wrong = sorted(_rows(result), key=lambda row: (-row[0], row[1]))
    print(f"{title}: {_counted(len(wrong), 'finding needs a person', 'findings need a person')}")
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
    as_table("Needs a person, the most money first", columns, [cells for _, cells in wrong[:AT_MOST]])
    if len(wrong) > AT_MOST:
        print(f"… and {len(wrong) - AT_MOST} more: `--format xlsx --output FILE` writes all of them")


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


def _rows(result: Result) -> Iterator[Row]:
    """Orders that are exceptions, lines outside orders and payouts that somebody owns."""
    from marketplace_sync.domain.settlement.codes import MEANINGS, Code
    from marketplace_sync.reports.settlement_rows import exceptions

    for row in exceptions(result).iter_rows(named=True):
        cells = (
            ", ".join(row["codes"]),
            f"order {row['order_id']}",
            money(row["expected"], row["currency"]),
            money(row["settled"] + row["held"], row["settled_currency"]),
            money(row["variance"], row["currency"]),
            row["action"],
        )
        yield row["at_risk"], cells
    for row in result.unallocated.iter_rows(named=True):
        meaning = MEANINGS[Code(row["code"])]
        if meaning.owner:
            may_be = f", maybe of order {row['suggested_order']}" if row["suggested_order"] else ""
            seen = money(row["amount"], row["currency"])
            about = f"line {row['line_id']}, {row['type']}{may_be}"
            yield abs(row["amount"]), (row["code"], about, "", seen, "", meaning.action)
    for document in result.documents:
        owned = [code for code in document.codes if MEANINGS[code].owner]
        if owned:
            difference = document.bank_received - document.bank_expected
            cells = (
                ", ".join(owned),
                f"payout {document.accounting_document_number}",
                money(document.bank_expected, document.bank_currency),
                money(document.bank_received, document.bank_currency),
                money(difference, document.bank_currency),
                " ".join(MEANINGS[code].action for code in owned),
            )
            yield abs(difference), cells
