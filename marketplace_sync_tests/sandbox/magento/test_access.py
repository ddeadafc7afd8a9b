"""Simulator rule 1: real addresses, real signatures, bearer tokens only where the merchant lets them be, and access
control by token."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx

from marketplace_sync_tests.sandbox.magento.caller import KEYS, MUG, Caller, where

STOCKS = "inventory/stocks"
ONE = {
    "consumer_key": "k2", "consumer_secret": "s2", "access_token": "t2", "access_token_secret": "x2",
    "resources": ["Magento_InventoryApi::stock"],
}  # fmt: skip
OTHER_KEYS = {
    "client_key": "k2",
    "client_secret": "s2",
    "resource_owner_key": "t2",
    "resource_owner_secret": "x2",
}


def test_a_call_signed_with_another_secret_or_another_method_is_refused_and_says_why(caller: Caller) -> None:
    assert caller.send("GET", STOCKS, query=where()).status_code == 200
    for wrong, status, message in (
        ({"client_secret": "guess"}, 401, "signature_invalid"),
        ({"resource_owner_secret": "guess"}, 401, "signature_invalid"),
        ({"resource_owner_key": "guess"}, 401, "token_rejected"),
        ({"client_key": "guess"}, 401, "consumer_key_rejected"),
        ({"signature_method": "HMAC-SHA1"}, 400, "signature_method_rejected"),
        ({"timestamp": str(int(time.time()) + 3600)}, 400, "timestamp_refused"),
    ):
        refused = caller.refused("GET", STOCKS, query=where(), **wrong)
        assert (refused["status"], refused["message"]) == (status, message), wrong


def test_a_signature_covers_the_query_and_is_good_for_one_call_only(caller: Caller) -> None:
    signed = {"nonce": "same", "timestamp": str(int(time.time()))}
    assert caller.send("GET", STOCKS, query=where(), **signed).status_code == 200
    assert caller.refused("GET", STOCKS, query=where(), **signed)["message"] == "nonce_used"
    signed_once = caller.send("GET", STOCKS, query=where(pageSize=1)).request.headers["authorization"]
    other = f"{caller.base_url}/rest/default/V1/{STOCKS}?searchCriteria="
    answer = caller.http.get(other, headers={"Authorization": signed_once})
    assert answer.json() == {"message": "signature_invalid"}


def test_a_header_without_a_nonce_is_told_what_is_absent(caller: Caller) -> None:
    given = ", ".join(f'oauth_{name}="x"' for name in ("consumer_key", "token", "signature", "timestamp"))
    answer = httpx.get(f"{caller.base_url}/rest/V1/modules", headers={"Authorization": f"OAuth {given}"})
    assert answer.status_code == 400
    assert answer.json()["parameters"] == ["oauth_signature_method, oauth_nonce"]


def test_the_access_token_alone_opens_nothing_unless_the_merchant_said_so(shop_with: Callable[..., Caller]) -> None:
    for allowed, status in ((False, 401), (True, 200)):
        caller = shop_with(integration_as_bearer=allowed)
        bearer = {"Authorization": f"Bearer {KEYS['resource_owner_key']}"}
        answer = caller.http.get(f"{caller.base_url}/rest/V1/orders?searchCriteria", headers=bearer)
        assert answer.status_code == status
    stranger = httpx.get(f"{caller.base_url}/rest/V1/orders?searchCriteria=")
    assert stranger.json()["parameters"] == {"resources": "Magento_Sales::actions_view"}


def test_an_administrator_needs_a_code_and_the_token_ends_after_four_hours(caller: Caller) -> None:
    person = {"username": "admin", "password": "sandbox-magento-admin-1"}
    assert caller.refused("POST", "integration/admin/token", person)["status"] == 400
    assert caller.refused("POST", "integration/admin/token", {**person, "password": "x"})["status"] == 401
    token = caller.post("tfa/provider/google/authenticate", {**person, "otp": "123456"})
    headers = {"Authorization": f"Bearer {token}"}
    address = f"{caller.base_url}/rest/all/V1/modules"
    assert caller.http.get(address, headers=headers).status_code == 200
    caller.later(4 * 3600 + 1)
    assert caller.http.get(address, headers=headers).status_code == 401


def test_each_token_may_do_what_its_integration_was_given(shop_with: Callable[..., Caller]) -> None:
    caller = shop_with(more_integrations=[ONE])
    assert caller.send("GET", STOCKS, query=where(), **OTHER_KEYS).status_code == 200
    refused = caller.refused("GET", "orders", query=where(), **OTHER_KEYS)
    assert refused["message"] == "The consumer isn't authorized to access %resources."
    assert refused["parameters"] == {"resources": "Magento_Sales::actions_view"}
    caller.act("deactivate_integration")
    assert caller.refused("GET", "modules")["message"] == "token_rejected"
    caller.act("activate_integration")
    assert caller.send("GET", "modules").status_code == 200


def test_addresses_have_a_store_code_or_none_and_an_unknown_one_is_no_route(caller: Caller) -> None:
    for address in ("/rest/V1/modules", "/rest/all/V1/modules", "/rest/outlet/V1/modules"):
        assert caller.send("GET", address).status_code == 200
    for address in ("/rest/nowhere/V1/modules", "/rest/V1/returns", "/V1/modules", "/rest/V2/modules"):
        assert caller.refused("GET", address) == {"status": 404, "message": "Request does not match any route."}


def test_a_sku_in_the_path_meets_the_web_server_and_the_signature(shop_with: Callable[..., Caller]) -> None:
    caller = shop_with()
    for sku in ("TEA / 1", "CAFÉ 1"):
        caller.act("add_product", sku=sku, title=sku, price=500)
    slashed = caller.send("GET", "products/TEA%20%2F%201")
    assert slashed.status_code == 404
    assert slashed.headers["content-type"].startswith("text/html")
    assert caller.refused("GET", "products/CAF%C3%89%201")["message"] == "signature_invalid"
    found = caller.get("products", where(("sku", "in", "TEA / 1,CAFÉ 1")))
    assert {one["sku"] for one in found["items"]} == {"TEA / 1", "CAFÉ 1"}
    lenient = shop_with(encoded_slashes=True, encoded_path_breaks_signature=False)
    lenient.act("add_product", sku="TEA / 1", title="Tea", price=500)
    assert lenient.get("products/TEA%20%2F%201")["sku"] == "TEA / 1"
    assert lenient.get(f"products/{MUG.lower()}")["sku"] == MUG
