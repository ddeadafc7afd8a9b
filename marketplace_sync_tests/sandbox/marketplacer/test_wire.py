"""Keys, scopes, limits, pages and refusals: the wire of the sheet's sections 1 and 2, as its section 12 asks."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from marketplace_sync_tests.sandbox.marketplacer.client import OPERATOR, SELLER, Client

ME = "{ apiKeyPrincipal { name seller { businessName } } }"
ORDERS = """query($since: ISO8601DateTime!, $first: Int, $after: String, $last: Int) {
  updatedOrders(updatedSince: $since, first: $first, after: $after, last: $last) {
    totalCount pageInfo { hasNextPage endCursor } nodes { id legacyId } } }"""
LONG_AGO = "2020-01-01T00:00:00Z"

Start = Callable[..., Client]


def test_the_key_is_taken_from_either_header_and_from_both_it_is_refused(market: Client) -> None:
    own, bearer = {"marketplacer-api-key": OPERATOR}, {"Authorization": f"Bearer {OPERATOR}"}
    assert [market.post(ME, headers=h).status_code for h in (own, bearer, {**own, **bearer})] == [200, 200, 401]


@pytest.mark.parametrize("headers", [{}, {"marketplacer-api-key": "wrong"}])
def test_a_missing_and_a_wrong_key_are_both_called_expired(market: Client, headers: dict[str, str]) -> None:
    answer = market.post(ME, headers=headers)
    assert (answer.status_code, answer.json()["errors"][0]["message"]) == (401, "API Token has expired")


def test_an_instance_behind_basic_refuses_whoever_has_only_the_key(market_with: Start) -> None:
    market = market_with(basic_username="gate", basic_password="open")
    key = {"marketplacer-api-key": OPERATOR}
    assert market.post(ME, headers=key).json()["errors"][0]["message"] == "Unauthorized"
    basic = base64.b64encode(b"gate:open").decode()
    assert market.post(ME, headers={**key, "Authorization": f"Basic {basic}"}).status_code == 200


def test_a_sellers_key_sees_its_invoices_and_is_refused_orders(market: Client) -> None:
    order = market.order("MUG-RED", "LAMP-BRASS")
    assert market.ask(ME, key=SELLER)["seller"] == {"businessName": "Hearth & Field"}
    seen = market.ask("{ invoices(first: 5) { nodes { id } } }", key=SELLER)["nodes"]
    assert seen == [{"id": order["invoices"][0]["id"]}]
    for document in (f'{{ order(orderId: "{order["id"]}") {{ id }} }}', f'{{ node(id: "{order["id"]}") {{ id }} }}'):
        assert "permission" in market.send(document, key=SELLER)["errors"][0]["message"]
    assert "permission" in market.send(ORDERS, {"since": LONG_AGO}, key=SELLER)["errors"][0]["message"]


def test_a_key_without_the_scope_is_told_so_and_a_higher_level_includes_the_lower(market_with: Start) -> None:
    market = market_with(scopes=["orders:manage"])
    assert market.ask(ORDERS, since=LONG_AGO)["totalCount"] == 0
    errors = market.send("{ brands(first: 1) { nodes { name } } }")["errors"]
    assert errors[0]["extensions"]["code"] == "MISSING_SCOPE"


@pytest.mark.parametrize("limit", ["per_address", "per_key", "per_operator"])
def test_each_of_three_limits_slows_a_caller_down_for_ten_seconds(market_with: Start, limit: str) -> None:
    market = market_with(**{limit: 2}, throttle_status=503, retry_after=7)
    assert [market.post(ME).status_code for _ in range(3)] == [200, 200, 503]
    assert market.post(ME).headers["retry-after"] == "7"
    market.advance(11)
    assert market.post(ME).status_code == 200


def test_a_refusal_for_speed_may_come_as_429_without_saying_for_how_long(market_with: Start) -> None:
    answer = market_with(per_key=0).post(ME)
    assert answer.status_code == 429
    assert "retry-after" not in answer.headers


def test_an_unknown_field_is_answered_200_with_the_vendors_code(market: Client) -> None:
    error = market.send('{ order(orderId: "x") { acceptsMarketing } }')["errors"][0]
    assert error["extensions"] == {"code": "undefinedField", "typeName": "Order", "fieldName": "acceptsMarketing"}


def test_a_bad_variable_is_answered_200_and_named(market: Client) -> None:
    assert "$since" in market.send(ORDERS, {"since": "yesterday"})["errors"][0]["message"]


def test_what_does_not_exist_is_named_with_its_argument(market: Client) -> None:
    error = market.send('{ order(orderId: "T3JkZXItMQ==") { id } }')["errors"][0]
    assert error["message"] == "No object found for `orderId`: `T3JkZXItMQ==`"


def test_a_query_that_is_too_deep_is_refused(market_with: Start) -> None:
    market = market_with(deepest_query=3)
    assert "max depth" in market.send("{ brands { nodes { externalIds { owner { id } } } } }")["errors"][0]["message"]


def test_pages_are_fifty_by_default_capped_and_only_go_forward(market_with: Start) -> None:
    market = market_with(default_page=2, largest_page=3)
    placed = [market.order()["order_id"] for _ in range(4)]
    first = market.ask(ORDERS, since=LONG_AGO, last=1)
    assert [o["legacyId"] for o in first["nodes"]] == placed[:2]
    assert len(market.ask(ORDERS, since=LONG_AGO, first=100)["nodes"]) == 3
    rest = market.ask(ORDERS, since=LONG_AGO, first=3, after=first["pageInfo"]["endCursor"])
    assert [o["legacyId"] for o in rest["nodes"]] == placed[2:]
    assert rest["pageInfo"]["hasNextPage"] is False


def test_a_change_during_a_walk_shifts_rows_so_that_one_is_missed(market: Client) -> None:
    placed = [market.order(ordered_at=f"2026-11-0{day}T10:00:00Z") for day in (1, 2, 3)]
    first = market.ask(ORDERS, since=LONG_AGO, first=1)
    market.act("edit_order", order_id=placed[0]["order_id"], changes={"surname": "Moved"})
    second = market.ask(ORDERS, since=LONG_AGO, first=2, after=first["pageInfo"]["endCursor"])
    assert placed[1]["id"] not in [o["id"] for o in [*first["nodes"], *second["nodes"]]]


def test_amounts_can_be_gone_and_only_their_formatted_twins_left(market_with: Start) -> None:
    market = market_with(cents_removed=True)
    order = market.order()
    document = f'{{ order(orderId: "{order["id"]}") {{ totalFormatted }} }}'
    assert market.ask(document) == {"totalFormatted": "£28.00"}
    error = market.send(document.replace("Formatted", "Cents"))["errors"][0]
    assert error["extensions"]["code"] == "undefinedField"


def test_a_failing_branch_leaves_the_rest_of_the_answer(market_with: Start) -> None:
    market = market_with(failing_fields=["LineItem.variant"])
    order = market.order()
    line = "lineItems(first: 1) { nodes { variantSku variant { sku } } }"
    answer = market.send(f'{{ order(orderId: "{order["id"]}") {{ {line} }} }}')
    assert answer["data"]["order"]["lineItems"]["nodes"] == [{"variantSku": "MUG-RED", "variant": None}]
    assert answer["errors"][0]["path"][-1] == "variant"


def test_two_instances_differ_in_code_and_currency_and_share_a_shopper(market_with: Start) -> None:
    site = "{ siteConfig { verticalCode country { currencyCode } } }"
    here, there = market_with(), market_with(vertical_code="aussie", currency="AUD", utc_offset_hours=10)
    assert here.ask(site) == {"verticalCode": "homeware", "country": {"currencyCode": "GBP"}}
    assert there.ask(site) == {"verticalCode": "aussie", "country": {"currencyCode": "AUD"}}
    assert here.order(email="a@example.com")["email"] == there.order(email="a@example.com")["email"]
    document = "query($since: ISO8601DateTime!) { updatedOrders(updatedSince: $since) { nodes { createdAt } } }"
    assert there.ask(document, since=LONG_AGO)["nodes"][0]["createdAt"].endswith("+10:00")


@pytest.mark.parametrize("status", ["AVAILABLE", "UNAVAILABLE", "CONNECTED", "ERROR"])
def test_the_native_klaviyo_integration_can_be_in_each_state(market_with: Start, status: str) -> None:
    market = market_with(klaviyo_status=status, klaviyo_tracks=True)
    found = market.ask("{ klaviyoSettings { status ecommerceTrackingEnabled edmEnabled } }")
    assert found == {"status": status, "ecommerceTrackingEnabled": True, "edmEnabled": False}
