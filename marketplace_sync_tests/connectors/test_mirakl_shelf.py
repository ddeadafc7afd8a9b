"""Prices, offers, products, documents and billing at the simulated marketplace: sent, worked off later, reported row by
row. Every exchange is held against the vendor's description as well (`life`)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from msgspec.structs import replace

from marketplace_sync.connectors import mirakl
from marketplace_sync.connectors.budget import FixedWindow
from marketplace_sync.connectors.selling import (
    ImportState,
    IssuesBilling,
    KeepsDocuments,
    OfferChange,
    Price,
    SellsWithOffers,
    SellsWithPrices,
    SellsWithProducts,
)
from marketplace_sync.domain.errors import RequestRejected, Throttled
from marketplace_sync.sandbox.catalogue import products
from marketplace_sync_tests.connectors.mirakl_shop import settings_for
from marketplace_sync_tests.connectors.test_mirakl_sandbox import ACCOUNT, life

EAN = products()[0].barcode
MUG = products()[0].sku
TOMORROW = datetime.now(UTC) + timedelta(days=1)
PRICES = {"PRI01", "PRI02", "PRI03"}
OFFERS = {"OF21", "OF24", "OF02", "OF03"}
PRODUCTS = {"P31", "P41", "P42", "P44", "P45", "P46", "P47"}
DOCUMENTS = {"OR72", "OR73", "OR74"}
INCIDENTS = {"OR64"}
BILLING = {"IV01", "IV02"}
SENT = PRICES | OFFERS | PRODUCTS | DOCUMENTS | INCIDENTS | BILLING
"""Operations that the connector uses beyond those of an order's life."""


def test_a_shop_has_all_that_a_seller_does_beyond_orders() -> None:
    with life() as here:
        for port in (SellsWithPrices, SellsWithOffers, SellsWithProducts, KeepsDocuments, IssuesBilling):
            assert isinstance(here.shop.connector, port)


def test_prices_are_replaced_alone_and_what_was_not_taken_is_told_by_row() -> None:
    with life(PRICES) as here:
        connector = here.shop.connector
        before = next(offer for page in connector.offers() for offer in page if offer.sku == MUG)
        import_id = connector.send_prices(
            [
                Price(sku=MUG, amount=1999, discount=1499, discount_until=TOMORROW),
                Price(sku="NOBODY", amount=100),
                Price(sku="MUG-BLUE", amount=0),
            ]
        )
        assert connector.price_report(import_id).state is ImportState.UNDER_WAY
        here.later(60)
        report = connector.price_report(import_id)
        assert (report.state, report.status, report.taken) == (ImportState.DONE, "COMPLETE", 1)
        assert [(one.line, one.message) for one in report.problems] == [
            (2, "The offer with sku 'NOBODY' was not found"),
            (3, "The price must be greater than 0"),
        ]
        after = next(offer for page in connector.offers() for offer in page if offer.sku == MUG)
        assert after.amount == 1499
        assert (after.quantity, after.active) == (before.quantity, before.active), "only the price changed"
        here.later(60)
        connector.send_prices([Price(sku=MUG, amount=1999)])
        here.later(60)
        assert next(o for page in connector.offers() for o in page if o.sku == MUG).amount == 1999, "the discount ended"


def test_a_file_of_prices_names_an_offer_once() -> None:
    with life() as here, pytest.raises(ValueError, match="each once"):
        here.shop.connector.send_prices([Price(sku=MUG, amount=1), Price(sku=MUG, amount=2)])


@pytest.mark.parametrize("bucket", ["prices", "offers", "references", "stock", "price_reports", "offer_reports"])
def test_what_may_be_called_once_a_minute_is(bucket: str) -> None:
    settings = settings_for(
        "https://mugs.example", imports_per_minute=1, stock_files_per_minute=1, product_files_per_hour=4
    )
    assert mirakl.budget(settings)[bucket] == (FixedWindow(1, 60.0),)
    assert mirakl.budget(settings)["products"] == (FixedWindow(4, 3600.0),)


def test_prices_too_often_are_refused_by_the_marketplace_and_cost_nothing() -> None:
    with life(rate_factor=1) as here:
        here.shop.connector.send_prices([Price(sku=MUG, amount=1999)])
        with pytest.raises(Throttled) as refused:
            here.shop.connector.send_prices([Price(sku=MUG, amount=2999)])
        assert refused.value.retry_after is not None
        assert 0 < refused.value.retry_after <= 60


def test_offers_are_read_to_the_end_and_sent_whole() -> None:
    with life(OFFERS) as here:
        connector = here.with_settings(page_size=3).connector
        pages = [[offer.sku for offer in page] for page in connector.offers()]
        assert len(pages) > 2
        assert sorted(sku for page in pages for sku in page) == sorted(product.sku for product in products())
        change = OfferChange(
            sku=MUG,
            product_id=EAN,
            product_id_type="EAN",
            amount=2100,
            quantity=7,
            condition="11",
            description="A mug",
            lead_time_days=2,
            discount=Price(sku=MUG, amount=2100, discount=1800),
        )
        unknown = replace(change, sku="NEW", product_id="0000000000000")
        import_id = connector.send_offers([change, unknown])
        assert connector.offer_report(import_id).state is ImportState.UNDER_WAY
        here.later(60)
        report = connector.offer_report(import_id)
        assert (report.state, report.taken) == (ImportState.DONE, 1)
        (problem,) = report.problems
        assert (problem.sku, problem.line) == ("NEW", 2)
        assert "does not exist" in problem.message
        mug = next(offer for page in connector.offers() for offer in page if offer.sku == MUG)
        assert (mug.quantity, mug.amount, mug.eans, mug.currency) == (7, 1800, (EAN,), "GBP")
        here.later(60)
        connector.send_offers([replace(change, quantity=0)])
        here.later(60)
        sold_out = next(offer for page in connector.offers() for offer in page if offer.sku == MUG)
        assert (sold_out.active, sold_out.inactive_because) == (False, ("ZERO_QUANTITY",))


@pytest.mark.parametrize("together", [False, True])
def test_what_a_change_of_an_offer_does_not_state_stays_as_it_is(together: bool) -> None:
    shown = {
        "msrp": 29.99,
        "logistic_class": "BULKY",
        "min_order_quantity": 2,
        "max_order_quantity": 9,
        "product_tax_code": "FOOD",
        "internal_description": "shelf 3",
        "available_started": "2026-01-01T00:00:00Z",
        "available_ended": "2099-01-01T00:00:00Z",
        "leadtime_to_ship": 4,
        "retail_prices": [{"unit_origin_price": 27.5}],
    }
    whole = {"shop_sku": MUG, "product_id": EAN, "product_id_type": "EAN", "price": 20, "quantity": 5,
             "state_code": "11", "update_delete": "update", **shown}  # fmt: skip
    with life(OFFERS - {"OF03"}) as here:
        connector = here.with_settings(page_size=3).connector
        at, key = here.shop.settings.base_url, here.shop.settings.api_key.reveal()
        answer = httpx.post(f"{at}/api/offers", json={"offers": [whole]}, headers={"authorization": key}, timeout=10)
        assert answer.status_code == 201
        here.later(60)
        connector.offer_report(str(answer.json()["import_id"]))
        (before,) = [one for one in here.sandbox.documents(ACCOUNT, "offers") if one["sku"] == MUG]
        assert (before["logistic_class"], before["msrp"], before["retail_prices"]) == ("BULKY", 2999, [2750])
        change = OfferChange(
            sku=MUG, product_id=EAN, product_id_type="EAN", amount=2100, quantity=7, condition="11",
            description="A mug", lead_time_days=None, discount=None,
        )  # fmt: skip
        import_id = connector.send_offers([change, *([replace(change, sku="NEW")] if together else [])])
        here.later(60)
        assert connector.offer_report(import_id).state is ImportState.DONE
        (after,) = [one for one in here.sandbox.documents(ACCOUNT, "offers") if one["sku"] == MUG]
        assert after == {**before, "price": 2100, "quantity": 7, "description": "A mug"}


def test_products_come_back_with_the_report_of_the_stage_they_failed_in() -> None:
    with life(PRODUCTS) as here:
        connector = here.shop.connector
        known = connector.known_products([("EAN", EAN), ("EAN", "0000000000000")])
        assert list(known) == [("EAN", EAN)]
        fine = {"shop_sku": "MUG-NEW", "ean": "4006381333931", "title": "Mug; new", "brand": "H&F", "category": "Mugs"}
        import_id = connector.send_products([fine, {**fine, "brand": ""}, {**fine, "ean": "4006381333930"}])
        assert connector.product_report(import_id).state is ImportState.UNDER_WAY
        here.later(60)
        report = connector.product_report(import_id)
        assert (report.state, report.taken, report.added) == (ImportState.DONE, 1, ("MUG-NEW",))
        assert [(one.line, one.sku, one.message) for one in report.problems] == [
            (2, "MUG-NEW", "The attribute 'brand' is required"),
            (3, "MUG-NEW", "'4006381333930' is not a valid EAN"),
        ]
        assert [(row["ean"], row["category"]) for row in report.transformed] == [
            ("4006381333931", "MUGS"),
            ("4006381333930", "MUGS"),
        ], "what the operator's mapping made of the rows that fitted it"
        assert list(connector.known_products([("EAN", "4006381333931")])) == [("EAN", "4006381333931")]


def test_documents_of_orders_are_listed_fetched_and_added() -> None:
    with life(DOCUMENTS) as here:
        connector, order_id = here.shop.connector, here.accepted(("MUG-RED", 1))
        here.sandbox.act(ACCOUNT, "add_document", order_id=order_id, content="%PDF delivery note")
        connector.add_document(order_id, "CUSTOMER_INVOICE", "invoice-1.pdf", b"%PDF \xff\r\n--x invoice")
        documents = connector.documents([order_id])
        assert [(one.type, one.file_name, one.order_id) for one in documents] == [
            ("SYSTEM_DELIVERY_BILL", "note.pdf", order_id),
            ("CUSTOMER_INVOICE", "invoice-1.pdf", order_id),
        ]
        assert [connector.document(one.document_id) for one in documents] == [
            b"%PDF delivery note",
            b"%PDF \xff\r\n--x invoice",
        ]
        with pytest.raises(RequestRejected, match=r"invoice\.exe.*is not allowed"):
            connector.add_document(order_id, "CUSTOMER_INVOICE", "invoice.exe", b"MZ")
        with pytest.raises(ValueError, match="plain letters"):
            connector.add_document(order_id, "CUSTOMER_INVOICE", "Rechnung-ä.pdf", b"%PDF")


def test_an_incident_is_closed_and_the_line_is_as_before() -> None:
    with life(INCIDENTS) as here:
        order_id = here.accepted(("MUG-RED", 1))
        (line_id,) = here.line_ids(order_id)
        here.sandbox.act(ACCOUNT, "open_incident", line_id=line_id)
        assert here.shop.order(order_id).incidents == (line_id,)
        with pytest.raises(RequestRejected):
            here.shop.connector.close_incident(order_id, line_id, "nonsense")
        here.shop.connector.close_incident(order_id, line_id, "40")
        assert here.shop.order(order_id).incidents == ()


def test_billing_documents_are_read_to_the_end_with_their_lines_and_their_files() -> None:
    with life(BILLING, subscription_fee=400) as here:
        connector = here.with_settings(page_size=1).connector
        for _ in range(2):
            order_id = here.accepted(("MUG-RED", 1))
            here.sandbox.act(ACCOUNT, "ship_in_portal", order_id=order_id)
            here.sandbox.act(ACCOUNT, "receive", order_id=order_id)
            cycle_id = here.sandbox.act(ACCOUNT, "close_payment_cycle")["cycle_id"]
        documents = list(connector.billing_documents())
        assert len(documents) == 2
        for document in documents:
            assert document.type == "AUTO_INVOICE"
            assert document.currency == "GBP"
            assert document.gross - document.net == sum(line.tax for line in document.lines)
            assert document.net == sum(line.net for line in document.lines)
            assert document.net > 400
            assert connector.billing_file(document.document_id)
        assert [one.document_id for one in connector.billing_documents(cycle_id=cycle_id)] == [documents[1].document_id]
        assert list(connector.billing_documents(datetime.now(UTC) + timedelta(days=365))) == []
