"""Whoever attends a connection brings what appears, lets go for others, and is heard of when it fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from marketplace_sync.flows import courier
from marketplace_sync.flows.attend import Attendance, Attendant
from marketplace_sync.flows.context import Context
from marketplace_sync.ledger import inbox
from marketplace_sync.ledger.lease import holders, is_wanted, lease
from marketplace_sync_tests.flows.town import JL, KLAVIYO, SHOP, Town, town


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> Iterator[Town]:
    with town(database_url, tmp_path) as found:
        yield found


@contextmanager
def attended(context: Context, *names: str) -> Iterator[list[Attendant]]:
    attendants = [Attendant(context, name) for name in names]
    for attendant in attendants:
        attendant.stay(60)
    try:
        yield attendants
    finally:
        for attendant in attendants:
            attendant.leave()


def eventually(there: Callable[[], bool], seconds: float = 30.0) -> bool:
    give_up = time.monotonic() + seconds
    while not (met := there()) and time.monotonic() < give_up:
        time.sleep(0.02)
    return met


def threads_of(name: str) -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.endswith(f"-{name}")]


def test_an_order_goes_all_the_way_without_anybody_asking_for_a_delivery(here: Town) -> None:
    here.sync()
    with attended(here.context, JL, SHOP, KLAVIYO) as attendants:
        order_id = here.place()
        here.read_marketplace()
        assert eventually(lambda: len(here.jl_actions("acknowledge", order_id)) == 1)
        assert eventually(lambda: here.events(order_id)["Placed Order"] == 1)
        delivered = Attendance("all")
        assert eventually(lambda: _all_heard_of(attendants, delivered, 5))
    assert delivered.delivered == {
        ("acknowledge_order", JL): 1, ("create_order", JL): 1, ("track_event", JL): 2, ("upsert_profile", JL): 1,
    }  # fmt: skip


def _all_heard_of(attendants: list[Attendant], heard: Attendance, count: int) -> bool:
    for attendant in attendants:
        heard.delivered += attendant.stay(60).delivered
    return heard.delivered.total() >= count


def test_a_delivery_of_the_store_is_handled_while_its_courier_is_busy(here: Town) -> None:
    """A backlog of orders on their way into the store must not hold up what left it."""
    here.settle()
    order_id = here.place()
    here.settle()
    here.ship(order_id)
    with lease(here.project.ledger, SHOP) as held, attended(here.context, SHOP):
        assert held
        body = b'{"admin_graphql_api_id": "%s"}' % here.shopify_order(order_id)["id"].encode()
        with here.project.ledger.begin() as connection:
            inbox.receive(connection, SHOP, "d-1", "orders/fulfilled", body)
        here_is_a_wish = "SELECT count(*) FROM ledger.effects WHERE kind = 'dispatch'"
        assert eventually(lambda: _scalar(here, here_is_a_wish) == 1)


def _scalar(here: Town, statement: str) -> Any:
    from sqlalchemy import text

    with here.project.ledger.begin() as connection:
        return connection.execute(text(statement)).scalar()


def test_it_ends_when_nobody_asks_for_it_any_more(here: Town) -> None:
    attendant = Attendant(here.context, SHOP)
    attendant.stay(0.3)
    assert sorted(threads_of(SHOP)) == [f"courier-{SHOP}", f"inbox-{SHOP}"]
    assert eventually(lambda: not threads_of(SHOP))
    attendant.stay(60)
    assert len(threads_of(SHOP)) == 2
    attendant.leave()
    assert threads_of(SHOP) == []


def test_what_ends_it_is_raised_to_whoever_asks_next_and_it_begins_again(here: Town) -> None:
    class Broken(Exception):
        pass

    class Connectors(dict[str, Any]):
        def __getitem__(self, name: str) -> Any:
            raise Broken(name)

    context = replace(here.context, marketplaces=Connectors({JL: None}), stores={}, marketing={})
    attendant = Attendant(context, JL)
    attendant.stay(60)
    assert eventually(lambda: not threads_of(JL))
    with pytest.raises(Broken):
        attendant.stay(60)
    attendant.leave()


def test_it_lets_go_for_a_courier_that_waits(here: Town) -> None:
    """Somebody who works off a backlog in a process of its own gets the connection, and it is attended again after."""
    here.sync()
    with attended(here.context, JL), lease(here.project.ledger, JL, patience=20) as held:
        assert held
        assert not is_wanted(here.project.ledger, JL), "it is held, so nobody waits any more"
        assert holders(here.project.ledger, [JL]) == {JL}
        order_id = here.place()
        here.read_marketplace()
        here.deliver(SHOP)
        assert here.deliver(JL).held is False
    assert here.jl_actions("acknowledge", order_id) == []
    with attended(here.context, JL):
        assert eventually(lambda: len(here.jl_actions("acknowledge", order_id)) == 1)


def test_who_waits_is_seen_and_gives_up(here: Town) -> None:
    ledger = here.project.ledger
    found: list[bool] = []

    def wait() -> None:
        with lease(ledger, JL, patience=1.0) as held:
            found.append(held)

    with lease(ledger, JL):
        assert not is_wanted(ledger, JL)
        waiting = threading.Thread(target=wait)
        waiting.start()
        assert eventually(lambda: is_wanted(ledger, JL))
        waiting.join()
        assert not is_wanted(ledger, JL)
    assert found == [False]
    with lease(ledger, JL) as held:
        assert held, "who gave up holds nothing"


def test_a_parcel_does_not_wait_for_bulk(database_url: str, tmp_path: Path) -> None:
    """Calls that take long, as jobs with history do, never take all the courier may have under way at once."""
    with town(database_url, tmp_path, connections={KLAVIYO: {"requests_at_once": 2}}) as here:
        _ship_during_a_backlog(here)


def _ship_during_a_backlog(here: Town) -> None:
    here.settle()
    order_id = here.place()
    here.settle()
    week_ago = "2026-11-01T10:00:00+00:00"
    for _ in range(40):
        here.place(ordered_at=week_ago)
    here.read_marketplace()
    here.sandbox.control(
        "PUT",
        f"{KLAVIYO}/faults",
        [{"kind": "delay", "seconds": 3.0, "path": "/profile-"}, {"kind": "delay", "seconds": 3.0, "path": "/event-"}],
    )
    bringing = threading.Thread(target=courier.drain, args=(here.context, KLAVIYO))
    bringing.start()
    assert eventually(lambda: _scalar(here, "SELECT count(*) FROM ledger.effects WHERE state = 'sending'") > 0)
    here.ship(order_id)
    began = time.monotonic()
    here.read_store()
    assert eventually(lambda: here.events(order_id)["Fulfilled Order"] == 1, 2.5), "it waited for history"
    assert time.monotonic() - began < 3
    bringing.join()
