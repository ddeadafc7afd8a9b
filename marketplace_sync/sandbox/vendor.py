"""The shape every simulated vendor has: routes for the wire, acts for its people, ticks for what happens by itself."""

from __future__ import annotations

import inspect
import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from starlette.routing import BaseRoute

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.faults import Faults
from marketplace_sync.sandbox.habits import Habits
from marketplace_sync.sandbox.state import State
from marketplace_sync.sandbox.webhooks import WebhookSender


class UnknownAct(ValueError):
    """Somebody asked a vendor's people for something they do not do."""


class Vendor(ABC):
    """One account at one vendor, mounted at `/<account>`.

    Subclasses define `routes` (the vendor's API, paths without the mount prefix) and methods named `act_<name>`: what
    people at the vendor or its buyers do (place an order, pack a parcel, approve a return). Acts take keyword
    arguments, return JSON, and are what the control endpoint, the running shop and the tests call.
    """

    platform: str
    habits: Habits | None = None
    """What its buyers do by themselves while the shop is open; None for what is no marketplace."""
    has_a_warehouse: bool = False
    """A store, whose orders somebody packs: it has the acts list_orders, order_by_source, ship, remove_unit,
    cancel_order, refund, set_stock."""

    def __init__(
        self,
        account: str,
        *,
        state: State,
        clock: Clock,
        seed: int = 1,
        settings: dict[str, Any] | None = None,
    ) -> None:
        self.account = account
        self.state = state
        self.clock = clock
        self.random = random.Random(f"{seed}:{account}")
        self.settings = settings or {}
        self.faults = Faults()
        self.webhooks = WebhookSender(state, clock)
        self.base_url = ""
        """Where the vendor is reached, e.g. http://127.0.0.1:8700/john_lewis. Set when the server has its port."""

    @abstractmethod
    def routes(self) -> Sequence[BaseRoute]:
        """The vendor's API. Handlers put into `self.state`; the server commits before the answer leaves."""

    async def tick(self) -> None:  # noqa: B027 -- most vendors have nothing to do by themselves
        """Called about five times a second: asynchronous jobs, delayed visibility, releases. Must return quickly."""

    async def act(self, name: str, arguments: dict[str, Any]) -> Any:
        """Do what a person at the vendor does. Raises UnknownAct; ValueError when the arguments are wrong or it is not
        possible now; LookupError when the order, product or person it is about does not exist. An act that raises
        leaves nothing behind; what one did that does not is committed by the caller."""
        method = getattr(self, f"act_{name}", None)
        if method is None:
            known = sorted(n.removeprefix("act_") for n in dir(self) if n.startswith("act_"))
            raise UnknownAct(f"{self.account} has no act {name!r}; it has: {', '.join(known)}")
        try:
            inspect.signature(method).bind(**arguments)
        except TypeError as problem:
            raise ValueError(f"act {name!r} of {self.account}: {problem}") from None
        self.state.commit()
        try:
            result = method(**arguments)
            return await result if inspect.isawaitable(result) else result
        except BaseException:
            self.state.rollback()
            raise
