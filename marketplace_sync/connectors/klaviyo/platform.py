"""One Klaviyo account as the flows know it: a marketing platform that is written to, read back and checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from marketplace_sync.connectors.klaviyo.calls import Calls, no_answer
from marketplace_sync.connectors.klaviyo.checking import Checking
from marketplace_sync.connectors.klaviyo.importing import MAX_PROFILES, Importing
from marketplace_sync.connectors.klaviyo.jobs import MAX_EVENTS
from marketplace_sync.connectors.klaviyo.reading import Reading
from marketplace_sync.connectors.klaviyo.settings import KlaviyoSettings, at_once
from marketplace_sync.connectors.klaviyo.subscribing import MAX_PEOPLE, Subscribing
from marketplace_sync.connectors.klaviyo.tracking import Tracking
from marketplace_sync.connectors.ports import Finding, MarketingCapabilities, MetricTotal, SeenEvent
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

CAPABILITIES = MarketingCapabilities(takes_events=True, takes_consent=True, reads_back=True)


class Klaviyo:
    """`ports.MarketingPlatform`. Thread-safe."""

    capabilities = CAPABILITIES

    def __init__(self, name: str, settings: KlaviyoSettings, wire: Wire) -> None:
        self.name = name
        self._settings = settings
        calls = Calls(wire, settings.revision, at_once(settings))
        self._reading = Reading(calls)
        self._tracking = Tracking(calls)
        self._importing = Importing(
            calls,
            self._reading,
            jobs_from=settings.import_profiles_from,
            wait_seconds=settings.import_wait_seconds,
        )
        self._subscribing = Subscribing(calls, self._reading, settings.list_id)
        self._checking = Checking(calls, self._reading, settings)

    def batch_limit(self, kind: EffectKind, lane: Lane) -> int:
        """Only history goes in event jobs: an event job answers nothing about the events in it, and what happens now
        is sent singly within a second."""
        match kind:
            case EffectKind.TRACK_EVENT:
                return MAX_EVENTS if lane is Lane.BACKFILL else 1
            case EffectKind.UPSERT_PROFILE:
                return MAX_PROFILES
            case EffectKind.SUBSCRIBE | EffectKind.UNSUBSCRIBE:
                return MAX_PEOPLE
        raise _not_ours(kind)

    def concurrency(self) -> int:
        return self._settings.requests_at_once

    def deliver(self, effects: Sequence[Effect]) -> Sequence[Outcome]:
        if not effects:
            return []
        match effects[0].kind:
            case EffectKind.TRACK_EVENT:
                return self._tracking.deliver(effects)
            case EffectKind.UPSERT_PROFILE:
                return self._importing.deliver(effects)
            case EffectKind.SUBSCRIBE | EffectKind.UNSUBSCRIBE:
                return self._subscribing.deliver(effects)
        raise _not_ours(effects[0].kind)

    def resolve(self, effect: Effect) -> Resolution:
        try:
            match effect.kind:
                case EffectKind.TRACK_EVENT:
                    return self._has_event(effect.payload)
                case EffectKind.UPSERT_PROFILE:
                    return self._importing.resolve(effect)
                case EffectKind.SUBSCRIBE | EffectKind.UNSUBSCRIBE:
                    return self._subscribing.resolve(effect)
        except TransportError as problem:
            return no_answer(problem)
        raise _not_ours(effect.kind)

    def is_idempotent(self, kind: EffectKind) -> bool:
        """A known `unique_id` of the same person and metric is ignored, and a profile is what was stated last
        (Klaviyo, events and profile import). Repeating an opt-in could bring back somebody who left meanwhile."""
        return kind in (EffectKind.TRACK_EVENT, EffectKind.UPSERT_PROFILE)

    def events(self, metric: str, since: datetime, until: datetime) -> Iterator[SeenEvent]:
        return self._reading.events(metric, since, until)

    def metric_aggregates(
        self, metric: str, since: datetime, until: datetime, by: Sequence[str] = (), *, interval: str = "day"
    ) -> Sequence[MetricTotal]:
        return self._reading.totals(metric, since, until, by, interval)

    def check(self) -> Sequence[Finding]:
        return self._checking.check()

    def _has_event(self, event: TrackEvent) -> Resolution:
        moment = event.occurred_at
        wanted = str(event.properties.get("SyncKey", event.sync_key))
        for seen in self._reading.events(event.metric, moment, moment + timedelta(seconds=1)):
            if seen.sync_key == wanted:
                return Delivered()
        return NotThere()


def _not_ours(kind: EffectKind) -> ValueError:
    return ValueError(f"Klaviyo is not asked to {kind.value}")
