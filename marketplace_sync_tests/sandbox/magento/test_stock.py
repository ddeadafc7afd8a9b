"""Simulator rules 4 and 6: sources, salable quantities, and the reservation trap with every step of its arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from marketplace_sync_tests.sandbox.magento.caller import LAMP, MUG, Caller, where

LYING = 47
"""Red mugs at the warehouse when the shop opens."""


def test_an_order_saved_by_api_promises_nothing_and_its_parcel_leaves_the_figure_too_high(caller: Caller) -> None:
    order_id = caller.invoiced((MUG, 2))
    assert caller.salable() == LYING
    caller.post(f"order/{order_id}/ship", {})
    assert (caller.lying(), caller.salable()) == (LYING - 2, LYING)
    (kept,) = caller.sandbox.documents("magento", "reservations")
    assert (kept["quantity"], kept["metadata"]["event_type"]) == (2, "shipment_created")
    assert kept["metadata"]["object_increment_id"] == "JL-1001"


def test_an_order_of_the_web_shop_promises_its_units_and_keeps_the_promise(caller: Caller) -> None:
    order_id = caller.act("place_web_order", lines=[{"sku": MUG, "quantity": 2}])["id"]
    assert (caller.lying(), caller.salable()) == (LYING, LYING - 2)
    caller.act("ship", order_id=order_id)
    assert (caller.lying(), caller.salable()) == (LYING - 2, LYING - 2)
    assert caller.act("salable", sku=MUG)["reserved"] == 0


@pytest.mark.parametrize("fate", ["open", "shipped", "cancelled", "refunded unsent", "refunded and put back"])
def test_whatever_becomes_of_it_each_unit_ordered_by_api_is_one_missing_reservation(caller: Caller, fate: str) -> None:
    order_id = int(caller.ordered((MUG, 3))["entity_id"])
    true = LYING - 3
    if fate == "cancelled":
        caller.post(f"orders/{order_id}/cancel")
        true = LYING
    elif fate != "open":
        caller.post(f"order/{order_id}/invoice", {"capture": True})
    if fate in ("shipped", "refunded and put back"):
        caller.post(f"order/{order_id}/ship", {})
    if fate.startswith("refunded"):
        back = {"extension_attributes": {"return_to_stock_items": [caller.order(order_id)["items"][0]["item_id"]]}}
        caller.post(f"order/{order_id}/refund", {"arguments": back})
        true = LYING
    assert caller.salable() - 3 == true
    caller.act("repair_reservations")
    assert caller.salable() == true
    assert caller.act("repair_reservations") == []


def test_a_credit_memo_for_units_partly_sent_counts_the_sent_ones_first(caller: Caller) -> None:
    order_id = caller.invoiced((MUG, 3))
    caller.act("ship", order_id=order_id, lines=[{"sku": MUG, "quantity": 1}])
    caller.act("refund", order_id=order_id, lines=[{"sku": MUG, "quantity": 2}], restock=True)
    events = [(r["metadata"]["event_type"], r["quantity"]) for r in caller.sandbox.documents("magento", "reservations")]
    assert events == [("shipment_created", 1), ("creditmemo_created", 1)]
    assert caller.lying() == LYING - 1 + 1


def test_a_merchant_s_module_or_cron_takes_the_trap_away(shop_with: Callable[..., Caller]) -> None:
    reserving = shop_with(reserve_api_orders=True)
    reserving.ordered((MUG, 2))
    assert reserving.salable() == LYING - 2
    mending = shop_with(repair_every_seconds=60)
    mending.ordered((MUG, 2))
    mending.later(61)
    assert mending.sandbox.eventually(lambda: mending.salable() == LYING - 2)


def test_a_parcel_is_refused_when_less_lies_there_than_was_sold(caller: Caller) -> None:
    order_id = caller.invoiced((MUG, 2))
    caller.act("count_stock", sku=MUG, quantity=1)
    refused = caller.refused("POST", f"order/{order_id}/ship", {})
    assert refused["message"] == "Not all of your products are available in the requested quantity."
    assert caller.order(order_id)["items"][0]["qty_shipped"] == 0
    assert caller.lying() == 1
    caller.act("set_stock", sku=MUG, available=5)
    assert caller.lying() == 7
    caller.act("ship", order_id=order_id)


def test_with_several_places_a_parcel_leaves_from_where_it_is_told_or_from_default(caller: Caller) -> None:
    caller.act("add_source", source="leeds")
    caller.act("count_stock", sku=MUG, quantity=10, source="leeds")
    assert caller.salable() == LYING + 10
    order_id = caller.invoiced((MUG, 2))
    item = caller.order(order_id)["items"][0]["item_id"]
    one = {"items": [{"order_item_id": item, "qty": 1}]}
    caller.post(f"order/{order_id}/ship", one)
    assert (caller.lying(), caller.lying(source="leeds")) == (LYING - 1, 10)
    caller.post(f"order/{order_id}/ship", {"arguments": {"extension_attributes": {"source_code": "leeds"}}})
    assert (caller.lying(), caller.lying(source="leeds")) == (LYING - 1, 9)
    caller.act("enable_source", source="leeds", enabled=False)
    assert caller.salable() == LYING - 1 + 2


def test_source_items_are_set_all_or_none_and_a_wrong_one_is_named(caller: Caller) -> None:
    good = {"sku": MUG, "source_code": "default", "quantity": 3, "status": 1}
    for wrong in (
        {**good, "sku": " MUG-RED"},
        {**good, "source_code": "no where"},
        {**good, "source_code": "nowhere"},
        {**good, "status": 7},
        {"sku": MUG, "source_code": "default", "status": 1},
    ):
        refused = caller.refused("POST", "inventory/source-items", {"sourceItems": [good, wrong]})
        assert (refused["status"], refused["message"], len(refused["errors"])) == (400, "Validation Failed", 1)
    assert caller.lying() == LYING
    assert caller.post("inventory/source-items", {"sourceItems": [good, {**good, "sku": LAMP}]}) == []
    assert (caller.lying(), caller.lying(LAMP)) == (3, 3)
    caller.post("inventory/source-items", {"sourceItems": [{**good, "status": 0}]})
    assert caller.salable() == 0
    assert caller.post("inventory/source-items-delete", {"sourceItems": [{"sku": MUG, "source_code": "default"}]}) == []
    assert caller.get("inventory/source-items", where(("sku", MUG)))["items"] == []


def test_the_bulk_read_pages_over_products_and_its_pages_are_short(shop_with: Callable[..., Caller]) -> None:
    caller = shop_with(configurables=True)
    caller.act("unassign_source", sku="MUG-BLUE")
    caller.act("manage_stock", sku="MUG-SAND", managed=False)
    caller.ordered((MUG, 2))
    path = "inventory/export-stock-salable-qty/website/base"
    first = caller.get(path, where(pageSize=5))
    assert [(one["sku"], one["qty"]) for one in first["items"]][:2] == [(MUG, LYING), ("MUG-SAND", 9999)]
    assert (len(first["items"]), first["total_count"]) == (4, 29)
    rows: list[dict[str, Any]] = caller.get(path, where(pageSize=100))["items"]
    assert {"sku": "MUG", "qty": 0, "is_salable": True} in rows
    assert caller.refused("GET", "inventory/export-stock-salable-qty/website/none", query=where())["status"] == 404
    index = caller.get("inventory/dump-stock-index-data/website/base")
    assert {"sku": MUG, "qty": LYING, "is_salable": True} in index


def test_a_shop_without_the_export_module_has_no_such_route(shop_with: Callable[..., Caller]) -> None:
    caller = shop_with(export_module=False)
    refused = caller.refused("GET", "inventory/export-stock-salable-qty/website/base", query=where())
    assert (refused["status"], refused["message"]) == (404, "Request does not match any route.")


def test_the_salable_quantity_knows_no_composite_and_no_unknown_product(shop_with: Callable[..., Caller]) -> None:
    caller = shop_with(configurables=True)
    assert caller.refused("GET", "inventory/get-product-salable-quantity/NONE/1")["status"] == 404
    assert caller.refused("GET", "inventory/get-product-salable-quantity/MUG/1")["status"] == 400
    salable = caller.get("inventory/are-products-salable", {"skus[0]": MUG, "skus[1]": "NONE", "stockId": 1})
    assert [one["salable"] for one in salable] == [True, False]


def test_a_written_quantity_reaches_the_index_later(shop_with: Callable[..., Caller]) -> None:
    caller = shop_with(index_delay_seconds=120)
    caller.later(121)
    caller.act("count_stock", sku=MUG, quantity=5)
    assert (caller.lying(), caller.salable()) == (5, LYING)
    caller.later(121)
    assert caller.salable() == 5


def test_a_threshold_is_taken_off_what_may_be_sold(shop_with: Callable[..., Caller]) -> None:
    assert shop_with(out_of_stock_threshold=7).salable() == LYING - 7


def test_counting_stock_does_not_move_the_product_s_time_and_a_price_does(caller: Caller) -> None:
    before = caller.get(f"products/{MUG}")["updated_at"]
    caller.later(60)
    caller.act("set_stock", sku=MUG, available=3)
    assert caller.get(f"products/{MUG}")["updated_at"] == before
    caller.act("set_price", sku=MUG, price=1650)
    product = caller.get(f"products/{MUG}")
    assert product["updated_at"] > before
    assert product["price"] == 16.5
