"""The life of an order at the marketplace, from the basket to its end."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import httpx
import pytest

from marketplace_sync_tests.sandbox.mirakl.seller import BOWL, DAY, KEY, LAMP, MUG, Seller


@pytest.mark.parametrize("header", ["", "wrong", f"Bearer {KEY}"])
def test_a_wrong_key_is_401_and_so_is_a_bearer_prefix(seller: Seller, header: str) -> None:
    answer = seller.http.get("/api/orders", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.json()["status"] == 401


def test_unknown_ids_are_404_in_json_and_foreign_shops_403(seller: Seller) -> None:
    answer = seller.put("/api/orders/NOBODY-1/accept", {"order_lines": [{"id": "NOBODY-1-1", "accepted": True}]})
    assert (answer.status_code, answer.json()["code"]) == (404, "ORDER_NOT_FOUND")
    assert seller.http.get("/api/nothing").json()["status"] == 404
    assert seller.http.get("/api/orders?shop_id=9").status_code == 403
    assert seller.http.get("/api/orders?shop_id=2001").status_code == 200


def test_formats_and_methods_are_refused_by_their_numbers(seller: Seller) -> None:
    assert seller.http.get("/api/orders", headers={"Accept": "application/xml"}).status_code == 406
    assert (
        seller.http.put("/api/orders/refund", content=b"<a/>", headers={"Content-Type": "text/xml"}).status_code == 415
    )
    assert seller.http.delete("/api/orders").status_code == 405
    answer = seller.put("/api/orders/refund", {"refunds": {"amount": 3}})
    assert (answer.status_code, answer.json()["message"]) == (400, "The field 'refunds' has a wrong datatype")


def test_address_is_null_until_shipping_and_the_relay_address_is_new_for_each_order(seller: Seller) -> None:
    first, second = seller.placed(buyer={"customer_id": "c1"}), seller.placed(buyer={"customer_id": "c1"})
    emails = {seller.order(each)["customer_notification_email"] for each in (first, second)}
    assert len(emails) == 2
    assert all(email.endswith("@notification.mirakl.net") for email in emails)
    assert seller.order(first)["customer"]["shipping_address"] is None
    assert seller.accept(first).status_code == 204
    assert (seller.state(first), seller.order(first)["customer"]["shipping_address"]) == ("WAITING_DEBIT", None)
    seller.act("accept_payment", order_id=first)
    order = seller.order(first)
    assert order["order_state"] == "SHIPPING"
    assert order["customer"]["shipping_address"]["country_iso_code"] == "GBR"
    assert order["customer"]["customer_id"] == "c1"


@pytest.mark.parametrize(("policy", "ending"), [("real", ("example.com", "example.org")), ("none", None)])
def test_the_email_policy_is_the_operators(
    seller_with: Callable[..., Seller], policy: str, ending: tuple[str, ...] | None
) -> None:
    seller = seller_with(email_policy=policy)
    order = seller.order(seller.placed())
    if ending is None:
        assert "customer_notification_email" not in order
    else:
        assert order["customer_notification_email"].endswith(ending)


def test_addresses_may_be_shown_before_the_order_is_accepted(seller_with: Callable[..., Seller]) -> None:
    seller = seller_with(address_before_acceptance=True)
    order = seller.order(seller.placed())
    assert order["order_state"] == "WAITING_ACCEPTANCE"
    assert order["customer"]["shipping_address"]["street_1"]
    flags = seller.get("/api/platform/configuration")["features"]["order_workflows"]
    assert flags["shipping_and_billing_details_before_acceptance"] is True


def test_the_debit_confirms_itself_in_two_steps(seller: Seller) -> None:
    order_id = seller.placed()
    seller.accept(order_id)
    seller.later(61)
    assert seller.state(order_id) == "WAITING_DEBIT_PAYMENT"
    seller.later(61)
    order = seller.order(order_id)
    assert order["order_state"] == "SHIPPING"
    assert order["customer_debited_date"] is not None


def test_an_order_that_is_never_paid_is_cancelled(seller_with: Callable[..., Seller]) -> None:
    seller = seller_with(automatic_debit=False)
    order_id = seller.placed()
    seller.accept(order_id)
    seller.later(3 * DAY)
    assert seller.state(order_id) == "WAITING_DEBIT_PAYMENT"
    seller.later(DAY)
    assert seller.state(order_id) == "CANCELED"


def test_silence_past_the_deadline_refuses_the_order_and_gives_the_stock_back(seller: Seller) -> None:
    before = seller.offer(MUG)["quantity"]
    order_id = seller.placed((MUG, 2))
    assert seller.offer(MUG)["quantity"] == before - 2
    seller.later(3 * DAY + 1)
    assert seller.state(order_id) == "REFUSED"
    assert seller.offer(MUG)["quantity"] == before


def test_a_refusal_empties_the_offer_where_the_operator_says_so(seller_with: Callable[..., Seller]) -> None:
    seller = seller_with(refusal_zeroes_stock=True)
    order_id = seller.placed((MUG, 1), (LAMP, 1))
    assert seller.accept(order_id, False, True).status_code == 204
    assert seller.offer(MUG)["quantity"] == 0
    assert seller.offer(LAMP)["quantity"] > 0
    order = seller.order(order_id)
    assert [line["order_line_state"] for line in order["order_lines"]] == ["REFUSED", "WAITING_DEBIT"]
    assert order["order_state"] == "WAITING_DEBIT"


def test_acceptance_answers_every_line_once_and_only_while_it_is_waited_for(seller: Seller) -> None:
    order_id = seller.placed((MUG, 1), (LAMP, 1))
    first = f"{order_id}-1"

    def code(*lines: dict[str, object] | None) -> str:
        answer = seller.put(f"/api/orders/{order_id}/accept", {"order_lines": list(lines)})
        assert answer.status_code == 400
        return str(answer.json()["code"])

    yes: dict[str, object] = {"id": first, "accepted": True}
    assert code(yes) == "ORDER_LINE_ACCEPTANCE_DECISION_MISSING"
    assert code(yes, yes) == "ORDER_LINE_DUPLICATE_ID"
    assert code(yes, {"id": "x", "accepted": True}) == "ORDER_LINE_NOT_FOUND"
    assert code(yes, None) == "ORDER_LINE_NULL_ELEMENT"
    assert seller.accept(order_id).status_code == 204
    assert code(yes, {"id": f"{order_id}-2", "accepted": True}) == "ORDER_INVALID_STATE"
    assert len(seller.actions("OR21")) == 1


def test_mixed_answers_may_be_disabled(seller_with: Callable[..., Seller]) -> None:
    seller = seller_with(partial_acceptance=False)
    order_id = seller.placed((MUG, 1), (LAMP, 1))
    answer = seller.accept(order_id, True, False)
    assert answer.json()["code"] == "ORDER_PARTIAL_ACCEPTANCE_DISABLED"
    assert seller.state(order_id) == "WAITING_ACCEPTANCE"


def test_with_automatic_acceptance_and_late_payment_an_order_is_first_seen_in_shipping(
    seller_with: Callable[..., Seller],
) -> None:
    seller = seller_with(order_acceptance="AUTOMATIC", payment_workflow="PAY_ON_SHIPMENT")
    order = seller.order(seller.placed())
    assert order["order_state"] == "SHIPPING"
    assert (order["acceptance_decision_date"], order["customer_debited_date"]) == (None, None)


def test_a_held_order_is_staging_until_it_is_released(seller: Seller) -> None:
    order_id = seller.placed(staging=True)
    assert seller.state(order_id) == "STAGING"
    assert seller.accept(order_id).status_code == 400
    seller.act("release_order", order_id=order_id)
    assert seller.state(order_id) == "WAITING_ACCEPTANCE"


def test_shipping_needs_tracking_and_the_address_of_a_registered_carrier_is_computed(seller: Seller) -> None:
    order_id = seller.paid()
    assert seller.put(f"/api/orders/{order_id}/ship").json()["message"].startswith("Tracking details are mandatory")
    tracking = {"carrier_code": "dpd", "tracking_number": "1597", "carrier_url": "https://elsewhere.example.com"}
    assert seller.put(f"/api/orders/{order_id}/tracking", tracking).status_code == 204
    assert seller.put(f"/api/orders/{order_id}/ship").status_code == 204
    order = seller.order(order_id)
    assert (order["order_state"], order["shipping_tracking"]) == ("SHIPPED", "1597")
    assert order["shipping_tracking_url"].endswith("/dpd/1597")
    assert seller.put(f"/api/orders/{order_id}/ship").status_code == 400
    bad = seller.put(f"/api/orders/{order_id}/tracking", {"carrier_code": "parrot", "tracking_number": "1"})
    assert bad.status_code == 400


def test_unregistered_carriers_may_be_forbidden(seller_with: Callable[..., Seller]) -> None:
    seller = seller_with(registered_carriers_only=True)
    order_id = seller.paid()
    by_name = {"carrier_name": "Parrot Post", "tracking_number": "1"}
    assert seller.put(f"/api/orders/{order_id}/tracking", by_name).status_code == 400
    assert seller.get("/api/platform/configuration")["features"]["disable_seller_alternative_carrier"] is True


def test_time_receives_and_closes_and_a_closed_order_takes_no_refund(seller: Seller) -> None:
    order_id = seller.shipped()
    seller.later(7 * DAY + 1)
    assert seller.state(order_id) == "RECEIVED"
    seller.later(115 * DAY + 1)
    assert seller.state(order_id) == "CLOSED"
    assert seller.refund(f"{order_id}-1", "1.00").status_code == 400


def test_refunds_are_not_idempotent_and_walk_through_their_states(seller: Seller) -> None:
    order_id = seller.shipped((BOWL, 2))
    line_id = f"{order_id}-1"
    first, second = seller.refund(line_id, "10.50").json(), seller.refund(line_id, "10.50").json()
    assert first["refunds"][0]["refund_id"] != second["refunds"][0]["refund_id"]
    assert [refund["refund_state"] for refund in seller.order(order_id)["order_lines"][0]["refunds"]] == [
        "WAITING_REFUND",
        "WAITING_REFUND",
    ]
    seller.later(61)
    states = {refund["refund_state"] for refund in seller.order(order_id)["order_lines"][0]["refunds"]}
    assert states == {"WAITING_REFUND_PAYMENT"}
    seller.later(61)
    states = {refund["refund_state"] for refund in seller.order(order_id)["order_lines"][0]["refunds"]}
    assert states == {"REFUNDED"}
    assert seller.refund(line_id, "100.00").status_code == 400
    assert seller.refund(line_id, "0.005").status_code == 400
    assert len(seller.actions("OR28")) == 2


def test_a_refund_call_fails_as_a_whole(seller: Seller) -> None:
    order_id = seller.shipped((BOWL, 1))
    good = {"order_line_id": f"{order_id}-1", "amount": 1, "shipping_amount": 0, "reason_code": "20"}
    answer = seller.put("/api/orders/refund", {"refunds": [good, {**good, "order_line_id": "nowhere"}]})
    assert answer.status_code == 400
    assert seller.order(order_id)["order_lines"][0]["refunds"] == []


def test_refunds_before_shipping_only_where_the_operator_allows_it(seller_with: Callable[..., Seller]) -> None:
    strict, lenient = seller_with(), seller_with(refund_before_shipping=True)
    assert strict.refund(f"{strict.paid()}-1", "1.00").status_code == 400
    assert lenient.refund(f"{lenient.paid()}-1", "1.00").status_code == 200


def test_cancelations_take_quantity_and_amount_off_the_line_before_it_leaves(seller: Seller) -> None:
    order_id = seller.paid((MUG, 3))
    before = seller.offer(MUG)["quantity"]
    answer = seller.cancel(f"{order_id}-1", "14.00", 1)
    assert answer.status_code == 200
    (line,) = seller.order(order_id)["order_lines"]
    assert (line["quantity"], line["price"], line["cancelations"][0]["quantity"]) == (2, 28.0, 1)
    assert line["cancelations"][0]["id"] == answer.json()["cancelations"][0]["cancelation_id"]
    assert seller.offer(MUG)["quantity"] == before + 1
    assert seller.cancel(f"{order_id}-1", "14.00", 2).status_code == 400
    assert seller.put(f"/api/orders/{order_id}/cancel").status_code == 204
    assert seller.state(order_id) == "CANCELED"


def test_a_seller_cancels_only_what_it_has_accepted_and_no_charge_is_running_for(seller: Seller) -> None:
    order_id = seller.placed()
    assert seller.order(order_id)["can_cancel"] is False
    assert seller.put(f"/api/orders/{order_id}/cancel").status_code == 400
    assert seller.cancel(f"{order_id}-1", "14.00", 1, shipping_amount=3.95).status_code == 400
    seller.accept(order_id)
    assert seller.order(order_id)["can_cancel"] is True
    assert seller.cancel(f"{order_id}-1", "14.00", 1, shipping_amount=3.95).status_code == 200
    assert seller.state(order_id) == "CANCELED"


def test_a_buyer_takes_some_units_back_and_the_line_lists_them(seller: Seller) -> None:
    order_id = seller.paid((MUG, 3))
    line = seller.order(order_id)["order_lines"][0]
    part = {"line_id": line["order_line_id"], "quantity": 1}
    assert seller.act("buyer_cancel", order_id=order_id, lines=[part])["state"] == "SHIPPING"
    after = seller.order(order_id)["order_lines"][0]
    (taken,) = after["cancelations"]
    assert (after["quantity"], taken["quantity"], taken["reason_code"]) == (2, 1, "CANCELED_BY_CUSTOMER")
    assert after["price"] + taken["amount"] == line["price"]
    with pytest.raises(ValueError, match="exceeds what can be canceled"):
        seller.act("buyer_cancel", order_id=order_id, lines=[{**part, "quantity": 3}])


def test_operator_and_buyer_cancel_too_and_what_was_sent_is_out_of_reach(seller: Seller) -> None:
    assert seller.act("cancel_by_operator", order_id=seller.paid())["state"] == "CANCELED"
    assert seller.act("buyer_cancel", order_id=seller.placed())["state"] == "CANCELED"
    with pytest.raises(ValueError, match="nothing is left"):
        seller.act("buyer_cancel", order_id=seller.shipped())


def test_the_stores_number_comes_back_and_can_be_asked_for(seller: Seller) -> None:
    order_id = seller.placed()
    body = {
        "orders": [
            {"order_id": order_id, "references": {"order_reference_for_seller": "#1001"}},
            {"order_id": "nowhere", "references": {"order_reference_for_seller": "#1002"}},
        ]
    }
    good, bad = seller.put("/api/orders", body).json()["updated_orders"]
    assert good["updated"]["references"]["order_reference_for_seller"] == "#1001"
    assert bad["errors"][0]["code"] == "ORDER_NOT_FOUND"
    (found,) = seller.get("/api/orders", order_references_for_seller="#1001")["orders"]
    assert found["order_id"] == order_id


def test_incidents_are_seen_on_the_line_and_closed_by_the_seller(seller: Seller) -> None:
    order_id = seller.shipped()
    line_id = f"{order_id}-1"
    seller.act("open_incident", line_id=line_id)
    order = seller.order(order_id)
    assert (order["has_incident"], order["order_lines"][0]["order_line_state"]) == (True, "INCIDENT_OPEN")
    path = f"/api/orders/{order_id}/lines/{line_id}/resolve_incident"
    assert seller.put(path, {"reason_code": "40"}).status_code == 204
    assert seller.order(order_id)["has_incident"] is False
    assert seller.put(path, {"reason_code": "40"}).status_code == 400


def test_an_erased_buyer_reads_blank(seller: Seller) -> None:
    order_id = seller.paid()
    seller.act("anonymise", order_id=order_id)
    customer = seller.order(order_id)["customer"]
    assert (customer["lastname"], customer["shipping_address"]["street_1"]) == ("Anonymous", "")


def test_custom_fields_are_set_and_cleared_with_null(seller: Seller) -> None:
    order_id = seller.placed()
    path = f"/api/orders/{order_id}/additional_fields"
    field = {"code": "gift-note", "type": "STRING", "value": "With love"}
    assert seller.put(path, {"order_additional_fields": [field]}).status_code == 200
    assert seller.order(order_id)["order_additional_fields"] == [field]
    seller.put(path, {"order_additional_fields": [{**field, "value": None}]})
    assert seller.order(order_id)["order_additional_fields"] == []
    dock = {"code": "dock", "type": "STRING", "value": "7"}
    assert seller.put(path, {"order_additional_fields": [dock]}).status_code == 400, "not editable"


def test_a_refund_whose_answer_was_lost_is_there_when_read_again(seller: Seller) -> None:
    order_id = seller.shipped()
    fault = {"kind": "lost_answer", "path": "/api/orders/refund", "remaining": 1}
    seller.sandbox.control("PUT", "mirakl/faults", [fault])
    with pytest.raises(httpx.TransportError):
        seller.refund(f"{order_id}-1", "1.00")
    (refund,) = seller.order(order_id)["order_lines"][0]["refunds"]
    assert (refund["amount"], len(seller.actions("OR28"))) == (1.0, 1)


def test_orders_changed_in_the_same_second_may_lie_on_both_sides_of_a_page(seller: Seller) -> None:
    seller.act("place_orders", count=12, lines_per_order=1)
    orders = [*seller.get("/api/orders")["orders"], *seller.get("/api/orders", offset=10)["orders"]]
    assert len({order["order_id"] for order in orders}) == 12
    assert any(a["last_updated_date"] == b["last_updated_date"] for a, b in itertools.pairwise(orders))


def test_a_live_offset_page_shifts_when_an_order_leaves_the_list(seller: Seller) -> None:
    ids = [seller.placed() for _ in range(3)]
    query = {"order_state_codes": "WAITING_ACCEPTANCE", "max": 1}
    assert seller.get("/api/orders", **query)["orders"][0]["order_id"] == ids[0]
    seller.accept(ids[0])
    assert seller.get("/api/orders", **query, offset=1)["orders"][0]["order_id"] == ids[2], "the second was skipped"
