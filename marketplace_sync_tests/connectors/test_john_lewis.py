"""John Lewis over real HTTP against the simulated Edge: an order's whole life, and every way it can go wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from marketplace_sync.connectors import registry
from marketplace_sync.connectors.budget import LocalBudget
from marketplace_sync.connectors.ports import Marketplace
from marketplace_sync.domain.effects import (
    AcknowledgeOrder,
    AcknowledgeReturn,
    CancelLines,
    Delivered,
    Dispatch,
    InDoubt,
    LineUnits,
    NotThere,
    Outcome,
    Postponed,
    RefundLines,
    Refused,
    SetStock,
)
from marketplace_sync.domain.orders import PriceBasis, ReturnState
from marketplace_sync_tests.connectors.edge_account import Account, all_units, connected, edge, effect, keys, units

SHIPPED = datetime(2026, 3, 30, 23, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with edge() as found:
        yield found


def deliver(account: Account, payload: object, effect_id: int = 1) -> Outcome:
    return account.connector.deliver([effect(payload, effect_id)])[0]


def dispatch(order_id: str, *lines: LineUnits, carrier: str = "royal-mail", number: str = "RM 1") -> Dispatch:
    return Dispatch(order_id=order_id, lines=lines, carrier=carrier, tracking_number=number, shipped_at=SHIPPED)


def test_the_registry_opens_a_john_lewis_connection(account: Account) -> None:
    found = registry.open_connection("john_lewis", account.settings, lambda name, spec: LocalBudget(spec))
    marketplace: Marketplace = found
    assert [feed.name for feed in marketplace.feeds()] == ["orders", "sweep", "returns"]
    assert all(finding.works for finding in marketplace.check())
    assert marketplace.capabilities.price_basis is PriceBasis.COST


def test_a_new_order_is_read_as_it_is_stated(account: Account) -> None:
    order = account.place(("MUG-RED", 2), ("MUG-BLUE", 1))
    assert order.order_id in keys(list(account.connector.read("orders", None)))
    assert (order.status, order.currency, order.is_test, order.warnings) == ("ORDER", "GBP", False, ())
    assert order.customer_order_number == order.reference.split("-")[0]
    first = order.lines[0]
    assert (first.sku, first.quantity, first.acknowledged, first.dispatched) == ("MUG-RED", 2, 0, 0)
    # 7.00 net and 20 % tax for one.
    assert (first.unit_price, first.total, first.tax, first.tax_rate) == (840, 1680, 280, "0.2")
    assert order.total == sum(line.total or 0 for line in order.lines)
    assert order.shipping_address.problems() == []
    assert order.placed_at.tzinfo is UTC


def test_acknowledging_states_route_and_delivery_date_and_a_second_time_is_no_error(account: Account) -> None:
    order = account.place(("MUG-RED", 2), ("MUG-BLUE", 1))
    wish = AcknowledgeOrder(order_id=order.order_id, lines=all_units(order))
    assert deliver(account, wish) == Delivered()
    sent = json.loads(account.exchanges[-1].request_body)["items"]
    assert [(item["line_ref"], item["quantity"]) for item in sent] == [("1", 2), ("2", 1)]
    assert sent[0]["fulfillment_route"] == "Direct to customer"
    assert len(sent[0]["supplier_delivery_date"]) == 19
    assert [line.acknowledged for line in account.order(order.order_id).lines] == [2, 1]
    assert isinstance(deliver(account, wish), Delivered)
    assert len(account.actions("acknowledge", order.order_id)) == len(order.lines)


@pytest.mark.parametrize(("ago", "ahead"), [(2, 5), (30, 0)])
def test_delivery_is_promised_from_the_day_of_the_order_on_and_for_no_day_that_is_over(
    account: Account, ago: int, ahead: int
) -> None:
    order = account.place(("MUG-RED", 1))
    now = datetime.now(UTC)
    wish = AcknowledgeOrder(order_id=order.order_id, lines=all_units(order), placed_at=now - timedelta(days=ago))
    assert deliver(account, wish) == Delivered()
    (sent,) = json.loads(account.exchanges[-1].request_body)["items"]
    today = now.astimezone(ZoneInfo("Europe/London")).date()
    assert sent["supplier_delivery_date"][:10] == (today + timedelta(days=ahead)).isoformat()


def test_parts_of_a_line_are_dispatched_one_after_the_other(account: Account) -> None:
    order = account.place(("MUG-RED", 3))
    deliver(account, AcknowledgeOrder(order_id=order.order_id, lines=all_units(order)))
    assert deliver(account, dispatch(order.order_id, units(order, "1", 1))) == Delivered()
    sent = json.loads(account.exchanges[-1].request_body)["items"][0]
    # Half past eleven in the evening, UTC, is the next day in London's summer.
    assert (sent["carrier"], sent["tracking_number"], sent["supplier_dispatch_date"]) == (
        "royal-mail",
        "RM 1",
        "2026-03-31",
    )
    line = account.order(order.order_id).lines[0]
    assert (line.quantity, line.acknowledged, line.dispatched, line.open, line.total) == (3, 3, 1, 2, 2520)
    assert deliver(account, dispatch(order.order_id, units(order, "1", 2), number="RM 2")) == Delivered()
    line = account.order(order.order_id).lines[0]
    assert (line.dispatched, line.open) == (3, 0)


def test_of_two_equal_parcels_the_lost_one_is_only_told_when_it_is_known_what_left_before(account: Account) -> None:
    order = account.place(("MUG-RED", 2))
    deliver(account, AcknowledgeOrder(order_id=order.order_id, lines=all_units(order)))
    unknown = effect(dispatch(order.order_id, units(order, "1", 1)))
    first = effect(dispatch(order.order_id, units(order, "1", 1, before=0)))
    second = effect(dispatch(order.order_id, units(order, "1", 1, before=1)), 2)
    assert account.connector.resolve(first) == account.connector.resolve(unknown) == NotThere()
    account.connector.deliver([first])
    assert isinstance(account.connector.resolve(first), Delivered)
    assert account.connector.resolve(second) == NotThere()
    doubt = account.connector.resolve(unknown)
    assert isinstance(doubt, InDoubt)
    assert order.order_id in doubt.reason
    account.connector.deliver([second])
    assert isinstance(account.connector.resolve(second), Delivered)
    assert isinstance(account.connector.resolve(unknown), Delivered)


@pytest.mark.parametrize("spelling", ["same", "suffixed"])
def test_the_parts_of_a_split_line_stay_one_line(spelling: str) -> None:
    with edge({"split_line_reference": spelling}) as account:
        order = account.place(("MUG-RED", 3))
        deliver(account, AcknowledgeOrder(order_id=order.order_id, lines=all_units(order)))
        deliver(account, dispatch(order.order_id, units(order, "1", 1)))
        deliver(account, dispatch(order.order_id, units(order, "1", 1), number="RM 2"))
        lines = account.order(order.order_id).lines
        assert [(line.line_id, line.quantity, line.dispatched) for line in lines] == [("1", 3, 2)]


def test_a_part_of_a_split_line_is_answered_by_the_reference_that_it_has_got() -> None:
    with edge({"split_line_reference": "suffixed"}) as account:
        order = account.place(("MUG-RED", 3))
        deliver(account, AcknowledgeOrder(order_id=order.order_id, lines=all_units(order)))
        deliver(account, dispatch(order.order_id, units(order, "1", 2)))
        account.act("request_return", order_id=int(order.order_id), line_ref="1/2", quantity=1)
        take = AcknowledgeReturn(order_id=order.order_id, return_id="r", lines=(units(order, "1", 1),))
        assert deliver(account, take) == Delivered()
        account.act("request_cancellation", order_id=int(order.order_id), line_ref="1", quantity=1)
        agree = CancelLines(order_id=order.order_id, lines=(units(order, "1", 1),), requested_by_marketplace=True)
        assert deliver(account, agree) == Delivered()
        (told,) = account.actions("return_acknowledge", order.order_id)
        assert (told["line_ref"], told["quantity"]) == ("1/2", 1)


def test_a_parcel_that_left_before_the_cancellation_came_is_stated_all_the_same(account: Account) -> None:
    order = account.place(("MUG-RED", 1))
    deliver(account, AcknowledgeOrder(order_id=order.order_id, lines=all_units(order)))
    account.act("request_cancellation", order_id=int(order.order_id))
    assert account.order(order.order_id).lines[0].cancellation_requested == 1
    assert deliver(account, dispatch(order.order_id, *all_units(order))) == Delivered()
    line = account.order(order.order_id).lines[0]
    assert (line.dispatched, line.cancellation_requested) == (1, 0)
    late = CancelLines(order_id=order.order_id, lines=all_units(order), requested_by_marketplace=True)
    refused = deliver(account, late)
    assert isinstance(refused, Refused)
    assert "dispatched" in refused.reason


def test_a_cancellation_asked_for_is_agreed_to_once(account: Account) -> None:
    order = account.place(("MUG-RED", 2))
    account.act("request_cancellation", order_id=int(order.order_id))
    assert order.order_id in keys(list(account.connector.read("orders", None)))
    acknowledge = deliver(account, AcknowledgeOrder(order_id=order.order_id, lines=all_units(order)))
    assert isinstance(acknowledge, Refused)
    assert "asks to cancel" in acknowledge.reason
    agree = CancelLines(order_id=order.order_id, lines=all_units(order), requested_by_marketplace=True)
    assert account.connector.resolve(effect(agree)) == NotThere()
    assert deliver(account, agree) == Delivered()
    assert isinstance(account.connector.resolve(effect(agree)), Delivered)
    assert isinstance(deliver(account, agree), Delivered)
    assert len(account.actions("cancel_acknowledge", order.order_id)) == 1
    # The row stays with quantity 0, and its price stays what it was.
    line = account.order(order.order_id).lines[0]
    assert (line.quantity, line.open, line.unit_price) == (0, 0, 840)
    gone = account.connector.resolve(effect(dispatch(order.order_id, *all_units(order))))
    assert isinstance(gone, Refused)


def test_the_seller_can_cancel_a_whole_line_where_that_is_allowed(account: Account) -> None:
    order = account.place(("MUG-RED", 2))
    part = CancelLines(order_id=order.order_id, lines=(units(order, "1", 1),), requested_by_marketplace=False)
    refused = deliver(account, part)
    assert isinstance(refused, Refused)
    assert "Partial cancellation" in refused.reason
    whole = CancelLines(order_id=order.order_id, lines=all_units(order), requested_by_marketplace=False)
    assert deliver(account, whole) == Delivered()
    assert isinstance(account.connector.resolve(effect(whole)), Delivered)
    assert account.sandbox is not None
    careful = connected(account.settings.base_url, account.sandbox, seller_can_cancel=False)
    assert not careful.connector.capabilities.seller_can_cancel
    assert isinstance(deliver(careful, whole), Refused)


def test_a_return_is_read_acknowledged_and_followed_to_its_refund(account: Account) -> None:
    order = account.place(("MUG-RED", 2))
    deliver(account, AcknowledgeOrder(order_id=order.order_id, lines=all_units(order)))
    deliver(account, dispatch(order.order_id, *all_units(order)))
    account.act("request_return", order_id=int(order.order_id), line_ref="1", quantity=1)
    asked = account.returns()[-1]
    assert (asked.order_id, asked.line_id, asked.quantity) == (order.order_id, "1", 1)
    assert (asked.state, asked.status, asked.refund_amount) == (ReturnState.REQUESTED, "RMA", None)
    take = AcknowledgeReturn(order_id=order.order_id, return_id=asked.return_id, lines=(units(order, "1", 1),))
    assert account.connector.resolve(effect(take)) == NotThere()
    assert deliver(account, take) == Delivered()
    assert isinstance(account.connector.resolve(effect(take)), Delivered)
    account.act("approve_return", return_id=asked.return_id)
    approved = next(each for each in account.returns() if each.return_id == asked.return_id)
    assert (approved.state, approved.refund_amount, approved.refund_basis) == (
        ReturnState.APPROVED,
        840,
        PriceBasis.COST,
    )
    # What was dispatched stays dispatched, whatever comes back.
    assert account.order(order.order_id).lines[0].dispatched == 2


def test_stock_goes_to_the_product_behind_the_stock_number_and_is_looked_up_once(account: Account) -> None:
    order = account.place(("BOWL-RED", 1))
    wish = SetStock(sku="BOWL-RED", stock_number=order.lines[0].stock_number, quantity=12)
    assert deliver(account, wish) == Delivered()
    before = len(account.exchanges)
    assert deliver(account, wish) == Delivered()
    assert [each.method for each in account.exchanges[before:]] == ["PATCH"]
    assert account.sandbox is not None
    products = account.sandbox.documents("john_lewis", "products")
    level = next(each["data"]["supplier_free_stock"] for each in products if each["sku"] == "BOWL-RED")
    assert level == 12
    account.act("publish_product", sku="BOWL-RED")
    busy = deliver(account, wish)
    assert isinstance(busy, Postponed)
    assert (busy.after, busy.counts_as_attempt) == (180, False)
    account.act("change_part_number", sku="BOWL-RED")
    gone = deliver(account, wish)
    assert isinstance(gone, Refused)
    assert gone.code == "PRODUCT_NOT_FOUND"
    assert wish.stock_number in gone.reason


def test_many_stock_numbers_are_found_by_walking_the_list_once(account: Account) -> None:
    assert account.sandbox is not None
    fresh = connected(account.settings.base_url, account.sandbox, page_size=10)
    products = account.sandbox.documents("john_lewis", "products")
    for product in products:
        outcome = deliver(fresh, SetStock(sku=product["sku"], stock_number=product["part_number"], quantity=3))
        assert isinstance(outcome, Delivered | Postponed)
    lookups = [each for each in fresh.exchanges if each.method == "GET" and each.path == "/api/v4/products/"]
    assert len(products) > 20
    assert len(lookups) == 10 + -(-len(products) // 10)


def test_what_the_edge_would_refuse_is_said_in_words(account: Account) -> None:
    order = account.place(("MUG-RED", 1))
    deliver(account, AcknowledgeOrder(order_id=order.order_id, lines=all_units(order)))
    for wish, told in (
        (dispatch(order.order_id, *all_units(order), carrier="pigeon"), "pigeon"),
        (dispatch(order.order_id, *all_units(order), number=" "), "tracking number"),
        (dispatch(order.order_id, *all_units(order), number="x" * 101), "100 characters"),
        (dispatch("999999", *all_units(order)), "404"),
        (dispatch(order.order_id), "no line"),
        (dispatch(order.order_id, LineUnits(line_id="1", quantity=1)), "stock number"),
        (RefundLines(order_id="1", refund_key="1", lines=(), currency="GBP", amounts=()), "refund"),
        (SetStock(sku="MUG-RED", stock_number="", quantity=1), "MUG-RED"),
        (dispatch("../../../api", *all_units(order)), "not sent"),
    ):
        outcome = deliver(account, wish)
        assert isinstance(outcome, Refused)
        assert told in outcome.reason
    assert account.actions("dispatch", order.order_id) == []
    assert account.sandbox is not None
    strict = connected(account.settings.base_url, account.sandbox, approved_carriers=("dpd",))
    unapproved = deliver(strict, dispatch(order.order_id, *all_units(order)))
    assert isinstance(unapproved, Refused)
    assert unapproved.code == "CARRIER_NOT_APPROVED"
    assert strict.connector.carrier_codes() == {"dpd"}
    assert {"royal-mail", "Royal Mail (Tracked)"} <= account.connector.carrier_codes()


def test_what_is_not_shown_yet_is_not_called_missing(account: Account) -> None:
    assert account.sandbox is not None
    patient = connected(account.settings.base_url, account.sandbox, settle_after="60s")
    order = account.place(("MUG-RED", 1))
    wish = effect(AcknowledgeOrder(order_id=order.order_id, lines=all_units(order)))
    waiting = patient.connector.resolve(wish)
    assert isinstance(waiting, Postponed)
    assert waiting.after is not None
    assert 0 < waiting.after <= 60
    account.connector.deliver([wish])
    assert isinstance(patient.connector.resolve(wish), Delivered)


def test_tokens_are_renewed_when_they_run_out_and_basic_needs_none() -> None:
    with edge({"access_token_seconds": 1}) as account:
        assert account.sandbox is not None
        list(account.connector.read("orders", None))
        account.sandbox.control("POST", "clock", {"advance_seconds": 3600})
        list(account.connector.read("orders", None))
        signed_in = [each for each in account.exchanges if "/token" in each.path]
        assert len(signed_in) == 2
        basic = connected(account.settings.base_url, account.sandbox, authentication="basic")
        list(basic.connector.read("orders", None))
        assert not any("/token" in each.path for each in basic.exchanges)


def test_threads_that_are_refused_the_same_token_sign_in_once() -> None:
    with edge({"access_token_seconds": 5}) as account, ThreadPoolExecutor(8) as threads:
        assert account.sandbox is not None
        order = account.place(("MUG-RED", 1))
        list(threads.map(lambda _: account.order(order.order_id), range(8)))
        account.sandbox.control("POST", "clock", {"advance_seconds": 3600})
        list(threads.map(lambda _: account.order(order.order_id), range(40)))
        assert len([each for each in account.exchanges if "/token" in each.path]) == 2


def test_a_trial_names_what_does_not_work_and_the_fix(account: Account) -> None:
    assert account.sandbox is not None
    url = account.settings.base_url
    for authentication in ("jwt", "basic"):
        wrong = connected(url, account.sandbox, password={"default": "wrong!"}, authentication=authentication)
        findings = wrong.connector.check()
        assert [(each.subject, each.works) for each in findings] == [("login", False)]
        assert "password" in findings[0].fix
        assert "wrong!" not in findings[0].detail
    stranger = connected(url, account.sandbox, retailer="Debenhams").connector.check()
    assert [(each.subject, each.works) for each in stranger] == [("login", True), ("retailer", False)]
    assert "John Lewis" in stranger[1].detail
    carriers = connected(url, account.sandbox, approved_carriers=("dpd", "pigeon")).connector.check()[-1]
    assert not carriers.works
    assert "pigeon" in carriers.detail
    nobody = connected("http://127.0.0.1:9", account.sandbox).connector.check()
    assert not nobody[0].works
    assert "try again later" in nobody[0].fix


def test_only_orders_of_john_lewis_are_asked_for_when_the_login_serves_others_too() -> None:
    with edge({"second_retailer": True}) as account:
        ours = account.place(("MUG-RED", 1))
        login, retailer = account.connector.check()[:2]
        assert "John Lewis, " in login.detail or ", John Lewis" in login.detail
        found = keys(list(account.connector.read("orders", None))) + keys(list(account.connector.read("sweep", None)))
        assert ours.order_id in found
        asked = {each.params.get("retailer_id") for each in account.exchanges if each.path.endswith("/orders/")}
        assert asked == {retailer.detail.rsplit(" ", 1)[-1]}
