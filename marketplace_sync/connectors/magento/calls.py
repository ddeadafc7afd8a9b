"""One shop's calls: paths of its store views, answers decoded, and what Magento says when it says no."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from marketplace_sync.connectors.magento.searching import Search
from marketplace_sync.connectors.magento.settings import MagentoSettings
from marketplace_sync.connectors.mending import mended
from marketplace_sync.connectors.wire import Answer, Wire
from marketplace_sync.decoding import decoded, decoder
from marketplace_sync.domain.errors import (
    AnswerLost,
    AnswerUnreadable,
    CredentialsRefused,
    RequestRejected,
)

T = TypeVar("T")

_LONGEST = 300
_REPORT = re.compile(r"webapi-[0-9a-f]{6,40}")


class _Said(msgspec.Struct):
    """How Magento says no (Magento, errors): placeholders in the text, their values as a list or by name."""

    message: Any = ""
    parameters: Any = None
    errors: Any = None

    def resources(self) -> str:
        """The permissions that are missing, where that is what it says."""
        return str(self.parameters.get("resources", "")) if isinstance(self.parameters, dict) else ""

    def words(self) -> str:
        found = [_filled(self.message, self.parameters)]
        for error in self.errors if isinstance(self.errors, list) else ():
            if isinstance(error, dict):
                found.append(_filled(error.get("message"), error.get("parameters")))
        return "; ".join(text for text in found if text)[:_LONGEST]


class Calls:
    """Thread-safe. Every method raises TransportError."""

    def __init__(self, settings: MagentoSettings, wire: Wire) -> None:
        self._settings = settings
        self._wire = wire

    @property
    def connection(self) -> str:
        return self._wire.connection

    def get(self, path: str, kind: type[T], *, search: Search | None = None, operation: str, view: str = "") -> T:
        """A read. RequestRejected with status 404 where there is no such thing, or no such module."""
        answer = self._request(
            "GET", path, params=search.params() if search else None, operation=operation, view=view, write=False
        )
        return self.decoded(answer, kind, operation)

    def post(self, path: str, body: Any, kind: type[T], *, operation: str) -> T:
        """A write, sent once; twice when Magento refused the signature of the first, which then changed nothing."""
        return self.decoded(self._request("POST", path, json=body, operation=operation, write=True), kind, operation)

    def _or_bearer(self) -> str:
        """A shop that takes no tokens as bearer answers as if a permission were missing (sheet, 2)."""
        if self._settings.authentication != "bearer":
            return ""
        return (
            "; or the shop takes no token as bearer, as it is since 2.4.4: have it allowed"
            " (oauth/consumer/enable_integration_as_bearer), or configure the four keys and authentication: oauth1"
        )

    def _request(self, method: str, path: str, *, operation: str, view: str = "", **more: Any) -> Answer:
        place = f"/rest/{view or self._settings.store_view}/V1{path}"
        reads = (401, 500) if more["write"] else (401,)
        for attempt in (1, 2):
            answer = self._wire.request(method, place, reads=reads, operation=operation, **more)
            if answer.status == 500:
                raise self._masked(answer, operation)
            if answer.status != 401:
                return answer
            said = _said(answer.body)
            if said.resources():
                raise CredentialsRefused(
                    f"{self.connection}: {operation}: the integration has no permission for {said.resources()};"
                    f" grant it (System, Integrations, API) and activate the integration again{self._or_bearer()}",
                    connection=self.connection,
                    operation=operation,
                    status=403,
                )
            if attempt == 2:
                break
        raise CredentialsRefused(
            f"{self.connection}: {operation}: Magento refused the credentials ({said.words() or 'no reason given'});"
            f" check the integration's four keys, that it is active, and this machine's clock{self._or_bearer()}",
            connection=self.connection,
            operation=operation,
            status=401,
        )

    def _masked(self, answer: Answer, operation: str) -> AnswerLost:
        """A 500 hides what happened: the change may have been made before (Magento, errors)."""
        report = _REPORT.search(answer.body.decode("utf-8", "replace"))
        words = f"; its log has it as {report.group()}" if report else ""
        return AnswerLost(
            f"{self.connection}: {operation}: Magento failed (500), so the change may or may not have been made{words}",
            connection=self.connection,
            operation=operation,
            status=500,
        )

    def decoded(self, answer: Answer, kind: type[T], operation: str) -> T:
        try:
            return decoder(kind, float_hook=Decimal, strict=False).decode(mended(answer.body))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ArithmeticError) as problem:
            raise self.unreadable(operation, str(problem)[:200]) from None

    def unreadable(self, operation: str, why: str) -> AnswerUnreadable:
        return AnswerUnreadable(
            f"{self.connection}: the answer to {operation} is not what Magento documents: {why}",
            connection=self.connection,
            operation=operation,
            status=200,
        )


def reason_in(problem: RequestRejected) -> str:
    """What Magento said when it refused a request, in its own (translated) words; else ours."""
    return _said(problem.body).words() or str(problem)


def _said(body: bytes) -> _Said:
    try:
        return decoded(mended(body), _Said)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return _Said()


def _filled(message: Any, parameters: Any) -> str:
    """`"%fieldName is required"` with its values in place; the longest names first, so that %1 leaves %10 alone."""
    text = message if isinstance(message, str) else ""
    named: dict[str, Any] = {}
    if isinstance(parameters, list):
        named = {str(place): value for place, value in enumerate(parameters, 1)}
    elif isinstance(parameters, dict):
        named = {str(name): value for name, value in parameters.items()}
    for name in sorted(named, key=len, reverse=True):
        text = text.replace(f"%{name}", str(named[name]))
    return " ".join(text.split())
