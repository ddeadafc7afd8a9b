"""Simulator rule 5: invoices, parcels, credit memos by call and by staff, with the ways in which staff go wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from marketplace_sync_tests.sandbox.magento.caller import LAMP, MUG, Caller, doubled, where

TRACK = {"track_number": "JX100GB", "title": "Royal Mail", "carrier_code": "custom"}


def only(caller: Caller, path: str, order_id: int) -> dict[str, Any]:
    (found,) = caller.get(path, where(("order_id", order_id)))["items"]
    return dict(found)


def test_an_invoice_for_all_is_the_order_s_total_and_pays_it_when_captured(caller: Caller) -> None:
    for capture, paid, state in ((True, 24, 2), (False, None, 1)):
        order_id = int(caller.ordered(number=f"JL-{capture}")["entity_id"])
        assert caller.post(f"order/{order_id}/invoice", {"capture": capture}).isdigit()
        invoice = only(caller, "invoices", order_id)
        assert (invoice["grand_total"], invoice["base_grand_total"], invoice["state"]) == (24, 24, state)
        order = caller.order(order_id)
        assert (order["total_invoiced"], order.get("total_paid")) == (24, paid)
        assert "status of %1" in caller.refused("POST", f"order/{order_id}/invoice", {})["message"]
    unpaid = caller.refused("POST", f"order/{order_id}/refund", {})
    assert unpaid["message"].startswith("Creditmemo Document Validation Error(s):")


def test_parcels_take_the_units_named_then_the_rest_and_no_more(caller: Caller) -> None:
    order_id = caller.invoiced((MUG, 2), (LAMP, 1))
    mug = caller.order(order_id)["items"][0]["item_id"]
    some = [{"order_item_id": mug, "qty": 1}]
    shipment_id = caller.post(f"order/{order_id}/ship", {"items": some, "tracks": [TRACK]})
    shipment = caller.get(f"shipment/{shipment_id}")
    assert [(item["sku"], item["qty"]) for item in shipment["items"]] == [(MUG, 1)]
    assert {name: shipment["tracks"][0][name] for name in TRACK} == TRACK
    assert shipment["extension_attributes"] == {"source_code": "default"}
    assert caller.order(order_id)["state"] == "processing"
    too_many = caller.refused("POST", f"order/{order_id}/ship", {"items": [{"order_item_id": mug, "qty": 2}]})
    assert too_many["parameters"] == [MUG]
    foreign = caller.refused("POST", f"order/{order_id}/ship", {"items": [{"order_item_id": 999, "qty": 1}]})
    assert foreign["message"].startswith("Shipment Document Validation Error(s):")
    caller.post(f"order/{order_id}/ship", {})
    assert "without products" in caller.refused("POST", f"order/{order_id}/ship", {})["message"]
    assert caller.get("shipments", where(("order_id", order_id)))["total_count"] == 2


def test_the_id_of_a_paper_is_bare_and_may_be_text_or_number(shop_with: Callable[..., Caller]) -> None:
    for as_text, expected in ((True, "1"), (False, 1)):
        caller = shop_with(ids_as_text=as_text)
        assert caller.post(f"order/{caller.invoiced()}/ship", {}) == expected


def test_a_track_that_comes_later_need_not_move_the_shipment_s_time(shop_with: Callable[..., Caller]) -> None:
    for touches in (False, True):
        caller = shop_with(late_track_touches_shipment=touches)
        shipment_id = caller.act("ship", order_id=caller.invoiced())["id"]
        before = caller.get(f"shipment/{shipment_id}")
        assert before["tracks"] == []
        caller.later(60)
        caller.act("add_track", shipment_id=shipment_id, tracking_number="JX1", company="DPD UK")
        after = caller.get(f"shipment/{shipment_id}")
        assert (after["updated_at"] > before["updated_at"]) == touches
        assert after["tracks"][0]["carrier_code"] == "dpd"


def test_every_member_of_a_later_track_is_required(caller: Caller) -> None:
    order_id = caller.invoiced()
    shipment_id = int(caller.post(f"order/{order_id}/ship", {}))
    whole = {"order_id": order_id, "parent_id": shipment_id, "weight": 1, "qty": 1, "description": "", **TRACK}
    for name in whole:
        missing = {key: value for key, value in whole.items() if key != name}
        assert caller.refused("POST", "shipment/track", {"entity": missing})["parameters"] == {"fieldName": name}
    assert caller.post("shipment/track", {"entity": whole})["parent_id"] == shipment_id


def test_staff_send_a_parcel_with_a_carrier_of_any_name(caller: Caller) -> None:
    order_id = caller.invoiced((MUG, 3))
    made = caller.act(
        "ship", order_id=order_id, lines=[{"sku": MUG, "quantity": 1}], company="Parrot Post",
        tracking_numbers=["P1", "P2"],
    )  # fmt: skip
    tracks = caller.get(f"shipment/{made['id']}")["tracks"]
    assert [(t["title"], t["carrier_code"], t["track_number"]) for t in tracks] == [
        ("Parrot Post", "custom", "P1"),
        ("Parrot Post", "custom", "P2"),
    ]
    caller.act("remove_track", track_id=tracks[0]["entity_id"])
    assert len(caller.get(f"shipment/{made['id']}")["tracks"]) == 1


def test_a_credit_memo_gives_back_units_shipping_and_what_was_adjusted(caller: Caller) -> None:
    shipping = doubled(shipping_amount=5, shipping_incl_tax=6, shipping_tax_amount=1, grand_total=30)
    order_id = caller.invoiced(**shipping)
    item = caller.order(order_id)["items"][0]["item_id"]
    body = {
        "items": [{"order_item_id": item, "qty": 1}],
        "arguments": {"shipping_amount": 2.5, "adjustment_positive": 1.25, "adjustment_negative": 0.5},
    }
    caller.post(f"order/{order_id}/refund", body)
    memo = only(caller, "creditmemos", order_id)
    assert (memo["subtotal"], memo["tax_amount"], memo["items"][0]["row_total_incl_tax"]) == (10, 2, 12)
    assert (memo["shipping_amount"], memo["shipping_tax_amount"], memo["adjustment"]) == (2.5, 0.5, 0.75)
    assert memo["grand_total"] == memo["base_grand_total"] == 15.75
    assert caller.order(order_id)["total_refunded"] == 15.75
    too_much = {"items": [{"order_item_id": item, "qty": 1}], "arguments": {"adjustment_positive": 5}}
    refused = caller.refused("POST", f"order/{order_id}/refund", too_much)
    assert refused["parameters"] == ["14.25"]
    assert "Maximum shipping" in caller.refused(
        "POST", f"order/{order_id}/refund", {"arguments": {"shipping_amount": 3}}
    )["message"]  # fmt: skip


def test_the_comment_of_a_paper_stays_with_it_and_is_the_orders_only_when_that_is_asked(caller: Caller) -> None:
    order_id = caller.invoiced()
    item = caller.order(order_id)["items"][0]["item_id"]
    comment = {"comment": "agreed by phone", "is_visible_on_front": 0}
    for append in (False, True):
        body = {"items": [{"order_item_id": item, "qty": 1}], "comment": comment, "appendComment": append}
        caller.post(f"order/{order_id}/refund", body)
        said = [one["comment"] for one in caller.get(f"orders/{order_id}/comments")["items"]]
        assert said.count("agreed by phone") == int(append)
    memos = caller.get("creditmemos", {"searchCriteria": ""})["items"]
    assert [[one["comment"] for one in memo["comments"]] for memo in memos] == [["agreed by phone"]] * 2


def test_money_alone_is_a_credit_memo_without_rows(caller: Caller) -> None:
    order_id = caller.invoiced()
    assert caller.act("refund", order_id=order_id, amount=350)["amount"] == 350
    memo = only(caller, "creditmemos", order_id)
    assert (memo["items"], memo["adjustment_positive"], memo["grand_total"]) == ([], 3.5, 3.5)
    assert caller.order(order_id)["items"][0]["qty_refunded"] == 0


@pytest.mark.parametrize(("invoiced", "how"), [(False, "cancelled"), (True, "credit memo")])
def test_staff_give_an_order_up_in_the_only_way_there_is(caller: Caller, invoiced: bool, how: str) -> None:
    order_id = caller.invoiced() if invoiced else int(caller.ordered()["entity_id"])
    assert caller.act("cancel_order", order_id=order_id, reason="INVENTORY")["how"] == how
    order = caller.order(order_id)
    assert order["state"] == ("closed" if invoiced else "canceled")
    assert order["items"][0]["qty_refunded" if invoiced else "qty_canceled"] == 2
    assert caller.act("list_orders") == []
    with pytest.raises(ValueError, match="nothing of it can be cancelled"):
        caller.act("cancel_order", order_id=order_id)


@pytest.mark.parametrize("invoiced", [False, True])
def test_staff_take_one_unit_off_and_the_rest_is_shipped(caller: Caller, invoiced: bool) -> None:
    order_id = caller.invoiced() if invoiced else int(caller.ordered()["entity_id"])
    caller.act("remove_unit", order_id=order_id, sku=MUG)
    item = caller.order(order_id)["items"][0]
    assert (item["qty_canceled"], item["qty_refunded"]) == ((0, 1) if invoiced else (1, 0))
    caller.act("ship", order_id=order_id)
    assert caller.order(order_id)["items"][0]["qty_shipped"] == 1


def test_a_comment_with_a_parcel_is_the_order_s_when_it_is_to_be(caller: Caller) -> None:
    order_id = caller.invoiced()
    comment = {"comment": "left at 17:00", "is_visible_on_front": 0}
    caller.post(f"order/{order_id}/ship", {"comment": comment, "appendComment": True})
    assert caller.get(f"orders/{order_id}/comments")["items"][-1]["comment"] == "left at 17:00"
    caller.act("comment", order_id=order_id, comment="asked the courier")
    assert caller.get(f"orders/{order_id}/comments")["total_count"] == 2
