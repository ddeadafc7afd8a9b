"""Webhooks: what is told, to whom, signed how, and how long it is tried."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from marketplace_sync.sandbox.shopify.subscriptions import RETRY_DELAYS
from marketplace_sync_tests.sandbox.shopify.app import ACCOUNT, App, wait_for
from marketplace_sync_tests.sandbox.shopify.receiver import Delivery, Receiver

SUBSCRIBE = """
mutation Subscribe($topic: WebhookSubscriptionTopic!, $to: WebhookSubscriptionInput!) {
  webhookSubscriptionCreate(topic: $topic, webhookSubscription: $to) {
    webhookSubscription { id topic uri format includeFields name apiVersion { handle } }
    userErrors { field message }
  }
}
"""
LIST = """query($topics: [WebhookSubscriptionTopic!], $uri: String) {
  webhookSubscriptions(first: 50, topics: $topics, uri: $uri) { nodes { id topic uri } } }"""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def subscribe(app: App, receiver: Receiver, topic: str, **to: Any) -> dict[str, Any]:
    made = app.do(SUBSCRIBE, topic=topic, to={"uri": receiver.url, "format": "JSON", **to})
    found: dict[str, Any] = made["webhookSubscription"]
    return found


def one_of(receiver: Receiver, topic: str) -> Delivery:
    found: Delivery = wait_for(lambda: receiver.of(topic))[0]
    return found


def test_a_delivery_is_signed_over_its_exact_bytes_and_has_every_header(app: App, receiver: Receiver) -> None:
    subscribe(app, receiver, "ORDERS_CREATE", name="sync")
    app.create(sourceIdentifier="Zoë £5")
    delivery = one_of(receiver, "orders/create")
    assert delivery.is_signed_with("sandbox-shopify-secret")
    assert not delivery.is_signed_with("another secret")
    headers = delivery.headers
    assert headers["x-shopify-shop-domain"] == "hearth-and-field.myshopify.com"
    assert headers["x-shopify-api-version"] == "2026-10"
    assert headers["x-shopify-name"] == "sync"
    assert headers["content-type"] == "application/json"
    assert datetime.fromisoformat(headers["x-shopify-triggered-at"]).utcoffset() == timedelta(0)
    assert headers["x-shopify-webhook-id"]
    assert headers["x-shopify-event-id"] != headers["x-shopify-webhook-id"]
    assert delivery.body["source_identifier"] == "Zoë £5"


def test_an_order_is_told_in_the_old_shape_with_numbers_and_the_shops_offset(
    shop_with: Callable[..., App], receiver: Receiver
) -> None:
    app = shop_with(timezone="Asia/Kolkata")
    subscribe(app, receiver, "ORDERS_CREATE")
    order = app.create(
        tags=["b", "a"], customAttributes=[{"key": "k", "value": "v"}], processedAt="2026-11-01T00:00:00Z"
    )
    body = one_of(receiver, "orders/create").body
    assert body["admin_graphql_api_id"] == order["id"]
    assert body["id"] == int(order["id"].rpartition("/")[2])
    assert body["tags"] == "a, b"
    assert body["note_attributes"] == [{"name": "k", "value": "v"}]
    assert body["processed_at"] == "2026-11-01T05:30:00+05:30"
    assert body["fulfillment_status"] is None
    assert body["financial_status"] == "paid"
    assert body["total_price"] == "24.00"
    assert body["total_price_set"]["shop_money"] == {"amount": "24.00", "currency_code": "GBP"}
    (line,) = body["line_items"]
    assert (line["sku"], line["quantity"], line["price"], line["fulfillable_quantity"]) == ("MUG-RED", 2, "12.00", 2)
    assert body["shipping_address"]["country_code"] == "GB"
    assert body["fulfillments"] == body["refunds"] == []


def test_a_parcel_is_told_with_its_tracking_and_its_own_quantities(app: App, receiver: Receiver) -> None:
    subscribe(app, receiver, "FULFILLMENTS_CREATE")
    subscribe(app, receiver, "FULFILLMENTS_UPDATE")
    order = app.create()
    parcel = app.act(
        "ship", order_id=order["id"], lines=[{"sku": "MUG-RED", "quantity": 1}], tracking_numbers=["A", "B"]
    )
    body = one_of(receiver, "fulfillments/create").body
    assert body["admin_graphql_api_id"] == parcel["id"]
    assert body["order_id"] == int(order["id"].rpartition("/")[2])
    assert (body["status"], body["tracking_company"]) == ("success", "Royal Mail")
    assert (body["tracking_number"], body["tracking_numbers"]) == ("A", ["A", "B"])
    assert len(body["tracking_urls"]) == 2
    assert [(line["sku"], line["quantity"]) for line in body["line_items"]] == [("MUG-RED", 1)]
    app.act("edit_tracking", fulfillment_id=parcel["id"], tracking_numbers=["C"])
    assert one_of(receiver, "fulfillments/update").body["tracking_numbers"] == ["C"]
    app.act("cancel_fulfillment", fulfillment_id=parcel["id"])
    wait_for(lambda: len(receiver.of("fulfillments/update")) == 2)
    assert receiver.of("fulfillments/update")[1].body["status"] == "cancelled"


def test_a_refund_is_told_with_its_lines_and_its_money(app: App, receiver: Receiver) -> None:
    subscribe(app, receiver, "REFUNDS_CREATE")
    order = app.create()
    app.act("ship", order_id=order["id"])
    app.act("refund", order_id=order["id"], lines=[{"sku": "MUG-RED", "quantity": 1}])
    app.act("refund", order_id=order["id"], amount=300)
    wait_for(lambda: len(receiver.of("refunds/create")) == 2)
    goods, alone = (one.body for one in receiver.of("refunds/create"))
    (row,) = goods["refund_line_items"]
    assert (row["quantity"], row["restock_type"], row["subtotal"]) == (1, "return", 12.0)
    assert [one["amount"] for one in goods["transactions"]] == ["12.00"]
    assert goods["restock"] is True
    assert alone["refund_line_items"] == []
    assert [one["amount"] for one in alone["order_adjustments"]] == ["-3.00"]


def test_a_stock_change_is_told_without_the_sku(app: App, receiver: Receiver) -> None:
    subscribe(app, receiver, "INVENTORY_LEVELS_UPDATE")
    app.act("set_stock", sku="MUG-RED", available=77)
    body = one_of(receiver, "inventory_levels/update").body
    assert body["available"] == 77
    item = app.variant()["inventoryItem"]["id"].rpartition("/")[2]
    assert body["inventory_item_id"] == int(item)
    assert body["admin_graphql_api_id"].endswith(f"?inventory_item_id={item}")
    assert "sku" not in body


def test_all_that_one_action_causes_shares_one_event_and_each_delivery_has_its_own_id(
    app: App, receiver: Receiver
) -> None:
    topics = ("ORDERS_CANCELLED", "ORDERS_UPDATED", "REFUNDS_CREATE", "INVENTORY_LEVELS_UPDATE")
    for topic in topics:
        subscribe(app, receiver, topic)
    order = app.create()
    wait_for(lambda: receiver.deliveries)
    before = len(receiver.deliveries)
    app.act("cancel_order", order_id=order["id"])
    wait_for(lambda: len(receiver.deliveries) >= before + 4)
    caused = receiver.deliveries[before:]
    assert sorted(one.topic for one in caused) == [
        "inventory_levels/update", "orders/cancelled", "orders/updated", "refunds/create",
    ]  # fmt: skip
    assert len({one.headers["x-shopify-event-id"] for one in caused}) == 1
    assert len({one.headers["x-shopify-webhook-id"] for one in caused}) == 4
    cancelled = one_of(receiver, "orders/cancelled").body
    assert cancelled["cancelled_at"] is not None
    assert cancelled["cancel_reason"] == "customer"


def test_returns_are_told_by_their_own_topics_only(app: App, receiver: Receiver) -> None:
    for topic in ("RETURNS_APPROVE", "RETURNS_CLOSE", "ORDERS_UPDATED"):
        subscribe(app, receiver, topic)
    order = app.create()
    app.act("ship", order_id=order["id"])
    wait_for(lambda: receiver.of("orders/updated"))
    told = len(receiver.of("orders/updated"))
    made = app.act("return", order_id=order["id"])
    body = one_of(receiver, "returns/approve").body
    assert body["admin_graphql_api_id"] == made["id"]
    assert len(receiver.of("orders/updated")) == told
    app.act("close_return", return_id=made["id"])
    assert one_of(receiver, "returns/close").body["status"] == "closed"


def test_only_the_asked_fields_are_sent(app: App, receiver: Receiver) -> None:
    subscribe(app, receiver, "ORDERS_CREATE", includeFields=["id", "updated_at", "no_such_field"])
    app.create()
    delivery = one_of(receiver, "orders/create")
    assert set(delivery.body) == {"id", "updated_at"}
    assert delivery.is_signed_with("sandbox-shopify-secret")


def test_a_refused_mutation_tells_nobody(app: App, receiver: Receiver) -> None:
    subscribe(app, receiver, "ORDERS_UPDATED")
    app.send('mutation { tagsAdd(id: "gid://shopify/Order/1", tags: ["x"]) { userErrors { message } } }')
    app.send('mutation { orderClose(input: {id: "gid://shopify/Order/1"}) { userErrors { message } } }')
    assert app.sandbox.control("GET")["accounts"][ACCOUNT]["webhooks"]["waiting"] == 0
    assert receiver.deliveries == []


# --- subscriptions


def test_subscriptions_are_made_listed_changed_and_deleted(app: App, receiver: Receiver) -> None:
    made = subscribe(app, receiver, "ORDERS_CREATE")
    assert made["apiVersion"]["handle"] == "2026-10"
    subscribe(app, receiver, "REFUNDS_CREATE")
    assert [one["topic"] for one in app.ask(LIST)["nodes"]] == ["ORDERS_CREATE", "REFUNDS_CREATE"]
    assert [one["id"] for one in app.ask(LIST, topics=["ORDERS_CREATE"])["nodes"]] == [made["id"]]
    assert app.ask("{ webhookSubscriptionsCount { count } }") == {"count": 2}
    update = """mutation($id: ID!, $to: WebhookSubscriptionInput!) { webhookSubscriptionUpdate(id: $id,
      webhookSubscription: $to) { webhookSubscription { uri } userErrors { message } } }"""
    changed = app.do(update, id=made["id"], to={"uri": "https://example.test/hooks"})
    assert changed["webhookSubscription"]["uri"] == "https://example.test/hooks"
    delete = """mutation($id: ID!) { webhookSubscriptionDelete(id: $id) { deletedWebhookSubscriptionId
      userErrors { message } } }"""
    assert app.do(delete, id=made["id"])["deletedWebhookSubscriptionId"] == made["id"]
    assert app.refuse(delete, id=made["id"])["message"]
    assert [one["topic"] for one in app.ask(LIST)["nodes"]] == ["REFUNDS_CREATE"]


def test_the_same_address_for_the_same_topic_is_taken(app: App, receiver: Receiver) -> None:
    subscribe(app, receiver, "ORDERS_CREATE")
    problem = app.refuse(SUBSCRIBE, topic="ORDERS_CREATE", to={"uri": receiver.url})
    assert "already been taken" in problem["message"]


@pytest.mark.parametrize("uri", ["http://example.test/hooks", "ftp://example.test", "nonsense", None])
def test_an_address_is_https_or_on_this_machine(app: App, uri: str | None) -> None:
    assert app.refuse(SUBSCRIBE, topic="ORDERS_CREATE", to={"uri": uri})["field"][0] == "webhookSubscription"


# --- failure


def test_the_vendor_retries_eight_times_within_four_hours() -> None:
    assert len(RETRY_DELAYS) == 8
    assert sum(RETRY_DELAYS) == 4 * 3600
    assert list(RETRY_DELAYS) == sorted(RETRY_DELAYS)


@pytest.mark.parametrize("status", [500, 404, 302, 0])
def test_whatever_is_not_2xx_is_tried_again_with_the_same_id_and_the_same_bytes(
    app: App, receiver: Receiver, status: int
) -> None:
    receiver.status = status
    subscribe(app, receiver, "ORDERS_CREATE")
    app.create()
    first = one_of(receiver, "orders/create")
    receiver.status = 204
    wait_for(lambda: app.sandbox.control("GET")["accounts"][ACCOUNT]["webhooks"]["failed"])
    app.advance(RETRY_DELAYS[0] + 1)
    wait_for(lambda: len(receiver.deliveries) == 2)
    second = receiver.deliveries[1]
    assert second.raw == first.raw
    assert second.headers["x-shopify-webhook-id"] == first.headers["x-shopify-webhook-id"]
    assert second.headers["x-shopify-hmac-sha256"] == first.headers["x-shopify-hmac-sha256"]
    wait_for(lambda: app.sandbox.control("GET")["accounts"][ACCOUNT]["webhooks"]["waiting"] == 0)


def test_after_the_last_failure_the_subscription_is_deleted(app: App, receiver: Receiver) -> None:
    receiver.status = 500
    app.sandbox.control("PUT", f"{ACCOUNT}/webhooks", {"time_scale": 0.0})
    subscribe(app, receiver, "ORDERS_CREATE")
    app.create()
    wait_for(lambda: app.ask(LIST)["nodes"] == [])
    assert len(receiver.deliveries) == 1 + len(RETRY_DELAYS)
    assert len({one.headers["x-shopify-webhook-id"] for one in receiver.deliveries}) == 1
    app.create()
    assert app.sandbox.control("GET")["accounts"][ACCOUNT]["webhooks"]["waiting"] == 0


def test_a_duplicate_has_the_same_webhook_id(app: App, receiver: Receiver) -> None:
    app.sandbox.control("PUT", f"{ACCOUNT}/webhooks", {"duplicate": 1.0})
    subscribe(app, receiver, "ORDERS_CREATE")
    app.create()
    wait_for(lambda: len(receiver.deliveries) == 2)
    assert len({one.headers["x-shopify-webhook-id"] for one in receiver.deliveries}) == 1


def test_deliveries_may_be_delayed_and_arrive_out_of_order(app: App, receiver: Receiver) -> None:
    app.sandbox.control("PUT", f"{ACCOUNT}/webhooks", {"reorder": 1.0, "delay": 600})
    subscribe(app, receiver, "ORDERS_CREATE")
    made = [app.create()["id"] for _ in range(8)]
    assert receiver.deliveries == []
    app.advance(601)
    wait_for(lambda: len(receiver.deliveries) == 8)
    told = [one.body["admin_graphql_api_id"] for one in receiver.deliveries]
    assert sorted(told) == sorted(made)
    assert told != made


def test_routing_is_told_when_it_is_complete(shop_with: Callable[..., App], receiver: Receiver) -> None:
    app = shop_with(routing_seconds=30)
    subscribe(app, receiver, "FULFILLMENT_ORDERS_ORDER_ROUTING_COMPLETE")
    order = app.create()
    app.advance(31)
    body = one_of(receiver, "fulfillment_orders/order_routing_complete").body
    assert body["fulfillment_order"]["id"] == app.routed(order["id"])[0]["id"]


def test_a_variant_that_sells_out_or_comes_back_is_told_once(app: App, receiver: Receiver) -> None:
    subscribe(app, receiver, "VARIANTS_OUT_OF_STOCK")
    subscribe(app, receiver, "VARIANTS_IN_STOCK")
    app.act("set_stock", sku="MUG-RED", available=2)
    app.create()
    assert one_of(receiver, "variants/out_of_stock").body["sku"] == "MUG-RED"
    app.act("set_stock", sku="MUG-RED", available=9)
    assert one_of(receiver, "variants/in_stock").body["inventory_quantity"] == 9
    assert len(receiver.deliveries) == 2


def test_after_a_rotation_deliveries_carry_the_old_signature_for_an_hour(app: App, receiver: Receiver) -> None:
    subscribe(app, receiver, "ORDERS_CREATE")
    app.act("rotate_client_secret", secret="a new secret")
    app.create()
    assert one_of(receiver, "orders/create").is_signed_with("sandbox-shopify-secret")
    form = {"grant_type": "client_credentials", "client_id": "sandbox-client", "client_secret": "a new secret"}
    assert app.http.post(f"{app.base_url}/admin/oauth/access_token", data=form).status_code == 200
    app.advance(3601)
    app.create()
    wait_for(lambda: len(receiver.deliveries) == 2)
    assert receiver.deliveries[1].is_signed_with("a new secret")


@pytest.mark.parametrize(
    ("topic", "keys"),
    [
        ("customers/data_request", {"shop_id", "shop_domain", "customer", "orders_requested", "data_request"}),
        ("customers/redact", {"shop_id", "shop_domain", "customer", "orders_to_redact"}),
        ("shop/redact", {"shop_id", "shop_domain"}),
    ],
)
def test_the_privacy_topics_need_no_subscription(app: App, receiver: Receiver, topic: str, keys: set[str]) -> None:
    order = app.create()
    asked = {"topic": topic, "uri": receiver.url, "email": "relay@example.test", "orders": [order["id"]]}
    app.act("ask_compliance", **asked)
    delivery = one_of(receiver, topic)
    assert set(delivery.body) == keys
    assert delivery.is_signed_with("sandbox-shopify-secret")
    if topic == "customers/redact":
        assert delivery.body["orders_to_redact"] == [int(order["id"].rpartition("/")[2])]
