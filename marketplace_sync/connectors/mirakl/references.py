"""States the store's number of an order, so that it comes back in orders, shipments and the transaction log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from marketplace_sync.connectors.mirakl import fields
from marketplace_sync.connectors.mirakl.calls import Calls
from marketplace_sync.connectors.mirakl.refusals import refused
from marketplace_sync.connectors.outcomes import outcome_of
from marketplace_sync.domain.effects import Delivered, Effect, Outcome, Postponed, Refused, StateReference
from marketplace_sync.domain.errors import RequestRejected, TransportError

MOST = 100
"""Orders in one call (Mirakl, order writes: OR04)."""
LONGEST = 2000


class _Error(msgspec.Struct):
    code: Any = None
    message: Any = None


class _Updated(msgspec.Struct):
    order_id: Any = None
    errors: list[_Error] | None = None


class _Answer(msgspec.Struct):
    updated_orders: list[_Updated]


class References:
    """Thread-safe."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def state(self, effects: Sequence[Effect]) -> list[Outcome]:
        """OR04 for many orders at once: the answer is a success, and says per order what was wrong with it."""
        wishes: list[StateReference] = [effect.payload for effect in effects]
        orders = [
            {"order_id": wish.order_id, "references": {"order_reference_for_seller": wish.reference[:LONGEST]}}
            for wish in wishes
        ]
        try:
            answer = self._calls.send(
                "PUT", "/api/orders", json={"orders": orders}, bucket="references", operation="state references"
            )
            found = self._calls.decoded(answer, _Answer, "state references")
        except RequestRejected as problem:
            return [refused(problem)] * len(wishes)
        except TransportError as problem:
            return [outcome_of(problem)] * len(wishes)
        errors = {fields.text(one.order_id): one.errors or [] for one in found.updated_orders}
        return [_outcome(wish, errors.get(wish.order_id)) for wish in wishes]


def _outcome(wish: StateReference, errors: list[_Error] | None) -> Outcome:
    if errors is None:
        return Postponed(f"the marketplace said nothing of order {wish.order_id}")
    if not errors:
        return Delivered()
    words = "; ".join(fields.text(error.message) or fields.text(error.code) for error in errors)
    return Refused(
        f"order {wish.order_id}: {words[:300] or 'refused without a reason'}", code=fields.text(errors[0].code)
    )
