"""What must hold of any month: order of arrival, splits and repeats change nothing, and no penny is lost."""

from __future__ import annotations

from random import Random

import msgspec
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketplace_sync.domain.settlement import bulk
from marketplace_sync.domain.settlement.booking import by_account
from marketplace_sync.domain.settlement.frames import Book
from marketplace_sync.domain.settlement.inputs import SettlementLine
from marketplace_sync.domain.settlement.reconcile import reconcile
from marketplace_sync.domain.settlement.result import Result
from marketplace_sync.domain.settlement.settings import JournalSettings
from marketplace_sync.reports.settlement_journal import journals
from marketplace_sync_tests.settlement.goods_months import goods_month
from marketplace_sync_tests.settlement.months import Month, month
from marketplace_sync_tests.settlement.precision import concluded_codes, lost

SEEDS = SHUFFLES = st.integers(0, 10**6)
MONTHS = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def reconciled(made: Month, lines: list[SettlementLine] | None = None, *, all_careful: bool = False) -> Result:
    book = Book.of(made.sold, made.lines if lines is None else lines, made.receipts)
    return reconcile(book, made.finance, made.as_of, all_careful=all_careful)


def same(one: Result, other: Result) -> bool:
    return (
        one.orders.equals(other.orders)
        and one.components.equals(other.components)
        and one.unallocated.equals(other.unallocated)
        and one.documents == other.documents
    )


@MONTHS
@given(SEEDS)
def test_a_month_is_concluded_as_it_was_made_up(seed: int) -> None:
    made = month(seed, 150, faults=0.3)
    labelled = made.orders | {f"line {name}": {code} for name, code in made.outside.items()}
    labelled |= {f"document {name}": codes for name, codes in made.documents.items()}
    assert concluded_codes(reconciled(made)) == labelled


@MONTHS
@given(SEEDS)
def test_no_penny_is_lost(seed: int) -> None:
    made = month(seed, 150, faults=0.5)
    result = reconciled(made)
    assert not lost(made.lines, result)
    for document in result.documents:
        carried = document.opening_balance + document.lines_total - document.amount_transferred
        assert document.closing_balance == carried


@MONTHS
@given(SEEDS)
def test_both_ways_of_judging_agree(seed: int) -> None:
    made = month(seed, 150, faults=0.4)
    assert same(reconciled(made), reconciled(made, all_careful=True))


@MONTHS
@given(SEEDS, st.integers(1, 40))
def test_a_book_in_parts_is_concluded_as_in_one(seed: int, at_once: int) -> None:
    made = month(seed, 60, faults=0.4)
    whole = reconciled(made)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bulk, "ORDERS_AT_ONCE", at_once)
        assert same(reconciled(made), whole)


@MONTHS
@given(SEEDS, SHUFFLES)
def test_the_order_in_which_lines_arrive_changes_nothing(seed: int, shuffle: int) -> None:
    rng = Random(shuffle)
    made = month(seed, 150, faults=0.4)
    before = reconciled(made)
    for records in (made.lines, made.sold, made.receipts):
        rng.shuffle(records)
    assert same(before, reconciled(made))


@MONTHS
@given(SEEDS, SHUFFLES)
def test_lines_that_come_again_change_nothing(seed: int, shuffle: int) -> None:
    rng = Random(shuffle)
    made = month(seed, 150, faults=0.4)
    again = [line for line in made.lines if rng.random() < 0.3]
    assert same(reconciled(made), reconciled(made, [*made.lines, *again]))


@MONTHS
@given(SEEDS, SHUFFLES)
def test_a_line_in_two_parts_is_the_same_line(seed: int, shuffle: int) -> None:
    """Sums, codes and statuses stay; only ids of lines outside orders could tell, and those are not split."""
    rng = Random(shuffle)
    made = month(seed, 150, faults=0.4)
    before = reconciled(made)
    lines = [part for line in made.lines for part in (_in_parts(line, rng) if _may_be_split(line, made) else [line])]
    after = reconciled(made, lines)
    assert after.orders.equals(before.orders)
    assert after.documents == before.documents


def _may_be_split(line: SettlementLine, made: Month) -> bool:
    """What was sent twice is recognised by its amount: split, it is another mistake."""
    return bool(line.order_id) and "DUPLICATE_LINE" not in made.orders[line.order_id]


def _in_parts(line: SettlementLine, rng: Random) -> list[SettlementLine]:
    if abs(line.amount) < 4 or rng.random() < 0.6:
        return [line]
    part = abs(line.amount) // 3 * (1 if line.amount > 0 else -1)
    return [
        msgspec.structs.replace(line, line_id=f"{line.line_id}/1", amount=part),
        msgspec.structs.replace(line, line_id=f"{line.line_id}/2", amount=line.amount - part),
    ]


@pytest.mark.parametrize("seed", range(3))
def test_a_payout_is_a_part_of_the_whole(seed: int) -> None:
    made = month(seed, 300, faults=0.2)
    whole = reconciled(made)
    for document in whole.documents:
        part = whole.payout(document.accounting_document_number)
        ids = {line.order_id for line in made.lines if line.document == document.accounting_document_number} - {""}
        assert set(part.orders["order_id"]) == ids
        assert part.documents == (document,)
        assert set(part.components["o"]) <= set(part.orders["o"])


@MONTHS
@given(SEEDS)
def test_everything_that_is_reported_of_a_payout_is_the_payout(seed: int) -> None:
    """Payout by payout, not only in all: what is booked, and what is on orders and outside them."""
    made = month(seed, 150, faults=0.5)
    result = reconciled(made)
    lines = {line.line_id: line for line in made.lines}.values()
    for document in result.documents:
        number, currency = document.accounting_document_number, document.currency
        mine = [each for each in lines if each.document == number and each.currency == currency and _counts(each, made)]
        assert document.lines_total == sum(line.amount for line in mine)
        sums = result.sums.filter((pl.col("document") == number) & (pl.col("currency") == currency))
        assert sum(by_account(sums.select("type", "amount").iter_rows()).values()) == document.lines_total
        (journal,) = [
            each
            for each in journals(result, JournalSettings())
            if (each.document.accounting_document_number, each.document.currency) == (number, currency)
        ]
        assert sum(entry.amount for entry in journal.entries) == 0


def _counts(line: SettlementLine, made: Month) -> bool:
    return line.type != "PAYMENT" and (line.created_on is None or line.created_on <= made.as_of)


@MONTHS
@given(SEEDS)
def test_a_month_of_reports_without_orders_is_concluded_as_it_was_made_up(seed: int) -> None:
    made = goods_month(seed, 60)
    result = made.reconciled()
    labelled = made.orders | {f"line {name}": {code} for name, code in made.outside.items()}
    found = {name: codes for name, codes in concluded_codes(result).items() if not name.startswith("document ")}
    assert found == labelled
    assert not lost(made.lines, result)


@MONTHS
@given(SEEDS, SHUFFLES)
def test_the_order_in_which_reports_name_goods_changes_nothing(seed: int, shuffle: int) -> None:
    rng = Random(shuffle)
    made = goods_month(seed, 60)
    before = made.reconciled()
    assert same(before, made.reconciled(all_careful=True))
    for records in (made.lines, made.sold):
        rng.shuffle(records)
    made.lines += [line for line in made.lines if rng.random() < 0.3]
    made.goods = dict(rng.sample(list(made.goods.items()), len(made.goods)))
    assert same(before, made.reconciled())
