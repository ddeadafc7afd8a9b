"""Marketplacer's own deliveries, from the instance over HTTP into the ledger, and from there to Klaviyo; nothing is
polled. A delivery is never refused with a 4xx, because that would switch the hook off (sheet, 6)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from marketplace_sync.connectors.marketplacer.webhooks import KINDS
from marketplace_sync.flows import subscribe
from marketplace_sync.flows.deliveries import process_inbox
from marketplace_sync.project import open_project
from marketplace_sync.sandbox.marketplacer.things import gid
from marketplace_sync_tests.flows.marketplacer_town import MARKET, act, marketplacer_town, named, place
from marketplace_sync_tests.flows.town import KLAVIYO, Town
from marketplace_sync_tests.receiver.running import receiving
from marketplace_sync_tests.sandbox.marketplacer.client import OPERATOR, wait_for
from marketplace_sync_tests.sandbox.shopify.receiver import Receiver

UPDATE = """mutation($id: ID!, $a: WebhookInput) {
  webhookUpdate(input: {webhookId: $id, attributes: $a}) { status errors { field messages } } }"""
KEY = "sandbox-marketplacer-hooks"


class Hooked:
    """A town whose instance delivers to a receiver of ours."""

    def __init__(self, here: Town, address: str) -> None:
        self.here = here
        self.address = address

    def inbox(self, state: str = "%") -> list[str]:
        """Ids of the deliveries that are kept."""
        with self.here.project.ledger.begin() as connection:
            rows = connection.execute(
                text("SELECT delivery_id FROM ledger.inbox WHERE connection = :name AND state LIKE :state ORDER BY 1"),
                {"name": MARKET, "state": state},
            )
            return [row[0] for row in rows]

    def delivered(self, count: int) -> None:
        """Once so many more deliveries are here, they are followed and Klaviyo is told."""
        wait_for(lambda: len(self.inbox()) >= count)
        wait_for(lambda: self.here.sandbox.documents(MARKET, "pending_events") == [])
        wait_for(lambda: {one["status"] for one in self.events()} <= {"processed", "skipped"})
        process_inbox(self.here.context, MARKET)
        self.here.deliver(KLAVIYO)

    def events(self) -> list[dict[str, Any]]:
        """The instance's record of what it delivered."""
        return self.here.sandbox.documents(MARKET, "webhook_events")

    def hooks(self) -> list[dict[str, Any]]:
        return self.here.sandbox.documents(MARKET, "webhooks")

    def sign_with(self, key: str) -> None:
        """Somebody at the operator's changes what the hooks sign with."""
        self._change({"hmacKey": key})

    def lead_to(self, address: str) -> None:
        self._change({"url": f"{address}/webhooks/{MARKET}"})

    def _change(self, attributes: dict[str, Any]) -> None:
        for hook in self.hooks():
            variables = {"id": gid("Webhook", hook["n"]), "a": attributes}
            sent = {"query": UPDATE, "variables": variables}
            url = f"{self.here.sandbox.base_url}/{MARKET}/graphql"
            answer = httpx.post(url, json=sent, headers={"marketplacer-api-key": OPERATOR}).json()
            assert answer["data"]["webhookUpdate"]["errors"] is None

    def post(self, body: bytes, **headers: str) -> httpx.Response:
        return httpx.post(f"{self.address}/webhooks/{MARKET}", content=body, headers=headers)


def signed(body: bytes, key: str = KEY) -> str:
    return base64.b64encode(hmac.new(key.encode(), body, hashlib.sha256).digest()).decode()


@contextmanager
def hooked_town(database_url: str, folder: Path, **more: Any) -> Iterator[Hooked]:
    with marketplacer_town(database_url, folder, store=None, **more) as here:
        own = open_project(here.project.configuration, database=here.project.database)
        with receiving(own) as address:
            assert subscribe.subscribe(here.context, MARKET, address) == ["INVOICE", "SHIPMENT", "REFUND_REQUEST"]
            yield Hooked(here, address)


@pytest.fixture
def hooked(database_url: str, tmp_path: Path) -> Iterator[Hooked]:
    with hooked_town(database_url, tmp_path) as found:
        yield found


def test_a_purchase_is_told_by_deliveries_alone_from_its_placing_to_its_refund(hooked: Hooked) -> None:
    here = hooked.here
    order = place(here, "MUG-RED", "LAMP-BRASS")
    hooked.delivered(2)
    assert here.events(order["id"]) == {"Placed Order": 1, "Ordered Product": 2}, "two invoices, one purchase"
    for invoice, number in zip(order["invoices"], ("A1", "B2"), strict=True):
        act(here, "ship", order_id=order["order_id"], invoice_id=invoice["invoice_id"], tracking_number=number)
    hooked.delivered(6)
    fulfilled = named(here, "Fulfilled Order", order)
    assert [one["properties"]["TrackingNumbers"] for one in fulfilled] == [["A1"], ["B2"]], "one event a parcel"
    assert [one["properties"]["Partial"] for one in fulfilled] == [True, False]
    asked = act(here, "request_return", order_id=order["order_id"], lines=[{"sku": "MUG-RED", "quantity": 1}])
    (number,) = asked["refund_request_ids"]
    hooked.delivered(7)
    assert here.events(order["id"])["Return Requested"] == 1
    act(here, "receive_return", refund_request_id=number)
    act(here, "refund", refund_request_id=number)
    hooked.delivered(9)
    assert here.events(order["id"])["Refunded Order"] == 1
    assert hooked.inbox("received") == []
    assert here.work_items() == {}


def test_the_same_delivery_again_is_answered_and_kept_once(hooked: Hooked) -> None:
    here = hooked.here
    here.sandbox.control("PUT", f"{MARKET}/webhooks", {"duplicate": 1.0, "reorder": 1.0})
    order = place(here, "MUG-RED", "LAMP-BRASS")
    hooked.delivered(2)
    assert len(hooked.inbox()) == 2, "each came twice"
    assert here.events(order["id"]) == {"Placed Order": 1, "Ordered Product": 2}
    body = json.dumps({"id": "x", "event_name": "update", "payload": {"data": {"node": None}}}).encode()
    for _ in range(2):
        answer = hooked.post(body, **{"Marketplacer-Hmac-256": signed(body), "Idempotency-Key": "aGVyZTox"})
        assert answer.status_code == 200
    assert len(hooked.inbox()) == 3
    hooked.delivered(3)
    assert hooked.inbox("received") == [], "what is gone concerns no order"


def test_a_forged_delivery_is_answered_200_kept_nowhere_and_shown_and_the_hooks_stay_on(hooked: Hooked) -> None:
    here = hooked.here
    body = json.dumps({"payload": {"data": {"node": {"__typename": "Invoice", "id": "x"}}}}).encode()
    forged = [{}, {"Marketplacer-Hmac-256": signed(body, "another")}, {"Marketplacer-Hmac-256": "not base64"}]
    assert [hooked.post(body, **headers).status_code for headers in forged] == [200] * 3
    assert (hooked.inbox(), here.work_items()) == ([], {"FORGED_WEBHOOK": 1})

    hooked.sign_with("a key that we do not know")
    order = place(here)
    wait_for(lambda: [one["status"] for one in hooked.events()] == ["processed"])
    assert (hooked.inbox(), here.events(order["id"])) == ([], {})
    assert all(hook["enabled"] for hook in hooked.hooks()), "a 4xx would have switched it off"

    assert subscribe.subscribe(here.context, MARKET, hooked.address) != [], "hands our key to the hooks again"
    act(here, "ship", order_id=order["order_id"])
    hooked.delivered(2)
    assert here.events(order["id"]) == {"Placed Order": 1, "Ordered Product": 1, "Fulfilled Order": 1}
    assert here.work_items() == {}


def test_a_genuine_delivery_that_says_nothing_is_kept_and_shown(hooked: Hooked) -> None:
    legacy = json.dumps({"id": "x", "event_name": "create", "payload": {"node": {"id": "y"}}}).encode()
    for body in (legacy, b"{", b"[1]"):
        headers = {"Marketplacer-Hmac-256": signed(body), "Idempotency-Key": hashlib.sha256(body).hexdigest()}
        assert hooked.post(body, **headers).status_code == 200
    process_inbox(hooked.here.context, MARKET)
    assert len(hooked.inbox("unreadable")) == 3
    assert hooked.here.work_items() == {"UNREADABLE_WEBHOOK": 3}


def test_while_the_receiver_is_away_the_instance_tries_again(database_url: str, tmp_path: Path) -> None:
    with marketplacer_town(database_url, tmp_path, store=None) as here:
        subscribe.subscribe(here.context, MARKET, "http://127.0.0.1:9")
        order = place(here)
        wait_for(lambda: [one["status"] for one in here.sandbox.documents(MARKET, "webhook_events")] == ["rejected"])
        own = open_project(here.project.configuration, database=here.project.database)
        with receiving(own) as address:
            hooked = Hooked(here, address)
            hooked.lead_to(address)
            here.sandbox.control("POST", "clock", {"advance_seconds": 90})
            hooked.delivered(1)
            assert here.events(order["id"]) == {"Placed Order": 1, "Ordered Product": 1}


def test_a_delivery_is_answered_though_the_instance_itself_cannot_be_asked(hooked: Hooked) -> None:
    here = hooked.here
    here.sandbox.control("PUT", f"{MARKET}/faults", [{"kind": "status", "status": 503}])
    assert httpx.post(f"{here.sandbox.base_url}/{MARKET}/graphql").status_code == 503
    place(here)
    wait_for(lambda: [one["status"] for one in hooked.events()] == ["processed"])
    assert len(hooked.inbox("received")) == 1


def test_what_is_answered_too_late_for_the_instance_is_kept_once_and_followed_once(hooked: Hooked) -> None:
    here = hooked.here
    with here.project.ledger.begin() as connection:
        connection.execute(text("LOCK TABLE ledger.inbox IN ACCESS EXCLUSIVE MODE"))
        order = place(here)
        wait_for(lambda: here.sandbox.control("GET", f"{MARKET}/webhooks"))
        here.sandbox.control("POST", "clock", {"advance_seconds": 30})
        wait_for(lambda: [one["status"] for one in hooked.events()] == ["rejected"])
    wait_for(lambda: len(hooked.inbox()) == 1)
    here.sandbox.control("POST", "clock", {"advance_seconds": 61})
    hooked.delivered(1)
    assert [one["status"] for one in hooked.events()] == ["processed"]
    assert len(hooked.inbox()) == 1, "the instance's second try is the same delivery"
    assert here.events(order["id"]) == {"Placed Order": 1, "Ordered Product": 1}
    assert here.work_items() == {}


def test_the_delivery_of_a_first_invoice_waits_for_the_others_of_its_order(database_url: str, tmp_path: Path) -> None:
    with hooked_town(database_url, tmp_path, like={"invoices_follow_seconds": 4}) as hooked:
        here = hooked.here
        order = place(here, "MUG-RED", "LAMP-BRASS")
        assert len(order["invoices"]) == 1
        wait_for(lambda: hooked.inbox("received"))
        assert process_inbox(here.context, MARKET) == 0
        here.deliver(KLAVIYO)
        assert here.events() == {}
        hooked.delivered(2)
        (placed,) = named(here, "Placed Order", order)
        assert sorted(placed["properties"]["SKUs"]) == ["LAMP-BRASS", "MUG-RED"]
        wait_for(lambda: process_inbox(here.context, MARKET) == 1 and hooked.inbox("received") == [])
        here.deliver(KLAVIYO)
        assert here.events(order["id"]) == {"Placed Order": 1, "Ordered Product": 2}
        assert here.work_items() == {}


@pytest.mark.parametrize("switched_on_by", ["us", "a person"])
def test_a_hook_that_the_instance_switched_off_is_shown_and_its_lists_are_read_at_once(
    database_url: str, tmp_path: Path, switched_on_by: str
) -> None:
    settings: dict[str, Any] = {"re_enable_webhooks": switched_on_by == "us"}
    with marketplacer_town(database_url, tmp_path, store=None, **settings) as here, Receiver() as proxy:
        address = proxy.url.removesuffix("/hooks")
        assert subscribe.watch(here.context, MARKET, address) == subscribe.Subscribed(list(KINDS), [])
        proxy.status = 404
        order = place(here)
        wait_for(lambda: [hook["type"] for hook in switched_off(here)] == ["INVOICE"])

        found = subscribe.watch(here.context, MARKET, address)
        assert (found.off, found.read) == (["INVOICE"], 2), "in the lists of orders and of invoices"
        here.deliver(KLAVIYO)
        assert here.events(order["id"]) == {"Placed Order": 1, "Ordered Product": 1}
        assert here.work_items() == {"WEBHOOKS_SWITCHED_OFF": 1}

        proxy.status = 200
        if switched_on_by == "us":
            assert switched_off(here) == []
        else:
            again = subscribe.watch(here.context, MARKET, address)
            assert (again.topics, again.off, again.read) == (["SHIPMENT", "REFUND_REQUEST"], ["INVOICE"], None)
            act(here, "switch_webhooks", enabled=True)
        before = len(proxy.deliveries)
        place(here)
        wait_for(lambda: len(proxy.deliveries) > before)
        assert subscribe.watch(here.context, MARKET, address) == subscribe.Subscribed(list(KINDS), [])
        assert here.work_items() == {}


def switched_off(here: Town) -> list[dict[str, Any]]:
    return [hook for hook in here.sandbox.documents(MARKET, "webhooks") if not hook["enabled"]]
