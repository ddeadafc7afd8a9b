"""What buyers, sellers, carriers and the operator do: the acts of a simulated Marketplacer."""

from __future__ import annotations

import random
from typing import Any

from marketplace_sync.sandbox.marketplacer import mutations, placing, workflow
from marketplace_sync.sandbox.marketplacer.buyers import buyer
from marketplace_sync.sandbox.marketplacer.market import Market
from marketplace_sync.sandbox.marketplacer.things import gid
from marketplace_sync.sandbox.state import Document

Lines = list[dict[str, Any]]
Number = int | str

STATUSES = ("NEW", "CHECKOUT", "ABANDONED", "COMPLETE", "PAYMENT_FAILED", "PAYMENT_IN_PROGRESS", "PENDING_REVIEW")


class Staff:
    """Acts about orders. Things are named by their number (`legacyId`) or their id."""

    market: Market
    seed: str

    def act_place_order(
        self,
        lines: Lines,
        buyer: dict[str, Any] | None = None,
        email: str | None = None,
        ordered_at: str | None = None,
        status: str = "COMPLETE",
        metadata: dict[str, str] | None = None,
        external_ids: dict[str, str] | None = None,
        subscribe: bool = False,
        delivery_type: str = "BUY_ONLINE",
        without_email: bool = False,
    ) -> dict[str, Any]:
        """An order of {sku, quantity} and, where wanted, {unit, postage, discount} in cents; an invoice per seller.
        `buyer` are fields of the order; `subscribe` puts the address on the marketing list at checkout."""
        market = self.market
        if not lines:
            raise ValueError("an order has at least one line")
        if status not in STATUSES:
            raise ValueError(f"the status of an order is one of {', '.join(STATUSES)}, not {status!r}")
        number = market.state.counter("buyer", 1)
        person = {**_buyer(self.seed, number), **(buyer or {})}
        if email is not None:
            person |= {"emailAddress": email, "billingEmailAddress": email}
        if without_email or random.Random(f"{self.seed}:mail:{number}").random() < market.settings.null_email_rate:
            person |= {"emailAddress": None, "billingEmailAddress": None}
        wanted = [self._wanted(line, delivery_type) for line in lines]
        details: Document = {
            "status": status,
            "metadata": placing.pairs([{"key": k, "value": v} for k, v in (metadata or {}).items()], market.now()),
            "externalIds": placing.external_ids(
                market, [{"key": k, "value": v} for k, v in (external_ids or {}).items()]
            ),
        }
        if ordered_at is not None:
            details["createdAt"] = market.moment(ordered_at)
        with market.action():
            order = placing.place(market, person, wanted, details)
            if subscribe and order["emailAddress"]:
                entry = {"email": order["emailAddress"], "firstName": order["firstName"], "lastName": order["surname"]}
                at = {"sourceType": "checkout", "subscribedAt": order["createdAt"]}
                mutations.subscribe(market, {**entry, **at})
        return self.act_get_order(order["n"])

    def _wanted(self, line: dict[str, Any], delivery: str) -> placing.Wanted:
        variant = self._variant(line["sku"])
        quantity = line.get("quantity", 1)
        if quantity < 1:
            raise ValueError(f"nobody orders {quantity} of {line['sku']}")
        unit: int = line["unit"] if "unit" in line else variant["priceCents"]
        discount = line.get("discount", 0)
        if discount > 0:
            raise ValueError("a discount is zero or less")
        postage, how = line.get("postage", 0), line.get("delivery_type", delivery)
        return placing.Wanted(variant, quantity, unit, postage, discount, delivery=how)

    def _variant(self, sku: str) -> Document:
        found = next((v for v in self.market.of["Variant"].values() if v["sku"] == sku), None)
        if found is None:
            raise LookupError(f"nobody sells {sku!r} here")
        return found

    def act_get_order(self, order_id: Number) -> dict[str, Any]:
        market = self.market
        order = market.known("Order", order_id)
        lines = market.all("LineItem", order["lineItems"])
        invoices = market.all("Invoice", order["invoices"])
        return {
            "order_id": order["n"],
            "id": gid("Order", order["n"]),
            "status": order["status"],
            "total_cents": order["totalCents"],
            "email": order["emailAddress"],
            "invoices": [
                {
                    "invoice_id": invoice["n"],
                    "id": gid("Invoice", invoice["n"]),
                    "seller": market.get("Seller", invoice["seller"])["businessName"],
                    "total_cents": invoice["totalCents"],
                    "flags": invoice["flags"],
                }
                for invoice in invoices
            ],
            "lines": [
                {
                    "line_id": line["n"],
                    "id": gid("LineItem", line["n"]),
                    "invoice_id": line["invoice"],
                    "sku": line["variantSku"],
                    "quantity": line["quantity"],
                    "waiting": workflow.waiting(line),
                    "returnable": workflow.returnable(line),
                }
                for line in lines
            ],
        }

    def act_pay(self, order_id: Number) -> dict[str, Any]:
        """An unpaid order is paid."""
        order = self.market.known("Order", order_id)
        if order["status"] == "COMPLETE":
            raise ValueError(f"order {order['n']} is paid")
        with self.market.action():
            placing.pay(self.market, order)
        return self.act_get_order(order["n"])

    def act_edit_order(self, order_id: Number, changes: dict[str, Any]) -> dict[str, Any]:
        """Change the buyer's data after the fact: fields such as emailAddress, surname, status; or totalCents."""
        order = self.market.known("Order", order_id)
        if unknown := set(changes) - set(_buyer("x", 1)) - {"status", "messageToSeller", "totalCents"}:
            raise ValueError(f"cannot be edited: {', '.join(sorted(unknown))}")
        with self.market.action():
            order.update(changes)
            self.market.save("Order", order)
            for invoice in self.market.all("Invoice", order["invoices"]):
                self.market.save("Invoice", invoice)
        return self.act_get_order(order["n"])

    def act_purge(self, order_id: Number, metadata: bool = False, external_ids: bool = False) -> dict[str, Any]:
        """The operator forgets who the buyer was."""
        order = self.market.known("Order", order_id)
        with self.market.action():
            what = {"purgeMetadata": metadata, "purgeExternalIds": external_ids}
            mutations.purge(self.market, order, what)
        return {"purged_at": order["purgedAt"]}

    # --- parcels

    def act_ship(
        self,
        order_id: Number,
        lines: Lines | None = None,
        invoice_id: Number | None = None,
        carrier: str = "Royal Mail",
        tracking_number: str = "AB123456789GB",
        dispatched_at: str | None = None,
        without_link: bool = False,
    ) -> dict[str, Any]:
        """Sellers send {sku, quantity} of an order, or all that is left of it: one parcel per invoice. Without a
        link even a parcel with a number has none."""
        market = self.market
        order = market.known("Order", order_id)
        groups = self._units(order, lines, workflow.waiting, invoice_id)
        parcel = {
            "carrier": carrier,
            "trackingNumber": tracking_number,
            "dispatchedAt": dispatched_at or market.now(),
            "note": None,
            "without_link": without_link,
        }
        made = []
        with market.action():
            for invoice, units in groups:
                if "PAID" not in invoice["flags"]:
                    raise ValueError(f"invoice {invoice['n']} is not paid")
                made.append(workflow.ship(market, invoice, units, dict(parcel)))
        return {"shipment_ids": [s["n"] for s in made], "ids": [gid("Shipment", s["n"]) for s in made]}

    def _units(
        self, order: Document, lines: Lines | None, left: Any, invoice_id: Number | None = None
    ) -> list[tuple[Document, list[tuple[Document, int]]]]:
        """The units that are meant, by invoice. Raises ValueError when there is nothing."""
        market = self.market
        only = market.known("Invoice", invoice_id)["n"] if invoice_id is not None else None
        known = [one for one in market.all("LineItem", order["lineItems"]) if only in (None, one["invoice"])]
        chosen: list[tuple[Document, int]] = []
        if lines is None:
            chosen = [(line, left(line)) for line in known if left(line)]
        for wanted in lines or []:
            found = next((line for line in known if line["variantSku"] == wanted["sku"] and left(line)), None)
            if found is None:
                raise ValueError(f"nothing is left of {wanted['sku']} in order {order['n']}")
            quantity = wanted.get("quantity", left(found))
            if not 1 <= quantity <= left(found):
                raise ValueError(f"order {order['n']}: {left(found)} of {wanted['sku']} are left, not {quantity}")
            chosen.append((found, quantity))
        if not chosen:
            raise ValueError(f"nothing is left in order {order['n']}")
        groups: dict[int, list[tuple[Document, int]]] = {}
        for line, quantity in chosen:
            groups.setdefault(line["invoice"], []).append((line, quantity))
        return [(market.get("Invoice", number), units) for number, units in groups.items()]

    def act_update_tracking(
        self, shipment_id: Number, tracking_number: str, carrier: str | None = None
    ) -> dict[str, Any]:
        """A seller writes down the tracking number later."""
        shipment = self.market.known("Shipment", shipment_id)
        with self.market.action():
            shipment["trackingNumber"] = tracking_number
            shipment["carrier"] = carrier or shipment["carrier"]
            self.market.save("Shipment", shipment)
        return {"shipment_id": shipment["n"]}

    def act_carrier_status(self, shipment_id: Number, status: str) -> dict[str, Any]:
        """The carrier says where a parcel is: InTransit, Delivered and so on."""
        with self.market.action():
            mutations.carrier_says(self.market, self.market.known("Shipment", shipment_id), status)
        return {"status": status}

    def act_collect(self, invoice_id: Number, status: str) -> dict[str, Any]:
        """Click and collect: READY, then COLLECTED."""
        if status not in ("READY", "COLLECTED"):
            raise ValueError(f"READY or COLLECTED, not {status!r}")
        invoice = self.market.known("Invoice", invoice_id)
        with self.market.action():
            mutations.collect(self.market, invoice, status)
        return {"flags": invoice["flags"]}

    def act_fail_fields(self, fields: list[str]) -> dict[str, Any]:
        """From now on reading these fields ends in an error, and reading others no more (`failing_fields`)."""
        self.market.settings.failing_fields = list(fields)
        return {"failing": fields}

    # --- money back

    def act_buyer_cancel(self, order_id: Number, lines: Lines | None = None) -> dict[str, Any]:
        """The buyer cancels what has not left ({sku, quantity}, or all of it), and is refunded at once."""
        return self._cancel(order_id, lines, "BUYER")

    def act_cancel_by_operator(self, order_id: Number, lines: Lines | None = None) -> dict[str, Any]:
        """The operator does; a request with `dispatched` false either way."""
        return self._cancel(order_id, lines, "ADMIN")

    def act_cancel_by_seller(self, order_id: Number, lines: Lines | None = None) -> dict[str, Any]:
        """The sellers do, in their portal."""
        return self._cancel(order_id, lines, "SELLER")

    def _cancel(self, order_id: Number, lines: Lines | None, who: str) -> dict[str, Any]:
        asked = self._ask(order_id, lines, who, dispatched=False, status="REFUND_ACCEPTED", reason="Cancelled")
        with self.market.action():
            for request in asked:
                workflow.refund(self.market, request, ["cancelled before dispatch"])
        return _named(asked)

    def act_request_return(
        self,
        order_id: Number,
        lines: Lines | None = None,
        initiated_by: str = "BUYER",
        reason: str = "Changed my mind",
        status: str = "AWAITING_RETURN",
    ) -> dict[str, Any]:
        """Ask for money back for what has left: {sku, quantity}, or all of it. Nothing is refunded yet."""
        return _named(self._ask(order_id, lines, initiated_by, dispatched=True, status=status, reason=reason))

    def _ask(
        self, order_id: Number, lines: Lines | None, who: str, *, dispatched: bool, status: str, reason: str
    ) -> list[Document]:
        order = self.market.known("Order", order_id)
        left = workflow.returnable if dispatched else workflow.waiting
        asked = []
        with self.market.action():
            for invoice, units in self._units(order, lines, left):
                wanted = [
                    {"line": line, "quantity": q, "dispatched": dispatched, "status": status, "reason": reason}
                    for line, q in units
                ]
                asked.append(workflow.request_refund(self.market, invoice, wanted, who, [reason]))
        return asked

    def act_accept_return(self, refund_request_id: Number) -> dict[str, Any]:
        """The seller accepts every line without wanting it back."""
        request = self.market.known("RefundRequest", refund_request_id)
        with self.market.action():
            for item in workflow.items(self.market, request):
                workflow.move_item(self.market, item, "REFUND_ACCEPTED", [])
        return {"status": request["status"]}

    def act_receive_return(self, refund_request_id: Number) -> dict[str, Any]:
        """The goods are back: RETURNED."""
        request = self.market.known("RefundRequest", refund_request_id)
        with self.market.action():
            workflow.bring_back(self.market, request, ["back"])
        return {"status": request["status"]}

    def act_deny_return(self, refund_request_id: Number) -> dict[str, Any]:
        request = self.market.known("RefundRequest", refund_request_id)
        with self.market.action():
            workflow.deny(self.market, request, ["denied"])
        return {"status": request["status"]}

    def act_refund(self, refund_request_id: Number, cash_cents: int | None = None) -> dict[str, Any]:
        """The operator gives the money back for a request that is RETURNED or PROCESSED."""
        request = self.market.known("RefundRequest", refund_request_id)
        with self.market.action():
            workflow.refund(self.market, request, ["refunded"], cash_cents)
        return {"status": request["status"], "cash_cents": request["cashAmountCents"]}

    def act_claw_back(self, invoice_id: Number, amount_cents: int) -> dict[str, Any]:
        """Money is taken from the seller only (`onlyRemittance`): the buyer sees nothing of it."""
        invoice = self.market.known("Invoice", invoice_id)
        one = {"custom": "Service fee", "quantity": 1, "amountPerItemCents": amount_cents, "onlyRemittance": True}
        with self.market.action():
            request = workflow.request_refund(
                self.market, invoice, [{**one, "status": "REFUND_ACCEPTED"}], "ADMIN", ["fee"]
            )
            workflow.refund(self.market, request, ["fee"], cash=0)
        return _named([request])

    def act_amend(
        self, order_id: Number, lines: Lines | None = None, dispatched: bool = False, amount_cents: int | None = None
    ) -> dict[str, Any]:
        """The operator refunds past the workflow: {sku, quantity} or all that is left; with `amount_cents` and no
        lines only money, of the first invoice."""
        market = self.market
        order = market.known("Order", order_id)
        made = []
        with market.action():
            if lines is None and amount_cents is not None:
                invoice = market.get("Invoice", order["invoices"][0])
                one = {"custom": "Goodwill", "quantity": 1, "amountCents": amount_cents}
                made.append(workflow.amend(market, invoice, [one]))
            else:
                status = "REFUNDED" if dispatched else "CANCELLED"
                left = workflow.returnable if dispatched else workflow.waiting
                for invoice, units in self._units(order, lines, left):
                    wanted = [
                        {"line": ln, "quantity": q, "status": status, "dispatched": dispatched} for ln, q in units
                    ]
                    made.append(workflow.amend(market, invoice, wanted))
        return {"amendment_ids": [a["n"] for a in made], "total_cents": sum(a["totalCents"] for a in made)}


def _buyer(seed: str, number: int) -> dict[str, Any]:
    return buyer(seed, number)


def _named(requests: list[Document]) -> dict[str, Any]:
    return {
        "refund_request_ids": [request["n"] for request in requests],
        "ids": [gid("RefundRequest", request["n"]) for request in requests],
        "statuses": [request["status"] for request in requests],
    }
