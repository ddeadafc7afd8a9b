"""Whatever the connector can send to a Magento shop fits the vendor's published description of both releases."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from marketplace_sync.connectors.transport import Exchange
from marketplace_sync.domain.effects import Delivered
from marketplace_sync.domain.orders import Address
from marketplace_sync_tests.conformance.magento_schema import FILES, WHY_SKIPPED, available, find, validate_exchange
from marketplace_sync_tests.connectors.magento_shop import Shop, cancel, create_order, line, refund, remove, shop

pytestmark = pytest.mark.skipif(not available(), reason=WHY_SKIPPED)

SENT = {
    ("GET", "/V1/categories/list"),
    ("GET", "/V1/creditmemos"),
    ("GET", "/V1/inventory/export-stock-salable-qty/{salesChannelType}/{salesChannelCode}"),
    ("GET", "/V1/inventory/source-items"),
    ("GET", "/V1/inventory/sources"),
    ("GET", "/V1/inventory/stock-resolver/{type}/{code}"),
    ("GET", "/V1/inventory/stock-source-links"),
    ("GET", "/V1/orders"),
    ("GET", "/V1/orders/items"),
    ("GET", "/V1/products"),
    ("GET", "/V1/products/attributes/{attributeCode}"),
    ("GET", "/V1/shipments"),
    ("GET", "/V1/store/storeConfigs"),
    ("GET", "/V1/store/websites"),
    ("POST", "/V1/order/{orderId}/invoice"),
    ("POST", "/V1/order/{orderId}/refund"),
    ("POST", "/V1/orders"),
    ("POST", "/V1/orders/{id}/cancel"),
}
"""Operations that the connector uses."""


@pytest.fixture(scope="module")
def exchanges() -> Iterator[list[Exchange]]:
    """A day in a shop's life, with every operation of the connector in it."""
    with shop(page_size=2, reservations="subtract", reservations_repaired_at="2026-11-01T00:00:00Z") as here:
        for sku in ("MUG", "BOWL", "CUP"):
            here.double.product(sku)
        yield [*_orders(here), *_stock(here)]


def _orders(here: Shop) -> list[Exchange]:
    assert all(finding.works for finding in here.store.check())
    full = create_order(
        1,
        [line("L1"), line("L2", "BOWL", 3, unit_price=999, tax=None)],
        shipping_price=399,
        shipping_tax=66,
        billing_address=Address(
            full_name="Jo Roe", company="Roe Ltd", line_1="2 Low St", line_2="Flat 3", city="Austin", region="TX",
            postal_code="73301", country="US", phone="+1 512 555 0100",
        ),
    )  # fmt: skip
    there, row = here.injected(full)
    here.deliver(full, attempts=2)
    here.double.ship(row, {"BOWL": 2})
    _, watermark = here.changed()
    for wish in (remove(there), refund(there, 1500), refund(there, 100, 0, reference="refund:2", returned=False)):
        assert isinstance(here.deliver(wish), Delivered), wish
        assert isinstance(here.resolve(wish), Delivered), wish
    restocking = here.anew(restock_returned=True, currency_rates={"EUR": Decimal("1.17")})
    foreign, row = restocking.injected(create_order(2, currency="EUR"))
    here.double.ship(row)
    for number, minor in enumerate((100, 99_999)):
        wish = refund(foreign, minor, currency="EUR", reference=f"refund:{number}")
        assert isinstance(restocking.deliver(wish), Delivered)
    pending = here.anew(invoice_orders=False)
    third, _ = pending.injected(create_order(3, [line("L1", unit_price=None, total=None, tax=None, tax_rate="")]))
    pending.deliver(cancel(third))
    fourth, _ = here.injected(create_order(4, shipping_price=500))
    assert isinstance(here.deliver(cancel(fourth)), Delivered)
    here.changed(watermark)
    list(here.store.source_identifiers(datetime(2026, 11, 1, tzinfo=UTC)))
    return [*here.exchanges, *restocking.exchanges, *pending.exchanges]


def _stock(here: Shop) -> list[Exchange]:
    here.double.salable = {"MUG": 3}
    list(here.store.variants())
    here.double.salable = None
    here.double.tables["inventory/stock-source-links"] = [{"stock_id": 2, "source_code": "leeds"}]
    here.double.tables["inventory/sources"] = [{"source_code": "leeds", "enabled": True}]
    bare = here.anew(catalogue_page_size=2)
    list(bare.store.variants())
    return [*here.exchanges, *bare.exchanges]


def test_every_operation_of_the_connector_is_used_and_is_one_of_the_vendors(exchanges: list[Exchange]) -> None:
    used = {(one.method, found[0]) for one in exchanges if (found := find(one.method, _path(one)))}
    assert used == SENT


@pytest.mark.parametrize("version", FILES)
def test_every_request_fits_the_description(exchanges: list[Exchange], version: str) -> None:
    distinct = {(one.method, one.path, tuple(sorted(one.params.items())), one.request_body): one for one in exchanges}
    found = [
        problem
        for one in distinct.values()
        for problem in validate_exchange(
            one.method, one.path, one.params, _body(one.request_body), one.status, None, version=version,
            answers="ignore",
        )
    ]  # fmt: skip
    assert len(distinct) > 60
    assert found == []


def test_the_judge_notices_what_the_server_would_refuse(exchanges: list[Exchange]) -> None:
    created = next(one for one in exchanges if one.method == "POST" and one.path.endswith("/V1/orders"))
    body = _body(created.request_body)
    body["entity"]["marketplace"] = "John Lewis"
    assert any("marketplace" in one for one in validate_exchange("POST", created.path, {}, body, 400, None))
    del body["entity"]["marketplace"], body["entity"]["customer_email"]
    assert any("customer_email" in one for one in validate_exchange("POST", created.path, {}, body, 400, None))


def _path(one: Exchange) -> str:
    return f"/V1/{one.path.partition('/V1/')[2]}"


def _body(sent: bytes) -> Any:
    return json.loads(sent) if sent else None
