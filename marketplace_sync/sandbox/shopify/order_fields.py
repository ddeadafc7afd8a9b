"""Resolvers of orders and their lines, transactions, addresses and customers."""

from __future__ import annotations

from typing import Any

from graphql import GraphQLResolveInfo

from marketplace_sync.sandbox.shopify import search, totals
from marketplace_sync.sandbox.shopify.fulfilment import READ_SCOPES
from marketplace_sync.sandbox.shopify.money import bag, minor, plain
from marketplace_sync.sandbox.shopify.paging import Connection, connect_list
from marketplace_sync.sandbox.shopify.shop import APP_ID, Shop, find
from marketplace_sync.sandbox.shopify.things import Thing, gid, key_of
from marketplace_sync.sandbox.shopify.wiring import require, resolves
from marketplace_sync.sandbox.state import Document

Info = GraphQLResolveInfo


def shop_of(info: Info) -> Shop:
    shop: Shop = info.context.shop
    return shop


def as_bag(order: Document, units: int) -> dict[str, Any]:
    return bag(units, order["currency"])


# --- sums

_SUMS = {
    "originalTotalPriceSet": totals.total,
    "totalPriceSet": totals.total,
    "currentTotalPriceSet": totals.current_total,
    "subtotalPriceSet": totals.subtotal,
    "currentSubtotalPriceSet": lambda order: totals.subtotal(order) - totals.refunded_subtotal(order),
    "totalTaxSet": totals.tax,
    "currentTotalTaxSet": lambda order: totals.tax(order) - totals.refunded_tax(order),
    "totalShippingPriceSet": totals.shipping,
    "totalDiscountsSet": totals.discounts,
    "currentTotalDiscountsSet": totals.discounts,
    "totalReceivedSet": totals.received,
    "totalRefundedSet": totals.paid_back,
    "totalRefundedShippingSet": totals.refunded_shipping,
    "netPaymentSet": lambda order: totals.received(order) - totals.paid_back(order),
    "totalOutstandingSet": totals.outstanding,
}


@resolves("Order", *_SUMS)
def order_sum(thing: Thing, info: Info) -> dict[str, Any]:
    return as_bag(thing.doc, _SUMS[info.field_name](thing.doc))


@resolves("Order", "totalPrice")
def order_total_price(thing: Thing, info: Info) -> str:
    return plain(totals.total(thing.doc), thing.doc["currency"])


# --- what follows from the order as a whole


def _units(order: Document, current: bool) -> int:
    return sum(totals.current(order, line) if current else line["quantity"] for line in order["lines"])


_DERIVED: dict[str, Any] = {
    "displayFinancialStatus": totals.financial_status,
    "displayFulfillmentStatus": totals.fulfillment_status,
    "returnStatus": totals.return_status,
    "closed": lambda order: order["closedAt"] is not None,
    "confirmed": lambda order: True,
    "fullyPaid": lambda order: totals.outstanding(order) == 0,
    "unpaid": lambda order: totals.received(order) == 0 and totals.total(order) > 0,
    "fulfillable": lambda order: any(totals.unfulfilled(order, line) for line in order["lines"]),
    "refundable": lambda order: (
        totals.received(order) > totals.paid_back(order) or any(totals.current(order, line) for line in order["lines"])
    ),
    "restockable": lambda order: any(line["variantId"] and totals.current(order, line) for line in order["lines"]),
    "requiresShipping": lambda order: any(line["requiresShipping"] for line in order["lines"]),
    "subtotalLineItemsQuantity": lambda order: _units(order, current=False),
    "currentSubtotalLineItemsQuantity": lambda order: _units(order, current=True),
    "currencyCode": lambda order: order["currency"],
    "presentmentCurrencyCode": lambda order: order["currency"],
    "billingAddressMatchesShippingAddress": lambda order: _same_address(order),
    "cancellation": lambda order: {"staffNote": order["staffNote"]} if order["cancelledAt"] else None,
    "discountCodes": lambda order: [order["discountCode"]] if order["discountCode"] else [],
    "paymentGatewayNames": lambda order: list(dict.fromkeys(t["gateway"] for t in order["transactions"])),
    "registeredSourceUrl": lambda order: order["sourceUrl"],
    "fulfillmentsCount": lambda order: {"count": len(order["fulfillments"]), "precision": "EXACT"},
    "transactionsCount": lambda order: {"count": len(order["transactions"]), "precision": "EXACT"},
    "app": lambda order: {"id": gid("App", APP_ID), "name": "Sandbox connector"},
    "attribution": lambda order: {"handle": "sandbox-connector", "displayName": "Sandbox connector"},
}


def _same_address(order: Document) -> bool:
    first, second = order["shippingAddress"], order["billingAddress"]
    if first is None or second is None:
        return first is second
    return {**first, "id": 0} == {**second, "id": 0}


@resolves("Order", *_DERIVED)
def order_derived(thing: Thing, info: Info) -> Any:
    return _DERIVED[info.field_name](thing.doc)


# --- parts


def line_thing(order: Document, line_id: int) -> Thing:
    line = find(order["lines"], line_id)
    assert line is not None
    return Thing("LineItem", line, order)


@resolves("Order", "lineItems")
def order_lines(thing: Thing, info: Info, **arguments: Any) -> Connection:
    return connect_list(thing.doc["lines"], arguments, "lineItems", lambda line: Thing("LineItem", line, thing.doc))


@resolves("Order", "nonFulfillableLineItems")
def order_unshippable_lines(thing: Thing, info: Info, **arguments: Any) -> Connection:
    order = thing.doc
    lines = [line for line in order["lines"] if totals.unfulfilled(order, line) < line["quantity"]]
    return connect_list(lines, arguments, "nonFulfillableLineItems", lambda line: Thing("LineItem", line, order))


@resolves("Order", "shippingLines")
def order_shipping_lines(thing: Thing, info: Info, **arguments: Any) -> Connection:
    order = thing.doc
    return connect_list(
        order["shippingLines"], arguments, "shippingLines", lambda line: Thing("ShippingLine", line, order)
    )


@resolves("Order", "shippingLine")
def order_shipping_line(thing: Thing, info: Info) -> Thing | None:
    lines = thing.doc["shippingLines"]
    return Thing("ShippingLine", lines[0], thing.doc) if lines else None


def first_of(items: list[Any], first: int | None) -> list[Any]:
    """Plain lists are cut off without a word."""
    return items if first is None else items[: max(0, first)]


@resolves("Order", "fulfillments")
def order_fulfillments(thing: Thing, info: Info, first: int | None = None, query: str | None = None) -> list[Thing]:
    found = thing.doc["fulfillments"]
    if query:
        asked = search.read(query)
        found = [f for f in found if search.matches(asked, _fulfillment_entry(f))]
    return [Thing("Fulfillment", fulfillment, thing.doc) for fulfillment in first_of(found, first)]


def _fulfillment_entry(fulfillment: Document) -> dict[str, Any]:
    return {
        "id": fulfillment["id"],
        "created_at": fulfillment["createdAt"],
        "updated_at": fulfillment["updatedAt"],
        "status": fulfillment["status"].lower(),
        "default": ["id"],
    }


@resolves("Order", "fulfillmentOrders")
def order_fulfillment_orders(thing: Thing, info: Info, **arguments: Any) -> Connection:
    require(info.context, "fulfillmentOrders", READ_SCOPES)
    order = thing.doc
    found = order["fulfillmentOrders"]
    if arguments.get("displayable"):
        found = [fo for fo in found if fo["status"] != "CANCELLED"]
    if arguments.get("query"):
        asked = search.read(arguments["query"])
        found = [fo for fo in found if search.matches(asked, fulfillment_order_entry(fo))]
    return connect_list(found, arguments, "fulfillmentOrders", lambda fo: Thing("FulfillmentOrder", fo, order))


def fulfillment_order_entry(fulfillment_order: Document) -> dict[str, Any]:
    return {
        "id": fulfillment_order["id"],
        "status": fulfillment_order["status"].lower(),
        "assigned_location_id": fulfillment_order["locationId"],
        "updated_at": fulfillment_order["updatedAt"],
        "default": ["id"],
    }


@resolves("Order", "refunds")
def order_refunds(thing: Thing, info: Info, first: int | None = None) -> list[Thing]:
    return [Thing("Refund", refund, thing.doc) for refund in first_of(thing.doc["refunds"], first)]


@resolves("Order", "returns")
def order_returns(thing: Thing, info: Info, **arguments: Any) -> Connection:
    require(info.context, "returns", ("read_returns", "write_returns"))
    return connect_list(thing.doc["returns"], arguments, "returns", lambda one: Thing("Return", one, thing.doc))


@resolves("Order", "transactions")
def order_transactions(thing: Thing, info: Info, first: int | None = None) -> list[Thing]:
    return [Thing("OrderTransaction", t, thing.doc) for t in first_of(thing.doc["transactions"], first)]


@resolves("Order", "taxLines")
def order_tax_lines(thing: Thing, info: Info) -> list[dict[str, Any]]:
    """The order's taxes, one line per title and rate."""
    order = thing.doc
    found: dict[tuple[str, str], Document] = {}
    for line in [*order["lines"], *order["shippingLines"]]:
        for tax in line["taxLines"]:
            same = found.setdefault((tax["title"], tax["rate"]), {**tax, "price": 0})
            same["price"] += tax["price"]
    return [tax_line(order, tax) for tax in found.values()]


def tax_line(order: Document, tax: Document) -> dict[str, Any]:
    return {
        "title": tax["title"],
        "rate": float(tax["rate"]),
        "ratePercentage": float(tax["rate"]) * 100,
        "channelLiable": tax["channelLiable"],
        "source": None,
        "price": plain(tax["price"], order["currency"]),
        "priceSet": as_bag(order, tax["price"]),
    }


@resolves("Order", "shippingAddress", "billingAddress")
def order_address(thing: Thing, info: Info) -> Thing | None:
    kept = thing.doc[info.field_name]
    return Thing("MailingAddress", kept) if kept else None


@resolves("Order", "customer")
def order_customer(thing: Thing, info: Info) -> Thing | None:
    require(info.context, "customer", ("read_customers", "write_customers"))
    customer = shop_of(info).customers.get(str(thing.doc["customerId"]))
    return Thing("Customer", customer) if customer else None


@resolves("Order", "suggestedRefund")
def order_suggested_refund(thing: Thing, info: Info, **arguments: Any) -> dict[str, Any]:
    """The sums a refund of these units would have (Shopify, suggestedRefund)."""
    order = thing.doc
    wanted: list[tuple[Document, int]] = []
    if arguments.get("suggestFullRefund"):
        wanted = [(line, totals.current(order, line)) for line in order["lines"] if totals.current(order, line)]
    else:
        for one in arguments.get("refundLineItems") or []:
            line = find(order["lines"], key_of(one["lineItemId"], "LineItem"))
            if line is not None:
                wanted.append((line, min(one["quantity"], totals.current(order, line))))
    rows, subtotal, tax = [], 0, 0
    for line, units in wanted:
        part, part_tax = totals.refund_share(order, line, units)
        subtotal, tax = subtotal + part, tax + part_tax
        row = {
            "id": None, "lineId": line["id"], "quantity": units, "restockType": "NO_RESTOCK", "restocked": False,
            "locationId": None, "price": line["price"], "subtotal": part, "tax": part_tax,
        }  # fmt: skip
        rows.append(Thing("RefundLineItem", row, order))
    left = totals.shipping(order) - totals.refunded_shipping(order)
    shipping = 0
    if arguments.get("refundShipping") or arguments.get("suggestFullRefund"):
        shipping = left
    elif arguments.get("shippingAmount") is not None:
        shipping = minor(arguments["shippingAmount"], order["currency"])
    most = totals.received(order) - totals.paid_back(order)
    amount = min(most, subtotal + shipping + (0 if order["taxesIncluded"] else tax))
    paid = next((t for t in order["transactions"] if t["kind"] in ("SALE", "CAPTURE")), None)
    suggestion = {
        "amountSet": as_bag(order, amount),
        "gateway": paid["gateway"] if paid else None,
        "kind": "SUGGESTED_REFUND",
        "parentTransaction": Thing("OrderTransaction", paid, order) if paid else None,
        "maximumRefundableSet": as_bag(order, most),
    }
    return {
        "amountSet": as_bag(order, amount),
        "subtotalSet": as_bag(order, subtotal),
        "discountedSubtotalSet": as_bag(order, subtotal),
        "maximumRefundableSet": as_bag(order, most),
        "totalTaxSet": as_bag(order, tax),
        "refundLineItems": rows,
        "suggestedTransactions": [suggestion] if paid and amount else [],
        "shipping": {
            "amountSet": as_bag(order, shipping),
            "maximumRefundableSet": as_bag(order, left),
            "taxSet": as_bag(order, 0),
        },
    }
