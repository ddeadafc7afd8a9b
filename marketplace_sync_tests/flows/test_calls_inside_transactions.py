"""A vendor may be asked by a thread that has a transaction of the ledger open, by as many of them as there can be."""

from __future__ import annotations

import contextlib
from pathlib import Path

from marketplace_sync_tests.flows.town import JL, town

ALL = 24
"""Every connection that the ledger gives for transactions."""


def test_a_vendor_is_asked_while_every_connection_of_the_ledger_is_in_a_transaction(
    database_url: str, tmp_path: Path
) -> None:
    with town(database_url, tmp_path) as here, contextlib.ExitStack() as held:
        order_id = here.place()
        for _ in range(ALL):
            held.enter_context(here.project.ledger.begin())
        found = here.context.marketplaces[JL].fetch_order(str(order_id))
    assert found is not None
