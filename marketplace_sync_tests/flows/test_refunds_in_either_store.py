"""John Lewis refunds its buyers itself, whichever store gives something back, and whether or not Klaviyo is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from marketplace_sync_tests.flows.stores import MagentoSide, ShopifySide, StoreSide
from marketplace_sync_tests.flows.town import JL, Town, town

SETTINGS = [
    pytest.param((MagentoSide, True), id="Magento"),
    pytest.param((MagentoSide, False), id="Magento without Klaviyo"),
    pytest.param((ShopifySide, False), id="Shopify without Klaviyo"),
]


@pytest.fixture(params=SETTINGS)
def here(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Iterator[Town]:
    side, with_klaviyo = request.param
    store: StoreSide = side()
    route = {} if with_klaviyo else {"marketing": None}
    with town(database_url, tmp_path, store=store, route=route) as found:
        yield found


def test_money_that_staff_gives_back_for_what_left_is_shown_to_a_person_and_is_not_booked_again(here: Town) -> None:
    order_id = here.place("MUG-RED", quantity=2)
    here.settle()
    here.ship(order_id)
    here.settle()
    here.refund_in_store(order_id, "MUG-RED")
    here.settle()
    assert here.work_items() == {"SELLER_REFUND": 1}, "John Lewis refunds its buyers itself"
    assert here.jl_actions("cancel_acknowledge") == []
    returned = here.sandbox.act(JL, "request_return", order_id=order_id, line_ref="1", quantity=1)
    here.settle()
    here.sandbox.act(JL, "approve_return", return_id=returned["return_id"])
    here.settle()
    assert here.stored(order_id).credits == 1, "the store gave it back first"
    assert here.work_items() == {"SELLER_REFUND": 1}
