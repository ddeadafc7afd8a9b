"""Buyers of a Marketplacer marketplace: they cancel what has not left, and send back what has."""

from __future__ import annotations

import random
from typing import Any

from marketplace_sync.sandbox.habits import Do, Habits, Later


class HabitsAtMarketplacer(Habits):
    async def change_their_mind(self, do: Do, order_id: Any) -> bool:
        return await do("buyer_cancel", order_id=order_id) is not None

    async def send_back(self, do: Do, order_id: Any, chance: random.Random) -> list[Later] | None:
        """One unit of one line: asked for, sent back, refunded by the operator."""
        order = await do("get_order", order_id=order_id)
        lines = [line for line in (order or {"lines": []})["lines"] if line["returnable"]]
        if not lines:
            return None
        line = chance.choice(lines)
        asked = await do("request_return", order_id=order_id, lines=[{"sku": line["sku"], "quantity": 1}])
        if asked is None:
            return []
        return [
            Later(30.0 + 30.0 * place, act, {"refund_request_id": number})
            for number in asked["refund_request_ids"]
            for place, act in enumerate(("receive_return", "refund"))
        ]
