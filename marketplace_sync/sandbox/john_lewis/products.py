"""The account's products at John Lewis: stock numbers, stock, and the moments when a product cannot be changed."""

from __future__ import annotations

import random
from typing import Any

from marketplace_sync.sandbox import catalogue
from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.john_lewis.settings import EdgeSettings
from marketplace_sync.sandbox.john_lewis.wire import money
from marketplace_sync.sandbox.state import Document, State

_FIRST_ID = 617172
_CATEGORIES = {"Kitchen": 5544, "Bedroom": 5551, "Living room": 5560, "Lighting": 5572}


class Publishing(Exception):
    """The product is locked while the retailer's systems are being updated."""


class Products:
    """Products by id, found by our SKU and by the retailer's stock number."""

    def __init__(self, state: State, clock: Clock, settings: EdgeSettings, chance: random.Random) -> None:
        self.settings = settings
        self._state = state
        self._clock = clock
        self._chance = chance
        self._products = state.collection("products")
        state.on_reload.append(self._rebuild)
        if not len(self._products):
            for product in catalogue.products():
                self.add(
                    product.sku, product.title, product.cost, product.stock_number, product.barcode,
                    brand=product.brand, category=product.category,
                )  # fmt: skip
            only_here = catalogue.LISTED_AT_JOHN_LEWIS_ONLY
            self.add(only_here, "Teal glass vase", 1900, "81499990", "5012345999003", brand="Hearth & Field")
            state.commit()
        self._rebuild()

    def _rebuild(self) -> None:
        self._by_sku = {product["sku"]: key for key, product in self._products.items()}
        self._by_part = {product["part_number"]: key for key, product in self._products.items()}

    def add(
        self,
        sku: str,
        title: str,
        cost: int,
        part_number: str,
        barcode: str,
        *,
        brand: str = "",
        category: str = "Living room",
    ) -> Document:
        """List a product; `cost` is in pence."""
        number = self._state.counter("product", _FIRST_ID)
        document = {
            "id": number,
            "sku": sku,
            "part_number": part_number,
            "barcode": barcode,
            "title": title,
            "cost": cost,
            "category_id": _CATEGORIES.get(category, 5599),
            "publishing_until": 0.0,
            "stock_updates": 0,
            "data": {
                "supplier_sku": sku,
                "ean": barcode,
                "product_name": title,
                "brand": brand,
                "cost_price": money(cost),
                "leadtime_in_days": 3,
                "back_in_stock_date": "",
                "supplier_free_stock": 0,
            },
        }
        self._put(document)
        return document

    def _put(self, document: Document) -> None:
        self._products.put(str(document["id"]), document)
        if hasattr(self, "_by_sku"):
            self._by_sku[document["sku"]] = self._by_part[document["part_number"]] = str(document["id"])

    def page(self, part_number: str | None, offset: int, limit: int) -> tuple[int, list[Document]]:
        found = list(self._products.values()) if part_number is None else self.with_part_number(part_number)
        return len(found), found[offset : offset + limit]

    def with_part_number(self, part_number: str) -> list[Document]:
        return [self._products[self._by_part[part_number]]] if part_number in self._by_part else []

    def get(self, product_id: str) -> Document | None:
        return self._products.get(product_id)

    def by_sku(self, sku: str) -> Document:
        """Raises LookupError naming how to list a product first."""
        if sku not in self._by_sku:
            raise LookupError(f"John Lewis lists no {sku!r}: list it with the act add_product, or use a SKU it knows")
        return self._products[self._by_sku[sku]]

    def change(self, product: Document, data: dict[str, Any]) -> Document:
        """Replace some of a product's data. Raises Publishing."""
        now = self._clock.timestamp()
        if product["publishing_until"] > now:
            raise Publishing
        if self._chance.random() < self.settings.publishing_rate:
            self._put({**product, "publishing_until": now + self.settings.publishing_seconds})
            raise Publishing
        if "free_stock" in data:
            data = {**data, "supplier_free_stock": data["free_stock"]}
            del data["free_stock"]
        changed = {**product, "data": {**product["data"], **data}, "changed_at": self._clock.now().isoformat()}
        changed["stock_updates"] += "supplier_free_stock" in data
        self._put(changed)
        return changed

    def publish(self, sku: str, seconds: float) -> Document:
        product = {**self.by_sku(sku), "publishing_until": self._clock.timestamp() + seconds}
        self._put(product)
        return product

    def change_part_number(self, sku: str) -> dict[str, str]:
        """Restructure the assortment: the product goes on under a new stock number and id; the old ones are gone."""
        old = self.by_sku(sku)
        number = self._state.counter("product", _FIRST_ID)
        new = {**old, "id": number, "part_number": str(82_000_000 + (number - _FIRST_ID) * 211)}
        self._products.delete(str(old["id"]))
        self._put(new)
        self._rebuild()
        return {"sku": sku, "old_part_number": old["part_number"], "part_number": str(new["part_number"])}

    def skus(self) -> list[str]:
        return list(self._by_sku)
