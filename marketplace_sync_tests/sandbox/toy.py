"""The smallest vendor there can be, for tests of what all vendors share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.server import Sandbox
from marketplace_sync.sandbox.state import State
from marketplace_sync.sandbox.vendor import Vendor


class Toy(Vendor):
    """Keeps notes, and fails on request, half way through."""

    platform = "toy"
    fail_at_tick = False

    def routes(self) -> Sequence[BaseRoute]:
        return [Route("/notes/{key}", self.write, methods=["PUT"]), Route("/hooks", self.hook, methods=["POST"])]

    async def write(self, request: Request) -> Response:
        key = request.path_params["key"]
        self.state.collection("notes").put(key, {"text": (await request.body()).decode()})
        if "fail" in request.query_params:
            raise RuntimeError("half way")
        return JSONResponse({"kept": key})

    async def hook(self, request: Request) -> Response:
        body = await request.json()
        for text in body["texts"]:
            self.webhooks.enqueue(body["url"], text.encode(), {}, subscription=body.get("subscription", ""))
        return JSONResponse(self.webhooks.waiting())

    async def tick(self) -> None:
        if self.fail_at_tick:
            self.state.collection("notes").put("from the tick", {"text": "half"})
            type(self).fail_at_tick = False
            raise RuntimeError("the tick broke")

    def act_note(self, key: str, text: str = "", fail: str = "") -> dict[str, str]:
        self.state.collection("notes").put(key, {"text": text})
        if fail:
            raise {"value": ValueError, "lookup": LookupError, "defect": RuntimeError}[fail](f"no {key}")
        return {"kept": key}

    async def act_later(self, key: str) -> str:
        return key


def toy_sandbox(folder: Path | None, **settings: Any) -> Sandbox:
    """A sandbox with one toy, called `toy`, keeping its state in this folder."""
    clock = Clock()
    path = folder / "toys.sqlite" if folder else None
    toy = Toy("toy", state=State("toy", path), clock=clock, settings=settings)
    toy.state.collection("notes")
    return Sandbox([toy], clock, memory=State("sandbox", path))
