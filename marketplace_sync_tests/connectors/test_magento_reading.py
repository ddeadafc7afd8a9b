"""What became of our orders is read whole, once, wherever a read was interrupted; and what can be sold is right."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.responses import JSONResponse, Response

from marketplace_sync.domain.errors import AnswerUnreadable, TransportError, VendorUnavailable
from marketplace_sync.domain.store import Tracking
from marketplace_sync_tests.connectors.magento_double import Row
from marketplace_sync_tests.connectors.magento_shop import Shop, create_order, line, shop

TRACK = {"track_number": "RM1", "title": "Royal Mail", "carrier_code": "custom"}


@pytest.fixture(scope="module")
def served() -> Iterator[Shop]:
    with shop() as found:
        yield found


@pytest.fixture
def here(served: Shop) -> Shop:
    served.double.anew()
    served.double.product("MUG")
    served.double.product("BOWL")
    return served.anew(page_size=2)


def at(minute: int, second: int = 0) -> str:
    return f"2026-11-20 10:{minute:02d}:{second:02d}"


def inject(here: Shop, *numbers: int, minute: int = 0) -> list[Row]:
    rows = []
    for number in numbers:
        here.double.clock = at(minute)
        rows.append(here.injected(create_order(number))[1])
    return rows


# Orders


def test_parcels_and_credit_memos_are_read_with_the_order_and_its_lines(here: Shop) -> None:
    (row,) = inject(here, 1)
    here.double.clock = at(1)
    here.double.ship(row, {"MUG": 1}, tracks=[TRACK])
    here.double.clock = at(2)
    here.double.credit(row, {11: 1}, "damaged")
    (order,), _ = here.changed()
    (parcel,) = order.fulfilments
    assert parcel.shipped_at == datetime(2026, 11, 20, 10, 1, tzinfo=UTC)
    assert [(one.line_id, one.quantity) for one in parcel.lines] == [("11", 1)]
    assert parcel.tracking == (Tracking(company="Royal Mail", number="RM1"),)
    (memo,) = order.refunds
    assert (memo.amount, memo.reference, memo.note) == (1200, "", "damaged")
    assert order.updated_at == datetime(2026, 11, 20, 10, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("steps", "unshipped", "shipped"),
    [
        (["credit 1"], 1, 0),
        (["ship 1", "credit 1"], 0, 1),
        (["credit 1", "ship 1"], 1, 0),
        (["ship 2", "credit 2"], 0, 2),
        (["ship 1", "credit 2"], 1, 1),
        (["ship 1", "credit 1", "credit 1"], 1, 1),
    ],
)
def test_staffs_credit_memos_tell_units_that_left_from_units_taken_off(
    here: Shop, steps: list[str], unshipped: int, shipped: int
) -> None:
    (row,) = inject(here, 1)
    for minute, step in enumerate(steps, 1):
        here.double.clock = at(minute)
        what, count = step.split()
        if what == "ship":
            here.double.ship(row, {"MUG": int(count)})
        else:
            here.double.credit(row, {11: int(count)})
    (order,), _ = here.changed()
    found = [one for memo in order.refunds for one in memo.lines]
    assert sum(one.quantity for one in found if one.unshipped) == unshipped
    assert sum(one.quantity for one in found if not one.unshipped) == shipped
    assert sum(one.amount or 0 for one in found) == 1200 * (unshipped + shipped)
    assert [one.returned for one in found] == [not one.unshipped for one in found], "what was taken off never left"
    (cautious,), _ = here.anew(credited_came_back=False).changed()
    assert not any(one.returned for memo in cautious.refunds for one in memo.lines), "a person says where they are"


def test_units_that_staff_cancels_are_taken_off_and_an_edited_order_is_no_cancellation(here: Shop) -> None:
    first, second = inject(here, 1, 2)
    first["items"][0]["qty_canceled"] = 1
    second |= {"state": "canceled", "relation_child_real_id": "john_lewis-edge-2-1"}
    (page, *_) = here.store.changed_orders(None)
    (order,) = page.orders
    assert [(one.quantity, one.unshipped) for memo in order.refunds for one in memo.lines] == [(1, True)]
    ((_, why),) = page.unreadable
    assert "edited" in why


def test_one_unreadable_order_costs_the_others_nothing(here: Shop) -> None:
    rows = inject(here, 1, 2, 3)
    rows[0]["items"][0]["qty_ordered"] = 1.5
    rows[1]["items"] = "none"
    found = list(here.store.changed_orders(None))
    assert [order.name for page in found for order in page.orders] == ["john_lewis-edge-3"]
    assert len([one for page in found for one in page.unreadable]) == 2


def test_children_of_composite_products_are_not_counted_twice(here: Shop) -> None:
    (row,) = inject(here, 1)
    row["items"][0]["product_type"] = "configurable"
    row["items"].append({**row["items"][0], "item_id": 12, "parent_item_id": 11, "ext_order_item_id": None})
    here.double.ship(row)
    (order,), _ = here.changed()
    assert [one.line_id for one in order.lines] == ["11"]
    assert [one.line_id for parcel in order.fulfilments for one in parcel.lines] == ["11"]


def test_the_shops_own_orders_are_left_alone(here: Shop) -> None:
    (row,) = inject(here, 1)
    here.double.tables["orders"].append({**row, "entity_id": 77, "increment_id": "000000077", "ext_order_id": None})
    here.double.ship({**row, "entity_id": 77, "items": []})
    orders, watermark = here.changed()
    assert [order.name for order in orders] == ["john_lewis-edge-1"]
    again, _ = here.changed(watermark)
    assert [order.name for order in again] == ["john_lewis-edge-1"], "the overlap, and nothing of the shop's own"


# Pages


def test_every_order_is_read_once_though_the_last_page_repeats_itself_and_many_changed_in_one_second(
    here: Shop,
) -> None:
    inject(here, 1, 2, 3, 4, 5, 6, 7)
    orders, _ = here.changed()
    assert sorted(order.name for order in orders) == [f"john_lewis-edge-{n}" for n in range(1, 8)]


def test_an_order_that_changes_while_pages_are_read_displaces_no_other(here: Shop) -> None:
    rows = [inject(here, number, minute=number)[0] for number in range(1, 7)]
    pages = here.store.changed_orders(None)
    found = [order.name for order in next(pages).orders]
    rows[0]["updated_at"] = at(30)
    found += [order.name for page in pages for order in page.orders]
    assert sorted(found) == sorted([*(row["increment_id"] for row in rows), rows[0]["increment_id"]])


@pytest.mark.parametrize("cut", [1, 2, 3, 4])
def test_a_read_that_ends_in_the_middle_goes_on_from_its_watermark(here: Shop, cut: int) -> None:
    rows = [inject(here, number, minute=number * 5)[0] for number in range(1, 7)]
    here.double.clock = at(50)
    here.double.ship(rows[0])
    rows[0]["updated_at"] = at(5)  # a shipment that did not move its order
    short = here.anew(page_size=2, overlap=timedelta(seconds=0))
    _, watermark = short.changed(None)
    for row in rows:
        row["updated_at"] = row["updated_at"].replace("10:", "11:")
    seen: list[str] = []
    for count, page in enumerate(short.store.changed_orders(watermark), 1):
        seen += [order.name for order in page.orders]
        watermark = page.watermark or watermark
        if count == cut:
            break  # killed here: the page and its watermark are stored
    rest, _ = short.changed(watermark)
    seen += [order.name for order in rest]
    assert set(seen) == {row["increment_id"] for row in rows}
    assert len(seen) <= len(rows) + 2, "only the order at the seam comes again"


def test_a_page_that_is_empty_before_the_count_is_reached_is_no_end(here: Shop) -> None:
    inject(here, 1, 2, 3)
    left = [True]

    def empty(method: str, path: str) -> Response | None:
        return JSONResponse({"items": None, "total_count": 3}) if path == "orders" and left.pop() else None

    here.double.after = empty
    with pytest.raises(AnswerUnreadable, match="3 are there"):
        here.changed()


def test_a_list_that_repeats_itself_ends_with_an_error(here: Shop) -> None:
    inject(here, 1, 2, 3)
    stuck = {"items": [{"entity_id": 1, "increment_id": "john_lewis-edge-1", "updated_at": at(0)}], "total_count": 9}
    here.double.after = lambda method, path: JSONResponse(stuck) if path == "orders" else None
    with pytest.raises(AnswerUnreadable, match="repeats"):
        here.changed()


def test_an_order_of_a_time_to_come_does_not_freeze_the_feed(here: Shop) -> None:
    inject(here, 1, minute=1)[0]["updated_at"] = "2099-01-01 00:00:00"
    inject(here, 2, minute=2)
    orders, watermark = here.changed()
    assert len(orders) == 2
    assert "2099" not in watermark


# What moves no order


def test_a_shipment_that_does_not_move_its_order_is_found_by_itself(here: Shop) -> None:
    (row,) = inject(here, 1)
    _, watermark = here.changed()
    moved = row["updated_at"]
    row["updated_at"] = "2026-11-19 10:00:00"
    here.double.clock = (datetime.now(UTC) + timedelta(minutes=1)).strftime("%Y-%m-%d %H:%M:%S")
    here.double.ship(row)
    row["updated_at"] = "2026-11-19 10:00:00"
    assert moved != row["updated_at"]
    (order,), _ = here.changed(watermark)
    assert len(order.fulfilments) == 1


def test_a_tracking_number_that_is_added_later_is_found_and_then_no_longer_looked_for(here: Shop) -> None:
    (row,) = inject(here, 1)
    here = here.anew(late_tracks_every=timedelta(0))
    parcel = here.double.ship(row)
    parcel["created_at"] = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%d %H:%M:%S")
    _, watermark = here.changed()
    row["updated_at"] = parcel["updated_at"] = "2026-11-01 10:00:00"
    parcel["tracks"] = [TRACK]
    (order,), watermark = here.changed(watermark)
    assert order.fulfilments[0].tracking[0].number == "RM1"
    assert here.changed(watermark)[0] == []


def test_nothing_new_costs_three_requests(here: Shop) -> None:
    inject(here, 1)
    _, watermark = here.anew(overlap=timedelta(0)).changed()
    here.double.tables["orders"][0]["updated_at"] = "2026-11-01 10:00:00"
    here.double.requests.clear()
    assert here.changed(watermark)[0] == []
    assert here.double.requests == ["GET shipments", "GET creditmemos", "GET orders"]


def test_our_orders_are_listed_by_where_they_came_from(here: Shop) -> None:
    inject(here, 1, 2, 3)
    found = dict(here.store.source_identifiers(datetime(2026, 11, 1, tzinfo=UTC)))
    assert found == {f"john_lewis:edge-{n}": str(n) for n in (1, 2, 3)}


def test_an_order_that_is_not_there_is_none(here: Shop) -> None:
    assert here.store.order("99") is None
    assert here.store.order("gid://other/1") is None


def test_a_shop_that_is_down_raises_and_keeps_nothing(here: Shop) -> None:
    here.double.before = lambda method, path: Response("<html>maintenance</html>", 503, media_type="text/html")
    with pytest.raises(VendorUnavailable):
        here.changed()
    with pytest.raises(TransportError):
        list(here.store.variants())


# What can be sold


def sellable(here: Shop) -> dict[str, int | None]:
    return {one.sku: one.available for page in here.store.variants() for one in page}


def test_the_catalogue_is_read_with_brand_category_price_and_odd_skus(here: Shop) -> None:
    odd = "MÜG / red 1"
    here.double.product(
        odd,
        12.5,
        custom_attributes=[{"attribute_code": "manufacturer", "value": "7"}],
        extension_attributes={"category_links": [{"category_id": "4"}, {"category_id": "3"}]},
    )
    here.double.product("SET", type_id="bundle")
    here.double.tables["categories/list"] = [
        {"id": n, "entity_id": n, "name": name, "level": n - 1}
        for n, name in ((2, "Root"), (3, "Kitchen"), (4, "Mugs"))
    ]
    here.double.salable = {"MUG": 3, odd.lower(): 5}
    found = {one.sku: one for page in here.anew(catalogue_page_size=2).store.variants() for one in page}
    assert set(found) == {"MUG", "BOWL", odd}
    mug = found[odd]
    assert (mug.brand, mug.category, mug.collections, mug.price) == ("Acme", "Mugs", ("Mugs", "Kitchen"), 1250)
    assert (found["MUG"].available, found["BOWL"].available) == (3, 0)
    taxed = here.anew(price_tax_rate="0.2")
    assert {one.sku: one.price for page in taxed.store.variants() for one in page}[odd] == 1500


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"reservations": "module"}, 40),
        ({"reservations": "subtract"}, 34),
        ({"reservations": "subtract", "reservations_repaired_at": "2026-11-20T10:30:00Z"}, 38),
        ({"reservations": "repaired", "reservations_repaired_every": "10m"}, 40),
    ],
)
def test_units_that_magento_forgot_to_reserve_are_taken_off_as_the_setting_says(
    here: Shop, keys: dict[str, Any], expected: int
) -> None:
    here.double.salable = {"MUG": 40, "BOWL": 7}
    first, _ = inject(here, 1, 2, minute=1)
    here.double.ship(first)  # shipped, cancelled or not: the unit stays missing
    inject(here, 3, minute=45)
    shopper = {**first["items"][0], "item_id": 999, "ext_order_item_id": None}
    here.double.tables["orders"].append({**first, "entity_id": 9, "ext_order_id": None, "items": [shopper]})
    assert sellable(here.anew(**keys)) == {"MUG": expected, "BOWL": 7}


@pytest.mark.parametrize(("stock", "expected"), [(2, 36), (3, 38)])
def test_orders_of_another_website_are_taken_off_where_it_draws_on_the_same_stock(
    here: Shop, stock: int, expected: int
) -> None:
    here.double.websites = {"base": 2, "trade": stock}
    here.double.salable = {"MUG": 40}
    inject(here, 1)
    inject(here.anew(store_view="view_of_trade"), 2)
    assert sellable(here.anew(reservations="subtract"))["MUG"] == expected


def test_a_repaired_shop_is_believed_but_for_the_latest_orders(here: Shop) -> None:
    here.double.salable = {"MUG": 40}
    inject(here, 1)
    here.double.clock = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
    here.injected(create_order(2))
    assert sellable(here.anew(reservations="repaired"))["MUG"] == 38


def test_short_pages_of_salable_quantities_are_no_end(here: Shop) -> None:
    for number in range(7):
        here.double.product(f"P{number}")
    here.double.salable = {"P6": 4}
    assert sellable(here.anew(catalogue_page_size=2))["P6"] == 4


def test_without_the_export_module_sources_count_less_our_open_units(here: Shop) -> None:
    here.double.salable = None
    here.double.tables["inventory/stock-source-links"] = [
        {"stock_id": 2, "source_code": code} for code in ("leeds", "closed")
    ]
    here.double.tables["inventory/sources"] = [
        {"source_code": code, "enabled": code != "closed"} for code in ("leeds", "closed", "paris")
    ]
    here.double.tables["inventory/source-items"] = [
        {"sku": "MUG", "source_code": code, "quantity": 10.0, "status": 1} for code in ("leeds", "closed", "paris")
    ]
    first, _ = inject(here, 1, 2)
    here.double.ship(first)
    assert sellable(here) == {"MUG": 8, "BOWL": 0}


def test_lines_of_an_order_keep_their_marketplace_ids(here: Shop) -> None:
    there, _ = here.injected(create_order(lines=[line("L1"), line("L2", quantity=1)], product_id="1"))
    assert [one.source_line_id for one in there.lines] == ["L1", "L2"]
