"""Returns to their end: the goods are back, as the store or a person says; the marketplace hears of each step once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from marketplace_sync.flows import courier, returns_by_hand
from marketplace_sync.flows.decide import NotPossible
from marketplace_sync.ledger import work_items
from marketplace_sync_tests.flows.mirakl_town import BAZAAR, mirakl_town, writes
from marketplace_sync_tests.flows.stores import MagentoSide, ShopifySide
from marketplace_sync_tests.flows.town import JL, KLAVIYO, SHOP, Town

MUG, LAMP = "MUG-RED", "LAMP-BRASS"
STEPS = ("RT21", "RT25", "RT26", "RT27")


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> Iterator[Town]:
    with mirakl_town(database_url, tmp_path) as found:
        yield found


def live(here: Town) -> None:
    for _ in range(2):
        here.settle()


def arrived(here: Town, *skus: str, quantity: int = 1) -> str:
    """An order that its buyer has received."""
    order_id = str(here.place(*skus, quantity=quantity, at=BAZAAR))
    live(here)
    here.ship(order_id, at=BAZAAR)
    here.settle()
    here.sandbox.act(BAZAAR, "receive", order_id=order_id)
    return order_id


def line_id(here: Town, order_id: str, sku: str) -> str:
    lines = here.sandbox.act(BAZAAR, "get_order", order_id=order_id)["lines"]
    return next(str(line["id"]) for line in lines if line["sku"] == sku)


def sent_back(here: Town, order_id: str, **units: int) -> str:
    """A return that was asked for and accepted; `units` by the first word of their SKU."""
    skus = {"mugs": MUG, "lamps": LAMP}
    lines = [{"line_id": line_id(here, order_id, skus[name]), "quantity": count} for name, count in units.items()]
    found = here.sandbox.act(BAZAAR, "request_return", order_id=order_id, lines=lines)
    live(here)
    return str(found["return_id"])


def state(here: Town, return_id: str) -> str:
    return str(the_return(here, return_id)["state"])


def the_return(here: Town, return_id: str) -> dict[str, Any]:
    return next(one for one in here.sandbox.documents(BAZAAR, "returns") if one["id"] == return_id)


def taken(here: Town) -> dict[str, int]:
    """How often the marketplace took each step of returns."""
    return {step: len(writes(here, step)) for step in STEPS}


def in_the_back_office(here: Town, step: str, **what: Any) -> None:
    """People of the seller take a step themselves."""
    httpx.put(
        f"{here.sandbox.base_url}/{BAZAAR}/api/returns/{step}",
        json={"returns": [what]},
        headers={"authorization": "sandbox-mirakl-shop-key"},
    ).raise_for_status()


@pytest.mark.parametrize("store", [ShopifySide(), MagentoSide()], ids=["Shopify", "Magento"])
def test_goods_that_are_back_in_the_store_end_the_return(
    store: ShopifySide | MagentoSide, database_url: str, tmp_path: Path
) -> None:
    with mirakl_town(database_url, tmp_path, store=store) as here:
        order_id = arrived(here, MUG, quantity=2)
        return_id = sent_back(here, order_id, mugs=1)
        assert (state(here, return_id), taken(here)["RT25"]) == ("IN_PROGRESS", 0), "nobody has seen the goods"
        here.refund_in_store(order_id, MUG, at=BAZAAR)
        live(here)
        assert taken(here) == dict.fromkeys(STEPS, 1)
        assert state(here, return_id) == "CLOSED"
        assert the_return(here, return_id)["lines"][0]["compliance"] == [{"compliant": True}]
        assert len(writes(here, "OR28")) == 1, "the refund is the store's, and made once"
        told = here.events(order_id)
        assert (told["Return Requested"], told["Returned Order"], told["Refunded Order"]) == (1, 1, 1)
        assert here.work_items() == {}
        before = (here.sandbox.documents(BAZAAR, "actions"), here.event_list())
        live(here)
        assert (here.sandbox.documents(BAZAAR, "actions"), here.event_list()) == before


def test_goods_that_came_back_long_before_are_not_those_of_a_return(here: Town) -> None:
    order_id = arrived(here, MUG, quantity=2)
    here.refund_in_store(order_id, MUG, at=BAZAAR)
    live(here)
    here.sandbox.control("POST", "clock", {"advance_seconds": 2 * 86_400})
    return_id = sent_back(here, order_id, mugs=1)
    assert (state(here, return_id), taken(here)["RT25"]) == ("IN_PROGRESS", 0)
    here.refund_in_store(order_id, MUG, at=BAZAAR)
    live(here)
    assert (state(here, return_id), len(writes(here, "OR28"))) == ("CLOSED", 2)


def test_a_refund_without_goods_closes_nothing_and_a_person_says_what_came(here: Town) -> None:
    order_id = arrived(here, MUG)
    return_id = sent_back(here, order_id, mugs=1)
    lines = [{"sku": MUG, "quantity": 1}]
    shop_order = here.stored(order_id, BAZAAR).order_id
    here.sandbox.act(SHOP, "refund", order_id=shop_order, lines=lines, restock="NO_RESTOCK")
    live(here)
    assert (len(writes(here, "OR28")), state(here, return_id)) == (1, "IN_PROGRESS")
    fault = {line_id(here, order_id, MUG): "RETURN_NON_COMPLIANT_DAMAGED_PRODUCT"}
    (row,) = returns_by_hand.listing(here.context, 10)
    assert (row["return"], row["order"], row["state"]) == (return_id, order_id, "authorised")
    said = returns_by_hand.received(here.context, BAZAAR, return_id, fault, "in shards")
    assert said == f"{BAZAAR} is told that the goods of return {return_id} are back, 1 of its lines with a fault"
    live(here)
    assert the_return(here, return_id)["lines"][0]["compliance"] == [
        {
            "compliant": False,
            "non_compliance_reason_code": "RETURN_NON_COMPLIANT_DAMAGED_PRODUCT",
            "non_compliance_additional_info": "in shards",
        }
    ]
    assert (state(here, return_id), taken(here)) == ("CLOSED", dict.fromkeys(STEPS, 1))
    assert returns_by_hand.listing(here.context, 10) == []
    with pytest.raises(NotPossible, match="was said before"):
        returns_by_hand.received(here.context, BAZAAR, return_id, {})


def test_what_a_person_cannot_mean_is_said(here: Town) -> None:
    order_id = arrived(here, MUG)
    return_id = sent_back(here, order_id, mugs=1)
    for name, wanted, fault, words in (
        ("nobody", return_id, {}, "there is no marketplace 'nobody'"),
        (JL, return_id, {}, "finds out itself"),
        (BAZAAR, "r9", {}, "has stated no return r9"),
        (BAZAAR, return_id, {"X-1": "RETURN_NON_COMPLIANT_OTHER"}, "has no line X-1; it has "),
    ):
        with pytest.raises(NotPossible, match=words):
            returns_by_hand.received(here.context, name, wanted, fault)
    in_the_back_office(here, "cancel", id=return_id)
    here.read_marketplace("returns", BAZAAR)
    with pytest.raises(NotPossible, match="is cancelled: only an accepted one can be received"):
        returns_by_hand.received(here.context, BAZAAR, return_id, {})


def test_a_return_of_several_lines_waits_for_all_of_them_and_for_their_money(here: Town) -> None:
    order_id = arrived(here, MUG, LAMP, quantity=2)
    whole = sent_back(here, order_id, mugs=2, lamps=1)
    later = sent_back(here, order_id, lamps=1)
    here.refund_in_store(order_id, MUG, 2, at=BAZAAR)
    live(here)
    assert (state(here, whole), state(here, later)) == ("IN_PROGRESS", "IN_PROGRESS")
    # the money for the lamp does not come: it is refunded after the marketplace knows of the goods
    rule = {"kind": "status", "status": 503, "path": "/api/orders/refund"}
    here.sandbox.control("PUT", f"{BAZAAR}/faults", [rule])
    here.refund_in_store(order_id, LAMP, at=BAZAAR)
    here.read_store()
    returns_by_hand.received(here.context, BAZAAR, later, {})
    here.sync()
    here.sandbox.control("PUT", f"{BAZAAR}/faults", [])
    live(here)
    assert (state(here, whole), len(writes(here, "OR28"))) == ("CLOSED", 2)
    assert {line["compliance"][0]["compliant"] for line in the_return(here, whole)["lines"]} == {True}
    assert state(here, later) == "RECEIVED", "the one lamp that was refunded is the one that was asked for first"
    here.refund_in_store(order_id, LAMP, at=BAZAAR)
    live(here)
    assert (state(here, later), taken(here)) == ("CLOSED", {"RT21": 2, "RT25": 2, "RT26": 2, "RT27": 2})
    assert here.work_items() == {}


@pytest.mark.parametrize(
    ("given", "rest"),
    [
        ([{"amount": 100, "quantity": 1}], {"amount": 1300}),
        ([{"amount": 700, "quantity": 1}, {"amount": 699, "quantity": 1}], {"amount": 1}),
        ([{"amount": 0, "shipping_amount": 395, "quantity": 1}], {"amount": 1400}),
    ],
    ids=["goodwill", "all but a penny", "its delivery"],
)
def test_a_unit_is_paid_back_when_its_price_is_whatever_quantity_the_operator_names(
    here: Town, given: list[dict[str, int]], rest: dict[str, int]
) -> None:
    order_id = arrived(here, MUG)
    return_id = sent_back(here, order_id, mugs=1)
    here.sandbox.act(
        SHOP,
        "refund",
        order_id=here.stored(order_id, BAZAAR).order_id,
        lines=[{"sku": MUG, "quantity": 1}],
        with_money=False,
    )
    live(here)
    line = line_id(here, order_id, MUG)
    for one in given:
        here.sandbox.act(BAZAAR, "refund_by_operator", line_id=line, **one)
    live(here)
    assert (state(here, return_id), taken(here)["RT27"]) == ("RECEIVED", 0), "the buyer waits for the money"
    here.sandbox.act(BAZAAR, "refund_by_operator", line_id=line, quantity=0, **rest)
    live(here)
    assert (state(here, return_id), taken(here)["RT27"]) == ("CLOSED", 1)


def test_faults_on_a_fifth_of_all_calls_and_every_answer_lost_once_repeat_no_step(here: Town) -> None:
    order_id = arrived(here, MUG)
    return_id = sent_back(here, order_id, mugs=1)
    lost = zip(("receive", "compliance", "close"), ("lost_answer", "truncate", "error_after"), strict=True)
    once = [{"kind": kind, "method": "PUT", "path": f"/returns/{one}", "remaining": 1} for one, kind in lost]
    kinds = ("status", "cut", "lost_answer", "html")
    fifth = [{"kind": kind, "probability": 0.05, "path": "/api/returns"} for kind in kinds]
    here.sandbox.control("PUT", f"{BAZAAR}/faults", [*once, *fifth])
    here.refund_in_store(order_id, MUG, at=BAZAAR)
    for _ in range(6):
        here.settle()
        if state(here, return_id) == "CLOSED":
            break
    struck = here.sandbox.control("GET", "")["accounts"][BAZAAR]["faults"]["struck"]
    assert struck.keys() >= {"lost_answer", "truncate", "error_after"}, "each answer of a step was lost once"
    here.sandbox.control("PUT", f"{BAZAAR}/faults", [])
    live(here)
    assert (state(here, return_id), taken(here)) == ("CLOSED", dict.fromkeys(STEPS, 1))
    assert here.events(order_id)["Returned Order"] == 1
    assert here.work_items() == {}


def test_goods_that_were_judged_and_a_return_that_was_closed_between_two_reads_came_back(here: Town) -> None:
    order_id = arrived(here, MUG)
    return_id = sent_back(here, order_id, mugs=1)
    here.sandbox.act(BAZAAR, "refund_by_operator", line_id=line_id(here, order_id, MUG))
    here.sandbox.act(BAZAAR, "close_return_in_portal", return_id=return_id)
    live(here)
    told = here.events(order_id)
    assert (told["Return Requested"], told["Returned Order"], told["Refunded Order"]) == (1, 1, 1)
    assert here.work_items() == {}


def test_a_return_that_is_closed_without_its_goods_is_not_told_as_goods_that_came_back(here: Town) -> None:
    order_id = arrived(here, MUG)
    return_id = sent_back(here, order_id, mugs=1)
    in_the_back_office(here, "close", id=return_id)
    live(here)
    told = here.events(order_id)
    assert (state(here, return_id), told["Return Requested"], told["Returned Order"]) == ("CLOSED", 1, 0)


def test_a_step_that_is_refused_is_a_persons_and_is_over_once_it_was_taken_by_hand(here: Town) -> None:
    order_id = arrived(here, MUG)
    return_id = sent_back(here, order_id, mugs=1)
    here.sandbox.control("PUT", f"{BAZAAR}/faults", [{"kind": "status", "status": 400, "path": "/returns/receive"}])
    here.refund_in_store(order_id, MUG, at=BAZAAR)
    here.read_store()
    courier.drain(here.context, BAZAAR)
    with here.project.ledger.begin() as connection:
        (item,) = work_items.listing(connection, code="EFFECT_REFUSED")
    assert "refused to receive return" in item["message"]
    here.sandbox.control("PUT", f"{BAZAAR}/faults", [])
    in_the_back_office(here, "receive", id=return_id)
    live(here)
    assert here.work_items() == {}, "the marketplace knows that the goods are back"
    assert (state(here, return_id), taken(here)["RT26"]) == ("RECEIVED", 0), "who received it there judges it there"
    line = line_id(here, order_id, MUG)
    in_the_back_office(here, "compliance", id=return_id, return_lines=[{"order_line_id": line, "compliant": True}])
    live(here)
    assert (state(here, return_id), taken(here)) == ("CLOSED", dict.fromkeys(STEPS, 1))


def test_a_return_that_a_person_accepts_asks_nobody_any_more(database_url: str, tmp_path: Path) -> None:
    with mirakl_town(database_url, tmp_path, connections={BAZAAR: {"accept_returns": False}}) as here:
        order_id = arrived(here, MUG)
        here.refund_in_store(order_id, MUG, at=BAZAAR)
        return_id = sent_back(here, order_id, mugs=1)
        assert here.work_items() == {"EFFECT_REFUSED": 1}
        with pytest.raises(NotPossible, match="is requested: only an accepted one can be received"):
            returns_by_hand.received(here.context, BAZAAR, return_id, {})
        in_the_back_office(here, "accept", id=return_id, accepted=True)
        live(here)
        assert here.work_items() == {}
        assert (state(here, return_id), taken(here)) == ("CLOSED", dict.fromkeys(STEPS, 1)), "the goods were there"


def test_a_return_that_takes_too_long_is_shown_until_it_is_over(database_url: str, tmp_path: Path) -> None:
    route = {"store": None, "marketing": KLAVIYO, "returns_within": "0s"}
    with mirakl_town(database_url, tmp_path, routes={BAZAAR: route}, like={BAZAAR: {"multi_shipment": True}}) as here:
        order_id = str(here.place(MUG, at=BAZAAR))
        here.sandbox.act(BAZAAR, "accept_in_portal", order_id=order_id)
        lines = [{"line_id": line_id(here, order_id, MUG), "quantity": 1}]
        here.sandbox.act(BAZAAR, "ship_in_portal", order_id=order_id, lines=lines, number="A1")
        here.sandbox.act(BAZAAR, "receive", order_id=order_id)
        return_id = sent_back(here, order_id, mugs=1)
        assert "was accepted, and its goods were not seen back" in overdue(here)
        returns_by_hand.received(here.context, BAZAAR, return_id, {})
        live(here)
        assert "its goods are back, and no refund of their price is seen" in overdue(here)
        line = line_id(here, order_id, MUG)
        here.sandbox.act(BAZAAR, "refund_by_operator", line_id=line, amount=1400, quantity=1)
        live(here)
        assert here.work_items() == {}
        assert (state(here, return_id), taken(here)) == ("CLOSED", dict.fromkeys(STEPS, 1))
        assert here.events(order_id)["Returned Order"] == 1


def overdue(here: Town) -> str:
    with here.project.ledger.begin() as connection:
        (item,) = work_items.listing(connection, code="RETURN_OVERDUE")
    assert item["owner"] == "cx"
    return str(item["message"])
