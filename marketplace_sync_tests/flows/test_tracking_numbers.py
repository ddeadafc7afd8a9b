"""Parcels whose number comes later, never, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from marketplace_sync.flows import advance, decide, observe_store
from marketplace_sync.ledger import work_items
from marketplace_sync_tests.flows.town import JL, SHOP, Town, town


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> Iterator[Town]:
    carriers = {"Royal Mail": "royal-mail", "DPD UK": "dpd", "Second Class": "royal-mail"}
    with town(database_url, tmp_path, route={"carriers": carriers, "untracked_carriers": ["Second Class"]}) as found:
        yield found


def numbers(here: Town, order_id: object) -> list[str]:
    return [one["tracking_number"] for one in here.jl_actions("dispatch", order_id)]


@contextmanager
def three_hours_later(here: Town) -> Iterator[None]:
    now = here.context
    here.context = replace(now, now=lambda: here.project.ledger.now() + timedelta(hours=3))
    try:
        yield
    finally:
        here.context = now


def shipped_without_number(here: Town) -> tuple[object, str]:
    order_id = here.place("MUG-RED")
    here.settle()
    parcel = here.ship(order_id, tracking_numbers=[])
    here.settle()
    return order_id, parcel["id"]


def test_a_parcel_waits_for_its_number_and_then_marketplace_and_buyer_are_told_it(here: Town) -> None:
    order_id, parcel = shipped_without_number(here)
    assert numbers(here, order_id) == []
    assert here.events(order_id)["Fulfilled Order"] == 0
    assert here.work_items() == {"TRACKING_MISSING": 1}
    here.sandbox.act(SHOP, "edit_tracking", fulfillment_id=parcel, company="Royal Mail", tracking_numbers=["RM1GB"])
    here.settle()
    assert numbers(here, order_id) == ["RM1GB"]
    (told,) = [event for event in here.event_list(order_id) if event["name"] == "Fulfilled Order"]
    assert told["properties"]["TrackingNumbers"] == ["RM1GB"]
    assert here.work_items() == {}


def test_a_carrier_that_nobody_mapped_is_shown_before_its_number_comes(here: Town) -> None:
    order_id = here.place("MUG-RED")
    here.settle()
    parcel = here.ship(order_id, company="Parrot Post", tracking_numbers=[])
    here.settle()
    assert here.work_items() == {"TRACKING_MISSING": 1, "UNMAPPED_CARRIER": 1}
    here.sandbox.act(SHOP, "edit_tracking", fulfillment_id=parcel["id"], company="DPD UK", tracking_numbers=[])
    here.settle()
    assert here.work_items() == {"TRACKING_MISSING": 1}
    here.sandbox.act(SHOP, "edit_tracking", fulfillment_id=parcel["id"], company="DPD UK", tracking_numbers=["1550"])
    here.settle()
    assert numbers(here, order_id) == ["1550"]
    assert here.work_items() == {}


def test_a_number_that_does_not_come_is_stood_in_for_and_one_that_comes_after_that_is_a_persons(here: Town) -> None:
    order_id, parcel = shipped_without_number(here)
    with three_hours_later(here):
        with here.project.ledger.begin() as connection:
            advance.blocked(connection, here.context, JL)
        here.settle()
    (stated,) = numbers(here, order_id)
    assert stated.endswith(parcel.rsplit("/", 1)[-1])
    assert here.events(order_id)["Fulfilled Order"] == 1
    here.sandbox.act(SHOP, "edit_tracking", fulfillment_id=parcel, company="Royal Mail", tracking_numbers=["RM1GB"])
    here.settle()
    assert numbers(here, order_id) == [stated]
    with here.project.ledger.begin() as connection:
        (item,) = work_items.listing(connection, code="TRACKING_MISSING")
    assert "RM1GB came later" in item["message"]
    decide.close_work_item(here.context, item["work_item_id"], "corrected in the portal", "ann")
    here.settle()
    with here.project.ledger.begin() as connection:
        advance.blocked(connection, here.context, JL)
    assert here.work_items() == {}, "the person has said so, and nothing else is said of it"


def test_a_carrier_without_numbers_keeps_nobody_waiting(here: Town) -> None:
    order_id = here.place("MUG-RED")
    here.settle()
    here.ship(order_id, company="Second Class", tracking_numbers=[])
    here.settle()
    assert len(numbers(here, order_id)) == 1
    assert here.events(order_id)["Fulfilled Order"] == 1
    assert here.work_items() == {}


def test_a_number_that_is_changed_while_its_dispatch_waits_goes_out_as_it_is_then(here: Town) -> None:
    order_id = here.place("MUG-RED")
    here.settle()
    parcel = here.ship(order_id, tracking_numbers=["RM1GB"])
    observe_store.poll_orders(here.context, SHOP)
    change = {"fulfillment_id": parcel["id"], "company": "DPD UK", "tracking_numbers": ["1550"]}
    here.sandbox.act(SHOP, "edit_tracking", **change)
    here.settle()
    (told,) = here.jl_actions("dispatch", order_id)
    assert (told["carrier"], told["tracking_number"]) == ("dpd", "1550")
    assert here.work_items() == {}


def test_a_dispatch_that_was_refused_goes_out_again_with_a_number_that_is_corrected(here: Town) -> None:
    order_id = here.place("MUG-RED")
    here.settle()
    refusal = {"kind": "status", "status": 400, "path": "dispatch", "remaining": 1}
    here.sandbox.control("PUT", f"{JL}/faults", [refusal])
    parcel = here.ship(order_id, tracking_numbers=["RM1GB"])
    here.settle()
    assert here.work_items() == {"EFFECT_REFUSED": 1}
    here.sandbox.act(
        SHOP, "edit_tracking", fulfillment_id=parcel["id"], company="Royal Mail", tracking_numbers=["RM2GB"]
    )
    here.settle()
    assert numbers(here, order_id) == ["RM2GB"]
    assert here.work_items() == {}


def test_a_number_that_is_changed_after_it_was_told_is_shown_to_a_person_until_it_is_as_it_was(here: Town) -> None:
    order_id = here.place("MUG-RED")
    here.settle()
    parcel = here.ship(order_id, tracking_numbers=["RM1GB"])
    here.settle()

    def change(number: str) -> None:
        new = {"fulfillment_id": parcel["id"], "company": "Royal Mail", "tracking_numbers": [number]}
        here.sandbox.act(SHOP, "edit_tracking", **new)
        here.settle()

    change("RM2GB")
    assert numbers(here, order_id) == ["RM1GB"]
    assert here.work_items() == {"TRACKING_CHANGED": 1}
    with here.project.ledger.begin() as connection:
        (item,) = work_items.listing(connection, code="TRACKING_CHANGED")
    assert "to RM2GB after John Lewis was told RM1GB" in item["message"]
    change("RM1GB")
    assert here.work_items() == {}
    change("RM3GB")
    assert here.work_items() == {"TRACKING_CHANGED": 1}
    with here.project.ledger.begin() as connection:
        (item,) = work_items.listing(connection, code="TRACKING_CHANGED")
    decide.close_work_item(here.context, item["work_item_id"], "corrected in the portal", "ann")
    here.settle()
    assert here.work_items() == {}
