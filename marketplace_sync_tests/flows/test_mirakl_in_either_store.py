"""The life of a Mirakl order is the same whichever store it lives in, and whether or not Klaviyo is told of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from marketplace_sync_tests.flows.mirakl_town import BAZAAR, bazaar_order, mirakl_town, writes
from marketplace_sync_tests.flows.stores import MagentoSide, ShopifySide
from marketplace_sync_tests.flows.town import Town


@pytest.mark.parametrize("with_klaviyo", [True, False], ids=["with Klaviyo", "without"])
@pytest.mark.parametrize("side", [MagentoSide, ShopifySide], ids=["Magento", "Shopify"])
def test_an_order_of_a_mirakl_marketplace_lives_its_whole_life(
    database_url: str, tmp_path: Path, side: type[MagentoSide] | type[ShopifySide], with_klaviyo: bool
) -> None:
    route = {BAZAAR: {} if with_klaviyo else {"marketing": None}}
    like = {BAZAAR: {"multi_shipment": True}}
    with mirakl_town(database_url, tmp_path, store=side(), routes=route, like=like) as here:
        order_id = str(here.place("MUG-RED", "BOWL-BLUE", quantity=2, at=BAZAAR))
        live(here)
        stored = here.stored(order_id, BAZAAR)
        assert stored.units == {"MUG-RED": 2, "BOWL-BLUE": 2}
        assert len(writes(here, "OR21")) == 1
        here.take_off(order_id, "BOWL-BLUE", at=BAZAAR)
        live(here)
        assert len(writes(here, "OR30")) == 1
        here.ship(order_id, lines=[{"sku": "MUG-RED", "quantity": 1}], tracking_numbers=["A1"], at=BAZAAR)
        live(here)
        assert bazaar_order(here, order_id)["state"] == "SHIPPING"
        rest = [{"sku": "MUG-RED", "quantity": 1}, {"sku": "BOWL-BLUE", "quantity": 1}]
        here.ship(order_id, lines=rest, tracking_numbers=["B2"], at=BAZAAR)
        live(here)
        assert bazaar_order(here, order_id)["state"] == "SHIPPED"
        assert len(writes(here, "ST01")) == 2
        here.refund_in_store(order_id, "MUG-RED", at=BAZAAR)
        live(here)
        assert len(writes(here, "OR28")) == 1
        mug = next(line for line in bazaar_order(here, order_id)["lines"] if line["sku"] == "MUG-RED")
        here.sandbox.act(BAZAAR, "receive", order_id=order_id)
        here.sandbox.act(BAZAAR, "request_return", order_id=order_id, lines=[{"line_id": mug["id"], "quantity": 1}])
        live(here)
        assert len(writes(here, "RT21")) == 1
        here.sandbox.act(BAZAAR, "refund_by_operator", line_id=mug["id"], amount=300, quantity=1)
        live(here)
        kept = here.stored(order_id, BAZAAR)
        assert (kept.credits, kept.credited) == (3, {"BOWL-BLUE": 1, "MUG-RED": 2}), "each once, in either direction"

        cancelled = str(here.place("MUG-BLUE", at=BAZAAR))
        live(here)
        here.sandbox.act(BAZAAR, "buyer_cancel", order_id=cancelled)
        live(here)
        assert here.stored(cancelled, BAZAAR).cancelled
        assert here.work_items() == {}
        if with_klaviyo:
            told = here.events(order_id)
            names = ("Placed Order", "Fulfilled Order", "Cancelled Order", "Return Requested", "Refunded Order")
            assert {name: told[name] for name in names} == dict(zip(names, (1, 2, 1, 1, 2), strict=True))
            assert here.events(cancelled)["Cancelled Order"] == 1
        else:
            assert here.event_list() == []


def live(here: Town) -> None:
    for _ in range(2):
        here.settle()
