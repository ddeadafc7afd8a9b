"""Serves a sandbox: in the foreground for people, in a thread for tests."""

from __future__ import annotations

import argparse
import socket
import sys
import tempfile
import threading
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import uvicorn

from marketplace_sync.sandbox.server import Sandbox
from marketplace_sync.sandbox.vendor import Vendor
from marketplace_sync.sandbox.world import StateInUse, WorldSettings, build

HOST = "127.0.0.1"


class PortInUse(RuntimeError):
    """Somebody else listens where the sandbox was to be."""


def bind(port: int) -> socket.socket:
    """A listening loopback socket; port 0 takes a free one. Raises PortInUse."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
        listening.listen(256)
    except OSError as problem:
        listening.close()
        raise PortInUse(
            f"the sandbox cannot listen on {HOST}:{port} ({problem.strerror}): choose another port"
        ) from None
    return listening


class _Server(uvicorn.Server):
    """Uvicorn that says when it answers."""

    def __init__(self, sandbox: Sandbox, listening: socket.socket) -> None:
        self.base_url = f"http://{HOST}:{listening.getsockname()[1]}"
        sandbox.at(self.base_url)
        super().__init__(
            uvicorn.Config(
                sandbox.app, log_level="warning", access_log=False, lifespan="on", timeout_graceful_shutdown=2
            )
        )
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.ready.set()


class _AnnouncingServer(_Server):
    """Prints one line once it answers, so that whoever started it can go on."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        print(f"sandbox ready on {self.base_url} (control: {self.base_url}/control)", flush=True)


def serve(settings: WorldSettings, port: int) -> None:
    """Serve until SIGTERM or SIGINT. Raises PortInUse, StateInUse."""
    listening = bind(port)
    try:
        _AnnouncingServer(build(settings), listening).run(sockets=[listening])
    finally:
        listening.close()


class RunningSandbox:
    """A sandbox on a free port, in a thread, for as long as the `with` block lasts.

    Without `state_file` it keeps its state in a temporary file, so that tests meet the same durability as everybody
    else. By default the shop is closed and nothing odd happens by itself: a test makes happen what it is about.
    """

    def __init__(self, settings: WorldSettings | None = None, **changes: Any) -> None:
        """`changes` are fields of WorldSettings, e.g. accounts={"john_lewis": "john_lewis"}."""
        self._settings = replace(settings or WorldSettings(shop=False, oddities=False), **changes)
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._client = httpx.Client(timeout=60)

    def __enter__(self) -> RunningSandbox:
        if self._settings.state_file is None:
            self._folder = tempfile.TemporaryDirectory(prefix="sandbox-")
            self._settings = replace(self._settings, state_file=Path(self._folder.name) / "sandbox.sqlite")
        self.sandbox = build(self._settings)
        self._listening = bind(0)
        self._server = _Server(self.sandbox, self._listening)
        self.base_url = self._server.base_url
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._listening]}, name="sandbox", daemon=True
        )
        self._thread.start()
        while not self._server.ready.wait(timeout=0.1):
            if not self._thread.is_alive():
                raise RuntimeError("the sandbox did not start: its log says why")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()
        self._server.should_exit = True
        self._thread.join(timeout=30)
        self._listening.close()
        if self._folder is not None:
            self._folder.cleanup()

    def act(self, account: str, name: str, **arguments: Any) -> Any:
        """What a person at the vendor does. Raises ValueError with the vendor's reason when it is not possible."""
        return self.control("POST", f"{account}/act/{name}", arguments)

    def control(self, method: str, path: str = "", body: Any = None) -> Any:
        """One call of the control endpoint, e.g. control("POST", "clock", {"advance_seconds": 3600})."""
        answer = self._client.request(method, f"{self.base_url}/control/{path}".rstrip("/"), json=body)
        if answer.status_code >= 400:
            raise ValueError(f"{method} /control/{path}: {answer.status_code} {answer.text}")
        return answer.json()

    def documents(self, account: str, collection: str) -> list[dict[str, Any]]:
        """Every document of one collection of a vendor, in order of insertion."""
        found: list[dict[str, Any]] = self.control("GET", f"{account}/state/{collection}?limit=10000000")
        return found

    def vendor(self, account: str) -> Vendor:
        """The vendor object itself. It lives in the server's thread: read simple things, change nothing."""
        return self.sandbox.vendors[account]


def _settings_from_arguments(arguments: argparse.Namespace) -> WorldSettings:
    return WorldSettings(
        state_file=arguments.state,
        seed=arguments.seed,
        shop=not arguments.no_shop,
        oddities=not arguments.no_oddities,
        clock_speed=arguments.clock_speed,
        shop_settings={"orders_per_minute": arguments.orders_per_minute},
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the simulated vendors on this machine's loopback address.")
    parser.add_argument("--port", type=int, default=8700)
    parser.add_argument("--state", type=Path, default=None, metavar="FILE", help="keep the world here over restarts")
    parser.add_argument("--seed", type=int, default=1, help="everything random follows from this number")
    parser.add_argument("--orders-per-minute", type=float, default=4.0)
    parser.add_argument("--clock-speed", type=float, default=1.0, help="simulated seconds per real second")
    parser.add_argument("--no-shop", action="store_true", help="nothing happens by itself")
    parser.add_argument("--no-oddities", action="store_true", help="vendors show none of their rare faces")
    try:
        arguments = parser.parse_args()
        serve(_settings_from_arguments(arguments), arguments.port)
    except (PortInUse, StateInUse, ValueError) as problem:
        print(f"sandbox: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
