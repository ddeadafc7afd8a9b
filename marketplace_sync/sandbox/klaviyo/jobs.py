"""Asynchronous jobs that can be looked at: queued, processing, complete, with counts and row errors."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.klaviyo.answers import Answer, Json, moment, not_found
from marketplace_sync.sandbox.klaviyo.call import Call
from marketplace_sync.sandbox.klaviyo.identity import Ids
from marketplace_sync.sandbox.klaviyo.pipeline import Pipeline
from marketplace_sync.sandbox.state import State

LIFETIME = 7 * 86_400
IN_PROGRESS = ("queued", "processing")


class JobBook:
    """All jobs of the account. A job's work is done by the function registered for its kind, which fills the counts."""

    def __init__(self, state: State, clock: Clock, ids: Ids, pipeline: Pipeline, seconds: float) -> None:
        self._documents = state.collection("jobs")
        self._clock = clock
        self._ids = ids
        self._pipeline = pipeline
        self._seconds = seconds
        self._work: dict[str, Callable[[Json], None]] = {}
        pipeline.worker("job-start", self._start)
        pipeline.worker("job-finish", self._finish)

    def worker(self, kind: str, work: Callable[[Json], None]) -> None:
        self._work[kind] = work

    def get(self, kind: str, key: str) -> Json:
        """Raises a 404."""
        found = self._documents.get(key)
        if found is None or found["kind"] != kind:
            raise not_found(kind, key)
        return found

    def of(self, kind: str) -> Iterator[Json]:
        return (one for one in self._documents.values() if one["kind"] == kind)

    def in_progress(self, kind: str) -> int:
        return sum(1 for one in self.of(kind) if one["status"] in IN_PROGRESS)

    def create(self, kind: str, rows: list[Json], **details: object) -> Json:
        """Queue a job. The document handed back is a snapshot: what the answer to the request shows."""
        now = self._clock.timestamp()
        document: Json = {
            "id": self._ids.short("job", 16),
            "kind": kind,
            "status": "queued",
            "created": now,
            "started": None,
            "completed": None,
            "expires": now + LIFETIME,
            "total": len(rows),
            "done": 0,
            "failed": 0,
            "skipped": 0,
            "errors": [],
            "touched": [],
            "rows": rows,
            **details,
        }
        self._documents.put(document["id"], document)
        snapshot = dict(document)
        self._pipeline.later("job-start", document["id"], self._seconds)
        return snapshot

    def _start(self, key: str) -> None:
        job = self._documents[key]
        job["status"] = "processing"
        job["started"] = self._clock.timestamp()
        self._documents.put(key, job)
        self._pipeline.later("job-finish", key, self._seconds)

    def _finish(self, key: str) -> None:
        job = self._documents[key]
        self._work[job["kind"]](job)
        job["rows"] = []
        job["status"] = "complete"
        job["completed"] = self._clock.timestamp()
        self._documents.put(key, job)

    @staticmethod
    def fail(job: Json, detail: str, pointer: str, *, code: str = "invalid", title: str = "Invalid input.",
             payload: Json | None = None, external_id: str | None = None) -> None:  # fmt: skip
        """Note that one row failed."""
        job["failed"] += 1
        error: Json = {"id": str(uuid.uuid4()), "code": code, "title": title, "detail": detail, "pointer": pointer}
        job["errors"].append({**error, "payload": payload, "external_id": external_id})


def counts(job: Json, *, skipped: bool = False) -> Json:
    """The attributes every kind of job has."""
    found: Json = {
        "status": job["status"],
        "created_at": moment(job["created"]),
        "total_count": job["total"],
        "completed_count": job["done"],
        "completed_at": moment(job["completed"]),
    }
    if skipped:
        return {**found, "skipped_count": job["skipped"]}
    return {**found, "failed_count": job["failed"], "expires_at": moment(job["expires"])}


def listing(call: Call, jobs: Iterator[Json], render: Callable[[Json], Json]) -> Answer:
    """A page of jobs, filtered by status and by the list or segment they were about."""
    return call.listing(
        jobs,
        fields={
            "status": lambda job: job["status"],
            "list_id": lambda job: job.get("list"),
            "segment_id": lambda job: job.get("segment"),
        },
        keys={name: lambda job: job["created"] for name in ("", "created", "created_at")},
        render=render,
    )
