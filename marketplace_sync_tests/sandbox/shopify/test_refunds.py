"""Refunds, returns and cancellations: what moved, what did not, and how it shows."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from marketplace_sync_tests.sandbox.shopify.app import App, pounds, wait_for

REFUND = """
mutation Refund($input: RefundInput!, $key: String!) {
  refundCreate(input: $input) @idempotent(key: $key) {
    refund { id note totalRefundedSet { shopMoney { amount } } }
    order { id displayFinancialStatus }
    userErrors { field message }
  }
}
"""
REFUNDS = """displayFinancialStatus displayFulfillmentStatus currentTotalPriceSet { shopMoney { amount } }
  totalRefundedSet { shopMoney { amount } } returnStatus cancelledAt cancelReason
  lineItems(first: 5) { nodes { id quantity currentQuantity refundableQuantity unfulfilledQuantity } }
  refunds(first: 10) { id note createdAt totalRefundedSet { shopMoney { amount } } return { id }
    refundLineItems(first: 10) { nodes { quantity restockType restocked subtotalSet { shopMoney { amount } }
      totalTaxSet { shopMoney { amount } } location { id } lineItem { id sku } } }
    orderAdjustments(first: 5) { nodes { amountSet { shopMoney { amount } } reason } }
    refundShippingLines(first: 5) { nodes { subtotalAmountSet { shopMoney { amount } } } }
    transactions(first: 5) { nodes { kind gateway amountSet { shopMoney { amount } } parentTransaction { id } } } }"""
CANCEL = """
mutation Cancel($id: ID!, $reason: OrderCancelReason!, $restock: Boolean!, $method: OrderCancelRefundMethodInput) {
  orderCancel(orderId: $id, reason: $reason, restock: $restock, refundMethod: $method, notifyCustomer: false) {
    job { id done }
    orderCancelUserErrors { code field message }
  }
}
"""


def key() -> str:
    return str(uuid.uuid4())


def line_of(app: App, order: dict[str, Any]) -> str:
    return str(order["lineItems"]["nodes"][0]["id"])


def money(order: dict[str, Any], amount: str) -> dict[str, Any]:
    return {"orderId": order["id"], "amount": amount, "gateway": "John Lewis", "kind": "REFUND"}


def test_a_refund_needs_an_idempotency_key_and_runs_once_with_it(app: App) -> None:
    order = app.create()
    given = {"orderId": order["id"], "transactions": [money(order, "5.00")]}
    bare = REFUND.replace(" @idempotent(key: $key)", "").replace(", $key: String!", "")
    assert app.error(bare, input=given)["extensions"]["code"] == "BAD_REQUEST"
    same = key()
    first = app.do(REFUND, input=given, key=same)
    assert app.do(REFUND, input=given, key=same)["refund"]["id"] == first["refund"]["id"]
    assert len(app.order(order["id"], REFUNDS)["refunds"]) == 1
    other = {"orderId": order["id"], "transactions": [money(order, "6.00")]}
    assert app.error(REFUND, input=other, key=same)["extensions"]["code"] == "IDEMPOTENCY_KEY_PARAMETER_MISMATCH"


def test_a_repeated_refund_is_answered_from_the_present_state(app: App) -> None:
    order = app.create()
    given, same = {"orderId": order["id"], "transactions": [money(order, "5.00")]}, key()
    assert app.do(REFUND, input=given, key=same)["order"]["displayFinancialStatus"] == "PARTIALLY_REFUNDED"
    app.act("refund", order_id=order["id"], amount=1900)
    assert app.do(REFUND, input=given, key=same)["order"]["displayFinancialStatus"] == "REFUNDED"


def test_goods_that_came_back_are_refunded_with_restock(app: App) -> None:
    order = app.create()
    app.act("ship", order_id=order["id"])
    row = {"lineItemId": line_of(app, order), "quantity": 1, "restockType": "RETURN", "locationId": app.location()}
    app.do(
        REFUND,
        input={
            "orderId": order["id"],
            "refundLineItems": [row],
            "transactions": [money(order, "12.00")],
            "note": "broken",
        },
        key=key(),
    )
    found = app.order(order["id"], REFUNDS)
    (refund,) = found["refunds"]
    (line,) = refund["refundLineItems"]["nodes"]
    assert (line["quantity"], line["restockType"], line["restocked"]) == (1, "RETURN", True)
    assert line["subtotalSet"]["shopMoney"]["amount"] == "12.0"
    assert line["totalTaxSet"]["shopMoney"]["amount"] == "2.0"
    assert refund["totalRefundedSet"]["shopMoney"]["amount"] == "12.0"
    assert refund["orderAdjustments"]["nodes"] == []
    assert found["displayFinancialStatus"] == "PARTIALLY_REFUNDED"
    assert found["displayFulfillmentStatus"] == "FULFILLED"
    assert found["currentTotalPriceSet"]["shopMoney"]["amount"] == "12.0"
    assert found["lineItems"]["nodes"][0]["currentQuantity"] == 1


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"restockType": "RETURN"}, "locationId"),
        ({"restockType": "CANCEL"}, "restockType"),
        ({"quantity": 3}, "quantity"),
        ({"quantity": 0}, "quantity"),
        ({"lineItemId": "gid://shopify/LineItem/1"}, "lineItemId"),
    ],
)
def test_rows_of_a_shipped_order_that_cannot_be_refunded(app: App, row: dict[str, Any], field: str) -> None:
    order = app.create()
    app.act("ship", order_id=order["id"])
    full = {"lineItemId": line_of(app, order), "quantity": 1, "restockType": "NO_RESTOCK", **row}
    problem = app.refuse(REFUND, input={"orderId": order["id"], "refundLineItems": [full]}, key=key())
    assert problem["field"] == ["refundLineItems", "0", field]
    assert app.order(order["id"], REFUNDS)["refunds"] == []


def test_no_more_is_paid_back_than_was_received_unless_allowed(app: App) -> None:
    order = app.create()
    given = {"orderId": order["id"], "transactions": [money(order, "24.01")]}
    assert "received" in app.refuse(REFUND, input=given, key=key())["message"]
    app.do(REFUND, input={**given, "allowOverRefunding": True}, key=key())


def test_money_alone_has_no_lines_and_leaves_an_adjustment(app: App) -> None:
    order = app.create()
    app.act("refund", order_id=order["id"], amount=500)
    found = app.order(order["id"], REFUNDS)
    (refund,) = found["refunds"]
    assert refund["refundLineItems"]["nodes"] == []
    assert refund["totalRefundedSet"]["shopMoney"]["amount"] == "5.0"
    assert refund["orderAdjustments"]["nodes"] == [
        {"amountSet": {"shopMoney": {"amount": "-5.0"}}, "reason": "REFUND_DISCREPANCY"}
    ]
    assert found["lineItems"]["nodes"][0]["currentQuantity"] == 2


def test_a_refund_without_money_has_no_transactions(app: App) -> None:
    order = app.create()
    app.act("ship", order_id=order["id"])
    app.act("refund", order_id=order["id"], lines=[{"sku": "MUG-RED", "quantity": 2}], with_money=False)
    found = app.order(order["id"], REFUNDS)
    assert found["refunds"][0]["transactions"]["nodes"] == []
    assert found["refunds"][0]["totalRefundedSet"]["shopMoney"]["amount"] == "0.0"
    assert found["displayFinancialStatus"] == "PAID"


def test_shipping_is_refunded_once(app: App) -> None:
    order = app.create(
        shippingLines=[{"title": "Standard", "priceSet": pounds("3.50")}],
        transactions=[{"gateway": "John Lewis", "amountSet": pounds("27.50")}],
    )
    given = {"orderId": order["id"], "shipping": {"fullRefund": True}, "transactions": [money(order, "3.50")]}
    app.do(REFUND, input=given, key=key())
    found = app.order(order["id"], REFUNDS)["refunds"][0]
    assert found["refundShippingLines"]["nodes"] == [{"subtotalAmountSet": {"shopMoney": {"amount": "3.5"}}}]
    assert found["orderAdjustments"]["nodes"] == []
    again = {"orderId": order["id"], "shipping": {"amount": "0.01"}, "transactions": [money(order, "0.01")]}
    assert app.refuse(REFUND, input=again, key=key())["field"] == ["shipping", "amount"]


def test_a_unit_that_was_removed_shows_as_a_refund_and_not_as_a_cancellation(app: App) -> None:
    order = app.create()
    app.act("remove_unit", order_id=order["id"], sku="MUG-RED", quantity=1)
    found = app.order(order["id"], REFUNDS)
    assert found["cancelledAt"] is None
    (refund,) = found["refunds"]
    (line,) = refund["refundLineItems"]["nodes"]
    assert (line["restockType"], line["quantity"]) == ("CANCEL", 1)
    assert refund["transactions"]["nodes"] == []
    assert found["displayFulfillmentStatus"] == "UNFULFILLED"
    assert found["lineItems"]["nodes"][0]["unfulfilledQuantity"] == 1
    assert found["lineItems"]["nodes"][0]["currentQuantity"] == 1
    (work,) = app.routed(order["id"])
    assert work["lineItems"]["nodes"][0]["remainingQuantity"] == 1


def test_a_unit_that_is_removed_and_not_restocked_is_not_to_be_shipped_either(app: App) -> None:
    order = app.create()
    app.act("remove_unit", order_id=order["id"], sku="MUG-RED", quantity=1, restock=False)
    found = app.order(order["id"], REFUNDS)
    (line,) = found["refunds"][0]["refundLineItems"]["nodes"]
    assert (line["restockType"], line["restocked"], line["quantity"]) == ("NO_RESTOCK", False, 1)
    assert found["lineItems"]["nodes"][0]["unfulfilledQuantity"] == 1
    (work,) = app.routed(order["id"])
    assert work["lineItems"]["nodes"][0]["remainingQuantity"] == 1


def test_removing_every_unit_leaves_nothing_to_ship_and_no_cancellation(app: App) -> None:
    order = app.create()
    app.act("remove_unit", order_id=order["id"], sku="MUG-RED", quantity=2)
    found = app.order(order["id"], REFUNDS)
    assert found["cancelledAt"] is None
    assert found["displayFulfillmentStatus"] == "RESTOCKED"
    assert [one["status"] for one in app.routed(order["id"])] == ["CANCELLED"]


def test_a_return_before_shipping_does_not_lower_what_is_to_be_shipped(app: App) -> None:
    order = app.create()
    row = {"lineItemId": line_of(app, order), "quantity": 1, "restockType": "NO_RESTOCK"}
    app.do(REFUND, input={"orderId": order["id"], "refundLineItems": [row]}, key=key())
    found = app.order(order["id"], REFUNDS)["lineItems"]["nodes"][0]
    assert (found["unfulfilledQuantity"], found["currentQuantity"]) == (2, 1)


def test_the_parts_of_a_line_add_up_when_it_is_refunded_piece_by_piece(app: App) -> None:
    shop_discount = {"itemFixedDiscountCode": {"code": "ONE", "amountSet": pounds("1.00")}}
    order = app.create(lineItems=[app.line("MUG-RED", 3)], discountCode=shop_discount)
    for _ in range(3):
        app.act("remove_unit", order_id=order["id"], sku="MUG-RED")
    found = app.order(order["id"], REFUNDS)
    parts = [one["refundLineItems"]["nodes"][0]["subtotalSet"]["shopMoney"]["amount"] for one in found["refunds"]]
    assert parts == ["11.67", "11.66", "11.67"]
    assert found["currentTotalPriceSet"]["shopMoney"]["amount"] == "0.0"


def test_the_suggested_refund_states_the_sums(app: App) -> None:
    order = app.create()
    document = """query($id: ID!, $rows: [RefundLineItemInput!]) {
      order(id: $id) { suggestedRefund(refundLineItems: $rows) {
      amountSet { shopMoney { amount } } totalTaxSet { shopMoney { amount } } suggestedTransactions { gateway kind
      amountSet { shopMoney { amount } } parentTransaction { id } } refundLineItems { quantity } } } }"""
    rows = [{"lineItemId": line_of(app, order), "quantity": 1}]
    found = app.ask(document, id=order["id"], rows=rows)["suggestedRefund"]
    assert found["amountSet"]["shopMoney"]["amount"] == "12.0"
    assert found["suggestedTransactions"][0]["gateway"] == "John Lewis"
    assert found["refundLineItems"] == [{"quantity": 1}]


# --- cancelling


def test_cancelling_answers_with_a_job_and_happens_when_it_is_done(shop_with: Callable[..., App]) -> None:
    app = shop_with(job_seconds=60)
    order = app.create()
    before = app.stock()["available"]
    how = {"reason": "INVENTORY", "restock": True, "method": {"originalPaymentMethodsRefund": False}}
    job = app.do(CANCEL, id=order["id"], **how)["job"]
    assert job["done"] is False
    assert app.order(order["id"], "cancelledAt")["cancelledAt"] is None
    assert app.refuse(CANCEL, id=order["id"], **how)["code"] == "INVALID"
    app.advance(61)
    wait_for(lambda: app.ask("query($id: ID!) { job(id: $id) { done } }", id=job["id"])["done"])
    found = app.order(order["id"], REFUNDS)
    assert found["cancelReason"] == "INVENTORY"
    assert found["cancelledAt"] is not None
    assert [row["restockType"] for row in found["refunds"][0]["refundLineItems"]["nodes"]] == ["CANCEL"]
    assert found["refunds"][0]["transactions"]["nodes"] == []
    assert found["displayFinancialStatus"] == "PAID"
    assert app.stock()["available"] == before + 2
    assert [one["status"] for one in app.routed(order["id"])] == ["CANCELLED"]


def test_cancelling_with_refund_pays_back_what_was_received(app: App) -> None:
    order = app.create()
    how = {"reason": "CUSTOMER", "restock": False, "method": {"originalPaymentMethodsRefund": True}}
    before = app.stock()
    app.do(CANCEL, id=order["id"], **how)
    found = wait_for(lambda: [o for o in [app.order(order["id"], REFUNDS)] if o["cancelledAt"]])[0]
    assert found["displayFinancialStatus"] == "REFUNDED"
    assert found["refunds"][0]["transactions"]["nodes"][0]["amountSet"]["shopMoney"]["amount"] == "24.0"
    assert app.stock() == {**before, "committed": 0, "on_hand": before["on_hand"] - 2}


@pytest.mark.parametrize("before", ["ship", "cancel_order"])
def test_an_order_with_a_parcel_or_already_cancelled_cannot_be_cancelled(app: App, before: str) -> None:
    order = app.create()
    app.act(before, order_id=order["id"])
    assert app.refuse(CANCEL, id=order["id"], reason="OTHER", restock=True)["code"] == "INVALID"
    with pytest.raises(ValueError, match="annot cancel"):
        app.act("cancel_order", order_id=order["id"])


def test_an_unknown_order_cannot_be_cancelled(app: App) -> None:
    assert app.refuse(CANCEL, id="gid://shopify/Order/1", reason="OTHER", restock=True)["code"] == "NOT_FOUND"


# --- returns


def test_a_return_is_opened_and_closed_and_its_refund_links_to_it(app: App) -> None:
    order = app.create()
    app.act("ship", order_id=order["id"])
    shipped = app.order(order["id"], "fulfillments(first: 1) { fulfillmentLineItems(first: 1) { nodes { id } } }")
    row = shipped["fulfillments"][0]["fulfillmentLineItems"]["nodes"][0]["id"]
    create = """mutation($r: ReturnInput!) {
      returnCreate(returnInput: $r) { return { id status } userErrors { code message } } }"""
    given = {
        "orderId": order["id"],
        "returnLineItems": [{"fulfillmentLineItemId": row, "quantity": 1, "returnReasonNote": "too small"}],
    }
    made = app.do(create, r=given)["return"]
    assert made["status"] == "OPEN"
    assert app.order(order["id"], "returnStatus")["returnStatus"] == "IN_PROGRESS"
    too_many = {"orderId": order["id"], "returnLineItems": [{"fulfillmentLineItemId": row, "quantity": 2}]}
    assert app.refuse(create, r=too_many)["code"] == "INVALID"
    app.act("close_return", return_id=made["id"])
    fields = """returnStatus refunds(first: 5) { return { id } } returns(first: 5) { nodes {
      id status closedAt totalQuantity refunds(first: 5) { nodes { id } } returnLineItems(first: 5) { nodes {
        id quantity refundedQuantity returnReasonNote ... on ReturnLineItem {
          returnReasonDefinition { handle } fulfillmentLineItem { lineItem { id sku } } } } } } }"""
    found = app.order(order["id"], fields)
    assert found["returnStatus"] == "RETURNED"
    assert found["refunds"] == [{"return": {"id": made["id"]}}]
    (returned,) = found["returns"]["nodes"]
    assert returned["status"] == "CLOSED"
    (line,) = returned["returnLineItems"]["nodes"]
    assert (line["quantity"], line["refundedQuantity"], line["returnReasonNote"]) == (1, 1, "too small")
    assert line["fulfillmentLineItem"]["lineItem"]["sku"] == "MUG-RED"
    close = "mutation($id: ID!) { returnClose(id: $id) { return { status } userErrors { code message } } }"
    assert app.refuse(close, id=made["id"])["code"] == "INVALID_STATE"


def test_a_return_made_by_the_staff_can_be_read_by_its_id(app: App) -> None:
    order = app.create()
    app.act("ship", order_id=order["id"])
    made = app.act("return", order_id=order["id"], lines=[{"sku": "MUG-RED", "quantity": 1}])
    found = app.ask("query($id: ID!) { return(id: $id) { name order { id } } }", id=made["id"])
    assert found["order"]["id"] == order["id"]


def test_a_return_is_closed_without_a_refund(app: App) -> None:
    order = app.create()
    app.act("ship", order_id=order["id"])
    made = app.act("return", order_id=order["id"])
    close = "mutation($id: ID!) { returnClose(id: $id) { return { status closedAt } userErrors { code message } } }"
    assert app.do(close, id=made["id"])["return"]["status"] == "CLOSED"
    assert app.order(order["id"], REFUNDS)["refunds"] == []
