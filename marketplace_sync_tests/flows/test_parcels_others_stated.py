"""Parcels that a seller states at the marketplace itself, where no store ships: without a number at first, without a
link, from two sellers at once (Marketplacer's sheet, 10)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from marketplace_sync.flows.attend import Attendant
from marketplace_sync.ledger import work_items
from marketplace_sync_tests.flows.marketplacer_town import MARKET, act, live, marketplacer_town, named, place
from marketplace_sync_tests.flows.town import KLAVIYO, Town
from marketplace_sync_tests.sandbox.marketplacer.client import wait_for


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> Iterator[Town]:
    with marketplacer_town(database_url, tmp_path, store=None, requests_per_second=75) as found:
        yield found


@contextmanager
def later(here: Town, minutes: float) -> Iterator[None]:
    now = here.context
    here.context = replace(now, now=lambda: here.project.ledger.now() + timedelta(minutes=minutes))
    try:
        yield
    finally:
        here.context = now


def numbers(here: Town, order: Any) -> list[list[str]]:
    return [one["properties"]["TrackingNumbers"] for one in named(here, "Fulfilled Order", order)]


def shown(here: Town) -> list[str]:
    with here.project.ledger.begin() as connection:
        return [item["message"] for item in work_items.listing(connection, code="TRACKING_MISSING")]


def test_the_number_of_a_parcel_is_waited_for_and_then_told_once(here: Town) -> None:
    order = place(here, "MUG-RED", "LAMP-BRASS")
    sent = act(here, "ship", order_id=order["order_id"], tracking_number="  ")
    assert len(sent["ids"]) == 2, "one of each seller"
    live(here)
    assert (numbers(here, order), here.work_items()) == ([], {"TRACKING_MISSING": 2})
    act(here, "update_tracking", shipment_id=sent["ids"][1], tracking_number="B2")
    with later(here, minutes=10):
        live(here)
        assert numbers(here, order) == [["B2"]], "one event a parcel, and the other still waits"
    act(here, "update_tracking", shipment_id=sent["ids"][0], tracking_number="A1")
    live(here)
    assert numbers(here, order) == [["B2"], ["A1"]]
    with later(here, minutes=20):
        live(here)
    assert here.events(order["id"]) == {"Placed Order": 1, "Ordered Product": 2, "Fulfilled Order": 2}
    assert here.work_items() == {}


def test_a_number_that_does_not_come_in_a_quarter_of_an_hour_is_told_as_missing_and_shown(here: Town) -> None:
    order = place(here, "MUG-RED")
    sent = act(here, "ship", order_id=order["order_id"], tracking_number="")
    live(here)
    (waits,) = shown(here)
    assert "or without it at" in waits
    with later(here, minutes=16):
        attendant = Attendant(here.context, MARKET)
        attendant.stay(20)
        wait_for(lambda: "was told without it" in shown(here)[0])
        attendant.leave()
    here.deliver(KLAVIYO)
    (told,) = named(here, "Fulfilled Order", order)
    assert (told["properties"]["TrackingNumbers"], told["properties"]["TrackingMissing"]) == ([], True)
    live(here)
    assert here.work_items() == {"TRACKING_MISSING": 1}, "until it is there"
    act(here, "update_tracking", shipment_id=sent["ids"][0], tracking_number="A1")
    live(here)
    assert here.work_items() == {}
    assert len(named(here, "Fulfilled Order", order)) == 1, "Klaviyo takes no second word"


def test_a_parcel_without_a_link_gets_that_of_its_carrier(here: Town) -> None:
    order = place(here, "MUG-RED")
    act(here, "ship", order_id=order["order_id"], tracking_number="A1 2", without_link=True)
    live(here)
    (told,) = named(here, "Fulfilled Order", order)
    assert told["properties"]["TrackingUrls"] == ["https://www.royalmail.example/track/A1%202"]
    assert "TrackingMissing" not in told["properties"]
