"""The seller's offers on the operator's products: price, quantity, discount, and why one does not sell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from marketplace_sync.sandbox.catalogue import LISTED_AT_JOHN_LEWIS_ONLY, products
from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.mirakl.settings import MiraklSettings
from marketplace_sync.sandbox.state import State

Offer = dict[str, Any]
FRESH: Offer = {
    "quantity": 0,
    "discount": None,
    "all_prices": [],
    "description": "",
    "internal_description": None,
    "price_additional_info": None,
    "leadtime_to_ship": None,
    "min_order_quantity": 0,
    "max_order_quantity": 0,
    "package_quantity": 0,
    "min_quantity_alert": 0,
    "available_started": None,
    "available_ended": None,
    "product_tax_code": None,
    "logistic_class": "DEFAULT",
    "msrp": None,
    "retail_prices": [],
    "warehouses": [],
}
"""What a field of an offer is when it was not sent: OF24 resets it to this. (Mirakl, offers)"""


class Offers:
    """Offers by the seller's SKU and products by the operator's. Money in minor units."""

    def __init__(self, state: State, clock: Clock, settings: MiraklSettings) -> None:
        self.settings = settings
        self._state = state
        self._clock = clock
        self._offers = state.collection("offers")
        self._products = state.collection("products")
        if not len(self._products):
            self._stock_up()
            state.commit()

    def _stock_up(self) -> None:
        for product in products():
            if product.sku == LISTED_AT_JOHN_LEWIS_ONLY:
                continue
            self.add_product(product.sku, product.barcode, product.title, product.brand, product.category)
            price = product.cost if self.settings.shop_model == "DROPSHIP" else product.price
            self.put(product.sku, f"P-{product.barcode}", {**FRESH, "price": price, "quantity": product.stock})

    def add_product(self, shop_sku: str, ean: str, title: str, brand: str, category: str) -> Offer:
        """The operator's catalogue has a product more. Its own SKU follows from the EAN."""
        document = {
            "sku": f"P-{ean}",
            "ean": ean,
            "shop_sku": shop_sku,
            "title": title,
            "brand": brand,
            "category": category,
        }
        return self._products.put(document["sku"], document)

    def product(self, kind: str, reference: str) -> Offer | None:
        """The product that is meant: by EAN, by the operator's SKU, or by the seller's."""
        if kind == "SKU":
            return self._products.get(reference)
        field = {"EAN": "ean", "SHOP_SKU": "shop_sku"}.get(kind)
        if field is None:
            return None
        return next((each for each in self._products.values() if each[field] == reference), None)

    def by_sku(self, sku: str) -> Offer:
        """Raises LookupError."""
        offer = self._offers.get(sku)
        if offer is None or offer["deleted"]:
            raise LookupError(f"no offer {sku!r} here")
        return offer

    def by_id(self, number: int) -> Offer:
        """Raises LookupError."""
        for offer in self.all():
            if offer["id"] == number:
                return offer
        raise LookupError(f"no offer {number}")

    def all(self) -> Iterator[Offer]:
        return (offer for offer in self._offers.values() if not offer["deleted"])

    def skus(self) -> list[str]:
        return [offer["sku"] for offer in self.all()]

    def put(self, sku: str, product_sku: str, fields: Offer) -> bool:
        """Create the offer or replace it altogether. True when it is new."""
        before = self._offers.get(sku)
        product = self._products[product_sku]
        number = before["id"] if before else self._state.counter("offer", 3001)
        document = {
            **fields,
            "id": number,
            "sku": sku,
            "product_sku": product_sku,
            "ean": product["ean"],
            "title": product["title"],
            "brand": product["brand"],
            "category": product["category"],
            "deleted": False,
        }
        self._offers.put(sku, document)
        return before is None or bool(before["deleted"])

    def change(self, sku: str, **changes: Any) -> None:
        self._offers.put(sku, {**self.by_sku(sku), **changes})

    def delete(self, sku: str) -> None:
        self._offers.put(sku, {**self.by_sku(sku), "deleted": True})

    def take(self, sku: str, quantity: int) -> None:
        """An order came: the marketplace takes it off the stock by itself, never below nothing."""
        offer = self.by_sku(sku)
        self.change(sku, quantity=max(0, offer["quantity"] - quantity))

    def give_back(self, sku: str, quantity: int) -> None:
        """What was ordered is not sent after all. An offer that is gone meanwhile gets nothing back."""
        offer = self._offers.get(sku)
        if offer is not None and not offer["deleted"]:
            self.change(sku, quantity=offer["quantity"] + quantity)

    def empty(self, sku: str) -> None:
        offer = self._offers.get(sku)
        if offer is not None and not offer["deleted"]:
            self.change(sku, quantity=0, warehouses=[])

    def inactivity(self, offer: Offer) -> list[str]:
        """Why the offer does not sell; empty when it does. (Mirakl, inactivity reasons)"""
        now = self._clock.timestamp()
        reasons = []
        if offer["quantity"] <= 0:
            reasons.append("ZERO_QUANTITY")
        if not offer["price"]:
            reasons.append("NO_ACTIVE_PRICE")
        started, ended = offer["available_started"], offer["available_ended"]
        if (started is not None and started > now) or (ended is not None and ended <= now):
            reasons.append("NOT_IN_AVAILABILITY_PERIOD")
        if 0 < offer["quantity"] < offer["min_order_quantity"]:
            reasons.append("AVAILABLE_QUANTITY_LESS_THAN_MIN_ORDER_QUANTITY")
        return reasons

    def price_now(self, offer: Offer) -> int:
        """The price a buyer pays now, the discount while it lasts."""
        discount = offer["discount"]
        now = self._clock.timestamp()
        if discount is None or discount["price"] is None:
            return int(offer["price"])
        begun = discount["start"] is None or discount["start"] <= now
        over = discount["end"] is not None and discount["end"] <= now
        return int(discount["price"] if begun and not over else offer["price"])
