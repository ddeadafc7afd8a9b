"""The endpoints that suppress e-mail addresses, or lift that again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace_sync.sandbox.klaviyo import jobs
from marketplace_sync.sandbox.klaviyo.answers import Answer, Json, invalid
from marketplace_sync.sandbox.klaviyo.call import Call
from marketplace_sync.sandbox.klaviyo.consent_shapes import Suppress
from marketplace_sync.sandbox.klaviyo.profile_views import relation
from marketplace_sync.sandbox.klaviyo.reading import clean_email, read

if TYPE_CHECKING:
    from marketplace_sync.sandbox.klaviyo.account import Account

EMAILS_PER_REQUEST = 100
CREATE, DELETE = "profile-suppression-bulk-create-job", "profile-suppression-bulk-delete-job"
USER_SUPPRESSED = "USER_SUPPRESSED"


class SuppressionRoutes:
    def __init__(self, account: Account) -> None:
        self.account = account
        account.jobs.worker(CREATE, self._suppress)
        account.jobs.worker(DELETE, self._lift)

    def create(self, call: Call) -> Answer:
        return self._accept(call, CREATE)

    def delete(self, call: Call) -> Answer:
        return self._accept(call, DELETE)

    def create_jobs(self, call: Call) -> Answer:
        return jobs.listing(call, self.account.jobs.of(CREATE), lambda job: self._shown(call, job))

    def delete_jobs(self, call: Call) -> Answer:
        return jobs.listing(call, self.account.jobs.of(DELETE), lambda job: self._shown(call, job))

    def create_job(self, call: Call) -> Answer:
        return call.one(self._shown(call, self.account.jobs.get(CREATE, call.path["job_id"])))

    def delete_job(self, call: Call) -> Answer:
        return call.one(self._shown(call, self.account.jobs.get(DELETE, call.path["job_id"])))

    def _accept(self, call: Call, kind: str) -> Answer:
        data = read(Suppress, call.body).data
        if data.type != kind:
            raise invalid(f"The type must be {kind}.", "/data/type")
        rows: list[Json] = []
        for number, one in enumerate(data.attributes.profiles.data if data.attributes.profiles else []):
            pointer = f"/data/attributes/profiles/data/{number}/attributes/email"
            rows.append({"email": clean_email(one.attributes.email, pointer)})
        if len(rows) > EMAILS_PER_REQUEST:
            raise invalid(f"At most {EMAILS_PER_REQUEST} addresses may be named.", "/data/attributes/profiles/data")
        relations = data.relationships
        list_id = relations.list.data.id if relations and relations.list else None
        segment_id = relations.segment.data.id if relations and relations.segment else None
        if sum((bool(rows), list_id is not None, segment_id is not None)) != 1:
            raise invalid("Exactly one of profiles, list and segment is required.", "/data")
        if list_id is not None:
            rows = self._members_of_list(list_id)
        if segment_id is not None:
            rows = self._members_of_segment(segment_id)
        job = self.account.jobs.create(kind, rows, list=list_id, segment=segment_id)
        return call.one(self._shown(call, job), status=202)

    def _members_of_list(self, key: str) -> list[Json]:
        if self.account.lists.get(key) is None:
            raise invalid(f"A list with id {key} does not exist.", "/data/relationships/list/data/id")
        return self._emails(list(self.account.lists.members(key)))

    def _members_of_segment(self, key: str) -> list[Json]:
        segment = self.account.segments.get(key)
        if segment is None:
            raise invalid(f"A segment with id {key} does not exist.", "/data/relationships/segment/data/id")
        return self._emails(list(self.account.segments.members(segment)))

    def _emails(self, profiles: list[str]) -> list[Json]:
        found = [self.account.profiles.get(key) for key in profiles]
        return [{"email": one["email"]} for one in found if one is not None and one["email"]]

    def _suppress(self, job: Json) -> None:
        """An address nobody has becomes a profile that is suppressed from the start."""
        for row in job["rows"]:
            profile = self.account.profiles.by_email(row["email"])
            if profile is None:
                profile = self.account.profiles.create({"id": None, "attributes": {"email": row["email"]}})
            self._count(job, profile, self.account.consents.suppress(profile["id"], USER_SUPPRESSED))

    def _lift(self, job: Json) -> None:
        """Only what was suppressed by hand; bounces, complaints and unsubscriptions stay (Klaviyo, bulk unsuppress)."""
        for row in job["rows"]:
            profile = self.account.profiles.by_email(row["email"])
            if profile is None:
                job["skipped"] += 1
            else:
                self._count(job, profile, self.account.consents.lift(profile["id"], USER_SUPPRESSED))

    def _count(self, job: Json, profile: Json, changed: bool) -> None:
        job["done" if changed else "skipped"] += 1
        if changed:
            self.account.profiles.touch(profile)

    def _shown(self, call: Call, job: Json) -> Json:
        here = f"{call.base}/api/{job['kind']}s/{job['id']}"
        lists = [job["list"]] if job["list"] else []
        segments = [job["segment"]] if job["segment"] else []
        return {
            "type": job["kind"],
            "id": job["id"],
            "attributes": jobs.counts(job, skipped=True),
            "relationships": {
                "lists": relation(here, "lists", "list", lists),
                "segments": relation(here, "segments", "segment", segments),
            },
            "links": {"self": f"{here}/"},
        }
