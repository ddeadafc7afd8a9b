"""Cancellations and refunds reach the shop once each, and its books still add up afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from marketplace_sync.connectors.shopify import marks
from marketplace_sync.domain.effects import (
    Delivered,
    Effect,
    InDoubt,
    LineUnits,
    NotThere,
    Postponed,
    Refused,
    Resolution,
)
from marketplace_sync.domain.store import StoreOrder
from marketplace_sync_tests.connectors.shopify_shop import (
    LOST,
    Shop,
    cancel,
    create_order,
    line,
    refund,
    remove,
    shop,
)


@pytest.fixture
def opened() -> Iterator[Shop]:
    with shop() as there:
        yield there


def shipped(opened: Shop, quantity: int = 2) -> StoreOrder:
    there = opened.injected(create_order(lines=[line("L1", quantity=quantity)]))
    opened.act("ship", order_id=there.store_order_id)
    return there


def now(opened: Shop, there: StoreOrder) -> StoreOrder:
    found = opened.store.order(there.store_order_id)
    assert found is not None
    return found


def booked(opened: Shop) -> list[tuple[str, int]]:
    return [(entry["kind"], entry["amount"]) for entry in opened.stored("orders")[0]["transactions"]]


def test_a_unit_taken_off_is_back_in_stock_and_its_money_booked_back(opened: Shop) -> None:
    there = opened.injected()
    outcome = opened.deliver(remove(there))
    assert isinstance(outcome, Delivered)
    (made,) = now(opened, there).refunds
    assert made.refund_id == outcome.result["refund_id"]
    assert [(entry.quantity, entry.unshipped) for entry in made.lines] == [(1, True)]
    assert made.reference == "cancelled:L1:1"
    assert booked(opened) == [("SALE", 2800), ("REFUND", 1400)]
    found = {variant.sku: variant.available for page in opened.store.variants() for variant in page}
    assert found["MUG-RED"] == 46


@pytest.mark.parametrize("make", [remove, refund])
def test_the_same_wish_twice_is_one_refund(opened: Shop, make: Any) -> None:
    there = shipped(opened) if make is refund else opened.injected()
    assert opened.deliver(make(there)) == opened.deliver(make(there))
    assert len(now(opened, there).refunds) == 1
    assert len(opened.sent("RefundCreate")) == 1


@pytest.mark.parametrize("make", [remove, refund])
def test_a_refund_whose_answer_was_lost_is_found_by_our_reference(opened: Shop, make: Any) -> None:
    there = shipped(opened) if make is refund else opened.injected()
    opened.after("Books", LOST)
    effect = opened.effect(make(there))
    assert isinstance(opened.store.deliver([effect])[0], InDoubt)
    assert isinstance(opened.store.resolve(effect), Delivered)
    assert len(now(opened, there).refunds) == 1


def test_a_refund_that_never_arrived_may_be_sent_again_under_the_same_key(opened: Shop) -> None:
    there = shipped(opened)
    opened.after("Books", {"kind": "cut", "remaining": 1})
    effect = opened.effect(refund(there))
    assert isinstance(opened.store.deliver([effect])[0], InDoubt)
    assert opened.store.resolve(effect) == NotThere()
    assert isinstance(opened.store.deliver([effect])[0], Delivered)
    (answered,) = opened.sent("RefundCreate")
    assert answered["key"] == marks.idempotency_key(effect.natural_key)
    assert len(now(opened, there).refunds) == 1


def test_a_wish_that_a_person_corrected_is_not_stopped_by_the_key_of_its_failed_try(opened: Shop) -> None:
    there = opened.injected()
    wrong = opened.effect(remove(there, quantity=5))
    assert isinstance(opened.store.deliver([wrong])[0], Refused)
    corrected = replace(wrong, payload=remove(there, quantity=1))
    assert isinstance(opened.store.deliver([corrected])[0], Delivered)
    assert [entry.quantity for refunded in now(opened, there).refunds for entry in refunded.lines] == [1]


def test_a_refund_of_a_stated_amount_books_exactly_that(opened: Shop) -> None:
    there = shipped(opened)
    assert isinstance(opened.deliver(refund(there, amount=500)), Delivered)
    assert booked(opened) == [("SALE", 2800), ("REFUND", 500)]
    assert now(opened, there).refunds[0].lines[0].amount == 500


def test_a_refund_of_no_stated_amount_books_what_the_lines_are_worth(opened: Shop) -> None:
    there = shipped(opened)
    assert isinstance(opened.deliver(refund(there, quantity=2)), Delivered)
    assert booked(opened) == [("SALE", 2800), ("REFUND", 2800)]


def test_money_alone_can_be_booked(opened: Shop) -> None:
    there = shipped(opened)
    assert isinstance(opened.deliver(replace(refund(there, amount=250), lines=())), Delivered)
    assert booked(opened) == [("SALE", 2800), ("REFUND", 250)]


def test_a_second_part_of_what_one_unit_is_worth_is_money_alone_and_known_again(opened: Shop) -> None:
    there = shipped(opened, quantity=1)
    assert isinstance(opened.deliver(refund(there, amount=300, reference="refund:R1")), Delivered)
    second = opened.effect(refund(there, amount=200, reference="refund:R2"))
    opened.after("Books", LOST)
    assert isinstance(opened.store.deliver([second])[0], InDoubt)
    assert isinstance(settled(opened, second), Delivered)
    assert isinstance(opened.store.deliver([second])[0], Delivered)
    assert booked(opened) == [("SALE", 1400), ("REFUND", 300), ("REFUND", 200)]
    assert [[row.quantity for row in refunded.lines] for refunded in now(opened, there).refunds] == [[1], []]
    assert isinstance(opened.deliver(refund(there, reference="refund:R3")), Refused), "nobody says how much"


def test_never_more_is_given_back_than_was_paid(opened: Shop) -> None:
    there = shipped(opened)
    assert isinstance(opened.deliver(refund(there, amount=2000, reference="a")), Delivered)
    outcome = opened.deliver(refund(there, amount=900, reference="b"))
    assert isinstance(outcome, Refused)
    assert "1.00 GBP more" in outcome.reason
    assert booked(opened) == [("SALE", 2800), ("REFUND", 2000)]


def test_a_refund_above_what_was_paid_by_the_rounding_of_a_price_is_booked_and_says_so(opened: Shop) -> None:
    """Three units at 3.33 that the marketplace sold for 10.00 together."""
    there = opened.injected(create_order(lines=[line("L1", quantity=3, unit_price=333, total=None, tax=None)]))
    opened.act("ship", order_id=there.store_order_id)
    outcome = opened.deliver(refund(there, amount=1000, quantity=3))
    assert isinstance(outcome, Delivered), outcome
    assert outcome.result["not_booked"] == "0.01 GBP"
    assert booked(opened) == [("SALE", 999), ("REFUND", 999)]
    more = replace(refund(there, amount=1, reference="b"), lines=())
    assert opened.deliver(more) == Delivered({"not_booked": "0.01 GBP"})
    refused = opened.deliver(replace(more, reference="c", amount=3))
    assert isinstance(refused, Refused), "a minor unit for each unit ordered is more than a rounding"
    assert len(opened.sent("RefundCreate")) == 1


def test_a_refund_in_another_currency_is_left_to_a_person(opened: Shop) -> None:
    outcome = opened.deliver(refund(shipped(opened), amount=500, currency="EUR"))
    assert isinstance(outcome, Refused)
    assert "EUR" in outcome.reason


def test_returned_goods_are_restocked_where_the_shop_takes_returns() -> None:
    with shop() as opened:
        (location,) = opened.stored("locations")
        with_location = Shop(opened.sandbox, return_location=str(location["id"]))
        there = shipped(with_location)
        before = opened.stored("orders")[0]["refunds"]
        assert before == []
        assert isinstance(with_location.deliver(refund(there, reference="back")), Delivered)
        assert isinstance(with_location.deliver(refund(there, reference="kept", returned=False)), Delivered)
        lines = [entry["lines"][0] for entry in opened.stored("orders")[0]["refunds"]]
        assert [(entry["restockType"], entry["locationId"]) for entry in lines] == [
            ("RETURN", location["id"]),
            ("NO_RESTOCK", None),
        ]


def test_an_order_that_was_booked_without_prices_has_no_money_to_give_back(opened: Shop) -> None:
    there = opened.injected(create_order(lines=[line("L1", quantity=2, unit_price=None, total=None, tax=None)]))
    assert isinstance(opened.deliver(remove(there)), Delivered)
    assert booked(opened) == []


def test_units_that_the_order_does_not_have_are_refused_in_words(opened: Shop) -> None:
    there = opened.injected()
    foreign = replace(remove(there), lines=(LineUnits(line_id="nowhere", quantity=1),))
    outcome = opened.deliver(foreign)
    assert isinstance(outcome, Refused)
    assert "nowhere" in outcome.reason
    too_many = opened.deliver(remove(there, quantity=5))
    assert isinstance(too_many, Refused)
    assert too_many.reason.startswith("Shopify refused a refund on order #1001: ")


def test_a_whole_order_is_cancelled_without_giving_money_back(opened: Shop) -> None:
    there = opened.injected()
    effect = opened.effect(cancel(there))
    (outcome,) = opened.store.deliver([effect])
    assert isinstance(outcome, InDoubt | Delivered)
    resolution = settled(opened, effect)
    assert isinstance(resolution, Delivered)
    assert resolution.result["store_order_id"] == there.store_order_id
    (sent,) = opened.sent("OrderCancel")
    assert (sent["reason"], sent["staffNote"]) == ("CUSTOMER", "Changed their mind (john_lewis:edge-1)")
    assert booked(opened) == [("SALE", 2800)]
    assert isinstance(opened.deliver(cancel(there)), Delivered)
    assert len(opened.sent("OrderCancel")) == 1


def test_a_cancellation_that_shopify_is_still_at_is_waited_for() -> None:
    with shop({"job_seconds": 3600.0}) as opened:
        effect = opened.effect(cancel(opened.injected(), initiator="marketplace"))
        (accepted,) = opened.store.deliver([effect])
        assert isinstance(accepted, InDoubt)
        effect = replace(effect, asked_by=accepted.ask_by)
        waiting = opened.store.resolve(effect)
        assert isinstance(waiting, Postponed)
        assert not waiting.counts_as_attempt
        opened.sandbox.control("POST", "clock", {"advance_seconds": 3601})
        assert isinstance(settled(opened, effect), Delivered)
        assert opened.sent("OrderCancel")[0]["reason"] == "OTHER"


def test_a_cancellation_that_never_arrived_may_be_sent_again(opened: Shop) -> None:
    effect = opened.effect(cancel(opened.injected()))
    opened.after("Order", {"kind": "cut", "remaining": 1})
    assert isinstance(opened.store.deliver([effect])[0], InDoubt)
    assert opened.store.resolve(effect) == NotThere()


def test_an_order_with_parcels_cannot_be_cancelled_and_the_reason_is_shopifys(opened: Shop) -> None:
    outcome = opened.deliver(cancel(shipped(opened)))
    assert isinstance(outcome, Refused)
    assert outcome.reason.startswith("Shopify refused to cancel order #1001: ")


@pytest.mark.parametrize("make", [cancel, remove, refund])
def test_an_order_that_the_shop_no_longer_has_is_refused(opened: Shop, make: Any) -> None:
    gone = replace(make(opened.injected()), store_order_id="gid://shopify/Order/1")
    outcome = opened.deliver(gone)
    assert isinstance(outcome, Refused)
    assert "no order gid://shopify/Order/1 (john_lewis:edge-1)" in outcome.reason


def settled(opened: Shop, effect: Effect) -> Resolution:
    """The resolution once Shopify's job has run: it needs a tick of the simulated vendor."""
    for _ in range(100):
        resolution = opened.store.resolve(effect)
        if not isinstance(resolution, Postponed | NotThere):
            return resolution
        opened.sandbox.control("POST", "clock", {"advance_seconds": 1})
    raise AssertionError("the cancellation never ended")
