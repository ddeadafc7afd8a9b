"""Sends customer events: what happens now one by one, history in jobs, and every refusal narrowed to its own event."""

from __future__ import annotations

from collections.abc import Sequence

from marketplace_sync.connectors.klaviyo import jobs
from marketplace_sync.connectors.klaviyo.batch import Batch
from marketplace_sync.connectors.klaviyo.calls import Calls
from marketplace_sync.connectors.klaviyo.events import PreparedEvent, prepared, problem_with, single
from marketplace_sync.connectors.klaviyo.narrowing import send_narrowing
from marketplace_sync.connectors.klaviyo.refusals import errors, refused
from marketplace_sync.connectors.wire import Answer
from marketplace_sync.domain.effects import Delivered, Effect, InDoubt, Lane, Outcome, Postponed, Refused, TrackEvent


class Tracking:
    """Delivers `track_event` effects. Thread-safe: it keeps nothing between calls."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def deliver(self, effects: Sequence[Effect]) -> list[Outcome]:
        """One outcome per effect, in order.

        History (backfill lane, `backfill` set, never tried before) goes in jobs. What may already have been accepted
        is repeated singly: a single event that is known is ignored, a job with one may fail as a whole (Klaviyo, bulk
        events).
        """
        batch = Batch(len(effects))
        rows: dict[tuple[object, ...], jobs.Row] = {}
        singles: list[tuple[int, PreparedEvent]] = []
        for position, effect in enumerate(effects):
            event: TrackEvent = effect.payload
            if problem := problem_with(event):
                batch.settle(position, Refused(f"The event {event.metric!r} was not sent: {problem}.", code="unfit"))
                continue
            ready = prepared(event)
            if not (effect.lane is Lane.BACKFILL and event.backfill and effect.attempts <= 1):
                singles.append((position, ready))
                continue
            row = jobs.row(position, ready)
            if row.key in rows:
                batch.same(position, rows[row.key].position)
            else:
                rows[row.key] = row
        for job in jobs.split(list(rows.values())):
            singles.extend((row.position, row.event) for row in self._job(batch, job))
        for position, ready in singles:
            batch.settle(position, batch.closed() or self._single(ready))
        return batch.outcomes()

    def _single(self, event: PreparedEvent) -> Outcome:
        answer = self._calls.write("/api/events", single(event), bucket="events", operation="send an event")
        if not isinstance(answer, Answer):
            return answer
        if answer.status < 300:
            return _delivered(event)
        private = [str(event.profile.get(key, "")) for key in ("email", "external_id")]
        what = f"the event {event.metric!r} {event.unique_id}"
        return refused(what, answer.status, errors(answer.body), private)

    def _job(self, batch: Batch, rows: Sequence[jobs.Row]) -> list[jobs.Row]:
        """Send rows as a job. Returns the ones that are to be sent singly, for a verdict of their own."""

        def send(part: Sequence[jobs.Row]) -> Answer | Postponed | InDoubt:
            return self._calls.write(
                "/api/event-bulk-create-jobs", jobs.body(part), bucket="event-jobs", operation="send an event job"
            )

        def accepted(part: Sequence[jobs.Row], answer: Answer) -> Sequence[jobs.Row]:
            for row in part:
                batch.settle(row.position, _delivered(row.event))
            return []

        return send_narrowing(batch, rows, send=send, pointed_at=jobs.pointed_at, accepted=accepted)


def _delivered(event: PreparedEvent) -> Delivered:
    return Delivered({"trimmed": list(event.notes)} if event.notes else {})
