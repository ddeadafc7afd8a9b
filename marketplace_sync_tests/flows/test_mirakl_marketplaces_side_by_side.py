"""Mirakl marketplaces side by side in one store, of different currency and time zone, and one without any store."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

from marketplace_sync.connectors.ports import Statement
from marketplace_sync.domain import deadlines
from marketplace_sync.domain.orders import Order
from marketplace_sync.ledger import orders
from marketplace_sync_tests.flows.mirakl_town import BAZAAR, MARKT, bazaar_order, events_named, mirakl_town, writes
from marketplace_sync_tests.flows.town import KLAVIYO, SHOP

GERMAN: dict[str, Any] = {
    "currency": "EUR",
    "country": "DEU",
    "country_label": "Deutschland",
    "timezone": "Europe/Berlin",
    "api_key": "sandbox-markt-key",
}
KEY = {"env": "TOWN_MARKT_KEY", "default": "sandbox-markt-key"}
BERLIN: dict[str, Any] = {"api_key": KEY, "time_zone": "Europe/Berlin"}


def test_two_marketplaces_share_a_store_and_keep_their_currencies_and_buyers_apart(
    database_url: str, tmp_path: Path
) -> None:
    with mirakl_town(database_url, tmp_path, BAZAAR, MARKT, like={MARKT: GERMAN}, connections={MARKT: BERLIN}) as here:
        ada = {"customer_id": "C-1", "full_name": "Ada Byron"}
        pounds = here.place("MUG-RED", at=BAZAAR, buyer=ada)
        euros = here.place("MUG-RED", at=MARKT, buyer=ada)
        for _ in range(2):
            here.settle()
        (ours,), (theirs,) = here.shopify_orders(pounds, BAZAAR), here.shopify_orders(euros, MARKT)
        assert (ours["currency"], theirs["currency"]) == ("GBP", "EUR")
        assert "bazaar" in ours["tags"]
        assert "markt" in theirs["tags"]
        (in_pounds,) = events_named(here, "Placed Order", pounds)
        (in_euros,) = events_named(here, "Placed Order", euros)
        assert (in_pounds["currency"], in_euros["currency"]) == ("GBP", "EUR")
        names = sorted(profile["external_id"] for profile in here.sandbox.documents(KLAVIYO, "profiles"))
        assert names == [f"{BAZAAR}:buyer:C-1", f"{MARKT}:buyer:C-1"], "nobody knows that they are one person"
        here.ship(euros, at=MARKT)
        here.settle()
        assert bazaar_order(here, euros, MARKT)["state"] == "SHIPPED"
        assert bazaar_order(here, pounds)["state"] == "SHIPPING"
        assert writes(here, "OR24") == []
        assert here.work_items() == {}


def test_one_marketplace_that_is_shut_does_not_stop_the_other(database_url: str, tmp_path: Path) -> None:
    with mirakl_town(
        database_url,
        tmp_path,
        BAZAAR,
        MARKT,
        like={MARKT: {**GERMAN, "api_key": "renewed"}},
        connections={MARKT: BERLIN},
    ) as here:
        order_id = here.place(at=BAZAAR)
        report = here.sync()
        here.sync()
        assert any(problem.startswith(MARKT) for problem in report.problems)
        assert len(here.shopify_orders(order_id, BAZAAR)) == 1
        assert here.work_items() == {"CONNECTION_REFUSED": 1}


def test_a_dropship_shop_of_another_currency_sends_no_value_rather_than_a_wrong_one(
    database_url: str, tmp_path: Path
) -> None:
    like = {MARKT: {**GERMAN, "shop_model": "DROPSHIP"}}
    with mirakl_town(database_url, tmp_path, MARKT, like=like, connections={MARKT: BERLIN}) as here:
        order_id = here.place("MUG-RED", at=MARKT)
        for _ in range(2):
            here.settle()
        (placed,) = events_named(here, "Placed Order", order_id)
        assert placed["value"] is None
        assert placed["properties"]["value_basis"] == "unknown"


def test_days_are_those_of_the_marketplaces_own_time_zone(database_url: str, tmp_path: Path) -> None:
    with mirakl_town(database_url, tmp_path, MARKT, like={MARKT: GERMAN}, connections={MARKT: BERLIN}) as here:
        order_id = str(here.place(at=MARKT))
        here.sync()
        marketplace = here.context.marketplaces[MARKT]
        said = marketplace.fetch_order(order_id)
        assert said is not None
        promise = {"earliest": "2026-11-23T23:30:00Z", "latest": "2026-11-24T23:30:00Z"}
        payload = json.dumps({**json.loads(said.payload), "delivery_date": promise}).encode()
        (promised, *_) = marketplace.parse(Statement(kind="order", key=order_id, payload=payload))
        with here.project.ledger.begin() as connection:
            order = orders.load(connection, MARKT, [order_id])[order_id]
    assert isinstance(promised, Order)
    assert promised.lines[0].promised_on == date(2026, 11, 25), "half past midnight in Berlin"
    within = here.context.routes_of(MARKT)[0].settings.acknowledge_within
    assert order.acknowledge_by == deadlines.acknowledge_by(order.placed_at, within, "Europe/Berlin")


def test_without_a_store_klaviyo_hears_what_others_accept_and_ship(database_url: str, tmp_path: Path) -> None:
    with mirakl_town(database_url, tmp_path, routes={BAZAAR: {"store": None}}) as here:
        order_id = here.place("MUG-RED", quantity=2, at=BAZAAR)
        here.settle()
        assert bazaar_order(here, order_id)["state"] == "WAITING_ACCEPTANCE", "accepting is somebody else's"
        assert here.events(order_id) == {}
        here.sandbox.act(BAZAAR, "accept_in_portal", order_id=order_id)
        here.settle()
        assert here.events(order_id) == {"Placed Order": 1, "Ordered Product": 1}
        here.sandbox.act(BAZAAR, "ship_in_portal", order_id=order_id)
        here.settle()
        (fulfilled,) = events_named(here, "Fulfilled Order", order_id)
        assert fulfilled["properties"]["Partial"] is False
        (line,) = bazaar_order(here, order_id)["lines"]
        here.sandbox.act(BAZAAR, "refund_by_operator", line_id=line["id"], amount=500)
        here.settle()
        (refunded,) = events_named(here, "Refunded Order", order_id)
        assert refunded["value"] == 5.00
        assert here.shopify_orders() == []
        assert writes(here, "OR21") == []
        assert here.sandbox.documents(SHOP, "orders") == []
