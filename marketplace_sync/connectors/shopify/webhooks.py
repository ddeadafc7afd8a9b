"""Shopify's deliveries: is one genuine, which orders is it about, and which ones do we want at all."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from marketplace_sync.connectors.ports import ForgedWebhook, UnreadableWebhook, WebhookDelivery
from marketplace_sync.connectors.shopify.settings import ShopifySettings
from marketplace_sync.decoding import decoded

_GID = re.compile(r"gid://shopify/Order/\d{1,19}\Z")
_LARGEST_ID = 2**63

_Id = int | str | None


class _Linked(msgspec.Struct):
    id: _Id = None
    order_id: _Id = None
    admin_graphql_api_id: str | None = None


class _Body(_Linked):
    """The few fields of a delivery that say which order it is about."""

    order: _Linked | None = None
    order_edit: _Linked | None = None


def verify(settings: ShopifySettings, headers: Mapping[str, str], body: bytes) -> WebhookDelivery:
    """Whether the body was signed with one of the app's secrets (Shopify, webhooks: HMAC-SHA256 over the exact bytes).

    `headers` keys are lower case. A delivery's id is the same on its retries. Raises ForgedWebhook, and SecretMissing
    when no secret can be read.
    """
    secrets = settings.signing_secrets()
    if not secrets:
        raise ForgedWebhook("no delivery can be checked: set webhook_secrets (or client_secret) of this connection")
    try:
        stated = base64.b64decode(headers.get("x-shopify-hmac-sha256", "").encode(), validate=True)
    except ValueError:
        raise ForgedWebhook("the delivery's signature is not one") from None
    genuine = False
    for secret in secrets:
        expected = hmac.new(secret.reveal().encode(), body, hashlib.sha256).digest()
        # Every secret is tried, so that the time taken does not tell which one was near.
        genuine |= hmac.compare_digest(expected, stated)
    if not genuine:
        raise ForgedWebhook("the delivery's signature does not fit its body: it is not from this connection's app")
    missing = [name for name in ("x-shopify-webhook-id", "x-shopify-topic") if not headers.get(name)]
    if missing:
        raise ForgedWebhook(f"the delivery has no {' and no '.join(missing)}: it is not what Shopify sends")
    _of_this_shop(settings, headers.get("x-shopify-shop-domain", ""))
    return WebhookDelivery(delivery_id=headers["x-shopify-webhook-id"], topic=headers["x-shopify-topic"])


def _of_this_shop(settings: ShopifySettings, stated: str) -> None:
    """One app's secret signs for all its shops: a delivery about another shop must not be taken for ours."""
    host = urlsplit(settings.base_url).hostname or ""
    if host.endswith(".myshopify.com") and stated.lower() != host:
        raise ForgedWebhook(f"the delivery is about the shop {stated[:100]!r}, and this connection is {host}")


def concerns(topic: str, body: bytes) -> Sequence[str]:
    """Ids of the orders a delivery is about; empty for topics that are about none (stock, catalogue, compliance).

    Raises UnreadableWebhook.
    """
    family = topic.partition("/")[0]
    if family not in ("orders", "fulfillments", "refunds", "returns"):
        return []
    try:
        read = decoded(body, _Body)
    except (msgspec.DecodeError, RecursionError) as problem:
        raise UnreadableWebhook(f"a delivery of {topic[:60]} cannot be read: {str(problem)[:200]}") from None
    if family == "orders" and read.order_edit is None:
        order_id = _gid(read.admin_graphql_api_id) or _gid(read.id)
    else:
        about: Sequence[Any] = (
            read.order_id,
            read.order_edit.order_id if read.order_edit else None,
            read.order.admin_graphql_api_id if read.order else None,
            read.order.id if read.order else None,
        )
        order_id = next((found for stated in about if (found := _gid(stated))), "")
    if not order_id:
        raise UnreadableWebhook(f"a delivery of {topic[:60]} does not say which order it is about")
    return [order_id]


def _gid(stated: _Id) -> str:
    """A number or a global id -> the global id of an order; empty when it is neither."""
    if isinstance(stated, str) and _GID.match(stated):
        return stated
    if isinstance(stated, str) and stated.isascii() and stated.isdigit() and len(stated) <= 19:
        stated = int(stated)
    if isinstance(stated, int) and not isinstance(stated, bool) and 0 < stated < _LARGEST_ID:
        return f"gid://shopify/Order/{stated}"
    return ""
