"""Holds documents, variables and answers against Shopify's published schema: what the vendor would refuse, we refuse.

The schema file is not part of the project. The environment variable MARKETPLACE_SYNC_CONTRACTS names the folder that
has it; without it there is nothing to hold against.
"""

from __future__ import annotations

import functools
import gzip
import os
import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    build_ast_schema,
    is_abstract_type,
    is_enum_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
    is_scalar_type,
    parse,
    validate,
)
from graphql.execution.values import get_directive_values, get_variable_values
from graphql.type import GraphQLIncludeDirective, GraphQLSkipDirective

CONTRACTS = "MARKETPLACE_SYNC_CONTRACTS"
SCHEMA_FILE = "shopify-admin-schema.graphql.gz"
WITHOUT_CONTRACTS = f"{CONTRACTS} does not name a folder with the vendors' published contracts"


def have_contracts() -> bool:
    """Whether this run was given the vendors' contracts. Once it was, a missing file is a failure, not a skip."""
    return bool(os.environ.get(CONTRACTS, "").strip())


@functools.cache
def vendor_schema() -> GraphQLSchema:
    """Shopify's whole Admin schema. Takes seconds the first time. Raises RuntimeError without the contracts, OSError
    when the file is missing."""
    if not have_contracts():
        raise RuntimeError(WITHOUT_CONTRACTS)
    with gzip.open(Path(os.environ[CONTRACTS]) / SCHEMA_FILE, "rt", encoding="utf-8") as file:
        document = parse(file.read(), no_location=True)
    return build_ast_schema(document, assume_valid=True, assume_valid_sdl=True)


@functools.lru_cache(maxsize=500)
def _checked(document: str) -> tuple[DocumentNode | None, tuple[str, ...]]:
    try:
        parsed = parse(document)
    except GraphQLError as problem:
        return None, (problem.message,)
    return parsed, tuple(error.message for error in validate(vendor_schema(), parsed))


def validate_exchange(document: str, variables: dict[str, Any], response: dict[str, Any]) -> list[str]:
    """What Shopify's schema has against a request and its answer, in sentences; nothing, if all is well.

    `response` is the decoded body. Its `data`, where there is any, has to have exactly the fields that were selected,
    with the vendor's types: nulls, lists, enum values, and the texts of scalars and ids.
    """
    parsed, problems = _checked(document)
    found = [f"document: {problem}" for problem in problems]
    if parsed is None or found:
        return found
    operations = [d for d in parsed.definitions if isinstance(d, OperationDefinitionNode)]
    if len(operations) != 1:
        return [f"document: has {len(operations)} operations, one is expected"]
    values = get_variable_values(vendor_schema(), operations[0].variable_definitions, variables)
    if isinstance(values, list):
        return [f"variables: {error.message}" for error in values]
    data = response.get("data")
    if data is None:
        return [] if response.get("errors") else ["answer: neither data nor errors"]
    if operations[0].operation.value == "subscription":
        return ["document: the vendor has no subscriptions"]
    root = vendor_schema().get_root_type(operations[0].operation)
    assert root is not None
    return list(_Walk(parsed, values).object(root, [operations[0].selection_set], data, "data"))


class _Walk:
    """One answer beside its document."""

    def __init__(self, document: DocumentNode, variables: dict[str, Any]) -> None:
        self.fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
        self.variables = variables

    def object(self, kind: GraphQLNamedType, selections: list[SelectionSetNode], value: Any, at: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{at}: an object was expected, not {value!r}"
            return
        concrete = kind
        if is_abstract_type(kind):
            named = self._concrete(selections, value)
            if named is None:
                yield f"{at}: cannot tell which {kind.name} this is: select __typename or id"
                return
            concrete = vendor_schema().type_map.get(named, kind)
            if not is_object_type(concrete) or not vendor_schema().is_sub_type(kind, concrete):  # type: ignore[arg-type]
                yield f"{at}: {named} is not a {kind.name}"
                return
        fields: dict[str, list[FieldNode]] = {}
        for selection in selections:
            self._collect(concrete, selection, fields)
        for extra in value.keys() - fields.keys():
            yield f"{at}.{extra}: was not asked for"
        for key, nodes in fields.items():
            if key not in value:
                yield f"{at}.{key}: was asked for and is missing"
                continue
            name = nodes[0].name.value
            if name == "__typename":
                if value[key] != concrete.name:
                    yield f"{at}.{key}: {value[key]!r} is not {concrete.name}"
                continue
            definition = concrete.fields[name]  # type: ignore[attr-defined]
            yield from self.value(definition.type, nodes, value[key], f"{at}.{key}", concrete.name)

    def value(self, kind: Any, nodes: list[FieldNode], value: Any, at: str, owner: str) -> Iterator[str]:
        if is_non_null_type(kind):
            if value is None:
                yield f"{at}: is null, but {kind} never is"
                return
            kind = kind.of_type
        if value is None:
            return
        if is_list_type(kind):
            if not isinstance(value, list):
                yield f"{at}: a list was expected, not {value!r}"
                return
            for number, item in enumerate(value):
                yield from self.value(kind.of_type, nodes, item, f"{at}.{number}", owner)
        elif is_enum_type(kind):
            if value not in kind.values:
                yield f"{at}: {value!r} is no {kind.name}"
        elif is_scalar_type(kind):
            problem = _scalar_problem(kind.name, value)
            if problem:
                yield f"{at}: {problem}"
            elif kind.name == "ID" and nodes[0].name.value == "id" and not _is_gid(value, owner):
                yield f"{at}: {value!r} is not the global id of a {owner}"
        else:
            yield from self.object(kind, [n.selection_set for n in nodes if n.selection_set], value, at)

    def _concrete(self, selections: list[SelectionSetNode], value: dict[str, Any]) -> str | None:
        """The type an answer says it has: by its `__typename`, else by its global id."""
        for node in self._everything(selections):
            key = node.alias.value if node.alias else node.name.value
            if node.name.value == "__typename" and isinstance(value.get(key), str):
                return str(value[key])
        for node in self._everything(selections):
            key = node.alias.value if node.alias else node.name.value
            match = re.match(r"gid://shopify/(\w+)/", str(value.get(key))) if node.name.value == "id" else None
            if match:
                return match[1]
        return None

    def _everything(self, selections: list[SelectionSetNode]) -> Iterator[FieldNode]:
        for selection_set in selections:
            for node in selection_set.selections:
                if isinstance(node, FieldNode):
                    yield node
                elif isinstance(node, InlineFragmentNode):
                    yield from self._everything([node.selection_set])
                elif isinstance(node, FragmentSpreadNode):
                    yield from self._everything([self.fragments[node.name.value].selection_set])

    def _collect(self, kind: GraphQLNamedType, selection: SelectionSetNode, into: dict[str, list[FieldNode]]) -> None:
        for node in selection.selections:
            if not self._included(node):
                continue
            if isinstance(node, FieldNode):
                into.setdefault(node.alias.value if node.alias else node.name.value, []).append(node)
                continue
            inner = node if isinstance(node, InlineFragmentNode) else self.fragments[node.name.value]  # type: ignore[attr-defined]
            condition = inner.type_condition
            if condition is None or self._applies(condition.name.value, kind):
                self._collect(kind, inner.selection_set, into)

    def _applies(self, condition: str, kind: GraphQLNamedType) -> bool:
        wanted = vendor_schema().type_map[condition]
        return wanted is kind or (is_abstract_type(wanted) and vendor_schema().is_sub_type(wanted, kind))  # type: ignore[arg-type]

    def _included(self, node: Any) -> bool:
        skip = get_directive_values(GraphQLSkipDirective, node, self.variables)
        include = get_directive_values(GraphQLIncludeDirective, node, self.variables)
        return not (skip and skip["if"]) and not (include and not include["if"])


_SHOWN_AS = {"OrderApp": "App"}
"""Types whose ids name another type."""


def _is_gid(value: str, owner: str) -> bool:
    owner = _SHOWN_AS.get(owner, owner)
    return re.fullmatch(rf"gid://shopify/{owner}/[\w-]+(\?\S*)?", value) is not None


def _scalar_problem(name: str, value: Any) -> str | None:
    if name == "JSON":
        return None
    if name in ("Int", "Float", "Boolean"):
        return _number_problem(name, value)
    if not isinstance(value, str):
        return f"{value!r} is no {name}"
    if name in ("Decimal", "Money"):
        try:
            Decimal(value)
        except InvalidOperation:
            return f"{value!r} is no {name}"
    if name == "DateTime":
        try:
            datetime.strptime(value, "%Y-%m-%dT%H:%M:%S%z")
        except ValueError:
            return f"{value!r} is no DateTime"
        if not value.endswith("Z"):
            return f"{value!r} is not in UTC"
    if name == "UnsignedInt64" and not value.isdigit():
        return f"{value!r} is no UnsignedInt64"
    if name == "URL" and not re.match(r"https?://\S+$", value):
        return f"{value!r} is no URL"
    if name == "ID" and not value.startswith("gid://shopify/"):
        return f"{value!r} is no global id"
    return None


def _number_problem(name: str, value: Any) -> str | None:
    kinds = {"Int": (int,), "Float": (int, float), "Boolean": (bool,)}[name]
    if not isinstance(value, kinds) or (isinstance(value, bool) and name != "Boolean"):
        return f"{value!r} is no {name}"
    if name == "Int" and not -(2**31) <= value < 2**31:
        return f"{value!r} does not fit an Int"
    return None
