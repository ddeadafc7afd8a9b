"""What a Klaviyo connection is told: the account's key, what to expect of it, and the vendor's limits as budgets."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import AfterValidator, Field

from marketplace_sync.domain.rates import BudgetSpec, FixedWindow
from marketplace_sync.settings import BaseUrl, ConnectionSettings, Secret

EARLIEST_REVISION = "2026-04-15"
"""Before this revision an event cannot say `backfill`, and history would set off flows (Klaviyo, events)."""


def _revision(value: str) -> str:
    try:
        date.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{value!r} is not an API revision; write a date like 2026-07-15") from None
    if value < EARLIEST_REVISION:
        raise ValueError(
            f"revision {value} does not know `backfill`, so that imported history would send messages to buyers;"
            f" use {EARLIEST_REVISION} or later"
        )
    return value


class KlaviyoSettings(ConnectionSettings):
    """One Klaviyo account."""

    platform: str = "klaviyo"
    base_url: BaseUrl = "https://a.klaviyo.com"
    api_key: Secret
    """A private key with the scopes accounts, events, lists, metrics, profiles and subscriptions."""
    revision: Annotated[str, AfterValidator(_revision)] = "2026-07-15"
    expected_test_account: bool | None = None
    """Whether the account must (true) or must not (false) be flagged as a test account; unset: not looked at."""
    expected_currency: str = Field(default="", pattern=r"^([A-Z]{3})?$")
    """The currency the account must show revenue in, as it converts nothing; empty: not looked at."""
    list_id: str = ""
    """The list people are subscribed to, unless a consent names its own; empty: no list."""
    metrics: tuple[str, ...] = (
        "Placed Order",
        "Ordered Product",
        "Fulfilled Order",
        "Cancellation Requested",
        "Cancelled Order",
        "Return Requested",
        "Return Declined",
        "Returned Order",
        "Refunded Order",
    )
    """What we feed: the check of the connection says which live flows these start."""
    requests_at_once: int = Field(default=32, ge=1, le=200)
    """At 58 events a second and half a second per answer, about thirty are under way."""
    quota_percent: int = Field(default=100, ge=1, le=100)
    """Our part of the account's rate limits, which all of its private keys share."""
    import_profiles_from: int = Field(default=10, ge=2, le=1000)
    """From how many profiles at once an import job is used instead of single calls."""
    import_wait_seconds: float = Field(default=30, gt=0, le=300)
    """How long the result of an import job is waited for before its profiles are in doubt."""


# Bucket -> (calls a second, calls a minute). Limits count per endpoint (Klaviyo, rate limits). Where the vendor's
# reference and its rate limit page differ, the lower number counts: 700 instead of 750 a minute.
_LIMITS = {
    "events": (350, 3500),
    "event-reads": (350, 3500),
    "event-jobs": (10, 150),
    "profile-import": (75, 700),
    "profile-reads": (75, 700),
    "profile-jobs": (10, 150),
    "profile-job-reads": (10, 150),
    "profile-job-errors": (10, 150),
    "subscribe": (75, 700),
    "unsubscribe": (75, 700),
    "lists": (75, 700),
    "list-profiles": (75, 700),
    "metrics": (10, 150),
    "aggregates": (3, 60),
    "accounts": (1, 15),
    "default": (3, 60),
}

_JOBS = ("event-jobs", "profile-jobs")


def budget(settings: KlaviyoSettings) -> BudgetSpec:
    """The account's rate limits, both windows of every endpoint we use (Klaviyo, rate limits).

    Of the limit per second only half is used: what leaves over two seconds may arrive within one, and a job of
    megabytes does. The limit per minute, which is what throughput depends on, is used in full.
    """

    def ours(limit: float) -> int:
        return max(1, int(limit * settings.quota_percent / 100))

    return {
        bucket: (FixedWindow(ours(burst / 2), 1), FixedWindow(ours(steady), 60))
        for bucket, (burst, steady) in _LIMITS.items()
    }


def at_once(settings: KlaviyoSettings) -> dict[str, int]:
    """How many jobs of a bucket are under way at most: as many as leave in one second. A vendor that was busy for a
    while sees all that wait for it in one moment, and with those that follow on its answers they still fit into its
    limit per second."""
    limits = budget(settings)
    return {
        bucket: min(window.limit for window in windows)
        for bucket, windows in limits.items()
        if bucket in _JOBS and isinstance(windows, tuple)
    }
