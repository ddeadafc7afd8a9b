"""From path and method to handler: key, shop, formats and call budget first, refusals in the marketplace's words."""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from marketplace_sync.sandbox.mirakl.cadence import Cadence
from marketplace_sync.sandbox.mirakl.settings import MiraklSettings
from marketplace_sync.sandbox.mirakl.values import BadValue
from marketplace_sync.sandbox.mirakl.workflow import Refused

Handler = Callable[[Request], Awaitable[Response]]
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_MULTIPART = ("OF01", "STO01", "PRI01", "P41", "OR74")
_FILES = ("OF03", "STO03", "PRI03", "P44", "P45", "P46", "P47", "OR73", "IV02", "V01")
_WITHOUT_BODY = ("OR24", "OR29")


def encode(document: Any) -> bytes:
    """JSON with decimals as numbers."""
    return _ENCODER.encode(document)


def answer(document: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(encode(document), status_code=status, media_type="application/json", headers=headers)


def refusal(status: int, message: str, code: str | None = None, headers: dict[str, str] | None = None) -> Response:
    """(Mirakl, errors)"""
    return answer({**({"code": code} if code else {}), "message": message, "status": status}, status, headers)


class Gate:
    """Collects the routes of the API. `catch_up` is called before each call, so that time has done its work."""

    def __init__(self, settings: MiraklSettings, cadence: Cadence, catch_up: Callable[[], None]) -> None:
        self.settings = settings
        self._cadence = cadence
        self._catch_up = catch_up
        self._paths: dict[str, dict[str, tuple[str, Handler]]] = {}

    def open(self, operation: str, method: str, path: str, handler: Handler) -> None:
        """Give an operation its path, e.g. open("OR11", "GET", "/api/orders", ...)."""
        self._paths.setdefault(path, {})[method] = (operation, handler)

    def routes(self) -> list[BaseRoute]:
        """Fixed paths before those with parameters."""
        paths = sorted(self._paths, key=lambda path: ("{" in path, path))
        return [
            *(Route(path, self._behind(self._paths[path]), methods=_METHODS) for path in paths),
            Route("/{rest:path}", self._nothing_here, methods=_METHODS),
        ]

    def _behind(self, operations: dict[str, tuple[str, Handler]]) -> Handler:
        async def handle(request: Request) -> Response:
            if (refused := self._turned_away(request)) is not None:
                return refused
            method = "GET" if request.method == "HEAD" else request.method
            if method not in operations:
                return refusal(405, "Method Not Allowed", headers={"Allow": ", ".join(operations)})
            operation, handler = operations[method]
            if (refused := self._wrong_format(operation, request) or self._too_often(operation, request)) is not None:
                return refused
            self._catch_up()
            try:
                return await handler(request)
            except Refused as problem:
                return refusal(problem.status, str(problem), problem.code)
            except BadValue as problem:
                return refusal(400, str(problem))
            except LookupError as problem:
                # A missing key of a dictionary is a defect of the simulation, not an unknown order.
                if type(problem) is not LookupError:
                    raise
                return refusal(404, str(problem.args[0]))

        return handle

    def _turned_away(self, request: Request) -> Response | None:
        key = request.headers.get("authorization", "")
        # The raw key: with "Bearer " before it, it is another key. (Mirakl, authentication)
        if not hmac.compare_digest(key.encode(), self.settings.api_key.encode()):
            return refusal(401, "Unauthorized")
        shop = request.query_params.get("shop_id")
        if shop is not None and shop != str(self.settings.shop_id):
            return refusal(403, f"The user has no access to the shop {shop}")
        return None

    def _wrong_format(self, operation: str, request: Request) -> Response | None:
        accept = request.headers.get("accept", "*/*")
        if operation not in _FILES and not any(kind in accept for kind in ("application/json", "*/*", "application/*")):
            return refusal(406, "Not Acceptable")
        if request.method in ("POST", "PUT") and operation not in _WITHOUT_BODY:
            kind = request.headers.get("content-type", "").partition(";")[0].strip()
            if kind != ("multipart/form-data" if operation in _MULTIPART else "application/json"):
                return refusal(415, "Unsupported Media Type")
        return None

    def _too_often(self, operation: str, request: Request) -> Response | None:
        query = request.query_params
        further = query.get("offset", "0") != "0" or "page_token" in query
        # The log's ceiling is one of pages; elsewhere they belong to the call that asked for the first one.
        if further and operation != "TL02" and not self.settings.pages_count:
            return None
        if "order_ids" in query:  # assumed to be free like a person's page
            return None
        wait = self._cadence.wait(operation, request.url.path)
        if wait is None:
            return None
        headers = {"Retry-After": str(wait)} if self.settings.send_retry_after else None
        return refusal(429, "Too Many Requests", headers=headers)

    async def _nothing_here(self, request: Request) -> Response:
        return self._turned_away(request) or refusal(404, "Not Found")


async def json_body(request: Request) -> dict[str, Any]:
    """The body, numbers as Decimal. Raises BadValue."""
    try:
        body = json.loads(await request.body(), parse_float=Decimal)
    except ValueError as problem:
        raise BadValue("The request body is not valid JSON") from problem
    if not isinstance(body, dict):
        raise BadValue("The request body has a wrong datatype")
    return body


def items(body: dict[str, Any], name: str, most: int | None = None) -> list[dict[str, Any]]:
    """A list of objects in a body. Raises BadValue, vague as the vendor is."""
    found = body.get(name)
    if not isinstance(found, list) or not found or not all(isinstance(each, dict) for each in found):
        raise BadValue(f"The field '{name}' has a wrong datatype")
    if most is not None and len(found) > most:
        raise BadValue(f"The field '{name}' must not have more than {most} items")
    return found


def text(body: dict[str, Any], name: str) -> str:
    """A required string of a body. Raises BadValue."""
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise BadValue(f"The field '{name}' is required")
    return value


def whole(body: dict[str, Any], name: str) -> int:
    """A required whole number of a body. Raises BadValue."""
    value = body.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadValue(f"The field '{name}' has a wrong datatype")
    return value
