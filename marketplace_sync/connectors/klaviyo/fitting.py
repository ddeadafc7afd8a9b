"""Cuts properties down to what the vendor stores, and says in the properties themselves what was cut."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

MAX_KEYS = 400
MAX_STRING_BYTES = 100_000
MAX_ENTRIES = 4_000
MAX_DEPTH = 10
NOTE = "SyncTrimmed"
"""The property that lists what was left out."""
_MAX_NOTES = 20


def fitted(
    properties: Mapping[str, Any], max_bytes: int, keep: tuple[str, ...] = ()
) -> tuple[dict[str, Any], list[str]]:
    """Properties within the limits, and what had to be cut, in words (also stored under `SyncTrimmed`).

    At most 400 properties, 100 KB a string, 4,000 entries a list, 10 levels and `max_bytes` as JSON altogether
    (Klaviyo, event limitations). `keep` names properties that are never dropped. Members that are None are left out:
    unknown is not the same as empty.
    """
    notes: list[str] = []
    found = {
        key: _shortened(value, key, 1, notes) for key, value in properties.items() if value is not None and key != NOTE
    }
    if len(found) + bool(notes) > MAX_KEYS:
        _keep_first(found, keep, notes)
    _drop_largest(found, max_bytes, keep, notes)
    if notes:
        shown = notes[:_MAX_NOTES]
        if len(notes) > _MAX_NOTES:
            shown.append(f"and {len(notes) - _MAX_NOTES} more")
        found[NOTE] = shown
    return found, notes


def _shortened(value: Any, path: str, depth: int, notes: list[str]) -> Any:
    if isinstance(value, str):
        return _short_text(value, path, notes)
    if isinstance(value, Mapping):
        if depth >= MAX_DEPTH:
            notes.append(f"{path}: deeper than {MAX_DEPTH} levels, left out")
            return "…"
        return {
            key: _shortened(member, f"{path}.{key}", depth + 1, notes)
            for key, member in value.items()
            if member is not None
        }
    if isinstance(value, list | tuple):
        if depth >= MAX_DEPTH:
            notes.append(f"{path}: deeper than {MAX_DEPTH} levels, left out")
            return "…"
        if len(value) > MAX_ENTRIES:
            notes.append(f"{path}: the first {MAX_ENTRIES} of {len(value)} entries")
        return [_shortened(entry, f"{path}[]", depth + 1, notes) for entry in value[:MAX_ENTRIES]]
    return value


def _short_text(value: str, path: str, notes: list[str]) -> str:
    if len(value) * 4 <= MAX_STRING_BYTES:
        return value
    encoded = value.encode()
    if len(encoded) <= MAX_STRING_BYTES:
        return value
    notes.append(f"{path}: the first {MAX_STRING_BYTES} of {len(encoded)} bytes")
    return encoded[: MAX_STRING_BYTES - 3].decode(errors="ignore") + "…"


def _keep_first(found: dict[str, Any], keep: tuple[str, ...], notes: list[str]) -> None:
    room = MAX_KEYS - 1 - sum(key in found for key in keep)
    others = [key for key in found if key not in keep]
    for key in others[room:]:
        del found[key]
    notes.append(f"{len(others) - room} of {len(others)} properties left out, beginning with {others[room][:100]}")


def _drop_largest(found: dict[str, Any], max_bytes: int, keep: tuple[str, ...], notes: list[str]) -> None:
    if len(msgspec.json.encode(found)) <= max_bytes:
        return
    sizes = {key: len(msgspec.json.encode(value)) + len(key) + 4 for key, value in found.items()}
    allowed = max_bytes - 4_000
    for key in sorted((key for key in found if key not in keep), key=sizes.__getitem__, reverse=True):
        if sum(sizes.values()) <= allowed:
            break
        notes.append(f"{key[:100]}: {sizes.pop(key)} bytes, left out")
        del found[key]
