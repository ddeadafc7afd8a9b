"""A Mirakl shop as the flows see it: `ports.Marketplace` over the seller API."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from marketplace_sync.connectors.mirakl.acceptance import Acceptance
from marketplace_sync.connectors.mirakl.account import Account
from marketplace_sync.connectors.mirakl.calls import Calls
from marketplace_sync.connectors.mirakl.cancelling import Cancelling
from marketplace_sync.connectors.mirakl.orders import parse_order
from marketplace_sync.connectors.mirakl.reading import Reader
from marketplace_sync.connectors.mirakl.references import MOST, References
from marketplace_sync.connectors.mirakl.refunding import Refunding
from marketplace_sync.connectors.mirakl.returns import parse_returns
from marketplace_sync.connectors.mirakl.settings import MiraklSettings
from marketplace_sync.connectors.mirakl.settlement import Ledger, PayoutCycle
from marketplace_sync.connectors.mirakl.shelf import Shelf
from marketplace_sync.connectors.mirakl.shipping import Shipping
from marketplace_sync.connectors.mirakl.sold import sold_order
from marketplace_sync.connectors.mirakl.stock import StockLevels
from marketplace_sync.connectors.mirakl.taking_in import TakingIn
from marketplace_sync.connectors.mirakl.trial import trial
from marketplace_sync.connectors.ports import Feed, Finding, Malformed, MarketplaceCapabilities, Page, Statement
from marketplace_sync.connectors.wire import Wire
from marketplace_sync.domain.effects import (
    AcknowledgeOrder,
    AcknowledgeReturn,
    CancelLines,
    CloseReturn,
    Dispatch,
    Effect,
    EffectKind,
    JudgeReturn,
    Lane,
    Outcome,
    ReceiveReturn,
    RefundLines,
    Refused,
    Resolution,
    SetStock,
    StateReference,
)
from marketplace_sync.domain.orders import Order, PriceBasis, Refund, Return
from marketplace_sync.domain.settlement.inputs import SettlementLine, SoldOrder


def declared(settings: MiraklSettings, basis: PriceBasis | None = None) -> MarketplaceCapabilities:
    """What a connection with these settings offers. Without `basis`: the settings' own, and cost for `auto`."""
    configured = PriceBasis.COST if settings.price_basis == "auto" else PriceBasis(settings.price_basis)
    return MarketplaceCapabilities(
        price_basis=basis or configured,
        needs_acknowledgement=True,
        acknowledge_before_store=True,
        seller_can_cancel=True,
        seller_refunds=True,
        has_returns=True,
        follows_returns=True,
        has_stock=True,
        has_settlement_api=True,
        has_consent=False,
        shows_tracking=True,
        dispatches_shown_by="orders",
        keeps_our_reference=True,
    )


class Mirakl(Shelf):
    """One shop at one marketplace. Thread-safe."""

    def __init__(self, name: str, settings: MiraklSettings, wire: Wire) -> None:
        self.name = name
        calls = Calls(settings, wire)
        super().__init__(settings, calls, Account(settings, calls))
        self._reader = Reader(settings, wire, calls, self._account)
        self._acceptance = Acceptance(settings, calls, self._reader)
        self._shipping = Shipping(settings, calls, self._reader, self._account)
        self._cancelling = Cancelling(settings, calls, self._reader, self._account)
        self._refunding = Refunding(settings, calls, self._reader, self._account)
        self._taking_in = TakingIn(settings, calls, self._reader)
        self._stock = StockLevels(settings, calls)
        self._references = References(calls)
        self._ledger = Ledger(name, settings, calls)

    @property
    def capabilities(self) -> MarketplaceCapabilities:
        return declared(self._settings, self._account.price_basis)

    # -- reading -------------------------------------------------------------------------------------------------

    def feeds(self) -> Sequence[Feed]:
        return (
            Feed(
                name="orders",
                every_seconds=int(self._settings.poll_every.total_seconds()),
                description="Orders that changed: new ones, states, cancelled units, refunds.",
            ),
            Feed(
                name="returns",
                every_seconds=int(self._settings.returns_every.total_seconds()),
                description="Returns that changed, where the platform has returns.",
            ),
        )

    def read(self, feed: str, watermark: str | None) -> Iterator[Page]:
        """See `ports.Marketplace.read`."""
        if feed == "orders":
            return self._reader.orders(watermark)
        if feed == "returns":
            return self._reader.returns(watermark)
        raise ValueError(f"a Mirakl shop has no feed {feed!r}; it has: {', '.join(one.name for one in self.feeds())}")

    def parse(self, statement: Statement) -> Sequence[Order | Return | Refund]:
        """See `ports.Marketplace.parse`. An order comes with the refunds of its lines. What its prices are was learnt
        when it was read; without that they count as cost."""
        try:
            if statement.kind == "return":
                return parse_returns(statement.payload)
            return parse_order(statement.payload, self._settings, self._account.price_basis)
        except Malformed as problem:
            raise Malformed(f"{statement.kind} {statement.key}: {problem}") from None

    def fetch_order(self, order_id: str) -> Statement | None:
        payload = self._reader.stated_order(order_id)
        return None if payload is None else Statement(kind="order", key=order_id, payload=payload)

    # -- writing -------------------------------------------------------------------------------------------------

    def batch_limit(self, kind: EffectKind, lane: Lane) -> int:
        return {EffectKind.SET_STOCK: self._settings.stock_batch, EffectKind.STATE_REFERENCE: MOST}.get(kind, 1)

    def concurrency(self) -> int:
        return self._settings.concurrency

    def is_idempotent(self, kind: EffectKind) -> bool:
        """Only a reference may be stated again. So may a stock level, but its file's report has to be read first."""
        return kind is EffectKind.STATE_REFERENCE

    def deliver(self, effects: Sequence[Effect]) -> Sequence[Outcome]:
        if effects and all(isinstance(effect.payload, SetStock) for effect in effects):
            return self._stock.send(effects)
        if effects and all(isinstance(effect.payload, StateReference) for effect in effects):
            return self._references.state(effects)
        return [self._deliver(effect) for effect in effects]

    def _deliver(self, effect: Effect) -> Outcome:
        wish = effect.payload
        if isinstance(wish, AcknowledgeOrder):
            return self._acceptance.accept(wish)
        if isinstance(wish, Dispatch):
            return self._shipping.dispatch(wish)
        if isinstance(wish, CancelLines):
            return self._cancelling.cancel(wish)
        if isinstance(wish, RefundLines):
            return self._refunding.give_back(effect.effect_id, wish)
        if isinstance(wish, AcknowledgeReturn | ReceiveReturn | JudgeReturn | CloseReturn):
            return self._taking_in.tell(wish)
        return _unsupported(effect)

    def resolve(self, effect: Effect) -> Resolution:
        """See `ports.Outbound.resolve`: asks by reading the order, its shipments, its refunds, the return or the stock
        file."""
        wish = effect.payload
        if isinstance(wish, AcknowledgeOrder):
            return self._acceptance.verdict(wish)
        if isinstance(wish, Dispatch):
            return self._shipping.verdict(wish)
        if isinstance(wish, CancelLines):
            return self._cancelling.verdict(wish)
        if isinstance(wish, RefundLines):
            return self._refunding.verdict(effect.effect_id, wish)
        if isinstance(wish, AcknowledgeReturn | ReceiveReturn | JudgeReturn | CloseReturn):
            return self._taking_in.verdict(wish)
        if isinstance(wish, SetStock):
            return self._stock.verdict(effect)
        return _unsupported(effect)

    # -- money ---------------------------------------------------------------------------------------------------

    def settlement_lines(
        self, since: datetime | None = None, document: str = "", *, cycle_id: str = ""
    ) -> Iterator[SettlementLine]:
        """The transaction log from `since` on, or of one accounting document or payout cycle. Raises TransportError,
        Malformed."""
        return self._ledger.lines(since, document, cycle_id)

    def settlement_documents(self, since: datetime | None = None) -> Iterator[PayoutCycle]:
        """Payout cycles closed since. Raises TransportError, Malformed."""
        return self._ledger.cycles(since)

    def sold_order(self, statement: Statement) -> SoldOrder | None:
        """What an order is worth to the seller, with the marketplace's refunds and their reasons. Raises Malformed."""
        try:
            return sold_order(statement.payload, self.name, self._settings)
        except Malformed as problem:
            raise Malformed(f"{statement.kind} {statement.key}: {problem}") from None

    # -- trying --------------------------------------------------------------------------------------------------

    def carrier_codes(self) -> set[str]:
        """Codes of the carriers that the operator has registered. Raises TransportError."""
        return {carrier.code for carrier in self._account.carriers()}

    def check(self) -> Sequence[Finding]:
        return trial(self._settings, self._account, self._reader)


def _unsupported(effect: Effect) -> Refused:
    return Refused(f"a Mirakl shop takes no {effect.kind.value} from a seller", code="UNSUPPORTED")
