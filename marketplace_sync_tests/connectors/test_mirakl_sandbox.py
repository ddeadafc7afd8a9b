"""The connector and the simulated marketplace, two readings of the same facts, through an order's whole life.

Where the vendor's description is at hand, each of their exchanges is held against it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from marketplace_sync.connectors.ports import Statement
from marketplace_sync.connectors.transport import Exchange
from marketplace_sync.domain.effects import (
    AcknowledgeOrder,
    AcknowledgeReturn,
    CancelLines,
    Delivered,
    Dispatch,
    InDoubt,
    NotThere,
    Postponed,
    Refused,
    SetStock,
)
from marketplace_sync.domain.orders import PriceBasis, Return, ReturnState
from marketplace_sync.sandbox.serve import RunningSandbox
from marketplace_sync.sandbox.world import PLATFORMS
from marketplace_sync_tests.conformance.mirakl_schema import available, find, validate_exchange
from marketplace_sync_tests.connectors.mirakl_marketplace import KEY, Marketplace
from marketplace_sync_tests.connectors.mirakl_shop import Shop, dispatch, effect, opened, refund, settings_for, units

pytestmark = pytest.mark.skipif("mirakl" not in PLATFORMS, reason="the sandbox has no Mirakl marketplace")

ACCOUNT = "mugs"


@dataclass
class Life:
    sandbox: RunningSandbox
    shop: Shop
    others: list[Shop] = field(default_factory=list)

    def with_settings(self, **changes: Any) -> Shop:
        """The shop as a process with other settings sees it; what that says is judged too."""
        self.others.append(self.shop.with_settings(**changes))
        return self.others[-1]

    def place(self, *lines: tuple[str, int]) -> str:
        wanted = [{"sku": sku, "quantity": quantity} for sku, quantity in lines]
        return str(self.sandbox.act(ACCOUNT, "place_order", lines=wanted)["order_id"])

    def accepted(self, *lines: tuple[str, int]) -> str:
        """An order that may be shipped."""
        order_id = self.place(*lines)
        wish = AcknowledgeOrder(order_id=order_id, lines=tuple(units(one) for one in self.line_ids(order_id)))
        assert self.shop.deliver(wish) == Delivered()
        self.later(120)
        assert self.shop.order(order_id).status == "SHIPPING"
        return order_id

    def line_ids(self, order_id: str) -> list[str]:
        return [one.line_id for one in self.shop.order(order_id).lines]

    def later(self, seconds: float) -> None:
        self.sandbox.sandbox.clock.advance(seconds)

    def exchanges(self) -> list[Exchange]:
        return [one for shop in (self.shop, *self.others) for one in shop.exchanges]

    def operations(self) -> set[str]:
        """What was asked for with success, by the vendor's code."""
        done = [one for one in self.exchanges() if one.status < 400]
        return {str(operation["operationId"]) for one in done if (operation := find(one.method, one.path))}

    def departures(self) -> list[str]:
        """In what the exchanges depart from the vendor's description, answers held strictly against it."""
        return [
            problem
            for one in self.exchanges()
            for problem in validate_exchange(
                one.method,
                one.path,
                one.params,
                _parsed(one.request_body),
                one.status,
                _parsed(one.response_body),
                answers="strict",
            )
        ]


def _parsed(body: bytes) -> Any:
    if not body:
        return None
    return json.loads(body) if body[:1] in b"{[" else body


@contextmanager
def life(uses: Collection[str] = (), **simulated: Any) -> Iterator[Life]:
    """A marketplace with these properties. At its end every exchange must have fitted the vendor's description, those
    of the operations `uses` among them."""
    world = {"api_key": KEY, "rate_factor": 0, **simulated}
    with RunningSandbox(accounts={ACCOUNT: "mirakl"}, settings={ACCOUNT: world}) as sandbox:
        base_url = f"{sandbox.base_url}/{ACCOUNT}"
        found = Life(sandbox, opened(base_url, Marketplace(), settings_for(base_url)))
        yield found
        if available():
            assert found.departures() == []
            assert set(uses) <= found.operations()


def test_an_order_lives_from_acceptance_to_the_payout() -> None:
    with life() as here:
        shop = here.shop
        assert all(finding.works for finding in shop.connector.check())
        waiting = shop.order(here.place(("MUG-RED", 1)))
        assert waiting.shipping_address.problems()
        assert waiting.lines[0].acknowledged == 0
        order_id = here.accepted(("MUG-RED", 3), ("MUG-BLUE", 1))
        order = shop.order(order_id)
        assert order.shipping_address.problems() == []
        assert order.buyer_email_is_relay
        first, second = here.line_ids(order_id)
        price = order.lines[0].unit_price
        cancelled = CancelLines(order_id=order_id, lines=(units(first, 1, before=0),), requested_by_marketplace=False)
        assert shop.deliver(cancelled) == Delivered()
        assert isinstance(shop.deliver(cancelled), Delivered), "and not once more"
        line = shop.order(order_id).lines[0]
        assert (line.quantity, line.cancelled, line.unit_price) == (3, 1, price)
        parcel = dispatch(order_id, units(first, 2), units(second, 1))
        assert shop.resolve(parcel) == NotThere()
        assert shop.deliver(parcel) == Delivered()
        assert [one.dispatched for one in shop.order(order_id).lines] == [2, 1]
        assert isinstance(shop.deliver(refund(order_id, first, 500)), Delivered)
        assert [one.amount for one in shop.read_order(order_id)[1]] == [500]
        here.later(8 * 86_400)
        cycle = here.sandbox.act(ACCOUNT, "close_payment_cycle")
        lines = list(shop.connector.settlement_lines(cycle_id=cycle["cycle_id"]))
        (payout,) = shop.connector.settlement_documents()
        assert payout.transferred_to_seller == cycle["amount"]
        assert sum(one.amount for one in lines if one.type != "PAYMENT") == payout.transferred_to_seller
        assert sum(one.amount for one in lines) == 0
        assert {one.document for one in lines} == {cycle["document_id"]}
        assert {one.order_id for one in lines if one.type != "PAYMENT"} == {order_id}


def test_parcels_one_by_one_and_tax_on_top() -> None:
    with life(multi_shipment=True, order_tax_mode="TAX_EXCLUDED") as here:
        shop = here.shop
        order_id = here.accepted(("MUG-RED", 3))
        order = shop.order(order_id)
        assert order.lines[0].tax is not None
        assert order.total == sum(one.total or 0 for one in order.lines) + (order.shipping_price or 0)
        (line_id,) = here.line_ids(order_id)
        parcels: list[Dispatch] = [
            dispatch(order_id, units(line_id, 1, before=0), number="RM1"),
            dispatch(order_id, units(line_id, 2, before=1), number="RM2"),
        ]
        for parcel in parcels:
            assert shop.resolve(parcel) == NotThere()
            assert shop.deliver(parcel) == Delivered()
            assert isinstance(shop.resolve(parcel), Delivered)
            again = here.with_settings().deliver(parcel)
            assert isinstance(again, Delivered)
            assert again.result["found"], "another process does not state it again"
            shown = shop.order(order_id)
            assert shown.lines[0].dispatched == sum(units for one in shown.parcels for units in one.units.values())
        assert shown.lines[0].dispatched == 3
        assert [(one.number, one.units) for one in shown.parcels] == [("RM1", {line_id: 1}), ("RM2", {line_id: 2})]
        assert all(one.left_at and one.parcel_id for one in shown.parcels)
        (listed,) = shop.poll("orders")[0]
        assert shop.connector.parse(listed)[0] == shown, "a list says no less than an order read alone"
        assert isinstance(shop.deliver(refund(order_id, line_id, 600)), Delivered)
        assert [one.amount for one in shop.read_order(order_id)[1]] == [600]


def test_an_order_shipped_in_the_portal_without_a_number_is_given_one() -> None:
    with life(uses={"OR23"}) as here:
        order_id = here.accepted(("MUG-RED", 1))
        here.sandbox.act(ACCOUNT, "ship_in_portal", order_id=order_id)
        (line_id,) = here.line_ids(order_id)
        assert here.shop.deliver(dispatch(order_id, units(line_id), number="RM7")) == Delivered()
        assert [one.number for one in here.shop.order(order_id).parcels] == ["RM7"]


@pytest.mark.parametrize(("tax_rate", "each"), [("20", (333, 334, 334)), ("0", (278, 278, 278))])
def test_a_line_with_tax_on_top_is_given_back_unit_by_unit_to_the_last_penny(
    tax_rate: str, each: tuple[int, ...]
) -> None:
    with life(order_tax_mode="TAX_EXCLUDED", tax_rate=tax_rate) as here:
        three = [{"sku": "MUG-RED", "quantity": 3, "price": 278, "shipping": 0}]
        order_id = str(here.sandbox.act(ACCOUNT, "place_order", lines=three)["order_id"])
        (line_id,) = here.line_ids(order_id)
        here.shop.deliver(AcknowledgeOrder(order_id=order_id, lines=(units(line_id),)))
        here.later(120)
        here.shop.deliver(dispatch(order_id, units(line_id, 3)))
        for number, gross in enumerate(each, start=1):
            assert isinstance(here.shop.deliver(refund(order_id, line_id, gross), number), Delivered)
        order, refunds = here.shop.read_order(order_id)
        assert [one.amount for one in refunds] == list(each)
        assert sum(each) == order.lines[0].total


def test_a_return_is_accepted_and_moves_no_money() -> None:
    with life() as here:
        shop = here.shop
        order_id = here.accepted(("MUG-RED", 1))
        (line_id,) = here.line_ids(order_id)
        shop.deliver(dispatch(order_id, units(line_id)))
        here.later(8 * 86_400)
        here.sandbox.act(ACCOUNT, "request_return", order_id=order_id, lines=[{"line_id": line_id, "quantity": 1}])
        (found,) = _returns(shop, shop.poll("returns")[0])
        assert (found.order_id, found.line_id, found.state) == (order_id, line_id, ReturnState.REQUESTED)
        wish = AcknowledgeReturn(order_id=order_id, return_id=found.return_id, lines=(units(line_id),))
        assert shop.resolve(wish) == NotThere()
        assert shop.deliver(wish) == Delivered()
        assert isinstance(shop.resolve(wish), Delivered)
        (found,) = _returns(shop, shop.poll("returns")[0])
        assert (found.state, found.refund_amount) == (ReturnState.AUTHORISED, None)


def _returns(shop: Shop, statements: list[Statement]) -> list[Return]:
    found = [part for one in statements for part in shop.connector.parse(one)]
    return [part for part in found if isinstance(part, Return)]


def test_stock_files_are_worked_off_and_their_reports_read() -> None:
    with life() as here:
        wishes = [
            effect(SetStock(sku=sku, stock_number="", quantity=3), number)
            for number, sku in enumerate(("MUG-RED", "NO-SUCH-SKU", "MUG-BLUE"), start=1)
        ]
        assert all(isinstance(one, InDoubt) for one in here.shop.connector.deliver(wishes))
        found = [here.shop.connector.resolve(one) for one in wishes]
        for _ in range(10):
            if not any(isinstance(one, Postponed) for one in found):
                break
            here.later(60)
            found = [here.shop.connector.resolve(one) for one in wishes]
        assert [type(one) for one in found] == [Delivered, Refused, Delivered]


def test_a_dropship_shop_states_cost() -> None:
    with life(shop_model="DROPSHIP") as here:
        assert here.shop.order(here.place(("MUG-RED", 1))).price_basis is PriceBasis.COST


def test_every_changed_order_is_found_and_a_cancelled_one_says_so() -> None:
    with life() as here:
        placed = [here.place(("MUG-RED", 1)) for _ in range(5)]
        paged = here.with_settings(page_size=2)
        statements, watermark = paged.poll("orders")
        assert [one.key for one in statements] == placed
        here.later(3600)
        here.sandbox.act(ACCOUNT, "cancel_by_operator", order_id=placed[2])
        changed, watermark = paged.poll("orders", watermark)
        before = {one.key: one.payload for one in statements}
        assert [one.key for one in changed if one.payload != before[one.key]] == [placed[2]]
        here.later(3600)
        again, _ = paged.poll("orders", watermark)
        assert [one.key for one in again] == [placed[2]], "the others are older than the overlap"
        assert here.shop.order(placed[2]).open_units() == 0
