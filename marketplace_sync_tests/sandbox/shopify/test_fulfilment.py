"""Fulfilment orders and fulfilments: in parts, tracked, corrected, undone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from marketplace_sync_tests.sandbox.shopify.app import App

CREATE_FULFILMENT = """
mutation Ship($fulfillment: FulfillmentInput!) {
  fulfillmentCreate(fulfillment: $fulfillment) {
    fulfillment { id status name trackingInfo(first: 10) { company number url } }
    userErrors { field message }
  }
}
"""
RETRACK = """
mutation Retrack($id: ID!, $info: FulfillmentTrackingInput!) {
  fulfillmentTrackingInfoUpdate(fulfillmentId: $id, trackingInfoInput: $info, notifyCustomer: false) {
    fulfillment { id trackingInfo(first: 10) { company number url } }
    userErrors { field message }
  }
}
"""
CANCEL = """
mutation Cancel($id: ID!) {
  fulfillmentCancel(id: $id) { fulfillment { id status displayStatus } userErrors { message } }
}
"""
SHIPPED = """displayFulfillmentStatus closed
  lineItems(first: 5) { nodes { sku unfulfilledQuantity nonFulfillableQuantity } }
  fulfillmentOrders(first: 10) { nodes { id status lineItems(first: 5) { nodes { totalQuantity remainingQuantity } } } }
  fulfillments(first: 10) { id status totalQuantity createdAt location { id } trackingInfo(first: 10) { number company }
    fulfillmentLineItems(first: 10) { nodes { quantity lineItem { id sku } } } }"""


def statuses(found: dict[str, Any]) -> list[str]:
    return [one["status"] for one in found["fulfillmentOrders"]["nodes"]]


def test_an_order_gets_one_fulfilment_order_with_everything_to_ship(app: App) -> None:
    lines = [app.line("MUG-RED", 2), app.line("BOWL-BLUE", 1), app.line("LAMP-BRASS", 1, requiresShipping=False)]
    order = app.create(lineItems=lines)
    (found,) = app.routed(order["id"])
    assert (found["status"], found["requestStatus"]) == ("OPEN", "UNSUBMITTED")
    assert found["assignedLocation"]["location"]["id"] == app.location()
    assert "CREATE_FULFILLMENT" in [one["action"] for one in found["supportedActions"]]
    assert [(row["sku"], row["remainingQuantity"]) for row in found["lineItems"]["nodes"]] == [
        ("MUG-RED", 2),
        ("BOWL-BLUE", 1),
    ]


def test_an_order_is_shipped_in_parts(app: App) -> None:
    order = app.create()
    (work,) = app.routed(order["id"])
    row = work["lineItems"]["nodes"][0]["id"]
    part = {"fulfillmentOrderId": work["id"], "fulfillmentOrderLineItems": [{"id": row, "quantity": 1}]}
    given = {"lineItemsByFulfillmentOrder": [part], "trackingInfo": {"company": "Royal Mail", "numbers": ["A1", "A2"]}}
    made = app.do(CREATE_FULFILMENT, fulfillment=given)["fulfillment"]
    assert made["status"] == "SUCCESS"
    assert [one["number"] for one in made["trackingInfo"]] == ["A1", "A2"]
    assert all("royalmail.com" in one["url"] for one in made["trackingInfo"])
    found = app.order(order["id"], SHIPPED)
    assert found["displayFulfillmentStatus"] == "PARTIALLY_FULFILLED"
    assert statuses(found) == ["IN_PROGRESS"]
    assert found["lineItems"]["nodes"][0]["unfulfilledQuantity"] == 1
    app.do(CREATE_FULFILMENT, fulfillment={"lineItemsByFulfillmentOrder": [{"fulfillmentOrderId": work["id"]}]})
    found = app.order(order["id"], SHIPPED)
    assert found["displayFulfillmentStatus"] == "FULFILLED"
    assert found["closed"] is True
    assert statuses(found) == ["CLOSED"]
    assert [one["totalQuantity"] for one in found["fulfillments"]] == [1, 1]


def test_nothing_can_be_shipped_twice(app: App) -> None:
    order = app.create()
    (work,) = app.routed(order["id"])
    row = work["lineItems"]["nodes"][0]["id"]

    def ship(**changes: Any) -> dict[str, Any]:
        return {"lineItemsByFulfillmentOrder": [{"fulfillmentOrderId": work["id"], **changes}]}

    too_many = ship(fulfillmentOrderLineItems=[{"id": row, "quantity": 3}])
    assert "quantity" in app.refuse(CREATE_FULFILMENT, fulfillment=too_many)["message"]
    app.do(CREATE_FULFILMENT, fulfillment=ship())
    assert "closed" in app.refuse(CREATE_FULFILMENT, fulfillment=ship())["message"]
    assert len(app.order(order["id"], SHIPPED)["fulfillments"]) == 1


def test_one_call_ships_one_order(app: App) -> None:
    work = [app.routed(app.create()["id"])[0]["id"] for _ in range(2)]
    given = {"lineItemsByFulfillmentOrder": [{"fulfillmentOrderId": one} for one in work]}
    assert "same order" in app.refuse(CREATE_FULFILMENT, fulfillment=given)["message"]


def test_an_unknown_company_makes_no_address_and_a_given_address_wins(app: App) -> None:
    order = app.create()
    (work,) = app.routed(order["id"])
    given = {
        "lineItemsByFulfillmentOrder": [{"fulfillmentOrderId": work["id"]}],
        "trackingInfo": {"company": "Bike", "number": "7"},
    }
    made = app.do(CREATE_FULFILMENT, fulfillment=given)["fulfillment"]
    assert made["trackingInfo"] == [{"company": "Bike", "number": "7", "url": None}]
    info = {"company": "Royal Mail", "number": "8", "url": "https://example.test/8"}
    changed = app.do(RETRACK, id=made["id"], info=info)["fulfillment"]
    assert changed["trackingInfo"] == [info]


def test_tracking_may_come_later_and_moves_the_update_times(app: App) -> None:
    order = app.create()
    parcel = app.act("ship", order_id=order["id"], company=None, tracking_numbers=[])
    before = app.order(order["id"], "updatedAt fulfillments(first: 1) { updatedAt trackingInfo(first: 5) { number } }")
    assert before["fulfillments"][0]["trackingInfo"] == []
    app.advance(10)
    app.act("edit_tracking", fulfillment_id=parcel["id"], company="DPD UK", tracking_numbers=["B1", "B2"])
    after = app.order(order["id"], "updatedAt fulfillments(first: 1) { updatedAt trackingInfo(first: 5) { number } }")
    assert after["updatedAt"] > before["updatedAt"]
    assert after["fulfillments"][0]["updatedAt"] > before["fulfillments"][0]["updatedAt"]
    assert [one["number"] for one in after["fulfillments"][0]["trackingInfo"]] == ["B1", "B2"]


def test_a_plain_list_is_cut_off_without_a_word(app: App) -> None:
    order = app.create()
    app.act("ship", order_id=order["id"], tracking_numbers=["1", "2", "3"])
    found = app.order(order["id"], "fulfillments(first: 1) { trackingInfo(first: 2) { number } }")
    assert [one["number"] for one in found["fulfillments"][0]["trackingInfo"]] == ["1", "2"]


def test_cancelling_a_fulfilment_reopens_its_work_as_a_new_fulfilment_order(app: App) -> None:
    order = app.create()
    (work,) = app.routed(order["id"])
    parcel = app.act("ship", order_id=order["id"])
    cancelled = app.do(CANCEL, id=parcel["id"])["fulfillment"]
    assert (cancelled["status"], cancelled["displayStatus"]) == ("CANCELLED", "CANCELED")
    found = app.order(order["id"], SHIPPED)
    assert found["displayFulfillmentStatus"] == "UNFULFILLED"
    assert statuses(found) == ["CLOSED", "OPEN"]
    assert found["fulfillmentOrders"]["nodes"][1]["id"] != work["id"]
    assert found["fulfillments"][0]["status"] == "CANCELLED"
    assert app.refuse(CANCEL, id=parcel["id"])["message"]
    app.act("ship", order_id=order["id"])
    assert app.order(order["id"], SHIPPED)["displayFulfillmentStatus"] == "FULFILLED"


def test_fulfilments_can_be_read_since_a_moment_and_by_their_id(app: App) -> None:
    order = app.create()
    app.act("ship", order_id=order["id"], lines=[{"sku": "MUG-RED", "quantity": 1}])
    app.advance(100)
    second = app.act("ship", order_id=order["id"])
    fields = "fulfillments(first: 10) { id updatedAt }"
    since = app.order(order["id"], fields)["fulfillments"][1]["updatedAt"]
    late = app.order(order["id"], f"fulfillments(first: 10, query: \"updated_at:>='{since}'\") {{ id }}")
    assert late["fulfillments"] == [{"id": second["id"]}]
    found = app.ask(
        """query($id: ID!) { fulfillment(id: $id) { id name order { id } fulfillmentOrders(first: 2) { nodes { id } }
           service { handle type } } }""",
        id=second["id"],
    )
    assert found["order"]["id"] == order["id"]


def test_open_fulfilment_orders_are_listed_over_all_orders(app: App) -> None:
    first, second = app.create(), app.create()
    app.act("ship", order_id=first["id"])
    document = """query($closed: Boolean, $q: String) {
      fulfillmentOrders(first: 10, includeClosed: $closed, query: $q) {
      nodes { orderName order { id } status } } }"""
    assert [one["order"]["id"] for one in app.ask(document, closed=False)["nodes"]] == [second["id"]]
    assert len(app.ask(document, closed=True)["nodes"]) == 2
    assert [one["status"] for one in app.ask(document, closed=True, q="status:closed")["nodes"]] == ["CLOSED"]


def test_fulfilment_orders_need_a_scope_of_their_own(shop_with: Callable[..., App]) -> None:
    app = shop_with(scopes=["write_orders", "read_products"])
    order = app.create()
    document = "query($id: ID!) { order(id: $id) { fulfillmentOrders(first: 1) { nodes { id } } } }"
    error = app.error(document, id=order["id"])
    assert error["extensions"]["code"] == "ACCESS_DENIED"
    assert "read_merchant_managed_fulfillment_orders" in error["message"]


def test_a_delivery_can_be_reported(app: App) -> None:
    order = app.create()
    parcel = app.act("ship", order_id=order["id"])
    event = {"fulfillmentId": parcel["id"], "status": "DELIVERED", "happenedAt": "2026-11-20T10:00:00Z"}
    app.do(
        """mutation($e: FulfillmentEventInput!) { fulfillmentEventCreate(fulfillmentEvent: $e) {
           fulfillmentEvent { id status } userErrors { message } } }""",
        e=event,
    )
    found = app.order(
        order["id"], "fulfillments(first: 1) { displayStatus deliveredAt events(first: 5) { nodes { status } } }"
    )
    assert found["fulfillments"][0]["displayStatus"] == "DELIVERED"
    assert found["fulfillments"][0]["deliveredAt"] == "2026-11-20T10:00:00Z"


@pytest.mark.parametrize("wrong", ["gid://shopify/FulfillmentOrder/1", "gid://shopify/Order/1", "1"])
def test_an_unknown_fulfilment_order_is_a_user_error(app: App, wrong: str) -> None:
    given = {"lineItemsByFulfillmentOrder": [{"fulfillmentOrderId": wrong}]}
    assert "does not exist" in app.refuse(CREATE_FULFILMENT, fulfillment=given)["message"]
