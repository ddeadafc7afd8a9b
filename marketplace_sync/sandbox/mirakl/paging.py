"""The two ways of paging: offset and max over a live list, page tokens over a list that stays as it was sorted."""

from __future__ import annotations

import base64
import binascii
import bisect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from starlette.datastructures import QueryParams
from starlette.requests import Request

from marketplace_sync.sandbox.mirakl.values import BadValue, moment

Row = TypeVar("Row")
Place = tuple[float, int]


def whole_number(query: Mapping[str, str], name: str, default: int, most: int | None = None) -> int:
    """Raises BadValue for what is no whole number; what is above the ceiling is the ceiling."""
    text = query.get(name, str(default))
    if not text.isdecimal():
        raise BadValue(f"The parameter '{name}' has a wrong datatype")
    return int(text) if most is None else max(1, min(int(text), most))


def offset_page(request: Request) -> tuple[int, int]:
    """Offset and size of the page that is asked for. (Mirakl, offset pagination)"""
    return whole_number(request.query_params, "offset", 0), whole_number(request.query_params, "max", 10, 100)


def links(request: Request, address: str, offset: int, size: int, total: int) -> dict[str, str]:
    """The Link header to the pages beside this one; empty when there is none."""
    found = []
    for relation, start in (("previous", offset - size), ("next", offset + size)):
        if (relation == "next" and start < total) or (relation == "previous" and offset > 0):
            query = urlencode({**request.query_params, "offset": max(0, start), "max": size})
            found.append(
                f'<{address}{request.url.path.removeprefix(request.scope["root_path"])}?{query}>; rel="{relation}"'
            )
    return {"Link": ", ".join(found)} if found else {}


@dataclass(frozen=True)
class SeekPage(Generic[Row]):
    rows: list[Row]
    next_token: str | None
    previous_token: str | None

    def body(self, render: Callable[[Row], Any]) -> dict[str, Any]:
        tokens = {"next_page_token": self.next_token, "previous_page_token": self.previous_token}
        return {"data": [render(row) for row in self.rows], **{k: v for k, v in tokens.items() if v is not None}}


def asked(request: Request) -> tuple[QueryParams, dict[str, Any] | None]:
    """The query that counts, and where to go on. A token overrides every other parameter. Raises BadValue."""
    token = request.query_params.get("page_token")
    if token is None:
        return request.query_params, None
    try:
        found = json.loads(base64.urlsafe_b64decode(token.encode()))
        return QueryParams(found["query"]), {"after": tuple(found["after"]), "back": bool(found["back"])}
    except (ValueError, KeyError, TypeError, binascii.Error) as problem:
        raise BadValue("The parameter 'page_token' is not valid") from problem


def seek(
    query: QueryParams,
    start: dict[str, Any] | None,
    places: Sequence[Place],
    row_of: Callable[[int], Row],
    wanted: Callable[[Row], bool],
    *,
    ceiling: int = 100,
    first: float | None = None,
) -> SeekPage[Row]:
    """One page of the wanted rows of a sorted list. `first` leaves out what comes before it at once."""
    limit = whole_number(query, "limit", 10, ceiling)
    descending = query.get("sort", "").upper().endswith(",DESC")
    back = start is not None and start["back"]
    forwards = descending == back
    lowest = 0 if first is None else bisect.bisect_left(places, (first, -1))
    position = lowest if forwards else len(places) - 1
    if start is not None:
        after = (float(start["after"][0]), int(start["after"][1]))
        position = bisect.bisect_right(places, after) if forwards else bisect.bisect_left(places, after) - 1
    found: list[tuple[Place, Row]] = []
    while lowest <= position < len(places) and len(found) <= limit:
        row = row_of(places[position][1])
        if wanted(row):
            found.append((places[position], row))
        position += 1 if forwards else -1
    more = len(found) > limit
    found = found[:limit][::-1] if back else found[:limit]
    has_next, has_previous = (True, more) if back else (more, start is not None)
    return SeekPage(
        [row for _, row in found],
        _token(query, found[-1][0], back=False) if found and has_next else None,
        _token(query, found[0][0], back=True) if found and has_previous else None,
    )


def _token(query: QueryParams, after: Place, *, back: bool) -> str:
    content = {"query": str(query), "after": list(after), "back": back}
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()


def several(query: QueryParams, name: str) -> frozenset[str]:
    """A parameter that may be repeated."""
    return frozenset(query.getlist(name))


def time_of(query: QueryParams, name: str) -> float | None:
    """Raises BadValue for a time without zone or seconds."""
    text = query.get(name)
    return None if text is None else moment(text, name)
