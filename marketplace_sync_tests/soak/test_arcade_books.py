"""The books of a Marketplacer instance show what was done twice, and do not take it for what crossed; and what was paid
otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from marketplace_sync.sandbox.serve import RunningSandbox
from marketplace_sync_tests.faults.books import Books
from marketplace_sync_tests.faults.documents import StoreOrder
from marketplace_sync_tests.faults.money import InStore
from marketplace_sync_tests.sandbox.marketplacer.client import ACCOUNT, Client
from marketplace_sync_tests.soak.arcade_books import arcade_balance

CANCEL = """mutation($input: RefundRequestCreateMutationInput!) { refundRequestCreate(input: $input) {
  status errors { field messages } refundRequest { id lineItems { id } } } }"""
REFUND = """mutation($input: RefundRequestRefundMutationInput!) { refundRequestRefund(input: $input) {
  status errors { field messages } } }"""


@pytest.fixture
def market() -> Iterator[Client]:
    with RunningSandbox(accounts={ACCOUNT: "marketplacer"}) as sandbox:
        client = Client(sandbox)
        yield client
        client.http.close()


def cancel(market: Client, order: Any, mark: dict[str, Any]) -> None:
    """One unit of the order, as we do it."""
    line = market.invoice(order)["lineItems"][0]["id"]
    item = {"lineItemId": line, "quantity": 1, "dispatched": False, "reason": "-", "status": "REFUND_ACCEPTED"}
    given = {"invoiceId": order["invoices"][0]["id"], "lineItems": [item], "initiatedBy": "SELLER", **mark}
    made = market.ask(CANCEL, input=given)["refundRequest"]
    done = market.ask(REFUND, input={"refundRequestId": made["id"], "notes": [{"note": "-"}]})
    assert done["errors"] is None


EXTERNAL_ID = {"notes": [{"note": "-"}], "externalIds": [{"key": "marketplace_sync", "value": "cancel:1"}]}
NOTE = {"notes": [{"note": "marketplace_sync cancel:1"}]}


def four(market: Client) -> Any:
    return market.act("place_order", lines=[{"sku": "MUG-RED", "quantity": 4}])


def books_of(
    market: Client, order: Any, *, left: int, removed: int = 0, told: int = 4, total: int = 5600, value: float = 56.0
) -> Books:
    """The store took some of the four units off and sent some; of these the instance was told some and took as many
    as it could. Klaviyo was told of everything. `total` is what the store has, `value` what Klaviyo was told."""
    act, (line,) = market.act, market.invoice(order)["lineItems"]
    gone = sum(one["cancelled"] for one in market.sandbox.documents(ACCOUNT, "line_items"))
    stated = [{"sku": "MUG-RED", "quantity": min(left, told, 4 - gone)}]
    act("ship", order_id=order["order_id"], lines=stated, tracking_number="A1")
    parcel = ("Royal Mail", "A1", Counter({line["id"]: left}))
    in_store = StoreOrder("1", Counter({line["id"]: 4}), Counter({line["id"]: removed}), [parcel])
    in_store.money = InStore(total, 5600)
    events: list[Any] = [{"name": name} for name in ("Ordered Product", "Fulfilled Order")]
    events.append({"name": "Placed Order", "value": value, "currency": "GBP"})
    cancelled = {"value": 14.0 * gone, "currency": "GBP", "properties": {"Items": [{"Quantity": gone}]}}
    events.append({"name": "Cancelled Order", **cancelled})
    books, key = Books(), order["id"]
    arcade_balance(
        books,
        lambda collection: market.sandbox.documents(ACCOUNT, collection),
        {key: [in_store]},
        {key: events},
        {"Royal Mail"},
    )
    return books


@pytest.mark.parametrize("mark", [EXTERNAL_ID, NOTE], ids=["external id", "note"])
def test_what_we_cancelled_once_balances(market: Client, mark: dict[str, Any]) -> None:
    order = four(market)
    cancel(market, order, mark)
    books = books_of(market, order, removed=1, left=3)
    assert books.balanced, books.text()
    assert books.crossed == set()


@pytest.mark.parametrize("mark", [EXTERNAL_ID, NOTE], ids=["external id", "note"])
def test_a_cancellation_of_ours_that_was_made_twice_is_no_crossing(market: Client, mark: dict[str, Any]) -> None:
    order = four(market)
    for _ in range(2):
        cancel(market, order, mark)
    books = books_of(market, order, removed=1, left=3)
    assert books.crossed == set()
    said = "\n".join(books.repeated)
    assert "refund request cancel:1 was made 2 times" in said
    assert "units kept in the store: 3 instead of 2" in said


def test_what_the_buyer_cancelled_and_the_store_sent_has_crossed(market: Client) -> None:
    order = four(market)
    market.act("buyer_cancel", order_id=order["order_id"], lines=[{"sku": "MUG-RED", "quantity": 1}])
    books = books_of(market, order, left=4)
    assert books.balanced, books.text()
    assert books.crossed == {order["id"]}


def test_what_the_store_took_off_and_sent_all_the_same_has_crossed(market: Client) -> None:
    order = four(market)
    cancel(market, order, EXTERNAL_ID)
    books = books_of(market, order, removed=1, left=4)
    assert books.balanced, books.text()
    assert books.crossed == {order["id"]}
    assert books.counts["units that left while they were cancelled"] == 1


def test_no_unit_that_is_owed_may_be_missing_beside_one_that_crossed(market: Client) -> None:
    order = four(market)
    cancel(market, order, EXTERNAL_ID)
    books = books_of(market, order, removed=1, left=4, told=2)
    assert any("units dispatched: 2 instead of 3" in sentence for sentence in books.missing)


def test_what_the_store_has_for_another_sum_is_named_with_both(market: Client) -> None:
    books = books_of(market, order := four(market), left=4, total=5599)
    assert books.different == [f"order {order['id']}: order in the store: 55.99 GBP instead of 56.00 GBP"]
    assert not books.balanced
    assert not books.missing + books.repeated


def test_what_klaviyo_was_told_of_another_sum_is_named_with_both(market: Client) -> None:
    books = books_of(market, order := four(market), left=4, value=56.01)
    said = f"order {order['id']}: value of Placed Order at Klaviyo: 56.01 GBP instead of 56.00 GBP"
    assert books.different == [said]
    assert not books.balanced
