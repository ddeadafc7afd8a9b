"""What a flow works with: the ledger, the connectors by name, and the routes between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from marketplace_sync.connectors.ports import MarketingPlatform, Marketplace, Outbound, Store
from marketplace_sync.ledger.database import Ledger
from marketplace_sync.settings import ConnectionSettings, RouteSettings


@dataclass(frozen=True)
class Route:
    """One marketplace's way into a store and a marketing account, under its rules."""

    name: str
    marketplace: str
    display_name: str
    settings: RouteSettings
    store: str | None
    marketing: str | None

    @property
    def tags(self) -> tuple[str, ...]:
        return self.settings.tags or (self.marketplace.replace("_", "-"),)


class Connectors(Mapping[str, Any]):
    """Connectors by connection name, opened at first use."""

    def __init__(self, names: list[str], open_one: Callable[[str], Any]) -> None:
        self._names = names
        self._open = open_one
        self._opened: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._opened:
            self._opened[name] = self._open(name)
        return self._opened[name]

    def __iter__(self) -> Any:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@dataclass(frozen=True)
class Context:
    ledger: Ledger
    connections: Mapping[str, ConnectionSettings]
    routes: tuple[Route, ...]
    marketplaces: Mapping[str, Marketplace]
    stores: Mapping[str, Store]
    marketing: Mapping[str, MarketingPlatform]
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def outbound(self, name: str) -> Outbound:
        for group in (self.marketplaces, self.stores, self.marketing):
            if name in group:
                found: Outbound = group[name]
                return found
        raise KeyError(f"no connection {name!r}")

    def routes_of(self, marketplace: str) -> list[Route]:
        return [route for route in self.routes if route.marketplace == marketplace]

    def routes_into(self, store: str) -> list[Route]:
        return [route for route in self.routes if route.store == store]

    def route(self, marketplace: str, store: str | None = None) -> Route | None:
        """The route of a marketplace (into this store, when named); None when there is none."""
        return next(
            (r for r in self.routes if r.marketplace == marketplace and (store is None or r.store == store)), None
        )


def source_identifier(connection: str, order_id: str) -> str:
    """How an order is known in stores and in Klaviyo: unique over every marketplace, for ever."""
    return f"{connection}:{order_id}"


def from_source_identifier(identifier: str) -> tuple[str, str] | None:
    connection, colon, order_id = identifier.partition(":")
    return (connection, order_id) if colon and order_id else None
