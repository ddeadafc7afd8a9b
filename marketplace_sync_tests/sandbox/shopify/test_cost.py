"""What calls cost, and what happens to those who cannot pay."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from marketplace_sync_tests.sandbox.shopify.app import CREATE, App


def cost(answer: dict) -> dict:  # type: ignore[type-arg]
    return answer["extensions"]["cost"]  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("document", "points"),
    [
        ("{ products(first: 10) { edges { node { id title } } } }", 12),
        ("{ products(first: 10) { nodes { id title } pageInfo { hasNextPage } } }", 12),
        ("{ shop { name } }", 1),
        ("{ products(first: 10) { nodes { variants(first: 5) { nodes { id } } } } }", 82),
        ("query($n: Int = 20) { products(first: $n) { nodes { id } } }", 22),
        (
            'query { node(id: "gid://shopify/Order/1") { id ... on Order { customer { id } shippingAddress { id } } '
            "... on Product { options { id } } } }",
            3,
        ),
    ],
)
def test_a_query_costs_its_objects_and_the_asked_size_of_its_connections(app: App, document: str, points: int) -> None:
    assert cost(app.send(document))["requestedQueryCost"] == points


def test_a_mutation_costs_ten_and_its_connections(app: App) -> None:
    found = cost(app.send(CREATE, {"order": app.order_input()}))
    assert found["requestedQueryCost"] == 10 + 2 + 10
    assert found["actualQueryCost"] == 10 + 2 + 1


def test_what_was_asked_for_and_not_used_is_given_back(shop_with: Callable[..., App]) -> None:
    app = shop_with(restore_rate=0.0001, bucket=1000)
    found = cost(app.send('{ orders(first: 250, query: "name:none") { nodes { id } } }'))
    assert found["requestedQueryCost"] == 252
    assert found["actualQueryCost"] == 2
    assert found["throttleStatus"] == {
        "maximumAvailable": 1000.0,
        "currentlyAvailable": 998,
        "restoreRate": 0.0001,
    }


def test_an_empty_bucket_throttles_with_200_and_runs_nothing_until_it_has_filled(
    shop_with: Callable[..., App],
) -> None:
    app = shop_with(restore_rate=1, bucket=100)
    order = app.order_input()
    app.advance(100)
    for _ in range(20):
        answer = app.send(CREATE, {"order": order})
        if "errors" in answer:
            break
    assert "data" not in answer
    assert answer["errors"][0]["message"] == "Throttled"
    assert answer["errors"][0]["extensions"]["code"] == "THROTTLED"
    found = cost(answer)
    assert found["actualQueryCost"] is None
    made = len(app.sandbox.documents("shop", "orders"))
    missing = found["requestedQueryCost"] - found["throttleStatus"]["currentlyAvailable"]
    app.advance(missing / found["throttleStatus"]["restoreRate"])
    assert "data" in app.send(CREATE, {"order": order})
    assert len(app.sandbox.documents("shop", "orders")) == made + 1


def test_the_bucket_belongs_to_the_app_whatever_token_it_comes_with(shop_with: Callable[..., App]) -> None:
    app = shop_with(restore_rate=0.0001, bucket=1000)
    form = {
        "grant_type": "client_credentials",
        "client_id": "sandbox-client",
        "client_secret": "sandbox-shopify-secret",
    }
    tokens = [app.http.post(f"{app.base_url}/admin/oauth/access_token", data=form).json() for _ in range(2)]
    document = "{ shop { name } }"
    levels = [
        cost(app.send(document, token=token["access_token"]))["throttleStatus"]["currentlyAvailable"]
        for token in tokens
    ]
    assert levels == [999, 998]
    assert cost(app.send(document))["throttleStatus"]["currentlyAvailable"] == 999


def test_a_call_that_is_too_dear_is_refused_whole(shop_with: Callable[..., App]) -> None:
    app = shop_with(restore_rate=100)
    answer = app.send("{ orders(first: 100) { nodes { lineItems(first: 100) { nodes { id } } } } }")
    assert "data" not in answer
    error = answer["errors"][0]["extensions"]
    assert (error["code"], error["cost"], error["maxCost"]) == ("MAX_COST_EXCEEDED", 10302, 1000)


def test_the_bucket_is_twenty_seconds_of_the_plans_rate_unless_said_otherwise(shop_with: Callable[..., App]) -> None:
    app = shop_with(restore_rate=1000)
    assert cost(app.send("{ shop { name } }"))["throttleStatus"]["maximumAvailable"] == 20000.0
