"""The outbox: nothing is wished twice, nothing overtakes within a subject, nothing in doubt is repeated by itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import text

from marketplace_sync.domain.effects import AcknowledgeOrder, EffectKind, EffectState, Lane, LineUnits, SetStock
from marketplace_sync.ledger import outbox
from marketplace_sync.ledger.database import Ledger
from marketplace_sync.ledger.outbox import Wish

HOLD = timedelta(seconds=30)


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    opened = Ledger(database_url)
    yield opened
    opened.close()


def wish(key: str, *, subject: str = "order-1", lane: Lane = Lane.URGENT, to: str = "john_lewis") -> Wish:
    payload = AcknowledgeOrder(order_id=subject, lines=(LineUnits(line_id="1", quantity=1),))
    return Wish(
        connection=to,
        kind=EffectKind.ACKNOWLEDGE_ORDER,
        natural_key=key,
        subject=subject,
        lane=lane,
        payload=payload,
        order_connection="john_lewis",
        order_id=subject,
    )


def claimed(ledger: Ledger, limit: int = 10, lanes: tuple[Lane, ...] = tuple(Lane)) -> list[str]:
    with ledger.begin() as connection:
        return [e.natural_key for e in outbox.claim(connection, "john_lewis", lanes, limit, HOLD)]


def test_a_wish_with_a_known_key_changes_nothing(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        assert outbox.record(connection, [wish("a")]) == 1
    with ledger.begin() as connection:
        assert outbox.record(connection, [wish("a"), wish("a")]) == 0
    assert claimed(ledger) == ["a"]


def test_many_wishes_at_once_are_deduplicated_like_few(ledger: Ledger) -> None:
    many = [wish(f"k{n % 150}", subject=f"order-{n % 150}") for n in range(300)]
    with ledger.begin() as connection:
        assert outbox.record(connection, many) == 150
        assert outbox.record(connection, many) == 0
    assert len(claimed(ledger, 1000)) == 150


def test_a_claim_looks_at_few_effects_although_the_server_last_counted_when_none_waited(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        outbox.record(connection, [wish(f"past {n}", subject=f"past {n}") for n in range(1000)])
        connection.execute(text("UPDATE ledger.effects SET state = 'delivered', finished_at = now()"))
        connection.execute(text("ANALYZE ledger.effects"))
    with ledger.begin() as connection:
        outbox.record(connection, [wish(f"k{n}", subject=f"order-{n % 1000}") for n in range(2000)])
    fetched = text("SELECT idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'effects'")
    with ledger.begin() as connection:
        assert len(outbox.claim(connection, "john_lewis", tuple(Lane), 50, HOLD)) == 50
        assert connection.execute(fetched).scalar_one() < 3 * 2000, "not each of them for each of them"


def test_a_wish_is_gone_when_its_transaction_is(ledger: Ledger) -> None:
    def half_way() -> None:
        with ledger.begin() as connection:
            outbox.record(connection, [wish("a")])
            raise RuntimeError("the fact that caused it was not stored")

    with pytest.raises(RuntimeError):
        half_way()
    assert claimed(ledger) == []


def test_the_most_urgent_lane_leaves_first(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        outbox.record(
            connection,
            [
                wish("history", subject="a", lane=Lane.BACKFILL),
                wish("event", subject="b", lane=Lane.EVENTS),
                wish("dispatch", subject="c", lane=Lane.URGENT),
            ],
        )
    assert claimed(ledger) == ["dispatch", "event", "history"]


def test_nothing_overtakes_within_a_subject(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        outbox.record(connection, [wish("first", lane=Lane.BACKFILL), wish("second", lane=Lane.URGENT)])
    assert claimed(ledger) == ["first"], "the urgent one waits for the one before it"
    assert claimed(ledger) == [], "and still does while that one is being sent"
    with ledger.begin() as connection:
        effect_id = _id(ledger, "first")
        outbox.delivered(connection, [(effect_id, {})])
    assert claimed(ledger) == ["second"]


@pytest.mark.parametrize("state", [EffectState.REFUSED, EffectState.DEAD])
def test_what_a_person_must_decide_holds_up_nothing(ledger: Ledger, state: EffectState) -> None:
    with ledger.begin() as connection:
        outbox.record(connection, [wish("first"), wish("second")])
        (first,) = outbox.claim(connection, "john_lewis", tuple(Lane), 10, HOLD)
        assert outbox.finish(connection, first, state, "no")
    assert claimed(ledger) == ["second"]
    with ledger.begin() as connection:
        assert outbox.skip(connection, first.effect_id, "the marketplace was told by telephone")
        assert not outbox.skip(connection, first.effect_id, "twice")


def test_two_couriers_never_claim_the_same_effect(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        outbox.record(connection, [wish(f"k{n}", subject=f"s{n}") for n in range(20)])
    with ledger.begin() as one, ledger.begin() as other:
        first = outbox.claim(one, "john_lewis", tuple(Lane), 12, HOLD)
        second = outbox.claim(other, "john_lewis", tuple(Lane), 12, HOLD)
    assert len(first) == 12
    assert len(second) == 8
    assert not {e.effect_id for e in first} & {e.effect_id for e in second}


def test_what_a_dead_courier_was_sending_is_in_doubt_and_not_sent_again(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        outbox.record(connection, [wish("a")])
        outbox.claim(connection, "john_lewis", tuple(Lane), 1, timedelta(0))
    with ledger.begin() as connection:
        assert outbox.abandon(connection, "john_lewis") == 1
    assert claimed(ledger) == []
    with ledger.begin() as connection:
        assert [e.natural_key for e in outbox.doubtful(connection, "john_lewis", 10)] == ["a"]


def test_a_doubt_is_not_asked_about_while_its_request_may_still_be_under_way(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        outbox.record(connection, [wish("a")])
        outbox.claim(connection, "john_lewis", tuple(Lane), 1, HOLD)
        outbox.abandon(connection, "john_lewis")
    with ledger.begin() as connection:
        assert outbox.doubtful(connection, "john_lewis", 10) == []
        assert 20 < (outbox.seconds_until_next(connection, "john_lewis", tuple(Lane)) or 0) <= 30


def test_throttling_is_no_attempt(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        outbox.record(connection, [wish("a")])
    for _ in range(5):
        with ledger.begin() as connection:
            (effect,) = outbox.claim(connection, "john_lewis", tuple(Lane), 1, HOLD)
            assert effect.attempts == 1
            outbox.postponed(connection, effect, "wait", timedelta(0), counts_as_attempt=False)


def test_a_newer_stock_level_supersedes_an_undelivered_older_one(ledger: Ledger) -> None:
    def level(quantity: int, version: int) -> Wish:
        return Wish(
            connection="john_lewis",
            kind=EffectKind.SET_STOCK,
            natural_key=f"stock:MUG-RED:{version}",
            subject="MUG-RED",
            lane=Lane.STOCK,
            payload=SetStock(sku="MUG-RED", stock_number="81400137", quantity=quantity),
            supersedes=True,
        )

    with ledger.begin() as connection:
        outbox.record(connection, [level(5, 1)])
        outbox.record(connection, [level(3, 2)])
    assert claimed(ledger) == ["stock:MUG-RED:2"]


def test_an_edited_effect_must_fit_its_kind(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        outbox.record(connection, [wish("a")])
        (effect,) = outbox.claim(connection, "john_lewis", tuple(Lane), 1, HOLD)
        assert outbox.finish(connection, effect, EffectState.REFUSED, "no such line")
    with ledger.begin() as connection, pytest.raises(ValueError, match="acknowledge_order"):
        outbox.retry(connection, effect.effect_id, {"order_id": 7})
    changed = {"order_id": "order-1", "lines": [{"line_id": "2", "quantity": 1}]}
    with ledger.begin() as connection:
        again = outbox.retry(connection, effect.effect_id, changed)
    assert again is not None
    assert again.payload.lines[0].line_id == "2"
    assert claimed(ledger) == ["a"]


def test_what_is_tried_again_by_a_person_may_have_been_seen_by_its_vendor(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        outbox.record(connection, [wish("a")])
        for _ in range(3):
            (effect,) = outbox.claim(connection, "john_lewis", tuple(Lane), 1, HOLD)
            outbox.in_doubt(connection, effect, "no answer", timedelta(0))
            (asked,) = outbox.doubtful(connection, "john_lewis", 1)
            outbox.postponed(connection, asked, "not there", timedelta(0), counts_as_attempt=True)
        (effect,) = outbox.claim(connection, "john_lewis", tuple(Lane), 1, HOLD)
        assert outbox.finish(connection, effect, EffectState.DEAD, "no answer")
    with ledger.begin() as connection:
        outbox.retry(connection, effect.effect_id)
        (again,) = outbox.claim(connection, "john_lewis", tuple(Lane), 1, HOLD)
    assert again.attempts == 2, "a repetition, with nearly all attempts before it"


@pytest.mark.parametrize("by_a_person", [False, True], ids=["asked and sent by another courier", "edited by a person"])
def test_an_answer_about_an_earlier_doubt_says_nothing_of_what_was_sent_since(
    ledger: Ledger, by_a_person: bool
) -> None:
    """Of two couriers that ask about one effect, one is late: its lease was lost while its vendor was slow."""
    with ledger.begin() as connection:
        outbox.record(connection, [wish("a")])
        (sent,) = outbox.claim(connection, "john_lewis", tuple(Lane), 1, HOLD)
        outbox.in_doubt(connection, sent, "its answer was lost", timedelta(0))
    with ledger.begin() as connection:
        (late,) = outbox.doubtful(connection, "john_lewis", 1)
        (early,) = outbox.doubtful(connection, "john_lewis", 1)
    with ledger.begin() as connection:
        if by_a_person:
            assert outbox.finish(connection, early, EffectState.REFUSED, "no such line")
            assert outbox.retry(connection, early.effect_id) is not None
        else:
            assert outbox.postponed(connection, early, "not there", timedelta(0), counts_as_attempt=True)
    with ledger.begin() as connection:
        (again,) = outbox.claim(connection, "john_lewis", tuple(Lane), 1, HOLD)
    for in_doubt_again in (False, True):
        with ledger.begin() as connection:
            if in_doubt_again:
                assert outbox.in_doubt(connection, again, "lost again", timedelta(0)) is not None
            for stale in (late, sent):
                assert not outbox.postponed(connection, stale, "not there", timedelta(0), counts_as_attempt=True)
                assert not outbox.finish(connection, stale, EffectState.REFUSED, "no such line")
                assert outbox.in_doubt(connection, stale, "unclear", timedelta(0)) is None
        assert claimed(ledger) == []
    with ledger.begin() as connection:
        assert outbox.delivered(connection, [(late.effect_id, {})]) == {late.effect_id}, "taken is taken"
        assert outbox.delivered(connection, [(again.effect_id, {})]) == set(), "and follows once"


def test_only_what_needs_a_decision_can_be_retried(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        outbox.record(connection, [wish("a")])
        assert outbox.retry(connection, _id(ledger, "a", connection), None) is None


def test_recording_wakes_the_courier_after_the_commit(ledger: Ledger) -> None:
    listener = ledger.listen()
    try:
        with ledger.begin() as connection:
            outbox.record(connection, [wish("a")])
            assert listener.wait(0.05) == set()
        assert listener.wait(5) == {"john_lewis"}
    finally:
        listener.close()


def _id(ledger: Ledger, key: str, connection: object | None = None) -> int:
    from sqlalchemy import Connection, text

    statement = text("SELECT effect_id FROM ledger.effects WHERE natural_key = :key")
    if isinstance(connection, Connection):
        return int(connection.execute(statement, {"key": key}).scalar_one())
    with ledger.begin() as fresh:
        return int(fresh.execute(statement, {"key": key}).scalar_one())


def test_a_large_import_is_delivered_before_the_server_has_counted_it(ledger: Ledger) -> None:
    """In the first minute there are no statistics. The time-out is a thousand times what a claim takes, and a tenth of
    what it took when the planner was free to compare everything that waits with everything that waits."""
    many = [wish(f"k{n}", subject=f"order-{n // 4}") for n in range(12_000)]
    with ledger.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE ledger.effects SET (autovacuum_enabled = off)")
        assert outbox.record(connection, many) == 12_000
    with ledger.begin() as connection:
        connection.exec_driver_sql("SET LOCAL statement_timeout = '5s'")
        first = outbox.claim(connection, "john_lewis", tuple(Lane), 1000, HOLD)
    assert [effect.natural_key for effect in first] == [f"k{n}" for n in range(0, 4000, 4)]
