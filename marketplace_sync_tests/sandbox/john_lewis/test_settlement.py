"""The weekly reports and remittances: when they appear, what stands in them, and what is made wrong on demand."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from python_calamine import CalamineWorkbook

from marketplace_sync.sandbox.serve import RunningSandbox
from marketplace_sync_tests.sandbox.john_lewis.seller import ACCOUNT, BOWL, LAMP, MUG, Seller

SellerWith = Callable[..., Seller]
LONDON = ZoneInfo("Europe/London")
MONDAY = datetime(2030, 10, 21, 9, tzinfo=LONDON)
"""Summer time ends at the end of this week."""
ON_ROWS = ("missing_line", "double_line", "wrong_quantity", "unknown_ean", "return_without_order", "rounding",
           "fee_without_order")  # fmt: skip


class Week:
    """A seller whose clock stands on a Monday morning."""

    def __init__(self, seller: Seller) -> None:
        self.seller = seller
        self.to(MONDAY)

    def to(self, moment: datetime) -> None:
        now = datetime.fromisoformat(self.seller.sandbox.control("GET")["now"])
        self.later(seconds=max(0.0, (moment - now).total_seconds()))

    def later(self, **time: float) -> None:
        seconds = timedelta(**time).total_seconds()
        self.seller.sandbox.control("POST", "clock", {"advance_seconds": seconds})

    def feed(self, **query: Any) -> dict[str, Any]:
        page = self.seller.http.get("/sim/jl/settlements/", params={"limit": 100, **query}).raise_for_status()
        return dict(page.json())

    def published(self, count: int = 1) -> dict[str, Any]:
        """The newest settlement, once there are so many."""
        there = self.seller.sandbox.eventually(lambda: self.feed()["count"] >= count)
        assert there, self.seller.sandbox.control("GET")["failures"]
        page = self.feed()
        assert page["count"] == count
        return dict(page["results"][0])

    def content(self, settlement: dict[str, Any], name: str) -> bytes:
        return self.seller.http.get(f"/sim/jl/settlements/{settlement['id']}/{name}").raise_for_status().content

    def rows(self, settlement: dict[str, Any], what: str = "sor_d2c") -> list[dict[str, str]]:
        (name,) = [name for name in settlement["files"] if name.startswith(what) and name.endswith(".csv")]
        return list(csv.DictReader(io.StringIO(self.content(settlement, name).decode())))

    def given_back(self, order_id: int, quantity: int, amount: int | None = None) -> None:
        made = self.seller.act("request_return", order_id=order_id, line_ref="1", quantity=quantity)
        self.seller.act("authorise_return", return_id=made["return_id"])
        self.seller.act("approve_return", return_id=made["return_id"], amount=amount)

    def made_wrong(self) -> list[dict[str, Any]]:
        return self.seller.sandbox.documents(ACCOUNT, "inconsistencies")


@pytest.fixture
def week(seller_with: SellerWith) -> Callable[..., Week]:
    return lambda **settings: Week(seller_with(**settings))


def total(rows: list[dict[str, str]], column: str) -> Decimal:
    return sum((Decimal(row[column]) for row in rows), Decimal(0))


def test_on_monday_at_six_in_london_the_week_that_ended_is_published_once(week: Callable[..., Week]) -> None:
    here = week()
    assert here.feed() == {"count": 0, "next": None, "previous": None, "results": []}
    here.seller.dispatched((MUG, 1))
    six = MONDAY.replace(hour=6) + timedelta(days=7)
    assert six.utcoffset() != MONDAY.utcoffset()
    here.to(six - timedelta(minutes=2))
    here.seller.dispatched((LAMP, 1))  # on Monday: the next week's
    assert here.feed()["count"] == 0
    here.to(six)
    first = here.published()
    assert first["week_ending"] == "2030-10-26"
    assert first["files"] == ["sor_d2c_2030-10-26.csv", "sor_d2c_2030-10-26.xlsx"]
    assert [row["Product_Description"] for row in here.rows(first)] == ["Stoneware mug, red"]
    here.later(days=7)
    second = here.published(2)
    assert [row["Product_Description"] for row in here.rows(second)] == ["Table lamp, black"]
    here.later(days=14)  # of weeks in which nothing happened there is no report
    assert here.seller.sandbox.eventually(
        lambda: here.seller.sandbox.documents(ACCOUNT, "settlement_calendar") == [{"ending": "2030-11-23"}]
    )
    assert here.published(2) == second
    page = here.feed(limit=1, offset=0)
    assert (page["results"], "offset=1" in page["next"]) == ([second], True)
    assert here.seller.http.get(f"/sim/jl/settlements/{first['id']}/sor_d2c_2030-11-02.csv").status_code == 404


def test_an_aggregate_report_has_a_day_and_a_product_per_row_and_no_order(week: Callable[..., Week]) -> None:
    here = week()
    first, second = here.seller.dispatched((MUG, 2), (LAMP, 1)), here.seller.dispatched((MUG, 1))
    here.given_back(first, 1)
    here.given_back(second, 1, amount=650)
    costless = here.seller.placed((BOWL, 1))
    here.seller.act("cancel_by_retailer", order_id=costless)
    test_order = here.seller.placed((BOWL, 1), test=True)
    here.seller.act("acknowledge_in_portal", order_id=test_order)
    here.seller.act("dispatch_in_portal", order_id=test_order)
    here.later(days=1)
    by_hand = here.seller.placed((MUG, 3))
    here.seller.act("acknowledge_in_portal", order_id=by_hand)
    here.seller.act("dispatch_in_portal", order_id=by_hand, quantity=1)
    here.later(days=7)
    settlement = here.published()
    rows = here.rows(settlement)
    assert list(rows[0]) == [
        "Week Ending Date", "Day Date", "Ordering Supplier Name", "Ordering Supplier Number", "Branch",
        "Branch Short Name", "EAN Product Code", "Product Code", "Product_Description", "Total Sales Value",
        "Total Sales Quantity", "Total Returns Value", "Total Returns Quantity", "VAT Code", "Net Cost Value",
    ]  # fmt: skip
    stated = [
        (row["Day Date"][-2:], row["Product Code"], row["Total Sales Quantity"], row["Total Returns Quantity"],
         row["Net Cost Value"])
        for row in rows
    ]  # fmt: skip
    assert stated == [
        ("21", "81400137", "3", "2", "7.50"),  # 3 at 7.00, less one whole and one at 6.50
        ("21", "81402329", "1", "0", "64.50"),
        ("22", "81400137", "1", "0", "7.00"),
    ]
    # retail: 7.00 with VAT is what is left after a margin of 30 %
    assert (rows[2]["Total Sales Value"], rows[2]["VAT Code"]) == ("12.00", "S")


def test_where_an_order_states_no_cost_the_price_book_does(week: Callable[..., Week]) -> None:
    here = week(null_cost_rate=1.0)
    here.seller.dispatched((MUG, 2))
    here.later(days=7)
    (row,) = here.rows(here.published())
    assert row["Net Cost Value"] == "14.00"


def test_an_itemised_report_has_a_row_for_all_that_happened_to_a_line(week: Callable[..., Week]) -> None:
    here = week(settlement_mode="itemised", fee_per_line=25, automatic_cancel_working_days=None)
    sent = here.seller.dispatched((MUG, 2))
    here.given_back(sent, 1)
    here.seller.act("cancel_by_retailer", order_id=here.seller.placed((BOWL, 1)))
    late = here.seller.accepted((LAMP, 1))
    here.later(days=5)
    here.seller.do("dispatch", late)
    here.later(days=7)
    rows = here.rows(here.published())
    assert list(rows[0])[10:] == [
        "Order Number", "Customer Order Number", "Line Ref", "Transaction Type", "Quantity", "Gross", "VAT",
        "Commission Rate", "Commission", "Fee", "Net Payable", "PO Number",
    ]  # fmt: skip
    columns = ("Transaction Type", "Quantity", "Gross", "VAT", "Commission", "Fee", "Net Payable")
    assert {tuple(row[column] for column in columns) for row in rows} == {
        ("SALE", "2", "16.80", "2.80", "5.04", "0.25", "11.51"),
        ("RETURN", "1", "-8.40", "-1.40", "-2.52", "0.00", "-5.88"),
        ("CANCELLATION", "1", "0.00", "0.00", "0.00", "0.00", "0.00"),
        ("SALE", "1", "77.40", "12.90", "23.22", "0.25", "53.93"),
        ("PENALTY", "1", "0.00", "0.00", "0.00", "0.00", "-5.00"),
    }
    order = here.seller.order(sent)
    (sale,) = [row for row in rows if row["Gross"] == "16.80"]
    assert (sale["Order Number"], sale["Customer Order Number"], sale["Line Ref"], sale["Commission Rate"]) == (
        order["order_reference"], order["end_user_purchase_order_reference"], "1", "0.30",
    )  # fmt: skip


@pytest.mark.parametrize("mode", ["aggregate", "itemised"])
def test_a_workbook_says_what_the_text_file_says(week: Callable[..., Week], mode: str) -> None:
    here = week(settlement_mode=mode)
    here.given_back(here.seller.dispatched((MUG, 2), (LAMP, 1)), 1)
    here.later(days=7)
    settlement = here.published()
    (name,) = [name for name in settlement["files"] if name.endswith(".xlsx")]
    book = CalamineWorkbook.from_filelike(io.BytesIO(here.content(settlement, name)))
    heads, *cells = book.get_sheet_by_index(0).to_python()
    for row, cell in zip(here.rows(settlement), cells, strict=True):
        assert list(row) == heads
        for text, value in zip(row.values(), cell, strict=True):
            assert text == (f"{value:.2f}" if "." in text and isinstance(value, float) else f"{value:.0f}"
                            if isinstance(value, float) else value)  # fmt: skip
    assert here.content(settlement, name) == here.content(settlement, name)


@pytest.mark.parametrize("mode", ["aggregate", "itemised"])
def test_a_remittance_pays_every_purchase_order_once_when_it_is_due(week: Callable[..., Week], mode: str) -> None:
    here = week(settlement_mode=mode, payment_terms_days=9)
    first = here.seller.dispatched((MUG, 2))
    here.later(days=7)
    reported = here.rows(here.published())
    here.given_back(first, 1)
    here.later(days=7)
    assert not [name for name in here.published(2)["files"] if name.startswith("remittance")]
    here.later(days=7)
    paid = here.published(3)
    assert paid["files"] == ["remittance_2030-11-04.csv", "remittance_2030-11-04.xlsx"]
    (invoice,) = here.rows(paid, "remittance")
    assert list(invoice) == [
        "Remittance Number", "Payment Date", "Document Type", "Document Number", "PO Number", "Gross", "Discount",
        "Net", "Currency",
    ]  # fmt: skip
    cost = total(reported, "Net Payable") if mode == "itemised" else Decimal("1.2") * total(reported, "Net Cost Value")
    assert (invoice["Payment Date"], invoice["Document Type"]) == ("2030-11-04", "INVOICE")
    assert (Decimal(invoice["Net"]), invoice["Discount"], invoice["Currency"]) == (cost, "0.00", "GBP")
    here.later(days=7)
    (note,) = here.rows(here.published(4), "remittance")
    assert note["Document Type"] == "CREDIT_NOTE"
    assert note["PO Number"] != invoice["PO Number"]


def test_files_are_written_into_a_folder_where_one_is_set(week: Callable[..., Week], tmp_path: Path) -> None:
    folder = tmp_path / "there" / "soon"
    here = week(settlement_folder=str(folder), settlement_folder_formats=["csv"])
    here.seller.dispatched((MUG, 2))
    here.later(days=7)
    settlement = here.published()
    assert [path.name for path in folder.iterdir()] == ["sor_d2c_2030-10-26.csv"]
    assert (folder / "sor_d2c_2030-10-26.csv").read_bytes() == here.content(settlement, "sor_d2c_2030-10-26.csv")


def test_a_report_before_its_monday_leaves_the_rest_to_the_next(week: Callable[..., Week]) -> None:
    here = week()
    assert here.seller.act("publish_settlement") is None
    for number in (1, 2):
        here.seller.dispatched((MUG, number))
        early = here.seller.act("publish_settlement")
        assert [row["Total Sales Quantity"] for row in here.rows(early)] == [str(number)]
    assert early["files"][0] == "sor_d2c_2030-10-21_2.csv"
    here.later(days=7)
    here.published(2)


def test_without_the_feed_there_are_no_settlements(week: Callable[..., Week]) -> None:
    here = week(settlement_feed=False)
    here.seller.dispatched((MUG, 1))
    assert here.seller.http.get("/sim/jl/settlements/").status_code == 404
    assert here.seller.act("publish_settlement") is None


@pytest.mark.parametrize("mode", ["aggregate", "itemised"])
@pytest.mark.parametrize("kind", ON_ROWS)
def test_a_report_is_wrong_on_demand_and_the_control_state_says_how(
    week: Callable[..., Week], mode: str, kind: str
) -> None:
    here = week(settlement_mode=mode)
    order_id = here.seller.dispatched((MUG, 2))
    here.seller.dispatched((LAMP, 1))
    here.seller.act("spoil_settlement", kind=kind, sku=MUG)
    assert [each["state"] for each in here.made_wrong()] == ["waiting"]
    here.later(days=7)
    rows = here.rows(here.published())
    (made,) = here.made_wrong()
    assert (made["state"], made["kind"], made["mode"], made["week_ending"]) == ("made", kind, mode, "2030-10-26")
    about = {line["order_id"] for line in made["about"]}
    assert about == (set() if made["before"] is None else {order_id})
    mugs = [row for row in rows if row["EAN Product Code"] != "5012345172217"]
    money, units = ("Net Payable", "Quantity") if mode == "itemised" else ("Net Cost Value", "Total Sales Quantity")
    right = Decimal("11.76") if mode == "itemised" else Decimal("14.00")
    off = {
        "missing_line": (0, -right), "double_line": (2, right), "wrong_quantity": (1, right / 2),
        "unknown_ean": (1, 0), "return_without_order": (2, -right / 2), "fee_without_order": (2, Decimal("-12.50")),
        "rounding": (1, Decimal("-0.01" if mode == "itemised" else "0.01")),
    }  # fmt: skip
    assert (len(mugs), total(mugs, money) - right) == off[kind]
    assert len(rows) - len(mugs) == 1, "the lamp is as it should be"
    if made["after"] is not None:
        said = {(row["EAN Product Code"], row[units], row[money]) for row in mugs}
        pounds = f"{Decimal(made['after'][money]) / 100:.2f}"
        assert (made["after"]["EAN Product Code"], str(made["after"][units]), pounds) in said
    here.seller.dispatched((MUG, 2))
    here.later(days=7)
    assert [row[money] for row in here.rows(here.published(2))] == [f"{right}"], "once asked for, made once"


def test_the_last_day_slips_into_the_next_report_on_demand(week: Callable[..., Week]) -> None:
    here = week()
    here.seller.dispatched((MUG, 1))
    here.later(days=5)
    slipping = here.seller.dispatched((LAMP, 1))
    here.seller.act("spoil_settlement", kind="slipped_day")
    here.later(days=2)
    assert [row["Product Code"] for row in here.rows(here.published())] == ["81400137"]
    (made,) = here.made_wrong()
    assert (made["day"], made["booked_on"]) == ("2030-10-26", "2030-10-27")
    assert [line["order_id"] for line in made["about"]] == [slipping]
    here.later(days=7)
    (row,) = here.rows(here.published(2))
    assert (row["Product Code"], row["Week Ending Date"], row["Day Date"]) == ("81402329", "2030-11-02", "2030-10-27")


def test_an_inconsistency_that_there_is_not_is_refused(seller: Seller) -> None:
    with pytest.raises(ValueError, match="there is no inconsistency 'typo'; there are: slipped_day, missing_line"):
        seller.act("spoil_settlement", kind="typo")


def test_what_happened_before_a_restart_is_reported_after_it(tmp_path: Path) -> None:
    world: dict[str, Any] = {"accounts": {ACCOUNT: "john_lewis"}, "state_file": tmp_path / "world.sqlite"}
    with RunningSandbox(**world) as sandbox:
        Week(Seller(sandbox)).seller.dispatched((MUG, 1))
    with RunningSandbox(**world) as sandbox:
        here = Week(Seller(sandbox))
        here.later(days=7)
        assert len(here.rows(here.published())) == 1
