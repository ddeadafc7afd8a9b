"""Who is let in, for how long, and how often."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from marketplace_sync.sandbox.serve import RunningSandbox
from marketplace_sync_tests.sandbox.john_lewis.seller import LOGIN, Seller

SellerWith = Callable[..., Seller]
CREDENTIALS = {"username": LOGIN[0], "password": LOGIN[1]}
CUSTOMERS = "/restapi/v4/customers/"


def tokens(seller: Seller) -> dict[str, str]:
    answer = httpx.post(f"{seller.address}/restapi/v4/token", json=CREDENTIALS)
    found: dict[str, str] = answer.raise_for_status().json()
    return found


def with_token(seller: Seller, token: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.get(f"{seller.address}{CUSTOMERS}", headers=headers)


def refreshed(seller: Seller, token: str) -> httpx.Response:
    return httpx.post(f"{seller.address}/restapi/v4/token/refresh", json={"refresh": token})


def test_an_access_token_opens_for_five_minutes_of_sandbox_time(seller: Seller) -> None:
    access = tokens(seller)["access"]
    assert with_token(seller, access).status_code == 200
    seller.sandbox.control("POST", "clock", {"advance_seconds": 290})
    assert with_token(seller, access).status_code == 200
    seller.sandbox.control("POST", "clock", {"advance_seconds": 11})
    answer = with_token(seller, access)
    assert (answer.status_code, answer.json()["code"]) == (401, "token_not_valid")


def test_a_refresh_token_gives_access_for_four_hours(seller: Seller) -> None:
    refresh = tokens(seller)["refresh"]
    seller.sandbox.control("POST", "clock", {"advance_seconds": 4 * 3600 - 10})
    answer = refreshed(seller, refresh)
    assert list(answer.json()) == ["access"]
    assert with_token(seller, answer.json()["access"]).status_code == 200
    seller.sandbox.control("POST", "clock", {"advance_seconds": 11})
    assert refreshed(seller, refresh).status_code == 401


def test_a_token_is_good_for_its_own_purpose_only(seller: Seller) -> None:
    found = tokens(seller)
    assert with_token(seller, found["refresh"]).status_code == 401
    assert refreshed(seller, found["access"]).status_code == 401


@pytest.mark.parametrize("token", ["abc", "a.b.c", "e30.e30."])
def test_a_forged_token_is_refused(seller: Seller, token: str) -> None:
    assert with_token(seller, token).status_code == 401


def test_tokens_live_through_a_restart(tmp_path: Any) -> None:
    settings: dict[str, Any] = {"accounts": {"john_lewis": "john_lewis"}, "state_file": tmp_path / "world.sqlite"}
    with RunningSandbox(**settings) as before:
        access = tokens(Seller(before))["access"]
    with RunningSandbox(**settings) as after:
        assert with_token(Seller(after), access).status_code == 200


@pytest.mark.parametrize("body", [{}, {"username": LOGIN[0]}, {"username": "", "password": ""}])
def test_a_token_call_without_credentials_names_what_is_missing(seller: Seller, body: dict[str, str]) -> None:
    answer = httpx.post(f"{seller.address}/restapi/v4/token", json=body)
    assert answer.status_code == 400
    assert "password" in answer.json()


def test_wrong_credentials_are_unauthorised(seller: Seller) -> None:
    answer = httpx.post(f"{seller.address}/restapi/v4/token", json={**CREDENTIALS, "password": "no"})
    assert (answer.status_code, "detail" in answer.json()) == (401, True)
    assert seller.http.get(CUSTOMERS, auth=("sandbox-seller", "no")).status_code == 401


def test_a_call_without_login_is_unauthorised(seller: Seller) -> None:
    answer = httpx.get(f"{seller.address}{CUSTOMERS}")
    assert (answer.status_code, "detail" in answer.json()) == (401, True)


def test_basic_is_accepted_until_it_is_switched_off(seller: Seller) -> None:
    assert seller.http.get(CUSTOMERS).status_code == 200
    seller.act("configure", basic_allowed=False)
    assert seller.http.get(CUSTOMERS).status_code == 401
    assert with_token(seller, tokens(seller)["access"]).status_code == 200


def test_credentials_are_settings(seller_with: SellerWith) -> None:
    seller = seller_with(username="me", password="mine")
    assert seller.http.get(CUSTOMERS, auth=("me", "mine")).status_code == 200
    assert seller.http.get(CUSTOMERS, auth=LOGIN).status_code == 401


@pytest.mark.parametrize("path", ["/restapi/v4/token", "/restapi/v4/token/refresh"])
def test_the_token_calls_have_no_trailing_slash(seller: Seller, path: str) -> None:
    assert seller.http.post(path, json={}).status_code == 400
    assert seller.http.post(f"{path}/", json={}).status_code == 404
    assert seller.http.get(path).status_code == 405


def test_250_calls_a_minute_are_let_through_and_the_next_is_throttled(seller_with: SellerWith) -> None:
    seller = seller_with(limit=250)
    _start_of_a_minute(seller)
    answers = [seller.http.get(CUSTOMERS).status_code for _ in range(251)]
    assert answers == [200] * 250 + [429]


def test_the_limit_starts_afresh_with_the_minute(seller_with: SellerWith) -> None:
    seller = seller_with(limit=2)
    _start_of_a_minute(seller)
    assert [seller.http.get(CUSTOMERS).status_code for _ in range(3)] == [200, 200, 429]
    seller.sandbox.control("POST", "clock", {"advance_seconds": 60})
    assert [seller.http.get(CUSTOMERS).status_code for _ in range(3)] == [200, 200, 429]


def test_a_throttled_answer_says_the_seconds_in_words_and_in_no_header(seller_with: SellerWith) -> None:
    seller = seller_with(limit=0)
    answer = seller.http.get(CUSTOMERS)
    assert answer.status_code == 429
    assert "Expected available in" in answer.json()["detail"]
    assert "retry-after" not in answer.headers


def test_retry_after_can_be_switched_on(seller_with: SellerWith) -> None:
    seller = seller_with(limit=0, send_retry_after=True)
    assert 1 <= int(seller.http.get(CUSTOMERS).headers["retry-after"]) <= 61


def test_a_throttled_write_does_nothing(seller: Seller) -> None:
    order_id = seller.placed()
    items = seller.items(order_id)
    seller.act("configure", limit=0)
    assert seller.do("acknowledge", order_id, items).status_code == 429
    assert seller.actions() == []


def test_the_limit_counts_per_login(seller_with: SellerWith) -> None:
    seller = seller_with(limit=1)
    _start_of_a_minute(seller)
    retailer = ("sandbox-john-lewis-buying", "sandbox-partner")
    answers = [seller.http.get(CUSTOMERS, auth=login).status_code for login in (LOGIN, retailer, LOGIN)]
    assert answers == [200, 200, 429]


def test_calls_with_wrong_credentials_do_not_use_up_the_limit(seller_with: SellerWith) -> None:
    seller = seller_with(limit=1)
    _start_of_a_minute(seller)
    assert seller.http.get(CUSTOMERS, auth=("sandbox-seller", "no")).status_code == 401
    assert seller.http.get(CUSTOMERS).status_code == 200


def test_a_release_answers_500_in_html_for_its_minutes(seller: Seller) -> None:
    seller.act("go_down", seconds=600)
    answer = seller.http.get(CUSTOMERS)
    assert (answer.status_code, answer.headers["content-type"]) == (500, "text/html; charset=utf-8")
    assert "<html" in answer.text
    assert seller.http.post("/restapi/v4/token", json=CREDENTIALS).status_code == 500
    seller.sandbox.control("POST", "clock", {"advance_seconds": 601})
    assert seller.http.get(CUSTOMERS).status_code == 200


def test_an_unknown_setting_is_named_with_those_that_exist(seller: Seller) -> None:
    with pytest.raises(ValueError, match=r"no setting limits; John Lewis has: .*limit"):
        seller.act("configure", limits=3)


def _start_of_a_minute(seller: Seller) -> None:
    """So that a window does not end in the middle of the test."""
    now = seller.sandbox.sandbox.clock.timestamp()
    seller.sandbox.control("POST", "clock", {"advance_seconds": 60 - now % 60 + 0.5})
