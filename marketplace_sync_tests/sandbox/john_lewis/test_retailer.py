"""John Lewis' own calls, which drive the account over HTTP as its systems would."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from marketplace_sync.sandbox import catalogue
from marketplace_sync_tests.sandbox.john_lewis.seller import MUG, RETAILER_LOGIN, Seller

PRODUCT = catalogue.products()[0]


def order_body(**changes: Any) -> dict[str, Any]:
    return {
        "supplier": "https://api.sandbox.virtualstock.com/restapi/v4/suppliers/1569/",
        "order_reference": "200300-2021-01-02",
        "order_date": "2026-02-23T10:41:59",
        "end_user_purchase_order_reference": "47190100",
        "test_flag": True,
        "items": [
            {
                "supplier_sku_reference": PRODUCT.sku,
                "line_reference": "123",
                "quantity": 2,
                "unit_cost_price": "5.00",
                "promised_date": "2026-03-20T00:00:00",
            }
        ],
        "shipping_address": {
            "full_name": "B. Hill",
            "line_1": "London Road",
            "postal_code": "RG1 1AA",
            "country": "GB",
        },
        **changes,
    }


def retail(seller: Seller, path: str, body: Any = None) -> httpx.Response:
    return seller.http.post(f"/restapi/v4/{path}", json=body, auth=RETAILER_LOGIN)


def test_the_retailer_creates_an_order(seller: Seller) -> None:
    answer = retail(seller, "orders/", order_body())
    assert answer.status_code == 201
    (order,) = seller.listed(order_reference="200300-2021-01-02")["results"]
    assert order == answer.json()
    assert (order["order_date"], order["test_flag"]) == ("2026-02-23T10:41:59", True)
    assert (order["end_user_purchase_order_reference"], order["subtotal"]) == ("47190100", "10.00")
    assert (order["items"][0]["line_reference"], order["items"][0]["part_number"]) == ("123", PRODUCT.stock_number)


def test_email_and_state_may_be_left_out_but_not_be_blank(seller: Seller) -> None:
    address = order_body()["shipping_address"]
    for name in ("email", "state"):
        answer = retail(seller, "orders/", order_body(shipping_address={**address, name: ""}))
        assert (answer.status_code, list(answer.json())) == (400, [name])
    order = retail(seller, "orders/", order_body()).json()
    assert not {"email", "state"} & set(order["shipping_address"])


@pytest.mark.parametrize("missing", ["supplier", "order_reference", "order_date", "shipping_address", "items"])
def test_an_order_without_what_it_needs_is_refused(seller: Seller, missing: str) -> None:
    body = order_body()
    del body[missing]
    assert list(retail(seller, "orders/", body).json()) == [missing]


def test_a_reference_is_used_once(seller: Seller) -> None:
    retail(seller, "orders/", order_body())
    assert list(retail(seller, "orders/", order_body()).json()) == ["order_reference"]
    assert seller.listed()["count"] == 1


def test_an_order_for_an_unknown_product_is_refused(seller: Seller) -> None:
    answer = retail(seller, "orders/", order_body(items=[{"retailer_sku_reference": "0", "quantity": 1}]))
    assert answer.status_code == 400
    assert answer.text.startswith("Validation error: ")


def test_a_product_may_be_named_by_its_barcode(seller: Seller) -> None:
    items = [{"retailer_sku_reference": PRODUCT.barcode, "quantity": 1}]
    order = retail(seller, "orders/", order_body(items=items)).json()
    assert (order["items"][0]["part_number"], order["items"][0]["unit_cost_price"]) == (PRODUCT.stock_number, None)


def test_the_retailer_asks_to_cancel(seller: Seller) -> None:
    order_id = seller.placed((MUG, 2))
    (item,) = seller.items(order_id)
    answer = retail(seller, f"orders/{order_id}/cancel_request/", {"items": [{**item, "reason_code": 101}]})
    assert answer.status_code == 200
    assert seller.order(order_id)["status"] == "CANCEL"


@pytest.mark.parametrize("wrong", [{"quantity": 3}, {"quantity": 0}, {"reason_code": 1}, {"line_ref": "7"}])
def test_a_cancellation_that_cannot_be_is_refused(seller: Seller, wrong: dict[str, Any]) -> None:
    order_id = seller.placed((MUG, 2))
    (item,) = seller.items(order_id)
    body = {"items": [{**item, "reason_code": 101, **wrong}]}
    answer = retail(seller, f"orders/{order_id}/cancel_request/", body)
    assert answer.status_code == 400
    assert answer.text.startswith("Validation error: ")
    assert seller.order(order_id)["status"] == "ORDER"


def test_the_retailer_announces_and_withdraws_a_return(seller: Seller) -> None:
    order_id = seller.dispatched((MUG, 2))
    items = [{"line_reference": "1", "quantity": "1", "reason_code": "300", "method": "NO_COLLECTION"}]
    reference = seller.order(order_id)["order_reference"]
    answer = retail(seller, "orders/returns/", {"order_reference": reference, "supplier": "x", "items": items})
    assert answer.status_code == 201
    (found,) = seller.http.get("/restapi/v4/returns/").json()["results"]
    assert retail(seller, f"returns/{found['id']}/cancel").status_code == 200
    assert seller.http.get("/restapi/v4/returns/").json()["count"] == 0
    assert retail(seller, f"returns/{found['id']}/cancel").status_code == 404


def test_a_debit_note_is_a_return_that_is_announced_with_its_reference(seller: Seller) -> None:
    order_id = seller.dispatched((MUG, 2))
    (item,) = seller.items(order_id, reason_code="16", rma_reference="RMA001")
    answer = retail(seller, f"orders/{order_id}/return_requested/", {"create_debit_note": True, "items": [item]})
    assert answer.status_code == 200
    (kept,) = seller.sandbox.documents("john_lewis", "returns")
    assert (kept["debit_note"], kept["rma_reference"], kept["quantity"]) == (True, "RMA001", 2)


def test_returns_are_announced_together_or_not_at_all(seller: Seller) -> None:
    order_id = seller.dispatched((MUG, 2))
    good = {"line_reference": "1", "quantity": 1, "reason_code": 300}
    body = {
        "order_reference": seller.order(order_id)["order_reference"],
        "supplier": "x",
        "items": [good, {**good, "quantity": 2}],
    }
    answer = retail(seller, "orders/returns/", body)
    assert answer.text == (
        "Validation error: Return quantity value 2 is greater than dispatch quantity 1 for order item '1'"
    )
    assert seller.http.get("/restapi/v4/returns/").json()["count"] == 0
    assert seller.order(order_id)["status"] == "DISPATCH"


@pytest.mark.parametrize("path", ["orders/", "orders/1/cancel_request/", "orders/returns/", "returns/1/cancel"])
def test_a_seller_has_no_business_with_the_retailers_calls(seller: Seller, path: str) -> None:
    assert seller.http.post(f"/restapi/v4/{path}", json={}).status_code == 403


@pytest.mark.parametrize("path", ["orders", "orders/1/cancel_request", "orders/returns"])
def test_the_retailers_posts_need_the_slash_too(seller: Seller, path: str) -> None:
    assert retail(seller, path, {}).status_code == 405
