"""The two stores of the tests' towns as one: what is in them in common words, and what their staff does."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Protocol

from marketplace_sync.sandbox.serve import RunningSandbox
from marketplace_sync.sandbox.shopify import totals


@dataclass(frozen=True)
class Stored:
    """One marketplace order as a store holds it, in the store's own state."""

    order_id: Any
    customer_order_number: str
    units: dict[str, int]
    cancelled: bool
    """Nothing of it will be shipped."""
    credited: dict[str, int]
    """SKU -> units taken off it or given back, in single steps together."""
    credits: int
    """Documents that took something off or gave something back."""
    total: int
    """Pence that the order came to, and that were given back of it."""
    given_back: int


class StoreSide(Protocol):
    name: str
    platform: str
    connection: dict[str, Any]
    """Keys of our connection beyond platform and address."""
    vendor: dict[str, Any]
    """How the simulated store behaves: at once."""

    def orders(self, sandbox: RunningSandbox, source: str | None = None) -> list[Stored]: ...
    def ship(self, sandbox: RunningSandbox, order_id: Any, company: str, **more: Any) -> Any: ...
    def cancel(self, sandbox: RunningSandbox, order_id: Any) -> Any: ...
    def take_off(self, sandbox: RunningSandbox, order_id: Any, sku: str, quantity: int) -> Any: ...
    def refund(self, sandbox: RunningSandbox, order_id: Any, sku: str, quantity: int) -> Any: ...


class ShopifySide:
    name = "shopify_main"
    platform = "shopify"

    def __init__(self) -> None:
        self.connection: dict[str, Any] = {}
        self.vendor: dict[str, Any] = {"search_lag_seconds": 0, "routing_seconds": 0, "job_seconds": 0}

    def orders(self, sandbox: RunningSandbox, source: str | None = None) -> list[Stored]:
        return [
            _shopify(order)
            for order in sandbox.documents(self.name, "orders")
            if source is None or order["sourceIdentifier"] == source
        ]

    def ship(self, sandbox: RunningSandbox, order_id: Any, company: str, **more: Any) -> Any:
        return sandbox.act(self.name, "ship", order_id=order_id, company=company, **more)

    def cancel(self, sandbox: RunningSandbox, order_id: Any) -> Any:
        return sandbox.act(self.name, "cancel_order", order_id=order_id)

    def take_off(self, sandbox: RunningSandbox, order_id: Any, sku: str, quantity: int) -> Any:
        return sandbox.act(self.name, "remove_unit", order_id=order_id, sku=sku, quantity=quantity)

    def refund(self, sandbox: RunningSandbox, order_id: Any, sku: str, quantity: int) -> Any:
        return sandbox.act(self.name, "refund", order_id=order_id, lines=[{"sku": sku, "quantity": quantity}])


def _shopify(order: dict[str, Any]) -> Stored:
    skus = {line["id"]: line["sku"] for line in order["lines"]}
    credited: Counter[str] = Counter()
    for refund in order["refunds"]:
        for line in refund["lines"]:
            credited[skus[line["lineId"]]] += line["quantity"]
    return Stored(
        order_id=order["id"],
        customer_order_number=order["poNumber"],
        units={line["sku"]: line["quantity"] for line in order["lines"]},
        cancelled=order["cancelledAt"] is not None,
        credited=dict(credited),
        credits=len(order["refunds"]),
        total=totals.total(order),
        given_back=totals.paid_back(order),
    )


class MagentoSide:
    name = "magento_main"
    platform = "magento"

    def __init__(self) -> None:
        keys = ("consumer_key", "consumer_secret", "access_token", "access_token_secret")
        self.connection: dict[str, Any] = {
            **{key: {"env": "TOWN_MAGENTO", "default": f"sandbox-magento-{key.replace('_', '-')}"} for key in keys},
            "reservations": "subtract",
            "brand_attribute": "brand",
            "doubt_settles_after": "1s",
        }
        self.vendor: dict[str, Any] = {}

    def orders(self, sandbox: RunningSandbox, source: str | None = None) -> list[Stored]:
        memos = sandbox.documents(self.name, "creditmemos")
        return [
            _magento(order, [memo for memo in memos if memo["order_id"] == order["entity_id"]])
            for order in sandbox.documents(self.name, "orders")
            if source is None or any(said.endswith(f" {source}") for said in order["payment"]["additional_information"])
        ]

    def ship(self, sandbox: RunningSandbox, order_id: Any, company: str, **more: Any) -> Any:
        return sandbox.act(self.name, "ship", order_id=order_id, company=company, **more)

    def cancel(self, sandbox: RunningSandbox, order_id: Any) -> Any:
        return sandbox.act(self.name, "cancel_order", order_id=order_id)

    def take_off(self, sandbox: RunningSandbox, order_id: Any, sku: str, quantity: int) -> Any:
        return sandbox.act(self.name, "remove_unit", order_id=order_id, sku=sku, quantity=quantity)

    def refund(self, sandbox: RunningSandbox, order_id: Any, sku: str, quantity: int) -> Any:
        # the units alone, as the other store does it: else what is left of the delivery is given back with them
        lines = [{"sku": sku, "quantity": quantity}]
        return sandbox.act(self.name, "refund", order_id=order_id, lines=lines, shipping=0)


def _magento(order: dict[str, Any], memos: list[dict[str, Any]]) -> Stored:
    credited: Counter[str] = Counter()
    for memo in memos:
        for item in memo["items"]:
            credited[item["sku"]] += item["qty"]
    return Stored(
        order_id=order["entity_id"],
        customer_order_number=order["ext_order_id"],
        units={item["sku"]: item["qty_ordered"] for item in order["items"]},
        cancelled=order["state"] in ("canceled", "closed"),
        credited=dict(credited),
        credits=len(memos),
        total=round(100 * order["grand_total"]),
        given_back=sum(round(100 * memo["grand_total"]) for memo in memos),
    )
