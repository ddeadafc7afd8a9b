"""A shop that is restarted knows everything it had answered for; an open one packs by itself what comes in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.magento import Magento
from marketplace_sync.sandbox.serve import RunningSandbox
from marketplace_sync.sandbox.state import State
from marketplace_sync_tests.sandbox.magento.caller import ACCOUNT, MUG, Caller


def test_a_shop_that_is_started_again_has_its_orders_papers_stock_and_queue(tmp_path: Path) -> None:
    world = {"state_file": tmp_path / "state.sqlite", "accounts": {ACCOUNT: "magento"},
             "settings": {ACCOUNT: {"consumer_seconds": None}}}  # fmt: skip
    with RunningSandbox(**world) as sandbox:
        caller = Caller(sandbox)
        order_id = caller.invoiced((MUG, 3))
        caller.act("ship", order_id=order_id, lines=[{"sku": MUG, "quantity": 1}], tracking_numbers=["JX1"])
        body = {"sourceItems": [{"sku": MUG, "source_code": "default", "quantity": 9, "status": 1}]}
        bulk = caller.post("/rest/all/async/bulk/V1/inventory/source-items", [body])["bulk_uuid"]
        before = caller.order(order_id)
        caller.http.close()
    with RunningSandbox(**world) as sandbox:
        caller = Caller(sandbox)
        assert caller.order(order_id) == before
        assert (caller.lying(), caller.salable()) == (46, 47)
        assert caller.refused("POST", "orders", {"entity": caller.entity()})["status"] == 400
        assert caller.get(f"bulk/{bulk}/operation-status/4") == 1
        assert [one["unfulfilled"] for one in caller.act("list_orders")[0]["lines"]] == [2]
        assert caller.ordered(number="JL-2")["entity_id"] == order_id + 1
        caller.http.close()


def test_a_shop_that_opens_again_is_not_filled_twice(tmp_path: Path) -> None:
    def opened() -> Magento:
        return Magento(ACCOUNT, state=State(ACCOUNT, tmp_path / "state.sqlite"), clock=Clock())

    first = opened()
    seen = first.state.collections()
    first.state.close()
    second = opened()
    assert second.state.collections() == seen
    second.state.close()


def test_what_a_failed_act_began_is_undone_in_the_indexes_too(caller: Caller) -> None:
    caller.ordered(number="JL-1")
    refused = caller.refused("POST", "orders", {"entity": caller.entity(number="JL-1")})
    assert refused["status"] == 400
    assert len(caller.act("list_orders")) == 1


def test_the_warehouse_packs_what_comes_in_while_the_shop_is_open(shop_with: Callable[..., Caller]) -> None:
    quiet = {"orders_per_minute": 0, "stock_changes_per_minute": 0, "history": 0, "discrepancies": False,
             "seller_cancel_rate": 0.0, "partial_rate": 0.0, "two_parcels_rate": 0.0}  # fmt: skip
    accounts = {ACCOUNT: "magento", "john_lewis": "john_lewis"}
    caller = shop_with({"shop": True, "shop_settings": quiet, "accounts": accounts})
    order_id = caller.invoiced((MUG, 2))

    def left() -> bool:
        caller.later(10)
        return bool(caller.order(order_id)["state"] == "complete")

    assert caller.sandbox.eventually(left, within_seconds=20)
    (shipment,) = caller.get("shipments", {"searchCriteria": ""})["items"]
    assert shipment["tracks"][0]["track_number"]
    assert caller.sandbox.control("GET")["failures"] == []
