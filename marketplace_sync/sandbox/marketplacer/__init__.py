"""Marketplacer, simulated: the GraphQL API of one instance, with its keys, feeds, refund workflow and webhooks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.routing import BaseRoute

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.marketplacer import placing
from marketplace_sync.sandbox.marketplacer.endpoint import Endpoint
from marketplace_sync.sandbox.marketplacer.habits import HabitsAtMarketplacer
from marketplace_sync.sandbox.marketplacer.hooks import Publisher
from marketplace_sync.sandbox.marketplacer.market import Market
from marketplace_sync.sandbox.marketplacer.office import Office
from marketplace_sync.sandbox.marketplacer.seed import seed as fill
from marketplace_sync.sandbox.marketplacer.settings import Settings
from marketplace_sync.sandbox.marketplacer.staff import Staff
from marketplace_sync.sandbox.state import State
from marketplace_sync.sandbox.vendor import Vendor

__all__ = ["Marketplacer"]


class Marketplacer(Staff, Office, Vendor):
    """One instance. Its settings are the fields of `Settings`; its acts are those of `Staff` and `Office`."""

    platform = "marketplacer"
    habits = HabitsAtMarketplacer()

    def __init__(
        self, account: str, *, state: State, clock: Clock, seed: int = 1, settings: dict[str, Any] | None = None
    ) -> None:
        super().__init__(account, state=state, clock=clock, seed=seed, settings=settings)
        self.seed = f"{seed}:{account}"
        self.market = Market(state, clock, Settings.of(self.settings))
        self.endpoint = Endpoint(self.market)
        self.publisher = Publisher(self.market, self.webhooks, self.endpoint.answer)
        self.market.publish = self.publisher.publish
        fill(self.market)
        state.commit()

    def routes(self) -> Sequence[BaseRoute]:
        return self.endpoint.routes()

    async def tick(self) -> None:
        """Send the webhooks that are due, and what sellers send by themselves; let invoices come that follow."""
        placing.let_come(self.market)
        self.send_what_is_due()
        self.publisher.send_due()
