"""Magento, simulated: the REST API of one shop, releases 2.4.8 and 2.4.9, with its signatures, papers and traps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.routing import BaseRoute

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.magento import stock
from marketplace_sync.sandbox.magento.bulk import Bulks
from marketplace_sync.sandbox.magento.catalogue_api import CatalogueApi
from marketplace_sync.sandbox.magento.gate import Gate
from marketplace_sync.sandbox.magento.oauth import Doorman
from marketplace_sync.sandbox.magento.office import Office
from marketplace_sync.sandbox.magento.order_api import OrderApi
from marketplace_sync.sandbox.magento.seed import seed as fill
from marketplace_sync.sandbox.magento.settings import Settings
from marketplace_sync.sandbox.magento.shop import Shop
from marketplace_sync.sandbox.magento.staff import Staff
from marketplace_sync.sandbox.magento.stock_api import StockApi
from marketplace_sync.sandbox.magento.stockroom import Stockroom
from marketplace_sync.sandbox.magento.store_api import StoreApi
from marketplace_sync.sandbox.state import State
from marketplace_sync.sandbox.vendor import Vendor

__all__ = ["Magento"]


class Magento(Staff, Stockroom, Office, Vendor):
    """One shop. Its settings are the fields of `Settings`; its acts are those of `Staff`, `Stockroom` and `Office`.

    There are no webhooks: the Open Source edition has none, so whoever wants to know has to ask. (time and polling)
    """

    platform = "magento"
    has_a_warehouse = True

    def __init__(
        self, account: str, *, state: State, clock: Clock, seed: int = 1, settings: dict[str, Any] | None = None
    ) -> None:
        super().__init__(account, state=state, clock=clock, seed=seed, settings=settings)
        self.shop = Shop(state, clock, Settings.of(self.settings))
        self.doorman = Doorman(state, clock, self.shop.settings)
        self.bulks = Bulks(self.shop)
        self._next_repair = clock.timestamp()
        fill(self.shop)
        state.commit()

    def routes(self) -> Sequence[BaseRoute]:
        gate = Gate(self.shop, self.doorman, self.bulks.enqueue)
        OrderApi(self.shop).open_in(gate)
        StockApi(self.shop).open_in(gate)
        CatalogueApi(self.shop).open_in(gate)
        StoreApi(self.shop, self.doorman, lambda: self.base_url).open_in(gate)
        self.bulks.open_in(gate)
        return gate.routes()

    async def tick(self) -> None:
        """Work off what is queued, and repair reservations when the merchant's cron is due."""
        self.bulks.work_off()
        every = self.shop.settings.repair_every_seconds
        if every is not None and self.clock.timestamp() >= self._next_repair:
            self._next_repair = self.clock.timestamp() + every
            stock.repair(self.shop)
