"""Which returns are answered: those that wait for it, of orders that are ours to ship."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from marketplace_sync.domain.effects import Lane, Refused
from marketplace_sync.flows import settling
from marketplace_sync.ledger import outbox
from marketplace_sync_tests.flows.town import JL, Town, town


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> Iterator[Town]:
    with town(database_url, tmp_path) as found:
        yield found


def asked(here: Town, order_id: Any, quantity: int = 1) -> str:
    return_id = here.sandbox.act(JL, "request_return", order_id=order_id, line_ref="1", quantity=quantity)["return_id"]
    assert isinstance(return_id, str)
    return return_id


def shipped_in_portal(here: Town, **more: Any) -> Any:
    order_id = here.place("MUG-RED", **more)
    here.settle()
    for step in ("acknowledge_in_portal", "dispatch_in_portal"):
        here.sandbox.act(JL, step, order_id=order_id)
    here.read_marketplace("sweep")
    here.settle()
    return order_id


def answers_wished_for(here: Town) -> int:
    with here.project.ledger.begin() as connection:
        count = connection.execute(text("SELECT count(*) FROM ledger.effects WHERE kind = 'acknowledge_return'"))
        return int(count.scalar_one())


@pytest.mark.parametrize("step", ["decline_return", "authorise_return"])
def test_a_return_that_was_answered_before_it_was_seen_is_left_alone(here: Town, step: str) -> None:
    order_id = here.place("MUG-RED", quantity=2)
    here.settle()
    here.ship(order_id)
    here.settle()
    here.sandbox.act(JL, step, return_id=asked(here, order_id, 2))
    here.settle()
    assert here.events(order_id)["Return Requested"] == 1
    assert answers_wished_for(here) == 0
    assert here.work_items() == {}


def test_where_we_have_no_store_people_answer_returns_in_the_portal(database_url: str, tmp_path: Path) -> None:
    with town(database_url, tmp_path, route={"store": None, "stock": None}) as here:
        order_id = shipped_in_portal(here)
        asked(here, order_id)
        here.settle()
        assert here.events(order_id)["Return Requested"] == 1
        assert answers_wished_for(here) == 0


def test_a_return_of_a_test_order_that_goes_nowhere_is_not_answered(here: Town) -> None:
    asked(here, shipped_in_portal(here, test=True))
    here.settle()
    assert answers_wished_for(here) == 0
    assert here.work_items() == {"TEST_ORDER": 1}


def test_a_return_of_a_parcel_that_goes_by_a_reference_of_its_own_is_answered(
    database_url: str, tmp_path: Path
) -> None:
    with town(database_url, tmp_path, settings={JL: {"split_line_reference": "suffixed"}}) as here:
        order_id = here.place("MUG-RED", quantity=3)
        here.settle()
        here.ship(order_id, lines=[{"sku": "MUG-RED", "quantity": 1}])
        here.settle()
        here.sandbox.act(JL, "request_return", order_id=order_id, line_ref="1/2", quantity=1)
        here.settle()
        assert [one["line_ref"] for one in here.jl_actions("return_acknowledge", order_id)] == ["1/2"]
        assert here.work_items() == {}


@pytest.mark.parametrize("steps", [["authorise_return", "approve_return"], ["decline_return"]])
def test_an_answer_that_was_refused_asks_nobody_once_it_was_given_in_the_portal(here: Town, steps: list[str]) -> None:
    order_id = here.place("MUG-RED")
    here.settle()
    here.ship(order_id)
    here.settle()
    return_id = asked(here, order_id)
    here.read_marketplace("returns")
    with here.project.ledger.begin() as connection:
        (answer,) = outbox.claim(connection, JL, tuple(Lane), 10, timedelta(minutes=1))
    with here.project.ledger.begin() as connection:
        settling.answered(connection, here.context, [answer], [Refused("no")], settling.DrainReport(JL))
    assert here.work_items() == {"EFFECT_REFUSED": 1}
    for step in steps:
        here.sandbox.act(JL, step, return_id=return_id)
    here.settle()
    assert here.work_items() == {}
