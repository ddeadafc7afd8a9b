"""Puts a marketplace's order into the shop: at most once, whatever gets lost on the way."""

from __future__ import annotations

from typing import Any

from marketplace_sync.connectors.magento import marks
from marketplace_sync.connectors.magento.answers import OrderFacts, whole
from marketplace_sync.connectors.magento.calls import Calls, reason_in
from marketplace_sync.connectors.magento.order_input import CannotBeSent, order_entity
from marketplace_sync.connectors.magento.orders import OrderReader
from marketplace_sync.connectors.magento.products import products
from marketplace_sync.connectors.magento.settings import MagentoSettings
from marketplace_sync.connectors.magento.shop import Shop
from marketplace_sync.domain.effects import CreateOrder, Delivered, Effect, NotThere, Outcome, Refused, Resolution
from marketplace_sync.domain.errors import RequestRejected


class OrderCreation:
    """The order's number is ours and unique in the store view, so a repeat is refused by the database itself (Magento,
    dedupe). An order without its invoice is not finished: it is found by its number, and gets the invoice then."""

    def __init__(self, settings: MagentoSettings, calls: Calls, shop: Shop, orders: OrderReader) -> None:
        self._settings = settings
        self._calls = calls
        self._shop = shop
        self._orders = orders

    def deliver(self, effect: Effect) -> Outcome:
        """Raises TransportError; AnswerLost when the order, or its invoice, may have been made. Raises Malformed."""
        wanted: CreateOrder = effect.payload
        # the first try finds out from the refusal, and is spared the question
        existing = self._existing(wanted) if effect.attempts > 1 else None
        if existing is None:
            try:
                existing = self._create(wanted)
            except CannotBeSent as problem:
                return Refused(str(problem))
            except RequestRejected as problem:
                existing = self._existing(wanted)
                if existing is None:
                    reason = f"Magento refused order {wanted.order.reference}: {reason_in(problem)}"
                    return Refused(reason, code=str(problem.status or ""))
        if self._settings.invoice_orders and _to_invoice(existing):
            try:
                self._invoice(existing)
            except RequestRejected as problem:
                again = self._orders.facts(str(existing.entity_id))
                if again is not None and _to_invoice(again):
                    return Refused(
                        f"order {existing.increment_id} is in the shop, and Magento refused to invoice it:"
                        f" {reason_in(problem)}; mend it in the shop, then retry",
                        code=str(problem.status or ""),
                    )
        return _delivered(existing)

    def resolve(self, effect: Effect) -> Resolution:
        """Whether an order whose answer was lost is there, whole. Asking again is harmless: the number is unique.
        Raises TransportError, Malformed."""
        existing = self._existing(effect.payload)
        if existing is None or (self._settings.invoice_orders and _to_invoice(existing)):
            return NotThere()
        return _delivered(existing)

    def _existing(self, wanted: CreateOrder) -> OrderFacts | None:
        number = marks.order_number(wanted.source_identifier, self._settings)
        return self._orders.by_number(number, self._shop.view().store_id)

    def _create(self, wanted: CreateOrder) -> OrderFacts:
        """Raises CannotBeSent."""
        view = self._shop.view()
        known = products(self._calls, [variant.variant_id for variant in wanted.variants])
        entity = order_entity(wanted, known, view, self._settings)
        return self._calls.post("/orders", {"entity": entity}, OrderFacts, operation="create order")

    def _invoice(self, order: OrderFacts) -> None:
        """All of it, paid, without a mail: the marketplace has the money."""
        body = {"capture": True, "notify": False, "appendComment": False}
        self._calls.post(f"/order/{order.entity_id}/invoice", body, Any, operation="invoice order")


def _to_invoice(order: OrderFacts) -> bool:
    if order.state not in ("new", "pending_payment", "processing", "complete"):
        return False
    return any(
        whole(item.qty_ordered, "qty_ordered")
        > whole(item.qty_invoiced, "qty_invoiced") + whole(item.qty_canceled, "qty_canceled")
        for item in order.items
        if item.parent_item_id is None
    )


def _delivered(order: OrderFacts) -> Delivered:
    """`lines`: the marketplace's line id -> the shop's."""
    lines = {item.ext_order_item_id: str(item.item_id) for item in order.items if item.ext_order_item_id}
    return Delivered({"store_order_id": str(order.entity_id), "name": order.increment_id, "lines": lines})
