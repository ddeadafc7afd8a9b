"""Every operation that a connector sends, with the section of the vendor's sheet it is written from.

What is here is held against the connectors' own lists, documents and sources by `test_table`; `table` makes a page of
it.
"""

from __future__ import annotations

from collections.abc import Mapping

JOHN_LEWIS: Mapping[str, tuple[int, str]] = {
    "POST /restapi/v4/token": (3, ""),
    "POST /restapi/v4/token/refresh": (3, ""),
    "GET /restapi/v4/customers/": (4, ""),
    "GET /restapi/v4/orders/": (4, "the order of rows and the greatest page are assumed"),
    "GET /restapi/v4/orders/{id}/": (4, ""),
    "POST /restapi/v4/orders/{id}/acknowledge/": (6, ""),
    "POST /restapi/v4/orders/{id}/dispatch/": (6, ""),
    "POST /restapi/v4/orders/{id}/cancel_acknowledge/": (8, ""),
    "POST /restapi/v4/orders/{id}/return_acknowledge/": (8, ""),
    "GET /restapi/v4/order-tracking-carriers/": (7, ""),
    "GET /restapi/v4/returns/": (8, ""),
    "GET /api/v4/products/": (9, ""),
    "PATCH /api/v4/products/{id}/stock": (9, ""),
}
"""Method and path -> section, and what is assumed beyond that it has no public description."""

_CSV = "the rows of the file: the description says only that there is one"
MIRAKL: Mapping[str, tuple[int, tuple[str, ...], str]] = {
    "A01": (14, ("read the shop",), ""),
    "PC01": (14, (), ""),
    "SH21": (8, ("read carriers",), ""),
    "RE01": (7, ("read reasons",), ""),
    "OR04": (7, ("state references",), ""),
    "OR11": (6, ("read orders", "read one order"), "additional fields: every operator has its own"),
    "OR21": (7, ("accept order",), ""),
    "OR23": (7, ("state tracking",), ""),
    "OR24": (7, ("ship order",), ""),
    "OR28": (7, ("refund lines",), ""),
    "OR30": (7, ("cancel lines",), ""),
    "OR64": (9, ("close incident",), ""),
    "OR72": (9, ("read documents",), ""),
    "OR73": (9, ("fetch document",), "the answer is a file"),
    "OR74": (9, ("add document",), "what is in the file"),
    "ST01": (8, ("create shipment",), ""),
    "ST11": (8, ("read shipments",), ""),
    "RT11": (9, ("read returns", "read one return"), ""),
    "RT21": (9, ("accept return",), ""),
    "RT25": (9, ("receive return",), ""),
    "RT26": (9, ("judge return",), ""),
    "RT27": (9, ("close return",), ""),
    "OF21": (11, ("read offers",), ""),
    "OF24": (11, ("send offers",), ""),
    "OF02": (11, ("read offer import",), ""),
    "OF03": (11, ("read offer errors",), _CSV),
    "STO01": (11, ("send stock",), _CSV),
    "STO02": (11, ("read stock status",), ""),
    "STO03": (11, ("read stock errors",), _CSV),
    "PRI01": (11, ("send prices",), _CSV),
    "PRI02": (11, ("read price status",), ""),
    "PRI03": (11, ("read price errors",), _CSV),
    "P31": (12, ("read known products",), ""),
    "P41": (12, ("send products",), _CSV),
    "P42": (12, ("read product import",), ""),
    "P44": (12, (), _CSV),
    "P45": (12, (), _CSV),
    "P46": (12, (), _CSV),
    "P47": (12, (), _CSV),
    "TL02": (13, ("read transactions",), ""),
    "SBC11": (13, ("read payout cycles",), ""),
    "IV01": (13, ("read billing documents",), ""),
    "IV02": (13, ("fetch billing document",), "the answer is a file"),
}
"""Mirakl's own code -> section, what the connector's sources call it, what could not be validated. An operation whose
call is made under a name from a variable has none."""

_FILTERED = "names of fields in the filters: text to the description"
MAGENTO: Mapping[str, tuple[int, str]] = {
    "GET /V1/categories/list": (12, _FILTERED),
    "GET /V1/creditmemos": (9, _FILTERED),
    "GET /V1/inventory/export-stock-salable-qty/{salesChannelType}/{salesChannelCode}": (10, ""),
    "GET /V1/inventory/source-items": (10, _FILTERED),
    "GET /V1/inventory/sources": (10, _FILTERED),
    "GET /V1/inventory/stock-resolver/{type}/{code}": (10, ""),
    "GET /V1/inventory/stock-source-links": (10, _FILTERED),
    "GET /V1/orders": (8, _FILTERED),
    "GET /V1/orders/items": (11, _FILTERED),
    "GET /V1/products": (12, _FILTERED),
    "GET /V1/products/attributes/{attributeCode}": (12, ""),
    "GET /V1/shipments": (9, _FILTERED),
    "GET /V1/store/storeConfigs": (1, ""),
    "GET /V1/store/websites": (1, ""),
    "POST /V1/order/{orderId}/invoice": (9, ""),
    "POST /V1/order/{orderId}/refund": (9, ""),
    "POST /V1/orders": (6, "that stated totals agree with each other"),
    "POST /V1/orders/{id}/cancel": (7, ""),
}
"""Method and described path -> section, what could not be validated."""

_NO_ANSWER = "the answer has no body: what became of it is asked afterwards"
KLAVIYO: Mapping[str, tuple[int, str]] = {
    "POST /api/events": (2, f"properties, which are free; {_NO_ANSWER}"),
    "GET /api/events": (2, ""),
    "POST /api/event-bulk-create-jobs": (2, f"properties, which are free; {_NO_ANSWER}"),
    "GET /api/metrics": (2, ""),
    "GET /api/mapped-metrics": (2, ""),
    "POST /api/metric-aggregates": (2, ""),
    "POST /api/profile-import": (3, "properties, which are free"),
    "POST /api/profile-bulk-import-jobs": (3, "properties, which are free"),
    "GET /api/profile-bulk-import-jobs/{id}": (3, ""),
    "GET /api/profile-bulk-import-jobs/{id}/import-errors": (3, ""),
    "GET /api/profiles": (3, ""),
    "POST /api/profile-subscription-bulk-create-jobs": (4, _NO_ANSWER),
    "POST /api/profile-subscription-bulk-delete-jobs": (4, _NO_ANSWER),
    "GET /api/lists": (4, ""),
    "GET /api/lists/{id}": (4, ""),
    "GET /api/lists/{id}/profiles": (4, ""),
    "GET /api/accounts": (1, ""),
}
"""Method and described path -> section, what could not be validated."""

_SEARCH = "the search text: a string to the schema"
SHOPIFY: Mapping[str, tuple[int, str]] = {
    "Books": (8, ""),
    "DefinitionCreate": (9, ""),
    "Definitions": (9, ""),
    "Fulfilment": (11, ""),
    "Job": (12, ""),
    "Levels": (13, ""),
    "Locations": (13, ""),
    "Order": (10, ""),
    "OrderByKey": (9, ""),
    "OrderCancel": (12, ""),
    "OrderCreate": (8, ""),
    "OrderLines": (10, ""),
    "OrderParts": (10, ""),
    "Orders": (10, _SEARCH),
    "Product": (15, ""),
    "Products": (15, _SEARCH),
    "Refund": (12, ""),
    "RefundCreate": (12, ""),
    "Scopes": (3, ""),
    "Shop": (2, ""),
    "Sources": (10, _SEARCH),
    "SubscriptionCreate": (17, "the deliveries it leads to: the schema describes none"),
    "SubscriptionDelete": (17, ""),
    "Subscriptions": (17, ""),
    "Variants": (15, ""),
}
"""Name of a document -> section, what could not be validated."""

MARKETPLACER: Mapping[str, tuple[int, str]] = {
    "AcceptLine": (7, ""),
    "Carriers": (7, ""),
    "ChangedAmendments": (5, ""),
    "ChangedInvoices": (5, ""),
    "ChangedOrders": (5, ""),
    "ChangedRefunds": (5, ""),
    "CreateHook": (6, "the deliveries it leads to: the schema describes what is asked for, not how it comes"),
    "CreateRefund": (7, ""),
    "CreateShipment": (7, ""),
    "GiveBack": (7, ""),
    "Hooks": (6, ""),
    "Instance": (1, ""),
    "MadeInvoices": (11, ""),
    "MarketplaceSyncSchema": (2, ""),
    "NativeKlaviyo": (8, ""),
    "OptIns": (5, ""),
    "Principal": (1, ""),
    "SetStock": (7, ""),
    "UpdateHook": (6, ""),
    "Variants": (7, ""),
    "WholeInvoices": (3, ""),
    "WholeOrders": (3, ""),
}
"""Name of a document -> section, what could not be validated."""
