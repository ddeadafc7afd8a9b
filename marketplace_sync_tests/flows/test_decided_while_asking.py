"""What a person decides while the vendor is being asked stands: it is not undone by an answer that comes later."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from marketplace_sync.domain.effects import Effect, InDoubt, NotThere, Outcome, Postponed, Refused, Resolution
from marketplace_sync.flows import courier, decide
from marketplace_sync_tests.flows.test_outages import effects
from marketplace_sync_tests.flows.town import SHOP, Town, town


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> Iterator[Town]:
    with town(database_url, tmp_path, connections={SHOP: {"doubt_settles_after": "0s"}}) as found:
        found.sync()
        yield found


class Slow:
    """The real store, whose answers to writes are lost, and of which something happens while it is asked."""

    def __init__(self, real: Any, arrives: bool, meanwhile: Callable[[Effect], Any], answer: Resolution | None) -> None:
        self._real = real
        self._arrives = arrives
        self._meanwhile = meanwhile
        self._answer = answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def deliver(self, effects: Sequence[Effect]) -> Sequence[Outcome]:
        if self._arrives:
            self._real.deliver(effects)
        return [InDoubt("its answer was lost") for _ in effects]

    def resolve(self, effect: Effect) -> Resolution:
        found: Resolution = self._answer or self._real.resolve(effect)
        self._meanwhile(effect)
        return found


def skipped_while_asked(here: Town, *, arrives: bool, answer: Resolution | None = None) -> Any:
    """An injection in doubt that a person skips while the store is being asked about it. Returns the order's id."""
    order_id = here.place()
    here.read_marketplace()

    def skip(effect: Effect) -> None:
        decide.skip(here.context, effect.effect_id, "entered by hand")

    slow = Slow(here.context.outbound(SHOP), arrives, skip, answer)
    context = replace(here.context, stores={SHOP: slow})
    courier.drain(context, SHOP)
    with here.project.ledger.begin() as connection:
        connection.execute(text("UPDATE ledger.effects SET not_before = now() WHERE state = 'in_doubt'"))
    courier.drain(context, SHOP)
    return order_id


@pytest.mark.parametrize(
    "answer",
    [
        NotThere(),
        Postponed("the shop is busy", after=0.0),
        InDoubt("the shop does not tell"),
        Refused("the shop wants no such order"),
    ],
    ids=lambda answer: type(answer).__name__,
)
def test_what_was_skipped_is_not_sent_whatever_the_vendor_answers(here: Town, answer: Resolution) -> None:
    order_id = skipped_while_asked(here, arrives=False, answer=answer)
    here.settle(3)
    (injection,) = effects(here, SHOP)
    assert (injection.state, injection.last_problem) == ("superseded", "skipped by a person: entered by hand")
    assert here.shopify_orders(order_id) == []
    assert not {code for code in here.work_items() if code.startswith("EFFECT_")}


def test_that_the_vendor_has_it_after_all_is_noted_with_the_reason_it_was_skipped_for(here: Town) -> None:
    order_id = skipped_while_asked(here, arrives=True)
    here.settle(3)
    (injection,) = effects(here, SHOP)
    assert (injection.state, injection.last_problem) == ("delivered", "skipped by a person: entered by hand")
    assert len(here.shopify_orders(order_id)) == 1
    assert len(here.jl_actions("acknowledge", order_id)) == 1, "what follows from a delivery follows"


def test_a_defect_of_our_own_met_while_asking_brings_back_nothing_that_was_skipped(here: Town) -> None:
    order_id = here.place()
    here.read_marketplace()

    def skip_and_fail(effect: Effect) -> None:
        decide.skip(here.context, effect.effect_id, "entered by hand")
        raise ZeroDivisionError

    slow = Slow(here.context.outbound(SHOP), False, skip_and_fail, NotThere())
    context = replace(here.context, stores={SHOP: slow})
    courier.drain(context, SHOP)
    with here.project.ledger.begin() as connection:
        connection.execute(text("UPDATE ledger.effects SET not_before = now() WHERE state = 'in_doubt'"))
    courier.drain(context, SHOP)
    here.settle(3)
    assert effects(here, SHOP)[0].state == "superseded"
    assert here.shopify_orders(order_id) == []


def test_what_could_not_begin_in_time_is_not_sent_late(here: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its successor may be sending it by then, if the courier has lost its lease and does not know yet."""
    order_id = here.place()
    here.read_marketplace()
    with monkeypatch.context() as impatient:
        impatient.setattr(courier, "PATIENCE", -24.0)  # a write has to begin within a second of its claim
        slow = {"kind": "delay", "seconds": 1.5}  # what is read before it takes longer
        here.sandbox.control("PUT", f"{SHOP}/faults", [slow])
        here.deliver(SHOP)
    here.sandbox.control("PUT", f"{SHOP}/faults", [])
    (injection,) = effects(here, SHOP)
    assert (injection.state, injection.attempts) == ("pending", 0)
    assert "was not sent: what had to be read before it took too long" in injection.last_problem
    assert here.shopify_orders(order_id) == []
    here.settle()
    assert len(here.shopify_orders(order_id)) == 1
