"""The vendor's filter expressions: `op(field,value)`, joined by commas or wrapped in `and(…)`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from marketplace_sync.sandbox.klaviyo.answers import Refusal, bad_parameter

OPERATORS = (
    "equals", "any", "contains", "contains-any", "contains-all", "starts-with", "ends-with",
    "greater-than", "greater-or-equal", "less-than", "less-or-equal", "has",
)  # fmt: skip

Allowed = Mapping[str, tuple[str, str]]
"""Field to (type of its value, its operators separated by blanks)."""

_CALL = re.compile(r"\s*([a-z-]+)\s*\(")
_NAME = re.compile(r"\s*([A-Za-z0-9_.$-]+)\s*")
_NUMBER = re.compile(r"-?\d+(\.\d+)?$")


@dataclass(frozen=True)
class Condition:
    """One comparison. Times have become unix seconds; `written` is how a single value was written."""

    operator: str
    field: str
    value: Any
    written: str = ""


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def expression(self, closing: bool) -> list[tuple[str, str, Any, bool]]:
        """Comma-separated calls up to the end, or to a closing bracket."""
        found: list[tuple[str, str, Any, bool]] = []
        while True:
            found += self.call()
            self.blanks()
            if self.peek() == ",":
                self.at += 1
                continue
            if closing:
                self.expect(")")
            elif self.at < len(self.text):
                raise ValueError(f"unexpected {self.text[self.at :]!r}")
            return found

    def call(self) -> list[tuple[str, str, Any, bool]]:
        opening = _CALL.match(self.text, self.at)
        if opening is None:
            raise ValueError(f"expected an operator at {self.text[self.at :]!r}")
        self.at = opening.end()
        if opening[1] == "and":
            return self.expression(closing=True)
        name = _NAME.match(self.text, self.at)
        if name is None:
            raise ValueError(f"expected a field at {self.text[self.at :]!r}")
        self.at = name.end()
        if opening[1] == "has":
            self.expect(")")
            return [("has", name[1], None, False)]
        self.expect(",")
        value, quoted = self.value()
        self.expect(")")
        return [(opening[1], name[1], value, quoted)]

    def value(self) -> tuple[Any, bool]:
        self.blanks()
        if self.peek() == "[":
            self.at += 1
            items: list[Any] = []
            quoted = True
            while True:
                item, item_quoted = self.value()
                items.append(item)
                quoted = quoted and item_quoted
                self.blanks()
                if self.peek() == ",":
                    self.at += 1
                    continue
                self.expect("]")
                return items, quoted
        if self.peek() in "\"'":
            return self.text_value(), True
        end = self.at
        while end < len(self.text) and self.text[end] not in ",)]":
            end += 1
        bare, self.at = self.text[self.at : end].strip(), end
        if not bare:
            raise ValueError("a value is missing")
        return bare, False

    def text_value(self) -> str:
        quote, found = self.text[self.at], []
        self.at += 1
        while self.at < len(self.text) and self.text[self.at] != quote:
            if self.text[self.at] == "\\" and self.at + 1 < len(self.text):
                self.at += 1
            found.append(self.text[self.at])
            self.at += 1
        self.expect(quote)
        return "".join(found)

    def blanks(self) -> None:
        while self.at < len(self.text) and self.text[self.at] == " ":
            self.at += 1

    def peek(self) -> str:
        return self.text[self.at] if self.at < len(self.text) else "\0"

    def expect(self, character: str) -> None:
        self.blanks()
        if self.peek() != character:
            raise ValueError(f"expected {character!r} at {self.text[self.at :]!r}")
        self.at += 1


def parse(text: str, allowed: Allowed) -> list[Condition]:
    """All conditions, to be met together. Raises a 400 for bad grammar, fields, operators and quoting."""
    try:
        calls = _Reader(text).expression(closing=False)
    except ValueError as problem:
        raise _bad(f"Invalid filter provided: {problem}") from None
    return [_condition(operator, name, value, quoted, allowed) for operator, name, value, quoted in calls]


def _condition(operator: str, name: str, value: Any, quoted: bool, allowed: Allowed) -> Condition:
    if name not in allowed:
        raise _bad(f"'{name}' is not a filterable field")
    kind, operators = allowed[name]
    if operator not in operators.split():
        raise _bad(f"'{operator}' is not an allowed operator for '{name}': {operators}")
    if operator == "has":
        return Condition(operator, name, None)
    if (operator == "any") != isinstance(value, list) and operator != "equals":
        raise _bad(f"'{operator}' on '{name}' takes {'a list' if operator == 'any' else 'one value'}")
    convert = {"string": _string, "date-time": _time, "number": _number, "boolean": _boolean}[kind]
    values = [convert(name, one, quoted) for one in (value if isinstance(value, list) else [value])]
    if isinstance(value, list):
        return Condition(operator, name, values)
    return Condition(operator, name, values[0], value)


def _string(name: str, value: str, quoted: bool) -> str:
    if not quoted:
        raise _bad(f"the value of '{name}' must be quoted")
    return value


def _time(name: str, value: str, quoted: bool) -> float:
    try:
        if quoted:
            raise ValueError
        parsed = datetime.fromisoformat(value)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise _bad(f"'{value}' is not a datetime for '{name}'; datetimes are written without quotes") from None


def _number(name: str, value: str, quoted: bool) -> float:
    if quoted or not _NUMBER.match(value):
        raise _bad(f"'{value}' is not a number for '{name}'; numbers are written without quotes")
    return float(value)


def _boolean(name: str, value: str, quoted: bool) -> bool:
    if quoted or value not in ("true", "false"):
        raise _bad(f"'{value}' is not true or false for '{name}'")
    return value == "true"


def _bad(detail: str) -> Refusal:
    return bad_parameter(detail, "filter")


COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "equals": lambda found, wanted: found in wanted if isinstance(wanted, list) else found == wanted,
    "any": lambda found, wanted: found in wanted,
    "contains": lambda found, wanted: wanted.lower() in found.lower(),
    "starts-with": lambda found, wanted: found.startswith(wanted),
    "ends-with": lambda found, wanted: found.endswith(wanted),
    "greater-than": lambda found, wanted: found > wanted,
    "greater-or-equal": lambda found, wanted: found >= wanted,
    "less-than": lambda found, wanted: found < wanted,
    "less-or-equal": lambda found, wanted: found <= wanted,
}


def meets(condition: Condition, found: Any) -> bool:
    """Whether what a document has meets the condition. A list is met by any of its members, None by nothing."""
    if condition.operator == "has":
        return found is not None
    if isinstance(found, (list, tuple, set)):
        return any(meets(condition, one) for one in found)
    return found is not None and COMPARE[condition.operator](found, condition.value)
