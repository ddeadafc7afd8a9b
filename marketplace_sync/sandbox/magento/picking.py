"""`fields=items[sku,qty],total_count`: leaves out of an answer what nobody asked for. (search criteria)"""

from __future__ import annotations

import re
from typing import Any

Wanted = dict[str, "Wanted | None"]


def parse(asked: str) -> Wanted | None:
    """None when the brackets do not match: the whole answer comes then."""
    root: Wanted = {}
    stack, name = [root], ""
    for mark in re.findall(r"[^\[\],]+|[\[\],]", asked):
        if mark == "[":
            inside: Wanted = {}
            stack[-1][name] = inside
            stack.append(inside)
        elif mark == "]":
            if len(stack) == 1:
                return None
            stack.pop()
        elif mark != ",":
            name = mark.strip()
            stack[-1][name] = None
    return root if len(stack) == 1 else None


def pick(answer: Any, wanted: Wanted) -> Any:
    if isinstance(answer, list):
        return [pick(one, wanted) for one in answer]
    if not isinstance(answer, dict):
        return answer
    return {
        name: pick(answer[name], inside) if inside is not None else answer[name]
        for name, inside in wanted.items()
        if name in answer
    }
