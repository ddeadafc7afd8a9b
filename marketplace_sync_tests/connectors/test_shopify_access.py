"""The way into a shop: tokens that are granted, renewed and refused, and the settings that lead there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from marketplace_sync.connectors import shopify
from marketplace_sync.connectors.ports import Store, WebhookSource
from marketplace_sync.connectors.shopify import ShopifySettings
from marketplace_sync.connectors.shopify.checks import NEEDED_SCOPES
from marketplace_sync.domain.effects import Delivered, Postponed
from marketplace_sync.domain.errors import CredentialsRefused
from marketplace_sync.settings import Secret
from marketplace_sync_tests.connectors.shopify_shop import Shop, create_order, shop

ALL_SCOPES = ("read_all_orders", *NEEDED_SCOPES)
FIXED: dict[str, Any] = {"client_id": None, "client_secret": None, "access_token": Secret(default="shpat_sandbox")}


def tokens(opened: Shop) -> int:
    return sum(one.path.endswith("/access_token") for one in opened.exchanges)


def test_one_token_serves_many_calls() -> None:
    with shop() as opened:
        opened.changed()
        opened.changed()
        assert tokens(opened) == 1


def test_a_token_that_ended_is_renewed_once_and_nobody_notices() -> None:
    with shop() as opened:
        opened.changed()
        opened.sandbox.control("POST", "clock", {"advance_seconds": 90_000})
        assert isinstance(opened.deliver(create_order()), Delivered)
        assert tokens(opened) == 2


def test_a_token_is_renewed_before_it_ends() -> None:
    with shop({"token_seconds": 1}) as opened:
        opened.changed()
        opened.sandbox.control("POST", "clock", {"advance_seconds": 1})
        opened.changed()
        assert not any(one.status == 401 for one in opened.exchanges if one.path.endswith("/access_token"))
        assert tokens(opened) == 2


def test_a_fixed_token_opens_the_shop_too() -> None:
    with shop(**FIXED) as opened:
        assert isinstance(opened.deliver(create_order()), Delivered)
        assert tokens(opened) == 0


@pytest.mark.parametrize(
    "wrong",
    [{**FIXED, "access_token": Secret(default="shpat_wrong")}, {"client_secret": Secret(default="wrong-secret")}],
)
def test_wrong_keys_make_orders_wait_without_using_up_their_tries(wrong: dict[str, Any]) -> None:
    with shop(**wrong) as opened:
        outcome = opened.deliver(create_order())
        assert isinstance(outcome, Postponed)
        assert not outcome.counts_as_attempt
        (finding,) = opened.store.check()
        assert not finding.works
        assert finding.fix
        assert "wrong" not in outcome.reason + finding.detail


def test_a_secret_that_is_not_there_is_named() -> None:
    with shop() as opened:
        there = Shop(opened.sandbox)
        missing = ShopifySettings(
            platform="shopify",
            base_url=there.settings.base_url,
            client_id=Secret(env="NO_SUCH_CLIENT"),
            client_secret=Secret(file=Path("/nowhere/secret")),
        )
        access = shopify.authentication(missing)
        with pytest.raises(CredentialsRefused, match="NO_SUCH_CLIENT"):
            access.headers(there.store._orders._graphql._wire, refused=False)


def test_a_check_of_a_good_connection_finds_nothing_to_do() -> None:
    with shop() as opened:
        opened.store.subscribe("http://127.0.0.1:9/webhooks")
        findings = opened.store.check()
        assert all(finding.works for finding in findings)
        assert {finding.subject for finding in findings} == {
            "shop",
            "permissions",
            "order history",
            "locations",
            "order key",
            "webhooks",
        }


@pytest.mark.parametrize(
    ("said", "granted", "works", "words"),
    [
        (False, False, True, "older than 60 days cannot be seen"),
        (True, False, False, "older than 60 days cannot be seen"),
        (False, True, True, "reads_all_orders is not set"),
        (True, True, True, "every order can be seen"),
    ],
)
def test_the_window_of_sixty_days_is_named_wherever_somebody_looks(
    said: bool, granted: bool, works: bool, words: str
) -> None:
    scopes = [scope for scope in ALL_SCOPES if granted or scope != "read_all_orders"]
    with shop({"scopes": scopes}, reads_all_orders=said) as opened:
        assert opened.store.capabilities.order_history_days == (None if said else 60)
        opened.store.subscribe("http://127.0.0.1:9/webhooks")
        finding = next(one for one in opened.store.check() if one.subject == "order history")
        assert (finding.works, bool(finding.fix)) == (works, not works)
        assert words in finding.detail


def test_a_check_names_locations_and_subscriptions_that_are_gone() -> None:
    with shop(return_location="4711") as opened:
        opened.store.subscribe("http://127.0.0.1:9/webhooks")
        some = opened.stored("webhook_subscriptions")[0]
        opened.store._subscriptions._delete(opened.store._subscriptions.existing()[0])
        findings = {finding.subject: finding for finding in opened.store.check()}
        assert "4711" in findings["locations"].detail
        assert not findings["locations"].works
        assert some["topic"] in findings["webhooks"].detail
        assert not findings["webhooks"].works


def test_a_check_of_a_shop_that_is_away_is_one_finding() -> None:
    with shop() as opened:
        opened.faults({"kind": "cut"})
        (finding,) = opened.store.check()
        assert (finding.subject, finding.works, finding.fix) == ("shop", False, "check base_url; or try again later")


def test_the_connector_is_a_store_and_a_webhook_source() -> None:
    with shop() as opened:
        store: Store = opened.store
        assert isinstance(opened.store, WebhookSource)
        assert store.capabilities.has_webhooks
        assert store.capabilities.can_remove_lines
        assert store.capabilities.can_record_refunds
        assert not Shop(opened.sandbox, **FIXED).store.capabilities.has_webhooks


def test_every_secret_is_known_to_whoever_keeps_them_out_of_messages() -> None:
    settings = ShopifySettings(
        platform="shopify",
        base_url="https://hearth.myshopify.com",
        client_id=Secret(default="one"),
        client_secret=Secret(default="two"),
        webhook_secrets=(Secret(default="three"),),
    )
    assert shopify.secrets(settings) == ["one", "two", "three"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "give either access_token"),
        ({"client_id": {"env": "ID"}}, "belong together"),
        ({"client_id": {"env": "A"}, "client_secret": {"env": "B"}, "access_token": {"env": "C"}}, "give either"),
        ({"access_token": {"env": "C"}, "locations": ["Leeds"]}, "not a location"),
        ({"access_token": {"env": "C"}, "api_version": "latest"}, "api_version"),
        ({"access_token": {"env": "C"}, "inventory_behaviour": "GUESS"}, "inventory_behaviour"),
        ({"access_token": {"env": "C"}, "unknown_key": 1}, "unknown_key"),
        ({"access_token": {"env": "C"}, "base_url": "https://shop.example.com"}, "myshopify.com"),
    ],
)
def test_settings_that_cannot_work_are_refused_with_the_reason(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ShopifySettings.model_validate({"platform": "shopify", "base_url": "https://x.myshopify.com", **changes})


def test_locations_are_written_as_numbers_or_in_full() -> None:
    settings = ShopifySettings(
        platform="shopify",
        base_url="https://hearth.myshopify.com",
        access_token=Secret(default="x"),
        locations=("1", "gid://shopify/Location/2"),
    )
    assert settings.locations == ("gid://shopify/Location/1", "gid://shopify/Location/2")
