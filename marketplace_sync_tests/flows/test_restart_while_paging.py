"""A reader that is killed between two pages, or while it stores one, goes on later: nothing is lost or doubled.

Every feed of every vendor that is read, on a real ledger. A kill is an exception at the place where the process ends;
what was committed stays, what was not is gone.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from marketplace_sync.connectors.klaviyo import reading as klaviyo_reading
from marketplace_sync.connectors.shopify import orders as shopify_orders
from marketplace_sync.connectors.transport import HttpWire
from marketplace_sync.flows import drift, import_orders, observe_store
from marketplace_sync.ledger import watermarks
from marketplace_sync_tests.flows.mirakl_town import BAZAAR, OFTEN, SHOP_OF_A_LARGE_PLAN, mirakl_town
from marketplace_sync_tests.flows.stores import MagentoSide, ShopifySide, StoreSide
from marketplace_sync_tests.flows.town import JL, KLAVIYO, SHOP, Town, town

COUNT = 7
SMALL = {"page_size": 2}
UNHURRIED = {"requests_per_minute": 100_000}
ALL_DAY = {"orders_requests_per_minute": 10_000, "returns_requests_per_minute": 10_000, "lookups_per_minute": 10_000}


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def here(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    """Three or four pages of everything; each page is a transaction of its own."""
    monkeypatch.setattr(import_orders, "STATEMENTS_AT_ONCE", 1)
    monkeypatch.setattr(shopify_orders, "_ORDERS_A_PAGE", 2)
    monkeypatch.setattr(klaviyo_reading, "PAGE", 2)
    with mirakl_town(
        database_url,
        tmp_path,
        like={SHOP: SHOP_OF_A_LARGE_PLAN, BAZAAR: {"order_acceptance": "AUTOMATIC"}},
        connections={BAZAAR: {**OFTEN, **ALL_DAY, **SMALL}, JL: {**UNHURRIED, **SMALL}},
    ) as found:
        found.sandbox.act(JL, "configure", limit=None)
        yield found


@pytest.fixture(params=[ShopifySide, MagentoSide], ids=["Shopify", "Magento"])
def in_either_store(
    request: pytest.FixtureRequest, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Town]:
    """John Lewis alone, with one store or the other, read in pages of two."""
    monkeypatch.setattr(shopify_orders, "_ORDERS_A_PAGE", 2)
    store: StoreSide = request.param()
    if store.name == SHOP:
        store.vendor |= SHOP_OF_A_LARGE_PLAN
    else:
        store.connection |= {**SMALL, **UNHURRIED}
    with town(database_url, tmp_path, store=store, connections={JL: UNHURRIED}) as found:
        found.sandbox.act(JL, "configure", limit=None)
        yield found


def ends_after(pages: Iterator[Any], count: int) -> Iterator[Any]:
    for number, page in enumerate(pages):
        if number == count:
            raise Killed
        yield page


def dies_at(count: int, act: Callable[..., Any]) -> Callable[..., Any]:
    """`act`, which ends the process once it was done for the `count`-th time."""
    done = itertools.count(1)

    def dying(*given: Any, **named: Any) -> Any:
        result = act(*given, **named)
        if next(done) == count:
            raise Killed
        return result

    return dying


def killed_everywhere(monkeypatch: pytest.MonkeyPatch, read: Callable[[], Any], happens: Callable[[], Any]) -> int:
    """Read again and again, killed one step later each time: first after an answer of the vendor, then in a transaction
    that notes how far the feed was read. Between two reads something `happens`. Returns how often a read was killed."""
    kills = 0
    for place, name in ((HttpWire, "request"), (watermarks, "advance")):
        for step in range(1, 60):
            with monkeypatch.context() as this_process:
                this_process.setattr(place, name, dies_at(step, getattr(place, name)))
                done = False
                with suppress(Killed):
                    read()
                    done = True
            if done:
                break
            kills += 1
            if step < 4:
                happens()
    read()
    return kills


def counted(here: Town, statement: str, **values: Any) -> list[tuple[Any, ...]]:
    with here.project.ledger.begin() as connection:
        return [tuple(row) for row in connection.execute(text(statement), values)]


def ids(here: Town, at: str) -> list[str]:
    return sorted(str(one["id"]) for one in here.sandbox.documents(at, "orders"))


def everything_once(here: Town, at: str) -> None:
    """Every order of the marketplace is held, told and injected, once."""
    wanted = [(order_id,) for order_id in ids(here, at)]
    assert counted(here, "SELECT order_id FROM ledger.orders WHERE connection = :at ORDER BY 1", at=at) == wanted
    placed = "SELECT order_id FROM ledger.order_events WHERE connection = :at AND kind = 'placed' ORDER BY 1"
    assert counted(here, placed, at=at) == wanted, "one line each, placed once"
    for _ in range(2):
        here.settle()
    sources = [order["sourceIdentifier"] for order in here.shopify_orders() if order["sourceIdentifier"]]
    assert sorted(one for one in sources if one.startswith(f"{at}:")) == [f"{at}:{order_id}" for (order_id,) in wanted]
    for (order_id,) in wanted:
        assert here.events(order_id)["Placed Order"] == 1
    assert here.work_items() == {}


@pytest.mark.parametrize(("at", "feed"), [(JL, "orders"), (JL, "sweep"), (BAZAAR, "orders")])
def test_orders_are_read_to_the_end_by_readers_that_are_killed_on_every_page(
    here: Town, monkeypatch: pytest.MonkeyPatch, at: str, feed: str
) -> None:
    def happens() -> None:
        order_id = here.place(at=at)
        if feed == "sweep":
            here.sandbox.act(JL, "acknowledge_in_portal", order_id=order_id)

    for _ in range(COUNT):
        happens()
    observe_store.refresh_catalogue(here.context, SHOP)
    kills = killed_everywhere(monkeypatch, lambda: here.read_marketplace(feed, at=at), happens)
    assert kills >= 4
    assert len(ids(here, at)) > COUNT
    everything_once(here, at)


@pytest.mark.parametrize("at", [JL, BAZAAR])
def test_returns_are_read_to_the_end_by_readers_that_are_killed_on_every_page(
    here: Town, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    placed = [here.place(at=at) for _ in range(COUNT)]
    for _ in range(2):
        here.settle()
    for order_id in placed:
        here.ship(order_id, at=at)
    for _ in range(2):
        here.settle()
    for order_id in placed:
        if at == JL:
            here.sandbox.act(JL, "request_return", order_id=order_id, line_ref="1", quantity=1)
        else:
            here.sandbox.act(BAZAAR, "receive", order_id=order_id)
            lines = [{"line_id": f"{order_id}-1", "quantity": 1}]
            here.sandbox.act(BAZAAR, "request_return", order_id=order_id, lines=lines)
    kills = killed_everywhere(monkeypatch, lambda: here.read_marketplace("returns", at=at), lambda: None)
    assert kills >= 4
    told = counted(
        here,
        "SELECT order_id, count(*) FROM ledger.order_events WHERE connection = :at AND kind = 'return_requested'"
        " GROUP BY 1 ORDER BY 1",
        at=at,
    )
    assert told == [(order_id, 1) for order_id in sorted(map(str, placed))]
    for _ in range(2):
        here.settle()
    assert [here.events(order_id)["Return Requested"] for order_id in placed] == [1] * COUNT


def test_store_orders_are_read_to_the_end_by_readers_that_are_killed_on_every_page(
    in_either_store: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = in_either_store
    placed = [here.place() for _ in range(COUNT)]
    here.settle()
    waiting = list(placed)

    def happens() -> None:
        if waiting:
            here.ship(waiting.pop())

    for _ in range(COUNT - 2):
        happens()
    kills = killed_everywhere(monkeypatch, here.read_store, happens)
    while waiting:
        happens()
    here.read_store()
    assert kills >= 4
    dispatched = "SELECT order_id, count(*) FROM ledger.order_events WHERE kind = 'dispatched' GROUP BY 1 ORDER BY 1"
    assert counted(here, dispatched) == [(order_id, 1) for order_id in sorted(map(str, placed))]
    here.settle()
    assert [len(here.jl_actions("dispatch", order_id)) for order_id in placed] == [1] * COUNT
    assert [here.events(order_id)["Fulfilled Order"] for order_id in placed] == [1] * COUNT
    assert here.work_items() == {}


def test_a_look_at_klaviyo_that_is_killed_on_any_page_accuses_nobody_and_the_next_one_sees_everything(
    here: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(COUNT):
        here.place()
    here.settle()
    later = replace(here.context, now=lambda: here.context.now() + timedelta(minutes=30))
    (route,) = here.context.routes_of(JL)
    platform = here.context.marketing[KLAVIYO]
    kills = 0
    for seen in range(COUNT + 1):
        with monkeypatch.context() as this_process:
            events = platform.events
            this_process.setattr(
                platform,
                "events",
                lambda *given, seen=seen, events=events: ends_after(events(*given), seen),
            )
            with suppress(Killed):
                drift.events_in_klaviyo(later, route, ("Placed Order",))
                break
        kills += 1
        assert here.work_items() == {}, "half a look is no finding"
    assert kills == COUNT
    whole = drift.events_in_klaviyo(later, route, ("Placed Order",))
    assert (whole.agrees, whole.compared, whole.missing, whole.extra) == (True, whole.compared, [], [])
    assert whole.compared >= COUNT
