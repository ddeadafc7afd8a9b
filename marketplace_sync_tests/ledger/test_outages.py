"""An outage is what many deliveries fail over in a row; when it ends, all that waited because of it is due."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import text

from marketplace_sync.domain.effects import Lane
from marketplace_sync.ledger import outages, outbox
from marketplace_sync.ledger.database import Ledger
from marketplace_sync_tests.ledger.test_outbox import HOLD, wish

NAME, LANES = "john_lewis", tuple(Lane)


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    opened = Ledger(database_url)
    yield opened
    opened.close()


def failures(ledger: Ledger, *effects: int) -> None:
    for effect in effects:
        with ledger.begin() as connection:
            outages.failed(connection, NAME, effect)


def seconds_later(ledger: Ledger, seconds: float) -> None:
    with ledger.begin() as connection:
        older = text("UPDATE ledger.outages SET since = since - :by, next_try = next_try - :by")
        connection.execute(older, {"by": timedelta(seconds=seconds)})


def stands(ledger: Ledger) -> bool:
    with ledger.begin() as connection:
        outage = outages.of(connection, NAME)
    return outage is not None and outage.stands


def test_many_in_a_row_and_for_some_time_are_an_outage(ledger: Ledger) -> None:
    failures(ledger, 1, 2, 3, 4)
    seconds_later(ledger, 60)
    assert not stands(ledger)
    failures(ledger, 5)
    assert stands(ledger)


def test_many_at_once_are_bad_luck_so_far(ledger: Ledger) -> None:
    failures(ledger, *range(50))
    assert not stands(ledger)


def test_one_that_fails_for_ever_is_no_outage(ledger: Ledger) -> None:
    failures(ledger, *[7] * 50)
    seconds_later(ledger, 3600)
    failures(ledger, 7)
    assert not stands(ledger)


def test_the_longer_it_lasts_the_less_often_it_is_tried_and_every_half_minute_at_least(ledger: Ledger) -> None:
    pauses = []
    for seconds in (0, 20, 3600):
        seconds_later(ledger, seconds)
        failures(ledger, 1)
        with ledger.begin() as connection:
            outage = outages.of(connection, NAME)
        assert outage is not None
        pauses.append(outage.next_try_in.total_seconds() if seconds else 0)
    assert 0 == pauses[0] < 4 < pauses[1] < 6 < 28 < pauses[2] <= 30


@pytest.mark.parametrize("got_through", [True, False])
def test_all_that_failed_is_due_once_one_gets_through_and_nothing_else_is(ledger: Ledger, got_through: bool) -> None:
    keys = ["failed", "lost", "throttled", "of a dead courier"]
    with ledger.begin() as connection:
        outbox.record(connection, [wish(key, subject=key) for key in keys])
        effects = {effect.natural_key: effect for effect in outbox.claim(connection, NAME, LANES, 9, HOLD)}
    hour = timedelta(hours=1)
    with ledger.begin() as connection:
        outbox.postponed(connection, effects["failed"], "down", hour, counts_as_attempt=True, failed=True)
        outbox.in_doubt(connection, effects["lost"], "cut", hour, failed=True)
        outbox.postponed(connection, effects["throttled"], "later", hour, counts_as_attempt=False)
        outbox.abandon(connection, NAME)
    failures(ledger, *range(1, 6))
    seconds_later(ledger, 11)
    with ledger.begin() as connection:
        assert outages.over(connection, NAME, got_through=got_through) == (2 if got_through else 0)
        assert outages.of(connection, NAME) is None
    with ledger.begin() as connection:
        due = [effect.natural_key for effect in outbox.claim(connection, NAME, LANES, 9, HOLD)]
        doubts = [effect.natural_key for effect in outbox.doubtful(connection, NAME, 9)]
    assert (due, doubts) == ((["failed"], ["lost"]) if got_through else ([], []))
