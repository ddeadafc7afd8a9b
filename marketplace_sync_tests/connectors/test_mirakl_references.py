"""The store's order numbers, many in one call whose success says per order what was wrong."""

from __future__ import annotations

from marketplace_sync.domain.effects import Delivered, EffectKind, InDoubt, Lane, Refused, StateReference
from marketplace_sync_tests.connectors.mirakl_shop import effect
from marketplace_sync_tests.connectors.test_mirakl_sandbox import ACCOUNT, life


def test_orders_are_told_their_numbers_in_one_call_and_one_that_is_not_there_costs_the_others_nothing() -> None:
    with life({"OR04"}) as here:
        first, second = here.place(("MUG-RED", 1)), here.place(("MUG-BLUE", 1))
        connector = here.shop.connector
        assert connector.batch_limit(EffectKind.STATE_REFERENCE, Lane.CATALOGUE) == 100
        wishes = [
            effect(StateReference(order_id=order_id, reference=reference), number)
            for number, (order_id, reference) in enumerate([(first, "#1001"), ("nobody-A", "#1"), (second, "#1002")])
        ]
        one, two, three = connector.deliver(wishes)
        assert (one, three) == (Delivered(), Delivered())
        assert isinstance(two, Refused)
        assert (two.code, "nobody-A" in two.reason) == ("ORDER_NOT_FOUND", True)
        numbers = [here.sandbox.act(ACCOUNT, "get_order", order_id=one)["seller_reference"] for one in (first, second)]
        assert numbers == ["#1001", "#1002"]
        assert len(here.shop.sent("/api/orders")) == 1


def test_a_lost_answer_is_repeated_because_a_number_may_be_stated_again() -> None:
    with life() as here:
        order_id = here.place(("MUG-RED", 1))
        here.sandbox.control("PUT", f"{ACCOUNT}/faults", [{"kind": "lost_answer", "remaining": 1, "method": "PUT"}])
        wish = [effect(StateReference(order_id=order_id, reference="#1"))]
        assert isinstance(here.shop.connector.deliver(wish)[0], InDoubt)
        assert here.shop.connector.is_idempotent(EffectKind.STATE_REFERENCE)
        assert here.shop.connector.deliver(wish) == [Delivered()]
