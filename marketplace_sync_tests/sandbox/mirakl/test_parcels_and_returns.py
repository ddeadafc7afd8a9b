"""Several parcels of one order, and what comes back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from marketplace_sync_tests.sandbox.mirakl.seller import BOWL, DAY, MUG, Seller

TRACKING = {"carrier_code": "dpd", "tracking_number": "15970001"}


@pytest.fixture
def parcels(seller_with: Callable[..., Seller]) -> Seller:
    return seller_with(multi_shipment=True)


def _send(seller: Seller, order_id: str, *lines: tuple[str, int], **details: Any) -> dict[str, Any]:
    shipment = {
        "order_id": order_id,
        "shipment_lines": [{"order_line_id": line, "quantity": quantity} for line, quantity in lines],
        "tracking": TRACKING,
        "shipped": True,
        **details,
    }
    answer = seller.http.post("/api/shipments", json={"shipments": [shipment]})
    assert answer.status_code == 201
    return dict(answer.json())


def test_an_order_sent_in_part_stays_in_shipping_until_its_last_parcel(parcels: Seller) -> None:
    order_id = parcels.paid((MUG, 3))
    line = f"{order_id}-1"
    assert parcels.put(f"/api/orders/{order_id}/ship").status_code == 400
    (made,) = _send(parcels, order_id, (line, 1))["shipment_success"]
    assert (made["status"], parcels.state(order_id)) == ("SHIPPED", "SHIPPING")
    (waiting,) = parcels.get("/api/shipments/items_to_ship")["data"]
    assert [(each["order_line_id"], each["quantity"]) for each in waiting["shipment_lines"]] == [(line, 2)]
    _send(parcels, order_id, (line, 2))
    assert parcels.state(order_id) == "SHIPPED"
    assert parcels.get("/api/shipments/items_to_ship")["data"] == []
    assert len(parcels.get("/api/shipments", order_id=order_id)["data"]) == 2


def test_failed_shipments_are_errors_in_a_201(parcels: Seller) -> None:
    order_id = parcels.paid((MUG, 1))
    line = f"{order_id}-1"
    for wrong in (
        _send(parcels, order_id, (line, 2)),
        _send(parcels, parcels.placed(), (line, 1)),
        _send(parcels, "nowhere", (line, 1)),
        _send(parcels, order_id, (line, 1), tracking={"carrier_code": "parrot"}),
    ):
        assert wrong["shipment_success"] == []
        assert wrong["shipment_errors"][0]["message"]
    assert parcels.get("/api/shipments")["data"] == []
    assert parcels.actions("ST01") == []


def test_a_shipment_may_be_tracked_and_sent_later(parcels: Seller) -> None:
    order_id = parcels.paid((MUG, 1))
    (made,) = _send(parcels, order_id, (f"{order_id}-1", 1), shipped=False, tracking=None)["shipment_success"]
    ship = {"shipments": [{"id": made["id"]}, {"id": "nowhere"}]}
    refused = parcels.put("/api/shipments/ship", ship).json()
    assert [each["id"] for each in refused["shipment_errors"]] == [made["id"], "nowhere"]
    tracked = parcels.http.post(
        "/api/shipments/tracking", json={"shipments": [{"id": made["id"], "tracking": TRACKING}]}
    )
    assert tracked.json()["shipment_success"] == [{"id": made["id"]}]
    assert parcels.put("/api/shipments/ship", ship).json()["shipment_success"] == [{"id": made["id"]}]
    (shipment,) = parcels.get("/api/shipments", shipment_state_code="SHIPPED")["data"]
    assert shipment["tracking"]["tracking_url"].endswith("/dpd/15970001")
    assert parcels.state(order_id) == "SHIPPED"


def test_what_was_cancelled_is_not_waited_for(parcels: Seller) -> None:
    order_id = parcels.paid((MUG, 2))
    _send(parcels, order_id, (f"{order_id}-1", 1))
    assert parcels.cancel(f"{order_id}-1", "14.00", 2).status_code == 400, "one has left"
    assert parcels.cancel(f"{order_id}-1", "14.00", 1).status_code == 200
    assert parcels.state(order_id) == "SHIPPED"


def test_shipments_need_a_platform_that_has_them(seller: Seller) -> None:
    order_id = seller.paid()
    assert _send(seller, order_id, (f"{order_id}-1", 1))["shipment_errors"]


def _returned(seller: Seller, order_id: str, quantity: int = 1) -> str:
    lines = [{"line_id": f"{order_id}-1", "quantity": quantity}]
    return str(seller.act("request_return", order_id=order_id, lines=lines)["return_id"])


def _returns(seller: Seller, step: str, return_id: str, **details: Any) -> dict[str, Any]:
    answer = seller.put(f"/api/returns/{step}", {"returns": [{"id": return_id, **details}]})
    assert answer.status_code == 200
    return dict(answer.json())


def test_a_return_goes_its_way_and_moves_no_money(seller: Seller) -> None:
    order_id = seller.received((BOWL, 2))
    before = len(seller.documents("transactions"))
    return_id = _returned(seller, order_id)

    def state() -> str:
        (found,) = seller.get("/api/returns", return_id=return_id)["data"]
        return str(found["state"])

    assert state() == "WAITING_ACCEPTANCE"
    assert _returns(seller, "receive", return_id)["return_errors"][0]["id"] == return_id
    assert _returns(seller, "accept", return_id, accepted=True)["return_success"] == [{"id": return_id}]
    assert state() == "IN_PROGRESS"
    _returns(seller, "receive", return_id)
    lines = [{"order_line_id": f"{order_id}-1", "compliant": True}]
    assert _returns(seller, "compliance", return_id, return_lines=lines)["return_success"]
    _returns(seller, "close", return_id)
    assert state() == "CLOSED"
    assert len(seller.documents("transactions")) == before
    assert seller.order(order_id)["order_lines"][0]["refunds"] == []
    assert [action["operation"] for action in seller.documents("actions")][-4:] == ["RT21", "RT25", "RT26", "RT27"]


def test_a_return_may_be_rejected_with_a_reason_of_the_operator(seller: Seller) -> None:
    return_id = _returned(seller, seller.received())
    assert _returns(seller, "accept", return_id, accepted=False, rejection_reason_code="because")["return_errors"]
    good = "RETURN_REJECTION_NOT_ELIGIBLE"
    assert _returns(seller, "accept", return_id, accepted=False, rejection_reason_code=good)["return_success"]
    (found,) = seller.get("/api/returns", return_state="REFUSED")["data"]
    assert found["rejection_reason_code"] == good


def test_no_more_comes_back_than_was_received_and_not_after_the_window(seller: Seller) -> None:
    order_id = seller.received((MUG, 2))
    _returned(seller, order_id, 2)
    with pytest.raises(ValueError, match="exceeds"):
        _returned(seller, order_id)
    late = seller.received()
    seller.later(31 * DAY)
    with pytest.raises(ValueError, match="cannot be returned"):
        _returned(seller, late)


def test_an_operator_without_returns_has_none(seller_with: Callable[..., Seller]) -> None:
    seller = seller_with(returns=False)
    with pytest.raises(ValueError, match="not enabled"):
        _returned(seller, seller.received())


def test_returns_without_acceptance_are_in_progress_and_can_be_amended(seller_with: Callable[..., Seller]) -> None:
    seller = seller_with(return_acceptance=False)
    return_id = _returned(seller, seller.received())
    (changed,) = seller.put("/api/returns", {"returns": [{"id": return_id, "rma": "R-7"}]}).json()["return_success"]
    assert (changed["state"], changed["rma"]) == ("IN_PROGRESS", "R-7")
    assert seller.get("/api/returns", return_rma="R-7")["data"][0]["id"] == return_id


def test_a_seller_announces_a_return_itself_for_what_is_returnable(seller: Seller) -> None:
    order_id = seller.received((MUG, 2))
    (row,) = seller.get("/api/returns/items_to_return")["data"]
    assert (row["order_line_id"], row["returnable_quantity"]) == (f"{order_id}-1", 2)
    line = {"order_line_id": f"{order_id}-1", "quantity": 2, "reason_code": "RETURN_OTHER"}
    wish = {"order_commercial_id": row["order_commercial_id"], "method_code": "RETURN_METHOD_BY_MAIL", "accepted": True}
    body = {"returns": [{**wish, "return_lines": [line]}, {**wish, "return_lines": [line]}]}
    answer = seller.http.post("/api/returns", json=body).json()
    assert [found["state"] for found in answer["return_success"]] == ["IN_PROGRESS"]
    assert answer["return_errors"][0]["order_commercial_id"] == row["order_commercial_id"]
    assert seller.get("/api/returns/items_to_return")["data"] == []
