"""Lines outside orders: subscriptions, reserves taken and given back, the operator's own charges and credits."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from marketplace_sync.domain.settlement.codes import Code
from marketplace_sync.domain.settlement.inputs import SettlementLine
from marketplace_sync.domain.settlement.line_types import outside_code

TAKEN, GIVEN_BACK = "RESERVE_FUNDING", "RESERVE_SETTLEMENT"


@dataclass(slots=True)
class _Reserve:
    line: SettlementLine
    left: int = field(init=False)

    def __post_init__(self) -> None:
        self.left = abs(self.line.amount)


def overdue_reserves(lines: Iterable[SettlementLine], as_of: date, due_days: int) -> set[str]:
    """Ids of lines that took a reserve which is not wholly given back `due_days` later. What is given back goes to the
    oldest reserve of its currency first, by amount; the rest was taken before anything that is known here."""
    waiting: dict[str, deque[_Reserve]] = {}
    for line in sorted(lines, key=lambda each: (each.created_on or date.min, each.type != TAKEN, each.line_id)):
        queue = waiting.setdefault(line.currency, deque())
        takes = line.amount < 0 if line.amount else line.type == TAKEN
        if takes:
            queue.append(_Reserve(line))
            continue
        given = line.amount
        while given and queue:
            part = min(given, queue[0].left)
            queue[0].left -= part
            given -= part
            if not queue[0].left:
                queue.popleft()
    return {
        reserve.line.line_id
        for queue in waiting.values()
        for reserve in queue
        if reserve.left and reserve.line.created_on and (as_of - reserve.line.created_on).days > due_days
    }


def conclude(
    lines: Sequence[SettlementLine], names: Mapping[str, str], as_of: date, reserve_due_days: int
) -> list[tuple[SettlementLine, Code, str]]:
    """(line, code, suggested order or "") of every line, by line id. `names`: what an order may be called in free text,
    to its order id."""
    reserves = [line for line in lines if line.type in (TAKEN, GIVEN_BACK)]
    late = overdue_reserves(reserves, as_of, reserve_due_days)
    found = []
    for line in sorted(lines, key=lambda each: each.line_id):
        code = Code.RESERVE_OVERDUE if line.line_id in late else outside_code(line.type)
        speaks = line.description and code not in (Code.SUBSCRIPTION, Code.RESERVE, Code.RESERVE_OVERDUE)
        found.append((line, code, named_order(line.description, names) if speaks else ""))
    return found


def named_order(text: str, names: Mapping[str, str]) -> str:
    """The first order that a text names in full: no part of a longer word, and the longest name where several fit."""
    edges = [match.span() for match in re.finditer(r"[^\W_]+|_+", text)]
    for first, (start, _) in enumerate(edges):
        for _, end in reversed(edges[first : first + 12]):
            order = names.get(text[start:end])
            if order is not None:
                return order
    return ""
