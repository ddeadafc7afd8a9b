"""A reconciliation on one page: from gross sales down to what the bank received, and what is wrong on the way."""

from __future__ import annotations

from html import escape
from typing import BinaryIO

import polars as pl

from marketplace_sync.domain.money import decimal_text
from marketplace_sync.domain.settlement.booking import by_account
from marketplace_sync.domain.settlement.codes import MEANINGS, Code, Status
from marketplace_sync.domain.settlement.result import Result
from marketplace_sync.reports import settlement_rows as rows

WORST = 25
_HEIGHT, _LEFT, _BAR = 260, 10, 70

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --paper: #ffffff; --faint: #66707f; --line: #d8dde5;
  --up: #2f7d4f; --down: #b23a3a; --level: #2f5d9b; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --paper: #151a21; --faint: #97a1b0; --line: #333c49;
  --up: #58b27d; --down: #e07a7a; --level: #7aa7e0; } }
body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2rem auto;
  max-width: 64rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0 } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem } p.faint { color: var(--faint) }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; padding: .3rem .6rem .3rem 0;
  border-bottom: 1px solid var(--line); vertical-align: top } td.money, th.money { text-align: right;
  font-variant-numeric: tabular-nums; white-space: nowrap } svg text { fill: var(--ink); font: 12px system-ui }
svg .faint { fill: var(--faint) } .scroll { overflow-x: auto }
"""


def write_html(result: Result, stream: BinaryIO, *, connection: str) -> None:
    """One file without anything beside it: no script, no font, no picture from elsewhere."""
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Payouts of {escape(connection)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>Payouts of {escape(connection)}</h1>",
        f'<p class="faint">As of the evening of {result.as_of:%d %B %Y}: {result.orders.height:,} orders,'
        f" {len(result.documents):,} payouts, {rows.exceptions(result).height:,} orders to look at.</p>",
    ]
    for total in rows.totals(result):
        parts.append(f"<h2>From gross sales to the bank, {escape(total.currency)}</h2>")
        parts.append(f'<div class="scroll">{_waterfall(total, _steps(result, total.currency))}</div>')
        parts.append(
            f'<p class="faint">Over their whole lives these orders should bring {escape(total.text(total.expected))};'
            f" {escape(total.text(total.settled))} are settled and {escape(total.text(total.held))} held, which is"
            f" {escape(total.text(total.variance))} from that. {escape(total.text(total.outside))} are outside"
            " orders.</p>"
        )
    parts += [_codes(result), _worst(result), _payouts(result), "</body></html>\n"]
    stream.write("\n".join(parts).encode())


_WORDS = {
    "sales": "gross sales", "commission_vat": "VAT on it", "manual": "charges, credits", "unknown": "unknown lines",
}  # fmt: skip


def _steps(result: Result, currency: str) -> list[tuple[str, int, bool]]:
    """(name, minor units, whether it is a level and not a step) from gross sales down to what the bank received."""
    sums = result.sums.filter((pl.col("currency") == currency) & (pl.col("document") != ""))
    booked = by_account(sums.select("type", "amount").iter_rows())
    sales = booked.pop("sales", 0)
    documents = [document for document in result.documents if document.currency == currency]
    transferred = sum(document.amount_transferred for document in documents)
    total = sales + sum(booked.values())
    steps = [(_WORDS["sales"], sales, True)]
    steps += [(_WORDS.get(name, name), amount, False) for name, amount in booked.items()]
    steps.append(("in payouts", total, True))
    if transferred != total:
        steps.append(("carried, unpaid", transferred - total, False))
    steps.append(("transferred", transferred, True))
    if documents and all(document.bank_currency == currency for document in documents):
        received = sum(document.bank_received for document in documents)
        steps.append(("not at the bank", received - transferred, False))
        steps.append(("bank", received, True))
    return steps


def _waterfall(total: rows.Totals, steps: list[tuple[str, int, bool]]) -> str:
    bars, level = [], 0
    spans: list[tuple[str, int, int, int, str]] = []
    for name, amount, is_level in steps:
        begin, end = (0, amount) if is_level else (level, level + amount)
        colour = "var(--level)" if is_level else "var(--up)" if amount >= 0 else "var(--down)"
        spans.append((name, amount, begin, end, colour))
        level = end
    highest = max(0, *(max(begin, end) for _, _, begin, end, _ in spans))
    lowest = min(0, *(min(begin, end) for _, _, begin, end, _ in spans))
    scale = (_HEIGHT - 70) / max(1, highest - lowest)
    for place, (name, amount, begin, end, colour) in enumerate(spans):
        x = _LEFT + place * (_BAR + 22)
        top = 25 + (highest - max(begin, end)) * scale
        height = max(1.0, abs(end - begin) * scale)
        bars.append(
            f'<rect x="{x}" y="{top:.1f}" width="{_BAR}" height="{height:.1f}" fill="{colour}"/>'
            f'<text x="{x + _BAR / 2}" y="{top - 6:.1f}" text-anchor="middle">{escape(total.text(amount))}</text>'
            f'<text class="faint" x="{x + _BAR / 2}" y="{_HEIGHT - 8}" text-anchor="middle">{escape(name)}</text>'
        )
    width = _LEFT + len(spans) * (_BAR + 22)
    said = ", ".join(f"{name} {total.text(amount)}" for name, amount, *_ in spans)
    return (
        f'<svg role="img" aria-label="{escape(said)}" viewBox="0 0 {width} {_HEIGHT}" width="{width}"'
        f' height="{_HEIGHT}">{"".join(bars)}</svg>'
    )


def _codes(result: Result) -> str:
    counts = result.orders.select(pl.col("codes").alias("code")).explode("code").drop_nulls().group_by("code").len()
    outside = result.unallocated.group_by("code").len()
    both = (
        pl.concat([counts, outside])
        .group_by("code")
        .agg(pl.col("len").sum())
        .sort("len", "code", descending=[True, False])
    )
    body = "".join(
        f"<tr><td>{escape(code)}</td><td>{escape(MEANINGS[Code(code)].title)}</td>"
        f"<td>{escape(MEANINGS[Code(code)].owner or '–')}</td><td class=money>{count:,}</td></tr>"
        for code, count in both.iter_rows()
    )
    head = "<tr><th>Code</th><th>Meaning</th><th>Owner</th><th class=money>Orders and lines</th></tr>"
    return f'<h2>What was found</h2><div class="scroll"><table>{head}{body}</table></div>'


def _worst(result: Result) -> str:
    body = "".join(
        f"<tr><td>{escape(row['order_id'])}</td><td>{escape(', '.join(row['codes']))}</td>"
        f"<td>{escape(row['owner'])}</td><td class=money>{_money(row['at_risk'], row['currency'])}</td></tr>"
        for row in rows.exceptions(result).head(WORST).iter_rows(named=True)
    )
    if not body:
        return "<h2>Exceptions</h2><p>None.</p>"
    head = "<tr><th>Order</th><th>Codes</th><th>Owner</th><th class=money>Money at risk</th></tr>"
    return f'<h2>Exceptions, most money first</h2><div class="scroll"><table>{head}{body}</table></div>'


def _payouts(result: Result) -> str:
    body = ""
    for document in reversed(result.documents):
        expected, received = rows.bank_text(document)
        mark = " ⚠" if document.status is Status.EXCEPTION else ""
        body += (
            f"<tr><td>{escape(document.accounting_document_number)}</td><td>{document.created_on or ''}</td>"
            f"<td class=money>{_money(document.lines_total, document.currency)}</td>"
            f"<td class=money>{_money(document.amount_transferred, document.currency)}</td>"
            f"<td class=money>{escape(received)} of {escape(expected)} {escape(document.bank_currency)}</td>"
            f"<td>{escape(document.status.value)}{mark} {escape(', '.join(document.codes))}</td></tr>"
        )
    head = (
        "<tr><th>Payout</th><th>Created</th><th class=money>Lines</th><th class=money>Transferred</th>"
        "<th class=money>Bank received</th><th>Status</th></tr>"
    )
    return f'<h2>Payouts, newest first</h2><div class="scroll"><table>{head}{body}</table></div>'


def _money(minor: int, currency: str) -> str:
    return f"{escape(decimal_text(minor, currency))} {escape(currency)}"
