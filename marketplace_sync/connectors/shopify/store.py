"""A Shopify shop as the flows see it: a store that takes orders, says what became of them and what it sells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from marketplace_sync.connectors.outcomes import outcome_of, unresolved
from marketplace_sync.connectors.ports import (
    Finding,
    Malformed,
    PrivacyRequest,
    StoreCapabilities,
    StoreOrderPage,
    WebhookDelivery,
)
from marketplace_sync.connectors.shopify import privacy, webhooks
from marketplace_sync.connectors.shopify.cancellation import Cancellation
from marketplace_sync.connectors.shopify.catalogue import CatalogueReader
from marketplace_sync.connectors.shopify.checks import Checks
from marketplace_sync.connectors.shopify.creation import OrderCreation
from marketplace_sync.connectors.shopify.graphql import GraphQL
from marketplace_sync.connectors.shopify.identity import UniqueKey
from marketplace_sync.connectors.shopify.orders import OrderReader
from marketplace_sync.connectors.shopify.refunds import RefundBooking
from marketplace_sync.connectors.shopify.settings import ShopifySettings
from marketplace_sync.connectors.shopify.subscriptions import Subscriptions
from marketplace_sync.connectors.wire import Wire
from marketplace_sync.domain.effects import Effect, EffectKind, Lane, Outcome, Postponed, Refused, Resolution
from marketplace_sync.domain.errors import TransportError
from marketplace_sync.domain.store import StoreOrder, Variant

HISTORY_DAYS = 60
"""What an app sees of a shop's orders without the scope `read_all_orders` (Shopify, auth: scopes)."""


def declared(settings: ShopifySettings) -> StoreCapabilities:
    """What a connection with these settings offers."""
    return StoreCapabilities(
        has_webhooks=bool(settings.signing_secrets()),
        poll_seconds=300 if settings.signing_secrets() else 60,
        can_remove_lines=True,
        can_record_refunds=True,
        order_history_days=None if settings.reads_all_orders else HISTORY_DAYS,
    )


class ShopifyStore:
    """Implements `ports.Store` and `ports.WebhookSource`. Thread-safe."""

    def __init__(self, name: str, settings: ShopifySettings, wire: Wire) -> None:
        self.name = name
        self._settings = settings
        graphql = GraphQL(settings, wire)
        unique_key = UniqueKey(settings, graphql)
        self._orders = OrderReader(settings, graphql)
        self._catalogue = CatalogueReader(settings, graphql)
        self._subscriptions = Subscriptions(graphql)
        self._creation = OrderCreation(settings, graphql, self._orders, unique_key)
        self._cancellation = Cancellation(graphql, self._orders)
        self._refunds = RefundBooking(settings, graphql, self._orders)
        self._checks = Checks(settings, graphql, self._catalogue, unique_key, self._subscriptions)

    @property
    def capabilities(self) -> StoreCapabilities:
        return declared(self._settings)

    def variants(self) -> Iterator[Sequence[Variant]]:
        """See `CatalogueReader.variants`."""
        return self._catalogue.variants()

    def changed_orders(self, watermark: str | None) -> Iterator[StoreOrderPage]:
        """See `OrderReader.changed`."""
        return self._orders.changed(watermark)

    def order(self, store_order_id: str) -> StoreOrder | None:
        """One order now. Raises TransportError, Malformed."""
        return self._orders.one(store_order_id)

    def source_identifiers(self, since: datetime) -> Iterator[tuple[str, str]]:
        """(source identifier, order id) of every order we injected that was created since. Raises TransportError."""
        return self._orders.sources(since)

    def batch_limit(self, kind: EffectKind, lane: Lane) -> int:
        return 1

    def concurrency(self) -> int:
        return self._settings.concurrent_writes

    def is_idempotent(self, kind: EffectKind) -> bool:
        """Never relied upon: orderCreate is not, and refundCreate only for a day (Shopify, idempotent mutations)."""
        return False

    def deliver(self, effects: Sequence[Effect]) -> Sequence[Outcome]:
        return [self._deliver(effect) for effect in effects]

    def _deliver(self, effect: Effect) -> Outcome:
        try:
            match effect.kind:
                case EffectKind.CREATE_ORDER:
                    return self._creation.deliver(effect.payload)
                case EffectKind.CANCEL_ORDER:
                    return self._cancellation.deliver(effect)
                case EffectKind.REMOVE_LINES | EffectKind.RECORD_REFUND:
                    return self._refunds.deliver(effect)
        except TransportError as problem:
            return outcome_of(problem)
        except Malformed as problem:
            return Postponed(str(problem), of_its_own=True)
        return Refused(f"a Shopify shop cannot be asked to {effect.kind}")

    def resolve(self, effect: Effect) -> Resolution:
        """Asks the shop whether an effect in doubt happened. Never writes."""
        try:
            match effect.kind:
                case EffectKind.CREATE_ORDER:
                    return self._creation.resolve(effect)
                case EffectKind.CANCEL_ORDER:
                    return self._cancellation.resolve(effect)
                case EffectKind.REMOVE_LINES | EffectKind.RECORD_REFUND:
                    return self._refunds.resolve(effect)
        except TransportError as problem:
            return unresolved(problem)
        except Malformed as problem:
            return Postponed(str(problem))
        return Refused(f"a Shopify shop cannot be asked to {effect.kind}")

    def check(self) -> Sequence[Finding]:
        """Token, API version, permissions, locations, the unique order key, webhook subscriptions."""
        return self._checks.run()

    def verify(self, headers: Mapping[str, str], body: bytes) -> WebhookDelivery:
        """See `webhooks.verify`."""
        return webhooks.verify(self._settings, headers, body)

    def privacy_request(self, topic: str, body: bytes) -> PrivacyRequest | None:
        """See `ports.PassesOnPrivacy`."""
        return privacy.privacy_request(topic, body)

    def concerns(self, topic: str, body: bytes) -> Sequence[str]:
        """See `webhooks.concerns`."""
        return webhooks.concerns(topic, body)

    def subscribe(self, url: str) -> Sequence[str]:
        """Make Shopify deliver to `url`, and nowhere else. Returns the topics. Raises TransportError."""
        return self._subscriptions.point_to(url)
