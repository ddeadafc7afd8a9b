"""Text that PostgreSQL can keep: it has no room for NUL characters, nor for halves of surrogate pairs.

For what vendors say in their errors and what goes into work items. What orders hold is plain before it gets here.
"""

from __future__ import annotations

import re
from typing import Any

LONGEST = 10_000
"""Characters of a text for people: nobody reads more, and a vendor may answer with megabytes."""
_NOT_KEPT = re.compile("[\x00\ud800-\udfff]")


def plain(text: str) -> str:
    """The text with U+FFFD in place of what cannot be kept, and cut where nobody would read on."""
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}… ({len(text)} characters)"
    return _NOT_KEPT.sub("\ufffd", text)


def plain_value(value: Any) -> Any:
    """The same for every text within dictionaries and lists."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, dict):
        return {plain_value(key): plain_value(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain_value(one) for one in value]
    return value
