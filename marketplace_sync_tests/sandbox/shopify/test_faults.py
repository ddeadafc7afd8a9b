"""What a caller cannot know after a lost answer, and how the shop lets it find out."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from marketplace_sync_tests.sandbox.shopify.app import ACCOUNT, CREATE, DECREMENT, App

NUMBER = {"namespace": "$app", "key": "number"}
LOOKUP = "query($i: OrderIdentifierInput!) { orderByIdentifier(identifier: $i) { id } }"


@pytest.fixture
def order(app: App) -> dict[str, Any]:
    app.do(
        """mutation($d: MetafieldDefinitionInput!) { metafieldDefinitionCreate(definition: $d) {
           createdDefinition { id } userErrors { message } } }""",
        d={**NUMBER, "name": "Number", "type": "id", "ownerType": "ORDER"},
    )
    return app.order_input(metafields=[{**NUMBER, "value": "JL-1001"}])


def strike(app: App, kind: str, **rule: Any) -> None:
    app.sandbox.control("PUT", f"{ACCOUNT}/faults", [{"kind": kind, "remaining": 1, "path": "graphql", **rule}])


def is_there(app: App) -> bool:
    return app.ask(LOOKUP, i={"customId": {**NUMBER, "value": "JL-1001"}}) is not None


@pytest.mark.parametrize("kind", ["lost_answer", "truncate"])
def test_an_order_whose_answer_was_lost_exists_and_can_be_found(app: App, order: dict[str, Any], kind: str) -> None:
    strike(app, kind)
    with pytest.raises(httpx.TransportError):
        app.post({"query": CREATE, "variables": {"order": order, "options": DECREMENT}})
    assert is_there(app)
    assert app.refuse(CREATE, order=order)["code"] == "INVALID"


def test_an_order_may_exist_behind_a_500(app: App, order: dict[str, Any]) -> None:
    strike(app, "error_after")
    assert app.post({"query": CREATE, "variables": {"order": order}}).status_code == 500
    assert is_there(app)


@pytest.mark.parametrize(("kind", "status"), [("throttle", 429), ("status", 503)])
def test_what_was_turned_away_before_it_ran_left_nothing(
    app: App, order: dict[str, Any], kind: str, status: int
) -> None:
    strike(app, kind, retry_after=2)
    answer = app.post({"query": CREATE, "variables": {"order": order}})
    assert (answer.status_code, answer.headers["retry-after"]) == (status, "2")
    assert not is_there(app)


def test_a_cut_connection_left_nothing(app: App, order: dict[str, Any]) -> None:
    strike(app, "cut")
    with pytest.raises(httpx.TransportError):
        app.post({"query": CREATE, "variables": {"order": order}})
    assert not is_there(app)


# --- mail nobody wanted


def test_buyers_get_no_mail_unless_it_is_asked_for(app: App) -> None:
    made = app.create()
    (work,) = app.routed(made["id"])
    ship = """mutation($f: FulfillmentInput!) { fulfillmentCreate(fulfillment: $f) {
      fulfillment { id } userErrors { message } } }"""
    app.do(ship, f={"lineItemsByFulfillmentOrder": [{"fulfillmentOrderId": work["id"]}]})
    assert app.sandbox.documents(ACCOUNT, "mails") == []
    app.do(CREATE, order=app.order_input(), options={**DECREMENT, "sendReceipt": True})
    (mail,) = app.sandbox.documents(ACCOUNT, "mails")
    assert (mail["kind"], mail["to"]) == ("receipt", "relay@example.test")
