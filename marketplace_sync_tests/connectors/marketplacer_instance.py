"""A Marketplacer instance over real HTTP that answers exactly what a document selects, and a connector to it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from graphql import FieldNode, InlineFragmentNode, OperationDefinitionNode, SelectionSetNode, parse, print_ast
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from marketplace_sync.connectors import marketplacer
from marketplace_sync.connectors.budget import LocalBudget
from marketplace_sync.connectors.marketplacer import documents
from marketplace_sync.connectors.marketplacer.connector import Marketplacer
from marketplace_sync.connectors.marketplacer.settings import MarketplacerSettings
from marketplace_sync.connectors.ports import Statement
from marketplace_sync.connectors.transport import HttpWire
from marketplace_sync.domain.effects import PAYLOAD_TYPES, Dispatch, Effect, EffectKind, Lane, LineUnits
from marketplace_sync.domain.orders import Order, Refund, Return
from marketplace_sync_tests.connectors.http_service import serving

KEY = "an-operators-key"
Document = dict[str, Any]


def opaque(kind: str, number: int) -> str:
    return base64.b64encode(f"{kind}-{number}".encode()).decode()


class Instance:
    """Its orders, and everything that was asked of it."""

    def __init__(self) -> None:
        self.orders: dict[str, Document] = {}
        self.asked: list[tuple[str, Document]] = []
        self.answers: list[Document] = []
        self.headers: list[dict[str, str]] = []
        self.klaviyo: Document = {"status": "AVAILABLE", "ecommerceTrackingEnabled": False, "edmEnabled": False}
        self.seller: Document | None = None
        self.opt_ins: list[Document] = []
        self.hooks: list[Document] = []
        self.types: dict[str, list[str]] | None = None
        self.stock: dict[str, Document] = {"MUG": {"id": opaque("Variant", 1), "sku": "MUG", "countOnHand": 5}}
        self.hidden = 0
        """Rows that every list counts and does not show."""
        self.sorted_by = "updatedAt"
        """What the lists are sorted by that nobody can ask to be sorted."""
        self.lose_answer_of = ""
        self.refuse: dict[str, Document] = {}
        self.spoil_next: list[Callable[[Document], list[Document]]] = []
        """What becomes of the next answers with whole orders: each may change the data, and returns the errors."""
        self._numbers = 100

    def place(self, number: int, *lines: Document, status: str = "COMPLETE", **more: Any) -> str:
        """One order with an invoice for each seller of its lines."""
        at = f"2026-03-01T12:00:{number % 60:02d}Z"
        order_id = opaque("Order", number)
        invoices: dict[str, Document] = {}
        for each in lines:
            name = each.pop("seller", "Pots Ltd")
            invoice = invoices.setdefault(
                name,
                {
                    "__typename": "Invoice", "id": opaque("Invoice", number * 10 + len(invoices)), "legacyId": number,
                    "createdAt": at, "updatedAt": at, "statusFlags": ["PAID"], "deliveryType": "BUY_ONLINE",
                    "seller": {"id": opaque("Seller", len(invoices)), "legacyId": 1, "businessName": name},
                    "shippingAddress": address(), "lineItems": [], "shipments": [], "refundRequests": [],
                    "amendments": [], "totalCents": 0, "shippingCostCents": 0, "taxTotalCents": 0,
                    "buyerEmailAddress": "ann@example.org", "buyerFirstName": "Ann", "buyerSurname": "Lee",
                },
            )  # fmt: skip
            invoice["lineItems"].append(each)
            invoice["totalCents"] += each["subtotalCents"] + each["discountCents"]
        order = {
            "__typename": "Order", "id": order_id, "legacyId": number, "status": status, "createdAt": at,
            "updatedAt": at, "emailAddress": "ann@example.org", "firstName": "Ann", "surname": "Lee",
            "phone": "+61400000000", "address": address(), "externalIds": [], "metadata": [], "discountCents": 0,
            "totalCents": sum(one["totalCents"] for one in invoices.values()), "shippingCostCents": 0,
            "taxTotalCents": 0, "invoices": {"totalCount": len(invoices), "nodes": list(invoices.values())}, **more,
        }  # fmt: skip
        self.orders[order_id] = order
        return order_id

    def invoices(self, order_id: str) -> list[Document]:
        found: list[Document] = self.orders[order_id]["invoices"]["nodes"]
        return found

    def document(self, name: str) -> list[Document]:
        """The variables of every request of one operation."""
        return [variables for text, variables in self.asked if f" {name}" in text.split("{")[0]]

    def lacks(self, kind: str, *names: str) -> None:
        """Its schema has everything but these fields of one type."""
        self.types = {}
        for group in (documents.REQUIRED, documents.OPTIONAL, documents.NESTED):
            for name, some in group.items():
                self.types.setdefault(name, []).extend(some)
        self.types[kind] = [one for one in self.types[kind] if one not in names]

    # -- answering -------------------------------------------------------------------------------------------------

    async def answer(self, request: Request) -> Response:
        body = await request.json()
        self.headers.append(dict(request.headers))
        if request.headers.get("marketplacer-api-key") != KEY:
            return JSONResponse({"errors": [{"message": "API Token has expired"}]}, 401)
        text, variables, name = body["query"], body["variables"], body["operationName"]
        self.asked.append((text, variables))
        if name in self.refuse:
            return JSONResponse(self.refuse[name])
        (operation,) = [one for one in parse(text).definitions if isinstance(one, OperationDefinitionNode)]
        roots = {
            field.alias.value if field.alias else field.name.value: (
                field,
                self._root(field.name.value, variables, field),
            )
            for field in operation.selection_set.selections
            if isinstance(field, FieldNode)
        }
        data = {key: chosen(value, field.selection_set) for key, (field, value) in roots.items()}
        if name == self.lose_answer_of:
            self.lose_answer_of = ""
            return Response("upstream went away", 502)
        if name == "WholeOrders" and self.spoil_next:
            data = json.loads(json.dumps(data))
            return JSONResponse({"data": data, "errors": self.spoil_next.pop(0)(data)})
        self.answers.append({"data": data})
        return JSONResponse({"data": data})

    def _root(self, field: str, variables: Document, node: FieldNode) -> Any:
        orders = self.orders.values()
        every = [(order, invoice) for order in orders for invoice in order["invoices"]["nodes"] if invoice]
        given = variables.get("input", {})
        if field == "__type":
            name = getattr(node.arguments[0].value, "value", "")
            if self.types is None or name not in self.types:
                return None
            return {"name": name, "fields": [{"name": one} for one in self.types[name]]}
        if field == "updatedOrders":
            return self._page([dict(order) for order in self.orders.values()], variables, self.sorted_by)
        if field == "invoices":
            by = "createdAt" if "createdSince" in print_ast(node) else "updatedAt"
            return self._page([{**invoice, "order": order} for order, invoice in every], variables, by, by)
        if field == "updatedRefundRequests":
            return self._page(
                [
                    {**request, "invoice": {**invoice, "order": order}}
                    for order, invoice in every
                    for request in invoice["refundRequests"]
                ],
                variables,
                self.sorted_by,
            )
        if field == "invoiceAmendments":
            return self._page(
                [{**each, "invoice": inv, "order": order} for order, inv in every for each in inv["amendments"]],
                variables,
            )
        if field == "nodes":
            known = {**self.orders, **{invoice["id"]: invoice for _, invoice in every}}
            return [known.get(one) for one in variables["ids"]]
        if field == "emailMarketingSubscriptions":
            return {"totalCount": len(self.opt_ins), "pageInfo": {"hasNextPage": False}, "nodes": self.opt_ins}
        lists = {
            "shipmentCarriers": [{"id": opaque("PostageCarrier", 1), "name": "Royal Mail"}],
            "variantsWhere": [self.stock[sku] for sku in variables.get("skus", ()) if sku in self.stock],
            "webhooks": self.hooks,
        }
        if field in lists:
            return {"totalCount": len(lists[field]), "pageInfo": {"hasNextPage": False}, "nodes": lists[field]}
        return getattr(self, f"_{field}")(given)

    def _page(
        self, rows: list[Document], variables: Document, sorted_by: str = "updatedAt", by: str = "updatedAt"
    ) -> Document:
        """`by`: the time that is asked for."""
        until = variables.get("until") or "9999"
        rows = sorted((row for row in rows if variables["since"] <= row[by] <= until), key=lambda row: row[sorted_by])
        start = int(variables["after"] or 0)
        some = rows[start : start + variables["first"]]
        more = start + len(some) < len(rows)
        return {
            "totalCount": len(rows) + self.hidden,
            "pageInfo": {"hasNextPage": more, "endCursor": str(start + len(some))},
            "nodes": some,
        }

    def _siteConfig(self, _: Document) -> Document:
        return {
            "verticalCode": "pots", "siteName": "Pots and Pans", "productionEnvironment": False,
            "country": {"code": "AU", "currencyCode": "AUD", "taxInclusive": True},
            "memberSettings": {"advancedRefundsEnabled": True},
        }  # fmt: skip

    def _klaviyoSettings(self, _: Document) -> Document:
        return self.klaviyo

    def _apiKeyPrincipal(self, _: Document) -> Document:
        return {"name": "ours", "seller": self.seller}

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers

    def _invoice(self, invoice_id: str) -> Document:
        return next(i for order in self.orders.values() for i in order["invoices"]["nodes"] if i["id"] == invoice_id)

    def _shipmentCreate(self, given: Document) -> Document:
        shipment = {
            "id": opaque("Shipment", self._number()), "carrier": "Royal Mail", "note": given["note"],
            "trackingNumber": given["trackingNumber"], "trackingLink": None, "dispatchedAt": given["dispatchedAt"],
            "createdAt": "2026-03-02T09:00:00Z", "shippedItems": [
                {"quantity": one["quantity"], "lineItem": {"id": one["lineItemId"]}} for one in given["shippedItems"]
            ],
        }  # fmt: skip
        self._invoice(given["invoiceId"])["shipments"].append(shipment)
        return {"status": 200, "errors": None, "shipment": shipment}

    def _refundRequestCreate(self, given: Document) -> Document:
        request = refund(
            self._number(),
            *[
                refunded(one["lineItemId"], one["quantity"], one.get("amountPerItemCents", 100) * one["quantity"],
                         dispatched=one["dispatched"], status=one["status"], number=self._number())
                for one in given["lineItems"]
            ],
            status="PROCESSED", externalIds=given.get("externalIds", []), initiatedBy=given["initiatedBy"],
            notes=given["notes"],
        )  # fmt: skip
        self._invoice(given["invoiceId"])["refundRequests"].append(request)
        return {"status": 200, "errors": None, "refundRequest": request}

    def _refundRequestLineItemAccept(self, given: Document) -> Document:
        for _, line in self._refund_lines():
            if line["id"] == given["refundRequestLineItemId"]:
                line["status"] = "REFUND_ACCEPTED"
        return {"status": 200, "errors": None}

    def _refundRequestRefund(self, given: Document) -> Document:
        found = None
        for request, line in self._refund_lines():
            if request["id"] == given["refundRequestId"]:
                line["status"], request["status"], found = "REFUNDED", "REFUNDED", request
                request["refundedAt"] = "2026-03-03T10:00:00Z"
                request["notes"] += given["notes"]
        return {"status": 200, "errors": None, "refundRequest": found}

    def _refund_lines(self) -> list[tuple[Document, Document]]:
        every = [i for order in self.orders.values() for i in order["invoices"]["nodes"]]
        return [(request, line) for i in every for request in i["refundRequests"] for line in request["lineItems"]]

    def _variantUpdate(self, given: Document) -> Document:
        for variant in self.stock.values():
            if variant["id"] == given["variantId"]:
                variant["countOnHand"] = given["attributes"]["countOnHand"]
                return {"status": 200, "errors": None, "variant": variant}
        return {"status": 404, "errors": [{"field": "variant_id", "messages": ["is unknown"]}], "variant": None}

    def _webhookCreate(self, given: Document) -> Document:
        self.hooks.append({"id": opaque("Webhook", self._number()), "legacyFormat": False, **given["attributes"]})
        return {"status": 200, "errors": None, "webhook": self.hooks[-1]}

    def _webhookUpdate(self, given: Document) -> Document:
        (hook,) = [one for one in self.hooks if one["id"] == given["webhookId"]]
        hook.update(given["attributes"])
        return {"status": 200, "errors": None, "webhook": hook}


def chosen(value: Any, selection: SelectionSetNode | None) -> Any:
    """What of a value was selected; what it does not have is null."""
    if selection is None or value is None:
        return value
    if isinstance(value, list):
        return [chosen(one, selection) for one in value]
    found: Document = {}
    for node in selection.selections:
        if isinstance(node, FieldNode):
            key = node.alias.value if node.alias else node.name.value
            found[key] = chosen(value.get(node.name.value), node.selection_set)
        elif isinstance(node, InlineFragmentNode) and node.type_condition.name.value == value.get("__typename"):
            found |= chosen(value, node.selection_set)
    return found


def address() -> Document:
    return {
        "address": "1 High St", "subaddress": None, "city": "Perth", "postcode": "6000",
        "state": {"short": "WA"}, "country": {"code": "au"},
    }  # fmt: skip


def line(number: int, sku: str = "MUG", quantity: int = 1, each: int = 1000, **more: Any) -> Document:
    return {
        "id": opaque("LineItem", number), "quantity": quantity, "statusFull": "ALLOCATED", "advertTitle": "Mug",
        "advertId": opaque("Advert", 1), "brandName": "Clay", "variantId": opaque("Variant", 1), "variantSku": sku,
        "variantName": "red", "variantBarcode": None, "itemAmountCents": each, "subtotalCents": each * quantity,
        "discountCents": 0, "taxTotalCents": 0, "taxRate": 0.1, "image": None, "variant": None, **more,
    }  # fmt: skip


def refunded(line_id: str | None, quantity: int, amount: int, number: int = 1, **more: Any) -> Document:
    return {
        "id": opaque("RefundRequestLineItem", number), "status": "REFUNDED", "dispatched": True,
        "onlyRemittance": False, "quantity": quantity, "reason": "Broken", "amountCents": amount,
        "lineItem": {"id": line_id} if line_id else None, **more,
    }  # fmt: skip


def refund(number: int, *lines: Document, **more: Any) -> Document:
    return {
        "id": opaque("RefundRequest", number), "status": "REFUNDED", "initiatedBy": "BUYER", "externalIds": [],
        "notes": [],
        "createdAt": "2026-03-03T09:00:00Z", "updatedAt": "2026-03-03T10:00:00Z",
        "refundedAt": "2026-03-03T10:00:00Z", "lineItems": list(lines), **more,
    }  # fmt: skip


L1, L2 = opaque("LineItem", 1), opaque("LineItem", 2)
SHIPPED = datetime(2026, 3, 2, 9, tzinfo=UTC)
SECRET = {"env": "NONE", "default": "hook-secret"}
KINDS = {payload: kind for kind, payload in PAYLOAD_TYPES.items() if kind is not EffectKind.UNSUBSCRIBE}


def effect(payload: Any, key: str = "key-1", attempts: int = 1) -> Effect:
    return Effect(
        effect_id=1, connection="pots", kind=KINDS[type(payload)], subject="x", lane=Lane.URGENT, payload=payload,
        natural_key=key, attempts=attempts,
    )  # fmt: skip


def connector_to(url: str, **settings: Any) -> Marketplacer:
    given = MarketplacerSettings.model_validate(
        {"platform": "marketplacer", "base_url": url, "api_key": {"env": "NONE", "default": KEY}, **settings}
    )
    wire = HttpWire(
        "pots", url, given, LocalBudget(marketplacer.budget(given)), marketplacer.authentication(given),
        marketplacer.secrets(given), {},
    )  # fmt: skip
    return marketplacer.connect("pots", given, wire)


def read(connector: Marketplacer, feed: str, watermark: str | None = None) -> tuple[list[Statement], str | None]:
    pages = list(connector.read(feed, watermark))
    return [one for page in pages for one in page.statements], pages[-1].watermark if pages else None


@contextmanager
def instance() -> Iterator[tuple[Instance, str]]:
    found = Instance()

    async def ask(request: Request) -> Response:
        return await found.answer(request)

    with serving(Route("/graphql", ask, methods=["POST"])) as url:
        yield found, url


def parsed(url: str, order_id: str, **settings: Any) -> tuple[Order, list[Return | Refund]]:
    connector = connector_to(url, **settings)
    statement = connector.fetch_order(order_id)
    assert statement is not None
    order, *reversals = connector.parse(statement)
    assert isinstance(order, Order)
    return order, [one for one in reversals if not isinstance(one, Order)]


def parcel(order_id: str, *lines: tuple[str, int], number: str = "RM1") -> Dispatch:
    units = tuple(LineUnits(line_id=line_id, quantity=quantity) for line_id, quantity in lines)
    return Dispatch(order_id=order_id, lines=units, carrier="royal mail", tracking_number=number, shipped_at=SHIPPED)
