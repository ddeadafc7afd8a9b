"""The shapes of the configuration: connections, routes, secrets by reference. Reading and judging it is `config`."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator


class SecretMissing(ValueError):
    """A secret is referred to and not there. The message names the variable or file, never a value."""


class Secret(BaseModel):
    """A secret by reference: `{env: NAME}` or `{file: path}`. The value is read when needed and never printed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    env: str | None = None
    file: Path | None = None
    default: str | None = Field(default=None, exclude=True, repr=False)
    """Only for the sandbox's own accounts, whose passwords are public."""

    @model_validator(mode="after")
    def _one_source(self) -> Secret:
        if (self.env is None) == (self.file is None) and self.default is None:
            raise ValueError("a secret is either {env: NAME} or {file: path}")
        return self

    def reveal(self) -> str:
        """The value, without surrounding blanks. Raises SecretMissing."""
        if self.env is not None:
            value = os.environ.get(self.env, "").strip()
            if value:
                return value
        if self.file is not None:
            try:
                value = self.file.read_text(encoding="utf-8").strip()
            except OSError as problem:
                raise SecretMissing(f"the file {self.file} cannot be read: {problem.strerror}") from None
            if value:
                return value
            raise SecretMissing(f"the file {self.file} is empty")
        if self.default is not None:
            return self.default
        raise SecretMissing(f"the environment variable {self.env} is not set")


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _duration(value: Any) -> Any:
    """`24h`, `5m`, `90s`, `3d` -> timedelta."""
    if isinstance(value, str) and value[-1:] in _UNITS and value[:-1].isdigit():
        return timedelta(seconds=int(value[:-1]) * _UNITS[value[-1]])
    if isinstance(value, timedelta):
        return value
    raise ValueError(f"{value!r} is not a duration; write it like 90s, 5m, 24h or 3d")


Duration = Annotated[timedelta, BeforeValidator(_duration)]


def _base_url(value: str) -> str:
    from urllib.parse import urlsplit

    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{value!r} is not a URL; it begins with https:// and names a host")
    if parts.username or parts.password:
        raise ValueError("a URL here carries no user name or password; use the secret keys")
    if parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise ValueError(f"{value!r} is not encrypted; http:// is only accepted for this machine (127.0.0.1)")
    return value.rstrip("/")


BaseUrl = Annotated[str, AfterValidator(_base_url)]


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{value!r} is not a time zone; write one like Europe/London") from None
    return value


TimeZone = Annotated[str, AfterValidator(_zone)]


class ConnectionSettings(BaseModel):
    """What every connection has. A platform's own class adds its keys; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    platform: str
    base_url: BaseUrl
    name: str = ""
    """What people call it (`John Lewis`); the connection's key by default."""
    channel: str = ""
    """What settlement files, store records and reports call this marketplace; the connection's key by default."""
    time_zone: TimeZone = "Europe/London"
    connect_timeout_seconds: float = Field(default=5, gt=0, le=60)
    timeout_seconds: float = Field(default=20, gt=0, le=300)
    """The longest that one request may take from its first byte to the last byte of its answer."""
    max_answer_megabytes: int = Field(default=32, gt=0, le=1024)
    """A larger answer is not read to its end: it is refused and shown to a person."""
    keep_trying: Duration = timedelta(hours=24)
    """How long an effect is tried again while its vendor is down or fails, from its first failure: an outage over a
    night must need nobody, and after a day most of what waits is no longer right. Never before `max_attempts` tries:
    whoever was switched off meanwhile has not tried."""
    max_attempts: int = Field(default=12, gt=0, le=100)
    """Tries of an effect that fails for a reason of its own (a permission, a defect of ours) before it is given up."""


class Consent(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    initial: Literal["marketplace", "never"] = "never"
    updates: Literal["marketplace", "klaviyo", "newest"] = "klaviyo"


class Stock(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    buffer: int = Field(default=0, ge=0)
    buffers: dict[str, int] = {}
    push_every: Duration = timedelta(minutes=5)


class RouteSettings(BaseModel):
    """Which marketplace feeds which store and which marketing account, under which rules."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    marketplace: str = ""
    """The marketplace connection; the route's own key by default."""
    store: str | None = None
    marketing: str | None = None
    consent: Consent = Consent()
    marketing_allowed: bool = False
    """Does the marketplace's contract let the seller market to its buyers?"""
    acknowledge_within: Duration = timedelta(hours=24)
    dispatch_lead_days: int = Field(default=2, ge=0, le=30)
    """Working days before the promised delivery date by which a parcel must leave."""
    warn_at: float = Field(default=0.8, gt=0, lt=1)
    """The part of the time from an order to its deadline after which a person is warned (John Lewis, A2)."""
    late_event_after: Duration = timedelta(hours=24)
    """An event older than this when it is sent is sent as history, so that no message goes out to the buyer."""
    whole_within: Duration = timedelta(minutes=5)
    """How long after an order Placed Order waits for what the marketplace has not stated of it yet: Klaviyo keeps the
    first that it is told of an order, and never takes a longer list of items."""
    carriers: dict[str, str] = {}
    """The store's carrier name -> the marketplace's code. A carrier that is not listed is a work item."""
    untracked_carriers: tuple[str, ...] = ()
    """The store's names of carriers whose parcels have no number: the marketplace is told at once, with the order's
    number in its place."""
    tracking_within: Duration = timedelta(hours=2)
    """How long a parcel that left without its number waits for it before the marketplace and the buyer are told without
    (a stand-in is stated to marketplaces, which demand some text)."""
    stated_tracking_within: Duration = timedelta(minutes=15)
    """The same of a parcel that the marketplace states, where no store of ours ships: the buyer is told then."""
    returns_within: Duration = timedelta(days=30)
    """How long an accepted return may take until the marketplace is told that it is over, before a person is asked."""
    stock_numbers: dict[str, str] = {}
    """The marketplace's product number -> our SKU, for lines that state no SKU."""
    tags: tuple[str, ...] = ()
    """Tags of the orders in the store; the connection's key by default."""
    stock: Stock | None = None
    finance: dict[str, Any] = {}
    import_test_orders: bool = False
