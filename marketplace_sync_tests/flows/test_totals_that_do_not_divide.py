"""An order whose units do not share its total equally is in the store, and given back there, to the penny."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from marketplace_sync_tests.flows import marketplacer_town as market
from marketplace_sync_tests.flows.mirakl_town import BAZAAR, mirakl_town
from marketplace_sync_tests.flows.stores import MagentoSide, ShopifySide, StoreSide
from marketplace_sync_tests.flows.town import JL, SHOP, Town, town

MUG = "MUG-RED"
Sold = tuple[str, str, int, Callable[[], None]]
"""The marketplace, the order's key, what three units of it come to, and how they are all sent back and refunded."""


@contextmanager
def john_lewis(database_url: str, folder: Path, store: StoreSide) -> Iterator[tuple[Town, Sold]]:
    with town(database_url, folder, store=store) as here:
        order_id = here.sandbox.act(JL, "place_order", lines=[{"sku": MUG, "quantity": 3, "cost": 277}])["order_id"]

        def give_back() -> None:
            asked = here.sandbox.act(JL, "request_return", order_id=order_id, line_ref="1", quantity=3)
            here.settle()
            here.sandbox.act(JL, "approve_return", return_id=asked["return_id"])

        yield here, (JL, str(order_id), 997, give_back)


@contextmanager
def mirakl(database_url: str, folder: Path, store: StoreSide) -> Iterator[tuple[Town, Sold]]:
    untaxed = {BAZAAR: {"order_tax_mode": "TAX_EXCLUDED"}}
    with mirakl_town(database_url, folder, store=store, like=untaxed) as here:
        lines = [{"sku": MUG, "quantity": 3, "price": 277, "shipping": 0}]
        order_id = str(here.sandbox.act(BAZAAR, "place_order", lines=lines)["order_id"])

        def give_back() -> None:
            (line,) = here.sandbox.act(BAZAAR, "get_order", order_id=order_id)["lines"]
            part: dict[str, Any] = {"line_id": line["id"], "quantity": 3}
            here.sandbox.act(BAZAAR, "receive", order_id=order_id)
            here.sandbox.act(BAZAAR, "request_return", order_id=order_id, lines=[part])
            here.settle()
            here.sandbox.act(BAZAAR, "refund_by_operator", amount=831, **part)

        yield here, (BAZAAR, order_id, 997, give_back)


@contextmanager
def marketplacer(database_url: str, folder: Path, store: StoreSide) -> Iterator[tuple[Town, Sold]]:
    with market.marketplacer_town(database_url, folder, store=store) as here:
        lines = [{"sku": MUG, "quantity": 3, "unit": 334, "discount": -2, "postage": 0}]
        order = market.act(here, "place_order", lines=lines)

        def give_back() -> None:
            part = [{"sku": MUG, "quantity": 3}]
            asked = market.act(here, "request_return", order_id=order["order_id"], lines=part)
            (number,) = asked["refund_request_ids"]
            here.settle()
            market.act(here, "receive_return", refund_request_id=number)
            market.act(here, "refund", refund_request_id=number)

        yield here, (market.MARKET, order["id"], 1000, give_back)


def values(here: Town) -> dict[str, float]:
    """What Klaviyo was told that it is worth, by metric."""
    valued = ("Placed Order", "Cancelled Order", "Refunded Order")
    found: dict[str, float] = {}
    for event in here.event_list():
        if event["name"] in valued:
            found[event["name"]] = round(found.get(event["name"], 0) + event["value"], 2)
    return found


@pytest.mark.parametrize("store", [ShopifySide, MagentoSide])
@pytest.mark.parametrize("sold_by", [john_lewis, mirakl, marketplacer])
def test_three_units_are_ordered_shipped_and_given_back_to_the_penny(
    database_url: str, tmp_path: Path, store: type[ShopifySide] | type[MagentoSide], sold_by: Any
) -> None:
    with sold_by(database_url, tmp_path, store()) as (here, (name, key, total, give_back)):
        market.live(here)
        stored = here.stored(key, name)
        assert (stored.units, stored.total) == ({MUG: 3}, total)
        # John Lewis states cost, and revenue is what the store asks
        revenue = {"Placed Order": 42.0 if name == JL else total / 100}
        assert values(here) == revenue
        here.ship(key, at=name)
        market.live(here)
        give_back()
        market.live(here)
        stored = here.stored(key, name)
        assert (stored.credited, stored.given_back) == ({MUG: 3}, total)
        assert values(here) == {**revenue, "Refunded Order": revenue["Placed Order"]}
        assert here.work_items() == {}


@pytest.mark.parametrize("store", [ShopifySide, MagentoSide])
def test_what_staff_gives_back_of_a_whole_line_is_its_total_to_the_buyer(
    database_url: str, tmp_path: Path, store: type[ShopifySide] | type[MagentoSide]
) -> None:
    with mirakl(database_url, tmp_path, store()) as (here, (name, key, _, _)):
        market.live(here)
        here.ship(key, at=name)
        market.live(here)
        here.refund_in_store(key, MUG, 3, at=name)
        market.live(here)
        (order,) = here.sandbox.documents(name, "orders")
        (refund,) = order["lines"][0]["refunds"]
        assert (refund["quantity"], refund["amount"], refund["tax"]) == (3, 831, 166)
        assert here.stored(key, name).credits == 1
        assert here.work_items() == {}


def test_klaviyo_hears_of_the_delivery_that_a_buyer_paid_and_of_all_of_it_that_was_taken_back(
    database_url: str, tmp_path: Path
) -> None:
    untaxed = {BAZAAR: {"order_tax_mode": "TAX_EXCLUDED"}}
    with mirakl_town(database_url, tmp_path, like=untaxed) as here:
        lines = [
            {"sku": MUG, "quantity": 3, "price": 277, "shipping": 100},
            {"sku": "LAMP-BRASS", "quantity": 1, "price": 1000, "shipping": 200},
        ]
        kept, gone = (str(here.sandbox.act(BAZAAR, "place_order", lines=lines)["order_id"]) for _ in range(2))
        market.live(here)
        whole = 831 + 166 + 1000 + 200 + 300 + 60
        assert values(here) == {"Placed Order": 2 * whole / 100}
        for _ in range(2):  # a third of a line's delivery is no whole pence: the third unit brings it up
            here.sandbox.act(SHOP, "remove_unit", order_id=here.shopify_order(kept, BAZAAR)["id"], sku=MUG, quantity=1)
            market.live(here)
        two = 665 + 80
        assert values(here)["Cancelled Order"] == two / 100
        here.sandbox.act(BAZAAR, "cancel_by_operator", order_id=gone)
        market.live(here)
        assert values(here)["Cancelled Order"] == (two + whole) / 100
        here.sandbox.act(BAZAAR, "cancel_by_operator", order_id=kept)
        market.live(here)
        assert values(here) == {"Placed Order": 2 * whole / 100, "Cancelled Order": 2 * whole / 100}
        assert here.work_items() == {}
