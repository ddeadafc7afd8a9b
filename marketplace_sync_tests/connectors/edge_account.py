"""A John Lewis account at the sandbox, and the connector that speaks with it over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from marketplace_sync.connectors import john_lewis
from marketplace_sync.connectors.budget import LocalBudget
from marketplace_sync.connectors.john_lewis.connector import JohnLewis
from marketplace_sync.connectors.john_lewis.settings import JohnLewisSettings
from marketplace_sync.connectors.ports import Page
from marketplace_sync.connectors.transport import Exchange, HttpWire
from marketplace_sync.domain.effects import Effect, EffectKind, Lane, LineUnits
from marketplace_sync.domain.orders import Order, Return
from marketplace_sync.sandbox.serve import RunningSandbox

ACCOUNT = "john_lewis"
KINDS = {
    "AcknowledgeOrder": EffectKind.ACKNOWLEDGE_ORDER,
    "Dispatch": EffectKind.DISPATCH,
    "CancelLines": EffectKind.CANCEL_LINES,
    "AcknowledgeReturn": EffectKind.ACKNOWLEDGE_RETURN,
    "SetStock": EffectKind.SET_STOCK,
    "RefundLines": EffectKind.REFUND_LINES,
}


def settings_for(base_url: str, **changes: Any) -> JohnLewisSettings:
    known: dict[str, Any] = {
        "platform": "john_lewis",
        "base_url": base_url,
        "username": {"default": "seller"},
        "password": {"default": "open sesame"},
        "requests_per_minute": 100_000,
        "settle_after": "0s",
        "timeout_seconds": 5,
    }
    return JohnLewisSettings(**{**known, **changes})


@dataclass
class Account:
    """One connector, everything it said over the wire, and the world on the other side."""

    sandbox: RunningSandbox | None
    connector: JohnLewis
    settings: JohnLewisSettings
    exchanges: list[Exchange] = field(default_factory=list)

    def act(self, name: str, **arguments: Any) -> Any:
        assert self.sandbox is not None
        return self.sandbox.act(ACCOUNT, name, **arguments)

    def place(self, *lines: tuple[str, int]) -> Order:
        """John Lewis sells; the order as our connector reads it."""
        placed = self.act("place_order", lines=[{"sku": sku, "quantity": quantity} for sku, quantity in lines])
        return self.order(str(placed["order_id"]))

    def order(self, order_id: str) -> Order:
        statement = self.connector.fetch_order(order_id)
        assert statement is not None
        order = self.connector.parse(statement)[0]
        assert isinstance(order, Order)
        assert order.order_id == statement.key
        return order

    def returns(self) -> list[Return]:
        found = [self.connector.parse(s)[0] for page in self.connector.read("returns", None) for s in page.statements]
        return [each for each in found if isinstance(each, Return)]

    def actions(self, action: str, order_id: str) -> list[dict[str, Any]]:
        """What the vendor carried out for an order."""
        assert self.sandbox is not None
        done = self.sandbox.documents(ACCOUNT, "actions")
        return [each for each in done if each["action"] == action and str(each["order_id"]) == order_id]


def effect(payload: Any, effect_id: int = 1) -> Effect:
    return Effect(
        effect_id=effect_id,
        connection="john_lewis",
        kind=KINDS[type(payload).__name__],
        subject=getattr(payload, "order_id", ""),
        lane=Lane.URGENT,
        payload=payload,
        natural_key=f"test:{effect_id}",
    )


def units(order: Order, line_id: str, quantity: int, before: int | None = None) -> LineUnits:
    line = order.line(line_id)
    assert line is not None
    return LineUnits(line_id=line_id, quantity=quantity, sku=line.sku, stock_number=line.stock_number, before=before)


def all_units(order: Order) -> tuple[LineUnits, ...]:
    return tuple(units(order, line.line_id, line.quantity) for line in order.lines)


def keys(pages: Sequence[Page]) -> list[str]:
    return [statement.key for page in pages for statement in page.statements]


def connected(base_url: str, sandbox: RunningSandbox | None = None, **changes: Any) -> Account:
    settings = settings_for(base_url, **changes)
    exchanges: list[Exchange] = []
    wire = HttpWire(
        "john_lewis",
        settings.base_url,
        settings,
        LocalBudget(john_lewis.budget(settings)),
        john_lewis.authentication(settings),
        john_lewis.secrets(settings),
        throttled_seconds=0.01,
        patience=10,
        first_pause=0.01,
        on_exchange=exchanges.append,
    )
    return Account(sandbox, john_lewis.connect("john_lewis", settings, wire), settings, exchanges)


@contextmanager
def edge(simulated: dict[str, Any] | None = None, **changes: Any) -> Iterator[Account]:
    """An account at a fresh sandbox. `simulated` are settings of the simulation, `changes` of the connection."""
    world = {"username": "seller", "password": "open sesame", "limit": 100_000, **(simulated or {})}
    with RunningSandbox(accounts={ACCOUNT: "john_lewis"}, settings={ACCOUNT: world}) as sandbox:
        yield connected(f"{sandbox.base_url}/{ACCOUNT}", sandbox, **changes)
