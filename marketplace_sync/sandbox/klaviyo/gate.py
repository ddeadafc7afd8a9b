"""Everything that happens to a request before and after its handler: key, revision, quota, body, errors, headers."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from urllib.parse import parse_qsl, unquote

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.klaviyo.answers import MEDIA_TYPE, Answer, Fault, Json, Refusal
from marketplace_sync.sandbox.klaviyo.call import Call
from marketplace_sync.sandbox.klaviyo.operations import EXPENSIVE, OPERATIONS, Operation
from marketplace_sync.sandbox.klaviyo.paging import Cursors
from marketplace_sync.sandbox.klaviyo.rates import RateBook

REVISIONS = (
    "2024-02-15", "2024-05-15", "2024-07-15", "2024-10-15", "2025-01-15", "2025-04-15", "2025-07-15", "2025-10-15",
    "2026-01-15", "2026-04-15", "2026-07-15", "2026-10-15",
)  # fmt: skip
"""Stable revisions: a year stable, a year deprecated, then retired (Klaviyo, API versioning)."""

HINTS_SINCE = "2026-10-15"
MEDIA_TYPES = ("application/vnd.api+json", "application/json")

Handler = Callable[[Call], Answer]


@dataclass
class GateSettings:
    """Who may come in, and how odd the answers are."""

    keys: dict[str, list[str] | None] = field(default_factory=dict)
    """Private keys to their scopes; None grants all."""
    agent_hints: bool = True
    unknown_attributes: bool = False
    drop_retry_after: bool = False
    plain_413: bool = False


class Gate:
    """Finds the operation of a request and lets it through, or refuses in the vendor's words."""

    def __init__(
        self, handlers: Mapping[str, Handler], settings: GateSettings, rates: RateBook, cursors: Cursors, clock: Clock
    ) -> None:
        self.settings = settings
        self.rates = rates
        self._handlers = handlers
        self._cursors = cursors
        self._clock = clock
        self._exact: dict[str, dict[str, Operation]] = {}
        self._patterns: dict[int, list[tuple[Sequence[str], dict[str, Operation]]]] = {}
        for operation in OPERATIONS:
            if "{" not in operation.path:
                self._exact.setdefault(operation.path, {})[operation.method] = operation
        grouped: dict[str, dict[str, Operation]] = {}
        for operation in OPERATIONS:
            if "{" in operation.path:
                grouped.setdefault(operation.path, {})[operation.method] = operation
        for path, methods in grouped.items():
            segments = path.split("/")
            self._patterns.setdefault(len(segments), []).append((segments, methods))

    def endpoint(self, base: Callable[[], str], before: Callable[[], None]) -> Callable[[Request], Awaitable[Response]]:
        """The ASGI endpoint. `before` runs ahead of every handler (work that has come due)."""

        async def answer(request: Request) -> Response:
            headers: dict[str, str] = {}
            try:
                call = self._admit(request, base(), headers)
                call.body = await self._body(request, call.operation)
                before()
                result = self._handlers[call.operation.key](call)
            except Refusal as refusal:
                return self._refused(refusal, headers)
            if result.document is None:
                return Response(status_code=result.status, headers=headers)
            return _json(result.status, self._decorated(result.document, call), headers)

        return answer

    def _admit(self, request: Request, base: str, headers: dict[str, str]) -> Call:
        granted = self._authenticate(request)
        revision = self._revision(request)
        here, operation, path = self._match(request)
        if granted is not None and (missing := [scope for scope in operation.scopes if scope not in granted]):
            detail = f"The API key is missing the scopes {', '.join(missing)}."
            title = "You do not have permission to perform this action."
            raise Refusal(403, [Fault(detail, "/data/", code="permission_denied", title=title)])
        query = dict(parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True))
        self._take_quota(operation, query, headers)
        base = base or str(request.base_url).rstrip("/")
        call = Call(operation, path, query, b"", revision, self._clock.timestamp(), base, here, self._cursors)
        call.check_query()
        return call

    def _authenticate(self, request: Request) -> list[str] | None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme != "Klaviyo-API-Key" or not key:
            detail = "Missing or invalid authorization scheme. Please use Klaviyo-API-Key."
            title = "Authentication credentials were not provided."
            raise Refusal(401, [Fault(detail, "/data/", code="not_authenticated", title=title)])
        if key.strip() not in self.settings.keys:
            title = "Incorrect authentication credentials."
            raise Refusal(401, [Fault(title, "/data/", code="authentication_failed", title=title)])
        return self.settings.keys[key.strip()]

    def _revision(self, request: Request) -> str:
        """The revision that answers: an unknown or retired one falls forward unless the caller opted out."""
        asked = request.headers.get("revision", "").strip()
        if not asked:
            raise Refusal(400, [Fault("A revision header is required: revision: YYYY-MM-DD.", "/data/")])
        plain = asked.removesuffix(".pre")
        try:
            date.fromisoformat(plain)
        except ValueError:
            raise Refusal(400, [Fault(f"'{asked}' is not a revision: use YYYY-MM-DD.", "/data/")]) from None
        today = self._clock.now().date()
        alive = [one for one in REVISIONS if date.fromisoformat(one).replace(year=int(one[:4]) + 2) > today]
        alive = alive or [REVISIONS[-1]]
        if plain in alive:
            return plain
        if request.headers.get("x-klaviyo-revision-fall-forward-opt-out", "") == "1":
            if plain in REVISIONS or plain < alive[0]:
                detail = f"The revision {plain} is retired; the oldest one still served is {alive[0]}."
                raise Refusal(410, [Fault(detail, "/data/", code="gone", title="Gone.")])
            raise Refusal(400, [Fault(f"There is no revision {plain}.", "/data/")])
        return next((one for one in alive if one >= plain), alive[-1])

    def _match(self, request: Request) -> tuple[str, Operation, dict[str, str]]:
        raw = request.scope["raw_path"].decode("latin-1")
        here = raw[raw.find("/api/") :].rstrip("/") if "/api/" in raw else raw
        methods = self._exact.get(here)
        path: dict[str, str] = {}
        segments = here.split("/")
        if methods is None:
            for wanted, candidates in self._patterns.get(len(segments), []):
                if all(_is_name(one) or one == given for one, given in zip(wanted, segments, strict=True)):
                    methods = candidates
                    path = {
                        one[1:-1]: unquote(given) for one, given in zip(wanted, segments, strict=True) if _is_name(one)
                    }
                    break
        if methods is None:
            raise Refusal(404, [Fault("There is nothing at this path.", code="not_found", title="Not found.")])
        if request.method not in methods:
            detail = f'Method "{request.method}" not allowed.'
            raise Refusal(405, [Fault(detail, code="method_not_allowed", title="Method not allowed.")])
        return here, methods[request.method], path

    def _take_quota(self, operation: Operation, query: Mapping[str, str], headers: dict[str, str]) -> None:
        key, limits = operation.key, operation.limits
        for (expensive, parameter, value), lower in EXPENSIVE.items():
            if expensive == key and value in query.get(parameter, "").split(",") and lower.burst < limits.burst:
                key, limits = f"{operation.key} {value}", lower
        verdict = self.rates.ask(key, limits)
        if verdict.allowed:
            headers["RateLimit-Limit"] = str(verdict.limit)
            headers["RateLimit-Remaining"] = str(verdict.remaining)
            headers["RateLimit-Reset"] = str(verdict.reset_seconds)
            return
        wait = verdict.wait_seconds
        detail = f"Request was throttled. Expected available in {wait} second{'' if wait == 1 else 's'}."
        retry = {} if self.settings.drop_retry_after else {"Retry-After": str(wait)}
        fault = Fault(detail, "/data/", code="throttled", title="Request was throttled.")
        raise Refusal(429, [fault], headers=retry)

    async def _body(self, request: Request, operation: Operation) -> bytes:
        if operation.method == "GET":
            return b""
        body = await request.body()
        if operation.method == "DELETE" and not body:
            return b""
        kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
        if kind not in MEDIA_TYPES:
            detail = f'Unsupported media type "{kind}" in request.'
            raise Refusal(415, [Fault(detail, code="unsupported_media_type", title="Unsupported media type.")])
        if request.headers.get("content-encoding", "").lower() == "gzip":
            try:
                body = gzip.decompress(body)
            except (OSError, EOFError, zlib.error):
                raise Refusal(400, [Fault("The body is not valid gzip.")]) from None
        if len(body) > operation.body_limit:
            detail = f"The request body is larger than {operation.body_limit} bytes."
            raise Refusal(413, [Fault(detail, code="payload_too_large", title="Payload too large.")])
        return body

    def _refused(self, refusal: Refusal, headers: dict[str, str]) -> Response:
        if refusal.status == 413 and self.settings.plain_413:
            return Response("Request Entity Too Large", status_code=413, media_type="text/plain")
        return _json(refusal.status, refusal.document(), {**headers, **refusal.headers})

    def _decorated(self, document: Json, call: Call) -> Json:
        if self.settings.agent_hints and call.revision >= HINTS_SINCE:
            document["meta"] = {**document.get("meta", {}), "agent_hints": {"next_steps": []}}
        if self.settings.unknown_attributes:
            document["x_unannounced"] = True
            data = document.get("data")
            for resource in data if isinstance(data, list) else [data]:
                if isinstance(resource, dict) and "attributes" in resource:
                    resource["attributes"] = {**resource["attributes"], "x_unannounced": "a field of tomorrow"}
        return document


_NAME = re.compile(r"^\{\w+\}$")


def _is_name(segment: str) -> bool:
    return _NAME.match(segment) is not None


def _json(status: int, document: Json, headers: Mapping[str, str]) -> Response:
    return Response(msgspec.json.encode(document), status_code=status, headers=dict(headers), media_type=MEDIA_TYPE)
