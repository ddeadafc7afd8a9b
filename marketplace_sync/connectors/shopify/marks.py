"""What this connector writes into a shop so that it knows its own orders, lines and refunds again."""

from __future__ import annotations

import uuid

LINE_PROPERTY = "_marketplace_line"
"""Line property with the marketplace's id of the line; the underscore hides it from the buyer."""

_NAMESPACE = uuid.UUID("b0f3c8a4-52d7-5b0e-8a5e-7d6f2f6a9c31")
_OPENING = "[marketplace-sync "
_LONGEST = 200


def note(words: str, reference: str) -> str:
    """The note of a refund: words for people, then the reference for us."""
    return f"{' '.join(words.split())[:_LONGEST]} {_OPENING}{reference}]".strip()


def reference_in(text: str | None) -> str:
    """The reference that `note` wrote; empty when the note is somebody else's."""
    _, opening, rest = (text or "").rstrip().rpartition(_OPENING)
    return rest[:-1] if opening and rest.endswith("]") else ""


def idempotency_key(natural_key: str, attempt: int = 0) -> str:
    """The same effect has the same key for ever. `attempt` counts keys that were used up by tries that failed."""
    return str(uuid.uuid5(_NAMESPACE, f"{natural_key}\x1f{attempt}" if attempt else natural_key))


def tag(source_identifier: str) -> str:
    """`john_lewis:123` -> `marketplace:john_lewis`."""
    return f"marketplace:{source_identifier.partition(':')[0]}"
