"""Metafields: the app's namespaces, unique ids, compare-and-set, all or none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from marketplace_sync_tests.sandbox.shopify.app import CREATE, App

DEFINE = """
mutation Define($definition: MetafieldDefinitionInput!) {
  metafieldDefinitionCreate(definition: $definition) {
    createdDefinition { id namespace key type { name } capabilities { uniqueValues { enabled } } }
    userErrors { code field message }
  }
}
"""
SET = """
mutation Set($metafields: [MetafieldsSetInput!]!) {
  metafieldsSet(metafields: $metafields) {
    metafields { id namespace key value type compareDigest ownerType owner { ... on Order { id } } }
    userErrors { code field message elementIndex }
  }
}
"""
LOOKUP = "query($i: OrderIdentifierInput!) { orderByIdentifier(identifier: $i) { id } }"
NUMBER = {"namespace": "$app:sync", "key": "number"}


def define(app: App, **changes: Any) -> Any:
    definition = {**NUMBER, "name": "Marketplace number", "type": "id", "ownerType": "ORDER"}
    return app.do(DEFINE, definition={**definition, **changes})["createdDefinition"]


def test_an_id_definition_makes_its_values_unique_in_the_apps_own_namespace(app: App) -> None:
    made = define(app)
    assert made["capabilities"]["uniqueValues"]["enabled"] is True
    assert made["namespace"].startswith("app--")
    assert made["namespace"].endswith("--sync")
    again = app.refuse(DEFINE, definition={**NUMBER, "name": "N", "type": "id", "ownerType": "ORDER"})
    assert again["code"] == "TAKEN"
    listed = app.ask("{ metafieldDefinitions(first: 5, ownerType: ORDER) { nodes { key metafieldsCount ownerType } } }")
    assert listed["nodes"] == [{"key": "number", "metafieldsCount": 0, "ownerType": "ORDER"}]


def test_a_second_order_with_the_same_unique_id_is_refused_and_not_made(app: App) -> None:
    define(app)
    first = app.create(metafields=[{**NUMBER, "value": "JL-1001"}])
    problem = app.refuse(CREATE, order=app.order_input(metafields=[{**NUMBER, "type": "id", "value": "JL-1001"}]))
    assert problem["field"][:2] == ["order", "metafields"]
    assert app.ask(LOOKUP, i={"customId": {**NUMBER, "value": "JL-1001"}})["id"] == first["id"]
    assert len(app.sandbox.documents("shop", "orders")) == 1


def test_the_refusal_of_a_second_unique_id_can_be_switched_off(shop_with: Callable[..., App]) -> None:
    app = shop_with(unique_id_metafields=False)
    define(app)
    app.create(metafields=[{**NUMBER, "value": "JL-1001"}])
    app.create(metafields=[{**NUMBER, "value": "JL-1001"}])
    assert len(app.sandbox.documents("shop", "orders")) == 2


def test_without_a_definition_nothing_is_unique_and_nothing_is_found(app: App) -> None:
    for _ in range(2):
        app.create(metafields=[{**NUMBER, "type": "id", "value": "JL-1001"}])
    error = app.error(LOOKUP, i={"customId": {**NUMBER, "value": "JL-1001"}})
    assert error["extensions"]["code"] == "NOT_FOUND"


def test_an_unknown_value_is_null(app: App) -> None:
    define(app)
    assert app.ask(LOOKUP, i={"customId": {**NUMBER, "value": "nobody"}}) is None


@pytest.mark.parametrize("identifier", [{}, {"id": "gid://shopify/Order/1", "customId": {**NUMBER, "value": "1"}}])
def test_an_identifier_is_exactly_one_thing(app: App, identifier: dict[str, Any]) -> None:
    answer = app.post({"query": LOOKUP, "variables": {"i": identifier}}).json()
    assert "xactly one key" in answer["errors"][0]["message"]


def test_a_metafield_of_the_wrong_type_is_refused(app: App) -> None:
    define(app)
    wrong = [{**NUMBER, "type": "single_line_text_field", "value": "JL-1001"}]
    assert "consistent" in app.refuse(CREATE, order=app.order_input(metafields=wrong))["message"]
    order = app.create()
    given = {**NUMBER, "ownerId": order["id"], "type": "number_integer", "value": "1"}
    assert app.refuse(SET, metafields=[given])["code"] == "INVALID_TYPE"


def test_setting_a_taken_id_is_refused_and_moving_it_frees_it(app: App) -> None:
    define(app)
    first, second = app.create(), app.create()
    app.do(SET, metafields=[{**NUMBER, "ownerId": first["id"], "value": "JL-1"}])
    taken = app.refuse(SET, metafields=[{**NUMBER, "ownerId": second["id"], "value": "JL-1"}])
    assert taken["code"] == "TAKEN"
    app.do(SET, metafields=[{**NUMBER, "ownerId": first["id"], "value": "JL-2"}])
    app.do(SET, metafields=[{**NUMBER, "ownerId": second["id"], "value": "JL-1"}])
    assert app.ask(LOOKUP, i={"customId": {**NUMBER, "value": "JL-1"}})["id"] == second["id"]


def test_metafields_are_set_all_or_none(app: App) -> None:
    order = app.create()
    good = {"ownerId": order["id"], "namespace": "a", "key": "one", "type": "json", "value": "{}"}
    bad = {"ownerId": order["id"], "namespace": "a", "key": "two", "type": "json", "value": "{"}
    problem = app.refuse(SET, metafields=[good, bad])
    assert (problem["code"], problem["elementIndex"]) == ("INVALID_VALUE", 1)
    assert app.order(order["id"], "metafields(first: 5) { nodes { key } }")["metafields"]["nodes"] == []


def test_two_owners_cannot_take_one_unique_value_in_one_call(app: App) -> None:
    define(app)
    owners = [app.create()["id"] for _ in range(2)]
    problem = app.refuse(SET, metafields=[{**NUMBER, "ownerId": owner, "value": "JL-1"} for owner in owners])
    assert problem["code"] == "TAKEN"


def test_a_digest_refuses_what_changed_meanwhile(app: App) -> None:
    order = app.create()
    field = {"ownerId": order["id"], "namespace": "a", "key": "one", "type": "single_line_text_field"}
    first = app.do(SET, metafields=[{**field, "value": "1", "compareDigest": None}])["metafields"][0]
    assert first["owner"]["id"] == order["id"]
    assert app.refuse(SET, metafields=[{**field, "value": "2", "compareDigest": None}])["code"] == "STALE_OBJECT"
    app.do(SET, metafields=[{**field, "value": "2", "compareDigest": first["compareDigest"]}])
    stale = app.refuse(SET, metafields=[{**field, "value": "3", "compareDigest": first["compareDigest"]}])
    assert stale["code"] == "STALE_OBJECT"


def test_at_most_25_are_set_at_once(app: App) -> None:
    order = app.create()
    field = {"ownerId": order["id"], "namespace": "a", "type": "single_line_text_field", "value": "1"}
    many = [{**field, "key": f"key-{number}"} for number in range(26)]
    assert app.refuse(SET, metafields=many)["code"] == "LESS_THAN_OR_EQUAL_TO"
    assert len(app.do(SET, metafields=many[:25])["metafields"]) == 25
