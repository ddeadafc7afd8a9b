"""Answers of a Marketplacer instance of which a part failed: what is missing from them is no fact about the order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from marketplace_sync_tests.flows.marketplacer_town import MARKET, act, live, marketplacer_town, named, place
from marketplace_sync_tests.flows.stores import ShopifySide
from marketplace_sync_tests.flows.town import Town

PROMPT: dict[str, Any] = {"requests_per_second": 75, "wait_for_invoices": "0s"}


@contextmanager
def failing(here: Town, *names: str) -> Iterator[None]:
    """While reading these fields ends in an error."""
    act(here, "fail_fields", fields=list(names))
    yield
    act(here, "fail_fields", fields=[])


def touch(here: Town, order: Any, word: str) -> None:
    """A change of the order that is nothing to us, so that it is read again."""
    act(here, "edit_order", order_id=order["order_id"], changes={"messageToSeller": word})


def test_an_invoice_that_could_not_be_stated_is_not_cancelled(database_url: str, tmp_path: Path) -> None:
    with marketplacer_town(database_url, tmp_path, store=ShopifySide(), **PROMPT) as here:
        live(here)
        order = place(here, "MUG-RED", "LAMP-BRASS")
        live(here)
        told = here.events(order["id"])
        with failing(here, f"Invoice.lineItems@{order['invoices'][1]['invoice_id']}"):
            touch(here, order, "one")
            live(here)
            assert here.work_items() == {"MALFORMED_STATEMENT": 1}
            assert here.stored(order["id"], MARKET).units == {"MUG-RED": 1, "LAMP-BRASS": 1}
        touch(here, order, "two")
        live(here)
        assert here.stored(order["id"], MARKET).units == {"MUG-RED": 1, "LAMP-BRASS": 1}
        assert (here.events(order["id"]), named(here, "Cancelled Order", order)) == (told, [])
        assert here.work_items() == {}


def test_a_parcel_whose_items_could_not_be_stated_is_not_the_whole_invoice(database_url: str, tmp_path: Path) -> None:
    with marketplacer_town(database_url, tmp_path, store=None, **PROMPT) as here:
        live(here)
        order = place(here, quantity=3)
        live(here)
        with failing(here, "Shipment.shippedItems"):
            act(here, "ship", order_id=order["order_id"], lines=[{"sku": "MUG-RED", "quantity": 1}])
            live(here)
            assert named(here, "Fulfilled Order", order) == []
            assert here.work_items() == {"MALFORMED_STATEMENT": 1}
        touch(here, order, "again")
        live(here)
        (told,) = named(here, "Fulfilled Order", order)
        assert [(item["SKU"], item["Quantity"]) for item in told["properties"]["Items"]] == [("MUG-RED", 1)]
        assert here.work_items() == {}


def test_a_refund_whose_line_could_not_be_stated_is_not_money_without_goods(database_url: str, tmp_path: Path) -> None:
    with marketplacer_town(database_url, tmp_path, store=None, **PROMPT) as here:
        live(here)
        order = place(here)
        act(here, "ship", order_id=order["order_id"])
        (request,) = act(here, "request_return", order_id=order["order_id"])["refund_request_ids"]
        act(here, "receive_return", refund_request_id=request)
        live(here)
        with failing(here, "RefundRequestLineItem.lineItem"):
            act(here, "refund", refund_request_id=request)
            live(here)
            assert named(here, "Refunded Order", order) == []
            assert here.work_items() == {"MALFORMED_STATEMENT": 1}
        touch(here, order, "again")
        live(here)
        (told,) = named(here, "Refunded Order", order)
        assert (told["value"], told["properties"]["SKUs"]) == (14.0, ["MUG-RED"])
        assert here.work_items() == {}


def test_a_product_that_cannot_be_shown_holds_up_no_order(database_url: str, tmp_path: Path) -> None:
    with marketplacer_town(database_url, tmp_path, store=None, **PROMPT) as here:
        live(here)
        with failing(here, "LineItem.variant", "LineItem.image"):
            order = place(here)
            live(here)
            assert len(named(here, "Placed Order", order)) == 1
            assert "MALFORMED_STATEMENT" not in here.work_items()
