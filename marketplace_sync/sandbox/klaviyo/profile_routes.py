"""The profile endpoints: read, create, change, upsert, merge and forget."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from marketplace_sync.sandbox.klaviyo.answers import Answer, Fault, Json, Refusal, invalid, not_found
from marketplace_sync.sandbox.klaviyo.call import Call, references
from marketplace_sync.sandbox.klaviyo.filters import meets
from marketplace_sync.sandbox.klaviyo.profile_shapes import Create, Merge, Update, Upsert, as_row, has_identifier
from marketplace_sync.sandbox.klaviyo.reading import Body, clean_email, read

if TYPE_CHECKING:
    from marketplace_sync.sandbox.klaviyo.account import Account

_EMAIL = "subscriptions.email.marketing"


class ForgetAttributes(Body):
    email: str | None = None
    phone_number: str | None = None


class ForgetProfile(Body):
    type: Literal["profile"]
    attributes: ForgetAttributes
    id: str | None = None


class ForgetRelation(Body):
    data: ForgetProfile


class ForgetJobAttributes(Body):
    profile: ForgetRelation


class ForgetJob(Body):
    type: Literal["data-privacy-deletion-job"]
    attributes: ForgetJobAttributes


class Forget(Body):
    data: ForgetJob


class ProfileRoutes:
    def __init__(self, account: Account) -> None:
        self.account = account
        self._sorted: dict[str, tuple[tuple[int, int], list[tuple[Any, ...]]]] = {}

    def listed(self, call: Call) -> Answer:
        keys = self._matching(call)
        page = call.page(keys)
        found = [profile for key in page.keys if (profile := self.account.profiles.get(key[1])) is not None]
        return call.many([self.account.show_profile(call, one) for one in found], page)

    def _matching(self, call: Call) -> list[tuple[Any, ...]]:
        """Sorted (sort value, id) of what the filter leaves; kept until a profile or a consent changes."""
        question = f"{call.query.get('filter', '')}|{call.sort[0]}"
        version = (self.account.profiles.version, self.account.consents.version)
        kept = self._sorted.get(question)
        if kept is not None and kept[0] == version:
            return kept[1]
        conditions = call.conditions
        candidates: list[Json] | None = None
        for one in conditions:
            if one.field in ("id", "email", "phone_number", "external_id", "_kx") and one.operator in ("equals", "any"):
                values = one.value if isinstance(one.value, list) else [one.value]
                named = {p["id"]: p for value in values if (p := self.account.profiles.find(one.field, value))}
                candidates = [p for p in (named.values() if candidates is None else candidates) if p["id"] in named]
        fields, keys = self._fields(), self._keys()
        rest = [one for one in conditions if one.field not in ("id", "email", "phone_number", "external_id", "_kx")]
        found = [
            profile
            for profile in (self.account.profiles.values() if candidates is None else candidates)
            if all(meets(one, fields[one.field](profile)) for one in rest)
        ]
        by = keys[call.sort[0]]
        result = sorted((by(profile), profile["id"]) for profile in found)
        if len(self._sorted) > 8:
            self._sorted.clear()
        self._sorted[question] = (version, result)
        return result

    def _fields(self) -> dict[str, Callable[[Json], Any]]:
        def suppressions(name: str, member: str) -> Callable[[Json], Any]:
            return lambda profile: [one[member] for one in self.account.consents.email(profile["id"])[name]]

        return {
            "created": lambda profile: profile["created"],
            "updated": lambda profile: profile["updated"],
            **{f"{_EMAIL}.suppression.{one}": suppressions("suppression", one) for one in ("reason", "timestamp")},
            **{
                f"{_EMAIL}.list_suppressions.{one}": suppressions("list_suppressions", one)
                for one in ("reason", "timestamp", "list_id")
            },
        }

    def _keys(self) -> dict[str, Callable[[Json], Any]]:
        def latest(name: str) -> Callable[[Json], float]:
            return lambda profile: max(
                (float(one["timestamp"]) for one in self.account.consents.email(profile["id"])[name]), default=0.0
            )

        return {
            "": lambda profile: profile["created"],
            "created": lambda profile: profile["created"],
            "updated": lambda profile: profile["updated"],
            "email": lambda profile: profile["email"] or "",
            "id": lambda profile: profile["id"],
            f"{_EMAIL}.suppression.timestamp": latest("suppression"),
            f"{_EMAIL}.list_suppressions.timestamp": latest("list_suppressions"),
        }

    def one(self, call: Call) -> Answer:
        profile = self._profile(call.path["id"])
        included: list[Json] = []
        if "lists" in call.include:
            included += [self.account.lists.resource(call, one) for one in self.account.lists.of(profile["id"])]
        if "segments" in call.include:
            included += [self.account.segments.resource(call, one) for one in self.account.segments.of(profile)]
        resource = self.account.show_profile(call, profile)
        for kind, name in (("list", "lists"), ("segment", "segments")):
            if name in call.include:
                keys = [one["id"] for one in included if one["type"] == kind]
                resource["relationships"][name]["data"] = references(kind, keys)
        return call.one(resource, included)

    def create(self, call: Call) -> Answer:
        data = read(Create, call.body).data
        row = as_row(data.attributes, "/data/attributes", ineligible=self.account.choices.ineligible_phones)
        if not has_identifier(row):
            raise invalid("One of the profile identifiers is required.", "/data/attributes")
        if matches := self.account.profiles.matches(row):
            raise duplicate(matches[0])
        profile = self.account.profiles.create({**row, "attributes": _without_nulls(row["attributes"])})
        return call.one(self.account.show_profile(call, profile), status=201)

    def update(self, call: Call) -> Answer:
        data = read(Update, call.body).data
        profile = self._profile(call.path["id"])
        if data.id != profile["id"]:
            raise invalid("The id of the body is not the one of the path.", "/data/id")
        ineligible = self.account.choices.ineligible_phones
        row = as_row(data.attributes, "/data/attributes", meta=data.meta, ineligible=ineligible)
        self._refuse_others(profile, row)
        self.account.profiles.apply(profile, row)
        return call.one(self.account.show_profile(call, profile))

    def upsert(self, call: Call) -> Answer:
        data = read(Upsert, call.body).data
        ineligible = self.account.choices.ineligible_phones
        row = as_row(data.attributes, "/data/attributes", id=data.id, meta=data.meta, ineligible=ineligible)
        profile, created = self.upserted(row)
        return call.one(self.account.show_profile(call, profile), status=201 if created else 200)

    def upserted(self, row: Json, *, nulls_clear: bool = True) -> tuple[Json, bool]:
        """(profile, whether it is new). Raises 409 when the identifiers lead to two profiles."""
        if not has_identifier(row):
            raise invalid("One of the profile identifiers is required.", "/data/attributes")
        if row["id"]:
            self._profile(row["id"])
        matches = self.account.profiles.matches(row)
        if not matches:
            return self.account.profiles.create({**row, "attributes": _without_nulls(row["attributes"])}), True
        self._refuse_others(matches[0], row)
        self.account.profiles.apply(matches[0], row, nulls_clear=nulls_clear)
        return matches[0], False

    def _refuse_others(self, profile: Json, row: Json) -> None:
        for other in self.account.profiles.matches(row):
            if other["id"] != profile["id"]:
                raise duplicate(other)

    def merge(self, call: Call) -> Answer:
        data = read(Merge, call.body).data
        sources = data.relationships.profiles.data
        if len(sources) != 1:
            raise invalid("Exactly one source profile is required.", "/data/relationships/profiles/data")
        destination, source = self._profile(data.id), self._profile(sources[0].id)
        if destination is source:
            raise invalid("A profile cannot be merged into itself.", "/data/relationships/profiles/data/0/id")
        content = {"destination": destination["id"], "source": source["id"]}
        self.account.pipeline.later("merge", content, self.account.choices.visibility_delay)
        links = {"self": f"{call.base}/api/profiles/{destination['id']}/"}
        return call.one({"type": "profile", "id": destination["id"], "links": links}, status=201)

    def forget(self, call: Call) -> Answer:
        wanted = read(Forget, call.body).data.attributes.profile.data
        at = "/data/attributes/profile/data"
        named: Json = {"id": wanted.id}
        if wanted.attributes.email:
            named["email"] = clean_email(wanted.attributes.email, f"{at}/attributes/email")
        named["phone_number"] = wanted.attributes.phone_number
        given = {kind: value for kind, value in named.items() if value}
        if len(given) != 1:
            raise invalid("Exactly one of email, phone_number and id is required.", at)
        self.account.pipeline.later("forget", given, self.account.choices.visibility_delay)
        return Answer(202)

    def lists_of(self, call: Call) -> Answer:
        profile = self._profile(call.path["id"])
        return call.many([self.account.lists.resource(call, one) for one in self.account.lists.of(profile["id"])])

    def list_ids_of(self, call: Call) -> Answer:
        profile = self._profile(call.path["id"])
        return call.many(references("list", [one["id"] for one in self.account.lists.of(profile["id"])]))

    def segments_of(self, call: Call) -> Answer:
        profile = self._profile(call.path["id"])
        return call.many([self.account.segments.resource(call, one) for one in self.account.segments.of(profile)])

    def segment_ids_of(self, call: Call) -> Answer:
        profile = self._profile(call.path["id"])
        return call.many(references("segment", [one["id"] for one in self.account.segments.of(profile)]))

    def _profile(self, key: str) -> Json:
        profile = self.account.profiles.get(key)
        if profile is None:
            raise not_found("profile", key)
        return profile


def duplicate(other: Json) -> Refusal:
    """409: an identifier already belongs to another profile, which `meta` names."""
    detail = "A profile already exists with one of these identifiers."
    meta = {"duplicate_profile_id": other["id"]}
    return Refusal(409, [Fault(detail, "/data/attributes", code="duplicate_profile", title="Conflict.", meta=meta)])


def _without_nulls(attributes: Json) -> Json:
    return {name: value for name, value in attributes.items() if value is not None}
