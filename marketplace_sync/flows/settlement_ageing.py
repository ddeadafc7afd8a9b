"""What is not settled yet, how old it is, and which of it is late: orders waited for, and reserves held back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import msgspec

from marketplace_sync.domain.settlement.codes import Code, Status
from marketplace_sync.domain.work_items import Problem
from marketplace_sync.flows.context import Context
from marketplace_sync.flows.settlement import Reconciled
from marketplace_sync.flows.settlement_items import problems_of
from marketplace_sync.ledger.settlement_months import dates_of

if TYPE_CHECKING:
    from marketplace_sync.domain.settlement.result import Result

LATE = (Code.MISSING_SETTLEMENT, Code.HOLD_OVERDUE, Code.REFUND_NOT_SETTLED, Code.PAYOUT_SHORT)
"""What reconciliation itself finds late."""


class Waiting(msgspec.Struct, frozen=True):
    """An order that is not settled, or not all of it. `amount`: what is still expected, in minor units. `days`: since
    it was shipped, else placed; None when nobody says when that was."""

    order_id: str
    amount: int
    currency: str
    days: int | None
    codes: tuple[str, ...]


class Reserve(msgspec.Struct, frozen=True):
    """What is left of a reserve that was taken, after all that was given back was set against the oldest first."""

    line_id: str
    amount: int
    currency: str
    days: int | None


@dataclass(frozen=True)
class Ageing:
    as_of: date
    due_days: int
    reserve_due_days: int
    waiting: tuple[Waiting, ...]
    reserves: tuple[Reserve, ...]
    overdue: tuple[Problem, ...]

    @property
    def aged(self) -> list[Waiting]:
        """Orders waited for longer than twice the time in which settlements are due."""
        return [each for each in self.waiting if each.days is not None and each.days > 2 * self.due_days]

    @property
    def old_reserves(self) -> list[Reserve]:
        return [each for each in self.reserves if each.days is not None and each.days > self.reserve_due_days]


def ageing(context: Context, done: Reconciled) -> Ageing:
    """What a run over the whole book leaves unsettled, the oldest first."""
    owner = done.account
    late = {code.value for code in LATE}
    return Ageing(
        as_of=done.as_of,
        due_days=owner.finance.settlement_due_days,
        reserve_due_days=owner.finance.reserve_due_days,
        waiting=_waiting(context, done),
        reserves=reserves(done.result),
        overdue=tuple(problem for problem in problems_of(owner, done.result) if problem.code in late),
    )


def _waiting(context: Context, done: Reconciled) -> tuple[Waiting, ...]:
    import polars as pl

    pending = done.result.orders.filter(pl.col("status") == Status.PENDING.value)
    with context.ledger.begin() as connection:
        dates = dates_of(connection, done.account.name, pending["order_id"].to_list())
    found = []
    for row in pending.iter_rows(named=True):
        placed, shipped = dates.get(row["order_id"], (None, None))
        since = shipped or placed
        found.append(
            Waiting(
                row["order_id"],
                row["expected"] - row["settled"],
                row["currency"],
                (done.as_of - since).days if since else None,
                tuple(row["codes"]),
            )
        )
    return tuple(sorted(found, key=lambda each: (-(each.days or 0), each.order_id)))


def reserves(result: Result) -> tuple[Reserve, ...]:
    import polars as pl

    ours = result.unallocated.filter(pl.col("code").is_in([Code.RESERVE.value, Code.RESERVE_OVERDUE.value]))
    found: list[Reserve] = []
    for currency in sorted(set(ours["currency"].to_list())):
        rows = ours.filter(pl.col("currency") == currency).sort("created_on", "line_id", nulls_last=True)
        given_back = sum(amount for amount in rows["amount"].to_list() if amount > 0)
        for row in rows.filter(pl.col("amount") < 0).iter_rows(named=True):
            taken = -row["amount"]
            covered = min(taken, given_back)
            given_back -= covered
            if taken > covered:
                since = row["created_on"]
                days = (result.as_of - since).days if since else None
                found.append(Reserve(row["line_id"], taken - covered, currency, days))
    return tuple(found)


BUCKETS = (("up to 30 days", 30), ("31 to 60 days", 60), ("61 to 90 days", 90), ("more than 90 days", None))


def by_age(found: tuple[Waiting, ...] | tuple[Reserve, ...]) -> list[dict[str, str | int]]:
    """How many, and how much by currency, per bucket of age."""
    from marketplace_sync.domain.money import decimal_text

    table: list[dict[str, str | int]] = []
    least = -1
    for name, most in BUCKETS:
        inside = [each for each in found if (each.days or 0) > least and (most is None or (each.days or 0) <= most)]
        least = most if most is not None else least
        sums: dict[str, int] = {}
        for each in inside:
            sums[each.currency] = sums.get(each.currency, 0) + each.amount
        spoken = ", ".join(f"{decimal_text(total, currency)} {currency}" for currency, total in sorted(sums.items()))
        table.append({"age": name, "how many": len(inside), "amount": spoken or "nothing"})
    return table
