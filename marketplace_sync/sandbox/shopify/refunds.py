"""Refunds: units taken off before shipping, goods that came back, money alone, and the cancelling of whole orders."""

from __future__ import annotations

from typing import Any

from marketplace_sync.sandbox.shopify import stock, totals
from marketplace_sync.sandbox.shopify.fulfilment import settle, take_off
from marketplace_sync.sandbox.shopify.idempotency import idempotently
from marketplace_sync.sandbox.shopify.money import minor
from marketplace_sync.sandbox.shopify.orders import order_of
from marketplace_sync.sandbox.shopify.shop import Shop, find
from marketplace_sync.sandbox.shopify.things import Thing, split_gid
from marketplace_sync.sandbox.shopify.wiring import Call, mutation, refused
from marketplace_sync.sandbox.state import Document


def record(
    shop: Shop,
    order: Document,
    rows: list[tuple[Document, int, str, int | None]],
    *,
    shipping: int = 0,
    payments: list[tuple[int, str, int | None]] | None = None,
    note: str | None = None,
    reason: str | None = None,
    processed_at: str | None = None,
    return_id: int | None = None,
    removal: bool = False,
) -> Document:
    """Write a refund the caller has checked.

    `rows` are (line, units, restock type, location); `shipping` minor units; `payments` (minor units, gateway, parent
    transaction): none of them means that no money moved. What was paid beyond the sum of the lines becomes an
    adjustment. `removal`: the units had not left and are taken off the order, also those that nobody puts back into
    stock; without it NO_RESTOCK leaves what is to be shipped as it was.
    """
    now = shop.now()
    refund: Document = {
        "id": shop.next_id("Refund"), "createdAt": now, "updatedAt": now, "processedAt": processed_at or now,
        "note": note, "lines": [], "shipping": [], "transactions": [], "adjustments": [], "returnId": return_id,
    }  # fmt: skip
    order["financialStatusGiven"] = None
    # Part of the order at once: each row counts for the next one's share of the same line.
    order["refunds"].append(refund)
    for line, units, restock_type, location in rows:
        subtotal, tax = totals.refund_share(order, line, units)
        refund["lines"].append(
            {
                "id": shop.next_id("RefundLineItem"), "lineId": line["id"], "quantity": units,
                "restockType": restock_type, "restocked": restock_type != "NO_RESTOCK", "locationId": location,
                "price": line["price"], "subtotal": subtotal, "tax": tax,
            }
        )  # fmt: skip
        place = location or shop.primary_location()["id"]
        if removal and restock_type == "NO_RESTOCK":
            refund["lines"][-1]["removed"] = True
            take_off(shop, order, line["id"], units)
            stock.released(shop, order, line, place, units, restock=False)
        if restock_type == "CANCEL":
            take_off(shop, order, line["id"], units)
            stock.released(shop, order, line, place, units, restock=True)
        elif restock_type == "RETURN":
            stock.returned(shop, line, place, units)
    if shipping and order["shippingLines"]:
        line = order["shippingLines"][0]
        refund["shipping"].append(
            {"id": shop.next_id("RefundShippingLine"), "shippingLineId": line["id"], "amount": shipping, "tax": 0}
        )
    _pay(shop, order, refund, payments or [], reason)
    if totals.fulfillment_status(order) == "FULFILLED" and order["closedAt"] is None:
        order["closedAt"] = now
    shop.save_order(order)
    shop.happened("refunds/create", order, refund)
    shop.happened("orders/updated", order)
    return refund


def _pay(
    shop: Shop, order: Document, refund: Document, payments: list[tuple[int, str, int | None]], reason: str | None
) -> None:
    paid = 0
    for amount, gateway, parent in payments:
        transaction = {
            "id": shop.next_id("OrderTransaction"), "kind": "REFUND", "status": "SUCCESS", "amount": amount,
            "gateway": gateway, "authorizationCode": None, "processedAt": refund["processedAt"],
            "createdAt": refund["createdAt"], "parentId": parent, "test": False,
        }  # fmt: skip
        order["transactions"].append(transaction)
        refund["transactions"].append(transaction["id"])
        shop.happened("order_transactions/create", order, transaction)
        paid += amount
    owed = sum(row["subtotal"] for row in refund["lines"]) + sum(row["amount"] for row in refund["shipping"])
    if not order["taxesIncluded"]:
        owed += sum(row["tax"] for row in refund["lines"])
    if paid and paid != owed:
        refund["adjustments"].append(
            {
                "id": shop.next_id("OrderAdjustment"), "amount": owed - paid, "tax": 0,
                "reason": reason or "REFUND_DISCREPANCY",
            }
        )  # fmt: skip


def refundable_money(order: Document) -> int:
    """What was received and not yet paid back."""
    return totals.received(order) - totals.paid_back(order)


@mutation("refundCreate", "write_orders", around=idempotently)
def refund_create(call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
    """Needs `@idempotent`. CANCEL is for units not yet shipped, RETURN needs a location (Shopify, refundCreate)."""
    shop, given = call.shop, arguments["input"]
    order = order_of(shop, given["orderId"], "orderId")
    rows = _rows(shop, order, given.get("refundLineItems") or [])
    shipping = _shipping(order, given.get("shipping") or {})
    payments = _payments(order, given.get("transactions") or [])
    if not rows and not payments and not shipping:
        raise refused("Refund must have line items, shipping or transactions", "input")
    paid = sum(amount for amount, _, _ in payments)
    if paid > refundable_money(order) and not given.get("allowOverRefunding"):
        raise refused("Refund amount cannot be greater than the amount received", "transactions")
    reason = given.get("discrepancyReason")
    refund = record(
        shop, order, rows, shipping=shipping, payments=payments, note=given.get("note"),
        reason=reason if reason != "OTHER" else None, processed_at=given.get("processedAt"),
    )  # fmt: skip
    shop.mail("refunded", order, given.get("notify"))
    return {"refund": Thing("Refund", refund, order), "order": Thing("Order", order)}


def _rows(shop: Shop, order: Document, given: list[dict[str, Any]]) -> list[tuple[Document, int, str, int | None]]:
    rows: list[tuple[Document, int, str, int | None]] = []
    taken: dict[int, int] = {}
    cancelled: dict[int, int] = {}
    for at, one in enumerate(given):
        path = ("refundLineItems", str(at))
        parts = split_gid(one["lineItemId"])
        line = find(order["lines"], parts[1]) if parts and parts[0] == "LineItem" else None
        if line is None:
            raise refused("Line item does not exist", *path, "lineItemId")
        units, kind = one["quantity"], one.get("restockType") or "NO_RESTOCK"
        taken[line["id"]] = taken.get(line["id"], 0) + units
        if units < 1 or taken[line["id"]] > totals.current(order, line):
            raise refused("Quantity cannot refund more items than were purchased", *path, "quantity")
        location = _location(shop, one.get("locationId"), *path)
        if kind == "LEGACY_RESTOCK":
            raise refused("Restock type LEGACY_RESTOCK is only read, never given", *path, "restockType")
        if kind == "RETURN" and location is None:
            raise refused("Location must be given for items that are returned", *path, "locationId")
        if kind == "CANCEL":
            cancelled[line["id"]] = cancelled.get(line["id"], 0) + units
            if cancelled[line["id"]] > _removable(order, line):
                raise refused("Only items that are not fulfilled can be cancelled", *path, "restockType")
        rows.append((line, units, kind, location))
    return rows


def _removable(order: Document, line: Document) -> int:
    """Units that can be taken off: not shipped and not taken off before."""
    return int(line["quantity"]) - totals.fulfilled(order, line["id"]) - totals.removed(order, line["id"])


def _location(shop: Shop, given: str | None, *path: str) -> int | None:
    if given is None:
        return None
    parts = split_gid(given)
    location = shop.locations.get(parts[1]) if parts and parts[0] == "Location" else None
    if location is None:
        raise refused("Location does not exist", *path, "locationId")
    return int(location["id"])


def _shipping(order: Document, given: dict[str, Any]) -> int:
    left = totals.shipping(order) - totals.refunded_shipping(order)
    if given.get("fullRefund"):
        return left
    amount = minor(given["amount"], order["currency"]) if given.get("amount") is not None else 0
    if not 0 <= amount <= left:
        raise refused("Shipping refund amount is more than is left", "shipping", "amount")
    return amount


def _payments(order: Document, given: list[dict[str, Any]]) -> list[tuple[int, str, int | None]]:
    payments: list[tuple[int, str, int | None]] = []
    for at, one in enumerate(given):
        path = ("transactions", str(at))
        if one["kind"] != "REFUND":
            raise refused("Transaction kind must be REFUND", *path, "kind")
        if split_gid(one["orderId"]) != ("Order", str(order["id"])):
            raise refused("Transaction belongs to another order", *path, "orderId")
        amount = minor(one["amount"], order["currency"])
        if amount <= 0:
            raise refused("Amount must be greater than 0", *path, "amount")
        parent = None
        if one.get("parentId"):
            parts = split_gid(one["parentId"])
            known = find(order["transactions"], parts[1]) if parts else None
            if known is None or known["kind"] not in ("SALE", "CAPTURE"):
                raise refused("Parent transaction does not exist", *path, "parentId")
            parent = int(known["id"])
        payments.append((amount, one["gateway"], parent))
    return payments


def cancel_order(
    shop: Shop, order: Document, reason: str, *, restock: bool, with_money: bool, note: str | None = None
) -> None:
    """Cancel what is left of an order: its units become a refund, its fulfilment orders are cancelled."""
    now = shop.now()
    rows: list[tuple[Document, int, str, int | None]] = []
    location = shop.primary_location()["id"]
    for line in order["lines"]:
        units = min(_removable(order, line), totals.current(order, line))
        if units > 0:
            rows.append((line, units, "CANCEL" if restock else "NO_RESTOCK", location if restock else None))
    order.update(cancelledAt=now, cancelReason=reason, staffNote=note, closedAt=order["closedAt"] or now, routeDue=None)
    money = refundable_money(order)
    gateways = [t for t in order["transactions"] if t["kind"] in ("SALE", "CAPTURE") and t["status"] == "SUCCESS"]
    payments = [(money, gateways[0]["gateway"], gateways[0]["id"])] if with_money and money > 0 else []
    shipping = totals.shipping(order) - totals.refunded_shipping(order) if payments else 0
    if rows or payments:
        record(shop, order, rows, shipping=shipping, payments=payments)
    for line, units, kind, _ in rows:
        if kind == "NO_RESTOCK":
            stock.released(shop, order, line, location, units, restock=False)
    for fulfillment_order in order["fulfillmentOrders"]:
        for row in fulfillment_order["lines"]:
            row["remaining"] = 0
        if fulfillment_order["status"] != "CLOSED":
            settle(shop, order, fulfillment_order)
    shop.save_order(order)
    shop.happened("orders/cancelled", order)
    shop.happened("orders/updated", order)
