"""What resolvers hand to one another: a document with its type, and the ids the vendor shows for it."""

from __future__ import annotations

from typing import Any

from graphql import GraphQLError

from marketplace_sync.sandbox.state import Document

_PREFIX = "gid://shopify/"


class Thing:
    """A document seen as one GraphQL type. `order` is the order it belongs to, where it is a part of one."""

    __slots__ = ("doc", "order", "typename")

    def __init__(self, typename: str, doc: Document, order: Document | None = None) -> None:
        self.typename = typename
        self.doc = doc
        self.order = order

    @property
    def gid(self) -> str:
        return gid(self.typename, self.doc["id"])

    def of_order(self) -> Document:
        """The order this is a part of."""
        assert self.order is not None, self.typename
        return self.order


def gid(typename: str, number: int | str) -> str:
    return f"{_PREFIX}{typename}/{number}"


def split_gid(value: str) -> tuple[str, str] | None:
    """Type and number of a global id, or None when it is not of that form."""
    if not value.startswith(_PREFIX):
        return None
    typename, slash, number = value.removeprefix(_PREFIX).partition("/")
    return (typename, number) if slash and number.partition("?")[0].isdigit() else None


class TopLevelError(GraphQLError):
    """An error the vendor reports in `errors[]`, with its code, and not in `userErrors`."""

    def __init__(self, message: str, code: str, **extensions: Any) -> None:
        super().__init__(message, extensions={"code": code, **extensions})


def key_of(value: str, *types: str) -> str:
    """The number in a global id of one of these types, as the key of a document. Raises TopLevelError otherwise."""
    parts = split_gid(value)
    if parts is None or parts[0] not in types:
        raise TopLevelError(f"Invalid id: {value}", "RESOURCE_NOT_FOUND")
    return parts[1].partition("?")[0]
