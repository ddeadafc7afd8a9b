"""A Mirakl shop over real HTTP: the connection, and every way in which an order can be stated."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest

from marketplace_sync.connectors.ports import Malformed, Marketplace
from marketplace_sync.domain.orders import PriceBasis
from marketplace_sync_tests.connectors.mirakl_marketplace import KEY, line
from marketplace_sync_tests.connectors.mirakl_shop import Shop, dispatch, shop, units


@pytest.fixture(scope="module")
def host() -> Iterator[Shop]:
    with shop() as found:
        yield found


@pytest.fixture
def mugs(host: Shop) -> Shop:
    return host.anew()


# -- the connection --------------------------------------------------------------------------------------------------


def test_a_shop_is_a_marketplace_and_its_check_names_what_it_found(mugs: Shop) -> None:
    connector: Marketplace = mugs.connector
    findings = {finding.subject: finding for finding in connector.check()}
    assert all(finding.works for finding in findings.values()), findings
    assert "prices are taken as retail" in findings["shop"].detail
    assert connector.capabilities.price_basis is PriceBasis.RETAIL
    assert mugs.connector.carrier_codes() == {"royal-mail"}


def test_a_wrong_key_is_named_and_never_shown(mugs: Shop) -> None:
    findings = mugs.with_settings(api_key={"default": "another-secret"}).connector.check()
    assert [finding.works for finding in findings] == [False]
    assert "api_key" in findings[0].fix
    assert "another-secret" not in str(findings)
    assert KEY not in str(findings)


def test_the_platform_is_asked_about_itself_once(mugs: Shop) -> None:
    mugs.connector.check()
    mugs.connector.check()
    assert mugs.marketplace.calls.count(("GET", "/api/account")) == 1
    assert mugs.marketplace.calls.count(("GET", "/api/platform/configuration")) == 1


def test_a_shop_id_is_sent_with_every_call(mugs: Shop) -> None:
    found = mugs.with_settings(shop_id=2000, locale="en_GB", only_channel="UK")
    found.marketplace.place("O1-A", line(1, "MUG", 1, 10.0))
    found.connector.check()
    found.poll("orders")
    found.deliver(dispatch("O1-A", units("O1-A-1")))
    assert {one.params.get("shop_id") for one in found.exchanges} == {2000}
    assert "UK" in {one.params.get("channel_codes") for one in found.exchanges}


# -- orders ----------------------------------------------------------------------------------------------------------


def test_an_order_that_may_be_shipped_is_read_whole(mugs: Shop) -> None:
    taxes = [{"code": "VAT", "amount": 4.16, "rate": 20}]
    mugs.marketplace.place("O1-A", line(1, "MUG-RED", 2, 25.0, taxes=taxes))
    order = mugs.order("O1-A")
    assert (order.order_id, order.customer_order_number, order.currency) == ("O1-A", "O1", "GBP")
    assert (order.total, order.shipping_price, order.tax) == (2895, 395, 416)
    assert order.price_basis is PriceBasis.RETAIL
    assert order.dispatch_by == datetime(2026, 3, 4, 16, tzinfo=UTC)
    found = order.lines[0]
    assert (found.sku, found.quantity, found.unit_price, found.total, found.tax) == ("MUG-RED", 2, 1250, 2500, 416)
    assert (found.tax_rate, found.acknowledged, found.dispatched) == ("0.2", 2, 0)
    assert found.promised_on == date(2026, 3, 7)
    assert order.shipping_address.problems() == []
    assert (order.shipping_address.country, order.shipping_address.line_2) == ("GB", "Flat 2")
    assert order.buyer_email_is_relay
    assert order.buyer_email.endswith("@notification.mirakl.net")


def test_before_acceptance_there_is_a_name_and_no_address(mugs: Shop) -> None:
    mugs.marketplace.place("O1-A", line(1, "MUG", 2, 20.0), state="WAITING_ACCEPTANCE")
    order = mugs.order("O1-A")
    assert order.lines[0].acknowledged == 0
    assert order.shipping_address.full_name == "Ada Byron"
    assert order.shipping_address.problems()


def test_tax_that_comes_on_top_is_part_of_every_gross_amount(mugs: Shop) -> None:
    taxes = [{"code": "VAT", "amount": 4.0, "rate": 20}]
    shipping_taxes = [{"code": "VAT", "amount": 0.79, "rate": 20}]
    mugs.marketplace.place(
        "O1-A",
        line(1, "MUG", 2, 20.0, taxes=taxes, shipping_taxes=shipping_taxes),
        order_tax_mode="TAX_EXCLUDED",
    )
    order = mugs.order("O1-A")
    assert (order.lines[0].unit_price, order.lines[0].total, order.lines[0].tax) == (1200, 2400, 400)
    assert (order.shipping_price, order.shipping_tax, order.total) == (474, 79, 2395 + 479)


def test_cancelled_units_are_counted_with_what_was_ordered(mugs: Shop) -> None:
    taken = [{"id": "9", "quantity": 1, "amount": 10.0, "shipping_amount": 0, "reason_code": "10"}]
    mugs.marketplace.place("O1-A", line(1, "MUG", 2, 20.0, cancelations=taken))
    found = mugs.order("O1-A").lines[0]
    assert (found.quantity, found.cancelled, found.open, found.cancel_reason) == (3, 1, 2, "10")
    assert (found.unit_price, found.total) == (1000, 3000)


@pytest.mark.parametrize(("mode", "paid", "delivery"), [("TAX_INCLUDED", 3300, 300), ("TAX_EXCLUDED", 3960, 360)])
def test_what_a_buyer_paid_is_known_although_totals_shrink_with_cancellations(
    mugs: Shop, mode: str, paid: int, delivery: int
) -> None:
    taken = {
        "id": "9", "quantity": 1, "amount": 10.0, "shipping_amount": 1.0, "reason_code": "10",
        "taxes": [{"code": "VAT", "amount": 2.0}], "shipping_taxes": [{"code": "VAT", "amount": 0.2}],
        "fees": [{"code": "ECO", "amount": 0.5}],
    }  # fmt: skip
    left = line(1, "MUG", 2, 20.0, cancelations=[taken], shipping_price=2.0)
    left |= {"taxes": [{"code": "VAT", "amount": 4.0}], "shipping_taxes": [{"code": "VAT", "amount": 0.4}]}
    left |= {"fees": [{"code": "ECO", "amount": 1.0}]}
    mugs.marketplace.place("O1-A", left, order_tax_mode=mode, total_price=23.0)
    order = mugs.order("O1-A")
    assert (order.paid, order.lines[0].delivery) == (paid, delivery)


def test_an_order_with_fees_that_is_given_back_whole_comes_to_nothing(mugs: Shop) -> None:
    fees = [{"code": "HANDLING", "amount": 1.0}]
    back = {"id": "1", "amount": 20.0, "shipping_amount": 2.0, "quantity": 1, "reason_code": "20", "fees": fees}
    one = line(1, "MUG", 1, 20.0, shipping_price=2.0, fees=fees, refunds=[back])
    mugs.marketplace.place("O1-A", one, state="RECEIVED", shipping_price=2.0, total_price=23.0)
    order, (refund,) = mugs.read_order("O1-A")
    assert order.total == 2300
    assert order.paid == (refund.amount or 0) + refund.shipping_amount == 2200


@pytest.mark.parametrize(
    ("state", "acknowledged", "dispatched", "cancelled"),
    [
        ("WAITING_ACCEPTANCE", 0, 0, 0),
        ("WAITING_DEBIT", 2, 0, 0),
        ("WAITING_DEBIT_PAYMENT", 2, 0, 0),
        ("SHIPPING", 2, 0, 0),
        ("SHIPPED", 2, 2, 0),
        ("TO_COLLECT", 2, 2, 0),
        ("RECEIVED", 2, 2, 0),
        ("CLOSED", 2, 2, 0),
        ("REFUSED", 0, 0, 2),
        ("CANCELED", 0, 0, 2),
        ("SOMETHING_NEW", 0, 0, 0),
    ],
)
def test_states_are_counts(mugs: Shop, state: str, acknowledged: int, dispatched: int, cancelled: int) -> None:
    mugs.marketplace.place("O1-A", line(1, "MUG", 2, 20.0), state=state)
    order = mugs.order("O1-A")
    found = order.lines[0]
    assert (found.acknowledged, found.dispatched, found.cancelled) == (acknowledged, dispatched, cancelled)
    assert bool(order.warnings) is (state == "SOMETHING_NEW")
    unheld = ("SHIPPING", "SHIPPED", "TO_COLLECT", "RECEIVED", "CLOSED", "REFUSED", "CANCELED")
    assert order.awaiting_release is (state not in unheld)
    assert order.on_hold is (state == "SOMETHING_NEW")


def test_a_line_in_a_state_that_nobody_knows_is_what_its_order_is(mugs: Shop) -> None:
    lines = line(1, "MUG", 2, 20.0, order_line_state="SOMETHING_NEW"), line(2, "CUP", 1, 5.0)
    mugs.marketplace.place("O1-A", *lines, state="WAITING_ACCEPTANCE")
    order = mugs.order("O1-A")
    assert [one.acknowledged for one in order.lines] == [0, 0]
    assert (order.awaiting_release, len(order.warnings)) == (True, 1)


@pytest.mark.parametrize(("order_state", "dispatched"), [("SHIPPING", 0), ("RECEIVED", 1)])
def test_an_incident_is_shown_to_a_person_and_says_nothing_of_the_parcel(
    mugs: Shop, order_state: str, dispatched: int
) -> None:
    mugs.marketplace.place("O1-A", line(1, "MUG", 1, 10.0, order_line_state="INCIDENT_OPEN"), state=order_state)
    order = mugs.order("O1-A")
    assert order.lines[0].dispatched == dispatched
    assert (order.incidents, order.warnings) == (("O1-A-1",), ())


def test_money_paid_back_before_anything_left_is_no_parcel(mugs: Shop) -> None:
    mugs.marketplace.place("O1-A", line(1, "MUG", 1, 10.0, order_line_state="REFUNDED"), line(2, "CUP", 1, 5.0))
    first, second = mugs.order("O1-A").lines
    assert (first.cancelled, first.dispatched, second.open) == (1, 0, 1)


def test_refunds_come_with_their_order(mugs: Shop) -> None:
    given = [
        {"id": "7", "amount": 5.5, "shipping_amount": 1, "quantity": 1, "reason_code": "20",
         "created_date": "2026-03-09T10:00:00Z"}
    ]  # fmt: skip
    mugs.marketplace.place("O1-A", line(1, "MUG", 2, 20.0, refunds=given), state="RECEIVED")
    _, (found,) = mugs.read_order("O1-A")
    assert (found.refund_id, found.line_id, found.amount, found.shipping_amount) == ("7", "O1-A-1", 550, 100)
    assert found.refunded_at == datetime(2026, 3, 9, 10, tzinfo=UTC)


def test_the_prices_of_a_dropship_shop_are_cost(mugs: Shop) -> None:
    mugs.marketplace.model = "DROPSHIP"
    mugs.marketplace.place("O1-A", line(1, "MUG", 1, 10.0))
    assert mugs.order("O1-A").price_basis is PriceBasis.COST
    told = mugs.with_settings(price_basis="retail")
    told.marketplace.model = "DROPSHIP"
    told.marketplace.place("O1-A", line(1, "MUG", 1, 10.0))
    assert told.order("O1-A").price_basis is PriceBasis.RETAIL


def test_a_buyers_own_address_is_taken_from_the_field_that_is_configured(mugs: Shop) -> None:
    found = mugs.with_settings(email_field="buyer-mail")
    mine = [{"code": "buyer-mail", "type": "STRING", "value": "ada@example.com"}]
    found.marketplace.place("O1-A", line(1, "MUG", 1, 10.0), order_additional_fields=mine)
    order = found.order("O1-A")
    assert (order.buyer_email, order.buyer_email_is_relay) == ("ada@example.com", False)
    relay = [{"code": "buyer-mail", "type": "STRING", "value": "x@Notification.Mirakl.net"}]
    found.marketplace.place("O2-A", line(1, "MUG", 1, 10.0), order_additional_fields=relay)
    assert found.order("O2-A").buyer_email_is_relay


@pytest.mark.parametrize(
    ("spoil", "names"),
    [
        ({"created_date": "soon"}, "created_date"),
        ({"currency_iso_code": ""}, "currency"),
        ({"total_price": "much"}, "total_price"),
        ({"order_lines": {}}, "order_lines"),
    ],
)
def test_nonsense_is_malformed_and_names_its_field(mugs: Shop, spoil: dict[str, Any], names: str) -> None:
    mugs.marketplace.place("O1-A", line(1, "MUG", 1, 10.0), **spoil)
    (statement,), _ = mugs.poll("orders")
    with pytest.raises(Malformed, match=rf"order O1-A: .*{names}"):
        mugs.connector.parse(statement)


@pytest.mark.parametrize("quantity", [-1, 1.5, "two", None, True])
def test_a_quantity_that_is_none_is_malformed(mugs: Shop, quantity: object) -> None:
    mugs.marketplace.place("O1-A", line(1, "MUG", 1, 10.0) | {"quantity": quantity})
    with pytest.raises(Malformed, match="quantity"):
        mugs.order("O1-A")


def test_unknown_fields_and_nulls_do_no_harm(mugs: Shop) -> None:
    mugs.marketplace.place("O1-A", line(1, "MUG", 1, 10.0, brand_new={"x": [1]}, taxes=None), delivery_date=None)
    assert mugs.order("O1-A").lines[0].promised_on is None
