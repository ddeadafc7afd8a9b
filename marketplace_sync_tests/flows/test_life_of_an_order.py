"""One order from its placing to its refund, in every way it can go, judged by what the vendors hold afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from marketplace_sync_tests.flows.town import JL, KLAVIYO, SHOP, Town, town


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> Iterator[Town]:
    with town(database_url, tmp_path) as found:
        yield found


def line(here: Town, order_id: object, index: int = 0) -> dict[str, object]:
    found: dict[str, object] = here.jl_order(order_id)["lines"][index]
    return found


def test_a_placed_order_reaches_the_store_klaviyo_and_is_acknowledged(here: Town) -> None:
    order_id = here.place("MUG-RED", "LAMP-BRASS", quantity=2)
    here.settle()
    (stored,) = here.shopify_orders(order_id)
    order = here.jl_order(order_id)
    assert stored["poNumber"] == order["customer_order_number"]
    assert {line["sku"]: line["quantity"] for line in stored["lines"]} == {"MUG-RED": 2, "LAMP-BRASS": 2}
    assert all(line["requiresShipping"] for line in stored["lines"])
    assert {item["status"] for item in order["lines"]} == {"ORDER_ACK"}
    assert here.events(order_id) == {"Placed Order": 1, "Ordered Product": 2}
    placed = next(e for e in here.event_list(order_id) if e["name"] == "Placed Order")
    assert placed["value"] == 2 * (14.00 + 129.00), "what the store asks, not what John Lewis pays"
    assert placed["properties"]["value_basis"] == "store_price"
    assert placed["properties"]["Brands"] == ["Hearth & Field", "Lumen Works"]


def test_everything_again_changes_nothing(here: Town) -> None:
    order_id = here.place()
    here.settle()
    here.ship(order_id)
    here.settle()
    before = (here.shopify_orders(), here.jl_actions("dispatch"), here.events())
    for _ in range(3):
        here.sync()
    assert (here.shopify_orders(), here.jl_actions("dispatch"), here.events()) == before


def test_the_marketplace_is_not_told_before_the_store_has_the_order(here: Town) -> None:
    here.sync()
    order_id = here.place()
    here.read_marketplace()
    here.deliver(JL)
    assert here.jl_actions("acknowledge") == []
    assert line(here, order_id)["status"] == "ORDER"
    here.deliver(SHOP)
    assert here.deliver(JL).total() == 1
    assert line(here, order_id)["status"] == "ORDER_ACK"


def test_a_parcel_is_dispatched_with_the_approved_carrier_code(here: Town) -> None:
    order_id = here.place("MUG-RED", quantity=2)
    here.settle()
    here.ship(order_id, company="DPD UK", tracking_numbers=["15501234567890"])
    here.settle()
    (told,) = here.jl_actions("dispatch", order_id)
    assert (told["carrier"], told["tracking_number"], told["quantity"]) == ("dpd", "15501234567890", 2)
    assert line(here, order_id)["status"] == "DISPATCH"
    fulfilled = [e for e in here.event_list(order_id) if e["name"] == "Fulfilled Order"]
    assert len(fulfilled) == 1
    assert fulfilled[0]["properties"]["TrackingNumbers"] == ["15501234567890"]
    assert fulfilled[0]["properties"]["Partial"] is False


def test_parcels_that_leave_apart_are_dispatched_apart(here: Town) -> None:
    order_id = here.place("MUG-RED", "BOWL-BLUE", quantity=2)
    here.settle()
    here.ship(order_id, lines=[{"sku": "MUG-RED", "quantity": 1}], tracking_numbers=["A1"])
    here.settle()
    here.ship(order_id, tracking_numbers=["B2"])
    here.settle()
    told = here.jl_actions("dispatch", order_id)
    assert sorted((one["tracking_number"], one["quantity"]) for one in told) == [("A1", 1), ("B2", 1), ("B2", 2)]
    fulfilled = [e for e in here.event_list(order_id) if e["name"] == "Fulfilled Order"]
    assert [e["properties"]["Partial"] for e in fulfilled] == [True, False]
    assert {item["status"] for item in here.jl_order(order_id)["lines"]} == {"DISPATCH"}


def test_an_unmapped_carrier_is_a_work_item_and_goes_once_it_is_mapped(
    database_url: str, tmp_path: Path, here: Town
) -> None:
    from dataclasses import replace

    order_id = here.place()
    here.settle()
    here.ship(order_id, company="Parrot Post")
    here.settle()
    assert here.jl_actions("dispatch") == []
    assert here.work_items()["UNMAPPED_CARRIER"] == 1
    (route,) = here.context.routes
    mapped = route.settings.model_copy(update={"carriers": {"Parrot Post": "royal-mail"}})
    here.context = replace(here.context, routes=(replace(route, settings=mapped),))
    here.settle()
    assert len(here.jl_actions("dispatch")) == 1
    assert here.work_items()["UNMAPPED_CARRIER"] == 0


def test_an_unknown_sku_waits_for_its_product_and_then_goes(here: Town) -> None:
    here.sandbox.act(SHOP, "delete_variant", sku="MUG-RED")
    order_id = here.place("MUG-RED")
    here.settle()
    assert here.shopify_orders() == []
    assert here.work_items()["UNKNOWN_SKU"] == 1
    here.sandbox.act(SHOP, "add_variant", sku="MUG-RED", title="Stoneware mug, red", price=1400)
    here.settle()
    assert len(here.shopify_orders(order_id)) == 1
    assert here.work_items()["UNKNOWN_SKU"] == 0
    assert line(here, order_id)["status"] == "ORDER_ACK"


def test_a_near_miss_of_a_sku_is_suggested_and_never_taken(here: Town) -> None:
    here.sandbox.act(SHOP, "delete_variant", sku="MUG-RED")
    here.sandbox.act(SHOP, "add_variant", sku="mug red", title="Stoneware mug, red", price=1400)
    here.place("MUG-RED")
    here.settle()
    assert here.shopify_orders() == []
    with here.project.ledger.begin() as connection:
        from marketplace_sync.ledger import work_items

        (item,) = work_items.listing(connection, code="UNKNOWN_SKU")
    assert item["evidence"]["lines"][0]["did_you_mean"] == ["mug red"]


def test_an_unusable_address_is_a_work_item_and_the_order_is_kept(here: Town) -> None:
    here.place(buyer={"full_name": "Ann Other", "line_1": "", "city": "", "postal_code": ""})
    here.settle()
    assert here.shopify_orders() == []
    assert here.work_items()["UNUSABLE_ADDRESS"] == 1


def test_a_test_order_goes_nowhere(here: Town) -> None:
    here.place(test=True)
    here.settle()
    assert here.shopify_orders() == []
    assert here.events() == {}
    assert here.work_items() == {"TEST_ORDER": 1}


def test_a_cancellation_before_injection_never_reaches_the_store(here: Town) -> None:
    here.sync()
    order_id = here.place()
    here.read_marketplace()
    here.sandbox.act(JL, "request_cancellation", order_id=order_id)
    here.read_marketplace()
    here.settle()
    assert here.shopify_orders() == []
    assert len(here.jl_actions("cancel_acknowledge", order_id)) == 1
    assert here.events(order_id)["Cancelled Order"] == 1


def test_a_buyers_cancellation_leaves_the_store_before_the_marketplace_is_answered(here: Town) -> None:
    order_id = here.place("MUG-RED", quantity=2)
    here.settle()
    here.sandbox.act(JL, "request_cancellation", order_id=order_id)
    here.settle()
    (stored,) = here.shopify_orders(order_id)
    assert stored["cancelledAt"] is not None
    assert len(here.jl_actions("cancel_acknowledge", order_id)) == 1
    told = here.events(order_id)
    assert (told["Cancellation Requested"], told["Cancelled Order"]) == (1, 1)
    cancelled = next(e for e in here.event_list(order_id) if e["name"] == "Cancelled Order")
    assert cancelled["properties"]["InitiatedBy"] == "customer"
    assert cancelled["properties"]["Partial"] is False
    assert cancelled["unique_id"] == f"{JL}:{order_id}", "so that Klaviyo nets lifetime value"


def test_a_cancellation_for_a_parcel_that_is_late_is_the_sellers_doing_everywhere(here: Town) -> None:
    here.sandbox.act(JL, "configure", show_cancel_reason=True)
    order_id = here.place("MUG-RED")
    here.settle()
    here.sandbox.act(JL, "request_cancellation", order_id=order_id, reason_code=131)
    here.settle()
    (stored,) = here.shopify_orders(order_id)
    assert stored["cancelReason"] == "OTHER"
    assert len(here.jl_actions("cancel_acknowledge", order_id)) == 1
    cancelled = next(e for e in here.event_list(order_id) if e["name"] == "Cancelled Order")
    assert cancelled["properties"]["InitiatedBy"] == "seller"


def test_a_partial_cancellation_takes_only_its_units_off(here: Town) -> None:
    order_id = here.place("MUG-RED", "BOWL-BLUE", quantity=2)
    here.settle()
    first = here.jl_order(order_id)["lines"][0]
    here.sandbox.act(JL, "request_cancellation", order_id=order_id, line_ref=first["line_ref"], quantity=1)
    here.settle()
    (stored,) = here.shopify_orders(order_id)
    assert stored["cancelledAt"] is None
    removed = [line for refund in here.sandbox.documents(SHOP, "orders")[0]["refunds"] for line in refund["lines"]]
    assert [line["quantity"] for line in removed] == [1]
    (told,) = here.jl_actions("cancel_acknowledge", order_id)
    assert told["quantity"] == 1
    cancelled = next(e for e in here.event_list(order_id) if e["name"] == "Cancelled Order")
    assert cancelled["properties"]["Partial"] is True
    here.ship(order_id)
    here.settle()
    assert sum(one["quantity"] for one in here.jl_actions("dispatch", order_id)) == 3


def test_a_cancellation_after_the_parcel_left_is_dispatched_and_shown_to_a_person(here: Town) -> None:
    order_id = here.place()
    here.settle()
    here.ship(order_id)
    here.sandbox.act(JL, "request_cancellation", order_id=order_id)
    here.settle()
    assert line(here, order_id)["status"] == "DISPATCH"
    assert here.jl_actions("cancel_acknowledge") == []
    assert here.events(order_id)["Cancelled Order"] == 0


def test_a_sellers_cancellation_in_the_store_is_told_to_the_marketplace(here: Town) -> None:
    order_id = here.place("MUG-RED", quantity=2)
    here.settle()
    here.sandbox.act(SHOP, "cancel_order", order_id=here.shopify_order(order_id)["id"])
    here.settle()
    assert len(here.jl_actions("cancel_acknowledge", order_id)) == 1
    cancelled = next(e for e in here.event_list(order_id) if e["name"] == "Cancelled Order")
    assert cancelled["properties"]["InitiatedBy"] == "seller"
    assert here.events(order_id)["Cancellation Requested"] == 0


def test_what_the_marketplace_does_not_let_a_seller_cancel_is_shown_and_holds_up_nothing(here: Town) -> None:
    order_id = here.place("MUG-RED", quantity=3)
    here.settle()
    here.sandbox.act(SHOP, "remove_unit", order_id=here.shopify_order(order_id)["id"], sku="MUG-RED", quantity=1)
    here.settle()
    assert here.work_items()["EFFECT_REFUSED"] == 1, "sellers cancel whole lines at John Lewis"
    here.ship(order_id)
    here.settle()
    assert sum(one["quantity"] for one in here.jl_actions("dispatch", order_id)) == 2


def test_a_line_that_the_seller_takes_off_is_told(here: Town) -> None:
    order_id = here.place("MUG-RED", "BOWL-BLUE")
    here.settle()
    here.sandbox.act(SHOP, "remove_unit", order_id=here.shopify_order(order_id)["id"], sku="MUG-RED", quantity=1)
    here.settle()
    (told,) = here.jl_actions("cancel_acknowledge", order_id)
    assert told["quantity"] == 1
    here.ship(order_id)
    here.settle()
    assert sum(one["quantity"] for one in here.jl_actions("dispatch", order_id)) == 1


def test_a_return_is_acknowledged_mirrored_and_told_step_by_step(here: Town) -> None:
    order_id = here.place("MUG-RED", quantity=2)
    here.settle()
    here.ship(order_id)
    here.settle()
    returned = here.sandbox.act(JL, "request_return", order_id=order_id, line_ref="1", quantity=1)
    here.settle()
    assert here.events(order_id)["Return Requested"] == 1
    assert len(here.jl_actions("return_acknowledge", order_id)) == 1
    assert here.events(order_id)["Refunded Order"] == 0
    here.sandbox.act(JL, "approve_return", return_id=returned["return_id"])
    here.settle()
    told = here.events(order_id)
    assert (told["Returned Order"], told["Refunded Order"]) == (1, 1)
    refunded = next(e for e in here.event_list(order_id) if e["name"] == "Refunded Order")
    assert refunded["value"] == 14.00
    assert refunded["unique_id"] == f"{JL}:{order_id}"
    (stored,) = here.shopify_orders(order_id)
    assert [line["quantity"] for refund in stored["refunds"] for line in refund["lines"]] == [1]


@pytest.mark.parametrize("fault", ["", "lost_answer"])
def test_a_return_called_off_before_it_was_answered_asks_nobody(here: Town, fault: str) -> None:
    order_id = here.place("MUG-RED")
    here.settle()
    here.ship(order_id)
    here.settle()
    returned = here.sandbox.act(JL, "request_return", order_id=order_id, line_ref="1", quantity=1)
    here.read_marketplace("returns")
    here.sandbox.act(JL, "withdraw_return", return_id=returned["return_id"])
    here.sandbox.control(
        "PUT", f"{JL}/faults", [{"kind": fault, "path": "/return_ack", "remaining": 1}] if fault else []
    )
    here.settle(40)
    assert here.jl_actions("return_acknowledge", order_id) == []
    assert here.work_items() == {}


def test_a_second_return_is_its_own_refund(here: Town) -> None:
    order_id = here.place("MUG-RED", quantity=2)
    here.settle()
    here.ship(order_id)
    here.settle()
    for _ in range(2):
        returned = here.sandbox.act(JL, "request_return", order_id=order_id, line_ref="1", quantity=1)
        here.settle()
        here.sandbox.act(JL, "approve_return", return_id=returned["return_id"])
        here.settle()
    refunded = [e for e in here.event_list(order_id) if e["name"] == "Refunded Order"]
    assert len({e["unique_id"] for e in refunded}) == 2
    (stored,) = here.shopify_orders(order_id)
    assert sum(line["quantity"] for refund in stored["refunds"] for line in refund["lines"]) == 2


def test_history_is_sent_as_backfill_and_starts_no_flow(here: Town) -> None:
    long_ago = (datetime.now(UTC) - timedelta(days=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
    order_id = here.place(ordered_at=long_ago)
    here.settle()
    assert here.events(order_id)["Placed Order"] == 1
    assert all(event["backfill"] for event in here.event_list(order_id))
    assert here.sandbox.documents(KLAVIYO, "flow_messages") == []


def test_a_lost_answer_to_an_injection_makes_no_second_order(here: Town) -> None:
    here.sync()
    here.place()
    here.settle()
    for _ in range(2):
        here.place()
    here.read_marketplace()
    lost = {"kind": "lost_answer", "remaining": 4}
    here.sandbox.control("PUT", f"{SHOP}/faults", [lost])
    here.deliver(SHOP)
    here.sandbox.control("PUT", f"{SHOP}/faults", [])
    here.settle(40)
    assert len(here.shopify_orders()) == 3
    assert len({o["sourceIdentifier"] for o in here.shopify_orders()}) == 3


def test_an_order_acknowledged_in_the_portal_still_reaches_the_store(here: Town) -> None:
    order_id = here.place()
    here.sandbox.act(JL, "acknowledge_in_portal", order_id=order_id)
    here.settle()
    assert len(here.shopify_orders(order_id)) == 1
    assert here.jl_actions("acknowledge", order_id) == []
