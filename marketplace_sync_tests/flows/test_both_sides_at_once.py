"""Buyer and seller cancel different lines at the same time, and a shop that cannot be read when everything begins."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from marketplace_sync_tests.flows.town import JL, SHOP, Town, town


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> Iterator[Town]:
    with town(database_url, tmp_path) as found:
        yield found


def test_part_of_a_line_that_the_buyer_drops_is_agreed_to_while_the_seller_takes_another_line_off(here: Town) -> None:
    order_id = here.place("MUG-RED", "BOWL-BLUE", quantity=2)
    here.settle()
    here.sandbox.act(JL, "request_cancellation", order_id=order_id, line_ref="1", quantity=1)
    here.sandbox.act(SHOP, "remove_unit", order_id=here.shopify_order(order_id)["id"], sku="BOWL-BLUE", quantity=2)
    here.sandbox.act(SHOP, "remove_unit", order_id=here.shopify_order(order_id)["id"], sku="MUG-RED", quantity=1)
    here.settle()
    told = {one["line_ref"]: one["quantity"] for one in here.jl_actions("cancel_acknowledge", order_id)}
    assert told == {"1": 1, "2": 2}
    initiators = {e["properties"]["InitiatedBy"] for e in here.event_list(order_id) if e["name"] == "Cancelled Order"}
    assert initiators == {"customer", "seller"}
    assert here.work_items() == {}


def test_a_shop_that_cannot_be_read_at_first_makes_no_product_unknown(here: Town) -> None:
    order_id = here.place("MUG-RED")
    here.sandbox.control("PUT", f"{SHOP}/faults", [{"kind": "status", "status": 401}])
    assert here.sync().problems
    assert here.work_items()["UNKNOWN_SKU"] == 0
    here.sandbox.control("PUT", f"{SHOP}/faults", [])
    here.settle()
    placed = next(e for e in here.event_list(order_id) if e["name"] == "Placed Order")
    assert placed["value"] == 14.00
    assert here.work_items() == {}


def test_an_order_that_left_while_its_buyer_cancelled_it_is_stated_as_sent_and_asks_nobody(here: Town) -> None:
    order_id = here.place("MUG-RED")
    here.settle()
    here.sandbox.act(JL, "request_cancellation", order_id=order_id)
    for feed in ("orders", "sweep"):
        here.read_marketplace(feed)
    here.ship(order_id)
    here.deliver(SHOP)
    assert here.work_items()["EFFECT_REFUSED"] == 1, "the store cancels nothing that has left"
    here.settle()
    here.settle()
    assert len(here.jl_actions("dispatch", order_id)) == 1
    assert here.jl_actions("cancel_acknowledge", order_id) == []
    assert here.work_items() == {}
