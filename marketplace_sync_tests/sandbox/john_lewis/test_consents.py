"""The customer records with their marketing consent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from marketplace_sync_tests.sandbox.john_lewis.seller import Seller

SellerWith = Callable[..., Seller]


def customers(seller: Seller, **query: Any) -> list[dict[str, Any]]:
    page = seller.http.get("/sim/jl/customers/", params={"limit": 100, **query}).raise_for_status().json()
    assert page["count"] >= len(page["results"])
    rows: list[dict[str, Any]] = page["results"]
    return rows


def buyer(email: str, accepts: bool | None = None) -> dict[str, Any]:
    return {"email": email, "full_name": "Ana María Fry", "accepts_marketing": accepts}


def test_a_buyer_has_a_record_with_their_consent(seller: Seller) -> None:
    seller.placed(buyer=buyer("Ana.Fry@example.com", accepts=True))
    (record,) = customers(seller)
    assert record["customer_ref"].startswith("JLC")
    assert (record["email"], record["first_name"], record["last_name"]) == ("Ana.Fry@example.com", "Ana", "María Fry")
    assert (record["accepts_marketing"], record["consent_source"]) == (True, "checkout")
    assert record["consent_updated_at"].endswith("+00:00")


def test_no_order_carries_consent(seller: Seller) -> None:
    order = seller.order(seller.placed(buyer=buyer("a@example.com", accepts=True)))
    assert "accepts" not in str(order)
    assert "marketing" not in str(order)


def test_a_second_order_changes_no_consent_unless_something_was_said(seller: Seller) -> None:
    seller.placed(buyer=buyer("a@example.com", accepts=True))
    before = customers(seller)
    seller.placed(buyer=buyer("A@example.com"))
    assert customers(seller) == before
    seller.placed(buyer=buyer("a@example.com", accepts=False))
    (after,) = customers(seller)
    assert (after["accepts_marketing"], after["customer_ref"]) == (False, before[0]["customer_ref"])


def test_a_change_of_mind_is_found_by_updated_since(seller: Seller) -> None:
    for name in ("a", "b", "c"):
        seller.placed(buyer=buyer(f"{name}@example.com", accepts=True))
    since = customers(seller)[-1]["updated_at"]
    seller.act("set_consent", email="a@example.com", accepts=False)
    changed = customers(seller, updated_since=since)
    assert [row["email"] for row in changed] == ["c@example.com", "a@example.com"]
    assert changed[-1]["accepts_marketing"] is False


def test_updated_since_may_be_in_any_zone(seller: Seller) -> None:
    seller.placed(buyer=buyer("a@example.com"))
    assert customers(seller, updated_since="2020-01-01T00:00:00+02:00") != []
    assert customers(seller, updated_since="2126-01-01T00:00:00Z") == []


@pytest.mark.parametrize("since", ["yesterday", "2026-11-21T00:00:00", "2026-11-21"])
def test_updated_since_without_a_zone_is_refused(seller: Seller, since: str) -> None:
    assert seller.http.get("/sim/jl/customers/", params={"updated_since": since}).status_code == 400


def test_a_consent_may_be_noted_long_after_it_was_given(seller: Seller) -> None:
    seller.act("set_consent", email="a@example.com", accepts=False)
    late = seller.act("set_consent", email="a@example.com", accepts=True, at="2020-05-01T10:00:00+00:00")
    assert late["consent_updated_at"] == "2020-05-01T10:00:00+00:00"
    assert late["updated_at"] > "2026"


def test_unknown_consent_is_null(seller: Seller) -> None:
    record = seller.act("set_consent", email="a@example.com", accepts=None)
    assert (record["accepts_marketing"], record["consent_source"], record["consent_updated_at"]) == (None, None, None)


def test_the_records_come_in_pages(seller: Seller) -> None:
    for number in range(5):
        seller.act("set_consent", email=f"{number}@example.com", accepts=True)
    emails = [row["email"] for offset in (0, 2, 4) for row in customers(seller, limit=2, offset=offset)]
    assert emails == [f"{number}@example.com" for number in range(5)]


def test_the_feed_can_be_missing(seller_with: SellerWith) -> None:
    assert seller_with(consent_feed=False).http.get("/sim/jl/customers/").status_code == 404
