"""Every pair of systems walks an order's whole life: a marketplace, a store or none, Klaviyo or not.

Five orders at once in each town, so that a walk takes seconds: one is sent in parcels, returned and refunded, the
others are cancelled by the buyer or the seller, whole and in part. Each step is seen in the vendors' own state.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from marketplace_sync_tests.flows.market_sides import JohnLewisSide, MarketplacerSide, MarketSide, MiraklSide, Placed
from marketplace_sync_tests.flows.stores import MagentoSide, ShopifySide, StoreSide
from marketplace_sync_tests.flows.town import Town

MUG, LAMP = "MUG-RED", "LAMP-BRASS"
MARKETS: dict[str, type[MarketSide]] = {
    "John Lewis": JohnLewisSide, "Mirakl": MiraklSide, "Marketplacer": MarketplacerSide,
}  # fmt: skip
STORES: dict[str, type[ShopifySide] | type[MagentoSide] | None] = {
    "Shopify": ShopifySide, "Magento": MagentoSide, "no store": None,
}  # fmt: skip
PAIRS = [
    pytest.param((market, store, with_klaviyo), id=f"{market}, {store}, {'Klaviyo' if with_klaviyo else 'no Klaviyo'}")
    for market in MARKETS
    for store in STORES
    for with_klaviyo in (True, False)
    if with_klaviyo or STORES[store] is not None  # a route leads somewhere
]


@dataclass
class Walk:
    """One pair on its way."""

    here: Town
    market: MarketSide
    store: StoreSide | None
    with_klaviyo: bool

    def live(self) -> None:
        for _ in range(2):
            self.here.settle()

    def told(self, order: Placed, **expected: int) -> None:
        """Klaviyo heard exactly so often of these, or of nothing when the route tells it nothing."""
        if not self.with_klaviyo:
            assert self.here.event_list() == []
            return
        heard = self.here.events(order.key)
        assert {name: heard[name.replace("_", " ")] for name in expected} == expected

    def ship(self, order: Placed, number: str, **lines: int) -> None:
        """Units of a first parcel, or all that is left. Where nothing of ours ships, a parcel has whole lines."""
        if self.store is None:
            self.market.ship_in_portal(self.here, order, MUG if lines else None, number)
            return
        part: dict[str, Any] = {"lines": [{"sku": MUG, "quantity": lines["mugs"]}]} if lines else {}
        self.here.ship(order.key, at=self.market.name, tracking_numbers=[number], **part)

    def cancel_by_seller(self, order: Placed, sku: str | None) -> None:
        if self.store is None:
            self.market.cancel_in_portal(self.here, order, sku)
        elif sku is None:
            self.here.cancel_in_store(order.key, at=self.market.name)
        else:
            self.here.take_off(order.key, sku, at=self.market.name)


@pytest.fixture
def walk(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Iterator[Walk]:
    name, store_name, with_klaviyo = request.param
    market, side = MARKETS[name](), STORES[store_name]
    store = side() if side is not None else None
    with market.town(database_url, tmp_path, store, with_klaviyo) as here:
        yield Walk(here, market, store, with_klaviyo)


@pytest.mark.parametrize("walk", PAIRS, indirect=True)
def test_an_order_lives_its_whole_life(walk: Walk) -> None:
    here, market, store = walk.here, walk.market, walk.store
    offers = here.context.marketplaces[market.name].capabilities

    # placed, injected, acknowledged
    whole = market.place(here, MUG, LAMP, quantity=3)
    buyers, sellers = market.place(here, MUG, quantity=2), market.place(here, MUG, quantity=2)
    buyers_part, sellers_part = market.place(here, MUG, LAMP, quantity=2), market.place(here, MUG, LAMP, quantity=1)
    orders = (whole, buyers, sellers, buyers_part, sellers_part)
    if store is None:
        for order in orders:
            market.acknowledge_in_portal(here, order)
    walk.live()
    for order in orders:
        assert market.is_acknowledged(here, order) is offers.needs_acknowledgement
        walk.told(order, Placed_Order=1, Ordered_Product=1 if order in (buyers, sellers) else 2, Cancelled_Order=0)
    if store is None:
        assert here.all_stored() == []
    else:
        assert here.stored(whole.key, market.name).units == {MUG: 3, LAMP: 3}

    # a first parcel; cancelled by the buyer and by the seller, whole and in part
    first = 1 if store is not None else 3
    walk.ship(whole, "A1", mugs=first)
    market.cancel_by_buyer(here, buyers, None)
    market.cancel_by_buyer(here, buyers_part, MUG)
    walk.cancel_by_seller(sellers, None)
    walk.cancel_by_seller(sellers_part, MUG)
    walk.live()
    if store is None and isinstance(market, JohnLewisSide):
        walk.told(buyers, Cancellation_Requested=1, Cancelled_Order=0)
        for order in (buyers, buyers_part):
            market.answer_in_portal(here, order)
        walk.live()
    assert market.dispatched(here, whole) == {MUG: first}
    walk.told(whole, Fulfilled_Order=1)
    gone = {buyers: {MUG: 2}, sellers: {MUG: 2}, buyers_part: {MUG: 1}, sellers_part: {MUG: 1}}
    for order, units in gone.items():
        assert market.cancelled(here, order) == units
        walk.told(order, Cancelled_Order=1, Refunded_Order=0)
        if store is not None:
            stored = here.stored(order.key, market.name)
            assert stored.cancelled is (order in (buyers, sellers))
            assert stored.cancelled or stored.credited == units

    # the rest leaves, of those that were cancelled in part too
    for number, order in (("B2", whole), ("C3", buyers_part), ("D4", sellers_part)):
        walk.ship(order, number)
    walk.live()
    bought = {whole: {MUG: 3, LAMP: 3}, buyers_part: {MUG: 2, LAMP: 2}, sellers_part: {MUG: 1, LAMP: 1}}
    for order, units in bought.items():
        assert market.dispatched(here, order) == Counter(units) - Counter(gone.get(order, {}))
        parcels = 2 if order is whole else 1
        if store is None and isinstance(market, MarketplacerSide):
            parcels = market.parcels(here, order)  # the sellers of one purchase send one each
        walk.told(order, Fulfilled_Order=parcels)
    is_shown = store is not None or offers.shows_tracking
    if is_shown:
        assert market.numbers(here, whole) == {"A1", "B2"}
    if walk.with_klaviyo:
        heard = [one["properties"] for one in here.event_list(whole.key) if one["name"] == "Fulfilled Order"]
        # a marketplace that shows no numbers leaves the buyer without them, and says so beforehand
        assert [one["TrackingNumbers"] for one in heard] == ([["A1"], ["B2"]] if is_shown else [[], []])
        assert [one["Partial"] for one in heard] == [True, False]

    # returned and refunded, then returned and refunded in part
    refunds = 2
    for count, pence in enumerate((None, 300), 1):
        market.give_back(here, whole, MUG, pence)
        walk.live()
        walk.told(whole, Return_Requested=count, Refunded_Order=count, Cancelled_Order=0)
        if store is not None:
            stored = here.stored(whole.key, market.name)
            assert (stored.credits, stored.credited) == (count, {MUG: count})
    if isinstance(market, MiraklSide):
        assert market.returns(here, whole) == ["IN_PROGRESS"] * 2, "the money came, and nobody has seen the goods"
        market.receive_by_hand(here, whole)
        walk.live()
        assert market.returns(here, whole) == ["CLOSED", "RECEIVED"], "a part of its price is no end of a return"
        market.give_the_rest(here, whole, MUG, 300)
        walk.live()
        refunds += 1
        assert market.returns(here, whole) == ["CLOSED"] * 2
        walk.told(whole, Returned_Order=2, Refunded_Order=refunds)
        if store is not None:
            market.send_back(here, whole, LAMP)
    if store is not None and market.given_back_by_seller(here, whole) is not None:
        here.refund_in_store(whole.key, LAMP, at=market.name)
        walk.live()
        assert market.given_back_by_seller(here, whole) == 1
        walk.told(whole, Refunded_Order=refunds + 1)
        assert here.stored(whole.key, market.name).credits == refunds + 1, (
            "what the shop gave back is not recorded there again"
        )
    if isinstance(market, MiraklSide):
        steps = Counter(one["operation"] for one in market.written(here))
        ended = 2 if store is None else 3
        assert market.returns(here, whole) == ["CLOSED"] * ended, "with the store's goods its return is over too"
        assert {steps[step] for step in ("RT21", "RT25", "RT26", "RT27")} == {ended}
    assert here.work_items() == {}

    # and all of it once
    before = (here.all_stored(), market.written(here), here.event_list())
    here.sync()
    assert (here.all_stored(), market.written(here), here.event_list()) == before
