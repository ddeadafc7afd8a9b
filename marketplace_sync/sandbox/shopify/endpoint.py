"""The wire: GraphQL over HTTP with versions, tokens, cost and the vendor's ways of saying no."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import uuid
from typing import Any
from urllib.parse import parse_qsl

from graphql import (
    ExecutionResult,
    GraphQLError,
    OperationDefinitionNode,
    OperationType,
    execute,
    value_from_ast_untyped,
)
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from marketplace_sync.sandbox.shopify.cost import MUTATION_BASE, BottomlessBucket, Bucket, CostNode
from marketplace_sync.sandbox.shopify.idempotency import keys_in
from marketplace_sync.sandbox.shopify.schema import Documents, schema
from marketplace_sync.sandbox.shopify.shop import Shop
from marketplace_sync.sandbox.shopify.tokens import Tokens
from marketplace_sync.sandbox.shopify.wiring import Call, default_resolver

log = logging.getLogger(__name__)

_VERSION = re.compile(r"\d{4}-\d\d$")
_COSTS_PAGE = "https://shopify.dev/api/usage/rate-limits"


def _json(status: int, body: Any, headers: dict[str, str] | None = None) -> Response:
    content = json.dumps(body, separators=(",", ":")).encode()
    return Response(content, status, headers, "application/json")


class Endpoint:
    """Answers the HTTP calls of one shop."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.tokens = Tokens(shop.state, shop.clock, shop.settings)
        self.documents = Documents()
        self._buckets: dict[str, Bucket] = {}
        self._running_keys: set[str] = set()

    def routes(self) -> list[Route]:
        return [
            Route("/admin/oauth/access_token", self.token, methods=["POST"]),
            Route("/admin/api/graphql.json", self.graphql, methods=["POST"]),
            Route("/admin/api/{version}/graphql.json", self.graphql, methods=["POST"]),
        ]

    async def token(self, request: Request) -> Response:
        body = await request.body()
        if request.headers.get("content-type", "").startswith("application/json"):
            try:
                form = json.loads(body)
            except ValueError:
                form = {}
        else:
            form = dict(parse_qsl(body.decode("utf-8", "replace")))
        status, answer = self.tokens.grant(form if isinstance(form, dict) else {})
        return _json(status, answer, {"x-request-id": str(uuid.uuid4())})

    def served_version(self, asked: str | None) -> str | None:
        """The version that answers: too old a one silently becomes the oldest accessible (Shopify, API versioning)."""
        versions = self.shop.settings.versions
        if asked is None:
            return versions[0]
        if asked in versions:
            return asked
        return versions[0] if _VERSION.match(asked) and asked < versions[0] else None

    async def graphql(self, request: Request) -> Response:
        request_id = str(uuid.uuid4())
        version = self.served_version(request.path_params.get("version"))
        headers = {"x-request-id": request_id}
        if version is None:
            return _json(404, {"errors": "Not Found"}, headers)
        headers["X-Shopify-API-Version"] = version
        holder = self.tokens.holder(request.headers.get("x-shopify-access-token", ""))
        if holder is None:
            message = "[API] Invalid API key or access token (unrecognized login or wrong password)"
            return _json(401, {"errors": message}, headers)
        try:
            body = json.loads(await request.body())
            text, variables, name = body["query"], body.get("variables") or {}, body.get("operationName")
            if not isinstance(text, str) or not isinstance(variables, dict):
                raise TypeError("query is a text and variables an object")
        except (ValueError, KeyError, TypeError, AttributeError):
            return _json(400, {"errors": {"query": "Required parameter missing or invalid"}}, headers)
        call = Call(self.shop, holder[0], holder[1], version, variables)
        answer, deprecated = await self.answer(call, text, name, request_id)
        if deprecated:
            headers["X-Shopify-API-Deprecated-Reason"] = "https://shopify.dev/api/usage/versioning"
        return _json(200, answer, headers)

    async def answer(
        self, call: Call, text: str, name: str | None, request_id: str
    ) -> tuple[dict[str, Any], str | None]:
        """The body of the answer, and why a deprecation header goes with it."""
        try:
            prepared = self.documents.prepare(text)
        except GraphQLError as problem:
            return {"errors": [problem.formatted]}, None
        if prepared.errors:
            return {"errors": [error.formatted for error in prepared.errors]}, None
        known = prepared.operations
        chosen = known.get(name) if name else next(iter(known.values())) if len(known) == 1 else None
        if chosen is None:
            return {
                "errors": [{"message": f'No operation named "{name}"' if name else "An operation name is required"}]
            }, None
        operation, tree = chosen
        return await self._run(call, prepared.document, operation, tree, request_id), prepared.deprecated

    async def _run(
        self, call: Call, document: Any, operation: OperationDefinitionNode, tree: CostNode, request_id: str
    ) -> dict[str, Any]:
        base = MUTATION_BASE * len(tree.children) if operation.operation is OperationType.MUTATION else 0
        requested = base + tree.requested({**_defaults(operation), **call.variables})
        settings, bucket = self.shop.settings, self._bucket(call.app)
        if settings.restore_rate is not None and requested > settings.most_cost:
            extensions = {
                "code": "MAX_COST_EXCEEDED",
                "cost": requested,
                "maxCost": settings.most_cost,
                "documentation": _COSTS_PAGE,
            }
            message = (
                f"Query cost is {requested}, which exceeds the single query max cost limit ({settings.most_cost})."
            )
            return {"errors": [{"message": message, "extensions": extensions}]}
        now = self.shop.clock.timestamp()
        if bucket.available(now) < requested:
            error = {"message": "Throttled", "extensions": {"code": "THROTTLED", "documentation": _COSTS_PAGE}}
            return {"errors": [error], "extensions": {"cost": _cost(requested, None, bucket, now)}}
        bucket.take(requested, now)
        keys = keys_in(operation, call.variables, call.app)
        result = await self._execute(call, document, operation, keys)
        answer = self._formatted(result, request_id)
        actual = min(requested, base + tree.actual(result.data)) if result.data else requested
        bucket.take(actual - requested, self.shop.clock.timestamp())
        answer["extensions"] = {"cost": _cost(requested, actual, bucket, self.shop.clock.timestamp())}
        return answer

    async def _execute(
        self, call: Call, document: Any, operation: OperationDefinitionNode, keys: frozenset[str]
    ) -> ExecutionResult:
        """Runs at one go, so that nothing comes between a mutation and its commit. A slow shop waits before it."""
        call.running_keys = keys & self._running_keys
        mine = keys - self._running_keys
        self._running_keys |= mine
        try:
            if keys and not call.running_keys and self.shop.settings.mutation_seconds:
                await asyncio.sleep(self.shop.settings.mutation_seconds)
            result = execute(
                schema(),
                document,
                context_value=call,
                variable_values=call.variables,
                operation_name=operation.name.value if operation.name else None,
                field_resolver=default_resolver,
                is_awaitable=_never,
            )
        finally:
            self._running_keys -= mine
        assert isinstance(result, ExecutionResult)
        return result

    def _formatted(self, result: ExecutionResult, request_id: str) -> dict[str, Any]:
        answer: dict[str, Any] = {}
        # What never began to run (variables of the wrong kind) has no data; what failed on the way has, if only null.
        if result.data is not None or not result.errors or any(error.path for error in result.errors):
            answer["data"] = result.data
        if result.errors:
            broken = [error for error in result.errors if _is_defect(error)]
            if broken:
                # A defect of the simulation: nothing of the call may stay, and it must be seen.
                for error in broken:
                    log.error("the simulated Shopify failed at %s", error.path, exc_info=error.original_error)
                self.shop.state.rollback()
            answer["errors"] = [
                self._internal(error, request_id) if error in broken else dict(error.formatted)
                for error in result.errors
            ]
        return answer

    def _internal(self, error: GraphQLError, request_id: str) -> dict[str, Any]:
        message = f"Internal error. Looks like something went wrong on our end. Request ID: {request_id}"
        return {
            "message": message,
            "path": error.path,
            "extensions": {"code": "INTERNAL_SERVER_ERROR", "requestId": request_id},
        }

    def _bucket(self, app: str) -> Bucket:
        if app not in self._buckets:
            settings = self.shop.settings
            self._buckets[app] = (
                Bucket(settings.bucket, settings.restore_rate, self.shop.clock.timestamp())
                if settings.restore_rate is not None
                else BottomlessBucket()
            )
        return self._buckets[app]


def _is_defect(error: GraphQLError) -> bool:
    """Whether a resolver failed or gave what its type does not allow, as against refusing on purpose."""
    cause = error.original_error
    if cause is None or error.path is None:
        return False
    return not isinstance(cause, GraphQLError) or " cannot represent " in error.message


def _never(value: Any) -> bool:
    """Resolvers here never return awaitables; asking each value costs a third of the time."""
    return False


def _defaults(operation: OperationDefinitionNode) -> dict[str, Any]:
    return {
        definition.variable.name.value: value_from_ast_untyped(definition.default_value)
        for definition in operation.variable_definitions
        if definition.default_value is not None
    }


def _cost(requested: int, actual: int | None, bucket: Bucket, now: float) -> dict[str, Any]:
    return {"requestedQueryCost": requested, "actualQueryCost": actual, "throttleStatus": bucket.status(now)}
