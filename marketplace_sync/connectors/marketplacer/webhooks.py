"""Marketplacer's deliveries: is one genuine, which order is it about, and which ones do we want."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from marketplace_sync.connectors.marketplacer import documents
from marketplace_sync.connectors.marketplacer.account import Account
from marketplace_sync.connectors.marketplacer.graphql import GraphQL
from marketplace_sync.connectors.marketplacer.settings import MarketplacerSettings
from marketplace_sync.connectors.ports import ForgedWebhook, UnreadableWebhook, WebhookDelivery
from marketplace_sync.decoding import decoded

KINDS = ("INVOICE", "SHIPMENT", "REFUND_REQUEST")
_SIGNATURE = "marketplacer-hmac-256"


class _Ref(msgspec.Struct):
    id: str


class _Invoice(msgspec.Struct):
    id: str
    order: _Ref | None = None


class _Node(msgspec.Struct):
    typename: str = msgspec.field(default="", name="__typename")
    id: str = ""
    order: _Ref | None = None
    invoice: _Invoice | None = None


class _Data(msgspec.Struct):
    node: _Node | None = None


class _Payload(msgspec.Struct):
    data: _Data | None = None
    node: Any = None
    errors: list[Any] | None = None


class _Body(msgspec.Struct):
    id: Any = None
    event_name: Any = None
    payload: _Payload | None = None


class _Hook(msgspec.Struct, rename="camel"):
    id: str
    type: str = ""
    url: str = ""
    enabled: bool | None = None
    query_string: str | None = None
    legacy_format: bool | None = None


def verify(settings: MarketplacerSettings, headers: Mapping[str, str], body: bytes) -> WebhookDelivery:
    """An operator's hook is signed: base64 of HMAC-SHA256 over the exact bytes; a seller's carries the secret itself
    in a header (sheet, 6). Compared in constant time before anything is parsed. `headers` keys are lower case. Raises
    ForgedWebhook, and SecretMissing when a secret cannot be read."""
    if not settings.webhook_secrets:
        raise ForgedWebhook("no delivery can be checked: set webhook_secrets of this connection")
    genuine = False
    for secret in settings.webhook_secrets:
        key = secret.reveal().encode()
        if settings.key_of == "seller":
            genuine |= hmac.compare_digest(key, headers.get(settings.webhook_header, "").encode())
            continue
        expected = hmac.new(key, body, hashlib.sha256).digest()
        genuine |= hmac.compare_digest(expected, _signature(headers))
    if not genuine:
        raise ForgedWebhook("the delivery's signature does not fit its body: it is not from this instance")
    return WebhookDelivery(delivery_id=_delivery_id(headers, body), topic=_topic(body))


def _signature(headers: Mapping[str, str]) -> bytes:
    try:
        return base64.b64decode(headers.get(_SIGNATURE, "").encode(), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _delivery_id(headers: Mapping[str, str], body: bytes) -> str:
    """The same on retries: instance and sequence, as the idempotency key is made (sheet, 6)."""
    if key := headers.get("idempotency-key", "").strip():
        return key[:200]
    vertical, sequence = headers.get("marketplacer-vertical", ""), headers.get("marketplacer-sequence", "")
    if vertical and sequence:
        return f"{vertical}:{sequence}"[:200]
    return hashlib.blake2b(body, digest_size=16).hexdigest()


def _topic(body: bytes) -> str:
    try:
        read = decoded(body, _Body)
    except (msgspec.DecodeError, RecursionError):
        return "unreadable"
    node = read.payload.data.node if read.payload and read.payload.data else None
    return f"{(node.typename if node else '') or 'unnamed'}/{read.event_name or 'unnamed'}"[:100]


def concerns(settings: MarketplacerSettings, body: bytes) -> Sequence[str]:
    """The order (for a seller's key: the invoice) that a delivery is about; empty when the thing is gone. Raises
    UnreadableWebhook."""
    try:
        read = decoded(body, _Body)
    except (msgspec.DecodeError, RecursionError) as problem:
        raise UnreadableWebhook(f"it cannot be read: {str(problem)[:200]}") from None
    payload = read.payload
    if payload is None or payload.data is None:
        if payload is not None and payload.node is not None:
            raise UnreadableWebhook("it has the legacy format: ask the operator to switch legacyFormat of the hook off")
        if payload is not None and payload.errors:
            raise UnreadableWebhook("its query failed at the instance: let the hook be subscribed anew")
        raise UnreadableWebhook("it has no payload")
    node = payload.data.node
    if node is None:
        return []
    invoice = node.invoice or (_Invoice(node.id, node.order) if node.typename == "Invoice" else None)
    if settings.key_of == "seller":
        found = invoice.id if invoice else ""
    else:
        order = node.order or (invoice.order if invoice else None)
        found = order.id if order else ""
    if not found:
        raise UnreadableWebhook("it does not say which order it is about: its query is not the one that we ask for")
    return [found]


def subscribe(settings: MarketplacerSettings, calls: GraphQL, account: Account, url: str) -> Sequence[str]:
    """One hook per kind, made or corrected. The secret is handed over each time: it cannot be read back, and this is
    how a new one comes into use. A hook that the instance switched off stays so unless the settings say otherwise:
    somebody may have had a reason. Raises TransportError."""
    if not settings.webhook_secrets:
        return []
    secret = settings.webhook_secrets[0].reveal()
    hooks = _hooks(account)
    key: dict[str, Any] = {"headers": {settings.webhook_header: secret}} if account.is_seller else {"hmacKey": secret}
    subscribed = []
    for kind in KINDS:
        query = documents.hook_query(kind, account.is_seller)
        mine = _leading_to(hooks, kind, url)
        if mine is None:
            attributes: dict[str, Any] = {
                "type": kind, "url": url, "queryString": query, "enabled": True, "allowSkip": False,
            }  # fmt: skip
            calls.write(documents.CREATE_HOOK, {"input": {"attributes": {**attributes, **key}}})
        else:
            change: dict[str, Any] = {**key, "queryString": query}
            if mine.enabled is False:
                if not settings.re_enable_webhooks:
                    continue
                change["enabled"] = True
            calls.write(documents.UPDATE_HOOK, {"input": {"webhookId": mine.id, "attributes": change}})
        subscribed.append(kind)
    return subscribed


def switched_off(account: Account, url: str | None = None) -> list[str]:
    """Kinds of hooks of ours that the instance has switched off: those that lead to `url`, or where that is not known,
    that ask what ours ask. Raises TransportError."""
    hooks = _hooks(account)
    if url is not None:
        found = {kind: _leading_to(hooks, kind, url) for kind in KINDS}
        return [kind for kind, hook in found.items() if hook is not None and hook.enabled is False]
    return [
        kind
        for kind in KINDS
        if any(
            hook.type == kind
            and hook.enabled is False
            and hook.query_string == documents.hook_query(kind, account.is_seller)
            for hook in hooks
        )
    ]


def _hooks(account: Account) -> list[_Hook]:
    rows = [row for page in account.pages(documents.HOOKS, {}, "webhooks") for row in page]
    return [account.decoded(documents.HOOKS, row, _Hook) for row in rows]


def _leading_to(hooks: Sequence[_Hook], kind: str, url: str) -> _Hook | None:
    """Of several that lead to us, one that is on."""
    mine = [hook for hook in hooks if hook.type == kind and hook.url == url]
    return min(mine, key=lambda hook: hook.enabled is False, default=None)
