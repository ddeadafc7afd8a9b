"""Whatever the connector can send to a Mirakl marketplace fits the vendor's published description."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from marketplace_sync.connectors.transport import Exchange
from marketplace_sync.domain.effects import (
    AcknowledgeOrder,
    AcknowledgeReturn,
    CancelLines,
    CloseReturn,
    Delivered,
    InDoubt,
    Judged,
    JudgeReturn,
    ReceiveReturn,
    SetStock,
)
from marketplace_sync_tests.conformance.mirakl_schema import WHY_SKIPPED, available, find, validate_exchange
from marketplace_sync_tests.connectors.mirakl_marketplace import line, stated_return
from marketplace_sync_tests.connectors.mirakl_shop import Shop, dispatch, effect, refund, shop, units

pytestmark = pytest.mark.skipif(not available(), reason=WHY_SKIPPED)

SENT = {
    "A01", "PC01", "SH21", "RE01", "OR11", "OR21", "OR23", "OR24", "OR28", "OR30", "ST01", "ST11", "RT11", "RT21",
    "RT25", "RT26", "RT27", "STO01", "STO02", "STO03", "TL02", "SBC11",
}  # fmt: skip
"""Operations that the connector uses."""
SINCE = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def exchanges() -> Iterator[list[Exchange]]:
    """A day in a shop's life, with every operation of the connector in it, twice: with and without a shop's id."""
    with shop() as plain:
        _use_everything(plain)
        named = plain.anew().with_settings(shop_id=2000, locale="en_GB", channel="UK", page_size=1)
        _use_everything(named)
        yield [*plain.exchanges, *named.exchanges]


def _use_everything(opened: Shop) -> None:
    marketplace = opened.marketplace
    marketplace.returns.append(stated_return("r1", ("O1-A-1", 1)))
    taxes = [{"code": "ECO", "amount": 0.5, "tax_calculation_rule": "NONE"}]
    marketplace.place("O1-A", line(1, "MUG", 2, 20.0, taxes=taxes, shipping_taxes=taxes), state="WAITING_ACCEPTANCE")
    marketplace.place("O2-A", line(1, "MUG", 2, 20.0, taxes=taxes), order_tax_mode="TAX_EXCLUDED")
    assert all(finding.works for finding in opened.connector.check())
    _, watermark = opened.poll("orders")
    opened.poll("orders", watermark)
    _, watermark = opened.poll("returns")
    opened.poll("returns", watermark)
    fault = Judged(line_id="O1-A-1", compliant=False, reason="RETURN_NON_COMPLIANT_OTHER", words="it is torn")
    wishes: list[Any] = [
        AcknowledgeOrder(order_id="O1-A", lines=(units("O1-A-1"),)),
        AcknowledgeReturn(order_id="O1-A", return_id="r1", lines=(units("O1-A-1"),)),
        ReceiveReturn(order_id="O1-A", return_id="r1", lines=(units("O1-A-1"),)),
        JudgeReturn(order_id="O1-A", return_id="r1", lines=(fault,)),
        CloseReturn(order_id="O1-A", return_id="r1"),
        CancelLines(order_id="O2-A", lines=(units("O2-A-1"),), requested_by_marketplace=False),
        dispatch("O2-A", units("O2-A-1"), carrier="Pigeon"),
        refund("O2-A", "O2-A-1", 100),
    ]
    for number, wish in enumerate(wishes):
        assert isinstance(opened.deliver(wish, number), Delivered), wish
        opened.resolve(wish, number)
    _parcels(opened)
    marketplace.file_status = {"status": "COMPLETE", "has_error_report": True}
    levels = [effect(SetStock(sku="MUG", stock_number="", quantity=3), 9)]
    assert isinstance(opened.connector.deliver(levels)[0], InDoubt)
    assert isinstance(opened.connector.resolve(levels[0]), Delivered)
    list(opened.connector.settlement_lines(SINCE, "D1", cycle_id="b2b7831d-8cde-57a0-acca-00b9842797e3"))
    list(opened.connector.settlement_documents(SINCE))


def _parcels(opened: Shop) -> None:
    opened.marketplace.multi_shipment = True
    opened.marketplace.place("O3-A", line(1, "MUG", 2, 20.0))
    several = opened.with_settings(multi_shipment=True)
    wish = dispatch("O3-A", units("O3-A-1"))
    assert isinstance(several.deliver(wish), Delivered)
    assert isinstance(several.resolve(wish), Delivered)
    opened.exchanges.extend(several.exchanges)


def test_every_operation_of_the_connector_is_used_and_is_one_of_the_vendors(exchanges: list[Exchange]) -> None:
    used = {operation["operationId"] for one in exchanges if (operation := find(one.method, one.path))}
    assert used == SENT


def test_every_request_fits_the_description(exchanges: list[Exchange]) -> None:
    found = [
        problem
        for one in exchanges
        for problem in validate_exchange(
            one.method, one.path, one.params, _body(one), one.status, None, answers="ignore"
        )
    ]
    assert found == []


@pytest.mark.parametrize(
    ("method", "path", "query", "body", "named"),
    [
        ("GET", "/api/nothing", {}, None, "no operation"),
        ("GET", "/api/orders", {"paginate": "false"}, None, "paginate"),
        ("GET", "/api/orders", {"max": 1000}, None, "query max"),
        ("GET", "/api/orders", {"start_update_date": "2026-03-01T10:00:00"}, None, "start_update_date"),
        ("GET", "/api/orders", {"sort": "price"}, None, "sort"),
        ("PUT", "/api/orders/1/accept", {}, {"order_lines": [{"id": "1"}]}, "accepted"),
        ("PUT", "/api/orders/1/accept", {}, {"order_lines": [{"id": "1", "accepted": True, "x": 1}]}, "'x'"),
        ("PUT", "/api/orders/1/ship", {}, {"shipped": True}, "no JSON"),
        ("POST", "/api/offers/stock/imports", {}, b'name="other"', "file"),
    ],
)
def test_what_the_vendor_would_refuse_is_found(
    method: str, path: str, query: dict[str, str | int], body: Any, named: str
) -> None:
    found = validate_exchange(method, path, query, body, 200, None, answers="ignore")
    assert any(named in problem for problem in found), found


def test_answers_are_judged_too() -> None:
    carrier = {"code": "dpd", "label": None, "standard_code": None, "tracking_url": None}
    good, more, bad = ({"carriers": [one]} for one in (carrier, {**carrier, "extra": 1}, {"label": "DPD"}))
    path = "/api/shipping/carriers"
    assert validate_exchange("GET", path, {}, None, 200, good, answers="strict") == []
    assert validate_exchange("GET", path, {}, None, 200, more) == []
    assert "extra" in str(validate_exchange("GET", path, {}, None, 200, more, answers="strict"))
    assert "'code' is a required property" in str(validate_exchange("GET", path, {}, None, 200, bad))
    assert "204" in str(validate_exchange("GET", path, {}, None, 204, None))


def _body(one: Exchange) -> Any:
    if not one.request_body:
        return None
    return json.loads(one.request_body) if one.request_body.startswith(b"{") else one.request_body
