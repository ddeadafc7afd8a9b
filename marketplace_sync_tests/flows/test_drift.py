"""What our own memory takes for done and the other systems do not have is found, told, and forgotten once it is there.

The memory is falsified: wishes are called delivered that never left, as if the ledger were from elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from marketplace_sync.flows import drift
from marketplace_sync.flows.context import Context, Route
from marketplace_sync_tests.flows.market_sides import MarketplacerSide, MarketSide, MiraklSide
from marketplace_sync_tests.flows.town import JL, KLAVIYO, SHOP, SHOPIFY, Town, town


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> Iterator[Town]:
    with town(database_url, tmp_path) as found:
        found.sync()
        yield found


def later(here: Town) -> Context:
    """So much later that nothing can still be on its way."""
    return replace(here.context, now=lambda: here.project.ledger.now() + timedelta(minutes=5))


def route(here: Town) -> Route:
    (only,) = here.context.routes
    return only


def believed_delivered(here: Town, connection: str, kind: str) -> None:
    _state(here, connection, kind, "pending", "delivered")


def not_sent_after_all(here: Town, connection: str, kind: str) -> None:
    _state(here, connection, kind, "delivered", "pending")


def _state(here: Town, connection: str, kind: str, before: str, after: str) -> None:
    with here.project.ledger.begin() as session:
        changed = session.execute(
            text(
                "UPDATE ledger.effects SET state = :after, finished_at = CASE :after WHEN 'delivered' THEN now() END"
                " WHERE connection = :connection AND kind = :kind AND state = :before"
            ),
            {"connection": connection, "kind": kind, "before": before, "after": after},
        )
    assert changed.rowcount, f"no {kind} of {connection} was {before}"


def items(here: Town, code: str) -> list[Any]:
    with here.project.ledger.begin() as session:
        return list(
            session.execute(
                text("SELECT order_id, impact, message, state FROM ledger.work_items WHERE code = :code"),
                {"code": code},
            )
        )


def test_an_order_that_the_store_does_not_have_is_missed_until_it_has_it(here: Town) -> None:
    order_id = here.place("MUG-RED", quantity=2)
    here.read_marketplace()
    believed_delivered(here, SHOP, "create_order")
    found = drift.orders_in_store(later(here), route(here))
    assert [row["order_id"] for row in found.missing] == [str(order_id)]
    (item,) = items(here, "ORDER_NOT_IN_STORE")
    assert item.impact
    assert "delivered" in item.message
    not_sent_after_all(here, SHOP, "create_order")
    here.settle()
    assert drift.orders_in_store(later(here), route(here)).agrees
    assert here.work_items() == {}


def test_money_that_waits_for_a_person_is_at_risk_once(here: Town) -> None:
    here.place("VASE-TEAL")
    here.settle()
    assert not drift.orders_in_store(later(here), route(here)).agrees
    (cause,), (missed,) = items(here, "UNKNOWN_SKU"), items(here, "ORDER_NOT_IN_STORE")
    assert cause.impact
    assert missed.impact is None


def test_a_dispatch_that_the_marketplace_does_not_show_is_missed_until_it_does(here: Town) -> None:
    order_id = here.place()
    here.settle()
    here.ship(order_id)
    here.read_store()
    believed_delivered(here, JL, "dispatch")
    found = drift.dispatches_at_marketplace(later(here), route(here))
    assert [(row["units_left"], row["units_at_marketplace"]) for row in found.missing] == [(1, 0)]
    assert here.work_items() == {"DISPATCH_NOT_AT_MARKETPLACE": 1}
    not_sent_after_all(here, JL, "dispatch")
    here.settle()
    assert drift.dispatches_at_marketplace(later(here), route(here)).agrees
    assert here.work_items() == {}


def test_a_dispatch_that_the_marketplace_took_and_lost_is_missed_once_it_is_read_again(here: Town) -> None:
    lost, kept = here.place(quantity=2), here.place()
    here.settle()
    here.sandbox.act(JL, "configure", dispatches_lost=True)
    here.ship(lost)
    here.settle()
    here.sandbox.act(JL, "configure", dispatches_lost=False)
    here.ship(kept)
    here.settle()
    believed = drift.dispatches_at_marketplace(later(here), route(here))
    assert (believed.compared, believed.as_stated, believed.agrees) == (2, 0, True), "nothing was read since"
    aged(here)
    here.read_marketplace("sweep")
    found = drift.dispatches_at_marketplace(later(here), route(here))
    assert [(row["units_left"], row["units_at_marketplace"]) for row in found.missing] == [(2, 0)]
    assert (found.compared, found.as_stated) == (2, 2)
    ((order_id, _, message, _),) = items(here, "DISPATCH_NOT_AT_MARKETPLACE")
    assert order_id == str(lost)
    assert "states the order without it since" in message
    here.sandbox.act(JL, "dispatch_in_portal", order_id=lost)
    here.read_marketplace("sweep")
    assert drift.dispatches_at_marketplace(later(here), route(here)).agrees
    assert here.work_items() == {}


@pytest.mark.parametrize("side", [MiraklSide(), MarketplacerSide()], ids=lambda side: type(side).__name__)
def test_what_was_dispatched_is_seen_in_what_the_marketplace_states_next(
    database_url: str, tmp_path: Path, side: MarketSide
) -> None:
    with side.town(database_url, tmp_path, SHOPIFY, True) as here:
        here.settle()
        order = side.place(here, "MUG-RED", quantity=2)
        for _ in range(2):  # what we write makes a marketplace state more
            here.settle()
        here.ship(order.key, at=side.name)
        here.settle()
        aged(here)
        feed = here.context.marketplaces[side.name].capabilities.dispatches_shown_by
        here.read_marketplace(feed, at=side.name)
        (its,) = (one for one in here.context.routes if one.marketplace == side.name)
        found = drift.dispatches_at_marketplace(later(here), its)
        assert (found.compared, found.as_stated, found.agrees) == (1, 1, True)


def aged(here: Town) -> None:
    """Everything was delivered so long ago that its vendor shows it."""
    with here.project.ledger.begin() as session:
        session.execute(text("UPDATE ledger.effects SET finished_at = finished_at - interval '3 min'"))


def test_an_event_that_klaviyo_does_not_have_is_missed_until_it_has_it(here: Town) -> None:
    order_id = here.place()
    here.read_marketplace()
    believed_delivered(here, KLAVIYO, "track_event")
    metrics = ("Placed Order", "Ordered Product")
    here.place()  # its events make the metrics known
    here.settle()
    found = drift.events_in_klaviyo(later(here), route(here), metrics)
    assert {(row["metric"], row["order_id"]) for row in found.missing} == {(name, str(order_id)) for name in metrics}
    assert here.work_items() == {"EVENT_NOT_IN_KLAVIYO": 2}
    with here.project.ledger.begin() as session:
        session.execute(
            text("UPDATE ledger.effects SET state = 'pending' WHERE order_id = :id AND kind = 'track_event'"),
            {"id": str(order_id)},
        )
    here.settle()
    assert drift.events_in_klaviyo(later(here), route(here), metrics).agrees
    assert here.work_items() == {}
