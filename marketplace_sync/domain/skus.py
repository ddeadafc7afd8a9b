"""SKU identity: an immutable key, compared exactly. Near misses are only ever suggested to a person."""

from __future__ import annotations

from collections.abc import Sequence


def suggestions(sku: str, known: Sequence[str], limit: int = 3) -> list[str]:
    """Known SKUs that differ only in case, blanks, hyphens or leading zeros first, then the most similar ones."""
    from rapidfuzz import fuzz, process

    def folded(text: str) -> str:
        return "".join(character for character in text.casefold() if character.isalnum()).lstrip("0")

    same = [candidate for candidate in known if folded(candidate) == folded(sku)]
    if same:
        return same[:limit]
    found = process.extract(sku, known, scorer=fuzz.ratio, limit=limit, score_cutoff=75)
    return [match for match, _score, _index in found]
