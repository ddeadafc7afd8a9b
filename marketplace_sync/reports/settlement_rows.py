"""The rows that people look at, whatever they are written into: exceptions by money, matched, not settled, outside."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from marketplace_sync.domain.money import decimal_text
from marketplace_sync.domain.settlement.codes import MEANINGS, Code, Status
from marketplace_sync.domain.settlement.result import Document, Result


@dataclass(frozen=True)
class Totals:
    """Sums of one currency in minor units: what was sold comes down to what the bank received."""

    currency: str
    expected: int
    settled: int
    held: int
    variance: int
    outside: int
    transferred: int
    orders: int
    exceptions: int

    def text(self, minor: int) -> str:
        return decimal_text(minor, self.currency)


def totals(result: Result) -> list[Totals]:
    """One per currency, by currency."""
    found = []
    currencies = {*result.orders["currency"], *result.unallocated["currency"], *(d.currency for d in result.documents)}
    for currency in sorted(currencies):
        orders = result.orders.filter(pl.col("currency") == currency)
        outside = result.unallocated.filter(pl.col("currency") == currency)
        found.append(
            Totals(
                currency=currency,
                expected=_sum(orders["expected"]),
                settled=_sum(orders["settled"]),
                held=_sum(orders["held"]),
                variance=_sum(orders["variance"]),
                outside=_sum(outside["amount"]),
                transferred=sum(d.amount_transferred for d in result.documents if d.currency == currency),
                orders=orders.height,
                exceptions=orders.filter(pl.col("status") == Status.EXCEPTION.value).height,
            )
        )
    return found


def _sum(amounts: pl.Series) -> int:
    return int(str(amounts.sum() or 0))


def exceptions(result: Result) -> pl.DataFrame:
    """Orders that are exceptions, most money first, with who deals with them, what it means and what to do."""
    wrong = result.orders.filter(pl.col("status") == Status.EXCEPTION.value)
    at_risk = pl.coalesce(pl.col("variance"), pl.col("settled") + pl.col("held")).abs()
    wrong = wrong.with_columns(at_risk.alias("at_risk")).sort("at_risk", "order_id", descending=[True, False])
    rows = [_spoken([Code(name) for name in codes]) for codes in wrong["codes"].to_list()]
    return wrong.with_columns(
        pl.Series("owner", [row[0] for row in rows], pl.String),
        pl.Series("meaning", [row[1] for row in rows], pl.String),
        pl.Series("action", [row[2] for row in rows], pl.String),
    )


def _spoken(codes: list[Code]) -> tuple[str, str, str]:
    owned = [MEANINGS[code] for code in codes if MEANINGS[code].owner]
    owners = dict.fromkeys(meaning.owner for meaning in owned)
    return (
        ", ".join(owners),
        "; ".join(meaning.title for meaning in owned),
        " ".join(meaning.action for meaning in owned),
    )


def with_status(result: Result, *statuses: Status) -> pl.DataFrame:
    return result.orders.filter(pl.col("status").is_in([status.value for status in statuses]))


def bank_text(document: Document) -> tuple[str, str]:
    """(expected, received) in the bank's currency."""
    return (
        decimal_text(document.bank_expected, document.bank_currency),
        decimal_text(document.bank_received, document.bank_currency),
    )
