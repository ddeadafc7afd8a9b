"""Deliveries are taken from the shop alone, say which orders they are about, and carry no buyer's data."""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from marketplace_sync.connectors.ports import ForgedWebhook, UnreadableWebhook, WebhookDelivery
from marketplace_sync.connectors.shopify import ShopifySettings, webhooks
from marketplace_sync.connectors.shopify.subscriptions import WANTED
from marketplace_sync.settings import Secret
from marketplace_sync_tests.connectors.http_service import serving
from marketplace_sync_tests.connectors.shopify_shop import SECRET, Shop, create_order, remove, shop

BODY = b'{"id": 1, "admin_graphql_api_id": "gid://shopify/Order/1"}'
SETTINGS = ShopifySettings(
    platform="shopify",
    base_url="http://127.0.0.1:8700/shopify_main",
    client_id=Secret(default="client"),
    client_secret=Secret(default=SECRET),
)


def signed(body: bytes, secret: str = SECRET, **headers: str) -> dict[str, str]:
    signature = base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()
    stated = {
        "x-shopify-hmac-sha256": signature,
        "x-shopify-topic": "orders/updated",
        "x-shopify-webhook-id": "one",
        "x-shopify-shop-domain": "hearth-and-field.myshopify.com",
    }
    return {**stated, **{name.replace("_", "-"): value for name, value in headers.items()}}


class Receiver:
    """Keeps what is delivered, as the real receiver would be handed it."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self._lock = threading.Lock()

    async def take(self, request: Request) -> Response:
        body = await request.body()
        with self._lock:
            self.got.append((dict(request.headers), body))
        return Response(status_code=200)

    def topics(self) -> set[str]:
        with self._lock:
            return {headers["x-shopify-topic"] for headers, _ in self.got}


@contextmanager
def receiving() -> Iterator[tuple[Receiver, str]]:
    receiver = Receiver()
    with serving(Route("/webhooks/shopify", receiver.take, methods=["POST"])) as base:
        yield receiver, f"{base}/webhooks/shopify"


@pytest.fixture
def opened() -> Iterator[Shop]:
    with shop() as there:
        yield there


def test_what_happens_to_an_order_is_delivered_and_leads_back_to_it(opened: Shop) -> None:
    with receiving() as (receiver, url):
        assert set(opened.store.subscribe(url)) == set(WANTED)
        there, other = opened.injected(create_order(1)), opened.injected(create_order(2))
        opened.act("ship", order_id=there.store_order_id, lines=[{"sku": "MUG-RED", "quantity": 1}])
        opened.deliver(remove(there))
        opened.act("cancel_order", order_id=other.store_order_id)
        expected = {"orders/create", "orders/updated", "orders/cancelled", "fulfillments/create", "refunds/create"}
        assert eventually(lambda: expected <= receiver.topics())
        for headers, body in receiver.got:
            delivery = opened.store.verify(headers, body)
            assert delivery.delivery_id
            assert set(opened.store.concerns(delivery.topic, body)) <= {there.store_order_id, other.store_order_id}
            assert opened.store.concerns(delivery.topic, body)
            assert b"Leeds" not in body
            assert b"relay-1" not in body


def test_a_delivery_that_was_changed_on_the_way_is_refused(opened: Shop) -> None:
    with receiving() as (receiver, url):
        opened.store.subscribe(url)
        opened.injected()
        assert eventually(lambda: bool(receiver.got))
        headers, body = receiver.got[0]
        with pytest.raises(ForgedWebhook):
            opened.store.verify(headers, body + b" ")


def test_subscribing_again_changes_nothing_and_moving_leaves_nothing_behind(opened: Shop) -> None:
    opened.store.subscribe("http://127.0.0.1:9/old")
    first = opened.stored("webhook_subscriptions")
    opened.store.subscribe("http://127.0.0.1:9/old")
    assert opened.stored("webhook_subscriptions") == first
    opened.store.subscribe("http://127.0.0.1:9/new")
    moved = opened.stored("webhook_subscriptions")
    assert {entry["uri"] for entry in moved} == {"http://127.0.0.1:9/new"}
    assert sorted(entry["topic"] for entry in moved) == sorted(WANTED)


def test_either_secret_fits_while_it_is_being_changed() -> None:
    changing = SETTINGS.model_copy(
        update={"webhook_secrets": (Secret(default="the new secret"), Secret(default="the old secret"))}
    )
    expected = WebhookDelivery(delivery_id="one", topic="orders/updated")
    assert webhooks.verify(changing, signed(BODY, "the new secret"), BODY) == expected
    assert webhooks.verify(changing, signed(BODY, "the old secret"), BODY) == expected
    with pytest.raises(ForgedWebhook):
        webhooks.verify(changing, signed(BODY), BODY)


@pytest.mark.parametrize("header", ["x-shopify-hmac-sha256", "x-shopify-webhook-id", "x-shopify-topic"])
def test_a_delivery_without_a_header_that_shopify_always_sends_is_refused(header: str) -> None:
    headers = signed(BODY)
    del headers[header]
    with pytest.raises(ForgedWebhook):
        webhooks.verify(SETTINGS, headers, BODY)


@pytest.mark.parametrize("signature", ["", "not base64!", "AAAA", "é" * 44])
def test_a_signature_that_is_none_is_refused(signature: str) -> None:
    with pytest.raises(ForgedWebhook):
        webhooks.verify(SETTINGS, signed(BODY, x_shopify_hmac_sha256=signature), BODY)


def test_a_delivery_about_another_shop_of_the_same_app_is_refused() -> None:
    ours = SETTINGS.model_copy(update={"base_url": "https://hearth-and-field.myshopify.com"})
    assert webhooks.verify(ours, signed(BODY), BODY).topic == "orders/updated"
    with pytest.raises(ForgedWebhook, match="about the shop"):
        webhooks.verify(ours, signed(BODY, x_shopify_shop_domain="other.myshopify.com"), BODY)


def test_without_a_secret_nothing_is_believed() -> None:
    fixed = ShopifySettings(
        platform="shopify", base_url="https://hearth.myshopify.com", access_token=Secret(default="shpat_test")
    )
    with pytest.raises(ForgedWebhook, match="webhook_secrets"):
        webhooks.verify(fixed, signed(BODY), BODY)


@pytest.mark.parametrize(
    ("topic", "body", "orders"),
    [
        ("orders/updated", {"id": 7}, ["gid://shopify/Order/7"]),
        ("orders/delete", {"id": 7}, ["gid://shopify/Order/7"]),
        ("orders/edited", {"order_edit": {"id": 3, "order_id": 7}}, ["gid://shopify/Order/7"]),
        ("fulfillments/update", {"id": 3, "order_id": 7}, ["gid://shopify/Order/7"]),
        ("refunds/create", {"id": 3, "order_id": "7"}, ["gid://shopify/Order/7"]),
        ("returns/request", {"id": 3, "order": {"id": 7}}, ["gid://shopify/Order/7"]),
        (
            "returns/close",
            {"id": 3, "order": {"admin_graphql_api_id": "gid://shopify/Order/7"}},
            ["gid://shopify/Order/7"],
        ),
        ("inventory_levels/update", {"inventory_item_id": 3, "available": 4}, []),
        ("customers/redact", {"shop_id": 1, "orders_to_redact": [7]}, []),
        ("shop/redact", {"shop_id": 1}, []),
        ("something/new", {"id": 7}, []),
    ],
)
def test_a_delivery_says_which_order_it_is_about(topic: str, body: dict[str, Any], orders: list[str]) -> None:
    assert webhooks.concerns(topic, msgspec.json.encode(body)) == orders


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff\xfe",
        b'{"id": true}',
        b'{"id": -1}',
        b'{"id": 1.5}',
        b'{"id": 99999999999999999999999}',
        b'{"id": "gid://shopify/Order/1; drop"}',
        b'{"admin_graphql_api_id": "gid://shopify/Customer/1"}',
        b"[" * 100_000,
    ],
)
@pytest.mark.parametrize("topic", ["orders/updated", "fulfillments/create", "returns/update"])
def test_a_body_that_makes_no_sense_is_kept_for_a_person(topic: str, body: bytes) -> None:
    with pytest.raises(UnreadableWebhook):
        webhooks.concerns(topic, body)


@given(st.sampled_from(["orders/x", "refunds/create", "returns/x", "products/x", "", "orders"]), st.binary())
def test_no_body_ever_breaks_more_than_itself(topic: str, body: bytes) -> None:
    try:
        found = webhooks.concerns(topic, body)
    except UnreadableWebhook:
        return
    assert all(order_id.startswith("gid://shopify/Order/") for order_id in found)


def eventually(condition: Callable[[], bool], seconds: float = 10) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.05)
    return condition()
