"""John Lewis as the flows see it: `ports.Marketplace` over the Edge."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from zoneinfo import ZoneInfo

from marketplace_sync.connectors.john_lewis.actions import Actions
from marketplace_sync.connectors.john_lewis.carriers import carriers
from marketplace_sync.connectors.john_lewis.orders import parse_order
from marketplace_sync.connectors.john_lewis.reading import FEEDS, Reader
from marketplace_sync.connectors.john_lewis.returns import parse_return
from marketplace_sync.connectors.john_lewis.settings import JohnLewisSettings
from marketplace_sync.connectors.john_lewis.stock import Stock
from marketplace_sync.connectors.john_lewis.trial import trial
from marketplace_sync.connectors.john_lewis.verdicts import Action
from marketplace_sync.connectors.ports import Feed, Finding, Malformed, MarketplaceCapabilities, Page, Statement
from marketplace_sync.connectors.wire import Wire
from marketplace_sync.domain.effects import Effect, EffectKind, Lane, Outcome, Refused, Resolution, SetStock
from marketplace_sync.domain.orders import Order, PriceBasis, Refund, Return


def declared(settings: JohnLewisSettings) -> MarketplaceCapabilities:
    """What a connection with these settings offers."""
    return MarketplaceCapabilities(
        price_basis=PriceBasis.COST,
        needs_acknowledgement=True,
        seller_can_cancel=settings.seller_can_cancel,
        seller_refunds=False,
        has_returns=True,
        has_stock=True,
        dispatches_shown_by="sweep",  # `orders` lists none that was dispatched
        # Whether its record of buyers' consent can be had is agreed with John Lewis, so the route decides.
        has_consent=True,
    )


class JohnLewis:
    """One John Lewis account on the Edge rail. Thread-safe."""

    def __init__(self, name: str, settings: JohnLewisSettings, wire: Wire) -> None:
        self.name = name
        self._settings = settings
        self._wire = wire
        self._zone = ZoneInfo(settings.time_zone)
        self._reader = Reader(settings, wire)
        self._actions = Actions(settings, wire, self._reader)
        self._stock = Stock(settings, wire)

    @property
    def capabilities(self) -> MarketplaceCapabilities:
        return declared(self._settings)

    # -- reading -------------------------------------------------------------------------------------------------

    def feeds(self) -> Sequence[Feed]:
        return FEEDS

    def read(self, feed: str, watermark: str | None) -> Iterator[Page]:
        """See `ports.Marketplace.read`. `orders` has no watermark; a page of the others may come again."""
        if feed == "orders":
            return self._reader.orders()
        if feed == "sweep":
            return self._reader.sweep(watermark)
        if feed == "returns":
            return self._reader.returns(watermark)
        raise ValueError(f"John Lewis has no feed {feed!r}; it has: {', '.join(each.name for each in FEEDS)}")

    def parse(self, statement: Statement) -> Sequence[Order | Return | Refund]:
        """See `ports.Marketplace.parse`. Prices and refunds are on cost basis."""
        try:
            if statement.kind == "return":
                basis = PriceBasis(self._settings.return_amount_basis)
                return [parse_return(statement.payload, self._zone, self._settings.default_currency, basis)]
            return [parse_order(statement.payload, self._zone, self._settings.default_currency)]
        except Malformed as problem:
            raise Malformed(f"{statement.kind} {statement.key}: {problem}") from None

    def fetch_order(self, order_id: str) -> Statement | None:
        row = self._reader.order(order_id)
        return None if row is None else Statement(kind="order", key=row.key, payload=row.payload)

    # -- writing -------------------------------------------------------------------------------------------------

    def batch_limit(self, kind: EffectKind, lane: Lane) -> int:
        return 1

    def concurrency(self) -> int:
        return self._settings.concurrency

    def is_idempotent(self, kind: EffectKind) -> bool:
        return kind is EffectKind.SET_STOCK

    def deliver(self, effects: Sequence[Effect]) -> Sequence[Outcome]:
        return [self._deliver(effect) for effect in effects]

    def _deliver(self, effect: Effect) -> Outcome:
        if isinstance(effect.payload, SetStock):
            return self._stock.set_level(effect.payload)
        if isinstance(effect.payload, Action):
            return self._actions.carry_out(effect.effect_id, effect.payload)
        return Refused(f"John Lewis takes no {effect.kind.value} from a seller", code="UNSUPPORTED")

    def resolve(self, effect: Effect) -> Resolution:
        """See `ports.Outbound.resolve`, and `verdicts` for what can be told and what cannot."""
        if isinstance(effect.payload, Action):
            return self._actions.resolve(effect.effect_id, effect.payload)
        return Refused(f"John Lewis takes no {effect.kind.value} from a seller", code="UNSUPPORTED")

    # -- trying --------------------------------------------------------------------------------------------------

    def carrier_codes(self) -> set[str]:
        """Codes a dispatch may carry: those John Lewis approved for this account when they are configured, else every
        slug and name the platform knows (more than John Lewis takes). Raises TransportError."""
        return set(self._settings.approved_carriers) or carriers(self._wire)

    def check(self) -> Sequence[Finding]:
        return trial(self._settings, self._wire, self._reader)
