"""The reads: single objects, the four feeds with their filters, products, opt-ins, the instance, settlement."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from marketplace_sync.sandbox.marketplacer import workflow
from marketplace_sync.sandbox.marketplacer.market import moment_of
from marketplace_sync.sandbox.marketplacer.order_fields import old_status
from marketplace_sync.sandbox.marketplacer.other_fields import as_advert
from marketplace_sync.sandbox.marketplacer.paging import connect
from marketplace_sync.sandbox.marketplacer.things import Thing, gid, not_found, split_gid
from marketplace_sync.sandbox.marketplacer.wiring import Call, owner_of, page, root
from marketplace_sync.sandbox.state import Document

Given = dict[str, Any]

NODE_SCOPES = {
    "Order": "orders:read", "Invoice": "orders:read", "LineItem": "orders:read", "Shipment": "orders:read",
    "RefundRequest": "refunds:read", "RefundRequestLineItem": "refunds:read", "InvoiceAmendment": "refunds:read",
    "Advert": "adverts:read", "Variant": "adverts:read", "Seller": "sellers:read", "Webhook": "webhooks:read",
}  # fmt: skip


# --- single objects


@root("order", "orders:read", operator=True)
def order(call: Call, given: Given) -> Thing:
    return Thing("Order", call.market.by_id("Order", given["orderId"], "orderId"))


@root("orderFromCart", "orders:read", operator=True)
def order_from_cart(call: Call, given: Given) -> Thing | None:
    parts = split_gid(given["cartId"])
    found = call.market.of["Order"].get(str(parts[1])) if parts and parts[0] == "Cart" else None
    return Thing("Order", found) if found else None


def _node(call: Call, value: str) -> Thing | None:
    found = call.market.find(value)
    if found is None or not call.may_see(found):
        return None
    call.require(NODE_SCOPES.get(found.typename))
    return as_advert(found.doc) if found.typename == "Advert" else found


@root("node")
def node(call: Call, given: Given) -> Thing:
    parts = split_gid(given["id"])
    if parts and parts[0] == "Order":
        call.operator_only("Order")
    found = _node(call, given["id"])
    if found is None:
        raise not_found("id", given["id"])
    return found


@root("nodes")
def nodes(call: Call, given: Given) -> list[Thing | None]:
    return [_node(call, value) for value in given["ids"]]


# --- the feeds


def _between(doc: Document, filters: Given, **fields: str) -> bool:
    """Whether a document lies within `<prefix>Since` and `<prefix>Until`, both inclusive."""
    for prefix, name in fields.items():
        since, until = filters.get(f"{prefix}Since"), filters.get(f"{prefix}Until")
        if since is None and until is None:
            continue
        if doc[name] is None:
            return False
        at = moment_of(doc[name])
        if (since is not None and at < moment_of(since)) or (until is not None and at > moment_of(until)):
            return False
    return True


def _sorted(documents: Iterable[Document], field: str) -> list[Document]:
    """Ascending, what has no such time first."""
    return sorted(documents, key=lambda d: (d[field] is not None, moment_of(d[field]) if d[field] else None, d["n"]))


def _unasked(call: Call, found: list[Document]) -> list[Document]:
    """In the order that the instance happens to give: nobody can ask for one, and none is documented (sheet, 5)."""
    by_age = call.market.settings.updated_lists_by == "n"
    return sorted(found, key=lambda d: d["n"]) if by_age else _sorted(found, "updatedAt")


def _own(call: Call, typename: str) -> Iterable[Document]:
    for doc in call.market.of[typename].values():
        if call.seller is None or owner_of(call.market, typename, doc) == call.seller:
            yield doc


@root("updatedOrders", "orders:read", operator=True)
def updated_orders(call: Call, given: Given) -> Any:
    found = [o for o in call.market.of["Order"].values() if _between(o, given, updated="updatedAt")]
    return page(call, "Order", _unasked(call, found), given)


_SORTS = {
    "CREATED_AT": "createdAt", "UPDATED_AT": "updatedAt", "PAID_AT": "paidAt", "REMITTED_AT": "remittedAt",
}  # fmt: skip


def _ordered(found: list[Document], sort: Given | None) -> list[Document]:
    sort = sort or {"fields": ["CREATED_AT"], "ordering": "ASCENDING"}
    for field in reversed(sort["fields"]):
        if field == "STATUS":
            found = sorted(found, key=old_status)
        else:
            found = _sorted(found, _SORTS[field])
    return found[::-1] if sort.get("ordering") == "DESCENDING" else found


@root("invoices", "orders:read")
def invoices(call: Call, given: Given) -> Any:
    filters = given.get("filters") or {}
    found = [invoice for invoice in _own(call, "Invoice") if _wanted_invoice(call, invoice, filters)]
    return page(call, "Invoice", _ordered(found, given.get("sort")), given)


def _wanted_invoice(call: Call, invoice: Document, filters: Given) -> bool:
    market = call.market
    if not _between(invoice, filters, created="createdAt", updated="updatedAt", paid="paidAt", remitted="remittedAt"):
        return False
    buyer = market.get("Order", invoice["order"])
    name = f"{buyer.get('firstName') or ''} {buyer.get('surname') or ''}".strip().lower()
    ids = [one["value"] for one in [*invoice["externalIds"], *buyer["externalIds"]]]
    lines = market.all("LineItem", invoice["lineItems"])
    checks: dict[str, Any] = {
        "statuses": lambda wanted: old_status(invoice) in wanted,
        "notDispatched": lambda wanted: wanted is any(workflow.waiting(line) for line in lines),
        "awaitingReturn": lambda wanted: wanted is ("AWAITING_RETURN" in invoice["flags"]),
        "awaitingCollection": lambda wanted: wanted is (invoice["ready"] == "READY"),
        "buyerEmailAddress": lambda wanted: (buyer.get("emailAddress") or "").lower() == wanted.lower(),
        "buyerName": lambda wanted: wanted.lower() in name,
        "legacyId": lambda wanted: invoice["n"] == wanted,
        "orderId": lambda wanted: invoice["order"] == wanted,
        "externalId": lambda wanted: wanted in ids,
        "partialExternalId": lambda wanted: any(wanted in value for value in ids),
    }
    return all(check(filters[key]) for key, check in checks.items() if filters.get(key) is not None)


@root("updatedRefundRequests", "refunds:read")
def updated_refund_requests(call: Call, given: Given) -> Any:
    found = [r for r in _own(call, "RefundRequest") if _between(r, given, updated="updatedAt")]
    return page(call, "RefundRequest", _unasked(call, found), given)


@root("refundRequests", "refunds:read")
def refund_requests(call: Call, given: Given) -> Any:
    filters, market = given.get("filters") or {}, call.market
    found = []
    for request in _own(call, "RefundRequest"):
        invoice = market.get("Invoice", request["invoice"])
        buyer = market.get("Order", invoice["order"])
        name = f"{buyer.get('firstName') or ''} {buyer.get('surname') or ''}".strip().lower()
        states = {item["status"] for item in workflow.items(market, request)}
        checks: dict[str, Any] = {
            "statuses": lambda wanted, r=request: r["status"] in wanted,
            "lineItemStatuses": lambda wanted, s=states: bool(s & set(wanted)),
            "invoiceLegacyId": lambda wanted, i=invoice: i["n"] == wanted,
            "legacyId": lambda wanted, r=request: r["n"] == wanted,
            "buyerEmailAddress": lambda wanted, b=buyer: (b.get("emailAddress") or "").lower() == wanted.lower(),
            "buyerName": lambda wanted, n=name: wanted.lower() in n,
        }
        seller = given.get("sellerId")
        if (
            (seller is None or seller == gid("Seller", invoice["seller"]))
            and _between(request, filters, created="createdAt", refunded="refundedAt")
            and all(check(filters[key]) for key, check in checks.items() if filters.get(key) is not None)
        ):
            found.append(request)
    return page(call, "RefundRequest", _sorted(found, "createdAt"), given)


@root("invoiceAmendments", "refunds:read")
def invoice_amendments(call: Call, given: Given) -> Any:
    filters = given.get("filters") or {}
    within = {"created": "createdAt", "updated": "updatedAt", "remitted": "remittedAt"}
    found = [a for a in _own(call, "InvoiceAmendment") if _between(a, filters, **within)]
    return page(call, "InvoiceAmendment", _ordered(found, given.get("sort")), given)


@root("emailMarketingSubscriptions", "sellers:read", operator=True)
def opt_ins(call: Call, given: Given) -> Any:
    """Since a day: there is no finer grain, and nobody is ever taken off the list (sheet, 3)."""
    since = given.get("subscribedSince")
    kept = [
        s
        for s in call.market.subscriptions.values()
        if since is None or moment_of(s["subscribedAt"]).date() >= moment_of(since).date()
    ]
    return connect(kept, given, call.market.settings)


# --- products and who sells them


@root("allAdverts", "adverts:read")
def all_adverts(call: Call, given: Given) -> Any:
    since = {"updatedSince": given.get("updatedSince")}
    found = [a for a in _own(call, "Advert") if _between(a, since, updated="updatedAt")]
    if given.get("vetted") is not None:
        found = [a for a in found if a["vetted"] is given["vetted"]]
    return connect([as_advert(a) for a in _sorted(found, "updatedAt")], given, call.market.settings)


@root("advertsWhere", "adverts:read")
def adverts_where(call: Call, given: Given) -> Any:
    """Without any condition nothing is found (sheet, 5)."""
    market = call.market
    checks: dict[str, Any] = {
        "legacyIds": lambda a, wanted: a["n"] in wanted,
        "brandIds": lambda a, wanted: gid("Brand", a["brand"]) in wanted,
        "taxonIds": lambda a, wanted: a["taxon"] is not None and gid("Taxon", a["taxon"]) in wanted,
        "retailerIds": lambda a, wanted: gid("Seller", a["seller"]) in wanted,
        "variantSkus": lambda a, wanted: any(v["sku"] in wanted for v in market.all("Variant", a["variants"])),
        "variantBarcodes": lambda a, wanted: any(v["barcode"] in wanted for v in market.all("Variant", a["variants"])),
        "title": lambda a, wanted: wanted.lower() in a["title"].lower(),
        "q": lambda a, wanted: wanted.lower() in a["title"].lower(),
    }
    asked = {key: given[key] for key in checks if given.get(key)}
    times = {key: given[key] for key in ("createdSince", "createdUntil") if given.get(key)}
    if not asked and not times:
        return page(call, "Advert", [], given)
    found = [
        advert
        for advert in _own(call, "Advert")
        if advert["life"] == "published"
        and _between(advert, times, created="createdAt")
        and all(checks[key](advert, wanted) for key, wanted in asked.items())
    ]
    return page(call, "Advert", found, given)


@root("variantsWhere", "adverts:read")
def variants_where(call: Call, given: Given) -> Any:
    """Without any condition nothing is found (sheet, 5)."""
    asked = {key: value for key, value in (given.get("variantFilters") or {}).items() if value not in (None, [])}
    checks: dict[str, Any] = {
        "skus": lambda v, wanted: v["sku"] in wanted,
        "barcodes": lambda v, wanted: v["barcode"] in wanted,
        "infiniteQuantity": lambda v, wanted: v["infiniteQuantity"] is wanted,
        "quantityFrom": lambda v, wanted: v["countOnHand"] >= wanted,
        "quantityTo": lambda v, wanted: v["countOnHand"] <= wanted,
        "stocked": lambda v, wanted: (v["countOnHand"] > 0) is wanted,
        "externalId": lambda v, wanted: any(
            e["key"] == wanted["key"] and e["value"] in wanted["value"] for e in v["externalIds"]
        ),
    }
    found = [v for v in _own(call, "Variant") if asked and all(checks[key](v, want) for key, want in asked.items())]
    return page(call, "Variant", found, given)


@root("taxons", "adverts:read")
def taxons(call: Call, given: Given) -> Any:
    parent = given.get("parentId")
    kept = [
        t
        for t in call.market.of["Taxon"].values()
        if parent is None or (t["parent"] is not None and gid("Taxon", t["parent"]) == parent)
    ]
    return page(call, "Taxon", kept, given)


@root("brands", "adverts:read")
def brands(call: Call, given: Given) -> Any:
    return page(call, "Brand", list(call.market.of["Brand"].values()), given)


@root("shipmentCarriers")
def carriers(call: Call, given: Given) -> Any:
    return page(call, "ShipmentCarrier", list(call.market.of["ShipmentCarrier"].values()), given)


@root("allSellers", "sellers:read")
def all_sellers(call: Call, given: Given) -> Any:
    since = {"updatedSince": given.get("updatedSince")}
    found = [s for s in _own(call, "Seller") if _between(s, since, updated="updatedAt")]
    return page(call, "Seller", _sorted(found, "updatedAt"), given)


@root("externalIds")
def external_ids(call: Call, given: Given) -> list[Thing]:
    values = set(given.get("values") or [])
    if given.get("value") is not None:
        values.add(given["value"])
    found = []
    for typename in ("Order", "Invoice", "LineItem", "Advert", "Variant", "Shipment", "RefundRequest", "Seller"):
        if given.get("ownerType") not in (None, typename):
            continue
        for doc in _own(call, typename) if typename != "Order" or call.seller is None else ():
            for kept in doc["externalIds"]:
                if given.get("key") in (None, kept["key"]) and (not values or kept["value"] in values):
                    found.append(Thing("ExternalID", {**kept, "owner": Thing(typename, doc)}))
    return found[: given.get("first") or call.market.settings.default_page]


# --- settlement


def _remits(call: Call, doc: Document, given: Given) -> bool:
    wanted = given.get("retailerIds")
    return _between(doc, given, created="createdAt") and (not wanted or gid("Seller", doc["seller"]) in wanted)


@root("remittances", "remittances:read")
def remittances(call: Call, given: Given) -> Any:
    found = [
        r
        for r in _own(call, "Remittance")
        if _remits(call, r, given)
        and given.get("released") in (None, r["released"])
        and given.get("processed") in (None, r["advice"] is not None)
        and (not given.get("invoiceLegacyIds") or r["invoice"] in given["invoiceLegacyIds"])
    ]
    return page(call, "Remittance", found, given)


@root("remittanceAdvices", "remittances:read")
def remittance_advices(call: Call, given: Given) -> Any:
    found = [
        a
        for a in _own(call, "RemittanceAdvice")
        if _remits(call, a, given)
        and _between(a, given, paid="paidAt")
        and (not given.get("legacyIds") or a["n"] in given["legacyIds"])
        and (not given.get("paymentReference") or a["paymentReference"] in given["paymentReference"])
    ]
    return page(call, "RemittanceAdvice", found, given)


# --- webhooks


@root("webhooks", "webhooks:read")
def webhooks(call: Call, given: Given) -> Any:
    return page(call, "Webhook", list(_own(call, "Webhook")), given)


@root("webhookEvents", "webhooks:read")
def webhook_events(call: Call, given: Given) -> Any:
    """Kept for three days (sheet, 6)."""
    since = call.market.clock.now() - timedelta(days=call.market.settings.keep_events_days)
    hook = given.get("webhookId")
    own = {webhook["n"] for webhook in _own(call, "Webhook")}
    kept = [
        e
        for e in call.market.of["WebhookEvent"].values()
        if e["webhook"] in own
        and moment_of(e["createdAt"]) >= since
        and (hook is None or gid("Webhook", e["webhook"]) == hook)
    ]
    return page(call, "WebhookEvent", kept, given)


# --- the instance


@root("apiKeyPrincipal")
def principal(call: Call, given: Given) -> Given:
    seller = None if call.seller is None else Thing("Seller", call.market.get("Seller", call.seller))
    return {"name": call.name, "seller": seller, "emailAddress": None, "username": None}


@root("siteConfig")
def site_config(call: Call, given: Given) -> Given:
    settings = call.market.settings
    return {
        "id": gid("SiteConfig", 1),
        "verticalCode": settings.vertical_code,
        "siteName": settings.site_name,
        "productionEnvironment": False,
        "locale": "en",
        "skipConsumerEmails": True,
        "advancedRemittancesEnabled": True,
        "country": {
            "id": gid("SiteCountry", 1),
            "code": settings.country,
            "name": settings.country,
            "currencyCode": settings.currency,
            "taxInclusive": settings.tax_inclusive,
            "taxRate": settings.tax_per_cent / 100,
        },
        "accountSettings": {"id": gid("AccountSettings", 1), "useMarketplacerFrontend": True},
        "memberSettings": {
            "id": gid("MemberSettings", 1),
            "advancedRefundsEnabled": settings.advanced_refunds,
            "orderExternalIdsExposed": settings.order_external_ids_exposed,
            "lineItemMetadataExposed": [],
        },
    }


@root("emailMarketing", operator=True)
def email_marketing(call: Call, given: Given) -> Given:
    return {"id": gid("EmailMarketing", 1), "edmEnabled": True, "gdprSubscriptionCheckboxEnabled": True}


@root("klaviyoSettings", operator=True)
def klaviyo_settings(call: Call, given: Given) -> Given:
    settings = call.market.settings
    return {
        "status": settings.klaviyo_status,
        "ecommerceTrackingEnabled": settings.klaviyo_tracks,
        "edmEnabled": settings.klaviyo_sends_mail,
    }
