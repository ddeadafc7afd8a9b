"""The wire: GraphQL over POST behind keys, an optional gate, and three rate limits (sheet, 1 and 2)."""

from __future__ import annotations

import base64
import json
import uuid
from collections import deque
from typing import Any

from graphql import ExecutionResult, GraphQLError, execute
from graphql.execution.values import get_variable_values
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from marketplace_sync.sandbox.marketplacer.market import Market
from marketplace_sync.sandbox.marketplacer.schema import Documents, Prepared, no_operation, schema
from marketplace_sync.sandbox.marketplacer.wiring import Call, default_resolver

WINDOW_SECONDS = 10.0


class Window:
    """Calls of the last ten seconds, counted for one caller."""

    def __init__(self) -> None:
        self._calls: deque[float] = deque()

    def count(self, now: float) -> int:
        while self._calls and self._calls[0] <= now - WINDOW_SECONDS:
            self._calls.popleft()
        return len(self._calls)

    def take(self, now: float) -> None:
        self._calls.append(now)


class Endpoint:
    """Answers the HTTP calls of one instance."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.schema = schema(market.settings.cents_removed)
        self.documents = Documents(self.schema, market.settings.deepest_query)
        self._windows: dict[tuple[str, str], Window] = {}

    def routes(self) -> list[Route]:
        return [Route("/graphql", self.graphql, methods=["POST"])]

    async def graphql(self, request: Request) -> Response:
        headers = {"X-Request-Id": str(uuid.uuid4())}
        if not self._passes_the_gate(request):
            return _json(401, {"errors": [{"message": "Unauthorized"}]}, headers)
        key = self._key(request)
        call = self._call(key) if key else None
        if call is None:
            return _json(401, {"errors": [{"message": "API Token has expired"}]}, headers)
        if self._is_too_fast(request.client.host if request.client else "", key or ""):
            settings = self.market.settings
            if settings.retry_after is not None:
                headers["Retry-After"] = str(settings.retry_after)
            return _json(settings.throttle_status, {"errors": [{"message": "Too many requests"}]}, headers)
        try:
            body = json.loads(await request.body())
            text, variables, name = body["query"], body.get("variables") or {}, body.get("operationName")
            if not isinstance(text, str) or not isinstance(variables, dict):
                raise TypeError("query is a text and variables an object")
        except (ValueError, KeyError, TypeError, AttributeError):
            return _json(400, {"errors": [{"message": "Bad Request"}]}, headers)
        return _json(200, self.answer(call, text, variables, name), headers)

    # --- who may come in

    def _passes_the_gate(self, request: Request) -> bool:
        settings = self.market.settings
        if settings.basic_username is None:
            return True
        expected = base64.b64encode(f"{settings.basic_username}:{settings.basic_password}".encode()).decode()
        return request.headers.get("authorization", "") == f"Basic {expected}"

    def _key(self, request: Request) -> str | None:
        """The key, in one of its two places; in both it is refused."""
        bearer = request.headers.get("authorization", "")
        given = [bearer[7:]] if bearer.lower().startswith("bearer ") else []
        if (key := request.headers.get("marketplacer-api-key")) is not None:
            given.append(key)
        return given[0] if len(given) == 1 else None

    def _call(self, key: str) -> Call | None:
        settings = self.market.settings
        if key == settings.operator_key:
            scopes = None if settings.scopes is None else frozenset(settings.scopes)
            return Call(self.market, "Operator integration", None, scopes)
        for seller in self.market.of["Seller"].values():
            if settings.seller_keys.get(seller["businessName"]) == key:
                return Call(self.market, f"{seller['businessName']} integration", seller["n"])
        return None

    def _is_too_fast(self, address: str, key: str) -> bool:
        """Three limits, each for itself. A refused call counts for none of them."""
        settings, now = self.market.settings, self.market.clock.timestamp()
        limits = (
            ("address", address, settings.per_address),
            ("key", key, settings.per_key),
            ("operator", "", settings.per_operator),
        )
        counted = []
        for kind, who, most in limits:
            window = self._windows.setdefault((kind, who), Window())
            if most is not None and window.count(now) >= most:
                return True
            counted.append(window)
        for window in counted:
            window.take(now)
        return False

    # --- what is answered

    def answer(self, call: Call, text: str, variables: dict[str, Any], name: str | None = None) -> dict[str, Any]:
        """The body of the answer."""
        try:
            prepared = self.documents.prepare(text)
        except GraphQLError as problem:
            return {"errors": [problem.formatted]}
        if prepared.errors:
            return {"errors": list(prepared.errors)}
        known = prepared.operations
        chosen = known.get(name) if name else next(iter(known.values())) if len(known) == 1 else None
        if chosen is None:
            return {"errors": [no_operation(name).formatted]}
        values = get_variable_values(self.schema, chosen.variable_definitions, variables)
        if isinstance(values, list):
            return {"errors": [_bad_variable(error) for error in values]}
        return self._execute(call, prepared, variables, name)

    def _execute(self, call: Call, prepared: Prepared, variables: dict[str, Any], name: str | None) -> dict[str, Any]:
        result = execute(
            self.schema,
            prepared.document,
            context_value=call,
            variable_values=variables,
            operation_name=name,
            field_resolver=default_resolver,
        )
        assert isinstance(result, ExecutionResult)
        for error in result.errors or []:
            if error.original_error is not None and not isinstance(error.original_error, GraphQLError):
                raise error.original_error  # a defect of the simulation, not an answer of the vendor
        answer: dict[str, Any] = {"data": result.data}
        if result.errors:
            answer["errors"] = [error.formatted for error in result.errors]
        return answer


def _bad_variable(error: GraphQLError) -> dict[str, Any]:
    return {**error.formatted, "extensions": {"code": "INVALID_VARIABLE"}}


def _json(status: int, body: Any, headers: dict[str, str]) -> Response:
    return Response(json.dumps(body, separators=(",", ":")).encode(), status, headers, "application/json")
