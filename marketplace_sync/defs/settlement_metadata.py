"""What Dagster shows of a payout: headline figures, exceptions, what changed and why, and where the files are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from marketplace_sync.defs import naming
from marketplace_sync.domain.money import decimal_text
from marketplace_sync.domain.work_items import CODES, Problem

if TYPE_CHECKING:
    from marketplace_sync.flows.settlement_payout import Payout
    from marketplace_sync.reports.settlement_folder import Written
    from marketplace_sync.reports.settlement_journal import Journal


def money(minor: int, currency: str) -> str:
    return f"{decimal_text(minor, currency)} {currency}"


def amounts(sums: Iterable[tuple[int, str]]) -> str:
    """Sums of several currencies in one line."""
    return ", ".join(money(minor, currency) for minor, currency in sums) or "nothing"


def of_lines(payout: Payout) -> dict[str, Any]:
    """`<connection>/settlement_lines`."""
    import polars as pl

    lines = payout.lines
    by_type = lines.group_by("type", "currency").agg(pl.len().alias("lines"), pl.col("amount").sum()).sort("type")
    rows = [
        {"type": row["type"], "lines": row["lines"], "sum": money(row["amount"], row["currency"])}
        for row in by_type.iter_rows(named=True)
    ]
    files = Counter(name or "the marketplace's interface" for name in lines["file"].to_list())
    states = Counter(state or "not stated" for state in lines["payment_state"].to_list())
    return {
        "dagster/row_count": lines.height,
        "lines_total": amounts((each.lines_total, each.currency) for each in payout.figures),
        "by_type": naming.table(rows),
        "came_from": ", ".join(f"{name} ({count})" for name, count in sorted(files.items())),
        "payment_states": ", ".join(f"{name} ({count})" for name, count in sorted(states.items())),
    }


def of_matching(payout: Payout) -> dict[str, Any]:
    """`<connection>/matched_lines`."""
    status = Counter(payout.part.orders["status"].to_list())
    return {
        "dagster/row_count": payout.orders,
        "match_rate": round(payout.match_rate, 2),
        "orders_matched": status["matched"] + status["matched_tolerance"],
        "orders_waited_for": status["pending"],
        "orders_wrong": status["exception"],
        "lines_outside_orders": payout.part.unallocated.height,
        **{name: amounts((getattr(each, name), each.currency) for each in payout.figures)
           for name in ("matched", "waiting", "exceptions", "outside")},
    }  # fmt: skip


def of_reconciliation(payout: Payout) -> dict[str, Any]:
    """`<connection>/reconciliation`."""
    shown: dict[str, Any] = {
        "needs_a_person": len(payout.problems),
        "match_rate": round(payout.match_rate, 2),
        "as_of": payout.as_of.isoformat(),
        "figures": naming.table(_figures(payout)),
        "booked": naming.table(
            [
                {"account": name, "amount": money(amount, each.currency)}
                for each in payout.figures
                for name, amount in each.by_account.items()
            ]
        ),
        "changed_since_last_report": len(payout.changes),
    }
    if payout.changes:
        shown["changes"] = naming.table(
            [{"what": f"{c.kind} {c.subject}", "before": c.before, "now": c.after, "why": c.why}
             for c in payout.changes]
        )  # fmt: skip
    shown["earlier_reports"] = len(payout.earlier)
    if payout.earlier:
        shown["last_report"] = dg.MetadataValue.timestamp(payout.earlier[0].made_at)
        shown["last_report_files"] = dg.MetadataValue.path(payout.earlier[0].folder)
    if payout.is_history:
        shown["note"] = "an earlier day than the last run's: conclusions and work items were left as they are"
    return shown


def _figures(payout: Payout) -> Sequence[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    for each in payout.figures:
        bank = each.bank_currency
        found.append(
            {
                "currency": each.currency,
                "status": each.status,
                "opening": decimal_text(each.opening_balance, each.currency),
                "lines": decimal_text(each.lines_total, each.currency),
                "transferred": decimal_text(each.transferred, each.currency),
                "closing": decimal_text(each.closing_balance, each.currency),
                "bank expected": money(each.bank_expected, bank),
                "bank received": money(each.bank_received, bank),
            }
        )
    return found


def of_report(payout: Payout, written: Written) -> dict[str, Any]:
    """`<connection>/exception_report`."""
    from marketplace_sync.reports import settlement_folder as files

    shown: dict[str, Any] = {
        "exceptions": len(payout.problems),
        "money_at_risk": at_risk(payout.problems),
        "workbook": dg.MetadataValue.path(str(written / files.WORKBOOK)),
        "page": dg.MetadataValue.path(str(written / files.PAGE)),
        "table": dg.MetadataValue.path(str(written / files.TABLE)),
        "json": dg.MetadataValue.path(str(written / files.DOCUMENT)),
    }
    if payout.problems:
        shown["what_needs_a_person"] = naming.table(exceptions(payout.problems))
    if payout.decided:
        shown["decided_by_people"] = naming.table(exceptions(payout.decided))
    if written.unchanged:
        shown["note"] = "nothing changed since the last report, whose files these are"
    return shown


def exceptions(problems: Sequence[Problem]) -> Sequence[Mapping[str, Any]]:
    """Most money first."""
    ordered = sorted(problems, key=lambda each: (-(each.impact or 0), each.code, each.subject))
    return [
        {
            "money": "" if each.impact is None else money(each.impact, each.currency),
            "code": each.code,
            "order": each.order_id,
            "owner": CODES[each.code].owner.value,
            "what": each.message,
            "what to do": CODES[each.code].action,
        }
        for each in ordered
    ]


def at_risk(problems: Sequence[Problem]) -> str:
    """An order with two codes is at risk once."""
    once = {(each.order_id or each.subject, each.currency): each.impact or 0 for each in problems}
    sums: Counter[str] = Counter()
    for (_, currency), impact in once.items():
        sums[currency] += impact
    return amounts((minor, currency) for currency, minor in sorted(sums.items()) if currency)


def of_journal(journals: Sequence[Journal], layout: str, path: str) -> dict[str, Any]:
    """`<connection>/accounting_journal`."""
    rows = [
        {
            "account": entry.account,
            "debit": money(entry.amount, journal.document.currency) if entry.amount > 0 else "",
            "credit": money(-entry.amount, journal.document.currency) if entry.amount < 0 else "",
            "text": entry.description,
        }
        for journal in journals
        for entry in journal.entries
    ]
    return {
        "dagster/row_count": len(rows),
        "journal": dg.MetadataValue.path(path),
        "layout": layout,
        "entries": naming.table(rows),
        "out_of_balance": sum(abs(sum(entry.amount for entry in journal.entries)) for journal in journals),
    }
