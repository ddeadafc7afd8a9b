"""A vendor that is down for hours needs nobody: everything is tried until it is back, and one work item says so."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from marketplace_sync.flows import courier
from marketplace_sync_tests.flows.town import JL, KLAVIYO, SHOP, Town, town


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> Iterator[Town]:
    impatient = {"settle_after": "1s"}
    connections: dict[str, dict[str, Any]] = {
        JL: impatient,
        SHOP: {"doubt_settles_after": "1s"},
        KLAVIYO: {"max_attempts": 3},
    }
    with town(database_url, tmp_path, connections=connections) as found:
        yield found


def down(here: Town, *accounts: str) -> None:
    for account in accounts:
        rule = {"kind": "status", "status": 500, "retry_after": None}
        here.sandbox.control("PUT", f"{account}/faults", [rule])


def up(here: Town, *accounts: str) -> None:
    for account in accounts:
        here.sandbox.control("PUT", f"{account}/faults", [])


def later(here: Town, minutes: int) -> None:
    """The ledger as it will be in so many minutes: everything that was noted is that much older, and due."""
    with here.project.ledger.begin() as connection:
        connection.execute(
            text(
                "UPDATE ledger.effects SET not_before = now(), failing_since = failing_since - :by,"
                " in_doubt_since = in_doubt_since - :by WHERE state IN ('pending', 'in_doubt')"
            ),
            {"by": timedelta(minutes=minutes)},
        )
        connection.execute(
            text("UPDATE ledger.outages SET since = since - :by, next_try = now()"), {"by": timedelta(minutes=minutes)}
        )


def effects(here: Town, name: str) -> list[Any]:
    with here.project.ledger.begin() as connection:
        return list(
            connection.execute(
                text(
                    "SELECT kind, state, attempts, last_problem FROM ledger.effects WHERE connection = :name"
                    " ORDER BY effect_id"
                ),
                {"name": name},
            )
        )


def message(here: Town, code: str, subject: str) -> str:
    with here.project.ledger.begin() as connection:
        return str(
            connection.execute(
                text(
                    "SELECT message FROM ledger.work_items WHERE code = :code AND subject = :subject AND state = 'open'"
                ),
                {"code": code, "subject": subject},
            ).scalar()
        )


@pytest.mark.soak
def test_an_hour_of_errors_is_sat_out_under_one_work_item_that_closes_by_itself(here: Town) -> None:
    here.sync()
    orders = [here.place() for _ in range(3)]
    here.read_marketplace()
    down(here, SHOP, KLAVIYO)
    for number in range(14):  # more tries than `max_attempts`, over an hour and ten minutes
        if number in (0, 6, 13):  # what is read before a write is tried several times by itself: seconds, each time
            here.deliver(SHOP)
        here.deliver(KLAVIYO)
        later(here, 5)
    for name in (SHOP, KLAVIYO):
        waiting = effects(here, name)
        assert {one.state for one in waiting} <= {"pending", "in_doubt"}, waiting
        assert max(one.attempts for one in waiting) >= (13 if name == KLAVIYO else 1)
        assert "the vendor answered 500" in message(here, "DELIVERIES_FAILING", name)
        assert "have been failing since" in message(here, "DELIVERIES_FAILING", name)
    assert here.work_items() == {"DELIVERIES_FAILING": 2}
    up(here, SHOP, KLAVIYO)
    later(here, 5)
    here.settle()
    assert here.work_items() == {}
    for order_id in orders:
        assert len(here.shopify_orders(order_id)) == 1
        assert here.events(order_id)["Placed Order"] == 1
        assert len(here.jl_actions("acknowledge", order_id)) == 1


def calls(here: Town, account: str) -> int:
    """How many calls an account has refused to answer."""
    return int(sum(here.sandbox.control("GET", "")["accounts"][account]["faults"]["struck"].values()))


def test_in_an_outage_one_at_a_time_is_tried_and_all_follow_the_first_that_gets_through(here: Town) -> None:
    here.sync()
    orders = [here.place() for _ in range(8)]
    here.read_marketplace()
    down(here, KLAVIYO)
    here.deliver(KLAVIYO)  # nobody knows yet
    later(here, 1)
    tried = calls(here, KLAVIYO)
    assert tried >= len(orders)
    assert here.deliver(KLAVIYO).held_back > 1
    assert calls(here, KLAVIYO) == tried + 1
    late = here.place()
    here.read_marketplace()
    assert here.deliver(KLAVIYO).total() == 0
    assert calls(here, KLAVIYO) == tried + 1  # it is not its turn yet
    with here.project.ledger.begin() as connection:
        connection.execute(text("UPDATE ledger.outages SET next_try = now() + interval '1 h'"))
    assert [one for one in here.sync().problems if one.startswith(f"{KLAVIYO}: takes nothing just now")] != []
    later(here, 1)
    here.deliver(KLAVIYO)
    assert calls(here, KLAVIYO) == tried + 2
    up(here, KLAVIYO)
    with here.project.ledger.begin() as connection:
        connection.execute(text("UPDATE ledger.outages SET next_try = now()"))  # half a minute later
    assert here.deliver(KLAVIYO).held_back == 0
    assert {one.state for one in effects(here, KLAVIYO)} == {"delivered"}
    for order_id in (*orders, late):
        assert here.events(order_id)["Placed Order"] == 1


def test_a_failure_that_is_soon_over_is_shown_to_nobody(here: Town) -> None:
    here.sync()
    here.place()
    here.read_marketplace()
    down(here, SHOP)
    here.deliver(SHOP)
    assert here.work_items() == {}


def test_a_day_of_it_is_the_end_and_a_person_decides(here: Town) -> None:
    here.sync()
    here.place()
    here.read_marketplace()
    down(here, KLAVIYO)
    here.deliver(KLAVIYO)
    later(here, 24 * 60 - 5)
    here.deliver(KLAVIYO)
    assert {one.state for one in effects(here, KLAVIYO)} <= {"pending", "in_doubt"}
    for _ in range(6):  # events wait behind the profile, so their day begins later
        later(here, 25 * 60)
        here.deliver(KLAVIYO)
    found = effects(here, KLAVIYO)
    assert {one.state for one in found} == {"dead"}, found
    assert all("failing since" in one.last_problem for one in found)
    assert here.work_items() == {"EFFECT_DEAD": len(found)}


def test_a_day_is_measured_by_the_clock_that_noted_the_failure(here: Town) -> None:
    here.sync()
    order_id = here.place()
    here.read_marketplace()
    down(here, KLAVIYO)
    here.deliver(KLAVIYO)
    up(here, KLAVIYO)
    later(here, 5)
    ahead = replace(here.context, now=lambda: datetime.now(UTC) + timedelta(days=3))
    courier.drain(ahead, KLAVIYO)
    later(here, 5)
    courier.drain(ahead, KLAVIYO)
    assert {one.state for one in effects(here, KLAVIYO)} == {"delivered"}
    assert here.events(order_id)["Placed Order"] == 1


def test_days_in_which_nobody_tried_are_not_the_end(here: Town) -> None:
    here.sync()
    order_id = here.place()
    here.read_marketplace()
    down(here, KLAVIYO)
    here.deliver(KLAVIYO)
    later(here, 3 * 24 * 60)
    here.deliver(KLAVIYO)
    waiting = effects(here, KLAVIYO)
    assert {one.state for one in waiting} <= {"pending", "in_doubt"}, waiting
    up(here, KLAVIYO)
    later(here, 5)
    here.settle()
    assert here.events(order_id)["Placed Order"] == 1


def test_what_a_vendor_forbids_for_this_effect_alone_is_given_up_after_its_attempts(here: Town) -> None:
    here.sync()
    order_id = here.place()
    here.settle()
    here.ship(order_id)
    here.read_store()
    rule = {"kind": "status", "status": 403, "path": "/dispatch"}
    here.sandbox.control("PUT", f"{JL}/faults", [rule])
    for _ in range(12):
        here.deliver(JL)
        later(here, 5)
    assert [(one.state, one.attempts) for one in effects(here, JL) if one.kind == "dispatch"] == [("dead", 12)]
    assert "tried 12 times" in message(here, "EFFECT_DEAD", _dispatch_subject(here))


def _dispatch_subject(here: Town) -> str:
    with here.project.ledger.begin() as connection:
        key = connection.execute(text("SELECT natural_key FROM ledger.effects WHERE kind = 'dispatch'")).scalar()
    return f"{JL}:{key}"


def test_an_order_that_arrives_on_hold_is_acknowledged_and_dispatched_once_it_is_released(
    database_url: str, tmp_path: Path
) -> None:
    settings = {JL: {"unknown_status_rate": 1.0, "hold_seconds": 3600}}
    with town(database_url, tmp_path, settings=settings) as here:
        here.sync()
        order_id = here.place()
        here.sync()
        here.ship(order_id)
        here.sync()
        assert here.jl_order(order_id)["lines"][0]["status"] == "ON_HOLD"
        waiting = {one.kind: one.state for one in effects(here, JL)}
        assert waiting == {"acknowledge_order": "pending", "dispatch": "pending"}
        assert "line 1 is ON_HOLD" in effects(here, JL)[0].last_problem
        here.sandbox.control("POST", "clock", {"advance_seconds": 3700})
        _eventually_released(here, order_id)
        later(here, 1)
        here.settle()
        assert len(here.jl_actions("acknowledge", order_id)) == 1
        assert len(here.jl_actions("dispatch", order_id)) == 1
        assert here.work_items().keys() <= {"ACKNOWLEDGE_OVERDUE", "ODD_STATEMENT"}


def _eventually_released(here: Town, order_id: Any) -> None:
    give_up = time.monotonic() + 30
    while here.jl_order(order_id)["lines"][0]["status"] == "ON_HOLD":
        assert time.monotonic() < give_up
