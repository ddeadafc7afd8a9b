"""A defect of our own is shown at once with its place, keeps the effect it is about, and keeps no other effect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from marketplace_sync.domain.effects import Effect, EffectKind, InDoubt, Lane, Outcome, Resolution
from marketplace_sync.flows import courier, decide, outcomes
from marketplace_sync.flows.context import Context
from marketplace_sync_tests.flows.test_outages import effects, later
from marketplace_sync_tests.flows.town import JL, KLAVIYO, SHOP, Town, town


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> Iterator[Town]:
    with town(database_url, tmp_path, connections={SHOP: {"doubt_settles_after": "0s", "max_attempts": 3}}) as found:
        found.sync()
        yield found


class Defective:
    """A connector with a defect over some effects: the real one otherwise."""

    def __init__(self, real: Any, about: set[str], *, asking: bool = False) -> None:
        self._real = real
        self._about = about
        self._asking = asking

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def deliver(self, effects: Sequence[Effect]) -> Sequence[Outcome]:
        if any(effect.subject in self._about for effect in effects):
            raise KeyError("ann.other@example.com")
        found: Sequence[Outcome] = self._real.deliver(effects)
        return [InDoubt("its answer was lost") for _ in effects] if self._asking else found

    def resolve(self, effect: Effect) -> Resolution:
        if self._asking:
            raise ZeroDivisionError("ann.other@example.com")
        found: Resolution = self._real.resolve(effect)
        return found


def with_store(here: Town, connector: Defective) -> Context:
    return replace(here.context, stores={SHOP: connector})


def items(here: Town, code: str = "INTERNAL_ERROR") -> list[Any]:
    with here.project.ledger.begin() as connection:
        return list(
            connection.execute(
                text(
                    "SELECT subject, message, evidence::text FROM ledger.work_items"
                    " WHERE code = :code AND state = 'open'"
                ),
                {"code": code},
            )
        )


def test_a_defect_over_one_order_is_shown_with_its_place_and_the_others_go_on(here: Town) -> None:
    poisonous, fine = here.place(), here.place()
    here.read_marketplace()
    context = with_store(here, Defective(here.context.outbound(SHOP), {f"{JL}:{poisonous}"}))
    report = courier.drain(context, SHOP)
    assert report.broken >= 1
    assert len(here.shopify_orders(fine)) == 1
    assert here.shopify_orders(poisonous) == []
    (item,) = items(here)
    assert "KeyError in flows/courier.py:" in item.message
    assert "Every effect is kept" in item.message
    assert "example.com" not in item.message + item.evidence + item.subject
    # mended: what was kept goes, once, and the work item closes by itself
    later(here, 1)
    here.settle(20)
    assert len(here.shopify_orders(poisonous)) == 1
    assert items(here) == []


def test_a_defect_that_stays_ends_the_effect_after_its_attempts_and_is_shown_until_somebody_decides(
    here: Town,
) -> None:
    poisonous = here.place()
    here.read_marketplace()
    context = with_store(here, Defective(here.context.outbound(SHOP), {f"{JL}:{poisonous}"}))
    for _ in range(8):
        courier.drain(context, SHOP)
        later(here, 5)
    (found,) = effects(here, SHOP)
    assert (found.state, found.attempts) == ("dead", 3)
    assert here.work_items() == {"INTERNAL_ERROR": 1, "EFFECT_DEAD": 1}
    with here.project.ledger.begin() as connection:
        effect_id = connection.execute(text("SELECT effect_id FROM ledger.effects WHERE state = 'dead'")).scalar()
    decide.retry(here.context, int(effect_id or 0))
    here.settle()
    assert len(here.shopify_orders(poisonous)) == 1
    assert here.work_items() == {}


def test_a_defect_in_asking_leaves_the_effect_in_doubt_and_is_shown(here: Town) -> None:
    order_id = here.place()
    here.read_marketplace()
    context = with_store(here, Defective(here.context.outbound(SHOP), set(), asking=True))
    courier.drain(context, SHOP)
    later(here, 1)
    courier.drain(context, SHOP)
    assert [one.state for one in effects(here, SHOP)] == ["in_doubt"]
    assert "ZeroDivisionError in" in items(here)[0].message
    later(here, 1)
    here.settle()
    assert len(here.shopify_orders(order_id)) == 1
    assert here.work_items() == {}


def test_a_defect_in_noting_a_delivery_repeats_nothing_at_the_vendor(
    here: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    poisonous, fine = here.place(), here.place()
    here.read_marketplace()
    real = outcomes.delivered

    def noting(connection: Any, context: Context, effect: Effect, result: dict[str, Any]) -> None:
        if effect.subject == f"{JL}:{poisonous}":
            raise LookupError("ann.other@example.com")
        real(connection, context, effect, result)

    with monkeypatch.context() as patched:
        patched.setattr(outcomes, "delivered", noting)
        for _ in range(4):
            here.deliver(SHOP)
            later(here, 1)
        assert "LookupError in" in items(here)[0].message
        assert len(here.shopify_orders(fine)) == 1
    later(here, 1)
    here.settle()
    assert len(here.shopify_orders(poisonous)) == 1
    assert len(here.jl_actions("acknowledge", poisonous)) == 1
    assert here.work_items() == {}


def test_one_poisonous_profile_does_not_keep_its_batch(here: Town) -> None:
    from marketplace_sync.domain.effects import UpsertProfile
    from marketplace_sync.ledger import outbox

    wishes = [
        outbox.Wish(
            connection=KLAVIYO, kind=EffectKind.UPSERT_PROFILE, natural_key=f"profile:{number}",
            subject=f"person-{number}", lane=Lane.PROFILES,
            payload=UpsertProfile(identifiers={"external_id": f"p{number}"}, attributes={}, properties={}),
        )
        for number in range(60)
    ]  # fmt: skip
    with here.project.ledger.begin() as connection:
        outbox.record(connection, wishes)
    context = replace(here.context, marketing={KLAVIYO: Defective(here.context.outbound(KLAVIYO), {"person-7"})})
    for _ in range(6):
        courier.drain(context, KLAVIYO)
        later(here, 1)
    states = [one.state for one in effects(here, KLAVIYO)]
    assert (len(states), states.count("delivered")) == (60, 59)
    assert len(items(here)) == 1


def test_a_payload_that_nobody_can_read_does_not_keep_its_connection(here: Town) -> None:
    order_id = here.place()
    here.read_marketplace()
    with here.project.ledger.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO ledger.effects (connection, natural_key, kind, subject, lane, payload, not_before,"
                " created_at) VALUES (:name, 'odd', 'create_order', 'odd', 1, '{\"order\": 12}', now(), now())"
            ),
            {"name": SHOP},
        )
    here.deliver(SHOP)
    assert len(here.shopify_orders(order_id)) == 1
    assert sorted(one.state for one in effects(here, SHOP)) == ["dead", "delivered"]
    assert "reading its payload" in items(here)[0].message
