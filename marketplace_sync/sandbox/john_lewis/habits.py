"""John Lewis' customers: they ask to cancel, send things back, and change their mind about being written to."""

from __future__ import annotations

import random
from typing import Any

from marketplace_sync.sandbox import catalogue
from marketplace_sync.sandbox.habits import Do, Habits, Later

_TEST_ORDER = 3
_ACKNOWLEDGED_BY_HAND = (7, 8)


class HabitsAtJohnLewis(Habits):
    consent_is_asked = True

    def of_a_morning(self, place: int) -> tuple[dict[str, Any], list[Later]]:
        """One test order, and two that somebody acknowledged in the portal."""
        by_hand = [Later(0, "acknowledge_in_portal")] if place in _ACKNOWLEDGED_BY_HAND else []
        return {"test": place == _TEST_ORDER}, by_hand

    def wrong_on_purpose(self) -> list[dict[str, Any]]:
        """A product that the store has never heard of, and an address that nobody can deliver to."""
        return [
            {"lines": [{"sku": catalogue.LISTED_AT_JOHN_LEWIS_ONLY, "quantity": 1}]},
            {"buyer": {"line_1": "", "line_2": "", "city": "", "postal_code": ""}},
        ]

    async def change_their_mind(self, do: Do, order_id: Any) -> bool:
        return await do("request_cancellation", order_id=order_id) is not None

    async def send_back(self, do: Do, order_id: Any, chance: random.Random) -> list[Later] | None:
        order = await do("get_order", order_id=order_id)
        dispatched = [line for line in (order or {"lines": []})["lines"] if line["status"] == "DISPATCH"]
        if not dispatched:
            return None
        line = chance.choice(dispatched)
        asked = await do(
            "request_return",
            order_id=order_id,
            line_ref=line["line_ref"],
            quantity=chance.randrange(1, line["quantity"] + 1),
            reason_code=chance.choice((200, 225, 300, 300, 300, 325, 350)),
        )
        if asked is None:
            return []
        named = {"return_id": asked["return_id"]}
        verdict = "approve_return" if chance.random() < 0.9 else "reject_return"
        return [Later(20.0, "authorise_return", named), Later(60.0, verdict, named)]

    async def change_consent(self, do: Do, order_id: Any, chance: random.Random) -> None:
        order = await do("get_order", order_id=order_id)
        if order is not None and order["email"]:
            await do("set_consent", email=order["email"], accepts=chance.random() < 0.3)
