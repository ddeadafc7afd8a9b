"""A small Magento over real HTTP, for what the simulated one does not do on command: searches, orders, documents.

It verifies signatures itself, evaluates search criteria on plain rows, and keeps orders as they were sent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from oauthlib.oauth1 import RequestValidator, SignatureOnlyEndpoint
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from marketplace_sync_tests.connectors.http_service import serving

KEYS = {"consumer_key": "ck-1234", "consumer_secret": "cs-1234", "token": "at-1234", "token_secret": "ats-1234"}
Row = dict[str, Any]

_PLACE = re.compile(r"searchCriteria\[filterGroups\]\[(\d+)\]\[filters\]\[(\d+)\]\[(field|value|conditionType)\]")
_SORT = re.compile(r"searchCriteria\[sortOrders\]\[(\d+)\]\[field\]")


class _Keys(RequestValidator):  # type: ignore[misc]
    """What oauthlib asks of a server: one consumer, one token, every nonce once."""

    enforce_ssl = False
    dummy_client = dummy_access_token = "dummy"
    allowed_signature_methods = ("HMAC-SHA256",)

    def __init__(self) -> None:
        super().__init__()
        self.nonces: set[tuple[str, str]] = set()

    @property
    def client_key_length(self) -> tuple[int, int]:
        return 1, 100

    access_token_length = nonce_length = client_key_length

    def check_client_key(self, client_key: str) -> bool:
        return True

    check_access_token = check_nonce = check_client_key

    def validate_client_key(self, client_key: str, request: Any) -> bool:
        return client_key == KEYS["consumer_key"]

    def validate_access_token(self, client_key: str, token: str, request: Any) -> bool:
        return token == KEYS["token"]

    def validate_timestamp_and_nonce(self, client_key: str, timestamp: str, nonce: str, request: Any, **_: Any) -> bool:
        fresh = (timestamp, nonce) not in self.nonces
        self.nonces.add((timestamp, nonce))
        return fresh

    def get_client_secret(self, client_key: str, request: Any) -> str:
        return KEYS["consumer_secret"]

    def get_access_token_secret(self, client_key: str, token: str, request: Any) -> str:
        return KEYS["token_secret"]


class Double:
    """One shop. Tests change its tables directly, as its staff would."""

    def __init__(self) -> None:
        self.anew()

    def anew(self) -> None:
        """As it was at first: one service is enough for many tests."""
        self.validator = _Keys()
        self._endpoint = SignatureOnlyEndpoint(self.validator)
        self.tables: dict[str, list[Row]] = {name: [] for name in ("orders", "shipments", "creditmemos", "products")}
        self.tables |= {"categories/list": [], "inventory/source-items": [], "inventory/sources": []}
        self.tables["inventory/stock-source-links"] = []
        self.salable: dict[str, int] | None = {}
        self.websites = {"base": 2}
        """Website -> its stock. Each has one store view."""
        self.clock = "2026-11-20 10:00:00"
        self.forbidden: dict[str, str] = {}
        """Path -> the permission that is missing for it."""
        self.before: Callable[[str, str], Response | None] = lambda method, path: None
        self.after: Callable[[str, str], Response | None] = lambda method, path: None
        """What to answer instead, before or after the request was carried out."""
        self.requests: list[str] = []

    # -- what staff does

    def product(self, sku: str, price: float = 10.0, **more: Any) -> Row:
        number = len(self.tables["products"]) + 1
        row = {"id": number, "entity_id": number, "sku": sku, "name": f"The {sku}", "type_id": "simple",
               "price": price, "weight": 0.5, "custom_attributes": [], **more}  # fmt: skip
        self.tables["products"].append(row)
        return row

    def order(self, number: str) -> Row:
        return next(row for row in self.tables["orders"] if row["increment_id"] == number)

    def ship(self, order: Row, units: dict[str, int] | None = None, *, tracks: list[Row] | None = None) -> Row:
        lines = []
        for item in order["items"]:
            quantity = (units or {}).get(item["sku"], 0 if units else item["qty_ordered"] - item["qty_shipped"])
            if quantity:
                item["qty_shipped"] += quantity
                lines.append({"order_item_id": item["item_id"], "sku": item["sku"], "qty": float(quantity)})
        return self.document("shipments", order, items=lines, tracks=tracks or [], comments=[])

    def credit(self, order: Row, units: dict[int, int], comment: str = "", **money: float) -> Row:
        lines, total = [], 0.0
        for item in order["items"]:
            quantity = units.get(item["item_id"], 0)
            if item["item_id"] in units:
                item["qty_refunded"] += quantity
                worth = round(item["row_total_incl_tax"] * quantity / item["qty_ordered"], 2)
                total += worth
                lines.append({"order_item_id": item["item_id"], "sku": item["sku"], "qty": float(quantity),
                              "row_total_incl_tax": worth, "base_price": item["price"], "base_cost": 0,
                              "entity_id": 1})  # fmt: skip
        total += money.get("shipping_amount", 0) + money.get("adjustment_positive", 0)
        total -= money.get("adjustment_negative", 0)
        return self.document(
            "creditmemos", order, items=lines, state=2, grand_total=round(total, 2), order_currency_code="GBP",
            adjustment_negative=money.get("adjustment_negative", 0),
            comments=[{"comment": comment}] if comment else [],
        )  # fmt: skip

    def document(self, table: str, order: Row, **facts: Any) -> Row:
        row = {"entity_id": 100 + len(self.tables[table]), "order_id": order["entity_id"], "created_at": self.clock,
               "updated_at": self.clock, **facts}  # fmt: skip
        self.tables[table].append(row)
        order["updated_at"] = self.clock
        return row

    # -- what it answers

    async def answer(self, request: Request) -> Response:
        body = await request.body()
        path = request.path_params["path"]
        self.requests.append(f"{request.method} {path}")
        headers = {"Authorization": request.headers.get("authorization", "")}
        known, _ = self._endpoint.validate_request(str(request.url), request.method, None, headers)
        if not known:
            return JSONResponse({"message": "The signature is invalid. Verify and try again."}, 401)
        for start, resource in self.forbidden.items():
            if path.startswith(start):
                said = "The consumer isn't authorized to access %resources."
                return JSONResponse({"message": said, "parameters": {"resources": resource}}, 401)
        instead = self.before(request.method, path)
        if instead is not None:
            return instead
        done = self._read(path, request) if request.method == "GET" else self._write(path, json.loads(body))
        return self.after(request.method, path) or done

    def _read(self, path: str, request: Request) -> Response:
        match path:
            case "store/storeConfigs":
                codes = ("default" if website == "base" else f"view_of_{website}" for website in self.websites)
                return JSONResponse([{"id": number, "code": code, "website_id": number, "base_currency_code": "GBP"}
                                     for number, code in enumerate(codes, 1)])  # fmt: skip
            case "store/websites":
                return JSONResponse([{"id": number, "code": code, "name": code, "default_group_id": number}
                                     for number, code in enumerate(self.websites, 1)])  # fmt: skip
            case _ if path.startswith("inventory/stock-resolver/website/"):
                return JSONResponse({"stock_id": self.websites[path.rpartition("/")[2]], "name": "UK"})
            case "products/attributes/manufacturer":
                return JSONResponse({"attribute_code": "manufacturer", "options": [{"label": "Acme", "value": "7"}]})
            case "orders/items":
                items = [
                    {**item, "store_id": order["store_id"], "created_at": order["created_at"]}
                    for order in self.tables["orders"]
                    for item in order["items"]
                ]
                return self._search(items, request)
            case "inventory/export-stock-salable-qty/website/base" if self.salable is not None:
                page = self._page(self.tables["products"], request)
                rows = [{"sku": row["sku"], "qty": self.salable[row["sku"]], "is_salable": self.salable[row["sku"]] > 0}
                        for row in page if row["sku"] in self.salable]  # fmt: skip
                return JSONResponse({"items": rows, "search_criteria": {}, "total_count": len(self.tables["products"])})
        if path in self.tables:
            return self._search(self.tables[path], request)
        return JSONResponse({"message": "Request does not match any route."}, 404)

    def _write(self, path: str, body: Any) -> Response:
        if path == "orders":
            return self._create(body["entity"])
        order = next(row for row in self.tables["orders"] if str(row["entity_id"]) == path.split("/")[1])
        match path.split("/")[2]:
            case "invoice":
                for item in order["items"]:
                    item["qty_invoiced"] = item["qty_ordered"]
                order["state"], order["status"] = "processing", "processing"
                return JSONResponse("12")
            case "cancel":
                if order["state"] != "new":
                    return JSONResponse(False)
                order |= {"state": "canceled", "status": "canceled", "updated_at": self.clock}
                return JSONResponse(True)
            case "refund":
                units = {line["order_item_id"]: line["qty"] for line in body["items"]}
                money = {name: value for name, value in body["arguments"].items() if isinstance(value, int | float)}
                memo = self.credit(order, units, body["comment"]["comment"], **money)
                return JSONResponse(memo["entity_id"])
        raise AssertionError(path)

    def _create(self, entity: Row) -> Response:
        if any(row["increment_id"] == entity["increment_id"] for row in self.tables["orders"]):
            return JSONResponse({"message": "Unique constraint violation found"}, 400)
        number = len(self.tables["orders"]) + 1
        counts = dict.fromkeys(("qty_shipped", "qty_invoiced", "qty_refunded", "qty_canceled"), 0)
        items = [{**item, **counts, "item_id": number * 10 + place} for place, item in enumerate(entity["items"], 1)]
        row = {**entity, "entity_id": number, "items": items, "created_at": self.clock, "updated_at": self.clock}
        self.tables["orders"].append(row)
        return JSONResponse(row)

    def _search(self, rows: list[Row], request: Request) -> Response:
        found = self._page(rows, request, count := [0])
        return JSONResponse({"items": found or None, "search_criteria": {}, "total_count": count[0]})

    def _page(self, rows: list[Row], request: Request, count: list[int] | None = None) -> list[Row]:
        asked = dict(request.query_params)
        groups: dict[str, dict[str, dict[str, str]]] = {}
        for name, value in asked.items():
            if place := _PLACE.fullmatch(name):
                groups.setdefault(place[1], {}).setdefault(place[2], {})[place[3]] = value
        kept = [row for row in rows if all(any(_holds(row, f) for f in g.values()) for g in groups.values())]
        for name in sorted((name for name in asked if _SORT.fullmatch(name)), reverse=True):
            kept.sort(key=lambda row, field=asked[name]: row.get(field) or 0)  # type: ignore[misc]
        if count is not None:
            count[0] = len(kept)
        size, page = int(asked["searchCriteria[pageSize]"]), int(asked["searchCriteria[currentPage]"])
        pages = max(1, -(-len(kept) // size))
        page = min(page, pages)  # as some versions do: the last page again and again
        return kept[(page - 1) * size : page * size]


def _holds(row: Row, one: dict[str, str]) -> bool:
    stated, value = row.get(one["field"]), one["value"]
    match one["conditionType"]:
        case "notnull":
            return stated is not None
        case "in":
            return str(stated) in value.split(",")
        case "eq":
            return str(stated) == value
        case "gt" | "gteq" as condition:
            mine, theirs = (stated, int(value)) if isinstance(stated, int) else (str(stated), value)
            return mine > theirs if condition == "gt" else mine >= theirs  # type: ignore[operator]
    raise AssertionError(one)


@contextmanager
def doubled() -> Iterator[tuple[Double, str]]:
    """A shop and the address it answers at."""
    shop = Double()
    route = Route("/rest/{view}/V1/{path:path}", shop.answer, methods=["GET", "POST"])
    with serving(route) as base_url:
        yield shop, base_url
