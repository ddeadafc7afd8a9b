"""Products, stock numbers and stock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from marketplace_sync.sandbox import catalogue
from marketplace_sync_tests.sandbox.john_lewis.seller import LAMP, MUG, Seller

SellerWith = Callable[..., Seller]
DAY = 86_400


def product(seller: Seller, sku: str = MUG) -> dict[str, Any]:
    rows: list[dict[str, Any]] = seller.http.get("/api/v4/products/", params={"limit": 100}).json()["results"]
    return next(row for row in rows if row["data"]["supplier_sku"] == sku)


def id_of(row: dict[str, Any]) -> str:
    return str(row["url"].split("/products/")[1].split("/")[0])


def patch_stock(seller: Seller, product_id: str, body: Any) -> tuple[int, Any]:
    answer = seller.http.patch(f"/api/v4/products/{product_id}/stock", json=body)
    return answer.status_code, answer.json()


def test_the_whole_catalogue_is_listed_in_pages(seller: Seller) -> None:
    first = seller.http.get("/api/v4/products/", params={"limit": 10}).json()
    skus = {
        row["data"]["supplier_sku"]
        for offset in range(0, first["count"], 10)
        for row in seller.http.get("/api/v4/products/", params={"limit": 10, "offset": offset}).json()["results"]
    }
    assert {each.sku for each in catalogue.products()} < skus
    assert len(skus) == first["count"]


def test_john_lewis_lists_one_product_that_the_catalogue_does_not_have(seller: Seller) -> None:
    assert "VASE-TEAL" not in {each.sku for each in catalogue.products()}
    assert seller.order(seller.placed(("VASE-TEAL", 1)))["items"][0]["supplier_sku_reference"] == "VASE-TEAL"


def test_a_product_is_found_by_its_part_number(seller: Seller) -> None:
    wanted = product(seller, LAMP)
    page = seller.http.get("/api/v4/products/", params={"part_number": wanted["part_number"]}).json()
    assert page["results"] == [wanted]
    assert set(wanted) == {"url", "part_number", "category", "client", "supplier", "data"}
    assert wanted["url"].startswith("https://www.sandbox.the-edge.io/api/v4/products/")


def test_one_product_is_read_by_its_id_with_and_without_slash(seller: Seller) -> None:
    wanted = product(seller)
    for path in (f"/api/v4/products/{id_of(wanted)}/", f"/api/v4/products/{id_of(wanted)}"):
        assert seller.http.get(path).json() == wanted


def test_stock_is_set_by_a_patch_without_slash(seller: Seller) -> None:
    product_id = id_of(product(seller))
    status, body = patch_stock(seller, product_id, {"supplier_free_stock": 17})
    assert (status, body["data"]["supplier_free_stock"]) == (200, 17)
    assert product(seller)["data"]["supplier_free_stock"] == 17
    assert seller.http.patch(f"/api/v4/products/{product_id}/stock/", json={}).status_code == 404


def test_stock_without_its_field_is_refused_by_name(seller: Seller) -> None:
    answer = patch_stock(seller, id_of(product(seller)), {"free_stock": 3})
    assert answer == (400, {"supplier_free_stock": ["This field is required."]})


@pytest.mark.parametrize("stock", [-1, 2.5, "many", None, True])
def test_stock_is_a_whole_number_from_0(seller: Seller, stock: object) -> None:
    status, body = patch_stock(seller, id_of(product(seller)), {"supplier_free_stock": stock})
    assert (status, list(body)) == (400, ["supplier_free_stock"])


def test_an_unknown_product_is_not_found_with_its_code(seller: Seller) -> None:
    status, body = patch_stock(seller, "1", {"supplier_free_stock": 3})
    assert (status, body) == (404, {"detail": "Product not found.", "code": "PRODUCT_NOT_FOUND"})


def test_a_product_that_publishes_answers_409_for_three_minutes(seller: Seller) -> None:
    product_id = id_of(product(seller))
    seller.act("publish_product", sku=MUG)
    assert patch_stock(seller, product_id, {"supplier_free_stock": 3})[0] == 409
    assert seller.http.patch(f"/api/v4/products/{product_id}/", json={"data": {}}).status_code == 409
    seller.sandbox.control("POST", "clock", {"advance_seconds": 181})
    assert patch_stock(seller, product_id, {"supplier_free_stock": 3})[0] == 200


def test_products_publish_by_themselves_at_the_rate_that_is_set(seller_with: SellerWith) -> None:
    seller = seller_with(publishing_rate=1.0)
    product_id = id_of(product(seller))
    assert patch_stock(seller, product_id, {"supplier_free_stock": 3})[0] == 409
    seller.act("configure", publishing_rate=0.0)
    assert patch_stock(seller, product_id, {"supplier_free_stock": 3})[0] == 409  # still the same publishing
    assert product(seller)["data"]["supplier_free_stock"] == 0


def test_other_data_is_changed_by_a_patch_of_the_product(seller: Seller) -> None:
    path = f"/api/v4/products/{id_of(product(seller))}/"
    answer = seller.http.patch(path, json={"data": {"leadtime_in_days": 10, "free_stock": 4}})
    assert answer.status_code == 200
    data = product(seller)["data"]
    assert (data["leadtime_in_days"], data["supplier_free_stock"]) == (10, 4)


@pytest.mark.parametrize("body", [{}, {"data": 1}, {"data": {"colour": "red"}}, {"data": {"leadtime_in_days": "soon"}}])
def test_a_patch_of_what_the_data_model_does_not_have_is_refused(seller: Seller, body: dict[str, Any]) -> None:
    assert seller.http.patch(f"/api/v4/products/{id_of(product(seller))}/", json=body).status_code == 400


def test_a_changed_stock_number_leaves_nothing_at_the_old_one(seller: Seller) -> None:
    old = product(seller)
    order_before = seller.placed((MUG, 1))
    changed = seller.act("change_part_number", sku=MUG)
    assert changed["old_part_number"] == old["part_number"] != changed["part_number"]
    listed = seller.http.get("/api/v4/products/", params={"part_number": old["part_number"]}).json()
    assert listed["count"] == 0
    assert patch_stock(seller, id_of(old), {"supplier_free_stock": 3})[0] == 404
    assert patch_stock(seller, id_of(product(seller)), {"supplier_free_stock": 3})[0] == 200
    assert seller.order(order_before)["items"][0]["part_number"] == old["part_number"]
    assert seller.order(seller.placed((MUG, 1)))["items"][0]["part_number"] == changed["part_number"]


def test_stock_numbers_change_by_themselves_every_so_many_days(seller_with: SellerWith) -> None:
    seller = seller_with(part_number_change_days=7.0)

    def part_numbers() -> set[str]:
        rows = seller.http.get("/api/v4/products/", params={"limit": 100}).json()["results"]
        return {row["part_number"] for row in rows}

    before = part_numbers()
    assert seller.sandbox.eventually(lambda: bool(seller.sandbox.control("GET", "john_lewis/state/due")))
    seller.sandbox.control("POST", "clock", {"advance_seconds": 6 * DAY})
    assert part_numbers() == before
    seller.sandbox.control("POST", "clock", {"advance_seconds": 1.01 * DAY})
    assert seller.sandbox.eventually(lambda: len(part_numbers() - before) == 1)
    assert len(part_numbers()) == len(before)


def test_a_product_can_be_listed(seller: Seller) -> None:
    seller.act("add_product", sku="ROPE", title="Rope", cost=250, part_number="81600001", barcode="5012345000018")
    order = seller.order(seller.placed(("ROPE", 2)))
    assert (order["items"][0]["part_number"], order["items"][0]["subtotal"]) == ("81600001", "5.00")


def test_nobody_orders_what_is_not_listed(seller: Seller) -> None:
    with pytest.raises(ValueError, match=r"404.*add_product"):
        seller.placed(("UNHEARD-OF", 1))
