"""Event jobs: up to a thousand events in one request, grouped by profile, and which event an error points at."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from marketplace_sync.connectors.klaviyo.events import PreparedEvent

MAX_EVENTS = 1_000
MAX_JOB_BYTES = 5_000_000
_ENVELOPE_BYTES = 500
_GROUP_BYTES = 150
_POINTER = re.compile(r"/events[-_]bulk[-_]create/data/(\d+)(?:/attributes/events/data/(\d+))?")


class Row(msgspec.Struct, frozen=True):
    """One event of a job: where its effect stands in the batch, whose it is, and its bytes."""

    position: int
    person: tuple[tuple[str, str], ...]
    """The identifiers it is sent under: events of one person share a group."""
    event: PreparedEvent
    encoded: bytes

    @property
    def key(self) -> tuple[Any, ...]:
        """What the vendor tells events apart by; it fails a whole job over a repeat (Klaviyo, bulk events)."""
        return (self.person, self.event.metric, self.event.unique_id)


def row(position: int, event: PreparedEvent) -> Row:
    person = tuple(
        (key, event.profile[key].strip().lower() if key == "email" else event.profile[key])
        for key in ("email", "external_id")
        if key in event.profile
    )
    encoded = msgspec.json.encode({"type": "event", "attributes": event.body})
    return Row(position, person, event, encoded)


def split(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Rows in jobs of at most 1,000 events and 5 MB as sent (Klaviyo, bulk events)."""
    job: list[Row] = []
    size = _ENVELOPE_BYTES
    for one in rows:
        # Counted as if every event had a group of its own: a few bytes too many, never too few.
        needed = len(one.encoded) + len(msgspec.json.encode(one.event.profile)) + _GROUP_BYTES
        if job and (len(job) == MAX_EVENTS or size + needed > MAX_JOB_BYTES):
            yield job
            job, size = [], _ENVELOPE_BYTES
        job.append(one)
        size += needed
    if job:
        yield job


def grouped(rows: Sequence[Row]) -> list[list[Row]]:
    """Rows by person, in order of first appearance."""
    groups: dict[tuple[tuple[str, str], ...], list[Row]] = {}
    for one in rows:
        groups.setdefault(one.person, []).append(one)
    return list(groups.values())


def body(rows: Sequence[Row]) -> bytes:
    """The request of one job. What is known of a person is what its latest event says."""
    groups = [_group(members) for members in grouped(rows)]
    return msgspec.json.encode(
        {
            "data": {
                "type": "event-bulk-create-job",
                "attributes": {"events-bulk-create": {"data": groups}},
            }
        }
    )


def pointed_at(rows: Sequence[Row], pointer: str) -> list[Row]:
    """The rows that a JSON pointer into their job concerns: one event, or all of a person. Empty: it names none."""
    found = _POINTER.search(pointer)
    if found is None:
        return []
    groups = grouped(rows)
    if int(found.group(1)) >= len(groups):
        return []
    group = groups[int(found.group(1))]
    if found.group(2) is None:
        return list(group)
    index = int(found.group(2))
    return [group[index]] if index < len(group) else []


def _group(rows: Sequence[Row]) -> dict[str, Any]:
    profile: dict[str, Any] = {}
    for one in sorted(rows, key=lambda one: str(one.event.body["time"])):
        profile.update(one.event.profile)
    return {
        "type": "event-bulk-create",
        "attributes": {
            "backfill": True,
            "profile": {"data": {"type": "profile", "attributes": profile}},
            "events": {"data": [msgspec.Raw(one.encoded) for one in rows]},
        },
    }
