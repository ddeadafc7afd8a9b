"""An operator that refunds what has not left (sheet, 5): to the store that is a cancellation, which books the money."""

from __future__ import annotations

from pathlib import Path

import pytest

from marketplace_sync_tests.flows.mirakl_town import BAZAAR, bazaar_order, mirakl_town
from marketplace_sync_tests.flows.stores import MagentoSide, ShopifySide
from marketplace_sync_tests.flows.town import Town

MUG, LAMP = "MUG-RED", "LAMP-BRASS"


def live(here: Town) -> None:
    for _ in range(2):
        here.settle()


@pytest.mark.parametrize("store", [ShopifySide(), MagentoSide()], ids=["Shopify", "Magento"])
def test_what_is_refunded_before_it_leaves_is_taken_off_and_given_back_once(
    store: ShopifySide | MagentoSide, database_url: str, tmp_path: Path
) -> None:
    like = {BAZAAR: {"refund_before_shipping": True}}
    with mirakl_town(database_url, tmp_path, store=store, like=like) as here:
        whole, part = here.place(MUG, quantity=2, at=BAZAAR), here.place(MUG, LAMP, at=BAZAAR)
        live(here)
        for order_id in (whole, part):
            line = bazaar_order(here, order_id)["lines"][0]
            here.sandbox.act(BAZAAR, "refund_by_operator", line_id=line["id"])
        live(here)
        assert here.work_items() == {}
        assert here.stored(whole, BAZAAR).cancelled
        kept = here.stored(part, BAZAAR)
        assert (kept.credits, kept.credited, kept.given_back) == (1, {MUG: 1}, 1400), "as any unit that is taken off"
        here.ship(part, at=BAZAAR, lines=[{"sku": LAMP, "quantity": 1}])
        live(here)
        assert here.stored(part, BAZAAR) == kept, "that the rest has left makes nothing of it a refund"
        assert here.work_items() == {}
