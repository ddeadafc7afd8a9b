"""Turns what the settings classes complain about into lines for people: key, what is wrong, the fix."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ValidationError

from marketplace_sync.settings import Secret


def sentences(place: str, model: type[BaseModel], problem: ValidationError) -> list[str]:
    """One line per complaint, without any value that might be a secret."""
    return [_line(place, model, error) for error in problem.errors(include_url=False)]


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """ " (did you mean `x`?)" when something known is close to it, else nothing."""
    from rapidfuzz import process
    from rapidfuzz.distance import DamerauLevenshtein

    found = process.extractOne(wrong, list(known), scorer=DamerauLevenshtein.normalized_similarity, score_cutoff=0.6)
    return f" (did you mean `{found[0]}`?)" if found else ""


def one_of(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def without_credentials(line: str) -> str:
    """Take out of a line what a URL in it carries as user and password."""
    return re.sub(r"://[^/@\s'\"]+@", "://…@", line)


def _line(place: str, model: type[BaseModel], error: Any) -> str:
    location = [part for part in error["loc"] if not _is_branch(part)]
    key = _path(place, location)
    kind = error["type"]
    context: dict[str, Any] = error.get("ctx") or {}
    inner = _model_at(model, location[:-1])
    if kind == "extra_forbidden":
        known = inner.model_fields if inner is not None else {}
        return f"{key}: there is no such key{did_you_mean(str(location[-1]), known)}; known are {one_of(known)}"
    if kind == "missing":
        return f"{key}: it is missing; {_explained(inner, location) or 'add it' + _example(inner, location)}"
    if kind in ("value_error", "assertion_error"):
        text = str(context.get("error", error["msg"]))
        return f"{key}: {text}" if ";" in text or ":" in text else f"{key}: {text}; correct it"
    if _model_at(model, location) is Secret:
        return f"{key}: a secret is never written into this file; write {{env: NAME}} or {{file: path}}"
    return f"{key}: {_wrong(kind, context, error['msg'])}"


def _wrong(kind: str, context: dict[str, Any], message: str) -> str:
    expected = {
        "string": "a text; put it in quotes",
        "int": "a whole number; write one without quotes",
        "float": "a number; write one without quotes",
        "decimal": "a decimal number; write one like 0.15",
        "bool": "true or false; write one of the two",
        "dict": "a mapping; write keys and values below it",
        "model": "a mapping; write keys and values below it",
        "list": "a list; write - one item per line",
        "tuple": "a list; write - one item per line",
        "date": "a date; write one like 2026-05-31",
        "datetime": "a time; write one like 2026-05-31T12:00:00Z",
    }
    if kind == "literal_error":
        return f"it is not one of the values that exist; write {str(context['expected']).replace(chr(39), '')}"
    bounds = {"greater_than": "more than", "greater_than_equal": "at least", "less_than": "less than"}
    bounds["less_than_equal"] = "at most"
    if kind in bounds:
        limit = next(iter(context.values()))
        return f"it is out of range; write {bounds[kind]} {limit}"
    if kind == "string_pattern_mismatch":
        return f"it does not look right; write something of the form {context['pattern']}"
    if kind in ("string_too_short", "string_too_long", "too_short", "too_long"):
        limit = context.get("min_length", context.get("max_length"))
        return f"it is too {kind.rpartition('_')[2]}; write {'at least' if 'short' in kind else 'at most'} {limit}"
    family = kind.partition("_")[0]
    if family in expected:
        return f"it is not {expected[family]}"
    return f"{message[:1].lower()}{message[1:]}; correct it"


def _explained(model: type[BaseModel] | None, location: list[Any]) -> str:
    """What a key's class says of how to decide it, where there is a choice that nobody can make for the person."""
    field = model.model_fields.get(str(location[-1])) if model is not None else None
    return (field.description or "") if field is not None else ""


def _example(model: type[BaseModel] | None, location: list[Any]) -> str:
    name = str(location[-1])
    field = model.model_fields.get(name) if model is not None else None
    if field is not None and Secret in _classes(field.annotation):
        return f" like {name}: {{env: {name.upper()}}}"
    return " like base_url: https://…" if name == "base_url" else ""


def _path(place: str, location: list[Any]) -> str:
    text = place
    for part in location:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}"
    return text


def _is_branch(part: Any) -> bool:
    """Parts of a location that name no key: which member of a union was tried, or that a mapping's key is meant."""
    return isinstance(part, str) and (part == "[key]" or part.endswith(("]", ")")) or part in _BRANCHES)


_BRANCHES = {"Secret", "str", "int", "float", "bool"}


def _model_at(model: type[BaseModel], location: list[Any]) -> type[BaseModel] | None:
    """The settings class of the place `location` leads to; None when none is there."""
    current: type[BaseModel] | None = model
    for part in location:
        if isinstance(part, int):
            continue
        if current is None or part not in current.model_fields:
            return None
        inner = [c for c in _classes(current.model_fields[part].annotation) if issubclass(c, BaseModel)]
        current = inner[0] if inner else None
    return current


def _classes(annotation: Any) -> list[type]:
    """Every class in an annotation: `tuple[Secret, ...] | None` -> Secret (and tuple's other parts)."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return [annotation]
    return [found for part in typing.get_args(annotation) for found in _classes(part)]
