"""Cancellations, returns and refunds of an instance of Marketplacer that cross, grow or are our own: whom is told what,
and how often."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from marketplace_sync.connectors.marketplacer import reversals
from marketplace_sync.connectors.marketplacer.stated import RefundLine, RefundRequest
from marketplace_sync.domain.orders import Refund
from marketplace_sync.ledger import orders as ledger_orders
from marketplace_sync_tests.flows.marketplacer_town import MARKET, act, live, marketplacer_town, named, place
from marketplace_sync_tests.flows.stores import ShopifySide
from marketplace_sync_tests.flows.town import SHOP, Town
from marketplace_sync_tests.sandbox.marketplacer.client import Client

PROMPT: dict[str, Any] = {"requests_per_second": 75}


def write(here: Town, mutation: str, returning: str, **given: Any) -> Any:
    """What the operator, a seller or the shop's own programs ask of the instance."""
    kind = f"{mutation[0].upper()}{mutation[1:]}MutationInput"
    document = (
        f"mutation($input: {kind}!) {{ {mutation}(input: $input) {{ errors {{ field messages }} {returning} }} }}"
    )
    answer = Client(here.sandbox).ask(document, input=given)
    assert not answer["errors"], answer
    return answer


def pence(event: dict[str, Any]) -> int:
    cents: int = round(event["value"] * 100)
    return cents


def test_a_cancellation_that_crossed_with_the_parcel_and_is_refunded_is_a_refund_and_open_until_then(
    database_url: str, tmp_path: Path
) -> None:
    with marketplacer_town(database_url, tmp_path, store=ShopifySide(), **PROMPT) as here:
        order = place(here, quantity=2)
        live(here)
        asked = {
            "lineItemId": order["lines"][0]["id"], "quantity": 1, "dispatched": False, "reason": "Too late?",
            "status": "PENDING_APPROVAL",
        }  # fmt: skip
        here.ship(order["id"], at=MARKET)
        made = write(
            here, "refundRequestCreate", "refundRequest { id lineItems { id } }", invoiceId=order["invoices"][0]["id"],
            initiatedBy="BUYER", notes=[{"note": "asked"}], lineItems=[asked],
        )["refundRequest"]  # fmt: skip
        live(here)
        assert here.work_items() == {"CANCELLED_AFTER_DISPATCH": 1}, "the parcel is stated, and nobody has answered"
        accepted = {"refundRequestLineItemId": made["lineItems"][0]["id"], "notes": [{"note": "yes"}]}
        write(here, "refundRequestLineItemAccept", "status", **accepted)
        write(here, "refundRequestRefund", "status", refundRequestId=made["id"], notes=[{"note": "yes"}])
        live(here)
        (told,) = named(here, "Refunded Order", order)
        stored = here.stored(order["id"], MARKET)
        assert (pence(told), told["properties"]["InitiatedBy"], told["properties"]["Reason"]) == (
            1400, "customer", "Too late?",
        )  # fmt: skip
        assert named(here, "Cancelled Order", order) == []
        assert stored.given_back == 1400
        assert here.work_items() == {"ODD_STATEMENT": 1}, "a person sees that goods are gone with their money"


@pytest.mark.parametrize("was_a_return", [False, True], ids=["from the start", "told as a return before"])
def test_a_refund_by_our_own_staff_is_no_return_of_the_buyers(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, was_a_return: bool
) -> None:
    with marketplacer_town(database_url, tmp_path, store=ShopifySide(), **PROMPT) as here:
        order = place(here, quantity=2)
        live(here)
        here.ship(order["id"], at=MARKET)
        live(here)
        with monkeypatch.context() as earlier:
            if was_a_return:  # as a release did that knew no request of ours
                reads = here.context.marketplaces[MARKET]
                knows_none = reads._settings.model_copy(update={"marker_key": "none"})  # type: ignore[attr-defined]
                earlier.setattr(reads, "_settings", knows_none)
            here.refund_in_store(order["id"], "MUG-RED", at=MARKET)
            live(here)
            assert len(named(here, "Return Requested", order)) == was_a_return
        act(here, "claw_back", invoice_id=order["invoices"][0]["invoice_id"], amount_cents=200)
        live(here)
        with here.project.ledger.begin() as connection:
            held = [type(one) for one in ledger_orders.reversals_of(connection, MARKET, [order["id"]])]
        assert Refund in held, "it is stated as what it is now"
        (told,) = named(here, "Refunded Order", order)
        assert (pence(told), told["properties"]["InitiatedBy"]) == (1400, "seller")
        assert len(named(here, "Return Requested", order)) == len(named(here, "Returned Order", order)) == was_a_return
        assert here.stored(order["id"], MARKET).given_back == 1400
        assert here.work_items() == {}


def every_line_counted(request: RefundRequest, line: RefundLine) -> str:
    """How earlier releases named what a request gives back."""
    counted = [one for one in request.line_items if not one.only_remittance]
    return request.id if len(counted) == 1 else f"{request.id}#{line.id}"


@pytest.mark.parametrize("was_two", [False, True], ids=["from the start", "told under two ids before"])
def test_a_return_to_which_its_operator_adds_a_line_stays_one_and_is_paid_once(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, was_two: bool
) -> None:
    with marketplacer_town(database_url, tmp_path, store=ShopifySide(), **PROMPT) as here:
        order = place(here, quantity=2)
        live(here)
        here.ship(order["id"], at=MARKET)
        live(here)
        asked = act(here, "request_return", order_id=order["order_id"], lines=[{"sku": "MUG-RED", "quantity": 1}])
        live(here)
        with monkeypatch.context() as earlier:
            if was_two:
                earlier.setattr(reversals, "reversal_id", every_line_counted)
                earlier.setattr(reversals, "_former_id", lambda request, line: "")
            act(here, "receive_return", refund_request_id=asked["refund_request_ids"][0])
            postage = {"custom": "Postage", "quantity": 1, "amountPerItemCents": 500, "status": "REFUND_ACCEPTED"}
            write(
                here, "refundRequestRefund", "status", refundRequestId=asked["ids"][0], notes=[{"note": "all"}],
                newLineItems=[postage],
            )  # fmt: skip
            live(here)
            assert len(named(here, "Return Requested", order)) == 1 + was_two
        act(here, "claw_back", invoice_id=order["invoices"][0]["invoice_id"], amount_cents=200)
        live(here)
        assert sorted(pence(event) for event in named(here, "Refunded Order", order)) == [500, 1400]
        assert len(named(here, "Return Requested", order)) == 1 + was_two
        assert len(named(here, "Returned Order", order)) == 1
        assert here.stored(order["id"], MARKET).given_back == 1900
        assert here.work_items() == {}


def test_that_the_goods_are_back_is_told_before_the_money_and_once(database_url: str, tmp_path: Path) -> None:
    with marketplacer_town(database_url, tmp_path, store=None, **PROMPT) as here:
        order = place(here)
        act(here, "ship", order_id=order["order_id"])
        (number,) = act(here, "request_return", order_id=order["order_id"])["refund_request_ids"]
        live(here)
        assert named(here, "Returned Order", order) == []
        act(here, "receive_return", refund_request_id=number)
        live(here)
        assert len(named(here, "Returned Order", order)) == 1
        act(here, "refund", refund_request_id=number)
        live(here)
        assert len(named(here, "Returned Order", order)) == len(named(here, "Refunded Order", order)) == 1


def asked_of_shopify(here: Town, document: str, **variables: Any) -> Any:
    """What another program of the seller's asks of its shop."""
    answer = httpx.post(
        f"{here.sandbox.base_url}/{SHOP}/admin/api/2026-10/graphql.json",
        json={"query": document, "variables": variables},
        headers={"X-Shopify-Access-Token": "shpat_sandbox"},
    ).json()
    assert "errors" not in answer, answer
    return answer["data"]


def test_a_refund_of_staff_with_two_rows_of_one_line_gives_all_of_it_back(database_url: str, tmp_path: Path) -> None:
    """Shopify splits a line by what becomes of its units: one goes back on the shelf, two do not."""
    with marketplacer_town(database_url, tmp_path, store=ShopifySide(), **PROMPT) as here:
        order = place(here, quantity=3)
        live(here)
        here.ship(order["id"], at=MARKET)
        live(here)
        shop_order = f"gid://shopify/Order/{here.stored(order['id'], MARKET).order_id}"
        found = asked_of_shopify(
            here,
            "query($id: ID!) { order(id: $id) { transactions { id gateway } lineItems(first: 1) { nodes { id } } }"
            " locations(first: 1) { nodes { id } } }",
            id=shop_order,
        )
        (line,), (place_of,) = found["order"]["lineItems"]["nodes"], found["locations"]["nodes"]
        paid = found["order"]["transactions"][0]
        asked_of_shopify(
            here,
            'mutation($input: RefundInput!) { refundCreate(input: $input) @idempotent(key: "b2f1c1b4-two-rows")'
            " { refund { id } userErrors { message } } }",
            input={
                "orderId": shop_order,
                "refundLineItems": [
                    {"lineItemId": line["id"], "quantity": 1, "restockType": "RETURN", "locationId": place_of["id"]},
                    {"lineItemId": line["id"], "quantity": 2, "restockType": "NO_RESTOCK"},
                ],
                "transactions": [
                    {
                        "orderId": shop_order, "kind": "REFUND", "gateway": paid["gateway"], "amount": "42.00",
                        "parentId": paid["id"],
                    }
                ],
            },
        )  # fmt: skip
        live(here)
        (made,) = [one for one in here.sandbox.documents(SHOP, "orders") if one["refunds"]]
        assert [row["quantity"] for row in made["refunds"][0]["lines"]] == [1, 2], "the store states it in two rows"
        assert here.stored(order["id"], MARKET).given_back == 4200
        assert [pence(event) for event in named(here, "Refunded Order", order)] == [4200]
        (asked,) = here.sandbox.documents(MARKET, "refund_request_line_items")
        assert asked["quantity"] == 3
        assert here.work_items() == {}
