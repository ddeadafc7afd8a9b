"""One purchase at a Marketplacer instance from its placing to its refund, through either store and without one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from marketplace_sync_tests.flows.marketplacer_town import MARKET, act, live, marketplacer_town, named, of_order, place
from marketplace_sync_tests.flows.stores import MagentoSide, ShopifySide
from marketplace_sync_tests.flows.town import Town


@pytest.fixture
def alone(database_url: str, tmp_path: Path) -> Iterator[Town]:
    with marketplacer_town(database_url, tmp_path, store=None) as found:
        yield found


@pytest.fixture(
    params=[(ShopifySide, True), (ShopifySide, False), (MagentoSide, True), (MagentoSide, False)],
    ids=["Shopify", "Shopify without Klaviyo", "Magento", "Magento without Klaviyo"],
)
def shop(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Iterator[Town]:
    side, with_klaviyo = request.param
    with marketplacer_town(database_url, tmp_path, store=side(), with_klaviyo=with_klaviyo) as found:
        yield found


def told(here: Town, order_id: Any, **expected: int) -> bool:
    """Whether Klaviyo heard exactly so often of these, and of nothing when the route tells it nothing."""
    if next(route for route in here.context.routes if route.marketplace == MARKET).marketing is None:
        return here.event_list() == []
    heard = here.events(order_id)
    return {name: heard[name.replace("_", " ")] for name in expected} == expected


def test_without_a_store_klaviyo_hears_of_the_whole_life_once(alone: Town) -> None:
    here = alone
    order = place(here, "MUG-RED", "LAMP-BRASS", quantity=2)
    assert len(order["invoices"]) == 2
    live(here)
    assert here.events(order["id"]) == {"Placed Order": 1, "Ordered Product": 2}, "one purchase, two invoices"
    (placed,) = named(here, "Placed Order", order)
    assert placed["properties"]["Brands"]
    assert placed["properties"]["Categories"]
    assert any(one.startswith("Seller: ") for one in placed["properties"]["Attributes"])
    mug = [{"sku": "MUG-RED", "quantity": 1}]
    act(here, "ship", order_id=order["order_id"], lines=mug)
    live(here)
    (fulfilled,) = named(here, "Fulfilled Order", order)
    assert fulfilled["properties"]["Partial"] is True
    assert fulfilled["properties"]["TrackingNumbers"]
    act(here, "buyer_cancel", order_id=order["order_id"], lines=mug)
    live(here)
    (cancelled,) = named(here, "Cancelled Order", order)
    assert cancelled["properties"]["InitiatedBy"] == "customer"
    assert named(here, "Refunded Order", order) == [], "what never left is cancelled, not refunded"
    act(here, "ship", order_id=order["order_id"])
    live(here)
    assert len(named(here, "Fulfilled Order", order)) == 2
    asked = act(here, "request_return", order_id=order["order_id"], lines=[{"sku": "LAMP-BRASS", "quantity": 1}])
    live(here)
    assert here.events(order["id"])["Return Requested"] == 1
    act(here, "receive_return", refund_request_id=asked["refund_request_ids"][0])
    act(here, "refund", refund_request_id=asked["refund_request_ids"][0])
    act(here, "amend", order_id=order["order_id"], amount_cents=300)
    live(here)
    assert here.events(order["id"])["Returned Order"] == 1
    assert len(named(here, "Refunded Order", order)) == 2, "one by request, one by amendment"
    before = here.event_list()
    for _ in range(2):
        here.sync()
    assert here.event_list() == before
    assert here.work_items() == {}


def test_an_order_goes_to_the_shop_and_its_parcels_come_back(shop: Town) -> None:
    here = shop
    order = place(here, "MUG-RED", "LAMP-BRASS", quantity=2)
    live(here)
    assert here.stored(order["id"], MARKET).units == {"MUG-RED": 2, "LAMP-BRASS": 2}
    here.ship(order["id"], at=MARKET, lines=[{"sku": "MUG-RED", "quantity": 1}], tracking_numbers=["A1"])
    live(here)
    here.ship(order["id"], at=MARKET, company="DPD UK", tracking_numbers=["B2"])
    live(here)
    parcels = of_order(here, "shipments", order)
    assert sorted(parcel["trackingNumber"] for parcel in parcels) == ["A1", "B2", "B2"], (
        "the second holds goods of two sellers"
    )
    assert told(here, order["id"], Placed_Order=1, Ordered_Product=2, Fulfilled_Order=2, Cancelled_Order=0)
    asked = act(here, "request_return", order_id=order["order_id"], lines=[{"sku": "LAMP-BRASS", "quantity": 1}])
    act(here, "receive_return", refund_request_id=asked["refund_request_ids"][0])
    act(here, "refund", refund_request_id=asked["refund_request_ids"][0])
    live(here)
    assert here.stored(order["id"], MARKET).credited == {"LAMP-BRASS": 1}
    here.refund_in_store(order["id"], "MUG-RED", 1, at=MARKET)
    live(here)
    assert told(here, order["id"], Returned_Order=2, Refunded_Order=2)
    assert here.stored(order["id"], MARKET).credits == 2, "what the shop gave back is not recorded there once more"
    assert here.work_items() == {}


def test_cancelled_by_the_buyer_and_by_the_seller(shop: Town) -> None:
    here = shop
    buyers, sellers, part = (place(here, "MUG-RED", "LAMP-BRASS") for _ in range(3))
    live(here)
    act(here, "buyer_cancel", order_id=buyers["order_id"])
    here.cancel_in_store(sellers["id"], at=MARKET)
    here.take_off(part["id"], "MUG-RED", at=MARKET)
    live(here)
    assert here.stored(buyers["id"], MARKET).cancelled
    for order, units in ((buyers, 2), (sellers, 2), (part, 1)):
        assert told(here, order["id"], Cancelled_Order=1, Refunded_Order=0), here.events(order["id"])
        requests = of_order(here, "refund_requests", order)
        assert [(one["status"], len(one["lineItems"])) for one in requests] == [("REFUNDED", 1)] * units
    assert here.work_items() == {}


def test_the_operators_own_klaviyo_makes_ours_silent_with_the_reason_shown(database_url: str, tmp_path: Path) -> None:
    like = {"klaviyo_status": "CONNECTED", "klaviyo_tracks": True}
    with marketplacer_town(database_url, tmp_path, store=None, like=like) as here:
        order = place(here)
        live(here)
        assert here.events(order["id"]) == {}
        assert here.work_items() == {"TOLD_BY_MARKETPLACE": 1}
