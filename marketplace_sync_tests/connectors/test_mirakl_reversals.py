"""Cancellations, refunds and stock levels at a Mirakl marketplace, each of them once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from marketplace_sync.domain.effects import (
    CancelLines,
    CancelOrder,
    Delivered,
    InDoubt,
    NotThere,
    Postponed,
    RefundLines,
    Refused,
    SetStock,
)
from marketplace_sync_tests.connectors.mirakl_marketplace import line
from marketplace_sync_tests.connectors.mirakl_shop import Shop, effect, refund, shop, units


@pytest.fixture(scope="module")
def host() -> Iterator[Shop]:
    with shop() as found:
        yield found


@pytest.fixture
def mugs(host: Shop) -> Shop:
    return host.anew()


# -- cancelling and refunding ----------------------------------------------------------------------------------------


def cancel(line_id: str, quantity: int, before: int | None = 0) -> CancelLines:
    return CancelLines(order_id="O1-A", lines=(units(line_id, quantity, before),), requested_by_marketplace=False)


def test_units_are_cancelled_with_their_share_of_the_money(mugs: Shop) -> None:
    taxes = [{"code": "ECO", "amount": 0.5, "tax_calculation_rule": "NONE"}]
    mugs.marketplace.place("O1-A", line(1, "MUG", 3, 29.99, shipping_price=3.0, taxes=taxes))
    assert mugs.deliver(cancel("O1-A-1", 1)) == Delivered()
    assert mugs.sent("/api/orders/cancel")[0] == {
        "cancelations": [
            {"order_line_id": "O1-A-1", "quantity": 1, "amount": 10.0, "shipping_amount": 1.0,
             "currency_iso_code": "GBP", "reason_code": "10", "taxes": [{"code": "ECO", "amount": 0.17}]}
        ],
        "order_tax_mode": "TAX_INCLUDED",
    }  # fmt: skip
    found = mugs.order("O1-A").lines[0]
    assert (found.quantity, found.cancelled) == (3, 1)


def test_where_lines_state_what_was_ordered_cancelled_units_are_taken_off_their_money_too(mugs: Shop) -> None:
    mugs = mugs.with_settings(quantity_after_cancelations=False)

    def place(order_id: str, state: str) -> None:
        gone = {
            "id": "C1", "quantity": 1, "amount": 10.0, "shipping_amount": 1.0, "reason_code": "10",
            "taxes": [{"code": "ECO", "amount": 0.5}],
        }  # fmt: skip
        taxes = [{"code": "ECO", "amount": 1.5, "tax_calculation_rule": "NONE"}]
        stated = line(1, "MUG", 3, 30.0, shipping_price=3.0, taxes=taxes, cancelations=[gone])
        mugs.marketplace.place(order_id, stated, state=state)

    place("O1-A", "SHIPPING")
    assert (mugs.order("O1-A").lines[0].quantity, mugs.order("O1-A").lines[0].cancelled) == (3, 1)
    assert mugs.deliver(cancel("O1-A-1", 1, before=1)) == Delivered()
    (sent,) = mugs.sent("/api/orders/cancel")[0]["cancelations"]
    assert (sent["amount"], sent["shipping_amount"], sent["taxes"]) == (10.0, 1.0, [{"code": "ECO", "amount": 0.5}])

    place("O2-A", "RECEIVED")
    assert isinstance(mugs.deliver(refund("O2-A", "O2-A-1", None), 2), Delivered)
    assert [one.amount for one in mugs.read_order("O2-A")[1]] == [1000]
    most = refund("O2-A", "O2-A-1", 1100)
    assert mugs.with_settings(quantity_after_cancelations=False).resolve(most, 3) == NotThere()
    again = mugs.with_settings(quantity_after_cancelations=False)
    assert isinstance(again.resolve(refund("O2-A", "O2-A-1", 1000), 3), InDoubt), "10.00 of 20.00 are left"
    assert isinstance(mugs.deliver(refund("O2-A", "O2-A-1", 500), 4), Delivered)
    assert isinstance(again.resolve(refund("O2-A", "O2-A-1", 1000), 3), Delivered), "5.00 are left of 20.00"


def test_a_cancellation_is_not_repeated_and_too_much_is_refused(mugs: Shop) -> None:
    mugs.marketplace.place("O1-A", line(1, "MUG", 3, 30.0))
    mugs.marketplace.lose_answers_of.add("/api/orders/cancel")
    assert isinstance(mugs.deliver(cancel("O1-A-1", 1)), InDoubt)
    assert isinstance(mugs.resolve(cancel("O1-A-1", 1)), Delivered)
    assert isinstance(mugs.resolve(cancel("O1-A-1", 1, before=None)), InDoubt)
    assert isinstance(mugs.deliver(cancel("O1-A-1", 1)), Delivered)
    assert mugs.order("O1-A").lines[0].cancelled == 1
    outcome = mugs.deliver(cancel("O1-A-1", 9, before=1))
    assert isinstance(outcome, Refused)
    assert outcome.code == "NOT_POSSIBLE_ANY_MORE"


def test_money_is_given_back_once_even_when_the_answer_is_lost(mugs: Shop) -> None:
    mugs.marketplace.place("O1-A", line(1, "MUG", 2, 20.0), state="RECEIVED")
    wish = refund("O1-A", "O1-A-1", 500)
    assert isinstance(mugs.deliver(wish, 1), Delivered)
    mugs.marketplace.lose_answers_of.add("/api/orders/refund")
    assert isinstance(mugs.deliver(wish, 2), InDoubt)
    found = mugs.resolve(wish, 2)
    assert isinstance(found, Delivered), "there is one more refund than before the call"
    _, refunds = mugs.read_order("O1-A")
    assert [one.amount for one in refunds] == [500, 500]
    assert found.result["refund_ids"] == [refunds[1].refund_id]


def test_a_new_process_does_not_take_an_earlier_refund_for_the_one_in_doubt(mugs: Shop) -> None:
    mugs.marketplace.place("O1-A", line(1, "MUG", 2, 20.0), state="RECEIVED")
    wish = refund("O1-A", "O1-A-1", 500)
    assert mugs.with_settings().resolve(wish, 1) == NotThere()
    assert isinstance(mugs.deliver(wish, 1), Delivered)
    doubt = mugs.with_settings().resolve(wish, 2)
    assert isinstance(doubt, InDoubt)
    assert "before you let it be sent again" in doubt.reason
    whole = refund("O1-A", "O1-A-1", 1500)
    assert isinstance(mugs.deliver(whole, 3), Delivered)
    assert isinstance(mugs.with_settings().resolve(whole, 3), Delivered), "there is no room for a second one"


def test_a_refund_without_an_amount_is_the_units_price_and_tax_on_top_is_split(mugs: Shop) -> None:
    taxes = [{"code": "VAT", "amount": 4.0, "rate": 20}]
    mugs.marketplace.place(
        "O1-A", line(1, "MUG", 2, 20.0, taxes=taxes), state="RECEIVED", order_tax_mode="TAX_EXCLUDED"
    )
    assert isinstance(mugs.deliver(refund("O1-A", "O1-A-1", None)), Delivered)
    assert mugs.sent("/api/orders/refund")[0]["refunds"] == [
        {"order_line_id": "O1-A-1", "quantity": 1, "amount": 10.0, "shipping_amount": 0, "currency_iso_code": "GBP",
         "reason_code": "20", "taxes": [{"code": "VAT", "amount": 2.0}]}
    ]  # fmt: skip


def test_units_given_back_one_by_one_come_to_the_tax_of_the_line_and_to_its_price(mugs: Shop) -> None:
    taxes = [{"code": "VAT", "amount": 1.67, "rate": 20}, {"code": "ECO", "amount": 0.04}]
    mugs.marketplace.place(
        "O1-A", line(1, "MUG", 3, 8.34, taxes=taxes), state="RECEIVED", order_tax_mode="TAX_EXCLUDED"
    )
    for number, gross in enumerate((335, 335, 335), start=1):
        wish = refund("O1-A", "O1-A-1", gross)
        mugs.marketplace.lose_answers_of.add("/api/orders/refund")
        assert isinstance(mugs.deliver(wish, number), InDoubt)
        assert isinstance(mugs.resolve(wish, number), Delivered), "it is there as it was split then"
    entries = [body["refunds"][0] for body in mugs.sent("/api/orders/refund")]
    by_code = [{tax["code"]: round(tax["amount"] * 100) for tax in entry["taxes"]} for entry in entries]
    assert sum(each["VAT"] for each in by_code) == 167
    assert sum(each["ECO"] for each in by_code) == 4
    assert sum(round(entry["amount"] * 100) for entry in entries) == 834
    assert [one.amount for one in mugs.read_order("O1-A")[1]] == [335, 335, 335]


def test_where_tax_comes_on_top_it_is_stated_even_when_there_is_none(mugs: Shop) -> None:
    free = line(1, "BOOK", 1, 5.0, shipping_price=1.0)
    mugs.marketplace.place("O1-A", free, state="RECEIVED", order_tax_mode="TAX_EXCLUDED")
    wish = RefundLines(
        order_id="O1-A", refund_key="r", lines=(units("O1-A-1"),), currency="GBP", amounts=(200,), delivery=50
    )
    assert isinstance(mugs.deliver(wish), Delivered)
    (sent,) = mugs.sent("/api/orders/refund")[0]["refunds"]
    assert (sent["amount"], sent["taxes"], sent["shipping_amount"], sent["shipping_taxes"]) == (2.0, [], 0.5, [])


@pytest.mark.parametrize("on_top", [False, True], ids=["tax included", "tax on top"])
def test_delivery_goes_with_the_lines_as_far_as_is_left_of_theirs(mugs: Shop, on_top: bool) -> None:
    more: dict[str, Any] = {"shipping_price": 3.0}
    if on_top:
        more |= {"taxes": [{"code": "VAT", "amount": 2.0}], "shipping_taxes": [{"code": "VAT", "amount": 0.6}]}
    lines = [line(number, "MUG", 1, 10.0, **more) for number in (1, 2)]
    mode = "TAX_EXCLUDED" if on_top else "TAX_INCLUDED"
    mugs.marketplace.place("O1-A", *lines, state="RECEIVED", order_tax_mode=mode)
    each = 360 if on_top else 300
    both = (units("O1-A-1"), units("O1-A-2"))
    wish = RefundLines(
        order_id="O1-A", refund_key="r", lines=both, currency="GBP", amounts=(100, 100), delivery=each + 120
    )
    done = mugs.deliver(wish)
    assert isinstance(done, Delivered)
    assert "not_given_back" not in done.result
    (sent,) = mugs.sent("/api/orders/refund")
    assert [one["shipping_amount"] for one in sent["refunds"]] == [3.0, 1.0 if on_top else 1.2]
    if on_top:
        assert sent["refunds"][1]["shipping_taxes"] == [{"code": "VAT", "amount": 0.2}]
    assert [one.shipping_amount for one in mugs.read_order("O1-A")[1]] == [each, 120]
    more_than_left = msgspec.structs.replace(wish, delivery=each)
    mugs.marketplace.lose_answers_of.add("/api/orders/refund")
    assert isinstance(mugs.deliver(more_than_left, 2), InDoubt)
    found = mugs.resolve(more_than_left, 2)
    assert isinstance(found, Delivered)
    assert found.result["not_given_back"] == 120
    last = mugs.deliver(more_than_left, 3)
    assert isinstance(last, Delivered)
    assert last.result["not_given_back"] == each


def test_a_line_that_gets_nothing_back_is_not_refunded(mugs: Shop) -> None:
    mugs.marketplace.place("O1-A", line(1, "MUG", 1, 10.0), line(2, "CUP", 1, 8.0), state="RECEIVED")
    nothing = mugs.deliver(refund("O1-A", "O1-A-1", 0))
    assert isinstance(nothing, Refused)
    assert nothing.code == "NO_AMOUNT"
    both = RefundLines(
        order_id="O1-A", refund_key="r", lines=(units("O1-A-1"), units("O1-A-2")), currency="GBP", amounts=(0, 300)
    )
    assert isinstance(mugs.deliver(both, 2), Delivered)
    (sent,) = mugs.sent("/api/orders/refund")
    assert [(one["order_line_id"], one["amount"]) for one in sent["refunds"]] == [("O1-A-2", 3.0)]
    assert isinstance(mugs.resolve(both, 2), InDoubt), "there is room for another"
    assert [one.line_id for one in mugs.read_order("O1-A")[1]] == ["O1-A-2"]


def test_refunds_that_can_only_be_wrong_are_not_sent(mugs: Shop) -> None:
    mugs.marketplace.place("O1-A", line(1, "MUG", 1, 10.0), state="CLOSED")
    closed = mugs.deliver(refund("O1-A", "O1-A-1", 100))
    assert isinstance(closed, Refused)
    assert closed.code == "CLOSED"
    mugs.marketplace.state("O1-A", "RECEIVED")
    euros = RefundLines(order_id="O1-A", refund_key="r", lines=(units("O1-A-1"),), currency="EUR", amounts=(100,))
    assert isinstance(mugs.deliver(euros), Refused)
    assert isinstance(mugs.deliver(refund("O1-A", "O1-A-9", 100)), Refused)
    assert mugs.sent("/api/orders/refund") == []


# -- stock -----------------------------------------------------------------------------------------------------------


def test_levels_go_in_one_file_and_count_once_it_is_worked_off(mugs: Shop) -> None:
    wishes = [effect(SetStock(sku=sku, stock_number="", quantity=n), i) for i, (sku, n) in enumerate(
        [("MUG", 4), ('CUP "A";1', 0), ("", 3)], start=1
    )]  # fmt: skip
    mugs.marketplace.file_status = {"status": "RUNNING", "has_error_report": False}
    outcomes = mugs.connector.deliver(wishes)
    assert [type(outcome) for outcome in outcomes] == [InDoubt, InDoubt, Refused]
    assert b'"MUG";"4"' in mugs.marketplace.files[0]
    assert b'"CUP ""A"";1";"0"' in mugs.marketplace.files[0]
    assert isinstance(mugs.connector.resolve(wishes[0]), Postponed)
    mugs.marketplace.file_status = {"status": "COMPLETE", "has_error_report": True}
    mugs.marketplace.file_report = "line;reason\n3;The offer does not exist\n"
    assert isinstance(mugs.connector.resolve(wishes[0]), Delivered)
    refused = mugs.connector.resolve(wishes[1])
    assert isinstance(refused, Refused)
    assert "does not exist" in refused.reason
    assert mugs.with_settings().connector.resolve(wishes[0]) == NotThere(), "nobody knows the file any more: send again"


@pytest.mark.parametrize(
    ("report", "found"),
    [
        ("1;No offer with sku 'CUP' here\n", [Delivered, Refused]),
        ("3;No offer with sku MUG-CUP here\n", [Delivered, Refused]),
        ("17;Who knows\n", [Refused, Refused]),
        ("", [Delivered, Delivered]),
    ],
)
def test_a_failure_is_told_to_its_level_by_sku_then_by_number_and_never_lost(
    mugs: Shop, report: str, found: list[type]
) -> None:
    wishes = [effect(SetStock(sku=sku, stock_number="", quantity=1), n) for n, sku in enumerate(("MUG", "CUP"))]
    mugs.marketplace.file_status = {"status": "COMPLETE", "has_error_report": True}
    mugs.marketplace.file_report = f"line-number;error-message\n{report}"
    mugs.connector.deliver(wishes)
    assert [type(mugs.connector.resolve(one)) for one in wishes] == found


def test_a_store_kind_is_refused(mugs: Shop) -> None:
    wish = CancelOrder(store_order_id="1", source_identifier="x", reason="", initiator="")
    assert isinstance(mugs.deliver(wish), Refused)
    assert isinstance(mugs.resolve(wish), Refused)
