"""A store that sends no webhooks is asked in time, and what it lets nobody do is left to a person, clearly."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from marketplace_sync.flows import observe_store
from marketplace_sync.flows.attend import Attendant
from marketplace_sync.ledger import watermarks
from marketplace_sync_tests.flows.stores import MagentoSide
from marketplace_sync_tests.flows.town import JL, Town, town


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> Iterator[Town]:
    store = MagentoSide()
    with town(database_url, tmp_path, store=store, connections={store.name: {"poll_every": "5s"}}) as found:
        yield found


def eventually(there: Callable[[], bool], seconds: float = 30.0) -> bool:
    give_up = time.monotonic() + seconds
    while not (met := there()) and time.monotonic() < give_up:
        time.sleep(0.02)
    return met


def test_a_parcel_reaches_the_marketplace_without_a_run_and_without_a_webhook(here: Town) -> None:
    here.settle()
    order_id = here.place()
    here.settle()
    attendants = [Attendant(here.context, name) for name in (here.store.name, JL)]
    try:
        for attendant in attendants:
            attendant.stay(60)
        here.ship(order_id)
        assert eventually(lambda: len(here.jl_actions("dispatch", order_id)) == 1)
    finally:
        for attendant in attendants:
            attendant.leave()


def test_a_store_that_is_down_is_shown_and_asked_again(here: Town) -> None:
    here.settle()
    order_id = here.place()
    here.settle()
    here.ship(order_id)
    here.sandbox.control("PUT", f"{here.store.name}/faults", [{"kind": "status", "status": 503}])
    attendant = Attendant(here.context, here.store.name)
    try:
        attendant.stay(60)
        assert eventually(lambda: here.work_items()["CONNECTION_DOWN"] == 1)
        here.sandbox.control("PUT", f"{here.store.name}/faults", [])
        assert eventually(lambda: here.work_items() == {})
    finally:
        attendant.leave()
    here.deliver(JL)
    assert len(here.jl_actions("dispatch", order_id)) == 1


def test_whoever_shuts_down_does_not_wait_until_the_store_is_asked_again(database_url: str, tmp_path: Path) -> None:
    store = MagentoSide()
    with town(database_url, tmp_path, store=store, connections={store.name: {"poll_every": "10m"}}) as here:
        attendant = Attendant(here.context, store.name)
        attendant.stay(3600)
        assert eventually(lambda: _asked(here))
        began = time.monotonic()
        attendant.leave()
        assert time.monotonic() - began < 60


def _asked(here: Town) -> bool:
    with here.project.ledger.begin() as connection:
        return (here.store.name, observe_store.FEED) in watermarks.ages(connection)


def test_units_that_only_a_person_can_take_off_are_shown_and_the_marketplace_answered_afterwards(
    database_url: str, tmp_path: Path
) -> None:
    store = MagentoSide()
    keys = {store.name: {"invoice_orders": False}}
    with town(database_url, tmp_path, store=store, connections=keys) as here:
        part, whole = here.place("MUG-RED", "BOWL-BLUE", quantity=2), here.place("MUG-BLUE")
        here.settle()
        first = here.jl_order(part)["lines"][0]
        here.sandbox.act(JL, "request_cancellation", order_id=part, line_ref=first["line_ref"], quantity=1)
        here.sandbox.act(JL, "request_cancellation", order_id=whole)
        here.settle()
        assert here.work_items() == {"REMOVE_BY_HAND": 1}
        assert here.jl_actions("cancel_acknowledge", part) == []
        assert len(here.jl_actions("cancel_acknowledge", whole)) == 1, "a whole order needs nobody"
        here.take_off(part, first["sku"])
        here.settle()
        assert here.work_items() == {}
        (answered,) = here.jl_actions("cancel_acknowledge", part)
        assert answered["quantity"] == 1
