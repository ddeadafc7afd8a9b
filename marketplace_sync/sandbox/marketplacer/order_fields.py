"""Resolvers of orders, invoices, their lines and parcels."""

from __future__ import annotations

from typing import Any

from marketplace_sync.sandbox.marketplacer import workflow
from marketplace_sync.sandbox.marketplacer.things import Thing, TopLevelError, gid
from marketplace_sync.sandbox.marketplacer.wiring import Call, page, resolves, things
from marketplace_sync.sandbox.state import Document

Given = dict[str, Any]


@resolves("Order", "address", "billingAddress")
def order_address(order: Thing, call: Call, name: str, given: Given) -> Thing | None:
    return address(order.doc.get(name), order.doc["n"])


def address(kept: Document | None, number: int) -> Thing | None:
    return None if kept is None else Thing("Address", {"n": number, **kept})


@resolves("Address", "state")
def address_state(thing: Thing, call: Call, name: str, given: Given) -> Thing | None:
    state = thing.doc.get("state")
    return Thing("State", {"n": 1, "name": state, "short": state}) if state else None


@resolves("Address", "country")
def address_country(thing: Thing, call: Call, name: str, given: Given) -> Thing:
    code = thing.doc.get("country") or call.market.settings.country
    return Thing("Country", {"n": 1, "code": code, "name": code})


@resolves("Order", "invoices")
def order_invoices(order: Thing, call: Call, name: str, given: Given) -> Any:
    return page(call, "Invoice", call.market.all("Invoice", order.doc["invoices"]), given)


@resolves("Order", "lineItems")
def order_lines(order: Thing, call: Call, name: str, given: Given) -> Any:
    return page(call, "LineItem", call.market.all("LineItem", order.doc["lineItems"]), given)


@resolves("Order", "shipments")
def order_shipments(order: Thing, call: Call, name: str, given: Given) -> list[Thing]:
    invoices = call.market.all("Invoice", order.doc["invoices"])
    return things("Shipment", [s for i in invoices for s in call.market.all("Shipment", i["shipments"])])


@resolves("Order", "aggregateInvoiceStatus", "aggregateInvoiceStatusFinal", "cartId")
def order_aggregate(order: Thing, call: Call, name: str, given: Given) -> Any:
    if name == "cartId":
        return gid("Cart", order.doc["n"])
    states = {old_status(invoice) for invoice in call.market.all("Invoice", order.doc["invoices"])}
    if name.endswith("Final"):
        return states <= {"SENT", "COLLECTED", "REFUNDED", "CANCELLED"}
    return states.pop() if len(states) == 1 else "PARTIALLY_SENT" if "SENT" in states else "PAID"


@resolves("Order", "externalIds")
@resolves("Invoice", "externalIds")
@resolves("LineItem", "externalIds")
@resolves("Advert", "externalIds")
@resolves("Variant", "externalIds")
@resolves("Shipment", "externalIds")
@resolves("RefundRequest", "externalIds")
def external_ids(thing: Thing, call: Call, name: str, given: Given) -> list[Thing]:
    return [Thing("ExternalID", {**kept, "owner": thing}) for kept in thing.doc["externalIds"]]


def old_status(invoice: Document) -> str:
    """The one status from before there were flags: the last thing that happened wins (deprecated, sheet, 2)."""
    for status in ("CANCELLED", "REFUNDED", "COLLECTED", "READY", "SENT", "PARTIALLY_SENT", "PAID"):
        if status in invoice["flags"]:
            return status
    return "AWAITING_PAYMENT"


@resolves("Invoice", "status", "statusFlags")
def invoice_status(invoice: Thing, call: Call, name: str, given: Given) -> Any:
    return invoice.doc["flags"] if name == "statusFlags" else old_status(invoice.doc)


_BUYER = {
    "buyerEmailAddress": "emailAddress", "buyerFirstName": "firstName", "buyerSurname": "surname",
    "buyerPhone": "phone", "buyerMessageToSeller": "messageToSeller", "orderPurgedAt": "purgedAt",
}  # fmt: skip


@resolves("Invoice", *_BUYER)
def invoice_buyer(invoice: Thing, call: Call, name: str, given: Given) -> Any:
    return call.market.get("Order", invoice.doc["order"]).get(_BUYER[name])


@resolves("Invoice", "shippingAddress", "buyerBillingAddress")
def invoice_address(invoice: Thing, call: Call, name: str, given: Given) -> Thing | None:
    order = call.market.get("Order", invoice.doc["order"])
    return address(order.get("address" if name == "shippingAddress" else "billingAddress"), order["n"])


@resolves("Invoice", "order")
@resolves("InvoiceAmendment", "order")
def invoice_order(invoice: Thing, call: Call, name: str, given: Given) -> Thing:
    call.operator_only("Order")
    return Thing("Order", call.market.get("Order", invoice.doc["order"]))


_LISTS = {
    "lineItems": "LineItem", "shipments": "Shipment", "refundRequests": "RefundRequest",
    "amendments": "InvoiceAmendment",
}  # fmt: skip


@resolves("Invoice", *_LISTS)
def invoice_lists(invoice: Thing, call: Call, name: str, given: Given) -> list[Thing]:
    return things(_LISTS[name], call.market.all(_LISTS[name], invoice.doc[name]))


@resolves("Invoice", "seller")
@resolves("Advert", "seller")
@resolves("Remittance", "seller")
@resolves("RemittanceAdvice", "seller")
@resolves("Webhook", "seller")
def seller(thing: Thing, call: Call, name: str, given: Given) -> Thing | None:
    number = thing.doc["seller"]
    return None if number is None else Thing("Seller", call.market.get("Seller", number))


@resolves("Invoice", "adjustments")
@resolves("LineItem", "adjustments")
def adjustments(thing: Thing, call: Call, name: str, given: Given) -> list[Thing]:
    return []


@resolves("Invoice", "totalIncludingAdjustmentsCents", "taxShippingCents", "commissionAmountTaxCents")
@resolves("Invoice", "merchantFeeCents", "merchantFeeTaxTotalCents")
@resolves("LineItem", "commissionAmountTaxCents")
def invoice_sums(invoice: Thing, call: Call, name: str, given: Given) -> int:
    return int(invoice.doc["totalCents"]) if name.startswith("totalIncluding") else 0


_NUMBERS = {
    "advertId": ("Advert", "advertNumber"), "advertLegacyId": ("", "advertNumber"),
    "variantId": ("Variant", "variantNumber"), "variantLegacyId": ("", "variantNumber"),
}  # fmt: skip


@resolves("LineItem", *_NUMBERS)
def line_numbers(line: Thing, call: Call, name: str, given: Given) -> Any:
    kind, kept = _NUMBERS[name]
    return gid(kind, line.doc[kept]) if kind else line.doc[kept]


@resolves("LineItem", "advert")
def line_advert(line: Thing, call: Call, name: str, given: Given) -> Thing | None:
    advert = call.market.get("Advert", line.doc["advertNumber"])
    return Thing("Advert", advert) if advert["life"] == "published" else None


@resolves("LineItem", "variant")
def line_variant(line: Thing, call: Call, name: str, given: Given) -> Thing | None:
    return Thing("Variant", call.market.get("Variant", line.doc["variantNumber"]))


@resolves("LineItem", "image")
def line_image(line: Thing, call: Call, name: str, given: Given) -> Thing:
    return image(line.doc["advertNumber"], line.doc["advertCode"])


def image(number: int, code: str) -> Thing:
    url = f"https://images.marketplacer.example/{code.lower()}.jpg"
    return Thing("Image", {"n": number, "url": url, "alt": None, "filename": f"{code.lower()}.jpg", "position": 0})


@resolves("LineItem", "quantityAwaitingDispatch", "quantityReturnable", "pricingModel")
def line_derived(line: Thing, call: Call, name: str, given: Given) -> Any:
    if name == "pricingModel":
        return "MARKETPLACE"
    return workflow.waiting(line.doc) if name == "quantityAwaitingDispatch" else workflow.returnable(line.doc)


@resolves("LineItem", "status", "statusFull")
def line_status(line: Thing, call: Call, name: str, given: Given) -> str:
    doc = line.doc
    if doc["cancelled"] == doc["quantity"]:
        return "CANCELLED"
    if doc["cancelled"] + doc["returned"] == doc["quantity"]:
        return "REFUNDED"
    if doc["sent"] and not workflow.waiting(doc) and name == "statusFull":
        return "SHIPPED"
    return "ALLOCATED" if call.market.get("Invoice", doc["invoice"])["paidAt"] else "NEW"


@resolves("LineItem", "shipments")
def line_shipments(line: Thing, call: Call, name: str, given: Given) -> list[Thing]:
    shipments = call.market.all("Shipment", call.market.get("Invoice", line.doc["invoice"])["shipments"])
    return things("Shipment", [s for s in shipments if any(i["line"] == line.doc["n"] for i in s["items"])])


# --- parcels


@resolves("Shipment", "invoice")
@resolves("RefundRequest", "invoice")
@resolves("InvoiceAmendment", "invoice")
@resolves("Remittance", "invoice")
def invoice_of(thing: Thing, call: Call, name: str, given: Given) -> Thing | None:
    number = thing.doc["invoice"]
    return None if number is None else Thing("Invoice", call.market.get("Invoice", number))


@resolves("Shipment", "shippedItems")
def shipped_items(shipment: Thing, call: Call, name: str, given: Given) -> list[Thing]:
    return [Thing("ShippedItem", item) for item in shipment.doc["items"]]


@resolves("ShippedItem", "lineItem")
def shipped_line(item: Thing, call: Call, name: str, given: Given) -> Thing:
    return Thing("LineItem", call.market.get("LineItem", item.doc["line"]))


@resolves("Shipment", "statusLog")
def shipment_log(shipment: Thing, call: Call, name: str, given: Given) -> Any:
    return page(call, "ShipmentStatus", shipment.doc["log"], given)


@resolves("Shipment", "trackingLink", "homepageLink", "shippedFrom")
def shipment_links(shipment: Thing, call: Call, name: str, given: Given) -> Any:
    carrier = next(
        (c for c in call.market.of["ShipmentCarrier"].values() if c["name"] == shipment.doc["carrier"]), None
    )
    if carrier is None or name == "shippedFrom":
        return None
    if name == "homepageLink":
        return carrier["homepageUrl"]
    number = "" if shipment.doc.get("without_link") else shipment.doc["trackingNumber"].strip()
    return f"{carrier['trackingUrl']}{number}" if number and carrier["trackingUrl"] else None


@resolves("ExternalID", "owner")
def external_id_owner(thing: Thing, call: Call, name: str, given: Given) -> Thing:
    owner = thing.doc["owner"]
    if not isinstance(owner, Thing) or not call.may_see(owner):
        raise TopLevelError("You do not have permission to access the owner", "FORBIDDEN")
    return owner
