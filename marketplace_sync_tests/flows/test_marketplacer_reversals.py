"""Cancellations, returns and refunds of an instance of Marketplacer that cross, grow or are our own: whom is told what,
and how often."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from marketplace_sync_tests.flows.marketplacer_town import MARKET, live, marketplacer_town, named, place
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
