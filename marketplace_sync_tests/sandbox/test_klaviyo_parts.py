"""The small parts everything rests on: filter expressions, pages over sorted keys, ids."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as some

from marketplace_sync.sandbox.klaviyo.answers import Refusal
from marketplace_sync.sandbox.klaviyo.filters import Condition, meets, parse
from marketplace_sync.sandbox.klaviyo.identity import Ids
from marketplace_sync.sandbox.klaviyo.paging import Cursor, Key, page_of

ALLOWED = {
    "name": ("string", "equals any contains starts-with ends-with"),
    "at": ("date-time", "greater-than less-or-equal"),
    "size": ("number", "equals greater-or-equal less-than"),
    "on": ("boolean", "equals"),
    "owner": ("none", "has"),
}


@given(some.text(min_size=1))
def test_any_text_can_be_quoted_either_way(text: str) -> None:
    for quote in ("'", '"'):
        written = text.replace("\\", "\\\\").replace(quote, "\\" + quote)
        (found,) = parse(f"equals(name,{quote}{written}{quote})", ALLOWED)
        assert (found.operator, found.field, found.value) == ("equals", "name", text)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ('any(name,["a","b, c",\'d)\'])', [["a", "b, c", "d)"]]),
        ("and(equals(size,1.5),has(owner))", [1.5, None]),
        ("and(has(owner),and(equals(on,true),equals(size,-2)))", [None, True, -2.0]),
        (" equals( size , 3 ) , equals(on,false)", [3.0, False]),
        ("greater-than(at,1970-01-01T01:00:00+01:00),less-or-equal(at,1970-01-01T00:00:01)", [0.0, 1.0]),
    ],
)
def test_expressions_are_read_as_written(text: str, values: list[object]) -> None:
    assert [one.value for one in parse(text, ALLOWED)] == values


@given(some.text(alphabet='equals(),"[]name andhas1', max_size=30))
def test_whatever_is_written_is_either_read_or_refused(text: str) -> None:
    try:
        found = parse(text, ALLOWED)
    except Refusal as refusal:
        status = refusal.status
    else:
        status = 200 if found else 500
    assert status in (200, 400)


@pytest.mark.parametrize(
    ("operator", "found", "wanted", "met"),
    [
        ("equals", "a", "a", True),
        ("equals", "a", ["b", "a"], True),
        ("any", "a", ["b"], False),
        ("contains", "Stoneware mug", "MUG", True),
        ("starts-with", "abc", "bc", False),
        ("ends-with", "abc", "bc", True),
        ("greater-than", 1, 1, False),
        ("less-or-equal", 1, 1, True),
        ("greater-than", [0, 2], 1, True),
        ("equals", None, "a", False),
        ("has", None, None, False),
        ("has", "a", None, True),
    ],
)
def test_conditions_are_met_as_their_operator_says(operator: str, found: object, wanted: object, met: bool) -> None:
    assert meets(Condition(operator, "x", wanted), found) is met


@given(
    some.lists(some.integers(0, 50), max_size=40),
    some.integers(1, 10),
    some.booleans(),
    some.integers(1, 4),
)
def test_pages_show_every_accepted_key_once_in_order_and_lead_back(
    numbers: list[int], size: int, descending: bool, divisor: int
) -> None:
    keys: list[Key] = sorted((number, place) for place, number in enumerate(numbers))

    def page(cursor: Cursor | None) -> tuple[list[Key], str | None, str | None]:
        found = page_of(
            keys,
            descending=descending,
            size=size,
            cursor=cursor,
            accept=lambda key: key[1] % divisor == 0,
            write=lambda key, backwards: f"{key[0]},{key[1]},{int(backwards)}",
        )
        return found.keys, found.next, found.prev

    def read(text: str) -> Cursor:
        number, place, backwards = (int(part) for part in text.split(","))
        return Cursor((number, place), bool(backwards))

    expected = [key for key in (keys[::-1] if descending else keys) if key[1] % divisor == 0]
    pages = [page(None)]
    while (following := pages[-1][1]) is not None:
        pages.append(page(read(following)))
    assert [key for found, _, _ in pages for key in found] == expected
    assert all(len(found) == size for found, _, _ in pages[:-1])
    assert pages[0][2] is None
    for before, after in pairwise(pages):
        assert after[2] is not None
        assert page(read(after[2]))[0] == before[0]


def test_ids_are_scattered_and_never_the_same() -> None:
    for length in (6, 11, 16):
        made = [Ids.scatter(number, length) for number in range(50_000)]
        assert len(set(made)) == len(made)
        assert {len(one) for one in made} == {length}
