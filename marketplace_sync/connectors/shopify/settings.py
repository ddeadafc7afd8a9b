"""What a Shopify connection can be told in the configuration, and the defaults that suit a marketplace's orders."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator, model_validator

from marketplace_sync.settings import ConnectionSettings, Duration, Secret

_LOCATION = re.compile(r"(?:gid://shopify/Location/)?(\d{1,19})\Z")


def _location(value: str) -> str:
    """`123` or `gid://shopify/Location/123` -> `gid://shopify/Location/123`."""
    found = _LOCATION.match(value)
    if found is None:
        raise ValueError(f"{value!r} is not a location; write its number, or gid://shopify/Location/ and the number")
    return f"gid://shopify/Location/{found.group(1)}"


Location = Annotated[str, AfterValidator(_location)]
InventoryBehaviour = Literal["BYPASS", "DECREMENT_IGNORING_POLICY", "DECREMENT_OBEYING_POLICY"]


class ShopifySettings(ConnectionSettings):
    """`base_url` is the shop's own address, `https://{shop}.myshopify.com`: never the storefront's domain."""

    api_version: str = Field(default="2026-10", pattern=r"^\d{4}-(01|04|07|10)$")
    """The dated version every call asks for; an answer in another one is refused."""

    access_token: Secret | None = None
    """The fixed token of an app that was made in the shop's admin before 2026."""
    client_id: Secret | None = None
    client_secret: Secret | None = None
    """With `client_id`: an app of the Dev Dashboard, whose tokens are asked for and renewed."""
    webhook_secrets: tuple[Secret, ...] = ()
    """What deliveries are signed with: the client secret unless given here. Two while a secret is being changed."""

    reads_all_orders: bool = False
    """Whether the app was granted `read_all_orders`; without it, orders older than 60 days cannot be seen."""

    metafield_namespace: str = Field(default="$app:marketplace_sync", min_length=3, max_length=255)
    metafield_key: str = Field(default="source", pattern=r"^[A-Za-z0-9_-]{2,64}$")
    """Where the order's unique key is kept in the shop: never change it once orders were injected."""

    locations: tuple[Location, ...] = ()
    """Whose stock counts as sellable; every active location when none is named."""
    return_location: Location | None = None
    """Where returned goods are put back into stock; without it they are not restocked."""
    include_archived: bool = False
    """Read the variants of archived products too."""

    inventory_behaviour: InventoryBehaviour = "DECREMENT_IGNORING_POLICY"
    """The marketplace has sold already, so stock is taken even when the shop believes it has none."""
    taxes_included: bool = True
    """Prices of injected orders include their tax, as buyers' prices in the United Kingdom do."""
    tax_title: str = Field(default="VAT", min_length=1, max_length=255)
    gateway: str = ""
    """What the payment of an injected order is booked under; the marketplace's name when empty."""
    shipping_title: str = Field(default="Marketplace delivery", min_length=1, max_length=255)
    shipping_code: str = "MARKETPLACE"
    send_receipts: bool = False
    """Let Shopify write to the buyer. Marketplaces forbid it."""
    send_buyer_email: bool = True
    """Put the marketplace's e-mail address of the buyer on the order."""

    search_overlap: Duration = timedelta(minutes=2)
    """How far a read of changed orders goes back behind the last one: Shopify's search lags behind its data."""
    doubt_settles_after: Duration = timedelta(seconds=10)
    """How long after a lost answer an order that is not there is believed not to come any more."""
    cost_headroom: int = Field(default=100, ge=0, le=1000)
    """Points of the shop's cost bucket that are left to the app's other calls."""
    concurrent_writes: int = Field(default=4, ge=1, le=20)

    @field_validator("base_url")
    @classmethod
    def _shops_own_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme == "https" and not (parts.hostname or "").endswith(".myshopify.com"):
            raise ValueError(f"{value!r} is not the shop's own address; write https://<shop>.myshopify.com")
        return value

    @model_validator(mode="after")
    def _one_way_in(self) -> ShopifySettings:
        granted = self.client_id is not None or self.client_secret is not None
        if granted and (self.client_id is None or self.client_secret is None):
            raise ValueError("client_id and client_secret belong together: give both")
        if granted == (self.access_token is not None):
            raise ValueError("give either access_token, or client_id and client_secret")
        return self

    def signing_secrets(self) -> tuple[Secret, ...]:
        """The secrets a genuine delivery may be signed with; empty when none is known."""
        if self.webhook_secrets:
            return self.webhook_secrets
        return (self.client_secret,) if self.client_secret is not None else ()
