"""Resolvers of order lines, shipping lines, transactions, addresses, customers, and of metafields on anything."""

from __future__ import annotations

from typing import Any

from marketplace_sync.sandbox.shopify import totals
from marketplace_sync.sandbox.shopify.metafields import namespace as full_name
from marketplace_sync.sandbox.shopify.money import share
from marketplace_sync.sandbox.shopify.order_fields import Info, as_bag, first_of, shop_of, tax_line
from marketplace_sync.sandbox.shopify.paging import Connection, connect_list
from marketplace_sync.sandbox.shopify.shop import find
from marketplace_sync.sandbox.shopify.things import Thing
from marketplace_sync.sandbox.shopify.wiring import resolves
from marketplace_sync.sandbox.state import Document

# --- metafields, of whatever has them


@resolves("Order", "metafield")
@resolves("Product", "metafield")
@resolves("ProductVariant", "metafield")
def metafield(thing: Thing, info: Info, key: str, namespace: str | None = None) -> Thing | None:
    """Without a namespace the app's own is meant."""
    full = full_name(namespace)
    for one in thing.doc["metafields"]:
        if (one["namespace"], one["key"]) == (full, key):
            return Thing("Metafield", one, thing.doc)
    return None


@resolves("Order", "metafields")
@resolves("Product", "metafields")
@resolves("ProductVariant", "metafields")
def metafields(thing: Thing, info: Info, **arguments: Any) -> Connection:
    found = thing.doc["metafields"]
    if arguments.get("namespace") is not None:
        found = [one for one in found if one["namespace"] == full_name(arguments["namespace"])]
    if arguments.get("keys") is not None:
        wanted = [key.rpartition(".") for key in arguments["keys"]]
        names = {(full_name(space), key) for space, _, key in wanted}
        found = [one for one in found if (one["namespace"], one["key"]) in names]
    return connect_list(found, arguments, "metafields", lambda one: Thing("Metafield", one, thing.doc))


# --- lines


def _per_unit(line: Document) -> int:
    return share(totals.line_total(line), 0, 1, line["quantity"])


_LINE_SUMS: dict[str, Any] = {
    "originalUnitPriceSet": lambda line: line["price"],
    "originalTotalSet": lambda line: line["price"] * line["quantity"],
    "discountedUnitPriceSet": lambda line: line["price"],
    "discountedUnitPriceAfterAllDiscountsSet": _per_unit,
    "totalDiscountSet": lambda line: line["discount"],
}


@resolves("LineItem", *_LINE_SUMS)
def line_sum(thing: Thing, info: Info) -> dict[str, Any]:
    return as_bag(thing.of_order(), _LINE_SUMS[info.field_name](thing.doc))


@resolves("LineItem", "discountedTotalSet")
def line_discounted_total(thing: Thing, info: Info, withCodeDiscounts: bool = False) -> dict[str, Any]:
    line = thing.doc
    whole = totals.line_total(line) if withCodeDiscounts else line["price"] * line["quantity"]
    return as_bag(thing.of_order(), whole)


@resolves(
    "LineItem", "currentQuantity", "refundableQuantity", "unfulfilledQuantity", "fulfillableQuantity",
    "nonFulfillableQuantity", "restockable", "fulfillmentStatus", "name",
)  # fmt: skip
def line_derived(thing: Thing, info: Info) -> Any:
    order, line = thing.of_order(), thing.doc
    name = info.field_name
    if name in ("currentQuantity", "refundableQuantity"):
        return totals.current(order, line)
    if name in ("unfulfilledQuantity", "fulfillableQuantity"):
        return totals.unfulfilled(order, line)
    if name == "nonFulfillableQuantity":
        return line["quantity"] - totals.fulfilled(order, line["id"]) - totals.unfulfilled(order, line)
    if name == "restockable":
        return line["variantId"] is not None
    if name == "fulfillmentStatus":
        done = totals.fulfilled(order, line["id"])
        return "unfulfilled" if not done else "partial" if totals.unfulfilled(order, line) else "fulfilled"
    return f"{line['title']} - {line['variantTitle']}" if line["variantTitle"] else line["title"]


@resolves("LineItem", "variant")
def line_variant(thing: Thing, info: Info) -> Thing | None:
    variant = shop_of(info).variants.get(str(thing.doc["variantId"]))
    return Thing("ProductVariant", variant) if variant else None


@resolves("LineItem", "product")
def line_product(thing: Thing, info: Info) -> Thing | None:
    product = shop_of(info).products.get(str(thing.doc["productId"]))
    return Thing("Product", product) if product else None


@resolves("LineItem", "taxLines")
def line_tax_lines(thing: Thing, info: Info, first: int | None = None) -> list[dict[str, Any]]:
    return [tax_line(thing.of_order(), tax) for tax in first_of(thing.doc["taxLines"], first)]


@resolves("ShippingLine", "taxLines")
def shipping_tax_lines(thing: Thing, info: Info) -> list[dict[str, Any]]:
    return [tax_line(thing.of_order(), tax) for tax in thing.doc["taxLines"]]


@resolves("ShippingLine", "originalPriceSet", "discountedPriceSet", "isRemoved")
def shipping_derived(thing: Thing, info: Info) -> Any:
    if info.field_name == "isRemoved":
        return False
    off = thing.doc["discount"] if info.field_name == "discountedPriceSet" else 0
    return as_bag(thing.of_order(), thing.doc["price"] - off)


# --- transactions, addresses, customers


@resolves("OrderTransaction", "amountSet", "formattedGateway", "manualPaymentGateway", "order", "parentTransaction")
def transaction_derived(thing: Thing, info: Info) -> Any:
    order, transaction = thing.of_order(), thing.doc
    if info.field_name == "amountSet":
        return as_bag(order, transaction["amount"])
    if info.field_name == "formattedGateway":
        return str(transaction["gateway"]).replace("_", " ").title()
    if info.field_name == "manualPaymentGateway":
        return True
    if info.field_name == "order":
        return Thing("Order", order)
    parent = find(order["transactions"], transaction["parentId"]) if transaction["parentId"] else None
    return Thing("OrderTransaction", parent, order) if parent else None


@resolves("MailingAddress", "name", "countryCodeV2", "formatted", "formattedArea")
def address_derived(thing: Thing, info: Info, withCompany: bool = True, withName: bool = False) -> Any:
    kept = thing.doc
    name = " ".join(part for part in (kept["firstName"], kept["lastName"]) if part) or None
    if info.field_name == "name":
        return name
    if info.field_name == "countryCodeV2":
        return kept["countryCode"]
    area = ", ".join(part for part in (kept["city"], kept["provinceCode"], kept["countryCode"]) if part)
    if info.field_name == "formattedArea":
        return area or None
    lines = [name if withName else None, kept["company"] if withCompany else None, kept["address1"], kept["address2"]]
    return [
        line for line in [*lines, " ".join(p for p in (kept["zip"], kept["city"]) if p), kept["countryCode"]] if line
    ]


@resolves("Customer", "displayName", "defaultAddress", "numberOfOrders", "orders")
def customer_derived(thing: Thing, info: Info, **arguments: Any) -> Any:
    customer = thing.doc
    if info.field_name == "displayName":
        name = " ".join(part for part in (customer["firstName"], customer["lastName"]) if part)
        return name or customer["email"] or customer["phone"] or ""
    if info.field_name == "defaultAddress":
        return Thing("MailingAddress", customer["defaultAddress"]) if customer["defaultAddress"] else None
    orders = [order for order in shop_of(info).orders.values() if order["customerId"] == customer["id"]]
    if info.field_name == "numberOfOrders":
        return str(len(orders))
    return connect_list(orders, arguments, "orders", lambda order: Thing("Order", order))
