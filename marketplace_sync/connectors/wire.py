"""What a connector is given to talk with: the one HTTP seam, whatever library is behind it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol, runtime_checkable

import msgspec

from marketplace_sync.connectors.memory import Memory

_no_write_after: ContextVar[float | None] = ContextVar("no_write_after", default=None)


@contextmanager
def no_write_after(moment: float) -> Iterator[None]:
    """While the block lasts, a write of this thread's that would begin after `moment` (of `time.monotonic()`) is not
    made: `request` raises TooLate. Who holds something for a while only can so be sure of nothing being sent later,
    however long the reads before it take."""
    token = _no_write_after.set(moment)
    try:
        yield
    finally:
        _no_write_after.reset(token)


def too_late_to_write() -> bool:
    """Whether the moment of `no_write_after` has passed."""
    moment = _no_write_after.get()
    return moment is not None and time.monotonic() >= moment


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A vendor's answer with a 2xx status (or one of the statuses the caller said it would read)."""

    status: int
    headers: Mapping[str, str]
    """Lower-case names."""
    body: bytes
    content: Any = None
    """What the request's `decoder` read of the body; None when it had none or could not."""


class Authentication(Protocol):
    """Puts credentials on a request. Asked again, with `refused=True`, once after a 401."""

    def headers(self, wire: Wire, *, refused: bool) -> Mapping[str, str]: ...


@runtime_checkable
class Signature(Protocol):
    """Credentials that depend on the request they are for, made anew for every try of it."""

    def signed(self, method: str, url: str) -> Mapping[str, str]:
        """Headers for a request of exactly this URL, query included."""
        ...


class Wire(Protocol):
    """HTTP to one vendor account: base URL, authentication, rate budget, time-outs, redaction and request log in one
    place. Thread-safe. Raises the TransportError family and nothing else."""

    connection: str
    memory: Memory
    """For what the vendor may be asked for only now and then."""

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int | list[str]] | None = None,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        write: bool = False,
        bucket: str = "default",
        cost: int = 1,
        reads: tuple[int, ...] = (),
        authenticated: bool = True,
        operation: str = "",
        decoder: msgspec.json.Decoder[Any] | None = None,
    ) -> Answer:
        """One request.

        A read (`write=False`) is repeated a few times with back-off on transient failures before it raises
        VendorUnavailable. A write is sent once: when its answer is lost or is a 5xx, AnswerLost is raised; when it
        surely was not processed (connection refused, 429) VendorUnavailable or Throttled, and TooLate when it may not
        begin any more (`no_write_after`).
        `bucket` and `cost` name the rate budget to draw from (waits for room); `reads` lists further statuses to
        return instead of raising; `operation` is the name for logs and errors (default: method and path). JSON is read
        once to see that it is whole; with a `decoder` for what is expected, that is the reading that counts.
        """
        ...

    def learn(self, bucket: str, *, available: float | None = None, blocked_seconds: float | None = None) -> None:
        """Tell the budget what the vendor said about it (cost buckets, remaining windows, waits) in an answer that
        `request` returned; nothing, when a cost bucket's answer says nothing of it. What `request` raises, it has
        told itself."""
        ...
