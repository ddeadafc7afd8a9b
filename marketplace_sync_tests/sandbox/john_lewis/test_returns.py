"""Returns: announced by John Lewis, acknowledged by the seller, decided with an amount."""

from __future__ import annotations

from typing import Any

import pytest

from marketplace_sync_tests.sandbox.john_lewis.seller import LAMP, MUG, Seller


def returns(seller: Seller, **query: Any) -> list[dict[str, Any]]:
    answer = seller.http.get("/restapi/v4/returns/", params=query)
    rows: list[dict[str, Any]] = answer.raise_for_status().json()["results"]
    return rows


def announced(seller: Seller, *lines: tuple[str, int], quantity: int = 1, reason_code: int = 300) -> tuple[int, str]:
    """A dispatched order of which some of line 1 is to come back: the ids of order and return."""
    order_id = seller.dispatched(*lines)
    made = seller.act("request_return", order_id=order_id, line_ref="1", quantity=quantity, reason_code=reason_code)
    return order_id, made["return_id"]


def test_a_return_is_listed_with_its_order_line_and_reason(seller: Seller) -> None:
    order_id, return_id = announced(seller, (MUG, 3), quantity=2, reason_code=225)
    (found,) = returns(seller)
    assert (found["id"], found["quantity"], found["return_reason_code"]) == (return_id, 2, "225")
    assert found["status"] == {"code": "RMA", "description": "Return Request"}
    assert (found["return_reason"]["code"], found["return_reason"]["description"]) == ("225", "Damaged product")
    assert found["order"]["url"].endswith(f"/orders/{order_id}/")
    assert (found["order_item"]["line_reference"], found["order_item"]["quantity"]) == ("1", 2)
    assert found["requested_at"][10] == " "
    assert found["return_approved_amount"] is None


def test_part_of_a_line_comes_back_and_the_rest_stays_dispatched(seller: Seller) -> None:
    order_id, _ = announced(seller, (MUG, 3), quantity=1)
    assert seller.rows(order_id) == [("1", 2, "DISPATCH"), ("1", 1, "RMA")]
    assert seller.order(order_id)["status"] == "DISPATCH"


def test_a_whole_return_is_seen_by_the_orders_status_too(seller: Seller) -> None:
    order_id, _ = announced(seller)
    assert seller.listed_ids(status="RMA") == [order_id]


def test_an_approved_return_is_received_with_its_amount(seller: Seller) -> None:
    order_id, return_id = announced(seller, (MUG, 2), quantity=2)
    seller.act("authorise_return", return_id=return_id)
    assert seller.order(order_id)["status"] == "RMA_AUTHORISED"
    seller.act("book_collection", return_id=return_id)
    assert seller.order(order_id)["status"] == "RMA_COLLECTION_BOOKED"
    approved = seller.act("approve_return", return_id=return_id)
    assert approved == {"return_id": return_id, "status": "RMA_REC", "return_approved_amount": "14.00"}
    (found,) = returns(seller)
    assert (found["return_approved_amount"], found["return_approved_amount_status"]) == ("14.00", "fully")
    assert found["return_approved"]["code"] == "300"
    assert None not in (found["authorised_at"], found["approved_at"], found["return_authorised_collection_date"])
    assert seller.rows(order_id) == [("1", 2, "RMA_REC")]


def test_an_approval_may_pay_back_less(seller: Seller) -> None:
    _, return_id = announced(seller, (MUG, 2), quantity=2)
    seller.act("authorise_return", return_id=return_id)
    with pytest.raises(ValueError, match="between 0 and 1400"):
        seller.act("approve_return", return_id=return_id, amount=1401)
    seller.act("approve_return", return_id=return_id, amount=500)
    (found,) = returns(seller, return_amount="partially")
    assert found["return_approved_amount"] == "5.00"


def test_a_return_may_be_rejected_or_declined(seller: Seller) -> None:
    rejected_order, rejected = announced(seller)
    seller.act("authorise_return", return_id=rejected)
    seller.act("reject_return", return_id=rejected, message="not ours")
    declined_order, declined = announced(seller)
    seller.act("decline_return", return_id=declined)
    assert seller.order(rejected_order)["status"] == "RMA_EXC"
    assert seller.order(declined_order)["status"] == "RMA_REJ"
    found = {each["id"]: each for each in returns(seller)}
    assert (found[rejected]["rejected_message"], found[rejected]["return_rejected"]["code"]) == ("not ours", "321")
    assert found[declined]["declined_at"] is not None
    assert found[declined]["return_approved"] is None


@pytest.mark.parametrize("step", ["book_collection", "approve_return", "reject_return"])
def test_a_step_that_does_not_follow_is_refused(seller: Seller, step: str) -> None:
    _, return_id = announced(seller)
    with pytest.raises(ValueError, match=r"409.*cannot go from RMA"):
        seller.act(step, return_id=return_id)


def test_a_seller_acknowledges_a_return(seller: Seller) -> None:
    order_id, _ = announced(seller)
    assert seller.do("return_acknowledge", order_id).status_code == 200
    assert seller.order(order_id)["status"] == "RMA_AUTHORISED"
    assert returns(seller)[0]["status"]["code"] == "RMA_AUTHORISED"
    assert seller.actions()[-1]["action"] == "return_acknowledge"


def test_what_was_not_dispatched_cannot_come_back(seller: Seller) -> None:
    order_id = seller.accepted((MUG, 1))
    with pytest.raises(ValueError, match="Return quantity value 1 is greater than dispatch quantity 0"):
        seller.act("request_return", order_id=order_id, line_ref="1", quantity=1)


def test_the_same_unit_comes_back_once(seller: Seller) -> None:
    order_id, _ = announced(seller)
    with pytest.raises(ValueError, match="dispatch quantity 0"):
        seller.act("request_return", order_id=order_id, line_ref="1", quantity=1)


def test_a_withdrawn_return_is_gone_and_its_line_dispatched_again(seller: Seller) -> None:
    order_id, return_id = announced(seller)
    seller.act("withdraw_return", return_id=return_id)
    assert returns(seller) == []
    assert seller.order(order_id)["status"] == "DISPATCH"


def test_a_return_over_two_parcels_is_one_return(seller: Seller) -> None:
    order_id = seller.accepted((MUG, 2))
    item = seller.items(order_id, quantity=1)
    seller.do("dispatch", order_id, item)
    seller.do("dispatch", order_id, item)
    made = seller.act("request_return", order_id=order_id, line_ref="1", quantity=2)
    seller.act("authorise_return", return_id=made["return_id"])
    assert [status for _, _, status in seller.rows(order_id)] == ["RMA_AUTHORISED", "RMA_AUTHORISED"]


def test_the_list_filters(seller: Seller) -> None:
    first_order, first = announced(seller, (MUG, 1), reason_code=200)
    second_order, second = announced(seller, (LAMP, 1), reason_code=325)
    seller.act("authorise_return", return_id=second)
    reference = seller.order(first_order)["order_reference"]
    part_number = seller.order(second_order)["items"][0]["part_number"]

    def ids(**query: Any) -> list[str]:
        return [found["id"] for found in returns(seller, **query)]

    assert ids() == [second, first]
    assert ids(return_status="RMA") == [first]
    assert ids(return_reason=325) == [second]
    assert ids(order_reference=reference) == [first]
    assert ids(item_reference=part_number) == [second]
    assert ids(from_date_complete="2020-01-01") == []
    assert ids(limit=1, offset=1) == ids(limit=1, page=2) == [first]


def test_the_list_has_dates_where_the_orders_list_has_none(seller: Seller) -> None:
    _, old = announced(seller)
    seller.sandbox.control("POST", "clock", {"advance_seconds": 3 * 86_400})
    _, new = announced(seller)
    day = returns(seller)[0]["requested_at"][:10]
    assert [found["id"] for found in returns(seller, from_date=day)] == [new]
    assert [found["id"] for found in returns(seller, to_date=day)] == [new, old]
    assert seller.http.get("/restapi/v4/returns/", params={"from_date": "yesterday"}).status_code == 400
