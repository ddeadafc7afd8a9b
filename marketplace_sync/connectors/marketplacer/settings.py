"""The keys of a Marketplacer connection. What the public record does not say (sheet, tag A) is a key with a default."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field, model_validator

from marketplace_sync.settings import ConnectionSettings, Duration, Secret


class MarketplacerSettings(ConnectionSettings):
    """One instance. `base_url` is the instance's host, without `/graphql`."""

    api_key: Secret
    key_of: Literal["operator", "seller"] = "operator"
    """Whose key it is. A seller's sees invoices and no orders: each invoice then counts as an order of its own."""
    gate_username: Secret | None = None
    """The name for the HTTP Basic gate before instances that are not in production; None: there is no gate."""
    gate_password: Secret | None = None
    webhook_secrets: tuple[Secret, ...] = ()
    """What deliveries are signed with (operator) or carry in `webhook_header` (seller); the first is the one in use,
    the others are still taken. Empty: deliveries are not taken, and polling alone has to do."""
    webhook_header: str = Field(default="x-marketplace-sync-secret", pattern="^[a-z0-9-]+$")
    """The header that a seller's deliveries carry the secret in: sellers' hooks are not signed."""
    re_enable_webhooks: bool = False
    """Whether a hook that the instance has switched off is switched on again when deliveries are asked for."""
    native_klaviyo: Literal["refuse", "coexist"] = "refuse"
    """When the operator's own Klaviyo integration tells of orders: stay silent toward Klaviyo, or tell it all the
    same."""

    sellers: tuple[str, ...] = ()
    """Only what these sellers sold (ids or business names); empty: every seller's part of each order."""
    currency: str = Field(default="", pattern="^([A-Z]{3})?$")
    """The instance's currency, where the key may not ask for it; a seller's key needs it."""
    tax_inclusive: bool = True
    """Whether the prices of lines include tax, where the key may not ask: a seller's may not."""
    skip_external_id_keys: tuple[str, ...] = ("shopify", "magento", "commerce_order_id")
    """Orders that hold an external id of such a key were born in a shop and pushed into Marketplacer: they are not
    taken, or they would come back to that shop as new ones."""
    consent_key: str = "accepts_marketing"
    """The metadata key of an order in which its shop states whether the buyer agreed to marketing."""
    opt_ins: bool = True
    """Whether the instance's list of opt-ins is read and matched with orders by e-mail address."""
    opt_in_window: Duration = timedelta(hours=24)
    """How far from the order an opt-in may be to count as given with it."""
    older_opt_ins: Duration = timedelta(days=3650)
    """How long before the order an opt-in may be to count where none was given with it; 0s: it does not. Each process
    reads so much of the list once."""
    collection_option: str = "Collection"
    """The option type, and in lower case the metadata key, that names a product's collection."""
    marker_key: str = "marketplace_sync"
    """The external id key under which refund requests of ours are recognised."""

    page_size: int = Field(default=100, ge=1, le=500)
    orders_at_once: int = Field(default=20, ge=1, le=100)
    """Whole orders read by one call."""
    wait_for_invoices: Duration = timedelta(seconds=30)
    """How long after an order was placed it is waited for when its invoices do not add up to it yet: it comes as one
    invoice for each seller, and what is told of it is to be complete. 0s: it is taken as it is."""
    overlap: Duration = timedelta(minutes=10)
    """How far before the last change seen the next read begins."""
    poll_every: Duration = timedelta(minutes=10)
    """How often each of the lists is read."""
    look_back: Duration = timedelta(days=35)
    """Once a day every order is read again of which an invoice is no older than this, whatever the lists said; 0s: none
    is."""
    requests_per_second: int = Field(default=20, ge=1, le=75)
    """Of this key; Marketplacer itself draws the line at 75, and at 60 for one address."""
    concurrency: int = Field(default=4, ge=1, le=16)
    """Calls under way at once."""

    @model_validator(mode="after")
    def _whole(self) -> MarketplacerSettings:
        if (self.gate_username is None) != (self.gate_password is None):
            raise ValueError("gate_username and gate_password go together")
        if self.key_of == "seller" and not self.currency:
            raise ValueError("currency: a seller's key cannot ask for it; write the instance's, like AUD")
        return self
