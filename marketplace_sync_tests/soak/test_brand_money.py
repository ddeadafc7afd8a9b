"""What the checker of long runs expects of an order in money."""

from __future__ import annotations

import pytest

from marketplace_sync_tests.faults.money import Sold, Stated, in_store
from marketplace_sync_tests.soak.brand_money import kept_by_magento


@pytest.mark.parametrize(("state", "said"), [("canceled", 0), ("new", 1)])
def test_an_order_that_staff_cancelled_before_it_was_paid_needs_no_payment(state: str, said: int) -> None:
    stated = Stated({"1": Sold("MUG-RED", ordered=1, cancelled=1, goods=1000)})
    store = kept_by_magento({"order_currency_code": "GBP", "state": state, "grand_total": 10, "total_paid": None}, [])
    assert sum(one.matters for one in in_store(stated, {"1": 1}, store)) == said
