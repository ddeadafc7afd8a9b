"""A ledger that was put back to an earlier moment: the vendors know of a parcel that it does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from marketplace_sync.domain.effects import Delivered, Dispatch, Effect, EffectKind, Lane, LineUnits
from marketplace_sync_tests.flows.town import JL, Town, town

ONE = [{"sku": "MUG-RED", "quantity": 1}]


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> Iterator[Town]:
    with town(database_url, tmp_path) as found:
        yield found


def stated_by_the_ledger_that_was(here: Town, order_id: object, number: str) -> None:
    """One unit of the order's line has left, store and marketplace know it, and this ledger does not."""
    here.ship(order_id, lines=ONE, tracking_numbers=[number])
    wish = Dispatch(
        order_id=str(order_id),
        lines=(LineUnits(line_id="1", quantity=1, stock_number=here.jl_order(order_id)["lines"][0]["part_number"]),),
        carrier="royal-mail",
        tracking_number=number,
        shipped_at=here.project.ledger.now(),
    )
    effect = Effect(
        effect_id=0, connection=JL, kind=EffectKind.DISPATCH, subject="", lane=Lane.URGENT, payload=wish, natural_key=""
    )
    assert isinstance(here.context.marketplaces[JL].deliver([effect])[0], Delivered)


def numbers(here: Town, order_id: object) -> list[str]:
    return [one["tracking_number"] for one in here.jl_actions("dispatch", order_id)]


def test_a_part_of_a_line_that_was_stated_is_not_stated_again_and_what_follows_is(here: Town) -> None:
    order_id = here.place("MUG-RED", quantity=3)
    here.settle()
    stated_by_the_ledger_that_was(here, order_id, "BEFORE")
    here.context = replace(here.context, now=lambda: here.project.ledger.now() + timedelta(minutes=10))
    here.settle()
    assert numbers(here, order_id) == ["BEFORE"]
    here.ship(order_id, lines=ONE, tracking_numbers=["AFTER"])
    here.settle()
    assert numbers(here, order_id) == ["BEFORE", "AFTER"]
    assert here.work_items() == {}


def test_a_parcel_heard_of_late_is_stated_where_the_marketplace_does_not_show_it(here: Town) -> None:
    order_id = here.place("MUG-RED", quantity=3)
    here.settle()
    here.ship(order_id, lines=ONE, tracking_numbers=["LATE"])
    here.context = replace(here.context, now=lambda: here.project.ledger.now() + timedelta(minutes=10))
    here.settle()
    assert numbers(here, order_id) == ["LATE"]
