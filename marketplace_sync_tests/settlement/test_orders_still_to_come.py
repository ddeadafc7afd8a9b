"""Money that is seen before its order: waited for while the order may come by itself, and an alarm once it does not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from marketplace_sync.flows.settlement import reconcile_connection
from marketplace_sync.flows.settlement_feed import import_settlement
from marketplace_sync.flows.settlement_payout import reconcile_payout
from marketplace_sync.ledger import payouts
from marketplace_sync_tests.flows.mirakl_town import BAZAAR, mirakl_town
from marketplace_sync_tests.flows.town import SHOP, Town

GHOST = "A-9-A"


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> Iterator[Town]:
    with _town(database_url, tmp_path, {"store": None}) as found:
        yield found


def _town(database_url: str, folder: Path, route: dict[str, Any]) -> AbstractContextManager[Town]:
    finance = {"finance": {"commission_rates": {"default": 0.15}}}
    shop = {"automatic_cycles": False, "multi_shipment": True}
    return mirakl_town(database_url, folder, like={BAZAAR: shop}, routes={BAZAAR: {**finance, **route}})


def test_a_payout_that_is_read_before_its_order_waits_and_is_looked_at_again_when_the_order_came(here: Town) -> None:
    here.read_marketplace(at=BAZAAR)
    order_id = _paid_out(here)
    import_settlement(here.context, BAZAAR)
    (touched,) = _touched(here)
    found = reconcile_payout(here.context, BAZAAR, touched.document)
    assert _codes(here) == {order_id: ["ORDER_AWAITED"]}
    (figures,) = found.figures
    assert (figures.exceptions, figures.missing, found.problems) == (0, 0, ())
    assert figures.waiting == figures.lines_total > 0
    assert here.work_items() == {}
    here.read_marketplace(at=BAZAAR)
    (again,) = _touched(here)
    assert (again.document, again.at > touched.at) == (touched.document, True), "the payout is looked at again"
    reconcile_payout(here.context, BAZAAR, touched.document)
    assert _codes(here) == {order_id: []}
    assert here.work_items() == {}
    assert [one.at for one in _touched(here)] == [touched.at], "and it is left alone once the order is there"


def test_an_order_that_nobody_knows_is_an_alarm_once_orders_were_read_after_its_money(here: Town) -> None:
    here.read_marketplace(at=BAZAAR)
    _paid_out(here)
    import_settlement(here.context, BAZAAR)
    here.read_marketplace(at=BAZAAR)
    with here.project.ledger.begin() as connection:  # its money is there, and the order is of another shop
        connection.execute(text("UPDATE ledger.settlement_lines SET order_id = :ghost"), {"ghost": GHOST})
    reconcile_connection(here.context, BAZAAR)
    assert _codes(here)[GHOST] == ["ORDER_AWAITED"], "the read that ended just after may have begun before"
    assert here.work_items() == {}
    _read_orders_again_later(here)
    reconcile_connection(here.context, BAZAAR)
    assert _codes(here)[GHOST] == ["UNKNOWN_ORDER"]
    assert here.work_items() == {"UNKNOWN_ORDER": 1}
    with here.project.ledger.begin() as connection:  # more money for it is no reason to wait again
        connection.execute(
            text(
                "UPDATE ledger.settlement_lines SET seen_at = now() + interval '1 hour',"
                " changed_at = now() + interval '1 hour' WHERE type = 'ORDER_AMOUNT'"
            )
        )
    reconcile_connection(here.context, BAZAAR)
    assert _codes(here)[GHOST] == ["UNKNOWN_ORDER"]


def test_an_order_on_its_way_into_the_store_is_waited_for(database_url: str, tmp_path: Path) -> None:
    with _town(database_url, tmp_path, {}) as here:
        here.sync()
        order_id = str(here.place("MUG-RED", at=BAZAAR))
        here.read_marketplace(at=BAZAAR)
        here.deliver(BAZAAR)
        import_settlement(here.context, BAZAAR)
        here.read_marketplace(at=BAZAAR)
        _read_orders_again_later(here)
        reconcile_connection(here.context, BAZAAR)
        assert _codes(here) == {order_id: ["ORDER_AWAITED"]}, "accepted and charged, and not in the store yet"
        assert here.work_items() == {}
        here.deliver(SHOP)
        reconcile_connection(here.context, BAZAAR)
        assert _codes(here) == {order_id: ["HELD"]}


def _paid_out(here: Town) -> str:
    """An order whose money was paid out, while nobody of ours looked."""
    order_id = str(here.place("MUG-RED", at=BAZAAR))
    here.sandbox.act(BAZAAR, "accept_in_portal", order_id=order_id)
    lines = [{"line_id": f"{order_id}-1", "quantity": 1}]
    here.sandbox.act(BAZAAR, "ship_in_portal", order_id=order_id, lines=lines, number="A1")
    here.sandbox.act(BAZAAR, "receive", order_id=order_id)
    here.sandbox.act(BAZAAR, "close_payment_cycle")
    return order_id


def _read_orders_again_later(here: Town) -> None:
    with here.project.ledger.begin() as connection:
        connection.execute(text("UPDATE ledger.watermarks SET read_at = now() + interval '11 minutes'"))


def _codes(here: Town) -> dict[str, list[str]]:
    with here.project.ledger.begin() as connection:
        rows = connection.execute(
            text("SELECT subject, codes FROM ledger.reconciliation_results WHERE kind = 'order' ORDER BY subject")
        )
        return {str(subject): [code for code in str(codes).split(",") if code] for subject, codes in rows}


def _touched(here: Town) -> list[payouts.Touched]:
    with here.project.ledger.begin() as connection:
        return payouts.touched_since(connection, BAZAAR, None)
