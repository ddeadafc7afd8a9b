"""Warns of acknowledgements and dispatches that are about to be late, and names those, and returns, that are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from marketplace_sync.domain.orders import Return, ReturnState
from marketplace_sync.domain.work_items import Problem
from marketplace_sync.flows.context import Context, Route, source_identifier
from marketplace_sync.ledger import orders, work_items
from marketplace_sync.ledger import returns as ledger_returns

LOOKED_AT = 5000
"""At most so many orders are looked at in one pass, those with the closest deadlines first."""


@dataclass
class DeadlineReport:
    """How many open orders there are, and how close the closest deadline is."""

    waiting: int = 0
    due_soon: int = 0
    overdue: int = 0
    next_deadline: datetime | None = None


def acknowledgements(connection: Connection, context: Context, route: Route) -> DeadlineReport:
    """Orders not acknowledged yet: a warning after the part of the window that the route's `warn_at` says, an error
    after it. None where the marketplace takes no acknowledgements."""
    if not context.marketplaces[route.marketplace].capabilities.needs_acknowledgement:
        codes, because = ("ACKNOWLEDGE_DUE", "ACKNOWLEDGE_OVERDUE"), f"{route.display_name} takes no acknowledgements"
        work_items.report_all(connection, codes, route.marketplace, [], because)
        return DeadlineReport()
    return _watch(
        connection, context, route, "acknowledge_by", "unacknowledged_units > 0", "ACKNOWLEDGE", "acknowledged"
    )


def dispatches(connection: Connection, context: Context, route: Route) -> DeadlineReport:
    """Orders not shipped yet."""
    return _watch(connection, context, route, "dispatch_by", "open_units > 0", "DISPATCH", "dispatched")


def returns(connection: Connection, context: Context, route: Route) -> int:
    """Accepted returns that are not over after the route's `returns_within`, shown to a person. Returns how many; 0
    where the marketplace is not told how they go on."""
    name, now = route.marketplace, context.now()
    late: dict[str, list[Return]] = {}
    if context.marketplaces[name].capabilities.follows_returns:
        for line in ledger_returns.older_than(connection, name, now - route.settings.returns_within):
            late.setdefault(line.of, []).append(line)
    known = orders.load(connection, name, sorted({lines[0].order_id for lines in late.values()}))
    problems = [
        _late_return(route, return_id, lines, known[lines[0].order_id].reference, now)
        for return_id, lines in late.items()
        if lines[0].order_id in known
    ]
    work_items.report_all(connection, ["RETURN_OVERDUE"], name, problems, "the return is over")
    return len(problems)


def _late_return(route: Route, return_id: str, lines: Sequence[Return], reference: str, now: datetime) -> Problem:
    first = lines[0]
    if first.state is ReturnState.AUTHORISED:
        what = "its goods were not seen back"
    elif any(line.compliant is None for line in lines):
        what = "its goods are back, and nothing was stated of what they are like"
    else:
        what = "its goods are back, and no refund of their price is seen"
    return Problem(
        code="RETURN_OVERDUE",
        subject=f"{source_identifier(route.marketplace, first.order_id)}:{return_id}",
        connection=route.marketplace,
        order_id=first.order_id,
        message=f"Return {return_id} of order {reference} of {route.display_name} was accepted, and {what}:"
        f" it was asked for {(now - first.requested_at).days} days ago ({first.requested_at:%Y-%m-%d}).",
        evidence={
            "return": return_id,
            "state": first.state.value,
            "lines": {line.line_id: line.quantity for line in lines},
            "setting": f"routes.{route.name}.returns_within",
        },
    )


def _watch(
    connection: Connection, context: Context, route: Route, column: str, condition: str, code: str, verb: str
) -> DeadlineReport:
    now, name = context.now(), route.marketplace
    waiting = f"FROM ledger.orders WHERE connection = :name AND {condition} AND NOT is_test AND {column} IS NOT NULL"
    rows = connection.execute(
        text(
            f"SELECT order_id, reference, placed_at, {column} AS deadline, currency, document->>'total' AS total"
            f" {waiting} ORDER BY {column} LIMIT :limit"
        ),
        {"name": name, "limit": LOOKED_AT},
    ).all()
    further: Sequence[str] = ()
    if len(rows) == LOOKED_AT:
        seen = [row.order_id for row in rows]
        found = connection.execute(
            text(f"SELECT order_id {waiting} AND NOT order_id = ANY(:seen)"), {"name": name, "seen": seen}
        )
        further = found.scalars().all()
    report = DeadlineReport(waiting=len(rows) + len(further))
    soon: list[Problem] = []
    late: list[Problem] = []
    for row in rows:
        report.next_deadline = report.next_deadline or row.deadline
        window = max(row.deadline - row.placed_at, timedelta(minutes=1))
        if row.deadline <= now:
            late.append(_problem(f"{code}_OVERDUE", route, row, verb, now))
        elif row.placed_at + window * route.settings.warn_at <= now:
            soon.append(_problem(f"{code}_DUE", route, row, verb, now))
    report.due_soon, report.overdue = len(soon), len(late)
    work_items.report(connection, [*soon, *late])
    not_looked_at = [source_identifier(name, order_id) for order_id in further]
    for each, problems in ((f"{code}_DUE", soon), (f"{code}_OVERDUE", late)):
        still = [problem.subject for problem in problems]
        work_items.close_others(connection, each, name, [*still, *not_looked_at], "it is no longer so")
    return report


def _problem(code: str, route: Route, row: Any, verb: str, now: datetime) -> Problem:
    left = row.deadline - now
    hours = abs(left) / timedelta(hours=1)
    when = f"{hours:.1f} hours left" if left > timedelta() else f"{hours:.1f} hours late"
    return Problem(
        code=code,
        subject=source_identifier(route.marketplace, row.order_id),
        connection=route.marketplace,
        order_id=row.order_id,
        message=f"Order {row.reference} of {route.display_name} is not {verb}: {when}"
        f" (by {row.deadline:%Y-%m-%d %H:%M} UTC).",
        impact=int(row.total) if row.total else None,
        currency=row.currency,
        evidence={"deadline": row.deadline.isoformat(), "placed_at": row.placed_at.isoformat()},
    )
