"""The rare faces of real orders, each at the rate that is set and at no other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from marketplace_sync_tests.sandbox.john_lewis.seller import MUG, Seller

SellerWith = Callable[..., Seller]


def results(seller: Seller, count: int) -> list[dict[str, Any]]:
    seller.act("place_orders", count=count, lines_per_order=2)
    orders: list[dict[str, Any]] = []
    while len(orders) < count:
        orders += seller.listed(limit=100, offset=len(orders))["results"]
    return orders


def test_nothing_is_odd_by_default(seller: Seller) -> None:
    for order in results(seller, 100):
        assert (order["status"], order["test_flag"]) == ("ORDER", False)
        assert order["end_user_purchase_order_reference"]
        assert "fulfilment_wave" not in order
        for item in order["items"]:
            assert item["unit_cost_price"] is not None
            assert item["supplier_sku_reference"]
            assert "gift_wrap" not in item


def test_a_cost_price_may_be_null_and_so_are_the_totals(seller_with: SellerWith) -> None:
    order = results(seller_with(null_cost_rate=1.0), 1)[0]
    assert {order[name] for name in ("subtotal", "tax", "total")} == {None}
    assert {item[name] for item in order["items"] for name in ("unit_cost_price", "tax_rate", "total")} == {None}


def test_our_sku_may_be_blank(seller_with: SellerWith) -> None:
    order = results(seller_with(blank_sku_rate=1.0), 1)[0]
    assert {item["supplier_sku_reference"] for item in order["items"]} == {""}
    assert all(item["part_number"] for item in order["items"])


def test_the_customer_order_number_may_be_blank(seller_with: SellerWith) -> None:
    order = results(seller_with(blank_customer_order_number_rate=1.0), 1)[0]
    assert order["end_user_purchase_order_reference"] == ""
    assert "-" in order["order_reference"]


def test_email_and_state_may_be_absent_as_keys(seller_with: SellerWith) -> None:
    address = results(seller_with(missing_email_rate=1.0, missing_state_rate=1.0), 1)[0]["shipping_address"]
    assert not {"email", "state"} & set(address)


def test_orders_may_be_tests(seller_with: SellerWith) -> None:
    assert results(seller_with(test_order_rate=1.0), 1)[0]["test_flag"] is True


def test_a_test_order_can_be_placed_on_purpose(seller: Seller) -> None:
    assert seller.order(seller.placed(test=True))["test_flag"] is True


def test_fields_may_appear_that_no_documentation_has(seller_with: SellerWith) -> None:
    order = results(seller_with(extra_field_rate=1.0), 1)[0]
    assert order["fulfilment_wave"] == {"code": "W7", "cut_off": "14:00"}
    assert order["items"][0]["gift_wrap"] is False


def test_an_order_may_arrive_in_an_unknown_status_and_becomes_new_later(seller_with: SellerWith) -> None:
    seller = seller_with(unknown_status_rate=1.0)
    order_id = seller.placed((MUG, 1))
    assert seller.order(order_id)["status"] == "ON_HOLD"
    assert seller.rows(order_id) == [("1", 1, "ON_HOLD")]
    assert (seller.listed_ids(), seller.listed_ids(status="ORDER")) == ([order_id], [])
    assert seller.do("acknowledge", order_id).status_code == 400
    seller.sandbox.control("POST", "clock", {"advance_seconds": 121})
    assert seller.sandbox.eventually(lambda: seller.listed_ids(status="ORDER") == [order_id])


def test_a_rate_is_kept_roughly_and_follows_from_the_seed(seller_with: SellerWith) -> None:
    drawn = []
    for _ in range(2):
        orders = results(seller_with(null_cost_rate=0.1), 300)
        drawn.append([order["order_reference"] for order in orders if order["total"] is None])
    assert drawn[0] == drawn[1]
    assert 10 < len(drawn[0]) < 60


@pytest.mark.parametrize("name", ["null_cost_rate", "test_order_rate", "publishing_rate"])
def test_a_rate_is_a_probability(seller: Seller, name: str) -> None:
    with pytest.raises(ValueError, match="probability"):
        seller.act("configure", **{name: 1.5})


def test_the_list_may_show_an_order_as_it_was_for_some_seconds(seller_with: SellerWith) -> None:
    seller = seller_with(stale_read_seconds=5)
    order_id = seller.placed((MUG, 1))
    seller.do("acknowledge", order_id)
    assert seller.order(order_id)["status"] == "ORDER_ACK"
    assert seller.listed_ids(status="ORDER") == [order_id]
    assert seller.listed(status="ORDER")["results"][0]["items"][0]["status"] == "ORDER"
    seller.sandbox.control("POST", "clock", {"advance_seconds": 5.1})
    assert seller.listed_ids(status="ORDER") == []
    assert seller.listed(status="ORDER_ACK")["results"][0]["items"][0]["status"] == "ORDER_ACK"


def test_the_list_is_up_to_date_by_default(seller: Seller) -> None:
    order_id = seller.placed()
    assert seller.listed_ids(status="ORDER") == [order_id]
    seller.do("acknowledge", order_id)
    assert seller.listed_ids(status="ORDER") == []


def test_buyers_are_british_reachable_nowhere_and_some_are_awkward(seller: Seller) -> None:
    addresses = [order["shipping_address"] for order in results(seller, 400)]
    assert len({address["full_name"] for address in addresses}) > 250
    assert {address["email"].rpartition("@")[2] for address in addresses} == {"example.com", "example.org"}
    assert {address["country"] for address in addresses} <= {"GB", "IM", "JE"}
    lines = [address["line_1"] for address in addresses]
    assert 160 < max(map(len, lines)) <= 255
    assert any("🐕" in address["line_2"] for address in addresses)
    assert all(len(address["email"]) <= 75 for address in addresses)
    assert all(address["email"].isascii() for address in addresses)


def test_some_buyers_come_back(seller: Seller) -> None:
    emails = [order["shipping_address"]["email"] for order in results(seller, 200)]
    assert 10 < len(emails) - len(set(emails)) < 80


def test_a_buyer_can_be_given_and_taken_apart(seller: Seller) -> None:
    order = seller.order(seller.placed(buyer={"line_1": "", "city": "", "email": None}))
    address = order["shipping_address"]
    assert (address["line_1"], address["city"], "email" in address) == ("", "", False)
    with pytest.raises(ValueError, match="a buyer has no shoe_size"):
        seller.placed(buyer={"shoe_size": 9})
