"""What an instance of Marketplacer does beside an order's usual life: invoices that follow, money given back in part,
a marketing list, an operator with a Klaviyo integration of its own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from marketplace_sync.domain.orders import Order
from marketplace_sync.flows import observe_store
from marketplace_sync.ledger import orders, watermarks
from marketplace_sync_tests.flows.marketplacer_town import MARKET, act, live, marketplacer_town, named, place
from marketplace_sync_tests.flows.stores import MagentoSide, ShopifySide
from marketplace_sync_tests.flows.town import KLAVIYO, Town
from marketplace_sync_tests.sandbox.marketplacer.client import wait_for

PROMPT: dict[str, Any] = {"requests_per_second": 75}


def test_what_no_list_told_of_is_found_by_the_nightly_reading_which_a_pass_does_once_a_day(
    database_url: str, tmp_path: Path
) -> None:
    with marketplacer_town(database_url, tmp_path, store=ShopifySide(), **PROMPT) as here:
        live(here)
        order = place(here)
        with here.project.ledger.begin() as connection:
            for feed in ("orders", "invoices", "refunds", "amendments"):
                later = datetime.now(UTC) + timedelta(hours=1)
                watermarks.advance(connection, MARKET, feed, later.isoformat(), read=0, changed=0)
        live(here)
        assert named(here, "Placed Order", order) == [], "it came too late for every list, and the sweep is of today"
        with here.project.ledger.begin() as connection:
            connection.execute(text("UPDATE ledger.watermarks SET whole_from = whole_from - interval '23 h 30 min'"))
            watermarks.advance(connection, MARKET, "sweep", None, read=1, changed=0)  # it began again, and broke off
        live(here)
        assert here.stored(order["id"], MARKET).units == {"MUG-RED": 1}
        assert len(named(here, "Placed Order", order)) == 1
        assert here.work_items() == {}


def held(here: Town, order: Any) -> Order:
    with here.project.ledger.begin() as connection:
        return orders.load(connection, MARKET, [order["id"]])[order["id"]]


def test_a_purchase_whose_invoices_follow_one_another_is_told_of_and_injected_once_and_whole(
    database_url: str, tmp_path: Path
) -> None:
    side = ShopifySide()
    with marketplacer_town(database_url, tmp_path, store=side, like={"invoices_follow_seconds": 3}, **PROMPT) as here:
        order = place(here, "MUG-RED", "LAMP-BRASS")
        assert len(order["invoices"]) == 1, "the other is still to come"
        here.sync()
        assert len(held(here, order).lines) == 2
        live(here)
        assert here.stored(order["id"], MARKET).units == {"MUG-RED": 1, "LAMP-BRASS": 1}
        assert here.events(order["id"]) == {"Placed Order": 1, "Ordered Product": 2}
        (placed,) = named(here, "Placed Order", order)
        assert sorted(placed["properties"]["SKUs"]) == ["LAMP-BRASS", "MUG-RED"]
        assert here.work_items() == {}


def test_an_order_that_never_adds_up_is_waited_for_no_longer_than_the_settings_say(
    database_url: str, tmp_path: Path
) -> None:
    like, waits = {"invoices_follow_seconds": 3600}, {"wait_for_invoices": "2s", "whole_within": "3s", **PROMPT}
    with marketplacer_town(database_url, tmp_path, store=None, like=like, **waits) as here:
        order = place(here, "MUG-RED", "LAMP-BRASS")
        live(here)
        assert [line.sku for line in held(here, order).lines] == ["MUG-RED"]
        assert here.events(order["id"]) == {"Placed Order": 1, "Ordered Product": 1}


def an_hour_later(here: Town, order: Any) -> None:
    """The invoices that were held back are there."""
    here.sandbox.control("POST", "clock", {"advance_seconds": 3601})
    wait_for(lambda: len(act(here, "get_order", order_id=order["order_id"])["invoices"]) == 2)


SLOW: dict[str, Any] = {"like": {"invoices_follow_seconds": 3600}, "wait_for_invoices": "0s", **PROMPT}
"""An instance whose further invoices take an hour, and an installation that takes orders as they are."""


def test_klaviyo_hears_of_a_purchase_when_its_last_invoice_is_there_and_of_all_of_it(
    database_url: str, tmp_path: Path
) -> None:
    side = ShopifySide()
    with marketplacer_town(database_url, tmp_path, store=side, **SLOW) as here:
        order = place(here, "MUG-RED", "LAMP-BRASS")
        observe_store.refresh_catalogue(here.context, side.name)
        here.sync()
        assert here.stored(order["id"], MARKET).units == {"MUG-RED": 1}, "the store waits for nothing"
        assert here.events() == {}
        assert timedelta() < waits_until(here, order) - held(here, order).placed_at <= timedelta(minutes=5)

        an_hour_later(here, order)
        live(here)
        assert here.events(order["id"]) == {"Placed Order": 1, "Ordered Product": 2}
        (placed,) = named(here, "Placed Order", order)
        assert (sorted(placed["properties"]["SKUs"]), placed["value"]) == (
            ["LAMP-BRASS", "MUG-RED"], order["total_cents"] / 100,
        )  # fmt: skip


def test_an_order_of_which_nothing_more_was_to_come_after_all_is_told_at_once(
    database_url: str, tmp_path: Path
) -> None:
    with marketplacer_town(database_url, tmp_path, store=None, **SLOW) as here:
        order = place(here, "MUG-RED", "LAMP-BRASS")
        here.sync()
        assert here.events() == {}
        (line,) = held(here, order).lines
        act(here, "edit_order", order_id=order["order_id"], changes={"totalCents": line.total})
        live(here)
        (placed,) = named(here, "Placed Order", order)
        assert (placed["properties"]["SKUs"], round(placed["value"] * 100)) == (["MUG-RED"], line.total)


def waits_until(here: Town, order: Any) -> datetime:
    with here.project.ledger.begin() as connection:
        found = connection.execute(
            text("SELECT not_before FROM ledger.effects WHERE natural_key LIKE 'Placed Order:%' AND order_id = :id"),
            {"id": order["id"]},
        ).scalar_one()
    assert isinstance(found, datetime)
    return found


@pytest.mark.parametrize("side", [None, ShopifySide(), MagentoSide()], ids=["alone", "shopify", "magento"])
def test_an_invoice_that_comes_too_late_is_neither_lost_nor_doubled(
    database_url: str, tmp_path: Path, side: ShopifySide | MagentoSide | None
) -> None:
    with marketplacer_town(database_url, tmp_path, store=side, whole_within="0s", **SLOW) as here:
        order = place(here, "MUG-RED", "LAMP-BRASS")
        live(here)
        assert here.events(order["id"]) == {"Placed Order": 1, "Ordered Product": 1}
        assert here.work_items() == {"ORDER_INCOMPLETE": 1}
        (placed,) = named(here, "Placed Order", order)
        whole = order["total_cents"] / 100
        assert (placed["properties"]["SKUs"], placed["value"]) == (["MUG-RED"], whole), "all that was bought, in money"

        an_hour_later(here, order)
        live(here)
        assert here.events(order["id"]) == {"Placed Order": 1, "Ordered Product": 2}
        assert {one["properties"]["SKU"] for one in named(here, "Ordered Product", order)} == {"MUG-RED", "LAMP-BRASS"}
        expected = {} if side is None else {"LINE_NOT_IN_STORE": 1}
        assert here.work_items() == expected
        if side is not None:
            assert here.stored(order["id"], MARKET).units == {"MUG-RED": 1}, "one order, as it was put there"
            here.ship(order["id"], at=MARKET)
            live(here)
            assert here.work_items() == expected
            act(here, "ship", order_id=order["order_id"], lines=[{"sku": "LAMP-BRASS"}], tracking_number="B2")
        else:
            act(here, "ship", order_id=order["order_id"], lines=[{"sku": "MUG-RED"}], tracking_number="A1")
            live(here)
            act(here, "ship", order_id=order["order_id"], lines=[{"sku": "LAMP-BRASS"}], tracking_number="B2")
        live(here)
        told = named(here, "Fulfilled Order", order)
        assert [one["properties"]["SKUs"] for one in told] == [["MUG-RED"], ["LAMP-BRASS"]]
        assert told[1]["properties"]["TrackingNumbers"] == ["B2"]
        assert here.work_items() == {}
        before = here.event_list()
        live(here)
        assert here.event_list() == before


def test_a_late_line_that_staff_add_to_the_order_in_the_store_goes_its_way_like_the_others(
    database_url: str, tmp_path: Path
) -> None:
    side = ShopifySide()
    with marketplacer_town(database_url, tmp_path, store=side, whole_within="0s", **SLOW) as here:
        order = place(here, "MUG-RED", "LAMP-BRASS")
        live(here)
        an_hour_later(here, order)
        live(here)
        assert here.work_items() == {"LINE_NOT_IN_STORE": 1}
        there = here.stored(order["id"], MARKET).order_id
        here.sandbox.act(side.name, "add_line", order_id=there, sku="LAMP-BRASS")
        live(here)
        assert here.work_items() == {}
        here.ship(order["id"], at=MARKET)
        live(here)
        shipped = {one["variantSku"]: one["sent"] for one in here.sandbox.documents(MARKET, "line_items")}
        assert shipped == {"MUG-RED": 1, "LAMP-BRASS": 1}
        (told,) = named(here, "Fulfilled Order", order)
        assert (sorted(told["properties"]["SKUs"]), told["properties"]["Partial"]) == (["LAMP-BRASS", "MUG-RED"], False)
        assert here.work_items() == {}


def test_an_invoice_that_comes_before_the_store_and_klaviyo_are_told_makes_both_whole(
    database_url: str, tmp_path: Path
) -> None:
    side = ShopifySide()
    with marketplacer_town(database_url, tmp_path, store=side, **SLOW) as here:
        order = place(here, "MUG-RED", "LAMP-BRASS")
        observe_store.refresh_catalogue(here.context, side.name)
        here.read_marketplace(at=MARKET)
        an_hour_later(here, order)
        live(here)
        assert here.stored(order["id"], MARKET).units == {"MUG-RED": 1, "LAMP-BRASS": 1}
        (placed,) = named(here, "Placed Order", order)
        assert sorted(placed["properties"]["SKUs"]) == ["LAMP-BRASS", "MUG-RED"]
        assert placed["value"] == order["total_cents"] / 100
        assert here.events(order["id"]) == {"Placed Order": 1, "Ordered Product": 2}
        assert here.work_items() == {}


def test_klaviyo_counts_what_the_buyer_paid_with_delivery_and_takes_all_of_it_back(
    database_url: str, tmp_path: Path
) -> None:
    with marketplacer_town(database_url, tmp_path, store=None, **PROMPT) as here:
        line = {"sku": "MUG-RED", "quantity": 3, "unit": 333, "discount": -1, "postage": 501}
        kept = act(here, "place_order", lines=[line])
        cancelled = act(here, "place_order", lines=[line])
        never_seen_whole = act(here, "place_order", lines=[line])
        act(here, "buyer_cancel", order_id=never_seen_whole["order_id"], lines=[{"sku": "MUG-RED", "quantity": 1}])
        live(here)
        for order in (kept, cancelled, never_seen_whole):
            (placed,) = named(here, "Placed Order", order)
            assert round(placed["value"] * 100) == order["total_cents"] == 3 * 333 - 1 + 501
        act(here, "buyer_cancel", order_id=cancelled["order_id"])
        live(here)
        (gone,) = named(here, "Cancelled Order", cancelled)
        assert (round(gone["value"] * 100), gone["properties"]["Partial"]) == (cancelled["total_cents"], False)
        (part,) = named(here, "Cancelled Order", never_seen_whole)
        assert (round(part["value"] * 100), part["properties"]["Partial"]) == (333, True)
        act(here, "buyer_cancel", order_id=never_seen_whole["order_id"])
        live(here)
        taken_back = sum(event["value"] for event in named(here, "Cancelled Order", never_seen_whole))
        assert round(taken_back * 100) == never_seen_whole["total_cents"]


def test_what_had_happened_to_an_old_order_when_it_was_first_seen_is_history_too(
    database_url: str, tmp_path: Path
) -> None:
    with marketplacer_town(database_url, tmp_path, store=None, **PROMPT) as here:
        long_ago = (datetime.now(UTC) - timedelta(days=40)).strftime("%Y-%m-%dT%H:%M:%SZ")
        order = place(here, "MUG-RED", "LAMP-BRASS", ordered_at=long_ago)
        act(here, "buyer_cancel", order_id=order["order_id"], lines=[{"sku": "MUG-RED"}])
        live(here)
        assert here.events(order["id"]) == {"Placed Order": 1, "Ordered Product": 2, "Cancelled Order": 1}
        assert all(event["backfill"] for event in here.event_list(order["id"]))
        assert here.sandbox.documents(KLAVIYO, "flow_messages") == []
        act(here, "ship", order_id=order["order_id"])
        live(here)
        (told,) = named(here, "Fulfilled Order", order)
        assert not told["backfill"], "that happened just now, and its buyer waits"


def test_money_given_back_in_part_is_told_in_part_and_what_the_seller_alone_pays_is_not(
    database_url: str, tmp_path: Path
) -> None:
    with marketplacer_town(database_url, tmp_path, store=MagentoSide(), **PROMPT) as here:
        order = place(here, "MUG-RED", quantity=3)
        live(here)
        here.ship(order["id"], at=MARKET)
        live(here)
        amounts = []
        for cash in (300, None):
            asked = act(here, "request_return", order_id=order["order_id"], lines=[{"sku": "MUG-RED", "quantity": 1}])
            (number,) = asked["refund_request_ids"]
            act(here, "receive_return", refund_request_id=number)
            amounts.append(act(here, "refund", refund_request_id=number, cash_cents=cash)["cash_cents"])
            live(here)
        act(here, "claw_back", invoice_id=order["invoices"][0]["invoice_id"], amount_cents=200)
        live(here)
        told = named(here, "Refunded Order", order)
        assert [round(event["value"] * 100) for event in told] == amounts
        assert amounts[0] == 300 < amounts[1]
        assert [event["properties"]["Partial"] for event in told] == [True, True]
        stored = here.stored(order["id"], MARKET)
        assert (stored.credits, stored.credited) == (2, {"MUG-RED": 2})
        assert here.work_items() == {}


def test_consent_is_the_orders_word_then_an_opt_in_given_with_it_then_an_older_one(
    database_url: str, tmp_path: Path
) -> None:
    with marketplacer_town(database_url, tmp_path, store=None, **PROMPT) as here:
        long_ago = "2025-01-05T10:00:00Z"
        for name in ("ann", "bob", "cleo"):
            act(here, "subscribe", email=f"{name}@example.com", source="account", subscribed_at=long_ago)
        refuses = place(here, email="ann@example.com", metadata={"accepts_marketing": "false"})
        older = place(here, email="Bob@example.com")
        given = place(here, email="dora@example.com", subscribe=True)
        nothing = place(here, email="emil@example.com")
        live(here)
        said = {name: held(here, order).consent for name, order in
                {"refuses": refuses, "older": older, "given": given, "nothing": nothing}.items()}  # fmt: skip
        assert said["nothing"] is None
        assert {name: (one.given, one.source) for name, one in said.items() if one is not None} == {
            "refuses": (False, "order metadata accepts_marketing"),
            "older": (True, "older opt-in: account"),
            "given": (True, "opt-in: checkout"),
        }
        assert said["older"] is not None
        assert said["older"].stated_at.isoformat() == "2025-01-05T10:00:00+00:00"


@pytest.mark.parametrize("older", ["0s", "30d"])
def test_how_old_an_opt_in_may_be_is_a_setting(database_url: str, tmp_path: Path, older: str) -> None:
    with marketplacer_town(database_url, tmp_path, store=None, older_opt_ins=older, **PROMPT) as here:
        act(here, "subscribe", email="bob@example.com", subscribed_at="2025-01-05T10:00:00Z")
        order = place(here, email="bob@example.com")
        live(here)
        assert held(here, order).consent is None


TELLS = {"klaviyo_status": "CONNECTED", "klaviyo_tracks": True}


def finding(here: Town) -> tuple[bool, str]:
    (said,) = [one for one in here.context.marketplaces[MARKET].check() if one.subject == "klaviyo"]
    return said.works, said.detail


def test_beside_the_operators_own_klaviyo_only_what_it_lacks_is_told(database_url: str, tmp_path: Path) -> None:
    with marketplacer_town(database_url, tmp_path, store=None, like=TELLS, native_klaviyo="coexist", **PROMPT) as here:
        order, cancelled = place(here, "MUG-RED", "LAMP-BRASS"), place(here)
        live(here)
        assert here.events() == {}, "Placed Order and Ordered Product are the operator's"
        assert len(here.sandbox.documents(KLAVIYO, "profiles")) == 2
        act(here, "buyer_cancel", order_id=cancelled["order_id"])
        act(here, "ship", order_id=order["order_id"])
        live(here)
        asked = act(here, "request_return", order_id=order["order_id"], lines=[{"sku": "MUG-RED", "quantity": 1}])
        act(here, "receive_return", refund_request_id=asked["refund_request_ids"][0])
        act(here, "refund", refund_request_id=asked["refund_request_ids"][0])
        live(here)
        heard = here.events(order["id"])
        assert (heard["Placed Order"], heard["Ordered Product"]) == (0, 0)
        assert heard["Fulfilled Order"] == 2, "one for each seller's shipment"
        assert (heard["Returned Order"], heard["Refunded Order"]) == (1, 1)
        assert here.events(cancelled["id"]) == {"Cancelled Order": 1}
        works, detail = finding(here)
        assert works
        assert "Klaviyo gets the rest" in detail
        assert here.work_items() == {}


def test_refused_to_count_twice_nothing_is_told_and_the_store_gets_its_order(database_url: str, tmp_path: Path) -> None:
    with marketplacer_town(database_url, tmp_path, store=ShopifySide(), like=TELLS, **PROMPT) as here:
        order = place(here)
        live(here)
        here.ship(order["id"], at=MARKET)
        live(here)
        assert here.event_list() == []
        assert here.sandbox.documents(KLAVIYO, "profiles") == []
        works, detail = finding(here)
        assert not works
        assert "every order would count twice" in detail
        assert here.work_items() == {"TOLD_BY_MARKETPLACE": 1}
