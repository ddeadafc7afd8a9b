"""A marketplace's order reaches the shop once, complete and paid, whatever happens on the way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from msgspec.structs import replace

from marketplace_sync.domain.effects import Delivered, InDoubt, NotThere, Postponed, Refused
from marketplace_sync.domain.orders import PriceBasis
from marketplace_sync_tests.connectors.shopify_shop import (
    LOST,
    Shop,
    create_order,
    line,
    order,
    shop,
    wanted,
)


@pytest.fixture
def opened() -> Iterator[Shop]:
    with shop() as there:
        yield there


def test_an_order_arrives_with_everything_the_warehouse_and_the_books_need(opened: Shop) -> None:
    outcome = opened.deliver(create_order(lines=[line("L1", quantity=2), line("L2", unit_price=999, tax=None)]))
    assert isinstance(outcome, Delivered)
    (stored,) = opened.stored("orders")
    assert outcome.result["name"] == "#1001"
    assert outcome.result["lines"] == {
        name: f"gid://shopify/LineItem/{entry['id']}" for name, entry in zip(["L1", "L2"], stored["lines"], strict=True)
    }
    assert (stored["sourceIdentifier"], stored["poNumber"]) == ("john_lewis:edge-1", "C00000001")
    assert stored["tags"] == ["john-lewis", "marketplace:john_lewis"]
    assert [(entry["price"], entry["quantity"], entry["requiresShipping"]) for entry in stored["lines"]] == [
        (1400, 2, True),
        (999, 1, True),
    ]
    assert [entry["taxLines"][0]["price"] for entry in stored["lines"]] == [466, 167]
    assert stored["taxesIncluded"]
    assert [(t["kind"], t["status"], t["amount"], t["gateway"]) for t in stored["transactions"]] == [
        ("SALE", "SUCCESS", 3799, "John Lewis")
    ]
    assert stored["customerId"] is None
    assert stored["customerAcceptsMarketing"] is False
    assert stored["shippingAddress"]["lastName"] == "van der Berg"
    assert stored["shippingAddress"]["provinceCode"] is None


def test_the_stock_of_an_order_is_taken_even_when_the_shop_believes_it_has_none(opened: Shop) -> None:
    opened.act("set_stock", sku="MUG-RED", available=1)
    opened.injected(create_order(lines=[line("L1", quantity=3)]))
    found = {variant.sku: variant.available for page in opened.store.variants() for variant in page}
    assert found["MUG-RED"] == -2


def test_the_same_order_delivered_again_is_the_same_order(opened: Shop) -> None:
    assert opened.deliver(create_order()) == opened.deliver(create_order())
    assert len(opened.stored("orders")) == 1
    assert len(opened.sent("OrderCreate")) == 1


def test_an_order_whose_answer_was_lost_is_found_and_not_made_again(opened: Shop) -> None:
    opened.after("OrderByKey", LOST)
    effect = opened.effect(create_order())
    (outcome,) = opened.store.deliver([effect])
    assert isinstance(outcome, InDoubt)
    resolution = opened.store.resolve(effect)
    assert isinstance(resolution, Delivered)
    assert resolution.result["lines"].keys() == {"L1"}
    assert len(opened.stored("orders")) == 1


@pytest.mark.parametrize("kind", ["error_after", "truncate"])
def test_an_answer_that_is_no_answer_leaves_the_order_in_doubt_until_it_is_looked_up(opened: Shop, kind: str) -> None:
    opened.after("OrderByKey", {"kind": kind, "remaining": 1})
    effect = opened.effect(create_order())
    assert isinstance(opened.store.deliver([effect])[0], InDoubt)
    assert isinstance(opened.store.resolve(effect), Delivered)
    assert len(opened.stored("orders")) == 1


def test_an_order_that_never_arrived_may_be_sent_again(opened: Shop) -> None:
    opened.after("OrderByKey", {"kind": "cut", "remaining": 1})
    effect = opened.effect(create_order())
    assert isinstance(opened.store.deliver([effect])[0], InDoubt)
    assert opened.store.resolve(effect) == NotThere()
    assert isinstance(opened.store.deliver([effect])[0], Delivered)
    assert len(opened.stored("orders")) == 1


def test_a_missing_order_is_only_believed_missing_once_the_lost_call_must_have_ended() -> None:
    with shop(doubt_settles_after=timedelta(seconds=30)) as opened:
        opened.after("OrderByKey", {"kind": "cut", "remaining": 1})
        effect = opened.effect(create_order())
        opened.store.deliver([effect])
        resolution = opened.store.resolve(effect)
        assert isinstance(resolution, Postponed)
        assert resolution.after is not None
        assert 25 < resolution.after <= 30
        assert not resolution.counts_as_attempt


def test_doubt_before_the_first_order_is_resolved_although_the_key_is_not_defined_yet(opened: Shop) -> None:
    assert opened.store.resolve(opened.effect(create_order())) == NotThere()


def test_an_order_without_our_key_is_found_by_its_source_identifier(opened: Shop) -> None:
    """As when somebody's other tool, or a shop restored from a copy, has the order already."""
    with_key = opened.effect(create_order())
    opened.store.deliver([with_key])
    there = Shop(opened.sandbox, metafield_key="another", doubt_settles_after=timedelta(0))
    there.store.check()
    resolution = there.store.resolve(with_key)
    assert isinstance(resolution, Delivered)


def test_two_processes_that_inject_the_same_order_at_the_same_moment_make_one(opened: Shop) -> None:
    """The key is free when both look; Shopify keeps it unique, and the second finds what the first one made."""
    other = Shop(opened.sandbox)
    opened.store.check()
    opened.then("OrderByKey", lambda: other.deliver(create_order()))
    effect = opened.effect(create_order())
    (outcome,) = opened.store.deliver([effect])
    assert isinstance(outcome, Delivered)
    assert outcome == other.deliver(create_order())
    assert len(opened.sent("OrderCreate")) == 1
    assert len(opened.stored("orders")) == 1


def test_what_shopify_refuses_is_said_in_a_sentence(opened: Shop) -> None:
    unknown = replace(
        create_order(), variants=(replace(create_order().variants[0], variant_id="gid://shopify/ProductVariant/1"),)
    )
    outcome = opened.deliver(unknown)
    assert isinstance(outcome, Refused)
    assert outcome.reason.startswith("Shopify refused order JL-1: ")
    assert opened.stored("orders") == []


def test_a_shop_that_obeys_its_stock_refuses_what_it_does_not_have() -> None:
    with shop(inventory_behaviour="DECREMENT_OBEYING_POLICY") as opened:
        opened.act("set_stock", sku="MUG-RED", available=1)
        outcome = opened.deliver(create_order(lines=[line("L1", quantity=5)]))
        assert isinstance(outcome, Refused)
        assert outcome.code == "INVENTORY_CLAIM_FAILED"
        assert "correct its stock" in outcome.reason


def test_a_line_without_a_price_does_not_stop_the_parcel(opened: Shop) -> None:
    opened.injected(create_order(lines=[line("L1", unit_price=None, total=None, tax=None)]))
    (stored,) = opened.stored("orders")
    assert stored["lines"][0]["price"] == 0
    assert {"key": "price_missing", "value": "true"} in stored["customAttributes"]
    assert stored["transactions"] == []
    assert stored["financialStatusGiven"] == "PAID"


def test_an_order_at_cost_says_so(opened: Shop) -> None:
    opened.injected(create_order(price_basis=PriceBasis.COST))
    assert {"key": "price_basis", "value": "cost"} in opened.stored("orders")[0]["customAttributes"]


def test_units_that_were_cancelled_or_dispatched_before_are_not_injected(opened: Shop) -> None:
    lines = [line("L1", quantity=3, cancelled=1), line("L2", cancelled=1), line("L3", quantity=2, dispatched=2)]
    there = opened.injected(create_order(lines=lines))
    assert [(entry.source_line_id, entry.quantity) for entry in there.lines] == [("L1", 2)]


def test_an_order_with_nothing_left_is_refused_without_a_call(opened: Shop) -> None:
    outcome = opened.deliver(create_order(lines=[line("L1", cancelled=1)]))
    assert isinstance(outcome, Refused)
    assert opened.exchanges == []


def test_an_order_with_a_line_of_no_known_variant_is_refused(opened: Shop) -> None:
    outcome = opened.deliver(wanted(order(lines=[line("L1")]), variants=()))
    assert isinstance(outcome, Refused)
    assert "MUG-RED" in outcome.reason


def test_an_order_with_more_lines_than_one_answer_tells_is_mapped_completely(opened: Shop) -> None:
    lines = [line(f"L{number}") for number in range(60)]
    outcome = opened.deliver(create_order(lines=lines))
    assert isinstance(outcome, Delivered)
    assert len(outcome.result["lines"]) == 60
    assert opened.deliver(create_order(lines=lines)) == outcome


def test_a_trial_shop_that_takes_five_orders_a_minute_makes_the_sixth_wait() -> None:
    with shop({"orders_per_minute": 5}) as opened:
        outcomes = [opened.deliver(create_order(number)) for number in range(1, 7)]
        assert all(isinstance(outcome, Delivered) for outcome in outcomes[:5])
        assert isinstance(outcomes[5], Postponed)
        assert not outcomes[5].counts_as_attempt
        assert len(opened.stored("orders")) == 5


def test_test_orders_are_marked_as_such(opened: Shop) -> None:
    opened.injected(create_order(is_test=True))
    assert opened.stored("orders")[0]["test"] is True


def test_every_order_we_injected_is_listed_by_its_source_identifier(opened: Shop) -> None:
    first, second = opened.injected(create_order(1)), opened.injected(create_order(2))
    found = dict(opened.store.source_identifiers(first.updated_at - timedelta(minutes=5)))
    assert found == {
        "john_lewis:edge-1": first.store_order_id,
        "john_lewis:edge-2": second.store_order_id,
    }
