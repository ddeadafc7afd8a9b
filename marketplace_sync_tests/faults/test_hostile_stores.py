"""Shopify and Klaviyo that do as asked and answer nonsense: nothing crashes, no order is lost, none arrives twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from marketplace_sync.domain.errors import TransportError
from marketplace_sync.flows import decide, observe_store
from marketplace_sync.ledger import inbox
from marketplace_sync_tests.faults.hostile_proxy import WHOLE, HostileProxy, hostile_proxy
from marketplace_sync_tests.flows.town import JL, KLAVIYO, SHOP, Town, town

SEED = 20261128
SOAKED = [pytest.param(seed, marks=pytest.mark.soak) for seed in range(1, 7)]


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> Iterator[tuple[HostileProxy, Town]]:
    patience = {"timeout_seconds": 3, "max_answer_megabytes": 1, "max_attempts": 100}
    with hostile_proxy() as proxy:
        connections: dict[str, dict[str, Any]] = {
            SHOP: {**patience, "base_url": f"{proxy.base_url}/{SHOP}", "doubt_settles_after": "1s"},
            KLAVIYO: {**patience, "base_url": f"{proxy.base_url}/{KLAVIYO}"},
            JL: {"settle_after": "1s"},
        }
        quick: dict[str, dict[str, Any]] = {
            SHOP: {"search_lag_seconds": 0, "routing_seconds": 0, "job_seconds": 0, "restore_rate": None}
        }
        with town(database_url, tmp_path, connections=connections, settings=quick) as found:
            proxy.upstream = found.sandbox.base_url
            yield proxy, found


def due(here: Town) -> None:
    """Time has passed: what was postponed is due, doubts are old enough, and the rate budgets are full again."""
    with here.project.ledger.begin() as connection:
        connection.execute(
            text(
                "UPDATE ledger.effects SET not_before = now(), in_doubt_since = in_doubt_since - interval '1 hour'"
                " WHERE state IN ('pending', 'in_doubt')"
            )
        )
        connection.execute(text("UPDATE ledger.outages SET next_try = now()"))
        connection.execute(text("UPDATE ledger.rate_budgets SET state = '{}', blocked_until = NULL"))


def effects(here: Town) -> list[Any]:
    with here.project.ledger.begin() as connection:
        return list(
            connection.execute(
                text("SELECT effect_id, connection, kind, natural_key, state, last_problem FROM ledger.effects")
            )
        )


def kept(here: Town) -> set[str]:
    with here.project.ledger.begin() as connection:
        return set(connection.execute(text("SELECT order_id FROM ledger.orders")).scalars())


def accounted_for(here: Town, proxy: HostileProxy) -> None:
    """Every effect was delivered, still waits, or lies with a person."""
    with here.project.ledger.begin() as connection:
        shown = set(connection.execute(text("SELECT subject FROM ledger.work_items WHERE state = 'open'")).scalars())
    silent = [
        one
        for one in effects(here)
        if one.state not in ("delivered", "superseded", "pending", "in_doubt")
        and f"{one.connection}:{one.natural_key}" not in shown
    ]
    assert silent == [], proxy.log


def rounds(here: Town, count: int) -> None:
    """Passes over everything while the vendors answer nonsense. `sync` catches what a vendor may do to us, and only
    that: anything else that is raised ends the test."""
    for _ in range(count):
        here.sync()
        due(here)


def everything_arrived_once(here: Town, proxy: HostileProxy, orders: list[Any]) -> None:
    proxy.heal()
    due(here)
    here.settle(rounds=6)
    accounted_for(here, proxy)
    _tried_again_by_a_person(here)
    left = [one for one in effects(here) if one.state not in ("delivered", "superseded")]
    assert left == [], proxy.log
    assert kept(here) >= {str(order_id) for order_id in orders}
    for order_id in orders:
        assert len(here.shopify_orders(order_id)) == 1, proxy.log
        assert here.events(order_id)["Placed Order"] == 1, proxy.log
        assert len(here.jl_actions("acknowledge", order_id)) == 1
    assert here.work_items() == {}, proxy.log


def _tried_again_by_a_person(here: Town) -> None:
    """An order in another currency may be true: it is no nonsense that a program could know, and a person was told."""
    misled = [one for one in effects(here) if one.state == "refused" and "book it by hand" in one.last_problem]
    for one in misled:
        decide.retry(here.context, one.effect_id)
    if misled:
        here.settle(rounds=6)


@pytest.mark.soak
def test_answers_that_are_none_cost_time_and_nothing_else(here: tuple[HostileProxy, Town]) -> None:
    proxy, town = here
    town.sync()
    done = proxy.whole(SEED, share=0.5)
    orders = [town.place() for _ in range(2)]
    rounds(town, 2)
    accounted_for(town, proxy)
    assert done.keys() == WHOLE.keys()
    assert kept(town) == {str(order_id) for order_id in orders}
    everything_arrived_once(town, proxy, orders)


@pytest.mark.parametrize("seed", [SEED, *SOAKED])
def test_no_value_in_any_place_of_an_answer_loses_or_doubles_an_order(
    here: tuple[HostileProxy, Town], seed: int
) -> None:
    proxy, town = here
    town.sync()
    orders = [town.place() for _ in range(6)]
    done = proxy.one_place(seed)
    rounds(town, 2)
    orders += [town.place() for _ in range(2)]
    rounds(town, 2)
    accounted_for(town, proxy)
    assert done.total() > 15
    assert len(done) > 8
    everything_arrived_once(town, proxy, orders)


@pytest.mark.parametrize("seed", [SEED, *SOAKED])
def test_what_leaves_and_what_comes_back_does_so_once_whatever_is_answered(
    here: tuple[HostileProxy, Town], seed: int
) -> None:
    proxy, town = here
    town.sync()
    orders = [town.place("MUG-RED", quantity=2) for _ in range(4)]
    town.settle()
    town.ship(orders[3])
    town.settle()
    done = proxy.one_place(seed)
    for order_id in orders[:2]:
        town.ship(order_id)
        told_by_a_webhook(town, order_id)
    town.sandbox.act(JL, "request_cancellation", order_id=orders[2], line_ref="1", quantity=1)
    returned = town.sandbox.act(JL, "request_return", order_id=orders[3], line_ref="1", quantity=1)
    rounds(town, 2)
    town.sandbox.act(JL, "approve_return", return_id=returned["return_id"])
    rounds(town, 3)
    accounted_for(town, proxy)
    assert done.total() > 5
    everything_arrived_once(town, proxy, orders)
    for action, of in (
        ("dispatch", orders[:2]),
        ("cancel_acknowledge", orders[2:3]),
        ("return_acknowledge", orders[3:]),
    ):
        for order_id in of:
            assert len(town.jl_actions(action, order_id)) == 1, proxy.log
    assert town.events(orders[0])["Fulfilled Order"] == town.events(orders[1])["Fulfilled Order"] == 1
    assert town.events(orders[3])["Refunded Order"] == 1
    (stored,) = town.shopify_orders(orders[3])
    assert [line["quantity"] for refund in stored["refunds"] for line in refund["lines"]] == [1], proxy.log


def told_by_a_webhook(here: Town, order_id: Any) -> None:
    """The store says so too: what it is about is read again, and that answer may be nonsense."""
    number = here.stored(order_id).order_id
    with here.project.ledger.begin() as connection:
        body = json.dumps({"id": 1, "order_id": int(number)}).encode()
        inbox.receive(connection, SHOP, f"about {order_id}", "fulfillments/create", body)


def test_headers_of_no_sense_are_no_reason_to_stop(here: tuple[HostileProxy, Town]) -> None:
    proxy, town = here
    town.sync()
    done = proxy.headers(SEED)
    orders = [town.place() for _ in range(6)]
    rounds(town, 3)
    assert len(done) > 8
    everything_arrived_once(town, proxy, orders)


def test_a_catalogue_of_nonsense_leaves_the_one_we_have_or_is_read(here: tuple[HostileProxy, Town]) -> None:
    proxy, town = here
    assert observe_store.refresh_catalogue(town.context, SHOP) == 21
    done = proxy.one_place(SEED, share=1)
    for _ in range(25):
        with suppress(TransportError):
            observe_store.refresh_catalogue(town.context, SHOP)
    assert done.total() >= 25
    proxy.heal()
    assert observe_store.refresh_catalogue(town.context, SHOP) == 21
