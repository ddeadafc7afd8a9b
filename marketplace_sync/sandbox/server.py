"""The sandbox as one ASGI application: vendors under their account names, and a control endpoint for whoever directs it.

    GET  /control                              accounts, platforms, clock, faults, counts
    POST /control/clock                        {"advance_seconds": 3600}
    POST /control/<account>/act/<name>         {...}            what people at the vendor do
    PUT  /control/<account>/faults             [{"kind": "status", "probability": 0.2, ...}, ...]
    PUT  /control/<account>/webhooks           {"duplicate": 0.2, "reorder": 0.2, "drop": 0, "delay": 0, "time_scale": 0.01}
    GET  /control/<account>/state              {"collection": count, ...}
    GET  /control/<account>/state/<collection> documents, in order of insertion (?offset=&limit=)
    PUT  /control/shop                         {"running": true, "orders_per_minute": 6}
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import fields
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.faults import FaultLayer, FaultRule
from marketplace_sync.sandbox.vendor import UnknownAct, Vendor

WEBHOOK_KNOBS = ("duplicate", "reorder", "drop", "delay", "time_scale")


class Director(Protocol):
    """Whoever makes the shop live: called often, acts through the vendors' acts only."""

    def as_json(self) -> dict[str, Any]: ...
    def configure(self, settings: dict[str, Any]) -> None: ...
    async def tick(self) -> None: ...


class CommitLayer:
    """Makes a vendor's changes durable before the first byte of its answer leaves; forgets them if the handler failed."""

    def __init__(self, app: ASGIApp, vendor: Vendor) -> None:
        self.app = app
        self.vendor = vendor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def committed(message: Any) -> None:
            if message["type"] == "http.response.start":
                self.vendor.state.commit()
            await send(message)

        try:
            await self.app(scope, receive, committed)
        except BaseException:
            self.vendor.state.rollback()
            raise


class Sandbox:
    """The vendors of one world, served together."""

    def __init__(self, vendors: Sequence[Vendor], clock: Clock, director: Director | None = None) -> None:
        self.vendors = {vendor.account: vendor for vendor in vendors}
        self.clock = clock
        self.director = director
        self.app = Starlette(routes=self._routes(), lifespan=self._lifespan)

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
            Route("/control/{account}/state", self._state),
            Route("/control/{account}/state/{collection}", self._documents),
        ]
        for vendor in self.vendors.values():
            # redirect_slashes is off: vendors differ in what they do with a missing slash, and none of them redirects.
            inner = Starlette(routes=list(vendor.routes()))
            inner.router.redirect_slashes = False
            routes.append(Mount(f"/{vendor.account}", FaultLayer(CommitLayer(inner, vendor), vendor.faults)))
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
            for vendor in self.vendors.values():
                vendor.state.close()

    async def _ticks(self) -> None:
        while True:
            for vendor in self.vendors.values():
                await vendor.tick()
                vendor.state.commit()
            if self.director is not None:
                await self.director.tick()
                for vendor in self.vendors.values():
                    vendor.state.commit()
            await asyncio.sleep(0.2)

    def _vendor(self, request: Request) -> Vendor:
        account = request.path_params["account"]
        if account not in self.vendors:
            raise KeyError(f"no account {account!r} in this sandbox; it has: {', '.join(self.vendors)}")
        return self.vendors[account]

    async def _overview(self, request: Request) -> Response:
        return JSONResponse(
            {
                "now": self.clock.now().isoformat(),
                "shop": self.director.as_json() if self.director else None,
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
        self.clock.advance(float((await request.json())["advance_seconds"]))
        return JSONResponse({"now": self.clock.now().isoformat()})

    async def _shop(self, request: Request) -> Response:
        if self.director is None:
            return JSONResponse({"error": "this sandbox runs without a shop"}, status_code=409)
        self.director.configure(await request.json())
        return JSONResponse(self.director.as_json())

    async def _act(self, request: Request) -> Response:
        try:
            vendor = self._vendor(request)
            body = await request.body()
            result = await vendor.act(request.path_params["name"], json.loads(body) if body else {})
        except (UnknownAct, KeyError) as problem:
            return JSONResponse({"error": str(problem)}, status_code=404)
        except (ValueError, TypeError) as problem:
            return JSONResponse({"error": str(problem)}, status_code=409)
        vendor.state.commit()
        return JSONResponse(result)

    async def _faults(self, request: Request) -> Response:
        known = {field.name for field in fields(FaultRule)}
        try:
            rules = await request.json()
            for rule in rules:
                if unknown := set(rule) - known:
                    raise ValueError(f"unknown keys {sorted(unknown)}; a fault rule has {sorted(known)}")
            parsed = [FaultRule(**rule) for rule in rules]
            vendor = self._vendor(request)
        except (ValueError, TypeError, KeyError) as problem:
            return JSONResponse({"error": str(problem)}, status_code=400)
        vendor.faults.rules = parsed
        return JSONResponse(vendor.faults.as_json())

    async def _webhooks(self, request: Request) -> Response:
        vendor = self._vendor(request)
        for knob, value in (await request.json()).items():
            if knob not in WEBHOOK_KNOBS:
                return JSONResponse({"error": f"{knob!r} is not one of {WEBHOOK_KNOBS}"}, status_code=400)
            setattr(vendor.webhooks, knob, float(value))
        return JSONResponse({knob: getattr(vendor.webhooks, knob) for knob in WEBHOOK_KNOBS})

    async def _state(self, request: Request) -> Response:
        return JSONResponse(self._vendor(request).state.collections())

    async def _documents(self, request: Request) -> Response:
        collection = self._vendor(request).state.collection(request.path_params["collection"])
        offset = int(request.query_params.get("offset", 0))
        limit = int(request.query_params.get("limit", 1000))
        return JSONResponse(list(collection.values())[offset : offset + limit])


