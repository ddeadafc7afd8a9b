"""Webhooks: the payload is the answer to the subscriber's query; a 4xx switches the webhook off (sheet, 6)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from graphql import GraphQLError, OperationDefinitionNode, print_ast

from marketplace_sync.sandbox.marketplacer.market import Change, Market, moment_of
from marketplace_sync.sandbox.marketplacer.schema import Documents, schema
from marketplace_sync.sandbox.marketplacer.things import Refused, Thing, gid
from marketplace_sync.sandbox.marketplacer.wiring import Call, mutation, owner_of
from marketplace_sync.sandbox.state import Document
from marketplace_sync.sandbox.webhooks import WebhookSender

FOUR_DAYS = 4 * 86400.0
RETRY_DELAYS = tuple(min(max(60.0, float(attempt**4)), FOUR_DAYS) for attempt in range(1, 51))
"""Seconds before each retry: attempt to the fourth power, between a minute and four days (sheet, 6)."""

KINDS = {
    "INVOICE": "Invoice", "SHIPMENT": "Shipment", "REFUND_REQUEST": "RefundRequest", "ADVERT": "Advert",
    "REFUND_REQUEST_LINE_ITEM": "RefundRequestLineItem", "REMITTANCE_ADVICE": "RemittanceAdvice",
    "VARIANT": "Variant", "SELLER": "Seller", "TAXON": "Taxon",
}  # fmt: skip
"""Types of webhook that something can happen to here. There is none for orders and none for amendments."""

_BLANK = "query($id: ID!) { node(id: $id) { __typename } }"

Run = Callable[[Call, str, dict[str, Any]], dict[str, Any]]


class Publisher:
    """Turns what happened into webhook events, once bursts are over, and these into signed deliveries."""

    def __init__(self, market: Market, sender: WebhookSender, run: Run) -> None:
        self.market = market
        self.sender = sender
        self.run = run
        self.pending = market.state.collection("pending_events")
        sender.retry_delays = RETRY_DELAYS
        sender.timeout_seconds = 30.0
        sender.answered = self.answered
        sender.renewed = self.renewed

    def publish(self, changes: list[Change]) -> None:
        """Note an event for every webhook that wants it; a later one about the same thing takes its place."""
        for typename, doc, event in changes:
            for hook in self.market.of["Webhook"].values():
                if KINDS.get(hook["type"]) != typename or not hook["enabled"]:
                    continue
                if hook["eventName"] not in (None, event):
                    continue
                if hook["seller"] not in (None, owner_of(self.market, typename, doc)):
                    continue
                key = f"{hook['n']}:{typename}:{doc['n']}"
                before = self.pending.get(key)
                due = before["due"] if before else self.market.clock.timestamp() + self.market.settings.burst_seconds
                sequence = self.market.state.counter("sequence", 500001)
                about = {"hook": hook["n"], "type": typename, "number": doc["n"], "event": event}
                self.pending.put(key, {**about, "due": due, "sequence": sequence})

    def send_due(self) -> None:
        """Make the payloads of what is due: they show the state of now, not of the event."""
        now = self.market.clock.timestamp()
        for key in [key for key, event in self.pending.items() if event["due"] <= now]:
            event = self.pending[key]
            self.pending.delete(key)
            hook = self.market.get("Webhook", event["hook"])
            if hook["enabled"]:
                self._send(hook, event)
        self._forget_old()

    def _send(self, hook: Document, event: Document) -> None:
        market = self.market
        subject = gid(event["type"], event["number"])
        call = Call(market, "webhook", hook["seller"])
        payload: dict[str, Any] | None = self.run(call, hook["queryString"] or _BLANK, {"id": subject})
        if hook["legacyFormat"]:
            payload = None if payload is None or payload.get("errors") else payload["data"]["node"]
        is_same = hook["allowSkip"] and hook["last"].get(subject) == payload
        hook["last"] = {**hook["last"], subject: payload} if hook["allowSkip"] else {}
        market.of["Webhook"].put(str(hook["n"]), hook)
        number = market.next("WebhookEvent")
        kept = {
            "n": number,
            "webhook": hook["n"],
            "seller": hook["seller"],
            "createdAt": market.now(),
            "eventName": event["event"].lower(),
            "payload": payload,
            "sequence": event["sequence"],
            "responses": [],
            "skipped": is_same,
            "status": "skipped" if is_same else "unsent",
            "processedAt": None,
            "retryAfter": None,
        }
        market.of["WebhookEvent"].put(str(number), kept)
        if is_same:
            return
        body = {"id": gid("WebhookEvent", number), "event_name": kept["eventName"], "payload": payload}
        raw = json.dumps(body, separators=(",", ":")).encode()
        headers = self._headers(hook, raw, event["sequence"])
        self.sender.enqueue(hook["url"], raw, headers, subscription=f"{hook['n']}:{number}", about=subject)

    def _headers(self, hook: Document, raw: bytes, sequence: int) -> dict[str, str]:
        vertical = self.market.settings.vertical_code
        trace = hashlib.sha256(f"{vertical}:{sequence}".encode()).hexdigest()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Marketplacer Client/1.0.0",
            "Accept-Encoding": "gzip",
            "traceparent": f"00-{trace[:32]}-{trace[32:48]}-01",
            "tracestate": "",
            "Idempotency-Key": base64.b64encode(f"{vertical}:{sequence}".encode()).decode(),
            "Marketplacer-Sequence": str(sequence),
            "Marketplacer-Vertical": vertical,
            **{name: str(value) for name, value in (hook["headers"] or {}).items()},
        }
        if hook["hmacKey"] and hook["seller"] is None:
            signature = hmac.new(hook["hmacKey"].encode(), raw, hashlib.sha256).digest()
            headers["Marketplacer-Hmac-256"] = base64.b64encode(signature).decode()
        return headers

    # --- what became of a delivery

    def _of(self, delivery: Document) -> tuple[Document, Document | None]:
        hook, _, event = delivery["subscription"].partition(":")
        return self.market.get("Webhook", hook), self.market.of["WebhookEvent"].get(event)

    def renewed(self, delivery: Document) -> Document:
        """A retry uses the webhook's definition of now: its address, its headers, its key."""
        hook, event = self._of(delivery)
        if delivery["attempts"] and event is not None:
            delivery["url"] = hook["url"]
            delivery["headers"] = self._headers(hook, base64.b64decode(delivery["body"]), event["sequence"])
        return delivery

    def answered(self, delivery: Document, status: int | None) -> bool:
        """Whether to try again after a failure. A 4xx other than 429, or a redirect, fails the event for good and
        switches the webhook off; 429 lowers its concurrency by one."""
        hook, event = self._of(delivery)
        if status is not None and 200 <= status < 300:
            self._note(event, "processed", status)
            return True
        if status is not None and 300 <= status < 500 and status != 429:
            hook["enabled"] = False
            self.market.of["Webhook"].put(str(hook["n"]), hook)
            self._note(event, "failed", status)
            return False
        if status == 429:
            hook["concurrentSendLimit"] = max(1, hook["concurrentSendLimit"] - 1)
            self.market.of["Webhook"].put(str(hook["n"]), hook)
        goes_on = bool(delivery["attempts"] < hook["maxRetries"])
        self._note(event, "rejected" if goes_on else "failed", status)
        return goes_on

    def _note(self, event: Document | None, status: str, answer: int | None) -> None:
        if event is None:
            return
        event["status"] = status
        if status == "processed":
            event["processedAt"] = self.market.now()
            if self.sender.waiting() > self.market.settings.high_volume_at:
                self.market.of["WebhookEvent"].delete(str(event["n"]))
                return
        if answer is not None:
            number = self.market.next("WebhookEventResponse")
            kept = {"n": number, "status": answer, "createdAt": self.market.now(), "body": None, "headers": None}
            event["responses"].append(kept)
        self.market.of["WebhookEvent"].put(str(event["n"]), event)

    def _forget_old(self) -> None:
        """Events are kept for three days, but for those still to be delivered."""
        before = self.market.clock.now() - timedelta(days=self.market.settings.keep_events_days)
        kept = self.market.of["WebhookEvent"]
        # they are in order of their creation, and those that are kept for longer are few
        old = itertools.takewhile(lambda one: moment_of(one[1]["createdAt"]) < before, kept.items())
        for key, event in list(old):
            if event["status"] not in ("unsent", "rejected"):
                kept.delete(key)


# --- definitions


def _checked(given: dict[str, Any]) -> None:
    url = given.get("url")
    if url is not None:
        parts = urlsplit(url)
        is_local = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1")
        if not parts.hostname or (parts.scheme != "https" and not is_local):
            raise Refused("url", "is invalid")
    retries, limit = given.get("maxRetries"), given.get("concurrentSendLimit")
    if retries is not None and not 0 <= retries <= 50:
        raise Refused("max_retries", "must be between 0 and 50")
    if limit is not None and not 1 <= limit <= 200:
        raise Refused("concurrent_send_limit", "must be between 1 and 200")
    if given.get("headers") is not None and not isinstance(given["headers"], dict):
        raise Refused("headers", "must be an object")
    if given.get("queryString"):
        _check_query(given["queryString"])


def _check_query(text: str) -> None:
    """Valid when it is saved, with exactly one variable, `$id: ID!` (sheet, 6)."""
    try:
        prepared = Documents(schema(), 30).prepare(text)
    except GraphQLError as problem:
        raise Refused("query_string", problem.message) from None
    if prepared.errors:
        raise Refused("query_string", *[str(error["message"]) for error in prepared.errors])
    operations: list[OperationDefinitionNode] = list(prepared.operations.values())
    variables = [print_ast(v) for o in operations for v in o.variable_definitions]
    if len(operations) != 1 or operations[0].operation.value != "query" or variables != ["$id: ID!"]:
        raise Refused("query_string", "must be one query with the variable $id: ID! and no other")


_DEFAULTS: dict[str, Any] = {
    "eventName": None, "queryString": None, "headers": None, "hmacKey": None, "enabled": True, "allowSkip": False,
    "maxRetries": 25, "concurrentSendLimit": 100,
}  # fmt: skip


@mutation("webhookCreate", "webhooks:write", "webhook", operator=False)
def webhook_create(call: Call, given: dict[str, Any]) -> Thing:
    wanted = given["attributes"]
    _checked(wanted)
    kept = {name: wanted[name] if wanted.get(name) is not None else value for name, value in _DEFAULTS.items()}
    seller = call.seller
    if wanted.get("sellerId") is not None:
        seller = call.market.by_id("Seller", wanted["sellerId"], "sellerId")["n"]
        if call.seller not in (None, seller):
            raise Refused("seller_id", "is invalid")
    hook = {"type": wanted["type"], "url": wanted["url"], "seller": seller, "legacyFormat": False, "last": {}, **kept}
    return Thing("Webhook", call.market.add("Webhook", hook))


@mutation("webhookUpdate", "webhooks:write", "webhook", operator=False)
def webhook_update(call: Call, given: dict[str, Any]) -> Thing:
    hook = call.market.by_id("Webhook", given["webhookId"], "webhookId")
    if call.seller not in (None, hook["seller"]):
        raise Refused("webhook_id", "is invalid")
    wanted = given.get("attributes") or {}
    _checked(wanted)
    for name, value in wanted.items():
        if name != "sellerId":
            hook[name] = value
    call.market.save("Webhook", hook)
    return Thing("Webhook", hook)
