"""Simulator rule 4: orders are stored as they are sent, numbered once per store, and move from state to state."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from marketplace_sync_tests.sandbox.magento.caller import LAMP, MUG, Caller, where


def test_an_order_is_kept_as_it_was_sent_and_only_given_ids_and_times(caller: Caller) -> None:
    sent = caller.entity((MUG, 2), (LAMP, 1))
    made = caller.post("orders", {"entity": sent})
    read = caller.order(made["entity_id"])
    for name in ("increment_id", "ext_order_id", "grand_total", "base_tax_amount", "state", "status", "total_due"):
        assert read[name] == made[name] == {**sent, "total_due": 36}[name]
    assert [item["ext_order_item_id"] for item in read["items"]] == ["JL-1001-0", "JL-1001-1"]
    assert len({item["item_id"] for item in read["items"]}) == 2
    assert [item["qty_shipped"] for item in read["items"]] == [0, 0]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", read["created_at"])
    (assigned,) = read["extension_attributes"]["shipping_assignments"]
    assert assigned["shipping"]["address"]["city"] == "Leeds"
    assert [item["sku"] for item in assigned["items"]] == [MUG, LAMP]


def test_nothing_is_reckoned_so_what_is_not_stated_is_not_there(caller: Caller) -> None:
    sent = {name: value for name, value in caller.entity().items() if name not in ("base_subtotal", "state", "status")}
    read = caller.order(caller.post("orders", {"entity": sent})["entity_id"])
    assert not {"base_subtotal", "state", "status"} & set(read)
    wrong = caller.ordered(number="JL-2", grand_total=999, base_grand_total=999)
    assert caller.order(wrong["entity_id"])["grand_total"] == 999


def test_the_shop_numbers_orders_per_store_view_when_nobody_else_does(caller: Caller) -> None:
    def number(store_id: int) -> str:
        entity = {**caller.entity(store_id=store_id)}
        del entity["increment_id"]
        return str(caller.post("orders", {"entity": entity})["increment_id"])

    assert [number(1), number(1), number(2)] == ["000000001", "000000002", "2000000001"]


@pytest.mark.parametrize(("version", "status"), [("2.4.9", 400), ("2.4.8", 500)])
def test_one_number_is_taken_once_in_each_store_view_while_the_external_id_is_not_guarded(
    shop_with: Callable[..., Caller], version: str, status: int
) -> None:
    caller = shop_with(version=version)
    caller.ordered(number="JL-1")
    refused = caller.refused("POST", "orders", {"entity": caller.entity(number="JL-1")})
    assert refused["status"] == status
    assert ("Unique constraint violation" in refused["message"]) == (status == 400)
    caller.ordered(number="JL-1", store_id=2)
    caller.ordered(number="JL-1", increment_id="JL-1-again")
    found = caller.get("orders", where(("ext_order_id", "jl-1")))
    assert found["total_count"] == 3
    assert caller.get("orders", where(("ext_order_id", "JL-1"), ("store_id", 2)))["total_count"] == 1
    assert len(caller.act("order_by_source", source_identifier="JL-1")["all_ids"]) == 3


def test_staff_find_an_order_by_the_number_that_whoever_entered_it_wrote_beside_its_payment(caller: Caller) -> None:
    said = {**caller.entity()["payment"], "additional_information": ["Bazaar", "source: bazaar:B-10001-A"]}
    made = caller.ordered(number="JL-1", payment=said)
    caller.ordered(number="JL-2")
    found = caller.act("order_by_source", source_identifier="bazaar:B-10001-A")
    assert found["all_ids"] == [made["entity_id"]]
    assert caller.act("order_by_source", source_identifier="bazaar:B-10001") is None


def test_an_order_without_an_assignment_has_nowhere_to_go(caller: Caller) -> None:
    order_id = caller.invoiced(extension_attributes={})
    assert caller.order(order_id)["is_virtual"] == 1
    assert "without products" in caller.refused("POST", f"order/{order_id}/ship", {})["message"]


def test_an_item_without_its_product_cannot_be_shipped(caller: Caller) -> None:
    item = caller.entity()["items"][0]
    del item["product_id"]
    order_id = caller.ordered(items=[item])["entity_id"]
    assert "without products" in caller.refused("POST", f"order/{order_id}/ship", {})["message"]


def test_texts_longer_than_their_column_are_an_error_or_cut_off(shop_with: Callable[..., Caller]) -> None:
    strict, lenient = shop_with(), shop_with(too_long="cut")
    refused = strict.refused("POST", "orders", {"entity": strict.entity(ext_order_id="X" * 33)})
    assert "Data too long for column 'ext_order_id'" in refused["message"]
    assert lenient.ordered(ext_order_id="X" * 33)["ext_order_id"] == "X" * 32


def test_an_order_sent_back_whole_overwrites_what_happened_meanwhile(caller: Caller) -> None:
    made = caller.ordered()
    caller.act("set_status", order_id=made["entity_id"], status="picking")
    back = {**caller.entity(), "entity_id": made["entity_id"]}
    item = {**back["items"][0], "item_id": made["items"][0]["item_id"]}
    caller.put("orders/create", {"entity": {**back, "items": [item]}})
    read = caller.order(made["entity_id"])
    assert read["status"] == "pending"
    assert read["protect_code"] != made["protect_code"]
    assert len(read["items"]) == 1


def states(caller: Caller, order_id: int) -> tuple[str, str]:
    order = caller.order(order_id)
    return order["state"], caller.get(f"orders/{order_id}/statuses")


def test_new_becomes_processing_then_complete_and_closed(caller: Caller) -> None:
    order_id = int(caller.ordered()["entity_id"])
    assert states(caller, order_id) == ("new", "pending")
    caller.post(f"order/{order_id}/invoice", {"capture": True})
    assert states(caller, order_id) == ("processing", "processing")
    caller.post(f"order/{order_id}/ship", {})
    assert states(caller, order_id) == ("complete", "complete")
    caller.post(f"order/{order_id}/refund", {})
    assert states(caller, order_id) == ("closed", "closed")


def test_shipped_before_it_is_invoiced_it_is_processing_until_it_is_paid(caller: Caller) -> None:
    order_id = int(caller.ordered()["entity_id"])
    caller.post(f"order/{order_id}/ship", {})
    assert states(caller, order_id)[0] == "processing"
    caller.post(f"order/{order_id}/invoice", {"capture": True})
    assert states(caller, order_id)[0] == "complete"


def test_cancelling_says_false_without_a_reason_once_it_is_invoiced(caller: Caller) -> None:
    free, paid = int(caller.ordered(number="JL-1")["entity_id"]), caller.invoiced(number="JL-2")
    assert caller.post(f"orders/{free}/cancel") is True
    assert states(caller, free) == ("canceled", "canceled")
    assert caller.order(free)["items"][0]["qty_canceled"] == 2
    assert caller.post(f"orders/{free}/cancel") is False
    assert caller.post(f"orders/{paid}/cancel") is False
    assert states(caller, paid)[0] == "processing"


def test_an_order_on_hold_takes_neither_parcel_nor_invoice_until_it_is_released(caller: Caller) -> None:
    order_id = int(caller.ordered()["entity_id"])
    assert caller.post(f"orders/{order_id}/hold") is True
    assert states(caller, order_id) == ("holded", "holded")
    for paper in ("ship", "invoice"):
        assert "status of %1" in caller.refused("POST", f"order/{order_id}/{paper}", {})["message"]
    assert caller.post(f"orders/{order_id}/cancel") is False
    assert caller.post(f"orders/{order_id}/unhold") is True
    assert states(caller, order_id) == ("new", "pending")


def test_comments_are_kept_and_may_set_a_status_of_the_same_state_only(caller: Caller) -> None:
    order_id = int(caller.ordered()["entity_id"])
    comment: dict[str, Any] = {
        "comment": "Dispatch confirmed", "is_customer_notified": 0, "is_visible_on_front": 0, "parent_id": order_id,
    }  # fmt: skip
    caller.post(f"orders/{order_id}/comments", {"statusHistory": {**comment, "status": "complete"}})
    assert states(caller, order_id) == ("new", "pending")
    assert caller.get(f"orders/{order_id}/comments")["items"][-1]["comment"] == "Dispatch confirmed"
    caller.act("set_status", order_id=order_id, status="waiting_for_parts")
    assert states(caller, order_id) == ("new", "waiting_for_parts")


def test_the_address_is_saved_where_an_order_was_perhaps_meant(caller: Caller) -> None:
    order_id = caller.ordered()["entity_id"]
    refused = caller.refused("PUT", f"orders/{order_id}", {"entity": caller.entity()})
    assert refused["message"] == '"%fieldName" is not supported. Correct the field name and try again.'
    address = {**caller.entity()["billing_address"], "city": "York"}
    assert caller.put(f"orders/{order_id}", {"entity": address})["city"] == "York"


def test_children_of_composite_products_hang_on_their_parents_item(caller: Caller) -> None:
    parent = {**caller.item(MUG, 2, "JL-1-0"), "product_type": "configurable"}
    child = {**caller.item(MUG, 2, "JL-1-1"), "parent_item": {"sku": MUG}}
    made = caller.ordered(items=[parent, child])
    first, second = made["items"]
    assert second["parent_item_id"] == first["item_id"]
    caller.post(f"order/{made['entity_id']}/ship", {})
    assert [item["qty_shipped"] for item in caller.order(made["entity_id"])["items"]] == [2, 0]
    assert caller.lying() == 47 - 2


def test_everything_that_changes_an_order_moves_its_time_and_a_partial_parcel_perhaps(
    shop_with: Callable[..., Caller],
) -> None:
    for touches in (True, False):
        caller = shop_with(partial_shipment_touches_order=touches)
        order_id = caller.invoiced()
        before = caller.order(order_id)["updated_at"]
        caller.later(60)
        caller.act("ship", order_id=order_id, lines=[{"sku": MUG, "quantity": 1}])
        assert (caller.order(order_id)["updated_at"] > before) == touches
        later = caller.get("orders", where(("updated_at", "gt", before)))["total_count"]
        assert later == int(touches)
        caller.act("ship", order_id=order_id)
        assert caller.order(order_id)["updated_at"] > before
