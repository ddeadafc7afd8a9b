"""A real HTTP service in a thread, for tests of what happens on the wire."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route

from marketplace_sync.connectors.budget import BudgetSpec, LocalBudget, RateBudget
from marketplace_sync.connectors.transport import Exchange, HttpWire
from marketplace_sync.connectors.wire import Authentication, Signature
from marketplace_sync.settings import ConnectionSettings


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.ready.set()


@contextmanager
def serving(*routes: Route) -> Iterator[str]:
    """The routes over HTTP on a free port of this machine; yields the base URL."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(64)
    server = _Server(
        uvicorn.Config(Starlette(routes=list(routes)), log_level="error", access_log=False, timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    assert server.ready.wait(timeout=20)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=20)
        listening.close()


@contextmanager
def scripted(script: Callable[[socket.socket, bytes], None], *, connections: int = 1) -> Iterator[str]:
    """A bare socket: reads each connection's request head and lets `script(connection, head)` do what it likes."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(16)

    def one(connection: socket.socket) -> None:
        with connection:
            head = b""
            while b"\r\n\r\n" not in head:
                part = connection.recv(65536)
                if not part:
                    return
                head += part
            try:
                script(connection, head)
            except OSError:
                return  # the client has had enough, which is what some scripts are for

    def accept() -> None:
        for _ in range(connections):
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=one, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.close()


def wire_to(
    base_url: str,
    *,
    budget: BudgetSpec | None = None,
    room: RateBudget | None = None,
    authentication: Authentication | Signature | None = None,
    secrets: tuple[str, ...] = (),
    timeout_seconds: float = 5,
    max_answer_megabytes: int = 1,
    attempts: int = 4,
    patience: float = 5,
    write_patience: float | None = None,
    throttled_seconds: float | Sequence[float] = 0.05,
    throttled_by: Sequence[int] = (),
    clock: Callable[[], float] = time.monotonic,
    on_exchange: Callable[[Exchange], None] | None = None,
) -> HttpWire:
    return HttpWire(
        "shop",
        base_url,
        ConnectionSettings(
            platform="test",
            base_url=base_url,
            timeout_seconds=timeout_seconds,
            connect_timeout_seconds=2,
            max_answer_megabytes=max_answer_megabytes,
        ),
        room or LocalBudget(budget or {"default": ()}),
        authentication,
        secrets,
        throttled_seconds=throttled_seconds,
        throttled_by=throttled_by,
        clock=clock,
        patience=patience,
        write_patience=write_patience,
        attempts=attempts,
        first_pause=0.01,
        on_exchange=on_exchange,
    )
