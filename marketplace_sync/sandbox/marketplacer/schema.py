"""The schema, loaded once per process and shape, and documents parsed and validated once each."""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from importlib import resources
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLAbstractType,
    GraphQLError,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    OperationDefinitionNode,
    build_schema,
    parse,
    validate,
)
from graphql.language import FieldNode, FragmentDefinitionNode, FragmentSpreadNode, InlineFragmentNode, SelectionSetNode

from marketplace_sync.sandbox.marketplacer.things import Thing, TopLevelError


def _checked(name: str, check: Callable[[str], Any]) -> Callable[[Any], Any]:
    def parse_value(value: Any) -> Any:
        try:
            check(str(value))
        except (ValueError, InvalidOperation):
            raise GraphQLError(f'Could not coerce value "{value}" to {name}') from None
        return str(value)

    return parse_value


# A date alone is a moment as well (sheet, 2); fromisoformat takes both.
_SCALARS: dict[str, Callable[[Any], Any]] = {
    "ISO8601DateTime": _checked("ISO8601DateTime", datetime.fromisoformat),
    "ISO8601Date": _checked("ISO8601Date", date.fromisoformat),
    "Decimal": _checked("Decimal", Decimal),
}


def _typename(value: Any, info: Any, abstract: GraphQLAbstractType) -> str:
    if isinstance(value, Thing):
        return value.typename
    raise TypeError(f"a {abstract.name} was given a {type(value).__name__}")


@functools.cache
def schema(cents_removed: bool = False) -> GraphQLSchema:
    """The simulated part of the Operator schema with its resolvers; on wish without the `*Cents` that are read."""
    text = resources.files(__package__).joinpath("schema.graphql").read_text("utf-8")
    built = build_schema(text, no_location=True)
    for name, parse_value in _SCALARS.items():
        scalar = built.type_map[name]
        assert isinstance(scalar, GraphQLScalarType)
        scalar.parse_value = parse_value  # type: ignore[method-assign, assignment]
    from marketplace_sync.sandbox.marketplacer.resolvers import RESOLVERS

    for (typename, field), resolver in RESOLVERS.items():
        owner = built.type_map[typename]
        assert isinstance(owner, GraphQLObjectType)
        owner.fields[field].resolve = resolver
    for kind in built.type_map.values():
        if isinstance(kind, GraphQLInterfaceType | GraphQLUnionType):
            kind.resolve_type = _typename
        elif cents_removed and isinstance(kind, GraphQLObjectType):
            for gone in [name for name in kind.fields if f"{name.removesuffix('Cents')}Formatted" in kind.fields]:
                if gone.endswith("Cents"):
                    del kind.fields[gone]
    return built


@dataclass(frozen=True)
class Prepared:
    """A document that need not be looked at again, or why it is refused."""

    document: DocumentNode
    errors: tuple[dict[str, Any], ...]
    operations: dict[str, OperationDefinitionNode]


class Documents:
    """The documents seen lately. A connector has a few dozen, all sent over and over."""

    def __init__(self, schema: GraphQLSchema, deepest: int, most: int = 500) -> None:
        self.schema = schema
        self._deepest = deepest
        self._most = most
        self._known: OrderedDict[str, Prepared] = OrderedDict()

    def prepare(self, text: str) -> Prepared:
        """Parse and validate a document. Raises GraphQLError when it is not GraphQL at all."""
        if text in self._known:
            return self._known[text]
        document = parse(text)
        errors = [_as_ruby_says(error) for error in validate(self.schema, document)]
        if not errors and (depth := _depth(document)) > self._deepest:
            message = f"Query has depth of {depth}, which exceeds max depth of {self._deepest}"
            errors = [{"message": message}]
        operations = {d.name.value if d.name else "": d for d in document.definitions if _is_operation(d)}  # type: ignore[attr-defined]
        prepared = Prepared(document, tuple(errors), operations)  # type: ignore[arg-type]
        self._known[text] = prepared
        if len(self._known) > self._most:
            self._known.popitem(last=False)
        return prepared


def _is_operation(definition: Any) -> bool:
    return isinstance(definition, OperationDefinitionNode)


def _as_ruby_says(error: GraphQLError) -> dict[str, Any]:
    """A refusal of a document, with the code that the vendor's server gives it (sheet, 2)."""
    shown: dict[str, Any] = dict(error.formatted)
    if error.message.startswith("Cannot query field '"):
        _, field, _, owner, *_ = error.message.split("'")
        shown["message"] = f"Field '{field}' doesn't exist on type '{owner}'"
        shown["extensions"] = {"code": "undefinedField", "typeName": owner, "fieldName": field}
    return shown


def _depth(document: DocumentNode) -> int:
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}

    def below(selections: SelectionSetNode | None) -> int:
        deepest = 0
        for node in selections.selections if selections else ():
            if isinstance(node, FieldNode):
                deepest = max(deepest, 1 + below(node.selection_set))
            elif isinstance(node, InlineFragmentNode):
                deepest = max(deepest, below(node.selection_set))
            elif isinstance(node, FragmentSpreadNode):
                deepest = max(deepest, below(fragments[node.name.value].selection_set))
        return deepest

    return max(
        (below(d.selection_set) for d in document.definitions if isinstance(d, OperationDefinitionNode)), default=0
    )


def no_operation(name: str | None) -> TopLevelError:
    return TopLevelError(f'No operation named "{name}"' if name else "An operation name is required")
