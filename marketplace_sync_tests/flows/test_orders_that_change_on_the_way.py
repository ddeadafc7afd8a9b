"""What the marketplace changes of an order before the store has it, or just after."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from marketplace_sync.domain.effects import Delivered, Dispatch, Effect, EffectKind, Lane, LineUnits
from marketplace_sync.flows import advance, import_orders
from marketplace_sync.ledger import work_items
from marketplace_sync_tests.flows.town import JL, SHOP, Town, town


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> Iterator[Town]:
    with town(database_url, tmp_path) as found:
        yield found


def read_again(here: Town, order_id: object) -> None:
    assert import_orders.import_order(here.context, JL, str(order_id))


def refuse_orders(here: Town) -> None:
    """Shopify refuses every new order."""
    here.sandbox.control("PUT", f"{SHOP}/faults", [{"kind": "status", "status": 400, "path": "graphql"}])


def nothing_is_refused(here: Town) -> None:
    here.sandbox.control("PUT", f"{SHOP}/faults", [])


def test_an_address_corrected_while_the_order_waits_is_the_one_the_store_gets(here: Town) -> None:
    here.sync()
    order_id = here.place()
    here.read_marketplace()
    here.sandbox.act(JL, "move_house", order_id=order_id, line_1="2 New Street", city="Leeds")
    read_again(here, order_id)
    here.settle()
    (stored,) = here.shopify_orders(order_id)
    assert stored["shippingAddress"]["address1"] == "2 New Street"
    assert here.work_items() == {}


def test_an_order_that_the_store_refused_goes_by_itself_once_it_is_corrected_and_not_before(here: Town) -> None:
    here.sync()
    order_id = here.place()
    here.read_marketplace()
    refuse_orders(here)
    assert here.deliver(SHOP).refused == 1
    nothing_is_refused(here)
    read_again(here, order_id)
    assert here.deliver(SHOP).total() == 0, "nothing was corrected, so it is not tried again"
    here.sandbox.act(JL, "move_house", order_id=order_id, line_1="2 New Street")
    read_again(here, order_id)
    here.settle()
    (stored,) = here.shopify_orders(order_id)
    assert stored["shippingAddress"]["address1"] == "2 New Street"
    assert here.work_items() == {}, "the refusal is settled"
    assert here.jl_order(order_id)["lines"][0]["status"] == "ORDER_ACK"


def test_an_address_that_changes_after_the_store_has_the_order_is_shown_to_a_person(here: Town) -> None:
    order_id = here.place()
    here.settle()
    here.sandbox.act(JL, "move_house", order_id=order_id, line_1="2 New Street")
    read_again(here, order_id)
    here.settle()
    assert here.work_items() == {"ADDRESS_CHANGED": 1}
    with here.project.ledger.begin() as connection:
        (item,) = work_items.listing(connection, code="ADDRESS_CHANGED")
    assert "New Street" not in str(item), "where somebody lives is not for a listing"
    here.ship(order_id)
    here.settle()
    read_again(here, order_id)
    assert here.work_items() == {}


def test_an_order_that_is_being_cancelled_does_not_reach_the_store_when_its_product_appears(here: Town) -> None:
    here.sandbox.act(SHOP, "delete_variant", sku="MUG-RED")
    order_id = here.place("MUG-RED")
    here.settle()
    assert here.work_items()["UNKNOWN_SKU"] == 1
    here.sandbox.act(JL, "request_cancellation", order_id=order_id)
    here.sandbox.control("PUT", f"{JL}/faults", [{"kind": "status", "status": 503, "path": "/cancel_acknowledge"}])
    read_again(here, order_id)
    here.deliver(JL)
    here.sandbox.act(SHOP, "add_variant", sku="MUG-RED", title="Stoneware mug, red", price=1400)
    here.sync()
    assert here.shopify_orders() == []
    here.sandbox.control("PUT", f"{JL}/faults", [])
    here.settle()
    assert here.shopify_orders() == []
    assert len(here.jl_actions("cancel_acknowledge", order_id)) == 1


@pytest.mark.parametrize("fault", ["", "lost_answer"])
def test_an_unknown_product_that_is_cancelled_lets_the_rest_of_its_order_go(here: Town, fault: str) -> None:
    here.sandbox.act(SHOP, "delete_variant", sku="MUG-RED")
    order_id = here.place("LAMP-BRASS", "MUG-RED")
    here.settle()
    assert here.work_items() == {"UNKNOWN_SKU": 1}
    if fault:
        here.sandbox.control("PUT", f"{JL}/faults", [{"kind": fault, "path": "/cancel_acknowledge", "remaining": 1}])
    here.sandbox.act(JL, "request_cancellation", order_id=order_id, line_ref="2")
    read_again(here, order_id)
    if fault:
        # the product appears while the marketplace is being told: its unit is not shipped to a buyer who cancelled it
        here.sandbox.act(SHOP, "add_variant", sku="MUG-RED", title="Stoneware mug, red", price=1400)
    here.settle(40)
    (stored,) = here.shopify_orders(order_id)
    assert {line["sku"]: line["quantity"] for line in stored["lines"]} == {"LAMP-BRASS": 1}
    assert len(here.jl_actions("cancel_acknowledge", order_id)) == 1
    assert [line["status"] for line in here.jl_order(order_id)["lines"]] == ["ORDER_ACK", "CANCEL_ACK"]
    assert here.work_items() == {}
    here.ship(order_id)
    here.settle()
    assert [one["line_ref"] for one in here.jl_actions("dispatch", order_id)] == ["1"]


def test_an_order_that_was_refused_goes_by_itself_once_its_product_is_made_anew(here: Town) -> None:
    here.sync()
    order_id = here.place("MUG-RED")
    here.read_marketplace()
    refuse_orders(here)
    assert here.deliver(SHOP).refused == 1
    nothing_is_refused(here)
    here.sandbox.act(SHOP, "delete_variant", sku="MUG-RED")
    here.sandbox.act(SHOP, "add_variant", sku="MUG-RED", title="Stoneware mug, red", price=1400)
    here.settle()
    assert len(here.shopify_orders(order_id)) == 1
    assert here.work_items() == {}


def test_of_many_blocked_orders_each_is_looked_at_in_its_turn(here: Town) -> None:
    here.sandbox.act(SHOP, "delete_variant", sku="MUG-RED")
    here.sync()
    placed = {str(here.place("MUG-RED")) for _ in range(3)}
    here.read_marketplace()
    looked_at = set()
    for _ in placed:
        with here.project.ledger.begin() as connection:
            before = {i["order_id"]: i["times_seen"] for i in work_items.listing(connection, code="UNKNOWN_SKU")}
            assert advance.blocked(connection, here.context, JL, limit=1) == 1
            after = {i["order_id"]: i["times_seen"] for i in work_items.listing(connection, code="UNKNOWN_SKU")}
        looked_at |= {order_id for order_id in placed if after[order_id] > before[order_id]}
    assert looked_at == placed


def test_units_dispatched_by_hand_before_the_store_got_the_rest_do_not_count_as_cancelled(here: Town) -> None:
    here.sandbox.act(SHOP, "delete_variant", sku="MUG-RED")
    order_id = here.place("MUG-RED", quantity=3)
    here.settle()
    here.sandbox.act(JL, "acknowledge_in_portal", order_id=order_id)
    stock_number = here.jl_order(order_id)["lines"][0]["part_number"]
    by_hand = Dispatch(
        order_id=str(order_id),
        lines=(LineUnits(line_id="1", quantity=1, stock_number=stock_number, before=0),),
        carrier="royal-mail",
        tracking_number="BY-HAND",
        shipped_at=here.project.ledger.now(),
    )
    effect = Effect(
        effect_id=0,
        connection=JL,
        kind=EffectKind.DISPATCH,
        subject="",
        lane=Lane.URGENT,
        payload=by_hand,
        natural_key="",
    )
    assert isinstance(here.context.marketplaces[JL].deliver([effect])[0], Delivered)
    here.sandbox.act(SHOP, "add_variant", sku="MUG-RED", title="Stoneware mug, red", price=1400)
    read_again(here, order_id)
    here.settle()
    here.sandbox.act(JL, "request_cancellation", order_id=order_id, quantity=2)
    read_again(here, order_id)
    here.settle()
    (stored,) = here.shopify_orders(order_id)
    assert stored["cancelledAt"] is not None
    assert sum(action["quantity"] for action in here.jl_actions("cancel_acknowledge", order_id)) == 2
