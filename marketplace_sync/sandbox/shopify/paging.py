"""Connections: opaque cursors, `first`/`after` and `last`/`before`, at most 250 at a time (Shopify, pagination)."""

from __future__ import annotations

import base64
import json
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from typing import Any

from marketplace_sync.sandbox.shopify.things import TopLevelError

MOST = 250

SortValue = tuple[Any, int]
"""What a connection is ordered by: the value of its sort key, then the number in the id."""


class Connection:
    """One page. Attributes are named as the fields the resolvers read."""

    __slots__ = ("_keys", "_page_info", "nodes", "sort")

    def __init__(self, nodes: list[Any], keys: list[SortValue], sort: str, before: bool, after: bool) -> None:
        self.nodes = nodes
        self._keys = keys
        self.sort = sort
        self._page_info = (before, after)

    @property
    def edges(self) -> list[dict[str, Any]]:
        return [
            {"cursor": _cursor(self.sort, key), "node": node} for key, node in zip(self._keys, self.nodes, strict=True)
        ]

    @property
    def pageInfo(self) -> dict[str, Any]:
        return {
            "hasPreviousPage": self._page_info[0],
            "hasNextPage": self._page_info[1],
            "startCursor": _cursor(self.sort, self._keys[0]) if self._keys else None,
            "endCursor": _cursor(self.sort, self._keys[-1]) if self._keys else None,
        }


def _cursor(sort: str, key: SortValue) -> str:
    text = json.dumps({"last_id": key[1], "last_value": key[0], "sort": sort}, separators=(",", ":"))
    return base64.b64encode(text.encode()).decode()


def cursor_position(sort: str, cursor: str) -> SortValue:
    """What a cursor points at. Raises TopLevelError for one of another list or order."""
    try:
        found = json.loads(base64.b64decode(cursor, validate=True))
        same, key = found["sort"] == sort, (found["last_value"], found["last_id"])
    except (ValueError, KeyError, TypeError):
        raise TopLevelError("Invalid cursor for current pagination sort.", "BAD_REQUEST") from None
    if not same:
        raise TopLevelError("Invalid cursor for current pagination sort.", "BAD_REQUEST")
    return key


def window(arguments: dict[str, Any], field: str = "connection") -> tuple[int, bool]:
    """How many are asked for and whether from the end. Raises TopLevelError when that cannot be served."""
    first, last = arguments.get("first"), arguments.get("last")
    if first is None and last is None:
        raise TopLevelError(f"you must provide one of first or last for {field}", "BAD_REQUEST")
    if first is not None and last is not None:
        raise TopLevelError("providing both first and last is not supported", "BAD_REQUEST")
    name, size = ("first", first) if first is not None else ("last", last)
    assert isinstance(size, int)
    if size < 0:
        raise TopLevelError(f"{name} must be a non-negative integer", "BAD_REQUEST")
    if size > MOST:
        raise TopLevelError(f"{name} cannot exceed {MOST}: {size} were asked for", "BAD_REQUEST")
    return size, first is None


def connect(
    items: Sequence[Any],
    arguments: dict[str, Any],
    *,
    keys: Sequence[SortValue],
    sort: str,
    node: Callable[[Any], Any],
) -> Connection:
    """One page of `items`, which are in ascending order of `keys`. `node` turns an item into what resolvers take."""
    size, from_the_end = window(arguments, sort)
    reverse = bool(arguments.get("reverse"))
    start, end = 0, len(items)
    after, before = arguments.get("after"), arguments.get("before")
    if after is not None:
        position = cursor_position(sort, after)
        if reverse:
            end = bisect_left(keys, position)
        else:
            start = bisect_right(keys, position)
    if before is not None:
        position = cursor_position(sort, before)
        if reverse:
            start = max(start, bisect_right(keys, position))
        else:
            end = min(end, bisect_left(keys, position))
    end = max(start, end)
    # `from the end` and `reverse` both turn the direction round: twice is none.
    if from_the_end != reverse:
        low, high = max(start, end - size), end
    else:
        low, high = start, min(end, start + size)
    page, page_keys = list(items[low:high]), list(keys[low:high])
    ahead, behind = high < len(items), low > 0
    if reverse:
        page.reverse()
        page_keys.reverse()
        ahead, behind = behind, ahead
    return Connection([node(item) for item in page], page_keys, sort, behind, ahead)


def connect_list(items: Sequence[Any], arguments: dict[str, Any], sort: str, node: Callable[[Any], Any]) -> Connection:
    """One page of documents that are kept in the order of their ids."""
    return connect(items, arguments, keys=[(0, int(item["id"])) for item in items], sort=sort, node=node)
