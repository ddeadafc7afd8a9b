"""Our Magento connector on a small Magento of the tests' own, and the orders that are put there: real HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from marketplace_sync.connectors.budget import LocalBudget
from marketplace_sync.connectors.magento import MagentoSettings, MagentoStore
from marketplace_sync.connectors.registry import open_connection
from marketplace_sync.connectors.transport import Exchange
from marketplace_sync.domain.effects import (
    PAYLOAD_TYPES,
    CancelOrder,
    CreateOrder,
    Delivered,
    Effect,
    Lane,
    LineUnits,
    OrderedVariant,
    Outcome,
    RecordRefund,
    RemoveLines,
    Resolution,
)
from marketplace_sync.domain.orders import Address, Order, OrderLine, PriceBasis
from marketplace_sync.domain.store import StoreOrder
from marketplace_sync.settings import Secret
from marketplace_sync_tests.connectors.magento_double import KEYS, Double, Row, doubled

KINDS = {payload: kind for kind, payload in PAYLOAD_TYPES.items()}
SECRETS = {
    "consumer_key": Secret(default=KEYS["consumer_key"]),
    "consumer_secret": Secret(default=KEYS["consumer_secret"]),
    "access_token": Secret(default=KEYS["token"]),
    "access_token_secret": Secret(default=KEYS["token_secret"]),
}


class Shop:
    """The double, the connector that talks to it, and everything that went over the wire."""

    def __init__(self, double: Double, base_url: str, **settings: Any) -> None:
        self.double = double
        self.base_url = base_url
        self.exchanges: list[Exchange] = []
        given = {"reservations": "module", "doubt_settles_after": timedelta(0), **SECRETS, **settings}
        self.settings = MagentoSettings(platform="magento", base_url=base_url, **given)
        self.store: MagentoStore = open_connection(
            "magento", self.settings, lambda _, spec: LocalBudget(spec), on_exchange=self.exchanges.append
        )

    def anew(self, **settings: Any) -> Shop:
        """The same shop, a connector of other settings."""
        return Shop(self.double, self.base_url, **settings)

    def sent(self, path: str) -> list[Any]:
        """Bodies of the writes to one path."""
        return [msgspec.json.decode(one.request_body) for one in self.exchanges if one.path.endswith(f"/V1/{path}")
                and one.method == "POST"]  # fmt: skip

    def deliver(self, payload: Any, number: int = 1, attempts: int = 1) -> Outcome:
        (outcome,) = self.store.deliver([effect(payload, number, attempts)])
        return outcome

    def resolve(self, payload: Any, number: int = 1) -> Resolution:
        return self.store.resolve(effect(payload, number))

    def injected(self, wanted: CreateOrder | None = None) -> tuple[StoreOrder, Row]:
        """An order that is in the shop: as we read it, and the shop's own row."""
        outcome = self.deliver(wanted or create_order())
        assert isinstance(outcome, Delivered), outcome
        order = self.store.order(outcome.result["store_order_id"])
        assert order is not None
        return order, self.double.order(order.name)

    def changed(self, watermark: str | None = None) -> tuple[list[StoreOrder], str]:
        found: list[StoreOrder] = []
        for page in self.store.changed_orders(watermark):
            found += page.orders
            watermark = page.watermark or watermark
        assert watermark is not None
        return found, watermark


@contextmanager
def shop(**settings: Any) -> Iterator[Shop]:
    with doubled() as (double, base_url):
        yield Shop(double, base_url, **settings)


def effect(payload: Any, number: int = 1, attempts: int = 1) -> Effect:
    kind = KINDS[type(payload)]
    return Effect(
        effect_id=number,
        connection="magento",
        kind=kind,
        subject="john_lewis:1",
        lane=Lane.INJECTION,
        payload=payload,
        natural_key=f"{kind}-{number}",
        attempts=attempts,
    )


def line(line_id: str, sku: str = "MUG", quantity: int = 2, **changes: Any) -> OrderLine:
    stated: dict[str, Any] = {
        "line_id": line_id,
        "sku": sku,
        "quantity": quantity,
        "unit_price": 1200,
        "total": 1200 * quantity,
        "tax": 200 * quantity,
        "tax_rate": "0.2",
    }
    return OrderLine(**{**stated, **changes})


def order(number: int = 1, lines: Sequence[OrderLine] | None = None, **changes: Any) -> Order:
    stated: dict[str, Any] = {
        "order_id": f"edge-{number}",
        "reference": f"JL-{number}",
        "customer_order_number": f"C{number:08d}",
        "status": "accepted",
        "placed_at": datetime(2026, 11, 20, 9, tzinfo=UTC),
        "currency": "GBP",
        "price_basis": PriceBasis.RETAIL,
        "lines": tuple(lines if lines is not None else [line("L1")]),
        "shipping_address": Address(
            full_name="Ms Anna van der Berg", line_1="1 High Street", city="Leeds", postal_code="LS1 1AA", country="GB"
        ),
        "buyer_email": "relay-1@example.test",
    }
    return Order(**{**stated, **changes})


def create_order(
    number: int = 1, lines: Sequence[OrderLine] | None = None, product_id: str = "1", **changes: Any
) -> CreateOrder:
    stated = order(number, lines, **changes)
    return CreateOrder(
        source_identifier=f"john_lewis:{stated.order_id}",
        marketplace="John Lewis",
        order=stated,
        variants=tuple(
            OrderedVariant(line_id=one.line_id, variant_id=str(int(product_id) + place), sku=one.sku)
            for place, one in enumerate(stated.lines)
        ),
    )


def cancel(there: StoreOrder) -> CancelOrder:
    return CancelOrder(
        store_order_id=there.store_order_id,
        source_identifier=there.source_identifier,
        reason="Changed their mind",
        initiator="customer",
    )


def remove(there: StoreOrder, quantity: int = 1, line_id: str = "L1") -> RemoveLines:
    return RemoveLines(
        store_order_id=there.store_order_id,
        source_identifier=there.source_identifier,
        reference=f"remove:{there.source_identifier}:{line_id}={quantity}",
        lines=(LineUnits(line_id=line_id, quantity=quantity, sku="MUG"),),
    )


def refund(there: StoreOrder, amount: int | None, quantity: int = 1, **changes: Any) -> RecordRefund:
    fields: dict[str, Any] = {
        "store_order_id": there.store_order_id,
        "source_identifier": there.source_identifier,
        "reference": f"refund:{there.source_identifier}:R1",
        "lines": (LineUnits(line_id="L1", quantity=quantity, sku="MUG"),) if quantity else (),
        "currency": "GBP",
        "amount": amount,
    }
    return RecordRefund(**{**fields, **changes})
