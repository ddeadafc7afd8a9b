"""From address to handler: web server, store code, signature, access control, body; refusals in the shop's words."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from marketplace_sync.sandbox.magento import picking
from marketplace_sync.sandbox.magento.body import checked
from marketplace_sync.sandbox.magento.errors import MASKED, NO_ROUTE, NOT_AUTHORISED, Refused
from marketplace_sync.sandbox.magento.oauth import Doorman, Signed
from marketplace_sync.sandbox.magento.shapes import Shape
from marketplace_sync.sandbox.magento.shop import Shop

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_MAINTENANCE = (
    b"<!doctype html><html><head><title>503 Service Unavailable</title></head><body><h1>Service Temporarily "
    b"Unavailable</h1><p>The server is temporarily unable to service your request.</p></body></html>"
)
_TOO_MANY = b"<html><head><title>429 Too Many Requests</title></head><body><h1>Too Many Requests</h1></body></html>"
_NOT_FOUND = b"<!DOCTYPE HTML><html><head><title>404 Not Found</title></head><body><h1>Not Found</h1></body></html>"


@dataclass
class Call:
    """One call that may happen. `store` is the code in its address; `body` fits what the operation takes."""

    path: dict[str, str]
    query: list[tuple[str, str]] = field(default_factory=list)
    body: dict[str, Any] = field(default_factory=dict)
    store: str = "default"

    def number(self, name: str) -> int:
        text = self.path[name]
        if not text.lstrip("-").isdigit():
            raise Refused(404, NO_ROUTE)
        return int(text)

    def asked(self, name: str) -> str | None:
        return next((value for key, value in self.query if key == name), None)


Handler = Callable[[Call], Any]
Queue = Callable[[str, str, "Operation", list[dict[str, Any]]], dict[str, Any]]


@dataclass(frozen=True)
class Operation:
    method: str
    template: str
    resource: str
    """Name in the access control list; empty for what everybody may do."""
    handler: Handler
    body: Shape | None

    def match(self, method: str, parts: list[str]) -> dict[str, str] | None:
        segments = self.template.split("/")
        if method != self.method or len(segments) != len(parts):
            return None
        found = {}
        for segment, part in zip(segments, parts, strict=True):
            if segment.startswith("{"):
                found[segment[1:-1]] = part
            elif segment != part:
                return None
        return found


class Gate:
    """Collects the operations of the API. `troubles` is what somebody wants to go wrong, see Office."""

    def __init__(self, shop: Shop, doorman: Doorman, queue: Queue) -> None:
        self.shop, self.doorman, self._queue = shop, doorman, queue
        self.operations: list[Operation] = []
        self.troubles = shop.state.collection("troubles")
        self._calls: deque[float] = deque()
        self._orders: deque[float] = deque()

    def open(self, method: str, template: str, resource: str, handler: Handler, body: Shape | None = None) -> None:
        """Give an operation its path after `/V1/`. One without parameters goes before one with."""
        self.operations.append(Operation(method, template, resource, handler, body))
        self.operations.sort(key=lambda one: one.template.count("{"))

    def routes(self) -> list[BaseRoute]:
        return [Route("/{rest:path}", self._handle, methods=_METHODS)]

    def find(self, method: str, parts: list[str]) -> tuple[Operation, dict[str, str]]:
        """Raises Refused when there is no such route."""
        for one in self.operations:
            found = one.match(method, parts)
            if found is not None:
                return one, found
        raise Refused(404, NO_ROUTE)

    async def _handle(self, request: Request) -> Response:
        raw = request.scope["raw_path"].decode("ascii").partition("?")[0]
        if self._trouble("maintenance"):
            return Response(_MAINTENANCE, 503, media_type="text/html")
        if self._is_one_too_many(self._calls, self.shop.settings.requests_per_minute):
            return Response(_TOO_MANY, 429, media_type="text/html")
        if "%2f" in raw.lower() and not self.shop.settings.encoded_slashes:
            return Response(_NOT_FOUND, 404, media_type="text/html")
        try:
            return await self._answer(request, raw)
        except Refused as problem:
            return self._refusal(problem)

    def _refusal(self, problem: Refused) -> Response:
        settings = self.shop.settings
        return _json(problem.body(settings.locale, settings.developer_mode), problem.status)

    def _described(self) -> dict[str, Any]:
        """The shop's own description of its routes, as far as which there are. (OpenAPI file)"""
        paths: dict[str, dict[str, Any]] = {}
        for one in self.operations:
            paths.setdefault(f"/V1/{one.template}", {})[one.method.lower()] = {"responses": {}}
        return {"swagger": "2.0", "info": {"version": self.shop.settings.version}, "paths": paths}

    async def _answer(self, request: Request, raw: str) -> Response:
        if raw.removeprefix(request.scope.get("root_path", "")) in ("/rest/all/schema", "/rest/default/schema"):
            return _json(self._described())
        store, asynchronous, parts = self._address(raw.removeprefix(request.scope.get("root_path", "")))
        method = "GET" if request.method == "HEAD" else request.method
        if asynchronous == "bulk":
            parts = [_from_by(part) for part in parts]
        operation, path = self.find(method, parts)
        allowed = self.doorman.admit(
            Signed(
                request.method,
                f"{request.url.scheme}://{request.headers['host']}",
                raw,
                request.scope["query_string"].decode("ascii"),
                request.headers.get("authorization"),
            )
        )
        self._check_access(operation, allowed)
        body = await self._body(request, method)
        if asynchronous:
            if method == "GET":
                raise Refused(404, NO_ROUTE)
            return self._enqueue(operation, path, body, asynchronous, store)
        query = parse_qsl(request.url.query, keep_blank_values=True)
        self._limit(operation)
        if operation.body is not None:
            body = checked(operation.body, {} if body is None else body)
        self._limit_lists(body)
        fails = method != "GET" and self._trouble("masked", raw)
        result = operation.handler(Call(path, query, body or {}, store))
        if fails:
            # Saved, and yet the caller is told of a failure: whoever repeats does it twice.
            raise Refused(500, MASKED, [f"webapi-{self.shop.next_id('report'):013x}"])
        wanted = picking.parse(dict(query).get("fields", ""))
        return _json(picking.pick(result, wanted) if wanted else result)

    def _address(self, path: str) -> tuple[str, str, list[str]]:
        """(store code, "" or "one" or "bulk", decoded parts after V1). Raises Refused. (editions and URLs)"""
        parts = [part for part in path.split("/") if part]
        if not parts or parts.pop(0) != "rest":
            raise Refused(404, NO_ROUTE)
        store = "default"
        if parts and (parts[0] == "all" or parts[0] in self.shop.settings.stores):
            store = parts.pop(0)
        asynchronous = ""
        if parts and parts[0] == "async":
            parts.pop(0)
            asynchronous = "one"
            if parts and parts[0] == "bulk":
                parts.pop(0)
                asynchronous = "bulk"
        if not parts or parts.pop(0) != "V1":
            raise Refused(404, NO_ROUTE)
        return store, asynchronous, [unquote(part) for part in parts]

    def _check_access(self, operation: Operation, allowed: frozenset[str]) -> None:
        if self._trouble("unauthorised"):
            allowed = frozenset()
        if operation.resource and not {"*", operation.resource} & allowed:
            raise Refused(401, NOT_AUTHORISED, {"resources": operation.resource})

    async def _body(self, request: Request, method: str) -> Any:
        text = await request.body()
        if method in ("GET", "DELETE") or not text.strip():
            return None
        kind = request.headers.get("content-type", "").partition(";")[0].strip()
        if kind != "application/json":
            raise Refused(400, "Server cannot understand Content-Type HTTP header media type %1", [kind or "text/html"])
        try:
            return json.loads(text)
        except ValueError:
            raise Refused(400, "Decoding error: %1Syntax error", ["\n"]) from None

    def _limit(self, operation: Operation) -> None:
        """Placing orders may be limited since 2.4.7. (limits)"""
        if (operation.method, operation.template) != ("POST", "orders"):
            return
        if self._is_one_too_many(self._orders, self.shop.settings.orders_per_minute):
            raise Refused(429, "Too Many Requests")

    def _is_one_too_many(self, calls: deque[float], most: int | None) -> bool:
        """Counts a call of the last minute. A refused one does not count."""
        if most is None:
            return False
        now = self.shop.clock.timestamp()
        while calls and calls[0] <= now - 60:
            calls.popleft()
        if len(calls) >= most:
            return True
        calls.append(now)
        return False

    def _limit_lists(self, body: Any) -> None:
        settings = self.shop.settings
        if not settings.input_limits or not isinstance(body, dict):
            return
        for name, value in body.items():
            if isinstance(value, list) and len(value) > settings.most_items:
                raise Refused(400, "Maximum items of type %type is %max", {"type": name, "max": settings.most_items})
            self._limit_lists(value)

    def _enqueue(
        self, operation: Operation, path: dict[str, str], body: Any, asynchronous: str, store: str
    ) -> Response:
        if asynchronous == "bulk" and not isinstance(body, list):
            raise Refused(400, "The request body of a bulk is a list")
        bodies = body if asynchronous == "bulk" else [{**(body or {}), **path}]
        if len(bodies) > (most := self.shop.settings.most_async_items):
            raise Refused(400, "Maximum items of type %type is %max", {"type": "operations", "max": most})
        return _json(self._queue(store, asynchronous, operation, bodies), 202)

    def _trouble(self, kind: str, path: str = "") -> bool:
        """Whether this is to go wrong now; counts down how often it still is."""
        trouble = self.troubles.get(kind)
        if trouble is None or trouble["path"] not in path:
            return False
        if trouble["times"] is not None:
            left = trouble["times"] - 1
            if left <= 0:
                self.troubles.delete(kind)
            else:
                self.troubles.put(kind, {**trouble, "times": left})
        return True


def _from_by(part: str) -> str:
    """`bySku` in the address of a bulk stands for the parameter `{sku}`. (async and bulk)"""
    if part.startswith("by") and part[2:3].isupper():
        return f"{{{part[2].lower()}{part[3:]}}}"
    return part


def _json(document: Any, status: int = 200) -> Response:
    return Response(json.dumps(document), status, media_type="application/json")
