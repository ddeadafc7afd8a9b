"""From path and method to handler: slashes, methods, downtime, login and limit, before anything else happens."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.john_lewis.access import Access
from marketplace_sync.sandbox.john_lewis.seller_actions import BadFields
from marketplace_sync.sandbox.john_lewis.workflow import Refused
from marketplace_sync.sandbox.state import State

Handler = Callable[[Request], Awaitable[Response]]
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_DOWN = (
    "<!DOCTYPE html><html><head><title>The Edge is down for maintenance</title></head>"
    "<body><h1>Server Error (500)</h1><p>We will be back shortly.</p></body></html>"
)


class NotFound(Exception):
    """A 404 with the vendor's `code`, where it has one."""

    def __init__(self, detail: str = "Not found.", code: str | None = None) -> None:
        super().__init__(detail)
        self.body = {"detail": detail, **({"code": code} if code else {})}


class Door:
    """Collects the routes of the account."""

    def __init__(self, state: State, clock: Clock, access: Access) -> None:
        self._state = state
        self._clock = clock
        self._access = access
        self._routes: list[BaseRoute] = []

    def routes(self) -> list[BaseRoute]:
        return [*self._routes, Route("/{rest:path}", _nothing_here, methods=_METHODS)]

    def down_for(self, seconds: float) -> None:
        """Close for a release: every call answers 500 with a page in HTML."""
        self._state.collection("switches").put("downtime", {"until": self._clock.timestamp() + seconds})

    def without_login(self, path: str, **handlers: Handler) -> None:
        """A path that everybody may call: the token calls, which have no slash either."""
        self._route(path, handlers, login=False)

    def slashless(self, path: str, *, retailer_only: tuple[str, ...] = (), **handlers: Handler) -> None:
        """A path documented without trailing slash and known in no other form. (Virtualstock, trailing slash)"""
        self._route(path, handlers, retailer_only=retailer_only)

    def slashed(self, path: str, *, retailer_only: tuple[str, ...] = (), **handlers: Handler) -> None:
        """A path with trailing slash; without it everything but POST works. (Virtualstock, trailing slash)

        `retailer_only` names the methods that a seller's login is refused.
        """
        self._route(path, handlers, retailer_only=retailer_only)
        without_post = {method: handler for method, handler in handlers.items() if method != "POST"}
        self._route(path.removesuffix("/"), without_post, retailer_only=retailer_only)

    def _route(
        self, path: str, handlers: dict[str, Handler], *, login: bool = True, retailer_only: tuple[str, ...] = ()
    ) -> None:
        async def answer(request: Request) -> Response:
            downtime = self._state.collection("switches").get("downtime")
            if downtime is not None and downtime["until"] > self._clock.timestamp():
                return Response(_DOWN, status_code=500, media_type="text/html")
            method = "GET" if request.method == "HEAD" else request.method
            if login and (refusal := self._access.refusal(request, retailer_only=method in retailer_only)) is not None:
                return refusal
            if method not in handlers:
                detail = {"detail": f'Method "{request.method}" not allowed.'}
                return JSONResponse(detail, status_code=405, headers={"Allow": ", ".join(handlers)})
            try:
                return await handlers[method](request)
            except BadFields as problem:
                return JSONResponse(problem.fields, status_code=400)
            except Refused as problem:
                return PlainTextResponse(f"Validation error: {problem}", status_code=400)
            except NotFound as problem:
                return JSONResponse(problem.body, status_code=404)

        self._routes.append(Route(path, answer, methods=_METHODS))


async def _nothing_here(request: Request) -> Response:
    return JSONResponse({"detail": "Not found."}, status_code=404)


async def json_body(request: Request) -> Any:
    """The parsed body. Raises BadFields with the vendor's `detail` when it is not JSON."""
    try:
        return json.loads(await request.body())
    except ValueError as problem:
        raise BadFields({"detail": f"JSON parse error - {problem}"}) from problem


def whole_number(request: Request, name: str, default: int) -> int:
    """A query parameter as the vendor's framework reads it: what is not a whole number counts as absent."""
    value = request.query_params.get(name, "")
    return int(value) if value.isdecimal() else default
