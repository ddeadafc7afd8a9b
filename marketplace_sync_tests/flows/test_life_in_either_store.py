"""The life of a John Lewis order is the same whichever store it lives in, and whether or not Klaviyo is told of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from marketplace_sync_tests.flows.stores import MagentoSide, ShopifySide, StoreSide
from marketplace_sync_tests.flows.town import JL, Town, town

SETTINGS = [
    pytest.param((MagentoSide, True), id="Magento"),
    pytest.param((MagentoSide, False), id="Magento without Klaviyo"),
    pytest.param((ShopifySide, False), id="Shopify without Klaviyo"),
]


@pytest.fixture(params=SETTINGS)
def here(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Iterator[Town]:
    side, with_klaviyo = request.param
    store: StoreSide = side()
    route = {} if with_klaviyo else {"marketing": None}
    with town(database_url, tmp_path, store=store, route=route) as found:
        yield found


def told(here: Town, order_id: Any, **expected: int) -> bool:
    """Whether Klaviyo heard so often of these, and of nothing when the route tells it nothing."""
    if here.context.routes[0].marketing is None:
        return here.event_list() == []
    heard = here.events(order_id)
    return {name: heard[name.replace("_", " ")] for name in expected} == expected


def test_placed_acknowledged_shipped_in_parts_returned_and_refunded(here: Town) -> None:
    order_id = here.place("MUG-RED", "BOWL-BLUE", quantity=2)
    here.settle()
    stored = here.stored(order_id)
    order = here.jl_order(order_id)
    assert stored.customer_order_number == order["customer_order_number"]
    assert stored.units == {"MUG-RED": 2, "BOWL-BLUE": 2}
    assert {item["status"] for item in order["lines"]} == {"ORDER_ACK"}
    assert told(here, order_id, Placed_Order=1, Ordered_Product=2)

    here.ship(order_id, lines=[{"sku": "MUG-RED", "quantity": 1}], tracking_numbers=["A1"])
    here.settle()
    here.ship(order_id, company="DPD UK", tracking_numbers=["B2"])
    here.settle()
    stated = here.jl_actions("dispatch", order_id)
    assert sorted((one["carrier"], one["tracking_number"], one["quantity"]) for one in stated) == [
        ("dpd", "B2", 1), ("dpd", "B2", 2), ("royal-mail", "A1", 1),
    ]  # fmt: skip
    assert {item["status"] for item in here.jl_order(order_id)["lines"]} == {"DISPATCH"}
    assert told(here, order_id, Fulfilled_Order=2)

    for amount in (None, 300):
        returned = here.sandbox.act(JL, "request_return", order_id=order_id, line_ref="1", quantity=1)
        here.settle()
        more = {} if amount is None else {"amount": amount}
        here.sandbox.act(JL, "approve_return", return_id=returned["return_id"], **more)
        here.settle()
    assert len(here.jl_actions("return_acknowledge", order_id)) == 2
    kept = here.stored(order_id)
    assert (kept.credits, kept.credited) == (2, {"MUG-RED": 2}), "each once"
    assert told(here, order_id, Returned_Order=2, Refunded_Order=2)
    assert here.work_items() == {}

    before = (here.all_stored(), here.sandbox.documents(JL, "actions"), here.event_list())
    for _ in range(2):
        here.sync()
    assert (here.all_stored(), here.sandbox.documents(JL, "actions"), here.event_list()) == before


def test_cancelled_by_the_buyer_whole_and_in_part(here: Town) -> None:
    whole, part = here.place("MUG-RED", quantity=2), here.place("MUG-RED", "BOWL-BLUE", quantity=2)
    here.settle()
    here.sandbox.act(JL, "request_cancellation", order_id=whole)
    first = here.jl_order(part)["lines"][0]
    here.sandbox.act(JL, "request_cancellation", order_id=part, line_ref=first["line_ref"], quantity=1)
    here.settle()
    here.settle()
    assert here.stored(whole).cancelled
    assert len(here.jl_actions("cancel_acknowledge", whole)) == 1
    assert told(here, whole, Cancellation_Requested=1, Cancelled_Order=1)

    assert not here.stored(part).cancelled
    (answered,) = here.jl_actions("cancel_acknowledge", part)
    assert answered["quantity"] == 1
    assert sum(here.stored(part).credited.values()) == 1
    here.ship(part, lines=[{"sku": "MUG-RED", "quantity": 1}, {"sku": "BOWL-BLUE", "quantity": 2}])
    here.settle()
    assert sum(one["quantity"] for one in here.jl_actions("dispatch", part)) == 3
    assert here.work_items() == {}


def test_cancelled_by_the_seller_whole_and_in_part(here: Town) -> None:
    whole, part = here.place("MUG-RED", quantity=2), here.place("MUG-RED", "BOWL-BLUE")
    here.settle()
    here.cancel_in_store(whole)
    here.take_off(part, "MUG-RED")
    here.settle()
    here.settle()
    assert len(here.jl_actions("cancel_acknowledge", whole)) == 1
    assert told(here, whole, Cancelled_Order=1, Cancellation_Requested=0)
    (answered,) = here.jl_actions("cancel_acknowledge", part)
    assert answered["quantity"] == 1
    here.ship(part, lines=[{"sku": "BOWL-BLUE", "quantity": 1}])
    here.settle()
    assert [one["quantity"] for one in here.jl_actions("dispatch", part)] == [1]
    assert here.work_items() == {}


def test_money_that_staff_gives_back_for_what_left_is_shown_to_a_person(here: Town) -> None:
    order_id = here.place("MUG-RED", quantity=2)
    here.settle()
    here.ship(order_id)
    here.settle()
    here.refund_in_store(order_id, "MUG-RED")
    here.settle()
    assert here.work_items() == {"SELLER_REFUND": 1}, "John Lewis refunds its buyers itself"
    assert here.jl_actions("cancel_acknowledge") == []
