"""A brand with four marketplaces and two stores lives for days while one call in twenty goes wrong: at the end every
system agrees with every other."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from marketplace_sync.ledger import embedded
from marketplace_sync.ledger.database import migrate
from marketplace_sync.sandbox.faults import KINDS
from marketplace_sync_tests.conftest import FAST
from marketplace_sync_tests.faults.documents import Ask
from marketplace_sync_tests.faults.installation import CARRIERS
from marketplace_sync_tests.soak.brand import BAZAAR, KLAVIYO, MAGENTO, SHOPIFY, brand
from marketplace_sync_tests.soak.brand_books import brand_balance
from marketplace_sync_tests.soak.days import ROLES, Account, dose, live

SHARE = 0.05


def _agree(account: Account, orders: int) -> None:
    assert not account.failures
    assert account.books.balanced
    assert account.unexplained == []
    assert account.orders >= orders
    counts = account.books.counts
    assert counts["orders in the store"] >= 0.8 * orders
    assert counts["units dispatched"] > orders
    assert counts["pence: order in the store"] > 1000 * orders
    assert account.webhooks > 0.5 * orders, "half of all orders come into a store, or from a marketplace, that tells"


def _a_penny_more(name: str) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        document[name] = round(document[name] + 0.01, 2)

    return change


def _a_unit_for_a_penny_less(order: Any) -> None:
    order["lines"][0]["price"] -= 1


_CHANGES: list[tuple[str, str, Callable[[Any], None], str]] = [
    (MAGENTO, "orders", _a_penny_more("grand_total"), "order in the store"),
    (MAGENTO, "orders", _a_penny_more("total_paid"), "payment in the store"),
    (SHOPIFY, "orders", _a_unit_for_a_penny_less, "order in the store"),
    (KLAVIYO, "events", _a_penny_more("value"), "value of Placed Order at Klaviyo"),
]
"""Of the first document of a vendor's, and what the books call it then."""


def _changed(ask: Ask, account: str, collection: str, change: Callable[[Any], None]) -> Ask:
    """The vendors' documents, one of them changed behind everybody's back."""

    def asked(path: str) -> Any:
        found = ask(path)
        if path.startswith(f"{account}/state/{collection}?"):
            change(found[0])
        return found

    return asked


def test_in_two_short_days_nothing_is_lost_and_nothing_doubled(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with brand(database_url, tmp_path, dose("SOAK_SEED", 1)) as here:
        account = live(here, days=2, orders_a_day=20, parts=2, share=SHARE, patience=90)
        ordered = here.ask(f"{BAZAAR}/act/place_order", {"lines": [{"sku": "MUG-RED", "quantity": 2}]})
        afterwards = brand_balance(here.ask, ROLES, set(CARRIERS))
        changed = [
            brand_balance(_changed(here.ask, account, collection, change), ROLES, set(CARRIERS))
            for account, collection, change, _ in _CHANGES
        ]
    with capsys.disabled():
        print(account.text())
    _agree(account, 40)
    assert account.struck
    (missing,) = afterwards.missing
    assert ordered["order_id"] in missing, "nobody has read this one"
    for (*_, said), books in zip(_CHANGES, changed, strict=True):
        (different,) = books.different
        assert f": {said}: " in different


@contextlib.contextmanager
def _somewhere(request: pytest.FixtureRequest) -> Iterator[tuple[str, Path]]:
    """A database and a folder: fresh ones, or those of SOAK_FOLDER, in which a brand that was interrupted lives on. A
    month of two thousand orders a day takes hours."""
    if kept := os.environ.get("SOAK_FOLDER"):
        folder = Path(kept).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        with embedded.start(folder / "home", FAST) as server:
            migrate(server.url)
            yield server.url, folder
    else:
        yield request.getfixturevalue("database_url"), request.getfixturevalue("tmp_path")


@pytest.mark.soak
def test_in_many_days_nothing_is_lost_and_nothing_doubled(
    request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    days, orders, parts = dose("SOAK_DAYS", 5), dose("SOAK_ORDERS_A_DAY", 100), dose("SOAK_PARTS_OF_A_DAY", 2)
    with capsys.disabled(), _somewhere(request) as (url, folder), brand(url, folder, dose("SOAK_SEED", 1)) as here:
        tell = functools.partial(print, flush=True)
        account = live(here, days, orders, parts, SHARE, patience=900, tell=tell, lived=folder / "lived.json")
        print(account.text())
    _agree(account, days * orders)
    assert account.struck.keys() == set(KINDS)
