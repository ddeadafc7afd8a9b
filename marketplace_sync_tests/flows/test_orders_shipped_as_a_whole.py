"""An order in several parcels, at a marketplace that ships orders only as a whole: it ships with what completes it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from marketplace_sync.flows import drift
from marketplace_sync_tests.flows.mirakl_town import BAZAAR, bazaar_order, mirakl_town, writes
from marketplace_sync_tests.flows.town import SHOP, Town

ONE = [{"sku": "MUG-RED", "quantity": 1}]


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> Iterator[Town]:
    with mirakl_town(database_url, tmp_path) as found:
        yield found


def order_of_which_one_unit_left(here: Town) -> str:
    order_id = str(here.place("MUG-RED", quantity=2, at=BAZAAR))
    here.settle()
    here.settle()
    here.ship(order_id, at=BAZAAR, lines=ONE, tracking_numbers=["FIRST"])
    here.settle()
    assert bazaar_order(here, order_id)["state"] == "SHIPPING"
    assert here.events(order_id)["Fulfilled Order"] == 1, "the buyer is told of each parcel"
    nothing_asks_for_anybody(here)
    return order_id


def nothing_asks_for_anybody(here: Town) -> None:
    assert here.work_items() == {}
    later = replace(here.context, now=lambda: here.project.ledger.now() + timedelta(minutes=5))
    (route,) = [route for route in here.context.routes if route.marketplace == BAZAAR]
    assert drift.dispatches_at_marketplace(later, route).agrees


def test_the_last_parcel_ships_the_order(here: Town) -> None:
    order_id = order_of_which_one_unit_left(here)
    here.ship(order_id, at=BAZAAR, lines=ONE, tracking_numbers=["SECOND"])
    here.settle()
    here.settle()
    assert bazaar_order(here, order_id)["state"] == "SHIPPED"
    assert [one["tracking_number"] for one in writes(here, "OR23")] == ["SECOND"]
    assert len(writes(here, "OR24")) == 1
    nothing_asks_for_anybody(here)


def test_what_left_ships_the_order_when_the_rest_is_cancelled(here: Town) -> None:
    order_id = order_of_which_one_unit_left(here)
    here.take_off(order_id, "MUG-RED", at=BAZAAR)
    here.settle()
    here.settle()
    assert bazaar_order(here, order_id)["state"] == "SHIPPED"
    assert len(writes(here, "OR24")) == 1
    nothing_asks_for_anybody(here)


def test_a_parcel_taken_back_ships_nothing(here: Town) -> None:
    order_id = str(here.place("MUG-RED", quantity=2, at=BAZAAR))
    here.settle()
    here.settle()
    wrong = here.ship(order_id, at=BAZAAR, lines=ONE, tracking_numbers=["WRONG"])
    here.settle()
    here.ship(order_id, at=BAZAAR, lines=ONE, tracking_numbers=["SECOND"])
    here.read_store()
    here.sandbox.act(SHOP, "cancel_fulfillment", fulfillment_id=wrong["id"])
    here.settle()
    assert bazaar_order(here, order_id)["state"] == "SHIPPING"
    here.ship(order_id, at=BAZAAR, lines=ONE, tracking_numbers=["RIGHT"])
    here.settle()
    here.settle()
    assert bazaar_order(here, order_id)["state"] == "SHIPPED"
    nothing_asks_for_anybody(here)
