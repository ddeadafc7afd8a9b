"""Magento's own machine-readable description, made to judge exchanges: what goes over the wire must fit it.

The descriptions of both releases are not part of this repository. Their folder is named by
MARKETPLACE_SYNC_CONTRACTS; without that the checks that need them are skipped, and with it a missing file is a failure.
"""

from __future__ import annotations

import functools
import gzip
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from jsonschema import Draft4Validator  # type: ignore[import-untyped]
from jsonschema.exceptions import ValidationError  # type: ignore[import-untyped]

FOLDER = "MARKETPLACE_SYNC_CONTRACTS"
FILES = {"2.4.9": "magento-openapi.json.gz", "2.4.8": "magento-openapi-2.4.8.json.gz"}
WHY_SKIPPED = f"{FOLDER} does not name a folder with the vendors' descriptions"

Json = dict[str, Any]
Answers = Literal["ignore", "tolerate", "strict"]

_CRITERIA = re.compile(
    r"(?:searchCriteria|search_criteria)(?:"
    r"\[(?:filterGroups|filter_groups)\]\[\d+\]\[filters\]\[\d+\]\[(field|value|conditionType|condition_type)\]"
    r"|\[(?:sortOrders|sort_orders)\]\[\d+\]\[(field|direction)\]"
    r"|\[(pageSize|page_size|currentPage|current_page)\])?"
)
_CONDITIONS = {
    "eq", "neq", "gt", "gteq", "lt", "lteq", "moreq", "like", "nlike", "in", "nin", "finset", "nfinset", "from", "to",
    "null", "notnull",
}  # fmt: skip


def available() -> bool:
    """Whether the descriptions can be used here."""
    return bool(os.environ.get(FOLDER))


@functools.cache
def description(version: str = "2.4.9") -> Json:
    """The description of a release. Raises FileNotFoundError when the named folder does not have it."""
    path = Path(os.environ[FOLDER]) / FILES[version]
    if not path.is_file():
        raise FileNotFoundError(f"{FOLDER} is set, but {path} does not exist")
    found: Json = json.loads(gzip.decompress(path.read_bytes()))
    return found


def definition(name: str, version: str = "2.4.9") -> Json:
    """One definition, e.g. "sales-data-order-interface"."""
    found: Json = description(version)["definitions"][name]
    return found


@functools.cache
def find(method: str, path: str, version: str = "2.4.9") -> tuple[str, Json] | None:
    """(described path, operation) behind a concrete path such as `/V1/orders/7/cancel`; a literal one goes first."""
    segments = path.rstrip("/").split("/")
    best: tuple[str, Json] | None = None
    for template, methods in description(version)["paths"].items():
        parts = template.rstrip("/").split("/")
        if method.lower() not in methods or len(parts) != len(segments):
            continue
        if parts == segments:
            return template, methods[method.lower()]
        if best is None and all(p.startswith("{") or p == given for p, given in zip(parts, segments, strict=True)):
            best = template, methods[method.lower()]
    return best


def validate_exchange(
    method: str,
    path: str,
    query: Mapping[str, str | int | list[str]],
    request_body: Any,
    status: int,
    response_body: Any,
    *,
    version: str = "2.4.9",
    answers: Answers = "tolerate",
) -> list[str]:
    """Everything in which one exchange departs from the vendor's description; empty when nothing does.

    `path` is as it was sent, percent-encoded, with or without what comes before `/V1/`. Bodies are parsed JSON, None
    for none. A request must not have members that the description does not know, although the description would let
    them pass: the server refuses them (Magento, errors). An answer may, unless `strict`; any member of an answer may be
    null. With `fields=` in the query no member is missed. Refusals are not looked at, nor are answers of `/async/`.
    """
    before, _, rest = path.partition("/V1/")
    where = f"{method.upper()} /V1/{rest}"
    if "/async" in before:
        return [f"async {where} {problem}" for problem in _async_problems(before, method, rest, request_body, version)]
    found = find(method, f"/V1/{rest}", version)
    if found is None:
        return [f"{where} is no operation of {version}"]
    operation = found[1]
    problems = [f"{where} {problem}" for problem in _query_problems(operation, query, version)]
    problems += [f"{where} request {problem}" for problem in _request_problems(operation, request_body, version)]
    if answers != "ignore" and status < 400:
        complete = "fields" not in query
        ways = _answer_problems(operation, response_body, version, answers == "strict", complete)
        problems += [f"{where} answer {problem}" for problem in ways]
    return problems


def _async_problems(before: str, method: str, rest: str, body: Any, version: str) -> Iterator[str]:
    """A bulk is a list of bodies of the operation it repeats; what was in the path is a member (Magento, async)."""
    bulk = before.endswith("/async/bulk")
    path = f"/V1/{rest}"
    if bulk:
        path = re.sub(r"/by([A-Z])(\w*)", lambda found: f"/{{{found[1].lower()}{found[2]}}}", path)
    found = find(method, path, version)
    if found is None or method.upper() == "GET":
        yield f"is no operation of {version}"
        return
    if bulk and not isinstance(body, list):
        yield "request is not a list"
        return
    moved = re.findall(r"{(\w+)}", path) if bulk else []
    for one in body if bulk else [body]:
        if missing := [name for name in moved if name not in one]:
            yield f"request has no {', '.join(missing)}"
        yield from _request_problems(found[1], {k: v for k, v in one.items() if k not in moved}, version)


def _query_problems(operation: Json, query: Mapping[str, str | int | list[str]], version: str) -> Iterator[str]:
    described = {one["name"]: one for one in operation.get("parameters", ()) if one["in"] == "query"}
    searches = any(name.startswith("searchCriteria") for name in described)
    plain = {name: one for name, one in described.items() if not name.startswith("searchCriteria")}
    if searches and not any(name.startswith(("searchCriteria", "search_criteria")) for name in query):
        yield "query: searchCriteria is missing"
    for name, value in query.items():
        base = re.sub(r"\[\d*\]$", "", name)
        if name == "fields":
            yield from _field_problems(operation, str(value), version)
        elif searches and (criterion := _CRITERIA.fullmatch(name)):
            yield from _criterion_problems(name, next((part for part in criterion.groups() if part), ""), str(value))
        elif base not in plain:
            yield f"query: {name!r} is not a parameter"
        elif plain[base]["type"] == "integer" and not str(value).lstrip("-").isdigit():
            yield f"query {name}: {value!r} is no whole number"
    for name, parameter in plain.items():
        if parameter.get("required") and not any(re.sub(r"\[\d*\]$", "", given) == name for given in query):
            yield f"query: {name!r} is missing"


def _criterion_problems(name: str, part: str, value: str) -> Iterator[str]:
    if part in ("conditionType", "condition_type") and value not in _CONDITIONS:
        yield f"query {name}: {value!r} is no condition"
    if part == "direction" and value not in ("ASC", "DESC"):
        yield f"query {name}: {value!r} is no direction"
    if part in ("pageSize", "page_size", "currentPage", "current_page") and not value.isdigit():
        yield f"query {name}: {value!r} is no whole number"


def _field_problems(operation: Json, asked: str, version: str) -> Iterator[str]:
    """`fields=items[sku,name],total_count`: what does not exist is left out of the answer without a word."""
    schemas: list[Json] = [_answer_schema(operation)]
    name = ""
    for token in [*re.findall(r"[\w.]+|[\[\],]", asked), ","]:
        if token not in "[],":
            name = token
            continue
        inside = _members(schemas[-1], version)
        if name and inside is not None and name not in inside:
            yield f"query fields: there is no {name!r}"
        if token == "[":
            schemas.append((inside or {}).get(name, {}))
        elif token == "]":
            if len(schemas) == 1:
                yield "query fields: brackets do not match"
                return
            schemas.pop()
        name = ""
    if len(schemas) != 1:
        yield "query fields: brackets do not match"


def _members(schema: Json, version: str) -> dict[str, Json] | None:
    """Members of an object or of the objects of a list; None when anything may be in it."""
    while "$ref" in schema or schema.get("type") == "array":
        schema = definition(schema["$ref"].rpartition("/")[2], version) if "$ref" in schema else schema["items"]
    return schema.get("properties")


def _answer_schema(operation: Json) -> Json:
    schema: Json = operation["responses"].get("200", {}).get("schema", {})
    return schema


def _request_problems(operation: Json, body: Any, version: str) -> Iterator[str]:
    bodies = [one for one in operation.get("parameters", ()) if one["in"] == "body"]
    if not bodies:
        if body not in (None, {}, []):
            yield "takes no body"
        return
    if body is None and not any(one["schema"].get("required") for one in bodies):
        return
    yield from _problems(bodies[0]["schema"], body, _rules(version, closed=True, request=True))


def _answer_problems(operation: Json, body: Any, version: str, strict: bool, complete: bool) -> Iterator[str]:
    schema = _answer_schema(operation)
    if not schema:
        if body not in (None, [], {}, True):
            yield f"has {body!r} where nothing is described"
        return
    if schema.get("type") == "integer" and isinstance(body, str) and body.isdigit():
        return  # An id of its own may come as text. (Magento, errors)
    yield from _problems(schema, body, _rules(version, closed=strict, request=False, complete=complete))


def _problems(schema: Json, document: Any, rules: Rules) -> Iterator[str]:
    validator = rules.validator.evolve(schema=rules.convert(schema))
    for problem in validator.iter_errors(document):
        for leaf in _leaves(problem):
            yield f"/{'/'.join(str(part) for part in leaf.absolute_path)}: {leaf.message[:300]}"


def _leaves(problem: ValidationError) -> Iterator[ValidationError]:
    """The only alternatives are those of null, which is never what was meant."""
    meant = [one for one in problem.context or () if one.schema_path[0] == 0]
    if not meant:
        yield problem
    for one in meant:
        yield from _leaves(one)


class Rules:
    """How a description is read: closed or open objects, nulls for requests or answers, missing members or not."""

    def __init__(self, version: str, closed: bool, request: bool, complete: bool) -> None:
        self._closed, self._request, self._complete = closed, request, complete
        self.definitions = {name: self.convert(one) for name, one in description(version)["definitions"].items()}
        # The value of a shop's own attribute is text, number, list or nothing, whatever the description says.
        self.definitions["framework-attribute-interface"]["properties"]["value"] = {}
        self.validator = Draft4Validator({"definitions": self.definitions})

    def convert(self, schema: Json) -> Json:
        """Swagger 2.0 as JSON Schema draft 4."""
        if "$ref" in schema:
            return {"$ref": schema["$ref"]}
        found: Json = {"type": schema["type"]} if "type" in schema else {}
        if "items" in schema:
            found["items"] = self.convert(schema["items"])
        if schema.get("type") == "object":
            members = {name: self.convert(one) for name, one in schema.get("properties", {}).items()}
            if not self._request:
                members = {name: {"anyOf": [one, {"type": "null"}]} for name, one in members.items()}
                # Empty extension attributes come as the empty list that they are in PHP.
                found["type"] = ["object", "array"] if not members else "object"
            found["properties"] = members
            if schema.get("required") and self._complete:
                found["required"] = schema["required"]
            if self._closed and (members or self._request):
                found["additionalProperties"] = False
        return found


@functools.cache
def _rules(version: str, *, closed: bool, request: bool, complete: bool = True) -> Rules:
    return Rules(version, closed, request, complete)
