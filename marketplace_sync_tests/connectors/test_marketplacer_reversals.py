"""What an instance gave back, and what it took off before it left, from requests and amendments that overlap."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from marketplace_sync.domain.lifecycle import refund_events, return_events
from marketplace_sync.domain.orders import Refund, Return, ReturnState
from marketplace_sync_tests.connectors.marketplacer_instance import (
    L1,
    L2,
    Instance,
    instance,
    line,
    opaque,
    parsed,
    refund,
    refunded,
)


@pytest.fixture
def pots() -> Iterator[tuple[Instance, str]]:
    with instance() as found:
        yield found


def parcel_of(units: int | None) -> dict[str, Any]:
    items = None if units is None else [{"quantity": units, "lineItem": {"id": L1}}]
    return {"id": "s", "carrier": "Post", "trackingNumber": "P1", "shippedItems": items}


@pytest.mark.parametrize(
    ("left", "cancelled", "given_back"),
    [(0, 3, []), (1, 3, []), (2, 2, [(6, 1, 501)]), (3, 1, [(6, 2, 1001)]), (4, 0, [(5, 1, 700), (6, 2, 1001)])],
)
def test_units_that_had_left_when_they_were_cancelled_are_refunded_the_last_ones_first(
    pots: tuple[Instance, str], left: int, cancelled: int, given_back: list[tuple[int, int, int]]
) -> None:
    box, url = pots
    order_id = box.place(1, line(1, quantity=4))
    (invoice,) = box.invoices(order_id)
    invoice["shipments"] = [parcel_of(left)] if left else []
    later = {"refundedAt": "2026-03-03T11:00:00Z", "refundAmountCents": 1001}
    invoice["refundRequests"] = [
        refund(6, refunded(L1, 2, 1400, dispatched=False), **later),
        refund(5, refunded(L1, 1, 700, number=2, dispatched=False)),
    ]
    order, reversals = parsed(url, order_id)
    found = [(one.refund_id, one.quantity, one.amount) for one in reversals if isinstance(one, Refund)]
    assert order.lines[0].cancelled == cancelled
    assert sorted(found) == sorted((opaque("RefundRequest", n), units, cents) for n, units, cents in given_back)
    assert any("although they had left" in word for word in order.warnings) is bool(given_back)


def test_a_parcel_that_names_no_items_says_nothing_of_what_was_cancelled_before_it(pots: tuple[Instance, str]) -> None:
    box, url = pots
    order_id = box.place(1, line(1, quantity=2))
    (invoice,) = box.invoices(order_id)
    invoice["shipments"] = [parcel_of(None)]
    invoice["refundRequests"] = [refund(5, refunded(L1, 1, 1000, dispatched=False))]
    assert parsed(url, order_id)[1] == []


def test_what_is_asked_to_be_cancelled_is_told_apart_by_whether_it_has_left(pots: tuple[Instance, str]) -> None:
    box, url = pots
    order_id = box.place(1, line(1, quantity=3))
    (invoice,) = box.invoices(order_id)
    invoice["shipments"] = [parcel_of(2)]
    invoice["refundRequests"] = [refund(5, refunded(L1, 3, 3000, dispatched=False, status="AWAITING_RETURN"))]
    (mug,) = parsed(url, order_id)[0].lines
    assert (mug.cancellation_requested, mug.cancellation_too_late) == (1, 2)


MARK = [{"key": "marketplace_sync", "value": "refund:1"}]


def test_what_we_ask_for_is_a_refund_and_the_same_fact_that_was_stated_as_a_return(pots: tuple[Instance, str]) -> None:
    box, url = pots
    order_id = box.place(1, line(1, quantity=3))
    (invoice,) = box.invoices(order_id)
    request = refund(5, refunded(L1, 1, 1000, status="REFUND_ACCEPTED"), initiatedBy="SELLER", status="PROCESSED")
    invoice["refundRequests"] = [{**request, "externalIds": MARK}]
    assert parsed(url, order_id)[1] == [], "nobody gets anything yet"
    given = refund(5, refunded(L1, 1, 1000), initiatedBy="SELLER")
    invoice["refundRequests"] = [given]
    (before,) = parsed(url, order_id)[1]
    invoice["refundRequests"] = [{**given, "externalIds": MARK}]
    (after,) = parsed(url, order_id)[1]
    assert isinstance(before, Return)
    assert isinstance(after, Refund)
    assert {one.initiator.value for one in return_events("pots", before)} == {"seller"}
    (told,) = refund_events("pots", after)
    assert told.event_id in {one.event_id for one in return_events("pots", before)}


def test_a_request_of_ours_that_is_denied_is_shown(pots: tuple[Instance, str]) -> None:
    box, url = pots
    order_id = box.place(1, line(1))
    (invoice,) = box.invoices(order_id)
    denied = refund(5, refunded(L1, 1, 1000, status="REFUND_DENIED"), initiatedBy="SELLER", status="DENIED")
    invoice["refundRequests"] = [{**denied, "externalIds": MARK}]
    order, reversals = parsed(url, order_id)
    assert reversals == []
    assert "was denied" in order.warnings[0]


@pytest.mark.parametrize(
    ("lines", "ids"),
    [
        ((L1,), ["R"]),
        ((None,), ["R"]),
        ((L1, None), ["R", "R#2"]),
        ((None, L1, None), ["R#1", "R", "R#3"]),
        ((None, None), ["R#1", "R#2"]),
        ((L1, L2), ["R#1", "R#2"]),
        ((L1, L2, None), ["R#1", "R#2", "R#3"]),
    ],
)
def test_a_line_without_goods_that_is_added_later_changes_no_id(
    pots: tuple[Instance, str], lines: tuple[str | None, ...], ids: list[str]
) -> None:
    box, url = pots
    order_id = box.place(1, line(1), line(2))
    (invoice,) = box.invoices(order_id)
    given = [{**refunded(of, 1, 100), "id": str(n)} for n, of in enumerate(lines, 1)]
    invoice["refundRequests"] = [{**refund(5, *given), "id": "R"}]
    found = parsed(url, order_id)[1]
    assert [one.return_id if isinstance(one, Return) else one.refund_id for one in found] == ids
    assert [one.formerly for one in found] == [
        f"R#{n}" if one == "R" and len(ids) > 1 else "" for n, one in enumerate(ids, 1)
    ]


def test_goods_are_back_once_the_request_says_so_of_the_lines_that_are_not_over(pots: tuple[Instance, str]) -> None:
    box, url = pots
    order_id = box.place(1, line(1, quantity=3))
    (invoice,) = box.invoices(order_id)
    states = ("AWAITING_RETURN", "REFUND_ACCEPTED", "REFUND_DENIED")
    lines = [refunded(L1, 1, 1000, number=n, status=status) for n, status in enumerate(states)]
    invoice["refundRequests"] = [refund(5, *lines, status="RETURNED", refundedAt=None)]
    found = [one for one in parsed(url, order_id)[1] if isinstance(one, Return)]
    assert [one.state for one in found] == [ReturnState.RECEIVED, ReturnState.RECEIVED, ReturnState.DECLINED]


def test_what_only_the_seller_loses_says_nothing_of_an_amendment(pots: tuple[Instance, str]) -> None:
    box, url = pots
    order_id = box.place(1, line(1))
    (invoice,) = box.invoices(order_id)
    invoice["refundRequests"] = [refund(5, refunded(L1, 1, 1000, onlyRemittance=True))]
    amended = {"id": "a", "status": "REFUNDED", "dispatched": True, "quantity": 1, "totalCents": -1000}
    at = "2026-03-03T10:01:00Z"
    invoice["amendments"] = [{"id": "A", "createdAt": at, "lineItems": [{**amended, "lineItem": {"id": L1}}]}]
    (given,) = parsed(url, order_id)[1]
    assert isinstance(given, Refund)
    assert (given.refund_id, given.amount) == ("A", 1000)


def test_who_cancelled_and_why_is_not_said_by_a_request_that_was_denied(pots: tuple[Instance, str]) -> None:
    box, url = pots
    order_id = box.place(1, line(1, quantity=2))
    (invoice,) = box.invoices(order_id)
    sold_out = refunded(L1, 1, 1000, dispatched=False, reason="Sold out")
    denied = refunded(L1, 1, 1000, number=2, dispatched=False, reason="Changed my mind", status="REFUND_DENIED")
    invoice["refundRequests"] = [refund(5, sold_out, initiatedBy="SELLER"), refund(6, denied, status="DENIED")]
    (mug,) = parsed(url, order_id)[0].lines
    assert (mug.cancelled, mug.cancelled_by, mug.cancel_reason) == (1, "seller", "Sold out")
