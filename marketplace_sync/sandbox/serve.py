"""Serves a sandbox: in the foreground for people, in a thread for tests."""

from __future__ import annotations

import argparse
import asyncio
import signal
import socket
import ssl
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import uvicorn

from marketplace_sync.sandbox import default_world
from marketplace_sync.sandbox.server import Sandbox
from marketplace_sync.sandbox.vendor import Vendor
from marketplace_sync.sandbox.world import StateInUse, WorldSettings, build

HOST = "127.0.0.1"
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For loopback: it trusts nobody, and costs none of the 20 ms that the world's certificates take to load."""


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


def _config(sandbox: Sandbox) -> uvicorn.Config:
    return uvicorn.Config(
        sandbox.app, log_level="warning", access_log=False, lifespan="on", timeout_graceful_shutdown=2
    )


class _AnnouncingServer(uvicorn.Server):
    """Prints one line once it answers, so that whoever started it can go on."""

    base_url = ""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            print(f"sandbox ready on {self.base_url} (control: {self.base_url}/control)", flush=True)


class _ServerInThread(uvicorn.Server):
    """Stops at once when told to, where uvicorn itself would look every tenth of a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._told = asyncio.Event()
        self.ready.set()
        await self._told.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=self.config.timeout_graceful_shutdown)
        await self.lifespan.shutdown()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._told.set)


def _address(listening: socket.socket) -> str:
    return f"http://{HOST}:{listening.getsockname()[1]}"


def serve(settings: WorldSettings, port: int) -> None:
    """Serve until SIGTERM or SIGINT. Raises PortInUse, StateInUse."""
    with bind(port) as listening:
        sandbox = build(settings)
        server = _AnnouncingServer(_config(sandbox))
        server.base_url = _address(listening)
        sandbox.at(server.base_url)
        # Uvicorn stops at these signals and then raises them again for whoever handled them before: nobody, now.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        server.run(sockets=[listening])


class RunningSandbox:
    """A sandbox on a free port, in a thread, for as long as the `with` block lasts.

    Without `state_file` it keeps its state in a temporary file, so that tests meet the same durability as everybody
    else. By default the shop is closed and nothing odd happens by itself: a test makes happen what it is about.
    """

    def __init__(self, world: WorldSettings | Sandbox | None = None, /, **changes: Any) -> None:
        """`changes` are fields of WorldSettings: accounts={"jl": "john_lewis"}, settings={"jl": {"limit": None}}.

        A sandbox that was built already is served as it is.
        """
        self._built = world if isinstance(world, Sandbox) else None
        settings = world if isinstance(world, WorldSettings) else WorldSettings(shop=False, oddities=False)
        self._settings = replace(settings, **changes)
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._client = httpx.Client(verify=_NO_TLS, timeout=600)

    def __enter__(self) -> RunningSandbox:
        if self._built is None and self._settings.state_file is None:
            self._folder = tempfile.TemporaryDirectory(prefix="sandbox-")
            self._settings = replace(self._settings, state_file=Path(self._folder.name) / "sandbox.sqlite")
        self.sandbox = self._built or build(self._settings)
        self._listening = bind(0)
        self.base_url = _address(self._listening)
        self.sandbox.at(self.base_url)
        self._server = _ServerInThread(_config(self.sandbox))
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
        self._server.stop()
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

    def eventually(self, condition: Callable[[], bool], within_seconds: float = 10.0) -> bool:
        """Whether something that the sandbox does by itself comes true in time."""
        deadline = time.monotonic() + within_seconds
        while not (met := condition()) and time.monotonic() < deadline:
            time.sleep(0.02)
        return met

    def vendor(self, account: str) -> Vendor:
        """The vendor object itself. It lives in the server's thread: read simple things, change nothing."""
        return self.sandbox.vendors[account]


def _settings_from_arguments(arguments: argparse.Namespace) -> WorldSettings:
    accounts = {}
    for text in arguments.account:
        account, _, platform = text.partition("=")
        if not account or not platform:
            raise ValueError(f"--account {text}: an account is NAME=PLATFORM, e.g. john_lewis=john_lewis")
        accounts[account] = platform
    return WorldSettings(
        state_file=arguments.state,
        seed=arguments.seed,
        accounts=accounts or dict(default_world.ACCOUNTS),
        settings={} if accounts else dict(default_world.SETTINGS),
        shop=not arguments.no_shop,
        oddities=not arguments.no_oddities,
        clock_speed=arguments.clock_speed,
        shop_settings={} if arguments.orders_per_minute is None else {"orders_per_minute": arguments.orders_per_minute},
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the simulated vendors on this machine's loopback address.")
    parser.add_argument("--port", type=int, default=8700)
    parser.add_argument("--state", type=Path, default=None, metavar="FILE", help="keep the world here over restarts")
    parser.add_argument("--seed", type=int, default=1, help="everything random follows from this number")
    parser.add_argument(
        "--account",
        action="append",
        default=[],
        metavar="NAME=PLATFORM",
        help="may be repeated; default: the whole world",
    )
    parser.add_argument("--orders-per-minute", type=float, default=None, help="default: 4, or what was set before")
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
