"""A brand with four marketplaces and two stores lives for days while one call in twenty goes wrong: at the end every
system agrees with every other."""

from __future__ import annotations

from pathlib import Path

import pytest

from marketplace_sync.sandbox.faults import KINDS
from marketplace_sync_tests.faults.installation import CARRIERS
from marketplace_sync_tests.soak.brand import BAZAAR, brand
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
    assert account.webhooks > 0.5 * orders, "half of all orders come into a store, or from a marketplace, that tells"


def test_in_two_short_days_nothing_is_lost_and_nothing_doubled(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with brand(database_url, tmp_path, dose("SOAK_SEED", 1)) as here:
        account = live(here, days=2, orders_a_day=20, parts=2, share=SHARE, patience=90)
        ordered = here.ask(f"{BAZAAR}/act/place_order", {"lines": [{"sku": "MUG-RED", "quantity": 2}]})
        afterwards = brand_balance(here.ask, ROLES, set(CARRIERS))
    with capsys.disabled():
        print(account.text())
    _agree(account, 40)
    assert account.struck
    (missing,) = afterwards.missing
    assert ordered["order_id"] in missing, "nobody has read this one"


@pytest.mark.soak
def test_in_many_days_nothing_is_lost_and_nothing_doubled(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    days, orders = dose("SOAK_DAYS", 5), dose("SOAK_ORDERS_A_DAY", 100)
    with capsys.disabled(), brand(database_url, tmp_path, dose("SOAK_SEED", 1)) as here:
        parts = dose("SOAK_PARTS_OF_A_DAY", 2)
        account = live(here, days, orders, parts, SHARE, patience=900, tell=lambda line: print(line, flush=True))
        print(account.text())
    _agree(account, days * orders)
    assert account.struck.keys() == set(KINDS)
