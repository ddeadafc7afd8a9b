"""What staff gave back in the store reaches the buyer once, to the penny, and is booked once, whoever brought it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from marketplace_sync_tests.flows.mirakl_town import BAZAAR, bazaar_order, mirakl_town, writes
from marketplace_sync_tests.flows.stores import ShopifySide, StoreSide
from marketplace_sync_tests.flows.town import SHOP, Town


@pytest.fixture
def here(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Iterator[Town]:
    side: type[StoreSide] = getattr(request, "param", ShopifySide)
    with mirakl_town(database_url, tmp_path, store=side()) as found:
        yield found


def live(here: Town) -> None:
    for _ in range(2):
        here.settle()


def shipped(here: Town, *skus: str, quantity: int = 2) -> str:
    """An order of which everything has left."""
    order_id = str(here.place(*(skus or ("MUG-RED",)), quantity=quantity, at=BAZAAR))
    live(here)
    here.ship(order_id, at=BAZAAR)
    live(here)
    assert bazaar_order(here, order_id)["state"] == "SHIPPED"
    return order_id


def test_goods_that_came_back_without_money_are_no_refund(here: Town) -> None:
    order_id = shipped(here, "MUG-RED", "BOWL-BLUE")
    stored = here.stored(order_id, BAZAAR)
    mugs = [{"sku": "MUG-RED", "quantity": 1}]
    here.sandbox.act(SHOP, "refund", order_id=stored.order_id, lines=mugs, with_money=False)
    live(here)
    assert here.stored(order_id, BAZAAR).credited == {"MUG-RED": 1}
    assert writes(here, "OR28") == []
    assert here.work_items() == {}
