"""What the law lets buyers ask of a store, from the signed delivery to the person who answers it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from marketplace_sync.flows.deliveries import process_inbox
from marketplace_sync.ledger import work_items
from marketplace_sync_tests.flows.town import JL, SHOP, Town, town
from marketplace_sync_tests.receiver.test_webhooks import Receiver

EMAIL = "ada@example.com"


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> Iterator[Town]:
    with town(database_url, tmp_path) as found:
        yield found


def asked(here: Town, topic: str, **details: Any) -> dict[str, Any]:
    """The vendor sends one of its privacy deliveries to our receiver; what a person is shown of it."""
    receiver = Receiver(here.project)
    try:
        address = str(receiver.client.base_url).rstrip("/")
        here.sandbox.act(SHOP, "ask_compliance", topic=topic, uri=f"{address}/webhooks/{SHOP}", **details)
        here.sandbox.act(SHOP, "ask_compliance", topic=topic, uri=f"{address}/webhooks/nobody", **details)
        until = time.monotonic() + 10
        while not receiver.stored() and time.monotonic() < until:
            pass
    finally:
        receiver.stop()
    assert process_inbox(here.context, SHOP) == 1
    with here.project.ledger.begin() as connection:
        (item,) = [one for one in work_items.listing(connection) if one["code"].startswith("PRIVACY")]
        kept = connection.execute(text("SELECT topic FROM ledger.inbox")).scalars().all()
    assert kept == [topic]
    return dict(item)


def test_a_buyer_who_asks_is_answered_by_a_person_who_is_told_which_orders_are_theirs(here: Town) -> None:
    order_id = here.place()
    here.settle()
    store_order = here.shopify_order(order_id)
    item = asked(here, "customers/data_request", email=EMAIL, orders=[store_order["id"], 4711])
    assert item["code"] == "PRIVACY_REQUEST"
    assert item["evidence"]["orders"] == [f"{JL}:{order_id}"]
    assert len(item["evidence"]["store_orders"]) == 2
    assert EMAIL not in json.dumps(item, default=str), "the person is not named where everybody reads"


def test_a_buyer_who_is_to_be_forgotten_is_a_matter_for_a_person_until_a_date(here: Town) -> None:
    item = asked(here, "customers/redact", email=EMAIL, orders=[4711])
    assert item["code"] == "PRIVACY_ERASURE"
    assert item["evidence"]["orders"] == []
    assert item["evidence"]["answer_until"] in item["message"]
    assert EMAIL not in json.dumps(item, default=str)


def test_a_shop_that_is_given_up_is_erased_by_a_person(here: Town) -> None:
    item = asked(here, "shop/redact")
    assert item["code"] == "PRIVACY_ERASURE"
    assert "everybody" in item["message"]


def test_one_that_cannot_be_read_is_kept_and_shown(here: Town) -> None:
    bodies = [b"{", b'{"customer": 7}', b'{"orders_to_redact": "all"}', b"[]"]
    receiver = Receiver(here.project)
    try:
        for number, body in enumerate(bodies):
            assert receiver.deliver(body, topic="customers/redact", signature="Zm9yZ2Vk").status_code == 401
            assert receiver.deliver(body, f"d-{number}", topic="customers/redact").status_code == 200
    finally:
        receiver.stop()
    process_inbox(here.context, SHOP)
    with here.project.ledger.begin() as connection:
        assert work_items.counts(connection) == {"UNREADABLE_WEBHOOK": len(bodies)}
