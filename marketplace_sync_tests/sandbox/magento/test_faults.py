"""Simulator rule 8: maintenance in HTML, failures after the fact, good tokens refused, other languages, too many."""

from __future__ import annotations

from collections.abc import Callable

from marketplace_sync_tests.sandbox.magento.caller import MUG, Caller, where


def test_a_shop_in_maintenance_answers_a_page_for_people(caller: Caller) -> None:
    caller.act("trouble", kind="maintenance", times=2)
    for _ in range(2):
        answer = caller.send("GET", "modules")
        assert (answer.status_code, answer.headers["content-type"]) == (503, "text/html; charset=utf-8")
        assert "<html>" in answer.text
    assert caller.send("GET", "modules").status_code == 200


def test_an_order_may_be_saved_and_answered_with_an_internal_error(caller: Caller) -> None:
    caller.act("trouble", kind="masked", path="/orders")
    failed = caller.refused("POST", "orders", {"entity": caller.entity(number="JL-5")})
    assert failed["status"] == 500
    assert failed["message"] == "Internal Error. Details are available in Magento log file. Report ID: %1"
    assert failed["parameters"][0].startswith("webapi-")
    (found,) = caller.get("orders", where(("increment_id", "JL-5")))["items"]
    assert found["ext_order_id"] == "JL-5"
    again = caller.refused("POST", "orders", {"entity": caller.entity(number="JL-5")})
    assert again["status"] == 400


def test_good_tokens_are_refused_for_a_while(caller: Caller) -> None:
    caller.act("trouble", kind="unauthorised", times=None)
    for _ in range(3):
        assert caller.refused("GET", "modules")["status"] == 401
    caller.act("trouble", kind="unauthorised", times=0)
    assert caller.send("GET", "modules").status_code == 200


def test_messages_come_in_the_store_s_language_with_the_same_parameters(shop_with: Callable[..., Caller]) -> None:
    caller = shop_with(locale="de_DE")
    refused = caller.refused("GET", "orders")
    assert refused["message"] == '"%fieldName" ist erforderlich. Eingeben und erneut versuchen.'
    assert refused["parameters"] == {"fieldName": "searchCriteria"}


def test_a_shop_in_developer_mode_says_where_it_failed(shop_with: Callable[..., Caller]) -> None:
    assert shop_with(developer_mode=True).refused("GET", "orders/77")["trace"].startswith("#0")
    assert "trace" not in shop_with().refused("GET", "orders/77")


def test_placing_orders_may_be_limited_and_nothing_else_is(shop_with: Callable[..., Caller]) -> None:
    caller = shop_with(orders_per_minute=2)
    for number in ("JL-1", "JL-2"):
        caller.ordered(number=number)
    refused = caller.refused("POST", "orders", {"entity": caller.entity(number="JL-3")})
    assert refused == {"status": 429, "message": "Too Many Requests"}
    assert caller.send("GET", "modules").status_code == 200
    caller.later(61)
    caller.ordered(number="JL-3")


def test_what_stands_before_a_shop_may_refuse_what_is_too_much_with_a_page(shop_with: Callable[..., Caller]) -> None:
    caller = shop_with(requests_per_minute=2)
    assert [caller.send("GET", "modules").status_code for _ in range(3)] == [200, 200, 429]
    assert "Too Many Requests" in caller.send("GET", "modules").text
    caller.later(61)
    assert caller.send("GET", "modules").status_code == 200


def test_the_wire_fails_here_as_at_every_vendor(caller: Caller) -> None:
    caller.sandbox.control("PUT", "magento/faults", [{"kind": "error_after", "path": "/orders", "remaining": 1}])
    assert caller.send("POST", "orders", {"entity": caller.entity((MUG, 1), number="JL-8")}).status_code == 500
    assert caller.act("order_by_source", source_identifier="JL-8") is not None
