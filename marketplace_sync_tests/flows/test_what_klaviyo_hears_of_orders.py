"""Klaviyo hears of what was bought, and of nothing else, under our own SKUs and at the prices of that day."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import text

from marketplace_sync.domain.lifecycle import changes
from marketplace_sync.flows import advance, courier, decide, import_orders, injection, observe_store
from marketplace_sync.flows.context import Context
from marketplace_sync.ledger import orders
from marketplace_sync_tests.flows.town import JL, KLAVIYO, SHOP, Town, town


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> Iterator[Town]:
    with town(database_url, tmp_path) as found:
        yield found


def read_again(here: Town, order_id: object) -> None:
    assert import_orders.import_order(here.context, JL, str(order_id))


def recorded(here: Town, order_id: object) -> list[str]:
    """The kinds of the events of an order in the ledger."""
    with here.project.ledger.begin() as connection:
        rows = connection.execute(
            text("SELECT kind FROM ledger.order_events WHERE order_id = :id ORDER BY kind"), {"id": str(order_id)}
        )
        return [row[0] for row in rows]


def test_an_order_of_which_nothing_was_left_when_it_was_first_seen_is_no_order(here: Town) -> None:
    here.sync()
    order_id = here.place("MUG-RED", "LAMP-BRASS")
    here.sandbox.act(JL, "cancel_in_portal", order_id=order_id)
    assert [line["quantity"] for line in here.jl_order(order_id)["lines"]] == [0, 0]
    read_again(here, order_id)
    here.settle()
    assert here.events() == {}
    assert here.shopify_orders() == []
    assert recorded(here, order_id) == []
    assert here.sandbox.documents(KLAVIYO, "profiles") == []
    assert here.work_items() == {}


def test_an_order_whose_units_are_stated_later_is_placed_then(here: Town) -> None:
    here.sync()
    order_id = str(here.place("MUG-RED"))
    here.sandbox.act(JL, "cancel_in_portal", order_id=int(order_id))
    read_again(here, order_id)
    with here.project.ledger.begin() as connection:
        before = orders.load(connection, JL, [order_id], lock=True)[order_id]
        after = replace(before, lines=(replace(before.lines[0], quantity=2),))
        events = orders.record_events(connection, changes(JL, before, after, after.placed_at), after.placed_at)
        orders.save(connection, JL, after, after.placed_at)
        for route in here.context.routes_of(JL):
            advance.order_changed(connection, here.context, route, after, events)
    here.deliver(KLAVIYO)
    assert here.events() == {"Placed Order": 1, "Ordered Product": 1}
    (placed,) = [event for event in here.event_list() if event["name"] == "Placed Order"]
    assert placed["value"] == 28.00


def test_an_order_of_which_one_line_has_units_is_an_order_of_that_line(here: Town) -> None:
    here.sync()
    order_id = here.place("MUG-RED", "LAMP-BRASS")
    gone = here.jl_order(order_id)["lines"][1]
    here.sandbox.act(JL, "cancel_in_portal", order_id=order_id, line_ref=gone["line_ref"])
    read_again(here, order_id)
    here.settle()
    assert here.events() == {"Placed Order": 1, "Ordered Product": 1}
    assert here.shopify_order(order_id)["lines"][0]["sku"] == "MUG-RED"


def in_days(here: Town, days: int) -> Context:
    return dataclasses.replace(here.context, now=lambda: datetime.now(UTC) + timedelta(days=days))


def sent_as_history(here: Town) -> dict[str, bool]:
    return {event["name"]: event["backfill"] for event in here.event_list()}


@pytest.mark.parametrize(("days", "history"), [(0, False), (3, True)])
def test_an_event_that_waited_too_long_to_be_sent_is_sent_as_history(here: Town, days: int, history: bool) -> None:
    here.sync()
    here.place()
    here.read_marketplace()
    courier.drain(in_days(here, days), KLAVIYO)
    assert sent_as_history(here) == {"Placed Order": history, "Ordered Product": history}


def test_an_event_that_a_person_tries_again_after_a_week_is_sent_as_history(here: Town) -> None:
    here.sync()
    here.place()
    here.read_marketplace()
    here.sandbox.control("PUT", f"{KLAVIYO}/faults", [{"kind": "status", "status": 400, "path": "/api/events"}])
    assert here.deliver(KLAVIYO).refused == 2
    here.sandbox.control("PUT", f"{KLAVIYO}/faults", [])
    a_week_later = in_days(here, 7)
    with here.project.ledger.begin() as connection:
        statement = text("SELECT effect_id FROM ledger.effects WHERE state = 'refused'")
        refused = list(connection.execute(statement).scalars())
    for effect_id in refused:
        decide.retry(a_week_later, effect_id)
    courier.drain(a_week_later, KLAVIYO)
    assert sent_as_history(here) == {"Placed Order": True, "Ordered Product": True}


NUMBER = "89999001"
"""A stock number of John Lewis."""


def order_by_number(here: Town, sku: str, *, states_sku: bool) -> str:
    """A buyer orders two units of what has `NUMBER`, and is read."""
    here.sandbox.act(JL, "configure", blank_sku_rate=0.0 if states_sku else 1.0)
    lines = [{"sku": sku, "quantity": 2, "part_number": NUMBER}]
    order_id = str(here.sandbox.act(JL, "place_order", lines=lines)["order_id"])
    read_again(here, order_id)
    return order_id


def what_klaviyo_got(here: Town, order_id: str) -> dict[str, Any]:
    (placed,) = [event for event in here.event_list(order_id) if event["name"] == "Placed Order"]
    (item,) = placed["properties"]["Items"]
    return {**item, "value": placed["value"]}


def test_a_line_without_our_sku_is_told_under_the_sku_that_its_stock_number_is_configured_for(
    database_url: str, tmp_path: Path
) -> None:
    with town(database_url, tmp_path, route={"stock_numbers": {NUMBER: "MUG-RED"}}) as here:
        here.sync()
        order_id = order_by_number(here, "MUG-RED", states_sku=False)
        here.settle()
        got = what_klaviyo_got(here, order_id)
        assert (got["SKU"], got["ProductID"], got["value"]) == ("MUG-RED", "MUG-RED", 28.00)
        assert got["Brand"]
        assert here.stored(order_id).units == {"MUG-RED": 2}
        here.ship(order_id)
        here.settle()
        (fulfilled,) = [event for event in here.event_list(order_id) if event["name"] == "Fulfilled Order"]
        assert (fulfilled["properties"]["SKUs"], fulfilled["value"]) == (["MUG-RED"], 28.00)


def test_a_stock_number_means_what_the_marketplace_always_said_it_means_and_nothing_when_it_said_two_things(
    here: Town,
) -> None:
    here.sync()
    order_by_number(here, "MUG-RED", states_sku=True)
    learned = order_by_number(here, "MUG-RED", states_sku=False)
    order_by_number(here, "LAMP-BRASS", states_sku=True)
    ambiguous = order_by_number(here, "MUG-RED", states_sku=False)
    here.settle()
    assert (what_klaviyo_got(here, learned)["SKU"], what_klaviyo_got(here, learned)["value"]) == ("MUG-RED", 28.00)
    assert here.stored(learned).units == {"MUG-RED": 2}
    got = what_klaviyo_got(here, ambiguous)
    assert (got["SKU"], got["value"]) == (NUMBER, None), "no value rather than a wrong one"
    assert here.all_stored(ambiguous) == []
    assert here.work_items() == {"UNKNOWN_SKU": 1}


def test_the_sku_of_a_line_is_what_is_stated_then_what_is_configured_then_what_was_learnt(
    database_url: str, tmp_path: Path
) -> None:
    configured = {"1": "CONFIGURED", NUMBER: "CONFIGURED"}
    with town(database_url, tmp_path, route={"stock_numbers": configured}) as here:
        here.sync()
        order = order_by_number(here, "MUG-RED", states_sku=True)
        (route,) = here.context.routes_of(JL)
        with here.project.ledger.begin() as connection:
            (held,) = orders.load(connection, JL, [order]).values()
            (line,) = held.lines
            lines = (
                replace(line, line_id="stated", stock_number="1"),
                replace(line, line_id="configured", sku=""),
                replace(line, line_id="unknown", sku="", stock_number="2"),
                replace(line, line_id="nothing", sku="", stock_number=""),
            )
            found = injection.our_skus(connection, route, [replace(held, lines=lines)])
            unconfigured = dataclasses.replace(route, settings=route.settings.model_copy(update={"stock_numbers": {}}))
            learnt = injection.our_skus(connection, unconfigured, [replace(held, lines=lines)])
        assert {line_id: sku for (_, line_id), sku in found.items()} == {
            "stated": "MUG-RED", "configured": "CONFIGURED", "unknown": "", "nothing": "",
        }  # fmt: skip
        assert learnt[order, "configured"] == "MUG-RED"


def raise_prices(here: Town) -> None:
    """What cost 14.00 in the store when it was ordered costs 20.00 from now on."""
    here.sandbox.act(SHOP, "set_price", sku="MUG-RED", price=2000)
    observe_store.refresh_catalogue(here.context, SHOP)


def test_what_is_given_back_is_worth_what_it_was_sold_for(here: Town) -> None:
    here.sync()
    order_id = here.place("MUG-RED", quantity=2)
    here.settle()
    raise_prices(here)
    here.ship(order_id)
    here.settle()
    returned = here.sandbox.act(JL, "request_return", order_id=order_id, line_ref="1", quantity=1)
    here.settle()
    here.sandbox.act(JL, "approve_return", return_id=returned["return_id"])
    here.settle()
    told = {event["name"]: event for event in here.event_list(order_id)}
    assert {name: told[name]["value"] for name in ("Placed Order", "Fulfilled Order", "Refunded Order")} == {
        "Placed Order": 28.00, "Fulfilled Order": 28.00, "Refunded Order": 14.00,
    }  # fmt: skip
    assert [item["ItemPrice"] for item in told["Refunded Order"]["properties"]["Items"]] == [14.00]


def test_what_is_ordered_after_the_price_changed_is_worth_the_new_one(here: Town) -> None:
    here.sync()
    raise_prices(here)
    order_id = here.place("MUG-RED", quantity=2)
    here.settle()
    assert what_klaviyo_got(here, str(order_id))["value"] == 40.00


def test_an_order_told_by_an_earlier_version_is_worth_what_the_store_asks_now(here: Town) -> None:
    here.sync()
    order_id = here.place("MUG-RED")
    here.settle()
    raise_prices(here)
    without_prices = "UPDATE ledger.effects SET payload = (payload::jsonb - 'prices')::json WHERE kind = 'track_event'"
    with here.project.ledger.begin() as connection:
        connection.execute(text(without_prices))
    here.ship(order_id)
    here.settle()
    (fulfilled,) = [event for event in here.event_list(order_id) if event["name"] == "Fulfilled Order"]
    assert fulfilled["value"] == 20.00
