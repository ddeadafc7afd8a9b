"""Parcels that left and cannot be stated yet, without a number or with a carrier that nobody mapped; meanwhile somebody
at the marketplace states them, or cancels what is in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from marketplace_sync.flows import advance
from marketplace_sync.ledger import work_items
from marketplace_sync_tests.flows.town import JL, SHOP, Town, town


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> Iterator[Town]:
    with town(database_url, tmp_path) as found:
        yield found


def ordered(here: Town, quantity: int = 1) -> Any:
    order_id = here.place("MUG-RED", quantity=quantity)
    here.settle()
    return order_id


def shipped(here: Town, order_id: Any, **more: Any) -> Any:
    parcel = here.ship(order_id, **more)
    here.settle()
    return parcel


def seen(here: Town) -> None:
    here.read_marketplace("sweep")
    here.settle()


def number_comes(here: Town, parcel: Any) -> None:
    here.sandbox.act(SHOP, "edit_tracking", fulfillment_id=parcel["id"], company="Royal Mail", tracking_numbers=["RM1"])
    here.settle()


@contextmanager
def three_hours_later(here: Town) -> Iterator[None]:
    now = here.context
    here.context = replace(now, now=lambda: here.project.ledger.now() + timedelta(hours=3))
    with here.project.ledger.begin() as connection:
        advance.waited_long_enough(connection, here.context, JL)
    here.settle()
    yield
    here.context = now


def test_a_parcel_without_its_number_whose_units_are_cancelled_is_shown_to_a_person(here: Town) -> None:
    order_id = ordered(here)
    parcel = shipped(here, order_id, tracking_numbers=[])
    assert here.work_items() == {"TRACKING_MISSING": 1}
    here.sandbox.act(JL, "cancel_by_retailer", order_id=order_id)
    seen(here)
    assert here.work_items() == {"TRACKING_MISSING": 1, "SHIPPED_MORE_THAN_ORDERED": 1}, "the buyer's message waits"
    number_comes(here, parcel)
    assert here.work_items() == {"SHIPPED_MORE_THAN_ORDERED": 1}
    with here.project.ledger.begin() as connection:
        (item,) = work_items.listing(connection, code="SHIPPED_MORE_THAN_ORDERED")
    assert "more of MUG-RED than order" in item["message"]
    assert here.jl_actions("dispatch", order_id) == []


def test_a_parcel_of_an_unmapped_carrier_whose_units_are_cancelled_is_shown_as_that_alone(here: Town) -> None:
    order_id = ordered(here)
    shipped(here, order_id, company="Parrot Post")
    assert here.work_items() == {"UNMAPPED_CARRIER": 1}
    here.sandbox.act(JL, "cancel_by_retailer", order_id=order_id)
    seen(here)
    assert here.work_items() == {"SHIPPED_MORE_THAN_ORDERED": 1}


def test_a_cancellation_that_a_person_agrees_to_in_the_portal_after_the_parcel_left_stays_visible(here: Town) -> None:
    order_id = ordered(here)
    parcel = shipped(here, order_id, tracking_numbers=[])
    here.sandbox.act(JL, "request_cancellation", order_id=order_id)
    here.read_marketplace("orders")
    here.settle()
    assert here.work_items() == {"CANCELLED_AFTER_DISPATCH": 1, "TRACKING_MISSING": 1}
    here.sandbox.act(JL, "cancel_in_portal", order_id=order_id)
    seen(here)
    number_comes(here, parcel)
    assert here.work_items() == {"SHIPPED_MORE_THAN_ORDERED": 1}


def test_of_two_parcels_the_one_that_waits_while_its_unit_is_cancelled_is_shown(here: Town) -> None:
    order_id = ordered(here, 2)
    shipped(here, order_id, lines=[{"sku": "MUG-RED", "quantity": 1}])
    parcel = shipped(here, order_id, tracking_numbers=[])
    here.sandbox.act(JL, "cancel_by_retailer", order_id=order_id)
    seen(here)
    number_comes(here, parcel)
    assert here.work_items() == {"SHIPPED_MORE_THAN_ORDERED": 1}
    assert len(here.jl_actions("dispatch", order_id)) == 1


def test_a_dispatch_that_is_stated_by_hand_needs_no_carrier(here: Town) -> None:
    order_id = ordered(here)
    shipped(here, order_id, company="Parrot Post")
    here.sandbox.act(JL, "dispatch_in_portal", order_id=order_id)
    seen(here)
    assert here.work_items() == {}


def test_of_a_dispatch_that_is_stated_by_hand_only_the_buyers_message_waits_for_its_number(here: Town) -> None:
    order_id = ordered(here)
    shipped(here, order_id, tracking_numbers=[])
    here.sandbox.act(JL, "dispatch_in_portal", order_id=order_id)
    seen(here)
    with here.project.ledger.begin() as connection:
        (item,) = work_items.listing(connection, code="TRACKING_MISSING")
    assert "The buyer is told when it comes" in item["message"]
    assert here.events(order_id)["Fulfilled Order"] == 0
    with three_hours_later(here):
        assert here.work_items() == {}, "nobody was told a number in its place, so there is none to correct"
        assert here.events(order_id)["Fulfilled Order"] == 1
    assert here.jl_actions("dispatch", order_id) == []
