"""Resolvers of products, variants, collections, stock and locations."""

from __future__ import annotations

from typing import Any

from marketplace_sync.sandbox.shopify import stock
from marketplace_sync.sandbox.shopify.money import money, plain
from marketplace_sync.sandbox.shopify.order_fields import Info, first_of, shop_of
from marketplace_sync.sandbox.shopify.paging import Connection, connect, connect_list
from marketplace_sync.sandbox.shopify.shop import Shop
from marketplace_sync.sandbox.shopify.things import Thing, TopLevelError, gid, key_of
from marketplace_sync.sandbox.shopify.wiring import require, resolves
from marketplace_sync.sandbox.state import Document


def variants_of(shop: Shop, product: Document) -> list[Document]:
    found = [shop.variants.get(str(number)) for number in product["variantIds"]]
    return [variant for variant in found if variant is not None]


def item_of(shop: Shop, variant: Document) -> Document:
    return shop.items[str(variant["inventoryItemId"])]


# --- products


@resolves("Product", "variants")
def product_variants(thing: Thing, info: Info, **arguments: Any) -> Connection:
    found = variants_of(shop_of(info), thing.doc)
    return connect_list(found, arguments, "variants", lambda one: Thing("ProductVariant", one))


@resolves("Product", "collections")
def product_collections(thing: Thing, info: Info, **arguments: Any) -> Connection:
    found = [one for one in shop_of(info).collections.values() if thing.doc["id"] in one["productIds"]]
    return connect_list(found, arguments, "collections", lambda one: Thing("Collection", one))


@resolves("Product", "options")
def product_options(thing: Thing, info: Info, first: int | None = None) -> list[Thing]:
    return [Thing("ProductOption", option) for option in first_of(thing.doc["options"], first)]


@resolves("Product", "inCollection")
def product_in_collection(thing: Thing, info: Info, id: str) -> bool:
    found = shop_of(info).collections.get(key_of(id, "Collection"))
    return found is not None and thing.doc["id"] in found["productIds"]


@resolves("Product", "totalInventory", "tracksInventory", "hasOnlyDefaultVariant", "variantsCount", "isGiftCard")
def product_derived(thing: Thing, info: Info) -> Any:
    shop, name = shop_of(info), info.field_name
    variants = variants_of(shop, thing.doc)
    if name == "variantsCount":
        return {"count": len(variants), "precision": "EXACT"}
    if name == "isGiftCard":
        return False
    if name == "hasOnlyDefaultVariant":
        return len(variants) == 1 and variants[0]["title"] == "Default Title"
    items = [item_of(shop, variant) for variant in variants]
    if name == "tracksInventory":
        return any(item["tracked"] for item in items)
    return sum(stock.total_available(item) for item in items if item["tracked"])


@resolves("Product", "description", "descriptionHtml")
@resolves("Collection", "description", "descriptionHtml")
def described(thing: Thing, info: Info, truncateAt: int | None = None) -> str:
    text = str(thing.doc["title"])
    return f"<p>{text}</p>" if info.field_name == "descriptionHtml" else text[:truncateAt]


# --- variants


@resolves("ProductVariant", "product", "inventoryItem")
def variant_links(thing: Thing, info: Info) -> Thing:
    shop = shop_of(info)
    if info.field_name == "product":
        return Thing("Product", shop.products[str(thing.doc["productId"])])
    return Thing("InventoryItem", item_of(shop, thing.doc))


@resolves(
    "ProductVariant", "price", "compareAtPrice", "displayName", "inventoryQuantity", "sellableOnlineQuantity",
    "availableForSale",
)  # fmt: skip
def variant_derived(thing: Thing, info: Info) -> Any:
    shop, variant, name = shop_of(info), thing.doc, info.field_name
    if name == "price":
        return plain(variant["price"], shop.settings.currency)
    if name == "compareAtPrice":
        return plain(variant["compareAtPrice"], shop.settings.currency) if variant["compareAtPrice"] else None
    if name == "displayName":
        product = shop.products[str(variant["productId"])]
        return f"{product['title']} - {variant['title']}"
    item = item_of(shop, variant)
    if name == "inventoryQuantity":
        return stock.total_available(item)
    if name == "sellableOnlineQuantity":
        return max(0, stock.total_available(item))
    return not item["tracked"] or variant["inventoryPolicy"] == "CONTINUE" or stock.total_available(item) > 0


# --- collections


@resolves("Collection", "products")
def collection_products(thing: Thing, info: Info, **arguments: Any) -> Connection:
    shop = shop_of(info)
    found = [shop.products[str(number)] for number in sorted(thing.doc["productIds"])]
    return connect_list(found, arguments, "products", lambda one: Thing("Product", one))


@resolves("Collection", "productsCount", "hasProduct")
def collection_derived(thing: Thing, info: Info, id: str = "") -> Any:
    if info.field_name == "productsCount":
        return {"count": len(thing.doc["productIds"]), "precision": "EXACT"}
    return int(key_of(id, "Product")) in thing.doc["productIds"]


# --- inventory items and levels


def level_thing(item: Document, location: str | int) -> Thing:
    level = item["levels"][str(location)]
    return Thing("InventoryLevel", {**level, "item": item["id"], "location": int(location)})


@resolves("InventoryItem", "variant", "variants")
def item_variants(thing: Thing, info: Info, **arguments: Any) -> Any:
    variant = shop_of(info).variants.get(str(thing.doc["variantId"]))
    if info.field_name == "variant":
        return Thing("ProductVariant", variant) if variant else None
    found = [variant] if variant else []
    return connect_list(found, arguments, "variants", lambda one: Thing("ProductVariant", one))


@resolves("InventoryItem", "inventoryLevel")
def item_level(thing: Thing, info: Info, locationId: str, includeInactive: bool = False) -> Thing | None:
    location = key_of(locationId, "Location")
    level = thing.doc["levels"].get(location)
    return level_thing(thing.doc, location) if level and (level["isActive"] or includeInactive) else None


@resolves("InventoryItem", "inventoryLevels")
def item_levels(thing: Thing, info: Info, **arguments: Any) -> Connection:
    found = [
        (int(location), level["id"])
        for location, level in thing.doc["levels"].items()
        if level["isActive"] or arguments.get("includeInactive")
    ]
    found.sort(key=lambda one: one[1])
    return connect(
        found, arguments, keys=[(0, number) for _, number in found], sort="inventoryLevels",
        node=lambda one: level_thing(thing.doc, one[0]),
    )  # fmt: skip


@resolves("InventoryItem", "duplicateSkuCount", "locationsCount", "measurement", "unitCost", "sku", "requiresShipping")
def item_derived(thing: Thing, info: Info) -> Any:
    shop, item, name = shop_of(info), thing.doc, info.field_name
    if name == "locationsCount":
        return {"count": len(item["levels"]), "precision": "EXACT"}
    if name == "measurement":
        return Thing("InventoryItemMeasurement", {"id": item["id"], "weight": {"value": 0.5, "unit": "KILOGRAMS"}})
    if name == "unitCost":
        return money(item["unitCost"], shop.settings.currency) if item["unitCost"] is not None else None
    if name == "requiresShipping":
        return True
    variant = shop.variants.get(str(item["variantId"]))
    sku = variant["sku"] if variant else None
    if name == "sku":
        return sku
    return max(0, len(shop.variants_by_sku.get(sku, ())) - 1) if sku else 0


@resolves("InventoryLevel", "id", "item", "location", "canDeactivate")
def level_links(thing: Thing, info: Info) -> Any:
    level, shop = thing.doc, shop_of(info)
    if info.field_name == "id":
        return level_gid(level)
    if info.field_name == "canDeactivate":
        return True
    if info.field_name == "item":
        return Thing("InventoryItem", shop.items[str(level["item"])])
    return Thing("Location", shop.locations[str(level["location"])])


def level_gid(level: Document) -> str:
    return f"{gid('InventoryLevel', level['id'])}?inventory_item_id={level['item']}"


@resolves("InventoryLevel", "quantities")
def level_quantities(thing: Thing, info: Info, names: list[str]) -> list[dict[str, Any]]:
    level = thing.doc
    for name in names:
        if name not in stock.NAMES:
            raise TopLevelError(f"The quantity name '{name}' is not known", "INVALID_FIELD_ARGUMENTS")
    return [
        {
            "id": f"{gid('InventoryQuantity', level['id'])}?inventory_item_id={level['item']}&name={name}",
            "name": name,
            "quantity": stock.quantity(level, name),
            "updatedAt": level["updatedAt"],
        }
        for name in names
    ]


@resolves("InventoryAdjustmentGroup", "changes")
def group_changes(thing: Thing, info: Info, **arguments: Any) -> list[dict[str, Any]]:
    shop = shop_of(info)
    wanted = {
        "item": {int(key_of(one, "InventoryItem")) for one in arguments.get("inventoryItemIds") or []},
        "location": {int(key_of(one, "Location")) for one in arguments.get("locationIds") or []},
        "name": set(arguments.get("quantityNames") or []),
    }
    return [
        {
            **change,
            "item": Thing("InventoryItem", shop.items[str(change["item"])]),
            "location": Thing("Location", shop.locations[str(change["location"])]),
        }
        for change in thing.doc["changes"]
        if all(not some or change[name] in some for name, some in wanted.items())
    ]


# --- locations


@resolves("Location", "address")
def location_address(thing: Thing, info: Info) -> dict[str, Any]:
    address = thing.doc["address"]
    return {
        **address,
        "country": "United Kingdom",
        "formatted": [address["address1"], f"{address['zip']} {address['city']}", "United Kingdom"],
        "provinceCode": None,
    }


@resolves("Location", "inventoryLevel")
def location_level(thing: Thing, info: Info, inventoryItemId: str, includeInactive: bool = False) -> Thing | None:
    item = shop_of(info).items.get(key_of(inventoryItemId, "InventoryItem"))
    level = item["levels"].get(str(thing.doc["id"])) if item else None
    return level_thing(item, thing.doc["id"]) if item and level and (level["isActive"] or includeInactive) else None


@resolves("Location", "inventoryLevels")
def location_levels(thing: Thing, info: Info, **arguments: Any) -> Connection:
    require(info.context, "inventoryLevels", ("read_inventory", "write_inventory"))
    place = str(thing.doc["id"])
    found = [
        item
        for item in shop_of(info).items.values()
        if place in item["levels"] and (item["levels"][place]["isActive"] or arguments.get("includeInactive"))
    ]
    found.sort(key=lambda item: item["levels"][place]["id"])
    return connect(
        found, arguments, keys=[(0, item["levels"][place]["id"]) for item in found], sort="inventoryLevels",
        node=lambda item: level_thing(item, place),
    )  # fmt: skip
