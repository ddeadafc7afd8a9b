"""Orders: made, changed, closed, cancelled. What `orderCreate` does not promise it does not keep either."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from marketplace_sync.sandbox.shopify import stock, totals
from marketplace_sync.sandbox.shopify.customers import customer_of
from marketplace_sync.sandbox.shopify.fulfilment import route
from marketplace_sync.sandbox.shopify.metafields import put_metafields, read_metafields
from marketplace_sync.sandbox.shopify.order_input import OrderReader, address, tags
from marketplace_sync.sandbox.shopify.shop import Shop
from marketplace_sync.sandbox.shopify.things import Thing, split_gid
from marketplace_sync.sandbox.shopify.wiring import Call, Problem, Refused, mutation, refused
from marketplace_sync.sandbox.state import Document


@mutation("orderCreate", "write_orders")
def order_create(call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
    """Makes an order, and another one when called again: there is no idempotency here (Shopify, orderCreate)."""
    shop, given = call.shop, arguments["order"]
    options = arguments.get("options") or {}
    _check_rate(shop)
    try:
        metafields = read_metafields(shop, given.get("metafields") or [], None, "ORDER", "order", "metafields")
    except Refused as refusal:
        # This mutation has no codes of its own for metafields.
        raise Refused(*(Problem(p.message, p.field, "INVALID") for p in refusal.problems)) from None
    customer = customer_of(shop, given)
    order = OrderReader(shop, given).read()
    behaviour = options.get("inventoryBehaviour") or "BYPASS"
    if behaviour != "BYPASS":
        stock.claim(shop, order, obey=behaviour == "DECREMENT_OBEYING_POLICY")
    if customer is not None:
        order["customerId"] = customer.keep(order)
    put_metafields(shop, order, metafields)
    order["routeDue"] = shop.clock.timestamp() + shop.settings.routing_seconds
    if shop.settings.routing_seconds <= 0:
        route(shop, order)
    shop.save_order(order)
    shop.mail("receipt", order, options.get("sendReceipt"))
    shop.happened("orders/create", order)
    if totals.financial_status(order) == "PAID":
        shop.happened("orders/paid", order)
    for transaction in order["transactions"]:
        shop.happened("order_transactions/create", order, transaction)
    return {"order": Thing("Order", order)}


def _check_rate(shop: Shop) -> None:
    """Trial and development stores take five orders a minute (Shopify, orderCreate)."""
    most = shop.settings.orders_per_minute
    if most is None:
        return
    now = shop.clock.timestamp()
    lately = 0
    for order in reversed(list(shop.orders.values())):
        if now - datetime.fromisoformat(order["createdAt"]).timestamp() >= 60:
            break
        lately += 1
    if lately >= most:
        raise refused("Too many attempts. Please try again later.", code="INVALID")


def order_of(shop: Shop, given: str, *path: str) -> Document:
    """The order with this global id. Raises Refused."""
    parts = split_gid(given)
    order = shop.orders.get(parts[1]) if parts and parts[0] == "Order" else None
    if order is None:
        raise refused("Order does not exist", *path)
    return order


@mutation("orderUpdate", "write_orders")
def order_update(call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
    """Changes what is given; `tags` and `customAttributes` replace the whole list (Shopify, orderUpdate)."""
    shop, given = call.shop, arguments["input"]
    order = order_of(shop, given["id"], "id")
    metafields = read_metafields(shop, given.get("metafields") or [], order, "ORDER", "input", "metafields")
    for name in ("note", "email", "phone", "poNumber"):
        if name in given:
            order[name] = given[name]
    if given.get("tags") is not None:
        order["tags"] = tags(given["tags"])
    if given.get("customAttributes") is not None:
        order["customAttributes"] = [dict(attribute) for attribute in given["customAttributes"]]
    if given.get("shippingAddress") is not None:
        order["shippingAddress"] = address(shop, given["shippingAddress"])
    put_metafields(shop, order, metafields)
    return _changed(shop, order)


def _changed(shop: Shop, order: Document) -> dict[str, Any]:
    shop.save_order(order)
    shop.happened("orders/updated", order)
    return {"order": Thing("Order", order)}


@mutation("orderClose", "write_orders")
def order_close(call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
    order = order_of(call.shop, arguments["input"]["id"], "id")
    order["closedAt"] = order["closedAt"] or call.shop.now()
    return _changed(call.shop, order)


@mutation("orderOpen", "write_orders")
def order_open(call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
    order = order_of(call.shop, arguments["input"]["id"], "id")
    order["closedAt"] = None
    return _changed(call.shop, order)


@mutation("orderMarkAsPaid", "write_orders")
def order_mark_as_paid(call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
    shop = call.shop
    order = order_of(shop, arguments["input"]["id"], "id")
    if totals.outstanding(order) == 0 or order["cancelledAt"]:
        raise refused("Order cannot be marked as paid.", "id")
    now = shop.now()
    order["financialStatusGiven"] = None
    order["transactions"].append(
        {
            "id": shop.next_id("OrderTransaction"), "kind": "SALE", "status": "SUCCESS",
            "amount": totals.outstanding(order), "gateway": "manual", "authorizationCode": None, "processedAt": now,
            "createdAt": now, "parentId": None, "test": False,
        }
    )  # fmt: skip
    shop.happened("orders/paid", order)
    return _changed(shop, order)


def _taggable(shop: Shop, given: str) -> tuple[str, Document]:
    parts = split_gid(given)
    kept = {"Order": shop.orders, "Product": shop.products, "Customer": shop.customers}
    document = kept[parts[0]].get(parts[1]) if parts and parts[0] in kept else None
    if parts is None or document is None:
        raise refused("Resource does not exist", "id")
    return parts[0], document


def _retag(shop: Shop, typename: str, document: Document, new: list[str]) -> dict[str, Any]:
    document["tags"] = tags(new)
    if typename == "Order":
        _changed(shop, document)
    else:
        document["updatedAt"] = shop.now()
        (shop.products if typename == "Product" else shop.customers).put(str(document["id"]), document)
    return {"node": Thing(typename, document)}


@mutation("tagsAdd", "write_orders", "write_products", "write_customers")
def tags_add(call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
    typename, document = _taggable(call.shop, arguments["id"])
    return _retag(call.shop, typename, document, [*document["tags"], *arguments["tags"]])


@mutation("tagsRemove", "write_orders", "write_products", "write_customers")
def tags_remove(call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
    typename, document = _taggable(call.shop, arguments["id"])
    gone = {tag.lower() for tag in tags(arguments["tags"])}
    return _retag(call.shop, typename, document, [tag for tag in document["tags"] if tag.lower() not in gone])
