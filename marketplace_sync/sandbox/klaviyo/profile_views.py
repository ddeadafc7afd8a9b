"""How profiles are shown, with consent where it was asked for."""

from __future__ import annotations

from collections.abc import Iterable

from marketplace_sync.sandbox.klaviyo.answers import Json, moment
from marketplace_sync.sandbox.klaviyo.profiles import PLAIN

_PLACE = ("address1", "address2", "city", "country", "latitude", "longitude", "region", "zip", "timezone", "ip")


def as_resource(
    document: Json,
    base: str,
    *,
    subscriptions: Json | None = None,
    analytics: Json | None = None,
    conversations: bool = False,
) -> Json:
    """A profile as GET shows it. `subscriptions` and `analytics` are the additional fields, already in shape.

    Only the profile endpoints themselves relate profiles to their `conversations`.
    """
    here = f"{base}/api/profiles/{document['id']}"
    attributes: Json = {name: document[name] for name in ("email", "phone_number", "external_id", *PLAIN)}
    attributes |= {
        "created": moment(document["created"]),
        "updated": moment(document["updated"]),
        "last_event_date": moment(document["last_event"]),
        "location": {name: document["location"].get(name) for name in _PLACE},
        "properties": document["properties"],
    }
    if subscriptions is not None:
        attributes["subscriptions"] = subscriptions
    if analytics is not None:
        attributes["predictive_analytics"] = analytics
    related = ("lists", "segments", "push-tokens", *(("conversations",) if conversations else ()))
    return {
        "type": "profile",
        "id": document["id"],
        "attributes": attributes,
        "relationships": {name: relation(here, name) for name in related},
        "links": {"self": f"{here}/"},
    }


def relation(here: str, name: str, kind: str = "", keys: Iterable[str] | None = None) -> Json:
    """A relationship member with its links; with `keys` also its data."""
    found: Json = {"links": {"self": f"{here}/relationships/{name}", "related": f"{here}/{name}"}}
    if keys is not None:
        found["data"] = [{"type": kind, "id": key} for key in keys]
    return found
