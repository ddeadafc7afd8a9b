"""Prints precision and recall per code, and whether money is conserved, over the labelled cases and made-up months.

python -m marketplace_sync_tests.settlement.precision [--months 20] [--orders 2000]
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from marketplace_sync.domain.settlement.codes import Code
from marketplace_sync.domain.settlement.inputs import SettlementLine
from marketplace_sync.domain.settlement.reconcile import reconcile
from marketplace_sync.domain.settlement.result import Result
from marketplace_sync_tests.settlement.cases import CASES
from marketplace_sync_tests.settlement.goods_months import goods_month
from marketplace_sync_tests.settlement.months import month

Labels = Mapping[str, set[str]]


@dataclass
class Score:
    right: Counter[str] = field(default_factory=Counter)
    invented: Counter[str] = field(default_factory=Counter)
    overlooked: Counter[str] = field(default_factory=Counter)
    unbalanced: int = 0
    books: int = 0

    def count(self, labelled: Labels, concluded: Labels) -> None:
        for subject in {*labelled, *concluded}:
            wanted, found = labelled.get(subject, set()), concluded.get(subject, set())
            self.right.update(wanted & found)
            self.invented.update(found - wanted)
            self.overlooked.update(wanted - found)

    def table(self) -> str:
        rows = [f"{'code':<26}{'right':>8}{'invented':>10}{'overlooked':>12}{'precision':>11}{'recall':>9}"]
        for code in Code:
            right, invented, overlooked = self.right[code], self.invented[code], self.overlooked[code]
            precision = right / (right + invented) if right + invented else 1
            recall = right / (right + overlooked) if right + overlooked else 1
            rows.append(f"{code:<26}{right:>8}{invented:>10}{overlooked:>12}{precision:>11.4f}{recall:>9.4f}")
        rows.append(f"{self.books} books, {self.unbalanced} in which money was lost or invented")
        return "\n".join(rows)


def score(months: int, orders: int) -> Score:
    found = Score()
    for case in CASES:
        labelled: dict[str, set[str]] = dict(case.orders)
        labelled |= {f"line {name}": {code} for name, code in case.outside.items()}
        concluded = concluded_codes(case.reconciled())
        if case.documents:
            labelled |= {f"document {name}": codes for name, codes in case.documents.items()}
        else:
            concluded = {name: codes for name, codes in concluded.items() if not name.startswith("document ")}
        found.count(labelled, concluded)
        found.books += 1
    for seed in range(months):
        made = month(seed, orders)
        result = reconcile(made.book, made.finance, made.as_of)
        labelled = dict(made.orders)
        labelled |= {f"line {name}": {code} for name, code in made.outside.items()}
        labelled |= {f"document {name}": codes for name, codes in made.documents.items()}
        found.count(labelled, concluded_codes(result))
        found.books += 1
        found.unbalanced += lost(made.lines, result)
        reports = goods_month(seed, orders // 10)
        result = reports.reconciled()
        labelled = reports.orders | {f"line {name}": {code} for name, code in reports.outside.items()}
        concluded = concluded_codes(result)
        found.count(labelled, {name: codes for name, codes in concluded.items() if not name.startswith("document ")})
        found.books += 1
        found.unbalanced += lost(reports.lines, result)
    return found


def concluded_codes(result: Result) -> dict[str, set[str]]:
    orders = {row["order_id"]: set(row["codes"]) for row in result.orders.iter_rows(named=True)}
    lines = {f"line {row['line_id']}": {row["code"]} for row in result.unallocated.iter_rows(named=True)}
    documents = {f"document {d.accounting_document_number}": {str(c) for c in d.codes} for d in result.documents}
    return orders | lines | documents


def lost(lines: Iterable[SettlementLine], result: Result) -> bool:
    """Counted again here from the records, not from the frames that the matcher itself uses."""
    total = sum(line.amount for line in lines if line.type != "PAYMENT")
    reported = sum(int(row["settled"] + row["held"]) for row in result.orders.iter_rows(named=True))
    reported += sum(int(amount) for amount in result.unallocated["amount"])
    return total != reported


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--months", type=int, default=20)
    parser.add_argument("--orders", type=int, default=2000)
    chosen = parser.parse_args()
    print(score(chosen.months, chosen.orders).table())


if __name__ == "__main__":
    main()
