"""A Marketplacer instance as the flows see it: `ports.Marketplace` over its GraphQL API, with deliveries of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from marketplace_sync.connectors.marketplacer import webhooks
from marketplace_sync.connectors.marketplacer.account import Account
from marketplace_sync.connectors.marketplacer.graphql import GraphQL
from marketplace_sync.connectors.marketplacer.orders import parse_order
from marketplace_sync.connectors.marketplacer.reading import SWEEP, Reader
from marketplace_sync.connectors.marketplacer.settings import MarketplacerSettings
from marketplace_sync.connectors.marketplacer.shipping import Shipping
from marketplace_sync.connectors.marketplacer.sold import sold_order
from marketplace_sync.connectors.marketplacer.stock import StockLevels
from marketplace_sync.connectors.marketplacer.taking_back import TakingBack
from marketplace_sync.connectors.marketplacer.trial import trial
from marketplace_sync.connectors.ports import (
    Feed,
    Finding,
    Malformed,
    MarketplaceCapabilities,
    Page,
    Silence,
    Statement,
    StillArriving,
    WebhookDelivery,
)
from marketplace_sync.connectors.wire import Wire
from marketplace_sync.domain.effects import (
    AcknowledgeReturn,
    CancelLines,
    Delivered,
    Dispatch,
    Effect,
    EffectKind,
    Lane,
    Outcome,
    RefundLines,
    Refused,
    Resolution,
    SetStock,
)
from marketplace_sync.domain.orders import Order, PriceBasis, Refund, Return
from marketplace_sync.domain.settlement.inputs import SoldOrder

_SAID = {
    "orders": "Orders that changed, whole, with their invoices.",
    "invoices": "Orders of which an invoice changed: parcels, states.",
    "refunds": "Orders of which a refund request changed: cancellations, returns, refunds.",
    "amendments": "Orders of which an invoice was amended, which no webhook tells of.",
    SWEEP: "Once a day: every order of the last weeks, in case the lists missed one.",
}
_DAY = 86_400


def declared(settings: MarketplacerSettings, silence: Silence = Silence.NONE) -> MarketplaceCapabilities:
    """What a connection with these settings offers."""
    return MarketplaceCapabilities(
        price_basis=PriceBasis.RETAIL,
        needs_acknowledgement=False,
        seller_can_cancel=True,
        seller_refunds=True,
        has_returns=True,
        has_stock=True,
        has_consent=settings.key_of == "operator",
        shows_tracking=True,
        dispatches_shown_by="invoices",  # a shipment moves its invoice; whether it moves the order is not said
        silence=silence,
    )


class Marketplacer:
    """One instance. Thread-safe."""

    def __init__(self, name: str, settings: MarketplacerSettings, wire: Wire) -> None:
        self.name = name
        self._settings = settings
        self._calls = GraphQL(wire)
        self._account = Account(settings, self._calls)
        self._reader = Reader(settings, self._calls, self._account)
        self._shipping = Shipping(settings, self._calls, self._reader, self._account)
        self._taking_back = TakingBack(settings, self._calls, self._reader, self._account)
        self._stock = StockLevels(self._calls, self._account)

    @property
    def capabilities(self) -> MarketplaceCapabilities:
        """With what the operator's own Klaviyo integration makes of it (sheet, 8)."""
        if self._settings.key_of == "seller":
            return declared(self._settings)  # it cannot be asked, and nothing is said of it
        native = self._account.klaviyo_if_known()
        if native is None:
            return declared(self._settings, Silence.UNKNOWN)
        if not native.tells_of_orders:
            return declared(self._settings)
        coexist = self._settings.native_klaviyo == "coexist"
        return declared(self._settings, Silence.SALES if coexist else Silence.EVERYTHING)

    # -- reading -------------------------------------------------------------------------------------------------

    def feeds(self) -> Sequence[Feed]:
        every = int(self._settings.poll_every.total_seconds())
        return tuple(
            Feed(
                name=name,
                every_seconds=_DAY if name == SWEEP else every,
                description=_SAID[name],
                is_sweep=name == SWEEP,
            )
            for name in self._reader.feeds()
        )

    def read(self, feed: str, watermark: str | None) -> Iterator[Page]:
        """See `ports.Marketplace.read`."""
        if feed not in self._reader.feeds():
            raise ValueError(f"there is no feed {feed!r}; there are: {', '.join(self._reader.feeds())}")
        return self._reader.changed(feed, watermark)

    def parse(self, statement: Statement) -> Sequence[Order | Return | Refund]:
        """See `ports.Marketplace.parse`. An order comes with its returns and refunds."""
        try:
            return parse_order(statement.payload, self._settings)
        except Malformed as problem:
            raise Malformed(f"{statement.kind} {statement.key}: {problem}") from None

    def sold_order(self, statement: Statement) -> SoldOrder | None:
        """What an order is worth to the seller, invoice by invoice. None for an order born in a shop. Raises
        Malformed."""
        try:
            return sold_order(statement.payload, self.name, self._settings)
        except Malformed as problem:
            raise Malformed(f"{statement.kind} {statement.key}: {problem}") from None

    def fetch_order(self, order_id: str) -> Statement | None:
        """See `ports.Marketplace.fetch_order`. Whether the operator tells Klaviyo itself is learnt before anything is
        told on, as it is before a list is read."""
        if self._settings.key_of == "operator":
            self._account.native_klaviyo()
        for found in self._reader.read([order_id]):
            if found.is_arriving:
                raise StillArriving(f"the invoices of order {order_id} do not add up to it yet")
            return found.statement
        return None

    # -- writing -------------------------------------------------------------------------------------------------

    def batch_limit(self, kind: EffectKind, lane: Lane) -> int:
        return 50 if kind is EffectKind.SET_STOCK else 1

    def concurrency(self) -> int:
        return self._settings.concurrency

    def is_idempotent(self, kind: EffectKind) -> bool:
        """A stock level may be set again; everything else is looked up."""
        return kind is EffectKind.SET_STOCK

    def deliver(self, effects: Sequence[Effect]) -> Sequence[Outcome]:
        if effects and all(isinstance(effect.payload, SetStock) for effect in effects):
            return self._stock.send(effects)
        return [self._deliver(effect) for effect in effects]

    def _deliver(self, effect: Effect) -> Outcome:
        wish = effect.payload
        if isinstance(wish, Dispatch):
            return self._shipping.dispatch(effect, wish)
        if isinstance(wish, CancelLines):
            return self._taking_back.cancel(effect, wish)
        if isinstance(wish, RefundLines):
            return self._taking_back.give_back(effect, wish)
        if isinstance(wish, AcknowledgeReturn):
            return Delivered({"nothing_to_do": True})  # returns wait for goods, not for an answer (sheet, 4)
        return _unsupported(effect)

    def resolve(self, effect: Effect) -> Resolution:
        """See `ports.Outbound.resolve`: asks by reading the order with its shipments and refund requests again."""
        wish = effect.payload
        if isinstance(wish, Dispatch):
            return self._shipping.verdict(effect, wish)
        if isinstance(wish, CancelLines | RefundLines):
            return self._taking_back.verdict(effect, wish)
        if isinstance(wish, SetStock):
            return self._stock.verdict(effect)
        if isinstance(wish, AcknowledgeReturn):
            return Delivered({"nothing_to_do": True})
        return _unsupported(effect)

    # -- webhooks ------------------------------------------------------------------------------------------------

    def verify(self, headers: Mapping[str, str], body: bytes) -> WebhookDelivery:
        """See `ports.WebhookSource.verify`."""
        return webhooks.verify(self._settings, headers, body)

    def concerns(self, topic: str, body: bytes) -> Sequence[str]:
        """See `ports.WebhookSource.concerns`."""
        return webhooks.concerns(self._settings, body)

    def subscribe(self, url: str) -> Sequence[str]:
        """See `ports.WebhookSource.subscribe`; nothing without `webhook_secrets`."""
        return webhooks.subscribe(self._settings, self._calls, self._account, url)

    def switched_off(self, url: str) -> Sequence[str]:
        """See `ports.SwitchesWebhooksOff.switched_off`."""
        return webhooks.switched_off(self._account, url) if self._settings.webhook_secrets else []

    # -- trying --------------------------------------------------------------------------------------------------

    def check(self) -> Sequence[Finding]:
        return trial(self._settings, self._account, self._reader)


def _unsupported(effect: Effect) -> Refused:
    return Refused(f"a Marketplacer instance takes no {effect.kind.value}", code="UNSUPPORTED")
