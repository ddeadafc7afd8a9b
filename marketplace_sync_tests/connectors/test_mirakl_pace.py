"""A shop's lists are read as often as the marketplace allows, whichever way it counts their pages."""

from __future__ import annotations

from datetime import timedelta

import pytest

from marketplace_sync.connectors import mirakl, registry
from marketplace_sync.connectors.budget import FixedWindow, LocalBudget
from marketplace_sync.domain.errors import Throttled
from marketplace_sync_tests.connectors.mirakl_shop import Shop, settings_for
from marketplace_sync_tests.connectors.test_mirakl_sandbox import Life, life

MOMENT = timedelta(seconds=0.3)
MINUTES_OF_A_MOMENT = 0.3 / 60


def five_orders(here: Life) -> set[str]:
    return {here.place(("MUG-RED", 1)) for _ in range(5)}


def statuses(shop: Shop, path: str) -> list[int]:
    return [exchange.status for exchange in shop.exchanges if exchange.path == path]


def test_a_poll_of_many_pages_is_one_read_of_the_list() -> None:
    with life({"OR11", "RT11"}, rate_factor=1) as here:
        placed = five_orders(here)
        shop = here.with_settings(page_size=2, orders_interval="1m", returns_interval="5m")
        assert {one.key for one in shop.poll("orders")[0]} == placed
        shop.poll("returns")
        assert statuses(shop, "/api/orders") == [200, 200, 200]
        for feed in ("orders", "returns"):
            with pytest.raises(Throttled, match="was not sent"):
                shop.poll(feed)
        assert shop.order(min(placed)), "a single order may be looked at meanwhile"
        assert statuses(shop, "/api/orders") == [200, 200, 200, 200], "nothing was sent too early"
        assert statuses(shop, "/api/returns") == [200]


def test_where_pages_count_each_comes_an_interval_later_and_none_is_refused() -> None:
    # longer, so that its slack of a thirtieth is more than a busy machine takes to send a request
    with life(rate_factor=10 * MINUTES_OF_A_MOMENT, pages_count=True) as here:
        placed = five_orders(here)
        shop = here.with_settings(page_size=3, orders_interval=10 * MOMENT, pages_count=True)
        assert {one.key for one in shop.poll("orders")[0]} == placed
        assert statuses(shop, "/api/orders") == [200, 200]


def test_where_pages_count_and_nobody_said_so_a_poll_takes_longer_and_is_complete() -> None:
    with life(rate_factor=MINUTES_OF_A_MOMENT, pages_count=True) as here:
        placed = five_orders(here)
        shop = here.with_settings(page_size=4, orders_interval=MOMENT)
        assert {one.key for one in shop.poll("orders")[0]} == placed
        assert statuses(shop, "/api/orders") == [200, 429, 200]


def test_a_partner_waits_as_long_as_its_tier_asks() -> None:
    tier = settings_for("https://mugs.example", orders_interval="15m", returns_interval="5m", pages_count=True)
    assert mirakl.budget(tier)["orders"] == (FixedWindow(1, 900.0),)
    wire = registry.open_wire("mugs", tier, lambda _, spec: LocalBudget(spec))
    assert wire._patience > 900 * 124 / 120, "or the second page is never read"
