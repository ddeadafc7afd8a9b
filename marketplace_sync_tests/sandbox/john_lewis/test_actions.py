"""What a seller may do to an order, what is checked, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from marketplace_sync_tests.sandbox.john_lewis.seller import LAMP, MUG, Seller

SellerWith = Callable[..., Seller]


def test_an_acknowledged_order_is_being_processed(seller: Seller) -> None:
    order_id = seller.placed((MUG, 2), (LAMP, 1))
    answer = seller.do("acknowledge", order_id)
    assert (answer.status_code, answer.content) == (200, b"")
    assert seller.rows(order_id) == [("1", 2, "ORDER_ACK"), ("2", 1, "ORDER_ACK")]
    assert seller.order(order_id)["status"] == "ORDER_ACK"


def test_a_dispatch_applies_at_once(seller: Seller) -> None:
    order_id = seller.accepted((MUG, 2))
    assert seller.do("dispatch", order_id).status_code == 200
    assert seller.order(order_id)["status"] == "DISPATCH"
    assert seller.listed_ids(status="DISPATCH") == [order_id]
    assert seller.listed_ids(status="ORDER_ACK") == []


def test_a_partial_dispatch_splits_the_line_and_the_remainder_stays_acknowledged(seller: Seller) -> None:
    order_id = seller.accepted((MUG, 3))
    assert seller.do("dispatch", order_id, seller.items(order_id, quantity=1)).status_code == 200
    assert seller.rows(order_id) == [("1", 2, "ORDER_ACK"), ("1", 1, "DISPATCH")]
    remainder, parcel = seller.order(order_id)["items"]
    assert remainder["url"] != parcel["url"]
    assert (remainder["subtotal"], parcel["subtotal"]) == ("14.00", "7.00")


def test_the_rest_of_a_split_line_is_dispatched_by_the_same_reference(seller: Seller) -> None:
    order_id = seller.accepted((MUG, 3))
    item = seller.items(order_id, quantity=1)
    seller.do("dispatch", order_id, item)
    assert seller.do("dispatch", order_id, [{**item[0], "quantity": 2}]).status_code == 200
    assert seller.rows(order_id) == [("1", 2, "DISPATCH"), ("1", 1, "DISPATCH")]


def test_a_split_off_row_may_be_numbered_apart(seller_with: SellerWith) -> None:
    seller = seller_with(split_line_reference="suffixed")
    order_id = seller.accepted((MUG, 3))
    item = seller.items(order_id, quantity=1)
    seller.do("dispatch", order_id, item)
    seller.do("dispatch", order_id, item)
    assert sorted(ref for ref, _, _ in seller.rows(order_id)) == ["1", "1/2", "1/3"]


def test_an_order_shows_the_earliest_status_of_its_lines(seller: Seller) -> None:
    order_id = seller.accepted((MUG, 1), (LAMP, 1))
    seller.do("dispatch", order_id, seller.items(order_id)[:1])
    assert [status for _, _, status in seller.rows(order_id)] == ["DISPATCH", "ORDER_ACK"]
    assert seller.order(order_id)["status"] == "ORDER_ACK"


def test_a_quantity_above_what_is_open_is_refused(seller: Seller) -> None:
    order_id = seller.accepted((MUG, 2))
    answer = seller.do("dispatch", order_id, seller.items(order_id, quantity=3))
    assert answer.status_code == 400
    assert answer.text.startswith("Validation error: ")
    assert seller.rows(order_id) == [("1", 2, "ORDER_ACK")]


@pytest.mark.parametrize("quantity", [0, -1])
def test_a_quantity_of_nothing_is_refused(seller: Seller, quantity: int) -> None:
    order_id = seller.accepted()
    answer = seller.do("dispatch", order_id, seller.items(order_id, quantity=quantity))
    assert answer.status_code == 400
    assert answer.text.startswith("Validation error: ")


def test_a_quantity_may_be_written_as_text(seller: Seller) -> None:
    order_id = seller.placed((MUG, 2))
    assert seller.do("acknowledge", order_id, seller.items(order_id, quantity="2")).status_code == 200


@pytest.mark.parametrize("quantity", ["two", 1.5, True, [1]])
def test_a_quantity_that_is_no_whole_number_is_a_field_error(seller: Seller, quantity: object) -> None:
    order_id = seller.placed((MUG, 2))
    answer = seller.do("acknowledge", order_id, seller.items(order_id, quantity=quantity))
    assert (answer.status_code, list(answer.json())) == (400, ["quantity"])


@pytest.mark.parametrize("wrong", [{"line_ref": "9"}, {"part_number": "81499990"}])
def test_an_unknown_pair_of_line_and_part_number_is_refused(seller: Seller, wrong: dict[str, str]) -> None:
    order_id = seller.placed((MUG, 1))
    answer = seller.do("acknowledge", order_id, seller.items(order_id, **wrong))
    assert answer.status_code == 400
    assert answer.text.startswith("Validation error: ")


def test_the_part_number_of_another_line_is_refused(seller: Seller) -> None:
    order_id = seller.placed((MUG, 1), (LAMP, 1))
    first, second = seller.items(order_id)
    answer = seller.do("acknowledge", order_id, [{**first, "part_number": second["part_number"]}])
    assert answer.status_code == 400


@pytest.mark.parametrize("carrier", ["Parrot Post", "usps", "DPD UK", "Royal Mail"])
def test_a_carrier_that_is_not_approved_is_refused(seller: Seller, carrier: str) -> None:
    order_id = seller.accepted()
    answer = seller.do("dispatch", order_id, seller.items(order_id, carrier=carrier))
    assert answer.status_code == 400
    assert answer.text.startswith("Validation error: Carrier")
    assert seller.order(order_id)["status"] == "ORDER_ACK"


@pytest.mark.parametrize("carrier", ["royal-mail", "Royal Mail (Tracked)", "kinetics", "own-fleet"])
def test_an_approved_carrier_is_taken_by_slug_or_by_its_exact_name(seller: Seller, carrier: str) -> None:
    order_id = seller.accepted()
    assert seller.do("dispatch", order_id, seller.items(order_id, carrier=carrier)).status_code == 200


def test_the_approved_carriers_are_a_setting(seller_with: SellerWith) -> None:
    seller = seller_with(approved_carriers=["evri"])
    order_id = seller.accepted()
    assert seller.do("dispatch", order_id).status_code == 400
    assert seller.do("dispatch", order_id, seller.items(order_id, carrier="evri")).status_code == 200


def test_the_carriers_list_knows_more_carriers_than_john_lewis_takes(seller: Seller) -> None:
    found = seller.http.get("/restapi/v4/order-tracking-carriers/").json()
    assert {"id", "slug", "name"} == set(found[0])
    assert {"royal-mail", "dpd", "australia-post"} <= {carrier["slug"] for carrier in found}


@pytest.mark.parametrize(
    ("action", "prepare"),
    [
        ("dispatch", "placed"),
        ("acknowledge", "accepted"),
        ("acknowledge", "dispatched"),
        ("dispatch", "dispatched"),
        ("cancel_acknowledge", "dispatched"),
        ("return_acknowledge", "dispatched"),
        ("return_acknowledge", "accepted"),
    ],
)
def test_an_edge_that_does_not_exist_is_refused(seller: Seller, action: str, prepare: str) -> None:
    order_id = getattr(seller, prepare)((MUG, 1))
    before = seller.rows(order_id)
    answer = seller.do(action, order_id)
    assert answer.status_code == 400
    assert answer.text.startswith("Validation error: ")
    assert seller.rows(order_id) == before


def test_a_backordered_line_can_be_acknowledged_or_dispatched(seller: Seller) -> None:
    backorder = {"sub_status": "Pending", "supplier_dispatch_date": "2026-12-01T12:00:00"}
    for action, status in (("acknowledge", "ORDER_ACK"), ("dispatch", "DISPATCH")):
        order_id = seller.accepted()
        assert seller.do("backorder", order_id, seller.items(order_id, **backorder)).status_code == 200
        assert seller.listed_ids(status="BACKORDER") == [order_id]
        assert seller.do(action, order_id).status_code == 200
        assert seller.order(order_id)["status"] == status


@pytest.mark.parametrize(
    ("action", "missing"),
    [
        ("acknowledge", "part_number"),
        ("acknowledge", "line_ref"),
        ("acknowledge", "quantity"),
        ("backorder", "sub_status"),
        ("backorder", "supplier_dispatch_date"),
        ("dispatch", "carrier"),
        ("dispatch", "tracking_number"),
        ("dispatch", "supplier_dispatch_date"),
    ],
)
def test_a_required_field_that_is_missing_is_named(seller: Seller, action: str, missing: str) -> None:
    order_id = seller.placed()
    (item,) = seller.items(order_id, sub_status="Pending")
    del item[missing]
    answer = seller.do(action, order_id, [item])
    assert (answer.status_code, answer.json()) == (400, {missing: ["This field is required."]})


def test_writes_say_line_ref_where_reads_say_line_reference(seller: Seller) -> None:
    order_id = seller.placed()
    (item,) = seller.items(order_id)
    item["line_reference"] = item.pop("line_ref")
    assert seller.do("acknowledge", order_id, [item]).json() == {"line_ref": ["This field is required."]}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tracking_number", "1" * 101),
        ("tracking_number", "  "),
        ("tracking_url", "https://example.com/" + "x" * 250),
        ("carrier", "d" * 256),
        ("supplier_dispatch_date", "2026-11-23T12:00:00"),
        ("supplier_dispatch_date", "23/11/2026"),
    ],
)
def test_a_field_that_is_too_long_or_malformed_is_named(seller: Seller, field: str, value: str) -> None:
    order_id = seller.accepted()
    answer = seller.do("dispatch", order_id, seller.items(order_id, **{field: value}))
    assert (answer.status_code, list(answer.json())) == (400, [field])


def test_a_tracking_number_may_be_a_number(seller: Seller) -> None:
    order_id = seller.accepted()
    assert seller.do("dispatch", order_id, seller.items(order_id, tracking_number=1123581321)).status_code == 200
    assert seller.actions()[-1]["tracking_number"] == "1123581321"


def test_an_acknowledgement_may_need_a_fulfilment_route(seller_with: SellerWith) -> None:
    seller = seller_with(fulfilment_route_required=True)
    order_id = seller.placed()
    assert list(seller.do("acknowledge", order_id).json()) == ["fulfillment_route"]
    route = seller.items(order_id, fulfillment_route="Direct to customer")
    assert seller.do("acknowledge", order_id, route).status_code == 200


@pytest.mark.parametrize("body", [b"", b"[]", b'{"items": []}', b'{"items": {}}', b'{"items": [1]}', b'"{}"', b"{"])
def test_a_body_without_items_is_refused(seller: Seller, body: bytes) -> None:
    order_id = seller.placed()
    answer = seller.http.post(f"/restapi/v4/orders/{order_id}/acknowledge/", content=body)
    assert answer.status_code == 400


def test_a_post_without_the_trailing_slash_is_not_allowed(seller: Seller) -> None:
    order_id = seller.placed()
    answer = seller.http.post(f"/restapi/v4/orders/{order_id}/acknowledge", json={"items": seller.items(order_id)})
    assert answer.status_code == 405
    assert "not allowed" in answer.json()["detail"]
    assert seller.order(order_id)["status"] == "ORDER"


def test_an_action_on_an_unknown_order_is_not_found(seller: Seller) -> None:
    assert seller.do("acknowledge", 12, []).status_code == 404


def test_an_action_is_done_whole_or_not_at_all(seller: Seller) -> None:
    order_id = seller.accepted((MUG, 1), (LAMP, 1))
    good, bad = seller.items(order_id)
    assert seller.do("dispatch", order_id, [good, {**bad, "quantity": 5}]).status_code == 400
    assert [status for _, _, status in seller.rows(order_id)] == ["ORDER_ACK", "ORDER_ACK"]
    assert [action["action"] for action in seller.actions()] == ["acknowledge", "acknowledge"]


def test_the_same_units_twice_in_one_action_are_refused(seller: Seller) -> None:
    order_id = seller.accepted((MUG, 1))
    assert seller.do("dispatch", order_id, seller.items(order_id) * 2).status_code == 400


def test_every_accepted_write_is_kept_with_what_it_said(seller: Seller) -> None:
    order_id = seller.accepted((MUG, 2))
    seller.do("dispatch", order_id)
    seller.do("dispatch", order_id)  # refused, leaves nothing
    acknowledged, dispatched = seller.actions()
    assert (acknowledged["action"], acknowledged["carrier"]) == ("acknowledge", None)
    assert dispatched["received_at"] > acknowledged["received_at"]
    assert {
        "action": "dispatch",
        "order_id": order_id,
        "line_ref": "1",
        "quantity": 2,
        "carrier": "dpd",
        "carrier_slug": "dpd",
        "tracking_number": "15970001",
        "supplier_dispatch_date": "2026-11-23",
    }.items() <= dispatched.items()


def test_an_order_acknowledged_in_the_portal_leaves_the_list_of_new_ones(seller: Seller) -> None:
    order_id = seller.placed((MUG, 1), (LAMP, 2))
    seller.act("acknowledge_in_portal", order_id=order_id)
    assert seller.listed_ids(status="ORDER") == []
    assert seller.listed_ids(status="ORDER_ACK") == [order_id]
    assert seller.actions() == []
    with pytest.raises(ValueError, match="409"):
        seller.act("acknowledge_in_portal", order_id=order_id)


def test_parcels_and_cancellations_are_stated_in_the_portal_too(seller: Seller) -> None:
    order_id = seller.placed((MUG, 3), (LAMP, 1))
    with pytest.raises(ValueError, match="409"):
        seller.act("dispatch_in_portal", order_id=order_id, line_ref="1")
    seller.act("acknowledge_in_portal", order_id=order_id)
    seller.act("dispatch_in_portal", order_id=order_id, line_ref="1", quantity=1)
    seller.act("cancel_in_portal", order_id=order_id, line_ref="1", quantity=1)
    seller.act("dispatch_in_portal", order_id=order_id)
    lines = seller.act("get_order", order_id=order_id)["lines"]
    assert sorted((line["line_ref"], line["status"], line["quantity"]) for line in lines) == [
        ("1", "CANCEL_ACK", 0), ("1", "DISPATCH", 1), ("1", "DISPATCH", 1), ("2", "DISPATCH", 1),
    ]  # fmt: skip
    assert seller.actions() == [], "nothing came over the API"


def test_invoices_are_not_taken_here(seller: Seller) -> None:
    answer = seller.http.post("/api/v4/invoices/", json={})
    assert (answer.status_code, answer.json()["code"]) == (400, "RETAILER_DOES_NOT_SUPPORT_INVOICING")
