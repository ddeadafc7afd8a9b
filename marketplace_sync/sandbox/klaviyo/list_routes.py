"""The endpoints of lists and segments, and of who is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from marketplace_sync.sandbox.klaviyo import flows
from marketplace_sync.sandbox.klaviyo.answers import Answer, Json, invalid, moment, not_found
from marketplace_sync.sandbox.klaviyo.call import Call, references
from marketplace_sync.sandbox.klaviyo.flows import LIST
from marketplace_sync.sandbox.klaviyo.lists import MEMBER_FIELDS
from marketplace_sync.sandbox.klaviyo.profile_shapes import References
from marketplace_sync.sandbox.klaviyo.reading import Body, read

if TYPE_CHECKING:
    from marketplace_sync.sandbox.klaviyo.account import Account

MEMBERS_PER_REQUEST = 1_000
OptIn = Literal["single_opt_in", "double_opt_in"]


class CreateAttributes(Body):
    name: str
    opt_in_process: OptIn | None = None


class CreateResource(Body):
    type: Literal["list"]
    attributes: CreateAttributes


class Create(Body):
    data: CreateResource


class UpdateAttributes(Body):
    name: str | None = None
    opt_in_process: OptIn | None = None


class UpdateResource(Body):
    type: Literal["list"]
    id: str
    attributes: UpdateAttributes


class Update(Body):
    data: UpdateResource


class _Members:
    """What lists and segments have in common: pages of members."""

    def __init__(self, account: Account) -> None:
        self.account = account

    def _page(self, call: Call, members: dict[str, Json], *, whole: bool) -> Answer:
        people = []
        for key, member in members.items():
            profile = self.account.profiles.get(key)
            if profile is not None:
                people.append({"profile": profile, "joined": member["joined"]})

        def render(member: Json) -> Json:
            if not whole:
                return {"type": "profile", "id": member["profile"]["id"]}
            resource = self.account.show_profile(call, member["profile"])
            resource["attributes"]["joined_group_at"] = moment(member["joined"])
            return resource

        return call.listing(
            people,
            fields=MEMBER_FIELDS,
            keys={"": lambda member: member["joined"], "joined_group_at": lambda member: member["joined"]},
            render=render,
            identify=lambda member: str(member["profile"]["id"]),
        )


GROUP_KEYS = {
    "": lambda one: one["created"],
    "created": lambda one: one["created"],
    "updated": lambda one: one["updated"],
    "name": lambda one: one["name"],
    "id": lambda one: one["id"],
}
GROUP_FIELDS = {
    **{name: GROUP_KEYS[name] for name in ("created", "updated", "name", "id")},
    "is_active": lambda one: True,
    "is_starred": lambda one: False,
}


class ListRoutes(_Members):
    def listed(self, call: Call) -> Answer:
        return call.listing(
            self.account.lists.values(),
            fields=GROUP_FIELDS,
            keys=GROUP_KEYS,
            render=lambda one: self._shown(call, one),
            included=lambda found: self._flows(call, found),
        )

    def one(self, call: Call) -> Answer:
        found = self._list(call)
        return call.one(self._shown(call, found), self._flows(call, [found]))

    def create(self, call: Call) -> Answer:
        wanted = read(Create, call.body).data.attributes
        if not wanted.name.strip():
            raise invalid("A list needs a name.", "/data/attributes/name")
        made = self.account.lists.add(wanted.name, wanted.opt_in_process)
        return call.one(self._shown(call, made), status=201)

    def update(self, call: Call) -> Answer:
        found = self._list(call)
        wanted = read(Update, call.body).data
        if wanted.id != found["id"]:
            raise invalid("The id of the body is not the one of the path.", "/data/id")
        changed = self.account.lists.change(found, wanted.attributes.name, wanted.attributes.opt_in_process)
        return call.one(self._shown(call, changed))

    def delete(self, call: Call) -> Answer:
        self.account.lists.delete(self._list(call))
        return Answer(204)

    def flows(self, call: Call) -> Answer:
        started = self.account.flows.of(LIST, self._list(call)["name"])
        return call.many([flows.as_resource(one, call.base) for one in started])

    def flow_ids(self, call: Call) -> Answer:
        started = self.account.flows.of(LIST, self._list(call)["name"])
        return call.many(references("flow", [one["id"] for one in started]))

    def members(self, call: Call) -> Answer:
        return self._page(call, self.account.lists.members(self._list(call)["id"]), whole=True)

    def member_ids(self, call: Call) -> Answer:
        return self._page(call, self.account.lists.members(self._list(call)["id"]), whole=False)

    def add(self, call: Call) -> Answer:
        """Onto the list. Consent does not change."""
        found = self._list(call)
        for profile in self._named(call):
            self.account.lists.join(found["id"], profile)
        return Answer(204)

    def remove(self, call: Call) -> Answer:
        """Off the list. Consent does not change."""
        found = self._list(call)
        for profile in self._named(call):
            self.account.lists.leave(found["id"], profile["id"])
        return Answer(204)

    def _named(self, call: Call) -> list[Json]:
        wanted = read(References, call.body).data
        if len(wanted) > MEMBERS_PER_REQUEST:
            raise invalid(f"At most {MEMBERS_PER_REQUEST} profiles may be named.", "/data")
        found: list[Json] = []
        for number, one in enumerate(wanted):
            profile = self.account.profiles.get(one.id)
            if profile is None:
                raise invalid(f"A profile with id {one.id} does not exist.", f"/data/{number}/id")
            found.append(profile)
        return found

    def _list(self, call: Call) -> Json:
        found = self.account.lists.get(call.path["id"])
        if found is None:
            raise not_found("list", call.path["id"])
        return found

    def _shown(self, call: Call, document: Json) -> Json:
        resource = self.account.lists.resource(call, document, count="profile_count" in call.additional("list"))
        if "flow-triggers" in call.include:
            started = self.account.flows.of(LIST, document["name"])
            resource["relationships"]["flow-triggers"]["data"] = references("flow", [one["id"] for one in started])
        return resource

    def _flows(self, call: Call, found: list[Json]) -> list[Json]:
        if "flow-triggers" not in call.include:
            return []
        started = {one["id"]: one for document in found for one in self.account.flows.of(LIST, document["name"])}
        return [flows.as_resource(one, call.base) for one in started.values()]


class SegmentRoutes(_Members):
    def listed(self, call: Call) -> Answer:
        return call.listing(
            self.account.segments.values(),
            fields=GROUP_FIELDS,
            keys=GROUP_KEYS,
            render=lambda one: self.account.segments.resource(call, one),
        )

    def one(self, call: Call) -> Answer:
        count = "profile_count" in call.additional("segment")
        return call.one(self.account.segments.resource(call, self._segment(call), count=count), [])

    def members(self, call: Call) -> Answer:
        return self._page(call, self.account.segments.members(self._segment(call)), whole=True)

    def member_ids(self, call: Call) -> Answer:
        return self._page(call, self.account.segments.members(self._segment(call)), whole=False)

    def _segment(self, call: Call) -> Json:
        found = self.account.segments.get(call.path["id"])
        if found is None:
            raise not_found("segment", call.path["id"])
        return found
