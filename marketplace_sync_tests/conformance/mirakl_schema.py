"""Mirakl's own machine-readable description, made to judge exchanges: what goes over the wire must fit it.

The description is not part of this repository. Its folder is named by MARKETPLACE_SYNC_CONTRACTS; without that the
checks that need it are skipped, and with it a missing file is a failure.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped]
from jsonschema.exceptions import ValidationError  # type: ignore[import-untyped]

FOLDER = "MARKETPLACE_SYNC_CONTRACTS"
FILE = "mirakl-openapi.json"
WHY_SKIPPED = f"{FOLDER} does not name a folder with the vendors' descriptions"

Json = dict[str, Any]

_FORMATS = FormatChecker(formats=())
_OF_OPENAPI_ALONE = ("nullable", "example", "description", "discriminator", "xml", "externalDocs", "deprecated")


def _is_datetime(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


_FORMATS.checks("date-time", raises=ValueError)(_is_datetime)


def available() -> bool:
    """Whether the description can be used here."""
    return bool(os.environ.get(FOLDER))


@functools.cache
def description() -> Json:
    """The description as it is. Raises FileNotFoundError when the named folder does not have it."""
    path = Path(os.environ[FOLDER]) / FILE
    if not path.is_file():
        raise FileNotFoundError(f"{FOLDER} is set, but {path} does not exist")
    found: Json = json.loads(path.read_text())
    return found


def operations() -> Iterator[tuple[str, str, Json]]:
    """(method in capitals, path, operation) of every operation."""
    for path, methods in description()["paths"].items():
        for method, operation in methods.items():
            if method != "parameters":
                yield method.upper(), path, operation


def find(method: str, path: str) -> Json | None:
    """The operation behind a concrete path such as `/api/orders/A-1/ship`; a literal path goes before a pattern."""
    segments = path.split("/")
    best: Json | None = None
    for candidate, template, operation in operations():
        parts = template.split("/")
        if candidate != method.upper() or len(parts) != len(segments):
            continue
        if parts == segments:
            return operation
        if all(part.startswith("{") or part == given for part, given in zip(parts, segments, strict=True)):
            best = operation
    return best


def validate_exchange(
    method: str,
    path: str,
    query: Mapping[str, str | int | list[str]],
    request_body: Any,
    status: int,
    response_body: Any,
    *,
    answers: Literal["ignore", "tolerate", "strict"] = "tolerate",
) -> list[str]:
    """Everything in which one exchange departs from the vendor's description; empty when nothing does.

    `path` begins with `/api/`. Bodies are parsed JSON, bytes for anything else, None for none. A request must not have
    members that the description does not know; an answer may, unless `strict`. Members of answers that are required
    may be null (Mirakl, orders). Refusals have no described shape, so an answer with a 4xx or 5xx is not looked at.
    """
    operation = find(method, path)
    if operation is None:
        return [f"{method} {path} is no operation of the vendor"]
    where = operation["operationId"]
    found = [f"{where} {problem}" for problem in _query_problems(operation, query)]
    found += [f"{where} request {problem}" for problem in _request_problems(operation, request_body)]
    if answers != "ignore" and status < 400:
        found += [
            f"{where} answer {problem}" for problem in _answer_problems(operation, status, response_body, answers)
        ]
    return found


def _query_problems(operation: Json, query: Mapping[str, str | int | list[str]]) -> Iterator[str]:
    known = {one["name"]: one for one in operation.get("parameters", ()) if one["in"] == "query"}
    for name, value in query.items():
        if name not in known:
            yield f"query: {name!r} is not a parameter"
            continue
        schema = known[name]["schema"]
        kind = schema.get("type")
        given: Any = value
        if name == "sort":
            fields = operation.get("x-sort-fields", ())
            column, _, direction = str(value).partition(",")
            if column not in fields or direction not in ("", "ASC", "DESC"):
                yield f"query sort: {value!r} is none of {fields}"
            continue
        if kind == "integer":
            given = int(str(value)) if str(value).lstrip("-").isdigit() else value
        elif kind == "array" and not isinstance(value, list):
            schema, given = schema["items"], value
        elif kind == "array" and not known[name].get("explode"):
            yield f"query {name}: several go into one, with commas"
        elif kind == "boolean":
            given = {"true": True, "false": False}.get(str(value), value)
        for problem in _problems(schema, given, strict=True, nulls=False):
            yield f"query {name}: {problem}"
    for name, parameter in known.items():
        if parameter.get("required") and name not in query:
            yield f"query: {name!r} is missing"


def _request_problems(operation: Json, body: Any) -> Iterator[str]:
    content = operation.get("requestBody", {}).get("content", {})
    if isinstance(body, bytes):
        if "multipart/form-data" not in content:
            yield "takes no file"
            return
        parts = content["multipart/form-data"]["schema"]
        for name in _resolved(parts).get("required", ()):
            if f'name="{name}"'.encode() not in body:
                yield f"has no part {name!r}"
        return
    if body is None:
        if "application/json" in content:
            yield "has no body"
        return
    if "application/json" not in content:
        yield "takes no JSON"
        return
    yield from _problems(content["application/json"]["schema"], body, strict=True, nulls=False)


def _answer_problems(operation: Json, status: int, body: Any, answers: str) -> Iterator[str]:
    described = operation["responses"].get(str(status))
    if described is None:
        yield f"{status} is none of {', '.join(operation['responses'])}"
        return
    content = described.get("content", {})
    if "application/json" not in content:
        if body is not None and not isinstance(body, bytes):
            yield "has JSON where none is described"
        return
    yield from _problems(content["application/json"]["schema"], body, strict=answers == "strict", nulls=True)


def _problems(schema: Json, document: Any, *, strict: bool, nulls: bool) -> Iterator[str]:
    validator = _validator(strict, nulls).evolve(schema=_converted(schema, strict, nulls))
    for problem in validator.iter_errors(document):
        for leaf in _leaves(problem):
            yield f"/{'/'.join(str(part) for part in leaf.absolute_path)}: {leaf.message[:300]}"


def _leaves(problem: ValidationError) -> Iterator[ValidationError]:
    """The problems behind alternatives: those of the one that came closest, where null is never what was meant."""
    branches: dict[Any, list[ValidationError]] = {}
    for one in problem.context or ():
        branches.setdefault(one.schema_path[0], []).append(one)
    meant = [ones for ones in branches.values() if ones[0].validator != "type" or ones[0].validator_value != "null"]
    if not meant:
        yield problem
        return
    for one in min(meant, key=len):
        yield from _leaves(one)


@functools.cache
def _validator(strict: bool, nulls: bool) -> Draft202012Validator:
    schemas = description()["components"]["schemas"]
    root = {"components": {"schemas": {name: _converted(one, strict, nulls) for name, one in schemas.items()}}}
    return Draft202012Validator(root, format_checker=_FORMATS)


def _resolved(schema: Json) -> Json:
    while "$ref" in schema:
        target: Any = description()
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        schema = target
    return schema


def _converted(schema: Any, strict: bool, nulls: bool) -> Any:
    """OpenAPI 3.0 as JSON Schema 2020-12; `strict` closes objects that list their members, `nulls` allows null for any
    member. A reference stands for itself alone."""
    if isinstance(schema, list):
        return [_converted(one, strict, nulls) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        schema = {"$ref": schema["$ref"]}
    found: Json = {}
    for name, value in schema.items():
        if name == "properties":
            members = {key: _converted(one, strict, nulls) for key, one in value.items()}
            found[name] = {key: {"anyOf": [one, {"type": "null"}]} if nulls else one for key, one in members.items()}
        elif name not in _OF_OPENAPI_ALONE and not name.startswith("x-"):
            found[name] = value if name in ("enum", "default", "required") else _converted(value, strict, nulls)
    if strict and found.get("properties"):
        found["additionalProperties"] = False
    if schema.get("nullable"):
        return {"anyOf": [found, {"type": "null"}]}
    return found
