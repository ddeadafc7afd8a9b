"""The account itself: puts the parts together and lends its buyers and buying office a voice (the acts)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import msgspec
from starlette.routing import BaseRoute

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.john_lewis import wire
from marketplace_sync.sandbox.john_lewis.access import Access
from marketplace_sync.sandbox.john_lewis.consents import Consents
from marketplace_sync.sandbox.john_lewis.door import Door
from marketplace_sync.sandbox.john_lewis.habits import HabitsAtJohnLewis
from marketplace_sync.sandbox.john_lewis.housekeeping import Housekeeping
from marketplace_sync.sandbox.john_lewis.order_book import Order, OrderBook
from marketplace_sync.sandbox.john_lewis.order_files import OrderFiles
from marketplace_sync.sandbox.john_lewis.placing import Placing, Wish
from marketplace_sync.sandbox.john_lewis.products import Products
from marketplace_sync.sandbox.john_lewis.retailer_api import RetailerApi, ask_to_cancel
from marketplace_sync.sandbox.john_lewis.returns import Returns, Wanted
from marketplace_sync.sandbox.john_lewis.seller_actions import SellerActions
from marketplace_sync.sandbox.john_lewis.seller_api import SellerApi
from marketplace_sync.sandbox.john_lewis.settings import EdgeSettings
from marketplace_sync.sandbox.john_lewis.settlement.feed import SettlementFeed
from marketplace_sync.sandbox.john_lewis.settlement.takings import Takings
from marketplace_sync.sandbox.john_lewis.settlement.weekly import Settlements, listed
from marketplace_sync.sandbox.john_lewis.workflow import CANCELLABLE, SELLER_ACTIONS, lines_of, move
from marketplace_sync.sandbox.state import Document, State
from marketplace_sync.sandbox.vendor import Vendor


class JohnLewis(Vendor):
    """One seller's account at John Lewis on the Edge. Its settings are those of `EdgeSettings`.

    Acts raise ValueError with the vendor's reason when the workflow forbids them, LookupError for what does not exist.
    """

    platform = "john_lewis"
    habits = HabitsAtJohnLewis()

    def __init__(
        self, account: str, *, state: State, clock: Clock, seed: int = 1, settings: dict[str, Any] | None = None
    ) -> None:
        super().__init__(account, state=state, clock=clock, seed=seed, settings=settings)
        self.edge = EdgeSettings.parse(self.settings)
        self.access = Access(state, clock, self.edge)
        self.book = OrderBook(state, clock, self._render)
        self.book.stale_seconds = self.edge.stale_read_seconds
        self.products = Products(state, clock, self.edge, self.random)
        self.consents = Consents(state, clock, self.edge)
        self.returns = Returns(state, clock, self.book)
        self.actions = SellerActions(state, clock, self.book, self.edge)
        self.placing = Placing(state, clock, f"{seed}:{account}", self.book, self.products, self.consents)
        takings = Takings(state, clock, self.edge, self.book, self.products, self.returns)
        self.settlements = Settlements(state, clock, self.edge, takings)
        self.order_files = OrderFiles(state, clock, self.edge, self.book)
        self.door = Door(state, clock, self.access)
        self.housekeeping = Housekeeping(state, clock, self.edge, self.book, self.products, self.random)

    def routes(self) -> Sequence[BaseRoute]:
        seller = SellerApi(self.edge, self.book, self.actions, self.returns, self.products, self.consents)
        feed = SettlementFeed(self.edge, self.settlements)
        retailer = RetailerApi(self.book, self.placing, self.products, self.returns)
        self.door.without_login("/restapi/v4/token", POST=self.access.token)
        self.door.without_login("/restapi/v4/token/refresh", POST=self.access.refreshed)
        self.door.slashed("/restapi/v4/orders/", retailer_only=("POST",), GET=seller.orders, POST=retailer.create)
        retailer.open_in(self.door)
        seller.open_in(self.door)
        feed.open_in(self.door)
        return self.door.routes()

    async def tick(self) -> None:
        self.housekeeping.tick()
        self.settlements.tick()
        # a folder that cannot be written undoes nothing of what happened
        self.state.commit()
        self.order_files.write()
        self.settlements.write()

    def _render(self, order: Order) -> bytes:
        return msgspec.json.encode(wire.order(order, show_reason=self.edge.show_cancel_reason))

    # What buyers do

    def act_place_order(
        self,
        lines: list[dict[str, Any]],
        buyer: dict[str, Any] | None = None,
        test: bool = False,
        reference: str | None = None,
        ordered_at: str | None = None,
        second_retailer: bool = False,
    ) -> dict[str, Any]:
        """A buyer orders. `lines` are {sku, quantity}; `buyer` replaces fields of the person made up (None removes)."""
        order = self.placing.place(
            [Wish.parse(line) for line in lines],
            buyer=buyer,
            test=test,
            reference=reference,
            ordered_at=ordered_at,
            retailer=wire.OTHER_RETAILER if second_retailer else wire.JOHN_LEWIS,
        )
        return _named(order)

    def act_place_orders(self, count: int, lines_per_order: int = 3) -> dict[str, int]:
        """Many buyers order at once; their pages are ready to be served at full speed."""
        skus = self.products.skus()
        ids = []
        for _ in range(count):
            chosen = self.random.sample(skus, min(lines_per_order, len(skus)))
            ids.append(self.placing.place([Wish(sku, self.random.randrange(1, 4)) for sku in chosen])["id"])
        self.book.write_bodies(ids)
        return {"placed": count, "first_order_id": ids[0], "last_order_id": ids[-1]} if ids else {"placed": 0}

    def act_request_cancellation(
        self, order_id: int, line_ref: str | None = None, quantity: int | None = None, reason_code: int = 126
    ) -> dict[str, Any]:
        """The customer changes their mind: of one line, of part of it, or of everything that has not left."""
        order = self.book.copy_of(order_id)
        rows = list(order["lines"]) if line_ref is None else lines_of(order, line_ref, None)
        open_units = sum(row["quantity"] for row in rows if row["status"] in CANCELLABLE)
        wanted = quantity if quantity is not None else max(open_units, 1)
        ask_to_cancel(order, rows, wanted, reason_code)
        self.book.put(order)
        return _named(order)

    def act_move_house(self, order_id: int, **buyer: Any) -> dict[str, Any]:
        """The customer has John Lewis correct where the order goes: fields of the buyer, as when it was placed."""
        order = self.book.copy_of(order_id)
        order["buyer"] = {**order["buyer"], **buyer}
        self.book.put(order)
        return _named(order)

    def act_request_return(
        self,
        order_id: int,
        line_ref: str,
        quantity: int,
        reason_code: int = 300,
        message: str | None = None,
    ) -> dict[str, Any]:
        """Something that was dispatched is to come back. Returns its return_id."""
        (made,) = self.returns.request(order_id, [Wanted(line_ref, quantity, reason_code, message=message)])
        return {"return_id": made["id"], "status": made["status"]}

    def act_withdraw_return(self, return_id: str) -> dict[str, Any]:
        """The customer keeps it after all."""
        self.returns.withdraw(return_id)
        return {"return_id": return_id}

    def act_set_consent(
        self,
        email: str,
        accepts: bool | None,
        source: str = "preference centre",
        at: str | None = None,
        first_name: str | None = None,
        last_name: str | None = None,
    ) -> Document:
        """A customer says whether John Lewis may send marketing; `at` is when they said it (ISO with zone)."""
        return self.consents.change(
            email, accepts=accepts, source=source, at=at, first_name=first_name, last_name=last_name
        )

    # What John Lewis does

    def act_cancel_by_retailer(self, order_id: int) -> dict[str, Any]:
        """John Lewis cancels what has not left, without asking anybody."""
        order = self.book.copy_of(order_id)
        self.housekeeping.cancel_what_has_not_left(order)
        return _named(order)

    def act_authorise_return(self, return_id: str, message: str | None = None) -> dict[str, Any]:
        return self._return_step("authorise", return_id, message=message)

    def act_book_collection(self, return_id: str) -> dict[str, Any]:
        return self._return_step("book_collection", return_id)

    def act_approve_return(
        self, return_id: str, amount: int | None = None, message: str | None = None
    ) -> dict[str, Any]:
        """The goods are back and fine: RMA_REC, with `amount` in pence (all of the cost, unless told)."""
        return self._return_step("approve", return_id, amount=amount, message=message)

    def act_reject_return(self, return_id: str, message: str | None = None) -> dict[str, Any]:
        """The goods are back and not fine: RMA_EXC."""
        return self._return_step("reject", return_id, message=message)

    def act_decline_return(self, return_id: str, message: str | None = None) -> dict[str, Any]:
        """The return was not even authorised: RMA_REJ."""
        return self._return_step("decline", return_id, message=message)

    def _return_step(self, step: str, return_id: str, **details: Any) -> dict[str, Any]:
        changed = self.returns.step(step, return_id, **details)
        amount = changed.get("approved_amount")
        return {"return_id": return_id, "status": changed["status"], "return_approved_amount": wire.money(amount)}

    def act_add_product(
        self, sku: str, title: str, cost: int, part_number: str, barcode: str = "", brand: str = ""
    ) -> Document:
        """John Lewis lists a further product; `cost` in pence."""
        return wire.product(self.products.add(sku, title, cost, part_number, barcode, brand=brand))

    def act_change_part_number(self, sku: str) -> dict[str, str]:
        """The assortment is restructured: same product, new stock number, new product id; the old ones are gone."""
        return self.products.change_part_number(sku)

    def act_publish_product(self, sku: str, seconds: float = 180) -> Document:
        """The product is being published and cannot be changed for so long."""
        return wire.product(self.products.publish(sku, seconds))

    def act_go_down(self, seconds: float = 600) -> dict[str, float]:
        """A release: every call answers 500 with a page in HTML."""
        self.door.down_for(seconds)
        return {"seconds": seconds}

    def act_publish_settlement(self) -> Document | None:
        """John Lewis reports before its Monday: what has happened until now, as a week that ends today. Its id,
        week_ending and files; null when nothing has happened."""
        published = self.settlements.publish_early()
        return None if published is None else listed(published)

    def act_spoil_settlement(self, kind: str, sku: str | None = None) -> Document:
        """The next report is to have something wrong: slipped_day, missing_line, double_line, wrong_quantity,
        unknown_ean, return_without_order, rounding or fee_without_order; of this SKU, if told. What was made of it
        stands in the collection `inconsistencies`."""
        return self.settlements.spoiling.ask(kind, sku)

    def act_spoil_order_file(self, kind: str) -> dict[str, str]:
        """The next file of an order has a wrong_checksum, or comes with no_marker. Which it was stands in the
        collection `order_files`."""
        self.order_files.spoil_next(kind)
        return {"next_file": kind}

    # What people of the seller do in the portal

    def act_acknowledge_in_portal(self, order_id: int) -> dict[str, Any]:
        """Somebody acknowledges the order by hand, so that it is never seen as ORDER again."""
        order = self.book.copy_of(order_id)
        units = sum(row["quantity"] for row in order["lines"] if row["status"] == "ORDER")
        move(order, list(order["lines"]), max(units, 1), ("ORDER",), "ORDER_ACK")
        self.book.put(order)
        return _named(order)

    def act_dispatch_in_portal(
        self, order_id: int, line_ref: str | None = None, quantity: int | None = None
    ) -> dict[str, Any]:
        """Somebody states by hand that a line left, or part of it, or everything that is acknowledged."""
        return self._in_portal(order_id, "dispatch", line_ref, quantity)

    def act_cancel_in_portal(
        self, order_id: int, line_ref: str | None = None, quantity: int | None = None
    ) -> dict[str, Any]:
        """Somebody cancels by hand, for the seller, what has not left: a line, part of it, or everything."""
        return self._in_portal(order_id, "cancel_acknowledge", line_ref, quantity)

    def _in_portal(self, order_id: int, action: str, line_ref: str | None, quantity: int | None) -> dict[str, Any]:
        order = self.book.copy_of(order_id)
        sources, target = SELLER_ACTIONS[action]
        refs = [line_ref] if line_ref is not None else list(dict.fromkeys(row["ref"] for row in order["lines"]))
        for ref in refs:
            rows = lines_of(order, ref, None)
            open_units = sum(row["quantity"] for row in rows if row["status"] in sources)
            if open_units or line_ref is not None:
                move(order, rows, quantity or max(open_units, 1), sources, target)
        self.book.put(order)
        return _named(order)

    # For whoever directs the sandbox

    def act_list_orders(self, status: str | None = None, limit: int = 50) -> list[dict[str, Any]]:
        """The newest orders, of one status if told, with their lines."""
        return [_described(order) for order in self.book.newest(status, limit)]

    def act_get_order(self, order_id: int) -> dict[str, Any]:
        """One order with its lines, as it is now."""
        return _described(self.book.copy_of(order_id))

    def act_configure(self, **changes: Any) -> dict[str, Any]:
        """Change settings until the sandbox stops; the changed settings."""
        for name, value in asdict(self.edge.changed(changes)).items():
            setattr(self.edge, name, value)
        self.book.stale_seconds = self.edge.stale_read_seconds
        self.book.forget_bodies()
        return {name: getattr(self.edge, name) for name in changes}


def _named(order: Order) -> dict[str, Any]:
    return {
        "order_id": order["id"],
        "order_reference": order["reference"],
        "customer_order_number": order["customer_order_number"],
        "status": order["status"],
    }


def _described(order: Order) -> dict[str, Any]:
    return {
        **_named(order),
        "ordered_at": order["ordered_at"],
        "test": order["test"],
        "email": order["buyer"].get("email"),
        "lines": [
            {
                "line_ref": line["ref"],
                **{name: line[name] for name in ("sku", "part_number", "quantity", "status")},
            }
            for line in order["lines"]
        ],
    }
