"""One purchase at a Marketplacer instance from its placing to its refund, without a store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from marketplace_sync_tests.flows.marketplacer_town import act, live, marketplacer_town, named, place
from marketplace_sync_tests.flows.town import Town


@pytest.fixture
def alone(database_url: str, tmp_path: Path) -> Iterator[Town]:
    with marketplacer_town(database_url, tmp_path, store=None) as found:
        yield found


def test_without_a_store_klaviyo_hears_of_the_whole_life_once(alone: Town) -> None:
    here = alone
    order = place(here, "MUG-RED", "LAMP-BRASS", quantity=2)
    assert len(order["invoices"]) == 2
    live(here)
    assert here.events(order["id"]) == {"Placed Order": 1, "Ordered Product": 2}, "one purchase, two invoices"
    (placed,) = named(here, "Placed Order", order)
    assert placed["properties"]["Brands"]
    assert placed["properties"]["Categories"]
    assert any(one.startswith("Seller: ") for one in placed["properties"]["Attributes"])
    mug = [{"sku": "MUG-RED", "quantity": 1}]
    act(here, "ship", order_id=order["order_id"], lines=mug)
    live(here)
    (fulfilled,) = named(here, "Fulfilled Order", order)
    assert fulfilled["properties"]["Partial"] is True
    assert fulfilled["properties"]["TrackingNumbers"]
    act(here, "buyer_cancel", order_id=order["order_id"], lines=mug)
    live(here)
    (cancelled,) = named(here, "Cancelled Order", order)
    assert cancelled["properties"]["InitiatedBy"] == "customer"
    assert named(here, "Refunded Order", order) == [], "what never left is cancelled, not refunded"
    act(here, "ship", order_id=order["order_id"])
    live(here)
    assert len(named(here, "Fulfilled Order", order)) == 2
    asked = act(here, "request_return", order_id=order["order_id"], lines=[{"sku": "LAMP-BRASS", "quantity": 1}])
    live(here)
    assert here.events(order["id"])["Return Requested"] == 1
    act(here, "receive_return", refund_request_id=asked["refund_request_ids"][0])
    act(here, "refund", refund_request_id=asked["refund_request_ids"][0])
    act(here, "amend", order_id=order["order_id"], amount_cents=300)
    live(here)
    assert here.events(order["id"])["Returned Order"] == 1
    assert len(named(here, "Refunded Order", order)) == 2, "one by request, one by amendment"
    before = here.event_list()
    for _ in range(2):
        here.sync()
    assert here.event_list() == before
    assert here.work_items() == {}
