"""What staff gave back in the store reaches the buyer once, to the penny, and is booked once, whoever brought it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from marketplace_sync.flows import decide
from marketplace_sync.ledger import work_items
from marketplace_sync_tests.flows.mirakl_town import BAZAAR, bazaar_order, mirakl_town, writes
from marketplace_sync_tests.flows.stores import MagentoSide, ShopifySide, StoreSide
from marketplace_sync_tests.flows.town import SHOP, Town


@pytest.fixture
def here(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Iterator[Town]:
    side: type[StoreSide] = getattr(request, "param", ShopifySide)
    with mirakl_town(database_url, tmp_path, store=side()) as found:
        yield found


def live(here: Town) -> None:
    for _ in range(2):
        here.settle()


def shipped(here: Town, *skus: str, quantity: int = 2) -> str:
    """An order of which everything has left."""
    order_id = str(here.place(*(skus or ("MUG-RED",)), quantity=quantity, at=BAZAAR))
    live(here)
    here.ship(order_id, at=BAZAAR)
    live(here)
    assert bazaar_order(here, order_id)["state"] == "SHIPPED"
    return order_id


def test_goods_that_came_back_without_money_are_no_refund(here: Town) -> None:
    order_id = shipped(here, "MUG-RED", "BOWL-BLUE")
    stored = here.stored(order_id, BAZAAR)
    mugs = [{"sku": "MUG-RED", "quantity": 1}]
    here.sandbox.act(SHOP, "refund", order_id=stored.order_id, lines=mugs, with_money=False)
    live(here)
    assert here.stored(order_id, BAZAAR).credited == {"MUG-RED": 1}
    assert writes(here, "OR28") == []
    assert here.work_items() == {}


def test_a_unit_that_is_taken_off_and_not_restocked_is_cancelled_and_not_refunded(here: Town) -> None:
    order_id = str(here.place("MUG-RED", quantity=2, at=BAZAAR))
    live(here)
    arguments = {"sku": "MUG-RED", "with_money": True, "restock": False}
    here.sandbox.act(SHOP, "remove_unit", order_id=here.stored(order_id, BAZAAR).order_id, **arguments)
    live(here)
    assert (len(writes(here, "OR30")), writes(here, "OR28")) == (1, [])
    here.ship(order_id, at=BAZAAR)
    live(here)
    assert bazaar_order(here, order_id)["state"] == "SHIPPED"
    assert here.work_items() == {}


def test_an_order_that_is_cancelled_and_not_restocked_is_not_refunded_besides(here: Town) -> None:
    order_id = str(here.place("MUG-RED", quantity=2, at=BAZAAR))
    live(here)
    here.sandbox.act(SHOP, "cancel_order", order_id=here.stored(order_id, BAZAAR).order_id, restock=False)
    live(here)
    assert (len(writes(here, "OR30")), writes(here, "OR28")) == (1, [])
    assert here.work_items() == {}


EITHER_STORE = pytest.mark.parametrize("here", [ShopifySide, MagentoSide], ids=["Shopify", "Magento"], indirect=True)
IN_MAGENTO = pytest.mark.parametrize("here", [MagentoSide], ids=["Magento"], indirect=True)


def by_hand(here: Town, order_id: str, amount: int, quantity: int = 1) -> None:
    """A person refunds the order's only line in the marketplace's portal."""
    (line,) = bazaar_order(here, order_id)["lines"]
    here.sandbox.act(BAZAAR, "refund_by_operator", line_id=line["id"], amount=amount, quantity=quantity)


def skip_refund(here: Town, state: str) -> None:
    (found,) = decide.listing(here.context, [state], BAZAAR, None, 10)
    assert found["kind"] == "refund_lines"
    decide.skip(here.context, found["effect_id"], "the portal shows it")


def credits(here: Town, order_id: str) -> int:
    return here.stored(order_id, BAZAAR).credits


@EITHER_STORE
def test_what_the_operator_gives_back_for_one_unit_in_parts_is_booked_in_full(here: Town) -> None:
    order_id = shipped(here, quantity=1)
    for amount in (300, 200):
        by_hand(here, order_id, amount)
        live(here)
    stored = here.stored(order_id, BAZAAR)
    assert (stored.credited, stored.given_back) == ({"MUG-RED": 1}, 500)
    assert (writes(here, "OR28"), here.work_items()) == ([], {})


@EITHER_STORE
def test_a_refund_of_the_stores_whose_answer_was_lost_and_that_a_person_skips_is_not_booked_a_second_time(
    here: Town,
) -> None:
    order_id = shipped(here)
    rule = {"kind": "lost_answer", "remaining": 1, "path": "/api/orders/refund"}
    here.sandbox.control("PUT", f"{BAZAAR}/faults", [rule])
    here.refund_in_store(order_id, "MUG-RED", at=BAZAAR)
    here.read_store()
    here.deliver(BAZAAR)
    skip_refund(here, "in_doubt")
    live(here)
    assert len(writes(here, "OR28")) == 1
    assert credits(here, order_id) == 1
    by_hand(here, order_id, 1400)
    live(here)
    assert credits(here, order_id) == 2, "what the operator gives back besides began at the marketplace"
    assert here.work_items() == {}


@IN_MAGENTO
def test_a_refund_that_the_marketplace_refused_and_a_person_makes_there_is_not_booked_a_second_time(here: Town) -> None:
    order_id = shipped(here)
    rule = {"kind": "status", "status": 400, "remaining": 1, "path": "/api/orders/refund"}
    here.sandbox.control("PUT", f"{BAZAAR}/faults", [rule])
    here.refund_in_store(order_id, "MUG-RED", at=BAZAAR)
    live(here)
    assert here.work_items() == {"EFFECT_REFUSED": 1}
    by_hand(here, order_id, 1200)
    live(here)
    skip_refund(here, "refused")
    live(here)
    assert (len(writes(here, "OR28")), credits(here, order_id)) == (0, 1), (
        "a little less was given back, for as many units"
    )
    by_hand(here, order_id, 700, quantity=0)
    live(here)
    assert credits(here, order_id) == 2, "money for no units is not that of the unit"


@IN_MAGENTO
def test_money_of_the_stores_that_a_person_gives_back_there_is_not_booked_a_second_time(
    here: Town,
) -> None:
    order_id = shipped(here)
    here.sandbox.act(here.store.name, "refund", order_id=here.stored(order_id, BAZAAR).order_id, amount=300)
    live(here)
    assert here.work_items() == {"SELLER_REFUND": 1}
    by_hand(here, order_id, 300, quantity=0)
    live(here)
    assert credits(here, order_id) == 1
    by_hand(here, order_id, 300, quantity=0)
    live(here)
    assert credits(here, order_id) == 2, "that of the store is answered"


@IN_MAGENTO
def test_what_the_store_did_not_take_and_staff_book_by_hand_is_not_paid_a_second_time(here: Town) -> None:
    order_id = shipped(here)
    rule = {"kind": "status", "status": 400, "remaining": 1, "path": "/refund"}
    here.sandbox.control("PUT", f"{here.store.name}/faults", [rule])
    by_hand(here, order_id, 1400)
    live(here)
    assert here.work_items() == {"EFFECT_REFUSED": 1}
    here.refund_in_store(order_id, "MUG-RED", at=BAZAAR)
    live(here)
    assert writes(here, "OR28") == []
    here.refund_in_store(order_id, "MUG-RED", at=BAZAAR)
    live(here)
    assert len(writes(here, "OR28")) == 1, "one booking answers one refund"
    assert credits(here, order_id) == 2


def test_money_for_goods_that_the_store_took_back_without_is_booked_without_the_goods(here: Town) -> None:
    order_id = shipped(here, quantity=1)
    stored = here.stored(order_id, BAZAAR)
    mugs = [{"sku": "MUG-RED", "quantity": 1}]
    here.sandbox.act(SHOP, "refund", order_id=stored.order_id, lines=mugs, with_money=False)
    live(here)
    by_hand(here, order_id, 1400)
    live(here)
    found = here.stored(order_id, BAZAAR)
    assert (found.credited, found.credits) == ({"MUG-RED": 1}, 2)
    assert here.work_items() == {}


@IN_MAGENTO
def test_delivery_that_staff_gives_back_with_units_reaches_the_buyer_too(here: Town) -> None:
    order_id = shipped(here)
    paid = bazaar_order(here, order_id)["lines"][0]["shipping"]
    assert paid > 100
    mugs = [{"sku": "MUG-RED", "quantity": 1}]
    stored = here.stored(order_id, BAZAAR).order_id
    here.sandbox.act(here.store.name, "refund", order_id=stored, lines=mugs, shipping=100)
    live(here)
    here.sandbox.act(here.store.name, "refund", order_id=stored, lines=mugs, shipping=paid - 100)
    live(here)
    refunds = writes(here, "OR28")
    assert [(one["amount"], one["shipping_amount"]) for one in refunds] == [(1400, 100), (1400, paid - 100)]
    assert credits(here, order_id) == 2
    assert here.work_items() == {}


def test_what_the_marketplace_does_not_take_of_it_is_shown_to_a_person_and_not_booked_again(here: Town) -> None:
    order_id = shipped(here)
    paid = bazaar_order(here, order_id)["lines"][0]["shipping"]
    mugs = [{"sku": "MUG-RED", "quantity": 1}]
    stored = here.stored(order_id, BAZAAR).order_id
    here.sandbox.act(SHOP, "refund", order_id=stored, lines=mugs, amount=1400 + paid + 150)
    live(here)
    (refund,) = writes(here, "OR28")
    assert (refund["amount"], refund["shipping_amount"]) == (1400, paid)
    with here.project.ledger.begin() as connection:
        (item,) = work_items.listing(connection)
    assert (item["code"], item["impact"]) == ("SELLER_REFUND", 150)
    by_hand(here, order_id, 150, quantity=0)
    live(here)
    assert credits(here, order_id) == 1
