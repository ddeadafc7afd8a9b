"""Simulator rule 2: a body is read member by member; what is unknown, missing or of another kind is refused."""

from __future__ import annotations

from marketplace_sync_tests.sandbox.magento.caller import Caller

UNKNOWN = '"%fieldName" is not supported. Correct the field name and try again.'
MISSING = '"%fieldName" is required. Enter and try again.'


def test_a_field_that_no_interface_has_is_refused_wherever_it_stands(caller: Caller) -> None:
    entity = caller.entity()
    inside = {**entity, "billing_address": {**entity["billing_address"], "county": "Yorks"}}
    line = {**entity, "items": [{**entity["items"][0], "gw_id": 1}]}
    for given, name in (
        ({**entity, "shipping_address": {}}, "shipping_address"),
        (inside, "county"),
        (line, "gw_id"),
        ({**entity, "extension_attributes": {"mine": 1}}, "mine"),
    ):
        refused = caller.send("POST", "orders", {"entity": given})
        assert refused.status_code == 400
        assert refused.json() == {"message": UNKNOWN, "parameters": {"fieldName": name}}
    assert caller.refused("POST", "orders", {"order": entity})["parameters"] == {"fieldName": "order"}
    assert caller.act("list_orders", unfulfilled=False) == []


def test_what_the_schema_requires_is_missed(caller: Caller) -> None:
    entity = caller.entity()
    for name in ("customer_email", "base_grand_total", "grand_total", "items"):
        refused = caller.refused("POST", "orders", {"entity": {**entity, name: None}})
        assert (refused["message"], refused["parameters"]) == (MISSING, {"fieldName": name})
    payment = {**entity["payment"], "cc_last4": None}
    assert caller.refused("POST", "orders", {"entity": {**entity, "payment": payment}})["status"] == 400
    assert caller.refused("POST", "orders", {})["parameters"] == {"fieldName": "entity"}
    comment = {"statusHistory": {"comment": "x", "is_customer_notified": 0, "is_visible_on_front": 0}}
    order_id = caller.ordered()["entity_id"]
    assert caller.refused("POST", f"orders/{order_id}/comments", comment)["parameters"] == {"fieldName": "parent_id"}


def test_an_amount_in_words_a_list_for_an_object_and_broken_json_are_refused(caller: Caller) -> None:
    refused = caller.refused("POST", "orders", {"entity": {**caller.entity(), "grand_total": "12.00"}})
    assert refused["parameters"] == {"value": "12.00", "type": "float"}
    assert caller.refused("POST", "orders", {"entity": []})["status"] == 400
    assert caller.refused("POST", "orders", [1])["status"] == 400
    assert caller.refused("POST", "orders", {"entity": {**caller.entity(), "items": {}}})["status"] == 400


def test_a_number_in_digits_of_text_is_the_number(caller: Caller) -> None:
    made = caller.ordered()
    caller.judging = False
    assert caller.refused("POST", "orders", {"entity": caller.entity(store_id="1")})["status"] == 400
    item = {"order_item_id": str(made["items"][0]["item_id"]), "qty": 1}
    caller.post(f"order/{made['entity_id']}/ship", {"items": [item]})
