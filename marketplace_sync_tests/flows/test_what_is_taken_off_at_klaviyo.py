"""What cancellations and refunds are worth at Klaviyo, and whose doing they are said to be."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from marketplace_sync.domain.lifecycle import refund_events
from marketplace_sync.domain.orders import Order, OrderLine, PriceBasis, Refund
from marketplace_sync.flows import taken_off
from marketplace_sync_tests.flows.marketplacer_town import act, live, marketplacer_town, named, place
from marketplace_sync_tests.flows.town import JL, Town, town


def told(here: Town, name: str, order_id: object) -> list[dict[str, Any]]:
    return [event for event in here.event_list(order_id) if event["name"] == name]


@pytest.mark.parametrize(
    ("amount", "booked", "value", "partial"),
    [(None, 840, 14.00, False), (699, 839, 13.98, True), (350, 420, 7.00, True), (0, 0, 0, True)],
)
def test_a_part_of_what_units_cost_is_that_part_of_what_they_were_sold_for(
    database_url: str, tmp_path: Path, amount: int | None, booked: int, value: float, partial: bool
) -> None:
    """A mug costs John Lewis 7.00 and its tax, and the buyer 14.00."""
    with town(database_url, tmp_path) as here:
        order_id = here.place("MUG-RED")
        here.settle()
        here.ship(order_id)
        here.settle()
        returned = here.sandbox.act(JL, "request_return", order_id=order_id, line_ref="1", quantity=1)
        here.settle()
        stated = {} if amount is None else {"amount": amount}
        here.sandbox.act(JL, "approve_return", return_id=returned["return_id"], **stated)
        here.settle()
        stored = here.stored(order_id)
        assert (stored.given_back, stored.credited) == (booked, {"MUG-RED": 1})
        (refunded,) = told(here, "Refunded Order", order_id)
        properties = refunded["properties"]
        assert (refunded["value"], properties["Partial"]) == (value, partial)
        assert properties["value_basis"] == "store_price"
        assert here.work_items() == {}


def test_lines_that_several_parties_cancel_at_once_are_an_event_of_each(database_url: str, tmp_path: Path) -> None:
    with town(database_url, tmp_path, settings={JL: {"show_cancel_reason": True}}) as here:
        order_id = here.place("MUG-RED", "BOWL-BLUE")
        here.settle()
        for ref, reason in (("1", 126), ("2", 101)):  # changed mind; pick failed
            here.sandbox.act(JL, "request_cancellation", order_id=order_id, line_ref=ref, reason_code=reason)
        here.read_marketplace("orders")
        here.settle()
        for name in ("Cancellation Requested", "Cancelled Order"):
            by = {
                event["properties"]["InitiatedBy"]: (event["properties"]["SKUs"], event["properties"]["Reason"])
                for event in told(here, name, order_id)
            }
            assert by == {
                "customer": (["MUG-RED"], "changed mind (126)"), "seller": (["BOWL-BLUE"], "pick failed (101)"),
            }  # fmt: skip


def test_lines_that_several_parties_cancel_at_once_take_each_its_own_money_off(
    database_url: str, tmp_path: Path
) -> None:
    with marketplacer_town(database_url, tmp_path, store=None) as here:
        lines = [{"sku": "MUG-RED", "quantity": 1, "postage": 500}, {"sku": "LAMP-BRASS", "quantity": 1}]
        order = act(here, "place_order", lines=lines)
        live(here)
        act(here, "buyer_cancel", order_id=order["order_id"], lines=[{"sku": "MUG-RED"}])
        act(here, "cancel_by_operator", order_id=order["order_id"], lines=[{"sku": "LAMP-BRASS"}])
        live(here)
        (placed,) = named(here, "Placed Order", order)
        values = {
            event["properties"]["InitiatedBy"]: round(event["value"] * 100)
            for event in named(here, "Cancelled Order", order)
        }
        assert sum(values.values()) == round(placed["value"] * 100)
        assert len(values) == 2
        assert all(values.values())


def test_the_sellers_cancellation_is_the_sellers_when_it_is_seen_before_its_lost_answer_is_settled(
    database_url: str, tmp_path: Path
) -> None:
    with town(database_url, tmp_path) as here:
        order_id = here.place("MUG-RED")
        here.settle()
        here.cancel_in_store(order_id)
        here.read_store()
        lost = {"kind": "lost_answer", "path": "/cancel_ack", "method": "POST", "remaining": 1}
        here.sandbox.control("PUT", f"{JL}/faults", [lost])
        here.deliver(JL)
        here.read_marketplace("sweep")
        here.settle()
        (cancelled,) = told(here, "Cancelled Order", order_id)
        assert cancelled["properties"]["InitiatedBy"] == "seller"
        assert len(here.jl_actions("cancel_acknowledge", order_id)) == 1


@pytest.mark.parametrize("money_first", [True, False])
def test_a_cancelled_order_takes_off_what_was_placed_and_no_more_whatever_money_was_given_back_besides(
    database_url: str, tmp_path: Path, money_first: bool
) -> None:
    with marketplacer_town(database_url, tmp_path, store=None) as here:
        order = act(here, "place_order", lines=[{"sku": "MUG-RED", "quantity": 1, "postage": 300}])
        live(here)
        if money_first:
            act(here, "amend", order_id=order["order_id"], amount_cents=500)
            live(here)
        act(here, "cancel_by_operator", order_id=order["order_id"])
        live(here)
        if not money_first:
            act(here, "amend", order_id=order["order_id"], amount_cents=500)
            live(here)
        values = {
            name: [round(event["value"] * 100) for event in named(here, name, order)]
            for name in ("Placed Order", "Refunded Order", "Cancelled Order")
        }
        assert values == {
            "Placed Order": [1700],
            "Refunded Order": [500 if money_first else 0],
            "Cancelled Order": [1200 if money_first else 1700],
        }


def test_what_is_cancelled_of_an_order_takes_no_more_off_than_money_that_was_given_back_has_left_of_it(
    database_url: str, tmp_path: Path
) -> None:
    with marketplacer_town(database_url, tmp_path, store=None) as here:
        order = place(here, "MUG-RED", quantity=2)
        live(here)
        act(here, "amend", order_id=order["order_id"], amount_cents=2000)
        live(here)
        act(here, "cancel_by_operator", order_id=order["order_id"], lines=[{"sku": "MUG-RED", "quantity": 1}])
        live(here)
        (cancelled,) = named(here, "Cancelled Order", order)
        assert round(cancelled["value"] * 100) == 800


AT = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("cost", "quantity", "amount", "delivery", "expected"),
    [
        (1000, 2, 2000, 0, (2800, True)),
        (1000, 2, 1999, 0, (2800, True)),  # a unit's price may be a rounding
        (1000, 2, 500, 0, (700, False)),
        (1000, 2, 1000, 500, (700, False)),  # half of it is delivery
        (1000, 2, None, 0, (2800, True)),
        (None, 2, 500, 0, (None, True)),  # nobody knows which part that is
        (None, 2, 0, 0, (0, True)),
        (1000, 0, 500, 0, (None, True)),  # money alone
    ],
)
def test_a_refund_at_cost_is_worth_the_part_of_the_price_that_was_given_back_of_the_cost(
    cost: int | None, quantity: int, amount: int | None, delivery: int, expected: tuple[int | None, bool]
) -> None:
    line = OrderLine(line_id="1", quantity=2, unit_price=cost)
    order = Order(
        order_id="1", reference="1", customer_order_number="1", status="", placed_at=AT, currency="GBP",
        price_basis=PriceBasis.COST, lines=(line,),
    )  # fmt: skip
    stated = Refund(
        refund_id="1", order_id="1", line_id="1", quantity=quantity, shipping_amount=delivery,
        amount=None if amount is None else amount - delivery,
        refunded_at=AT, basis=PriceBasis.COST,
    )  # fmt: skip
    (event,) = refund_events("cost", stated)
    assert taken_off.refunded(order, event, 1400 * quantity or None) == expected
