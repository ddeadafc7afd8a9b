"""States of orders and lines, how an order's follows from its lines', and when time moves them. (Mirakl, lifecycle)"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RANK = {
    "STAGING": 0,
    "WAITING_ACCEPTANCE": 1,
    "WAITING_DEBIT": 2,
    "WAITING_DEBIT_PAYMENT": 3,
    "SHIPPING": 4,
    "SHIPPED": 5,
    "TO_COLLECT": 6,
    "RECEIVED": 7,
    "CLOSED": 8,
}
DEAD = ("REFUSED", "CANCELED")
STATES = (*RANK, *DEAD)
ADDRESS_FROM = RANK["SHIPPING"]
CANCELLABLE = ("WAITING_DEBIT", "SHIPPING")
"""When the seller may cancel: before that it refuses, and while the charge runs it waits."""
REFUNDABLE = ("SHIPPED", "TO_COLLECT", "RECEIVED")


class Refused(ValueError):
    """The marketplace does not do that: `message` for people, `code` where the operation names one."""

    def __init__(self, message: str, code: str | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


def state_of(order: dict[str, Any]) -> str:
    """The state of the order: that of its living line that has come least far."""
    living: list[str] = [line["state"] for line in order["lines"] if line["state"] not in DEAD]
    if living:
        return min(living, key=RANK.__getitem__)
    return "CANCELED" if any(line["state"] == "CANCELED" for line in order["lines"]) else "REFUSED"


def due_of(order: dict[str, Any]) -> float | None:
    """When time does something to the order next, seconds since 1970; None for never."""
    moments = [refund["due"] for line in order["lines"] for refund in line["refunds"] if refund["due"] is not None]
    if order["timer"] is not None:
        moments.append(order["timer"])
    return min(moments, default=None)


def line_of(order: dict[str, Any], line_id: str) -> dict[str, Any]:
    """Raises LookupError."""
    for line in order["lines"]:
        if line["id"] == line_id:
            found: dict[str, Any] = line
            return found
    raise LookupError(f"order {order['id']} has no line {line_id}")


def remaining(line: Mapping[str, Any]) -> tuple[int, int]:
    """Goods and shipping of the line that were not refunded, in minor units."""
    goods = line["price"] - sum(refund["amount"] for refund in line["refunds"])
    shipping = line["shipping"] - sum(refund["shipping_amount"] for refund in line["refunds"])
    return goods, shipping
