"""The shop behind the API: its documents, their indexes, its clock, and the list of what just happened in it."""

from __future__ import annotations

import contextlib
import itertools
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.shopify import totals
from marketplace_sync.sandbox.shopify.order_entry import order_entry
from marketplace_sync.sandbox.shopify.order_index import OrderIndex
from marketplace_sync.sandbox.shopify.schema import utc
from marketplace_sync.sandbox.shopify.settings import Settings
from marketplace_sync.sandbox.state import Collection, Document, State

APP_ID = 1045001

CLOSED = ("CLOSED", "CANCELLED")
"""Fulfilment orders that are over."""

# Ids of different kinds start far apart, so that a mix-up never hits an existing object by chance.
_FIRST_IDS = {
    "Order": 6101000000001, "LineItem": 15201000000001, "Fulfillment": 5301000000001,
    "FulfillmentLineItem": 16301000000001, "FulfillmentOrder": 7401000000001,
    "FulfillmentOrderLineItem": 17401000000001, "Refund": 901000000001, "RefundLineItem": 601000000001,
    "OrderTransaction": 8501000000001, "Product": 8601000000001, "ProductVariant": 46701000000001,
    "InventoryItem": 48801000000001, "InventoryLevel": 10801000001, "Location": 68901000001, "Collection": 441000000001,
    "ShippingLine": 5001000000001, "Return": 13001000001, "ReturnLineItem": 24001000001, "Metafield": 37001000000001,
    "MailingAddress": 9001000000001, "Customer": 7801000000001,
}  # fmt: skip


@dataclass
class Occurrence:
    """Something the shop tells its subscribers: a webhook topic and the document it is about."""

    topic: str
    order: Document | None = None
    subject: Document | None = None


class Shop:
    """Documents by number (as text), never handed out without what belongs to them."""

    def __init__(self, state: State, clock: Clock, settings: Settings) -> None:
        self.state = state
        self.clock = clock
        self.settings = settings
        self.orders = state.collection("orders")
        self.customers = state.collection("customers")
        self.products = state.collection("products")
        self.variants = state.collection("variants")
        self.items = state.collection("inventory_items")
        self.locations = state.collection("locations")
        self.collections = state.collection("collections")
        self.definitions = state.collection("metafield_definitions")
        self.jobs = state.collection("jobs")
        self.mails = state.collection("mails")
        self.adjustments = state.collection("inventory_adjustments")
        self.subscriptions = state.collection("webhook_subscriptions")
        self.publish: Callable[[str, list[Occurrence]], None] = lambda event, occurrences: None
        """Sends what happened to whom it may concern; set by whoever knows the subscribers."""
        self._occurrences: list[Occurrence] | None = None
        state.on_reload.append(self.build_indexes)
        self.build_indexes()

    # --- time and numbers

    def now(self) -> str:
        return utc(self.clock.now())

    def moment(self, timestamp: float) -> str:
        return utc(datetime.fromtimestamp(timestamp, UTC))

    def next_id(self, kind: str) -> int:
        return self.state.counter(kind, _FIRST_IDS.get(kind, 1001000001))

    # --- indexes

    def build_indexes(self) -> None:
        """Everything that is only in memory, made from the documents: at the start and after a rollback."""
        self.index = OrderIndex(order_entry, self.settings.deepest_object)
        self.order_of: dict[str, str] = {}
        """"Fulfillment/123" and the like to the key of the order it is a part of."""
        self.order_by_metafield: dict[tuple[str, str, str], str] = {}
        self.orders_by_source: dict[str, list[str]] = {}
        self.unrouted: dict[str, None] = {}
        self.to_ship: dict[str, None] = {}
        """Orders with something left to ship, in order of their numbers or nearly so."""
        self.with_open_work: dict[str, None] = {}
        """Orders with a fulfilment order that is not closed."""
        self.variants_by_sku: dict[str, list[str]] = {}
        lag = self.settings.search_lag_seconds
        changed: list[tuple[float, str]] = []
        for key, order in self.orders.items():
            self._index_parts(key, order)
            changed.append((datetime.fromisoformat(order["updatedAt"]).timestamp() + lag, key))
        for due, key in sorted(changed):
            self.index.later(key, due)
        for key, variant in self.variants.items():
            if variant["sku"]:
                self.variants_by_sku.setdefault(variant["sku"], []).append(key)

    def _index_parts(self, key: str, order: Document) -> None:
        for typename, name in (
            ("FulfillmentOrder", "fulfillmentOrders"), ("Fulfillment", "fulfillments"), ("Refund", "refunds"),
            ("Return", "returns"), ("LineItem", "lines"), ("OrderTransaction", "transactions"),
        ):  # fmt: skip
            for part in order[name]:
                self.order_of[f"{typename}/{part['id']}"] = key
        for metafield in order["metafields"]:
            if metafield["type"] == "id":
                self.order_by_metafield[(metafield["namespace"], metafield["key"], metafield["value"])] = key
        if order["sourceIdentifier"]:
            same = self.orders_by_source.setdefault(order["sourceIdentifier"], [])
            if key not in same:
                same.append(key)
        _mark(self.unrouted, key, order["routeDue"] is not None)
        left = order["cancelledAt"] is None and any(totals.unfulfilled(order, line) for line in order["lines"])
        _mark(self.to_ship, key, left)
        _mark(self.with_open_work, key, any(fo["status"] not in CLOSED for fo in order["fulfillmentOrders"]))

    def let_index_catch_up(self) -> None:
        """Let the search see what is due, as it is before anything else changes."""
        self.index.catch_up(self.clock.timestamp(), self.orders.get)

    def forget_metafield(self, namespace: str, key: str, value: str) -> None:
        self.order_by_metafield.pop((namespace, key, value), None)

    # --- documents

    def save_order(self, order: Document) -> None:
        """Keep a changed order: it is updated now, and the search will know later."""
        key = str(order["id"])
        order["updatedAt"] = self.now()
        self.orders.put(key, order)
        self._index_parts(key, order)
        self.index.later(key, self.clock.timestamp() + self.settings.search_lag_seconds)

    def save_variant(self, variant: Document) -> None:
        """Keep a changed variant. Its SKU never changes here."""
        key = str(variant["id"])
        variant["updatedAt"] = self.now()
        self.variants.put(key, variant)
        same = self.variants_by_sku.setdefault(variant["sku"], []) if variant["sku"] else []
        if key not in same:
            same.append(key)

    def delete_variant(self, variant: Document) -> None:
        key = str(variant["id"])
        self.variants.delete(key)
        if variant["sku"]:
            self.variants_by_sku[variant["sku"]].remove(key)

    def part(self, typename: str, key: str) -> tuple[Document, Document] | None:
        """The order and the part of it with this number, e.g. ("Refund", "901000000001")."""
        owner = self.order_of.get(f"{typename}/{key}")
        if owner is None:
            return None
        order = self.orders[owner]
        name = {
            "FulfillmentOrder": "fulfillmentOrders", "Fulfillment": "fulfillments", "Refund": "refunds",
            "Return": "returns", "LineItem": "lines", "OrderTransaction": "transactions",
        }[typename]  # fmt: skip
        return order, next(part for part in order[name] if str(part["id"]) == key)

    def mail(self, kind: str, order: Document, asked: bool | None) -> None:
        """The mail the shop sends to the buyer when it was asked to: kept, so that one nobody wanted can be seen."""
        if asked and order["email"]:
            key = str(self.state.counter("mails"))
            self.mails.put(key, {"kind": kind, "to": order["email"], "order": order["id"], "at": self.now()})

    def primary_location(self) -> Document:
        return next(location for location in self.locations.values() if location["isPrimary"])

    # --- what happened

    def happened(self, topic: str, order: Document | None = None, subject: Document | None = None) -> None:
        """Note for the subscribers. One action tells each topic about each subject once, however often it is noted."""
        if self._occurrences is None:
            raise RuntimeError(f"{topic} happened outside an action")
        for known in self._occurrences:
            if known.topic == topic and known.order is order and known.subject == subject:
                return
        self._occurrences.append(Occurrence(topic, order, subject))

    @contextlib.contextmanager
    def action(self) -> Iterator[None]:
        """One thing done by one person or program: all it causes shares one event id. Nothing is told if it fails."""
        if self._occurrences is not None:
            yield
            return
        self.let_index_catch_up()
        self._occurrences = []
        try:
            yield
            occurrences = self._occurrences
            if occurrences:
                self.publish(str(uuid.uuid4()), occurrences)
        finally:
            self._occurrences = None


def _mark(marked: dict[str, None], key: str, is_so: bool) -> None:
    if is_so:
        marked[key] = None
    else:
        marked.pop(key, None)


def forget_old(kept: Collection, before: float, most: int = 20) -> None:
    """Delete documents whose `at` lies before this moment, oldest first, a few at a time."""
    for key in [key for key, document in itertools.islice(kept.items(), most) if document["at"] < before]:
        kept.delete(key)


def find(parts: list[dict[str, Any]], number: int | str) -> dict[str, Any] | None:
    """The part with this number."""
    wanted = str(number)
    return next((part for part in parts if str(part["id"]) == wanted), None)
