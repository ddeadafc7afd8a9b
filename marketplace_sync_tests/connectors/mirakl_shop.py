"""A Mirakl connector and the marketplace that it speaks with over real HTTP, for tests of what it reads and says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.routing import Route

from marketplace_sync.connectors import mirakl
from marketplace_sync.connectors.budget import LocalBudget
from marketplace_sync.connectors.mirakl.connector import Mirakl
from marketplace_sync.connectors.mirakl.settings import MiraklSettings
from marketplace_sync.connectors.ports import Statement
from marketplace_sync.connectors.transport import Exchange, HttpWire
from marketplace_sync.domain.effects import (
    PAYLOAD_TYPES,
    Dispatch,
    Effect,
    EffectKind,
    Lane,
    LineUnits,
    Outcome,
    RefundLines,
    Resolution,
)
from marketplace_sync.domain.orders import Order, Refund
from marketplace_sync_tests.connectors.http_service import serving
from marketplace_sync_tests.connectors.mirakl_marketplace import KEY, Marketplace

SHIPPED = datetime(2026, 3, 2, 9, tzinfo=UTC)
KINDS = {payload: kind for kind, payload in PAYLOAD_TYPES.items() if kind is not EffectKind.UNSUBSCRIBE}


@dataclass
class Shop:
    """One connector, everything it said over the wire, and the marketplace on the other side."""

    marketplace: Marketplace
    connector: Mirakl
    settings: MiraklSettings
    exchanges: list[Exchange]

    def order(self, order_id: str) -> Order:
        return self.read_order(order_id)[0]

    def read_order(self, order_id: str) -> tuple[Order, list[Refund]]:
        statement = self.connector.fetch_order(order_id)
        assert statement is not None
        order, *refunds = self.connector.parse(statement)
        assert isinstance(order, Order)
        return order, [one for one in refunds if isinstance(one, Refund)]

    def poll(self, feed: str, watermark: str | None = None) -> tuple[list[Statement], str | None]:
        pages = list(self.connector.read(feed, watermark))
        return [one for page in pages for one in page.statements], pages[-1].watermark if pages else None

    def deliver(self, payload: Any, effect_id: int = 1) -> Outcome:
        return self.connector.deliver([effect(payload, effect_id)])[0]

    def resolve(self, payload: Any, effect_id: int = 1) -> Resolution:
        return self.connector.resolve(effect(payload, effect_id))

    def with_settings(self, **changes: Any) -> Shop:
        """The same marketplace, seen by a new process with other settings (or the same)."""
        base_url = self.settings.base_url
        return opened(base_url, self.marketplace, settings_for(base_url, **changes))

    def anew(self) -> Shop:
        """A new process at the same address, where nothing has happened yet."""
        vars(self.marketplace).update(vars(Marketplace()))
        return self.with_settings()

    def sent(self, path: str) -> list[Any]:
        """Bodies that were sent to a path, oldest first."""
        return [json.loads(one.request_body) for one in self.exchanges if one.path == path and one.request_body]

    def reads_of_returns(self) -> int:
        return sum(one.path == "/api/returns" for one in self.exchanges)


def effect(payload: Any, effect_id: int = 1) -> Effect:
    return Effect(
        effect_id=effect_id,
        connection="mugs",
        kind=KINDS[type(payload)],
        subject=getattr(payload, "order_id", ""),
        lane=Lane.URGENT,
        payload=payload,
        natural_key=f"test:{effect_id}",
    )


def opened(base_url: str, marketplace: Marketplace, settings: MiraklSettings) -> Shop:
    exchanges: list[Exchange] = []
    wire = HttpWire(
        "mugs",
        base_url,
        settings,
        LocalBudget(mirakl.budget(settings)),
        mirakl.authentication(settings),
        mirakl.secrets(settings),
        throttled_seconds=0.01,
        patience=10,
        first_pause=0.01,
        on_exchange=exchanges.append,
    )
    return Shop(marketplace, mirakl.connect("mugs", settings, wire), settings, exchanges)


def settings_for(base_url: str, **changes: Any) -> MiraklSettings:
    known: dict[str, Any] = {
        "platform": "mirakl",
        "base_url": base_url,
        "api_key": {"default": KEY},
        "requests_per_minute": 100_000,
        "orders_interval": "0s",
        "returns_interval": "0s",
        "orders_requests_per_minute": 100_000,
        "lookups_per_minute": 100_000,
        "returns_requests_per_minute": 100_000,
        "stock_files_per_minute": 100_000,
        "imports_per_minute": 100_000,
        "product_files_per_hour": 100_000,
        "stock_status_every": "0s",
        "transactions_per_minute": 100_000,
        "transactions_per_hour": 100_000,
        "timeout_seconds": 5,
    }
    return MiraklSettings(**{**known, **changes})


@contextmanager
def shop(**changes: Any) -> Iterator[Shop]:
    """A shop at a fresh marketplace; `changes` are settings of the connection."""
    marketplace = Marketplace()
    with serving(Route("/{rest:path}", marketplace.answer, methods=["GET", "PUT", "POST"])) as base_url:
        yield opened(base_url, marketplace, settings_for(base_url, **changes))


def units(line_id: str, quantity: int = 1, before: int | None = None) -> LineUnits:
    return LineUnits(line_id=line_id, quantity=quantity, before=before)


def dispatch(order_id: str, *lines: LineUnits, carrier: str = "royal-mail", number: str = "RM1") -> Dispatch:
    return Dispatch(order_id=order_id, lines=lines, carrier=carrier, tracking_number=number, shipped_at=SHIPPED)


def refund(order_id: str, line_id: str, amount: int | None, quantity: int = 1) -> RefundLines:
    return RefundLines(
        order_id=order_id, refund_key="r", lines=(units(line_id, quantity),), currency="GBP", amounts=(amount,)
    )
