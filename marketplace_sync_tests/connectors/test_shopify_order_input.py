"""What is written into an order is exact to the penny and within Shopify's limits, whatever the marketplace states."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace_sync.connectors.shopify import ShopifySettings
from marketplace_sync.connectors.shopify.addresses import mailing_address, split_name
from marketplace_sync.connectors.shopify.order_input import order_create_variables
from marketplace_sync.domain.money import minor_units
from marketplace_sync.domain.orders import Address, OrderLine
from marketplace_sync.settings import Secret
from marketplace_sync_tests.connectors.shopify_shop import create_order, line, order, wanted

SETTINGS = ShopifySettings(
    platform="shopify", base_url="https://hearth.myshopify.com", access_token=Secret(default="shpat_test")
)
ON_TOP = SETTINGS.model_copy(update={"taxes_included": False})


def entry(*lines: OrderLine, settings: ShopifySettings = SETTINGS, **changes: Any) -> dict[str, Any]:
    stated: dict[str, Any] = order_create_variables(create_order(lines=lines, **changes), settings)["order"]
    return stated


def minor(money: dict[str, Any]) -> int:
    return minor_units(money["shopMoney"]["amount"], money["shopMoney"]["currencyCode"])


def owed(stated: dict[str, Any]) -> int:
    """What Shopify will say that the order comes to."""
    total = 0
    for item in [*stated["lineItems"], *stated["shippingLines"]]:
        total += minor(item["priceSet"]) * item.get("quantity", 1)
        if not stated["taxesIncluded"]:
            total += sum(minor(tax["priceSet"]) for tax in item["taxLines"])
    return total


AMOUNTS = st.integers(min_value=0, max_value=5_000_00)
LINES = st.builds(
    line,
    st.uuids().map(str),
    quantity=st.integers(min_value=1, max_value=40),
    unit_price=st.none() | AMOUNTS,
    total=st.none() | AMOUNTS,
    tax=st.none() | st.integers(min_value=0, max_value=2_00),
    tax_rate=st.sampled_from(["", "0.2", "0.05", "0", "nonsense", "NaN", "-1"]),
)


@given(
    lines=st.lists(LINES, min_size=1, max_size=8),
    shipping=st.none() | AMOUNTS,
    shipping_tax=st.none() | st.integers(min_value=0, max_value=1_00),
    settings=st.sampled_from([SETTINGS, ON_TOP]),
)
def test_the_payment_is_what_the_order_comes_to(
    lines: list[OrderLine], shipping: int | None, shipping_tax: int | None, settings: ShopifySettings
) -> None:
    stated = entry(*lines, settings=settings, shipping_price=shipping, shipping_tax=shipping_tax)
    paid = sum(minor(payment["amountSet"]) for payment in stated.get("transactions", []))
    assert paid == owed(stated)
    assert ("financialStatus" in stated) == (paid == 0)
    for item in [*stated["lineItems"], *stated["shippingLines"]]:
        for tax in item["taxLines"]:
            assert 0 <= Decimal(tax["rate"]) < 10


@given(
    total=AMOUNTS,
    quantity=st.integers(min_value=1, max_value=40),
    tax=st.none() | st.integers(min_value=0, max_value=2_00),
    settings=st.sampled_from([SETTINGS, ON_TOP]),
)
def test_a_total_that_does_not_divide_is_paid_to_the_penny_and_stays_one_line(
    total: int, quantity: int, tax: int | None, settings: ShopifySettings
) -> None:
    unit = (2 * total + quantity) // (2 * quantity)
    stated = entry(line("L1", quantity=quantity, unit_price=unit, total=total, tax=tax and min(tax, total)),
                   settings=settings, total=total)  # fmt: skip
    assert owed(stated) == total == sum(minor(one["amountSet"]) for one in stated.get("transactions", []))
    assert [item["quantity"] for item in stated["lineItems"]] == [quantity]
    assert not any(item["key"] == "marketplace_total" for item in stated["customAttributes"])


def test_what_a_total_is_above_its_units_is_a_charge_beside_the_delivery() -> None:
    stated = entry(line("L1", quantity=3, unit_price=332, total=997, tax=166), line("L2"))
    assert [minor(item["priceSet"]) for item in stated["lineItems"]] == [332, 1400]
    _, rounding = stated["shippingLines"]
    assert (rounding["title"], minor(rounding["priceSet"]), rounding["taxLines"]) == ("Rounding", 1, [])
    assert len(entry(line("L2"))["shippingLines"]) == 1, "where all divides there is none"


@pytest.mark.parametrize("currency", ["GBP", "JPY", "KWD"])
def test_amounts_have_their_currencys_digits(currency: str) -> None:
    stated = entry(line("L1", unit_price=1234, total=None, tax=None, tax_rate=""), currency=currency)
    assert stated["lineItems"][0]["priceSet"]["shopMoney"] == {
        "amount": {"GBP": "12.34", "JPY": "1234", "KWD": "1.234"}[currency],
        "currencyCode": currency,
    }


@pytest.mark.parametrize(
    ("given_tax", "given_rate", "tax", "rate"),
    [(200, "0.2", 200, "0.2"), (None, "0.2", 200, "0.2"), (200, "", 200, "0.2"), (0, "0", 0, "0")],
)
def test_a_tax_is_completed_from_its_amount_or_its_rate(
    given_tax: int | None, given_rate: str, tax: int, rate: str
) -> None:
    (item,) = entry(line("L1", unit_price=1200, total=1200, tax=given_tax, tax_rate=given_rate))["lineItems"]
    (tax_line,) = item["taxLines"]
    assert (tax_line["title"], minor(tax_line["priceSet"]), tax_line["rate"]) == ("VAT", tax, rate)


def test_a_tax_of_which_nothing_is_known_is_left_out() -> None:
    (item,) = entry(line("L1", tax=None, tax_rate=""))["lineItems"]
    assert item["taxLines"] == []


def test_the_tax_of_a_partly_cancelled_line_is_that_of_the_units_left() -> None:
    (item,) = entry(line("L1", quantity=3, cancelled=1, tax=699, tax_rate="0.2"))["lineItems"]
    assert minor(item["taxLines"][0]["priceSet"]) == 466


def test_a_unit_price_is_taken_from_the_total_when_it_divides() -> None:
    (item,) = entry(line("L1", quantity=4, unit_price=None, total=1000, tax=None, tax_rate=""))["lineItems"]
    assert minor(item["priceSet"]) == 250


def test_a_total_that_is_not_the_sum_of_its_lines_is_kept_for_people() -> None:
    stated = entry(line("L1"), total=1250)
    assert {"key": "marketplace_total", "value": "12.50 GBP"} in stated["customAttributes"]
    assert not any(item["key"] == "marketplace_total" for item in entry(line("L1"), total=1400)["customAttributes"])


def test_nothing_is_ever_sent_to_the_buyer_unless_the_shop_wants_it() -> None:
    options = order_create_variables(create_order(), SETTINGS)["options"]
    assert options == {
        "inventoryBehaviour": "DECREMENT_IGNORING_POLICY",
        "sendReceipt": False,
        "sendFulfillmentReceipt": False,
    }


def test_no_customer_is_made_and_the_address_of_the_buyer_can_be_left_out() -> None:
    quiet = SETTINGS.model_copy(update={"send_buyer_email": False})
    assert entry(line("L1"))["email"] == "relay-1@example.test"
    stated = entry(line("L1"), settings=quiet)
    assert not stated.keys() & {"email", "customer", "customerId", "phone"}


def test_tags_are_each_once_and_short_enough() -> None:
    stated = order_create_variables(wanted(order(), tags=("A", "a", "", "x" * 60, "one, two")), SETTINGS)["order"]
    assert stated["tags"] == ["A", "x" * 40, "one two", "marketplace:john_lewis"]


@pytest.mark.parametrize(
    ("full_name", "first", "last"),
    [
        ("Ms Anna Schmidt", "Ms Anna", "Schmidt"),
        ("Anna van der Berg", "Anna", "van der Berg"),
        ("Cher", "", "Cher"),
        ("  José   Ortega y Gasset ", "José Ortega", "y Gasset"),
        ("", "", ""),
    ],
)
def test_names_are_split_without_losing_a_word(full_name: str, first: str, last: str) -> None:
    assert split_name(full_name) == (first, last)


@given(st.text())
def test_no_word_of_a_name_is_lost(full_name: str) -> None:
    assert " ".join(split_name(full_name)).split() == full_name.split()


@pytest.mark.parametrize(
    ("country", "region", "code"),
    [
        ("US", "california", "CA"),
        ("us", "NY", "NY"),
        ("CA", "Quebec", "QC"),
        ("AU", "VIC", "VIC"),
        ("GB", "West Yorkshire", None),
        ("US", "Elsewhere", None),
        ("DE", "CA", None),
    ],
)
def test_a_province_is_named_only_when_its_code_is_certain(country: str, region: str, code: str | None) -> None:
    assert mailing_address(Address(country=country, region=region)).get("provinceCode") == code


def test_country_codes_are_those_of_iso() -> None:
    assert mailing_address(Address(country="uk"))["countryCode"] == "GB"
    assert "countryCode" not in mailing_address(Address(country="Britain"))


def test_parts_that_are_not_there_are_left_out() -> None:
    assert mailing_address(Address(full_name="Cher", city=" ", country="GB")) == {
        "lastName": "Cher",
        "countryCode": "GB",
    }


def test_a_line_that_is_too_long_goes_on_in_the_second() -> None:
    words = "Unit 12 The Old Brewery " * 12
    address = mailing_address(Address(line_1=words, line_2="Back door", country="GB"))
    assert len(address["address1"]) <= 255
    assert f"{address['address1']} {address['address2']}" == f"{words.strip()}, Back door"


@given(
    st.builds(
        Address,
        full_name=st.text(max_size=600),
        company=st.text(max_size=600),
        line_1=st.text(max_size=600),
        line_2=st.text(max_size=600),
        city=st.text(max_size=600),
        region=st.text(max_size=20),
        postal_code=st.text(max_size=300),
        country=st.text(max_size=4),
        phone=st.text(max_size=300),
    )
)
def test_every_part_of_every_address_fits(address: Address) -> None:
    assert all(0 < len(part) <= 255 for part in mailing_address(address).values())
