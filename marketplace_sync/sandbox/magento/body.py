"""Reads a body as the shop does: member by member against what its interfaces know, refusing what they do not."""

from __future__ import annotations

from typing import Any

from marketplace_sync.sandbox.magento.errors import NOT_SUPPORTED, WRONG_TYPE, Refused, required
from marketplace_sync.sandbox.magento.shapes import ANYTHING, NUMBER, TEXT, TRUTH, WHOLE, Kind, Shape


def checked(shape: Shape, body: Any) -> dict[str, Any]:
    """The body, if it fits. Raises Refused: an unknown member, a missing one, a wrong type. (errors; simulator rule 2)

    Members may be spelt in camel case as well, and are not distinguished: `statusHistory` is the parameter's own name.
    """
    if not isinstance(body, dict):
        raise _wrong(body, "array")
    _check_object(shape, body)
    return body


def _check_object(shape: Shape, value: dict[str, Any]) -> None:
    for name, one in value.items():
        if name not in shape.members:
            raise Refused(400, NOT_SUPPORTED, {"fieldName": name})
        if one is not None:
            _check(shape.members[name], one)
            value[name] = _whole(shape.members[name], one)
    for name in shape.required:
        if value.get(name) is None:
            raise required(name)


def _check(kind: Kind, value: Any) -> None:
    if isinstance(kind, list):
        if not isinstance(value, list):
            raise _wrong(value, f"{kind[0] if isinstance(kind[0], str) else 'object'}[]")
        for one in value:
            _check(kind[0], one)
    elif isinstance(kind, Shape):
        if value == [] and not kind.members:
            return
        if not isinstance(value, dict):
            raise _wrong(value, "object")
        _check_object(kind, value)
    elif not _is(kind, value):
        raise _wrong(value, kind)


def _is(kind: str, value: Any) -> bool:
    """Text in digits is a whole number here, as PHP has it; text for an amount is refused (sheet, OpenAPI file)."""
    if kind == ANYTHING:
        return True
    if kind == TEXT:
        return isinstance(value, str | int | float) and not isinstance(value, bool)
    if kind == TRUTH:
        return isinstance(value, bool) or value in (0, 1)
    if isinstance(value, bool):
        return kind == WHOLE
    if kind == WHOLE:
        return isinstance(value, int) or (isinstance(value, str) and value.lstrip("-").isdigit())
    assert kind == NUMBER
    return isinstance(value, int | float)


def _whole(kind: Kind, value: Any) -> Any:
    """Digits in text are the number from here on, or one store view would be two."""
    if kind == WHOLE:
        return int(value)
    return [int(one) for one in value] if kind == [WHOLE] else value


def _wrong(value: Any, kind: str) -> Refused:
    return Refused(400, WRONG_TYPE, {"value": str(value)[:100], "type": kind})
