"""The warehouse cancels a fulfilment and ships anew, as it does when carrier or tracking number were wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from marketplace_sync.flows import drift
from marketplace_sync_tests.flows.town import SHOP, Town, town


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> Iterator[Town]:
    with town(database_url, tmp_path) as found:
        yield found


def take_back(here: Town, shipped: Any) -> None:
    here.sandbox.act(SHOP, "cancel_fulfillment", fulfillment_id=shipped["id"])


def numbers(here: Town, order_id: object) -> list[str]:
    return [one["tracking_number"] for one in here.jl_actions("dispatch", order_id)]


def test_a_parcel_of_an_unmapped_carrier_is_replaced_by_one_that_the_marketplace_is_told_of(here: Town) -> None:
    order_id = here.place("MUG-RED", quantity=2)
    here.settle()
    wrong = here.ship(order_id, company="Parrot Post", tracking_numbers=["WRONG"])
    here.settle()
    later = replace(here.context, now=lambda: here.project.ledger.now() + timedelta(minutes=5))
    assert not drift.dispatches_at_marketplace(later, here.context.routes[0]).agrees
    assert here.work_items() == {"UNMAPPED_CARRIER": 1, "DISPATCH_NOT_AT_MARKETPLACE": 1}
    take_back(here, wrong)
    here.settle()
    assert drift.dispatches_at_marketplace(later, here.context.routes[0]).agrees
    assert here.work_items() == {}
    here.ship(order_id, tracking_numbers=["RIGHT"])
    here.settle()
    assert numbers(here, order_id) == ["RIGHT"]
    assert here.work_items() == {}
    assert drift.dispatches_at_marketplace(later, here.context.routes[0]).agrees


def test_a_dispatch_that_was_not_brought_yet_is_dropped_with_its_parcel(here: Town) -> None:
    order_id = here.place("MUG-RED")
    here.settle()
    wrong = here.ship(order_id, tracking_numbers=["WRONG"])
    here.read_store()
    take_back(here, wrong)
    here.read_store()
    here.ship(order_id, tracking_numbers=["RIGHT"])
    here.settle()
    assert numbers(here, order_id) == ["RIGHT"]
    assert here.work_items() == {}
    later = replace(here.context, now=lambda: here.project.ledger.now() + timedelta(minutes=5))
    assert drift.dispatches_at_marketplace(later, here.context.routes[0]).agrees


def test_a_parcel_taken_back_after_the_marketplace_was_told_is_a_persons_and_stated_once(here: Town) -> None:
    order_id = here.place("MUG-RED")
    here.settle()
    wrong = here.ship(order_id, tracking_numbers=["WRONG"])
    here.settle()
    take_back(here, wrong)
    here.settle()
    assert here.work_items()["FULFILMENT_UNDONE"] == 1
    here.ship(order_id, tracking_numbers=["RIGHT"])
    here.settle()
    assert numbers(here, order_id) == ["WRONG"]
