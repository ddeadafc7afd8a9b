"""Objects as resolvers see them, their opaque ids, and the ways a field or a mutation is refused."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLError

from marketplace_sync.sandbox.state import Document


@dataclass(frozen=True, eq=False)
class Thing:
    """A document and what type it is. Documents hold their number as `n` and fields under the vendor's names."""

    typename: str
    doc: Document

    @property
    def gid(self) -> str:
        return gid(self.typename, self.doc["n"])


def gid(typename: str, number: int) -> str:
    """base64 of `Type-<number>` (sheet, 2)."""
    return base64.b64encode(f"{typename}-{number}".encode()).decode()


def split_gid(value: str) -> tuple[str, int] | None:
    """("Order", 10283) of an id; None for a text that is none."""
    try:
        text = base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
    match = re.fullmatch(r"([A-Za-z]+)-(\d+)", text)
    return (match[1], int(match[2])) if match else None


class TopLevelError(GraphQLError):
    """A refusal that goes into the answer's `errors`, with its code if there is one."""

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message, extensions={"code": code} if code else None)


def not_found(argument: str, value: str) -> TopLevelError:
    return TopLevelError(f"No object found for `{argument}`: `{value}`", "NOT_FOUND")


class Refused(ValueError):
    """A mutation was not carried out, and nothing was changed: what goes into the payload's `errors`."""

    def __init__(self, field: str, *messages: str, status: int = 200) -> None:
        super().__init__(f"{field}: {', '.join(messages)}")
        self.field, self.messages, self.status = field, list(messages), status

    def as_json(self) -> list[dict[str, Any]]:
        return [{"field": self.field, "messages": self.messages}]
