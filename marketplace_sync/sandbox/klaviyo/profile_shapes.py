"""What a profile looks like in requests."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from marketplace_sync.sandbox.klaviyo.answers import Fault, Json, Refusal, invalid
from marketplace_sync.sandbox.klaviyo.reading import Body, check_phone, clean_email

Text = str | None | UnsetType
EXTERNAL_ID_LENGTH = 255


class Location(Body):
    address1: Text = UNSET
    address2: Text = UNSET
    city: Text = UNSET
    country: Text = UNSET
    region: Text = UNSET
    zip: Text = UNSET
    timezone: Text = UNSET
    ip: Text = UNSET
    latitude: str | float | UnsetType | None = UNSET
    longitude: str | float | UnsetType | None = UNSET


class Attributes(Body):
    """Everything a profile can be given. Null and absent are told apart: null clears, absence leaves."""

    email: Text = UNSET
    phone_number: Text = UNSET
    external_id: Text = UNSET
    kx: Text = msgspec.field(default=UNSET, name="_kx")
    first_name: Text = UNSET
    last_name: Text = UNSET
    organization: Text = UNSET
    locale: Text = UNSET
    title: Text = UNSET
    image: Text = UNSET
    location: Location | UnsetType = UNSET
    properties: dict[str, Any] | UnsetType | None = UNSET


class PatchProperties(Body):
    append: dict[str, Any] | None = None
    unappend: dict[str, Any] | None = None
    unset: str | list[str] | None = None


class PatchIdentifiers(Body):
    append: dict[str, Any] | None = None
    unappend: dict[str, Any] | None = None


class Meta(Body):
    """Changes to single properties and to secondary e-mail addresses."""

    patch_properties: PatchProperties | None = None
    patch_identifiers: PatchIdentifiers | None = None


class EventAttributes(Attributes):
    """In events a profile may also be known by its browser; until 2026-07-15 `meta` sat in here."""

    anonymous_id: Text = UNSET
    meta: Meta | UnsetType = UNSET


class EventProfile(Body):
    type: Literal["profile"]
    attributes: EventAttributes
    id: str | None = None
    meta: Meta | UnsetType = UNSET


class EventProfileRelation(Body):
    data: EventProfile


class CreateResource(Body):
    type: Literal["profile"]
    attributes: Attributes


class Create(Body):
    data: CreateResource


class UpdateResource(Body):
    type: Literal["profile"]
    id: str
    attributes: Attributes
    meta: Meta | UnsetType = UNSET


class Update(Body):
    data: UpdateResource


class UpsertResource(Body):
    type: Literal["profile"]
    attributes: Attributes
    id: str | None = None
    meta: Meta | UnsetType = UNSET


class Upsert(Body):
    data: UpsertResource


class Reference(Body):
    type: Literal["profile"]
    id: str


class References(Body):
    data: list[Reference]


class MergeRelations(Body):
    profiles: References


class MergeResource(Body):
    type: Literal["profile-merge"]
    id: str
    relationships: MergeRelations


class Merge(Body):
    data: MergeResource


def as_row(
    attributes: Attributes,
    pointer: str,
    *,
    id: str | None = None,
    meta: Meta | UnsetType = UNSET,
    ineligible: frozenset[str] = frozenset(),
) -> Json:
    """A profile as it is queued and applied: `{"id", "attributes", "meta"}`, identifiers checked and normalised.

    `pointer` is where the attributes are in the body. Raises a 400 for a malformed e-mail address, a phone number that
    is not E.164, and an external id that is too long.
    """
    found: Json = msgspec.to_builtins(attributes)
    found.pop("meta", None)
    if found.get("email"):
        found["email"] = clean_email(found["email"], f"{pointer}/email")
    if found.get("phone_number"):
        check_phone(found["phone_number"], f"{pointer}/phone_number", ineligible)
    if len(found.get("external_id") or "") > EXTERNAL_ID_LENGTH:
        raise invalid(f"external_id must be at most {EXTERNAL_ID_LENGTH} characters", f"{pointer}/external_id")
    row: Json = {"id": id, "attributes": found}
    if isinstance(meta, Meta):
        row["meta"] = _patches(meta, pointer)
    return row


def _patches(meta: Meta, pointer: str) -> Json:
    found: Json = msgspec.to_builtins(meta)
    identifiers = found.get("patch_identifiers") or {}
    for verb in ("append", "unappend"):
        for kind, value in (identifiers.get(verb) or {}).items():
            if kind != "email":
                raise Refusal(400, [Fault(f"'{kind}' cannot be patched; only email can", f"{pointer}/meta")])
            values = value if isinstance(value, list) else [value]
            identifiers[verb][kind] = [clean_email(str(one), f"{pointer}/meta") for one in values]
    return found


def has_identifier(row: Json) -> bool:
    """Whether the profile can be found or made at all (at least one identifier)."""
    attributes = row["attributes"]
    return bool(row["id"]) or any(attributes.get(kind) for kind in IDENTIFIERS)


IDENTIFIERS = ("external_id", "email", "phone_number", "_kx", "anonymous_id")
"""In the order in which they decide, after the vendor's own id. The vendor's order is not published: an assumption."""
