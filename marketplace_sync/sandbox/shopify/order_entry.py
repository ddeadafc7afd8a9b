"""What the search index knows of an order: the value of every filter the simulated shop understands."""

from __future__ import annotations

from typing import Any

from marketplace_sync.sandbox.shopify import totals
from marketplace_sync.sandbox.state import Document

_SHIPPED = {
    "UNFULFILLED": ["unfulfilled", "unshipped"],
    "ON_HOLD": ["on_hold", "unfulfilled", "unshipped"],
    "PARTIALLY_FULFILLED": ["partial", "partially_fulfilled"],
    "FULFILLED": ["fulfilled", "shipped"],
    "RESTOCKED": ["restocked"],
    "FULFILLMENT_NOT_REQUIRED": ["fulfillment_not_required"],
}

SORT_FIELDS = {
    "CREATED_AT": "created_at",
    "UPDATED_AT": "updated_at",
    "PROCESSED_AT": "processed_at",
    "RELEVANCE": "processed_at",
    "ID": "id",
    "ORDER_NUMBER": "_number",
    "PO_NUMBER": "po_number",
    "CUSTOMER_NAME": "_customer_name",
    "DESTINATION": "_destination",
    "FINANCIAL_STATUS": "financial_status",
    "FULFILLMENT_STATUS": "_fulfillment_status",
    "TOTAL_PRICE": "_total",
    "CURRENT_TOTAL_PRICE": "_current_total",
    "TOTAL_ITEMS_QUANTITY": "_quantity",
}
"""Sort keys of `orders` to fields of the entry. Those with an underscore are not filters."""


def order_entry(order: Document) -> dict[str, Any]:
    status = totals.status(order)
    shipped = totals.fulfillment_status(order)
    address = order["shippingAddress"] or {}
    locations = {str(fo["locationId"]) for fo in order["fulfillmentOrders"]}
    entry: dict[str, Any] = {
        "id": order["id"],
        "created_at": order["createdAt"],
        "updated_at": order["updatedAt"],
        "processed_at": order["processedAt"],
        "source_identifier": order["sourceIdentifier"],
        "source_name": order["sourceName"],
        "tag": order["tags"],
        "name": [order["name"], order["name"].lstrip("#")],
        "po_number": order["poNumber"] or "",
        "sku": [line["sku"] for line in order["lines"] if line["sku"]],
        "status": [status] if status == "cancelled" else [status, "not_closed"] if status == "open" else [status],
        "financial_status": totals.financial_status(order).lower(),
        "fulfillment_status": _SHIPPED[shipped],
        "return_status": totals.return_status(order).lower(),
        "email": order["email"],
        "test": bool(order["test"]),
        "location_id": sorted(locations),
        "fulfillment_location_id": sorted(
            {str(f["locationId"]) for f in order["fulfillments"] if f["status"] == "SUCCESS"}
        ),
        "default": ["name", "email", "po_number", "sku", "source_identifier"],
        "_number": order["number"],
        "_customer_name": f"{address.get('lastName') or ''} {address.get('firstName') or ''}".strip(),
        "_destination": f"{address.get('countryCode') or ''} {address.get('city') or ''}".strip(),
        "_fulfillment_status": shipped,
        "_total": totals.total(order),
        "_current_total": totals.current_total(order),
        "_quantity": sum(line["quantity"] for line in order["lines"]),
    }
    for metafield in order["metafields"]:
        entry[f"metafields.{metafield['namespace']}.{metafield['key']}"] = metafield["value"]
    return entry
