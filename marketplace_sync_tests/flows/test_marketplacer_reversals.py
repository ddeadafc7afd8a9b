"""Cancellations, returns and refunds of an instance of Marketplacer that cross, grow or are our own: whom is told what,
and how often."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from marketplace_sync.domain.orders import Refund
from marketplace_sync.ledger import orders as ledger_orders
from marketplace_sync_tests.flows.marketplacer_town import MARKET, act, live, marketplacer_town, named, place
from marketplace_sync_tests.flows.stores import ShopifySide
from marketplace_sync_tests.flows.town import Town
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
