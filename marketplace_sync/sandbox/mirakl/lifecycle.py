"""What happens to an order: accepted, charged, sent, received, closed; refused, cancelled, refunded; and by time."""

from __future__ import annotations

from typing import Any

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.mirakl.ledger import Ledger
from marketplace_sync.sandbox.mirakl.offers import Offers
from marketplace_sync.sandbox.mirakl.order_book import Order, OrderBook
from marketplace_sync.sandbox.mirakl.settings import MiraklSettings
from marketplace_sync.sandbox.mirakl.values import share
from marketplace_sync.sandbox.mirakl.workflow import DEAD, REFUNDABLE, Refused, remaining, state_of
from marketplace_sync.sandbox.state import State

Line = dict[str, Any]


class Lifecycle:
    """Moves orders (copies, which it puts back), and with them stock and ledger."""

    def __init__(
        self, state: State, clock: Clock, settings: MiraklSettings, book: OrderBook, offers: Offers, ledger: Ledger
    ) -> None:
        self.settings = settings
        self._state = state
        self._clock = clock
        self._book = book
        self._offers = offers
        self._ledger = ledger

    def _move(self, lines: list[Line], target: str) -> None:
        for line in lines:
            line["state"] = target

    def _living(self, order: Order) -> list[Line]:
        return [line for line in order["lines"] if line["state"] not in DEAD]

    def _after(self, seconds: float) -> float:
        return self._clock.timestamp() + seconds

    def begin(self, order: Order, *, staging: bool) -> None:
        """A new order: held by the operator, or with the seller."""
        order["state"] = "STAGING"
        if staging:
            self._book.put(order)
        else:
            self.release(order)

    def release(self, order: Order) -> None:
        """The operator lets the order through to the seller. Raises Refused unless it was held."""
        if order["state"] != "STAGING":
            raise Refused(f"Order {order['id']} is {order['state']}, not STAGING")
        self._move(order["lines"], "WAITING_ACCEPTANCE")
        if self.settings.order_acceptance == "AUTOMATIC":
            self._accepted(order)
        else:
            order["timer"] = order["created"] + self.settings.acceptance_seconds
        self._book.put(order)

    def decide(self, order: Order, accepted: dict[str, bool]) -> None:
        """The seller's answer, a decision for every line."""
        order["accepted"] = self._clock.timestamp()
        for line in order["lines"]:
            if not accepted[line["id"]]:
                self._refuse(line, "REFUSED_BY_SELLER")
        self._accepted(order)
        self._book.put(order)

    def _refuse(self, line: Line, reason: str) -> None:
        line.update(state="REFUSED", reason=reason)
        self._offers.give_back(line["sku"], line["quantity"])
        if self.settings.refusal_zeroes_stock:
            self._offers.empty(line["sku"])

    def _accepted(self, order: Order) -> None:
        living = self._living(order)
        order["timer"] = None
        if not living:
            return
        if order["payment_workflow"] == "PAY_ON_ACCEPTANCE":
            self._move(living, "WAITING_DEBIT")
            order["timer"] = self._after(self.settings.debit_seconds)
        else:
            self._move(living, "SHIPPING")

    def charge(self, order: Order) -> None:
        """The customer's money is there. Raises Refused unless it is waited for."""
        if state_of(order) not in ("WAITING_DEBIT", "WAITING_DEBIT_PAYMENT"):
            raise Refused(f"Order {order['id']} is {order['state']}: it does not wait for a debit")
        order["timer"] = None
        living = self._living(order)
        self._debit(order, living)
        self._move(living, "SHIPPING")
        self._book.put(order)

    def _debit(self, order: Order, lines: list[Line]) -> None:
        now = self._clock.timestamp()
        order["debited"] = order["debited"] or now
        order["transaction_number"] = order["transaction_number"] or f"PSP-{order['number']}"
        for line in lines:
            if line["debited"] is None:
                line["debited"] = now
                self._ledger.sale(order, line)

    def ship(self, order: Order, lines: list[Line] | None = None) -> None:
        """These lines, or all that live, are on their way."""
        now = self._clock.timestamp()
        moving = [line for line in (lines or self._living(order)) if line["state"] == "SHIPPING"]
        for line in moving:
            line.update(state="SHIPPED", shipped=now, sent=line["quantity"])
        if order["payment_workflow"] != "PAY_ON_DELIVERY":
            self._debit(order, moving)
        if state_of(order) == "SHIPPED":
            order["timer"] = self._after(self.settings.receive_seconds)
        self._book.put(order)

    def receive(self, order: Order) -> None:
        """The buyer has it: what the lines brought becomes payable, unless an incident is open."""
        if state_of(order) not in ("SHIPPED", "TO_COLLECT"):
            raise Refused(f"Order {order['id']} is {order['state']}: it was not sent")
        now = self._clock.timestamp()
        living = self._living(order)
        self._debit(order, living)
        for line in living:
            line.update(state="RECEIVED", received=now)
            if line["incident"] is None:
                self._ledger.make_payable(line["id"])
        order["timer"] = self._after(self.settings.close_seconds)
        self._book.put(order)

    def close(self, order: Order) -> None:
        if state_of(order) != "RECEIVED":
            raise Refused(f"Order {order['id']} is {order['state']}, not RECEIVED")
        order["timer"] = None
        self._move(self._living(order), "CLOSED")
        self._book.put(order)

    def cancel_all(self, order: Order, reason: str) -> None:
        """Whatever has not left is cancelled. Raises Refused when nothing is left to cancel."""
        open_lines = [line for line in self._living(order) if line["shipped"] is None and line["sent"] == 0]
        if not open_lines:
            raise Refused(f"Order {order['id']} is {order['state']}: nothing is left to cancel")
        for line in open_lines:
            self.cancel(order, line, line["price"], line["shipping"], line["quantity"], reason)
        if state_of(order) in DEAD:
            order["timer"] = None
        self._book.put(order)

    def cancel(self, order: Order, line: Line, amount: int, shipping: int, quantity: int, reason: str) -> Line:
        """Take so much off a line that has not left; the caller puts the order back. Raises Refused."""
        if line["state"] in DEAD or line["shipped"] is not None:
            raise Refused(f"Order line {line['id']} cannot be canceled in state {line['state']}")
        if not 0 < quantity <= line["quantity"] - line["sent"]:
            raise Refused(f"Order line {line['id']}: quantity {quantity} exceeds what can be canceled")
        if not (0 <= amount <= line["price"] and 0 <= shipping <= line["shipping"]):
            raise Refused(f"Order line {line['id']}: amount exceeds the remaining amount")
        if quantity == line["quantity"] and (amount, shipping) != (line["price"], line["shipping"]):
            raise Refused(f"Order line {line['id']}: the amount must be that of the whole line")
        ordered = line["ordered"]
        base = ordered["price"] + ordered["shipping"]
        left = line["price"] + line["shipping"] - amount - shipping
        taken = {
            "id": str(self._state.counter("cancelation", 5001)),
            "created": self._clock.timestamp(),
            "amount": amount,
            "shipping_amount": shipping,
            "tax": line["tax"] - share(ordered["tax"], line["price"] - amount, ordered["price"]),
            "shipping_tax": line["shipping_tax"]
            - share(ordered["shipping_tax"], line["shipping"] - shipping, ordered["shipping"]),
            "quantity": quantity,
            "reason_code": reason,
            "fee": line["fee"] - share(ordered["fee"], left, base),
            "fee_tax": line["fee_tax"] - share(ordered["fee_tax"], left, base),
        }
        line["cancelations"].append(taken)
        line["quantity"] -= quantity
        for name, part in (("price", "amount"), ("shipping", "shipping_amount")):
            line[name] -= taken[part]
        for name in ("tax", "shipping_tax", "fee", "fee_tax"):
            line[name] -= taken[name]
        self._offers.give_back(line["sku"], quantity)
        if line["debited"] is not None:
            self._ledger.given_back(order, line, taken, refund_id=None)
        if line["quantity"] == 0:
            line.update(state="CANCELED", reason=reason)
            self._ledger.make_payable(line["id"])
        elif line["state"] == "SHIPPING" and line["sent"] == line["quantity"]:
            line.update(state="SHIPPED", shipped=self._clock.timestamp())
            if state_of(order) == "SHIPPED":
                order["timer"] = self._after(self.settings.receive_seconds)
        return taken

    def refund(
        self,
        order: Order,
        line: Line,
        amount: int,
        shipping: int,
        quantity: int,
        reason: str,
        taxes: tuple[int, int] | None = None,
    ) -> Line:
        """Give money back for a line; the caller puts the order back. `taxes` are those of goods and shipping, pro rata
        when None. Raises Refused."""
        allowed = (*REFUNDABLE, "SHIPPING") if self.settings.refund_before_shipping else REFUNDABLE
        if line["state"] not in allowed or line["debited"] is None:
            raise Refused(f"Order line {line['id']} cannot be refunded in state {line['state']}")
        goods_left, shipping_left = remaining(line)
        if amount < 0 or shipping < 0 or amount + shipping == 0:
            raise Refused(f"Order line {line['id']}: the amount to refund is not positive")
        if amount > goods_left or shipping > shipping_left:
            raise Refused(f"Order line {line['id']}: the amount to refund exceeds the refundable amount")
        before = line["refunds"]
        base = line["price"] + line["shipping"]
        so_far = base - goods_left - shipping_left + amount + shipping
        if taxes is None:
            taxes = (share(line["tax"], amount, line["price"]), share(line["shipping_tax"], shipping, line["shipping"]))
        for name, tax in zip(("tax", "shipping_tax"), taxes, strict=True):
            if not 0 <= tax <= line[name] - sum(refund[name] for refund in before):
                raise Refused(f"Order line {line['id']}: the tax to refund exceeds the refundable tax")
        refund = {
            "id": str(self._state.counter("refund", 1101)),
            "order_refund_id": str(self._state.counter("order_refund", 901)),
            "created": self._clock.timestamp(),
            "amount": amount,
            "shipping_amount": shipping,
            "tax": taxes[0],
            "shipping_tax": taxes[1],
            "quantity": quantity,
            "reason_code": reason,
            "state": "WAITING_REFUND",
            "due": self._after(self.settings.refund_seconds),
            "fee": share(line["fee"], so_far, base) - sum(each["fee"] for each in before),
            "fee_tax": share(line["fee_tax"], so_far, base) - sum(each["fee_tax"] for each in before),
            "transaction_date": None,
            "transaction_number": None,
        }
        before.append(refund)
        self._ledger.given_back(order, line, refund, refund_id=refund["id"])
        return refund

    def time_passed(self, order: Order) -> None:
        """Do what was due by now: money on its way, a deadline missed, a parcel received, a window closed."""
        now = self._clock.timestamp()
        for line in order["lines"]:
            for refund in line["refunds"]:
                if refund["due"] is not None and refund["due"] <= now:
                    self._pay_back(refund, now)
        if order["timer"] is None or order["timer"] > now:
            self._book.put(order)
            return
        at, order["timer"] = order["timer"], None
        match state_of(order):
            case "WAITING_ACCEPTANCE":
                for line in self._living(order):
                    self._refuse(line, "AUTO_REFUSED")
                self._book.put(order)
            case "WAITING_DEBIT":
                self._move(self._living(order), "WAITING_DEBIT_PAYMENT")
                wait = self.settings.debit_seconds if self.settings.automatic_debit else self.settings.unpaid_seconds
                order["timer"] = at + wait
                self._book.put(order)
            case "WAITING_DEBIT_PAYMENT" if self.settings.automatic_debit:
                self.charge(order)
            case "WAITING_DEBIT_PAYMENT":
                self.cancel_all(order, "PAYMENT_NOT_RECEIVED")
            case "SHIPPED" | "TO_COLLECT":
                self.receive(order)
            case "RECEIVED":
                self.close(order)
            case _:
                self._book.put(order)

    def _pay_back(self, refund: dict[str, Any], now: float) -> None:
        if refund["state"] == "WAITING_REFUND" and self.settings.refund_seconds:
            refund.update(state="WAITING_REFUND_PAYMENT", due=refund["due"] + self.settings.refund_seconds)
        else:
            number = f"PSP-R{refund['id']}"
            refund.update(state="REFUNDED", due=None, transaction_date=now, transaction_number=number)

    def open_incident(self, order: Order, line: Line, reason: str) -> None:
        """The buyer complains about a line; its payment waits. Raises Refused."""
        if line["state"] not in ("SHIPPING", *REFUNDABLE) or line["incident"] is not None:
            raise Refused(f"Order line {line['id']}: no incident can be opened in state {line['state']}")
        line["incident"] = reason
        line["incidents"] += 1
        self._ledger.hold(line["id"])
        self._book.put(order)

    def close_incident(self, order: Order, line: Line, reason: str) -> None:
        """Raises Refused when no incident is open."""
        if line["incident"] is None:
            raise Refused(f"Order line {line['id']} has no open incident")
        line["incident"] = None
        line["reason"] = reason
        if line["received"] is not None:
            self._ledger.make_payable(line["id"])
        self._book.put(order)
