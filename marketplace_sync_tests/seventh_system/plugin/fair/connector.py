"""The Fair as the flows see it: `ports.Marketplace` over a JSON API of five operations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec

from marketplace_sync.connectors.outcomes import outcome_of
from marketplace_sync.connectors.ports import Feed, Finding, Malformed, MarketplaceCapabilities, Page, Statement
from marketplace_sync.connectors.trying import gone_wrong
from marketplace_sync.connectors.wire import Wire
from marketplace_sync.domain.effects import (
    AcknowledgeOrder,
    CancelLines,
    Delivered,
    Dispatch,
    Effect,
    EffectKind,
    Lane,
    NotThere,
    Outcome,
    Refused,
    Resolution,
)
from marketplace_sync.domain.errors import TransportError
from marketplace_sync.domain.orders import Address, Order, OrderLine, PriceBasis, Refund, Return

VERBS: dict[type[object], str] = {AcknowledgeOrder: "acknowledge", Dispatch: "dispatch", CancelLines: "cancel"}


class _Line(msgspec.Struct):
    number: str
    sku: str
    quantity: int
    pence: int
    acknowledged: int = 0
    dispatched: int = 0
    cancelled: int = 0


class _Buyer(msgspec.Struct):
    name: str
    email: str
    street: str
    town: str
    postcode: str


class _Order(msgspec.Struct):
    id: str
    at: datetime
    buyer: _Buyer
    lines: list[_Line]


class _Orders(msgspec.Struct):
    orders: list[msgspec.Raw]
    next: int


class Fair:
    def __init__(self, wire: Wire, capabilities: MarketplaceCapabilities) -> None:
        self._wire = wire
        self.capabilities = capabilities

    def feeds(self) -> Sequence[Feed]:
        return [Feed(name="orders", every_seconds=120, description="Orders that changed.")]

    def read(self, feed: str, watermark: str | None) -> Iterator[Page]:
        """Until a page brings nothing. The Fair counts changes, so a change is never between two readings."""
        after = watermark or "0"
        while True:
            answer = self._wire.request("GET", "/orders", params={"after": after}, operation="read orders")
            page = msgspec.json.decode(answer.body, type=_Orders)
            statements = [
                Statement(kind="order", key=msgspec.json.decode(raw, type=_Order).id, payload=bytes(raw))
                for raw in page.orders
            ]
            yield Page(statements=statements, watermark=str(page.next))
            if not statements:
                return
            after = str(page.next)

    def parse(self, statement: Statement) -> Sequence[Order | Return | Refund]:
        try:
            stated = msgspec.json.decode(statement.payload, type=_Order)
        except msgspec.DecodeError as problem:
            raise Malformed(f"order {statement.key}: {problem}") from None
        buyer = stated.buyer
        lines = tuple(
            OrderLine(
                line_id=line.number,
                sku=line.sku,
                quantity=line.quantity,
                unit_price=line.pence,
                total=line.pence * line.quantity,
                acknowledged=line.acknowledged,
                dispatched=line.dispatched,
                cancelled=line.cancelled,
            )
            for line in stated.lines
        )
        return [
            Order(
                order_id=stated.id,
                reference=stated.id,
                customer_order_number=stated.id,
                status="open",
                placed_at=stated.at,
                currency="GBP",
                price_basis=PriceBasis.RETAIL,
                lines=lines,
                buyer_email=buyer.email,
                shipping_address=Address(
                    full_name=buyer.name,
                    line_1=buyer.street,
                    city=buyer.town,
                    postal_code=buyer.postcode,
                    country="GB",
                    email=buyer.email,
                ),
                total=sum(line.total or 0 for line in lines),
            )
        ]

    def fetch_order(self, order_id: str) -> Statement | None:
        answer = self._wire.request("GET", f"/orders/{order_id}", reads=(404,), operation="read one order")
        if answer.status == 404:
            return None
        return Statement(kind="order", key=order_id, payload=answer.body)

    def batch_limit(self, kind: EffectKind, lane: Lane) -> int:
        return 1

    def concurrency(self) -> int:
        return 2

    def is_idempotent(self, kind: EffectKind) -> bool:
        """The Fair knows every wish by its key, and does none twice."""
        return True

    def deliver(self, effects: Sequence[Effect]) -> Sequence[Outcome]:
        (effect,) = effects
        verb = VERBS.get(type(effect.payload))
        if verb is None:
            return [Refused(f"the Fair knows no {effect.kind.value}")]
        wish = {"key": effect.natural_key, "lines": {one.line_id: one.quantity for one in effect.payload.lines}}
        if isinstance(effect.payload, Dispatch):
            wish |= {"carrier": effect.payload.carrier, "tracking": effect.payload.tracking_number}
        path = f"/orders/{effect.payload.order_id}/{verb}"
        try:
            self._wire.request("POST", path, json=wish, write=True, operation=verb)
        except TransportError as problem:
            return [outcome_of(problem)]
        return [Delivered()]

    def resolve(self, effect: Effect) -> Resolution:
        """Never asked: every wish may be repeated."""
        return NotThere()

    def check(self) -> Sequence[Finding]:
        try:
            self._wire.request("GET", "/orders", params={"after": "0"}, operation="read orders")
        except TransportError as problem:
            return [gone_wrong("orders", problem, "check api_key")]
        return [Finding(subject="orders", works=True, detail="orders can be read")]
