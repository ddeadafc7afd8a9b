"""The keys of a John Lewis connection. What the public record leaves open about the Edge is a key with a default."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field

from marketplace_sync.settings import ConnectionSettings, Duration, Secret


class JohnLewisSettings(ConnectionSettings):
    """One login at the Edge and the retailer it serves."""

    dialect: Literal["edge", "mirakl"] = "edge"
    """Which of John Lewis' two rails this account is on; `mirakl` has the keys of a Mirakl connection instead."""
    username: Secret
    password: Secret
    authentication: Literal["jwt", "basic"] = "jwt"
    """`jwt` exchanges the login for tokens; `basic` sends it with every request (still accepted, to be retired)."""

    retailer: str = "John Lewis"
    """The retailer's name as the Edge lists it for this login; one login may serve several retailers."""
    retailer_id: str | None = None
    """Its id, when the name does not find it."""
    supplier_id: str | None = None
    """Our supplier id in the product tree (it differs from the one on orders), when one stock number finds products
    of several suppliers."""

    page_size: int = Field(default=100, ge=1, le=1000)
    """Rows per page; what the Edge takes at most is not published, 100 is in live use."""
    requests_per_minute: int = Field(default=250, ge=1, le=100_000)
    """What the Edge allows a login, all calls together."""
    concurrency: int = Field(default=4, ge=1, le=16)
    """Calls under way at once."""

    acknowledgement_delivery_days: int | None = Field(default=7, ge=0, le=60)
    """Delivery is promised this many days after the day of the order; null states no date."""
    fulfilment_route: str = "Direct to customer"
    """Sent with acknowledgements; empty sends none."""
    approved_carriers: tuple[str, ...] = ()
    """The carrier codes John Lewis has approved for this account. Empty: not known here, the Edge decides."""
    seller_can_cancel: bool = True
    """Whether the Edge takes a cancellation that John Lewis did not ask for."""
    default_currency: str = Field(default="GBP", pattern="^[A-Z]{3}$")
    """The currency of an order that states none."""
    return_amount_basis: Literal["cost", "retail"] = "cost"
    """What the amount of an approved return is: what John Lewis takes off our account, or what the buyer gets back."""

    returns_followed: Duration = timedelta(days=60)
    """Returns are read again this long after they were made, until they have surely ended."""
    settle_after: Duration = timedelta(seconds=15)
    """The Edge may show an old state for a moment: what it does not show within this time after a lost answer did not
    happen."""
    publishing_retry: Duration = timedelta(minutes=3)
    """When to try again while a product is being published and takes no stock."""
