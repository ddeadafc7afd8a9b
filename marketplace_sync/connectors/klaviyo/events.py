"""Customer events as the vendor wants them: checked against its limits, cut down where they exceed them, encoded."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import msgspec

from marketplace_sync.connectors.klaviyo import people
from marketplace_sync.connectors.klaviyo.fitting import fitted
from marketplace_sync.domain.effects import TrackEvent
from marketplace_sync.domain.money import json_number

SYNC_KEY = "SyncKey"
"""Our key inside the properties: reading events back does not return `unique_id` (Klaviyo, reading events)."""
MAX_EVENT_BYTES = 5_000_000
_ENVELOPE_BYTES = 20_000
"""Room for everything of an event besides its properties, and for the job around it."""
_EARLIEST = datetime(1990, 1, 2, tzinfo=UTC)
_CURRENCY = re.compile(r"[A-Z]{3}")


class PreparedEvent(msgspec.Struct, frozen=True):
    """An event ready to be sent alone or in a job."""

    unique_id: str
    metric: str
    profile: dict[str, Any]
    """Profile attributes: identifiers and what else is known of the person."""
    body: dict[str, Any]
    """The event's attributes without the profile."""
    notes: tuple[str, ...]
    """What was cut to fit the vendor's limits, in words."""


def problem_with(event: TrackEvent) -> str | None:
    """Why the vendor would refuse or misplace this event, in words; None when nothing is wrong with it."""
    if not event.metric.strip() or len(event.metric) >= 128:
        return "its metric has no name, or one of 128 or more characters"
    if not event.unique_id:
        return "it has no unique id, so that a repeat could not be told from a second event"
    if event.occurred_at.tzinfo is None:
        return "its time has no zone"
    if event.occurred_at < _EARLIEST:
        return f"its time, {event.occurred_at:%Y-%m-%d}, is before 1990"
    if event.value is not None and not _CURRENCY.fullmatch(event.currency):
        return f"its value has the currency {event.currency!r}, which is not a three-letter code"
    if not people.identity(event.identifiers):
        return "it names nobody: neither an e-mail address nor an external id"
    return people.problem_with(event.identifiers)


def instant(moment: datetime) -> str:
    """`2026-11-19T08:30:00Z`: the zone is always stated, and the vendor keeps whole seconds (Klaviyo, events)."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def prepared(event: TrackEvent) -> PreparedEvent:
    """The event within the vendor's limits. Only for events without a problem."""
    known, unknown = people.attributes(event.profile)
    properties, notes = fitted(
        {SYNC_KEY: event.sync_key, **event.properties}, MAX_EVENT_BYTES - _ENVELOPE_BYTES, keep=(SYNC_KEY,)
    )
    notes.extend(f"profile attribute {name}: unknown to Klaviyo, left out" for name in unknown)
    body: dict[str, Any] = {
        "metric": {"data": {"type": "metric", "attributes": {"name": event.metric}}},
        "properties": properties,
        "time": instant(event.occurred_at),
        "unique_id": event.unique_id,
    }
    if event.value is not None:
        body["value"] = json_number(event.value, event.currency)
        body["value_currency"] = event.currency
    if event.backfill:
        body["backfill"] = True
    return PreparedEvent(
        unique_id=event.unique_id,
        metric=event.metric,
        profile={**people.identity(event.identifiers), **known},
        body=body,
        notes=tuple(notes),
    )


def single(event: PreparedEvent) -> bytes:
    """The body of a single event call."""
    profile = {"data": {"type": "profile", "attributes": event.profile}}
    return msgspec.json.encode({"data": {"type": "event", "attributes": {**event.body, "profile": profile}}})
