"""Who watches deadlines says what it saw, and nothing of what it did not look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from marketplace_sync.flows import watch_deadlines
from marketplace_sync.ledger import orders
from marketplace_sync_tests.flows.town import JL, Town, town


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> Iterator[Town]:
    with town(database_url, tmp_path) as found:
        yield found


def watched(here: Town, now: datetime, **settings: float) -> watch_deadlines.DeadlineReport:
    """One look at the acknowledgements, at that time and with these keys of the route."""
    (route,) = here.context.routes
    route = replace(route, settings=route.settings.model_copy(update=settings))
    context = replace(here.context, now=lambda: now, routes=(route,))
    with here.project.ledger.begin() as connection:
        return watch_deadlines.acknowledgements(connection, context, route)


def test_an_item_is_not_closed_because_too_many_orders_wait_to_look_at_its_own(
    here: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.place()
    here.read_marketplace()
    last = here.place()
    here.read_marketplace()
    next_week = here.project.ledger.now() + timedelta(days=7)
    assert watched(here, next_week).overdue == 2
    monkeypatch.setattr(watch_deadlines, "LOOKED_AT", 1)
    found = watched(here, next_week)
    assert (found.waiting, found.overdue) == (2, 1)
    assert here.work_items()["ACKNOWLEDGE_OVERDUE"] == 2
    here.sandbox.act(JL, "acknowledge_in_portal", order_id=last)
    here.read_marketplace("sweep")
    watched(here, next_week)
    assert here.work_items()["ACKNOWLEDGE_OVERDUE"] == 1, "what is over is closed, whoever is looked at"


def test_when_a_person_is_warned_is_the_routes_to_say(here: Town) -> None:
    order_id = str(here.place())
    here.read_marketplace()
    with here.project.ledger.begin() as connection:
        order = orders.load(connection, JL, [order_id])[order_id]
    assert order.acknowledge_by is not None
    half_way = order.placed_at + (order.acknowledge_by - order.placed_at) * 0.6
    assert watched(here, half_way).due_soon == 0
    assert watched(here, half_way, warn_at=0.5).due_soon == 1
    assert here.work_items()["ACKNOWLEDGE_DUE"] == 1
