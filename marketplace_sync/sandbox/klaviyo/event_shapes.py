"""What events look like in requests, one at a time and in bulk, and the rules no schema states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from marketplace_sync.sandbox.klaviyo.answers import Json, invalid
from marketplace_sync.sandbox.klaviyo.profile_shapes import EventProfile, EventProfileRelation, Meta, as_row
from marketplace_sync.sandbox.klaviyo.profile_shapes import has_identifier as identified
from marketplace_sync.sandbox.klaviyo.reading import Body, check_currency, read_raw, read_time

PROPERTIES_PER_EVENT = 400
STRING_BYTES = 100_000
ARRAY_ITEMS = 4_000
NESTING = 10
METRIC_NAME_LENGTH = 128
YEAR = 366 * 86_400


class MetricAttributes(Body):
    name: str
    service: str | None = None


class Metric(Body):
    type: Literal["metric"]
    attributes: MetricAttributes


class MetricRelation(Body):
    data: Metric


class Bare(Body):
    """An event without its profile, as bulk groups hold it."""

    properties: msgspec.Raw
    metric: MetricRelation
    time: str | None = None
    value: int | float | None = None
    value_currency: str | None = None
    unique_id: str | None = None
    backfill: bool | None = None


class Single(Bare, kw_only=True):
    profile: EventProfileRelation


class SingleResource(Body):
    type: Literal["event"]
    attributes: Single


class SingleEvent(Body):
    data: SingleResource


class BareResource(Body):
    type: Literal["event"]
    attributes: Bare


class BareEvents(Body):
    data: list[BareResource]


class Group(Body):
    profile: EventProfileRelation
    events: BareEvents
    backfill: bool | None = None


class GroupResource(Body):
    type: Literal["event-bulk-create"]
    attributes: Group


class Groups(Body):
    data: list[GroupResource]


class BulkAttributes(Body):
    groups: Groups = msgspec.field(name="events-bulk-create")


class BulkResource(Body):
    type: Literal["event-bulk-create-job"]
    attributes: BulkAttributes


class Bulk(Body):
    data: BulkResource


@dataclass(frozen=True)
class EventRules:
    """What depends on the revision a request names, and on when it arrives (unix seconds)."""

    now: float
    earliest: float
    """1990 since 2026-07-15, 2000 before."""
    backfill: Literal["known", "refused", "ignored"]
    """Known since 2026-04-15."""
    profile_meta_outside: bool
    """Single events: `meta` beside the profile's attributes since 2026-10-15, among them before."""
    ineligible_phones: frozenset[str] = frozenset()


def profile_row(profile: EventProfile, pointer: str, rules: EventRules, *, bulk: bool) -> Json:
    """The profile of an event, checked. Raises a 400: a malformed phone number takes the whole event with it."""
    outside = bulk or rules.profile_meta_outside
    inner = profile.attributes.meta
    if outside and isinstance(inner, Meta):
        raise invalid("'meta' is not a valid field.", f"{pointer}/attributes/meta")
    if not outside and isinstance(profile.meta, Meta):
        raise invalid("'meta' is not a valid field.", f"{pointer}/meta")
    row = as_row(
        profile.attributes,
        f"{pointer}/attributes",
        id=profile.id,
        meta=profile.meta if outside else inner,
        ineligible=rules.ineligible_phones,
    )
    if not identified(row):
        raise invalid("One of the profile identifiers is required.", f"{pointer}/attributes")
    return row


def event_row(event: Bare, pointer: str, rules: EventRules, *, group_backfill: bool = False) -> Json:
    """An event as it is queued: metric and service, properties, time (whole unix seconds), value, key. Raises a 400."""
    metric = event.metric.data.attributes
    if not metric.name.strip() or len(metric.name) >= METRIC_NAME_LENGTH:
        raise invalid(
            f"The metric name must have 1 to {METRIC_NAME_LENGTH - 1} characters.",
            f"{pointer}/metric/data/attributes/name",
        )
    time = rules.now if event.time is None else read_time(event.time, f"{pointer}/time")
    if time < rules.earliest or time > rules.now + YEAR:
        raise invalid("The time of an event must not be that long ago, nor over a year ahead.", f"{pointer}/time")
    if event.value_currency is not None:
        check_currency(event.value_currency, f"{pointer}/value_currency")
    return {
        "metric": metric.name,
        "service": metric.service or "api",
        "properties": _properties(event.properties, f"{pointer}/properties"),
        "time": int(time),
        "value": event.value,
        "currency": event.value_currency,
        "unique_id": event.unique_id or None,
        "backfill": is_backfill(event, pointer, rules) or group_backfill,
    }


def is_backfill(one: Bare | Group, pointer: str, rules: EventRules) -> bool:
    """Whether flows must not start. Raises a 400 under a revision that refuses the word."""
    if one.backfill is not None and rules.backfill == "refused":
        raise invalid("'backfill' is not a valid field.", f"{pointer}/backfill")
    return bool(one.backfill) and rules.backfill == "known"


def _properties(raw: msgspec.Raw, pointer: str) -> Json:
    found = read_raw(raw, pointer)
    if len(found) > PROPERTIES_PER_EVENT:
        raise invalid(f"An event may have at most {PROPERTIES_PER_EVENT} properties.", pointer)
    text = bytes(raw)
    # A walk costs time: only what is big or nested enough to break a limit is walked.
    if len(text) > ARRAY_ITEMS or text.count(b"{") + text.count(b"[") > NESTING:
        _walk(found, 1, pointer)
    return found


def _walk(value: Any, depth: int, pointer: str) -> None:
    if isinstance(value, str):
        if len(value.encode()) > STRING_BYTES:
            raise invalid("A single string must not be larger than 100 KB.", pointer)
        return
    if not isinstance(value, (dict, list)):
        return
    if depth > NESTING:
        raise invalid(f"Properties may be nested at most {NESTING} levels deep.", pointer)
    if isinstance(value, list) and len(value) > ARRAY_ITEMS:
        raise invalid(f"An array may have at most {ARRAY_ITEMS} items.", pointer)
    for key, one in value.items() if isinstance(value, dict) else enumerate(value):
        _walk(one, depth + 1, f"{pointer}/{key}")
