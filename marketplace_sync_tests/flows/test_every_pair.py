"""Which test walks which pair of systems through an order's life, so that a pair that loses its test is noticed."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from marketplace_sync_tests.flows.town import JL, town

STEPS = (
    "place", "acknowledge", "inject", "dispatch", "partial dispatch", "cancel by buyer", "cancel by seller", "return",
    "refund", "partial refund",
)  # fmt: skip
JL_WHOLE = "test_life_in_either_store::test_placed_acknowledged_shipped_in_parts_returned_and_refunded"
JL_BUYER = "test_life_in_either_store::test_cancelled_by_the_buyer_whole_and_in_part"
JL_SELLER = "test_life_in_either_store::test_cancelled_by_the_seller_whole_and_in_part"
MIRAKL = "test_mirakl_in_either_store::test_an_order_of_a_mirakl_marketplace_lives_its_whole_life"
MARKET = "test_life_of_a_marketplacer_order::test_an_order_goes_to_the_shop_and_its_parcels_come_back"
MARKET_CANCELLED = "test_life_of_a_marketplacer_order::test_cancelled_by_the_buyer_and_by_the_seller"
INTO_EITHER_STORE = {
    "John Lewis": (JL_WHOLE,) * 5 + (JL_BUYER, JL_SELLER) + (JL_WHOLE,) * 3,
    "Mirakl": (MIRAKL,) * 10,
    # Marketplacer takes no acknowledgement: what is placed is accepted.
    "Marketplacer": (MARKET, "", *(MARKET,) * 3, MARKET_CANCELLED, MARKET_CANCELLED, *(MARKET,) * 3),
}
"""Marketplace -> for every step the test that takes it, into Shopify and into Magento, with Klaviyo and without. John
Lewis into Shopify with Klaviyo is `test_life_of_an_order`, step by step."""
ONLY_KLAVIYO = (
    "test_every_pair::test_what_john_lewis_says_reaches_klaviyo_without_a_store",
    "test_mirakl_marketplaces_side_by_side::test_without_a_store_klaviyo_hears_what_others_accept_and_ship",
    "test_life_of_a_marketplacer_order::test_without_a_store_klaviyo_hears_of_the_whole_life_once",
)


def exists(test: str) -> bool:
    module, _, function = test.partition("::")
    tree = ast.parse(Path(__file__).with_name(f"{module}.py").read_text(encoding="utf-8"))
    return function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("marketplace", INTO_EITHER_STORE)
def test_every_step_of_every_pair_names_a_test_that_exists(marketplace: str) -> None:
    cells = dict(zip(STEPS, INTO_EITHER_STORE[marketplace], strict=True))
    missing = {step for step, named in cells.items() if not named or not exists(named)}
    assert missing == ({"acknowledge"} if marketplace == "Marketplacer" else set())
    assert all(exists(named) for named in ONLY_KLAVIYO)


def test_what_john_lewis_says_reaches_klaviyo_without_a_store(database_url: str, tmp_path: Path) -> None:
    with town(database_url, tmp_path, route={"store": None, "stock": None}) as here:
        order_id, other = here.place("MUG-RED", quantity=2), here.place("BOWL-BLUE")
        here.settle()
        assert here.events(order_id) == {"Placed Order": 1, "Ordered Product": 1}
        for one in (order_id, other):
            here.sandbox.act(JL, "acknowledge_in_portal", order_id=one)
        here.settle()
        here.sandbox.act(JL, "request_cancellation", order_id=other)
        here.settle()
        assert here.events(order_id) == {"Placed Order": 1, "Ordered Product": 1}
        assert here.events(other)["Cancellation Requested"] == 1
        assert here.shopify_orders() == []
        assert [here.jl_actions(name) for name in ("acknowledge", "cancel_acknowledge")] == [[], []], "somebody else's"
