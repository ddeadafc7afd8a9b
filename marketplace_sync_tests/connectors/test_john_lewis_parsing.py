"""What the Edge writes becomes an order or a Malformed that says why; there is no third way."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketplace_sync.connectors.john_lewis.fields import mended, reason_in
from marketplace_sync.connectors.john_lewis.orders import parse_order
from marketplace_sync.connectors.john_lewis.returns import parse_return
from marketplace_sync.connectors.ports import Malformed
from marketplace_sync.domain.lifecycle import carried, changes
from marketplace_sync.domain.orders import Order, PriceBasis, Return, ReturnState

LONDON = ZoneInfo("Europe/London")

ITEM: dict[str, Any] = {
    "url": "https://www.the-edge.io/restapi/v4/items/1/",
    "part_number": "81402740",
    "retailer_sku_reference": "5012345202600",
    "supplier_sku_reference": "BOARD",
    "line_reference": "1",
    "quantity": 2,
    "name": "Board",
    "description": "JL BOARD",
    "status": "ORDER",
    "unit_cost_price": "28.00",
    "subtotal": "56.00",
    "tax": "11.20",
    "tax_rate": "20.00",
    "total": "67.20",
    "promised_date": "2026-05-27T00:00:00",
}
ORDER: dict[str, Any] = {
    "url": "https://www.the-edge.io/restapi/v4/orders/4500004/",
    "order_reference": "508000032-001",
    "order_date": "2026-05-21T10:41:59",
    "status": "ORDER",
    "end_user_purchase_order_reference": "508000032",
    "test_flag": False,
    "currency_code": "GBP",
    "tax": "11.20",
    "total": "67.20",
    "items": [ITEM],
    "shipping_address": {"full_name": "Ann Ogden", "line_1": "1 Quay", "city": "Cardiff", "country": "gb"},
}
RETURN: dict[str, Any] = {
    "id": "bc476e94-3b2f-55d0-9efb-5109bb392e44",
    "quantity": 1,
    "order": {"url": ORDER["url"], "currency_code": "GBP"},
    "order_item": ITEM,
    "status": {"code": "RMA", "description": "Return Request"},
    "return_reason_code": "225",
    "requested_at": "2026-07-01 09:00:00",
}


def parsed(**changes: Any) -> Order:
    return parse_order(json.dumps({**ORDER, **changes}).encode(), LONDON, "GBP")


def lines(*rows: dict[str, Any]) -> Order:
    return parsed(items=[{**ITEM, **row} for row in rows])


def returned(**changes: Any) -> Return:
    return parse_return(json.dumps({**RETURN, **changes}).encode(), LONDON, "GBP", PriceBasis.COST)


def test_dates_without_a_zone_are_londons() -> None:
    assert parsed().placed_at == datetime(2026, 5, 21, 9, 41, 59, tzinfo=UTC)
    assert parsed(order_date="2026-01-21T10:41:59").placed_at == datetime(2026, 1, 21, 10, 41, 59, tzinfo=UTC)
    assert parsed(order_date="2026-01-21T10:41:59+02:00").placed_at == datetime(2026, 1, 21, 8, 41, 59, tzinfo=UTC)
    assert parsed().lines[0].promised_on == date(2026, 5, 27)


def test_the_customer_order_number_falls_back_to_the_reference_before_its_dash() -> None:
    assert parsed().customer_order_number == "508000032"
    for missing in (None, "", "  "):
        assert parsed(end_user_purchase_order_reference=missing).customer_order_number == "508000032"
    assert parsed(end_user_purchase_order_reference=None, order_reference="77").customer_order_number == "77"


def test_money_is_read_exactly_and_may_be_missing() -> None:
    line = parsed().lines[0]
    assert (line.unit_price, line.total, line.tax, line.tax_rate) == (3360, 6720, 1120, "0.2")
    assert lines({"unit_cost_price": None}).lines[0].unit_price is None
    assert lines({"unit_cost_price": " ", "total": None}).lines[0].total is None
    # Numbers instead of text, and amounts that already hold their tax.
    assert lines({"unit_cost_price": 33.6, "tax": 11.2, "total": 67.2}).lines[0].unit_price == 3360
    assert lines({"unit_cost_price": "28.00", "total": None, "tax": None}).lines[0].unit_price == 3360
    assert lines({"tax": "0.00", "tax_rate": "0", "total": "56.00"}).lines[0].unit_price == 2800
    # 3 × 3.333 with tax: the unit price is the total's third, rounded.
    odd = lines({"quantity": 3, "unit_cost_price": "3.33", "tax": "2.00", "total": "12.00"}).lines[0]
    assert (odd.unit_price, odd.total) == (400, 1200)
    assert parsed(currency_code="eur").currency == "EUR"


def test_keys_are_kept_exactly_and_words_are_trimmed() -> None:
    order = lines({"supplier_sku_reference": " Mug-Red ", "name": "  Mug \u0000 red "})
    assert order.lines[0].sku == " Mug-Red "
    assert order.lines[0].title == "Mug  red"
    assert lines({"supplier_sku_reference": None}).lines[0].sku == ""
    assert lines({"part_number": 81402740}).lines[0].stock_number == "81402740"


@pytest.mark.parametrize(
    ("rows", "counts"),
    [
        # quantity, acknowledged, dispatched, cancellation_requested, cancelled
        ([("ORDER", 2)], (2, 0, 0, 0, 0)),
        ([("ORDER_ACK", 2)], (2, 2, 0, 0, 0)),
        ([("BACKORDER", 2)], (2, 2, 0, 0, 0)),
        ([("CANCEL", 2)], (2, 0, 0, 2, 0)),
        ([("CANCEL_ACK", 2)], (2, 0, 0, 0, 2)),
        ([("CANCEL_ACK", 0)], (0, 0, 0, 0, 0)),
        ([("DISPATCH", 2)], (2, 2, 2, 0, 0)),
        ([("ORDER_ACK", 1), ("DISPATCH", 2)], (3, 3, 2, 0, 0)),
        ([("DISPATCH", 1), ("CANCEL", 1), ("CANCEL_ACK", 0)], (2, 1, 1, 1, 0)),
        ([("RMA", 1), ("RMA_REC", 1), ("RMA_EXC", 1), ("DISPATCH", 1)], (4, 4, 4, 0, 0)),
        ([("order_ack", 1), ("", 1)], (2, 1, 0, 0, 0)),
        ([("ON_HOLD", 2)], (2, 0, 0, 0, 0)),
    ],
)
def test_the_statuses_of_a_lines_rows_are_its_counts(rows: list[tuple[str, int]], counts: tuple[int, ...]) -> None:
    order = lines(*({"status": status, "quantity": quantity} for status, quantity in rows))
    assert len(order.lines) == 1
    line = order.lines[0]
    found = (line.quantity, line.acknowledged, line.dispatched, line.cancellation_requested, line.cancelled)
    assert found == counts


def test_an_unknown_status_is_a_warning_and_stops_nothing() -> None:
    order = lines({"status": "ON_HOLD"}, {"line_reference": "2", "status": "ORDER_ACK"})
    assert any("ON_HOLD" in warning for warning in order.warnings)
    assert [line.acknowledged for line in order.lines] == [0, 2]
    before = lines({"status": "ORDER_ACK"}, {"line_reference": "2", "status": "ORDER_ACK"})
    assert changes("jl", before, carried(before, order), datetime.now(UTC)) == []


def test_a_cancelled_row_of_quantity_0_is_a_cancellation_of_what_was_known() -> None:
    before = lines({"status": "ORDER_ACK"})
    after = carried(before, lines({"status": "CANCEL_ACK", "quantity": 0, "total": "0.00", "tax": "0.00"}))
    assert (after.lines[0].quantity, after.lines[0].cancelled, after.lines[0].unit_price) == (2, 2, 3360)
    assert [event.kind for event in changes("jl", before, after, datetime.now(UTC))] == ["cancelled"]


def test_two_lines_of_one_product_stay_two() -> None:
    assert [line.line_id for line in lines({}, {"line_reference": "2"}).lines] == ["1", "2"]
    assert [line.line_id for line in lines({}, {"line_reference": "1/2", "part_number": "9"}).lines] == ["1", "1/2"]
    assert [line.line_id for line in lines({"line_reference": "1/2"}).lines] == ["1/2"]


def test_a_cancel_reason_is_told_in_words() -> None:
    assert lines({"status": "CANCEL", "cancel_reason_code": 126}).lines[0].cancel_reason == "changed mind (126)"
    assert lines({"status": "CANCEL", "cancel_reason_code": "999"}).lines[0].cancel_reason == "999"
    assert lines({"status": "ORDER", "cancel_reason_code": "126"}).lines[0].cancel_reason == ""


@pytest.mark.parametrize(
    ("code", "who"), [("101", "seller"), ("131", "seller"), ("102", "unknown"), ("132", "customer"), ("999", "")]
)
def test_the_reason_says_whose_doing_a_cancellation_is(code: str, who: str) -> None:
    assert lines({"status": "CANCEL", "cancel_reason_code": code}).lines[0].cancelled_by == who


def test_what_may_be_absent_may_be_absent() -> None:
    order = parse_order(
        json.dumps({"url": ORDER["url"], "order_date": ORDER["order_date"], "items": []}).encode(), LONDON, "GBP"
    )
    assert (order.order_id, order.reference, order.currency, order.buyer_email) == ("4500004", "4500004", "GBP", "")
    assert len(order.warnings) == 3
    assert parsed(test_flag="true").is_test
    assert parsed(test_flag=1).is_test
    assert not parsed(test_flag=None).is_test


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"url": None}, "url"),
        ({"url": "https://x/"}, "url"),
        ({"order_date": None}, "order_date"),
        ({"order_date": "yesterday"}, "order_date"),
        ({"currency_code": "POUNDS"}, "currency_code"),
        ({"items": None}, "items"),
        ({"items": [{**ITEM, "line_reference": ""}]}, "line_reference"),
        ({"items": [{**ITEM, "quantity": -1}]}, "quantity"),
        ({"items": [{**ITEM, "quantity": "1.5"}]}, "quantity"),
        ({"items": [{**ITEM, "quantity": 10**9}]}, "quantity"),
        ({"items": [{**ITEM, "quantity": None}]}, "quantity"),
        ({"items": [{**ITEM, "total": "a lot"}]}, "total"),
        ({"items": [{**ITEM, "supplier_sku_reference": {"sku": 1}}]}, "supplier_sku_reference"),
        ({"items": [ITEM, {**ITEM, "part_number": "2"}]}, "part numbers"),
        ({"total": "1e99"}, "total"),
    ],
)
def test_what_cannot_be_read_is_named(change: dict[str, Any], named: str) -> None:
    with pytest.raises(Malformed, match=named):
        parsed(**change)


def test_a_return_says_whose_it_is_how_far_it_got_and_why() -> None:
    asked = returned()
    assert (asked.order_id, asked.line_id, asked.quantity, asked.reason) == ("4500004", "1", 1, "damaged")
    assert asked.requested_at == asked.changed_at == datetime(2026, 7, 1, 8, 0, tzinfo=UTC)
    for code, state in (
        ("RMA_AUTHORISED", ReturnState.AUTHORISED),
        ("RMA_COLLECTION_BOOKED", ReturnState.AUTHORISED),
        ("RMA_REJ", ReturnState.DECLINED),
        ("RMA_EXC", ReturnState.REJECTED),
        ("RMA_CANCELLED", ReturnState.CANCELLED),
        ("SOMETHING", ReturnState.UNKNOWN),
    ):
        assert returned(status={"code": code}).state is state
    assert returned(status=None, authorised_at="2026-07-02 10:00:00").state is ReturnState.AUTHORISED


def test_an_approved_return_carries_money_with_its_tax() -> None:
    approved = {"status": {"code": "RMA_REC"}, "approved_at": "2026-07-09 10:30:00"}
    net = returned(**approved, return_approved_amount="28.00")
    assert (net.refund_amount, net.changed_at) == (3360, datetime(2026, 7, 9, 9, 30, tzinfo=UTC))
    assert returned(**approved, return_approved_amount="33.60").refund_amount == 3360
    assert returned(**approved, return_approved_amount="10.00").refund_amount == 1200, "a part lacks its part of it"
    assert returned(**approved, return_approved_amount="27.99").refund_amount == 3359
    assert returned(**approved, return_approved_amount="0.00").refund_amount == 0
    assert returned(**approved, return_approved_amount=None).refund_amount is None
    assert returned(return_approved_amount="28.00").refund_amount is None
    assert returned(**approved, return_approved_amount="5.00", order_item={"line_reference": "1"}).refund_amount == 500


def test_an_amount_that_is_the_buyers_is_what_it_is() -> None:
    for amount, pence in (("28.00", 2800), ("10.00", 1000)):
        stated = {**RETURN, "status": "RMA_REC", "return_approved_amount": amount}
        found = parse_return(json.dumps(stated).encode(), LONDON, "GBP", PriceBasis.RETAIL)
        assert (found.refund_amount, found.refund_basis) == (pence, PriceBasis.RETAIL)


@pytest.mark.parametrize(
    "change", [{"id": None}, {"order": {}}, {"order_item": None}, {"requested_at": None}, {"quantity": "x"}]
)
def test_a_return_that_cannot_be_read_is_malformed(change: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        returned(**change)


def test_halves_of_surrogate_pairs_are_replaced_and_nothing_else() -> None:
    pair, half, escaped = rb'"\ud83d\ude00"', rb'"\ud83d x"', rb'"\\ud83d"'
    assert mended(pair) == pair
    assert mended(escaped) == escaped
    assert json.loads(mended(half)) == "\ufffd x"
    assert json.loads(mended(rb'"\ude00\ud83d"')) == "\ufffd\ufffd"


def test_refusals_are_read_in_all_their_shapes() -> None:
    assert reason_in(b'{"detail": "No product.", "code": "PRODUCT_NOT_FOUND"}') == ("No product.", "PRODUCT_NOT_FOUND")
    assert reason_in(b'{"quantity": ["too many", "really"]}') == ("quantity: too many, really", "")
    assert reason_in(b"Validation error: no") == ("Validation error: no", "")
    assert reason_in(b"<html>oops</html>") == ("", "")
    assert reason_in(b"\xff\xfe") == ("\ufffd\ufffd", "")


hostile = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
    | st.sampled_from(["2026-05-21T10:41:59", "0001-01-01T00:00:00", "1e400", "NaN", "-0", "٣", "1" * 400, "\x00"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*ORDER, *ITEM]), inner, max_size=4),
    max_leaves=6,
)  # fmt: skip


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    change=st.dictionaries(st.sampled_from(sorted(ORDER)), hostile, max_size=4),
    rows=st.lists(
        st.dictionaries(st.sampled_from(sorted([*ITEM, "cancel_reason_code"])), hostile, max_size=4), max_size=3
    ),
)
def test_a_hostile_order_is_an_order_or_malformed(change: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    payload = {**ORDER, **change}
    if rows:
        payload["items"] = [{**ITEM, **row} for row in rows]
    try:
        order = parse_order(json.dumps(payload).encode(), LONDON, "GBP")
    except Malformed:
        return
    assert order.placed_at.utcoffset() is not None
    for line in order.lines:
        assert 0 <= line.quantity <= 3_000_000
        assert line.dispatched + line.cancelled + line.cancellation_requested <= line.quantity
        assert "\x00" not in line.sku + line.title + line.stock_number


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    change=st.dictionaries(
        st.sampled_from(sorted([*RETURN, "approved_at", "return_approved_amount"])), hostile, max_size=4
    )
)
def test_a_hostile_return_is_a_return_or_malformed(change: dict[str, Any]) -> None:
    try:
        stated = parse_return(json.dumps({**RETURN, **change}).encode(), LONDON, "GBP", PriceBasis.COST)
    except Malformed:
        return
    assert stated.return_id
    assert stated.requested_at.utcoffset() is not None


@settings(max_examples=200, deadline=None)
@given(noise=st.binary(max_size=60), at=st.integers(0, 400), keep=st.booleans())
def test_hostile_bytes_are_an_order_or_malformed(noise: bytes, at: int, keep: bool) -> None:
    whole = json.dumps(ORDER).encode()
    for parse in (
        lambda body: parse_order(body, LONDON, "GBP"),
        lambda body: parse_return(body, LONDON, "GBP", PriceBasis.COST),
    ):
        try:
            parse(whole[:at] + noise + (whole[at:] if keep else b""))
        except Malformed:
            continue


def test_depth_is_malformed_too() -> None:
    deep = b"[" * 200_000 + b"]" * 200_000
    with pytest.raises(Malformed):
        parse_order(b'{"url": ' + deep + b', "items": []}', LONDON, "GBP")
    with pytest.raises(Malformed):
        parse_return(b'{"id": "1", "order": ' + deep + b"}", LONDON, "GBP", PriceBasis.COST)
    assert reason_in(deep) == ("[" * 300, "")
