"""The root queries: what can be looked up and searched, by whom, and how far back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from marketplace_sync.sandbox.shopify import search, stock
from marketplace_sync.sandbox.shopify.catalogue_fields import level_thing
from marketplace_sync.sandbox.shopify.fulfilment import READ_SCOPES, WRITE_SCOPES
from marketplace_sync.sandbox.shopify.metafields import definition, namespace, order_by_custom_id
from marketplace_sync.sandbox.shopify.order_entry import SORT_FIELDS
from marketplace_sync.sandbox.shopify.order_fields import fulfillment_order_entry
from marketplace_sync.sandbox.shopify.paging import Connection, connect, connect_list
from marketplace_sync.sandbox.shopify.shop import CLOSED, Shop
from marketplace_sync.sandbox.shopify.things import Thing, TopLevelError, key_of, split_gid
from marketplace_sync.sandbox.shopify.wiring import Call, require, root
from marketplace_sync.sandbox.state import Document

Arguments = dict[str, Any]

READ_ORDERS = ("read_orders", "write_orders")
READ_PRODUCTS = ("read_products", "write_products")
READ_INVENTORY = ("read_inventory", "write_inventory", "read_products")
READ_FULFILMENT = (*READ_SCOPES, *WRITE_SCOPES)


# --- orders


def oldest_visible(call: Call) -> float | None:
    """The moment before which orders do not exist for this app; None when it may see all of them."""
    if "read_all_orders" in call.scopes:
        return None
    return call.shop.clock.timestamp() - call.shop.settings.visible_days * 86400


def is_visible(call: Call, order: Document) -> bool:
    oldest = oldest_visible(call)
    return oldest is None or datetime.fromisoformat(order["createdAt"]).timestamp() >= oldest


def _order(call: Call, order: Document | None) -> Thing | None:
    return Thing("Order", order) if order is not None and is_visible(call, order) else None


@root("order", *READ_ORDERS)
def order(call: Call, arguments: Arguments) -> Thing | None:
    return _order(call, call.shop.orders.get(key_of(arguments["id"], "Order")))


@root("orderByIdentifier", *READ_ORDERS)
def order_by_identifier(call: Call, arguments: Arguments) -> Thing | None:
    """Reads the database, not the search index: it sees what was just written."""
    identifier = arguments["identifier"]
    if "id" in identifier:
        return order(call, identifier)  # type: ignore[no-any-return]
    return _order(call, order_by_custom_id(call.shop, identifier["customId"]))


def _order_query(call: Call, text: str | None) -> search.Query | None:
    asked = search.read(text) if text and text.strip() else None
    for term in search.terms(asked) if asked else ():
        if term.field.startswith("metafields."):
            _check_metafield_filter(call.shop, term.field)
    oldest = oldest_visible(call)
    if oldest is None:
        return asked
    bound = search.Term("created_at", ">=", call.shop.moment(oldest))
    return search.And((bound, asked)) if asked else bound


def _check_metafield_filter(shop: Shop, name: str) -> None:
    """A filter on a metafield without a filterable definition is an error (Shopify, since 2026-10)."""
    _, _, rest = name.partition(".")
    full, _, key = rest.rpartition(".")
    known = definition(shop, "ORDER", namespace(full), key)
    if known is None or not known["filterable"]:
        raise TopLevelError(f"Invalid metafield filter: {name} has no filterable definition", "BAD_REQUEST")


@root("orders", *READ_ORDERS)
def orders(call: Call, arguments: Arguments) -> Connection:
    """Searches the index, which is behind. Sorted by PROCESSED_AT unless told otherwise."""
    shop = call.shop
    shop.let_index_catch_up()
    asked = _order_query(call, arguments.get("query"))
    page = shop.index.page(asked, SORT_FIELDS[arguments.get("sortKey") or "PROCESSED_AT"], arguments)
    page.nodes = [Thing("Order", shop.orders[key]) for key in page.nodes]
    return page


@root("ordersCount", *READ_ORDERS)
def orders_count(call: Call, arguments: Arguments) -> Document:
    shop = call.shop
    shop.let_index_catch_up()
    count = shop.index.count(_order_query(call, arguments.get("query")))
    limit = arguments.get("limit")
    if limit is not None and count > limit:
        return {"count": limit, "precision": "AT_LEAST"}
    return {"count": count, "precision": "EXACT"}


def _part(call: Call, typename: str, given: str) -> Thing | None:
    found = call.shop.part(typename, key_of(given, typename))
    return Thing(typename, found[1], found[0]) if found and is_visible(call, found[0]) else None


@root("fulfillment", *READ_ORDERS, "read_fulfillments")
def fulfillment(call: Call, arguments: Arguments) -> Thing | None:
    return _part(call, "Fulfillment", arguments["id"])


@root("fulfillmentOrder", *READ_FULFILMENT)
def fulfillment_order(call: Call, arguments: Arguments) -> Thing | None:
    return _part(call, "FulfillmentOrder", arguments["id"])


@root("refund", *READ_ORDERS)
def refund(call: Call, arguments: Arguments) -> Thing | None:
    return _part(call, "Refund", arguments["id"])


@root("return", "read_returns", "write_returns")
def return_(call: Call, arguments: Arguments) -> Thing | None:
    return _part(call, "Return", arguments["id"])


@root("fulfillmentOrders", *READ_FULFILMENT)
def fulfillment_orders(call: Call, arguments: Arguments) -> Connection:
    asked = search.read(arguments["query"]) if arguments.get("query") else None
    shop = call.shop
    keys = shop.orders.keys() if arguments.get("includeClosed") else shop.with_open_work
    found = [
        (fo, order)
        for order in (shop.orders[key] for key in keys)
        if is_visible(call, order)
        for fo in order["fulfillmentOrders"]
        if (arguments.get("includeClosed") or fo["status"] not in CLOSED)
        and (asked is None or search.matches(asked, fulfillment_order_entry(fo)))
    ]
    by_time = arguments.get("sortKey") == "UPDATED_AT"
    rows = [((fo["updatedAt"] if by_time else 0, int(fo["id"])), fo, order) for fo, order in found]
    rows.sort(key=lambda row: row[0])
    return connect(
        rows, arguments, keys=[row[0] for row in rows], sort=str(arguments.get("sortKey")),
        node=lambda row: Thing("FulfillmentOrder", row[1], row[2]),
    )  # fmt: skip


@root("job")
def job(call: Call, arguments: Arguments) -> Document | None:
    kind, _, number = arguments["id"].removeprefix("gid://shopify/").partition("/")
    if kind != "Job":
        raise TopLevelError(f"Invalid id: {arguments['id']}", "RESOURCE_NOT_FOUND")
    found = call.shop.jobs.get(number)
    return {"id": arguments["id"], "done": found["done"], "query": {}} if found else None


@root("customer", "read_customers", "write_customers")
def customer(call: Call, arguments: Arguments) -> Thing | None:
    found = call.shop.customers.get(key_of(arguments["id"], "Customer"))
    return Thing("Customer", found) if found else None


# --- catalogue


def _searched(
    typename: str,
    documents: Iterable[Document],
    arguments: Arguments,
    entry: Callable[[Document], dict[str, Any]],
    sorts: dict[str, str],
) -> Connection:
    """A page of documents that match the search; these small sets need no index of their own."""
    found = list(documents)
    if arguments.get("query") and arguments["query"].strip():
        asked = search.read(arguments["query"])
        found = [one for one in found if search.matches(asked, entry(one))]
    sort = str(arguments.get("sortKey") or "ID")
    field = sorts.get(sort)
    rows = sorted((entry(one)[field] or "" if field else 0, int(one["id"])) for one in found)
    by_id = {int(one["id"]): one for one in found}
    return connect(
        rows, arguments, keys=rows, sort=f"{typename}/{sort}", node=lambda row: Thing(typename, by_id[row[1]])
    )


def _product_entry(product: Document) -> dict[str, Any]:
    return {
        "id": product["id"], "title": product["title"], "handle": product["handle"], "vendor": product["vendor"],
        "product_type": product["productType"], "tag": product["tags"], "status": product["status"].lower(),
        "created_at": product["createdAt"], "updated_at": product["updatedAt"],
        "published_at": product["publishedAt"], "published_status": "published",
        "default": ["title", "vendor", "product_type", "tag"],
    }  # fmt: skip


@root("products", *READ_PRODUCTS)
def products(call: Call, arguments: Arguments) -> Connection:
    sorts = {
        "TITLE": "title", "VENDOR": "vendor", "PRODUCT_TYPE": "product_type", "CREATED_AT": "created_at",
        "UPDATED_AT": "updated_at", "PUBLISHED_AT": "published_at",
    }  # fmt: skip
    shop = call.shop

    def entry(product: Document) -> dict[str, Any]:
        skus = [shop.variants[str(n)]["sku"] for n in product["variantIds"] if str(n) in shop.variants]
        return {**_product_entry(product), "sku": [sku for sku in skus if sku]}

    return _searched("Product", shop.products.values(), arguments, entry, sorts)


@root("productVariants", *READ_PRODUCTS)
def product_variants(call: Call, arguments: Arguments) -> Connection:
    shop = call.shop

    def entry(variant: Document) -> dict[str, Any]:
        product = shop.products[str(variant["productId"])]
        item = shop.items[str(variant["inventoryItemId"])]
        return {
            "id": variant["id"], "sku": variant["sku"] or "", "barcode": variant["barcode"] or "",
            "product_id": variant["productId"], "product_ids": variant["productId"],
            "product_status": product["status"].lower(), "updated_at": variant["updatedAt"],
            "created_at": variant["createdAt"], "tag": product["tags"], "vendor": product["vendor"],
            "title": variant["title"], "location_id": list(item["levels"]), "published_status": "published",
            "inventory_quantity": stock.total_available(item), "default": ["title", "sku", "barcode"],
            "full_title": f"{product['title']} {variant['title']}",
        }  # fmt: skip

    sorts = {"SKU": "sku", "TITLE": "title", "NAME": "title", "FULL_TITLE": "full_title"}
    return _searched("ProductVariant", shop.variants.values(), arguments, entry, sorts)


@root("collections", *READ_PRODUCTS)
def collections(call: Call, arguments: Arguments) -> Connection:
    def entry(one: Document) -> dict[str, Any]:
        return {
            "id": one["id"], "title": one["title"], "handle": one["handle"], "updated_at": one["updatedAt"],
            "default": ["title"],
        }  # fmt: skip

    sorts = {"TITLE": "title", "UPDATED_AT": "updated_at"}
    return _searched("Collection", call.shop.collections.values(), arguments, entry, sorts)


@root("product", *READ_PRODUCTS)
def product(call: Call, arguments: Arguments) -> Thing | None:
    found = call.shop.products.get(key_of(arguments["id"], "Product"))
    return Thing("Product", found) if found else None


@root("productVariant", *READ_PRODUCTS)
def product_variant(call: Call, arguments: Arguments) -> Thing | None:
    found = call.shop.variants.get(key_of(arguments["id"], "ProductVariant"))
    return Thing("ProductVariant", found) if found else None


@root("collection", *READ_PRODUCTS)
def collection(call: Call, arguments: Arguments) -> Thing | None:
    found = call.shop.collections.get(key_of(arguments["id"], "Collection"))
    return Thing("Collection", found) if found else None


# --- stock


@root("inventoryItems", *READ_INVENTORY)
def inventory_items(call: Call, arguments: Arguments) -> Connection:
    shop = call.shop

    def entry(item: Document) -> dict[str, Any]:
        variant = shop.variants.get(str(item["variantId"]))
        sku = variant["sku"] if variant else None
        return {
            "id": item["id"], "sku": sku or "", "created_at": item["createdAt"], "updated_at": item["updatedAt"],
            "default": ["sku"],
        }  # fmt: skip

    return _searched("InventoryItem", shop.items.values(), arguments, entry, {})


@root("inventoryItem", *READ_INVENTORY)
def inventory_item(call: Call, arguments: Arguments) -> Thing | None:
    found = call.shop.items.get(key_of(arguments["id"], "InventoryItem"))
    return Thing("InventoryItem", found) if found else None


@root("inventoryLevel", *READ_INVENTORY)
def inventory_level(call: Call, arguments: Arguments) -> Thing | None:
    number = key_of(arguments["id"], "InventoryLevel")
    for item in call.shop.items.values():
        for location, level in item["levels"].items():
            if str(level["id"]) == number:
                return level_thing(item, location)
    return None


@root("inventoryProperties", *READ_INVENTORY)
def inventory_properties(call: Call, arguments: Arguments) -> Document:
    return {
        "quantityNames": [
            {
                "name": name,
                "displayName": name.replace("_", " ").capitalize(),
                "isInUse": True,
                "belongsTo": ["on_hand"] if name in stock.STATES else [],
                "comprises": list(stock.STATES) if name == "on_hand" else [],
            }
            for name in stock.NAMES
        ]
    }


@root("locations", "read_locations", "read_inventory", "write_inventory")
def locations(call: Call, arguments: Arguments) -> Connection:
    def entry(one: Document) -> dict[str, Any]:
        return {"id": one["id"], "name": one["name"], "active": one["isActive"], "default": ["name"]}

    shown = [one for one in call.shop.locations.values() if one["isActive"] or arguments.get("includeInactive")]
    return _searched("Location", shown, arguments, entry, {"NAME": "name"})


@root("location", "read_locations", "read_inventory", "write_inventory")
def location(call: Call, arguments: Arguments) -> Thing | None:
    if arguments.get("id") is None:
        return Thing("Location", call.shop.primary_location())
    found = call.shop.locations.get(key_of(arguments["id"], "Location"))
    return Thing("Location", found) if found else None


# --- anything by its id


@root("node")
def node(call: Call, arguments: Arguments) -> Thing | None:
    parts = split_gid(arguments["id"])
    if parts is None:
        raise TopLevelError(f"Invalid id: {arguments['id']}", "RESOURCE_NOT_FOUND")
    typename = parts[0]
    if typename not in _BY_TYPE:
        return None
    function, scopes = _BY_TYPE[typename]
    require(call, "node", scopes)
    found: Thing | None = function(call, {"id": arguments["id"]})
    return found


@root("nodes")
def nodes(call: Call, arguments: Arguments) -> list[Thing | None]:
    return [node(call, {"id": one}) for one in arguments["ids"]]


_BY_TYPE: dict[str, tuple[Callable[[Call, Arguments], Any], tuple[str, ...]]] = {
    "Order": (order, READ_ORDERS),
    "Fulfillment": (fulfillment, READ_ORDERS),
    "FulfillmentOrder": (fulfillment_order, READ_FULFILMENT),
    "Refund": (refund, READ_ORDERS),
    "Return": (return_, ("read_returns",)),
    "Customer": (customer, ("read_customers",)),
    "Product": (product, READ_PRODUCTS),
    "ProductVariant": (product_variant, READ_PRODUCTS),
    "Collection": (collection, READ_PRODUCTS),
    "InventoryItem": (inventory_item, READ_INVENTORY),
    "InventoryLevel": (inventory_level, READ_INVENTORY),
    "Location": (location, ("read_locations", "read_inventory")),
}


# --- metafield definitions


@root("metafieldDefinition", *READ_ORDERS, *READ_PRODUCTS)
def metafield_definition(call: Call, arguments: Arguments) -> Thing | None:
    given = arguments.get("identifier")
    if given:
        found = definition(call.shop, given["ownerType"], namespace(given.get("namespace")), given["key"])
    else:
        wanted = key_of(arguments.get("id") or "", "MetafieldDefinition")
        found = next((one for one in call.shop.definitions.values() if str(one["id"]) == wanted), None)
    return Thing("MetafieldDefinition", found) if found else None


@root("metafieldDefinitions", *READ_ORDERS, *READ_PRODUCTS)
def metafield_definitions(call: Call, arguments: Arguments) -> Connection:
    wanted = {"ownerType": arguments["ownerType"]}
    if arguments.get("namespace") is not None:
        wanted["namespace"] = namespace(arguments["namespace"])
    if arguments.get("key") is not None:
        wanted["key"] = arguments["key"]
    found = [one for one in call.shop.definitions.values() if all(one[name] == v for name, v in wanted.items())]
    return connect_list(found, arguments, "metafieldDefinitions", lambda one: Thing("MetafieldDefinition", one))
