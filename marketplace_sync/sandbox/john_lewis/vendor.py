"""The account itself: puts the parts together and lends its buyers and buying office a voice (the acts)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from starlette.routing import BaseRoute

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.john_lewis import wire
from marketplace_sync.sandbox.john_lewis.access import Access
from marketplace_sync.sandbox.john_lewis.consents import Consents
from marketplace_sync.sandbox.john_lewis.door import Door
from marketplace_sync.sandbox.john_lewis.order_book import Order, OrderBook
from marketplace_sync.sandbox.john_lewis.placing import Placing, Wish
from marketplace_sync.sandbox.john_lewis.products import Products
from marketplace_sync.sandbox.john_lewis.returns import Returns
from marketplace_sync.sandbox.john_lewis.seller_actions import SellerActions
from marketplace_sync.sandbox.john_lewis.seller_api import SellerApi
from marketplace_sync.sandbox.john_lewis.settings import EdgeSettings
from marketplace_sync.sandbox.john_lewis.workflow import CANCELLABLE, lines_of, move
from marketplace_sync.sandbox.state import State
from marketplace_sync.sandbox.vendor import Vendor


class JohnLewis(Vendor):
    """One seller's account at John Lewis on the Edge. Its settings are those of `EdgeSettings`."""

    platform = "john_lewis"

    def __init__(
        self, account: str, *, state: State, clock: Clock, seed: int = 1, settings: dict[str, Any] | None = None
    ) -> None:
        super().__init__(account, state=state, clock=clock, seed=seed, settings=settings)
        self.edge = EdgeSettings.parse(self.settings)
        self.access = Access(state, clock, self.edge)
        self.book = OrderBook(state, clock, self._render)
        self.book.stale_seconds = self.edge.stale_read_seconds
        self.products = Products(state, clock, self.edge, self.random)
        self.consents = Consents(state, clock, self.edge)
        self.returns = Returns(state, clock, self.book)
        self.actions = SellerActions(state, clock, self.book, self.edge)
        self.placing = Placing(state, clock, f"{seed}:{account}", self.book, self.products, self.consents)
        self.door = Door(state, clock, self.access)

    def routes(self) -> Sequence[BaseRoute]:
        api = SellerApi(self.edge, self.book, self.actions, self.returns, self.products, self.consents)
        self.door.open("/restapi/v4/token", POST=self.access.token)
        self.door.open("/restapi/v4/token/refresh", POST=self.access.refreshed)
        self.door.slashed("/restapi/v4/orders/", GET=api.orders)
        api.open_in(self.door)
        return self.door.routes()

    def _render(self, order: Order) -> bytes:
        return msgspec.json.encode(wire.order(order, show_reason=self.edge.show_cancel_reason))

    def act_place_order(
        self,
        lines: list[dict[str, Any]],
        buyer: dict[str, Any] | None = None,
        test: bool = False,
        reference: str | None = None,
        ordered_at: str | None = None,
        second_retailer: bool = False,
    ) -> dict[str, Any]:
        """A buyer orders. `lines` are {sku, quantity}; `buyer` replaces fields of the person made up (None removes)."""
        order = self.placing.place(
            [Wish.parse(line) for line in lines],
            buyer=buyer,
            test=test,
            reference=reference,
            ordered_at=ordered_at,
            retailer=wire.OTHER_RETAILER if second_retailer else wire.JOHN_LEWIS,
        )
        return {
            "order_id": order["id"],
            "order_reference": order["reference"],
            "customer_order_number": order["customer_order_number"],
        }

    def act_request_cancellation(
        self, order_id: int, line_ref: str | None = None, quantity: int | None = None, reason_code: int = 126
    ) -> dict[str, Any]:
        """The customer changes their mind: of one line, or of everything that has not left."""
        order = self.book.copy_of(order_id)
        rows = order["lines"] if line_ref is None else lines_of(order, line_ref, None)
        open_units = sum(row["quantity"] for row in rows if row["status"] in CANCELLABLE)
        wanted = quantity if quantity is not None else max(open_units, 1)
        moved = move(order, rows, wanted, CANCELLABLE, "CANCEL")
        for row in moved:
            row["reason"] = reason_code
        self.book.put(order)
        return {"order_id": order["id"], "status": order["status"]}
