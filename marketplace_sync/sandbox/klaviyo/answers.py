"""What leaves the vendor: JSON:API documents, and refusals in the vendor's error form."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]

MEDIA_TYPE = "application/vnd.api+json"
RATE_LIMIT_PAGE = "https://developers.klaviyo.com/en/docs/rate_limits_and_error_handling"


@dataclass
class Answer:
    """What a handler gives back. `document` is None where the vendor answers without a body."""

    status: int = 200
    document: Json | None = None


@dataclass(frozen=True)
class Fault:
    """One member of `errors`. Either a `pointer` into the body or the name of a query `parameter`."""

    detail: str
    pointer: str = "/data"
    parameter: str = ""
    code: str = "invalid"
    title: str = "Invalid input."
    meta: Json = field(default_factory=dict)


class Refusal(Exception):
    """The request is answered with an error and has changed nothing."""

    def __init__(self, status: int, faults: Sequence[Fault], *, headers: dict[str, str] | None = None) -> None:
        super().__init__("; ".join(fault.detail for fault in faults))
        self.status = status
        self.faults = faults
        self.headers = headers or {}

    def document(self) -> Json:
        return {"errors": [error_object(self.status, fault) for fault in self.faults]}


def error_object(status: int, fault: Fault) -> Json:
    """One error as the vendor writes it (Klaviyo, errors of the JSON:API)."""
    error: Json = {
        "id": str(uuid.uuid4()),
        "status": status,
        "code": fault.code,
        "title": fault.title,
        "detail": fault.detail,
        "source": {"parameter": fault.parameter} if fault.parameter else {"pointer": fault.pointer},
        "links": {"type": RATE_LIMIT_PAGE} if status == 429 else {},
        "meta": fault.meta,
    }
    return error


def invalid(detail: str, pointer: str = "/data") -> Refusal:
    """400 about the body; `pointer` is a JSON pointer into it."""
    return Refusal(400, [Fault(detail, pointer)])


def bad_parameter(detail: str, parameter: str) -> Refusal:
    """400 about the query."""
    return Refusal(400, [Fault(detail, parameter=parameter)])


def not_found(kind: str, key: str) -> Refusal:
    """404 for a resource that is not there (any more)."""
    detail = f"A {kind} with id {key} does not exist."
    return Refusal(404, [Fault(detail, "/data/id", code="not_found", title="Not found.")])


def moment(seconds: float | None) -> str | None:
    """Unix seconds as the vendor writes times: ISO 8601 with offset, whole seconds."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(int(seconds), UTC).isoformat()
