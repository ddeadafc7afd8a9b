"""What a Magento connection can be told in the configuration. What merchants decide is a key."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from pydantic import AwareDatetime, Field, model_validator

from marketplace_sync.settings import ConnectionSettings, Duration, Secret

Reservations = Literal["module", "repaired", "subtract"]


class MagentoSettings(ConnectionSettings):
    """`base_url` is the shop's own host, without `/rest`."""

    authentication: Literal["oauth1", "bearer"] = "oauth1"
    """How requests are authorised. `bearer` sends the access token alone, which a shop has to allow first."""
    consumer_key: Secret | None = None
    """Of the integration (System, Integrations)."""
    consumer_secret: Secret | None = None
    access_token: Secret
    access_token_secret: Secret | None = None

    store_view: str = Field(default="default", pattern=r"^[A-Za-z][A-Za-z0-9_]*$")
    """The code of the store view that orders are placed in; its website's stock counts as sellable."""

    reservations: Reservations = Field(
        description="Magento reserves no stock for orders that come over its API, so what it calls salable is too much;"
        " write `module` if a module of the shop reserves for them, `repaired` if a cron job of the shop runs"
        " inventory:reservation:create-compensations regularly (and how often in `reservations_repaired_every`),"
        " or `subtract` to have the units of our orders taken off here",
    )
    """What makes up for the stock that Magento does not reserve for orders over its API: `module` (a module of the shop
    reserves), `repaired` (a cron job repairs) or `subtract` (we take the units of our orders off)."""
    reservations_repaired_every: Duration = timedelta(minutes=10)
    """With `repaired`: how often the shop's job runs. Units of younger orders are taken off here."""
    reservations_repaired_at: AwareDatetime | None = None
    """With `subtract`: when somebody repaired the reservations last. Units of earlier orders are not taken off."""

    order_number_prefix: str = Field(default="", max_length=10, pattern=r"^[A-Za-z0-9_.]*$")
    """Put in front of the shop's numbers of our orders, which are otherwise the marketplace connection's name and the
    marketplace's order id. Never change it once orders were put there."""
    order_status: str = Field(default="pending", pattern=r"^[A-Za-z0-9_]{1,32}$")
    """The status new orders get; one that belongs to the state `new`."""
    invoice_orders: bool = True
    """Book the marketplace's payment with an invoice at once, so that orders are in state processing. Without invoices
    no units can be taken off an order and no refund recorded."""
    payment_method: str = Field(default="checkmo", min_length=1, max_length=128)
    """The code of an installed payment method under which orders are booked."""
    shipping_method: str = Field(default="flatrate_flatrate", min_length=1, max_length=120)
    """The code of the shipping method of orders: a carrier that the shop does not know can break its admin pages."""
    shipping_description: str = Field(default="Marketplace delivery", min_length=1, max_length=255)
    currency_rates: dict[str, Decimal] = Field(default_factory=dict)
    """Currency of an order: its units for one unit of the shop's base currency. Orders in other currencies wait."""
    send_buyer_email: bool = True
    """Put the marketplace's e-mail address of the buyer on the order."""
    placeholder_email_domain: str = Field(default="marketplace.invalid", pattern=r"^[A-Za-z0-9.-]{4,100}$")
    """Magento takes no order without an address: without one of the buyer's it ends in this domain."""
    restock_returned: bool = False
    """Put returned goods back into the source they were shipped from."""
    credited_came_back: bool = True
    """Whether units that left and that staff credited have come back. Magento keeps no record of where they are."""

    brand_attribute: str = Field(default="manufacturer", pattern=r"^[a-z][a-z0-9_]*$|^$")
    """The product attribute that holds the brand; empty: none."""
    price_tax_rate: Decimal | None = Field(default=None, ge=0, lt=10)
    """The tax that comes on top of the shop's prices, as a fraction (0.2); none: they include it."""

    poll_every: Duration = Field(default=timedelta(seconds=30), ge=timedelta(seconds=5))
    """How often the shop is asked what became of our orders. Magento sends no webhooks, so parcels wait this long."""
    overlap: Duration = timedelta(minutes=10)
    """How far a read goes back behind the last one: long transactions show late."""
    late_tracks_followed: Duration = timedelta(days=7)
    """How long a shipment without a tracking number is read again: a later one does not always count as a change."""
    late_tracks_every: Duration = timedelta(minutes=5)
    """How often such shipments are asked after."""
    doubt_settles_after: Duration = timedelta(seconds=10)
    """How long after a lost answer a credit memo that is not there is believed not to come any more."""
    page_size: int = Field(default=50, ge=1, le=300)
    """Orders, shipments or credit memos of one page; large pages of orders exhaust Magento's memory."""
    catalogue_page_size: int = Field(default=100, ge=1, le=300)
    """Products of one page; shops that limit their input take at most 300."""
    requests_per_minute: int = Field(default=600, ge=1, le=100_000)
    """What the shop's servers can take."""
    concurrent_writes: int = Field(default=4, ge=1, le=20)

    @model_validator(mode="after")
    def _complete(self) -> MagentoSettings:
        if self.authentication == "oauth1":
            wanted = ("consumer_key", "consumer_secret", "access_token_secret")
            missing = [key for key in wanted if getattr(self, key) is None]
            if missing:
                raise ValueError(
                    f"requests are signed with four keys; add {', '.join(missing)}, or write authentication: bearer"
                )
        if self.reservations_repaired_at is not None and self.reservations != "subtract":
            raise ValueError(
                "`reservations_repaired_at` only counts with `reservations: subtract`; remove it or change that"
            )
        return self

    def repaired_until(self, now: datetime) -> datetime | None:
        """Units of orders made since then are to be taken off what Magento calls salable; None: of every order."""
        if self.reservations == "repaired":
            # twice, because a run may just have begun before an order came, and takes its time
            return now - 2 * self.reservations_repaired_every
        return self.reservations_repaired_at
