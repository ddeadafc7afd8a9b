"""A reader of any list of Marketplacer's that is killed on every page goes on later: nothing is lost or doubled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from marketplace_sync.flows import import_orders
from marketplace_sync_tests.flows.marketplacer_town import MARKET, act, live, marketplacer_town, place
from marketplace_sync_tests.flows.test_restart_while_paging import COUNT, counted, killed_everywhere
from marketplace_sync_tests.flows.town import Town

UNLIMITED = {"per_address": None, "per_key": None, "per_operator": None}


@pytest.fixture
def here(
    request: pytest.FixtureRequest, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Town]:
    """Pages of two, each a transaction of its own; what overlaps is what changed within a second. Lists that nobody
    can ask to be sorted come by what the test says."""
    monkeypatch.setattr(import_orders, "STATEMENTS_AT_ONCE", 1)
    connection: dict[str, Any] = {
        "page_size": 2, "overlap": "1s", "requests_per_second": 75, "older_opt_ins": "0s", "look_back": "72h",
    }  # fmt: skip
    with marketplacer_town(
        database_url, tmp_path, store=None, like={**UNLIMITED, "updated_lists_by": request.param}, **connection
    ) as found:
        yield found


def ship(here: Town, order: Any) -> None:
    act(here, "ship", order_id=order["order_id"], tracking_number=f"A{order['order_id']}")


def give_back(here: Town, order: Any) -> None:
    (number,) = act(here, "request_return", order_id=order["order_id"])["refund_request_ids"]
    act(here, "receive_return", refund_request_id=number)
    act(here, "refund", refund_request_id=number)


def amend(here: Town, order: Any) -> None:
    act(here, "amend", order_id=order["order_id"], amount_cents=300)


Act = Callable[[Town, Any], None]


@pytest.mark.parametrize(
    ("here", "feed", "before", "happens", "kind", "event"),
    [
        ("updatedAt", "orders", (), None, "placed", "Placed Order"),
        ("n", "orders", (), None, "placed", "Placed Order"),
        ("n", "invoices", (), ship, "dispatch_confirmed", "Fulfilled Order"),
        ("n", "refunds", (ship,), give_back, "refunded", "Refunded Order"),
        ("n", "amendments", (ship,), amend, "refunded", "Refunded Order"),
        ("n", "sweep", (), ship, "dispatch_confirmed", "Fulfilled Order"),
    ],
    ids=["orders as they change", "orders", "invoices", "refunds", "amendments", "sweep"],
    indirect=["here"],
)
def test_a_list_is_read_to_its_end_by_readers_that_are_killed_on_every_page(
    here: Town,
    monkeypatch: pytest.MonkeyPatch,
    feed: str,
    before: tuple[Act, ...],
    happens: Act | None,
    kind: str,
    event: str,
) -> None:
    placed: list[Any] = []

    def place_one() -> None:
        placed.append(place(here))

    for _ in range(COUNT):
        place_one()
    waiting = list(placed)
    if happens is not None:
        for earlier in before:
            for order in placed:
                earlier(here, order)
        live(here)

    def happens_again() -> None:
        if happens is None:
            place_one()
        elif waiting:
            happens(here, waiting.pop())

    for _ in range(COUNT - 3 if happens is not None else 0):
        happens_again()
    kills = killed_everywhere(monkeypatch, lambda: here.read_marketplace(feed, at=MARKET), happens_again)
    assert kills >= 4
    assert not waiting or happens is None
    of_kind = "SELECT order_id, count(*) FROM ledger.order_events WHERE kind = :kind GROUP BY 1 ORDER BY 1"
    assert counted(here, of_kind, kind=kind) == [(order_id, 1) for order_id in sorted(one["id"] for one in placed)]
    live(here)
    assert [here.events(order["id"])[event] for order in placed] == [1] * len(placed)
    assert here.work_items() == {}
