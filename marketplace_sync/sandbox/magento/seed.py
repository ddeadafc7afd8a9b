"""What the shop holds when it opens: a website with two store views, a warehouse, the brand's products with stock."""

from __future__ import annotations

import re
from typing import Any

from marketplace_sync.sandbox.catalogue import Product, products
from marketplace_sync.sandbox.magento import stock
from marketplace_sync.sandbox.magento.amounts import exact, number
from marketplace_sync.sandbox.magento.shop import Shop, sku_key
from marketplace_sync.sandbox.state import Document

ROOT = 2
"""The website's root category; 1 is the root of roots."""

PRODUCT_ATTRIBUTES = {
    "name": ("text", "Product Name"), "sku": ("text", "SKU"), "price": ("price", "Price"), "cost": ("price", "Cost"),
    "description": ("textarea", "Description"), "url_key": ("text", "URL Key"), "weight": ("weight", "Weight"),
    "status": ("select", "Enable Product"), "visibility": ("select", "Visibility"),
    "tax_class_id": ("select", "Tax Class"), "category_ids": ("text", "Categories"),
    "brand": ("select", "Brand"), "collection": ("select", "Collection"), "ean": ("text", "EAN"),
    "colour": ("select", "Colour"),
}  # fmt: skip
"""Code to (input, label). The options of a select are numbers in products and have their labels here."""


def seed(shop: Shop) -> None:
    """Fill a shop that has never been opened. Prices include VAT."""
    if len(shop.sources):
        return
    source = new_source("default", "Northampton warehouse")
    shop.sources.put("default", source)
    shop.stocks.put("1", {"stock_id": 1, "name": "Default Stock", "channels": ["base"],
                          "links": [{"source_code": "default", "priority": 1}]})  # fmt: skip
    shop.categories.put("1", _category(shop, 1, "Root Catalog", None, 0))
    shop.categories.put(str(ROOT), _category(shop, ROOT, "Default Category", shop.categories["1"], 1))
    for place, (code, (kind, label)) in enumerate(PRODUCT_ATTRIBUTES.items(), start=73):
        shop.attributes.put(code, _attribute(place, code, kind, label))
    children: dict[str, list[int]] = {}
    for one in products():
        children.setdefault(one.sku.partition("-")[0], []).append(_add(shop, one))
    if shop.settings.configurables:
        for code, numbers in children.items():
            _configurable(shop, code, numbers)


def new_source(code: str, name: str) -> Document:
    return {
        "source_code": code, "name": name, "enabled": True, "description": "", "latitude": 0, "longitude": 0,
        "country_id": "GB", "postcode": "NN4 7AB", "city": "Northampton", "street": "4 Weaver Lane",
        "use_default_carrier_config": True, "carrier_links": [],
        "extension_attributes": {"is_pickup_location_active": False, "frontend_name": name},
    }  # fmt: skip


def _category(shop: Shop, number: int, name: str, parent: Document | None, position: int) -> Document:
    return {
        "id": number, "parent_id": parent["id"] if parent else 0, "name": name, "is_active": True,
        "position": position, "level": parent["level"] + 1 if parent else 0, "children": "",
        "created_at": shop.now(), "updated_at": shop.now(), "include_in_menu": True,
        "path": f"{parent['path']}/{number}" if parent else str(number),
    }  # fmt: skip


def category_id(shop: Shop, name: str) -> int:
    """The category of this name, made when there is none."""
    for one in shop.categories.values():
        if one["name"] == name:
            return int(one["id"])
    root = shop.categories[str(ROOT)]
    made = _category(shop, shop.state.counter("category", ROOT + 1), name, root, len(shop.categories))
    shop.categories.put(str(made["id"]), made)
    root["children"] = ",".join(part for part in (root["children"], str(made["id"])) if part)
    shop.categories.put(str(ROOT), root)
    return int(made["id"])


def _attribute(number: int, code: str, kind: str, label: str) -> Document:
    own = code in ("brand", "collection", "ean", "colour")
    return {
        "attribute_id": number, "attribute_code": code, "frontend_input": kind, "entity_type_id": "4",
        "is_required": code in ("name", "sku", "price"), "options": [], "is_user_defined": own,
        "default_frontend_label": label, "frontend_labels": [], "scope": "global" if code != "name" else "store",
        "backend_type": {"select": "int", "price": "decimal", "weight": "decimal"}.get(kind, "varchar"),
        "is_unique": "1" if code == "sku" else "0", "is_visible": True, "position": 0,
    }  # fmt: skip


def option_id(shop: Shop, code: str, label: str) -> str:
    """The number that stands for a value of a select, made when there is none."""
    attribute = shop.attributes[code]
    for one in attribute["options"]:
        if one["label"] == label:
            return str(one["value"])
    value = str(shop.state.counter("option", 5401))
    attribute["options"].append({"label": label, "value": value})
    shop.attributes.put(code, attribute)
    return value


def new_product(
    shop: Shop, sku: str, name: str, price: int, category: str, brand: str | None = None,
    collection: str | None = None, type_id: str = "simple", visibility: int = 4, **attributes: Any,
) -> Document:  # fmt: skip
    """A product without stock; put already. `price` in minor units."""
    product_id, now, category_ = shop.next_id("product"), shop.now(), category_id(shop, category)
    custom = {
        "description": name, "url_key": re.sub(r"[^a-z0-9]+", "-", f"{name} {sku}".lower()).strip("-"),
        "tax_class_id": "2", "category_ids": [str(ROOT), str(category_)], **attributes,
    }  # fmt: skip
    for code, label in (("brand", brand), ("collection", collection)):
        if label is not None:
            custom[code] = option_id(shop, code, label)
    product = {
        "id": product_id, "sku": sku, "name": name, "attribute_set_id": 4, 
        "price": number(exact(price) / 100),
        "status": 1, "visibility": visibility, "type_id": type_id, "created_at": now, "updated_at": now, "weight": 1,
        "product_links": [], "options": [], "media_gallery_entries": [], "tier_prices": [],
        "custom_attributes": [{"attribute_code": code, "value": value} for code, value in custom.items()],
        "extension_attributes": {
            "website_ids": [1],
            "category_links": [{"position": 0, "category_id": str(category_)}],
        },
    }  # fmt: skip
    shop.products.put(sku_key(sku), product)
    return product


def _add(shop: Shop, one: Product) -> int:
    product = new_product(
        shop, one.sku, one.title, one.price, one.category, one.brand, one.collection, ean=one.barcode,
        cost=f"{one.cost / 100:.6f}", visibility=1 if shop.settings.configurables else 4,
        colour=option_id(shop, "colour", one.title.partition(",")[2].strip().capitalize()),
    )  # fmt: skip
    stock.put_quantity(shop, "default", one.sku, one.stock, 1)
    return int(product["id"])


def _configurable(shop: Shop, code: str, children: list[int]) -> None:
    """The product under which its variants are sold in the web shop; it has no stock of its own."""
    first = shop.product_by_id(children[0])
    assert first is not None
    category = shop.categories[first["extension_attributes"]["category_links"][0]["category_id"]]
    parent = new_product(
        shop, code, first["name"].partition(",")[0], 0, category["name"], type_id="configurable"
    )  # fmt: skip
    parent["extension_attributes"]["configurable_product_links"] = children
    shop.products.put(sku_key(code), parent)
