"""Profiles as the vendor wants them: minimal identifiers, nothing unknown, phone numbers only when they are sure."""

from __future__ import annotations

from typing import Any

import msgspec

from marketplace_sync.connectors.klaviyo import people
from marketplace_sync.connectors.klaviyo.fitting import fitted
from marketplace_sync.domain.effects import UpsertProfile

MAX_PROFILE_BYTES = 100_000
_ENVELOPE_BYTES = 10_000
"""Room for identifiers, names and the place besides the properties."""
_SECONDARY = ("phone_number", "external_id")
"""Which identifier gives way when two of them belong to different profiles, first one first."""


class PreparedProfile(msgspec.Struct, frozen=True):
    attributes: dict[str, Any]
    left_out: tuple[str, ...]
    """What was not sent, in words."""

    @property
    def person(self) -> tuple[str, ...]:
        return tuple(
            str(self.attributes.get(key, "")).strip().lower() for key in ("email", "external_id", "phone_number")
        )

    def encoded(self) -> bytes:
        return msgspec.json.encode({"type": "profile", "attributes": self.attributes})

    def without_secondary(self) -> PreparedProfile | None:
        """The profile under one identifier fewer; None when it has only one (Klaviyo, duplicate profiles)."""
        if sum(key in self.attributes for key in ("email", *_SECONDARY)) < 2:
            return None
        dropped = next(key for key in _SECONDARY if key in self.attributes)
        kept = {key: value for key, value in self.attributes.items() if key != dropped}
        return PreparedProfile(kept, (*self.left_out, f"{dropped}: it belongs to another profile"))


def prepared(profile: UpsertProfile) -> PreparedProfile | str:
    """The profile within the vendor's limits, or why it cannot be sent, in words."""
    known, unknown = people.attributes(profile.attributes)
    left_out = [f"attribute {name}: unknown to Klaviyo" for name in unknown]
    identifiers = people.identity(profile.identifiers)
    stated = profile.identifiers.get("phone_number") or profile.attributes.get("phone_number")
    if stated:
        phone = people.international(str(stated))
        if phone:
            identifiers["phone_number"] = phone
        else:
            left_out.append("phone_number: not a valid number with its country code")
    if problem := people.problem_with(identifiers):
        return problem
    properties, cut = fitted(profile.properties, MAX_PROFILE_BYTES - _ENVELOPE_BYTES)
    attributes = {**identifiers, **known}
    if properties:
        attributes["properties"] = properties
    ready = PreparedProfile(attributes, (*left_out, *cut))
    if len(ready.encoded()) > MAX_PROFILE_BYTES:
        return "it is larger than the 100 KB that Klaviyo takes for a profile"
    return ready
