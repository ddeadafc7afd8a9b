"""What one simulated Magento shop is like. The defaults are an Open Source shop of the newest release."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

VERSIONS = ("2.4.8", "2.4.9")


@dataclass
class Settings:
    """Knobs of one shop, given by name in the account's settings."""

    version: str = "2.4.9"
    shop_name: str = "Hearth & Field"
    currency: str = "GBP"
    timezone: str = "Europe/London"
    locale: str = "en_GB"
    """Messages come in this language; German (de_DE) is the other one there is."""
    stores: dict[str, int] = field(default_factory=lambda: {"default": 1, "outlet": 2})
    """Code of each store view and its id; all belong to the website `base`."""

    consumer_key: str = "sandbox-magento-consumer-key"
    consumer_secret: str = "sandbox-magento-consumer-secret"  # noqa: S105 -- opens nothing but the simulation
    access_token: str = "sandbox-magento-access-token"  # noqa: S105
    access_token_secret: str = "sandbox-magento-access-token-secret"  # noqa: S105
    resources: list[str] = field(default_factory=lambda: ["*"])
    """What the integration may do, as names of access control such as Magento_Sales::ship; * for everything."""
    more_integrations: list[dict[str, Any]] = field(default_factory=list)
    """Further integrations: the five members above each."""
    integration_as_bearer: bool = False
    """Whether the access token alone opens the shop: off since 2.4.4 unless the merchant turns it on."""
    admin_username: str = "admin"
    admin_password: str = "sandbox-magento-admin-1"  # noqa: S105
    two_factor: bool = True
    """Whether the administrator needs a code as well; the plain token call is refused then."""
    otp: str = "123456"
    admin_token_seconds: int = 4 * 3600
    timestamp_ahead_seconds: int = 600
    """A signature may be dated so far in the future; the past is not looked at."""
    encoded_path_breaks_signature: bool = True
    """Whether percent-encoded characters in a path make the signature wrong, as in 2.4.6 and later."""
    encoded_slashes: bool = False
    """Whether the web server lets `%2F` through; otherwise it answers 404 itself."""

    page_past_end_repeats: bool = True
    """Whether a page beyond the last one is the last one again; otherwise it is empty."""
    items_null_when_empty: bool = False
    input_limits: bool = False
    """Whether the merchant limits input: lists of `most_items`, pages of `largest_page`, and 20 without a page size."""
    most_items: int = 20
    most_async_items: int = 5000
    largest_page: int = 300
    default_page: int = 20
    shifted_rows: int = 0
    """By so many rows pages after the first start too early, as when rows move while somebody pages."""
    orders_per_minute: int | None = None
    """More orders than this are answered 429; None for no limit."""
    requests_per_minute: int | None = None
    """More calls than this are answered 429 by what stands in front of the shop, as a page; None for no limit."""

    sequence_start: int = 1
    too_long: str = "error"
    """What the database does with a text that is too long: `error`, or `cut`."""
    duplicate_status: int | None = None
    """What a second order with one increment_id is answered: 400 or 500; None follows the release (assumed)."""
    ids_as_text: bool = True
    """Whether the id of a new shipment, invoice or credit memo comes as text."""
    partial_shipment_touches_order: bool = True
    """Whether a partial shipment moves the order's updated_at; an old report says it did not."""
    late_track_touches_shipment: bool = False
    """Whether a track that is added later moves the shipment's updated_at: not certain, so the worse is the default."""
    back_to_stock: bool = True
    """Whether staff put refunded units back to stock, unless told."""

    index_delay_seconds: float = 0.0
    """How long a written quantity is not yet in the stock index."""
    out_of_stock_threshold: int = 0
    export_module: bool = True
    """Whether the bulk read of salable quantities exists."""
    configurables: bool = False
    """Whether variants hang under configurable products with a SKU of their own."""
    reserve_api_orders: bool = False
    """Whether the merchant has a module that reserves stock for orders saved by API."""
    repair_every_seconds: float | None = None
    """How often the merchant's cron repairs reservations; None for never."""
    consumer_seconds: float | None = 1.0
    """How long a queued operation takes; None when no consumer runs, and it stays open for ever."""

    developer_mode: bool = False
    """Whether refusals carry a trace."""

    def __post_init__(self) -> None:
        if self.version not in VERSIONS:
            raise ValueError(f"there is a simulated Magento {' or '.join(VERSIONS)}, not {self.version!r}")
        if self.too_long not in ("error", "cut"):
            raise ValueError(f"too_long is error or cut, not {self.too_long!r}")

    @property
    def duplicate_answer(self) -> int:
        return self.duplicate_status or (400 if self.version == "2.4.9" else 500)

    @classmethod
    def of(cls, given: dict[str, Any]) -> Settings:
        """Settings by name. Raises ValueError for one that does not exist."""
        known = {f.name for f in fields(cls)}
        if unknown := set(given) - known:
            raise ValueError(
                f"a simulated Magento has no setting {', '.join(sorted(unknown))}; it has: {', '.join(sorted(known))}"
            )
        return cls(**given)
