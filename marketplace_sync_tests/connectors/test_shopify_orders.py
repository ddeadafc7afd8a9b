"""What became of an order in the shop is read back whole: parcels, refunds, removals, however many there are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from marketplace_sync.connectors.shopify import orders
from marketplace_sync.domain.errors import VendorUnavailable
from marketplace_sync.domain.store import RefundedLine, Tracking
from marketplace_sync_tests.connectors.shopify_shop import NOW, Shop, create_order, line, shop


@pytest.fixture
def opened() -> Iterator[Shop]:
    with shop() as there:
        yield there


def test_parcels_come_with_their_lines_and_every_tracking_number(opened: Shop) -> None:
    there = opened.injected(create_order(lines=[line("L1", quantity=3)]))
    opened.act(
        "ship",
        order_id=there.store_order_id,
        lines=[{"sku": "MUG-RED", "quantity": 2}],
        company="DPD UK",
        tracking_numbers=["A1", "A2", "A3"],
    )
    opened.act("ship", order_id=there.store_order_id, tracking_numbers=["B1"])
    (changed,) = opened.changed()
    assert changed == opened.store.order(there.store_order_id)
    first, second = changed.fulfilments
    assert (first.succeeded, first.status) == (True, "SUCCESS")
    assert [(shipped.line_id, shipped.quantity) for shipped in first.lines] == [(there.lines[0].line_id, 2)]
    assert [parcel.number for parcel in first.tracking] == ["A1", "A2", "A3"]
    assert {parcel.company for parcel in first.tracking} == {"DPD UK"}
    assert [shipped.quantity for shipped in second.lines] == [1]


def test_a_parcel_that_came_back_to_the_warehouse_is_noticed(opened: Shop) -> None:
    there = opened.injected()
    shipped = opened.act("ship", order_id=there.store_order_id)
    watermark = _last_watermark(opened)
    opened.act("cancel_fulfillment", fulfillment_id=shipped["id"])
    (changed,) = opened.changed(watermark)
    assert [(parcel.succeeded, parcel.status) for parcel in changed.fulfilments] == [(False, "CANCELLED")]


def test_tracking_that_is_corrected_later_is_noticed(opened: Shop) -> None:
    there = opened.injected()
    shipped = opened.act("ship", order_id=there.store_order_id, tracking_numbers=["WRONG"])
    opened.act("edit_tracking", fulfillment_id=shipped["id"], company="Evri", tracking_numbers=["RIGHT"])
    (changed,) = opened.changed()
    assert [(parcel.company, parcel.number) for parcel in changed.fulfilments[0].tracking] == [("Evri", "RIGHT")]


def test_a_unit_that_staff_took_off_is_a_removal_and_no_money(opened: Shop) -> None:
    there = opened.injected()
    opened.act("remove_unit", order_id=there.store_order_id, sku="MUG-RED", quantity=1)
    (changed,) = opened.changed()
    (refund,) = changed.refunds
    assert refund.lines == (
        RefundedLine(line_id=there.lines[0].line_id, sku="MUG-RED", quantity=1, unshipped=True, amount=0),
    )
    assert (refund.amount, refund.reference) == (0, "")


def test_a_refund_by_staff_carries_the_money_that_was_really_given_back(opened: Shop) -> None:
    there = opened.injected()
    opened.act("ship", order_id=there.store_order_id)
    opened.act("refund", order_id=there.store_order_id, lines=[{"sku": "MUG-RED", "quantity": 1}])
    opened.act("refund", order_id=there.store_order_id, amount=300)
    (changed,) = opened.changed()
    whole, goodwill = changed.refunds
    assert [(entry.quantity, entry.unshipped, entry.amount) for entry in whole.lines] == [(1, False, 1400)]
    assert (whole.amount, goodwill.amount, goodwill.lines) == (1400, 300, ())


MUG = {"sku": "MUG-RED", "quantity": 1}
PARCEL, REMOVAL = ("ship", {"lines": [MUG]}), ("remove_unit", {"sku": "MUG-RED", "restock": False, "with_money": True})
REFUND = ("refund", {"lines": [MUG], "restock": "NO_RESTOCK"})


@pytest.mark.parametrize(
    ("steps", "unshipped"),
    [
        ([REMOVAL], [True]),
        ([REMOVAL, PARCEL, PARCEL], [True]),
        ([REMOVAL, PARCEL, REFUND], [True, False]),
        ([PARCEL, REMOVAL], [True]),
        ([PARCEL, REFUND, REMOVAL], [False, True]),
        ([PARCEL, PARCEL, REFUND, REMOVAL], [False, True]),
        ([PARCEL, PARCEL, PARCEL, REFUND], [False]),
        ([REFUND], [False]),  # money for a unit that is shipped all the same
        ([REFUND, PARCEL, PARCEL, PARCEL], [False]),
    ],
)
def test_units_that_staff_took_off_without_restocking_are_told_from_refunded_ones(
    opened: Shop, steps: list[tuple[str, dict[str, Any]]], unshipped: list[bool]
) -> None:
    there = opened.injected(create_order(lines=[line("L1", quantity=3)]))
    for name, arguments in steps:
        opened.act(name, order_id=there.store_order_id, **arguments)
        opened.sandbox.control("POST", "clock", {"advance_seconds": 60})
    (changed,) = opened.changed()
    found = sorted(changed.refunds, key=lambda refund: refund.refunded_at)
    assert [[(entry.quantity, entry.unshipped, entry.amount) for entry in refund.lines] for refund in found] == [
        [(1, one, 1400)] for one in unshipped
    ]


def test_a_cancelled_order_whose_units_are_not_restocked_has_nothing_that_left(opened: Shop) -> None:
    there = opened.injected(create_order(lines=[line("L1", quantity=2)]))
    opened.act("cancel_order", order_id=there.store_order_id, restock=False)
    changed = _eventually_cancelled(opened, there.store_order_id)
    (refund,) = changed.refunds
    assert [(entry.quantity, entry.unshipped, entry.amount) for entry in refund.lines] == [(2, True, 2800)]


def test_a_cancelled_order_says_when_and_why(opened: Shop) -> None:
    there = opened.injected()
    opened.act("cancel_order", order_id=there.store_order_id, reason="INVENTORY")
    changed = _eventually_cancelled(opened, there.store_order_id)
    assert changed.cancel_reason == "INVENTORY"


def test_an_order_larger_than_any_page_is_read_to_its_end(opened: Shop) -> None:
    there = opened.injected(create_order(lines=[line(f"L{number}") for number in range(150)]))
    assert len(there.lines) == 150
    for number in range(9):
        opened.act(
            "ship",
            order_id=there.store_order_id,
            lines=[{"sku": "MUG-RED", "quantity": 3}],
            tracking_numbers=[f"{number}-{parcel}" for parcel in range(12)],
        )
    opened.act("ship", order_id=there.store_order_id)
    for _ in range(6):
        opened.act("refund", order_id=there.store_order_id, lines=[{"sku": "MUG-RED", "quantity": 1}])
    (changed,) = opened.changed()
    assert len(changed.lines) == 150
    assert [len(parcel.lines) for parcel in changed.fulfilments] == [3] * 9 + [123]
    assert sum(len(parcel.tracking) for parcel in changed.fulfilments[:9]) == 108
    assert changed.fulfilments[0].tracking[11] == Tracking(
        company="Royal Mail", number="0-11", url=changed.fulfilments[0].tracking[11].url
    )
    assert [len(refund.lines) for refund in changed.refunds] == [1] * 6


def test_an_order_with_more_parts_than_shopify_hands_out_is_shown_and_costs_the_others_nothing(
    opened: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("marketplace_sync.connectors.shopify.orders._MOST_PARTS", 5)
    large = opened.injected(create_order(1, lines=[line("L1", quantity=9)]))
    opened.act("ship", order_id=large.store_order_id)
    for _ in range(5):
        opened.act("refund", order_id=large.store_order_id, lines=[{"sku": "MUG-RED", "quantity": 1}])
    other = opened.injected(create_order(2, lines=[line("L1")]))
    pages = list(opened.store.changed_orders(None))
    assert [order.store_order_id for page in pages for order in page.orders] == [other.store_order_id]
    ((store_order_id, why),) = [one for page in pages for one in page.unreadable]
    assert store_order_id == large.store_order_id
    assert "5 fulfilments or refunds or more" in why
    assert pages[-1].watermark is not None


def test_many_orders_are_read_page_by_page_and_each_once(opened: Shop) -> None:
    identifiers = {opened.injected(create_order(number)).source_identifier for number in range(20)}
    pages = list(opened.store.changed_orders(None))
    assert len(pages) == 3
    assert sorted(order.source_identifier for page in pages for order in page.orders) == sorted(identifiers)
    stamps = [datetime.fromisoformat(page.watermark) for page in pages if page.watermark]
    assert stamps == sorted(stamps)
    assert len(stamps) == 3


def test_a_walk_that_gets_too_deep_begins_anew_where_it_is(opened: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "_WALK", 8)
    for number in range(30):
        opened.injected(create_order(number))
        if number % 5 == 4:
            opened.sandbox.control("POST", "clock", {"advance_seconds": 60})
    found = opened.changed()
    assert {order.source_identifier for order in found} == {f"john_lewis:edge-{number}" for number in range(30)}
    assert len({query["query"] for query in opened.sent("Orders")}) >= 3


def test_only_what_changed_is_read_again(opened: Shop) -> None:
    quiet, busy = opened.injected(create_order(1)), opened.injected(create_order(2))
    watermark = _last_watermark(opened)
    assert {order.store_order_id for order in opened.changed(watermark)} == {quiet.store_order_id, busy.store_order_id}
    opened.sandbox.control("POST", "clock", {"advance_seconds": 3600})
    opened.act("ship", order_id=busy.store_order_id)
    later = _last_watermark(opened)
    assert later > watermark
    assert [order.store_order_id for order in opened.changed(later)] == [busy.store_order_id]


def test_an_order_that_the_search_learns_of_late_is_not_missed() -> None:
    with shop({"search_lag_seconds": 30.0}) as opened:
        slow = opened.injected(create_order(1))
        assert opened.changed() == []
        opened.sandbox.control("POST", "clock", {"advance_seconds": 31})
        assert [order.store_order_id for order in opened.changed()] == [slow.store_order_id]
        watermark = _last_watermark(opened)
        late = opened.injected(create_order(2))
        assert late.store_order_id not in {order.store_order_id for order in opened.changed(watermark)}
        opened.sandbox.control("POST", "clock", {"advance_seconds": 31})
        found = {order.store_order_id for order in opened.changed(watermark)}
        assert late.store_order_id in found


def test_a_watermark_lies_behind_what_the_search_may_not_know_yet(opened: Shop) -> None:
    watermark = NOW.isoformat()
    assert opened.changed(watermark) == []
    (sent,) = opened.sent("Orders")
    since = datetime.strptime(sent["query"], "updated_at:>='%Y-%m-%dT%H:%M:%SZ'").replace(tzinfo=UTC)
    assert since == NOW - timedelta(minutes=2)


def test_an_order_that_is_not_there_is_none(opened: Shop) -> None:
    assert opened.store.order("gid://shopify/Order/1") is None


def test_no_personal_data_is_asked_for_or_answered(opened: Shop) -> None:
    opened.injected()
    opened.changed()
    answers = b"".join(one.response_body for one in opened.exchanges)
    assert b"Leeds" not in answers
    assert b"relay-1" not in answers


def test_reading_goes_on_after_a_hiccup_and_ends_loudly_when_the_vendor_stays_away(opened: Shop) -> None:
    there = opened.injected()
    opened.changed()  # what a page costs is known from here on
    opened.faults({"kind": "status", "status": 502, "remaining": 1})
    assert [order.store_order_id for order in opened.changed()] == [there.store_order_id]
    opened.faults({"kind": "html"})
    with pytest.raises(VendorUnavailable):
        opened.store.order(there.store_order_id)


def _last_watermark(opened: Shop) -> str:
    watermark = [page.watermark for page in opened.store.changed_orders(None)][-1]
    assert watermark is not None
    return watermark


def _eventually_cancelled(opened: Shop, order_id: str) -> Any:
    for _ in range(100):
        order = opened.store.order(order_id)
        if order is not None and order.cancelled_at is not None:
            return order
        opened.sandbox.control("POST", "clock", {"advance_seconds": 1})
    raise AssertionError("the order was never cancelled")
