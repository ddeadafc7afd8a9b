"""What cancellations and refunds take off the revenue that Klaviyo was told of an order.

Klaviyo nets both against the same Placed Order (its sheet, standard order metrics): together they never take off more
than it was worth.
"""

from __future__ import annotations

from collections.abc import Iterable

from marketplace_sync.domain.effects import TrackEvent
from marketplace_sync.domain.lifecycle import OrderEvent
from marketplace_sync.domain.money import share
from marketplace_sync.domain.orders import Order, PriceBasis

PLACED, CANCELLED, REFUNDED = "Placed Order", "Cancelled Order", "Refunded Order"


def is_all_off(order: Order) -> bool:
    """Whether every unit was cancelled."""
    return not order.to_come and all(line.cancelled >= line.quantity for line in order.lines)


def left(paid: int, told: Iterable[TrackEvent]) -> int:
    """Of Placed Order's value, or of `paid` where that is not known, what no event told has taken off."""
    told = list(told)
    placed = next((event.value for event in told if event.metric == PLACED), None)
    off = sum(event.value or 0 for event in told if event.metric in (CANCELLED, REFUNDED))
    return max(0, (paid if placed is None else placed) - off)


def cancelled(order: Order, paid: int, told: Iterable[TrackEvent]) -> int | None:
    """What cancellations took off beyond what earlier events took: with the last unit of an order all that is left of
    it goes. None: a line states no price."""
    told = list(told)
    most = left(paid, told)
    if is_all_off(order):
        return most
    off = 0
    for line in (one for one in order.lines if one.cancelled):
        goods = line.price_of(line.cancelled)
        if goods is None:
            return None
        off += goods + share(line.delivery, [line.cancelled, line.quantity - line.cancelled])[0]
    before = sum(event.value or 0 for event in told if event.metric == CANCELLED)
    return max(0, min(most, off - before))


def refunded(order: Order, event: OrderEvent, worth: int | None) -> tuple[int | None, bool]:
    """What one refund takes off, and whether its units were given back in full. `worth`: what its units were sold for.

    At retail it is the money. At cost, which says nothing about revenue, a part of what the units cost is the same part
    of what they were sold for; where nobody knows what they cost, there is no value rather than a wrong one.
    """
    if event.amount is None:
        return worth, True
    basis, line = basis_of(order, event), order.line(event.line_id)
    comparable = line is not None and event.quantity and basis is order.price_basis
    price = line.price_of(event.quantity) if line is not None and comparable else None
    goods = max(0, event.amount - int(event.detail.get("shipping_amount", 0)))
    in_full = price is None or price - goods < event.quantity  # a unit's price may be a rounding
    if basis is PriceBasis.RETAIL:
        return event.amount, in_full
    if not goods:
        return 0, in_full
    if price is None or worth is None:
        return None, in_full
    return worth if in_full else share(worth, [goods, price - goods])[0], in_full


def basis_of(order: Order, event: OrderEvent) -> PriceBasis:
    """What the amount of a refund is."""
    return PriceBasis(event.detail.get("basis", order.price_basis))
