"""Takes back what an order holds: cancels it, takes units off it, records what the marketplace gave back.

An order that was invoiced cannot be cancelled any more, only credited (Magento, credit memo). Credit memos know no
idempotency key: our reference in the comment, saved with it, says that one is ours, and is looked for before a repeat.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from marketplace_sync.connectors.magento import marks
from marketplace_sync.connectors.magento.answers import Item, OrderFacts, whole
from marketplace_sync.connectors.magento.calls import Calls, reason_in
from marketplace_sync.connectors.magento.order_reading import CANCELLED
from marketplace_sync.connectors.magento.orders import OrderReader
from marketplace_sync.connectors.magento.settings import MagentoSettings
from marketplace_sync.domain.effects import (
    CancelOrder,
    Delivered,
    Effect,
    LineUnits,
    NotThere,
    Outcome,
    Postponed,
    RecordRefund,
    Refused,
    RemoveLines,
    Resolution,
)
from marketplace_sync.domain.errors import RequestRejected
from marketplace_sync.domain.money import decimal_text, exponent, json_number, minor_units
from marketplace_sync.domain.store import StoreOrder

Wish = CancelOrder | RemoveLines | RecordRefund

_ROUNDED_AT_MOST = 4
"""Minor units that single credit memos come to more than their order, at most: one for each of them."""


class _CannotBeBooked(ValueError):
    """The message says why, for a person."""


class TakingBack:
    def __init__(
        self,
        settings: MagentoSettings,
        calls: Calls,
        orders: OrderReader,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._calls = calls
        self._orders = orders
        self._clock = clock
        self._first_asked: dict[int, float] = {}
        self._lock = threading.Lock()

    def deliver(self, effect: Effect) -> Outcome:
        """Raises TransportError, Malformed; AnswerLost when it may have been done."""
        wish: Wish = effect.payload
        facts = self._orders.facts(wish.store_order_id)
        if facts is None:
            return _gone(wish)
        done = self._done(wish, facts)
        if done is not None:
            return done
        try:
            if isinstance(wish, CancelOrder):
                return self._cancel(wish, facts)
            units = self._units(wish, facts)
            if isinstance(wish, RemoveLines):
                self._check_still_there(facts, units)
            return self._credit(wish, facts, units)
        except _CannotBeBooked as problem:
            return Refused(f"order {facts.increment_id}: {problem}")
        except RequestRejected as problem:
            what = "cancel" if isinstance(wish, CancelOrder) else "credit"
            return Refused(
                f"Magento refused to {what} order {facts.increment_id}: {reason_in(problem)}",
                code=str(problem.status or ""),
            )

    def resolve(self, effect: Effect) -> Resolution:
        """Whether it was done. What is not there is only called missing some seconds after the first time of asking,
        because the lost call may still be running. Raises TransportError, Malformed."""
        wish: Wish = effect.payload
        facts = self._orders.facts(wish.store_order_id)
        answer: Resolution | None = _gone(wish) if facts is None else self._done(wish, facts)
        with self._lock:
            now = self._clock()
            first = self._first_asked.setdefault(effect.effect_id, now)
            left = first + self._settings.doubt_settles_after.total_seconds() - now
            if answer is not None or left <= 0:
                del self._first_asked[effect.effect_id]
        if answer is not None:
            return answer
        if left > 0:
            return Postponed(
                f"the shop does not show it on order {facts.increment_id if facts else '?'} yet; asked again before it"
                " is sent again",
                after=left,
                counts_as_attempt=False,
            )
        return NotThere()

    def _done(self, wish: Wish, facts: OrderFacts) -> Delivered | None:
        """What there is of it already. A cancelled order is cancelled by whoever did it."""
        if isinstance(wish, CancelOrder) and facts.state == CANCELLED:
            return Delivered({"store_order_id": wish.store_order_id})
        if not any(whole(item.qty_refunded, "qty_refunded") for item in facts.items) and not isinstance(
            wish, RecordRefund
        ):
            return None
        return _booked(self._orders.complete(facts), _reference(wish))

    def _cancel(self, wish: CancelOrder, facts: OrderFacts) -> Outcome:
        """Of the whole order or of nothing: what is left when a parcel went meanwhile is wished for by its lines, once
        the parcel is known. Raises _CannotBeBooked."""
        _check_nothing_left(facts)
        if not any(whole(item.qty_invoiced, "qty_invoiced") for item in facts.items):
            taken = self._calls.post(f"/orders/{facts.entity_id}/cancel", {}, bool, operation="cancel order")
            after = self._orders.facts(wish.store_order_id)
            if after is None or after.state == CANCELLED:
                return Delivered({"store_order_id": wish.store_order_id})
            if taken or not any(whole(item.qty_invoiced, "qty_invoiced") for item in after.items):
                # Magento says no without a reason (Magento, state machine)
                raise _CannotBeBooked(
                    f"Magento does not cancel it in state {after.state!r} ({after.status}): take it off hold, or cancel"
                    " it by hand"
                )
            facts = after  # somebody invoiced it meanwhile
            _check_nothing_left(facts)
        units = {item.item_id: open_units for item in _lines(facts) if (open_units := _unshipped(item)) > 0}
        if not units:
            raise _CannotBeBooked("no unit of it is left to cancel: all were credited or cancelled")
        return self._credit(wish, facts, units)

    def _units(self, wish: RemoveLines | RecordRefund, facts: OrderFacts) -> dict[int, int]:
        """Item id -> units to credit. Of a stated amount, those that were not credited before: money may be given back
        for a unit in several parts. Raises _CannotBeBooked."""
        units: dict[int, int] = {}
        for wanted in wish.lines:
            item = _item_of(facts, wanted)
            quantity = units.get(item.item_id, 0) + wanted.quantity
            if isinstance(wish, RecordRefund) and wish.amount is not None:
                left = whole(item.qty_ordered, "qty_ordered") - whole(item.qty_refunded, "qty_refunded")
                quantity = min(quantity, left)
            units[item.item_id] = quantity
        return {item_id: quantity for item_id, quantity in units.items() if quantity > 0}

    def _check_still_there(self, facts: OrderFacts, units: Mapping[int, int]) -> None:
        """Magento credits what has left as gladly as what has not, and a parcel may have left since this was wished.
        Raises _CannotBeBooked."""
        items = {item.item_id: item for item in _lines(facts)}
        if not any(whole(items[item_id].qty_shipped, "qty_shipped") for item_id in units):
            return
        order = self._orders.complete(facts)
        for item_id, quantity in units.items():
            left = _still_there(order, str(item_id))
            if left < quantity:
                raise _CannotBeBooked(
                    f"of {items[item_id].sku or item_id} {left} unit(s) have not left yet, and {quantity} are to be"
                    " taken off"
                )

    def _credit(self, wish: Wish, facts: OrderFacts, units: Mapping[int, int]) -> Outcome:
        """One credit memo, without moving money: the marketplace has the money (offline). Raises _CannotBeBooked."""
        items = {item.item_id: item for item in _lines(facts)}
        if _is_nothing(wish, facts, units):
            if isinstance(wish, RecordRefund):
                return Delivered(_not_booked(wish, wish.amount or 0))
            raise _CannotBeBooked(
                "what is to go is worth nothing (the marketplace stated no price), and Magento neither credits nothing"
                " nor cancels what is invoiced: tell the warehouse not to ship it, cancel it at the marketplace by"
                " hand, then skip this effect"
            )
        for item_id, quantity in units.items():
            invoiced = whole(items[item_id].qty_invoiced, "qty_invoiced")
            left = invoiced - whole(items[item_id].qty_refunded, "qty_refunded")
            if left < quantity:
                raise _CannotBeBooked(
                    f"of {items[item_id].sku or item_id} {left} unit(s) are invoiced and not yet credited, and"
                    f" {quantity} are to be: invoice the order, or look for a credit memo that was made by hand"
                )
        body: dict[str, Any] = {
            "items": [{"order_item_id": item_id, "qty": quantity} for item_id, quantity in units.items()],
            "notify": False,
            # The comment is kept all the same; this would only mark it as sent to the buyer.
            "appendComment": False,
            "comment": {"comment": marks.note(_words(wish), _reference(wish)), "is_visible_on_front": 0},
        }
        beyond = _beyond(wish, facts)
        if beyond and not units and isinstance(wish, RecordRefund) and wish.amount == beyond:
            return Delivered(_not_booked(wish, beyond))  # all of it is a rounding, and Magento credits no nothing
        if not units:
            # Without any item Magento credits all of them; one with no units credits none.
            body["items"] = [{"order_item_id": next(iter(items)), "qty": 0}]
        # Magento rounds the tax of each unit for itself, so that credit memos of single units may come to pennies more
        # than the order, and it refuses the last one. Where others were made before, it is made over what is left.
        credited = sum(whole(item.qty_refunded, "qty_refunded") for item in items.values())
        # So it is with an order in another currency than the shop's books, in which Magento counts what is left.
        spare = min(_ROUNDED_AT_MOST, credited + 1) if credited or _rate(facts) != 1 else 0
        refusal: RequestRejected | None = None
        for less in range(beyond, beyond + spare + 1):
            body["arguments"], lost = self._arguments(wish, facts, items, units, less)
            try:
                path = f"/order/{facts.entity_id}/refund"
                memo_id = self._calls.post(path, body, int, operation="credit memo")
            except RequestRejected as problem:
                refusal = refusal or problem
            else:
                return Delivered({"refund_id": str(memo_id), **_not_booked(wish, less + lost)})
        assert refusal is not None
        raise refusal

    def _arguments(
        self, wish: Wish, facts: OrderFacts, items: Mapping[int, Item], units: Mapping[int, int], less: int
    ) -> tuple[dict[str, Any], int]:
        """Delivery is only given back with a whole order. Units that never left, and goods that came back, return to
        the stock; adjustments bring the sum to what the marketplace gave back, and to `less` minor units below it.
        The second is how many minor units more it stays below, where Magento's own currency is coarser."""
        found: dict[str, Any] = {"shipping_amount": 0}
        difference = -less
        back = self._settings.restock_returned and wish.returned if isinstance(wish, RecordRefund) else True
        if back and units:
            found["extension_attributes"] = {"return_to_stock_items": sorted(units)}
        if isinstance(wish, CancelOrder):
            found["shipping_amount"] = _delivery_left(facts)
        if isinstance(wish, RecordRefund) and wish.amount is not None:
            if facts.order_currency_code and facts.order_currency_code != wish.currency:
                raise _CannotBeBooked(
                    f"the refund is in {wish.currency} and the order in {facts.order_currency_code}: book it by hand"
                )
            worth = sum(_worth(items[item_id], quantity, wish.currency) for item_id, quantity in units.items())
            difference += wish.amount - worth
        in_books, lost = _in_books(difference, facts)
        if in_books:
            side = "adjustment_positive" if in_books > 0 else "adjustment_negative"
            found[side] = json_number(abs(in_books), _books(facts))
        return found, lost


def _books(facts: OrderFacts) -> str:
    """The currency in which Magento is told what to give back beyond units, whatever the order's. (Magento, credit
    memo)"""
    return facts.base_currency_code or facts.order_currency_code or ""


def _rate(facts: OrderFacts) -> Decimal:
    """Units of the order's currency for one of the books'."""
    return Decimal(facts.base_to_order_rate or 1)


def _in_books(minor: int, facts: OrderFacts) -> tuple[int, int]:
    """An amount of the order in minor units of the books, and by how many of its own minor units what Magento makes of
    that is below it: the nearest there is, and never above."""
    currency, books, rate = facts.order_currency_code or "", _books(facts), _rate(facts)

    def made_of(amount: int) -> int:
        return minor_units(Decimal(amount).scaleb(-exponent(books)) * rate, currency)

    found = minor_units(Decimal(minor).scaleb(-exponent(currency)) / rate, books)
    while made_of(found) > minor:
        found -= 1
    return found, minor - made_of(found)


def _delivery_left(facts: OrderFacts) -> int | float:
    """What of the delivery was not given back yet, in the currency of the books."""
    if facts.base_shipping_amount is None:
        whole_amount, refunded = facts.shipping_amount or 0, facts.shipping_refunded or 0
        left = Decimal(whole_amount - refunded) / _rate(facts)
    else:
        left = Decimal(facts.base_shipping_amount - (facts.base_shipping_refunded or 0))
    return json_number(max(0, minor_units(left, _books(facts))), _books(facts))


def _lines(facts: OrderFacts) -> list[Item]:
    return [item for item in facts.items if item.parent_item_id is None]


def _check_nothing_left(facts: OrderFacts) -> None:
    """Raises _CannotBeBooked."""
    shipped = sum(whole(item.qty_shipped, "qty_shipped") for item in _lines(facts))
    if shipped:
        raise _CannotBeBooked(f"{shipped} unit(s) of it were shipped meanwhile, so that it cannot be cancelled whole")


def _unshipped(item: Item) -> int:
    """Units that are still to be shipped, of an order of which none was."""
    gone = whole(item.qty_refunded, "qty_refunded") + whole(item.qty_canceled, "qty_canceled")
    return whole(item.qty_ordered, "qty_ordered") - gone


def _still_there(order: StoreOrder, line_id: str) -> int:
    """Units of a line that neither left nor were taken off."""
    ordered = sum(line.quantity for line in order.lines if line.line_id == line_id)
    left = sum(
        line.quantity
        for fulfilment in order.fulfilments
        for line in fulfilment.lines
        if fulfilment.succeeded and line.line_id == line_id
    )
    taken = sum(
        line.quantity for refund in order.refunds for line in refund.lines if line.unshipped and line.line_id == line_id
    )
    return max(0, ordered - left - taken)


def _worth(item: Item, quantity: int, currency: str) -> int:
    """What Magento makes of these units, in minor units: their part of the row and that of its tax, each rounded for
    itself, so that one of two units for 44.00 with a fifth of tax comes to 22.01."""
    ordered = whole(item.qty_ordered, "qty_ordered")
    row, tax, discount = (
        minor_units(Decimal(amount or 0) * quantity / ordered, currency) if ordered else 0
        for amount in (item.row_total, item.tax_amount, item.discount_amount)
    )
    return row + tax - discount


def _is_nothing(wish: Wish, facts: OrderFacts, units: Mapping[int, int]) -> bool:
    """Whether the credit memo would come to nothing, which Magento refuses. (Magento, credit memo)"""
    if facts.grand_total is not None and not facts.grand_total:
        return True
    if isinstance(wish, RecordRefund) and wish.amount is not None:
        return not wish.amount
    items = {item.item_id: item for item in _lines(facts)}
    worth = sum(
        _worth(items[item_id], quantity, facts.order_currency_code or "") for item_id, quantity in units.items()
    )
    return not worth and not (isinstance(wish, CancelOrder) and _delivery_left(facts))


def _beyond(wish: Wish, facts: OrderFacts) -> int:
    """Minor units that a stated amount is above what is left of the order, as far as that is the rounding of its
    prices: less than one for each unit ordered. More than that is left to Magento to refuse."""
    if not isinstance(wish, RecordRefund) or wish.amount is None or facts.total_paid is None:
        return 0
    left = minor_units(facts.total_paid, wish.currency) - minor_units(facts.total_refunded or 0, wish.currency)
    above = wish.amount - left
    ordered = sum(whole(item.qty_ordered, "qty_ordered") for item in _lines(facts))
    return above if 0 < above < ordered else 0


def _not_booked(wish: Wish, less: int) -> dict[str, str]:
    """What an effect's result says of a stated amount that was not credited to the penny."""
    if not less or not isinstance(wish, RecordRefund) or wish.amount is None:
        return {}
    return {"not_booked": f"{decimal_text(less, wish.currency)} {wish.currency}"}


def _item_of(facts: OrderFacts, units: LineUnits) -> Item:
    """The shop's line of a marketplace line: by our mark, else by SKU when that leaves one choice."""
    marked = [item for item in _lines(facts) if item.ext_order_item_id == units.line_id]
    if not marked and units.sku:
        marked = [item for item in _lines(facts) if item.sku == units.sku and not item.ext_order_item_id]
    if len(marked) != 1:
        raise _CannotBeBooked(
            f"line {units.line_id} ({units.sku or 'no SKU'}) is {'several lines' if marked else 'no line'} of it; "
            "somebody may have edited the order: book it by hand"
        )
    return marked[0]


def _reference(wish: Wish) -> str:
    return f"cancel:{wish.source_identifier}" if isinstance(wish, CancelOrder) else wish.reference


def _words(wish: Wish) -> str:
    if wish.reason:
        return wish.reason
    if isinstance(wish, CancelOrder):
        return "Cancelled at the marketplace"
    return "Taken off the order" if isinstance(wish, RemoveLines) else "Given back by the marketplace"


def _booked(order: StoreOrder, reference: str) -> Delivered | None:
    found = next((refund for refund in order.refunds if refund.reference == reference), None)
    return Delivered({"refund_id": found.refund_id}) if found else None


def _gone(wish: Wish) -> Refused:
    return Refused(f"the shop has no order {wish.store_order_id} ({wish.source_identifier}) any more")
