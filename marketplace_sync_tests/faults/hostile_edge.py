"""An Edge that says what it likes: rows are handed out byte for byte as a test wrote them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from marketplace_sync_tests.connectors.http_service import serving

_JSON = "application/json"
_NOW = datetime.now(UTC)
ORDERED = f"{_NOW - timedelta(hours=2):%Y-%m-%dT%H:%M:%S}"
PROMISED = f"{_NOW + timedelta(days=7):%Y-%m-%dT00:00:00}"
"""Days to come, whenever the tests are run: an order that nobody ships in time is a work item of its own."""


@dataclass
class HostileEdge:
    """`rows` are the new orders and `returned` the returns, as JSON text or as something that is none."""

    base_url: str = ""
    rows: list[bytes] = field(default_factory=list)
    returned: list[bytes] = field(default_factory=list)
    page: bytes | None = None
    """The whole answer to every question about orders, in place of a page of `rows`."""
    refusal: tuple[int, bytes] | None = None
    """The answer to every write, in place of an acceptance."""
    written: list[tuple[str, Any]] = field(default_factory=list)
    """(path, body) of every write."""

    def routes(self) -> list[Route]:
        top = "/restapi/v4"
        return [
            Route(f"{top}/token", self._token, methods=["POST"]),
            Route(f"{top}/token/refresh", self._token, methods=["POST"]),
            Route(f"{top}/customers/", self._retailers),
            Route(f"{top}/orders/", self._orders),
            Route(f"{top}/orders/{{order_id}}/", self._order),
            Route(f"{top}/orders/{{order_id}}/{{action}}/", self._action, methods=["POST"]),
            Route(f"{top}/returns/", self._returns),
        ]

    async def _token(self, _: Request) -> Response:
        return JSONResponse({"access": "a", "refresh": "r"})

    async def _retailers(self, _: Request) -> Response:
        row = {"id": 224, "url": f"{self.base_url}/restapi/v4/customers/224/", "name": "John Lewis"}
        return _paged([json.dumps(row).encode()], {})

    async def _orders(self, request: Request) -> Response:
        if self.page is not None:
            return Response(self.page, media_type=_JSON)
        return _paged(self.rows if request.query_params.get("status", "ORDER") == "ORDER" else [], request.query_params)

    async def _order(self, request: Request) -> Response:
        tail = f'/orders/{request.path_params["order_id"]}/"'.encode()
        found = next((row for row in self.rows if tail in row), None)
        return Response(b"{}", status_code=404) if found is None else Response(found, media_type=_JSON)

    async def _returns(self, request: Request) -> Response:
        return _paged(self.returned, request.query_params)

    async def _action(self, request: Request) -> Response:
        self.written.append((request.url.path, await request.json()))
        if self.refusal is not None:
            return Response(self.refusal[1], status_code=self.refusal[0], media_type=_JSON)
        return JSONResponse({"status": "ok"})


def _paged(rows: Sequence[bytes], params: Any) -> Response:
    offset, limit = int(params.get("offset", 0)), int(params.get("limit", 10))
    shown = rows[offset : offset + limit]
    more = b'"x"' if offset + limit < len(rows) else b"null"
    body = b'{"count":%d,"next":%s,"previous":null,"results":[%s]}' % (len(rows), more, b",".join(shown))
    return Response(body, media_type=_JSON)


@contextmanager
def hostile_edge() -> Iterator[HostileEdge]:
    edge = HostileEdge()
    with serving(*edge.routes()) as base_url:
        edge.base_url = base_url
        yield edge


def order(number: int, **changes: Any) -> dict[str, Any]:
    """A plain order, with these fields in place of its own."""
    return {
        "url": f"https://edge.example/restapi/v4/orders/{number}/",
        "retailer": "https://edge.example/restapi/v4/customers/224/",
        "order_reference": f"{number}-001",
        "order_date": ORDERED,
        "status": "ORDER",
        "end_user_purchase_order_reference": f"5{number}",
        "test_flag": False,
        "items": [item("1")],
        "currency_code": "GBP",
        "tax": "1.40",
        "total": "8.40",
        "shipping_address": {
            "full_name": "Ann Other",
            "line_1": "1 High Street",
            "line_2": "",
            "city": "London",
            "state": "",
            "postal_code": "SW1A 1AA",
            "country": "GB",
            "phone": "020 7946 0000",
            "email": "ann.other@example.com",
        },
        **changes,
    }


def item(ref: str, **changes: Any) -> dict[str, Any]:
    return {
        "line_reference": ref,
        "part_number": "81400137",
        "retailer_sku_reference": "5012345010137",
        "supplier_sku_reference": "MUG-RED",
        "quantity": 1,
        "name": "Stoneware mug, red",
        "description": "JL MUG",
        "status": "ORDER",
        "unit_cost_price": "7.00",
        "subtotal": "7.00",
        "tax": "1.40",
        "tax_rate": "20.00",
        "total": "8.40",
        "promised_date": PROMISED,
        **changes,
    }


def returned(number: int, order_id: int, **changes: Any) -> dict[str, Any]:
    """A plain return of one unit of an order's first line."""
    return {
        "id": f"r-{number}",
        "quantity": 1,
        "order": order(order_id),
        "order_item": item("1"),
        "status": "RMA",
        "return_reason": {"code": "300", "description": "No longer wanted"},
        "requested_at": "2026-11-20 12:00:00",
        **changes,
    }
