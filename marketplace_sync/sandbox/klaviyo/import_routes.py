"""Bulk profile import: a job over up to ten thousand profiles, with its errors to be read afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec import UNSET, UnsetType

from marketplace_sync.sandbox.klaviyo import jobs
from marketplace_sync.sandbox.klaviyo.answers import Answer, Fault, Json, Refusal, invalid, moment
from marketplace_sync.sandbox.klaviyo.call import Call, references
from marketplace_sync.sandbox.klaviyo.consent_shapes import ListReference
from marketplace_sync.sandbox.klaviyo.operations import PROFILE_BODY
from marketplace_sync.sandbox.klaviyo.profile_routes import ProfileRoutes
from marketplace_sync.sandbox.klaviyo.profile_shapes import Attributes, Meta, as_row, has_identifier
from marketplace_sync.sandbox.klaviyo.profile_views import relation
from marketplace_sync.sandbox.klaviyo.reading import Body, read

if TYPE_CHECKING:
    from marketplace_sync.sandbox.klaviyo.account import Account

PROFILES_PER_REQUEST = 10_000
KIND = "profile-bulk-import-job"
AT = "/data/attributes/profiles/data"


class ImportProfile(Body):
    type: Literal["profile"]
    attributes: Attributes
    id: str | None = None
    meta: Meta | UnsetType = UNSET


class ImportProfiles(Body):
    data: list[ImportProfile]


class ImportAttributes(Body):
    profiles: ImportProfiles


class Lists(Body):
    data: list[ListReference]


class ImportRelations(Body):
    lists: Lists | None = None


class ImportJob(Body):
    type: Literal["profile-bulk-import-job"]
    attributes: ImportAttributes
    relationships: ImportRelations | None = None


class Import(Body):
    data: ImportJob


class ImportRoutes:
    def __init__(self, account: Account, profiles: ProfileRoutes) -> None:
        self.account = account
        self._profiles = profiles
        account.jobs.worker(KIND, self._run)

    def create(self, call: Call) -> Answer:
        data = read(Import, call.body).data
        profiles = data.attributes.profiles.data
        if not 1 <= len(profiles) <= PROFILES_PER_REQUEST:
            raise invalid(f"Between 1 and {PROFILES_PER_REQUEST} profiles may be imported.", AT)
        relations = data.relationships
        lists = [one.id for one in relations.lists.data] if relations and relations.lists else []
        for number, key in enumerate(lists):
            if self.account.lists.get(key) is None:
                pointer = f"/data/relationships/lists/data/{number}/id"
                raise invalid(f"A list with id {key} does not exist.", pointer)
        rows, faults = [], []
        for number, profile in enumerate(profiles):
            row, fault = self._row(profile, number)
            rows.append(row)
            if fault is not None:
                faults.append(fault)
        if faults and self.account.choices.import_validation == "synchronous":
            raise Refusal(400, faults)
        job = self.account.jobs.create(KIND, rows, lists=lists)
        return call.one(self._shown(call, job), status=202)

    def _row(self, profile: ImportProfile, number: int) -> tuple[Json, Fault | None]:
        """The row as it will be imported, and what is wrong with it (then the row carries that instead)."""
        pointer = f"{AT}/{number}/attributes"
        try:
            if len(msgspec.json.encode(profile)) > PROFILE_BODY:
                raise invalid("A profile must not be larger than 100 KB.", pointer)
            ineligible = self.account.choices.ineligible_phones
            row = as_row(profile.attributes, pointer, id=profile.id, meta=profile.meta, ineligible=ineligible)
            if not has_identifier(row):
                raise invalid("One of the profile identifiers is required.", pointer)
        except Refusal as refusal:
            fault = refusal.faults[0]
            wrong = {"detail": fault.detail, "pointer": fault.pointer}
            return {"fault": wrong, "payload": msgspec.to_builtins(profile)}, fault
        return row, None

    def _run(self, job: Json) -> None:
        """Every row on its own. Null does not clear here, unlike in a single import (Klaviyo, bulk profile import)."""
        for number, row in enumerate(job["rows"]):
            if "fault" in row:
                self.account.jobs.fail(job, row["fault"]["detail"], row["fault"]["pointer"], payload=row["payload"])
                continue
            try:
                profile, _ = self._profiles.upserted(row, nulls_clear=False)
            except Refusal as refusal:
                fault = refusal.faults[0]
                pointer = f"{AT}/{number}{fault.pointer.removeprefix('/data')}"
                self.account.jobs.fail(
                    job, fault.detail, pointer, code=fault.code, title=fault.title, payload=_as_payload(row)
                )
                continue
            job["done"] += 1
            if profile["id"] not in job["touched"][-1:]:
                job["touched"].append(profile["id"])
            for key in job["lists"]:
                if self.account.lists.get(key) is not None:
                    self.account.lists.join(key, profile)

    def listed(self, call: Call) -> Answer:
        return jobs.listing(call, self.account.jobs.of(KIND), lambda job: self._shown(call, job))

    def one(self, call: Call) -> Answer:
        job = self.account.jobs.get(KIND, call.path["job_id"])
        found = [self.account.lists.get(key) for key in job["lists"]] if "lists" in call.include else []
        return call.one(
            self._shown(call, job), [self.account.lists.resource(call, one) for one in found if one is not None]
        )

    def lists_of(self, call: Call) -> Answer:
        found = [self.account.lists.get(key) for key in self._job(call)["lists"]]
        return call.many([self.account.lists.resource(call, one) for one in found if one is not None])

    def list_ids_of(self, call: Call) -> Answer:
        return call.many(references("list", self._job(call)["lists"]))

    def profiles_of(self, call: Call) -> Answer:
        return self._touched(call, lambda profile: self.account.show_profile(call, profile))

    def profile_ids_of(self, call: Call) -> Answer:
        return self._touched(call, lambda profile: {"type": "profile", "id": profile["id"]})

    def _touched(self, call: Call, render: Callable[[Json], Json]) -> Answer:
        found = [self.account.profiles.get(key) for key in dict.fromkeys(self._job(call)["touched"])]
        alive = [one for one in found if one is not None]
        return call.listing(alive, fields={}, keys={"": lambda one: one["created"]}, render=render)

    def errors_of(self, call: Call) -> Answer:
        errors = [{**one, "place": place} for place, one in enumerate(self._job(call)["errors"])]
        return call.listing(
            errors,
            fields={},
            keys={"": lambda one: one["place"]},
            render=lambda one: {
                "type": "import-error",
                "id": one["id"],
                "attributes": {
                    "code": one["code"],
                    "title": one["title"],
                    "detail": one["detail"],
                    "source": {"pointer": one["pointer"]},
                    "original_payload": one["payload"],
                },
            },
        )

    def _job(self, call: Call) -> Json:
        return self.account.jobs.get(KIND, call.path["id"])

    def _shown(self, call: Call, job: Json) -> Json:
        here = f"{call.base}/api/profile-bulk-import-jobs/{job['id']}"
        return {
            "type": KIND,
            "id": job["id"],
            "attributes": {**jobs.counts(job), "started_at": moment(job["started"])},
            "relationships": {
                "lists": relation(here, "lists", "list", job["lists"]),
                "profiles": relation(here, "profiles"),
                "import-errors": {"links": {"related": f"{here}/import-errors"}},
            },
            "links": {"self": f"{here}/"},
        }


def _as_payload(row: Json) -> Json:
    """The row as it came, but for the normalised identifiers."""
    found: Json = {"type": "profile", **{name: row[name] for name in ("id", "meta") if row.get(name)}}
    return {**found, "attributes": row["attributes"]}
