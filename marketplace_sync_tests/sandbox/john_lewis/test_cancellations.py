"""Cancellations by customers, by sellers and by John Lewis, and the races between them and a parcel."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from marketplace_sync_tests.sandbox.john_lewis.seller import ACCOUNT, LAMP, MUG, Seller

SellerWith = Callable[..., Seller]
DAY = 86_400


def test_a_requested_cancellation_is_seen_by_its_status(seller: Seller) -> None:
    order_id = seller.accepted((MUG, 2), (LAMP, 1))
    seller.act("request_cancellation", order_id=order_id, line_ref="1")
    assert seller.rows(order_id) == [("1", 2, "CANCEL"), ("2", 1, "ORDER_ACK")]
    assert seller.listed_ids(status="CANCEL") == [order_id]


def test_a_cancelled_line_keeps_its_row_with_quantity_0(seller: Seller) -> None:
    order_id = seller.accepted((MUG, 2), (LAMP, 1))
    seller.act("request_cancellation", order_id=order_id, line_ref="1")
    assert seller.do("cancel_acknowledge", order_id, seller.items(order_id)[:1]).status_code == 200
    assert seller.rows(order_id) == [("1", 0, "CANCEL_ACK"), ("2", 1, "ORDER_ACK")]
    assert seller.order(order_id)["status"] == "ORDER_ACK"


def test_an_order_cancelled_altogether_says_so(seller: Seller) -> None:
    order_id = seller.placed((MUG, 2), (LAMP, 1))
    seller.act("request_cancellation", order_id=order_id)
    assert seller.do("cancel_acknowledge", order_id).status_code == 200
    assert seller.order(order_id)["status"] == "CANCEL_ACK"
    assert seller.order(order_id)["total"] == "0.00"


def test_part_of_a_line_may_be_asked_to_cancel(seller: Seller) -> None:
    order_id = seller.accepted((MUG, 3))
    seller.act("request_cancellation", order_id=order_id, line_ref="1", quantity=1)
    assert seller.rows(order_id) == [("1", 2, "ORDER_ACK"), ("1", 1, "CANCEL")]
    assert seller.do("cancel_acknowledge", order_id, seller.items(order_id, quantity=1)[:1]).status_code == 200
    assert seller.rows(order_id) == [("1", 2, "ORDER_ACK"), ("1", 0, "CANCEL_ACK")]


def test_a_dispatch_that_meets_a_cancellation_wins(seller: Seller) -> None:
    order_id = seller.accepted((MUG, 2))
    as_read = seller.items(order_id)
    seller.act("request_cancellation", order_id=order_id)
    assert seller.do("dispatch", order_id, as_read).status_code == 200
    assert seller.rows(order_id) == [("1", 2, "DISPATCH")]
    assert seller.listed_ids(status="CANCEL") == []


def test_a_parcel_takes_the_units_nobody_wants_cancelled_first(seller: Seller) -> None:
    order_id = seller.accepted((MUG, 3))
    seller.act("request_cancellation", order_id=order_id, line_ref="1", quantity=1)
    seller.do("dispatch", order_id, seller.items(order_id, quantity=2)[:1])
    assert seller.rows(order_id) == [("1", 2, "DISPATCH"), ("1", 1, "CANCEL")]


def test_what_has_left_cannot_be_cancelled_any_more(seller: Seller) -> None:
    order_id = seller.dispatched((MUG, 1))
    for name in ("request_cancellation", "cancel_by_retailer"):
        with pytest.raises(ValueError, match="DISPATCH"):
            seller.act(name, order_id=order_id)


def test_a_seller_cancels_by_acknowledging_a_cancellation_nobody_asked_for(seller: Seller) -> None:
    for prepare in (seller.placed, seller.accepted):
        order_id = prepare((MUG, 2))
        assert seller.do("cancel_acknowledge", order_id).status_code == 200
        assert seller.rows(order_id) == [("1", 0, "CANCEL_ACK")]


def test_a_seller_cancels_whole_lines_only(seller: Seller) -> None:
    order_id = seller.accepted((MUG, 2))
    answer = seller.do("cancel_acknowledge", order_id, seller.items(order_id, quantity=1))
    assert answer.status_code == 400
    assert "Partial cancellation not allowed" in answer.text


def test_whether_a_seller_may_cancel_part_of_a_line_is_a_setting(seller_with: SellerWith) -> None:
    seller = seller_with(partial_seller_cancel=True)
    order_id = seller.accepted((MUG, 2))
    assert seller.do("cancel_acknowledge", order_id, seller.items(order_id, quantity=1)).status_code == 200
    assert seller.rows(order_id) == [("1", 1, "ORDER_ACK"), ("1", 0, "CANCEL_ACK")]


def test_john_lewis_cancels_without_asking(seller: Seller) -> None:
    order_id = seller.accepted((MUG, 2), (LAMP, 1))
    seller.do("dispatch", order_id, seller.items(order_id)[:1])
    seller.act("cancel_by_retailer", order_id=order_id)
    assert seller.rows(order_id) == [("1", 2, "DISPATCH"), ("2", 0, "CANCEL_ACK")]
    assert seller.order(order_id)["status"] == "DISPATCH"


def test_the_reason_is_shown_only_when_switched_on(seller: Seller) -> None:
    order_id = seller.placed()
    seller.act("request_cancellation", order_id=order_id, reason_code=128)
    assert "cancel_reason_code" not in seller.order(order_id)["items"][0]
    seller.act("configure", show_cancel_reason=True)
    assert seller.order(order_id)["items"][0]["cancel_reason_code"] == 128
    assert seller.listed()["results"][0]["items"][0]["cancel_reason_code"] == 128


def test_a_reason_that_does_not_exist_is_refused(seller: Seller) -> None:
    order_id = seller.placed()
    with pytest.raises(ValueError, match="Reason code 7"):
        seller.act("request_cancellation", order_id=order_id, reason_code=7)


def test_what_has_not_left_in_time_is_cancelled_by_itself_when_switched_on(seller_with: SellerWith) -> None:
    seller = seller_with(automatic_cancel_working_days=3)
    late, gone = seller.placed((MUG, 1)), seller.dispatched((MUG, 1))
    seller.sandbox.control("POST", "clock", {"advance_seconds": 14 * DAY})
    assert seller.sandbox.eventually(lambda: seller.order(late)["status"] == "CANCEL")
    seller.sandbox.control("POST", "clock", {"advance_seconds": 3700})
    assert seller.sandbox.eventually(lambda: seller.order(late)["status"] == "CANCEL_ACK")
    assert seller.order(gone)["status"] == "DISPATCH"
    assert seller.sandbox.documents(ACCOUNT, "orders")[0]["lines"][0]["reason"] == 131
