"""A Magento shop takes an order once and whole, gives back what was cancelled or refunded once, and is signed for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from starlette.responses import JSONResponse, Response

from marketplace_sync import config
from marketplace_sync.connectors.magento import MagentoSettings
from marketplace_sync.connectors.magento.marks import order_number, source_identifier
from marketplace_sync.domain.effects import Delivered, InDoubt, NotThere, Postponed, RefundLines, Refused
from marketplace_sync.domain.errors import ConfigurationError
from marketplace_sync.domain.orders import Address
from marketplace_sync_tests.connectors.magento_shop import (
    SECRETS,
    Shop,
    cancel,
    create_order,
    line,
    refund,
    remove,
    shop,
)


@pytest.fixture(scope="module")
def served() -> Iterator[Shop]:
    with shop() as found:
        yield found


@pytest.fixture
def here(served: Shop) -> Shop:
    served.double.anew()
    served.double.product("MUG")
    served.double.product("BOWL")
    return served.anew()


def failing(method: str, path_end: str, status: int = 500) -> Any:
    """Answers one request that ends so with an error, once."""
    left = [1]

    def strike(asked: str, path: str) -> Response | None:
        if asked == method and path.endswith(path_end) and left:
            left.pop()
            said = "Internal Error. Details are available in Magento log file. Report ID: webapi-5f0c2ab41d7e9"
            return JSONResponse({"message": said}, status)
        return None

    return strike


# Orders


def test_an_order_arrives_whole_with_every_sum_twice_and_its_tax_apart(here: Shop) -> None:
    there, row = here.injected(
        create_order(lines=[line("L1"), line("L2", "BOWL", 1)], shipping_price=360, shipping_tax=60)
    )
    assert (row["increment_id"], row["ext_order_id"]) == ("john_lewis-edge-1", "C00000001")
    assert (row["subtotal"], row["shipping_amount"], row["tax_amount"], row["grand_total"]) == (30, 3, 6.6, 39.6)
    assert row["subtotal"] + row["shipping_amount"] + row["tax_amount"] == pytest.approx(row["grand_total"])
    twins = [name for name in row if f"base_{name}" in row]
    assert len(twins) >= 9
    assert [name for name in twins if row[name] != row[f"base_{name}"]] == []
    first = row["items"][0]
    assert (first["price"], first["price_incl_tax"], first["row_total"], first["row_total_incl_tax"]) == (
        10,
        12,
        20,
        24,
    )
    assert (first["tax_percent"], first["ext_order_item_id"], first["product_id"]) == (20, "L1", 1)
    (assignment,) = row["extension_attributes"]["shipping_assignments"]
    assert assignment["shipping"]["address"]["lastname"] == "van der Berg"
    assert there.source_identifier == "john_lewis:edge-1"
    assert [(one.source_line_id, one.quantity) for one in there.lines] == [("L1", 2), ("L2", 1)]


def test_it_is_invoiced_at_once_unless_told_otherwise(here: Shop) -> None:
    _, row = here.injected()
    assert (row["state"], row["items"][0]["qty_invoiced"]) == ("processing", 2)
    _, row = here.anew(invoice_orders=False).injected(create_order(2))
    assert (row["state"], row["items"][0]["qty_invoiced"]) == ("new", 0)


def test_an_order_in_another_currency_waits_for_a_rate(here: Shop) -> None:
    outcome = here.deliver(create_order(currency="EUR"))
    assert isinstance(outcome, Refused)
    assert "currency_rates" in outcome.reason
    _, row = here.anew(currency_rates={"EUR": Decimal("1.2")}).injected(create_order(currency="EUR"))
    assert (row["grand_total"], row["base_grand_total"], row["base_to_order_rate"]) == (24, 20, 1.2)


def test_what_a_marketplace_leaves_out_is_not_made_up(here: Shop) -> None:
    bare = create_order(
        lines=[line("L1", unit_price=None, total=None, tax=None, tax_rate="")],
        shipping_address=Address(full_name="Prince", line_1="Paisley Park", city="Chanhassen", country="US"),
        buyer_email="",
        customer_order_number="",
    )
    _, row = here.injected(bare)
    assert row["grand_total"] == 0
    assert row["customer_email"] == "john-lewis-edge-1@marketplace.invalid"
    assert row["billing_address"]["postcode"] == row["billing_address"]["telephone"] == "-"
    assert "a price is missing" in row["status_histories"][0]["comment"]


def test_the_number_is_the_guard_a_repeat_finds_the_order(here: Shop) -> None:
    first = here.deliver(create_order())
    assert here.deliver(create_order()) == first, "refused for its number, looked up, found"
    assert len(here.double.tables["orders"]) == 1


def test_a_lost_answer_is_looked_up_and_the_invoice_made_good(here: Shop) -> None:
    here.double.after = failing("POST", "orders")
    lost = here.deliver(create_order())
    assert isinstance(lost, InDoubt)
    assert "webapi-5f0c2ab41d7e9" in lost.reason
    assert isinstance(here.resolve(create_order()), NotThere), "there, but not invoiced: not finished"
    assert isinstance(here.deliver(create_order(), attempts=2), Delivered)
    assert isinstance(here.resolve(create_order()), Delivered)
    (row,) = here.double.tables["orders"]
    assert row["items"][0]["qty_invoiced"] == 2


def test_a_refused_invoice_is_shown_and_retried_without_a_second_order(here: Shop) -> None:
    here.double.before = failing("POST", "invoice", 400)
    outcome = here.deliver(create_order())
    assert isinstance(outcome, Refused)
    assert "john_lewis-edge-1 is in the shop" in outcome.reason
    assert isinstance(here.deliver(create_order(), attempts=2), Delivered)
    assert len(here.double.tables["orders"]) == 1


def test_a_product_that_is_gone_is_named(here: Shop) -> None:
    outcome = here.deliver(create_order(product_id="9"))
    assert isinstance(outcome, Refused)
    assert "MUG" in outcome.reason
    assert here.double.tables["orders"] == []


@pytest.mark.parametrize("order_id", ["4500028", "O1-A", "a/b c", "ü" * 40, "x" * 60])
def test_numbers_fit_and_lead_back_to_the_order(order_id: str) -> None:
    settings = MagentoSettings(
        platform="magento", base_url="https://shop.example", reservations="module", order_number_prefix="M.", **SECRETS
    )
    identifier = f"john_lewis:{order_id}"
    number = order_number(identifier, settings)
    assert len(number) <= 50
    assert number.isascii()
    assert number == order_number(identifier, settings) != order_number(identifier + "1", settings)
    assert source_identifier(number, [f"marketplace-sync source: {identifier}"], settings) == identifier
    assert source_identifier(number, None, settings) in ("", identifier), "nothing wrong is read out of a number"
    assert source_identifier("000000123", None, settings) == ""


# Taking back


def test_a_cancelled_order_that_was_invoiced_is_credited_whole_with_its_delivery(here: Shop) -> None:
    there, row = here.injected(create_order(shipping_price=360, shipping_tax=60))
    assert isinstance(here.deliver(cancel(there)), Delivered)
    (body,) = here.sent(f"order/{row['entity_id']}/refund")
    assert body["items"] == [{"order_item_id": 11, "qty": 2}]
    assert body["arguments"] == {
        "shipping_amount": 3, "extension_attributes": {"return_to_stock_items": [11]}
    }  # fmt: skip
    assert isinstance(here.deliver(cancel(there), attempts=2), Delivered)
    assert len(here.double.tables["creditmemos"]) == 1
    after = here.store.order(there.store_order_id)
    assert after is not None
    (taken,) = after.refunds
    assert [(one.quantity, one.unshipped) for one in taken.lines] == [(2, True)]


def test_a_cancelled_order_that_was_not_invoiced_is_cancelled_and_a_no_is_shown(here: Shop) -> None:
    pending = here.anew(invoice_orders=False)
    there, row = pending.injected()
    assert isinstance(pending.deliver(cancel(there)), Delivered)
    assert row["state"] == "canceled"
    after = pending.store.order(there.store_order_id)
    assert after is not None
    assert after.cancelled_at is not None
    held, row = pending.injected(create_order(2))
    row["state"] = row["status"] = "holded"
    outcome = pending.deliver(cancel(held))
    assert isinstance(outcome, Refused)
    assert "hold" in outcome.reason


def test_units_are_taken_off_once_also_when_the_answer_is_lost(here: Shop) -> None:
    there, row = here.injected()
    here.double.after = failing("POST", "refund")
    assert isinstance(here.deliver(remove(there)), InDoubt)
    assert isinstance(here.resolve(remove(there)), Delivered)
    assert isinstance(here.deliver(remove(there), attempts=2), Delivered)
    assert row["items"][0]["qty_refunded"] == 1
    here.double.before = failing("POST", "refund")
    assert isinstance(here.deliver(remove(there, 1, "L9")), Refused), "no such line"


def test_what_is_not_there_yet_is_asked_after_again_before_it_is_sent_again(here: Shop) -> None:
    slow = here.anew(doubt_settles_after=timedelta(seconds=60))
    there, _ = slow.injected()
    answer = slow.resolve(remove(there))
    assert isinstance(answer, Postponed)
    assert answer.after is not None
    assert isinstance(here.resolve(remove(there)), NotThere)


@pytest.mark.parametrize(
    ("amount", "quantity", "expected"),
    [
        (None, 1, {}),
        (1200, 1, {}),
        (1500, 1, {"adjustment_positive": 3}),
        (150, 1, {"adjustment_negative": 10.5}),
        (500, 0, {"adjustment_positive": 5}),
    ],
)
def test_a_refund_of_the_marketplace_is_booked_to_the_penny(
    here: Shop, amount: int | None, quantity: int, expected: dict[str, float]
) -> None:
    there, row = here.injected()
    here.double.ship(row)
    assert isinstance(here.deliver(refund(there, amount, quantity)), Delivered)
    assert isinstance(here.deliver(refund(there, amount, quantity), attempts=2), Delivered)
    (body,) = here.sent(f"order/{row['entity_id']}/refund")
    assert body["arguments"] == {"shipping_amount": 0, **expected}
    assert body["items"] == [{"order_item_id": 11, "qty": quantity}], "without any item Magento would credit them all"
    after = here.store.order(there.store_order_id)
    assert after is not None
    (booked,) = after.refunds
    assert booked.amount == (1200 if amount is None else amount)
    assert booked.reference == "refund:john_lewis:edge-1:R1"
    assert not any(one.unshipped for one in booked.lines)


def test_a_second_part_of_what_units_are_worth_is_credited_as_money_and_known_again(here: Shop) -> None:
    there, row = here.injected()
    here.double.ship(row)
    assert isinstance(here.deliver(refund(there, 300, 2)), Delivered)
    second = refund(there, 200, 1, reference="refund:john_lewis:edge-1:R2")
    here.double.after = failing("POST", "refund")
    assert isinstance(here.deliver(second), InDoubt)
    assert isinstance(here.resolve(second), Delivered)
    assert isinstance(here.deliver(second, attempts=2), Delivered)
    _, body = here.sent(f"order/{row['entity_id']}/refund")
    assert body["items"] == [{"order_item_id": 11, "qty": 0}]
    assert body["arguments"] == {"shipping_amount": 0, "adjustment_positive": 2}
    after = here.store.order(there.store_order_id)
    assert after is not None
    assert [(refund.amount, [one.quantity for one in refund.lines]) for refund in after.refunds] == [
        (300, [2]),
        (200, []),
    ]
    assert isinstance(here.deliver(refund(there, None, 1, reference="refund:R3")), Refused), "nobody says how much"


def test_an_order_without_an_invoice_says_that_it_needs_one(here: Shop) -> None:
    pending = here.anew(invoice_orders=False)
    there, _ = pending.injected()
    outcome = pending.deliver(refund(there, 1200))
    assert isinstance(outcome, Refused)
    assert "invoice" in outcome.reason
    assert not pending.store.capabilities.can_remove_lines


def test_what_a_shop_is_not_asked_is_refused(here: Shop) -> None:
    wish = RefundLines(order_id="1", refund_key="1", lines=(), currency="GBP", amounts=())
    assert isinstance(here.deliver(wish), Refused)
    assert isinstance(here.resolve(wish), Refused)


# Credentials and settings


def test_every_request_is_signed_anew_and_a_refused_one_tried_once_more(here: Shop) -> None:
    here.injected()
    assert len(here.double.validator.nonces) == len(here.double.requests)
    left = [1]

    def once(method: str, path: str) -> Response | None:
        return JSONResponse({"message": "nonce_used"}, 401) if method == "POST" and left and left.pop() else None

    here.double.before = once
    here.injected(create_order(2))


def test_a_missing_permission_is_named_and_costs_an_attempt(here: Shop) -> None:
    there, _ = here.injected()
    here.double.forbidden = {"order/": "Magento_Sales::creditmemo"}
    outcome = here.deliver(remove(there))
    assert isinstance(outcome, Postponed)
    assert "Magento_Sales::creditmemo" in outcome.reason
    assert outcome.counts_as_attempt


def test_the_check_says_per_permission_what_works_and_writes_nothing(here: Shop) -> None:
    assert all(finding.works for finding in here.store.check())
    here.double.forbidden = {"creditmemos": "Magento_Sales::sales_creditmemo"}
    broken = {finding.subject: finding for finding in here.store.check() if not finding.works}
    assert list(broken) == ["credit memos"]
    assert "Magento_Sales::sales_creditmemo" in broken["credit memos"].detail
    here.double.forbidden, here.double.salable = {}, None
    assert [finding.subject for finding in here.store.check() if not finding.works] == ["stock"]
    assert not [asked for asked in here.double.requests if asked.startswith("POST")]
    (finding,) = here.anew(store_view="german").store.check()
    assert "default" in finding.detail, "the views that there are"


def test_a_wrong_key_stops_the_check_with_one_finding(here: Shop) -> None:
    from marketplace_sync.settings import Secret

    (finding,) = here.anew(access_token_secret=Secret(default="wrong-secret")).store.check()
    assert not finding.works
    assert "wrong-secret" not in finding.detail


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({}, "reservations"),
        ({"reservations": "module", "consumer_secret": None}, "consumer_secret"),
        ({"reservations": "module", "reservations_repaired_at": "2026-11-01T00:00:00Z"}, "subtract"),
    ],
)
def test_settings_that_would_go_wrong_silently_are_refused(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        MagentoSettings(platform="magento", base_url="https://shop.example", **{**SECRETS, **keys})


def test_a_configuration_without_a_word_on_reservations_is_refused_with_the_choice(tmp_path: Path) -> None:
    file = tmp_path / "marketplace_sync.yaml"
    secrets = {key: {"env": "SHOP_KEY"} for key in SECRETS}
    connection = {"platform": "magento", "base_url": "https://shop.example", **secrets}
    file.write_text(json.dumps({"connections": {"shop": connection}, "routes": {}}), encoding="utf-8")
    with pytest.raises(ConfigurationError) as refused:
        config.load(file, {"SHOP_KEY": "a secret"})
    (said,) = [one for one in refused.value.problems if one.startswith("connections.shop.reservations: it is missing")]
    assert all(f"`{choice}`" in said for choice in ("module", "repaired", "subtract"))
