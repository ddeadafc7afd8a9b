"""Every document that is sent, made from the fields that an instance really has.

Schemas differ between instances and move on (sheet, 2 and 14): what is optional is left out where it is missing, an
amount in cents that is gone is read from the display string beside it, and what cannot be done without is named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from marketplace_sync.connectors.marketplacer.graphql import Document

REQUIRED: dict[str, tuple[str, ...]] = {
    "Order": ("id", "legacyId", "status", "createdAt", "updatedAt", "invoices", "totalCents"),
    "Invoice": ("id", "legacyId", "createdAt", "updatedAt", "lineItems", "shipments", "refundRequests", "totalCents"),
    "LineItem": ("id", "quantity", "subtotalCents", "discountCents"),
    "Shipment": ("id", "carrier", "trackingNumber", "shippedItems"),
    "RefundRequest": ("id", "status", "createdAt", "updatedAt", "lineItems"),
    "RefundRequestLineItem": ("id", "status", "quantity", "lineItem", "dispatched", "onlyRemittance", "amountCents"),
}
OPTIONAL: dict[str, tuple[str, ...]] = {
    "Order": (
        "purgedAt", "emailAddress", "billingEmailAddress", "firstName", "surname", "phone", "companyName",
        "shippingCostCents", "taxTotalCents", "discountCents",
    ),
    "Invoice": (
        "statusFlags", "deliveryType", "paidAt", "orderPurgedAt", "buyerEmailAddress", "buyerFirstName",
        "buyerSurname", "buyerPhone", "shippingCostCents", "taxTotalCents", "discountCents",
    ),
    "LineItem": (
        "statusFull", "advertId", "advertTitle", "brandName", "variantId", "variantName", "variantSku",
        "variantBarcode", "itemAmountCents", "taxTotalCents", "taxRate",
    ),
    "Shipment": ("trackingLink", "dispatchedAt", "createdAt", "note"),
    "RefundRequest": ("initiatedBy", "refundedAt", "refundAmountCents"),
    "RefundRequestLineItem": ("reason",),
    "InvoiceAmendment": ("id", "createdAt", "updatedAt"),
    "InvoiceAmendmentLineItem": ("id", "status", "dispatched", "quantity", "totalCents"),
}  # fmt: skip
NESTED = {
    "Order": ("externalIds", "metadata", "address", "billingAddress"),
    "Invoice": ("amendments", "seller", "shippingAddress", "buyerBillingAddress", "order"),
    "LineItem": ("variant",),
    "RefundRequest": ("externalIds", "notes"),
}
TYPES = tuple(dict.fromkeys([*REQUIRED, *OPTIONAL, "Advert", "ShipmentCarrier", "Query", "Mutation"]))

Schema = Mapping[str, frozenset[str]]
"""Type -> the fields an instance has; empty: nobody could be asked, so everything is taken to be there."""

INTROSPECTION = Document(
    "MarketplaceSyncSchema",
    "query MarketplaceSyncSchema { "
    + " ".join(
        f't{n}: __type(name: "{name}") {{ name fields(includeDeprecated: true) {{ name }} }}'
        for n, name in enumerate(TYPES)
    )
    + " }",
)
_ADDRESS = "{ address subaddress city postcode state { short } country { code } }"
_ADVERT = (
    "id taxonNullable { displayName treeName } secondaryTaxons(first: 10) { nodes { treeName } }"
    " advertOptionValues(first: 50) { nodes { optionType { name } optionValue { name } textValue } }"
    " metadata { key value }"
)
_ORDER_HEAD = "id updatedAt status"


def missing(schema: Schema) -> list[str]:
    """`Type.field` of what cannot be done without and is not there."""
    return [
        f"{name}.{field}"
        for name, fields in REQUIRED.items()
        for field in fields
        if schema and _spelt(schema, name, field) is None
    ]


def left_out(schema: Schema) -> list[str]:
    """`Type.field` of what this instance lacks and what orders are read without."""
    wanted = [*OPTIONAL.items(), *NESTED.items()]
    return [f"{n}.{field}" for n, fields in wanted for field in fields if schema and _spelt(schema, n, field) is None]


def _spelt(schema: Schema, name: str, field: str) -> str | None:
    if not schema:
        return field
    known = schema.get(name, frozenset())
    if field in known:
        return field
    formatted = field.removesuffix("Cents") + "Formatted"
    return formatted if field.endswith("Cents") and formatted in known else None


def _pick(schema: Schema, name: str) -> str:
    wanted = [*REQUIRED.get(name, ()), *OPTIONAL.get(name, ())]
    nested = {"invoices", "lineItems", "shipments", "refundRequests", "shippedItems", "lineItem"}
    return " ".join(s for f in wanted if f not in nested and (s := _spelt(schema, name, f)) is not None)


def _has(schema: Schema, name: str, field: str, text: str) -> str:
    return text if not schema or field in schema.get(name, frozenset()) else ""


def _invoice(schema: Schema) -> str:
    advert = _has(
        schema,
        "LineItem",
        "variant",
        f" variant {{ advert {{ __typename ... on Advert {{ {_ADVERT} }}"
        f" ... on UnpublishedAdvert {{ details {{ {_ADVERT} }} }} }} }}",
    )
    line = f"lineItems {{ {_pick(schema, 'LineItem')} image {{ url }}{advert} }}"
    shipments = f"shipments {{ {_pick(schema, 'Shipment')} shippedItems {{ quantity lineItem {{ id }} }} }}"
    marks = _has(schema, "RefundRequest", "externalIds", " externalIds { key value }")
    refunds = (
        f"refundRequests {{ {_pick(schema, 'RefundRequest')}{marks}"
        f" lineItems {{ {_pick(schema, 'RefundRequestLineItem')} lineItem {{ id }} }} }}"
    )
    amendments = _has(
        schema,
        "Invoice",
        "amendments",
        f" amendments {{ {_pick(schema, 'InvoiceAmendment')}"
        f" lineItems {{ {_pick(schema, 'InvoiceAmendmentLineItem')} lineItem {{ id }} }} }}",
    )
    seller = _has(schema, "Invoice", "seller", " seller { id legacyId businessName }")
    address = _has(schema, "Invoice", "shippingAddress", f" shippingAddress {_ADDRESS}")
    billing = _has(schema, "Invoice", "buyerBillingAddress", f" buyerBillingAddress {_ADDRESS}")
    return f"{_pick(schema, 'Invoice')}{seller}{address}{billing} {line} {shipments} {refunds}{amendments}"


def whole_orders(schema: Schema) -> Document:
    """Orders by id, each with all that is known of it, and the instance's own facts beside them."""
    marks = _has(schema, "Order", "externalIds", " externalIds { key value }")
    notes = _has(schema, "Order", "metadata", " metadata { key value }")
    addresses = _has(schema, "Order", "address", f" address {_ADDRESS}") + _has(
        schema, "Order", "billingAddress", f" billingAddress {_ADDRESS}"
    )
    return Document(
        "WholeOrders",
        "query WholeOrders($ids: [ID!]!) {"
        " siteConfig { verticalCode siteName country { code currencyCode taxInclusive } }"
        f" nodes(ids: $ids) {{ __typename ... on Order {{ {_pick(schema, 'Order')}{marks}{notes}{addresses}"
        f" invoices(first: 50) {{ totalCount nodes {{ {_invoice(schema)} }} }} }} }} }}",
    )


def whole_invoices(schema: Schema) -> Document:
    """What a seller's key may see: invoices, without their order."""
    return Document(
        "WholeInvoices",
        "query WholeInvoices($ids: [ID!]!) {"
        f" nodes(ids: $ids) {{ __typename ... on Invoice {{ {_invoice(schema)} }} }} }}",
    )


def has_external_ids(schema: Schema) -> bool:
    """Whether refund requests show what we marked them with."""
    return not schema or "externalIds" in schema.get("RefundRequest", frozenset())


def refund_notes(schema: Schema) -> Document | None:
    """The notes of invoices' refund requests, where there are such. Not part of a whole order: they are free text, of
    the buyer too."""
    if schema and "notes" not in schema.get("RefundRequest", frozenset()):
        return None
    return Document(
        "RefundNotes",
        "query RefundNotes($ids: [ID!]!) {"
        " nodes(ids: $ids) { __typename ... on Invoice { refundRequests { id notes { note } } } } }",
    )


_PAGE = "totalCount pageInfo { hasNextPage endCursor }"
CHANGED_ORDERS = Document(
    "ChangedOrders",
    "query ChangedOrders($since: ISO8601DateTime!, $first: Int!, $after: String) {"
    f" updatedOrders(updatedSince: $since, first: $first, after: $after) {{ {_PAGE} nodes {{ {_ORDER_HEAD} }} }} }}",
)


def changed_invoices(seller: bool) -> Document:
    order = "" if seller else f" order {{ {_ORDER_HEAD} }}"
    return Document(
        "ChangedInvoices",
        "query ChangedInvoices($since: ISO8601DateTime!, $first: Int!, $after: String) {"
        " invoices(filters: {updatedSince: $since}, sort: {fields: [UPDATED_AT], ordering: ASCENDING},"
        f" first: $first, after: $after) {{ {_PAGE} nodes {{ id updatedAt{order} }} }} }}",
    )


def made_invoices(seller: bool) -> Document:
    order = "" if seller else f" order {{ {_ORDER_HEAD} }}"
    return Document(
        "MadeInvoices",
        "query MadeInvoices($since: ISO8601DateTime!, $until: ISO8601DateTime, $first: Int!, $after: String) {"
        " invoices(filters: {createdSince: $since, createdUntil: $until},"
        " sort: {fields: [CREATED_AT], ordering: ASCENDING},"
        f" first: $first, after: $after) {{ {_PAGE} nodes {{ id updatedAt{order} }} }} }}",
    )


def changed_refunds(seller: bool) -> Document:
    inside = "invoice { id }" if seller else f"invoice {{ id order {{ {_ORDER_HEAD} }} }}"
    return Document(
        "ChangedRefunds",
        "query ChangedRefunds($since: ISO8601DateTime!, $first: Int!, $after: String) {"
        f" updatedRefundRequests(updatedSince: $since, first: $first, after: $after) {{ {_PAGE}"
        f" nodes {{ id updatedAt {inside} }} }} }}",
    )


def changed_amendments(seller: bool) -> Document:
    inside = "invoice { id }" if seller else f"invoice {{ id }} order {{ {_ORDER_HEAD} }}"
    return Document(
        "ChangedAmendments",
        "query ChangedAmendments($since: ISO8601DateTime!, $first: Int!, $after: String) {"
        " invoiceAmendments(filters: {updatedSince: $since}, sort: {fields: [UPDATED_AT], ordering: ASCENDING},"
        f" first: $first, after: $after) {{ {_PAGE} nodes {{ id updatedAt {inside} }} }} }}",
    )


OPT_INS = Document(
    "OptIns",
    "query OptIns($since: ISO8601Date, $first: Int!, $after: String) {"
    f" emailMarketingSubscriptions(subscribedSince: $since, first: $first, after: $after) {{ {_PAGE}"
    " nodes { email sourceType subscribedAt } } }",
)
PRINCIPAL = Document("Principal", "query Principal { apiKeyPrincipal { name seller { id businessName } } }")
INSTANCE = Document(
    "Instance",
    "query Instance { siteConfig { verticalCode siteName productionEnvironment"
    " country { code currencyCode taxInclusive } memberSettings { advancedRefundsEnabled } } }",
)
NATIVE_KLAVIYO = Document(
    "NativeKlaviyo", "query NativeKlaviyo { klaviyoSettings { status ecommerceTrackingEnabled edmEnabled } }"
)


def carriers(schema: Schema) -> Document:
    link = _has(schema, "ShipmentCarrier", "trackingUrl", " trackingUrl")
    return Document(
        "Carriers",
        "query Carriers($first: Int!, $after: String) { shipmentCarriers(first: $first, after: $after)"
        f" {{ {_PAGE} nodes {{ id name{link} }} }} }}",
    )


VARIANTS = Document(
    "Variants",
    "query Variants($skus: [String!]!, $first: Int!, $after: String) {"
    f" variantsWhere(variantFilters: {{skus: $skus}}, first: $first, after: $after) {{ {_PAGE}"
    " nodes { id sku countOnHand } } }",
)
HOOKS = Document(
    "Hooks",
    "query Hooks($first: Int!, $after: String) { webhooks(first: $first, after: $after)"
    f" {{ {_PAGE} nodes {{ id type url enabled queryString legacyFormat }} }} }}",
)
_ERRORS = "status errors { field messages }"
CREATE_SHIPMENT = Document(
    "CreateShipment",
    "mutation CreateShipment($input: ShipmentCreateMutationInput!) {"
    f" shipmentCreate(input: $input) {{ {_ERRORS} shipment {{ id }} }} }}",
    write=True,
)
CREATE_REFUND = Document(
    "CreateRefund",
    "mutation CreateRefund($input: RefundRequestCreateMutationInput!) {"
    f" refundRequestCreate(input: $input) {{ {_ERRORS}"
    " refundRequest { id status lineItems { id onlyRemittance } } } }",
    write=True,
)
ACCEPT_LINE = Document(
    "AcceptLine",
    "mutation AcceptLine($input: RefundRequestLineItemAcceptMutationInput!) {"
    f" refundRequestLineItemAccept(input: $input) {{ {_ERRORS} }} }}",
    write=True,
)
GIVE_BACK = Document(
    "GiveBack",
    "mutation GiveBack($input: RefundRequestRefundMutationInput!) {"
    f" refundRequestRefund(input: $input) {{ {_ERRORS} refundRequest {{ id status }} }} }}",
    write=True,
)
SET_STOCK = Document(
    "SetStock",
    "mutation SetStock($input: VariantUpdateMutationInput!) {"
    f" variantUpdate(input: $input) {{ {_ERRORS} variant {{ id countOnHand }} }} }}",
    write=True,
)
CREATE_HOOK = Document(
    "CreateHook",
    "mutation CreateHook($input: WebhookCreateMutationInput!) {"
    f" webhookCreate(input: $input) {{ {_ERRORS} webhook {{ id }} }} }}",
    write=True,
)
UPDATE_HOOK = Document(
    "UpdateHook",
    "mutation UpdateHook($input: WebhookUpdateMutationInput!) {"
    f" webhookUpdate(input: $input) {{ {_ERRORS} webhook {{ id enabled }} }} }}",
    write=True,
)


def hook_query(kind: str, seller: bool) -> str:
    """What a hook of this kind delivers: only which order it is about (sheet, 6: one variable, from `node`)."""
    order = "" if seller else " order { id }"
    inside = f"id{order}" if kind == "INVOICE" else f"id invoice {{ id{order} }}"
    name = {"INVOICE": "Invoice", "SHIPMENT": "Shipment", "REFUND_REQUEST": "RefundRequest"}[kind]
    return f"query Concerned($id: ID!) {{ node(id: $id) {{ __typename ... on {name} {{ {inside} }} }} }}"


def mentions(document: Document) -> set[str]:
    """Field names in a document, for tests and findings."""
    return set(re.findall(r"[A-Za-z_]\w*", document.text))
