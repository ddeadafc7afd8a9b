"""The sandbox as one ASGI application: vendors under their account names, and a control endpoint to direct it.

GET  /control                              accounts, platforms, clock, faults, counts
POST /control/clock                        {"advance_seconds": 3600}
POST /control/<account>/act/<name>         {...}            what people at the vendor do
PUT  /control/<account>/faults             [{"kind": "status", "probability": 0.2, ...}, ...]
PUT  /control/<account>/webhooks           {"duplicate": 0.2, "reorder": 0.2, "drop": 0, "delay": 0, "time_scale": 0.01}
GET  /control/<account>/webhooks           when the latest deliveries were first sent, and what they were about
GET  /control/<account>/state              {"collection": count, ...}
GET  /control/<account>/state/<collection> documents, in order of insertion (?offset=&limit=)
PUT  /control/shop                         {"running": true, "orders_per_minute": 6}
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from typing import IO, Any, Protocol

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.faults import FaultLayer, fault_rules
from marketplace_sync.sandbox.state import State
from marketplace_sync.sandbox.vendor import UnknownAct, Vendor

log = logging.getLogger(__name__)

WEBHOOK_KNOBS = ("duplicate", "reorder", "drop", "delay", "time_scale")


class Director(Protocol):
    """Whoever makes the shop live: called often, acts through the vendors' acts only."""

    state: State

    def as_json(self) -> dict[str, Any]: ...
    def configure(self, settings: dict[str, Any]) -> None:
        """Change knobs. Raises ValueError for one that does not exist or a value that makes no sense."""

    async def tick(self) -> None: ...


class UnknownAccount(LookupError):
    """The control endpoint was asked about an account that this sandbox does not have."""


class BadControl(ValueError):
    """The control endpoint was sent something it cannot use."""


class CommitLayer:
    """Makes a vendor's changes durable before its answer's first byte leaves; forgets them if the handler failed."""

    def __init__(self, app: ASGIApp, vendor: Vendor, failures: Failures) -> None:
        self.app = app
        self.vendor = vendor
        self.failures = failures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def committed(message: Any) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                self.vendor.state.commit()
                started = True
            await send(message)

        try:
            await self.app(scope, receive, committed)
        except ClientDisconnect:
            self.vendor.state.rollback()  # it went away before it had said what it wanted: nobody is there to answer
        except BaseException as problem:
            self.vendor.state.rollback()
            if started or not isinstance(problem, Exception):
                raise
            self.failures.note(f"{self.vendor.account} {scope['method']} {scope['path']}", problem)
            await PlainTextResponse("Internal Server Error", status_code=500)(scope, receive, send)


class Failures:
    """What went wrong inside the simulation itself, oldest first: empty, or there is a defect to mend."""

    def __init__(self) -> None:
        self.noted: list[str] = []

    def note(self, where: str, problem: Exception) -> None:
        log.error("%s failed; what it had begun is undone", where, exc_info=problem)
        if len(self.noted) < 1000:
            self.noted.append(f"{where}: {type(problem).__name__}: {problem}")


class Sandbox:
    """The vendors of one world, served together."""

    def __init__(
        self,
        vendors: Sequence[Vendor],
        clock: Clock,
        director: Director | None = None,
        memory: State | None = None,
        lock: IO[str] | None = None,
    ) -> None:
        """`memory` keeps what is the sandbox's own over a restart: how far its clock is ahead. `lock` is held until it
        stops."""
        self.vendors = {vendor.account: vendor for vendor in vendors}
        if len(self.vendors) < len(vendors) or "control" in self.vendors:
            raise ValueError("accounts need different names, and none may be called 'control'")
        self.clock = clock
        self.director = director
        self.memory = memory
        self._lock = lock
        self.failures = Failures()
        self.app = Starlette(
            routes=self._routes(),
            lifespan=self._lifespan,
            exception_handlers={
                UnknownAccount: _refusal(404),
                UnknownAct: _refusal(404),
                BadControl: _refusal(400),
                json.JSONDecodeError: _refusal(400),
            },
        )

    def at(self, base_url: str) -> None:
        """Tell every vendor where it is reached."""
        for vendor in self.vendors.values():
            vendor.base_url = f"{base_url.rstrip('/')}/{vendor.account}"

    def _routes(self) -> list[BaseRoute]:
        routes: list[BaseRoute] = [
            Route("/control", self._overview),
            Route("/control/clock", self._clock, methods=["POST"]),
            Route("/control/shop", self._shop, methods=["PUT"]),
            Route("/control/{account}/act/{name}", self._act, methods=["POST"]),
            Route("/control/{account}/faults", self._faults, methods=["PUT"]),
            Route("/control/{account}/webhooks", self._webhooks, methods=["PUT"]),
            Route("/control/{account}/webhooks", self._webhook_log),
            Route("/control/{account}/state", self._state),
            Route("/control/{account}/state/{collection}", self._documents),
        ]
        for vendor in self.vendors.values():
            # The commit layer is a middleware, below the one that turns a failed handler into a 500: that answer must
            # not commit the half of the work that was done.
            layer = Middleware(CommitLayer, vendor=vendor, failures=self.failures)
            inner = Starlette(routes=list(vendor.routes()), middleware=[layer])
            # Vendors differ in what they do with a missing slash, and none of them redirects.
            inner.router.redirect_slashes = False
            routes.append(Mount(f"/{vendor.account}", FaultLayer(inner, vendor.faults)))
        return routes

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self._ticks())]
        tasks += [asyncio.create_task(vendor.webhooks.run()) for vendor in self.vendors.values()]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._remember_clock()
            for state in self._states():
                state.close()
            if self._lock is not None:
                self._lock.close()

    def _states(self) -> list[State]:
        states = [vendor.state for vendor in self.vendors.values()]
        states += [self.director.state] if self.director is not None else []
        states += [self.memory] if self.memory is not None else []
        return states

    async def _ticks(self) -> None:
        while True:
            for vendor in self.vendors.values():
                await self._tick(vendor.account, vendor)
            if self.director is not None:
                await self._tick("shop", self.director)
            if self.clock.speed != 1.0:
                self._remember_clock()
            await asyncio.sleep(0.2)

    async def _tick(self, name: str, ticking: Vendor | Director) -> None:
        """One tick that either happened or did not. A failure is kept and shown: it is a defect of the simulation."""
        try:
            await ticking.tick()
            for state in self._states():
                state.commit()
        except Exception as problem:
            self.failures.note(name, problem)
            for state in self._states():
                state.rollback()

    def _remember_clock(self) -> None:
        if self.memory is not None:
            self.memory.collection("clock").put("lead", {"seconds": self.clock.lead()})
            self.memory.commit()

    def _vendor(self, request: Request) -> Vendor:
        account = request.path_params["account"]
        if account not in self.vendors:
            raise UnknownAccount(f"no account {account!r} in this sandbox; it has: {', '.join(self.vendors)}")
        return self.vendors[account]

    async def _overview(self, request: Request) -> Response:
        return JSONResponse(
            {
                "now": self.clock.now().isoformat(),
                "shop": self.director.as_json() if self.director else None,
                "failures": self.failures.noted,
                "accounts": {
                    vendor.account: {
                        "platform": vendor.platform,
                        "base_url": vendor.base_url,
                        "faults": vendor.faults.as_json(),
                        "webhooks": {
                            "waiting": vendor.webhooks.waiting(),
                            "sent": vendor.webhooks.sent,
                            "failed": vendor.webhooks.failed,
                        },
                        "state": vendor.state.collections(),
                    }
                    for vendor in self.vendors.values()
                },
            }
        )

    async def _clock(self, request: Request) -> Response:
        seconds = (await _json_object(request)).get("advance_seconds")
        if not isinstance(seconds, int | float) or seconds < 0:
            raise BadControl(
                f"advance_seconds is a number from 0 upwards, not {seconds!r}: the clock only moves forward"
            )
        self.clock.advance(float(seconds))
        self._remember_clock()
        return JSONResponse({"now": self.clock.now().isoformat()})

    async def _shop(self, request: Request) -> Response:
        if self.director is None:
            return JSONResponse({"error": "this sandbox runs without a shop"}, status_code=409)
        try:
            self.director.configure(await _json_object(request))
        except ValueError as problem:
            raise BadControl(str(problem)) from problem
        self.director.state.commit()
        return JSONResponse(self.director.as_json())

    async def _act(self, request: Request) -> Response:
        vendor = self._vendor(request)
        arguments = await _json_object(request)
        name = request.path_params["name"]
        try:
            result = await vendor.act(name, arguments)
            vendor.state.commit()
        except UnknownAct:
            raise
        except (LookupError, ValueError) as problem:
            text = str(problem.args[0]) if problem.args else str(problem)
            return JSONResponse({"error": text}, status_code=404 if isinstance(problem, LookupError) else 409)
        except Exception as problem:
            vendor.state.rollback()
            self.failures.note(f"{vendor.account}: the act {name}", problem)
            return JSONResponse({"error": f"{type(problem).__name__}: {problem}"}, status_code=500)
        return JSONResponse(result)

    async def _faults(self, request: Request) -> Response:
        vendor = self._vendor(request)
        rules = await request.json()
        if not isinstance(rules, list):
            raise BadControl(f"faults are a list of rules, not {rules!r}")
        try:
            vendor.faults.rules = fault_rules(rules)
        except (ValueError, TypeError) as problem:
            raise BadControl(str(problem)) from problem
        return JSONResponse(vendor.faults.as_json())

    async def _webhooks(self, request: Request) -> Response:
        vendor = self._vendor(request)
        knobs = await _json_object(request)
        for knob, value in knobs.items():
            if knob not in WEBHOOK_KNOBS or not isinstance(value, int | float):
                raise BadControl(f"{knob!r}: {value!r} is not a number for one of {', '.join(WEBHOOK_KNOBS)}")
        for knob, value in knobs.items():
            setattr(vendor.webhooks, knob, float(value))
        return JSONResponse({knob: getattr(vendor.webhooks, knob) for knob in WEBHOOK_KNOBS})

    async def _webhook_log(self, request: Request) -> Response:
        return JSONResponse(list(self._vendor(request).webhooks.first_tries))

    async def _state(self, request: Request) -> Response:
        return JSONResponse(self._vendor(request).state.collections())

    async def _documents(self, request: Request) -> Response:
        state = self._vendor(request).state
        name = request.path_params["collection"]
        if name not in state.collections():
            raise BadControl(f"no collection {name!r}; there are: {', '.join(state.collections())}")
        try:
            offset = int(request.query_params.get("offset", 0))
            limit = int(request.query_params.get("limit", 1000))
        except ValueError as problem:
            raise BadControl(f"offset and limit are whole numbers: {problem}") from problem
        return JSONResponse(list(itertools.islice(state.collection(name).values(), offset, offset + limit)))


async def _json_object(request: Request) -> dict[str, Any]:
    body = await request.body()
    parsed = json.loads(body) if body else {}
    if not isinstance(parsed, dict):
        raise BadControl(f"a JSON object is expected, not {parsed!r}")
    return parsed


def _refusal(status: int) -> Callable[[Request, Exception], Response]:
    def refuse(request: Request, problem: Exception) -> Response:
        return JSONResponse({"error": str(problem)}, status_code=status)

    return refuse
