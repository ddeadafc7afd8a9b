"""Simulator rule 7: a bulk is accepted at once and done when a consumer comes to it, and not before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from marketplace_sync_tests.sandbox.magento.caller import LAMP, MUG, Caller

PATH = "/rest/all/async/bulk/V1/inventory/source-items"


def given(sku: str, quantity: int, source: str = "default") -> dict[str, Any]:
    return {"sourceItems": [{"sku": sku, "source_code": source, "quantity": quantity, "status": 1}]}


def statuses(caller: Caller, bulk: str) -> list[int]:
    return [one["status"] for one in caller.get(f"bulk/{bulk}/detailed-status")["operations_list"]]


def test_operations_stay_open_until_a_consumer_comes_and_each_has_its_own_end(shop_with: Callable[..., Caller]) -> None:
    caller = shop_with(consumer_seconds=30)
    response = caller.send("POST", PATH, [given(MUG, 5), given(LAMP, 6, "nowhere")])
    accepted = response.json()
    assert response.status_code == 202
    assert [one["status"] for one in accepted["request_items"]] == ["accepted", "accepted"]
    assert accepted["errors"] is False
    bulk = accepted["bulk_uuid"]
    assert statuses(caller, bulk) == [4, 4]
    assert caller.lying() == 47
    caller.later(31)
    assert caller.sandbox.eventually(lambda: statuses(caller, bulk) == [1, 3])
    assert caller.lying() == 5
    detailed = caller.get(f"bulk/{bulk}/detailed-status")["operations_list"]
    assert "nowhere" in detailed[1]["result_message"]
    assert caller.get(f"bulk/{bulk}/operation-status/3") == 1
    assert caller.get(f"bulk/{bulk}/status")["operation_count"] == 2


def test_without_consumers_a_bulk_is_open_for_ever(shop_with: Callable[..., Caller]) -> None:
    caller = shop_with(consumer_seconds=None)
    bulk = caller.post(PATH, [given(MUG, 5)])["bulk_uuid"]
    caller.later(86_400)
    assert statuses(caller, bulk) == [4]
    assert caller.act("run_consumers") == {"done": 1}
    assert statuses(caller, bulk) == [1]


def test_what_does_not_fit_is_rejected_at_once_and_the_path_is_in_the_body(caller: Caller) -> None:
    path = "/rest/all/async/bulk/V1/products/bySku"
    caller.judging = False
    answer = caller.send("PUT", path, [{"sku": MUG, "product": {"sku": MUG, "mood": 1}}]).json()
    assert (answer["errors"], answer["request_items"][0]["status"]) == (True, "rejected")
    bulk = caller.send("PUT", path, [{"sku": MUG, "product": {"sku": MUG, "price": 20}}]).json()["bulk_uuid"]
    caller.act("run_consumers")
    assert statuses(caller, bulk) == [1]
    assert caller.get(f"products/{MUG}")["price"] == 20


def test_a_single_call_may_wait_as_well_but_nothing_is_read_that_way(caller: Caller) -> None:
    bulk = caller.post("/rest/default/async/V1/orders", {"entity": caller.entity(number="JL-9")})["bulk_uuid"]
    caller.act("run_consumers")
    assert statuses(caller, bulk) == [1]
    assert caller.act("order_by_source", source_identifier="JL-9")["status"] == "pending"
    assert caller.refused("GET", "/rest/default/async/V1/orders/1")["status"] == 404
    assert caller.refused("GET", "bulk/00000000-0000-0000-0000-000000000000/status")["status"] == 404
