"""Every labelled case gets exactly its codes, by the careful judgement and in bulk."""

from __future__ import annotations

from functools import cache

import polars as pl
import pytest

from marketplace_sync.domain.settlement.codes import Code, order_status
from marketplace_sync.domain.settlement.result import Result
from marketplace_sync_tests.settlement.cases import CASES
from marketplace_sync_tests.settlement.scene import Scene

BY_NAME = {case.name: case for case in CASES}
BOTH = pytest.mark.parametrize("all_careful", [True, False], ids=["careful", "bulk"])
EVERY = pytest.mark.parametrize("scene", CASES, ids=[case.name for case in CASES])


@cache
def concluded(name: str, all_careful: bool) -> Result:
    return BY_NAME[name].reconciled(all_careful=all_careful)


def test_there_are_enough_cases_and_each_has_its_own_name() -> None:
    names = [case.name for case in CASES]
    assert len(names) >= 200
    assert len(set(names)) == len(names)


def test_every_code_occurs_in_some_case() -> None:
    labelled = {
        code
        for case in CASES
        for codes in (*case.orders.values(), set(case.outside.values()), *case.documents.values())
        for code in codes
    }
    assert labelled == set(Code)


@EVERY
@BOTH
def test_a_case_is_concluded_as_labelled(scene: Scene, all_careful: bool) -> None:
    result = concluded(scene.name, all_careful)
    orders = {row["order_id"]: row for row in result.orders.iter_rows(named=True)}
    assert {name: set(row["codes"]) for name, row in orders.items()} == scene.orders, scene.why
    for name, row in orders.items():
        status = scene.status.get(name, order_status(Code(code) for code in row["codes"]).value)
        assert row["status"] == status, name
    assert {name: orders[name]["variance"] for name in scene.variance} == scene.variance
    assert {name: orders[name]["expected"] for name in scene.expected_net} == scene.expected_net
    for name, waiting in scene.unsettled.items():
        parts = result.components.filter(pl.col("o") == orders[name]["o"])
        open_parts: dict[str, int] = {}
        for row in parts.filter((pl.col("settled") == 0) & (pl.col("held") == 0)).iter_rows(named=True):
            open_parts[row["order_line_id"]] = open_parts.get(row["order_line_id"], 0) + row["expected"]
        assert open_parts == waiting, name
    _outside_and_documents_are_as_labelled(scene, result)
    _adds_up(result)


def _outside_and_documents_are_as_labelled(scene: Scene, result: Result) -> None:
    outside = {row["line_id"]: row for row in result.unallocated.iter_rows(named=True)}
    assert {name: row["code"] for name, row in outside.items()} == scene.outside
    assert {name: outside[name]["suggested_order"] for name in scene.suggested} == scene.suggested
    documents = {each.accounting_document_number: each for each in result.documents}
    if scene.documents:
        assert {name: set(each.codes) for name, each in documents.items()} == scene.documents
    for name, status in scene.document_status.items():
        assert documents[name].status == status
    for name, (opening, closing) in scene.balances.items():
        assert (documents[name].opening_balance, documents[name].closing_balance) == (opening, closing), name


def _adds_up(result: Result) -> None:
    """What is said of the parts of an order is what is said of the order."""
    parts = {row["o"]: [0, 0, 0] for row in result.orders.iter_rows(named=True)}
    for row in result.components.iter_rows(named=True):
        for place, name in enumerate(("expected", "settled", "held")):
            parts[row["o"]][place] += row[name]
    for row in result.orders.iter_rows(named=True):
        assert parts[row["o"]] == [row["expected"], row["settled"], row["held"]], row["order_id"]


@EVERY
def test_both_ways_conclude_the_same(scene: Scene) -> None:
    careful, bulk = concluded(scene.name, True), concluded(scene.name, False)
    assert careful.orders.equals(bulk.orders)
    assert careful.components.equals(bulk.components)
    assert careful.unallocated.equals(bulk.unallocated)
    assert careful.documents == bulk.documents
