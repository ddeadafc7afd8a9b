"""A marketplace that this software has never heard of is added by a folder of its own, and lives with the others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from marketplace_sync.config import load
from marketplace_sync.connectors import registry
from marketplace_sync.domain.errors import ConfigurationError
from marketplace_sync_tests.flows.mirakl_town import SHOP_OF_A_LARGE_PLAN
from marketplace_sync_tests.flows.town import JL, KLAVIYO, SHOP, Town, town, write_configuration

FAIR = "fair"
KEY = {"env": "FAIR_KEY", "default": "sandbox-fair-key"}
ROUTE = {"store": SHOP, "marketing": KLAVIYO, "carriers": {"Royal Mail": "by horse"}}


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As after `pip install fair`."""
    monkeypatch.syspath_prepend(str(Path(__file__).with_name("plugin")))
    registry._plugins.cache_clear()
    yield
    registry._plugins.cache_clear()


@pytest.fixture
def here(installed: None, database_url: str, tmp_path: Path) -> Iterator[Town]:
    with town(
        database_url,
        tmp_path,
        accounts={FAIR: "fair"},
        connections={FAIR: {"api_key": KEY}},
        routes={FAIR: ROUTE},
        settings={SHOP: SHOP_OF_A_LARGE_PLAN},
    ) as found:
        yield found


def test_its_orders_live_beside_those_of_the_others(here: Town) -> None:
    at_the_fair = here.place("MUG-RED", "LAMP-BRASS", quantity=2, at=FAIR)
    at_john_lewis = here.place("MUG-RED")
    here.settle()
    assert len(here.shopify_orders(at_the_fair, FAIR)) == len(here.shopify_orders(at_john_lewis)) == 1
    here.ship(at_the_fair, at=FAIR, tracking_numbers=["HOOF1"])
    here.settle()
    lines = here.sandbox.act(FAIR, "get_order", order_id=at_the_fair)["lines"]
    assert [(line["acknowledged"], line["dispatched"]) for line in lines] == [(2, 2), (2, 2)]
    wishes = here.sandbox.act(FAIR, "get_order", order_id=at_the_fair)["wishes"].values()
    assert [(one["carrier"], one["tracking"]) for one in wishes if one["verb"] == "dispatch"] == [("by horse", "HOOF1")]
    assert here.events(at_the_fair) == {"Placed Order": 1, "Ordered Product": 2, "Fulfilled Order": 1}
    assert here.work_items() == {}


def test_what_the_seller_cancels_is_told_there(here: Town) -> None:
    order_id = here.place("MUG-RED", at=FAIR)
    here.settle()
    here.sandbox.act(SHOP, "cancel_order", order_id=here.shopify_order(order_id, FAIR)["id"])
    here.settle()
    assert here.sandbox.act(FAIR, "get_order", order_id=order_id)["lines"][0]["cancelled"] == 1
    assert here.sandbox.eventually(lambda: here.events(order_id)["Cancelled Order"] == 1)


def test_its_connection_is_judged_and_tried_like_every_other(here: Town) -> None:
    assert [finding.works for finding in here.context.marketplaces[FAIR].check()] == [True]


def test_a_route_that_asks_for_what_it_cannot_do_is_refused(installed: None, tmp_path: Path) -> None:
    asked = {**ROUTE, "stock": {"buffer": 1}}
    path = write_configuration(
        tmp_path, "http://127.0.0.1:9", {}, {FAIR: {"api_key": KEY}}, {FAIR: "fair"}, {FAIR: asked}
    )
    with pytest.raises(ConfigurationError) as refused:
        load(path, {})
    assert any("routes.fair.stock" in problem for problem in refused.value.problems)


def test_without_it_nobody_knows_the_platform(tmp_path: Path) -> None:
    path = write_configuration(
        tmp_path, "http://127.0.0.1:9", {}, {FAIR: {"api_key": KEY}}, {FAIR: "fair"}, {FAIR: ROUTE}
    )
    with pytest.raises(ConfigurationError) as refused:
        load(path, {})
    assert any("platform: 'fair' is not known" in problem for problem in refused.value.problems)
    assert JL in path.read_text()
