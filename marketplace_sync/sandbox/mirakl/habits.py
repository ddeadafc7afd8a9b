"""Buyers of a marketplace run on Mirakl: they cancel what has not left, and send back what has."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from marketplace_sync.sandbox.habits import Do, Habits, Later, Unpacked

_HAS_LEFT = ("SHIPPED", "TO_COLLECT", "RECEIVED")


class HabitsAtMirakl(Habits):
    async def change_their_mind(self, do: Do, order_id: Any) -> bool:
        return await do("buyer_cancel", order_id=order_id) is not None

    async def send_back(self, do: Do, order_id: Any, chance: random.Random) -> Sequence[Later | Unpacked] | None:
        """Only what arrived can come back, so the parcel arrives first. Once the goods are there the seller gives the
        money back, in the store; for some whole lines the operator does, and the seller's people close the return by
        hand."""
        order = await do("get_order", order_id=order_id)
        if order is None or order["state"] not in _HAS_LEFT:
            return None
        if order["state"] != "RECEIVED":
            await do("receive", order_id=order_id)
        line = chance.choice([line for line in order["lines"] if line["state"] in _HAS_LEFT])
        quantity = chance.randrange(1, line["quantity"] + 1)
        asked = await do("request_return", order_id=order_id, lines=[{"line_id": line["id"], "quantity": quantity}])
        if asked is None:
            return []
        if quantity < line["quantity"] or chance.random() < 0.5:
            return [Unpacked(90.0, order_id, line["sku"], quantity)]
        return [
            Later(90.0, "refund_by_operator", {"line_id": line["id"], "reason_code": "23"}),
            Later(150.0, "close_return_in_portal", {"return_id": asked["return_id"]}),
        ]
