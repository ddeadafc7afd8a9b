"""What the shop holds when it opens: one location, the brand's products with stock, its collections."""

from __future__ import annotations

import re
from typing import Any

from marketplace_sync.sandbox.catalogue import Product, products
from marketplace_sync.sandbox.shopify.shop import Shop
from marketplace_sync.sandbox.shopify.stock import new_level
from marketplace_sync.sandbox.state import Document


def seed(shop: Shop) -> None:
    """Fill a shop that has never been opened. Prices include VAT."""
    if len(shop.locations):
        return
    now = shop.now()
    location = new_location(shop, "Northampton warehouse", is_primary=True)
    shop.locations.put(str(location["id"]), location)
    groups: dict[str, list[Product]] = {}
    for product in products():
        groups.setdefault(product.sku.partition("-")[0], []).append(product)
    collections: dict[str, list[int]] = {}
    for group in groups.values():
        number = _product(shop, group)
        collections.setdefault(group[0].collection, []).append(number)
    for title, numbers in collections.items():
        collection = {
            "id": shop.next_id("Collection"), "title": title, "handle": handle(title), "updatedAt": now,
            "productIds": numbers,
        }  # fmt: skip
        shop.collections.put(str(collection["id"]), collection)


def new_location(shop: Shop, name: str, is_primary: bool) -> Document:
    """A location without stock; the caller puts it."""
    now = shop.now()
    return {
        "id": shop.next_id("Location"), "name": name, "isActive": True, "isPrimary": is_primary, "activatable": False,
        "deactivatedAt": None, "fulfillsOnlineOrders": True, "hasActiveInventory": is_primary,
        "isFulfillmentService": False, "shipsInventory": True, "createdAt": now, "updatedAt": now,
        "address": {
            "address1": "4 Weaver Lane", "address2": None, "city": "Northampton", "countryCode": "GB",
            "phone": "+441604000000", "province": None, "zip": "NN4 7AB",
        },
    }  # fmt: skip


def handle(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _product(shop: Shop, group: list[Product]) -> int:
    first = group[0]
    title = first.title.partition(",")[0]
    names = [one.title.partition(",")[2].strip().capitalize() for one in group]
    option = "Size" if {"Small", "Large"} & set(names) else "Colour"
    product = new_product(shop, title, first.brand, first.category, option, names)
    for one, name in zip(group, names, strict=True):
        new_variant(shop, product, name, one.sku, one.barcode, one.price, one.stock)
    shop.products.put(str(product["id"]), product)
    return int(product["id"])


def new_product(shop: Shop, title: str, vendor: str, product_type: str, option: str, values: list[str]) -> Document:
    """A product without variants yet; the caller puts it."""
    now = shop.now()
    return {
        "id": shop.next_id("Product"), "title": title, "handle": handle(title), "vendor": vendor,
        "productType": product_type, "status": "ACTIVE", "tags": [], "createdAt": now, "updatedAt": now,
        "publishedAt": now, "onlineStoreUrl": None, "metafields": [], "variantIds": [],
        "options": [{"id": shop.next_id("ProductOption"), "name": option, "position": 1, "values": values}],
    }  # fmt: skip


def new_variant(
    shop: Shop, product: Document, title: str, sku: str | None, barcode: str | None, price: int, available: int,
    **more: Any,
) -> Document:  # fmt: skip
    """A variant with its inventory item, stocked at the primary location. `price` in minor units."""
    now = shop.now()
    item: Document = {
        "id": shop.next_id("InventoryItem"), "variantId": None, "tracked": True, "createdAt": now, "updatedAt": now,
        "unitCost": None, "countryCodeOfOrigin": "GB", "harmonizedSystemCode": None,
        "levels": {str(shop.primary_location()["id"]): new_level(shop, available)},
    }  # fmt: skip
    variant: Document = {
        "id": shop.next_id("ProductVariant"), "productId": product["id"], "inventoryItemId": item["id"],
        "title": title, "sku": sku, "barcode": barcode, "price": price, "compareAtPrice": None,
        "inventoryPolicy": "DENY", "taxable": True, "position": len(product["variantIds"]) + 1, "createdAt": now,
        "selectedOptions": [{"name": product["options"][0]["name"], "value": title}], "metafields": [], **more,
    }  # fmt: skip
    item["variantId"] = variant["id"]
    product["variantIds"].append(variant["id"])
    shop.items.put(str(item["id"]), item)
    shop.save_variant(variant)
    return variant
