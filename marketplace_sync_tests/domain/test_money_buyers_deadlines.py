"""Money is exact, a buyer is one person, a deadline is working time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace_sync.domain.buyers import identity, normalised_email, split_name
from marketplace_sync.domain.deadlines import acknowledge_by, dispatch_by
from marketplace_sync.domain.money import NotMoney, decimal_text, minor_units, share
from marketplace_sync.domain.orders import Address, Order, PriceBasis
from marketplace_sync.domain.skus import suggestions


@given(st.integers(-(10**14), 10**14), st.sampled_from(["GBP", "JPY", "KWD"]))
def test_money_survives_the_wire(minor: int, currency: str) -> None:
    assert minor_units(decimal_text(minor, currency), currency) == minor


@pytest.mark.parametrize(
    ("text", "minor"), [("12.00", 1200), ("12", 1200), ("-0.01", -1), ("0.005", 1), (" 7.5 ", 750), (".10", 10)]
)
def test_amounts_are_read_exactly(text: str, minor: int) -> None:
    assert minor_units(text, "GBP") == minor


@pytest.mark.parametrize("text", ["", "abc", "1e400", "NaN", "Infinity", "12,00", "٣.00x", "1" * 40])
def test_what_is_not_money_is_said_so(text: str) -> None:
    with pytest.raises(NotMoney):
        minor_units(text, "GBP")


def test_floats_are_refused() -> None:
    with pytest.raises(NotMoney, match="float"):
        minor_units(12.0, "GBP")  # type: ignore[arg-type]
    assert minor_units(Decimal("12.0"), "GBP") == 1200


@given(st.integers(-10000, 10000), st.lists(st.integers(0, 1000), min_size=1, max_size=12))
def test_a_split_total_adds_up(total: int, weights: list[int]) -> None:
    assert sum(share(total, weights)) == total


def order(**more: object) -> Order:
    fields = {
        "order_id": "7", "reference": "7-1", "customer_order_number": "700", "status": "", "currency": "GBP",
        "placed_at": datetime(2026, 11, 20, tzinfo=UTC), "price_basis": PriceBasis.COST, "lines": (), **more,
    }  # fmt: skip
    return Order(**fields)  # type: ignore[arg-type]


def test_one_person_is_one_profile_whatever_the_spelling() -> None:
    assert identity("jl", order(buyer_email=" Ann@Example.COM ")) == identity(
        "jl", order(buyer_email="ann@example.com")
    )


@pytest.mark.parametrize("email", ["", "not an address", "a@", "@b.example"])
def test_without_a_usable_address_the_order_is_the_identity(email: str) -> None:
    assert identity("jl", order(buyer_email=email)).identifiers == {"external_id": "jl:700"}


def test_a_relay_address_is_nobodys() -> None:
    known = identity("mirakl", order(buyer_email="x-7@relay.example.com", buyer_email_is_relay=True))
    assert known.identifiers == {"external_id": "mirakl:700"}


def test_addresses_of_the_sandbox_are_addresses() -> None:
    assert normalised_email("Kim@example.org") == "kim@example.org"


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("Ann Other", ("Ann", "Other")),
        ("Ann", ("Ann", "")),
        ("Ana María de la O", ("Ana María de la", "O")),
        ("", ("", "")),
    ],
)
def test_a_name_is_split_at_its_last_word(name: str, parts: tuple[str, str]) -> None:
    assert split_name(name) == parts


def test_an_address_says_what_it_lacks() -> None:
    assert Address(full_name="A", line_1="1 High St", city="Leeds", country="GB").problems() == []
    assert Address(full_name="A", country="GB").problems() == ["no first address line", "no city or postcode"]
    assert Address(full_name="A", line_1="x", city="y", country="United Kingdom").problems() != []


def test_an_acknowledgement_due_on_a_day_off_is_due_at_noon_of_the_next_working_day() -> None:
    friday = datetime(2026, 11, 20, 15, tzinfo=UTC)
    assert acknowledge_by(friday, timedelta(hours=24), "Europe/London") == datetime(2026, 11, 23, 12, tzinfo=UTC)
    monday = datetime(2026, 11, 16, 15, tzinfo=UTC)
    assert acknowledge_by(monday, timedelta(hours=24), "Europe/London") == monday + timedelta(hours=24)
    christmas_eve = datetime(2026, 12, 24, 15, tzinfo=UTC)
    assert acknowledge_by(christmas_eve, timedelta(hours=24), "Europe/London").date() == date(2026, 12, 29)


def test_a_parcel_leaves_working_days_before_its_promise() -> None:
    placed = datetime(2026, 11, 16, 9, tzinfo=UTC)
    assert dispatch_by(date(2026, 11, 23), placed, 2, "Europe/London").date() == date(2026, 11, 19)
    assert dispatch_by(None, placed, 2, "Europe/London").date() == date(2026, 11, 18)


def test_near_misses_of_a_sku_are_suggested() -> None:
    known = ["MUG-RED", "MUG-BLUE", "0042", "LAMP-BRASS"]
    assert suggestions("mug red", known) == ["MUG-RED"]
    assert suggestions("42", known) == ["0042"]
    assert "MUG-RED" in suggestions("MUG-RAD", known)
    assert suggestions("SOMETHING-ELSE", known) == []
