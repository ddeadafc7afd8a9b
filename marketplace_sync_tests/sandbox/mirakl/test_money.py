"""The transaction log, payment cycles and documents: every amount accounted for, to the penny."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from marketplace_sync_tests.sandbox.mirakl.seller import BOWL, DAY, LAMP, MUG, Seller

LOG = "/api/sellerpayment/transactions_logs"


def _kinds(rows: list[dict[str, Any]]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for row in rows:
        sums[row["type"]] = sums.get(row["type"], Decimal(0)) + Decimal(str(row["amount"]))
    return sums


def test_every_line_brings_sale_shipping_commission_and_its_vat_pending_at_the_debit(seller: Seller) -> None:
    order_id = seller.placed((BOWL, 2))
    seller.accept(order_id)
    assert seller.get(LOG)["data"] == []
    seller.act("accept_payment", order_id=order_id)
    rows = seller.get(LOG, order_id=order_id)["data"]
    # 15 % of 64.00 + 3.95 is 10.1925, rounded half up; 20 % of 10.19 is 2.038.
    assert _kinds(rows) == {
        "ORDER_AMOUNT": Decimal("64.0"),
        "ORDER_SHIPPING_AMOUNT": Decimal("3.95"),
        "COMMISSION_FEE": Decimal("-10.19"),
        "COMMISSION_VAT": Decimal("-2.04"),
    }
    assert {row["payment_state"] for row in rows} == {"PENDING"}
    assert {row["entities"]["order_line"]["id"] for row in rows} == {f"{order_id}-1"}
    assert all(row["amount_credited"] - row["amount_debited"] == row["amount"] for row in rows)
    line = seller.order(order_id)["order_lines"][0]
    assert (line["commission_fee"], line["commission_vat"], line["total_commission"]) == (10.19, 2.04, 12.23)


def test_prices_without_tax_have_tax_lines_and_refunds_must_name_theirs(seller_with: Callable[..., Seller]) -> None:
    seller = seller_with(order_tax_mode="TAX_EXCLUDED")
    order_id = seller.shipped((MUG, 1))
    kinds = _kinds(seller.get(LOG)["data"])
    assert (kinds["ORDER_AMOUNT_TAX"], kinds["ORDER_SHIPPING_AMOUNT_TAX"]) == (Decimal("2.8"), Decimal("0.79"))
    assert seller.refund(f"{order_id}-1", "14.00").status_code == 400
    taxes = [{"code": "TAX_STD", "amount": "2.80"}]
    assert seller.refund(f"{order_id}-1", "14.00", taxes=taxes).status_code == 200
    assert _kinds(seller.get(LOG)["data"])["REFUND_ORDER_AMOUNT_TAX"] == Decimal("-2.8")


def test_refunds_give_the_commission_back_pro_rata_and_in_the_end_exactly(seller: Seller) -> None:
    order_id = seller.received((LAMP, 1))
    for amount in ("33.33", "33.33", "62.34"):
        shipping = 3.95 if amount == "62.34" else 0
        assert seller.refund(f"{order_id}-1", amount, shipping_amount=shipping).status_code == 200
    kinds = _kinds(seller.pages(LOG, order_id=order_id))
    assert sum(kinds.values()) == 0
    assert kinds["REFUND_COMMISSION_FEE"] == -kinds["COMMISSION_FEE"]
    assert kinds["REFUND_COMMISSION_VAT"] == -kinds["COMMISSION_VAT"]
    assert seller.order(order_id)["fully_refunded"] is True


def test_a_cancelation_after_the_debit_takes_its_money_back(seller: Seller) -> None:
    order_id = seller.paid((MUG, 2))
    seller.cancel(f"{order_id}-1", "14.00", 1)
    line = seller.order(order_id)["order_lines"][0]
    expected = line["total_price"] - line["total_commission"]
    assert float(sum(_kinds(seller.pages(LOG)).values())) == pytest.approx(expected, abs=1e-9)


def test_the_cycle_pays_what_its_lines_say_and_makes_a_document(seller: Seller) -> None:
    received, sent = seller.received((MUG, 1), (LAMP, 2)), seller.shipped((BOWL, 1))
    seller.refund(f"{received}-1", "5.00")
    seller.act("charge", kind="MANUAL_CREDIT", amount=250)
    cycle_id = seller.act("close_payment_cycle")["cycle_id"]
    (cycle,) = seller.get("/api/seller-billing-cycles")["data"]
    assert (cycle["id"], cycle["pay_out"]["state"]) == (cycle_id, "PAID")
    rows = seller.pages(LOG, seller_billing_cycle_id=cycle_id, limit=3)
    payment = [row for row in rows if row["type"] == "PAYMENT"]
    others = [row for row in rows if row["type"] != "PAYMENT"]
    paid = sum(Decimal(str(row["amount"])) for row in others)
    assert paid == Decimal(str(cycle["amount_transferred_to_seller"])) == -Decimal(str(payment[0]["amount"]))
    assert {row["payment_state"] for row in rows} == {"PAID"}
    assert {row["payment_state"] for row in seller.pages(LOG, order_id=sent)} == {"PENDING"}
    (invoice,) = seller.get("/api/invoices", seller_billing_cycle_id=cycle_id)["invoices"]
    assert {row["accounting_document_number"] for row in others} == {invoice["id"]}
    assert invoice["total_charged_amount"] == cycle["amount_transferred_to_seller"]
    assert seller.http.get(f"/api/invoices/{invoice['invoice_id']}").text.startswith("Invoice")
    assert seller.get("/api/account")["payment_details"]["payable_balance"] == 0


def test_the_summary_of_a_cycle_adds_up(seller: Seller) -> None:
    order_id = seller.received((MUG, 1))
    seller.refund(f"{order_id}-1", "2.00")
    seller.act("close_payment_cycle")
    (cycle,) = seller.get("/api/seller-billing-cycles")["data"]
    names = [name for name in cycle["summary"] if name.endswith("_incl_tax") and "refund_orders" not in name]
    total = sum(Decimal(str(cycle["summary"][name])) for name in names)
    assert total == Decimal(str(cycle["amount_transferred_to_seller"]))


def test_cycles_close_by_themselves_and_a_debt_waits(seller_with: Callable[..., Seller]) -> None:
    seller = seller_with(automatic_cycles=True, cycle_days=10, pay_out_seconds=2 * DAY, subscription_fee=3000)
    seller.later(10 * DAY + 1)
    assert seller.get("/api/seller-billing-cycles")["data"] == [], "the subscription alone is a debt"
    seller.received((LAMP, 3))
    seller.later(10 * DAY)
    (cycle,) = seller.get("/api/seller-billing-cycles")["data"]
    assert cycle["pay_out"]["state"] == "TO_PAY"
    assert cycle["summary"]["total_subscription_excl_tax"] == -60
    seller.later(2 * DAY + 1)
    (cycle,) = seller.get("/api/seller-billing-cycles", pay_out_state="PAID")["data"]
    assert cycle["pay_out"]["reference"]


def test_a_cycle_that_is_not_closed_books_no_subscription(seller_with: Callable[..., Seller]) -> None:
    seller = seller_with(automatic_cycles=False, subscription_fee=3000)
    for _ in range(2):
        assert seller.act("close_payment_cycle") == {"cycle_id": None}
    assert seller.get(LOG)["data"] == [], "nothing was paid, so nothing was taken either"
    seller.received((LAMP, 1))
    assert seller.act("close_payment_cycle")["cycle_id"]
    kinds = _kinds(seller.pages(LOG))
    assert (kinds["SUBSCRIPTION_FEE"], kinds["SUBSCRIPTION_VAT"]) == (Decimal(-30), Decimal(-6)), "once"
    assert sum(kinds.values()) == 0


def test_an_open_incident_holds_the_money(seller: Seller) -> None:
    order_id = seller.shipped()
    seller.act("open_incident", line_id=f"{order_id}-1")
    seller.act("receive", order_id=order_id)
    assert seller.act("close_payment_cycle")["cycle_id"] is None
    seller.act("close_incident", line_id=f"{order_id}-1")
    assert seller.act("close_payment_cycle")["cycle_id"] is not None


def test_page_tokens_override_everything_and_lead_back(seller: Seller) -> None:
    seller.received((MUG, 1), (LAMP, 1), (BOWL, 1))
    first = seller.get(LOG, limit=5, sort="lastUpdated,ASC")
    second = seller.get(LOG, page_token=first["next_page_token"], limit=1, order_id="nobody")
    back = seller.get(LOG, page_token=second["previous_page_token"])
    assert (len(first["data"]), len(second["data"])) == (5, 5)
    assert [row["id"] for row in back["data"]] == [row["id"] for row in first["data"]]
    assert "previous_page_token" not in first
    rows = seller.pages(LOG, limit=5)
    assert len({row["id"] for row in rows}) == len(rows) == 12


@pytest.mark.parametrize(
    ("setting", "kind"),
    [
        ("missing_sale_rate", "missing_sale"),
        ("wrong_commission_rate", "wrong_commission"),
        ("surprise_fee_rate", "surprise_fee"),
        ("missing_refund_commission_rate", "missing_refund_commission"),
        ("short_payout_rate", "short_payout"),
    ],
)
def test_discrepancies_are_switched_on_one_by_one_and_noted(
    seller_with: Callable[..., Seller], setting: str, kind: str
) -> None:
    seller = seller_with(**{setting: 1.0})
    order_id = seller.received((LAMP, 1))
    seller.refund(f"{order_id}-1", "10.00")
    seller.act("charge", kind="MANUAL_CREDIT", amount=100_000)
    seller.act("close_payment_cycle")
    assert [noted["kind"] for noted in seller.documents("discrepancies")] == [kind]


def test_without_discrepancies_none_is_noted(seller: Seller) -> None:
    seller.received((LAMP, 1))
    seller.act("close_payment_cycle")
    assert seller.documents("discrepancies") == []


def test_the_log_can_be_exported(seller: Seller) -> None:
    seller.paid()
    tracking_id = seller.http.post(f"{LOG}/async", json={"transaction_type": ["ORDER_AMOUNT"]}).json()["tracking_id"]
    seller.later(6)
    status = seller.get(f"{LOG}/async/status/{tracking_id}")
    (row,) = seller.http.get(status["urls"][0]).json()
    assert (status["status"], row["type"]) == ("COMPLETED", "ORDER_AMOUNT")


def test_pay_on_shipment_writes_the_sale_when_the_parcel_leaves(seller_with: Callable[..., Seller]) -> None:
    seller = seller_with(payment_workflow="PAY_ON_SHIPMENT")
    order_id = seller.placed((MUG, 1))
    seller.accept(order_id)
    assert (seller.order(order_id)["order_state"], seller.get(LOG)["data"]) == ("SHIPPING", [])
    seller.act("ship_in_portal", order_id=order_id)
    assert _kinds(seller.get(LOG)["data"])["ORDER_AMOUNT"] == Decimal("14.0")
    assert seller.order(order_id)["customer_debited_date"] is not None


def test_the_operator_refunds_too_and_a_whole_refund_is_told_on_line_and_order(seller: Seller) -> None:
    order_id = seller.received((MUG, 1))
    refund_id = seller.act("refund_by_operator", line_id=f"{order_id}-1")["refund_id"]
    seller.later(121)
    seller.later(121)
    order = seller.order(order_id)
    (line,) = order["order_lines"]
    assert (order["fully_refunded"], line["order_line_state"], line["refunds"][0]["id"]) == (
        True,
        "REFUNDED",
        refund_id,
    )
    refunds = seller.get(LOG, transaction_type="REFUND_ORDER_AMOUNT")["data"]
    assert [row["entities"]["refund"]["id"] for row in refunds] == [refund_id]
    assert seller.actions("OR28") == []


def test_a_refund_before_the_cycle_and_one_after_it_belong_to_their_own_cycles(seller: Seller) -> None:
    order_id = seller.received((LAMP, 2))
    seller.refund(f"{order_id}-1", "10.00")
    first = seller.act("close_payment_cycle")
    seller.refund(f"{order_id}-1", "20.00")
    assert seller.act("close_payment_cycle")["cycle_id"] is None, "a debt waits"
    seller.received((LAMP, 1))
    second = seller.act("close_payment_cycle")
    totals = [
        sum(Decimal(str(row["amount"])) for row in seller.pages(LOG, seller_billing_cycle_id=each["cycle_id"]))
        for each in (first, second)
    ]
    assert totals == [0, 0], "the payment zeroes its cycle"
    rows = seller.pages(LOG, order_id=order_id)
    assert {row["seller_billing_cycle_id"] for row in rows} == {first["cycle_id"], second["cycle_id"]}
