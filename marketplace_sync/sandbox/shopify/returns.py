"""Returns of shipped units: opened, closed, and linked to the refund that settles them."""

from __future__ import annotations

from typing import Any

from marketplace_sync.sandbox.shopify import totals
from marketplace_sync.sandbox.shopify.orders import order_of
from marketplace_sync.sandbox.shopify.shop import Shop, find
from marketplace_sync.sandbox.shopify.things import Thing, split_gid
from marketplace_sync.sandbox.shopify.wiring import Call, mutation, refused
from marketplace_sync.sandbox.state import Document


def under_return(order: Document, fulfillment_line_id: int) -> int:
    """Units of a fulfilment line that are on a return that was not cancelled or declined."""
    return sum(
        row["quantity"]
        for entry in order["returns"]
        if entry["status"] in ("OPEN", "REQUESTED", "CLOSED")
        for row in entry["lines"]
        if row["fulfillmentLineId"] == fulfillment_line_id
    )


def open_return(
    shop: Shop, order: Document, rows: list[tuple[Document, int, str, str]], status: str = "OPEN"
) -> Document:
    """A new return of (fulfilment line, units, reason, note), checked by the caller."""
    now = shop.now()
    entry: Document = {
        "id": shop.next_id("Return"),
        "name": f"{order['name']}-R{len(order['returns']) + 1}",
        "status": status,
        "createdAt": now,
        "closedAt": None,
        "requestApprovedAt": now if status == "OPEN" else None,
        "lines": [
            {
                "id": shop.next_id("ReturnLineItem"), "fulfillmentLineId": row["id"], "lineId": row["lineId"],
                "quantity": units, "returnReason": reason, "returnReasonNote": note, "customerNote": None,
            }
            for row, units, reason, note in rows
        ],
    }  # fmt: skip
    order["returns"].append(entry)
    shop.save_order(order)
    # A return is reported by its own topics only (Shopify, webhooks: seen by users).
    shop.happened("returns/approve" if status == "OPEN" else "returns/request", order, entry)
    return entry


@mutation("returnCreate", "write_returns")
def return_create(call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
    shop, given = call.shop, arguments["returnInput"]
    order = order_of(shop, given["orderId"], "returnInput", "orderId")
    shipped = {str(r["id"]): r for f in order["fulfillments"] if f["status"] == "SUCCESS" for r in f["lines"]}
    rows: list[tuple[Document, int, str, str]] = []
    for at, one in enumerate(given["returnLineItems"]):
        path = ("returnInput", "returnLineItems", str(at))
        parts = split_gid(one["fulfillmentLineItemId"])
        row = shipped.get(parts[1]) if parts and parts[0] == "FulfillmentLineItem" else None
        if row is None or any(row is other for other, *_ in rows):
            raise refused("Fulfillment line item does not exist.", *path, "fulfillmentLineItemId", code="NOT_FOUND")
        left = row["quantity"] - under_return(order, row["id"])
        if not 0 < one["quantity"] <= left:
            raise refused(f"Quantity must be between 1 and {left}.", *path, "quantity", code="INVALID")
        rows.append((row, one["quantity"], one.get("returnReason") or "UNKNOWN", one.get("returnReasonNote") or ""))
    if not rows:
        raise refused("At least one return line item is needed.", "returnInput", "returnLineItems", code="BLANK")
    return {"return": Thing("Return", open_return(shop, order, rows), order)}


def return_of(shop: Shop, given: str, *path: str) -> tuple[Document, Document]:
    """The order and the return with this global id. Raises Refused."""
    parts = split_gid(given)
    found = shop.part("Return", parts[1]) if parts and parts[0] == "Return" else None
    if found is None:
        raise refused("Return does not exist.", *path, code="NOT_FOUND")
    return found


def close_return(shop: Shop, order: Document, entry: Document) -> None:
    entry["status"] = "CLOSED"
    entry["closedAt"] = shop.now()
    shop.save_order(order)
    shop.happened("returns/close", order, entry)


@mutation("returnClose", "write_returns")
def return_close(call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
    order, entry = return_of(call.shop, arguments["id"], "id")
    if entry["status"] != "OPEN":
        raise refused(f"Return is {entry['status'].lower()} and cannot be closed.", "id", code="INVALID_STATE")
    close_return(call.shop, order, entry)
    return {"return": Thing("Return", entry, order)}


def refunded_units(order: Document, entry: Document, row: Document) -> int:
    """Units of a return line that the refunds made from the return cover."""
    units = sum(
        line["quantity"]
        for refund in order["refunds"]
        if refund["returnId"] == entry["id"]
        for line in refund["lines"]
        if line["lineId"] == row["lineId"]
    )
    return int(min(units, row["quantity"]))


def line_of(order: Document, row: Document) -> Document:
    found = find(order["lines"], row["lineId"])
    assert found is not None
    return found


def value_of(order: Document, row: Document) -> int:
    """What the units of a return line cost the buyer, in minor units."""
    line = line_of(order, row)
    return totals.line_total(line) * int(row["quantity"]) // int(line["quantity"])
