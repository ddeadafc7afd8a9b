"""The running shop: what buyers and the warehouse do by themselves, over the real simulated vendors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from marketplace_sync.sandbox.serve import RunningSandbox
from marketplace_sync_tests.sandbox.john_lewis.seller import Seller

QUIET = {
    "orders_per_minute": 0,
    "stock_changes_per_minute": 0,
    "history": 0,
    "discrepancies": False,
    "buyer_cancel_rate": 0.0,
    "return_rate": 0.0,
    "seller_cancel_rate": 0.0,
    "consent_change_rate": 0.0,
    "partial_rate": 0.0,
    "two_parcels_rate": 0.0,
}
"""Nothing happens but what a test is about."""
ACCOUNTS = {"john_lewis": "john_lewis", "store": "shopify"}
CALM = {"john_lewis": {"limit": None, "missing_email_rate": 0.0}}


class Street:
    """A sandbox whose shop is open."""

    def __init__(self, sandbox: RunningSandbox) -> None:
        self.sandbox = sandbox
        self.seller = Seller(sandbox)

    def set(self, **knobs: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.sandbox.control("PUT", "shop", knobs)
        return answer

    def advance(self, seconds: float) -> None:
        self.sandbox.control("POST", "clock", {"advance_seconds": seconds})

    def overview(self) -> dict[str, Any]:
        overview: dict[str, Any] = self.sandbox.control("GET")
        assert overview["failures"] == []
        shop: dict[str, Any] = overview["shop"]
        return shop

    def done(self, what: str) -> int:
        return int(self.overview()["done"].get(what, 0))

    def becomes(self, condition: Callable[[], bool]) -> bool:
        return self.sandbox.eventually(condition)

    def orders(self) -> list[dict[str, Any]]:
        return self.sandbox.documents("john_lewis", "orders")

    def store_orders(self) -> list[dict[str, Any]]:
        return self.sandbox.documents("store", "orders")

    def parcels(self) -> list[dict[str, Any]]:
        return [parcel for order in self.store_orders() for parcel in order["fulfillments"]]

    def _graphql(self, query: str, variables: dict[str, Any]) -> Any:
        answer = httpx.post(
            f"{self.sandbox.base_url}/store/admin/api/2026-10/graphql.json",
            headers={"X-Shopify-Access-Token": "shpat_sandbox"},
            json={"query": query, "variables": variables},
        )
        body = answer.raise_for_status().json()
        assert "errors" not in body, body
        return body["data"]

    def into_the_store(self, number: str, *lines: tuple[str, int]) -> None:
        """Bring an order into the store, as the connector would."""
        query = "query($q: String!) { productVariants(first: 1, query: $q) { nodes { id } } }"
        items = []
        for sku, quantity in lines:
            (variant,) = self._graphql(query, {"q": f"sku:{sku}"})["productVariants"]["nodes"]
            items.append({"variantId": variant["id"], "quantity": quantity, "requiresShipping": True})
        create = (
            "mutation($order: OrderCreateOrderInput!)"
            " { orderCreate(order: $order) { order { id } userErrors { message } } }"
        )
        made = self._graphql(create, {"order": {"sourceIdentifier": number, "lineItems": items}})
        assert made["orderCreate"]["userErrors"] == []


@pytest.fixture
def street() -> Iterator[Callable[..., Street]]:
    with ExitStack() as running:

        def open_shop(
            accounts: dict[str, str] = ACCOUNTS,
            state_file: Path | None = None,
            settings: dict[str, dict[str, Any]] | None = None,
            **knobs: Any,
        ) -> Street:
            settings = {**{name: found for name, found in CALM.items() if name in accounts}, **(settings or {})}
            sandbox = RunningSandbox(
                accounts=accounts,
                settings=settings,
                shop=True,
                shop_settings={**QUIET, **knobs},
                state_file=state_file,
            )
            return Street(running.enter_context(sandbox))

        yield open_shop


OpenShop = Callable[..., Street]


def test_at_its_first_start_there_is_a_mornings_trade(street: OpenShop) -> None:
    shop = street(history=25)
    assert shop.becomes(lambda: shop.done("orders placed") == 25)
    orders = shop.orders()
    assert len(orders) == 25
    assert sum(order["test"] for order in orders) == 1
    assert sum(order["status"] == "ORDER_ACK" for order in orders) == 2
    now = datetime.fromisoformat(shop.sandbox.control("GET")["now"])
    times = [datetime.fromisoformat(order["ordered_at"]) for order in orders]
    assert now - timedelta(hours=19) < times[0]
    assert times == sorted(times)
    assert all(1 <= len(order["lines"]) <= 3 for order in orders)


def test_a_newcomer_finds_an_unknown_product_and_an_address_nobody_can_deliver_to(street: OpenShop) -> None:
    shop = street(discrepancies=True)
    assert shop.becomes(lambda: len(shop.orders()) == 2)
    unknown, nowhere = shop.orders()
    assert [line["sku"] for line in unknown["lines"]] == ["VASE-TEAL"]
    assert (nowhere["buyer"]["line_1"], nowhere["buyer"]["city"]) == ("", "")


def test_buyers_order_at_the_rate_that_is_set(street: OpenShop) -> None:
    shop = street()
    shop.set(orders_per_minute=60)
    assert shop.becomes(lambda: shop.done("orders placed") >= 1)
    shop.advance(30)
    assert shop.becomes(lambda: shop.done("orders placed") >= 30)
    assert shop.done("orders placed") < 45


def test_after_a_long_stop_nobody_makes_up_for_lost_orders(street: OpenShop) -> None:
    shop = street(orders_per_minute=4)
    assert shop.becomes(lambda: shop.done("orders placed") == 1)
    shop.advance(3600)
    assert shop.becomes(lambda: shop.done("orders placed") >= 5)
    shop.advance(1)
    assert shop.done("orders placed") <= 7


@pytest.mark.parametrize("knob", [{"orders_per_minute": 0}, {"running": False}])
def test_the_shop_can_be_stopped(street: OpenShop, knob: dict[str, Any]) -> None:
    shop = street(orders_per_minute=60)
    assert shop.becomes(lambda: shop.done("orders placed") > 0)
    shop.set(**knob)
    placed = shop.done("orders placed")
    shop.advance(60)
    shop.seller.placed()  # a call through the same server: ticks went by meanwhile
    assert not shop.sandbox.eventually(lambda: shop.done("orders placed") > placed, within_seconds=0.6)


def test_an_order_in_the_store_is_shipped_when_its_time_has_come(street: OpenShop) -> None:
    shop = street(ship_after_seconds=20, ship_within_seconds=40)
    shop.into_the_store("508-1", ("MUG-RED", 2), ("LAMP-BLACK", 1))
    assert shop.becomes(lambda: shop.overview()["plans"] == {"ship": 1})
    assert shop.parcels() == []
    shop.advance(61)
    assert shop.becomes(lambda: shop.done("ship") == 1)
    (parcel,) = shop.parcels()
    assert len(parcel["trackingInfo"]) == 1
    assert shop.sandbox.act("store", "list_orders") == []
    assert shop.overview()["plans"] == {}


def test_the_first_parcel_is_in_order_and_the_second_goes_with_a_carrier_nobody_mapped(street: OpenShop) -> None:
    shop = street(discrepancies=True, ship_after_seconds=0, ship_within_seconds=0)
    for number in ("508-1", "508-2"):
        shop.into_the_store(number, ("MUG-RED", 1))
    assert shop.becomes(lambda: shop.done("ship") == 2)
    assert [parcel["trackingInfo"][0]["company"] for parcel in shop.parcels()] == ["Royal Mail", "Parrot Post"]


def test_an_order_may_leave_in_two_goes(street: OpenShop) -> None:
    shop = street(partial_rate=1.0, ship_after_seconds=0, ship_within_seconds=0)
    shop.into_the_store("508-1", ("MUG-RED", 3))
    assert shop.becomes(lambda: shop.done("ship") == 1)
    assert shop.sandbox.act("store", "list_orders")[0]["lines"][0]["unfulfilled"] in (1, 2)
    shop.advance(31)
    assert shop.becomes(lambda: shop.done("ship") == 2)
    assert shop.sandbox.act("store", "list_orders") == []


def test_one_fulfilment_may_have_two_tracking_numbers(street: OpenShop) -> None:
    shop = street(two_parcels_rate=1.0, ship_after_seconds=0, ship_within_seconds=0)
    shop.into_the_store("508-1", ("MUG-RED", 2))
    assert shop.becomes(lambda: shop.done("ship") == 1)
    assert len({tracking["number"] for tracking in shop.parcels()[0]["trackingInfo"]}) == 2


def test_the_seller_may_cancel_in_the_store(street: OpenShop) -> None:
    shop = street(seller_cancel_rate=1.0, ship_after_seconds=0, ship_within_seconds=0)
    for number in range(6):
        shop.into_the_store(f"508-{number}", ("MUG-RED", 2))
    assert shop.becomes(lambda: shop.done("cancel_order") + shop.done("remove_unit") == 6)
    assert 0 < shop.done("cancel_order") < 6
    shop.advance(21)
    assert shop.becomes(lambda: shop.done("ship") == shop.done("remove_unit"))


def test_a_buyer_cancels_before_it_has_left(street: OpenShop) -> None:
    shop = street(history=1, buyer_cancel_rate=1.0)
    assert shop.becomes(lambda: shop.overview()["plans"] == {"cancel": 1})
    shop.advance(91)
    assert shop.becomes(lambda: shop.done("request_cancellation") == 1)
    assert {line["status"] for line in shop.orders()[0]["lines"]} == {"CANCEL"}


def test_a_buyer_who_cancels_too_late_sends_it_back(street: OpenShop) -> None:
    shop = street(history=1, buyer_cancel_rate=1.0)
    assert shop.becomes(lambda: len(shop.orders()) == 1)
    order_id = shop.orders()[0]["id"]
    for action in ("acknowledge", "dispatch"):
        assert shop.seller.do(action, order_id).status_code == 200
    shop.advance(91)
    assert shop.becomes(lambda: shop.overview()["plans"] == {"return": 1})
    assert "cannot go from DISPATCH" in shop.overview()["refused"][0]
    shop.advance(121)
    assert shop.becomes(lambda: shop.done("request_return") == 1)


def test_a_return_waits_for_its_parcel_and_is_decided_later(street: OpenShop) -> None:
    shop = street(history=1, return_rate=1.0)
    assert shop.becomes(lambda: shop.overview()["plans"] == {"return": 1})
    shop.advance(600)  # not dispatched yet: looked at again later
    assert shop.becomes(lambda: shop.done("get_order") == 1)
    order_id = shop.orders()[0]["id"]
    for action in ("acknowledge", "dispatch"):
        assert shop.seller.do(action, order_id).status_code == 200
    for seconds, step in ((61, "request_return"), (21, "authorise_return")):
        shop.advance(seconds)
        assert shop.becomes(lambda step=step: shop.done(step) == 1)  # type: ignore[misc]
    shop.advance(41)
    assert shop.becomes(lambda: shop.done("approve_return") + shop.done("reject_return") == 1)
    (found,) = shop.sandbox.documents("john_lewis", "returns")
    assert found["status"] in ("RMA_REC", "RMA_EXC")


def test_a_customer_changes_their_mind_about_marketing(street: OpenShop) -> None:
    shop = street(history=1, consent_change_rate=1.0)
    assert shop.becomes(lambda: shop.overview()["plans"] == {"change_consent": 1})
    shop.advance(301)
    assert shop.becomes(lambda: shop.done("set_consent") == 1)
    assert shop.sandbox.documents("john_lewis", "customers")[0]["consent_source"] == "preference centre"


def test_the_stores_stock_moves(street: OpenShop) -> None:
    shop = street(stock_changes_per_minute=60)
    assert shop.becomes(lambda: shop.done("set_stock") >= 1)


def test_plans_survive_a_restart(tmp_path: Path) -> None:
    knobs = {**QUIET, "history": 3, "ship_after_seconds": 3600}
    settings: dict[str, Any] = {
        "accounts": ACCOUNTS,
        "settings": CALM,
        "shop": True,
        "shop_settings": knobs,
        "state_file": tmp_path / "w.sqlite",
    }
    with RunningSandbox(**settings) as before:
        shop = Street(before)
        shop.into_the_store("508-1", ("MUG-RED", 1))
        assert shop.becomes(lambda: shop.overview()["plans"] == {"ship": 1})
    with RunningSandbox(**settings) as after:
        shop = Street(after)
        assert shop.overview()["plans"] == {"ship": 1}
        shop.advance(3700)
        assert shop.becomes(lambda: shop.done("ship") == 1)
        assert len(shop.orders()) == 3


def test_knobs_stay_as_they_were_set_over_a_restart(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "accounts": ACCOUNTS, "settings": CALM, "shop": True, "state_file": tmp_path / "w.sqlite",
    }  # fmt: skip
    with RunningSandbox(**settings, shop_settings={**QUIET, "return_rate": 0.5}) as before:
        Street(before).set(partial_rate=0.25)
    with RunningSandbox(**settings, shop_settings={"return_rate": 0.125}) as after:
        overview = Street(after).overview()
    assert (overview["partial_rate"], overview["return_rate"]) == (0.25, 0.125)
    assert overview["orders_per_minute"] == QUIET["orders_per_minute"]


def test_every_marketplace_has_buyers_and_every_one_of_them_has_habits(street: OpenShop) -> None:
    shop = street(accounts={"john_lewis": "john_lewis", "bazaar": "mirakl"}, history=10, buyer_cancel_rate=1.0)
    assert shop.becomes(lambda: shop.done("orders placed") == 12)
    assert len(shop.sandbox.documents("bazaar", "orders")) == 2
    shop.advance(91)
    assert shop.becomes(lambda: shop.done("buyer_cancel") == 2)
    assert {order["state"] for order in shop.sandbox.documents("bazaar", "orders")} == {"CANCELED"}
    shop.set(orders_per_minute=600)
    shop.advance(10)
    assert shop.becomes(lambda: len(shop.orders()) > 20 and len(shop.sandbox.documents("bazaar", "orders")) > 20)


def test_what_left_from_a_mirakl_marketplace_comes_back_and_is_unpacked_in_the_store_or_closed_by_hand(
    street: OpenShop,
) -> None:
    count = 6
    instant = {"order_acceptance": "AUTOMATIC", "debit_seconds": 0, "rate_factor": 0}
    accounts = {"bazaar": "mirakl", "shopify_main": "shopify"}
    shop = street(accounts=accounts, settings={"bazaar": instant}, history=count, return_rate=1.0)
    assert shop.becomes(lambda: shop.overview()["plans"].get("return") == count)
    assert shop.becomes(lambda: _states(shop, "orders") == {"SHIPPING"})
    for order in shop.sandbox.documents("bazaar", "orders"):
        shop.sandbox.act("bazaar", "ship_in_portal", order_id=order["id"])
    shop.advance(241)
    assert shop.becomes(lambda: shop.done("request_return") == count)
    plans = shop.overview()["plans"]
    # each is unpacked in the store, or is refunded by the operator and closed by hand
    assert plans["unpack"] + plans.get("follow", 0) // 2 == count
    shop.advance(151)
    assert shop.becomes(lambda: not {"unpack", "follow"} & set(shop.overview()["plans"]))
    states = [one["state"] for one in shop.sandbox.documents("bazaar", "returns")]
    assert states.count("CLOSED") == plans.get("follow", 0) // 2
    assert shop.done("order_by_source") == plans["unpack"], "nobody has put these orders into the store"


def _states(shop: Street, collection: str) -> set[str]:
    return {one["state"] for one in shop.sandbox.documents("bazaar", collection)}


def test_a_sandbox_without_a_store_trades_all_the_same(street: OpenShop) -> None:
    shop = street(accounts={"john_lewis": "john_lewis"}, history=5, stock_changes_per_minute=60)
    assert shop.becomes(lambda: shop.done("orders placed") == 5)
    shop.advance(60)
    assert shop.overview()["refused"] == []


def test_a_sandbox_without_john_lewis_has_a_shop_with_nothing_to_do(street: OpenShop) -> None:
    shop = street(accounts={"store": "shopify"}, history=5)
    shop.into_the_store("508-1", ("MUG-RED", 1))
    assert shop.overview()["done"] == {}


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ({"speed": 2}, "the shop has no speed; it has: .*orders_per_minute"),
        ({"return_rate": 1.5}, "return_rate cannot be 1.5"),
        ({"orders_per_minute": -1}, "orders_per_minute cannot be -1"),
        ({"running": 1}, "running is a bool"),
        ({"history": "many"}, "history is a int"),
    ],
)
def test_a_knob_that_does_not_fit_is_named(street: OpenShop, knobs: dict[str, Any], said: str) -> None:
    shop = street()
    with pytest.raises(ValueError, match=rf"400.*{said}"):
        shop.set(**knobs)
    assert shop.overview()["running"] is True
