"""Sends profiles: a few singly, many in an import job whose result is waited for and read to its last error."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from marketplace_sync.connectors.klaviyo.batch import Batch
from marketplace_sync.connectors.klaviyo.calls import Calls
from marketplace_sync.connectors.klaviyo.narrowing import send_narrowing
from marketplace_sync.connectors.klaviyo.profiles import PreparedProfile, prepared
from marketplace_sync.connectors.klaviyo.reading import Reading
from marketplace_sync.connectors.klaviyo.refusals import Source, duplicate_of, errors, refused
from marketplace_sync.connectors.wire import Answer
from marketplace_sync.decoding import decoded
from marketplace_sync.domain.effects import (
    Delivered,
    Effect,
    InDoubt,
    NotThere,
    Outcome,
    Postponed,
    Refused,
    Resolution,
    UpsertProfile,
)
from marketplace_sync.domain.errors import TransportError

MAX_PROFILES = 1_000
"""Per job. The vendor takes 10,000; ten times fewer are known ten times sooner, and 150 such jobs a minute are more
than any shop has profiles."""
_MAX_JOB_BYTES = 5_000_000
_ENVELOPE_BYTES = 500
_POINTER = re.compile(r"/profiles/data/(\d+)")
_FIRST_LOOK_SECONDS = 0.5
_IDENTIFIERS = ("email", "external_id", "phone_number")


class _Row(msgspec.Struct, frozen=True):
    position: int
    profile: PreparedProfile


class _Profile(msgspec.Struct, frozen=True):
    id: str = ""


class _ProfileDocument(msgspec.Struct, frozen=True):
    data: _Profile = _Profile()


class _KnownProfile(msgspec.Struct, frozen=True):
    id: str
    attributes: dict[str, Any]


class _JobAttributes(msgspec.Struct, frozen=True):
    status: str = ""
    failed_count: int | None = None


class _Job(msgspec.Struct, frozen=True):
    id: str
    attributes: _JobAttributes = _JobAttributes()


class _JobDocument(msgspec.Struct, frozen=True):
    data: _Job


class _ImportErrorAttributes(msgspec.Struct, frozen=True):
    source: Source | None = None
    original_payload: Any = None


class _ImportError(msgspec.Struct, frozen=True):
    attributes: _ImportErrorAttributes = _ImportErrorAttributes()


class Importing:
    """Delivers `upsert_profile` effects. Thread-safe: it keeps nothing between calls."""

    def __init__(self, calls: Calls, reading: Reading, *, jobs_from: int, wait_seconds: float) -> None:
        self._calls = calls
        self._reading = reading
        self._jobs_from = jobs_from
        self._wait_seconds = wait_seconds

    def deliver(self, effects: Sequence[Effect]) -> list[Outcome]:
        """One outcome per effect, in order. A profile that was tried before, or that comes twice in the batch, goes
        singly, so that what is stated last is what stays."""
        batch = Batch(len(effects))
        rows: list[_Row] = []
        singles: list[_Row] = []
        people: set[tuple[str, ...]] = set()
        for position, effect in enumerate(effects):
            stated: UpsertProfile = effect.payload
            ready = prepared(stated)
            if isinstance(ready, str):
                batch.settle(position, Refused(f"A profile was not sent: {ready}.", code="unfit"))
            elif effect.attempts > 1 or ready.person in people:
                singles.append(_Row(position, ready))
            else:
                people.add(ready.person)
                rows.append(_Row(position, ready))
        if len(rows) < self._jobs_from:
            singles.extend(rows)
            rows = []
        for job in _split(rows):
            singles.extend(self._job(batch, job))
        for row in sorted(singles, key=lambda row: row.position):
            batch.settle(row.position, batch.closed() or self._single(row.profile))
        return batch.outcomes()

    def resolve(self, effect: Effect) -> Resolution:
        """Whether the vendor has what a profile in doubt states. Raises TransportError."""
        ready = prepared(effect.payload)
        if isinstance(ready, str):
            return NotThere()
        key = next(name for name in _IDENTIFIERS if name in ready.attributes)
        params: dict[str, str | int] = {
            "filter": f"equals({key},{msgspec.json.encode(ready.attributes[key]).decode()})"
        }
        pages = self._reading.pages(
            "/api/profiles", _KnownProfile, params, bucket="profile-reads", operation="look a profile up"
        )
        for profiles, _ in pages:
            for profile in profiles:
                if _holds(profile.attributes, ready.attributes):
                    return _delivered(ready, profile_id=profile.id)
        return NotThere()

    def _single(self, profile: PreparedProfile) -> Outcome:
        answer = self._import(profile)
        if not isinstance(answer, Answer) or answer.status < 300:
            return answer if not isinstance(answer, Answer) else _stored(answer, profile)
        found = errors(answer.body)
        duplicate = duplicate_of(found)
        fewer = profile.without_secondary() if duplicate is not None else None
        if fewer is None:
            return _refusal(answer, profile)
        again = self._import(fewer)
        if not isinstance(again, Answer):
            return again
        if again.status < 300:
            return _stored(again, fewer, conflicts_with=duplicate or "")
        return _refusal(again, fewer)

    def _import(self, profile: PreparedProfile) -> Answer | Postponed | InDoubt:
        body = msgspec.json.encode({"data": {"type": "profile", "attributes": profile.attributes}})
        return self._calls.write("/api/profile-import", body, bucket="profile-import", operation="send a profile")

    def _job(self, batch: Batch, rows: Sequence[_Row]) -> list[_Row]:
        """Send rows as a job and wait for its end. Returns those that are to be sent singly, for a verdict of their
        own."""

        def send(part: Sequence[_Row]) -> Answer | Postponed | InDoubt:
            return self._calls.write(
                "/api/profile-bulk-import-jobs", _body(part), bucket="profile-jobs", operation="send a profile import"
            )

        def accepted(part: Sequence[_Row], answer: Answer) -> Sequence[_Row]:
            return self._finished(batch, part, answer)

        return send_narrowing(batch, rows, send=send, pointed_at=_pointed_at, accepted=accepted)

    def _finished(self, batch: Batch, rows: Sequence[_Row], accepted: Answer) -> list[_Row]:
        """Settle the rows of an accepted job by its result. A finished job is no proof: its errors are (Klaviyo,
        profile import jobs)."""
        try:
            job = self._calls.decoded(accepted, _JobDocument, "send a profile import").data
            job = self._ended(job, batch)
            if job.attributes.status != "complete":
                reason = (
                    f"the import job {job.id} was {job.attributes.status or 'without a status'} when last looked at"
                )
                _settle(batch, rows, InDoubt(f"{self._calls.connection}: {reason}"))
                return []
            failed = self._failed(job, rows) if job.attributes.failed_count != 0 else set()
        except TransportError as problem:
            _settle(batch, rows, InDoubt(f"the import was accepted and its result could not be read: {problem}"))
            return []
        if failed is None:
            _settle(batch, rows, InDoubt(f"the import job {job.id} names an error without saying whose it is"))
            return []
        for index, row in enumerate(rows):
            if index not in failed:
                batch.settle(row.position, _delivered(row.profile, job=job.id))
        return [rows[index] for index in sorted(failed)]

    def _ended(self, job: _Job, batch: Batch) -> _Job:
        pause = _FIRST_LOOK_SECONDS
        until = time.monotonic() + self._wait_seconds
        while job.attributes.status in ("queued", "processing"):
            if time.monotonic() + pause > until or batch.closed():
                break
            time.sleep(pause)
            pause = min(5.0, pause * 1.5)
            job = self._calls.read(
                f"/api/profile-bulk-import-jobs/{job.id}",
                _JobDocument,
                bucket="profile-job-reads",
                operation="read a profile import",
            ).data
        return job

    def _failed(self, job: _Job, rows: Sequence[_Row]) -> set[int] | None:
        """Which rows the job's errors are about; None when one cannot be told."""
        failed: set[int] = set()
        pages = self._reading.pages(
            f"/api/profile-bulk-import-jobs/{job.id}/import-errors",
            _ImportError,
            {"page[size]": 100},
            bucket="profile-job-errors",
            operation="read the errors of a profile import",
        )
        for found, _ in pages:
            for error in found:
                index = _whose(error.attributes, rows)
                if index is None:
                    return None
                failed.add(index)
        return failed


def _split(rows: Sequence[_Row]) -> Iterator[list[_Row]]:
    job: list[_Row] = []
    size = _ENVELOPE_BYTES
    for row in rows:
        needed = len(row.profile.encoded()) + 1
        if job and (len(job) == MAX_PROFILES or size + needed > _MAX_JOB_BYTES):
            yield job
            job, size = [], _ENVELOPE_BYTES
        job.append(row)
        size += needed
    if job:
        yield job


def _body(rows: Sequence[_Row]) -> bytes:
    profiles = [msgspec.Raw(row.profile.encoded()) for row in rows]
    return msgspec.json.encode(
        {"data": {"type": "profile-bulk-import-job", "attributes": {"profiles": {"data": profiles}}}}
    )


def _index(pointer: str, rows: Sequence[_Row]) -> int | None:
    found = _POINTER.search(pointer)
    return int(found.group(1)) if found and int(found.group(1)) < len(rows) else None


def _pointed_at(rows: Sequence[_Row], pointer: str) -> Sequence[_Row]:
    index = _index(pointer, rows)
    return [] if index is None else [rows[index]]


def _whose(error: _ImportErrorAttributes, rows: Sequence[_Row]) -> int | None:
    """By the payload the vendor gives back, which names the person; by the pointer when there is none."""
    payload = error.original_payload
    if isinstance(payload, Mapping):
        payload = payload.get("attributes", payload)
    if isinstance(payload, Mapping):
        for index, row in enumerate(rows):
            known = row.profile.attributes
            if any(payload.get(key) and payload.get(key) == known.get(key) for key in _IDENTIFIERS):
                return index
    return _index((error.source.pointer or "") if error.source else "", rows)


def _holds(known: Any, stated: Any) -> bool:
    """Everything stated is known; what else is known does not matter, nor does the case of an address."""
    if not isinstance(stated, Mapping):
        return bool(known == stated)
    if not isinstance(known, Mapping):
        return False
    return all(
        str(known.get(key)).casefold() == str(value).casefold() if key == "email" else _holds(known.get(key), value)
        for key, value in stated.items()
    )


def _settle(batch: Batch, rows: Sequence[_Row], outcome: Outcome) -> None:
    for row in rows:
        batch.settle(row.position, outcome)


def _stored(answer: Answer, profile: PreparedProfile, conflicts_with: str = "") -> Delivered:
    try:
        profile_id = decoded(answer.body, _ProfileDocument).data.id
    except (msgspec.MsgspecError, RecursionError):
        profile_id = ""
    return _delivered(profile, profile_id=profile_id, conflicts_with=conflicts_with)


def _delivered(profile: PreparedProfile, **known: str) -> Delivered:
    result: dict[str, Any] = {key: value for key, value in known.items() if value}
    if profile.left_out:
        result["left_out"] = list(profile.left_out)
    return Delivered(result)


def _refusal(answer: Answer, profile: PreparedProfile) -> Refused:
    private = [str(profile.attributes.get(key, "")) for key in _IDENTIFIERS]
    return refused("a profile", answer.status, errors(answer.body), private)
