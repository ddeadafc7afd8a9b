"""Returns before their orders, and what listings say of people."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from marketplace_sync.flows import import_orders
from marketplace_sync_tests.flows.town import JL, KLAVIYO, SHOP, Town, town


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> Iterator[Town]:
    with town(database_url, tmp_path) as found:
        yield found


def forget(here: Town) -> None:
    """The ledger of somebody who begins with a marketplace that has been selling for long."""
    with here.project.ledger.begin() as connection:
        for table in ("orders", "order_lines", "order_events", "effects", "statements", "store_orders", "watermarks"):
            connection.execute(text(f"TRUNCATE ledger.{table}"))


def test_a_return_that_is_read_before_its_order_is_told_once_the_order_comes(here: Town) -> None:
    order_id = here.place("MUG-RED")
    here.settle()
    here.ship(order_id)
    here.settle()
    returned = here.sandbox.act(JL, "request_return", order_id=order_id, line_ref="1", quantity=1)
    here.sandbox.act(JL, "authorise_return", return_id=returned["return_id"])
    here.sandbox.act(JL, "approve_return", return_id=returned["return_id"])
    forget(here)
    here.read_marketplace("returns")
    assert here.work_items() == {"ORDER_NOT_HELD": 1}
    assert import_orders.import_order(here.context, JL, str(order_id))
    here.settle()
    told = here.events(order_id)
    assert (told["Return Requested"], told["Returned Order"], told["Refunded Order"]) == (1, 1, 1)
    assert here.work_items()["ORDER_NOT_HELD"] == 0


def test_of_two_refunds_read_before_their_order_one_carries_the_orders_own_id(here: Town) -> None:
    order_id = here.place("MUG-RED", "MUG-BLUE")
    here.settle()
    here.ship(order_id)
    here.settle()
    for line in ("1", "2"):
        returned = here.sandbox.act(JL, "request_return", order_id=order_id, line_ref=line, quantity=1)
        here.sandbox.act(JL, "authorise_return", return_id=returned["return_id"])
        here.sandbox.act(JL, "approve_return", return_id=returned["return_id"])
    forget(here)
    here.read_marketplace("returns")
    assert import_orders.import_order(here.context, JL, str(order_id))
    here.settle()
    refunds = [event for event in here.event_list(order_id) if event["name"] == "Refunded Order"]
    assert len(refunds) == 2
    assert [event["unique_id"] == f"{JL}:{order_id}" for event in refunds].count(True) == 1


def test_no_listing_names_the_person_whose_profile_was_refused(here: Town) -> None:
    here.sync()
    here.place(buyer={"email": "ann.other@example.com"})
    here.read_marketplace()
    here.sandbox.control("PUT", f"{KLAVIYO}/faults", [{"kind": "status", "status": 400, "path": "profile"}])
    here.deliver(SHOP)
    here.deliver(KLAVIYO)
    with here.project.ledger.begin() as connection:
        items = connection.execute(text("SELECT * FROM ledger.work_items")).mappings().all()
        effects = connection.execute(text("SELECT subject, natural_key, last_problem FROM ledger.effects")).all()
    assert any(item["code"] == "EFFECT_REFUSED" for item in items)
    assert "ann.other" not in str(items)
    assert "ann.other" not in str(effects)
