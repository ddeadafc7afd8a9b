"""Who an event or a profile is about, as the vendor's profile attributes: identifiers, names, places, phone numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import phonenumbers

ATTRIBUTES = frozenset(("first_name", "last_name", "organization", "locale", "title", "image", "location"))
_LOCATION = frozenset(
    ("address1", "address2", "city", "region", "country", "zip", "latitude", "longitude", "timezone", "ip")
)
MAX_EXTERNAL_ID = 255


def international(phone: str) -> str | None:
    """The number as E.164, None unless it is a possible number stated with its country code: no country is guessed."""
    try:
        number = phonenumbers.parse(phone, None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def identity(identifiers: Mapping[str, str]) -> dict[str, str]:
    """`email` and `external_id` as given, for an event. A phone number never identifies the person of an event: it may
    belong to somebody else's profile, and a malformed one would refuse the whole event (Klaviyo, identity rules)."""
    return {key: identifiers[key] for key in ("email", "external_id") if identifiers.get(key)}


def problem_with(identifiers: Mapping[str, str]) -> str | None:
    """Why the vendor could not know the person by these, in words."""
    if not any(identifiers.get(key) for key in ("email", "external_id", "phone_number")):
        return "it names nobody: neither an e-mail address nor an external id"
    if len(identifiers.get("external_id", "")) > MAX_EXTERNAL_ID:
        return f"the external id is longer than {MAX_EXTERNAL_ID} characters"
    return None


def attributes(stated: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Profile attributes without what is unknown, and the names of those the vendor does not have.

    Never a null and never an empty text: in an import a null wipes what the vendor knows (Klaviyo, profile import).
    """
    found: dict[str, Any] = {}
    unknown = [key for key in stated if key not in ATTRIBUTES and key not in ("phone_number", "properties")]
    for key in ATTRIBUTES & stated.keys():
        value = stated[key]
        if key == "location" and isinstance(value, Mapping):
            unknown.extend(f"location.{part}" for part in value if part not in _LOCATION)
            value = {part: value[part] for part in value if part in _LOCATION and value[part] not in (None, "")}
        if key == "locale" and isinstance(value, str):
            value = value.replace("_", "-")
        if value not in (None, "", {}):
            found[key] = value
    return found, sorted(unknown)
