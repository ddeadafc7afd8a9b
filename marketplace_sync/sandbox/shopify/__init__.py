"""Shopify, simulated: the Admin GraphQL API of one shop, version 2026-10, with its delays, limits and traps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.routing import BaseRoute

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.shopify.cancellation import work_off
from marketplace_sync.sandbox.shopify.endpoint import Endpoint
from marketplace_sync.sandbox.shopify.fulfilment import route_due
from marketplace_sync.sandbox.shopify.office import Office
from marketplace_sync.sandbox.shopify.seed import seed as fill
from marketplace_sync.sandbox.shopify.settings import Settings
from marketplace_sync.sandbox.shopify.shop import Shop
from marketplace_sync.sandbox.shopify.staff import Staff
from marketplace_sync.sandbox.shopify.stockroom import Stockroom
from marketplace_sync.sandbox.shopify.subscriptions import Publisher
from marketplace_sync.sandbox.state import State
from marketplace_sync.sandbox.vendor import Vendor

__all__ = ["Shopify"]


class Shopify(Staff, Stockroom, Office, Vendor):
    """One shop. Its settings are the fields of `Settings`; its acts are those of `Staff`, `Stockroom` and `Office`."""

    platform = "shopify"
    has_a_warehouse = True

    def __init__(
        self,
        account: str,
        *,
        state: State,
        clock: Clock,
        seed: int = 1,
        settings: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(account, state=state, clock=clock, seed=seed, settings=settings)
        self.shop = Shop(state, clock, Settings.of(self.settings))
        self.endpoint = Endpoint(self.shop)
        self.publisher = Publisher(self.shop, self.webhooks)
        self.shop.publish = self.publisher.publish
        fill(self.shop)
        state.commit()

    def routes(self) -> Sequence[BaseRoute]:
        return self.endpoint.routes()

    async def tick(self) -> None:
        """Route orders whose time has come, and finish jobs."""
        route_due(self.shop)
        work_off(self.shop)
