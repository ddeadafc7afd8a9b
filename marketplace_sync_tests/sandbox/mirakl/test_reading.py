"""Polling: which orders a list holds, how pages and windows work, and how often one may ask."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.mirakl import Mirakl
from marketplace_sync.sandbox.mirakl.order_book import Wanted
from marketplace_sync.sandbox.state import State
from marketplace_sync_tests.sandbox.mirakl.seller import KEY, LAMP, MUG, Seller


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _now(seller: Seller) -> datetime:
    return datetime.fromisoformat(seller.sandbox.control("GET")["now"]).astimezone(UTC)


def test_offset_pages_have_links_a_default_of_ten_and_a_ceiling_of_a_hundred(seller: Seller) -> None:
    seller.act("place_orders", count=105, lines_per_order=1)
    first = seller.http.get("/api/orders")
    assert (len(first.json()["orders"]), first.json()["total_count"]) == (10, 105)
    assert len(seller.get("/api/orders", max=500)["orders"]) == 100
    second = seller.http.get(first.links["next"]["url"])
    ids = [order["order_id"] for page in (first, second) for order in page.json()["orders"]]
    assert len(set(ids)) == 20
    assert second.links["previous"]["url"].startswith(seller.address)
    assert "next" not in seller.http.get("/api/orders", params={"max": 100, "offset": 100}).links
    assert len(seller.get("/api/orders", paginate="false")["orders"]) == 105
    assert seller.http.get("/api/orders?max=ten").status_code == 400


def test_orders_are_sorted_by_creation_and_by_nothing_else(seller: Seller) -> None:
    new, old = seller.placed(), seller.placed(ordered_at=_iso(_now(seller) - timedelta(days=2)))
    assert [each["order_id"] for each in seller.get("/api/orders", sort="dateCreated")["orders"]] == [old, new]
    assert [each["order_id"] for each in seller.get("/api/orders", order="desc")["orders"]] == [new, old]
    assert seller.http.get("/api/orders?sort=dateUpdated").status_code == 400


def test_a_list_by_state_follows_every_change_of_state(seller: Seller) -> None:
    waiting, paid = seller.placed(), seller.paid()

    def listed(*states: str) -> list[str]:
        return [order["order_id"] for order in seller.get("/api/orders", order_state_codes=",".join(states))["orders"]]

    assert (listed("WAITING_ACCEPTANCE"), listed("SHIPPING")) == ([waiting], [paid])
    assert listed("SHIPPING", "WAITING_ACCEPTANCE") == [waiting, paid]
    seller.accept(waiting)
    assert (listed("WAITING_ACCEPTANCE"), listed("WAITING_DEBIT")) == ([], [waiting])


def test_the_server_subtracts_a_margin_from_the_update_window(seller: Seller) -> None:
    old = seller.placed()
    seller.later(3600)
    recent = seller.placed()
    since = _iso(_now(seller) + timedelta(seconds=30))
    found = [order["order_id"] for order in seller.get("/api/orders", start_update_date=since)["orders"]]
    assert found == [recent]
    seller.put("/api/orders", {"orders": [{"order_id": old, "references": {"order_reference_for_seller": "1"}}]})
    found = [order["order_id"] for order in seller.get("/api/orders", start_update_date=since)["orders"]]
    assert found == [old, recent], "a change of the reference moves the update date"


def test_whatever_changes_an_order_moves_its_time_of_change(seller: Seller) -> None:
    """State, tracking, reference, custom field, parcel, incident, refund, cancelation, return of the buyer's name."""
    order_id, other = seller.placed((MUG, 3)), seller.placed((MUG, 3))
    line_id = f"{order_id}-1"
    tracking = {"carrier_code": "dpd", "tracking_number": "1"}
    field = {"order_additional_fields": [{"code": "gift-note", "value": "x"}]}
    reference = {"orders": [{"order_id": order_id, "references": {"order_reference_for_seller": "#1"}}]}
    steps: list[Callable[[], Any]] = [
        lambda: seller.accept(order_id),
        lambda: seller.act("accept_payment", order_id=order_id),
        lambda: seller.put("/api/orders", reference),
        lambda: seller.put(f"/api/orders/{order_id}/additional_fields", field),
        lambda: seller.cancel(line_id, "14.00", 1),
        lambda: seller.put(f"/api/orders/{order_id}/tracking", tracking),
        lambda: seller.put(f"/api/orders/{order_id}/ship"),
        lambda: seller.refund(line_id, "1.00"),
        lambda: seller.act("open_incident", line_id=line_id),
        lambda: seller.act("close_incident", line_id=line_id),
        lambda: seller.act("receive", order_id=order_id),
        lambda: seller.act("anonymise", order_id=order_id),
    ]
    before = seller.order(other)["last_updated_date"]
    last = seller.order(order_id)["last_updated_date"]
    for number, step in enumerate(steps):
        seller.later(2)
        step()
        changed = seller.order(order_id)["last_updated_date"]
        assert changed > last, f"step {number}"
        last = changed
    assert seller.order(other)["last_updated_date"] == before


def test_token_pages_stay_as_they_were_when_rows_come_in_between(seller: Seller) -> None:
    for _ in range(3):
        seller.paid((MUG, 1), (LAMP, 1))
    logs = "/api/sellerpayment/transactions_logs"
    whole = [row["id"] for row in seller.pages(logs, limit=100)]
    page = seller.get(logs, limit=5)
    found = [row["id"] for row in page["data"]]
    seller.paid((MUG, 1))
    while "next_page_token" in page:
        page = seller.get(logs, page_token=page["next_page_token"])
        found += [row["id"] for row in page["data"]]
    assert found[: len(whole)] == whole
    assert len(set(found)) == len(found)


def test_a_telephone_number_may_have_lost_its_zero(seller: Seller) -> None:
    numbers = []
    for _ in range(10):
        order_id = seller.paid(buyer={"phone": "01632 960001"})
        numbers.append(seller.order(order_id)["customer"]["shipping_address"]["phone"])
    assert sorted(set(numbers)) == ["01632 960001", "1632 960001"]


def test_dates_need_zone_and_seconds(seller: Seller) -> None:
    for text in ("2026-11-21T10:00:00", "2026-11-21", "yesterday"):
        assert seller.http.get("/api/orders", params={"start_update_date": text}).status_code == 400


def test_filters_by_debit_incident_and_reference(seller: Seller) -> None:
    plain, paid = seller.placed(customer_reference="REF-1"), seller.paid()
    seller.act("open_incident", line_id=f"{paid}-1")

    def only(**query: str) -> str:
        (found,) = seller.get("/api/orders", **query)["orders"]
        return str(found["order_id"])

    assert only(customer_debited="true") == only(has_incident="true") == paid
    assert only(customer_debited="false") == only(order_references_for_customer="REF-1") == plain
    assert seller.get("/api/orders", channel_codes="ELSEWHERE")["total_count"] == 0


def test_the_published_intervals_are_real_windows(seller_with: Callable[..., Seller]) -> None:
    seller = seller_with(rate_factor=1.0)
    assert seller.http.get("/api/orders").status_code == 200
    refused = seller.http.get("/api/orders")
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert seller.http.get("/api/orders?offset=10").status_code == 200, "further pages belong to the first"
    assert seller.http.get("/api/orders?order_ids=x").status_code == 200, "a look at one order is a page view"
    seller.later(61)
    assert seller.http.get("/api/orders").status_code == 200
    assert seller.http.get("/api/account").status_code == 200
    assert seller.http.get("/api/account").status_code == 429


def test_twenty_pages_of_transactions_a_minute(seller_with: Callable[..., Seller]) -> None:
    seller = seller_with(rate_factor=1.0, send_retry_after=False)
    path = "/api/sellerpayment/transactions_logs"
    assert [seller.http.get(path).status_code for _ in range(21)] == [200] * 20 + [429]
    assert "Retry-After" not in seller.http.get(path).headers
    seller.later(61)
    assert seller.http.get(path).status_code == 200


def test_an_export_runs_alone_and_refuses_more_than_a_year(seller: Seller) -> None:
    order_id = seller.placed()
    day = {"start_date": _iso(_now(seller) - timedelta(days=1)), "end_date": _iso(_now(seller) + timedelta(days=1))}
    long_ago = {**day, "start_date": _iso(_now(seller) - timedelta(days=400))}
    assert seller.http.post("/api/orders/async-export", json=long_ago).status_code == 400
    assert seller.http.post("/api/orders/async-export", json={}).status_code == 400
    tracking_id = seller.http.post("/api/orders/async-export", json=day).json()["tracking_id"]
    assert seller.http.post("/api/orders/async-export", json=day).status_code == 400
    status = f"/api/orders/async-export/status/{tracking_id}"
    assert seller.get(status)["status"] == "PENDING"
    seller.later(6)
    done = seller.get(status)
    (order,) = seller.http.get(done["urls"][0]).json()
    assert (done["status"], order["order_id"]) == ("COMPLETED", order_id)


def test_accounts_differ(seller_with: Callable[..., Seller]) -> None:
    seller = seller_with(
        currency="EUR", country="DEU", country_label="Germany", timezone="Europe/Berlin", shop_model="DROPSHIP"
    )
    order = seller.order(seller.paid((LAMP, 1)))
    assert (order["currency_iso_code"], order["total_commission"], order["price"]) == ("EUR", 0, 64.5)
    assert order["customer"]["shipping_address"]["country_iso_code"] == "DEU"
    assert seller.get("/api/account")["model"] == "DROPSHIP"
    platform = seller.get("/api/platform/configuration")
    assert (platform["timezone"], platform["features"]["returns"]["drop_ship"]) == ("Europe/Berlin", True)


def test_a_setting_that_does_not_exist_is_named() -> None:
    with pytest.raises(ValueError, match="no setting apikey"):
        Mirakl("m", state=State("m", None), clock=Clock(), settings={"apikey": "x"})


def test_fields_and_values_that_nobody_knows_appear(seller_with: Callable[..., Seller]) -> None:
    seller = seller_with(extra_field_rate=1.0, unknown_type_rate=1.0)
    order = seller.order(seller.placed())
    assert "fraud_screening" in order
    assert order["payment_workflow"] == "PAY_LATER_PARTNER"


def test_a_holiday_closes_the_shop(seller: Seller) -> None:
    assert seller.put("/api/account", {"closed_from": _iso(_now(seller) - timedelta(hours=1))}).status_code == 200
    assert seller.get("/api/account")["shop_state"] == "CLOSE"
    assert seller.put("/api/account", {"shop_id": 5}).json()["errors"][0]["field"] == "shop_id"


def test_everything_answered_for_survives_a_kill(tmp_path: Path) -> None:
    file = tmp_path / "state.sqlite"

    def account() -> Mirakl:
        return Mirakl("m", state=State("m", file), clock=Clock(), settings={"automatic_cycles": False})

    before = account()
    order_id = before.act_place_order([{"sku": MUG, "quantity": 1}])["order_id"]
    before.act_accept_in_portal(order_id)
    before.act_accept_payment(order_id)
    before.state.commit()
    before.act_ship_in_portal(order_id)
    # Never committed: as if killed here.
    after = account()
    assert after.book.page(Wanted(states=frozenset(("SHIPPING",))), 0, 10)[0] == 1
    assert sum(each["amount"] for each in after.state.collection("transactions").values()) != 0
    after.act_ship_in_portal(order_id)
    after.act_receive(order_id)
    assert after.act_close_payment_cycle()["cycle_id"] is not None


def test_a_page_token_that_is_none_is_refused(seller: Seller) -> None:
    for token in ("x", uuid.uuid4().hex):
        assert seller.http.get("/api/returns", params={"page_token": token}).status_code == 400
    assert seller.http.get("/api/returns", headers={"Authorization": KEY}).status_code == 200
