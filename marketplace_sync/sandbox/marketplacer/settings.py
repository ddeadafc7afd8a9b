"""What one simulated Marketplacer instance is like. Where the sheet says `assumed`, there is a setting."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

KLAVIYO_STATUSES = ("AVAILABLE", "UNAVAILABLE", "CONNECTED", "ERROR")


@dataclass
class Settings:
    """Knobs of one instance, given by name in the account's settings."""

    vertical_code: str = "homeware"
    site_name: str = "Homeware Marketplace"
    country: str = "GB"
    currency: str = "GBP"
    """One currency for the whole instance: orders and invoices do not name it (sheet, 0 and 9)."""
    tax_inclusive: bool = True
    tax_per_cent: int = 20
    commission_per_cent: int = 12
    utc_offset_hours: int = 0
    """Times are written with this offset, as an instance in another zone does."""

    operator_key: str = "sandbox-marketplacer-operator-key"
    seller_keys: dict[str, str] = field(
        default_factory=lambda: {
            "Hearth & Field": "sandbox-marketplacer-seller-hearth",
            "North Loom": "sandbox-marketplacer-seller-loom",
            "Lumen Works": "sandbox-marketplacer-seller-lumen",
        }
    )
    """Name of each seller and its key. A product belongs to the seller that is called like its brand."""
    scopes: list[str] | None = None
    """What the operator's key may do, e.g. orders:read; None for a key from before there were scopes."""
    basic_username: str | None = None
    """Set for an instance behind HTTP Basic, as those that are not productive often are."""
    basic_password: str = "sandbox-marketplacer-gate"  # noqa: S105 -- opens nothing but the simulation

    per_address: int | None = 600
    per_key: int | None = 750
    per_operator: int | None = 1200
    """Calls in ten seconds, each counted for itself (sheet, 1); None for no limit."""
    throttle_status: int = 429
    retry_after: int | None = None
    """Seconds that a refusal names; None leaves the header out, which the vendor allows itself."""
    default_page: int = 50
    largest_page: int = 500
    deepest_query: int = 30

    invoices_follow_seconds: float = 0.0
    """So long after an order the invoices of its further sellers come into being, while its totals are those of all
    (assumed: the sheet, 10, has a reader wait for them)."""
    split_by_delivery_type: bool = False
    """Whether one seller's lines of two delivery types become two invoices (two readings in the sheet, 3)."""
    updated_lists_by: str = "updatedAt"
    """What `updatedOrders` and `updatedRefundRequests` are sorted by: the vendor does not say (sheet, 5). `n`: the age
    of the thing, however late it changed."""
    keeps_partially_sent: bool = False
    """Whether PARTIALLY_SENT stays beside SENT (assumed not, sheet, 4)."""
    order_moves_with_invoices: bool = False
    """Whether Order.updatedAt moves when an invoice ships or is refunded (not documented: not guaranteed)."""
    cents_removed: bool = False
    """Whether the `*Cents` fields are gone from what is read, and only `*Formatted` is left (sheet, 2)."""
    failing_fields: list[str] = field(default_factory=list)
    """Fields such as LineItem.variant, or LineItem.variant@305 of one thing, that end in an error: the rest of the
    answer comes (sheet, 2)."""
    purged_value: str | None = "purged"
    """What a purged text becomes (not documented)."""
    advanced_refunds: bool = True
    order_external_ids_exposed: list[str] = field(default_factory=list)
    """Keys of orders' external ids that sellers see."""

    klaviyo_status: str = "AVAILABLE"
    klaviyo_tracks: bool = False
    klaviyo_sends_mail: bool = False

    burst_seconds: float = 2.0
    """Events about one thing within so long are one webhook event, the last one (assumed, sheet, 6)."""
    high_volume_at: int = 50_000
    keep_events_days: int = 3

    sellers_ship_after_seconds: float | None = None
    """So long after payment the sellers send what is left of an invoice by themselves; None: only acts ship."""
    blank_tracking_rate: float = 0.0
    null_email_rate: float = 0.0
    """How often a parcel that a seller sends by itself has no tracking number, and a new order no e-mail address."""

    def __post_init__(self) -> None:
        if self.klaviyo_status not in KLAVIYO_STATUSES:
            raise ValueError(f"klaviyo_status is one of {', '.join(KLAVIYO_STATUSES)}, not {self.klaviyo_status!r}")
        if self.throttle_status not in (429, 503):
            raise ValueError(f"throttle_status is 429 or 503, not {self.throttle_status!r}")

    @classmethod
    def of(cls, given: dict[str, Any]) -> Settings:
        """Settings by name. Raises ValueError for one that does not exist."""
        known = {f.name for f in fields(cls)}
        if unknown := set(given) - known:
            raise ValueError(
                f"a simulated Marketplacer has no setting {', '.join(sorted(unknown))}; it has: "
                f"{', '.join(sorted(known))}"
            )
        return cls(**given)
