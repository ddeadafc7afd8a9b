"""Versions, tokens, headers, malformed requests, and scalars that insist on their form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from marketplace_sync_tests.sandbox.shopify.app import CREATE, TOKEN, App

SHOP = "{ shop { name currencyCode taxesIncluded myshopifyDomain } }"


def test_the_shop_answers_with_the_version_asked_for_and_a_request_id(app: App) -> None:
    first, second = app.post({"query": SHOP}), app.post({"query": SHOP})
    assert first.headers["X-Shopify-API-Version"] == "2026-10"
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    assert first.json()["data"]["shop"]["taxesIncluded"] is True
    assert first.json()["data"]["shop"]["currencyCode"] == "GBP"


@pytest.mark.parametrize(
    ("asked", "served"),
    [("2026-07", "2026-07"), ("2024-01", "2025-10"), (None, "2025-10"), ("unstable", "unstable")],
)
def test_a_version_that_is_too_old_falls_forward_silently_to_the_oldest(
    app: App, asked: str | None, served: str
) -> None:
    answer = app.post({"query": SHOP}, version=asked)
    assert answer.status_code == 200
    assert answer.headers["X-Shopify-API-Version"] == served


@pytest.mark.parametrize("asked", ["2031-01", "latest"])
def test_a_version_that_never_was_is_not_found(app: App, asked: str) -> None:
    assert app.post({"query": SHOP}, version=asked).status_code == 404


def test_the_accessible_versions_can_be_asked_for(app: App) -> None:
    versions = {one["handle"]: one["supported"] for one in app.ask("{ publicApiVersions { handle supported } }")}
    assert versions["2026-10"] is True
    assert versions["2027-01"] is False


@pytest.mark.parametrize("token", ["", "shpat_wrong"])
def test_a_wrong_token_gets_401_with_errors_as_a_text(app: App, token: str) -> None:
    answer = app.post({"query": SHOP}, token=token)
    assert answer.status_code == 401
    assert isinstance(answer.json()["errors"], str)


def granted(app: App, **changes: str) -> Any:
    form = {
        "grant_type": "client_credentials",
        "client_id": "sandbox-client",
        "client_secret": "sandbox-shopify-secret",
    }
    return app.http.post(f"{app.base_url}/admin/oauth/access_token", data={**form, **changes})


def test_client_credentials_are_exchanged_for_a_token_that_expires(shop_with: Callable[..., App]) -> None:
    app = shop_with(token_seconds=3600)
    answer = granted(app).json()
    assert answer["expires_in"] == 3600
    assert "write_orders" in answer["scope"].split(",")
    assert app.post({"query": SHOP}, token=answer["access_token"]).status_code == 200
    app.advance(3599)
    assert app.post({"query": SHOP}, token=answer["access_token"]).status_code == 200
    app.advance(2)
    assert app.post({"query": SHOP}, token=answer["access_token"]).status_code == 401
    assert app.post({"query": SHOP}, token=TOKEN).status_code == 200


@pytest.mark.parametrize("changes", [{"client_secret": "wrong"}, {"client_id": "wrong"}, {"grant_type": "password"}])
def test_wrong_client_credentials_get_no_token(app: App, changes: dict[str, str]) -> None:
    answer = granted(app, **changes)
    assert answer.status_code == 400
    assert "access_token" not in answer.json()


def test_what_is_not_json_or_has_no_query_gets_400(app: App) -> None:
    assert app.post({"variables": {}}).status_code == 400
    assert app.post(["query"]).status_code == 400
    url = f"{app.base_url}/admin/api/2026-10/graphql.json"
    answer = app.http.post(url, content=b"{", headers={"X-Shopify-Access-Token": TOKEN})
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ("{ shop { nmae } }", "Cannot query field"),
        ("{ shop { name }", "Syntax Error"),
        ("query($i: ID!) { order(id: $i) { id } }", "was not provided"),
        ("query A { shop { name } } query B { shop { name } }", "operation name"),
    ],
)
def test_what_the_schema_does_not_allow_gets_200_with_errors_and_no_data(
    app: App, document: str, complaint: str
) -> None:
    answer = app.post({"query": document})
    assert answer.status_code == 200
    assert complaint in answer.json()["errors"][0]["message"]
    assert "data" not in answer.json()


def test_an_input_field_that_does_not_exist_is_refused(app: App) -> None:
    body = {"query": CREATE, "variables": {"order": {**app.order_input(), "colour": "red"}}}
    assert "colour" in app.post(body).json()["errors"][0]["message"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("processedAt", "yesterday"),
        ("processedAt", "2026-11-19T09:30:00"),
        ("sourceUrl", "not an address"),
        ("currency", "QUID"),
        ("lineItems", [{"quantity": 1, "priceSet": {"shopMoney": {"amount": "twelve", "currencyCode": "GBP"}}}]),
        ("lineItems", [{"quantity": "1"}]),
    ],
)
def test_scalars_insist_on_their_form(app: App, field: str, value: Any) -> None:
    answer = app.post({"query": CREATE, "variables": {"order": app.order_input(**{field: value})}}).json()
    assert "invalid value" in answer["errors"][0]["message"]


@pytest.mark.parametrize("wrong", ["1001", "gid://shopify/Product/1", "gid://shopify/Order/x"])
def test_an_id_of_another_form_or_kind_is_an_error_and_an_unknown_one_is_null(app: App, wrong: str) -> None:
    document = "query($id: ID!) { order(id: $id) { id } }"
    answer = app.send(document, {"id": wrong})
    assert answer["errors"][0]["extensions"]["code"] == "RESOURCE_NOT_FOUND"
    assert app.ask(document, id="gid://shopify/Order/1") is None


def test_a_missing_scope_is_access_denied_with_its_name(shop_with: Callable[..., App]) -> None:
    app = shop_with(scopes=["read_products"])
    answer = app.send("{ orders(first: 1) { nodes { id } } }")
    assert answer["data"] is None
    assert answer["errors"][0]["extensions"]["code"] == "ACCESS_DENIED"
    assert "read_orders" in answer["errors"][0]["message"]
    scopes = app.ask("{ currentAppInstallation { accessScopes { handle } } }")["accessScopes"]
    assert [one["handle"] for one in scopes] == ["read_products"]


def test_a_denied_field_leaves_the_rest_of_the_answer(shop_with: Callable[..., App]) -> None:
    app = shop_with(scopes=["write_orders", "read_products"])
    order = app.create()
    answer = app.send("query($id: ID!) { order(id: $id) { id customer { id } } }", {"id": order["id"]})
    assert answer["data"]["order"] == {"id": order["id"], "customer": None}
    assert answer["errors"][0]["extensions"]["code"] == "ACCESS_DENIED"


def test_more_than_250_of_anything_is_refused(app: App) -> None:
    line = app.line()
    many = app.error(CREATE, order=app.order_input(lineItems=[line] * 251))
    assert many["extensions"]["code"] == "MAX_INPUT_SIZE_EXCEEDED"
    assert "250" in app.error("{ productVariants(first: 251) { nodes { id } } }")["message"]


def test_a_deprecated_field_is_answered_with_a_header_that_says_so(app: App) -> None:
    old = app.post({"query": "{ inventoryItems(first: 1) { nodes { variant { id } } } }"})
    new = app.post({"query": "{ inventoryItems(first: 1) { nodes { variants(first: 1) { nodes { id } } } } }"})
    assert "X-Shopify-API-Deprecated-Reason" in old.headers
    assert "X-Shopify-API-Deprecated-Reason" not in new.headers
