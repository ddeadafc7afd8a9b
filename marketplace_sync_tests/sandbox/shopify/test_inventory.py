"""Stock over the API: idempotency keys, compare-and-set, all rows or none, and what orders do to it."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from marketplace_sync_tests.sandbox.shopify.app import App

SET = """
mutation Set($input: InventorySetQuantitiesInput!, $key: String!) {
  inventorySetQuantities(input: $input) @idempotent(key: $key) {
    inventoryAdjustmentGroup { id reason changes { name delta quantityAfterChange item { sku } location { id } } }
    userErrors { code field message }
  }
}
"""
ADJUST = """
mutation Adjust($input: InventoryAdjustQuantitiesInput!, $key: String!) {
  inventoryAdjustQuantities(input: $input) @idempotent(key: $key) {
    inventoryAdjustmentGroup { id changes { name delta } }
    userErrors { code field message }
  }
}
"""


def rows(app: App, units: int, sku: str = "MUG-RED", **row: Any) -> dict[str, Any]:
    item = app.variant(sku)["inventoryItem"]["id"]
    full = {
        "inventoryItemId": item, "locationId": app.location(), "quantity": units, "changeFromQuantity": None, **row,
    }  # fmt: skip
    return {"name": "available", "reason": "correction", "quantities": [full]}


def key() -> str:
    return str(uuid.uuid4())


def test_quantities_are_set_and_the_change_is_told(app: App) -> None:
    before = app.stock()["available"]
    group = app.do(SET, input=rows(app, 100), key=key())["inventoryAdjustmentGroup"]
    assert {(c["name"], c["delta"], c["quantityAfterChange"]) for c in group["changes"]} == {
        ("available", 100 - before, 100),
        ("on_hand", 100 - before, 100),
    }
    assert app.stock()["available"] == 100
    assert app.do(SET, input=rows(app, 100), key=key())["inventoryAdjustmentGroup"] is None


def test_without_the_directive_a_mutation_that_needs_it_is_a_bad_request(app: App) -> None:
    bare = SET.replace(" @idempotent(key: $key)", "").replace(", $key: String!", "")
    error = app.error(bare, input=rows(app, 5))
    assert error["extensions"]["code"] == "BAD_REQUEST"
    assert "@idempotent" in error["message"]
    assert app.error(SET, input=rows(app, 5), key=" ")["extensions"]["code"] == "BAD_REQUEST"


def test_before_2026_04_the_directive_and_the_comparison_were_optional(app: App) -> None:
    bare = SET.replace(" @idempotent(key: $key)", "").replace(", $key: String!", "")
    given = rows(app, 5)
    del given["quantities"][0]["changeFromQuantity"]
    answer = app.send(bare, {"input": given}, version="2026-01")
    assert answer["data"]["inventorySetQuantities"]["userErrors"] == []
    assert app.stock()["available"] == 5


def test_the_comparison_must_be_present_if_only_as_null(app: App) -> None:
    given = rows(app, 5)
    del given["quantities"][0]["changeFromQuantity"]
    before = app.stock()
    error = app.error(SET, input=given, key=key())
    assert error["extensions"]["code"] == "INVALID_FIELD_ARGUMENTS"
    assert "changeFromQuantity" in error["message"]
    assert app.stock() == before


def test_a_stale_comparison_is_refused(app: App) -> None:
    app.act("set_stock", sku="MUG-RED", available=7)
    assert app.refuse(SET, input=rows(app, 5, changeFromQuantity=8), key=key())["code"] == "CHANGE_FROM_QUANTITY_STALE"
    assert app.stock()["available"] == 7
    app.do(SET, input=rows(app, 5, changeFromQuantity=7), key=key())
    assert app.stock()["available"] == 5


def test_the_same_key_and_arguments_run_once_and_answer_again(app: App) -> None:
    change = {"name": "available", "reason": "correction", "changes": [{**rows(app, 0)["quantities"][0], "delta": 3}]}
    del change["changes"][0]["quantity"]  # type: ignore[attr-defined]
    before, same = app.stock()["available"], key()
    first = app.do(ADJUST, input=change, key=same)
    again = app.do(ADJUST, input=change, key=same)
    assert first == again
    assert app.stock()["available"] == before + 3
    app.do(ADJUST, input=change, key=key())
    assert app.stock()["available"] == before + 6


def test_a_key_is_forgotten_after_a_day(app: App) -> None:
    given, same = rows(app, 5), key()
    app.do(SET, input=given, key=same)
    app.act("set_stock", sku="MUG-RED", available=9)
    app.do(SET, input=given, key=same)
    assert app.stock()["available"] == 9
    app.advance(24 * 3600 + 1)
    app.do(SET, input=given, key=same)
    assert app.stock()["available"] == 5


def test_a_key_with_other_arguments_is_a_mismatch(app: App) -> None:
    same = key()
    app.do(SET, input=rows(app, 5), key=same)
    assert app.refuse(SET, input=rows(app, 6), key=same)["code"] == "IDEMPOTENCY_KEY_PARAMETER_MISMATCH"
    assert app.stock()["available"] == 5


def test_the_order_of_input_fields_counts(app: App) -> None:
    given, same = rows(app, 5), key()
    app.do(SET, input=given, key=same)
    turned = dict(reversed(given.items()))
    assert app.refuse(SET, input=turned, key=same)["code"] == "IDEMPOTENCY_KEY_PARAMETER_MISMATCH"


def test_a_key_whose_attempt_failed_needs_a_successor(app: App) -> None:
    given, same = rows(app, 5, changeFromQuantity=-77), key()
    assert app.refuse(SET, input=given, key=same)["code"] == "CHANGE_FROM_QUANTITY_STALE"
    assert app.refuse(SET, input=given, key=same)["code"] == "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED"


def test_two_calls_at_once_with_one_key_do_not_both_run(shop_with: Callable[..., App]) -> None:
    app = shop_with(mutation_seconds=0.5)
    given, same = rows(app, 5), key()
    answers: list[Any] = []
    start = threading.Barrier(2)

    def call() -> None:
        start.wait()
        answers.append(app.ask(SET, input=given, key=same)["userErrors"])

    threads = [threading.Thread(target=call) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    codes = sorted(problem["code"] for problems in answers for problem in problems)
    assert codes == ["IDEMPOTENCY_CONCURRENT_REQUEST"]
    assert app.stock()["available"] == 5


def test_keys_of_different_mutations_are_different(app: App) -> None:
    same = key()
    app.do(SET, input=rows(app, 5), key=same)
    change = rows(app, 0)["quantities"][0]
    del change["quantity"]
    app.do(ADJUST, input={"name": "available", "reason": "other", "changes": [{**change, "delta": 1}]}, key=same)
    assert app.stock()["available"] == 6


@pytest.mark.parametrize(
    ("head", "row", "code"),
    [
        ({"name": "committed"}, {}, "INVALID_NAME"),
        ({"reason": "because"}, {}, "INVALID_REASON"),
        ({"referenceDocumentUri": "nothing"}, {}, "INVALID_REFERENCE_DOCUMENT"),
        ({}, {"quantity": -1}, "INVALID_QUANTITY_NEGATIVE"),
        ({}, {"quantity": 1_000_000_001}, "INVALID_QUANTITY_TOO_HIGH"),
        ({}, {"inventoryItemId": "gid://shopify/InventoryItem/1"}, "INVALID_INVENTORY_ITEM"),
        ({}, {"locationId": "gid://shopify/Location/1"}, "INVALID_LOCATION"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_code(
    app: App, head: dict[str, Any], row: dict[str, Any], code: str
) -> None:
    given = {**rows(app, 5, **row), **head}
    assert app.refuse(SET, input=given, key=key())["code"] == code


def test_rows_are_set_all_or_none(app: App) -> None:
    given = rows(app, 5)
    given["quantities"] += rows(app, 5, sku="MUG-BLUE", changeFromQuantity=-1)["quantities"]
    before = app.stock()
    assert app.refuse(SET, input=given, key=key())["field"] == ["input", "quantities", "1", "changeFromQuantity"]
    assert app.stock() == before
    given["quantities"][1] = given["quantities"][0]
    assert app.refuse(SET, input=given, key=key())["code"] == "NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR"


def test_on_hand_is_what_is_available_and_what_is_committed(app: App) -> None:
    app.act("set_stock", sku="MUG-RED", available=10)
    app.create()
    assert app.stock() == {"available": 8, "committed": 2, "on_hand": 10}
    app.do(SET, input={**rows(app, 20), "name": "on_hand"}, key=key())
    assert app.stock() == {"available": 18, "committed": 2, "on_hand": 20}


def test_an_order_commits_shipping_takes_off_the_shelf_and_a_return_puts_back(app: App) -> None:
    app.act("set_stock", sku="MUG-RED", available=10)
    order = app.create()
    parcel = app.act("ship", order_id=order["id"], lines=[{"sku": "MUG-RED", "quantity": 1}])
    assert app.stock() == {"available": 8, "committed": 1, "on_hand": 9}
    app.act("cancel_fulfillment", fulfillment_id=parcel["id"])
    assert app.stock() == {"available": 8, "committed": 2, "on_hand": 10}
    app.act("ship", order_id=order["id"], lines=[{"sku": "MUG-RED", "quantity": 1}])
    app.act("remove_unit", order_id=order["id"], sku="MUG-RED")
    assert app.stock() == {"available": 9, "committed": 0, "on_hand": 9}
    app.act("refund", order_id=order["id"], lines=[{"sku": "MUG-RED", "quantity": 1}], restock="RETURN")
    assert app.stock() == {"available": 10, "committed": 0, "on_hand": 10}


def test_a_level_is_reached_from_the_item_the_location_and_by_its_own_id(app: App) -> None:
    item = app.variant()["inventoryItem"]["id"]
    level = app.ask(
        """query($id: ID!, $l: ID!) { inventoryItem(id: $id) { tracked inventoryLevel(locationId: $l) {
           id isActive location { id name } item { id sku } } } }""",
        id=item,
        l=app.location(),
    )["inventoryLevel"]
    assert level["id"].endswith(f"?inventory_item_id={item.rpartition('/')[2]}")
    same = app.ask("query($id: ID!) { inventoryLevel(id: $id) { id item { id } } }", id=level["id"])
    assert same == {"id": level["id"], "item": {"id": item}}
    at_location = app.ask(
        "query($id: ID!) { location(id: $id) { inventoryLevels(first: 250) { nodes { id item { sku } } } } }",
        id=app.location(),
    )["inventoryLevels"]["nodes"]
    assert len(at_location) == 21
    assert {"id": level["id"], "item": {"sku": "MUG-RED"}} in at_location


def test_the_names_of_quantities_can_be_asked_for_and_an_unknown_one_is_an_error(app: App) -> None:
    names = app.ask("{ inventoryProperties { quantityNames { name } } }")["quantityNames"]
    assert {"available", "on_hand", "committed", "incoming"} <= {one["name"] for one in names}
    document = """{ inventoryItems(first: 1) { nodes { inventoryLevels(first: 1) { nodes {
      quantities(names: ["sold"]) { quantity } } } } } }"""
    assert "sold" in app.error(document)["message"]


# --- several locations

ACTIVATE = """
mutation Activate($item: ID!, $location: ID!, $available: Int, $key: String!) {
  inventoryActivate(inventoryItemId: $item, locationId: $location, available: $available) @idempotent(key: $key) {
    inventoryLevel { id quantities(names: ["available"]) { quantity } }
    userErrors { field message }
  }
}
"""
LEVELS = """query($id: ID!) { productVariant(id: $id) { inventoryQuantity inventoryItem { tracked
  inventoryLevels(first: 10) { nodes { isActive location { name isActive } quantities(names: ["available"]) {
  quantity } } } } } }"""


def at_locations(app: App) -> dict[str, int]:
    nodes = app.ask(LEVELS, id=app.variant()["id"])["inventoryItem"]["inventoryLevels"]["nodes"]
    return {one["location"]["name"]: one["quantities"][0]["quantity"] for one in nodes}


def test_an_item_is_stocked_at_a_second_location_once(app: App) -> None:
    shop = app.act("add_location", location="Leeds shop")["id"]
    given = {"item": app.variant()["inventoryItem"]["id"], "location": shop, "available": 4}
    same = key()
    made = app.do(ACTIVATE, **given, key=same)
    assert made["inventoryLevel"]["quantities"] == [{"quantity": 4}]
    assert app.do(ACTIVATE, **given, key=same) == made
    assert "already active" in app.refuse(ACTIVATE, **given, key=key())["message"]
    assert at_locations(app)["Leeds shop"] == 4


def test_what_is_sellable_is_the_sum_over_active_locations(app: App) -> None:
    app.act("set_stock", sku="MUG-RED", available=-3)
    app.act("add_location", location="Leeds shop")
    app.act("set_stock", sku="MUG-RED", available=10, location="Leeds shop")
    assert app.ask(LEVELS, id=app.variant()["id"])["inventoryQuantity"] == 7
    app.act("deactivate_location", location="Leeds shop")
    assert app.ask(LEVELS, id=app.variant()["id"])["inventoryQuantity"] == -3
    assert list(at_locations(app)) == ["Northampton warehouse"]
    names = "query($all: Boolean) { locations(first: 5, includeInactive: $all) { nodes { name isActive } } }"
    assert [one["name"] for one in app.ask(names, all=False)["nodes"]] == ["Northampton warehouse"]
    assert [one["isActive"] for one in app.ask(names, all=True)["nodes"]] == [False, True]


def test_an_item_that_is_not_tracked_has_no_count_to_change(app: App) -> None:
    app.act("set_tracked", sku="MUG-RED", tracked=False)
    before = app.stock()
    app.create()
    assert app.stock() == before
    assert app.refuse(SET, input=rows(app, 5), key=key())["code"] == "NON_MUTABLE_INVENTORY_ITEM"
    assert app.ask(LEVELS, id=app.variant()["id"])["inventoryItem"]["tracked"] is False
