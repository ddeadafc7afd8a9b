"""The event endpoints: accept and queue, then let events be read back."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Literal

from marketplace_sync.sandbox.klaviyo import events as store
from marketplace_sync.sandbox.klaviyo import metrics
from marketplace_sync.sandbox.klaviyo.answers import Answer, Fault, Json, Refusal, invalid, not_found
from marketplace_sync.sandbox.klaviyo.call import Call
from marketplace_sync.sandbox.klaviyo.event_shapes import (
    Bulk,
    EventRules,
    SingleEvent,
    event_row,
    is_backfill,
    profile_row,
)
from marketplace_sync.sandbox.klaviyo.filters import Condition, meets
from marketplace_sync.sandbox.klaviyo.paging import Key
from marketplace_sync.sandbox.klaviyo.profile_shapes import IDENTIFIERS
from marketplace_sync.sandbox.klaviyo.reading import read

if TYPE_CHECKING:
    from marketplace_sync.sandbox.klaviyo.account import Account

EVENTS_PER_REQUEST = 1_000
YEAR_1990, YEAR_2000 = 631_152_000, 946_684_800


class EventRoutes:
    def __init__(self, account: Account) -> None:
        self.account = account

    def _rules(self, call: Call) -> EventRules:
        older: Literal["refused", "ignored"] = "refused"
        if self.account.choices.old_revision_backfill == "ignore":
            older = "ignored"
        return EventRules(
            now=call.now,
            earliest=YEAR_1990 if call.revision >= "2026-07-15" else YEAR_2000,
            backfill="known" if call.revision >= "2026-04-15" else older,
            profile_meta_outside=call.revision >= "2026-10-15",
            ineligible_phones=self.account.choices.ineligible_phones,
        )

    def create(self, call: Call) -> Answer:
        event = read(SingleEvent, call.body).data.attributes
        rules = self._rules(call)
        at = "/data/attributes"
        profile = profile_row(event.profile.data, f"{at}/profile/data", rules, bulk=False)
        row = event_row(event, at, rules)
        self._queue([{"profile": profile, "events": [row]}], call)
        return Answer(202)

    def create_many(self, call: Call) -> Answer:
        groups = read(Bulk, call.body).data.attributes.groups.data
        rules = self._rules(call)
        at = "/data/attributes/events-bulk-create"
        if sum(len(group.attributes.events.data) for group in groups) > EVENTS_PER_REQUEST:
            raise invalid(f"A request may have at most {EVENTS_PER_REQUEST} events.", at)
        rows: list[Json] = []
        for number, resource in enumerate(groups):
            group, here = resource.attributes, f"{at}/data/{number}/attributes"
            backfill = is_backfill(group, here, rules)
            profile = profile_row(group.profile.data, f"{here}/profile/data", rules, bulk=True)
            found = [
                event_row(event.attributes, f"{here}/events/data/{place}/attributes", rules, group_backfill=backfill)
                for place, event in enumerate(group.events.data)
            ]
            rows.append({"profile": profile, "events": found})
        self._refuse_duplicates(rows, at)
        self._queue(rows, call)
        return Answer(202)

    def _queue(self, groups: list[Json], call: Call) -> None:
        content = {"groups": groups, "received": call.now}
        self.account.pipeline.later("events", content, self.account.choices.visibility_delay)

    def _refuse_duplicates(self, groups: list[Json], at: str) -> None:
        """A repeated key for one profile and metric fails the whole request, nothing of it is processed."""
        mode = self.account.choices.bulk_duplicates
        if mode == "off":
            return
        seen: set[tuple[str, str, str]] = set()
        for number, group in enumerate(groups):
            matches = self.account.profiles.matches(group["profile"])
            attributes = group["profile"]["attributes"]
            names = [f"{kind}:{attributes[kind]}" for kind in IDENTIFIERS if attributes.get(kind)]
            owner = matches[0]["id"] if matches else names[0] if names else str(group["profile"]["id"])
            for place, row in enumerate(group["events"]):
                if row["unique_id"] is None:
                    continue
                key = (owner, f"{row['service']}:{row['metric']}", row["unique_id"])
                stored = False
                if mode == "stored" and (metric := self.account.metrics.named(row["metric"], row["service"])):
                    stored = self.account.events.seen(owner, metric["id"], store.dedupe_key(row["unique_id"], 0))
                if key in seen or stored:
                    pointer = f"{at}/data/{number}/attributes/events/data/{place}/attributes/unique_id"
                    raise Refusal(400, [Fault(f"The unique_id {row['unique_id']} is repeated.", pointer)])
                seen.add(key)

    def listed(self, call: Call) -> Answer:
        conditions = call.conditions
        chosen = {one.field: one.value for one in conditions if isinstance(one.value, str)}
        timeline = self.account.events.timeline(profile=chosen.get("profile_id"), metric=chosen.get("metric_id"))
        keys = timeline.ordered()
        low, high = _bounds(keys, conditions)
        whole = call.revision >= "2026-07-15"
        rest = [one for one in conditions if one.field in ("metric_id", "profile_id", "metric", "profile")]

        def accept(key: Key) -> bool:
            event = self.account.events.at(key)
            metric = self.account.metrics.get(event["metric"])
            seen = {"metric_id": event["metric"], "profile_id": event["profile"]}
            seen |= {"metric": metric, "profile": event["profile"]}
            return (whole or metric is not None) and all(meets(one, seen[one.field]) for one in rest)

        needed = bool(rest) or not whole
        descending = call.sort[1] if call.sort[0] else True
        page = call.page(keys, accept if needed else lambda key: True, descending=descending, low=low, high=high)
        found = [self.account.events.at((int(key[0]), int(key[1]))) for key in page.keys]
        return call.many([self._shown(call, event) for event in found], page, self._included(call, found))

    def one(self, call: Call) -> Answer:
        event = self._event(call)
        return call.one(self._shown(call, event), self._included(call, [event]))

    def metric_of(self, call: Call) -> Answer:
        return call.one(metrics.as_resource(self._metric(call), call.base))

    def metric_id_of(self, call: Call) -> Answer:
        return call.one({"type": "metric", "id": self._metric(call)["id"]})

    def profile_of(self, call: Call) -> Answer:
        return call.one(self.account.show_profile(call, self._profile(call)))

    def profile_id_of(self, call: Call) -> Answer:
        return call.one({"type": "profile", "id": self._profile(call)["id"]})

    def _event(self, call: Call) -> Json:
        event = self.account.events.get(call.path["id"])
        if event is None:
            raise not_found("event", call.path["id"])
        return event

    def _metric(self, call: Call) -> Json:
        key = self._event(call)["metric"]
        metric = self.account.metrics.get(key)
        if metric is None:
            raise not_found("metric", key)
        return metric

    def _profile(self, call: Call) -> Json:
        key = self._event(call)["profile"]
        profile = self.account.profiles.get(key)
        if profile is None:
            raise not_found("profile", str(key))
        return profile

    def _shown(self, call: Call, event: Json) -> Json:
        known = self.account.metrics.get(event["metric"]) is not None
        legacy = self.account.choices.legacy_event_properties
        resource = store.as_resource(event, call.base, legacy=legacy, metric_known=known)
        if "attributions" in call.include:
            here = f"{call.base}/api/events/{event['id']}"
            links = {"self": f"{here}/relationships/attributions", "related": f"{here}/attributions"}
            resource["relationships"]["attributions"] = {"data": [], "links": links}
        return resource

    def _included(self, call: Call, found: list[Json]) -> list[Json]:
        included: list[Json] = []
        if "metric" in call.include:
            wanted = [self.account.metrics.get(key) for key in dict.fromkeys(event["metric"] for event in found)]
            included += [metrics.as_resource(one, call.base) for one in wanted if one is not None]
        if "profile" in call.include:
            people = [self.account.profiles.get(key) for key in dict.fromkeys(event["profile"] for event in found)]
            included += [self.account.show_profile(call, one) for one in people if one is not None]
        return included


def _bounds(keys: list[store.Key], conditions: list[Condition]) -> tuple[int, int]:
    """The part of the sorted keys that the time conditions leave."""
    low, high = 0, len(keys)
    for one in conditions:
        if one.field not in ("datetime", "timestamp"):
            continue
        strict = one.operator in ("greater-than", "less-or-equal")
        edge = bisect_left(keys, (one.value, float("inf") if strict else -1))
        if one.operator.startswith("greater"):
            low = max(low, edge)
        else:
            high = min(high, edge)
    return low, max(low, high)
