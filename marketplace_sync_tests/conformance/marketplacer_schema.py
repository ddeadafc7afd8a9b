"""Holds documents, variables and answers against Marketplacer's schema: what the vendor would refuse, we refuse.

The schema file is not part of the project. The environment variable MARKETPLACE_SYNC_CONTRACTS names the folder that
has it; without it there is nothing to hold against.
"""

from __future__ import annotations

import base64
import binascii
import functools
import gzip
import os
import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLAbstractType,
    GraphQLError,
    GraphQLScalarType,
    GraphQLSchema,
    OperationDefinitionNode,
    build_ast_schema,
    execute,
    parse,
    validate,
)
from graphql.execution.values import get_variable_values

CONTRACTS = "MARKETPLACE_SYNC_CONTRACTS"
SCHEMA_FILE = "marketplacer-schema.graphql.gz"
WITHOUT_CONTRACTS = f"{CONTRACTS} does not name a folder with the vendors' published contracts"

# The type that is called `Subscription` is ordinary data: without this line tools take it for a root (sheet, 12).
_ROOTS = "\nschema { query: Query mutation: Mutation }\n"


def have_contracts() -> bool:
    """Whether this run was given the vendors' contracts. Once it was, a missing file is a failure, not a skip."""
    return bool(os.environ.get(CONTRACTS, "").strip())


@functools.cache
def vendor_schema() -> GraphQLSchema:
    """Marketplacer's whole Operator schema. Takes seconds the first time. Raises RuntimeError without the contracts,
    OSError when the file is missing."""
    if not have_contracts():
        raise RuntimeError(WITHOUT_CONTRACTS)
    with gzip.open(Path(os.environ[CONTRACTS]) / SCHEMA_FILE, "rt", encoding="utf-8") as file:
        document = parse(file.read() + _ROOTS, no_location=True)
    schema = build_ast_schema(document, assume_valid=True, assume_valid_sdl=True)
    for name, serialize in _SCALARS.items():
        scalar = schema.type_map.get(name)
        if isinstance(scalar, GraphQLScalarType):
            scalar.serialize = serialize  # type: ignore[method-assign, assignment]
    return schema


@functools.lru_cache(maxsize=500)
def _checked(document: str) -> tuple[DocumentNode | None, tuple[str, ...]]:
    try:
        parsed = parse(document)
    except GraphQLError as problem:
        return None, (f"document: {problem.message}",)
    return parsed, tuple(f"document: {error.message}" for error in validate(vendor_schema(), parsed))


def validate_request(document: str, variables: dict[str, Any]) -> list[str]:
    """What Marketplacer's schema has against a document of one operation and its variables, in sentences."""
    parsed, problems = _checked(document)
    if parsed is None or problems:
        return list(problems)
    operations = [d for d in parsed.definitions if isinstance(d, OperationDefinitionNode)]
    if len(operations) != 1:
        return [f"document: has {len(operations)} operations, one is expected"]
    values = get_variable_values(vendor_schema(), operations[0].variable_definitions, variables)
    return [f"variables: {error.message}" for error in values] if isinstance(values, list) else []


def validate_exchange(document: str, variables: dict[str, Any], response: dict[str, Any]) -> list[str]:
    """What Marketplacer's schema has against a request and its answer, in sentences; nothing, if all is well.

    `response` is the decoded body. Its `data`, where there is any, has to have exactly the fields that were selected,
    with the vendor's types. A field that is null because of one of `errors` is left alone.
    """
    if problems := validate_request(document, variables):
        return problems
    data = response.get("data")
    if data is None:
        return [] if response.get("errors") else ["answer: neither data nor errors"]
    parsed, _ = _checked(document)
    assert parsed is not None
    # The answer is served once more by the vendor's schema: what that cannot serve, or serves differently, is wrong.
    result = execute(
        vendor_schema(), parsed, data, variable_values=variables, field_resolver=_as_answered, type_resolver=_typename
    )
    assert not hasattr(result, "__await__")
    found = [f"data.{_path(e)}: {e.message}" for e in result.errors or [] if not _excused(e, response)]
    if not result.errors:
        found += _differences(data, result.data, "data")
    return found


def _path(error: GraphQLError) -> str:
    return ".".join(str(step) for step in error.path or [])


def _excused(error: GraphQLError, response: dict[str, Any]) -> bool:
    return any(list(error.path or []) == known.get("path") for known in response.get("errors") or [])


def _as_answered(source: Any, info: Any, **arguments: Any) -> Any:
    if not isinstance(source, dict):
        raise GraphQLError(f"an object was expected, not {source!r}")
    if info.path.key not in source:
        raise GraphQLError("was asked for and is missing")
    return source[info.path.key]


def _typename(value: Any, info: Any, abstract: GraphQLAbstractType) -> str:
    """The type an answer says it has: by its `__typename`, else by what its opaque id happens to hold."""
    if isinstance(value, dict):
        if isinstance(value.get("__typename"), str):
            return str(value["__typename"])
        if (named := type_in_id(value.get("id"))) is not None:
            return named
    raise GraphQLError(f"cannot tell which {abstract.name} this is: select __typename or id")


def type_in_id(value: Any) -> str | None:
    """ "Order" of the id that is base64 of `Order-10283` (sheet, 2); None for anything else."""
    try:
        text = base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, TypeError, ValueError):
        return None
    match = re.fullmatch(r"([A-Za-z]\w*)-\d+", text)
    return match[1] if match else None


def _differences(given: Any, served: Any, at: str) -> list[str]:
    if isinstance(given, dict) and isinstance(served, dict):
        found = [f"{at}.{extra}: was not asked for" for extra in given.keys() - served.keys()]
        for key in given.keys() & served.keys():
            found += _differences(given[key], served[key], f"{at}.{key}")
        return found
    if isinstance(given, list) and isinstance(served, list) and len(given) == len(served):
        return [p for n, (a, b) in enumerate(zip(given, served, strict=True)) for p in _differences(a, b, f"{at}.{n}")]
    is_same = given == served and (type(given) is type(served) or {type(given), type(served)} == {int, float})
    return [] if is_same else [f"{at}: {given!r} should be {served!r}"]


def _text(check: Callable[[str], Any], name: str) -> Callable[[Any], str]:
    def serialize(value: Any) -> str:
        if not isinstance(value, str):
            raise GraphQLError(f"{value!r} is no {name}: it is a text there")
        try:
            check(value)
        except (ValueError, InvalidOperation):
            raise GraphQLError(f"{value!r} is no {name}") from None
        return value

    return serialize


def _moment(value: str) -> None:
    if datetime.fromisoformat(value).tzinfo is None:
        raise ValueError(f"{value!r} has no time zone")


_SCALARS: dict[str, Callable[[Any], Any]] = {
    "ISO8601DateTime": _text(_moment, "ISO8601DateTime"),
    "ISO8601Date": _text(date.fromisoformat, "ISO8601Date"),
    "Decimal": _text(Decimal, "Decimal"),
    "BigInt": _text(int, "BigInt"),
}
