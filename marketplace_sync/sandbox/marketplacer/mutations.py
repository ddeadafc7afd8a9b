"""The writes (sheet, 7), each refused in the payload's `errors` before anything was changed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from marketplace_sync.sandbox.marketplacer import placing, workflow
from marketplace_sync.sandbox.marketplacer.market import Market
from marketplace_sync.sandbox.marketplacer.things import Refused, Thing, not_found
from marketplace_sync.sandbox.marketplacer.wiring import Call, mutation
from marketplace_sync.sandbox.state import Document

Given = dict[str, Any]

_ADDRESSES = ("address", "billingAddress")
_BUYER = (
    "emailAddress", "firstName", "surname", "phone", "companyName", "billingEmailAddress", "billingFirstName",
    "billingSurname", "billingPhone", "billingCompanyName",
)  # fmt: skip


def _own(call: Call, typename: str, value: str, argument: str) -> Document:
    found = call.market.by_id(typename, value, argument)
    if not call.may_see(Thing(typename, found)):
        raise not_found(argument, value)
    return found


def _notes(given: Given) -> list[str]:
    return [note.get("note") or "" for note in given.get("notes") or []]


# --- orders


@mutation("orderCreate", "orders:write", "order")
def order_create(call: Call, given: Given) -> Thing:
    market, wanted = call.market, given["order"]
    lines = [line for invoice in given.get("invoices") or [] for line in invoice["lineItems"]]
    lines += given.get("lineItems") or []
    ids = wanted.get("externalIds") or []
    known = {(e["key"], e["value"]) for o in market.of["Order"].values() for e in o["externalIds"]}
    if any((one["key"], one.get("value")) in known for one in ids):
        raise Refused("external_ids", "order with same external id already exists")
    if not lines:
        raise Refused("line_items", "can't be blank")
    bought = [_bought(market, line) for line in lines]
    taxed = {(line.get("cost") or {}).get("tax") is not None for line in lines}
    taxed |= {line["postage"].get("tax") is not None for line in lines if line.get("postage")}
    if len(taxed) > 1:
        raise Refused("line_items", "tax must be given for all costs and postages or for none")
    buyer = {name: wanted.get(name) for name in _BUYER}
    buyer |= {name: _address(wanted.get(name)) for name in _ADDRESSES}
    details = {
        "externalId": ids[0].get("value") if ids else None,
        "externalIds": placing.external_ids(market, ids),
        "metadata": placing.pairs(wanted.get("metadata"), market.now()),
        "messageToSeller": wanted.get("messageToSeller"),
        "messageToGiftRecipient": wanted.get("messageToGiftRecipient"),
        "isGift": bool(wanted.get("isGift")),
    }
    return Thing("Order", placing.place(market, buyer, bought, details))


def _bought(market: Market, line: Given) -> placing.Wanted:
    variant = market.by_id("Variant", line["variantId"], "variantId")
    quantity = line["quantity"]
    if quantity < 1 or (not variant["infiniteQuantity"] and quantity > variant["countOnHand"]):
        raise Refused("quantity", f"only {variant['countOnHand']} of {variant['sku']} are on hand")
    cost, postage = line.get("cost"), line.get("postage") or {}
    total = cost["amount"] if cost else line.get("totalCents")
    # A unit price is whole cents, else it is rounded up per unit, and the total changes with it (sheet, 7).
    unit = variant["priceCents"] if total is None else -(-total // quantity)
    tax = None if not cost or cost.get("tax") is None else cost["tax"] + (postage.get("tax") or 0)
    return placing.Wanted(
        variant,
        quantity,
        unit,
        postage.get("amount") or line.get("postageCents") or 0,
        tax=tax,
        delivery=line.get("deliveryType") or "BUY_ONLINE",
        metadata=placing.pairs(line.get("metadata"), market.now()),
        external_ids=placing.external_ids(market, line.get("externalIds")),
    )


def _address(given: Given | None) -> Document | None:
    if given is None:
        return None
    kept = {name: given.get(name) or "" for name in ("address", "city", "postcode")}
    state, country = given.get("state") or {}, given.get("country") or {}
    return {
        **kept, "subaddress": given.get("subaddress"), "state": state.get("short") or state.get("name"),
        "country": country.get("code"),
    }  # fmt: skip


@mutation("orderUpdate", "orders:write", "order")
def order_update(call: Call, given: Given) -> Thing:
    market = call.market
    order = market.by_id("Order", given["orderId"], "orderId")
    for name, value in (given.get("attributes") or {}).items():
        order[name] = _address(value) if name in _ADDRESSES else value
    if given["status"] == "COMPLETE" and order["status"] != "COMPLETE":
        placing.pay(market, order)
    else:
        order["status"] = given["status"]
        market.save("Order", order)
    return Thing("Order", order)


@mutation("purgeOrderData", "orders:manage", None)
def purge_order_data(call: Call, given: Given) -> None:
    for value in given["orderIds"]:
        purge(call.market, call.market.by_id("Order", value, "orderIds"), given)


def purge(market: Market, order: Document, what: Given) -> None:
    """Irreversible; the row stays (sheet, 7). What stands in the place of a text is not documented: a setting."""
    if what.get("purgeOrderDetails", True):
        blank = market.settings.purged_value
        for name in _BUYER:
            order[name] = blank if order.get(name) is not None else None
        for name in _ADDRESSES:
            if order.get(name):
                order[name] = {k: (blank or "" if k != "country" else v) for k, v in order[name].items()}
        order["messageToSeller"] = None
    if what.get("purgeExternalIds"):
        order["externalIds"], order["externalId"] = [], None
    if what.get("purgeMetadata"):
        order["metadata"] = []
    order["purgedAt"] = market.now()
    market.save("Order", order)
    for invoice in market.all("Invoice", order["invoices"]):
        market.save("Invoice", invoice)


# --- parcels


@mutation("shipmentCreate", "orders:write", "shipment", operator=False)
def shipment_create(call: Call, given: Given) -> Thing:
    market = call.market
    invoice = _own(call, "Invoice", given["invoiceId"], "invoiceId")
    carrier = market.by_id("ShipmentCarrier", given["postageCarrierId"], "postageCarrierId")
    units = []
    for item in given["shippedItems"]:
        line = _own(call, "LineItem", item["lineItemId"], "lineItemId")
        if line["invoice"] != invoice["n"]:
            raise Refused("shipped_items", "must belong to the invoice")
        units.append((line, item["quantity"]))
    parcel = {
        "carrier": carrier["name"],
        "trackingNumber": given["trackingNumber"],
        "dispatchedAt": market.begin_of(given["dispatchedAt"]),
        "note": given.get("note"),
    }
    return Thing("Shipment", workflow.ship(market, invoice, units, parcel))


@mutation("shipmentUpdate", "orders:write", "shipment", operator=False)
def shipment_update(call: Call, given: Given) -> Thing:
    shipment = _own(call, "Shipment", given["shipmentId"], "shipmentId")
    if given.get("postageCarrierId"):
        carrier = call.market.by_id("ShipmentCarrier", given["postageCarrierId"], "postageCarrierId")
        shipment["carrier"] = carrier["name"]
    for name in ("trackingNumber", "note"):
        if given.get(name) is not None:
            shipment[name] = given[name]
    call.market.save("Shipment", shipment)
    return Thing("Shipment", shipment)


@mutation("shipmentStatusCreate", "orders:write", "shipmentStatus", operator=False)
def shipment_status_create(call: Call, given: Given) -> Thing:
    shipment = _own(call, "Shipment", given["shipmentId"], "shipmentId")
    return Thing("ShipmentStatus", carrier_says(call.market, shipment, given["status"]))


def carrier_says(market: Market, shipment: Document, status: str) -> Document:
    """One more line in a parcel's log."""
    entry = {"n": market.next("ShipmentStatus"), "status": status, "createdAt": market.now()}
    shipment["log"].append(entry)
    market.save("Shipment", shipment)
    return entry


@mutation("clickAndCollectStatusUpdate", "orders:write", "invoice", operator=False)
def click_and_collect(call: Call, given: Given) -> Thing:
    invoice = _own(call, "Invoice", given["invoiceId"], "invoiceId")
    if invoice["deliveryType"] != "CLICK_AND_COLLECT":
        raise Refused("status", "invoice isn't click and collect")
    collect(call.market, invoice, given["status"])
    return Thing("Invoice", invoice)


def collect(market: Market, invoice: Document, status: str) -> None:
    """READY, then COLLECTED. Raises Refused for what was not ready."""
    if status == "COLLECTED" and invoice["ready"] is None:
        raise Refused("status", "invoice isn't ready for collection")
    invoice["ready"] = status
    if status == "COLLECTED":
        for line in market.all("LineItem", invoice["lineItems"]):
            line["sent"] = line["quantity"] - line["cancelled"]
            market.save("LineItem", line)
    workflow.save_invoice(market, invoice)


# --- refunds


def _wanted(call: Call, lines: list[Given] | None) -> list[Given]:
    found = []
    for line in lines or []:
        one = {**line, "marks": _marks(call.market, line)}
        if line.get("lineItemId") is not None:
            one["line"] = _own(call, "LineItem", line["lineItemId"], "lineItemId")
            given = line.get("dispatched")
            one["dispatched"] = workflow.returnable(one["line"]) > 0 if given is None else given
        found.append(one)
    return found


def _marks(market: Market, given: Given) -> Document:
    """What a caller wants kept with what it makes."""
    return {
        "externalIds": placing.external_ids(market, given.get("externalIds")),
        "metadata": placing.pairs(given.get("metadata"), market.now()),
    }


@mutation("refundRequestCreate", "refunds:write", "refundRequest", operator=False)
def refund_request_create(call: Call, given: Given) -> Thing:
    invoice = _own(call, "Invoice", given["invoiceId"], "invoiceId")
    initiator = given.get("initiatedBy") or ("ADMIN" if call.seller is None else "SELLER")
    wanted = _wanted(call, given["lineItems"])
    marks = _marks(call.market, given)
    made = workflow.request_refund(call.market, invoice, wanted, initiator, _notes(given), marks)
    return Thing("RefundRequest", made)


@mutation("refundRequestLineItemReturn", "refunds:write", "refundRequestLineItem", operator=False)
def item_return(call: Call, given: Given) -> Thing:
    return _move(call, given, "AWAITING_RETURN")


@mutation("refundRequestLineItemAccept", "refunds:write", "refundRequestLineItem", operator=False)
def item_accept(call: Call, given: Given) -> Thing:
    return _move(call, given, "REFUND_ACCEPTED")


@mutation("refundRequestLineItemDeny", "refunds:write", "refundRequestLineItem", operator=False)
def item_deny(call: Call, given: Given) -> Thing:
    return _move(call, given, "REFUND_DENIED")


def _move(call: Call, given: Given, status: str) -> Thing:
    item = _own(call, "RefundRequestLineItem", given["refundRequestLineItemId"], "refundRequestLineItemId")
    workflow.move_item(call.market, item, status, _notes(given), given.get("denyRefundReason"))
    return Thing("RefundRequestLineItem", item)


def _request(call: Call, given: Given) -> Document:
    return _own(call, "RefundRequest", given["refundRequestId"], "refundRequestId")


@mutation("refundRequestReturn", "refunds:write", "refundRequest", operator=False)
def request_return(call: Call, given: Given) -> Thing:
    request = _request(call, given)
    workflow.bring_back(call.market, request, _notes(given))
    return Thing("RefundRequest", request)


@mutation("refundRequestDeny", "refunds:write", "refundRequest")
def request_deny(call: Call, given: Given) -> Thing:
    request = _request(call, given)
    workflow.deny(call.market, request, _notes(given))
    return Thing("RefundRequest", request)


@mutation("refundRequestRevertDenial", "refunds:write", "refundRequest")
def request_revert(call: Call, given: Given) -> Thing:
    request = _request(call, given)
    workflow.revert_denial(call.market, request, _notes(given))
    return Thing("RefundRequest", request)


@mutation("refundRequestRefund", "refunds:write", "refundRequest")
def request_refund(call: Call, given: Given) -> Thing:
    request = _request(call, given)
    more = _wanted(call, given.get("newLineItems"))
    workflow.refund(call.market, request, _notes(given), given.get("cashAmountCents"), more)
    return Thing("RefundRequest", request)


@mutation("refundRequestApprove", "refunds:write", "refundRequest")
def request_approve(call: Call, given: Given) -> Thing:
    """From PROCESSED only; that it gives the money back as `refundRequestRefund` does is assumed."""
    request = _request(call, given)
    note = (given.get("note") or {}).get("note")
    workflow.refund(call.market, request, [note] if note else [], legal=("PROCESSED",))
    return Thing("RefundRequest", request)


@mutation("invoiceAmendmentCreate", "refunds:write", "invoiceAmendment")
def amendment_create(call: Call, given: Given) -> Thing:
    invoice = _own(call, "Invoice", given["invoiceId"], "invoiceId")
    lines = _wanted(call, given["lineItems"])
    for line in lines:
        if line.get("amountCents") is None and line.get("total"):
            line["amountCents"] = line["total"]["amount"]
    return Thing("InvoiceAmendment", workflow.amend(call.market, invoice, lines))


# --- stock, marks, opt-ins, money


@mutation("variantUpdate", "adverts:write", "variant", operator=False)
def variant_update(call: Call, given: Given) -> Thing:
    if given.get("variantId") is None:
        raise Refused("variant_id", "can't be blank")
    variant, wanted = _own(call, "Variant", given["variantId"], "variantId"), dict(given["attributes"])
    if wanted.get("countOnHand") is not None and wanted["countOnHand"] < 0:
        raise Refused("count_on_hand", "must be greater than or equal to 0")
    price = wanted.pop("price", None)
    for name, value in wanted.items():
        if value is not None:
            variant[name] = value
    if price is not None:
        variant["priceCents"] = int((Decimal(price) * 100).to_integral_value())
    placing.save_variant(call.market, variant)
    return Thing("Variant", variant)


def _owner(call: Call, value: str) -> Thing:
    found = call.market.find(value)
    if found is None or not call.may_see(found) or "metadata" not in found.doc:
        raise not_found("owner", value)
    return found


@mutation("externalIdUpsert", "orders:write", "externalId", operator=False)
def external_id_upsert(call: Call, given: Given) -> Thing:
    owner = _owner(call, given["owner"])
    kept = owner.doc["externalIds"]
    same = [
        e for e in kept if e["key"] == given["key"] and (given.get("ownerKeyUnique") or e["value"] == given["value"])
    ]
    entry = same[0] if same else {"n": call.market.next("ExternalID"), "key": given["key"]}
    entry["value"] = given["value"]
    if not same:
        kept.append(entry)
    call.market.save(owner.typename, owner.doc)
    return Thing("ExternalID", {**entry, "owner": owner})


@mutation("metadataUpsert", "orders:write", "metadata")
def metadata_upsert(call: Call, given: Given) -> Document:
    owner, now = _owner(call, given["owner"]), call.market.now()
    entry = next((m for m in owner.doc["metadata"] if m["key"] == given["key"]), None)
    if entry is None:
        entry = {"key": given["key"], "createdAt": now}
        owner.doc["metadata"].append(entry)
    entry |= {"value": given["value"], "updatedAt": now}
    call.market.save(owner.typename, owner.doc)
    return entry


@mutation("newsletterSubscribe", "orders:write", "email")
def newsletter_subscribe(call: Call, given: Given) -> str:
    if "@" not in given["email"]:
        raise Refused("email", "is invalid")
    subscribe(call.market, {"email": given["email"], "sourceType": "newsletter"})
    return str(given["email"])


def subscribe(market: Market, person: Document) -> Document:
    """Put an address on the list once; there is no way off it (sheet, 3)."""
    known = next((s for s in market.subscriptions.values() if s["email"].lower() == person["email"].lower()), None)
    if known is not None:
        return known
    kept = {"firstName": None, "lastName": None, "postcode": None, "subscribedAt": market.now(), **person}
    return market.subscriptions.put(str(market.next("Subscription")), kept)


@mutation("remittancesRelease", "remittances:write", "remittances")
def remittances_release(call: Call, given: Given) -> list[Thing]:
    found = [call.market.by_id("Remittance", value, "remittanceIds") for value in given["remittanceIds"]]
    for remittance in found:
        remittance["released"] = True
        call.market.save("Remittance", remittance)
    return [Thing("Remittance", remittance) for remittance in found]


@mutation("remittanceAdviceUpdate", "remittances:write", "remittanceAdvice")
def remittance_advice_update(call: Call, given: Given) -> Thing:
    market = call.market
    advice = market.by_id("RemittanceAdvice", given["remittanceAdviceId"], "remittanceAdviceId")
    advice["totalPaidCents"] = given["totalPaidCents"]
    advice["paidAt"] = market.moment(given.get("paidAt")) or market.now()
    advice["paymentReference"] = given.get("paymentReference")
    market.save("RemittanceAdvice", advice)
    return Thing("RemittanceAdvice", advice)
