"""What can be different about a simulated account. What the vendor's documentation leaves open is a switch here."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import field

from marketplace_sync.sandbox.klaviyo.metrics import NATIVE


class ListSetting(msgspec.Struct, forbid_unknown_fields=True):
    """A list the account begins with."""

    id: str
    name: str
    opt_in_process: Literal["single_opt_in", "double_opt_in"] = "single_opt_in"


class Choices(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The settings of an account, by their names in a world's `settings`."""

    api_key: str = "pk_sandbox_klaviyo"
    scopes: list[str] | None = None
    """Scopes of `api_key`; None grants all."""
    more_keys: dict[str, list[str] | None] = {}
    """Further private keys of the same account and their scopes. They share its quota."""

    rate_limits: bool = True
    rate_scale: float = 1.0
    """Multiplies every limit."""
    drop_retry_after: bool = False
    agent_hints: bool = True
    unknown_attributes: bool = False
    """Answers carry members nobody announced."""
    plain_413: bool = False
    cursor_lifetime: float | None = None
    """Seconds after which a cursor is refused; None never."""

    visibility_delay: float = 0.3
    """Seconds between accepting asynchronous work and its effect."""
    job_seconds: float = 0.3
    """Seconds a job spends queued, and again processing."""
    bulk_duplicates: Literal["request", "stored", "off"] = "request"
    """Which repeated unique_id fails a bulk event request: within it, also against stored events, or none."""
    legacy_event_properties: bool = False
    """GET events shows $event_id, $value and $value_currency among the properties."""
    old_revision_backfill: Literal["refuse", "ignore"] = "refuse"
    import_validation: Literal["synchronous", "asynchronous"] = "synchronous"
    """Malformed rows of a bulk profile import refuse the request, or become import errors."""
    catalog_errors: Literal["documented", "short"] = "documented"
    """Row errors of catalogue jobs: with id, code and title, or as seen live with detail, source and meta only."""

    live_flows: list[str] = field(default_factory=lambda: ["Placed Order"])
    """Metrics (of the API) with a live flow."""
    draft_flows: list[str] = []
    live_list_flows: list[str] = []
    """Names of lists with a live "added to list" flow."""
    native_metrics: list[tuple[str, str]] = field(default_factory=lambda: list(NATIVE))
    """(name, service) of metrics that are there from the start."""
    mapped_metrics: dict[str, str] = field(
        default_factory=lambda: {
            "revenue": "Placed Order",
            "ordered_product": "Ordered Product",
            "refunded_sales": "Refunded Order",
            "cancelled_sales": "Cancelled Order",
        }
    )
    """Meaning to the name of the API's metric that gets it when it first appears."""

    lists: list[ListSetting] = field(
        default_factory=lambda: [
            ListSetting("SbxNws", "Newsletter"),
            ListSetting("SbxDoi", "Newsletter with confirmation", "double_opt_in"),
        ]
    )
    default_opt_in: Literal["single_opt_in", "double_opt_in"] = "double_opt_in"
    """For subscriptions that name no list, and for lists made without saying."""
    sms_enabled: bool = True
    """Without SMS, events that know only a phone number are accepted and lost."""
    age_gating: bool = False
    ineligible_phones: frozenset[str] = frozenset()
    """Well-formed phone numbers that are refused all the same."""

    account_id: str = "SbxAcc"
    organization: str = "Hearth & Field (sandbox)"
    test_account: bool = True
    preferred_currency: str = "GBP"
    timezone: str = "Europe/London"
    locale: str = "en-GB"


def choices_of(settings: dict[str, Any]) -> Choices:
    """Raises ValueError naming the setting that is wrong."""
    try:
        return msgspec.convert(settings, Choices)
    except msgspec.ValidationError as problem:
        raise ValueError(f"settings of a klaviyo account: {problem}") from None
