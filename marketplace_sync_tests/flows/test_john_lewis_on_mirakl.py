"""John Lewis on its Mirakl rail: a dropship shop whose prices are cost and whose list of carriers is the contract. One
order's whole life, with Klaviyo and without, beside an account on the Edge."""

from __future__ import annotations

from pathlib import Path

import pytest

from marketplace_sync_tests.flows.mirakl_town import bazaar_order, events_named, mirakl_town, writes
from marketplace_sync_tests.flows.town import SHOP, Town

FASHION = "john_lewis_fashion"
DROPSHIP = {"shop_model": "DROPSHIP", "multi_shipment": True, "registered_carriers_only": False}
RAIL = {
    "platform": "john_lewis",
    "dialect": "mirakl",
    # a simulated life is read more often than a minute allows
    "orders_requests_per_minute": 10_000,
    "returns_requests_per_minute": 10_000,
    "lookups_per_minute": 10_000,
}


def live(here: Town) -> None:
    for _ in range(2):
        here.settle()


@pytest.mark.parametrize("with_klaviyo", [True, False], ids=["with Klaviyo", "without"])
def test_an_order_lives_its_whole_life_on_the_mirakl_rail(
    database_url: str, tmp_path: Path, with_klaviyo: bool
) -> None:
    route = {} if with_klaviyo else {"marketing": None}
    with mirakl_town(
        database_url,
        tmp_path,
        FASHION,
        like={FASHION: DROPSHIP},
        connections={FASHION: RAIL},
        routes={FASHION: {**route, "carriers": {"Royal Mail": "royal-mail", "Pigeon Post": "pigeon"}}},
    ) as here:
        order_id = str(here.place("MUG-RED", "BOWL-BLUE", quantity=4, at=FASHION))
        live(here)
        (stored,) = here.shopify_orders(order_id, FASHION)
        commercial_id = bazaar_order(here, order_id, FASHION)["commercial_id"]
        assert stored["poNumber"] == commercial_id, "the Customer Order Number"
        assert len(writes(here, "OR21", FASHION)) == 1

        here.sandbox.act(SHOP, "remove_unit", order_id=stored["id"], sku="BOWL-BLUE", quantity=1)
        live(here)
        here.ship(order_id, lines=[{"sku": "MUG-RED", "quantity": 1}], tracking_numbers=["A1"], at=FASHION)
        live(here)
        assert bazaar_order(here, order_id, FASHION)["state"] == "SHIPPING"
        here.ship(order_id, tracking_numbers=["B2"], at=FASHION)
        live(here)
        assert bazaar_order(here, order_id, FASHION)["state"] == "SHIPPED"
        assert len(writes(here, "ST01", FASHION)) == 2
        assert len(writes(here, "OR30", FASHION)) == 1

        mug = next(line for line in bazaar_order(here, order_id, FASHION)["lines"] if line["sku"] == "MUG-RED")
        here.sandbox.act(FASHION, "receive", order_id=order_id)
        lines = [{"line_id": mug["id"], "quantity": 1}]
        here.sandbox.act(FASHION, "request_return", order_id=order_id, lines=lines)
        live(here)
        assert len(writes(here, "RT21", FASHION)) == 1
        cost = mug["price"] // 4
        here.sandbox.act(FASHION, "refund_by_operator", line_id=mug["id"], amount=cost, quantity=1)
        here.sandbox.act(FASHION, "refund_by_operator", line_id=mug["id"], amount=50)
        live(here)
        (kept,) = here.shopify_orders(order_id, FASHION)
        assert len(kept["refunds"]) == 3, "a unit taken off, a unit that came back, and money alone"

        cancelled = str(here.place("MUG-BLUE", at=FASHION))
        live(here)
        here.sandbox.act(FASHION, "buyer_cancel", order_id=cancelled)
        live(here)
        assert here.shopify_orders(cancelled, FASHION)[0]["cancelledAt"] is not None

        assert here.work_items() == {}
        if with_klaviyo:
            (placed,) = events_named(here, "Placed Order", order_id)
            assert placed["properties"]["value_basis"] == "store_price", "what the shop states is cost"
            told = here.events(order_id)
            assert {name: told[name] for name in ("Fulfilled Order", "Cancelled Order", "Return Requested")} == {
                "Fulfilled Order": 2,
                "Cancelled Order": 1,
                "Return Requested": 1,
            }
            assert told["Refunded Order"] == 2
            assert here.events(cancelled)["Cancelled Order"] == 1
        else:
            assert here.event_list() == []


def test_a_carrier_that_john_lewis_has_not_approved_is_shown_to_a_person_whatever_the_platform_would_take(
    database_url: str, tmp_path: Path
) -> None:
    with mirakl_town(
        database_url,
        tmp_path,
        FASHION,
        like={FASHION: DROPSHIP},
        connections={FASHION: RAIL},
        routes={FASHION: {"carriers": {"Pigeon Post": "pigeon"}}},
    ) as here:
        order_id = str(here.place(at=FASHION))
        live(here)
        here.ship(order_id, company="Pigeon Post", at=FASHION)
        live(here)
        assert bazaar_order(here, order_id, FASHION)["state"] == "SHIPPING"
        assert writes(here, "ST01", FASHION) == []
        assert here.work_items() == {"EFFECT_REFUSED": 1}
