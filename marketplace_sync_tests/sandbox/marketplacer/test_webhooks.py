"""Webhooks: queries as payloads, signatures, retries, and what a 4xx does to a webhook (sheet, 6)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from marketplace_sync.sandbox.marketplacer.hooks import RETRY_DELAYS
from marketplace_sync_tests.sandbox.marketplacer.client import ACCOUNT, Client, wait_for
from marketplace_sync_tests.sandbox.shopify.receiver import Receiver

Start = Callable[..., Client]

CREATE = """mutation($a: WebhookCreateInput!) { webhookCreate(input: {attributes: $a}) {
  status errors { field messages } webhook { id enabled maxRetries concurrentSendLimit } } }"""
HOOKS = "{ webhooks { nodes { id enabled concurrentSendLimit } } }"
EVENTS = "{ webhookEvents { nodes { status eventName responses { status } } } }"
QUERY = "query($id: ID!) { node(id: $id) { __typename id ... on Invoice { statusFlags } } }"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def subscribe(market: Client, receiver: Receiver, **more: Any) -> Any:
    wanted = {"type": "INVOICE", "url": receiver.url, "queryString": QUERY, "hmacKey": "secret", **more}
    made = market.ask(CREATE, a=wanted)
    assert made["errors"] is None, made
    return made["webhook"]


def test_a_delivery_is_the_answer_to_our_query_signed_and_numbered(market: Client, receiver: Receiver) -> None:
    subscribe(market, receiver, headers={"X-Mine": "1"})
    order = market.order()
    wait_for(lambda: receiver.deliveries)
    (delivery,) = receiver.deliveries
    body = json.loads(delivery.raw)
    assert body["event_name"] == "create"
    assert body["payload"]["data"]["node"]["id"] == order["invoices"][0]["id"]
    signature = hmac.new(b"secret", delivery.raw, hashlib.sha256).digest()
    headers = delivery.headers
    assert headers["marketplacer-hmac-256"] == base64.b64encode(signature).decode()
    key = base64.b64decode(headers["idempotency-key"]).decode()
    assert key == f"{headers['marketplacer-vertical']}:{headers['marketplacer-sequence']}"
    assert (headers["user-agent"], headers["x-mine"]) == ("Marketplacer Client/1.0.0", "1")


def test_an_order_of_two_sellers_is_two_events_with_rising_numbers(market: Client, receiver: Receiver) -> None:
    subscribe(market, receiver, eventName="CREATE")
    market.order("MUG-RED", "LAMP-BRASS")
    wait_for(lambda: len(receiver.deliveries) == 2)
    assert len({d.headers["marketplacer-sequence"] for d in receiver.deliveries}) == 2


@pytest.mark.parametrize("status", [400, 401, 412, 302])
def test_a_4xx_or_a_redirect_switches_the_webhook_off_and_is_not_tried_again(
    market: Client, receiver: Receiver, status: int
) -> None:
    subscribe(market, receiver)
    receiver.status = status
    market.order()
    wait_for(lambda: market.ask(HOOKS)["nodes"][0]["enabled"] is False)
    wait_for(lambda: [e["status"] for e in market.ask(EVENTS)["nodes"]] == ["failed"])
    receiver.status = 200
    market.order()
    market.advance(5 * 86400)
    wait_for(lambda: market.ask(HOOKS)["nodes"][0]["enabled"] is False)
    assert len(receiver.deliveries) == 1


def test_somebody_at_the_operators_can_switch_webhooks_off_and_on(market: Client, receiver: Receiver) -> None:
    subscribe(market, receiver)
    market.act("switch_webhooks", enabled=False, type="INVOICE")
    market.order()
    market.act("switch_webhooks", enabled=True)
    told = market.order()
    wait_for(lambda: receiver.deliveries)
    assert [json.loads(one.raw)["payload"]["data"]["node"]["id"] for one in receiver.deliveries] == [
        told["invoices"][0]["id"]
    ]


@pytest.mark.parametrize(("status", "limit"), [(503, 100), (429, 99), (0, 100)])
def test_a_5xx_a_429_and_silence_are_tried_again_and_429_lowers_the_concurrency(
    market: Client, receiver: Receiver, status: int, limit: int
) -> None:
    subscribe(market, receiver)
    receiver.status = status
    market.order()
    wait_for(lambda: [e["status"] for e in market.ask(EVENTS)["nodes"]] == ["rejected"])
    assert market.ask(HOOKS)["nodes"][0] | {"id": ""} == {"id": "", "enabled": True, "concurrentSendLimit": limit}
    receiver.status = 200
    market.advance(61)
    wait_for(lambda: [e["status"] for e in market.ask(EVENTS)["nodes"]] == ["processed"])
    assert receiver.deliveries[0].raw == receiver.deliveries[-1].raw


def test_an_answer_that_takes_longer_than_30_seconds_is_none_and_the_event_is_tried_again(
    market: Client, receiver: Receiver
) -> None:
    subscribe(market, receiver)
    receiver.answering.clear()
    market.order()
    wait_for(lambda: receiver.deliveries)
    market.advance(12)
    assert [e["status"] for e in market.ask(EVENTS)["nodes"]] == ["unsent"], "there is time yet"
    market.advance(18)
    wait_for(lambda: [(e["status"], e["responses"]) for e in market.ask(EVENTS)["nodes"]] == [("rejected", [])])
    receiver.answering.set()
    assert market.ask(HOOKS)["nodes"][0]["enabled"] is True
    market.advance(61)
    wait_for(lambda: [e["status"] for e in market.ask(EVENTS)["nodes"]] == ["processed"])
    assert len(receiver.deliveries) == 2
    assert receiver.deliveries[0].headers["idempotency-key"] == receiver.deliveries[1].headers["idempotency-key"]


def test_a_retry_goes_where_the_webhook_points_now(market: Client, receiver: Receiver) -> None:
    hook = subscribe(market, receiver)
    receiver.status = 503
    market.order()
    wait_for(lambda: [e["status"] for e in market.ask(EVENTS)["nodes"]] == ["rejected"])
    update = """mutation($id: ID!, $a: WebhookInput!) { webhookUpdate(input: {webhookId: $id, attributes: $a}) {
      status errors { field messages } webhook { url } } }"""
    with Receiver() as other:
        market.ask(update, id=hook["id"], a={"url": other.url})
        market.advance(61)
        wait_for(lambda: other.deliveries)


def test_a_burst_is_one_event_with_the_last_state(market_with: Start, receiver: Receiver) -> None:
    market = market_with(burst_seconds=3600.0)
    subscribe(market, receiver)
    order = market.order()
    market.act("ship", order_id=order["order_id"])
    market.advance(3601)
    wait_for(lambda: receiver.deliveries)
    (delivery,) = receiver.deliveries
    body = json.loads(delivery.raw)
    assert body["event_name"] == "update"
    assert body["payload"]["data"]["node"]["statusFlags"] == ["PAID", "SENT"]


def test_an_identical_payload_is_skipped_where_the_webhook_allows_it(market: Client, receiver: Receiver) -> None:
    subscribe(market, receiver, allowSkip=True)
    order = market.order()
    wait_for(lambda: receiver.deliveries)
    market.act("edit_order", order_id=order["order_id"], changes={"surname": "Other"})
    wait_for(lambda: [e["status"] for e in market.ask(EVENTS)["nodes"]][-1:] == ["skipped"])
    assert len(receiver.deliveries) == 1


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"queryString": "query($id: ID!) { node(id: $id) { colour } }"}, "query_string"),
        ({"queryString": "query($id: ID!, $x: Int) { node(id: $id) { id } }"}, "query_string"),
        ({"url": "http://example.com/hook"}, "url"),
        ({"maxRetries": 51}, "max_retries"),
        ({"concurrentSendLimit": 0}, "concurrent_send_limit"),
    ],
)
def test_a_webhook_that_cannot_work_is_refused_when_it_is_saved(
    market: Client, wrong: dict[str, Any], field: str
) -> None:
    made = market.ask(CREATE, a={"type": "INVOICE", "url": "https://example.com/hook", **wrong})
    assert made["webhook"] is None
    assert made["errors"][0]["field"] == field


def test_a_webhook_without_a_query_tells_only_the_type(market: Client, receiver: Receiver) -> None:
    subscribe(market, receiver, queryString=None)
    market.order()
    wait_for(lambda: receiver.deliveries)
    assert json.loads(receiver.deliveries[0].raw)["payload"] == {"data": {"node": {"__typename": "Invoice"}}}


def test_events_are_kept_for_three_days(market: Client, receiver: Receiver) -> None:
    subscribe(market, receiver)
    market.order()
    wait_for(lambda: [e["status"] for e in market.ask(EVENTS)["nodes"]] == ["processed"])
    market.advance(3 * 86400 + 1)
    assert market.ask(EVENTS)["nodes"] == []


def test_under_a_heavy_backlog_delivered_events_are_erased_at_once(market_with: Start, receiver: Receiver) -> None:
    market = market_with(high_volume_at=0)
    subscribe(market, receiver)
    market.order()
    wait_for(lambda: receiver.deliveries and market.ask(EVENTS)["nodes"] == [])


def test_a_delivery_may_come_twice_with_one_key(market: Client, receiver: Receiver) -> None:
    subscribe(market, receiver)
    market.sandbox.control("PUT", f"{ACCOUNT}/webhooks", {"duplicate": 1.0})
    market.order()
    wait_for(lambda: len(receiver.deliveries) == 2)
    first, second = receiver.deliveries
    assert (first.raw, first.headers["idempotency-key"]) == (second.raw, second.headers["idempotency-key"])


def test_deliveries_may_overtake_each_other_and_their_numbers_tell(market: Client, receiver: Receiver) -> None:
    subscribe(market, receiver, eventName="CREATE")
    market.sandbox.control("PUT", f"{ACCOUNT}/webhooks", {"reorder": 1.0, "delay": 3600.0})
    for _ in range(6):
        market.order()
    wait_for(lambda: len(market.sandbox.documents(ACCOUNT, "webhook_events")) == 6)
    market.advance(3601)
    wait_for(lambda: len(receiver.deliveries) == 6)
    numbers = [int(one.headers["marketplacer-sequence"]) for one in receiver.deliveries]
    assert numbers != sorted(numbers)
    assert len(set(numbers)) == 6


def test_twenty_five_tries_take_about_twenty_four_days_from_a_minute_to_four_days_apart() -> None:
    assert (RETRY_DELAYS[0], max(RETRY_DELAYS)) == (60.0, 4 * 86400.0)
    assert 24 < sum(RETRY_DELAYS[:25]) / 86400 < 25
