"""Connections: the cursor is an offset, so rows move when something changes during a walk; forward only (sheet, 2)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

from marketplace_sync.sandbox.marketplacer.settings import Settings
from marketplace_sync.sandbox.marketplacer.things import TopLevelError


def connect(items: Sequence[Any], arguments: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """One page of `items`. `last` and `before` are taken and do nothing."""
    start = _offset(arguments.get("after"))
    first = arguments.get("first")
    if first is not None and first < 0:
        raise TopLevelError("first must be a non-negative integer")
    size = min(settings.default_page if first is None else first, settings.largest_page)
    page = items[start : start + size]
    cursors = [_cursor(start + place) for place in range(1, len(page) + 1)]
    return {
        "nodes": page,
        "edges": [{"cursor": cursor, "node": node} for cursor, node in zip(cursors, page, strict=True)],
        "totalCount": len(items),
        "pageInfo": {
            "hasNextPage": start + len(page) < len(items),
            "hasPreviousPage": start > 0,
            "startCursor": cursors[0] if cursors else None,
            "endCursor": cursors[-1] if cursors else None,
        },
    }


def _cursor(offset: int) -> str:
    return base64.b64encode(str(offset).encode()).decode()


def _offset(cursor: str | None) -> int:
    if cursor is None:
        return 0
    try:
        return max(0, int(base64.b64decode(cursor, validate=True)))
    except (binascii.Error, ValueError):
        raise TopLevelError(f"Invalid cursor: {cursor!r}") from None
