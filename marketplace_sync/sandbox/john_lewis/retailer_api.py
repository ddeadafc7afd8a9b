"""The calls John Lewis' own systems make: create an order, ask to cancel, announce and withdraw a return."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from marketplace_sync.sandbox.john_lewis import buyers, wire
from marketplace_sync.sandbox.john_lewis.door import Door, NotFound, json_body
from marketplace_sync.sandbox.john_lewis.order_book import OrderBook
from marketplace_sync.sandbox.john_lewis.placing import Placing
from marketplace_sync.sandbox.john_lewis.products import Products
from marketplace_sync.sandbox.john_lewis.returns import Returns, Wanted
from marketplace_sync.sandbox.john_lewis.seller_actions import BadFields
from marketplace_sync.sandbox.john_lewis.workflow import CANCELLABLE, Line, Order, Refused, lines_of, move
from marketplace_sync.sandbox.state import Document

CANCEL_REASONS = (101, 102, 126, 127, 128, 129, 130, 131, 132)
_DEBIT_NOTE_REASON = 16
"""What the vendor's sample of a debit note carries; it stands for "no longer wanted" here."""
_LONDON = ZoneInfo("Europe/London")


def ask_to_cancel(order: Order, rows: list[Line], quantity: int, reason_code: int) -> None:
    """Ask to cancel so many units of these rows of `order`. Raises Refused when fewer have not left yet."""
    if reason_code not in CANCEL_REASONS:
        raise Refused(f"Reason code {reason_code} is not one of {', '.join(map(str, CANCEL_REASONS))}")
    for row in move(order, rows, quantity, CANCELLABLE, "CANCEL"):
        row["reason"] = reason_code


class RetailerApi:
    """Handlers for the retailer's login; `open_in` gives them their paths."""

    def __init__(self, book: OrderBook, placing: Placing, products: Products, returns: Returns) -> None:
        self._book = book
        self._placing = placing
        self._products = products
        self._returns = returns

    def open_in(self, door: Door) -> None:
        door.slashed("/restapi/v4/orders/returns/", retailer_only=("POST",), POST=self._request_return)
        door.slashed("/restapi/v4/orders/{id}/cancel_request/", retailer_only=("POST",), POST=self._cancel_request)
        door.slashed("/restapi/v4/orders/{id}/return_requested/", retailer_only=("POST",), POST=self._debit_note)
        door.slashless("/restapi/v4/returns/{uuid}/cancel", retailer_only=("POST",), POST=self._withdraw_return)

    async def create(self, request: Request) -> Response:
        """POST /restapi/v4/orders/."""
        body = await json_body(request)
        _require(body, ("supplier", "order_reference", "order_date", "shipping_address", "items"))
        address = body["shipping_address"]
        _require(address, ("full_name", "line_1", "postal_code", "country"))
        for name in ("email", "state"):
            if name in address and not address[name]:
                raise BadFields({name: ["This field may not be blank."]})
        if not isinstance(body["items"], list):
            raise BadFields({"items": ["Expected a list of items."]})
        lines = [self._line(item, place) for place, item in enumerate(body["items"])]
        head = {
            "retailer": wire.JOHN_LEWIS,
            "reference": str(body["order_reference"]),
            "customer_order_number": body.get("end_user_purchase_order_reference"),
            "ordered_at": _moment(body["order_date"], "order_date").isoformat(),
            "test": bool(body.get("test_flag", False)),
            "buyer": {name: value for name, value in address.items() if name in buyers.FIELDS},
            "purchase_order_reference": body.get("purchase_order_reference"),
            "additional_order_reference": body.get("additional_order_reference"),
            "comment": body.get("comment"),
        }
        try:
            order = self._placing.receive(head, lines)
        except ValueError as problem:
            raise BadFields({"order_reference": [str(problem)]}) from problem
        return JSONResponse(wire.order(order, show_reason=False), status_code=201)

    def _line(self, item: Any, place: int) -> Line:
        _require(item, ("quantity",))
        product = self._product(item)
        quantity = item["quantity"]
        if not isinstance(quantity, int) or quantity <= 0:
            raise BadFields({"quantity": ["A valid integer greater than 0 is required."]})
        return {
            "ref": str(item.get("line_reference") or place + 1),
            "sku": item.get("supplier_sku_reference") or "",
            "part_number": product["part_number"],
            "barcode": product["barcode"],
            "title": item.get("name") or product["title"],
            "quantity": quantity,
            "cost": _pence(item.get("unit_cost_price")),
            "promised": item.get("promised_date"),
        }

    def _product(self, item: dict[str, Any]) -> Document:
        """The product an item means by our SKU, the retailer's barcode or the stock number."""
        for product in self._products.page(None, 0, 1_000_000)[1]:
            if item.get("supplier_sku_reference") == product["sku"] or (
                item.get("retailer_sku_reference") in (product["barcode"], product["part_number"])
            ):
                return product
        raise Refused(f"Product not found for item '{item.get('line_reference')}'")

    async def _cancel_request(self, request: Request) -> Response:
        order = self._copy(request)
        for item in _items(await json_body(request), ("part_number", "line_ref", "quantity", "reason_code")):
            rows = lines_of(order, str(item["line_ref"]), str(item["part_number"]))
            ask_to_cancel(order, rows, _whole(item, "quantity"), _whole(item, "reason_code"))
        self._book.put(order)
        return Response(status_code=200)

    async def _debit_note(self, request: Request) -> Response:
        order = self._copy(request)
        body = await json_body(request)
        wanted = []
        for item in _items(body, ("part_number", "line_ref", "quantity", "reason_code")):
            reason = _whole(item, "reason_code")
            wanted.append(
                Wanted(
                    line_ref=str(item["line_ref"]),
                    quantity=_whole(item, "quantity"),
                    reason_code=300 if reason == _DEBIT_NOTE_REASON else reason,
                    part_number=str(item["part_number"]),
                    message=item.get("comments"),
                    rma_reference=item.get("rma_reference"),
                    debit_note=bool(body.get("create_debit_note")),
                )
            )
        self._returns.request(order["id"], wanted)
        return Response(status_code=200)

    async def _request_return(self, request: Request) -> Response:
        body = await json_body(request)
        _require(body, ("order_reference", "supplier", "items"))
        order = self._book.by_reference(str(body["order_reference"]))
        if order is None:
            raise Refused(f"Order {body['order_reference']} not found")
        wanted = [
            Wanted(
                line_ref=str(item["line_reference"]),
                quantity=_whole(item, "quantity"),
                reason_code=_whole(item, "reason_code"),
                message=item.get("comment"),
                method=str(item.get("method", "no_collection")).lower(),
            )
            for item in _items(body, ("line_reference", "quantity", "reason_code"))
        ]
        made = self._returns.request(order["id"], wanted)
        return JSONResponse({"returns": [{"id": each["id"], "line_reference": each["line_ref"]} for each in made]}, 201)

    async def _withdraw_return(self, request: Request) -> Response:
        try:
            self._returns.withdraw(request.path_params["uuid"])
        except LookupError as problem:
            raise NotFound from problem
        return Response(status_code=200)

    def _copy(self, request: Request) -> Order:
        try:
            return self._book.copy_of(request.path_params["id"])
        except LookupError as problem:
            raise NotFound from problem


def _require(body: Any, names: tuple[str, ...]) -> None:
    if not isinstance(body, dict):
        raise BadFields({"detail": "Invalid data. Expected an object."})
    if missing := [name for name in names if body.get(name) in (None, "", [])]:
        raise BadFields({name: ["This field is required."] for name in missing})


def _items(body: Any, names: tuple[str, ...]) -> list[dict[str, Any]]:
    _require(body, ("items",))
    if not isinstance(body["items"], list):
        raise BadFields({"items": ["Expected a list of items."]})
    for item in body["items"]:
        _require(item, names)
    return list(body["items"])


def _whole(item: dict[str, Any], name: str) -> int:
    try:
        return int(item[name])
    except (TypeError, ValueError) as problem:
        raise BadFields({name: ["A valid integer is required."]}) from problem


def _pence(price: Any) -> int | None:
    if price in (None, ""):
        return None
    try:
        pence = Decimal(str(price)) * 100
    except InvalidOperation as problem:
        raise BadFields({"unit_cost_price": ["A valid number is required."]}) from problem
    if pence != int(pence):
        raise BadFields({"unit_cost_price": ["Ensure that there are no more than 2 decimal places."]})
    return int(pence)


def _moment(value: Any, name: str) -> datetime:
    """The vendor's dates have no zone; they are London's. (Virtualstock, dates)"""
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError as problem:
        raise BadFields({name: ["Datetime has wrong format."]}) from problem
    return found if found.tzinfo else found.replace(tzinfo=_LONDON)
