"""Documents of the simulation as the bodies that the supplier API answers with, in the vendor's own words."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

Document = dict[str, Any]

HOST = "https://www.sandbox.the-edge.io"
"""Inside bodies the vendor points to this host, which is not the one the API is called at."""
ORDER_TREE = f"{HOST}/restapi/v4"
PRODUCT_TREE = f"{HOST}/api/v4"

SUPPLIER_ID = 1569
PRODUCT_SUPPLIER_ID = 3994
"""The same supplier under /api/v4: the two trees number suppliers each in their own way."""
SUPPLIER_NAME = "Hearth & Field Trading Ltd"
SUPPLIER_ACCOUNT = "HF-2201"

RETAILERS: dict[int, Document] = {
    224: {"name": "John Lewis", "uuid": "6f1c9f0e-4f0b-4b6b-9d38-5b8f6d0a2240", "email": "partner.d2c@example.com"},
    231: {"name": "Harbour & Home", "uuid": "c0a81f52-8f3e-4e43-8f5b-0a9f3d7c2310", "email": "orders@example.org"},
}
JOHN_LEWIS, OTHER_RETAILER = RETAILERS

RETURN_REASONS = {
    200: "Faulty", 225: "Damaged product", 250: "Missing items", 275: "Missing components", 300: "No longer wanted",
    325: "Product not as expected", 350: "Wrong description on website", 375: "Emergency product withdrawal",
    400: "Never delivered", 425: "Problem with other item, returning all items", 450: "Late delivery",
}  # fmt: skip
RETURN_STATUSES = {
    "RMA": "Return Request", "RMA_ACK": "Return Processing", "RMA_AUTHORISED": "Return Authorised",
    "RMA_COLLECTION_BOOKED": "Collection Booked", "RMA_REJ": "Return Declined", "RMA_REC": "Return Approved",
    "RMA_EXC": "Return Rejected",
}  # fmt: skip

_LONDON = ZoneInfo("Europe/London")
_NAMESPACE = uuid.UUID("b7d5b6f5-0f55-4f3e-9f0e-2a1f5f8f6c11")


def money(minor: int | None) -> str | None:
    """Pence as the decimal string the vendor writes; None stays null."""
    if minor is None:
        return None
    sign, minor = ("-", -minor) if minor < 0 else ("", minor)
    return f"{sign}{minor // 100}.{minor % 100:02d}"


def naive(moment: str) -> str:
    """An order date: local time of London without saying so. (Virtualstock, dates)"""
    return datetime.fromisoformat(moment).astimezone(_LONDON).strftime("%Y-%m-%dT%H:%M:%S")


def spaced(moment: str | None) -> str | None:
    """A date of a return: the same local time with a blank in the middle. (Virtualstock, dates)"""
    return None if moment is None else naive(moment).replace("T", " ")


def item(line: Document, order: Document, *, show_reason: bool) -> Document:
    subtotal = None if line["cost"] is None else line["cost"] * line["quantity"]
    tax = None if subtotal is None else (subtotal * 20 + 50) // 100
    body: Document = {
        "url": f"{ORDER_TREE}/items/{line['item']}/",
        "part_number": line["part_number"],
        "retailer_sku_reference": line["barcode"],
        "supplier_sku_reference": line["sku"],
        "retailer_additional_reference": None,
        "line_reference": line["ref"],
        "quantity": line["quantity"],
        "name": line["title"],
        "description": f"JL {line['title'].upper()}",
        "status": line["status"],
        "unit_cost_price": money(line["cost"]),
        "subtotal": money(subtotal),
        "tax": money(tax),
        "tax_rate": None if subtotal is None else "20.00",
        "total": None if subtotal is None or tax is None else money(subtotal + tax),
        "promised_date": line["promised"],
    }
    if show_reason:
        body["cancel_reason_code"] = line.get("reason")
    if order.get("extra"):
        body["gift_wrap"] = False
    return body


def order(document: Document, *, show_reason: bool) -> Document:
    retailer = RETAILERS[document["retailer"]]
    costs = [line["cost"] for line in document["lines"]]
    subtotal = None if None in costs else sum(line["cost"] * line["quantity"] for line in document["lines"])
    tax = None
    if subtotal is not None:
        tax = sum((line["cost"] * line["quantity"] * 20 + 50) // 100 for line in document["lines"])
    body: Document = {
        "url": f"{ORDER_TREE}/orders/{document['id']}/",
        "retailer": f"{ORDER_TREE}/customers/{document['retailer']}/",
        "order_reference": document["reference"],
        "order_date": naive(document["ordered_at"]),
        "status": document["status"],
        "channel": document.get("channel", "D2C"),
        "purchase_order_reference": document.get("purchase_order_reference"),
        "end_user_purchase_order_reference": document["customer_order_number"],
        "additional_order_reference": document.get("additional_order_reference"),
        "comment": document.get("comment"),
        "test_flag": document["test"],
        "supplier": f"{ORDER_TREE}/suppliers/{SUPPLIER_ID}/",
        "items": [item(line, document, show_reason=show_reason) for line in document["lines"]],
        "currency_code": "GBP",
        "subtotal": money(subtotal),
        "tax": money(tax),
        "total": None if subtotal is None or tax is None else money(subtotal + tax),
        "delivery_service_code": document.get("delivery_service_code", "standard"),
        "shipping_store_number": None,
        "shipping_address": document["buyer"],
        "retailer_data": {
            "uuid": retailer["uuid"],
            "name": retailer["name"],
            "email": retailer["email"],
            "phone": "",
            "tax_code": "",
            "address": {"line_1": "", "line_2": "", "city": "", "state": "", "country": "GB", "postal_code": ""},
        },
    }
    if document.get("extra"):
        body["fulfilment_wave"] = {"code": "W7", "cut_off": "14:00"}
    return body


def returned(document: Document, its_order: Document, *, show_reason: bool) -> Document:
    """One entry of the returns list: the return, with the order it came from inside."""
    order_body = order(its_order, show_reason=show_reason)
    url = f"{ORDER_TREE}/items/{document['item']}/"
    reason = {
        "id": str(uuid.uuid5(_NAMESPACE, f"reason {document['reason_code']}")),
        "code": str(document["reason_code"]),
        "description": RETURN_REASONS[document["reason_code"]],
        "is_enabled": True,
        "created_at": "2022-06-13T09:35:52.701216",
    }
    verdict = {"code": "300", "description": "Agreed return", "created_at": "2022-06-13T09:36:04.923484"}
    rejection = {"code": "321", "description": "Not as returned", "created_at": "2022-06-13T09:36:04.923484"}
    return {
        "id": document["id"],
        "quantity": document["quantity"],
        "order": order_body,
        "order_item": next(each for each in order_body["items"] if each["url"] == url),
        "return_reason": reason,
        "return_reason_code": str(document["reason_code"]),
        "status": {"code": document["status"], "description": RETURN_STATUSES[document["status"]]},
        "return_date": spaced(document["requested_at"]),
        **{
            f"{step}_{what}": spaced(document.get(f"{step}_at")) if what == "at" else document.get(f"{step}_message")
            for step in ("requested", "authorised", "declined", "rejected", "approved")
            for what in ("at", "message")
        },
        "created_at": spaced(document["requested_at"]),
        "supplier": {"name": SUPPLIER_NAME},
        "retailer": {"name": RETAILERS[its_order["retailer"]]["name"]},
        "return_approved": verdict if document["status"] == "RMA_REC" else None,
        "return_rejected": rejection if document["status"] == "RMA_EXC" else None,
        "return_approved_amount": money(document.get("approved_amount")),
        "return_approved_amount_status": document.get("approved_amount_status"),
        "return_authorised_collection_date": document.get("collection_date"),
    }


def product(document: Document) -> Document:
    return {
        "url": f"{PRODUCT_TREE}/products/{document['id']}/?format=json",
        "part_number": document["part_number"],
        "category": f"{PRODUCT_TREE}/categories/{document['category_id']}/?format=json",
        "client": f"{PRODUCT_TREE}/clients/637/?format=json",
        "supplier": f"{PRODUCT_TREE}/suppliers/{PRODUCT_SUPPLIER_ID}/?format=json",
        "data": document["data"],
    }


def listing(path: str, count: int, rows: list[bytes], offset: int, limit: int, filters: str) -> bytes:
    """A page around rows that are already encoded. `path` is that of the tree the vendor writes into its links."""

    def link(start: int) -> bytes:
        query = f"format=json&limit={limit}" + (f"&offset={start}" if start > 0 else "") + filters
        return msgspec.json.encode(f"{HOST}{path}?{query}")

    after = link(offset + limit) if offset + limit < count else b"null"
    before = link(max(0, offset - limit)) if offset > 0 else b"null"
    head = b'{"count":%d,"next":%s,"previous":%s,"results":[' % (count, after, before)
    return head + b",".join(rows) + b"]}"


def utc(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).isoformat()
