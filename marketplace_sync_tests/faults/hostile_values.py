"""Values that no honest vendor states: each as JSON text, to be put in place of any value of an answer."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

_MARK = "@@ here @@"

VALUES = {
    "null": "null",
    "true": "true",
    "a number": "12",
    "a negative number": "-1",
    "a fraction": "1.5",
    "a number over every float": "1e400",
    "a number over bigint": "99999999999999999999",
    "a number of 5,000 digits": "1" + "0" * 5000,
    "NaN": "NaN",
    "infinity": "-Infinity",
    "nothing": '""',
    "blanks": '" \\t\\n "',
    "a NUL": '"\\u0000"',
    "a NUL within": '"a\\u0000b"',
    "a bare NUL": '"a\x00b"',
    "a bare line feed": '"a\nb"',
    "half a surrogate pair": '"x\\ud83d"',
    "the other half": '"\\ude00y"',
    "emoji": '"\\ud83d\\ude00 \U0001f9e6\u200d\U0001f6e0"',
    "text from right to left": '"\u202eabc\u0644"',
    "a list": "[]",
    "an object": "{}",
    "brackets 5,000 deep": "[" * 5000 + "]" * 5000,
    "the year 0": '"0000-01-01T00:00:00"',
    "the year 1": '"0001-01-01T00:00:00"',
    "the year 9999": '"9999-12-31T23:59:59"',
    "the last day": '"9999-12-31"',
    "no day": '"2026-02-30T25:61:61"',
    "an absurd quantity": "1000000",
    "an absurd amount": '"999999999999999.99"',
    "a negative amount": '"-5.00"',
    "an amount that is none": '"12,50"',
    "a megabyte of one letter": '"' + "x" * 1_000_000 + '"',
    "a megabyte that cannot be packed": '"'
    + base64.b64encode(random.Random(1).randbytes(750_000)).decode()
    + '"',
}  # fmt: skip
LARGE = {"a megabyte of one letter", "a megabyte that cannot be packed"}

Path = tuple[str | int, ...]


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """Where every value within a JSON value is, the containers included."""
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from paths(one, (*path, key))


def with_value(document: Any, path: Path, text: str) -> bytes:
    """The document as JSON with this text at that place. Changes the document."""
    at = document
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = _MARK
    return json.dumps(document).replace(json.dumps(_MARK), text).encode("utf-8", "surrogatepass")


def without(document: Any, path: Path) -> bytes:
    """The document as JSON without the value at that place. Changes the document."""
    at = document
    for key in path[:-1]:
        at = at[key]
    del at[path[-1]]
    return json.dumps(document).encode()


def variations(make: Callable[[int], Any], first: int, names: set[str]) -> Iterator[tuple[int, str, bytes]]:
    """(number, what was done to it, its JSON) of documents that `make` makes by number, each spoilt in one place: with
    every named value in every place, with every place missing, and with every field there twice."""
    number = first
    for path in list(paths(make(first))):
        for name in [*sorted(names), None]:
            where = ".".join(map(str, path))
            if name is None:
                yield number, f"without {where}", without(make(number), path)
            else:
                yield number, f"{name} as {where}", with_value(make(number), path, VALUES[name])
            number += 1
        if isinstance(path[-1], str):
            twice = with_value(make(number), path, f'null, "{path[-1]}": "second"')
            yield number, f"{'.'.join(map(str, path))} twice", twice
            number += 1
