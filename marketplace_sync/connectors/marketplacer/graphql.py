"""Sends GraphQL documents to an instance and reads what came of them: errors come with status 200, and with data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from marketplace_sync.connectors.mending import mended
from marketplace_sync.connectors.wire import Wire
from marketplace_sync.decoding import decoded
from marketplace_sync.domain.errors import (
    AnswerLost,
    AnswerUnreadable,
    CredentialsRefused,
    RequestRejected,
    TransportError,
    VendorUnavailable,
)

_PATH = "/graphql"


@dataclass(frozen=True)
class Document:
    """One operation that this connector can send."""

    name: str
    text: str
    write: bool = False


class Failure(msgspec.Struct, frozen=True):
    """One error of an answer, in words."""

    words: str
    path: tuple[str, ...] = ()
    """The fields and the places in lists that lead to what failed; empty where that is not said."""


class Said(msgspec.Struct, frozen=True):
    """An answer: its data field by field, unread, and what of it failed."""

    data: dict[str, msgspec.Raw]
    errors: tuple[Failure, ...]
    date: str = ""
    """The instance's clock."""


class _Error(msgspec.Struct):
    message: Any = None
    path: Any = None
    extensions: Any = None

    @property
    def code(self) -> str:
        return str(self.extensions.get("code") or "") if isinstance(self.extensions, dict) else ""

    def as_failure(self) -> Failure:
        path = self.path if isinstance(self.path, list) else []
        return Failure(str(self.message)[:200], tuple(str(part) for part in path))


class _Envelope(msgspec.Struct):
    data: dict[str, msgspec.Raw] | None = None
    errors: list[_Error] | None = None


class Mutated(msgspec.Struct):
    """What every mutation answers with, beside its object (sheet, 2: business errors)."""

    status: int | None = None
    errors: list[Any] | None = None


class GraphQL:
    """One instance. Thread-safe, as its wire is. Everything raises TransportError."""

    def __init__(self, wire: Wire) -> None:
        self.connection = wire.connection
        self._wire = wire

    def ask(self, document: Document, variables: Mapping[str, Any]) -> Said:
        """What one operation answered. With data and errors together the data count and the errors are handed on
        (sheet, 2: partial success). AnswerLost when a write may have been made."""
        answer = self._wire.request(
            "POST",
            _PATH,
            json={"query": document.text, "operationName": document.name, "variables": dict(variables)},
            write=document.write,
            operation=document.name,
        )
        try:
            envelope = decoded(mended(answer.body), _Envelope)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
            raise self.unreadable(document, str(problem)[:200]) from None
        errors = envelope.errors or []
        data = {key: raw for key, raw in (envelope.data or {}).items() if bytes(raw) != b"null"}
        if errors and (document.write or not data):
            raise self._failed(document, errors)
        if envelope.data is None:
            raise self.unreadable(document, "neither data nor errors")
        return Said(data, tuple(error.as_failure() for error in errors), answer.headers.get("date", ""))

    def write(self, document: Document, variables: Mapping[str, Any]) -> msgspec.Raw:
        """One mutation; its payload. RequestRejected with the instance's words when it was refused."""
        said = self.ask(document, variables)
        payload = next(iter(said.data.values()), None)
        if payload is None:
            raise self.unreadable(document, "it has no payload")
        try:
            found = decoded(payload, Mutated)
        except (msgspec.DecodeError, RecursionError) as problem:
            raise self.unreadable(document, str(problem)[:200]) from None
        if found.errors:
            words = "; ".join(_refusal(error) for error in found.errors)[:400]
            raise RequestRejected(
                f"{self.connection}: {document.name} was refused: {words}",
                connection=self.connection,
                operation=document.name,
                status=found.status or 422,
            )
        return payload

    def unreadable(self, document: Document, why: str) -> TransportError:
        message = f"{self.connection}: the answer to {document.name} cannot be read ({why})"
        kind = AnswerLost if document.write else AnswerUnreadable
        more = "; the change may or may not have been made" if document.write else "; nothing of it was used"
        return kind(message + more, connection=self.connection, operation=document.name)

    def _failed(self, document: Document, errors: list[_Error]) -> TransportError:
        words = "; ".join(str(error.message) for error in errors)[:400]
        codes = {error.code for error in errors}
        message = f"{self.connection}: {document.name} failed: {words}"
        where: dict[str, Any] = {"connection": self.connection, "operation": document.name}
        if "MISSING_SCOPE" in codes:
            return CredentialsRefused(f"{message}; give the key this scope", status=403, **where)
        if any("permission" in str(error.message).lower() for error in errors):
            return CredentialsRefused(f"{message}; is key_of right?", status=403, **where)
        never_ran = all(not error.path for error in errors)
        refused = never_ran or codes & {"undefinedField", "argumentLiteralsIncompatible"}
        if refused or any(str(error.message).startswith("No object found") for error in errors):
            return RequestRejected(message, status=422, **where)
        if document.write:
            return AnswerLost(f"{message}; the change may or may not have been made", **where)
        return VendorUnavailable(message, **where)


def _refusal(error: Any) -> str:
    if not isinstance(error, dict):
        return str(error)
    messages = error.get("messages")
    words = ", ".join(str(one) for one in messages) if isinstance(messages, list) else str(messages)
    return f"{error.get('field', '')}: {words}"
