"""One order of a Mirakl marketplace from its placing to its refund: accepted before its address is known, then shipped,
cancelled, returned and refunded, judged by what the vendors hold afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from marketplace_sync.domain.orders import Order
from marketplace_sync.ledger import orders, work_items
from marketplace_sync_tests.flows.mirakl_town import BAZAAR, bazaar_order, events_named, mirakl_town, writes
from marketplace_sync_tests.flows.town import KLAVIYO, SHOP, Town


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> Iterator[Town]:
    with mirakl_town(database_url, tmp_path) as found:
        yield found


def settled_order(here: Town, *skus: str, quantity: int = 1) -> str:
    """An order that is accepted, paid and in the store."""
    order_id = str(here.place(*skus, quantity=quantity, at=BAZAAR))
    live(here)
    assert len(here.shopify_orders(order_id, BAZAAR)) == 1
    return order_id


def live(here: Town) -> None:
    """Until nothing waits: what we write makes the marketplace state more, and that is read too."""
    for _ in range(2):
        here.settle()


def test_an_order_is_accepted_first_and_goes_to_the_store_once_its_address_is_shown(here: Town) -> None:
    here.sync()
    order_id = here.place("MUG-RED", "LAMP-BRASS", quantity=2, at=BAZAAR)
    here.read_marketplace(at=BAZAAR)
    here.deliver(SHOP)
    assert here.shopify_orders() == []
    assert here.work_items() == {}, "no address is to be expected yet"
    assert here.events(order_id) == {}, "nothing is sold before it is accepted and paid"
    assert here.deliver(BAZAAR).total() == 1
    assert bazaar_order(here, order_id)["state"] == "SHIPPING"
    live(here)
    (stored,) = here.shopify_orders(order_id, BAZAAR)
    assert {line["sku"]: line["quantity"] for line in stored["lines"]} == {"MUG-RED": 2, "LAMP-BRASS": 2}
    assert len(writes(here, "OR21")) == 1
    assert here.events(order_id) == {"Placed Order": 1, "Ordered Product": 2}
    (placed,) = events_named(here, "Placed Order", order_id)
    assert placed["value"] == 2 * (14.00 + 129.00) + 2 * 3.95, "with the delivery of each line"
    assert placed["properties"]["value_basis"] == "marketplace_price"
    assert here.work_items() == {}


def test_the_marketplace_keeps_the_stores_number_of_an_order(here: Town) -> None:
    order_id = settled_order(here)
    (stored,) = here.shopify_orders(order_id, BAZAAR)
    assert bazaar_order(here, order_id)["seller_reference"] == stored["name"]
    here.sandbox.act(BAZAAR, "anonymise", order_id=order_id)
    live(here)
    assert len(writes(here, "OR04")) == 1


def test_a_buyer_who_is_erased_is_kept_until_a_person_has_told_everybody(here: Town) -> None:
    order_id = str(settled_order(here))

    def known() -> Order:
        with here.project.ledger.begin() as connection:
            return orders.load(connection, BAZAAR, [order_id])[order_id]

    before = known()
    assert before.shipping_address.problems() == []
    assert before.buyer_email
    here.sandbox.act(BAZAAR, "anonymise", order_id=order_id)
    live(here)
    after = known()
    assert after.buyer_erased
    for part in ("shipping_address", "billing_address", "buyer_email", "buyer_email_is_relay", "buyer_id"):
        assert getattr(after, part) == getattr(before, part), part
    with here.project.ledger.begin() as connection:
        (item,) = work_items.listing(connection)
        assert (item["code"], item["evidence"]["orders"]) == ("PRIVACY_ERASURE", [f"{BAZAAR}:{order_id}"])
        assert len(item["evidence"]["store_orders"]) == 1
        assert before.shipping_address.full_name not in str(item), "the person is not named where everybody reads"
        assert work_items.decide(connection, item["work_item_id"], by="cx", because="Klaviyo was asked")
    here.ship(order_id, at=BAZAAR)
    live(here)
    assert here.work_items() == {}, "it is said once"
    assert known().buyer_erased


def test_everything_again_changes_nothing(here: Town) -> None:
    order_id = settled_order(here)
    here.ship(order_id, at=BAZAAR)
    live(here)
    before = (here.shopify_orders(), here.sandbox.documents(BAZAAR, "actions"), here.events())
    for _ in range(3):
        here.sync()
    assert (here.shopify_orders(), here.sandbox.documents(BAZAAR, "actions"), here.events()) == before


def test_an_order_for_an_unknown_product_is_not_accepted_until_the_store_has_it(here: Town) -> None:
    here.sandbox.act(SHOP, "delete_variant", sku="MUG-RED")
    order_id = here.place("MUG-RED", at=BAZAAR)
    here.settle()
    assert bazaar_order(here, order_id)["state"] == "WAITING_ACCEPTANCE"
    assert here.work_items() == {"UNKNOWN_SKU": 1}
    here.sandbox.act(SHOP, "add_variant", sku="MUG-RED", title="Stoneware mug, red", price=1400)
    here.sandbox.act(SHOP, "set_stock", sku="MUG-RED", available=5)
    live(here)
    assert len(here.shopify_orders(order_id, BAZAAR)) == 1
    assert here.work_items() == {}


def test_an_order_for_more_than_the_store_has_is_not_accepted_until_it_is_restocked(here: Town) -> None:
    here.sandbox.act(SHOP, "set_stock", sku="MUG-RED", available=2)
    first, second = (here.place("MUG-RED", quantity=2, at=BAZAAR) for _ in range(2))
    here.settle()
    assert bazaar_order(here, first)["state"] == "SHIPPING"
    assert bazaar_order(here, second)["state"] == "WAITING_ACCEPTANCE", "the first order takes what there is"
    assert here.work_items() == {"NOT_ENOUGH_STOCK": 1}
    here.sandbox.act(SHOP, "set_stock", sku="MUG-RED", available=9)
    live(here)
    assert len(here.shopify_orders(second, BAZAAR)) == 1
    assert here.work_items() == {}


def test_an_order_short_of_stock_that_is_accepted_in_the_portal_waits_for_nobody(here: Town) -> None:
    here.sandbox.act(SHOP, "set_stock", sku="MUG-RED", available=0)
    order_id = here.place("MUG-RED", at=BAZAAR)
    here.settle()
    assert here.work_items() == {"NOT_ENOUGH_STOCK": 1}
    here.sandbox.act(BAZAAR, "accept_in_portal", order_id=order_id)
    live(here)
    assert len(here.shopify_orders(order_id, BAZAAR)) == 1
    assert here.work_items() == {}


def test_an_address_that_is_unusable_when_it_is_shown_is_a_work_item(here: Town) -> None:
    order_id = here.place(at=BAZAAR, buyer={"line_1": "", "city": "", "postal_code": ""})
    live(here)
    assert bazaar_order(here, order_id)["state"] == "SHIPPING"
    assert here.shopify_orders() == []
    assert here.work_items() == {"UNUSABLE_ADDRESS": 1}


def test_an_order_accepted_by_hand_still_reaches_the_store(here: Town) -> None:
    order_id = here.place(at=BAZAAR)
    here.sandbox.act(BAZAAR, "accept_in_portal", order_id=order_id)
    live(here)
    assert len(here.shopify_orders(order_id, BAZAAR)) == 1
    assert writes(here, "OR21") == []


def test_an_order_that_the_operator_holds_back_is_not_imported(here: Town) -> None:
    order_id = here.place(at=BAZAAR, staging=True)
    live(here)
    assert here.events(order_id) == {}
    assert bazaar_order(here, order_id)["state"] == "STAGING"
    here.sandbox.act(BAZAAR, "release_order", order_id=order_id)
    live(here)
    assert len(here.shopify_orders(order_id, BAZAAR)) == 1


def test_an_order_in_a_state_that_nobody_knows_is_held_back_and_shown_to_a_person(
    database_url: str, tmp_path: Path
) -> None:
    unheard_of = {"held_as": "WAITING_FRAUD_REVIEW", "address_before_acceptance": True}
    with mirakl_town(database_url, tmp_path, like={BAZAAR: unheard_of}) as here:
        order_id = here.place(at=BAZAAR, staging=True)
        live(here)
        assert (here.shopify_orders(), here.events(order_id), writes(here, "OR21")) == ([], {}, [])
        assert here.work_items() == {"ODD_STATEMENT": 1}
        here.sandbox.act(BAZAAR, "release_order", order_id=order_id)
        live(here)
        assert len(writes(here, "OR21")) == 1
        assert len(here.shopify_orders(order_id, BAZAAR)) == 1
        assert here.events(order_id) == {"Placed Order": 1, "Ordered Product": 1}


def test_an_order_that_is_never_accepted_leaves_no_trace_in_klaviyo_and_asks_for_nothing(here: Town) -> None:
    here.sandbox.act(SHOP, "delete_variant", sku="MUG-RED")
    order_id = here.place("MUG-RED", at=BAZAAR)
    here.settle()
    here.sandbox.act(BAZAAR, "cancel_by_operator", order_id=order_id)
    live(here)
    assert here.events(order_id) == {}
    assert here.shopify_orders() == []
    assert here.work_items() == {}


def test_a_cancellation_that_overtakes_the_acceptance_needs_nobody(here: Town) -> None:
    here.sync()
    order_id = here.place(at=BAZAAR)
    here.read_marketplace(at=BAZAAR)
    here.sandbox.act(BAZAAR, "buyer_cancel", order_id=order_id)
    live(here)
    assert here.work_items() == {}
    assert here.events(order_id) == {}
    assert writes(here, "OR21") == []


def test_a_whole_order_is_shipped_with_the_operators_carrier_code(here: Town) -> None:
    order_id = settled_order(here, "MUG-RED", quantity=2)
    here.ship(order_id, company="DPD UK", tracking_numbers=["15501234567890"], at=BAZAAR)
    live(here)
    assert bazaar_order(here, order_id)["state"] == "SHIPPED"
    (tracking,) = writes(here, "OR23")
    assert tracking["about"] == order_id
    (fulfilled,) = events_named(here, "Fulfilled Order", order_id)
    assert fulfilled["properties"]["TrackingNumbers"] == ["15501234567890"]
    assert fulfilled["properties"]["Partial"] is False
    assert here.work_items() == {}


def test_two_parcels_are_two_shipments_where_the_platform_has_those(database_url: str, tmp_path: Path) -> None:
    with mirakl_town(database_url, tmp_path, like={BAZAAR: {"multi_shipment": True}}) as here:
        order_id = settled_order(here, "MUG-RED", "BOWL-BLUE", quantity=2)
        here.ship(order_id, lines=[{"sku": "MUG-RED", "quantity": 1}], tracking_numbers=["A1"], at=BAZAAR)
        live(here)
        assert bazaar_order(here, order_id)["state"] == "SHIPPING"
        here.ship(order_id, tracking_numbers=["B2"], at=BAZAAR)
        live(here)
        assert len(writes(here, "ST01")) == 2
        assert bazaar_order(here, order_id)["state"] == "SHIPPED"
        fulfilled = events_named(here, "Fulfilled Order", order_id)
        assert [event["properties"]["Partial"] for event in fulfilled] == [True, False]
        assert here.work_items() == {}


def test_where_no_store_ships_each_parcel_is_told_with_its_own_number(database_url: str, tmp_path: Path) -> None:
    several = {BAZAAR: {"multi_shipment": True}}
    alone: dict[str, dict[str, Any]] = {BAZAAR: {"store": None, "carriers": {}}}
    with mirakl_town(database_url, tmp_path, like=several, routes=alone) as here:
        order_id = str(here.place("MUG-RED", "LAMP-BRASS", quantity=2, at=BAZAAR))
        live(here)
        here.sandbox.act(BAZAAR, "accept_in_portal", order_id=order_id)
        mug, lamp = (line["id"] for line in bazaar_order(here, order_id)["lines"])

        def ship(line_id: str, quantity: int, number: str) -> None:
            lines = [{"line_id": line_id, "quantity": quantity}]
            here.sandbox.act(BAZAAR, "ship_in_portal", order_id=order_id, lines=lines, number=number)

        ship(mug, 1, "T1")
        live(here)
        ship(mug, 1, "T2")
        ship(lamp, 2, "T3")
        live(here)
        told = [event["properties"] for event in events_named(here, "Fulfilled Order", order_id)]
        assert [
            (one["TrackingNumbers"], [(item["SKU"], item["Quantity"]) for item in one["Items"]], one["Partial"])
            for one in told
        ] == [(["T1"], [("MUG-RED", 1)], True), (["T2"], [("MUG-RED", 1)], True), (["T3"], [("LAMP-BRASS", 2)], False)]
        assert here.work_items() == {}


@pytest.mark.parametrize("act", ["cancel_by_operator", "buyer_cancel"])
def test_what_the_marketplace_cancels_leaves_the_store(here: Town, act: str) -> None:
    order_id = settled_order(here, "MUG-RED", quantity=2)
    here.sandbox.act(BAZAAR, act, order_id=order_id)
    live(here)
    (stored,) = here.shopify_orders(order_id, BAZAAR)
    assert stored["cancelledAt"] is not None
    assert writes(here, "OR30") == []
    (cancelled,) = events_named(here, "Cancelled Order", order_id)
    assert cancelled["properties"]["InitiatedBy"] == "marketplace"
    assert cancelled["properties"]["Partial"] is False
    assert cancelled["unique_id"] == f"{BAZAAR}:{order_id}"


def test_units_that_the_seller_takes_off_are_cancelled_at_the_marketplace(here: Town) -> None:
    order_id = settled_order(here, "MUG-RED", "BOWL-BLUE", quantity=3)
    stored = here.shopify_order(order_id, BAZAAR)
    here.sandbox.act(SHOP, "remove_unit", order_id=stored["id"], sku="MUG-RED", quantity=1)
    live(here)
    lines = {line["sku"]: line["quantity"] for line in bazaar_order(here, order_id)["lines"]}
    assert lines == {"MUG-RED": 2, "BOWL-BLUE": 3}
    (cancelled,) = events_named(here, "Cancelled Order", order_id)
    assert cancelled["properties"]["InitiatedBy"] == "seller"
    assert cancelled["properties"]["Partial"] is True
    here.ship(order_id, at=BAZAAR)
    live(here)
    assert bazaar_order(here, order_id)["state"] == "SHIPPED"
    assert here.work_items() == {}


def test_a_refund_made_in_the_store_is_made_at_the_marketplace_and_not_recorded_twice(here: Town) -> None:
    order_id = settled_order(here, "MUG-RED", quantity=2)
    here.ship(order_id, at=BAZAAR)
    live(here)
    stored = here.shopify_order(order_id, BAZAAR)
    here.sandbox.act(SHOP, "refund", order_id=stored["id"], lines=[{"sku": "MUG-RED", "quantity": 1}])
    live(here)
    live(here)
    assert len(writes(here, "OR28")) == 1
    (refunded,) = events_named(here, "Refunded Order", order_id)
    assert refunded["value"] == 14.00
    (kept,) = here.shopify_orders(order_id, BAZAAR)
    assert len(kept["refunds"]) == 1, "the store made it: it has it already"
    assert here.work_items() == {}


def test_money_that_the_store_gives_back_without_units_is_shown_to_a_person(here: Town) -> None:
    order_id = settled_order(here, "MUG-RED", quantity=2)
    here.ship(order_id, at=BAZAAR)
    live(here)
    here.sandbox.act(SHOP, "refund", order_id=here.shopify_order(order_id, BAZAAR)["id"], amount=300)
    live(here)
    assert writes(here, "OR28") == []
    assert here.work_items() == {"SELLER_REFUND": 1}


def test_refunds_by_the_operator_whole_and_partial_are_recorded_in_the_store(here: Town) -> None:
    order_id = settled_order(here, "MUG-RED", quantity=2)
    here.ship(order_id, at=BAZAAR)
    live(here)
    (line,) = bazaar_order(here, order_id)["lines"]
    here.sandbox.act(BAZAAR, "refund_by_operator", line_id=line["id"], amount=500)
    live(here)
    here.sandbox.act(BAZAAR, "refund_by_operator", line_id=line["id"], amount=1400, quantity=1)
    live(here)
    refunded = events_named(here, "Refunded Order", order_id)
    assert sorted(event["value"] for event in refunded) == [5.00, 14.00]
    assert len({event["unique_id"] for event in refunded}) == 2
    (stored,) = here.shopify_orders(order_id, BAZAAR)
    assert len(stored["refunds"]) == 2
    assert sorted(sum(line["quantity"] for line in refund["lines"]) for refund in stored["refunds"]) == [0, 1]
    assert writes(here, "OR28") == []
    assert here.work_items() == {}


def test_a_return_is_accepted_and_its_refund_is_told_once(here: Town) -> None:
    order_id = settled_order(here, "MUG-RED", quantity=2)
    here.ship(order_id, at=BAZAAR)
    live(here)
    (line,) = bazaar_order(here, order_id)["lines"]
    here.sandbox.act(BAZAAR, "receive", order_id=order_id)
    lines = [{"line_id": line["id"], "quantity": 1}]
    here.sandbox.act(BAZAAR, "request_return", order_id=order_id, lines=lines)
    live(here)
    assert len(writes(here, "RT21")) == 1
    assert here.events(order_id)["Return Requested"] == 1
    assert here.events(order_id)["Refunded Order"] == 0, "a return moves no money here"
    here.sandbox.act(BAZAAR, "refund_by_operator", line_id=line["id"], amount=1400, quantity=1)
    live(here)
    assert here.events(order_id)["Refunded Order"] == 1
    assert here.work_items() == {}


def test_an_incident_is_shown_to_a_person_until_the_marketplace_has_settled_it(here: Town) -> None:
    order_id = settled_order(here)
    here.ship(order_id, at=BAZAAR)
    live(here)
    (line,) = bazaar_order(here, order_id)["lines"]
    here.sandbox.act(BAZAAR, "open_incident", line_id=line["id"])
    live(here)
    assert here.work_items() == {"INCIDENT_OPEN": 1}
    here.sandbox.act(BAZAAR, "close_incident", line_id=line["id"])
    live(here)
    assert here.work_items() == {}


def test_a_relay_address_is_nobodys_and_the_buyer_is_one_person_over_orders(here: Town) -> None:
    for _ in range(2):
        here.place(at=BAZAAR, buyer={"customer_id": "C-77", "full_name": "Ada Byron"})
    live(here)
    (profile,) = here.sandbox.documents(KLAVIYO, "profiles")
    assert profile["external_id"] == f"{BAZAAR}:buyer:C-77"
    assert not profile.get("email")
    assert profile["properties"]["Uncaptured Contact"] is True
    assert profile["first_name"] == "Ada"
    assert {event["profile"] for event in here.event_list()} == {profile["id"]}


def test_a_dropship_shop_states_cost_and_klaviyo_gets_the_stores_price(database_url: str, tmp_path: Path) -> None:
    with mirakl_town(database_url, tmp_path, like={BAZAAR: {"shop_model": "DROPSHIP"}}) as here:
        order_id = settled_order(here, "MUG-RED", quantity=2)
        assert bazaar_order(here, order_id)["lines"][0]["price"] != 2800
        (placed,) = events_named(here, "Placed Order", order_id)
        assert (placed["value"], placed["properties"]["value_basis"]) == (28.00, "store_price")


@pytest.mark.parametrize("lost", ["/accept", "/ship", "/api/orders/refund", "/api/orders/cancel"])
def test_a_lost_answer_repeats_nothing(here: Town, lost: str) -> None:
    here.sync()
    rule = {"kind": "lost_answer", "remaining": 1, "path": lost}
    here.sandbox.control("PUT", f"{BAZAAR}/faults", [rule])
    order_id = settled_order(here, "MUG-RED", "BOWL-BLUE", quantity=2)
    stored = here.shopify_order(order_id, BAZAAR)
    here.sandbox.act(SHOP, "remove_unit", order_id=stored["id"], sku="MUG-RED", quantity=1)
    live(here)
    here.ship(order_id, at=BAZAAR)
    live(here)
    here.sandbox.act(SHOP, "refund", order_id=stored["id"], lines=[{"sku": "BOWL-BLUE", "quantity": 1}])
    live(here)
    operations = ("OR21", "OR24", "OR28", "OR30")
    assert {name: len(writes(here, name)) for name in operations} == dict.fromkeys(operations, 1)
    assert len(here.shopify_orders(order_id, BAZAAR)) == 1
    told = here.events(order_id)
    assert (told["Placed Order"], told["Cancelled Order"], told["Fulfilled Order"], told["Refunded Order"]) == (1,) * 4
    (kept,) = here.shopify_orders(order_id, BAZAAR)
    assert len(kept["refunds"]) == 2, "the unit taken off and the one paid back, both the store's own"
    assert here.work_items() == {}
