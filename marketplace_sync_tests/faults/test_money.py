"""The books compare money: one amount that somebody changed in one vendor's documents is one sentence."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from marketplace_sync_tests.faults.books import Books, balance
from marketplace_sync_tests.faults.installation import CARRIERS
from marketplace_sync_tests.faults.money import GivenBack, InStore, Sold, Stated, at_klaviyo, beyond, in_store
from marketplace_sync_tests.flows.town import JL, KLAVIYO, SHOP, Town, town

Change = Callable[[Any], None]


def _line_price(order: Any) -> None:
    order["lines"][0]["price"] += 1


def _payment(order: Any) -> None:
    next(one for one in order["transactions"] if one["kind"] == "SALE")["amount"] -= 1


def _refund(order: Any) -> None:
    next(one for one in order["transactions"] if one["kind"] == "REFUND")["amount"] -= 1


def _value(event: Any) -> None:
    event["value"] = round(event["value"] + 0.01, 2)


def _currency(event: Any) -> None:
    event["currency"] = "EUR"


def _approved(returned: Any) -> None:
    returned["approved_amount"] = 500
    returned["approved_amount_status"] = "partially"


CHANGES: list[tuple[str, str, str, Change, str]] = [
    (SHOP, "orders", "", _line_price, "order in the store: 110.44 GBP instead of 110.40 GBP"),
    (SHOP, "orders", "", _payment, "payment in the store: 110.39 GBP instead of 110.40 GBP"),
    (SHOP, "orders", "", _refund, "refunds in the store of line 1: 8.39 GBP instead of 8.40 GBP"),
    (KLAVIYO, "events", "Placed Order", _value, "value of Placed Order at Klaviyo: 184.01 GBP instead of 184.00 GBP"),
    (KLAVIYO, "events", "Placed Order", _currency, "value of Placed Order at Klaviyo: 0.00 GBP instead of 184.00 GBP"),
    (
        KLAVIYO,
        "events",
        "Cancelled Order",
        _value,
        "value of Cancelled Order at Klaviyo: 128.01 GBP instead of 128.00 GBP",
    ),
    (KLAVIYO, "events", "Refunded Order", _value, "value of Refunded Order at Klaviyo: 14.01 GBP instead of 14.00 GBP"),
]


def _books(here: Town, account: str = "", collection: str = "", name: str = "", change: Change | None = None) -> Books:
    """Of what the vendors hold, with one of their documents changed behind everybody's back."""
    metrics = {one["id"]: one["name"] for one in here.sandbox.documents(KLAVIYO, "metrics")}

    def ask(path: str) -> Any:
        asked, _, of = path.partition("/state/")
        found = copy.deepcopy(here.sandbox.documents(asked, of.partition("?")[0]))
        if change is not None and (asked, of.partition("?")[0]) == (account, collection):
            change(next(one for one in found if not name or metrics[one["metric"]] == name))
        return found

    return balance(ask, set(CARRIERS))


def test_one_amount_that_is_changed_is_one_sentence(database_url: str, tmp_path: Path) -> None:
    with town(database_url, tmp_path) as here:
        order_id = here.place("MUG-RED", "BOWL-RED", quantity=4)
        here.settle()
        here.take_off(order_id, "BOWL-RED", 4)
        here.settle()
        here.ship(order_id)
        here.settle()
        returned = here.sandbox.act(JL, "request_return", order_id=order_id, line_ref="1", quantity=1)
        here.settle()
        here.sandbox.act(JL, "approve_return", return_id=returned["return_id"])
        here.settle()
        books = _books(here)
        assert books.balanced, books.text()
        assert books.counts["pence: order in the store"] == 11040
        for account, collection, name, change, sentence in CHANGES:
            changed = _books(here, account, collection, name, change)
            (said,) = changed.different
            assert said.startswith(f"order {order_id}: {sentence}")
            assert not changed.balanced
            assert not changed.missing + changed.repeated
        assert [said.partition(": ")[2] for said in _books(here, JL, "returns", "", _approved).different] == [
            "refunds in the store of line 1: 8.40 GBP instead of 6.00 GBP",
            "value of Refunded Order at Klaviyo: 14.00 GBP instead of 10.00 GBP",
        ]


@pytest.mark.parametrize(
    ("given_back", "is_empty", "said"),
    [(998, True, 0), (997, True, 1), (1001, True, 1), (999, False, 1), (1000, False, 0)],
)
def test_less_than_a_penny_a_unit_may_be_missing_of_a_refund_where_the_store_has_nothing_left(
    given_back: int, is_empty: bool, said: int
) -> None:
    units = Counter({"1": 3})
    stated = Stated({"1": Sold("MUG-RED", ordered=3, cancelled=0, goods=998)}, [GivenBack(1000, units)])
    store = InStore(998, 998, [GivenBack(given_back, units)], is_empty)
    assert sum(one.matters for one in in_store(stated, {"1": 3}, store)) == said


def test_no_penny_may_be_lost_of_an_order_whose_lines_do_not_divide() -> None:
    stated = Stated({"1": Sold("MUG-RED", ordered=3, cancelled=0, goods=1000)})
    (order, payment) = in_store(stated, {"1": 3}, InStore(999, 1000))
    assert order.matters
    assert not payment.matters


def test_units_that_were_cancelled_before_the_store_had_them_are_not_in_its_sum() -> None:
    line = Sold("MUG-RED", ordered=3, cancelled=2, goods=3000, delivery=395, taken=[(1, 1000, 132), (1, 1000, 131)])
    (order, _) = in_store(Stated({"1": line}), {"1": 2}, InStore(2263, 2263))
    assert order.wanted == 2000 + 263
    (order, _) = in_store(Stated({"1": line}), {"1": 3}, InStore(3395, 3395))
    assert order.wanted == 3395


def test_delivery_that_staff_give_back_beyond_that_of_the_line_is_the_stores_alone() -> None:
    lines = {ref: Sold("MUG-RED", ordered=1, cancelled=0, goods=1000, delivery=395) for ref in "12"}
    stated = Stated(lines, [GivenBack(1395, Counter({"1": 1}))])
    store = InStore(2790, 2790, [GivenBack(1790, Counter({"1": 1}), delivery=790)])
    assert not any(one.matters for one in in_store(stated, {"1": 1, "2": 1}, store))
    assert beyond(stated, store) == {"1": 395}
    short = Stated(lines, [GivenBack(1000, Counter({"1": 1}))])
    (said,) = [one.text() for one in in_store(short, {"1": 1, "2": 1}, store) if one.matters]
    assert said == "refunds in the store of line 1: 17.90 GBP instead of 13.95 GBP"


def test_refunds_about_several_lines_are_compared_as_one_sum() -> None:
    stated = Stated(
        {ref: Sold("MUG-RED", ordered=1, cancelled=0, goods=1000) for ref in "12"},
        [GivenBack(1000, Counter({"1": 1})), GivenBack(900, Counter({"2": 1}))],
    )
    store = InStore(2000, 2000, [GivenBack(1899, Counter({"1": 1, "2": 1}))])
    (said,) = [one.text() for one in in_store(stated, {"1": 1, "2": 1}, store) if one.matters]
    assert said == "refunds in the store: 18.99 GBP instead of 19.00 GBP"


def test_an_order_of_which_a_price_is_not_known_has_no_value() -> None:
    stated = Stated({"1": Sold("VASE-TEAL", ordered=1, cancelled=0, goods=1000)}, prices={"MUG-RED": 1400})
    told = [{"name": "Placed Order", "value": 10.0, "currency": "GBP"}]
    assert [one.text() for one in at_klaviyo(stated, told) if one.matters] == [
        "value of Placed Order at Klaviyo: 10.00 GBP instead of 0.00 GBP"
    ]


def test_of_a_cancelled_order_as_much_is_taken_off_as_was_placed_whatever_takes_it_off() -> None:
    stated = Stated({"1": Sold("MUG-RED", ordered=1, cancelled=1, goods=1400)}, [GivenBack(500, Counter())])
    for cancelled, refunded, matters in ((9.0, 5.0, False), (14.0, 0.0, False), (14.0, 5.0, True)):
        values = {"Placed Order": 14.0, "Cancelled Order": cancelled, "Refunded Order": refunded}
        told = [{"name": name, "value": value, "currency": "GBP"} for name, value in values.items()]
        assert any(one.matters for one in at_klaviyo(stated, told)) is matters


@pytest.mark.parametrize(("cancelled", "taken_back"), [(0, 0), (1, 500), (2, 1395)])
def test_delivery_that_is_stated_of_the_whole_order_is_told_with_it_and_goes_with_its_last_unit(
    cancelled: int, taken_back: int
) -> None:
    stated = Stated({"1": Sold("MUG-RED", ordered=2, cancelled=cancelled, goods=1000)}, delivery=395)
    values = stated.values()
    assert (values["Placed Order"], values["Cancelled Order"]) == (1395, taken_back)
