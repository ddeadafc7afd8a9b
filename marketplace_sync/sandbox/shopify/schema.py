"""The schema, loaded once per process, and documents parsed, validated and costed once each."""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from importlib import resources
from typing import Any

from graphql import (
    DocumentNode,
    ExecutableDefinitionNode,
    GraphQLAbstractType,
    GraphQLError,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    NoDeprecatedCustomRule,
    OperationDefinitionNode,
    build_schema,
    parse,
    validate,
)
from graphql.language import FloatValueNode, IntValueNode, StringValueNode, ValueNode

from marketplace_sync.sandbox.shopify.cost import CostNode, cost_tree
from marketplace_sync.sandbox.shopify.things import Thing

Resolver = Callable[..., Any]


def utc(moment: datetime) -> str:
    """A moment as the API writes it: UTC, whole seconds, `Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _decimal(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise GraphQLError(f"invalid decimal '{value}'")
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        raise GraphQLError(f"invalid decimal '{value}'") from None
    if not found.is_finite():
        raise GraphQLError(f"invalid decimal '{value}'")
    return found


def _moment(value: Any) -> str:
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise GraphQLError(f"invalid DateTime '{value}'") from None
    if found.tzinfo is None:
        raise GraphQLError(f"invalid DateTime '{value}': it has no time zone")
    return utc(found)


def _url(value: Any) -> str:
    scheme, separator, rest = value.partition("://") if isinstance(value, str) else ("", "", "")
    if not separator or not rest or scheme not in ("http", "https"):
        raise GraphQLError(f"invalid url '{value}'")
    return str(value)


def _unsigned(value: Any) -> str:
    if not str(value).isdigit():
        raise GraphQLError(f"invalid UnsignedInt64 '{value}'")
    return str(value)


_PARSERS: dict[str, Callable[[Any], Any]] = {
    "Decimal": _decimal,
    "Money": _decimal,
    "DateTime": _moment,
    "URL": _url,
    "UnsignedInt64": _unsigned,
}


def _strict(scalar: GraphQLScalarType, parse_value: Callable[[Any], Any]) -> None:
    def parse_literal(node: ValueNode, variables: dict[str, Any] | None = None) -> Any:
        if not isinstance(node, StringValueNode | IntValueNode | FloatValueNode):
            raise GraphQLError(f"{scalar.name} cannot represent this value", node)
        return parse_value(node.value)

    scalar.parse_value = parse_value  # type: ignore[method-assign, assignment]
    scalar.parse_literal = parse_literal  # type: ignore[method-assign]


def _typename(value: Any, info: Any, abstract: GraphQLAbstractType) -> str:
    if isinstance(value, Thing):
        return value.typename
    raise TypeError(f"a {abstract.name} was given a {type(value).__name__}")


@functools.cache
def schema() -> GraphQLSchema:
    """The simulated part of the Admin schema with its resolvers."""
    text = resources.files(__package__).joinpath("schema.graphql").read_text("utf-8")
    built = build_schema(text, assume_valid=True, assume_valid_sdl=True, no_location=True)
    for name, parser in _PARSERS.items():
        scalar = built.type_map[name]
        assert isinstance(scalar, GraphQLScalarType)
        _strict(scalar, parser)
    for kind in built.type_map.values():
        if isinstance(kind, GraphQLInterfaceType):
            kind.resolve_type = _typename
    from marketplace_sync.sandbox.shopify.resolvers import RESOLVERS

    for (typename, field), resolver in RESOLVERS.items():
        owner = built.type_map[typename]
        assert isinstance(owner, GraphQLObjectType)
        owner.fields[field].resolve = resolver
    return built


@dataclass(frozen=True)
class Prepared:
    """A document that need not be looked at again: its operations with what they may cost, or why it is refused."""

    document: DocumentNode
    errors: list[GraphQLError]
    operations: dict[str, tuple[OperationDefinitionNode, CostNode]]
    deprecated: str | None
    """Why it would be answered with `X-Shopify-API-Deprecated-Reason`."""


class Documents:
    """The documents seen lately. A connector has a few dozen, all sent over and over."""

    def __init__(self, most: int = 500) -> None:
        self._most = most
        self._known: OrderedDict[str, Prepared] = OrderedDict()

    def prepare(self, text: str) -> Prepared:
        """Parse, validate and cost a document. Raises GraphQLError when it is not GraphQL at all."""
        known = self._known.get(text)
        if known is not None:
            return known
        prepared = _prepare(text)
        self._known[text] = prepared
        if len(self._known) > self._most:
            self._known.popitem(last=False)
        return prepared


def _prepare(text: str) -> Prepared:
    document = parse(text)
    errors = validate(schema(), document)
    if errors:
        return Prepared(document, errors, {}, None)
    operations = {
        definition.name.value if definition.name else "": (definition, cost_tree(schema(), document, definition))
        for definition in document.definitions
        if isinstance(definition, ExecutableDefinitionNode) and isinstance(definition, OperationDefinitionNode)
    }
    used = validate(schema(), document, [NoDeprecatedCustomRule])
    return Prepared(document, [], operations, used[0].message if used else None)
