"""Offers, stock and prices: asynchronous imports, what they reset, and the reports of what they did not take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from marketplace_sync.sandbox.catalogue import products
from marketplace_sync_tests.sandbox.mirakl.seller import BOWL, LAMP, MUG, Seller

STOCK, PRICES = "/api/offers/stock/imports", "/api/offers/pricing/imports"
EAN = {product.sku: product.barcode for product in products()}


def _full(sku: str, **fields: Any) -> dict[str, Any]:
    return {
        "shop_sku": sku,
        "product_id": EAN.get(sku, "none"),
        "product_id_type": "EAN",
        "price": "20.00",
        "state_code": "11",
        "update_delete": "update",
        **fields,
    }


def test_a_stock_import_waits_runs_and_completes_with_a_report_of_what_failed(seller: Seller) -> None:
    price = seller.offer(MUG)["price"]
    file = f"offer-sku;quantity;warehouse-code;update-delete\n{MUG};7;;\nNOBODY;3;;\n{LAMP};-1;;\n{BOWL};many;;\n"
    answer = seller.upload(STOCK, file)
    assert answer.status_code == 201
    import_id = answer.json()["import_id"]
    status = f"{STOCK}/{import_id}/status"
    assert answer.headers["Location"].endswith(status)
    assert seller.get(status)["status"] == "WAITING"
    assert seller.offer(MUG)["quantity"] != 7
    seller.later(3)
    assert seller.get(status)["status"] == "RUNNING"
    seller.later(3)
    done = seller.get(status)
    assert (done["status"], done["lines_in_success"], done["lines_in_error"]) == ("COMPLETE", 1, 3)
    assert done["has_error_report"] is True
    lines = seller.http.get(f"{STOCK}/{import_id}/error_report").text.splitlines()
    assert [line.partition(";")[0] for line in lines[1:]] == ["2", "3", "4"]
    assert (seller.offer(MUG)["quantity"], seller.offer(MUG)["price"]) == (7, price)


def test_stock_of_warehouses_adds_up(seller: Seller) -> None:
    head = "offer-sku;quantity;warehouse-code;update-delete"
    seller.upload(STOCK, f"{head}\n{MUG};2;NORTH;\n{MUG};3;SOUTH;\n")
    seller.later(6)
    assert seller.offer(MUG)["quantity"] == 5
    assert {each["code"] for each in seller.offer(MUG)["warehouses"]} == {"NORTH", "SOUTH"}


def test_of24_resets_the_fields_that_were_not_sent(seller: Seller) -> None:
    discount = {"price": "15.00"}
    full = _full(MUG, quantity=9, discount=discount, description="A mug")
    assert seller.http.post("/api/offers", json={"offers": [full]}).status_code == 201
    seller.later(6)
    offer = seller.offer(MUG)
    assert (offer["quantity"], offer["price"], offer["discount"]["origin_price"]) == (9, 15.0, 20.0)
    import_id = seller.http.post("/api/offers", json={"offers": [_full(MUG)]}).json()["import_id"]
    seller.later(6)
    offer = seller.offer(MUG)
    assert (offer["quantity"], offer["price"], offer["description"]) == (0, 20.0, "")
    assert "discount" not in offer
    assert (offer["active"], offer["inactivity_reasons"]) == (False, ["ZERO_QUANTITY"])
    job = seller.get(f"/api/offers/imports/{import_id}")
    assert (job["status"], job["offer_updated"], job["has_error_report"]) == ("COMPLETE", 1, False)


def test_the_same_offers_sent_twice_are_one_import(seller: Seller) -> None:
    body = {"offers": [_full(MUG, quantity=3)]}
    first, second = (seller.http.post("/api/offers", json=body).json()["import_id"] for _ in range(2))
    assert first == second
    assert len(seller.actions("OF24")) == 1
    seller.later(61)
    assert seller.http.post("/api/offers", json=body).json()["import_id"] != first


def test_offers_with_errors_complete_and_say_which(seller: Seller) -> None:
    offers = [
        _full(MUG, price="0"),
        _full(LAMP, discount={"price": "30.00"}),
        _full("NEW-SKU", product_id=EAN[BOWL]),
        _full("NOBODY"),
        _full(BOWL, update_delete="delete"),
    ]
    import_id = seller.http.post("/api/offers", json={"offers": offers}).json()["import_id"]
    seller.later(6)
    job = seller.get(f"/api/offers/imports/{import_id}")
    assert (job["offer_inserted"], job["offer_deleted"], job["lines_in_error"]) == (1, 1, 3)
    report = seller.http.get(f"/api/offers/imports/{import_id}/error_report").text
    assert "greater than 0" in report
    assert "lower than the price" in report
    assert "does not exist" in report
    assert seller.get("/api/offers", sku=BOWL)["offers"] == []


def test_a_price_import_replaces_everything_about_the_price_and_leaves_the_stock(seller: Seller) -> None:
    quantity = seller.offer(MUG)["quantity"]
    head = "offer-sku;price;discount-price;discount-start-date;discount-end-date"
    seller.upload(PRICES, f"{head}\n{MUG};20.00;12.50;;\n")
    seller.later(6)
    assert seller.offer(MUG)["price"] == 12.5
    import_id = seller.upload(PRICES, f"{head}\n{MUG};21.00;;;\n{LAMP};0;;;\n{BOWL};9;9.50;;\n").json()["import_id"]
    seller.later(6)
    offer = seller.offer(MUG)
    assert (offer["price"], offer["quantity"]) == (21.0, quantity)
    (job,) = seller.get(PRICES, import_id=import_id)["data"]
    assert (job["offers_updated"], job["offers_in_error"]) == (1, 2)
    assert len(seller.http.get(f"{PRICES}/{import_id}/error_report").text.splitlines()) == 3


def test_replace_deletes_what_is_not_in_the_file(seller: Seller) -> None:
    file = f"sku;product-id;product-id-type;price;state;quantity\n{MUG};{EAN[MUG]};EAN;14.00;11;4\n"
    assert seller.upload("/api/offers/imports", file, import_mode="REPLACE").status_code == 201
    seller.later(6)
    assert [offer["shop_sku"] for offer in seller.get("/api/offers")["offers"]] == [MUG]
    (job,) = seller.get("/api/offers/imports")["data"]
    assert (job["mode"], job["offer_updated"]) == ("REPLACE", 1)


def test_a_push_computed_before_an_order_came_overwrites_what_the_order_took(seller: Seller) -> None:
    before = seller.offer(MUG)["quantity"]
    seller.upload(STOCK, f"offer-sku;quantity\n{MUG};{before}\n")
    seller.placed((MUG, 5))
    assert seller.offer(MUG)["quantity"] == before - 5
    seller.later(6)
    assert seller.offer(MUG)["quantity"] == before


def test_a_file_without_its_columns_is_refused(seller: Seller) -> None:
    assert seller.upload(STOCK, "sku;quantity\nA;1\n").status_code == 400
    assert seller.upload(STOCK, " ").status_code == 400
    assert seller.http.post(STOCK, json={}).status_code == 415


def test_products_pass_the_mapping_then_the_operator_and_are_reported(seller: Seller) -> None:
    new, bad = "5012345000001", "5012345000002"
    valid = next(code for code in (f"501234500000{digit}" for digit in range(10)) if _checks(code))
    head = "shop_sku;ean;title;brand;category"
    rows = [
        f"JUG;{valid};Jug;Hearth & Field;Kitchen",
        f"PAN;{bad if not _checks(bad) else new};Pan;H;Kitchen",
        "POT;;Pot;H;K",
    ]
    import_id = seller.upload("/api/products/imports", "\n".join([head, *rows])).json()["import_id"]
    path = f"/api/products/imports/{import_id}"
    assert seller.get(path)["import_status"] == "TRANSFORMATION_WAITING"
    seller.later(4)
    assert seller.get(path)["import_status"] == "SENT"
    seller.later(2)
    job = seller.get(path)
    assert job["import_status"] == "COMPLETE"
    assert job["integration_details"]["products_successfully_synchronized"] == 1
    for report, sku in (("transformation_error_report", "POT"), ("error_report", "PAN"), ("new_product_report", "JUG")):
        assert sku in seller.http.get(f"{path}/{report}").text
    assert job["has_transformed_file"] is True
    mapped = seller.http.get(f"{path}/transformed_file").text
    assert [line.split(";")[0] for line in mapped.splitlines()] == ["shop_sku", "JUG", "PAN"]
    assert "KITCHEN" in mapped
    (known,) = seller.get("/api/products", product_references=f"EAN|{valid},EAN|0")["products"]
    assert known["product_sku"] == f"P-{valid}"


def _checks(ean: str) -> bool:
    return sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(ean)) % 10 == 0


def test_imports_at_once_where_the_operator_is_quick(seller_with: Callable[..., Seller]) -> None:
    seller = seller_with(import_seconds=0)
    import_id = seller.upload(STOCK, f"offer-sku;quantity\n{MUG};1\n").json()["import_id"]
    assert seller.get(f"{STOCK}/{import_id}/status")["status"] == "COMPLETE"
