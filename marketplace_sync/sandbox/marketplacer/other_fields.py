"""Resolvers of refunds, amendments, products, remittances, the instance and its webhooks."""

from __future__ import annotations

from typing import Any

from marketplace_sync.sandbox.marketplacer import workflow
from marketplace_sync.sandbox.marketplacer.order_fields import image
from marketplace_sync.sandbox.marketplacer.things import Thing, TopLevelError
from marketplace_sync.sandbox.marketplacer.wiring import Call, page, resolves, things
from marketplace_sync.sandbox.state import Document

Given = dict[str, Any]


# --- refunds


@resolves("RefundRequest", "lineItems")
def request_items(request: Thing, call: Call, name: str, given: Given) -> list[Thing]:
    return things("RefundRequestLineItem", workflow.items(call.market, request.doc))


@resolves("RefundRequest", "notes")
def request_notes(request: Thing, call: Call, name: str, given: Given) -> list[Thing]:
    return [Thing("RefundRequestNote", {**note, "refundRequest": request}) for note in request.doc["notes"]]


@resolves("RefundRequest", "shipments")
def request_shipments(request: Thing, call: Call, name: str, given: Given) -> list[Thing]:
    return []


@resolves("RefundRequest", "refundAmountCents", "totalCents", "requestValueCents", "commissionAmountTotalCents")
def request_amounts(request: Thing, call: Call, name: str, given: Given) -> int | None:
    items = [item for item in workflow.items(call.market, request.doc) if not item["onlyRemittance"]]
    total = sum(item["amountCents"] for item in items if item["status"] != "REFUND_DENIED")
    if name == "refundAmountCents":
        cash: int | None = request.doc["cashAmountCents"]
        return cash
    if name == "commissionAmountTotalCents":
        return int(total * call.market.settings.commission_per_cent // 100)
    return int(total)


@resolves("RefundRequestLineItem", "lineItem")
def item_line(item: Thing, call: Call, name: str, given: Given) -> Thing | None:
    number = item.doc["line"]
    return None if number is None else Thing("LineItem", call.market.get("LineItem", number))


@resolves("RefundRequestLineItem", "refundRequest")
def item_request(item: Thing, call: Call, name: str, given: Given) -> Thing:
    return Thing("RefundRequest", call.market.get("RefundRequest", item.doc["request"]))


@resolves("InvoiceAmendment", "lineItems")
def amendment_items(amendment: Thing, call: Call, name: str, given: Given) -> list[Thing]:
    kept = amendment.doc["lineItems"]
    return [Thing("InvoiceAmendmentLineItem", {**line, "totalCents": line["amountCents"]}) for line in kept]


@resolves("InvoiceAmendmentLineItem", "lineItem")
def amendment_line(item: Thing, call: Call, name: str, given: Given) -> Thing | None:
    number = item.doc["line"]
    return None if number is None else Thing("LineItem", call.market.get("LineItem", number))


@resolves("InvoiceAmendment", "taxCents", "remittanceCents")
def amendment_amounts(amendment: Thing, call: Call, name: str, given: Given) -> int:
    return 0 if name == "taxCents" else -int(amendment.doc["totalCents"])


# --- products


def as_advert(doc: Document) -> Thing:
    """An advert as the union sees it: published, unpublished or deleted."""
    return Thing({"published": "Advert", "unpublished": "UnpublishedAdvert"}.get(doc["life"], "DeletedAdvert"), doc)


@resolves("Variant", "advert")
def variant_advert(variant: Thing, call: Call, name: str, given: Given) -> Thing:
    return as_advert(call.market.get("Advert", variant.doc["advert"]))


@resolves("UnpublishedAdvert", "details")
def unpublished_details(advert: Thing, call: Call, name: str, given: Given) -> Thing:
    return Thing("Advert", advert.doc)


@resolves("Advert", "variants")
def advert_variants(advert: Thing, call: Call, name: str, given: Given) -> Any:
    kept = [] if advert.doc["life"] == "deleted" else call.market.all("Variant", advert.doc["variants"])
    return page(call, "Variant", kept, given)


@resolves("Advert", "brand")
def advert_brand(advert: Thing, call: Call, name: str, given: Given) -> Thing:
    return Thing("Brand", call.market.get("Brand", advert.doc["brand"]))


@resolves("Advert", "taxon", "taxonNullable")
def advert_taxon(advert: Thing, call: Call, name: str, given: Given) -> Thing | None:
    number = advert.doc["taxon"]
    if number is not None:
        return Thing("Taxon", call.market.get("Taxon", number))
    if name == "taxon":
        raise TopLevelError("Advert has no taxon")
    return None


@resolves("Advert", "secondaryTaxons")
def advert_secondary(advert: Thing, call: Call, name: str, given: Given) -> Any:
    return page(call, "Taxon", call.market.all("Taxon", advert.doc["secondaryTaxons"]), given)


@resolves("Advert", "advertOptionValues")
def advert_options(advert: Thing, call: Call, name: str, given: Given) -> Any:
    chosen = {"n": advert.doc["n"], "type": "Collection", "value": advert.doc["collection"]}
    return page(call, "AdvertOptionValue", [chosen] if advert.doc["collection"] else [], given)


@resolves("Variant", "variantOptionValues")
def variant_options(variant: Thing, call: Call, name: str, given: Given) -> Any:
    chosen = {"n": variant.doc["n"], "type": "Option", "value": variant.doc["option"]}
    return page(call, "VariantOptionValue", [chosen], given)


@resolves("AdvertOptionValue", "optionType", "optionValue", "textValue")
@resolves("VariantOptionValue", "optionType", "optionValue", "textValue")
def option(thing: Thing, call: Call, name: str, given: Given) -> Thing | None:
    if name == "textValue":
        return None
    text = thing.doc["type" if name == "optionType" else "value"]
    doc = {"n": thing.doc["n"], "legacyId": thing.doc["n"], "name": text, "displayName": text}
    return Thing("OptionType" if name == "optionType" else "OptionValue", doc)


_PLAIN: dict[str, Any] = {
    "fullTitle": lambda doc: doc["title"], "gender": lambda doc: None, "condition": lambda doc: "NEW",
    "year": lambda doc: None, "pagePath": lambda doc: f"/products/{doc['code'].lower()}",
    "url": lambda doc: f"https://shop.marketplacer.example/products/{doc['code'].lower()}",
    "published": lambda doc: doc["life"] == "published", "online": lambda doc: doc["life"] == "published",
    "displayable": lambda doc: doc["life"] == "published", "productFeatures": lambda doc: [],
    "description": lambda doc: doc["title"], "displayImage": lambda doc: image(doc["n"], doc["code"]),
}  # fmt: skip


@resolves("Advert", *_PLAIN)
def advert_plain(advert: Thing, call: Call, name: str, given: Given) -> Any:
    return _PLAIN[name](advert.doc)


@resolves("Advert", "images")
def advert_images(advert: Thing, call: Call, name: str, given: Given) -> Any:
    return page(call, "Image", [image(advert.doc["n"], advert.doc["code"]).doc], given)


@resolves("Advert", "lowestPriceCents")
def advert_price(advert: Thing, call: Call, name: str, given: Given) -> int | None:
    prices = [variant["priceCents"] for variant in call.market.all("Variant", advert.doc["variants"])]
    return min(prices, default=None)


@resolves("Variant", "lowestPriceCents", "recommendedRetailPriceCents", "buyable", "displayable", "pricingModel")
def variant_plain(variant: Thing, call: Call, name: str, given: Given) -> Any:
    if name.endswith("Cents"):
        return variant.doc["priceCents"]
    if name == "pricingModel":
        return "MARKETPLACE"
    return bool(variant.doc["published"]) and (
        name == "displayable" or variant.doc["infiniteQuantity"] or variant.doc["countOnHand"] > 0
    )


@resolves("Taxon", "displayName", "googleCategory", "taxonType")
def taxon_plain(taxon: Thing, call: Call, name: str, given: Given) -> Any:
    return {"displayName": taxon.doc["title"], "googleCategory": None, "taxonType": "PRODUCT"}[name]


@resolves("Taxon", "treeName")
def taxon_tree(taxon: Thing, call: Call, name: str, given: Given) -> str:
    titles, number = [], taxon.doc["n"]
    while number is not None:
        found = call.market.get("Taxon", number)
        titles.append(found["title"])
        number = found["parent"]
    return str(given["separator"]).join(reversed(titles))


@resolves("Taxon", "parent")
def taxon_parent(taxon: Thing, call: Call, name: str, given: Given) -> Thing | None:
    number = taxon.doc["parent"]
    return None if number is None else Thing("Taxon", call.market.get("Taxon", number))


@resolves("Taxon", "children")
def taxon_children(taxon: Thing, call: Call, name: str, given: Given) -> Any:
    return page(call, "Taxon", [t for t in call.market.of["Taxon"].values() if t["parent"] == taxon.doc["n"]], given)


# --- settlement


@resolves("Remittance", "invoiceAmendment")
def remittance_amendment(remittance: Thing, call: Call, name: str, given: Given) -> Thing | None:
    number = remittance.doc["amendment"]
    return None if number is None else Thing("InvoiceAmendment", call.market.get("InvoiceAmendment", number))


@resolves("Remittance", "pendingReasons")
def remittance_reasons(remittance: Thing, call: Call, name: str, given: Given) -> list[str]:
    return [] if remittance.doc["released"] else ["pending_release"]


@resolves("RemittanceAdvice", "remittances")
def advice_remittances(advice: Thing, call: Call, name: str, given: Given) -> list[Thing]:
    return things("Remittance", call.market.all("Remittance", advice.doc["remittances"]))


# --- webhooks


@resolves("Webhook", "events")
def webhook_events(webhook: Thing, call: Call, name: str, given: Given) -> list[Thing]:
    kept = [e for e in call.market.of["WebhookEvent"].values() if e["webhook"] == webhook.doc["n"]]
    return things("WebhookEvent", kept)


@resolves("WebhookEvent", "responses")
def event_responses(event: Thing, call: Call, name: str, given: Given) -> list[Thing]:
    return [Thing("WebhookEventResponse", one) for one in event.doc["responses"]]
