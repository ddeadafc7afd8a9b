"""The keys of a Mirakl connection. What each operator decides, or nobody publishes, is a key with a default."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field

from marketplace_sync.settings import ConnectionSettings, Duration, Secret


class MiraklSettings(ConnectionSettings):
    """One shop at one operator's marketplace. `base_url` is the operator's host, without `/api`."""

    api_key: Secret
    """The shop's key as the operator's back office shows it: it is sent as it is, without a scheme."""
    shop_id: int | None = Field(default=None, ge=1)
    """Which shop, when the key's user has several; otherwise the user's default shop."""
    locale: str = Field(default="", pattern="^([a-z]{2}(_[A-Z]{2})?)?$")
    """The language of labels (`en`, `en_GB`); only languages that the operator uses. Empty: the operator's own."""
    only_channel: str = ""
    """Only orders of this channel code of the operator's; empty: of all."""
    currency: str = Field(default="", pattern="^([A-Z]{3})?$")
    """For an order that states none; empty: such an order is shown to a person."""

    price_basis: Literal["auto", "retail", "cost"] = "auto"
    """What the shop's prices are. `auto`: cost where the shop's model is DROPSHIP, else what the buyer pays."""
    multi_shipment: bool | None = None
    """Whether parcels are stated one by one. None: what the platform says of itself."""
    only_registered_carriers: bool | None = None
    """Whether a parcel may only leave with a carrier of the operator's list. None: what the platform says of itself."""
    partial_dispatch: Literal["refuse", "ship_order"] = "refuse"
    """Where orders ship only as a whole and a part left: it waits for the rest, or the first parcel ships the order."""
    quantity_after_cancelations: bool = True
    """Whether a line's `quantity` is what is left of it once `cancelations` are taken off."""
    accept_within: Duration | None = None
    """How long the operator waits for the seller to accept an order (orders do not say it); None: the route's rule."""
    accept_returns: bool = True
    """Whether a return that waits for the seller is accepted; otherwise a person decides each one."""
    cancel_reason: str = ""
    """The operator's code for cancellations by the seller; empty: the first that sellers may use."""
    refund_reason: str = ""
    """The operator's code for refunds by the seller; empty: the first that sellers may use."""
    email_field: str = ""
    """The order additional field in which this operator hands over buyers' own addresses; empty: none."""
    relay_domains: tuple[str, ...] = ("notification.mirakl.net",)
    """Addresses in these domains belong to an order, not to a person."""

    page_size: int = Field(default=100, ge=1, le=100)
    transactions_page_size: int = Field(default=2000, ge=1, le=2000)
    stock_batch: int = Field(default=1000, ge=1, le=50_000)
    """Stock levels in one file."""
    stock_report_first_line: int = Field(default=2, ge=0, le=2)
    """The number that error reports give the first level of a file: 2 when the heading counts as line 1."""
    overlap: Duration = timedelta(minutes=5)
    """How far before the last change seen the next read begins."""
    poll_every: Duration = timedelta(minutes=5)
    """How often orders are read."""
    orders_interval: Duration = timedelta(minutes=1)
    """The shortest time that the operator allows between two reads of the list of orders (partner tier: 15 minutes)."""
    returns_every: Duration = timedelta(minutes=15)
    returns_interval: Duration = timedelta(minutes=5)
    """The same of returns."""
    pages_count: bool = False
    """Whether a further page of these lists is one more read, and comes an interval later. Operators do not say."""
    requests_per_minute: int = Field(default=120, ge=1, le=100_000)
    """For what is allowed on each event; the operator states no number."""
    orders_requests_per_minute: int = Field(default=20, ge=1, le=100_000)
    """Further pages of the list of orders, where they do not count."""
    lookups_per_minute: int = Field(default=60, ge=1, le=100_000)
    """Single orders and returns, read when something is to be said about them. Operators allow one read of orders a
    minute and any for a person who views a page: that looks at single orders are free like those is assumed. 1 where
    they count; then each single parcel, cancellation and refund takes a minute of its own."""
    returns_requests_per_minute: int = Field(default=20, ge=1, le=100_000)
    """The same of returns."""
    stock_files_per_minute: int = Field(default=1, ge=1, le=100_000)
    imports_per_minute: int = Field(default=1, ge=1, le=100_000)
    """Calls that carry many changes at once: files of prices, files of offers, order references; each by itself."""
    product_files_per_hour: int = Field(default=4, ge=1, le=100_000)
    stock_status_every: Duration = timedelta(seconds=15)
    """How often a stock file may be asked after."""
    transactions_per_minute: int = Field(default=20, ge=1, le=100_000)
    transactions_per_hour: int = Field(default=60, ge=1, le=1_000_000)
    account_valid_for: Duration = timedelta(days=1)
    """How long the shop's model, the platform's configuration, carriers and reasons are remembered."""
    concurrency: int = Field(default=4, ge=1, le=16)
    """Calls under way at once."""
