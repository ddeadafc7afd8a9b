"""A Magento shop as the flows see it: `ports.Store`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from marketplace_sync.connectors.magento.calls import Calls
from marketplace_sync.connectors.magento.catalogue import CatalogueReader
from marketplace_sync.connectors.magento.checks import Checks
from marketplace_sync.connectors.magento.creation import OrderCreation
from marketplace_sync.connectors.magento.orders import OrderReader
from marketplace_sync.connectors.magento.settings import MagentoSettings
from marketplace_sync.connectors.magento.shop import Shop
from marketplace_sync.connectors.magento.stock import Stock
from marketplace_sync.connectors.magento.taking_back import TakingBack
from marketplace_sync.connectors.outcomes import outcome_of, unresolved
from marketplace_sync.connectors.ports import Finding, Malformed, StoreCapabilities, StoreOrderPage
from marketplace_sync.connectors.wire import Wire
from marketplace_sync.domain.effects import Effect, EffectKind, Lane, Outcome, Postponed, Refused, Resolution
from marketplace_sync.domain.errors import TransportError
from marketplace_sync.domain.money import NotMoney
from marketplace_sync.domain.store import StoreOrder, Variant


def declared(settings: MagentoSettings) -> StoreCapabilities:
    """What a connection with these settings offers. Without invoices there is nothing that could be credited."""
    return StoreCapabilities(
        has_webhooks=False,
        poll_seconds=int(settings.poll_every.total_seconds()),
        can_remove_lines=settings.invoice_orders,
        can_record_refunds=True,
    )


class MagentoStore:
    """Implements `ports.Store`. Thread-safe."""

    def __init__(self, name: str, settings: MagentoSettings, wire: Wire) -> None:
        self.name = name
        self._settings = settings
        calls = Calls(settings, wire)
        shop = Shop(settings, calls)
        stock = Stock(settings, calls, shop)
        self._orders = OrderReader(settings, calls)
        self._catalogue = CatalogueReader(settings, calls, shop, stock)
        self._creation = OrderCreation(settings, calls, shop, self._orders)
        self._taking_back = TakingBack(settings, calls, self._orders)
        self._checks = Checks(settings, calls, shop, self._catalogue, stock)

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
        """Magento knows no idempotency key (Magento, errors)."""
        return False

    def deliver(self, effects: Sequence[Effect]) -> Sequence[Outcome]:
        return [self._deliver(effect) for effect in effects]

    def _deliver(self, effect: Effect) -> Outcome:
        try:
            match effect.kind:
                case EffectKind.CREATE_ORDER:
                    return self._creation.deliver(effect)
                case EffectKind.CANCEL_ORDER | EffectKind.REMOVE_LINES | EffectKind.RECORD_REFUND:
                    return self._taking_back.deliver(effect)
        except TransportError as problem:
            return outcome_of(problem)
        except (Malformed, NotMoney) as problem:
            return Postponed(str(problem), of_its_own=True)
        return Refused(f"a Magento shop cannot be asked to {effect.kind}")

    def resolve(self, effect: Effect) -> Resolution:
        """Asks the shop whether an effect in doubt happened. Never writes."""
        try:
            match effect.kind:
                case EffectKind.CREATE_ORDER:
                    return self._creation.resolve(effect)
                case EffectKind.CANCEL_ORDER | EffectKind.REMOVE_LINES | EffectKind.RECORD_REFUND:
                    return self._taking_back.resolve(effect)
        except TransportError as problem:
            return unresolved(problem)
        except (Malformed, NotMoney) as problem:
            return Postponed(str(problem))
        return Refused(f"a Magento shop cannot be asked to {effect.kind}")

    def check(self) -> Sequence[Finding]:
        """Store view, permissions one by one, stock, and how reservations are made up for."""
        return self._checks.run()
