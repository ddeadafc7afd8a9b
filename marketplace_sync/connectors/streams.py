"""Sockets that know when to give up: a deadline for a whole request, where the HTTP library only times single reads."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Any

import httpcore

_SLICE = 64 * 1024
_AT_ONCE = 256 * 1024
"""Bytes taken from the system at once, if they are there: each piece of an answer goes through five layers."""
_IDLE_SECONDS = 4.0
"""Idle connections are dropped early: a write on one that the vendor is just closing would be in doubt for nothing."""

_current = threading.local()


class Deadline:
    """While the block lasts, nothing this thread reads or writes through `pool` goes on after `seconds` from now."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        _current.deadline = time.monotonic() + self._seconds

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        _current.deadline = None


def pool(context: ssl.SSLContext, connections: int) -> httpcore.ConnectionPool:
    """A pool of HTTP/1.1 connections that obey `Deadline`."""
    return httpcore.ConnectionPool(
        ssl_context=context,
        max_connections=connections,
        max_keepalive_connections=connections,
        keepalive_expiry=_IDLE_SECONDS,
        http1=True,
        http2=False,
        retries=0,
        network_backend=_Backend(),
    )


def _left(timeout: float | None, late: type[Exception]) -> float | None:
    """The shorter of the caller's time-out and what is left until the deadline. Raises `late` when that is nothing."""
    deadline: float | None = getattr(_current, "deadline", None)
    if deadline is None:
        return timeout
    left = deadline - time.monotonic()
    if left <= 0:
        raise late("the time for the whole request is up")
    return left if timeout is None else min(timeout, left)


class _Backend(httpcore.NetworkBackend):
    def __init__(self) -> None:
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        return _Stream(
            self._plain.connect_tcp(
                host,
                port,
                timeout=_left(timeout, httpcore.ConnectTimeout),
                local_address=local_address,
                socket_options=socket_options,
            )
        )


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max(max_bytes, _AT_ONCE), _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _SLICE):
            self._stream.write(buffer[start : start + _SLICE], _left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, _left(timeout, httpcore.ConnectTimeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
