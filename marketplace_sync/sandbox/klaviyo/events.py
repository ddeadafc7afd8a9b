"""The event store: one event per profile, metric and key; found by time, by metric and by profile."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.klaviyo.answers import Json, moment
from marketplace_sync.sandbox.klaviyo.identity import Ids
from marketplace_sync.sandbox.klaviyo.metrics import MetricBook
from marketplace_sync.sandbox.klaviyo.profile_shapes import IDENTIFIERS
from marketplace_sync.sandbox.klaviyo.profiles import ProfileBook
from marketplace_sync.sandbox.state import State

Key = tuple[int, int]
"""(unix second, number of arrival): the order of events."""


class Timeline:
    """Keys in order. Adding is cheap; sorting happens when somebody looks."""

    def __init__(self) -> None:
        self._sorted: list[Key] = []
        self._added: list[Key] = []

    def add(self, key: Key) -> None:
        self._added.append(key)

    def ordered(self) -> list[Key]:
        if self._added:
            self._sorted += self._added
            # The old part is one sorted run, so this is a merge and not a sort.
            self._sorted.sort()
            self._added = []
        return self._sorted

    def __len__(self) -> int:
        return len(self._sorted) + len(self._added)


def dedupe_key(unique_id: str | None, time: int) -> str:
    """What makes an event the same again for its profile and metric: its key, or else its second (Klaviyo, events)."""
    return f"id:{unique_id}" if unique_id else f"second:{time}"


class EventBook:
    """The events of the account. The first one *processed* of a (profile, metric, key) stays, later ones vanish."""

    def __init__(self, state: State, clock: Clock, ids: Ids, profiles: ProfileBook, metrics: MetricBook) -> None:
        self._state = state
        self._documents = state.collection("events")
        self._repeats = state.collection("event_repeats")
        self._clock = clock
        self._ids = ids
        self._profiles = profiles
        self._metrics = metrics
        self.sms_enabled = True
        self.on_stored: Callable[[Json, Json], None] = lambda event, profile: None
        """Told of every new event and its profile (flows listen)."""
        self.on_join: Callable[[Json, Json], None] = lambda destination, source: None
        """Asked to join two profiles that an event showed to be one person."""
        self.reload()

    def reload(self) -> None:
        """Rebuild the indexes from what is kept."""
        self.everything = Timeline()
        self._by_number: dict[int, str] = {}
        self._by_metric: dict[str, Timeline] = {}
        self._by_profile: dict[str, Timeline] = {}
        self._seen: dict[tuple[str, str, str], str] = {}
        for document in self._documents.values():
            self._index(document)

    def __len__(self) -> int:
        return len(self._documents)

    def get(self, key: str) -> Json | None:
        return self._documents.get(key)

    def at(self, key: Key) -> Json:
        return self._documents[self._by_number[key[1]]]

    def values(self) -> Iterator[Json]:
        return self._documents.values()

    def timeline(self, *, profile: str | None = None, metric: str | None = None) -> Timeline:
        """The keys of all events, of one profile, or of one metric (the profile wins when both are given)."""
        if profile is not None:
            return self._by_profile.get(profile, Timeline())
        if metric is not None:
            return self._by_metric.get(metric, Timeline())
        return self.everything

    def seen(self, profile: str, metric: str, key: str) -> bool:
        return (profile, metric, key) in self._seen

    def process(self, content: Json) -> None:
        """Do what was accepted: `{"groups": [{"profile": row, "events": [row, …]}], "received": unix seconds}`."""
        for group in content["groups"]:
            profile = self._owner(group["profile"])
            if profile is None:
                continue
            for row in group["events"]:
                self._store(profile, row, content["received"])

    def _owner(self, row: Json) -> Json | None:
        matches = self._profiles.matches(row)
        if not matches:
            named = [kind for kind in IDENTIFIERS if row["attributes"].get(kind)]
            if not named or (named == ["phone_number"] and not self.sms_enabled):
                return None  # an id nobody has, or a phone number in an account without SMS: accepted, then lost
            return self._profiles.create(row)
        owner, others = matches[0], matches[1:]
        if others and self._profiles.joinable(matches):
            for other in others:
                self.on_join(owner, other)
        elif others:
            row = _without_identifiers_of(others, row)
        self._profiles.apply(owner, row)
        return owner

    def _store(self, profile: Json, row: Json, received: float) -> None:
        metric = self._metrics.ensure(row["metric"], row["service"])
        key = dedupe_key(row["unique_id"], row["time"])
        if (profile["id"], metric["id"], key) in self._seen:
            self._note_repeat(metric["name"], key)
            return
        number = self._state.counter("event")
        document: Json = {
            "id": self._ids.scatter(number, 11),
            "number": number,
            "metric": metric["id"],
            "profile": profile["id"],
            "time": row["time"],
            "properties": row["properties"],
            "value": row["value"],
            "currency": row["currency"],
            "unique_id": row["unique_id"],
            "backfill": row["backfill"],
            "received": received,
        }
        self._documents.put(document["id"], document)
        self._index(document)
        if profile["last_event"] is None or row["time"] > profile["last_event"]:
            profile["last_event"] = row["time"]
            self._profiles.put(profile)
        self.on_stored(document, profile)

    def _note_repeat(self, metric: str, key: str) -> None:
        """What the vendor drops without a word, kept for those who want to know how often it was sent again."""
        times = (self._repeats.get(f"{metric} {key}") or {"times": 0})["times"] + 1
        self._repeats.put(f"{metric} {key}", {"metric": metric, "key": key, "times": times})

    def _index(self, document: Json) -> None:
        key = (document["time"], document["number"])
        self._by_number[document["number"]] = document["id"]
        self.everything.add(key)
        self._by_metric.setdefault(document["metric"], Timeline()).add(key)
        if document["profile"] is not None:
            self._by_profile.setdefault(document["profile"], Timeline()).add(key)
            dedupe = dedupe_key(document["unique_id"], document["time"])
            self._seen.setdefault((document["profile"], document["metric"], dedupe), document["id"])

    def of_profile(self, profile: str) -> list[Json]:
        return [self.at(key) for key in self.timeline(profile=profile).ordered()]

    def move(self, source: str, destination: str) -> None:
        """After a merge the events of the source belong to the survivor."""
        for document in self.of_profile(source):
            dedupe = dedupe_key(document["unique_id"], document["time"])
            self._seen.pop((source, document["metric"], dedupe), None)
            document["profile"] = destination
            self._documents.put(document["id"], document)
            self._seen.setdefault((destination, document["metric"], dedupe), document["id"])
            self._by_profile.setdefault(destination, Timeline()).add((document["time"], document["number"]))
        self._by_profile.pop(source, None)

    def redact(self, profile: Json) -> None:
        """The profile is forgotten: its events stay, without an owner and with personal values blacked out."""
        personal = [profile[kind] for kind in ("email", "phone_number", "first_name", "last_name", "external_id")]
        hidden = [*(one for one in personal if one), *profile["secondary_emails"]]
        for document in self.of_profile(profile["id"]):
            dedupe = dedupe_key(document["unique_id"], document["time"])
            self._seen.pop((profile["id"], document["metric"], dedupe), None)
            document["properties"] = _redacted(document["properties"], hidden)
            document["profile"] = None
            self._documents.put(document["id"], document)
        self._by_profile.pop(profile["id"], None)


def _without_identifiers_of(others: list[Json], row: Json) -> Json:
    taken = {(kind, other[kind]) for other in others for kind in ("external_id", "email", "phone_number", "_kx")}
    taken |= {("email", email) for other in others for email in other["secondary_emails"]}
    taken |= {("anonymous_id", one) for other in others for one in other["anonymous_ids"]}
    kept = {name: value for name, value in row["attributes"].items() if not _in(taken, name, value)}
    return {**row, "attributes": kept}


def _in(taken: set[tuple[str, Any]], name: str, value: Any) -> bool:
    return isinstance(value, str) and (name, value) in taken


ADDRESSES = ("BillingAddress", "ShippingAddress")


def _redacted(value: Any, hidden: list[str], everything: bool = False) -> Any:
    if isinstance(value, dict):
        return {name: _redacted(one, hidden, everything or name in ADDRESSES) for name, one in value.items()}
    if isinstance(value, list):
        return [_redacted(one, hidden, everything) for one in value]
    if isinstance(value, str) and (everything or value in hidden):
        return "redacted"
    return value


def as_resource(document: Json, base: str, *, legacy: bool, metric_known: bool) -> Json:
    """An event as GET shows it: without key, value and currency, unless `legacy` adds the undocumented properties."""
    properties = dict(document["properties"])
    if legacy:
        properties["$event_id"] = document["unique_id"] or str(document["time"])
        if document["value"] is not None:
            properties["$value"] = document["value"]
        if document["currency"] is not None:
            properties["$value_currency"] = document["currency"]
    here = f"{base}/api/events/{document['id']}"
    relationships: Json = {}
    for name, key in (("profile", document["profile"]), ("metric", document["metric"] if metric_known else None)):
        links = {"self": f"{here}/relationships/{name}", "related": f"{here}/{name}"}
        relationships[name] = {"links": links} if key is None else {"data": {"type": name, "id": key}, "links": links}
    return {
        "type": "event",
        "id": document["id"],
        "attributes": {
            "timestamp": document["time"],
            "event_properties": properties,
            "datetime": moment(document["time"]),
            "uuid": str(uuid.uuid5(uuid.NAMESPACE_OID, document["id"])),
        },
        "relationships": relationships,
        "links": {"self": f"{here}/"},
    }
