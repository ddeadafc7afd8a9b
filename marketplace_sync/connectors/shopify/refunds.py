"""Takes unshipped units off an order and books what the marketplace gave back: once each, known by our reference."""

from __future__ import annotations

from collections import Counter
from typing import Any

from marketplace_sync.connectors.shopify import marks, mutations
from marketplace_sync.connectors.shopify.failures import KeyUsed, explained
from marketplace_sync.connectors.shopify.graphql import GraphQL
from marketplace_sync.connectors.shopify.orders import OrderReader
from marketplace_sync.connectors.shopify.refund_queries import BOOKS, Transaction
from marketplace_sync.connectors.shopify.settings import ShopifySettings
from marketplace_sync.domain.effects import (
    Delivered,
    Effect,
    InDoubt,
    LineUnits,
    NotThere,
    Outcome,
    RecordRefund,
    Refused,
    RemoveLines,
    Resolution,
)
from marketplace_sync.domain.money import decimal_text, minor_units
from marketplace_sync.domain.store import StoreOrder, StoreOrderLine

_MOST_TRANSACTIONS = 100
_FRESH_KEYS = 5


class RefundBooking:
    """Both are refunds for Shopify: of units that never left (CANCEL), or of units that did (RETURN, NO_RESTOCK)."""

    def __init__(self, settings: ShopifySettings, graphql: GraphQL, orders: OrderReader) -> None:
        self._settings = settings
        self._graphql = graphql
        self._orders = orders

    def deliver(self, effect: Effect) -> Outcome:
        """Raises TransportError; AnswerLost when it may have been booked.

        The order's refunds are looked through first: the vendor's own protection against repeats ends after a day and
        was seen to fail (Shopify, idempotent mutations).
        """
        wanted: RemoveLines | RecordRefund = effect.payload
        order = self._orders.one(wanted.store_order_id)
        if order is None:
            return Refused(f"the shop has no order {wanted.store_order_id} ({wanted.source_identifier}) any more")
        booked = _booked(order, wanted.reference)
        if booked is not None:
            return booked
        if not wanted.lines and not getattr(wanted, "amount", None):
            return Refused(f"order {order.name} ({wanted.source_identifier}): neither units nor money were given back")
        try:
            lines = self._lines(order, wanted)
            transactions, note = self._transactions(order, wanted, lines)
        except _CannotBeBooked as problem:
            return Refused(f"order {order.name} ({wanted.source_identifier}): {problem}")
        if not lines and not transactions:
            return Delivered(note)  # all that is left of it is a rounding, and Shopify takes no empty refund
        return self._book(effect, order, _input(wanted, lines, transactions), note)

    def resolve(self, effect: Effect) -> Resolution:
        """Whether the refund is on the order. Orders are read directly, so the answer is current."""
        wanted: RemoveLines | RecordRefund = effect.payload
        order = self._orders.one(wanted.store_order_id)
        if order is None:
            return Refused(f"the shop has no order {wanted.store_order_id} ({wanted.source_identifier}) any more")
        return _booked(order, wanted.reference) or NotThere()

    def _book(self, effect: Effect, order: StoreOrder, refund: dict[str, Any], note: dict[str, str]) -> Outcome:
        """One refundCreate. A key that an earlier, failed try has used up is replaced by the next one."""
        for attempt in range(_FRESH_KEYS):
            key = marks.idempotency_key(effect.natural_key, attempt)
            try:
                payload = self._graphql.run(mutations.REFUND_CREATE, {"input": refund, "key": key}).refund_create
            except KeyUsed:
                current = self._orders.one(order.store_order_id)
                found = _booked(current, effect.payload.reference) if current else None
                if found is not None:
                    return found
                continue
            if payload.refund is not None:
                return Delivered({"refund_id": payload.refund.id, **note})
            if not payload.user_errors:
                return InDoubt(f"Shopify neither booked a refund on order {order.name} nor said why not")
            return Refused(explained(f"a refund on order {order.name}", payload.user_errors))
        return Refused(
            f"a refund on order {order.name} failed {_FRESH_KEYS} times before, for reasons given then: book it by "
            f"hand with the note {refund['note']!r}, or edit and retry"
        )

    def _lines(self, order: StoreOrder, wanted: RemoveLines | RecordRefund) -> list[dict[str, Any]]:
        """`refundLineItems`. CANCEL gives units back to stock where they were committed; RETURN needs a place."""
        restock = {"restockType": "CANCEL"}
        if isinstance(wanted, RecordRefund):
            place = self._settings.return_location if wanted.returned else None
            restock = {"restockType": "RETURN", "locationId": place} if place else {"restockType": "NO_RESTOCK"}
        found = []
        taken: Counter[str] = Counter()
        for units in wanted.lines:
            line = _store_line(order, units)
            quantity = units.quantity
            if isinstance(wanted, RecordRefund) and wanted.amount is not None:
                # money may be given back for a unit in several parts, of which only the first finds it on the order
                quantity = min(quantity, _refundable(order, line) - taken[line.line_id])
                taken[line.line_id] += quantity
            if quantity > 0:
                found.append({"lineItemId": line.line_id, "quantity": quantity, **restock})
        return found

    def _transactions(
        self, order: StoreOrder, wanted: RemoveLines | RecordRefund, lines: list[dict[str, Any]]
    ) -> tuple[list[dict[str, Any]], dict[str, str]]:
        """Money booked back against the payment that the order was created with, so that the shop's books net.

        What a line is worth is Shopify's own sum. No money moves: the payment is a booking under the marketplace's
        name. An order without a payment (no prices were known) has nothing to book. A stated amount may be above what
        the payments hold by less than a minor unit for each unit ordered: that is the rounding of their prices, and is
        noted as `not_booked`.
        """
        books = self._graphql.run(BOOKS, {"id": order.store_order_id, "most": _MOST_TRANSACTIONS, "lines": lines}).order
        if books is None:
            raise _CannotBeBooked("the shop does not have it any more")
        stated = wanted.amount if isinstance(wanted, RecordRefund) else None
        if stated is None:
            suggested = books.suggested_refund
            amount = 0 if suggested is None else _minor(suggested.amount_set.shop_money)
        else:
            amount = stated
        payments = _payments(books.transactions)
        if not payments:
            return [], {}
        currency = payments[0][0].amount_set.shop_money.currency_code
        if isinstance(wanted, RecordRefund) and amount and wanted.currency != currency:
            raise _CannotBeBooked(f"the refund is in {wanted.currency} and the order in {currency}: book it by hand")
        booked = []
        for payment, left in payments:
            part = min(amount, left)
            if part > 0:
                booked.append(_refund_of(order, payment, decimal_text(part, currency)))
                amount -= part
        if stated is None or amount <= 0:
            return booked, {}
        if amount >= sum(line.quantity for line in order.lines):
            raise _CannotBeBooked(
                f"{decimal_text(amount, currency)} {currency} more was given back than its payments still hold: "
                "look for a refund that was booked twice, or book the difference by hand"
            )
        return booked, {"not_booked": f"{decimal_text(amount, currency)} {currency}"}


class _CannotBeBooked(ValueError):
    """The message says why, for a person."""


def _booked(order: StoreOrder, reference: str) -> Delivered | None:
    found = next((refund for refund in order.refunds if refund.reference == reference), None)
    return Delivered({"refund_id": found.refund_id}) if found else None


def _store_line(order: StoreOrder, units: LineUnits) -> StoreOrderLine:
    """The shop's line of a marketplace line: by our mark, else by SKU when that leaves one choice."""
    marked = [line for line in order.lines if line.source_line_id == units.line_id]
    if not marked and units.sku:
        marked = [line for line in order.lines if line.sku == units.sku and not line.source_line_id]
    if len(marked) != 1:
        raise _CannotBeBooked(
            f"line {units.line_id} ({units.sku or 'no SKU'}) is {'several lines' if marked else 'no line'} of it; "
            "somebody may have edited the order: book it by hand"
        )
    return marked[0]


def _refundable(order: StoreOrder, line: StoreOrderLine) -> int:
    """Units of a line that no refund holds, whether they left or not."""
    held = sum(row.quantity for refund in order.refunds for row in refund.lines if row.line_id == line.line_id)
    return max(0, line.quantity - held)


def _payments(transactions: list[Transaction]) -> list[tuple[Transaction, int]]:
    """Successful payments and what is left of each, in minor units, after the refunds booked against it."""
    spent: dict[str, int] = {}
    for transaction in transactions:
        refunded = transaction.kind == "REFUND" and transaction.status in ("SUCCESS", "PENDING")
        if refunded and transaction.parent_transaction is not None:
            parent = transaction.parent_transaction.id
            spent[parent] = spent.get(parent, 0) + _minor(transaction.amount_set.shop_money)
    return [
        (transaction, _minor(transaction.amount_set.shop_money) - spent.get(transaction.id, 0))
        for transaction in transactions
        if transaction.kind in ("SALE", "CAPTURE") and transaction.status == "SUCCESS"
    ]


def _minor(money: Any) -> int:
    return minor_units(money.amount, money.currency_code)


def _refund_of(order: StoreOrder, payment: Transaction, amount: str) -> dict[str, Any]:
    return {
        "orderId": order.store_order_id,
        "kind": "REFUND",
        "gateway": payment.gateway or "manual",
        "parentId": payment.id,
        "amount": amount,
    }


def _input(
    wanted: RemoveLines | RecordRefund, lines: list[dict[str, Any]], transactions: list[dict[str, Any]]
) -> dict[str, Any]:
    words = wanted.reason or (
        "Taken off the order" if isinstance(wanted, RemoveLines) else "Given back by the marketplace"
    )
    return {
        "orderId": wanted.store_order_id,
        "note": marks.note(words, wanted.reference),
        "notify": False,
        "allowOverRefunding": False,
        "refundLineItems": lines,
        "transactions": transactions,
    }
