"""Resolvers of fulfilment orders, fulfilments, refunds and returns."""

from __future__ import annotations

from typing import Any

from marketplace_sync.sandbox.shopify import totals
from marketplace_sync.sandbox.shopify.money import share
from marketplace_sync.sandbox.shopify.order_fields import Info, as_bag, first_of, line_thing, shop_of
from marketplace_sync.sandbox.shopify.paging import Connection, connect_list
from marketplace_sync.sandbox.shopify.returns import refunded_units, value_of
from marketplace_sync.sandbox.shopify.shop import find
from marketplace_sync.sandbox.shopify.things import Thing, gid
from marketplace_sync.sandbox.shopify.wiring import resolves
from marketplace_sync.sandbox.state import Document


@resolves("FulfillmentOrder", "order")
@resolves("Fulfillment", "order")
@resolves("Refund", "order")
@resolves("Return", "order")
def order_of_part(thing: Thing, info: Info) -> Thing:
    return Thing("Order", thing.of_order())


@resolves("FulfillmentOrderLineItem", "lineItem")
@resolves("FulfillmentLineItem", "lineItem")
@resolves("RefundLineItem", "lineItem")
def line_of_part(thing: Thing, info: Info) -> Thing:
    return line_thing(thing.of_order(), thing.doc["lineId"])


@resolves("Fulfillment", "location")
@resolves("RefundLineItem", "location")
def location_of_part(thing: Thing, info: Info) -> Thing | None:
    location = shop_of(info).locations.get(str(thing.doc["locationId"]))
    return Thing("Location", location) if location else None


# --- fulfilment orders


@resolves("FulfillmentOrder", "orderId", "orderName", "orderProcessedAt", "fulfillmentHolds", "supportedActions")
def fulfillment_order_derived(thing: Thing, info: Info) -> Any:
    order, name = thing.of_order(), info.field_name
    if name == "orderId":
        return gid("Order", order["id"])
    if name == "orderName":
        return order["name"]
    if name == "orderProcessedAt":
        return order["processedAt"]
    if name == "fulfillmentHolds":
        return []
    able = thing.doc["status"] in ("OPEN", "IN_PROGRESS")
    actions = ("CREATE_FULFILLMENT", "REPORT_PROGRESS", "MOVE", "HOLD", "SPLIT") if able else ()
    return [{"action": action, "externalUrl": None} for action in actions]


@resolves("FulfillmentOrder", "assignedLocation")
def fulfillment_order_location(thing: Thing, info: Info) -> dict[str, Any]:
    location = shop_of(info).locations[str(thing.doc["locationId"])]
    return {**location["address"], "name": location["name"], "location": Thing("Location", location)}


@resolves("FulfillmentOrder", "lineItems")
def fulfillment_order_lines(thing: Thing, info: Info, **arguments: Any) -> Connection:
    order = thing.of_order()
    return connect_list(
        thing.doc["lines"], arguments, "lineItems", lambda row: Thing("FulfillmentOrderLineItem", row, order)
    )


@resolves("FulfillmentOrder", "fulfillments")
def fulfillment_order_fulfillments(thing: Thing, info: Info, **arguments: Any) -> Connection:
    order = thing.of_order()
    found = [f for f in order["fulfillments"] if thing.doc["id"] in f["fulfillmentOrderIds"]]
    return connect_list(found, arguments, "fulfillments", lambda one: Thing("Fulfillment", one, order))


_FROM_LINE = {
    "productTitle": "title", "requiresShipping": "requiresShipping", "sku": "sku", "variantTitle": "variantTitle",
    "vendor": "vendor",
}  # fmt: skip


@resolves("FulfillmentOrderLineItem", *_FROM_LINE, "inventoryItemId", "totalQuantity", "remainingQuantity", "variant")
def fulfillment_order_line(thing: Thing, info: Info) -> Any:
    name = info.field_name
    if name == "totalQuantity":
        return thing.doc["total"]
    if name == "remainingQuantity":
        return thing.doc["remaining"]
    line = line_thing(thing.of_order(), thing.doc["lineId"]).doc
    if name == "inventoryItemId":
        return gid("InventoryItem", line["inventoryItemId"]) if line["inventoryItemId"] else None
    if name == "variant":
        variant = shop_of(info).variants.get(str(line["variantId"]))
        return Thing("ProductVariant", variant) if variant else None
    return line[_FROM_LINE[name]]


# --- fulfilments


@resolves("Fulfillment", "totalQuantity", "requiresShipping", "service")
def fulfillment_derived(thing: Thing, info: Info) -> Any:
    if info.field_name == "totalQuantity":
        return sum(row["quantity"] for row in thing.doc["lines"])
    if info.field_name == "requiresShipping":
        return True
    return {
        "id": gid("FulfillmentService", "1001?id=true"),
        "handle": "manual",
        "serviceName": "Manual",
        "inventoryManagement": False,
        "location": None,
        "trackingSupport": False,
        "type": "MANUAL",
    }


@resolves("Fulfillment", "trackingInfo")
def fulfillment_tracking(thing: Thing, info: Info, first: int | None = None) -> list[Document]:
    return first_of(thing.doc["trackingInfo"], first)


@resolves("Fulfillment", "fulfillmentLineItems")
def fulfillment_lines(thing: Thing, info: Info, **arguments: Any) -> Connection:
    order = thing.of_order()
    return connect_list(
        thing.doc["lines"], arguments, "fulfillmentLineItems", lambda row: Thing("FulfillmentLineItem", row, order)
    )


@resolves("Fulfillment", "fulfillmentOrders")
def fulfillment_fulfillment_orders(thing: Thing, info: Info, **arguments: Any) -> Connection:
    order = thing.of_order()
    found = [fo for fo in order["fulfillmentOrders"] if fo["id"] in thing.doc["fulfillmentOrderIds"]]
    return connect_list(found, arguments, "fulfillmentOrders", lambda fo: Thing("FulfillmentOrder", fo, order))


@resolves("Fulfillment", "events")
def fulfillment_events(thing: Thing, info: Info, **arguments: Any) -> Connection:
    order = thing.of_order()
    return connect_list(thing.doc["events"], arguments, "events", lambda one: Thing("FulfillmentEvent", one, order))


@resolves("FulfillmentLineItem", "originalTotalSet", "discountedTotalSet")
def fulfillment_line_sum(thing: Thing, info: Info) -> dict[str, Any]:
    order, row = thing.of_order(), thing.doc
    line = line_thing(order, row["lineId"]).doc
    if info.field_name == "originalTotalSet":
        return as_bag(order, line["price"] * row["quantity"])
    return as_bag(order, share(totals.line_total(line), 0, row["quantity"], line["quantity"]))


# --- refunds


@resolves("Refund", "refundLineItems")
def refund_lines(thing: Thing, info: Info, **arguments: Any) -> Connection:
    order = thing.of_order()
    return connect_list(
        thing.doc["lines"], arguments, "refundLineItems", lambda row: Thing("RefundLineItem", row, order)
    )


@resolves("Refund", "refundShippingLines")
def refund_shipping_lines(thing: Thing, info: Info, **arguments: Any) -> Connection:
    order = thing.of_order()
    return connect_list(
        thing.doc["shipping"], arguments, "refundShippingLines", lambda row: Thing("RefundShippingLine", row, order)
    )


@resolves("Refund", "orderAdjustments")
def refund_adjustments(thing: Thing, info: Info, **arguments: Any) -> Connection:
    order = thing.of_order()
    return connect_list(
        thing.doc["adjustments"], arguments, "orderAdjustments", lambda row: Thing("OrderAdjustment", row, order)
    )


@resolves("Refund", "transactions")
def refund_transactions(thing: Thing, info: Info, **arguments: Any) -> Connection:
    order = thing.of_order()
    found = [t for t in order["transactions"] if t["id"] in thing.doc["transactions"]]
    return connect_list(found, arguments, "transactions", lambda t: Thing("OrderTransaction", t, order))


@resolves("Refund", "totalRefundedSet", "return")
def refund_derived(thing: Thing, info: Info) -> Any:
    order, refund = thing.of_order(), thing.doc
    if info.field_name == "return":
        entry = find(order["returns"], refund["returnId"]) if refund["returnId"] else None
        return Thing("Return", entry, order) if entry else None
    return as_bag(order, sum(t["amount"] for t in order["transactions"] if t["id"] in refund["transactions"]))


@resolves("RefundLineItem", "id", "priceSet", "subtotalSet", "totalTaxSet")
def refund_line_derived(thing: Thing, info: Info) -> Any:
    if info.field_name == "id":
        return thing.gid if thing.doc["id"] is not None else None
    kept = {"priceSet": "price", "subtotalSet": "subtotal", "totalTaxSet": "tax"}[info.field_name]
    return as_bag(thing.of_order(), thing.doc[kept])


@resolves("RefundShippingLine", "shippingLine", "subtotalAmountSet", "taxAmountSet")
def refund_shipping_line(thing: Thing, info: Info) -> Any:
    order = thing.of_order()
    if info.field_name == "shippingLine":
        line = find(order["shippingLines"], thing.doc["shippingLineId"])
        assert line is not None
        return Thing("ShippingLine", line, order)
    return as_bag(order, thing.doc["amount" if info.field_name == "subtotalAmountSet" else "tax"])


@resolves("OrderAdjustment", "amountSet", "taxAmountSet")
def adjustment_sum(thing: Thing, info: Info) -> dict[str, Any]:
    return as_bag(thing.of_order(), thing.doc["amount" if info.field_name == "amountSet" else "tax"])


# --- returns


@resolves("Return", "totalQuantity", "refunds", "returnLineItems")
def return_derived(thing: Thing, info: Info, **arguments: Any) -> Any:
    order, entry = thing.of_order(), thing.doc
    if info.field_name == "totalQuantity":
        return sum(row["quantity"] for row in entry["lines"])
    if info.field_name == "refunds":
        found = [refund for refund in order["refunds"] if refund["returnId"] == entry["id"]]
        return connect_list(found, arguments, "refunds", lambda refund: Thing("Refund", refund, order))
    rows = [{**row, "return": entry} for row in entry["lines"]]
    return connect_list(rows, arguments, "returnLineItems", lambda row: Thing("ReturnLineItem", row, order))


@resolves(
    "ReturnLineItem", "fulfillmentLineItem", "processableQuantity", "processedQuantity", "refundableQuantity",
    "refundedQuantity", "unprocessedQuantity", "withCodeDiscountedTotalPriceSet", "returnReasonDefinition",
)  # fmt: skip
def return_line_derived(thing: Thing, info: Info) -> Any:
    order, row = thing.of_order(), thing.doc
    name = info.field_name
    if name == "fulfillmentLineItem":
        rows = [one for f in order["fulfillments"] for one in f["lines"]]
        shipped = find(rows, row["fulfillmentLineId"])
        assert shipped is not None
        return Thing("FulfillmentLineItem", shipped, order)
    if name == "withCodeDiscountedTotalPriceSet":
        return as_bag(order, value_of(order, row))
    if name == "returnReasonDefinition":
        handle = row["returnReason"].lower().replace("_", "-")
        definition = {"id": 1, "handle": handle, "name": handle.replace("-", " ").capitalize(), "deleted": False}
        return Thing("ReturnReasonDefinition", definition)
    refunded = refunded_units(order, row["return"], row)
    if name in ("refundedQuantity", "processedQuantity"):
        return refunded
    return row["quantity"] - refunded
