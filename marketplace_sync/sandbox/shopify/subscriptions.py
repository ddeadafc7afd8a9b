"""Webhook subscriptions made over the API, and the signed deliveries to them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import uuid
from datetime import UTC
from typing import Any
from urllib.parse import urlsplit

from marketplace_sync.sandbox.shopify.bodies import Bodies
from marketplace_sync.sandbox.shopify.order_fields import Info, shop_of
from marketplace_sync.sandbox.shopify.paging import Connection, connect
from marketplace_sync.sandbox.shopify.shop import Occurrence, Shop
from marketplace_sync.sandbox.shopify.shop_fields import api_version
from marketplace_sync.sandbox.shopify.things import Thing, gid, key_of, split_gid
from marketplace_sync.sandbox.shopify.tokens import signing_secret
from marketplace_sync.sandbox.shopify.wiring import Call, mutation, refused, resolves, root
from marketplace_sync.sandbox.state import Document
from marketplace_sync.sandbox.webhooks import WebhookSender

RETRY_DELAYS = (15.0, 60.0, 180.0, 480.0, 1080.0, 2100.0, 3885.0, 6600.0)
"""Seconds between tries: eight retries over four hours, ever further apart (Shopify, webhook delivery)."""

_GROUPS = (
    "ORDER_TRANSACTIONS", "FULFILLMENT_EVENTS", "FULFILLMENT_ORDERS", "INVENTORY_LEVELS", "INVENTORY_ITEMS",
    "BULK_OPERATIONS", "ORDERS", "FULFILLMENTS", "REFUNDS", "RETURNS", "PRODUCTS", "VARIANTS", "LOCATIONS", "APP",
)  # fmt: skip


def topic_name(enum: str) -> str:
    """ "ORDERS_CREATE" to "orders/create"."""
    group = next(group for group in _GROUPS if enum.startswith(f"{group}_"))
    return f"{group.lower()}/{enum.removeprefix(f'{group}_').lower()}"


class Publisher:
    """Turns what happened in the shop into deliveries for whoever subscribed."""

    def __init__(self, shop: Shop, sender: WebhookSender) -> None:
        self.shop = shop
        self.sender = sender
        self.bodies = Bodies(shop)
        sender.retry_delays = RETRY_DELAYS
        sender.on_given_up = self.given_up

    def given_up(self, delivery: Document) -> None:
        """A subscription made over the API is deleted once a delivery failed for good (Shopify, webhooks)."""
        self.shop.subscriptions.delete(delivery["subscription"])

    def publish(self, event: str, occurrences: list[Occurrence]) -> None:
        """Queue a delivery for every subscription to each topic; all of them share the event's id."""
        if not len(self.shop.subscriptions):
            return
        for occurrence in occurrences:
            wanting = [s for s in self.shop.subscriptions.values() if topic_name(s["topic"]) == occurrence.topic]
            if not wanting:
                continue
            body = self.bodies.of(occurrence)
            about = gid("Order", occurrence.order["id"]) if occurrence.order else ""
            for subscription in wanting:
                self._send(subscription, event, occurrence.topic, body, about)

    def _send(self, subscription: Document, event: str, topic: str, body: dict[str, Any], about: str) -> None:
        wanted = subscription["includeFields"]
        content = {name: body[name] for name in wanted if name in body} if wanted else body
        raw = json.dumps(content, separators=(",", ":")).encode()
        headers = self._headers(topic, event, subscription["version"], raw)
        if subscription["name"]:
            headers["X-Shopify-Name"] = subscription["name"]
        self.sender.enqueue(subscription["uri"], raw, headers, subscription=str(subscription["id"]), about=about)

    def _headers(self, topic: str, event: str, version: str, raw: bytes) -> dict[str, str]:
        shop = self.shop
        secret = signing_secret(shop.state, shop.settings, shop.clock.timestamp())
        signature = hmac.new(secret.encode(), raw, hashlib.sha256).digest()
        return {
            "Content-Type": "application/json",
            "User-Agent": "Shopify-Captain-Hook",
            "X-Shopify-Topic": topic,
            "X-Shopify-Hmac-Sha256": base64.b64encode(signature).decode(),
            "X-Shopify-Shop-Domain": self.shop.settings.domain,
            "X-Shopify-API-Version": version,
            "X-Shopify-Webhook-Id": str(uuid.uuid4()),
            "X-Shopify-Event-Id": event,
            "X-Shopify-Triggered-At": self.shop.clock.now().astimezone(UTC).isoformat().replace("+00:00", "Z"),
        }

    def send_compliance(self, topic: str, uri: str, body: dict[str, Any]) -> None:
        """One of the privacy topics, which go to the address in the app's configuration and have no subscription."""
        raw = json.dumps(body, separators=(",", ":")).encode()
        newest = next(
            v for v in reversed(self.shop.settings.versions) if v not in self.shop.settings.unsupported_versions
        )
        self.sender.enqueue(uri, raw, self._headers(topic, str(uuid.uuid4()), newest, raw))


def _address(given: dict[str, Any]) -> str:
    """Where to deliver. The simulated shop can reach https, and plain http on this machine."""
    uri = given.get("uri") or given.get("callbackUrl")
    if not uri:
        raise refused("Address can't be blank", "webhookSubscription", "callbackUrl")
    parts = urlsplit(uri)
    is_local = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1")
    if not parts.hostname or (parts.scheme != "https" and not is_local):
        raise refused(f"Address protocol {parts.scheme}:// is not supported", "webhookSubscription", "callbackUrl")
    return str(uri)


def _check(shop: Shop, topic: str, given: dict[str, Any], own: Document | None) -> str:
    uri = _address({**({"uri": own["uri"]} if own else {}), **{k: v for k, v in given.items() if v is not None}})
    if given.get("format") == "XML":
        raise refused("Format XML is not simulated: use JSON", "webhookSubscription", "format")
    if len(given.get("name") or "") > 50:
        raise refused("Name is too long (maximum is 50 characters)", "webhookSubscription", "name")
    for other in shop.subscriptions.values():
        if other is not own and (other["topic"], other["uri"]) == (topic, uri):
            raise refused("Address for this topic has already been taken", "webhookSubscription", "callbackUrl")
    return uri


@mutation("webhookSubscriptionCreate")
def webhook_subscription_create(call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
    shop, given = call.shop, arguments["webhookSubscription"]
    uri = _check(shop, arguments["topic"], given, None)
    now = shop.now()
    kept = {
        "id": shop.next_id("WebhookSubscription"),
        "topic": arguments["topic"],
        "uri": uri,
        "format": "JSON",
        "includeFields": given.get("includeFields") or [],
        "name": given.get("name"),
        "version": call.version,
        "createdAt": now,
        "updatedAt": now,
    }
    shop.subscriptions.put(str(kept["id"]), kept)
    return {"webhookSubscription": Thing("WebhookSubscription", kept)}


def _own(shop: Shop, given: str) -> Document:
    parts = split_gid(given)
    found = shop.subscriptions.get(parts[1]) if parts and parts[0] == "WebhookSubscription" else None
    if found is None:
        raise refused("Webhook subscription does not exist", "id")
    return found


@mutation("webhookSubscriptionUpdate")
def webhook_subscription_update(call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
    shop, given = call.shop, arguments["webhookSubscription"]
    kept = _own(shop, arguments["id"])
    kept["uri"] = _check(shop, kept["topic"], given, kept)
    for name in ("includeFields", "name"):
        if name in given:
            kept[name] = given[name] or ([] if name == "includeFields" else None)
    kept["updatedAt"] = shop.now()
    shop.subscriptions.put(str(kept["id"]), kept)
    return {"webhookSubscription": Thing("WebhookSubscription", kept)}


@mutation("webhookSubscriptionDelete")
def webhook_subscription_delete(call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
    kept = _own(call.shop, arguments["id"])
    call.shop.subscriptions.delete(str(kept["id"]))
    return {"deletedWebhookSubscriptionId": arguments["id"]}


@root("webhookSubscription")
def webhook_subscription(call: Call, arguments: dict[str, Any]) -> Thing | None:
    found = call.shop.subscriptions.get(key_of(arguments["id"], "WebhookSubscription"))
    return Thing("WebhookSubscription", found) if found else None


@root("webhookSubscriptions")
def webhook_subscriptions(call: Call, arguments: dict[str, Any]) -> Connection:
    topics, uri = arguments.get("topics"), arguments.get("uri")
    found = [
        one
        for one in call.shop.subscriptions.values()
        if (not topics or one["topic"] in topics) and (uri is None or one["uri"] == uri)
    ]
    found.sort(key=lambda one: int(one["id"]))
    return connect(
        found, arguments, keys=[(0, one["id"]) for one in found], sort="webhookSubscriptions",
        node=lambda one: Thing("WebhookSubscription", one),
    )  # fmt: skip


@root("webhookSubscriptionsCount")
def webhook_subscriptions_count(call: Call, arguments: dict[str, Any]) -> Document:
    return {"count": len(call.shop.subscriptions), "precision": "EXACT"}


@resolves("WebhookSubscription", "apiVersion", "callbackUrl", "metafieldNamespaces")
def subscription_derived(thing: Thing, info: Info) -> Any:
    if info.field_name == "apiVersion":
        return api_version(shop_of(info).settings, thing.doc["version"])
    return thing.doc["uri"] if info.field_name == "callbackUrl" else []
