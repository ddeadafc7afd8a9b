"""Orders changed after they were made: lists that are replaced, lists that grow, states that turn."""

from __future__ import annotations

from typing import Any

import pytest

from marketplace_sync_tests.sandbox.shopify.app import App

UPDATE = """
mutation Update($input: OrderInput!) {
  orderUpdate(input: $input) {
    order { id note email poNumber tags customAttributes { key value } shippingAddress { city } updatedAt }
    userErrors { field message }
  }
}
"""


def test_tags_and_attributes_are_replaced_whole(app: App) -> None:
    order = app.create(customAttributes=[{"key": "a", "value": "1"}])
    changes: dict[str, Any] = {"tags": ["new"], "customAttributes": [{"key": "b", "value": "2"}]}
    found = app.do(UPDATE, input={"id": order["id"], **changes})["order"]
    assert found["tags"] == ["new"]
    assert found["customAttributes"] == [{"key": "b", "value": "2"}]


def test_only_what_is_given_changes_and_null_empties(app: App) -> None:
    order = app.create(note="keep", poNumber="P")
    found = app.do(UPDATE, input={"id": order["id"], "poNumber": None, "shippingAddress": {"city": "York"}})["order"]
    assert (found["note"], found["poNumber"], found["shippingAddress"]) == ("keep", None, {"city": "York"})
    assert found["tags"] == ["john-lewis"]


def test_tags_are_added_once_and_removed_in_any_case(app: App) -> None:
    order = app.create()
    add = "mutation($id: ID!, $t: [String!]!) { tagsAdd(id: $id, tags: $t) { node { id } userErrors { message } } }"
    app.do(add, id=order["id"], t=["b", "JOHN-LEWIS", "a, c"])
    assert app.order(order["id"], "tags")["tags"] == ["a", "b", "c", "john-lewis"]
    remove = add.replace("tagsAdd", "tagsRemove")
    app.do(remove, id=order["id"], t=["A", "John-Lewis"])
    assert app.order(order["id"], "tags")["tags"] == ["b", "c"]
    assert app.refuse(add, id="gid://shopify/Order/1", t=["x"])["message"]


def test_an_order_is_closed_opened_and_marked_as_paid(app: App) -> None:
    order = app.create(transactions=[])
    close = "mutation($i: OrderCloseInput!) { orderClose(input: $i) { order { closed } userErrors { message } } }"
    assert app.do(close, i={"id": order["id"]})["order"]["closed"] is True
    reopen = close.replace("OrderCloseInput", "OrderOpenInput").replace("orderClose", "orderOpen")
    assert app.do(reopen, i={"id": order["id"]})["order"]["closed"] is False
    pay = """mutation($i: OrderMarkAsPaidInput!) { orderMarkAsPaid(input: $i) { order { displayFinancialStatus
      totalReceivedSet { shopMoney { amount } } } userErrors { message } } }"""
    paid = app.do(pay, i={"id": order["id"]})["order"]
    assert paid["displayFinancialStatus"] == "PAID"
    assert paid["totalReceivedSet"]["shopMoney"]["amount"] == "24.0"
    assert app.refuse(pay, i={"id": order["id"]})["message"]


@pytest.mark.parametrize("wrong", ["gid://shopify/Order/1", "gid://shopify/Product/1", "1"])
def test_an_order_that_does_not_exist_is_a_user_error(app: App, wrong: str) -> None:
    assert app.refuse(UPDATE, input={"id": wrong, "note": "x"})["field"] == ["id"]


def test_every_change_moves_the_update_time(app: App) -> None:
    order = app.create()
    app.advance(5)
    changed = app.do(UPDATE, input={"id": order["id"], "note": "x"})["order"]
    assert changed["updatedAt"] > order["updatedAt"]


def test_anything_can_be_asked_for_by_its_id(app: App) -> None:
    order = app.create()
    document = """query($ids: [ID!]!) { nodes(ids: $ids) { __typename id ... on Order { name }
      ... on ProductVariant { sku }
      ... on Location { isActive } } }"""
    ids = [order["id"], app.variant()["id"], app.location(), "gid://shopify/Order/1"]
    found = app.ask(document, ids=ids)
    assert [one and one["__typename"] for one in found] == ["Order", "ProductVariant", "Location", None]
    assert found[0]["name"] == order["name"]
