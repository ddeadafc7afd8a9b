"""What people of the seller do by hand in a Mirakl platform's back office, where no program of theirs is asked, and
what buyers take off their orders."""

from __future__ import annotations

from typing import Any

from marketplace_sync.sandbox.mirakl.lifecycle import Lifecycle
from marketplace_sync.sandbox.mirakl.order_book import Order, OrderBook
from marketplace_sync.sandbox.mirakl.returns import Returns
from marketplace_sync.sandbox.mirakl.shipments import Shipments
from marketplace_sync.sandbox.mirakl.values import share
from marketplace_sync.sandbox.mirakl.workflow import Refused, line_of


class Portal:
    """Acts about orders, by their ids."""

    book: OrderBook
    lifecycle: Lifecycle
    returns: Returns
    shipments: Shipments

    def act_accept_in_portal(self, order_id: str) -> dict[str, Any]:
        """Somebody accepts the whole order by hand."""
        order = self.book.copy_of(order_id)
        if order["state"] != "WAITING_ACCEPTANCE":
            raise Refused(f"Order {order_id} is {order['state']}, not WAITING_ACCEPTANCE")
        self.lifecycle.decide(order, {line["id"]: True for line in order["lines"]})
        return named(order)

    def act_ship_in_portal(
        self, order_id: str, lines: list[dict[str, Any]] | None = None, number: str = "RM123456785GB"
    ) -> dict[str, Any]:
        """Somebody marks the whole order as sent by hand, or states one parcel with `lines` ({line_id, quantity}),
        where the platform has parcels."""
        order = self.book.copy_of(order_id)
        if order["state"] != "SHIPPING":
            raise Refused(f"Order {order_id} is {order['state']}, not SHIPPING")
        if lines is None:
            self.lifecycle.ship(order)
            return named(order)
        stated = [{"order_line_id": one["line_id"], "quantity": one["quantity"]} for one in lines]
        tracking = {"carrier_code": "royal-mail", "carrier_name": "Royal Mail", "tracking_number": number}
        self.shipments.make(order_id, {"shipment_lines": stated, "tracking": tracking, "shipped": True})
        return named(self.book.copy_of(order_id))

    def act_cancel_in_portal(self, order_id: str, lines: list[dict[str, Any]] | None = None) -> dict[str, Any]:
        """Somebody cancels for the seller what has not left: `lines` ({line_id, quantity}), or everything."""
        return self._taken_off(order_id, lines, "CANCELED_BY_SELLER")

    def act_buyer_cancel(self, order_id: str, lines: list[dict[str, Any]] | None = None) -> dict[str, Any]:
        """The customer does not want some of it (`lines`: {line_id, quantity}) or all that has not left any more: what
        is cancelled of a line is listed on it (sheet, 6)."""
        return self._taken_off(order_id, lines, "CANCELED_BY_CUSTOMER")

    def act_close_return_in_portal(self, return_id: str) -> dict[str, Any]:
        """Somebody looks at what came back, by hand, finds it as it should be, and the return is over; it was accepted
        and received, if not before, with that (sheet, 9). Goods that never came are not looked at."""
        found = self.returns.get(return_id)
        if found["state"] == "WAITING_ACCEPTANCE":
            found = self.returns.step(found, ("WAITING_ACCEPTANCE",), "IN_PROGRESS")
        if found["state"] in ("IN_PROGRESS", "RECEIVED"):
            seen = [{**line, "compliance": line["compliance"] or [{"compliant": True}]} for line in found["lines"]]
            found = self.returns.step(found, ("IN_PROGRESS", "RECEIVED"), "RECEIVED", lines=seen)
        found = self.returns.step(found, ("RECEIVED", "NO_RECEPTION"), "CLOSED")
        return {"return_id": found["id"], "state": found["state"]}

    def _taken_off(self, order_id: str, lines: list[dict[str, Any]] | None, reason: str) -> dict[str, Any]:
        order = self.book.copy_of(order_id)
        if lines is None:
            self.lifecycle.cancel_all(order, reason)
            return named(order)
        for one in lines:
            line, quantity = line_of(order, one["line_id"]), one["quantity"]
            price, shipping = (share(line[name], quantity, line["quantity"]) for name in ("price", "shipping"))
            self.lifecycle.cancel(order, line, price, shipping, quantity, reason)
        self.book.put(order)
        return named(order)


def named(order: Order) -> dict[str, Any]:
    return {"order_id": order["id"], "commercial_id": order["commercial_id"], "state": order["state"]}
