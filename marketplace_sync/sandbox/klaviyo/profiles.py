"""Who is who: profiles, the identifiers that lead to them, merging and forgetting."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.klaviyo.answers import Json
from marketplace_sync.sandbox.klaviyo.identity import Ids
from marketplace_sync.sandbox.klaviyo.profile_shapes import IDENTIFIERS
from marketplace_sync.sandbox.state import State

PLAIN = ("first_name", "last_name", "organization", "locale", "title", "image")


class ProfileBook:
    """The profiles of the account, found by id, external id, e-mail (also secondary ones), phone and browser ids."""

    def __init__(self, state: State, clock: Clock, ids: Ids) -> None:
        self._documents = state.collection("profiles")
        self._clock = clock
        self._ids = ids
        self._by: dict[str, dict[str, str]] = {}
        self.version = 0
        """Grows with every change, so that sorted listings know when they are out of date."""
        self.reload()

    def reload(self) -> None:
        """Rebuild the indexes from what is kept."""
        self._by = {kind: {} for kind in IDENTIFIERS}
        self.version += 1
        for document in self._documents.values():
            self._index(document)

    def __len__(self) -> int:
        return len(self._documents)

    def __contains__(self, key: str) -> bool:
        return key in self._documents

    def get(self, key: str | None) -> Json | None:
        return self._documents.get(key) if key is not None else None

    def values(self) -> Iterator[Json]:
        return self._documents.values()

    def find(self, kind: str, value: str) -> Json | None:
        """The profile with this identifier; `kind` is one of IDENTIFIERS or `id`."""
        if kind == "id":
            return self.get(value)
        return self.get(self._by[kind].get(value.strip().lower() if kind == "email" else value))

    def by_email(self, email: str) -> Json | None:
        return self.find("email", email)

    def matches(self, row: Json) -> list[Json]:
        """Every profile that an identifier of the row leads to, the deciding one first, each once."""
        attributes = row["attributes"]
        keys = [row.get("id"), *(self._by[kind].get(attributes[kind]) for kind in IDENTIFIERS if attributes.get(kind))]
        return [self._documents[key] for key in dict.fromkeys(keys) if key is not None and key in self._documents]

    def create(self, row: Json) -> Json:
        key = self._ids.profile(int(self._clock.timestamp() * 1000))
        now = self._second()
        document: Json = {
            "id": key,
            **dict.fromkeys(("email", "phone_number", "external_id", "_kx"), None),
            "anonymous_ids": [],
            "secondary_emails": [],
            **dict.fromkeys(PLAIN, None),
            "location": {},
            "properties": {},
            "created": now,
            "updated": now,
            "last_event": None,
        }
        self._documents.put(key, document)
        self.apply(document, row)
        return document

    def apply(self, document: Json, row: Json, *, nulls_clear: bool = True) -> None:
        """Write a row into a profile. Absent members stay; null clears them unless `nulls_clear` is off."""
        given = row["attributes"]
        moved = bool(row.get("meta")) or any(
            kind in given and (kind == "anonymous_id" or given[kind] != document[kind]) for kind in IDENTIFIERS
        )
        if moved:
            self._unindex(document)
        changed = False
        for name, value in given.items():
            if value is None and not nulls_clear:
                continue
            changed |= self._set(document, name, value, nulls_clear)
        if row.get("meta"):
            changed |= _patch(document, row["meta"])
        if moved:
            self._index(document)
        if changed:
            self.touch(document)

    def touch(self, document: Json) -> None:
        """The profile changed now."""
        document["updated"] = self._second()
        self.put(document)

    def _second(self) -> int:
        """Times are kept as they are shown, in whole seconds: a strict filter on one leaves out all of that second."""
        return int(self._clock.timestamp())

    def put(self, document: Json) -> None:
        self.version += 1
        self._documents.put(document["id"], document)

    def _set(self, document: Json, name: str, value: Any, nulls_clear: bool) -> bool:
        if name == "anonymous_id":
            if not value or value in document["anonymous_ids"]:
                return False
            document["anonymous_ids"].append(value)
            return True
        if name in ("properties", "location"):
            return _merge(document[name], value, nulls_clear)
        if document[name] == value:
            return False
        document[name] = value
        return True

    def _index(self, document: Json) -> None:
        for kind in ("external_id", "email", "phone_number", "_kx"):
            if document[kind]:
                self._by[kind][document[kind]] = document["id"]
        for email in document["secondary_emails"]:
            self._by["email"].setdefault(email, document["id"])
        for anonymous in document["anonymous_ids"]:
            self._by["anonymous_id"][anonymous] = document["id"]

    def _unindex(self, document: Json) -> None:
        emails = self._by["email"]
        for kind in ("external_id", "email", "phone_number", "_kx"):
            if document[kind]:
                self._by[kind].pop(document[kind], None)
        for email in document["secondary_emails"]:
            if emails.get(email) == document["id"]:
                del emails[email]
        for anonymous in document["anonymous_ids"]:
            self._by["anonymous_id"].pop(anonymous, None)

    def joinable(self, documents: Iterable[Json]) -> bool:
        """Whether these are one person without contradiction: no two values of the same identifier among them."""
        seen: dict[str, str] = {}
        for document in documents:
            for kind in ("external_id", "email", "phone_number"):
                value = document[kind]
                if value and seen.setdefault(kind, value) != value:
                    return False
        return True

    def absorb(self, destination: Json, source: Json) -> None:
        """Take over what the source has and the destination lacks, and delete the source. There is no way back."""
        self.delete(source)
        for kind in ("external_id", "phone_number", "_kx", *PLAIN):
            destination[kind] = destination[kind] or source[kind]
        if destination["email"] is None:
            destination["email"] = source["email"]
        elif source["email"]:
            destination["secondary_emails"].append(source["email"])
        for many in ("anonymous_ids", "secondary_emails"):
            destination[many] += [one for one in source[many] if one not in destination[many]]
        for one in ("properties", "location"):
            destination[one] = {**source[one], **destination[one]}
        destination["created"] = min(destination["created"], source["created"])
        events = [moment for moment in (destination["last_event"], source["last_event"]) if moment is not None]
        destination["last_event"] = max(events, default=None)
        self.touch(destination)
        self._index(destination)

    def delete(self, document: Json) -> None:
        self.version += 1
        self._unindex(document)
        self._documents.delete(document["id"])


def _merge(kept: Json, given: Json | None, nulls_clear: bool) -> bool:
    if given is None:
        changed = bool(kept)
        kept.clear()
        return changed
    before = dict(kept)
    for name, value in given.items():
        if value is not None:
            kept[name] = value
        elif nulls_clear:
            kept.pop(name, None)
    return kept != before


def _patch(document: Json, meta: Json) -> bool:
    """`patch_properties` on single properties, `patch_identifiers` on secondary e-mail addresses."""
    properties, emails = document["properties"], document["secondary_emails"]
    before = (dict(properties), list(emails))
    wanted = meta.get("patch_properties") or {}
    for name, value in (wanted.get("append") or {}).items():
        properties[name] = [*_as_list(properties.get(name)), *_as_list(value)]
    for name, value in (wanted.get("unappend") or {}).items():
        properties[name] = [one for one in _as_list(properties.get(name)) if one not in _as_list(value)]
    for name in _as_list(wanted.get("unset")):
        properties.pop(name, None)
    identifiers = meta.get("patch_identifiers") or {}
    emails += [one for one in (identifiers.get("append") or {}).get("email", []) if one not in emails]
    gone = (identifiers.get("unappend") or {}).get("email", [])
    document["secondary_emails"] = [one for one in emails if one not in gone]
    return before != (properties, document["secondary_emails"])


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
