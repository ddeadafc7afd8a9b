"""The one place that speaks HTTP: authentication, rate budget, deadlines, repeats of reads, redaction, request log.

No other module imports the HTTP library, so that its successor is a change of this file and `streams`.
"""

from __future__ import annotations

import contextlib
import functools
import re
import ssl
import time
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import httpx
import msgspec
import stamina
import structlog

import marketplace_sync
from marketplace_sync.connectors.budget import Grant, NoRoom, RateBudget
from marketplace_sync.connectors.memory import LocalMemory, Memory
from marketplace_sync.connectors.statuses import Redaction, failure, is_html, retry_after, unusable_json
from marketplace_sync.connectors.streams import Deadline, pool
from marketplace_sync.connectors.throttling import Waits
from marketplace_sync.connectors.wire import Answer, Authentication, Signature, too_late_to_write
from marketplace_sync.domain.errors import (
    AnswerLost,
    AnswerUnreadable,
    BudgetFull,
    CredentialsRefused,
    RequestRejected,
    Throttled,
    TooLate,
    TransportError,
    Unreachable,
    VendorUnavailable,
)
from marketplace_sync.settings import ConnectionSettings

_log = structlog.get_logger(__name__)
_SAFE_PATH = re.compile(r"/(?!/)[A-Za-z0-9._~!$&'()*+,;=:@%/-]*")
_CONNECTIONS = 32
_PATIENCE_WITH_NOBODY = 5.0
"""Seconds that a repeat waits for room in the budget where no connection could be made. The tries used the room up, and
where a list may be read once a minute, three minutes would go by before anybody heard that nobody is there."""


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """One request and its answer as they went over the wire. Holds personal data: for tests, never for production."""

    method: str
    path: str
    params: Mapping[str, str | int | list[str]]
    request_body: bytes
    status: int
    response_headers: Mapping[str, str]
    response_body: bytes


class HttpWire:
    """`wire.Wire` over HTTP/1.1: one per connection and process, shared by its threads.

    `throttled_seconds` is the wait that a 429 without Retry-After stands for, or several for refusals in a row;
    `throttled_by` are the other answers by which this vendor says the same. `patience` is how long a call may wait
    for room in the budget before it raises Throttled (nothing was sent); `write_patience` the same for writes, when
    whoever writes has more urgent things to do than to wait. A read is tried `attempts` times, the first
    repeat after about `first_pause` seconds.
    """

    def __init__(
        self,
        connection: str,
        base_url: str,
        settings: ConnectionSettings,
        budget: RateBudget,
        authentication: Authentication | Signature | None = None,
        secrets: Sequence[str] = (),
        default_headers: Mapping[str, str] | None = None,
        *,
        throttled_seconds: float | Sequence[float] = 10.0,
        throttled_by: Collection[int] = (),
        patience: float = 120.0,
        write_patience: float | None = None,
        attempts: int = 4,
        first_pause: float = 0.25,
        on_exchange: Callable[[Exchange], None] | None = None,
        memory: Memory | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.connection = connection
        self._base_url = base_url.rstrip("/")
        self._settings = settings
        self._budget = budget
        self._authentication = authentication
        self._redaction = Redaction(secrets)
        self._waits = Waits(throttled_seconds, clock)
        self._throttled_by = frozenset((429, *throttled_by))
        self._patience = patience
        self._write_patience = patience if write_patience is None else write_patience
        self._attempts = attempts
        self._first_pause = first_pause
        self._on_exchange = on_exchange
        self.memory = memory or LocalMemory()
        self._default_headers = {
            "accept": "application/json",
            "accept-encoding": "gzip",
            "user-agent": f"marketplace-sync/{marketplace_sync.__version__}",
            **{name.lower(): value for name, value in (default_headers or {}).items()},
        }
        # Without the library's client: it costs as much as the transport and adds cookies, redirects and proxies, none
        # of which is wanted here.
        self._transport = _transport()
        timeout = httpx.Timeout(settings.timeout_seconds, connect=settings.connect_timeout_seconds)
        self._timeouts = timeout.as_dict()

    def close(self) -> None:
        self._transport.close()

    def learn(self, bucket: str, *, available: float | None = None, blocked_seconds: float | None = None) -> None:
        self._budget.learn(bucket, available=available, blocked_seconds=blocked_seconds)

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
        """See `wire.Wire.request`."""
        sent_headers = dict(self._default_headers)
        if json is not None:
            content = msgspec.json.encode(json)
            sent_headers["content-type"] = "application/json"
        sent_headers.update({name.lower(): value for name, value in (headers or {}).items()})
        call = _Call(
            method=method,
            path=path,
            params=params or {},
            content=content,
            headers=sent_headers,
            write=write,
            bucket=bucket,
            cost=cost,
            reads=reads,
            authenticated=authenticated and self._authentication is not None,
            operation=operation or f"{method} {path}",
            decoder=decoder,
        )
        if not _SAFE_PATH.fullmatch(path) or not {".", ".."}.isdisjoint(unquote(path).split("/")):
            raise RequestRejected(
                f"{self.connection}: {call.operation} was not sent: its path is not a plain one; check the id in it",
                connection=self.connection,
                operation=call.operation,
            )
        if write:
            return self._authorised(call, self._write_patience)
        nobody: Unreachable | None = None
        for attempt in stamina.retry_context(
            on=_pause_before_repeat,
            attempts=self._attempts,
            timeout=None,
            wait_initial=self._first_pause,
            wait_jitter=self._first_pause,
        ):
            with attempt:
                try:
                    return self._authorised(call, self._patience if nobody is None else _PATIENCE_WITH_NOBODY)
                except Unreachable as problem:
                    nobody = problem
                    raise
                except BudgetFull:
                    if nobody is not None:
                        raise nobody from None
                    raise
        raise AssertionError("a retry context ends with an answer or an error")

    def _authorised(self, call: _Call, patience: float) -> Answer:
        """One try with credentials, and a second one with new ones when the first were refused."""
        credentials: Mapping[str, str] = {}
        if call.authenticated and self._authentication is not None and not isinstance(self._authentication, Signature):
            credentials = self._authentication.headers(self, refused=False)
            answer = self._once(call, credentials, patience)
            if answer.status != 401 or 401 in call.reads:
                return answer
            renewed = self._authentication.headers(self, refused=True)
            if renewed == credentials:
                raise self._refused(call)
            credentials = renewed
        answer = self._once(call, credentials, patience)
        if answer.status == 401 and 401 not in call.reads:
            raise self._refused(call)
        return answer

    def _refused(self, call: _Call) -> CredentialsRefused:
        return CredentialsRefused(
            f"{self.connection}: {call.operation}: the vendor refused the credentials (401); "
            "check this connection's keys",
            connection=self.connection,
            operation=call.operation,
            status=401,
        )

    def _once(self, call: _Call, credentials: Mapping[str, str], patience: float) -> Answer:
        """One request. Returns a success, a status the caller reads, or a 401; raises everything else."""
        about = {"connection": self.connection, "operation": call.operation}
        try:
            grant = self._budget.acquire(call.bucket, call.cost, patience=patience)
        except NoRoom as full:
            raise BudgetFull(
                f"{self.connection}: {call.operation} was not sent: the rate budget has no room for {full.wait:.0f} s",
                retry_after=full.wait,
                **about,
            ) from None
        started = time.monotonic()
        try:
            answer = self._exchange(call, credentials, grant)
        except TransportError:
            self.learn(call.bucket)
            raise
        _log.debug(
            "request",
            **about,
            status=answer.status,
            ms=round((time.monotonic() - started) * 1000),
            bytes=len(answer.body),
        )
        wants_json = "json" in call.headers.get("accept", "")
        if answer.status in call.reads and not (wants_json and is_html(answer.headers, answer.body)):
            self._closed(call, answer)
            return answer
        if answer.status == 401:
            self.learn(call.bucket)
            return answer
        closed_for = self._closed(call, answer)
        problem = failure(
            answer.status,
            answer.headers,
            self._redaction.body(answer.body) if answer.status >= 400 else b"",
            write=call.write,
            throttled_seconds=closed_for,
            **about,
        )
        if problem is None and call.decoder is not None:
            with contextlib.suppress(ValueError, RecursionError):
                return msgspec.structs.replace(answer, content=call.decoder.decode(answer.body))
        if problem is None and wants_json and (broken := unusable_json(answer.headers, answer.body)):
            problem = self._lost(call, broken, sent=True)
        if problem is not None:
            if not closed_for:
                self.learn(call.bucket)
            raise problem
        return answer

    def _closed(self, call: _Call, answer: Answer) -> float:
        """Seconds for which the vendor asks to be left alone, 0 where it does not; the budget knows it then."""
        asked = answer.status in self._throttled_by or (answer.status == 503 and "retry-after" in answer.headers)
        if not asked:
            return 0.0
        seconds = retry_after(answer.headers, default=0.0) or self._waits.after_refusal(call.bucket)
        self.learn(call.bucket, blocked_seconds=seconds)
        return seconds

    def _exchange(self, call: _Call, credentials: Mapping[str, str], grant: Grant) -> Answer:
        sent = False

        def trace(event: str, _: Mapping[str, Any]) -> None:
            nonlocal sent
            if event.endswith("send_request_headers.started"):  # connected: the next thing are the request's bytes
                if call.write and too_late_to_write():
                    raise TooLate(
                        f"{self.connection}: {call.operation} was not sent: what had to be read before it took too"
                        " long; it is tried again",
                        connection=self.connection,
                        operation=call.operation,
                    )
                sent = True

        try:
            request = httpx.Request(
                call.method,
                self._base_url + call.path,
                params={name: value if isinstance(value, list) else str(value) for name, value in call.params.items()}
                or None,
                content=call.content,
                headers={**call.headers, **credentials},
                extensions={"trace": trace, "timeout": self._timeouts},
            )
            if call.authenticated and isinstance(self._authentication, Signature):
                request.headers.update(self._authentication.signed(call.method, str(request.url)))
        except (ValueError, httpx.InvalidURL) as problem:
            raise RequestRejected(
                f"{self.connection}: {call.operation} was not sent: it cannot be written as a request "
                f"({self._words(problem, credentials)})",
                connection=self.connection,
                operation=call.operation,
            ) from None
        try:
            with Deadline(self._settings.timeout_seconds):
                response = self._transport.handle_request(request)
                try:
                    headers = dict(response.headers.items())
                    body = self._body(call, response, headers)
                finally:
                    response.close()
        except httpx.LocalProtocolError as problem:
            raise RequestRejected(
                f"{self.connection}: {call.operation} was not sent: {self._words(problem, credentials)}",
                connection=self.connection,
                operation=call.operation,
            ) from None
        except (httpx.HTTPError, httpx.StreamError, zlib.error) as problem:
            _log.debug("request failed", connection=self.connection, operation=call.operation, sent=sent)
            words = f"{type(problem).__name__}: {self._words(problem, credentials)}"
            raise self._lost(call, words, sent=sent) from None
        finally:
            self._budget.answered(call.bucket, grant, call.cost)
        if self._on_exchange is not None:
            self._on_exchange(
                Exchange(
                    method=call.method,
                    path=call.path,
                    params=call.params,
                    request_body=call.content or b"",
                    status=response.status_code,
                    response_headers=headers,
                    response_body=body,
                )
            )
        return Answer(status=response.status_code, headers=headers, body=body)

    def _body(self, call: _Call, response: httpx.Response, headers: Mapping[str, str]) -> bytes:
        """The whole body, unpacked; never more than the limit of it in memory."""
        limit = self._settings.max_answer_megabytes * 1024 * 1024
        encoding = headers.get("content-encoding", "").strip().lower()
        if encoding not in ("", "identity", "gzip", "x-gzip"):
            raise self._unreadable(call, response, f"is packed as {encoding[:20]!r}, which was not asked for")
        unpack = zlib.decompressobj(wbits=47) if encoding not in ("", "identity") else None
        parts: list[bytes] = []
        size = 0
        for chunk in response.iter_raw():
            if unpack is not None:
                chunk = unpack.decompress(chunk, limit + 1 - size)
            size += len(chunk)
            if size > limit:
                raise self._unreadable(
                    call, response, f"is larger than {self._settings.max_answer_megabytes} MiB (max_answer_megabytes)"
                )
            parts.append(chunk)
        if unpack is not None and not unpack.eof and parts:
            raise httpx.RemoteProtocolError("the packed answer ends too early")
        return b"".join(parts)

    def _unreadable(self, call: _Call, response: httpx.Response, why: str) -> AnswerUnreadable:
        return AnswerUnreadable(
            f"{self.connection}: the answer to {call.operation} {why}; it was not read",
            connection=self.connection,
            operation=call.operation,
            status=response.status_code,
        )

    def _lost(self, call: _Call, why: str, *, sent: bool) -> TransportError:
        kind: type[TransportError] = AnswerLost if sent and call.write else VendorUnavailable
        if not sent:
            kind = Unreachable
            what = f"was not sent: no connection to the vendor ({why}); try again later"
        elif call.write:
            what = f"was sent and its answer was lost ({why}), so the change may or may not have been made"
        else:
            what = f"got no usable answer ({why}); try again later"
        return kind(f"{self.connection}: {call.operation} {what}", connection=self.connection, operation=call.operation)

    def _words(self, problem: Exception, credentials: Mapping[str, str]) -> str:
        words = self._redaction.text(str(problem))
        return Redaction(part for value in credentials.values() for part in (value, *value.split())).text(words)


class _Call(msgspec.Struct, frozen=True, kw_only=True):
    method: str
    path: str
    params: Mapping[str, str | int | list[str]]
    content: bytes | None
    headers: dict[str, str]
    write: bool
    bucket: str
    cost: int
    reads: tuple[int, ...]
    authenticated: bool
    operation: str
    decoder: msgspec.json.Decoder[Any] | None


def _pause_before_repeat(problem: Exception) -> bool | float:
    """Reads are repeated while the vendor is not there; after a 429 it is the budget that makes us wait."""
    if isinstance(problem, BudgetFull):
        return False  # waiting again would only take as long again
    if isinstance(problem, Throttled):
        return 0.0
    return isinstance(problem, VendorUnavailable)


@functools.cache
def tls_context() -> ssl.SSLContext:
    """Certificates and host names are checked, TLS 1.2 at least. One for the process: to load it takes 20 ms."""
    context = httpx.create_ssl_context(trust_env=False)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _transport() -> httpx.HTTPTransport:
    transport = httpx.HTTPTransport(verify=tls_context(), trust_env=False)
    transport.close()
    transport._pool = pool(tls_context(), _CONNECTIONS)
    return transport
