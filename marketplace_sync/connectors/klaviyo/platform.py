"""One Klaviyo account as the flows know it: a marketing platform that is written to, read back and checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from marketplace_sync.connectors.klaviyo.calls import Calls, no_answer
from marketplace_sync.connectors.klaviyo.jobs import MAX_EVENTS
from marketplace_sync.connectors.klaviyo.reading import Reading
from marketplace_sync.connectors.klaviyo.settings import KlaviyoSettings
from marketplace_sync.connectors.klaviyo.tracking import Tracking
from marketplace_sync.connectors.ports import MetricTotal, SeenEvent
from marketplace_sync.connectors.wire import Wire
from marketplace_sync.domain.effects import (
    Delivered,
    Effect,
    EffectKind,
    Lane,
    NotThere,
    Outcome,
    Resolution,
    TrackEvent,
)
from marketplace_sync.domain.errors import TransportError


class Klaviyo:
    """`ports.MarketingPlatform`. Thread-safe."""

    def __init__(self, name: str, settings: KlaviyoSettings, wire: Wire) -> None:
        self.name = name
        self._settings = settings
        calls = Calls(wire, settings.revision)
        self._reading = Reading(calls)
        self._tracking = Tracking(calls)

    def batch_limit(self, kind: EffectKind, lane: Lane) -> int:
        """Only history goes in event jobs: an event job answers nothing about the events in it, and what happens now
        is sent singly within a second."""
        if kind is EffectKind.TRACK_EVENT:
            return MAX_EVENTS if lane is Lane.BACKFILL else 1
        raise ValueError(f"Klaviyo is not asked to {kind}")

    def concurrency(self) -> int:
        return self._settings.requests_at_once

    def deliver(self, effects: Sequence[Effect]) -> Sequence[Outcome]:
        if not effects:
            return []
        kind = effects[0].kind
        if kind is EffectKind.TRACK_EVENT:
            return self._tracking.deliver(effects)
        raise ValueError(f"Klaviyo is not asked to {kind}")

    def resolve(self, effect: Effect) -> Resolution:
        try:
            if effect.kind is EffectKind.TRACK_EVENT:
                return self._has_event(effect.payload)
        except TransportError as problem:
            return no_answer(problem)
        raise ValueError(f"Klaviyo is not asked to {effect.kind}")

    def is_idempotent(self, kind: EffectKind) -> bool:
        """The vendor ignores a known `unique_id` of the same person and metric (Klaviyo, events)."""
        return kind is EffectKind.TRACK_EVENT

    def events(self, metric: str, since: datetime, until: datetime) -> Iterator[SeenEvent]:
        return self._reading.events(metric, since, until)

    def metric_aggregates(
        self, metric: str, since: datetime, until: datetime, by: Sequence[str] = (), *, interval: str = "day"
    ) -> Sequence[MetricTotal]:
        return self._reading.totals(metric, since, until, by, interval)

    def _has_event(self, event: TrackEvent) -> Resolution:
        moment = event.occurred_at
        wanted = str(event.properties.get("SyncKey", event.sync_key))
        for seen in self._reading.events(event.metric, moment, moment + timedelta(seconds=1)):
            if seen.sync_key == wanted:
                return Delivered()
        return NotThere()
