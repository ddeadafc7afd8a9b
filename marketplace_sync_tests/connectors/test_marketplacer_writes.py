"""What a Marketplacer instance is told, what an answer that was lost comes to, and whose deliveries are believed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from marketplace_sync.connectors.marketplacer import webhooks
from marketplace_sync.connectors.ports import ForgedWebhook, UnreadableWebhook
from marketplace_sync.domain.effects import (
    CancelLines,
    Delivered,
    Effect,
    InDoubt,
    LineUnits,
    NotThere,
    RefundLines,
    Refused,
    SetStock,
)
from marketplace_sync.domain.errors import TransportError
from marketplace_sync.domain.orders import Refund, Return
from marketplace_sync_tests.connectors.marketplacer_instance import (
    L1,
    L2,
    SECRET,
    Instance,
    connector_to,
    effect,
    line,
    parcel,
    parsed,
    read,
    refund,
    refunded,
)

# -- writing ---------------------------------------------------------------------------------------------------------


def test_a_parcel_of_two_sellers_is_a_shipment_of_each_and_is_completed_when_cut_off(
    pots: tuple[Instance, str],
) -> None:
    box, url = pots
    order_id = box.place(1, line(1, quantity=2), line(2, seller="Pans Inc"))
    wish = effect(parcel(order_id, (L1, 1), (L2, 1)))
    connector = connector_to(url)
    assert connector.resolve(wish) == NotThere()
    box.lose_answer_of = "CreateShipment"
    assert isinstance(connector.deliver([wish])[0], InDoubt)
    assert connector.resolve(wish) == NotThere(), "half of it is there"
    assert connector.deliver([wish]) == [Delivered()]
    assert connector.resolve(wish) == Delivered({"found": True})
    assert [len(one["shipments"]) for one in box.invoices(order_id)] == [1, 1]
    assert [one.dispatched for one in parsed(url, order_id)[0].lines] == [1, 1]
    second = effect(parcel(order_id, (L1, 1)), "key-2")
    assert connector.resolve(second) == NotThere(), "the same number and units, in another parcel"
    assert isinstance(connector.deliver([effect(parcel(order_id, ("nothing", 1)))])[0], Refused)
    (last,) = box.document("CreateShipment")[-1:]
    assert last["input"]["dispatchedAt"] == "2026-03-02"


@pytest.mark.parametrize(("zone", "day"), [("Australia/Sydney", "2026-11-20"), ("Europe/London", "2026-11-19")])
def test_a_parcel_left_on_the_day_that_it_was_where_the_instance_is(
    pots: tuple[Instance, str], zone: str, day: str
) -> None:
    box, url = pots
    order_id = box.place(1, line(1))
    box.orders[order_id]["createdAt"] = "2026-11-19T20:00:00Z"
    wish = replace(parcel(order_id, (L1, 1)), shipped_at=datetime(2026, 11, 19, 21, tzinfo=UTC))
    assert connector_to(url, time_zone=zone).deliver([effect(wish)]) == [Delivered()]
    (sent,) = box.document("CreateShipment")
    assert sent["input"]["dispatchedAt"] == day


def refund_of(order_id: str, key: str = "refund", attempts: int = 1) -> Effect:
    """700 cents for one of the units of the second line."""
    one = (LineUnits(line_id=L2, quantity=1),)
    return effect(
        RefundLines(order_id=order_id, refund_key="r", lines=one, currency="AUD", amounts=(700,)), key, attempts
    )


def cancellation_of(order_id: str, key: str = "cancel", attempts: int = 1) -> Effect:
    """Of one of the units of the first line."""
    one = (LineUnits(line_id=L1, quantity=1),)
    return effect(CancelLines(order_id=order_id, lines=one, requested_by_marketplace=False), key, attempts)


def requests_of(box: Instance, order_id: str) -> list[dict[str, Any]]:
    (invoice,) = box.invoices(order_id)
    found: list[dict[str, Any]] = invoice["refundRequests"]
    return found


@pytest.mark.parametrize(
    ("amounts", "lines", "cash"),
    [((0, 700), [L2], 700), ((500, 700), [L1, L2], 1200), ((None, 700), [L1, L2], None)],
    ids=["nothing", "stated", "not stated"],
)
def test_only_what_gets_money_is_asked_for_and_all_of_it_is_paid(
    pots: tuple[Instance, str], amounts: tuple[int | None, ...], lines: list[str], cash: int | None
) -> None:
    box, url = pots
    order_id = box.place(1, line(1), line(2))
    both = (LineUnits(line_id=L1, quantity=1), LineUnits(line_id=L2, quantity=1))
    given = RefundLines(order_id=order_id, refund_key="r", lines=both, currency="AUD", amounts=amounts, delivery=250)
    (outcome,) = connector_to(url).deliver([effect(given)])
    assert isinstance(outcome, Delivered)
    assert outcome.result["not_given_back"] == 250, "a refund of lines has no room for delivery"
    (asked,) = box.document("CreateRefund")
    assert [one["lineItemId"] for one in asked["input"]["lineItems"]] == lines
    (paid,) = box.document("GiveBack")
    assert paid["input"].get("cashAmountCents") == cash
    assert isinstance(connector_to(url).resolve(effect(given)), Delivered)


def test_nothing_is_asked_for_where_nothing_is_given_back(pots: tuple[Instance, str]) -> None:
    box, url = pots
    order_id = box.place(1, line(1))
    none = RefundLines(
        order_id=order_id, refund_key="r", lines=(LineUnits(line_id=L1, quantity=1),), currency="AUD", amounts=(0,)
    )
    assert isinstance(connector_to(url).deliver([effect(none)])[0], Refused)
    assert box.document("CreateRefund") == []


LACKING = pytest.mark.parametrize("lacking", [(), ("externalIds",), ("notes",)], ids=["both", "notes", "externalIds"])


@LACKING
def test_a_cancellation_and_a_refund_are_made_once_whatever_is_lost(
    pots: tuple[Instance, str], lacking: tuple[str, ...]
) -> None:
    box, url = pots
    box.lacks("RefundRequest", *lacking)
    order_id = box.place(1, line(1, quantity=3), line(2, quantity=3))
    connector = connector_to(url)
    for count, wish in enumerate((cancellation_of(order_id), refund_of(order_id)), 1):
        assert connector.resolve(wish) == NotThere()
        for attempt, lost in enumerate(("CreateRefund", "GiveBack"), 1):
            box.lose_answer_of = lost
            assert isinstance(connector.deliver([replace(wish, attempts=attempt)])[0], InDoubt)
            assert len(requests_of(box, order_id)) == count
            assert isinstance(connector.resolve(wish), NotThere if lost == "CreateRefund" else Delivered)
        (outcome,) = connector.deliver([replace(wish, attempts=3)])
        assert isinstance(outcome, Delivered)
        assert len(requests_of(box, order_id)) == count
    order, (given,) = parsed(url, order_id)
    assert order.lines[0].cancelled == 1
    assert isinstance(outcome, Delivered)
    if "externalIds" in lacking:
        assert isinstance(given, Return), "nothing in the order says whose it is"
        assert (outcome.result["refund_ids"], given.initiator) == ([given.return_id], "seller")
    else:
        assert isinstance(given, Refund), "no buyer asked to return anything"
        assert (outcome.result["refund_ids"], given.initiator) == ([given.refund_id], "seller")
    assert [one["input"].get("cashAmountCents") for one in box.document("GiveBack")] == [None, 700]


@LACKING
def test_the_same_units_asked_for_twice_are_two_requests_of_which_each_is_known(
    pots: tuple[Instance, str], lacking: tuple[str, ...]
) -> None:
    box, url = pots
    box.lacks("RefundRequest", *lacking)
    order_id = box.place(1, line(1, quantity=3), line(2, quantity=3))
    connector = connector_to(url, key_of="seller", currency="AUD")
    invoice_id = box.invoices(order_id)[0]["id"]
    for wished in (cancellation_of, refund_of):
        box.orders[order_id]["invoices"]["nodes"][0]["refundRequests"] = []
        for key in ("first", "second"):
            wish = wished(invoice_id, key)
            assert connector.resolve(wish) == NotThere()
            assert isinstance(connector.deliver([wish])[0], Delivered)
            assert isinstance(connector.resolve(wish), Delivered)
        assert len(requests_of(box, order_id)) == 2


def test_what_the_buyer_asked_to_cancel_is_agreed_to_once_though_the_answer_is_lost(pots: tuple[Instance, str]) -> None:
    box, url = pots
    order_id = box.place(1, line(1, quantity=3), line(2))
    asked = refunded(L1, 1, 1000, dispatched=False, status="PENDING_APPROVAL")
    requests_of(box, order_id).append(refund(1, asked, status="AWAITING", refundedAt=None))
    connector = connector_to(url)
    box.lose_answer_of = "GiveBack"
    assert isinstance(connector.deliver([cancellation_of(order_id)])[0], InDoubt)
    assert isinstance(connector.resolve(cancellation_of(order_id)), Delivered)
    assert isinstance(connector.deliver([cancellation_of(order_id, attempts=2)])[0], Delivered)
    assert box.document("CreateRefund") == []
    assert connector.resolve(cancellation_of(order_id, "another")) == NotThere(), "it was agreed to by the other"


@pytest.mark.parametrize("purged", [False, True], ids=["no field for a mark", "purged"])
@pytest.mark.parametrize("wished", [cancellation_of, refund_of])
def test_what_may_be_ours_and_shows_no_mark_is_for_a_person_and_never_made_twice(
    pots: tuple[Instance, str], wished: Callable[..., Effect], purged: bool
) -> None:
    box, url = pots
    box.lacks("RefundRequest", *(() if purged else ("externalIds", "notes")))
    order_id = box.place(1, line(1, quantity=3), line(2, quantity=3))
    connector = connector_to(url)
    box.lose_answer_of = "CreateRefund"
    assert isinstance(connector.deliver([wished(order_id)])[0], InDoubt)
    (request,) = requests_of(box, order_id)
    if purged:
        box.orders[order_id]["purgedAt"] = "2026-03-04T10:00:00Z"
        request |= {"externalIds": [], "notes": [{"note": None}, {"note": None}]}
    for said in (connector.resolve(wished(order_id)), *connector.deliver([wished(order_id, attempts=2)])):
        assert isinstance(said, InDoubt)
        assert request["id"] in said.reason
    assert len(requests_of(box, order_id)) == 1
    request["lineItems"][0]["quantity"] = 2
    assert connector.resolve(wished(order_id)) == NotThere(), "of other units it cannot be ours"


def test_what_was_made_without_a_mark_and_not_gone_on_with_is_for_a_person(pots: tuple[Instance, str]) -> None:
    box, url = pots
    box.lacks("RefundRequest", "externalIds", "notes")
    order_id = box.place(1, line(1), line(2, quantity=3))
    refused = {"status": 200, "errors": [{"field": "status", "messages": ["not now"]}], "refundRequest": None}
    box.refuse["GiveBack"] = {"data": {"refundRequestRefund": refused}}
    (outcome,) = connector_to(url).deliver([refund_of(order_id)])
    assert isinstance(outcome, InDoubt)
    assert requests_of(box, order_id)[0]["id"] in outcome.reason


def test_somebody_elses_refund_of_the_same_units_is_not_taken_for_ours(pots: tuple[Instance, str]) -> None:
    box, url = pots
    order_id = box.place(1, line(1), line(2, quantity=3))
    connector = connector_to(url)
    requests_of(box, order_id).append(refund(1, refunded(L2, 1, 700), initiatedBy="ADMIN"))
    assert connector.resolve(refund_of(order_id)) == NotThere()
    assert isinstance(connector.deliver([refund_of(order_id, attempts=2)])[0], Delivered)
    assert len(requests_of(box, order_id)) == 2


def test_what_the_buyer_asked_to_cancel_is_agreed_to_and_not_asked_again(pots: tuple[Instance, str]) -> None:
    box, url = pots
    order_id = box.place(1, line(1, quantity=2))
    (invoice,) = box.invoices(order_id)
    asked = refunded(L1, 2, 2000, dispatched=False, status="PENDING_APPROVAL")
    invoice["refundRequests"] = [refund(1, asked, status="AWAITING", refundedAt=None)]
    wish = CancelLines(order_id=order_id, lines=(LineUnits(line_id=L1, quantity=2),), requested_by_marketplace=True)
    assert isinstance(connector_to(url).deliver([effect(wish)])[0], Delivered)
    assert box.document("CreateRefund") == []
    assert parsed(url, order_id)[0].lines[0].cancelled == 2


def asked_in_two(box: Instance, order_id: str) -> None:
    """The buyer asks for a unit of each line, in two requests; so does somebody for what is not to be cancelled."""
    for number, line_id in enumerate((L1, L2), 1):
        asked = refunded(line_id, 1, 1000, number, dispatched=False, status="PENDING_APPROVAL")
        requests_of(box, order_id).append(refund(number, asked, status="AWAITING", refundedAt=None))
    too_many = refunded(L1, 3, 3000, 3, dispatched=False, status="PENDING_APPROVAL")
    requests_of(box, order_id).append(refund(3, too_many, status="AWAITING", refundedAt=None))


@pytest.mark.parametrize("lost", ["AcceptLine", "GiveBack"])
@LACKING
def test_two_requests_of_the_buyers_are_each_agreed_to_whatever_is_lost(
    pots: tuple[Instance, str], lacking: tuple[str, ...], lost: str
) -> None:
    box, url = pots
    box.lacks("RefundRequest", *lacking)
    order_id = box.place(1, line(1, quantity=4), line(2))
    asked_in_two(box, order_id)
    both = (LineUnits(line_id=L1, quantity=1), LineUnits(line_id=L2, quantity=1))
    wish = effect(CancelLines(order_id=order_id, lines=both, requested_by_marketplace=True))
    connector = connector_to(url)
    assert connector.resolve(wish) == NotThere()
    box.lose_answer_of = lost
    assert isinstance(connector.deliver([wish])[0], InDoubt)
    if "notes" in lacking and lost == "GiveBack":
        assert isinstance(connector.resolve(wish), InDoubt), "one was refunded, and nothing says by whom"
        return
    assert connector.resolve(wish) == NotThere(), "half of it is done"
    (outcome,) = connector.deliver([replace(wish, attempts=2)])
    assert isinstance(outcome, Delivered)
    assert sorted(outcome.result["refund_ids"]) == sorted(one["id"] for one in requests_of(box, order_id)[:2])
    assert box.document("CreateRefund") == []
    assert len(box.document("GiveBack")) == 2
    if "notes" not in lacking:
        assert isinstance(connector.resolve(wish), Delivered)
    order = parsed(url, order_id)[0]
    assert [(one.cancelled, one.cancellation_requested) for one in order.lines] == [(1, 3), (1, 0)]


def test_what_the_buyer_did_not_ask_for_is_asked_for_besides(pots: tuple[Instance, str]) -> None:
    box, url = pots
    order_id = box.place(1, line(1, quantity=4), line(2))
    asked_in_two(box, order_id)
    more = (LineUnits(line_id=L1, quantity=2), LineUnits(line_id=L2, quantity=1))
    wish = effect(CancelLines(order_id=order_id, lines=more, requested_by_marketplace=True))
    connector = connector_to(url)
    box.lose_answer_of = "CreateRefund"
    assert isinstance(connector.deliver([wish])[0], InDoubt)
    assert connector.resolve(wish) == NotThere(), "what was made is not agreed to yet"
    assert isinstance(connector.deliver([replace(wish, attempts=2)])[0], Delivered)
    assert isinstance(connector.resolve(wish), Delivered)
    (made,) = box.document("CreateRefund")
    assert [(one["lineItemId"], one["quantity"]) for one in made["input"]["lineItems"]] == [(L1, 1)]
    assert [one.cancelled for one in parsed(url, order_id)[0].lines] == [2, 1]


def test_what_a_seller_asked_for_besides_and_cannot_be_told_is_for_a_person(pots: tuple[Instance, str]) -> None:
    box, url = pots
    box.lacks("RefundRequest", "externalIds", "notes")
    order_id = box.place(1, line(1, quantity=4), line(2))
    asked_in_two(box, order_id)
    more = (LineUnits(line_id=L1, quantity=2), LineUnits(line_id=L2, quantity=1))
    invoice_id = box.invoices(order_id)[0]["id"]
    wish = effect(CancelLines(order_id=invoice_id, lines=more, requested_by_marketplace=True))
    connector = connector_to(url, key_of="seller", currency="AUD")
    box.lose_answer_of = "CreateRefund"
    assert isinstance(connector.deliver([wish])[0], InDoubt)
    for said in (connector.resolve(wish), *connector.deliver([replace(wish, attempts=2)])):
        assert isinstance(said, InDoubt)
    assert len(box.document("CreateRefund")) == 1


def test_stock_is_set_by_exact_sku_and_an_unknown_one_is_refused(pots: tuple[Instance, str]) -> None:
    box, url = pots
    connector = connector_to(url)
    mug, cup = (effect(SetStock(sku=sku, stock_number="", quantity=9)) for sku in ("MUG", "CUP"))
    outcomes = connector.deliver([mug, cup])
    assert outcomes[0] == Delivered()
    assert isinstance(outcomes[1], Refused)
    assert box.stock["MUG"]["countOnHand"] == 9
    assert connector.resolve(mug) == Delivered({"found": True})


def test_a_refusal_comes_in_the_instances_own_words(pots: tuple[Instance, str]) -> None:
    box, url = pots
    order_id = box.place(1, line(1))
    said = {"status": 200, "errors": [{"field": "quantity", "messages": ["exceeds what is left"]}], "shipment": None}
    box.refuse["CreateShipment"] = {"data": {"shipmentCreate": said}}
    (outcome,) = connector_to(url).deliver([effect(parcel(order_id, (L1, 1)))])
    assert isinstance(outcome, Refused)
    assert "exceeds what is left" in outcome.reason


# -- webhooks --------------------------------------------------------------------------------------------------------


def signed(body: bytes, key: bytes = b"hook-secret") -> dict[str, str]:
    signature = base64.b64encode(hmac.new(key, body, hashlib.sha256).digest()).decode()
    return {"marketplacer-hmac-256": signature, "marketplacer-vertical": "pots", "marketplacer-sequence": "12"}


def delivery(node: dict[str, Any] | None) -> bytes:
    return json.dumps({"id": "e", "event_name": "update", "payload": {"data": {"node": node}}}).encode()


def test_a_delivery_is_believed_by_its_signature_and_names_its_order(pots: tuple[Instance, str]) -> None:
    _, url = pots
    connector = connector_to(url, webhook_secrets=[SECRET])
    body = delivery({"__typename": "Shipment", "id": "s", "invoice": {"id": "i", "order": {"id": "O"}}})
    found = connector.verify(signed(body), body)
    assert (found.delivery_id, found.topic) == ("pots:12", "Shipment/update")
    assert connector.concerns(found.topic, body) == ["O"]
    assert connector.concerns("", delivery(None)) == []
    for headers in (signed(body, b"other"), signed(body + b" "), {}, {"marketplacer-hmac-256": "é"}):
        with pytest.raises(ForgedWebhook):
            connector.verify(headers, body)
    with pytest.raises(ForgedWebhook):
        connector_to(url).verify(signed(body), body)
    for bad in (b"", b"[]", b'{"payload":{"node":{}}}', b'{"payload":{"errors":[{}]}}', delivery({"id": "x"})):
        with pytest.raises(UnreadableWebhook):
            connector.concerns("", bad)


def test_a_sellers_delivery_carries_the_secret_in_a_header(pots: tuple[Instance, str]) -> None:
    _, url = pots
    connector = connector_to(url, key_of="seller", currency="AUD", webhook_secrets=[SECRET])
    body = delivery({"__typename": "Invoice", "id": "i"})
    assert connector.verify({"x-marketplace-sync-secret": "hook-secret"}, body)
    assert connector.concerns("", body) == ["i"]
    with pytest.raises(ForgedWebhook):
        connector.verify(signed(body), body)


def test_hooks_are_made_once_and_one_that_was_switched_off_stays_so_unless_told(pots: tuple[Instance, str]) -> None:
    box, url = pots
    connector = connector_to(url, webhook_secrets=[SECRET])
    for _ in range(2):
        assert connector.subscribe("https://us/webhooks/pots") == list(webhooks.KINDS)
    assert len(box.hooks) == 3
    box.hooks[0]["enabled"] = False
    assert len(connector.subscribe("https://us/webhooks/pots")) == 2
    (finding,) = [one for one in connector.check() if one.subject == "webhooks"]
    assert not finding.works
    again = connector_to(url, webhook_secrets=[SECRET], re_enable_webhooks=True)
    assert len(again.subscribe("https://us/webhooks/pots")) == 3
    assert box.hooks[0]["enabled"] is True
    assert connector_to(url).subscribe("https://us/webhooks/pots") == []


def test_only_hooks_of_ours_count_as_switched_off(pots: tuple[Instance, str]) -> None:
    box, url = pots
    connector = connector_to(url, webhook_secrets=[SECRET])
    connector.subscribe("https://us/webhooks/pots")
    others = {**box.hooks[0], "url": "https://others/hooks", "queryString": "query($id: ID!) { node(id: $id) { id } }"}
    box.hooks.insert(0, {**others, "enabled": False})
    assert connector.switched_off("https://us/webhooks/pots") == []
    assert [one.works for one in connector.check() if one.subject == "webhooks"] == [True]
    box.hooks.insert(0, {**box.hooks[1], "enabled": False})
    assert connector.switched_off("https://us/webhooks/pots") == [], "another one of ours leads here and is on"
    box.hooks[2]["enabled"] = False
    assert connector.switched_off("https://us/webhooks/pots") == ["INVOICE"]
    assert [one.works for one in connector.check() if one.subject == "webhooks"] == [False]


def test_an_instance_that_is_down_is_a_transport_error(pots: tuple[Instance, str]) -> None:
    box, url = pots
    box.refuse["ChangedInvoices"] = {"errors": [{"message": "boom", "path": ["invoices"]}]}
    with pytest.raises(TransportError):
        read(connector_to(url), "invoices")
