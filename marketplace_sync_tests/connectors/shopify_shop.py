"""A simulated Shopify shop with our connector on it, and the orders the tests inject: real HTTP, no stand-ins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from marketplace_sync.connectors.budget import LocalBudget
from marketplace_sync.connectors.registry import open_connection
from marketplace_sync.connectors.shopify import ShopifySettings, ShopifyStore
from marketplace_sync.connectors.transport import Exchange
from marketplace_sync.domain.effects import (
    PAYLOAD_TYPES,
    CancelOrder,
    CreateOrder,
    Delivered,
    Effect,
    EffectKind,
    Lane,
    LineUnits,
    OrderedVariant,
    Outcome,
    RecordRefund,
    RemoveLines,
)
from marketplace_sync.domain.orders import Address, Order, OrderLine, PriceBasis
from marketplace_sync.domain.store import StoreOrder
from marketplace_sync.sandbox.serve import RunningSandbox
from marketplace_sync.sandbox.world import WorldSettings
from marketplace_sync.settings import Secret

NOW = datetime.now(UTC).replace(microsecond=0)
SECRET = "sandbox-shopify-secret"
KINDS = {payload: kind for kind, payload in PAYLOAD_TYPES.items()}
QUICK: dict[str, Any] = {"search_lag_seconds": 0.0, "job_seconds": 0.0, "routing_seconds": 0.0}


class Shop:
    """One simulated shop, the connector that talks to it, and everything that went over the wire."""

    def __init__(self, sandbox: RunningSandbox, **settings: Any) -> None:
        self.sandbox = sandbox
        self.exchanges: list[Exchange] = []
        self._effects = 0
        self._then: dict[str, Callable[[], object]] = {}
        given = {"client_id": Secret(default="sandbox-client"), "client_secret": Secret(default=SECRET)}
        self.settings = ShopifySettings(
            platform="shopify",
            base_url=f"{sandbox.base_url}/shopify",
            **{**given, "doubt_settles_after": timedelta(0), **settings},
        )
        self.store: ShopifyStore = open_connection(
            "shopify", self.settings, lambda _, spec: LocalBudget(spec), on_exchange=self._seen
        )

    def _seen(self, exchange: Exchange) -> None:
        self.exchanges.append(exchange)
        action = self._then.pop(operation(exchange), None)
        if action is not None:
            action()

    def then(self, name: str, action: Callable[[], object]) -> None:
        """Do something once the next answer to operation `name` is here, before the connector's next call."""
        self._then[name] = action

    def after(self, name: str, *rules: dict[str, Any]) -> None:
        """Once the next answer to operation `name` is here, these faults begin: they strike the call that follows."""
        self.then(name, lambda: self.faults(*rules))

    def act(self, name: str, **arguments: Any) -> Any:
        return self.sandbox.act("shopify", name, **arguments)

    def faults(self, *rules: dict[str, Any]) -> None:
        self.sandbox.control("PUT", "shopify/faults", list(rules))

    def stored(self, collection: str) -> list[dict[str, Any]]:
        return self.sandbox.documents("shopify", collection)

    def sent(self, name: str) -> list[dict[str, Any]]:
        """The variables of every call of one operation."""
        return [msgspec.json.decode(one.request_body)["variables"] for one in self.exchanges if operation(one) == name]

    def effect(self, payload: Any) -> Effect:
        self._effects += 1
        return effect(payload, self._effects)

    def deliver(self, payload: Any) -> Outcome:
        (outcome,) = self.store.deliver([self.effect(payload)])
        return outcome

    def injected(self, wanted: CreateOrder | None = None) -> StoreOrder:
        """A marketplace order, delivered and read back."""
        outcome = self.deliver(wanted or create_order())
        assert isinstance(outcome, Delivered), outcome
        order = self.store.order(outcome.result["store_order_id"])
        assert order is not None
        return order

    def changed(self, watermark: str | None = None) -> list[StoreOrder]:
        return [order for page in self.store.changed_orders(watermark) for order in page.orders]


def operation(exchange: Exchange) -> str:
    """The name of the GraphQL operation of an exchange; empty when it is none."""
    if not exchange.path.endswith("/graphql.json"):
        return ""
    return str(msgspec.json.decode(exchange.request_body)["operationName"])


LOST = {"kind": "lost_answer", "remaining": 1}


@contextmanager
def shop(vendor: dict[str, Any] | None = None, **settings: Any) -> Iterator[Shop]:
    """`vendor` are the simulated shop's own settings, `settings` those of our connection."""
    world = WorldSettings(
        accounts={"shopify": "shopify"}, settings={"shopify": {**QUICK, **(vendor or {})}}, shop=False, oddities=False
    )
    with RunningSandbox(world) as sandbox:
        yield Shop(sandbox, **settings)


def effect(payload: Any, number: int = 1, attempts: int = 1) -> Effect:
    kind = KINDS[type(payload)]
    return Effect(
        effect_id=number,
        connection="shopify",
        kind=kind,
        subject=f"subject-{number}",
        lane=Lane.INJECTION if kind is EffectKind.CREATE_ORDER else Lane.REVERSALS,
        payload=payload,
        natural_key=f"{kind}-{number}",
        attempts=attempts,
    )


VARIANTS = {"MUG-RED": "gid://shopify/ProductVariant/46701000000001"}


def line(line_id: str, sku: str = "MUG-RED", quantity: int = 1, **changes: Any) -> OrderLine:
    stated: dict[str, Any] = {
        "line_id": line_id,
        "sku": sku,
        "quantity": quantity,
        "unit_price": 1400,
        "total": 1400 * quantity,
        "tax": 233 * quantity,
        "tax_rate": "0.2",
    }
    return OrderLine(**{**stated, **changes})


def order(number: int = 1, lines: Sequence[OrderLine] | None = None, **changes: Any) -> Order:
    stated: dict[str, Any] = {
        "order_id": f"edge-{number}",
        "reference": f"JL-{number}",
        "customer_order_number": f"C{number:08d}",
        "status": "accepted",
        "placed_at": NOW - timedelta(hours=2),
        "currency": "GBP",
        "price_basis": PriceBasis.RETAIL,
        "lines": tuple(lines if lines is not None else [line("L1", quantity=2)]),
        "shipping_address": Address(
            full_name="Ms Anna van der Berg",
            line_1="1 High Street",
            city="Leeds",
            region="West Yorkshire",
            postal_code="LS1 1AA",
            country="GB",
            phone="+441130000000",
        ),
        "buyer_email": "relay-1@example.test",
    }
    return Order(**{**stated, **changes})


def create_order(number: int = 1, lines: Sequence[OrderLine] | None = None, **changes: Any) -> CreateOrder:
    return wanted(order(number, lines, **changes))


def wanted(stated: Order, **changes: Any) -> CreateOrder:
    variants = tuple(
        OrderedVariant(line_id=one.line_id, variant_id=VARIANTS["MUG-RED"], sku=one.sku) for one in stated.lines
    )
    fields: dict[str, Any] = {
        "source_identifier": f"john_lewis:{stated.order_id}",
        "marketplace": "John Lewis",
        "order": stated,
        "variants": variants,
        "tags": ("john-lewis",),
    }
    return CreateOrder(**{**fields, **changes})


def cancel(there: StoreOrder, initiator: str = "customer") -> CancelOrder:
    return CancelOrder(
        store_order_id=there.store_order_id,
        source_identifier=there.source_identifier,
        reason="Changed their mind",
        initiator=initiator,
    )


def remove(there: StoreOrder, quantity: int = 1, reference: str = "cancelled:L1:1", line_id: str = "L1") -> RemoveLines:
    return RemoveLines(
        store_order_id=there.store_order_id,
        source_identifier=there.source_identifier,
        reference=reference,
        lines=(LineUnits(line_id=line_id, quantity=quantity, sku="MUG-RED"),),
    )


def refund(
    there: StoreOrder,
    amount: int | None = None,
    quantity: int = 1,
    reference: str = "refund:R1",
    returned: bool = True,
    currency: str = "GBP",
    line_id: str = "L1",
) -> RecordRefund:
    return RecordRefund(
        store_order_id=there.store_order_id,
        source_identifier=there.source_identifier,
        reference=reference,
        lines=(LineUnits(line_id=line_id, quantity=quantity, sku="MUG-RED"),),
        currency=currency,
        amount=amount,
        returned=returned,
    )
