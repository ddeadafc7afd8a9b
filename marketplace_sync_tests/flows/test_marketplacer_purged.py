"""Orders of a Marketplacer instance whose buyer, and whose marks of origin, a purge has wiped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from marketplace_sync_tests.flows.marketplacer_town import MARKET, act, live, marketplacer_town, named, place
from marketplace_sync_tests.flows.stores import ShopifySide
from marketplace_sync_tests.flows.town import Town

PROMPT: dict[str, Any] = {"requests_per_second": 75}


def injected(here: Town) -> int:
    with here.project.ledger.begin() as connection:
        return int(
            connection.execute(text("SELECT count(*) FROM ledger.effects WHERE kind = 'create_order'")).scalar_one()
        )


@pytest.mark.parametrize("shipped", [True, False])
def test_an_order_born_in_a_shop_does_not_come_back_to_it_when_its_marks_are_purged(
    database_url: str, tmp_path: Path, shipped: bool
) -> None:
    with marketplacer_town(database_url, tmp_path, store=ShopifySide(), **PROMPT) as here:
        live(here)
        order = place(here, external_ids={"shopify": "1001"})
        if shipped:
            act(here, "ship", order_id=order["order_id"])
            request = act(here, "request_return", order_id=order["order_id"])["refund_request_ids"][0]
            act(here, "receive_return", refund_request_id=request)
            act(here, "refund", refund_request_id=request)
        live(here)
        act(here, "purge", order_id=order["order_id"], external_ids=True)
        live(here)
        assert (injected(here), here.event_list(order["id"])) == (0, [])
        assert here.work_items() == ({} if shipped else {"ODD_STATEMENT": 1}), (
            "what is open may be for a person to send"
        )


def test_an_order_that_is_held_goes_on_when_its_marks_are_purged(database_url: str, tmp_path: Path) -> None:
    with marketplacer_town(database_url, tmp_path, store=ShopifySide(), **PROMPT) as here:
        live(here)
        order = place(here)
        live(here)
        act(here, "purge", order_id=order["order_id"], external_ids=True)
        live(here)
        here.ship(order["id"], at=MARKET)
        live(here)
        assert len(named(here, "Fulfilled Order", order)) == 1
        assert injected(here) == 1
