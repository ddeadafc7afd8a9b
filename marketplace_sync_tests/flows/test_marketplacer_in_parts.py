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
