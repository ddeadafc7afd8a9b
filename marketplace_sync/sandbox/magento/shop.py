"""What one Magento shop keeps, and how its rows are found: documents in the shape in which they are answered."""

from __future__ import annotations

import bisect
import itertools
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.magento.errors import NO_PRODUCT, Refused, no_such
from marketplace_sync.sandbox.magento.settings import Settings
from marketplace_sync.sandbox.state import Document, State

NAMES = ("increment_id", "ext_order_id")
"""Columns of an order by which it is looked up without a scan. (dedupe)"""


def sku_key(sku: str) -> str:
    """The database compares SKUs without case and trailing blanks. (products and SKUs)"""
    return sku.rstrip(" ").casefold()


def stamp(moment: datetime) -> str:
    """UTC without a mark of it, to the second. (time and polling)"""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


class Shop:
    """The tables. Change a document, then put it."""

    def __init__(self, state: State, clock: Clock, settings: Settings) -> None:
        self.state, self.clock, self.settings = state, clock, settings
        self.orders = state.collection("orders")
        self.invoices = state.collection("invoices")
        self.shipments = state.collection("shipments")
        self.creditmemos = state.collection("creditmemos")
        self.products = state.collection("products")
        self.categories = state.collection("categories")
        self.attributes = state.collection("attributes")
        self.sources = state.collection("sources")
        self.stocks = state.collection("stocks")
        self.source_items = state.collection("source_items")
        self.reservations = state.collection("reservations")
        self.bulks = state.collection("bulks")
        self._reindex()
        state.on_reload.append(self._reindex)

    def _reindex(self) -> None:
        self._numbers = {(o["increment_id"], o["store_id"]): key for key, o in self.orders.items()}
        self._named: dict[tuple[str, str], dict[str, None]] = {}
        for key, order in self.orders.items():
            self._name(key, order)
        self.to_ship = {key: None for key, order in self.orders.items() if order["state"] not in _AT_REST}
        self._moved = {key: None for key, _ in sorted(self.orders.items(), key=lambda one: str(one[1]["updated_at"]))}
        self._item_ids: list[int] = []
        self._order_of_item: dict[int, str] = {}
        for key, order in self.orders.items():
            self._enter_items(key, order)
        self._totals: dict[tuple[int, str], float] = {}
        for one in self.reservations.values():
            self._add_reservation(one)

    def now(self) -> str:
        return stamp(self.clock.now())

    def next_id(self, table: str) -> int:
        return self.state.counter(table)

    def next_number(self, kind: str, store_id: int | None) -> str:
        """The next of a store's sequence; every kind of paper has its own. (dedupe)"""
        store = store_id or 1
        number = self.state.counter(f"{kind} of store {store}", self.settings.sequence_start)
        return f"{'' if store == 1 else store}{number:09d}"

    # Orders

    def order(self, order_id: int | str) -> Document:
        """Raises Refused for an id that does not exist."""
        found = self.orders.get(str(order_id))
        if found is None:
            raise no_such("orderId", order_id)
        return found

    def numbered(self, increment_id: str, store_id: int | None) -> Document | None:
        key = self._numbers.get((increment_id, store_id))
        return None if key is None else self.orders[key]

    def _name(self, key: str, order: Document) -> None:
        for column in NAMES:
            if (name := order.get(column)) is not None:
                self._named.setdefault((column, sku_key(str(name))), {})[key] = None

    def orders_named(self, column: str, name: str) -> list[Document]:
        """Those that have, or once had, this name in one of the NAMES: what an index leaves to look through."""
        return [self.orders[key] for key in self._named.get((column, sku_key(name)), {})]

    def orders_moved_since(self, moment: str) -> list[Document]:
        """Those whose `updated_at` is this text or a later one, in the table's order."""
        found = itertools.takewhile(lambda key: self.orders[key]["updated_at"] >= moment, reversed(self._moved))
        return [self.orders[key] for key in sorted(found, key=int)]

    def items_after(self, item_id: int) -> Iterator[Document]:
        """Items of all orders with a higher id, by id."""
        for number in self._item_ids[bisect.bisect_right(self._item_ids, item_id) :]:
            yield from (one for one in self.orders[self._order_of_item[number]]["items"] if one["item_id"] == number)

    def _enter_items(self, key: str, order: Document) -> None:
        for item in order["items"]:
            if item["item_id"] not in self._order_of_item:
                self._order_of_item[item["item_id"]] = key
                bisect.insort(self._item_ids, item["item_id"])

    def put_order(self, order: Document, *, touch: bool = True) -> None:
        key = str(order["entity_id"])
        if touch:
            order["updated_at"] = self.now()
            self._moved.pop(key, None)
        self._moved[key] = None
        order["protect_code"] = secrets.token_hex(16)
        self.orders.put(key, order)
        self._enter_items(key, order)
        self._numbers[(order["increment_id"], order["store_id"])] = key
        self._name(key, order)
        if order["state"] in _AT_REST:
            self.to_ship.pop(key, None)
        else:
            self.to_ship[key] = None

    # Products

    def product(self, sku: str) -> Document:
        """Raises Refused for a SKU that does not exist."""
        found = self.products.get(sku_key(sku))
        if found is None:
            raise Refused(404, NO_PRODUCT)
        return found

    def product_by_id(self, product_id: Any) -> Document | None:
        return next((one for one in self.products.values() if one["id"] == product_id), None)

    # Stock

    def reserve(self, stock_id: int, sku: str, quantity: float, event: str, order: Document) -> None:
        """A reservation; negative when units are promised, positive when the promise is kept or given up."""
        number = self.next_id("reservation")
        one = {
            "reservation_id": number, "stock_id": stock_id, "sku": sku, "quantity": quantity,
            "metadata": {
                "event_type": event, "object_type": "order", "object_id": str(order["entity_id"]),
                "object_increment_id": order["increment_id"],
            },
        }  # fmt: skip
        self.reservations.put(str(number), one)
        self._add_reservation(one)

    def _add_reservation(self, one: Document) -> None:
        key = (one["stock_id"], sku_key(one["sku"]))
        self._totals[key] = self._totals.get(key, 0) + one["quantity"]

    def reserved(self, stock_id: int, sku: str) -> float:
        """The sum of reservations: negative as long as units are promised."""
        return self._totals.get((stock_id, sku_key(sku)), 0)


_AT_REST = ("complete", "closed", "canceled")
