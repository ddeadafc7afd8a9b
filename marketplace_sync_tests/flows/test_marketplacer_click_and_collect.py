"""Orders of a Marketplacer instance that the buyer fetches: no parcel is ever stated, and they end all the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import text

from marketplace_sync.ledger import orders
from marketplace_sync_tests.flows.marketplacer_town import MARKET, act, live, marketplacer_town, named, of_order, place
from marketplace_sync_tests.flows.stores import ShopifySide
from marketplace_sync_tests.flows.town import Town

PROMPT: dict[str, Any] = {"requests_per_second": 75}


def fetch(here: Town, order: Any) -> None:
    for status in ("READY", "COLLECTED"):
        act(here, "collect", invoice_id=order["invoices"][0]["invoice_id"], status=status)


def to_do(here: Town) -> str:
    """What a person is told of the order."""
    with here.project.ledger.begin() as connection:
        return str(
            connection.execute(text("SELECT message FROM ledger.work_items WHERE code = 'ODD_STATEMENT'")).scalar()
        )


def open_units(here: Town, order: Any) -> int:
    with here.project.ledger.begin() as connection:
        return orders.load(connection, MARKET, [order["id"]])[order["id"]].open_units()


def test_what_the_buyer_has_fetched_has_left_and_what_was_cancelled_before_has_not(
    database_url: str, tmp_path: Path
) -> None:
    with marketplacer_town(database_url, tmp_path, store=None, **PROMPT) as here:
        live(here)
        order = place(here, quantity=3, delivery_type="CLICK_AND_COLLECT")
        act(here, "buyer_cancel", order_id=order["order_id"], lines=[{"sku": "MUG-RED", "quantity": 1}])
        live(here)
        assert (named(here, "Fulfilled Order", order), open_units(here, order)) == ([], 2)
        fetch(here, order)
        live(here)
        (told,) = named(here, "Fulfilled Order", order)
        assert [(item["SKU"], item["Quantity"]) for item in told["properties"]["Items"]] == [("MUG-RED", 2)]
        assert (open_units(here, order), len(named(here, "Cancelled Order", order))) == (0, 1)
        assert here.work_items() == {"ODD_STATEMENT": 1}


def test_staff_are_told_not_to_ship_it_and_to_book_in_the_store_that_it_was_fetched(
    database_url: str, tmp_path: Path
) -> None:
    with marketplacer_town(database_url, tmp_path, store=ShopifySide(), **PROMPT) as here:
        live(here)
        order = place(here, delivery_type="CLICK_AND_COLLECT")
        live(here)
        assert here.stored(order["id"], MARKET).units == {"MUG-RED": 1}, "the store keeps its stock for the buyer"
        assert "the buyer fetches it: do not ship it" in to_do(here)
        fetch(here, order)
        live(here)
        assert "the buyer has it: a store that has the order is told by hand" in to_do(here)
        here.ship(order["id"], at=MARKET)
        live(here)
        assert of_order(here, "shipments", order) == [], "the marketplace knows already, and is told of no parcel"
        assert len(named(here, "Fulfilled Order", order)) == 1
        assert here.work_items() == {"ODD_STATEMENT": 1}
