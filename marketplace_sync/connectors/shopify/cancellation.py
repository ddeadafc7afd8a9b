"""Cancels an order in the shop: Shopify accepts the wish and does the work later."""

from __future__ import annotations

from marketplace_sync.connectors.shopify import mutations
from marketplace_sync.connectors.shopify.failures import codes_of, explained
from marketplace_sync.connectors.shopify.graphql import GraphQL
from marketplace_sync.connectors.shopify.orders import OrderReader
from marketplace_sync.connectors.shopify.refund_queries import JOB
from marketplace_sync.domain.effects import (
    CancelOrder,
    Delivered,
    Effect,
    InDoubt,
    NotThere,
    Outcome,
    Postponed,
    Refused,
    Resolution,
)
from marketplace_sync.domain.orders import Initiator
from marketplace_sync.domain.store import StoreOrder

_LONGEST_NOTE = 255
_AGAIN_SECONDS = 2.0


class Cancellation:
    def __init__(self, graphql: GraphQL, orders: OrderReader) -> None:
        self._graphql = graphql
        self._orders = orders

    def deliver(self, effect: Effect) -> Outcome:
        """Asks for the cancellation, with the units put back into stock. Raises TransportError."""
        wanted: CancelOrder = effect.payload
        order = self._orders.one(wanted.store_order_id)
        if order is None or order.cancelled_at is not None:
            return _cancelled(order, wanted)
        payload = self._graphql.run(
            mutations.ORDER_CANCEL,
            {
                "orderId": wanted.store_order_id,
                "reason": "CUSTOMER" if wanted.initiator == Initiator.CUSTOMER else "OTHER",
                "staffNote": f"{wanted.reason} ({wanted.source_identifier})".strip()[:_LONGEST_NOTE],
            },
        ).order_cancel
        order = self._orders.one(wanted.store_order_id)
        if order is None or order.cancelled_at is not None:
            return _cancelled(order, wanted)
        if payload.order_cancel_user_errors:
            errors = payload.order_cancel_user_errors
            return Refused(explained(f"to cancel order {order.name}", errors), code=codes_of(errors))
        return InDoubt(
            f"Shopify has accepted the cancellation of order {order.name} and is still at it",
            ask_by={} if payload.job is None else {"job": payload.job.id},
        )

    def resolve(self, effect: Effect) -> Resolution:
        """Whether the order is cancelled by now. Asking for it again does no harm once Shopify's job has ended."""
        wanted: CancelOrder = effect.payload
        order = self._orders.one(wanted.store_order_id)
        job_id = effect.asked_by.get("job")
        if order is not None and order.cancelled_at is None and job_id is not None:
            job = self._graphql.run(JOB, {"id": job_id}).job
            if job is not None and not job.done:
                return Postponed(
                    f"Shopify is still cancelling order {order.name}", after=_AGAIN_SECONDS, counts_as_attempt=False
                )
            order = self._orders.one(wanted.store_order_id)
        if order is None or order.cancelled_at is not None:
            return _cancelled(order, wanted)
        return NotThere()


def _cancelled(order: StoreOrder | None, wanted: CancelOrder) -> Delivered | Refused:
    if order is None or order.cancelled_at is None:
        return Refused(f"the shop has no order {wanted.store_order_id} ({wanted.source_identifier}) any more")
    return Delivered({"store_order_id": order.store_order_id, "cancelled_at": order.cancelled_at.isoformat()})
