"""What a connector can offer to the flows, and what it declares about itself. Flows know these and no vendor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

import msgspec

from marketplace_sync.domain.effects import Effect, EffectKind, Lane, Outcome, Resolution
from marketplace_sync.domain.orders import Order, PriceBasis, Refund, Return
from marketplace_sync.domain.store import StoreOrder, Variant


class Statement(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a marketplace said about one thing, verbatim, not yet read."""

    kind: str
    """`order`, `return` or `refund`."""
    key: str
    """The vendor's id of the thing: unique per connection and kind."""
    payload: bytes
    """The vendor's own JSON of this one thing, as it came over the wire."""


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a feed. A watermark is opaque to everyone but the connector that made it."""

    statements: Sequence[Statement]
    watermark: str | None = None
    """Where a later read may start once everything up to here is stored; None: not known before the last page."""


class Feed(msgspec.Struct, frozen=True, kw_only=True):
    """One thing a marketplace can be polled for."""

    name: str
    every_seconds: int
    description: str
    is_sweep: bool = False
    """Long, and only there to find what the other feeds missed: a pass by hand does not read it more often than it is
    meant to be."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One result of trying a connection: what was tried, whether it worked, and the fix when it did not."""

    subject: str
    works: bool
    detail: str
    fix: str = ""
    free_in: float | None = None
    """Seconds until it can be tried, where it could not be: the rate budget is used up. Then `works` is false and says
    nothing of the connection. Make it with `trying.gone_wrong`."""


class Silence(StrEnum):
    """What we keep from Klaviyo because a marketplace's operator tells it of the same: it would count twice."""

    NONE = "none"
    SALES = "sales"
    """Placed and ordered; people, parcels and what is taken back are told."""
    EVERYTHING = "everything"
    UNKNOWN = "unknown"
    """Not asked lately in this process: what was learnt last counts."""


class MarketplaceCapabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a marketplace connection can do; a route that asks for more is refused when the configuration is read."""

    price_basis: PriceBasis
    needs_acknowledgement: bool
    acknowledge_before_store: bool = False
    """True: orders are released (with their address) only after we accepted them, so the acceptance cannot wait until
    the store has the order; it waits for the store to know and have every product."""
    seller_can_cancel: bool
    seller_refunds: bool
    """True: the seller asks for refunds. False: the marketplace makes them and we mirror."""
    has_returns: bool
    follows_returns: bool = False
    """Whether it waits to be told of an accepted return that the goods are back, whether they are as they should be,
    and that it is over. False: it finds out itself, and nobody is told."""
    has_stock: bool
    has_settlement_api: bool = False
    has_consent: bool = False
    """Whether it can say which buyers agreed to marketing."""
    takes_dispatch: bool = True
    """Whether it can be told of parcels; without that a store has nobody to ship for."""
    shows_tracking: bool = False
    """Whether its orders show the tracking numbers of parcels that others stated. Where no store of ours ships, buyers
    are told a number only then."""
    dispatches_shown_by: str = ""
    """The feed that, once it is read to its end, has stated every order again of which a parcel was taken before the
    reading began: so one that was taken and lost can be found. Empty: none is sure to."""
    keeps_our_reference: bool = False
    """Whether it keeps the store's own number of an order and states it again: then it is told, once the store has
    the order."""
    silence: Silence = Silence.NONE


class StoreCapabilities(msgspec.Struct, frozen=True, kw_only=True):
    has_webhooks: bool
    poll_seconds: int = 300
    """How often it is asked what became of our orders. Where nothing else tells us, parcels wait this long."""
    can_remove_lines: bool
    """Whether units can be taken off an order that goes on. False: a person does it."""
    can_record_refunds: bool
    has_stock: bool = True
    """Whether it says how much of a product can be sold."""
    takes_orders: bool = True
    order_history_days: int | None = None
    """How old an order may be before the store does not show it to us any more; None: it always does."""


class MarketingCapabilities(msgspec.Struct, frozen=True, kw_only=True):
    takes_events: bool
    takes_consent: bool
    """Whether people can be subscribed and unsubscribed there."""
    reads_back: bool = False
    """Whether it says which events it has, so that drift can be found."""


class Malformed(ValueError):
    """A vendor's statement cannot be read. The message names the key and the field; the statement itself is kept."""


class StillArriving(Exception):
    """A vendor is still putting an order together: what it states of it now is not the whole. Ask again shortly."""


class ForgedWebhook(ValueError):
    """A delivery whose signature does not fit. Nothing of it was parsed."""


class UnreadableWebhook(ValueError):
    """A genuine delivery that cannot be understood: kept, and shown to a person."""


@runtime_checkable
class Outbound(Protocol):
    """A connection that can be written to. Called by its courier only, from several threads at once."""

    def batch_limit(self, kind: EffectKind, lane: Lane) -> int:
        """How many effects of this kind one call of `deliver` may carry (1 for most). The lane matters where history
        goes another way than what happens now."""
        ...

    def concurrency(self) -> int:
        """How many calls of `deliver` may be under way at once."""
        ...

    def deliver(self, effects: Sequence[Effect]) -> Sequence[Outcome]:
        """Send effects of one kind; one outcome each, in order. Does not retry writes and raises only on a bug."""
        ...

    def resolve(self, effect: Effect) -> Resolution:
        """Ask the vendor whether an effect in doubt happened. Never writes."""
        ...

    def is_idempotent(self, kind: EffectKind) -> bool:
        """True when the vendor itself makes a repeat harmless, so that in doubt simply means: send again."""
        ...


@runtime_checkable
class Checkable(Protocol):
    def check(self) -> Sequence[Finding]:
        """Try credentials and permissions with harmless reads. Never raises for what the vendor does."""
        ...


class Marketplace(Outbound, Checkable, Protocol):
    @property
    def capabilities(self) -> MarketplaceCapabilities:
        """Pure: no I/O, for it is looked at inside transactions. What depends on the vendor is learnt when it is read
        (`read`, `fetch_order`), before anything that was read is told on."""
        ...

    def feeds(self) -> Sequence[Feed]: ...

    def read(self, feed: str, watermark: str | None) -> Iterator[Page]:
        """Pages of one feed from `watermark` on (with overlap; None: everything). Raises TransportError."""
        ...

    def parse(self, statement: Statement) -> Sequence[Order | Return | Refund]:
        """Read one statement. Raises Malformed. Pure: no I/O."""
        ...

    def fetch_order(self, order_id: str) -> Statement | None:
        """One order as it is now, None when the marketplace does not have it. Raises TransportError, StillArriving."""
        ...


UNNAMED = "?"
"""Stands for the id of an order that states none."""


class StoreOrderPage(msgspec.Struct, frozen=True, kw_only=True):
    orders: Sequence[StoreOrder]
    watermark: str | None = None
    unreadable: Sequence[tuple[str, str]] = ()
    """(store order id, why) of orders that could not be read; those around them were. UNNAMED: not even its id."""


class WebhookDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """A verified delivery: what to store before it is answered. `delivery_id` is the same on the vendor's retries."""

    delivery_id: str
    topic: str


@runtime_checkable
class WebhookSource(Protocol):
    def verify(self, headers: Mapping[str, str], body: bytes) -> WebhookDelivery:
        """Check the signature in constant time over the exact bytes, before anything is parsed. `headers` keys are
        lower case. Raises ForgedWebhook."""
        ...

    def concerns(self, topic: str, body: bytes) -> Sequence[str]:
        """Ids of the orders, as the connection's own, that a stored delivery is about (they are read again, the body is
        not trusted). Empty when it concerns none. Raises UnreadableWebhook."""
        ...

    def subscribe(self, url: str) -> Sequence[str]:
        """Make the vendor deliver to `url` (idempotent). Returns the topics now subscribed. Raises TransportError."""
        ...


@runtime_checkable
class SwitchesWebhooksOff(WebhookSource, Protocol):
    """A vendor that stops delivering for good after an answer it does not like, and tells nobody."""

    def switched_off(self, url: str) -> Sequence[str]:
        """Topics that would lead to `url` and are switched off now. Raises TransportError."""
        ...


class PrivacyRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a vendor passes on of a person's rights. It names orders and numbers, never the person."""

    erase: bool
    """True: forget; False: say what is kept."""
    everybody: bool = False
    """Everything that ever came from this store."""
    request_id: str = ""
    customer_id: str = ""
    store_order_ids: tuple[str, ...] = ()


@runtime_checkable
class PassesOnPrivacy(Protocol):
    def privacy_request(self, topic: str, body: bytes) -> PrivacyRequest | None:
        """What a stored delivery demands by law; None for every other. Raises UnreadableWebhook."""
        ...


class Store(Outbound, Checkable, Protocol):
    @property
    def capabilities(self) -> StoreCapabilities: ...

    def variants(self) -> Iterator[Sequence[Variant]]:
        """The whole catalogue, page by page. Raises TransportError."""
        ...

    def changed_orders(self, watermark: str | None) -> Iterator[StoreOrderPage]:
        """Orders changed since `watermark` (with overlap; None: what the store lets us see). Raises TransportError."""
        ...

    def order(self, store_order_id: str) -> StoreOrder | None:
        """One order now. Raises TransportError, Malformed."""
        ...

    def source_identifiers(self, since: datetime) -> Iterator[tuple[str, str]]:
        """(source_identifier, store order id) of every order we injected that was created since. For drift checks."""
        ...


class SeenEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event as the marketing platform has it, known by the key we put into its properties."""

    sync_key: str
    occurred_at: datetime


class MetricTotal(msgspec.Struct, frozen=True, kw_only=True):
    """What the marketing platform adds up for one metric, one interval of event time and one currency."""

    begins_at: datetime
    """UTC; the interval's first instant."""
    currency: str
    """ISO 4217 as the events were sent; empty for events without a currency."""
    count: int
    value: int
    """Minor units of `currency` (hundredths when there is none)."""
    dimensions: tuple[str, ...] = ()
    """The values of the further dimensions asked for, in that order."""


class MarketingPlatform(Outbound, Checkable, Protocol):
    @property
    def capabilities(self) -> MarketingCapabilities: ...

    def events(self, metric: str, since: datetime, until: datetime) -> Iterator[SeenEvent]:
        """Events of one metric of ours with `since <= event time < until`. Raises TransportError."""
        ...

    def metric_aggregates(
        self, metric: str, since: datetime, until: datetime, by: Sequence[str] = (), *, interval: str = "day"
    ) -> Sequence[MetricTotal]:
        """Counts and values per interval (`hour`, `day`, `week`, `month`) and currency, further split by the
        platform's own dimensions `by`. Intervals in which nothing happened are left out. Raises TransportError."""
        ...


class Connector(Protocol):
    """What a vendor package exposes as a module, found through `registry`."""

    SETTINGS: type[Any]
    ROLE: str
