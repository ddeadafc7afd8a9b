"""The calls a seller makes: orders, actions, returns, carriers, customers, products and stock."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from marketplace_sync.sandbox.john_lewis import carriers, wire
from marketplace_sync.sandbox.john_lewis.consents import Consents
from marketplace_sync.sandbox.john_lewis.door import Door, Handler, NotFound, json_body, whole_number
from marketplace_sync.sandbox.john_lewis.order_book import ANY, OrderBook
from marketplace_sync.sandbox.john_lewis.products import Products, Publishing
from marketplace_sync.sandbox.john_lewis.return_filters import RETURN_FILTERS, return_conditions
from marketplace_sync.sandbox.john_lewis.returns import Returns
from marketplace_sync.sandbox.john_lewis.seller_actions import BadFields, SellerActions, parse
from marketplace_sync.sandbox.john_lewis.settings import EdgeSettings
from marketplace_sync.sandbox.john_lewis.workflow import RANK, SELLER_ACTIONS
from marketplace_sync.sandbox.state import Document

_JSON = "application/json"
_ORDER_FILTERS = ("supplier_id", "retailer_id", "order_reference", "part_number", "status")


class SellerApi:
    """Handlers over the parts of the account; `open_in` gives them their paths."""

    def __init__(
        self,
        settings: EdgeSettings,
        book: OrderBook,
        actions: SellerActions,
        returns: Returns,
        products: Products,
        consents: Consents,
    ) -> None:
        self.settings = settings
        self._book = book
        self._actions = actions
        self._returns = returns
        self._products = products
        self._consents = consents

    def open_in(self, door: Door) -> None:
        """Give every call its path. GET of the orders list shares its path with the retailer's POST: see `vendor`."""
        door.slashed("/restapi/v4/customers/", GET=self._retailers)
        door.slashed("/restapi/v4/suppliers/", GET=self._suppliers)
        door.slashed("/api/v4/suppliers/", GET=self._product_suppliers)
        door.slashed("/restapi/v4/order-tracking-carriers/", GET=self._carriers)
        door.slashed("/restapi/v4/orders/{id}/", GET=self._order)
        for action in SELLER_ACTIONS:
            door.slashed(f"/restapi/v4/orders/{{id}}/{action}/", POST=self._action(action))
        door.slashed("/restapi/v4/returns/", GET=self._returns_list)
        door.slashed("/api/v4/products/", GET=self._products_list)
        door.slashed("/api/v4/products/{id}/", GET=self._product, PATCH=self._change_product)
        door.slashless("/api/v4/products/{id}/stock", PATCH=self._stock)
        door.slashed("/api/v4/invoices/", POST=self._invoice)
        door.slashed("/sim/jl/customers/", GET=self._consent_feed)

    def _page_asked(self, request: Request) -> tuple[int, int]:
        """Offset and limit; a limit above the ceiling is the ceiling."""
        limit = whole_number(request, "limit", self.settings.default_page_size) or self.settings.default_page_size
        return whole_number(request, "offset", 0), min(limit, self.settings.page_ceiling)

    async def orders(self, request: Request) -> Response:
        """GET /restapi/v4/orders/."""
        asked = request.query_params
        status = asked.get("status", ANY)
        if status not in (ANY, *RANK):
            choice = f"Select a valid choice. {status} is not one of the available choices."
            raise BadFields({"status": [choice]})
        offset, limit = self._page_asked(request)
        if asked.get("supplier_id", str(wire.SUPPLIER_ID)) != str(wire.SUPPLIER_ID):
            page: tuple[int, list[bytes]] = (0, [])
        else:
            page = self._book.page(
                retailer=asked.get("retailer_id", ANY),
                status=status,
                part_number=asked.get("part_number"),
                reference=asked.get("order_reference"),
                offset=offset,
                limit=limit,
            )
        body = wire.listing("/restapi/v4/orders", *page, offset, limit, _filters(request, _ORDER_FILTERS))
        return Response(body, media_type=_JSON)

    async def _order(self, request: Request) -> Response:
        order = self._book.get(request.path_params["id"])
        if order is None:
            raise NotFound
        return Response(self._book.body(order["id"]), media_type=_JSON)

    def _action(self, action: str) -> Handler:
        async def act(request: Request) -> Response:
            order_id = request.path_params["id"]
            if self._book.get(order_id) is None:
                raise NotFound
            requests = parse(action, await json_body(request), self.settings)
            order, moved = self._actions.apply(action, order_id, requests)
            if action == "return_acknowledge":
                self._returns.acknowledged(order, moved)
            return Response(status_code=200)

        return act

    async def _returns_list(self, request: Request) -> Response:
        offset, limit = self._page_asked(request)
        page = whole_number(request, "page", 0)
        if page > 1 and "offset" not in request.query_params:
            offset = (page - 1) * limit
        conditions = return_conditions(request.query_params)
        matches = [
            (found, order)
            for found, order in self._returns.newest_first()
            if all(condition(found, order) for condition in conditions)
        ]
        rows = [
            msgspec.json.encode(wire.returned(found, order, show_reason=self.settings.show_cancel_reason))
            for found, order in matches[offset : offset + limit]
        ]
        filters = _filters(request, RETURN_FILTERS)
        body = wire.listing("/restapi/v4/returns/", len(matches), rows, offset, limit, filters)
        return Response(body, media_type=_JSON)

    async def _retailers(self, request: Request) -> Response:
        served = list(wire.RETAILERS) if self.settings.second_retailer else [wire.JOHN_LEWIS]
        rows = [
            {"url": f"{wire.ORDER_TREE}/customers/{n}/?format=json", "id": n, "name": wire.RETAILERS[n]["name"]}
            for n in served
        ]
        return self._listed("/restapi/v4/customers/", len(rows), rows, request)

    async def _suppliers(self, request: Request) -> Response:
        return self._listed("/restapi/v4/suppliers/", 1, [_supplier(wire.ORDER_TREE, wire.SUPPLIER_ID)], request)

    async def _product_suppliers(self, request: Request) -> Response:
        row = _supplier(wire.PRODUCT_TREE, wire.PRODUCT_SUPPLIER_ID)
        return self._listed("/api/v4/suppliers/", 1, [row], request)

    def _listed(self, path: str, count: int, rows: list[Document], request: Request, filters: str = "") -> Response:
        offset, limit = self._page_asked(request)
        encoded = [msgspec.json.encode(row) for row in rows]
        return Response(wire.listing(path, count, encoded, offset, limit, filters), media_type=_JSON)

    async def _carriers(self, request: Request) -> Response:
        return JSONResponse(carriers.listing())

    async def _products_list(self, request: Request) -> Response:
        offset, limit = self._page_asked(request)
        count, found = self._products.page(request.query_params.get("part_number"), offset, limit)
        rows = [wire.product(product) for product in found]
        return self._listed("/api/v4/products/", count, rows, request, _filters(request, ("part_number",)))

    async def _product(self, request: Request) -> Response:
        return JSONResponse(wire.product(self._found(request)))

    def _found(self, request: Request) -> Document:
        product = self._products.get(request.path_params["id"])
        if product is None:
            raise NotFound("Product not found.", "PRODUCT_NOT_FOUND")
        return product

    async def _change_product(self, request: Request) -> Response:
        product = self._found(request)
        body = await json_body(request)
        data = body.get("data") if isinstance(body, dict) else None
        if not isinstance(data, dict):
            raise BadFields({"data": ["This field is required."]})
        if unknown := set(data) - {*product["data"], "free_stock"}:
            raise BadFields({name: ["This attribute is not part of the data model."] for name in sorted(unknown)})
        for name in ("free_stock", "supplier_free_stock", "leadtime_in_days"):
            if name in data:
                data[name] = _stock_number(data[name], name)
        return self._changed(product, data)

    async def _stock(self, request: Request) -> Response:
        product = self._found(request)
        body = await json_body(request)
        if not isinstance(body, dict) or "supplier_free_stock" not in body:
            raise BadFields({"supplier_free_stock": ["This field is required."]})
        stock = _stock_number(body["supplier_free_stock"], "supplier_free_stock")
        return self._changed(product, {"supplier_free_stock": stock})

    def _changed(self, product: Document, data: dict[str, Any]) -> Response:
        try:
            return JSONResponse(wire.product(self._products.change(product, data)))
        except Publishing:
            detail = {"detail": "Can't update a product which is in a publishing status."}
            return JSONResponse(detail, status_code=409)

    async def _invoice(self, request: Request) -> Response:
        """John Lewis takes invoices elsewhere. (John Lewis, settlement)"""
        detail = "The retailer does not support invoicing."
        return JSONResponse({"detail": detail, "code": "RETAILER_DOES_NOT_SUPPORT_INVOICING"}, status_code=400)

    async def _consent_feed(self, request: Request) -> Response:
        if not self.settings.consent_feed:
            raise NotFound
        since = None
        if text := request.query_params.get("updated_since"):
            try:
                since = datetime.fromisoformat(text)
            except ValueError as problem:
                raise BadFields({"updated_since": ["Enter a valid date and time with its zone."]}) from problem
            if since.tzinfo is None:
                raise BadFields({"updated_since": ["Enter a valid date and time with its zone."]})
        offset, limit = self._page_asked(request)
        count, rows = self._consents.page(since, offset, limit)
        return self._listed("/sim/jl/customers/", count, rows, request, _filters(request, ("updated_since",)))


def _supplier(tree: str, number: int) -> Document:
    url = f"{tree}/suppliers/{number}/?format=json"
    return {"url": url, "id": number, "name": wire.SUPPLIER_NAME, "account_id": wire.SUPPLIER_ACCOUNT}


def _filters(request: Request, names: tuple[str, ...]) -> str:
    """The filters of this request, to be repeated in the links to its other pages."""
    sent = {name: request.query_params[name] for name in names if name in request.query_params}
    return f"&{urlencode(sent)}" if sent else ""


def _stock_number(value: Any, name: str) -> int:
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadFields({name: ["A valid integer is required."]})
    if value < 0:
        raise BadFields({name: ["Ensure this value is greater than or equal to 0."]})
    return value
