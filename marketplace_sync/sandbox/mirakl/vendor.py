"""The marketplace itself: puts the parts together and lends its buyers and its operator a voice (the acts)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.routing import BaseRoute

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.mirakl import wire
from marketplace_sync.sandbox.mirakl.actions import Actions
from marketplace_sync.sandbox.mirakl.cadence import Cadence
from marketplace_sync.sandbox.mirakl.carriers import is_reason
from marketplace_sync.sandbox.mirakl.catalogue_api import CatalogueApi
from marketplace_sync.sandbox.mirakl.cycles import Cycles
from marketplace_sync.sandbox.mirakl.documents_api import DocumentsApi
from marketplace_sync.sandbox.mirakl.gate import Gate, encode
from marketplace_sync.sandbox.mirakl.habits import HabitsAtMirakl
from marketplace_sync.sandbox.mirakl.imports import Imports
from marketplace_sync.sandbox.mirakl.ledger import Ledger
from marketplace_sync.sandbox.mirakl.lifecycle import Lifecycle
from marketplace_sync.sandbox.mirakl.money_api import MoneyApi
from marketplace_sync.sandbox.mirakl.offer_api import OfferApi
from marketplace_sync.sandbox.mirakl.offers import Offers
from marketplace_sync.sandbox.mirakl.order_book import Order, OrderBook
from marketplace_sync.sandbox.mirakl.order_reads import OrderReads
from marketplace_sync.sandbox.mirakl.order_writes import OrderWrites
from marketplace_sync.sandbox.mirakl.placing import Placing, Wish
from marketplace_sync.sandbox.mirakl.portal import Portal, named
from marketplace_sync.sandbox.mirakl.product_api import ProductApi
from marketplace_sync.sandbox.mirakl.reference_api import ReferenceApi
from marketplace_sync.sandbox.mirakl.returns import Returns
from marketplace_sync.sandbox.mirakl.settings import MiraklSettings
from marketplace_sync.sandbox.mirakl.shipments import Shipments
from marketplace_sync.sandbox.mirakl.workflow import STATES, Refused, line_of, remaining
from marketplace_sync.sandbox.state import Document, State
from marketplace_sync.sandbox.vendor import Vendor


class Mirakl(Portal, Vendor):
    """One seller's shop on one marketplace. Its settings are those of `MiraklSettings`.

    Acts raise ValueError with the marketplace's reason when the workflow forbids them, LookupError for what does not
    exist. Amounts are minor units of the shop's currency.
    """

    platform = "mirakl"
    habits = HabitsAtMirakl()

    def __init__(
        self, account: str, *, state: State, clock: Clock, seed: int = 1, settings: dict[str, Any] | None = None
    ) -> None:
        super().__init__(account, state=state, clock=clock, seed=seed, settings=settings)
        self.shop = MiraklSettings.parse({"instance": account, **self.settings})
        mark = f"{seed}:{account}"
        self.book = OrderBook(state, clock, self._render)
        self.offers = Offers(state, clock, self.shop)
        self.ledger = Ledger(state, clock, self.shop, mark)
        self.cycles = Cycles(state, clock, self.shop, self.ledger, mark)
        self.lifecycle = Lifecycle(state, clock, self.shop, self.book, self.offers, self.ledger)
        self.placing = Placing(state, clock, mark, self.shop, self.book, self.offers, self.lifecycle)
        self.actions = Actions(state, clock)
        self.imports = Imports(state, clock, self.shop, self.offers)
        self.shipments = Shipments(state, clock, self.shop, self.book, self.lifecycle, self.actions)
        self.returns = Returns(state, clock, self.shop, self.book, self.actions)
        self.documents_api = DocumentsApi(state, clock, self.book, self.actions)
        self.order_reads = OrderReads(state, clock, self.shop, self.book)
        self.offer_api = OfferApi(clock, self.shop, self.offers, self.imports, self.actions)
        self.product_api = ProductApi(state, clock, self.shop, self.offers, self.actions)
        self.money_api = MoneyApi(state, clock, self.shop, self.book, self.ledger)
        state.commit()

    def routes(self) -> Sequence[BaseRoute]:
        gate = Gate(self.shop, Cadence(self.clock, self.shop), self._catch_up)
        state, clock = self.state, self.clock
        ReferenceApi(state, clock, self.shop, self.book, self.offers, self.ledger, self.actions).open_in(gate)
        OrderWrites(self.shop, self.book, self.lifecycle, self.actions).open_in(gate)
        self.shipments.open_in(gate)
        CatalogueApi().open_in(gate)
        self.returns.open_in(gate)
        self.documents_api.open_in(gate)
        self.order_reads.open_in(gate)
        self.offer_api.open_in(gate)
        self.product_api.open_in(gate)
        self.money_api.open_in(gate)
        return gate.routes()

    async def act(self, name: str, arguments: dict[str, Any]) -> Any:
        self._catch_up()
        return await super().act(name, arguments)

    async def tick(self) -> None:
        self._catch_up()

    def _catch_up(self) -> None:
        """Let time do its work; called before each call too, so that nobody sees the past."""
        for api in (self.order_reads, self.offer_api, self.product_api, self.money_api):
            api.base_url = self.base_url
        # One step may make the next due at once, when a long time passed since anybody looked.
        while due := self.book.due(self.clock.timestamp()):
            for order_id in due:
                self.lifecycle.time_passed(self.book.copy_of(order_id))
        self.imports.time_passed()
        self.product_api.time_passed()
        self.cycles.time_passed()

    def _render(self, order: Order) -> bytes:
        return encode(wire.order(order, self.shop))

    # What buyers do

    def act_place_order(
        self,
        lines: list[dict[str, Any]],
        buyer: dict[str, Any] | None = None,
        staging: bool = False,
        customer_reference: str | None = None,
        ordered_at: str | None = None,
        email: str | None = None,
    ) -> dict[str, Any]:
        """A buyer orders. `lines` are {sku, quantity} and optionally price and shipping; `buyer` replaces fields of the
        person made up; `staging` has the operator hold it first."""
        order = self.placing.place(
            [Wish.parse(line) for line in lines],
            buyer=buyer,
            staging=staging,
            customer_reference=customer_reference,
            ordered_at=ordered_at,
            email=email,
        )
        return named(order)

    def act_place_orders(self, count: int, lines_per_order: int = 3) -> dict[str, Any]:
        """Many buyers order at once; their pages are ready to be served at full speed."""
        skus = self.offers.skus()
        ids = []
        for _ in range(count):
            chosen = self.random.sample(skus, min(lines_per_order, len(skus)))
            ids.append(self.placing.place([Wish(sku, self.random.randrange(1, 4)) for sku in chosen])["id"])
        for order_id in ids:
            self.book.body(order_id)
        return {"placed": count, "first_order_id": ids[0], "last_order_id": ids[-1]} if ids else {"placed": 0}

    def act_open_incident(self, line_id: str, reason_code: str = "30") -> dict[str, Any]:
        """Something is wrong with a line; its payment waits until the incident is closed."""
        if not is_reason(reason_code, "INCIDENT_OPEN"):
            raise Refused(f"The reason '{reason_code}' was not found")
        order = self.book.of_line(line_id)
        self.lifecycle.open_incident(order, line_of(order, line_id), reason_code)
        return named(order)

    def act_request_return(
        self,
        order_id: str,
        lines: list[dict[str, Any]],
        reason_code: str = "RETURN_CHANGED_MIND",
        message: str | None = None,
    ) -> dict[str, Any]:
        """Lines ({line_id, quantity}) are to come back. Returns the return's id."""
        wanted = [(str(line["line_id"]), int(line["quantity"])) for line in lines]
        found = self.returns.request(order_id, wanted, reason_code, message)
        return {"return_id": found["id"], "state": found["state"]}

    # What the operator does

    def act_release_order(self, order_id: str) -> dict[str, Any]:
        """An order that was held goes to the seller."""
        order = self.book.copy_of(order_id)
        self.lifecycle.release(order)
        return named(order)

    def act_accept_payment(self, order_id: str) -> dict[str, Any]:
        """The charge is confirmed: the order may ship, and its address is readable."""
        order = self.book.copy_of(order_id)
        self.lifecycle.charge(order)
        return named(order)

    def act_refuse_payment(self, order_id: str) -> dict[str, Any]:
        """The charge failed for good."""
        if (order := self.book.copy_of(order_id))["state"] not in ("WAITING_DEBIT", "WAITING_DEBIT_PAYMENT"):
            raise Refused(f"Order {order_id} is {order['state']}: it does not wait for a debit")
        return self._cancelled(order_id, "PAYMENT_REFUSED")

    def act_cancel_by_operator(self, order_id: str) -> dict[str, Any]:
        """The operator cancels what has not left."""
        return self._cancelled(order_id, "CANCELED_BY_OPERATOR")

    def _cancelled(self, order_id: str, reason: str) -> dict[str, Any]:
        order = self.book.copy_of(order_id)
        self.lifecycle.cancel_all(order, reason)
        return named(order)

    def act_receive(self, order_id: str) -> dict[str, Any]:
        """The parcel arrived: what the order brought becomes payable."""
        order = self.book.copy_of(order_id)
        self.lifecycle.receive(order)
        return named(order)

    def act_close_order(self, order_id: str) -> dict[str, Any]:
        """The time for refunds is over."""
        order = self.book.copy_of(order_id)
        self.lifecycle.close(order)
        return named(order)

    def act_refund_by_operator(
        self,
        line_id: str,
        amount: int | None = None,
        shipping_amount: int = 0,
        quantity: int = 0,
        reason_code: str = "23",
    ) -> dict[str, Any]:
        """The operator gives money back for a line, at the seller's expense; all that is left, unless told."""
        order = self.book.of_line(line_id)
        line = line_of(order, line_id)
        if amount is None:
            amount, shipping_amount = remaining(line)
            quantity = quantity or line["quantity"]
        refund = self.lifecycle.refund(order, line, amount, shipping_amount, quantity, reason_code)
        self.book.put(order)
        return {**named(order), "refund_id": refund["id"]}

    def act_close_incident(self, line_id: str, reason_code: str = "40") -> dict[str, Any]:
        order = self.book.of_line(line_id)
        self.lifecycle.close_incident(order, line_of(order, line_id), reason_code)
        return named(order)

    def act_add_document(
        self, order_id: str, type_code: str = "SYSTEM_DELIVERY_BILL", file_name: str = "note.pdf", content: str = "%PDF"
    ) -> dict[str, Any]:
        """The operator puts a file with an order."""
        return {"document_id": self.documents_api.keep(order_id, type_code, file_name, content.encode())["id"]}

    def act_anonymise(self, order_id: str) -> dict[str, Any]:
        """The buyer is erased: names and addresses are blank from now on."""
        order = self.book.copy_of(order_id)
        blank = dict.fromkeys(order["buyer"], "")
        order.update(buyer={**blank, "full_name": "Anonymous"}, email=None)
        self.book.put(order)
        return named(order)

    def act_charge(self, kind: str, amount: int) -> dict[str, Any]:
        """Something outside orders: kind MANUAL_CREDIT, MANUAL_INVOICE, SELLER_PENALTY_FEE or any other type of
        transaction; `amount` is positive when the seller gains. Payable at once."""
        transaction = self.ledger.post(kind, amount, "PAYABLE")
        return {"transaction_id": transaction["id"]}

    def act_close_payment_cycle(self) -> dict[str, Any]:
        """Pay what is payable now and write the document. Nothing happens when that is nothing or less."""
        cycle = self.cycles.close()
        if cycle is None:
            return {"cycle_id": None}
        return {"cycle_id": cycle["id"], "amount": cycle["transferred"], "document_id": cycle["voucher"]}

    def act_add_product(self, shop_sku: str, ean: str, title: str, brand: str, category: str) -> Document:
        """The operator's catalogue has a product more, without any offer of the seller."""
        return self.offers.add_product(shop_sku, ean, title, brand, category)

    # For whoever directs the sandbox

    def act_list_orders(self, state: str | None = None, limit: int = 50) -> list[dict[str, Any]]:
        """The newest orders, of one state if told, with their lines."""
        if state is not None and state not in STATES:
            raise ValueError(f"state is one of {', '.join(STATES)}, not {state!r}")
        return [_described(order) for order in self.book.newest(state, limit)]

    def act_get_order(self, order_id: str) -> dict[str, Any]:
        """One order with its lines, as it is now."""
        return _described(self.book.copy_of(order_id))


def _described(order: Order) -> dict[str, Any]:
    fields = ("id", "sku", "quantity", "state", "price", "shipping", "fee", "fee_tax")
    return {
        **named(order),
        "customer_id": order["customer_id"],
        "email": order["email"],
        "seller_reference": order["seller_reference"],
        "lines": [{name: line[name] for name in fields} for line in order["lines"]],
    }
