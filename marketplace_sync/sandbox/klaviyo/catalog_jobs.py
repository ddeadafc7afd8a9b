"""Bulk jobs of the catalogue: create, update and delete, a hundred rows at a time."""

from __future__ import annotations

from types import GenericAlias
from typing import TYPE_CHECKING, Any

import msgspec

from marketplace_sync.sandbox.klaviyo import catalog_shapes as shapes
from marketplace_sync.sandbox.klaviyo import jobs
from marketplace_sync.sandbox.klaviyo.answers import Answer, Json, invalid
from marketplace_sync.sandbox.klaviyo.call import Call
from marketplace_sync.sandbox.klaviyo.catalog import Kind, RowProblem, as_resource
from marketplace_sync.sandbox.klaviyo.catalog_routes import CHANGED, CREATED, envelope, row_of
from marketplace_sync.sandbox.klaviyo.profile_views import relation
from marketplace_sync.sandbox.klaviyo.reading import read

if TYPE_CHECKING:
    from marketplace_sync.sandbox.klaviyo.account import Account

ROWS_PER_JOB = 100
JOBS_IN_PROGRESS = 500

NAMED: dict[str, Any] = {
    "item": shapes.ItemReference,
    "variant": shapes.VariantReference,
    "category": shapes.CategoryReference,
}
ROWS: dict[str, dict[str, Any]] = {"create": CREATED, "update": CHANGED, "delete": NAMED}


def _job_envelope(kind: Kind, action: str) -> Any:
    """`{data: {type, attributes: {items: {data: [...]}}}}`, as every bulk job of the catalogue is written."""
    several: Any = GenericAlias(list, (ROWS[action][kind.name],))
    rows = msgspec.defstruct("Rows", [("data", several)], forbid_unknown_fields=True)
    attributes = msgspec.defstruct(
        "Attributes", [("rows", rows)], rename={"rows": kind.plural}, forbid_unknown_fields=True
    )
    fields: list[Any] = [("type", str), ("attributes", attributes)]
    return envelope(msgspec.defstruct("Job", fields, forbid_unknown_fields=True))


class CatalogJobs:
    """The jobs that do one thing to one kind."""

    def __init__(self, account: Account, kind: Kind, action: str) -> None:
        self.account = account
        self.kind = kind
        self.action = action
        self.type = f"catalog-{kind.name}-bulk-{action}-job"
        self._shape = _job_envelope(kind, action)
        account.jobs.worker(self.type, self._work)

    def accept(self, call: Call) -> Answer:
        data = read(self._shape, call.body).data
        if data.type != self.type:
            raise invalid(f"The type must be {self.type}.", "/data/type")
        at = f"/data/attributes/{self.kind.plural}/data"
        given = data.attributes.rows.data
        if not 1 <= len(given) <= ROWS_PER_JOB:
            raise invalid(f"Between 1 and {ROWS_PER_JOB} rows are allowed.", at)
        if self.account.jobs.in_progress(self.type) >= JOBS_IN_PROGRESS:
            raise invalid(f"At most {JOBS_IN_PROGRESS} jobs may be in progress.", "/data")
        rows = [row_of(one, f"{at}/{place}") for place, one in enumerate(given)]
        return call.one(self._shown(call, self.account.jobs.create(self.type, rows)), status=202)

    def listed(self, call: Call) -> Answer:
        return jobs.listing(call, self.account.jobs.of(self.type), lambda job: self._shown(call, job))

    def one(self, call: Call) -> Answer:
        job = self.account.jobs.get(self.type, call.path["job_id"])
        touched = [self.account.catalog.get(self.kind, key) for key in job["touched"]]
        included = [as_resource(self.kind, one, call.base) for one in touched if one is not None]
        return call.one(self._shown(call, job), included)

    def _work(self, job: Json) -> None:
        for place, row in enumerate(job["rows"]):
            try:
                self._row(job, row)
            except RowProblem as problem:
                pointer = f"/data/attributes/{self.kind.plural}/data/{place}{problem.pointer}"
                external = row["attributes"].get("external_id") or str(row["id"]).rpartition(":::")[2]
                self.account.jobs.fail(job, problem.detail, pointer, code=problem.code, external_id=external)
            else:
                job["done"] += 1

    def _row(self, job: Json, row: Json) -> None:
        book = self.account.catalog
        if self.action == "delete":
            book.delete(self.kind, row["id"])
            return
        if self.action == "create":
            document = book.create(self.kind, row["attributes"], row["related"])
        else:
            document = book.update(self.kind, row["id"], row["attributes"], row["related"])
        job["touched"].append(document["id"])

    def _shown(self, call: Call, job: Json) -> Json:
        here = f"{call.base}/api/{job['kind']}s/{job['id']}"
        resource: Json = {
            "type": job["kind"],
            "id": job["id"],
            "attributes": {**jobs.counts(job), "errors": [self._error(one) for one in job["errors"]]},
            "links": {"self": f"{here}/"},
        }
        if self.action != "delete":
            plural = self.kind.plural
            keys = job["touched"] if plural in call.include else None
            resource["relationships"] = {plural: relation(here, plural, self.kind.type, keys)}
        return resource

    def _error(self, error: Json) -> Json:
        """A row error as documented, or (`short`) as the vendor was seen to write them: without id, code and title."""
        found: Json = {"detail": error["detail"], "source": {"pointer": error["pointer"]}}
        found["meta"] = {"external_id": error["external_id"]}
        if self.account.choices.catalog_errors == "short":
            return found
        return {"id": error["id"], "code": error["code"], "title": error["title"], **found}
