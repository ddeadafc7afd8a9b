"""A simulated Klaviyo account with our connector on it, and the effects the tests send: real HTTP, no stand-ins."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from marketplace_sync.connectors.budget import LocalBudget
from marketplace_sync.connectors.klaviyo.platform import Klaviyo
from marketplace_sync.connectors.klaviyo.settings import KlaviyoSettings
from marketplace_sync.connectors.registry import open_connection
from marketplace_sync.connectors.transport import Exchange
from marketplace_sync.domain.effects import (
    Effect,
    EffectKind,
    Lane,
    Subscription,
    TrackEvent,
    UpsertProfile,
)
from marketplace_sync.sandbox.serve import RunningSandbox
from marketplace_sync.sandbox.world import WorldSettings
from marketplace_sync.settings import Secret

KEY = "pk_sandbox_klaviyo"
NOW = datetime.now(UTC).replace(microsecond=0)


class Account:
    """One simulated account, the connector that talks to it, and everything that went over the wire."""

    def __init__(self, sandbox: RunningSandbox, **settings: Any) -> None:
        self.sandbox = sandbox
        self.exchanges: list[Exchange] = []
        self.settings = KlaviyoSettings(
            base_url=f"{sandbox.base_url}/klaviyo", **{"api_key": Secret(default=KEY), **settings}
        )
        self.connector: Klaviyo = open_connection(
            "klaviyo", self.settings, lambda _, spec: LocalBudget(spec), on_exchange=self.exchanges.append
        )

    def calls(self, path: str, method: str = "POST") -> list[Exchange]:
        return [one for one in self.exchanges if one.path == path and one.method == method]

    def bodies(self, path: str) -> list[Any]:
        return [msgspec.json.decode(one.request_body) for one in self.calls(path)]

    def faults(self, *rules: dict[str, Any]) -> None:
        self.sandbox.control("PUT", "klaviyo/faults", list(rules))

    def stored(self, collection: str) -> list[dict[str, Any]]:
        return self.sandbox.documents("klaviyo", collection)

    def keys(self, metric: str = "Placed Order") -> list[str]:
        """The keys of the events that can be read back now."""
        found = self.connector.events(metric, NOW - timedelta(days=400), NOW + timedelta(days=1))
        return sorted(event.sync_key for event in found)


@contextmanager
def account(vendor: dict[str, Any] | None = None, **settings: Any) -> Iterator[Account]:
    """`vendor` are the simulated account's own settings, `settings` those of our connection."""
    world = WorldSettings(
        accounts={"klaviyo": "klaviyo"}, settings={"klaviyo": vendor or {}}, shop=False, oddities=False
    )
    with RunningSandbox(world) as sandbox:
        yield Account(sandbox, **settings)


def eventually(condition: Callable[[], bool], seconds: float = 10) -> bool:
    """Whether the condition comes true: the vendor works things off after it has accepted them."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


def event(number: int, **changes: Any) -> TrackEvent:
    stated: dict[str, Any] = {
        "metric": "Placed Order",
        "unique_id": f"A-{number}",
        "occurred_at": NOW - timedelta(minutes=number),
        "identifiers": {"email": f"kim{number}@example.com"},
        "properties": {"OrderId": f"A-{number}", "Items": [{"SKU": "MUG-RED", "Quantity": 2}]},
        "value": 12050,
        "currency": "GBP",
        "marketplace": "john_lewis",
    }
    return TrackEvent(**{**stated, **changes})


def effect(
    kind: EffectKind, payload: TrackEvent | UpsertProfile | Subscription, lane: Lane, number: int, attempts: int = 1
) -> Effect:
    return Effect(
        effect_id=number,
        connection="klaviyo",
        kind=kind,
        subject=f"subject-{number}",
        lane=lane,
        payload=payload,
        natural_key=f"{kind}-{number}",
        attempts=attempts,
    )


def live(number: int, **changes: Any) -> Effect:
    """An event that happened just now."""
    return effect(EffectKind.TRACK_EVENT, event(number, **changes), Lane.EVENTS, number)


def history(numbers: Sequence[int], attempts: int = 1, **changes: Any) -> list[Effect]:
    """Events of the past, as a backfill records them."""
    return [
        effect(
            EffectKind.TRACK_EVENT, event(number, backfill=True, **changes), Lane.BACKFILL, number, attempts=attempts
        )
        for number in numbers
    ]


def profile(number: int, attempts: int = 1, **changes: Any) -> Effect:
    stated: dict[str, Any] = {
        "identifiers": {"email": f"kim{number}@example.com"},
        "attributes": {"first_name": "Kim", "location": {"city": "Leeds", "country": "GB"}},
        "properties": {"Marketplaces John Lewis": True},
    }
    payload = UpsertProfile(**{**stated, **changes})
    return effect(EffectKind.UPSERT_PROFILE, payload, Lane.PROFILES, number, attempts=attempts)


def consent(number: int, kind: EffectKind = EffectKind.SUBSCRIBE, **changes: Any) -> Effect:
    stated: dict[str, Any] = {
        "identifiers": {"email": f"kim{number}@example.com"},
        "consented_at": NOW - timedelta(days=3),
        "source": "John Lewis",
    }
    return effect(kind, Subscription(**{**stated, **changes}), Lane.PROFILES, number)
