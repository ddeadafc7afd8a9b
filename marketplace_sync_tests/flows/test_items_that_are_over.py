"""Work items that are about nothing any more, or never were, are not left for a person."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import text

from marketplace_sync.domain.effects import InDoubt, Lane, NotThere, Resolution
from marketplace_sync.flows import settling
from marketplace_sync.ledger import outbox
from marketplace_sync_tests.flows.marketplacer_town import MARKET, live, marketplacer_town, place
from marketplace_sync_tests.flows.stores import MagentoSide
from marketplace_sync_tests.flows.town import JL, town


def test_a_doubt_that_a_person_was_shown_is_over_once_the_vendor_knows(database_url: str, tmp_path: Path) -> None:
    with town(database_url, tmp_path) as here:
        order_id = here.place()
        here.settle()
        here.ship(order_id)
        here.read_store()
        with here.project.ledger.begin() as connection:
            (dispatch,) = outbox.claim(connection, JL, tuple(Lane), 10, timedelta(minutes=1))
            outbox.in_doubt(connection, dispatch, "its answer was lost", timedelta())
            connection.execute(text("UPDATE ledger.effects SET in_doubt_since = now() - interval '11 min'"))

        def says(answer: Resolution) -> None:
            with here.project.ledger.begin() as connection:
                connection.execute(text("UPDATE ledger.effects SET not_before = now() WHERE state = 'in_doubt'"))
                (asked,) = outbox.doubtful(connection, JL, 1)
                settling.resolved(connection, here.context, asked, answer, settling.DrainReport(JL))

        says(InDoubt("it does not say"))
        assert here.work_items() == {"EFFECT_IN_DOUBT": 1}
        says(NotThere())
        assert here.work_items() == {}


def test_nobody_is_late_to_acknowledge_where_nothing_is_acknowledged(database_url: str, tmp_path: Path) -> None:
    with marketplacer_town(database_url, tmp_path, store=MagentoSide()) as here:
        long_ago = datetime.now(UTC) - timedelta(days=20)
        order = place(here, ordered_at=long_ago.isoformat())
        live(here)
        assert here.stored(order["id"], MARKET)
        assert here.work_items() == {"DISPATCH_OVERDUE": 1}
