"""What a person closed stays closed, until there is something new to say."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from marketplace_sync.domain.work_items import Problem
from marketplace_sync.ledger import work_items
from marketplace_sync.ledger.database import Ledger

SEEN = Problem(code="SELLER_REFUND", subject="john_lewis:1:r1", connection="john_lewis", message="5.00 went back")


@pytest.fixture
def ledger(database_url: str) -> Ledger:
    return Ledger(database_url)


def test_seeing_it_again_is_no_news_and_something_else_is(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        assert work_items.report(connection, [SEEN]) == 1
        (item,) = work_items.listing(connection)
        assert work_items.decide(connection, item["work_item_id"], by="ann", because="paid out in the portal")
        assert work_items.report(connection, [SEEN]) == 0
        assert work_items.listing(connection) == []
        (closed,) = work_items.listing(connection, state="closed")
        assert (closed["closed_by"], closed["closed_because"]) == ("ann", "paid out in the portal")
        assert work_items.report(connection, [replace(SEEN, message="7.00 went back")]) == 1
        (again,) = work_items.listing(connection)
        assert (again["times_opened"], again["closed_by"], again["closed_because"]) == (2, None, None)
    ledger.close()


def test_what_its_cause_closed_opens_again_with_it(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        work_items.report(connection, [SEEN])
        work_items.close(connection, [SEEN.code], [SEEN.subject], "gone")
        assert work_items.report(connection, [SEEN]) == 1
    ledger.close()


def test_an_item_can_be_given_to_somebody_and_only_while_it_is_open(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        work_items.report(connection, [SEEN])
        (item,) = work_items.listing(connection)
        assert work_items.decide(connection, item["work_item_id"], by="ann", assign_to="bob")
        assert [one["assigned_to"] for one in work_items.listing(connection, assigned_to="bob")] == ["bob"]
        work_items.close(connection, [SEEN.code], [SEEN.subject], "gone")
        assert work_items.decide(connection, item["work_item_id"], by="ann", because="done") is None
    ledger.close()
