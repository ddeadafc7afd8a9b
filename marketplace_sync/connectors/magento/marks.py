"""What this connector writes into a shop so that it knows its own orders and credit memos again."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from marketplace_sync.connectors.magento.settings import MagentoSettings

_LONGEST_NUMBER = 50
_DIGEST = 12
_SOURCE = "marketplace-sync source: "
_OPENING = "[marketplace-sync "
_LONGEST_NOTE = 200
_CONNECTION = re.compile(r"[a-z][a-z0-9_]{0,62}\Z")


def order_number(source_identifier: str, settings: MagentoSettings) -> str:
    """The shop's number of a marketplace order: `john_lewis:123` -> `john_lewis-123`, at most 50 characters.

    Unique in the store view (Magento, dedupe), so the same order cannot be put there twice. What is too long, or holds
    characters that are trouble in numbers, is told apart by a digest of the whole.
    """
    connection, _, order_id = source_identifier.partition(":")
    plain = f"{settings.order_number_prefix}{connection}-{order_id}"
    if len(plain) <= _LONGEST_NUMBER and re.fullmatch(r"[A-Za-z0-9_.-]+", plain):
        return plain
    digest = hashlib.sha256(source_identifier.encode()).hexdigest()[:_DIGEST]
    readable = re.sub(r"[^A-Za-z0-9_.-]+", "_", plain)[: _LONGEST_NUMBER - _DIGEST - 2]
    return f"{readable}--{digest}"


def source_mark(source_identifier: str) -> str:
    """An entry of the payment's information, where people see it and nothing shortens it."""
    return f"{_SOURCE}{source_identifier}"


def source_identifier(number: str, information: Any, settings: MagentoSettings) -> str:
    """Which marketplace order an order of the shop is; empty when it is none of ours. By the mark, else by a number
    that holds it whole."""
    for entry in information if isinstance(information, list) else ():
        if isinstance(entry, str) and entry.startswith(_SOURCE):
            return entry.removeprefix(_SOURCE)
    if not number.startswith(settings.order_number_prefix):
        return ""
    connection, dash, order_id = number.removeprefix(settings.order_number_prefix).partition("-")
    if not dash or not order_id or not _CONNECTION.match(connection) or "--" in number:
        return ""
    return f"{connection}:{order_id}"


def note(words: str, reference: str) -> str:
    """The comment of a credit memo: words for people, then the reference for us."""
    return f"{' '.join(words.split())[:_LONGEST_NOTE]} {_OPENING}{reference}]".strip()


def reference_in(text: str | None) -> str:
    """The reference that `note` wrote; empty when the comment is somebody else's."""
    _, opening, rest = (text or "").rstrip().rpartition(_OPENING)
    return rest[:-1] if opening and rest.endswith("]") else ""
