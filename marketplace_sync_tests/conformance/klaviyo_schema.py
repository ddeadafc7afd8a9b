"""Klaviyo's own machine-readable description, made to judge exchanges: what goes over the wire must fit it.

The description is not part of this repository. Its folder is named by MARKETPLACE_SYNC_CONTRACTS; without that the
checks that need it are skipped, and with it a missing file is a failure.
"""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped]
from jsonschema.exceptions import ValidationError  # type: ignore[import-untyped]

FOLDER = "MARKETPLACE_SYNC_CONTRACTS"
FILE = "klaviyo-openapi.json"
WHY_SKIPPED = f"{FOLDER} does not name a folder with the vendors' descriptions"

Json = dict[str, Any]

_FORMATS = FormatChecker(formats=())
_NEWER: dict[str, tuple[str, ...]] = {"2026-10-15": ("meta", "click_tracking")}
"""Members that a revision after the description's allows in places where the description does not have them."""


def _is_datetime(value: object) -> bool:
    return not isinstance(value, str) or bool(datetime.fromisoformat(value))


def _is_uri(value: object) -> bool:
    return not isinstance(value, str) or bool(urlsplit(value).scheme and urlsplit(value).netloc)


_FORMATS.checks("date-time", raises=ValueError)(_is_datetime)
_FORMATS.checks("uri", raises=ValueError)(_is_uri)


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
    """(method, path, operation) of every operation, the method in capitals."""
    for path, methods in description()["paths"].items():
        for method, operation in methods.items():
            if method != "parameters":
                yield method.upper(), path, operation


def resolved(schema: Json) -> Json:
    """The schema a reference leads to."""
    while "$ref" in schema:
        target: Any = description()
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        schema = target
    return schema


def parameters(operation: Json) -> dict[str, Json]:
    """The query parameters of an operation, by name."""
    return {one["name"]: one for one in operation.get("parameters", []) if one["in"] == "query"}


def _merged(schemas: Sequence[Json]) -> Json:
    """One schema that says what all of them say (for `allOf`, so that unknown members can be told)."""
    result: Json = {"type": "object", "properties": {}, "required": []}
    for schema in (resolved(one) for one in schemas):
        if "allOf" in schema:
            schema = _merged(schema["allOf"])
        for name, one in schema.get("properties", {}).items():
            known = result["properties"].get(name)
            both = known is not None and "properties" in resolved(known) and "properties" in resolved(one)
            result["properties"][name] = _merged([known, one]) if both else one
        result["required"] += schema.get("required", [])
    return result


def _converted(schema: Any, strict: bool) -> Any:
    """OpenAPI 3.0 as JSON Schema 2020-12; `strict` closes every object that lists its members."""
    if isinstance(schema, list):
        return [_converted(one, strict) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "allOf" in schema:
        schema = {**{k: v for k, v in schema.items() if k != "allOf"}, **_merged(schema["allOf"])}
    found: Json = {}
    for name, value in schema.items():
        if name == "properties":
            found[name] = {key: _converted(one, strict) for key, one in value.items()}
        elif name not in ("nullable", "example", "description", "discriminator", "xml", "externalDocs", "deprecated"):
            # Alternatives overlap (integer and number): what is meant is that one of them fits.
            alternative = "anyOf" if name == "oneOf" else name
            found[alternative] = value if name in ("enum", "default", "required") else _converted(value, strict)
    if strict and found.get("properties"):
        found["additionalProperties"] = False
    if schema.get("nullable"):
        return {"anyOf": [found, {"type": "null"}]}
    return found


@functools.cache
def _validator(strict: bool) -> Draft202012Validator:
    components = {name: _converted(one, strict) for name, one in description()["components"]["schemas"].items()}
    responses = description()["components"].get("responses", {})
    root = {"components": {"schemas": components, "responses": _converted(responses, strict)}}
    return Draft202012Validator(root, format_checker=_FORMATS)


def _leaves(problem: ValidationError) -> Iterator[ValidationError]:
    """The problems behind an `anyOf` or `oneOf`: those of the branch that came closest."""
    if not problem.context:
        yield problem
        return
    branches: dict[Any, list[ValidationError]] = {}
    for one in problem.context:
        branches.setdefault(one.schema_path[0], []).append(one)
    for one in min(branches.values(), key=len):
        yield from _leaves(one)


def _problems(schema: Json, document: Any, *, strict: bool, where: str) -> list[str]:
    validator = _validator(strict).evolve(schema=_converted(schema, strict))
    found: list[str] = []
    for problem in validator.iter_errors(document):
        for leaf in _leaves(problem):
            found.append(f"{where} /{'/'.join(str(part) for part in leaf.absolute_path)}: {leaf.message[:300]}")
    return found


def find(method: str, path: str) -> Json | None:
    """The operation behind a concrete path such as `/api/profiles/01H…`; a slash at its end does not matter."""
    segments = path.rstrip("/").split("/")
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


_QUOTED = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'")
_CALL = re.compile(r"([a-z-]+)\(\s*([\w.$-]+)\s*([,)])")


def _filter_problems(text: str, allowed: Mapping[str, Any]) -> list[str]:
    found: list[str] = []
    bare = _QUOTED.sub('""', text)
    for operator, name, _ in _CALL.findall(re.sub(r"\band\(", "", bare)):
        if name not in allowed:
            found.append(f"query filter: {name!r} cannot be filtered by")
        elif operator not in {one for kind in allowed[name]["operators"].values() for one in kind}:
            found.append(f"query filter: {name!r} has no operator {operator!r}")
        kind = allowed.get(name, {}).get("value", {}).get("format")
        if kind == "date-time" and re.search(rf"\({re.escape(name)}\s*,\s*\"\"", bare):
            found.append(f"query filter: the time for {name!r} is quoted")
    return found


def _query_problems(operation: Json, query: Mapping[str, str]) -> list[str]:
    found: list[str] = []
    known = parameters(operation)
    for name, text in query.items():
        if name not in known:
            found.append(f"query: {name!r} is not a parameter of this operation")
            continue
        if name == "filter":
            found += _filter_problems(text, operation.get("x-klaviyo-filters", {}))
            continue
        schema = resolved(known[name]["schema"])
        value: Any = text
        if schema["type"] == "array":
            value = text.split(",")
        elif schema["type"] == "integer":
            value = int(text) if text.lstrip("-").isdigit() else text
        found += _problems(schema, value, strict=True, where=f"query {name}")
    return found


def _without_null_links(document: Any) -> Any:
    """Neighbours that do not exist come as null, which the description does not say but the vendor does."""
    if not isinstance(document, dict) or not isinstance(document.get("links"), dict):
        return document
    links = {k: v for k, v in document["links"].items() if k == "self" or v is not None}
    return {**document, "links": links}


def validate_exchange(
    method: str,
    path: str,
    query: Mapping[str, str],
    request_body: Any,
    status: int,
    response_body: Any,
    *,
    unknown_in_answers: Literal["tolerate", "report"] = "tolerate",
    revision: str = "2026-07-15",
) -> list[str]:
    """Everything in which one exchange departs from the vendor's description; empty when nothing does.

    `path` begins with `/api/`, bodies are parsed JSON or None. Requests must not have members the description does not
    know; answers may (callers have to tolerate them), unless `unknown_in_answers` is "report". The request is judged
    only when the vendor accepted it, because refusing a bad request is right.
    """
    operation = find(method, path)
    if operation is None:
        return [f"{method} {path}: there is no such operation"]
    found: list[str] = []
    if status < 400:
        found += _query_problems(operation, query)
        body = operation.get("requestBody")
        if body is not None:
            schema = next(iter(body["content"].values()))["schema"]
            found += _problems(schema, request_body, strict=True, where="request")
    responses = operation["responses"]
    answer = responses.get(str(status)) or responses.get(f"{str(status)[0]}XX")
    if answer is None:
        return [*found, f"answer: {status} is not among {sorted(responses)}"]
    content = resolved(answer).get("content")
    if content is None:
        if response_body not in (None, ""):
            found.append(f"answer: {status} has no body, but there was one")
    else:
        schema = next(iter(content.values()))["schema"]
        strict = unknown_in_answers == "report" and status < 400
        found += _problems(schema, _without_null_links(response_body), strict=strict, where="answer")
    newer = [name for since, names in _NEWER.items() if revision >= since for name in names]
    return [one for one in found if not any(f"('{name}' was unexpected)" in one for name in newer)]
