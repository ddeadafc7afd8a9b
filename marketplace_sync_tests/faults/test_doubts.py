"""Answers that are lost, and buyers who change their minds meanwhile: judged by what the vendors hold afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from marketplace_sync_tests.faults.books import balance
from marketplace_sync_tests.flows.town import JL, SHOP, Town, town


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> Iterator[Town]:
    with town(database_url, tmp_path, connections={JL: {"settle_after": "1s"}}) as found:
        yield found


def faults(here: Town, account: str, *rules: dict[str, Any]) -> None:
    here.sandbox.control("PUT", f"{account}/faults", list(rules))


def down(here: Town, account: str, path: str) -> None:
    faults(here, account, {"kind": "status", "status": 503, "retry_after": None, "path": path})


def settled(here: Town) -> None:
    """Everything is delivered, nobody has to do anything, and the vendors' own books balance."""
    here.settle(40)
    books = balance(lambda path: here.sandbox.control("GET", path), {"Royal Mail"})
    assert books.balanced, books.text()
    assert here.work_items().total() == 0, here.work_items()


def units(told: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return sorted((one["tracking_number"], one["quantity"]) for one in told)


@pytest.mark.parametrize("fault", ["lost_answer", "error_after", "cut"])
def test_parcels_of_one_line_are_each_stated_once_though_every_first_answer_is_lost(here: Town, fault: str) -> None:
    order_id = here.place("MUG-RED", quantity=3)
    here.settle()
    for number in ("A1", "B2", "C3"):
        faults(here, JL, {"kind": fault, "path": "/dispatch", "remaining": 1})
        here.ship(order_id, lines=[{"sku": "MUG-RED", "quantity": 1}], tracking_numbers=[number])
        here.settle(40)
    settled(here)
    assert units(here.jl_actions("dispatch", order_id)) == [("A1", 1), ("B2", 1), ("C3", 1)]


@pytest.mark.parametrize("fault", ["lost_answer", "cut"])
def test_a_cancellation_whose_answer_is_lost_takes_no_second_unit_off(here: Town, fault: str) -> None:
    order_id = here.place("MUG-RED", quantity=3)
    here.settle()
    for cancelled in (1, 2):
        faults(here, JL, {"kind": fault, "path": "/cancel_acknowledge", "remaining": 1})
        here.sandbox.act(JL, "request_cancellation", order_id=order_id, line_ref="1", quantity=1)
        here.settle(40)
        (stored,) = here.shopify_orders(order_id)
        assert sum(line["quantity"] for refund in stored["refunds"] for line in refund["lines"]) == cancelled
    settled(here)


@pytest.mark.parametrize("fault", ["lost_answer", "cut"])
def test_a_unit_that_the_seller_takes_off_is_taken_off_once_though_the_answer_is_lost(here: Town, fault: str) -> None:
    here.sandbox.act(JL, "configure", partial_seller_cancel=True)
    order_id = here.place("MUG-RED", quantity=3)
    here.settle()
    for _ in range(2):
        faults(here, JL, {"kind": fault, "path": "/cancel_acknowledge", "remaining": 1})
        here.sandbox.act(SHOP, "remove_unit", order_id=here.shopify_order(order_id)["id"], sku="MUG-RED", quantity=1)
        here.settle(40)
    here.ship(order_id, lines=[{"sku": "MUG-RED", "quantity": 1}], tracking_numbers=["A1"])
    settled(here)
    assert [one["quantity"] for one in here.jl_actions("cancel_acknowledge", order_id)] == [1, 1]
    assert units(here.jl_actions("dispatch", order_id)) == [("A1", 1)]


@pytest.mark.parametrize("late", [JL, SHOP])
def test_two_requests_while_a_courier_is_late_cancel_two_units_and_not_three(here: Town, late: str) -> None:
    order_id = here.place("MUG-RED", quantity=4)
    here.settle()
    for _ in range(2):
        here.sandbox.act(JL, "request_cancellation", order_id=order_id, line_ref="1", quantity=1)
        here.read_marketplace()
        if late == JL:
            here.deliver(SHOP)
    settled(here)
    assert sum(one["quantity"] for one in here.jl_actions("cancel_acknowledge", order_id)) == 2


def test_the_other_lines_are_acknowledged_when_the_buyer_drops_one_before_the_acknowledgement(here: Town) -> None:
    order_id = here.place("MUG-RED", "BOWL-BLUE", quantity=2)
    down(here, JL, "/acknowledge")
    here.sync()
    here.sandbox.act(JL, "request_cancellation", order_id=order_id, line_ref="2", quantity=2)
    faults(here, JL)
    settled(here)
    told = here.jl_actions("acknowledge", order_id)
    assert [(one["line_ref"], one["quantity"]) for one in told] == [("1", 2)]


def test_an_acknowledgement_that_a_whole_cancellation_overtook_needs_nobody(here: Town) -> None:
    order_id = here.place("MUG-RED", quantity=2)
    down(here, JL, "/acknowledge")
    here.sync()
    here.sandbox.act(JL, "request_cancellation", order_id=order_id)
    faults(here, JL)
    settled(here)
    assert here.jl_actions("acknowledge", order_id) == []


def test_the_rest_of_a_line_is_acknowledged_once_part_of_it_is_cancelled(here: Town) -> None:
    here.sync()  # what is not in any catalogue has no value
    order_id = here.place("MUG-RED", "BOWL-BLUE", quantity=3)
    here.read_marketplace()
    here.sandbox.act(JL, "request_cancellation", order_id=order_id, line_ref="1", quantity=1)
    here.read_marketplace()
    settled(here)
    told = {one["line_ref"]: one["quantity"] for one in here.jl_actions("acknowledge", order_id)}
    assert told == {"1": 2, "2": 3}
