"""How orders are read: list, filters, pages, and the shapes of what is in them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from marketplace_sync_tests.sandbox.john_lewis.seller import BOWL, LAMP, MUG, Seller

SellerWith = Callable[..., Seller]


def test_an_order_has_the_documented_fields(seller: Seller) -> None:
    order = seller.order(seller.placed((MUG, 2), (LAMP, 1), buyer={"state": "Berkshire"}))
    assert {
        "url", "retailer", "order_reference", "order_date", "status", "channel", "purchase_order_reference",
        "end_user_purchase_order_reference", "additional_order_reference", "comment", "test_flag", "supplier",
        "currency_code", "subtotal", "tax", "total", "delivery_service_code", "shipping_store_number",
        "shipping_address", "retailer_data", "items",
    } <= set(order)  # fmt: skip
    assert set(order["items"][0]) == {
        "url", "part_number", "retailer_sku_reference", "supplier_sku_reference", "retailer_additional_reference",
        "line_reference", "quantity", "name", "description", "status", "unit_cost_price", "subtotal", "tax", "tax_rate",
        "total", "promised_date",
    }  # fmt: skip
    assert set(order["shipping_address"]) == {
        "full_name", "line_1", "line_2", "city", "state", "postal_code", "country", "phone", "email",
    }  # fmt: skip


def test_money_is_the_cost_price_as_a_decimal_string(seller: Seller) -> None:
    order = seller.order(seller.placed((MUG, 3)))
    line = order["items"][0]
    assert (line["unit_cost_price"], line["subtotal"], line["tax"], line["total"]) == ("7.00", "21.00", "4.20", "25.20")
    assert order["total"] == "25.20"


def test_order_dates_are_london_time_without_a_zone(seller: Seller) -> None:
    summer = seller.placed(ordered_at="2026-07-01T12:00:00+00:00")
    winter = seller.placed(ordered_at="2026-12-01T12:00:00+00:00")
    assert seller.order(summer)["order_date"] == "2026-07-01T13:00:00"
    assert seller.order(winter)["order_date"] == "2026-12-01T12:00:00"


def test_the_promise_is_five_working_days_after_the_order(seller: Seller) -> None:
    order = seller.order(seller.placed(ordered_at="2026-11-20T10:00:00+00:00"))  # a Friday
    assert order["items"][0]["promised_date"] == "2026-11-27T00:00:00"


def test_the_customer_order_number_is_the_reference_without_its_suffix(seller: Seller) -> None:
    order = seller.order(seller.placed())
    assert order["order_reference"].split("-")[0] == order["end_user_purchase_order_reference"]


def test_the_newest_order_comes_first(seller: Seller) -> None:
    placed = [seller.placed() for _ in range(3)]
    assert seller.listed_ids() == placed[::-1]


def test_a_page_states_count_next_and_previous(seller: Seller) -> None:
    placed = [seller.placed() for _ in range(5)][::-1]
    first, middle, last = (seller.listed(limit=2, offset=offset) for offset in (0, 2, 4))
    assert (first["count"], len(first["results"]), len(last["results"])) == (5, 2, 1)
    assert (first["previous"], last["next"]) == (None, None)
    assert "limit=2&offset=2" in first["next"]
    assert "offset=4" in middle["next"]
    assert "offset" not in middle["previous"]
    assert [n for offset in (0, 2, 4) for n in seller.listed_ids(limit=2, offset=offset)] == placed


def test_the_links_to_other_pages_keep_the_filters(seller: Seller) -> None:
    for _ in range(3):
        seller.placed()
    assert seller.listed(limit=1, status="ORDER")["next"].endswith("&status=ORDER")


def test_a_page_past_the_end_is_empty(seller: Seller) -> None:
    seller.placed()
    page = seller.listed(offset=50)
    assert (page["count"], page["results"], page["next"]) == (1, [], None)


def test_urls_in_bodies_point_to_a_host_that_is_not_the_apis(seller: Seller) -> None:
    seller.placed()
    seller.placed()
    page = seller.listed(limit=1)
    order = page["results"][0]
    for url in (page["next"], order["url"], order["retailer"], order["supplier"], order["items"][0]["url"]):
        assert url.startswith("https://www.sandbox.the-edge.io/restapi/v4/")


def test_an_order_placed_while_paging_pushes_a_row_to_the_next_page(seller: Seller) -> None:
    placed = [seller.placed() for _ in range(4)][::-1]
    first = seller.listed_ids(limit=2)
    seller.placed()
    assert seller.listed_ids(limit=2, offset=2) == [first[1], placed[2]]


def test_an_acknowledgement_while_paging_pulls_a_row_out_of_reach(seller: Seller) -> None:
    placed = [seller.placed() for _ in range(4)][::-1]
    assert seller.listed_ids(status="ORDER", limit=2) == placed[:2]
    seller.do("acknowledge", placed[0])
    assert seller.listed_ids(status="ORDER", limit=2, offset=2) == [placed[3]]


def test_a_limit_above_the_ceiling_serves_the_ceiling(seller_with: SellerWith) -> None:
    seller = seller_with(page_ceiling=3)
    for _ in range(4):
        seller.placed()
    assert len(seller.listed(limit=1000)["results"]) == 3


def test_the_ceiling_is_one_hundred_unless_set(seller: Seller) -> None:
    seller.act("place_orders", count=101, lines_per_order=1)
    assert len(seller.listed(limit=500)["results"]) == 100


def test_a_limit_or_offset_that_is_no_number_counts_as_absent(seller: Seller) -> None:
    seller.placed()
    assert len(seller.listed(limit="many", offset="-3")["results"]) == 1


def test_filters_by_status(seller: Seller) -> None:
    new, seen = seller.placed(), seller.accepted()
    assert seller.listed_ids(status="ORDER") == [new]
    assert seller.listed_ids(status="ORDER_ACK") == [seen]
    assert seller.listed_ids(status="RMA_REC") == []


def test_a_status_that_does_not_exist_is_refused(seller: Seller) -> None:
    answer = seller.http.get("/restapi/v4/orders/", params={"status": "SHIPPED"})
    assert answer.status_code == 400
    assert set(answer.json()) == {"status"}


def test_filters_by_order_reference(seller: Seller) -> None:
    wanted = seller.placed(reference="408000001-001")
    seller.placed()
    assert seller.listed_ids(order_reference="408000001-001") == [wanted]
    assert seller.listed_ids(order_reference="408000001-001", status="DISPATCH") == []
    assert seller.listed_ids(order_reference="408000001") == []


def test_filters_by_part_number(seller: Seller) -> None:
    wanted = seller.placed((MUG, 1), (LAMP, 1))
    seller.placed((BOWL, 1))
    part_number = seller.order(wanted)["items"][1]["part_number"]
    assert seller.listed_ids(part_number=part_number) == [wanted]
    assert seller.listed_ids(part_number=part_number, status="CANCEL") == []


def test_one_login_may_serve_several_retailers(seller_with: SellerWith) -> None:
    seller = seller_with(second_retailer=True)
    ours, theirs = seller.placed(), seller.placed(second_retailer=True)
    retailers = {row["name"]: row["id"] for row in seller.http.get("/restapi/v4/customers/").json()["results"]}
    assert len(retailers) == 2
    assert seller.listed_ids() == [theirs, ours]
    assert seller.listed_ids(retailer_id=retailers["John Lewis"]) == [ours]
    assert seller.listed_ids(retailer_id=retailers["John Lewis"], status="ORDER") == [ours]


def test_the_retailers_list_names_john_lewis_with_its_id(seller: Seller) -> None:
    page = seller.http.get("/restapi/v4/customers/").json()
    (row,) = page["results"]
    assert (page["count"], row["name"]) == (1, "John Lewis")
    assert f"/customers/{row['id']}/" in row["url"]


def test_filters_by_supplier_whose_id_differs_between_the_trees(seller: Seller) -> None:
    placed = seller.placed()
    of_orders = seller.http.get("/restapi/v4/suppliers/").json()["results"][0]
    of_products = seller.http.get("/api/v4/suppliers/").json()["results"][0]
    assert of_orders["name"] == of_products["name"]
    assert of_orders["id"] != of_products["id"]
    assert seller.listed_ids(supplier_id=of_orders["id"]) == [placed]
    assert seller.listed_ids(supplier_id=of_products["id"]) == []


def test_reading_works_without_the_trailing_slash(seller: Seller) -> None:
    placed = seller.placed()
    assert seller.http.get("/restapi/v4/orders?format=json").json()["count"] == 1
    assert seller.http.get(f"/restapi/v4/orders/{placed}").json()["status"] == "ORDER"


@pytest.mark.parametrize("path", ["/restapi/v4/orders/99/", "/restapi/v4/orders/abc/", "/restapi/v4/elsewhere/", "/"])
def test_an_unknown_id_or_path_is_not_found(seller: Seller, path: str) -> None:
    answer = seller.http.get(path)
    assert (answer.status_code, answer.json()) == (404, {"detail": "Not found."})


def test_several_filters_meet(seller: Seller) -> None:
    wanted = seller.placed((MUG, 1), reference="A-1")
    part_number = seller.order(wanted)["items"][0]["part_number"]
    assert seller.listed_ids(order_reference="A-1", part_number=part_number, status="ORDER") == [wanted]
    assert seller.listed_ids(order_reference="A-1", part_number="81499990") == []
