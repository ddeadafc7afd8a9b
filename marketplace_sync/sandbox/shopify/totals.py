"""Everything about an order that follows from its parts: quantities, sums and statuses. Pure functions."""

from __future__ import annotations

from marketplace_sync.sandbox.shopify.money import share
from marketplace_sync.sandbox.state import Document

# --- quantities of a line


def refunded(order: Document, line_id: int, *restock_types: str) -> int:
    """Units of a line on refunds, of the given restock types or of any."""
    return sum(
        row["quantity"]
        for refund in order["refunds"]
        for row in refund["lines"]
        if row["lineId"] == line_id and (not restock_types or row["restockType"] in restock_types)
    )


def removed(order: Document, line_id: int) -> int:
    """Units taken off before they were shipped: refunded with restock type CANCEL, or removed in the admin without
    putting them back into stock, which shows as NO_RESTOCK."""
    not_restocked = sum(
        int(row["quantity"])
        for refund in order["refunds"]
        for row in refund["lines"]
        if row["lineId"] == line_id and row.get("removed")
    )
    return refunded(order, line_id, "CANCEL") + not_restocked


def fulfilled(order: Document, line_id: int) -> int:
    return sum(
        row["quantity"]
        for fulfillment in order["fulfillments"]
        if fulfillment["status"] == "SUCCESS"
        for row in fulfillment["lines"]
        if row["lineId"] == line_id
    )


def unfulfilled(order: Document, line: Document) -> int:
    if not line["requiresShipping"]:
        return 0
    return int(line["quantity"]) - fulfilled(order, line["id"]) - removed(order, line["id"])


def current(order: Document, line: Document) -> int:
    return int(line["quantity"]) - refunded(order, line["id"])


# --- sums, in minor units of the order's currency


def line_total(line: Document) -> int:
    return int(line["price"] * line["quantity"] - line["discount"])


def line_tax(line: Document) -> int:
    return sum(int(tax["price"]) for tax in line["taxLines"])


def refund_share(order: Document, line: Document, quantity: int) -> tuple[int, int]:
    """Sum and tax of the next `quantity` units to be refunded."""
    before = refunded(order, line["id"])
    return (
        share(line_total(line), before, quantity, line["quantity"]),
        share(line_tax(line), before, quantity, line["quantity"]),
    )


def subtotal(order: Document) -> int:
    return sum(line_total(line) for line in order["lines"])


def shipping(order: Document) -> int:
    return sum(int(line["price"] - line["discount"]) for line in order["shippingLines"])


def shipping_tax(order: Document) -> int:
    return sum(int(tax["price"]) for line in order["shippingLines"] for tax in line["taxLines"])


def tax(order: Document) -> int:
    return sum(line_tax(line) for line in order["lines"]) + shipping_tax(order)


def discounts(order: Document) -> int:
    return sum(int(line["discount"]) for line in [*order["lines"], *order["shippingLines"]])


def total(order: Document) -> int:
    return subtotal(order) + shipping(order) + (0 if order["taxesIncluded"] else tax(order))


def refunded_subtotal(order: Document) -> int:
    return sum(int(row["subtotal"]) for refund in order["refunds"] for row in refund["lines"])


def refunded_tax(order: Document) -> int:
    return sum(int(row["tax"]) for refund in order["refunds"] for row in [*refund["lines"], *refund["shipping"]])


def refunded_shipping(order: Document) -> int:
    return sum(int(row["amount"]) for refund in order["refunds"] for row in refund["shipping"])


def current_total(order: Document) -> int:
    off = refunded_subtotal(order) + refunded_shipping(order)
    return total(order) - off - (0 if order["taxesIncluded"] else refunded_tax(order))


def received(order: Document) -> int:
    return sum(
        int(t["amount"]) for t in order["transactions"] if t["kind"] in ("SALE", "CAPTURE") and t["status"] == "SUCCESS"
    )


def paid_back(order: Document) -> int:
    return sum(int(t["amount"]) for t in order["transactions"] if t["kind"] == "REFUND" and t["status"] == "SUCCESS")


def outstanding(order: Document) -> int:
    """What the buyer still owes; less than nothing is never shown."""
    return max(0, current_total(order) - (received(order) - paid_back(order)))


# --- statuses


def financial_status(order: Document) -> str:
    """Derived from the transactions, unless one was given and nothing was recalculated since."""
    if order["financialStatusGiven"]:
        return str(order["financialStatusGiven"])
    got, back = received(order), paid_back(order)
    if back:
        return "REFUNDED" if back >= got else "PARTIALLY_REFUNDED"
    if got >= current_total(order):
        return "PAID"
    if got:
        return "PARTIALLY_PAID"
    kinds = {t["kind"] for t in order["transactions"] if t["status"] == "SUCCESS"}
    if "VOID" in kinds:
        return "VOIDED"
    return "AUTHORIZED" if "AUTHORIZATION" in kinds else "PENDING"


def fulfillment_status(order: Document) -> str:
    to_ship = [line for line in order["lines"] if line["requiresShipping"]]
    if not to_ship:
        return "FULFILLMENT_NOT_REQUIRED"
    shipped = sum(fulfilled(order, line["id"]) for line in to_ship)
    left = sum(unfulfilled(order, line) for line in to_ship)
    if left == 0:
        return "FULFILLED" if shipped else "RESTOCKED"
    if shipped:
        return "PARTIALLY_FULFILLED"
    if any(fo["status"] == "ON_HOLD" for fo in order["fulfillmentOrders"]):
        return "ON_HOLD"
    return "UNFULFILLED"


def rest_fulfillment_status(order: Document) -> str | None:
    """The status as webhook bodies write it: null, partial, fulfilled or restocked."""
    return {"FULFILLED": "fulfilled", "PARTIALLY_FULFILLED": "partial", "RESTOCKED": "restocked"}.get(
        fulfillment_status(order)
    )


def return_status(order: Document) -> str:
    statuses = {entry["status"] for entry in order["returns"]}
    if "OPEN" in statuses:
        return "IN_PROGRESS"
    if "REQUESTED" in statuses:
        return "RETURN_REQUESTED"
    return "RETURNED" if "CLOSED" in statuses else "NO_RETURN"


def status(order: Document) -> str:
    """open, closed or cancelled, as the search calls it."""
    if order["cancelledAt"]:
        return "cancelled"
    return "closed" if order["closedAt"] else "open"
