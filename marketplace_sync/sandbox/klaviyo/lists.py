"""Lists and who is on them; segments, which compute their members."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from marketplace_sync.sandbox.klaviyo.answers import Json, moment
from marketplace_sync.sandbox.klaviyo.consent import EMAIL, SUBSCRIBED
from marketplace_sync.sandbox.klaviyo.profile_views import relation

if TYPE_CHECKING:
    from marketplace_sync.sandbox.klaviyo.account import Account
    from marketplace_sync.sandbox.klaviyo.call import Call


class ListBook:
    """Lists. Being on one is not consent."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self._documents = account.state.collection("lists")
        self._members = account.state.collection("list_members")
        self.reload()

    def reload(self) -> None:
        self._of_list: dict[str, dict[str, Json]] = {}
        self._of_profile: dict[str, dict[str, Json]] = {}
        for member in self._members.values():
            self._index(member)

    def _index(self, member: Json) -> None:
        self._of_list.setdefault(member["list"], {})[member["profile"]] = member
        self._of_profile.setdefault(member["profile"], {})[member["list"]] = member

    def get(self, key: str) -> Json | None:
        return self._documents.get(key)

    def values(self) -> Iterator[Json]:
        return self._documents.values()

    def add(self, name: str, opt_in_process: str | None, key: str | None = None) -> Json:
        now = int(self.account.clock.timestamp())
        process = opt_in_process or self.account.choices.default_opt_in
        document: Json = {"id": key or self.account.ids.short("list"), "name": name, "opt_in_process": process}
        return self._documents.put(document["id"], {**document, "created": now, "updated": now})

    def change(self, document: Json, name: str | None, opt_in_process: str | None) -> Json:
        document["name"] = name or document["name"]
        document["opt_in_process"] = opt_in_process or document["opt_in_process"]
        document["updated"] = int(self.account.clock.timestamp())
        return self._documents.put(document["id"], document)

    def delete(self, document: Json) -> None:
        for profile in list(self.members(document["id"])):
            self.leave(document["id"], profile)
        self._documents.delete(document["id"])

    def members(self, key: str) -> dict[str, Json]:
        """Profile id to membership (`joined`, unix seconds)."""
        return self._of_list.get(key, {})

    def of(self, profile: str) -> list[Json]:
        return [self._documents[key] for key in self._of_profile.get(profile, {})]

    def holds(self, key: str, profile: str) -> bool:
        return profile in self._of_list.get(key, {})

    def join(self, key: str, profile: Json, *, start_flows: bool = True) -> None:
        """Onto the list, which may start an "added to list" flow."""
        if self.holds(key, profile["id"]):
            return
        now = int(self.account.clock.timestamp())
        member: Json = {"id": f"{key}:{profile['id']}", "list": key, "profile": profile["id"], "joined": now}
        self._members.put(member["id"], member)
        self._index(member)
        if start_flows:
            self.account.list_joined(self._documents[key], profile)

    def leave(self, key: str, profile: str) -> None:
        self._of_list.get(key, {}).pop(profile, None)
        self._of_profile.get(profile, {}).pop(key, None)
        self._members.delete(f"{key}:{profile}")

    def leave_all(self, profile: str) -> None:
        for key in list(self._of_profile.get(profile, {})):
            self.leave(key, profile)

    def resource(self, call: Call, document: Json, *, count: bool = False) -> Json:
        """A list as GET shows it; `count` adds how many are on it."""
        here = f"{call.base}/api/lists/{document['id']}"
        attributes: Json = {
            "name": document["name"],
            "created": moment(document["created"]),
            "updated": moment(document["updated"]),
            "opt_in_process": document["opt_in_process"],
        }
        if count:
            attributes["profile_count"] = len(self.members(document["id"]))
        return {
            "type": "list",
            "id": document["id"],
            "attributes": attributes,
            "relationships": {name: relation(here, name) for name in ("profiles", "tags", "flow-triggers")},
            "links": {"self": f"{here}/"},
        }


class SegmentBook:
    """Segments the account was given. What they hold is computed when somebody looks.

    Rules: `subscribed` (e-mail consent), `suppressed`, or `metric:<name>` (ever had such an event of the API).
    """

    def __init__(self, account: Account) -> None:
        self.account = account
        self._documents = account.state.collection("segments")

    def get(self, key: str) -> Json | None:
        return self._documents.get(key)

    def values(self) -> Iterator[Json]:
        return self._documents.values()

    def add(self, name: str, rule: str, key: str | None = None) -> Json:
        """Raises ValueError for a rule there is not."""
        if rule not in ("subscribed", "suppressed") and not rule.startswith("metric:"):
            raise ValueError(f"a segment's rule is subscribed, suppressed or metric:<name>, not {rule!r}")
        now = int(self.account.clock.timestamp())
        document: Json = {"id": key or self.account.ids.short("segment"), "name": name, "rule": rule}
        return self._documents.put(document["id"], {**document, "created": now, "updated": now})

    def joined(self, document: Json, profile: Json) -> float | None:
        """Since when (unix seconds) the profile has belonged; None when it does not."""
        rule = document["rule"]
        consent = self.account.consents.channel(profile["id"], EMAIL)
        if rule == "subscribed":
            return float(consent["consent_timestamp"]) if consent["consent"] == SUBSCRIBED else None
        if rule == "suppressed":
            reasons = self.account.consents.of(profile["id"])["suppression"]
            return min((float(one["timestamp"]) for one in reasons), default=None)
        metric = self.account.metrics.named(rule.removeprefix("metric:"))
        if metric is None:
            return None
        times = [one["time"] for one in self.account.events.of_profile(profile["id"]) if one["metric"] == metric["id"]]
        return min((float(one) for one in times), default=None)

    def of(self, profile: Json) -> list[Json]:
        return [one for one in self._documents.values() if self.joined(one, profile) is not None]

    def members(self, document: Json) -> dict[str, Json]:
        """Profile id to membership (`joined`, unix seconds)."""
        found: dict[str, Json] = {}
        for profile in self.account.profiles.values():
            joined = self.joined(document, profile)
            if joined is not None:
                found[profile["id"]] = {"profile": profile["id"], "joined": joined}
        return found

    def resource(self, call: Call, document: Json, *, count: bool = False) -> Json:
        """A segment as GET shows it."""
        here = f"{call.base}/api/segments/{document['id']}"
        attributes: Json = {
            "name": document["name"],
            "definition": {"condition_groups": [{"conditions": [self._condition(document["rule"])]}]},
            "created": moment(document["created"]),
            "updated": moment(document["updated"]),
            "is_active": True,
            "is_processing": False,
            "is_starred": False,
        }
        if count:
            attributes["profile_count"] = len(self.members(document))
        return {
            "type": "segment",
            "id": document["id"],
            "attributes": attributes,
            "relationships": {name: relation(here, name) for name in ("profiles", "tags", "flow-triggers")},
            "links": {"self": f"{here}/"},
        }

    def _condition(self, rule: str) -> Json:
        if rule.startswith("metric:"):
            metric = self.account.metrics.named(rule.removeprefix("metric:"))
            return {
                "type": "profile-metric",
                "metric_id": metric["id"] if metric else "",
                "measurement": "count",
                "measurement_filter": {"type": "numeric", "operator": "greater-than", "value": 0},
                "timeframe_filter": {"type": "date", "operator": "alltime"},
                "metric_filters": None,
            }
        subscribed = rule == "subscribed"
        status: Json = {"subscription": "subscribed" if subscribed else "unsubscribed", "filters": None}
        consent: Json = {"channel": "email", "can_receive_marketing": subscribed, "consent_status": status}
        return {"type": "profile-marketing-consent", "consent": consent}


MEMBER_FIELDS: dict[str, Callable[[Json], Any]] = {
    "profile_id": lambda member: member["profile"]["id"],
    "email": lambda member: member["profile"]["email"],
    "phone_number": lambda member: member["profile"]["phone_number"],
    "push_token": lambda member: None,
    "_kx": lambda member: member["profile"]["_kx"],
    "joined_group_at": lambda member: member["joined"],
}
"""What filters on members see; a member here is a membership with its profile put in."""
