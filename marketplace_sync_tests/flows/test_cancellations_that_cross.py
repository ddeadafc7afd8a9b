"""A cancellation and a parcel, or two cancellations, that cross on their way: a person is asked once, and only about
what still has to be done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from marketplace_sync.domain.effects import Delivered, Effect, Lane, Refused, Resolution
from marketplace_sync.flows import import_orders, settling
from marketplace_sync.ledger import outbox
from marketplace_sync_tests.flows.marketplacer_town import MARKET, act, live, marketplacer_town, place
from marketplace_sync_tests.flows.stores import MagentoSide
from marketplace_sync_tests.flows.town import JL, SHOP, Town, town


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> Iterator[Town]:
    with town(database_url, tmp_path) as found:
        yield found


def claimed(here: Town, name: str) -> list[Effect]:
    """What a slow courier has just taken out of the outbox."""
    with here.project.ledger.begin() as connection:
        return outbox.claim(connection, name, tuple(Lane), 10, timedelta(minutes=1))


def answered(here: Town, name: str, effects: Sequence[Effect], answers: Sequence[Resolution]) -> None:
    with here.project.ledger.begin() as connection:
        settling.answered(connection, here.context, effects, answers, settling.DrainReport(name))


def test_a_store_that_refuses_to_cancel_what_has_left_meanwhile_asks_nobody(here: Town) -> None:
    order_id = here.place()
    here.settle()
    here.sandbox.act(JL, "request_cancellation", order_id=order_id)
    here.read_marketplace()
    cancelling = claimed(here, SHOP)
    here.ship(order_id)
    here.read_store()
    here.deliver(JL)
    assert len(here.jl_actions("dispatch", order_id)) == 1
    answers = list(here.context.outbound(SHOP).deliver(cancelling))
    assert [type(answer) for answer in answers] == [Refused]
    answered(here, SHOP, cancelling, answers)
    here.settle()
    assert here.work_items() == {}


def test_a_cancellation_that_crosses_a_part_of_the_order_is_of_the_rest_in_either_store(
    database_url: str, tmp_path: Path
) -> None:
    with town(database_url, tmp_path, store=MagentoSide()) as here:
        order_id = here.place("MUG-RED", "LAMP-BRASS")
        here.settle()
        here.sandbox.act(JL, "request_cancellation", order_id=order_id)
        here.read_marketplace()
        here.ship(order_id, lines=[{"sku": "MUG-RED", "quantity": 1}])
        here.deliver("magento_main")
        here.deliver(JL)
        assert here.jl_actions("cancel_acknowledge", order_id) == []
        for _ in range(2):
            here.settle()
        (dispatched,) = here.jl_actions("dispatch", order_id)
        (cancelled,) = here.jl_actions("cancel_acknowledge", order_id)
        assert dispatched["part_number"] != cancelled["part_number"]
        assert here.stored(order_id).credited == {"LAMP-BRASS": 1}
        assert here.work_items() == {}


def test_a_cancellation_that_was_refused_because_it_had_been_told_asks_nobody(here: Town) -> None:
    """The first of two answers was lost, or somebody at the marketplace was quicker."""
    order_id = here.place()
    here.settle()
    here.cancel_in_store(order_id)
    here.read_store()
    telling = claimed(here, JL)
    here.context.outbound(JL).deliver(telling)
    answered(here, JL, telling, [Refused("nothing is left to cancel")] * len(telling))
    assert here.work_items() == {"EFFECT_REFUSED": 1}
    assert import_orders.import_order(here.context, JL, str(order_id))
    assert here.work_items() == {}


def test_a_parcel_of_what_its_buyer_had_cancelled_is_one_matter_for_a_person(database_url: str, tmp_path: Path) -> None:
    with marketplacer_town(database_url, tmp_path, store=MagentoSide()) as here:
        order = place(here, quantity=2)
        live(here)
        here.ship(order["id"], at=MARKET)
        act(here, "buyer_cancel", order_id=order["order_id"])
        here.read_store()  # the parcel is known first, and the marketplace refuses to hear of it
        live(here)
        assert here.work_items() == {"SHIPPED_MORE_THAN_ORDERED": 1}


def test_a_parcel_that_is_known_after_the_cancellation_is_the_same_one_matter(
    database_url: str, tmp_path: Path
) -> None:
    with marketplacer_town(database_url, tmp_path, store=MagentoSide()) as here:
        order = place(here, quantity=2)
        live(here)
        here.ship(order["id"], at=MARKET)
        act(here, "buyer_cancel", order_id=order["order_id"])
        here.read_marketplace(at=MARKET)
        live(here)
        assert here.work_items() == {"SHIPPED_MORE_THAN_ORDERED": 1}


def test_what_is_taken_back_into_the_store_is_cancelled_after_all(here: Town) -> None:
    order_id = here.place()
    here.settle()
    here.sandbox.act(JL, "request_cancellation", order_id=order_id)
    here.read_marketplace()
    parcel = here.ship(order_id, company="Parrot Post")  # which is not mapped, so that nobody is told yet
    here.read_store()  # what was to be taken off has left
    here.sandbox.act(SHOP, "cancel_fulfillment", fulfillment_id=parcel["id"])
    here.settle()
    (stored,) = here.shopify_orders(order_id)
    assert stored["cancelledAt"] is not None
    assert len(here.jl_actions("cancel_acknowledge", order_id)) == 1
    assert here.work_items() == {}


def test_a_cancellation_that_is_brought_again_because_its_answer_was_lost_is_made_once(
    database_url: str, tmp_path: Path
) -> None:
    with marketplacer_town(database_url, tmp_path, store=MagentoSide()) as here:
        order = place(here, quantity=3)
        live(here)
        here.take_off(order["id"], "MUG-RED", at=MARKET)
        here.read_store()
        telling = claimed(here, MARKET)
        market = here.context.outbound(MARKET)
        assert isinstance(market.deliver(telling)[0], Delivered)
        assert isinstance(market.resolve(telling[0]), Delivered)
        answered(here, MARKET, telling, market.deliver(telling))
        live(here)
        assert [one["quantity"] for one in here.sandbox.documents(MARKET, "refund_request_line_items")] == [1]
        assert here.work_items() == {}


def test_a_unit_that_has_left_meanwhile_is_not_taken_off_where_the_store_would_let_us(
    database_url: str, tmp_path: Path
) -> None:
    with town(database_url, tmp_path, store=MagentoSide()) as here:
        order_id = here.place(quantity=3)
        here.settle()
        (line,) = here.jl_order(order_id)["lines"]
        here.sandbox.act(JL, "request_cancellation", order_id=order_id, line_ref=line["line_ref"], quantity=1)
        here.read_marketplace()
        taking_off = claimed(here, here.store.name)
        here.ship(order_id)
        answers = list(here.context.outbound(here.store.name).deliver(taking_off))
        assert [type(answer) for answer in answers] == [Refused]
        answered(here, here.store.name, taking_off, answers)
        here.settle()
        assert here.sandbox.documents(here.store.name, "creditmemos") == []
        assert "EFFECT_REFUSED" not in here.work_items()


def cancelled_at_john_lewis(here: Town, order_id: Any) -> list[int]:
    return [one["quantity"] for one in here.jl_actions("cancel_acknowledge", order_id)]


def taken_off_by_staff(here: Town) -> Any:
    """Two of three units, which John Lewis refuses: it cancels whole lines only."""
    order_id = here.place("MUG-RED", quantity=3)
    here.settle()
    here.take_off(order_id, "MUG-RED", 2)
    here.read_store()
    here.settle()
    assert here.work_items() == {"EFFECT_REFUSED": 1}
    return order_id


def test_units_that_john_lewis_would_not_cancel_for_us_are_cancelled_when_it_asks_for_them(here: Town) -> None:
    order_id = taken_off_by_staff(here)
    here.sandbox.act(JL, "request_cancellation", order_id=order_id, line_ref="1", quantity=2)
    here.read_marketplace("orders")
    here.settle()
    assert cancelled_at_john_lewis(here, order_id) == [2]
    here.ship(order_id, lines=[{"sku": "MUG-RED", "quantity": 1}])
    here.settle()
    here.read_marketplace("sweep")
    here.settle()
    assert here.work_items() == {}
    (told,) = [event for event in here.event_list(order_id) if event["name"] == "Cancelled Order"]
    assert told["properties"]["InitiatedBy"] == "customer"


def test_units_that_john_lewis_would_not_cancel_are_told_again_once_they_are_all_that_is_open(here: Town) -> None:
    order_id = taken_off_by_staff(here)
    here.ship(order_id, lines=[{"sku": "MUG-RED", "quantity": 1}])
    here.settle()
    assert cancelled_at_john_lewis(here, order_id) == [2]
    assert here.work_items() == {}
    here.read_marketplace("sweep")
    here.settle()
    assert here.work_items() == {}


def test_of_what_left_the_store_only_what_was_asked_for_is_agreed_to_as_such(here: Town) -> None:
    order_id = here.place("MUG-RED", quantity=3)
    here.settle()
    here.sandbox.act(JL, "request_cancellation", order_id=order_id, line_ref="1", quantity=1)
    here.take_off(order_id, "MUG-RED", 2)
    here.read_store()
    here.settle()
    here.read_marketplace("orders")
    here.settle()
    assert cancelled_at_john_lewis(here, order_id) == [1]
    assert here.work_items() == {"EFFECT_REFUSED": 1}, "the other one is a person's: John Lewis cancels whole lines"
    here.ship(order_id, lines=[{"sku": "MUG-RED", "quantity": 1}])
    here.settle()
    assert cancelled_at_john_lewis(here, order_id) == [1, 1], "it is all that is open now"
    assert here.work_items() == {}
