"""The Fair, simulated: written from what the Fair says of itself, not from its connector."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from marketplace_sync.sandbox import catalogue
from marketplace_sync.sandbox.habits import Do, Habits, Later
from marketplace_sync.sandbox.vendor import Vendor

KEY = "sandbox-fair-key"
PRICES = {product.sku: product.price for product in catalogue.products()}
DONE = {"acknowledge": "acknowledged", "dispatch": "dispatched", "cancel": "cancelled"}


class FairPeople(Habits):
    async def change_their_mind(self, do: Do, order_id: Any) -> bool:
        return False

    async def send_back(self, do: Do, order_id: Any, chance: random.Random) -> list[Later] | None:
        return []


class SimulatedFair(Vendor):
    platform = "fair"
    habits = FairPeople()

    def routes(self) -> Sequence[BaseRoute]:
        return [
            Route("/orders", self.changed),
            Route("/orders/{order_id}", self.one),
            Route("/orders/{order_id}/{verb}", self.take, methods=["POST"]),
        ]

    @property
    def orders(self) -> Any:
        return self.state.collection("orders")

    def act_place_order(self, lines: list[dict[str, Any]], **_: Any) -> dict[str, Any]:
        order_id = f"F{self.state.counter('order')}"
        rows = [
            {"number": str(place), "sku": line["sku"], "quantity": line["quantity"], "pence": PRICES[line["sku"]]}
            for place, line in enumerate(lines, 1)
        ]
        buyer = {
            "name": "Fay Arkwright", "email": f"{order_id.lower()}@buyers.example", "street": "1 High Street",
            "town": "Ely", "postcode": "CB7 4AA",
        }  # fmt: skip
        self._put({"id": order_id, "at": self.clock.now().isoformat(), "buyer": buyer, "lines": rows, "wishes": {}})
        return {"order_id": order_id}

    def act_get_order(self, order_id: str) -> Any:
        return self.orders.get(order_id)

    def _put(self, order: dict[str, Any]) -> None:
        self.orders.put(order["id"], {**order, "change": self.state.counter("change")})

    async def changed(self, request: Request) -> Response:
        if request.headers.get("x-fair-key") != KEY:
            return JSONResponse({"said": "who are you?"}, 401)
        after = int(request.query_params["after"])
        found = sorted((o for o in self.orders.values() if o["change"] > after), key=lambda one: one["change"])[:2]
        return JSONResponse({"orders": found, "next": max((o["change"] for o in found), default=after)})

    async def one(self, request: Request) -> Response:
        order = self.orders.get(request.path_params["order_id"])
        return JSONResponse({"said": "no such order"} if order is None else order, 404 if order is None else 200)

    async def take(self, request: Request) -> Response:
        order, verb, wish = self.orders.get(request.path_params["order_id"]), request.path_params["verb"], None
        wish = await request.json()
        if wish["key"] not in order["wishes"]:
            rows = [
                {**row, DONE[verb]: row.get(DONE[verb], 0) + wish["lines"].get(row["number"], 0)}
                for row in order["lines"]
            ]
            self._put({**order, "lines": rows, "wishes": {**order["wishes"], wish["key"]: {"verb": verb, **wish}}})
        return JSONResponse({"said": "done"})
