"""A few orders live their lives while faults strike calls of all three vendors; what the books of these say then."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from marketplace_sync.flows.attend import Attendant
from marketplace_sync_tests.faults import campaigns
from marketplace_sync_tests.faults.books import Books, balance
from marketplace_sync_tests.faults.documents import JL, KLAVIYO, SHOP
from marketplace_sync_tests.flows.town import Town, town

_PATIENT: dict[str, Any] = {"timeout_seconds": 5, "max_answer_megabytes": 1}
_CONNECTIONS: dict[str, dict[str, Any]] = {
    JL: {**_PATIENT, "settle_after": "1s"}, SHOP: {**_PATIENT, "doubt_settles_after": "1s"}, KLAVIYO: _PATIENT,
}  # fmt: skip
_VENDORS = (JL, SHOP, KLAVIYO)


@contextmanager
def quiet_town(database_url: str, folder: Path) -> Iterator[Town]:
    """A town in which nothing waits, with the patience that tests have."""
    with town(database_url, folder, connections=_CONNECTIONS) as here:
        here.settle()
        yield here


def live_through(
    here: Town, title: str, probability: float, *, orders: int, kinds: tuple[str, ...] = (), within: float
) -> campaigns.Outcome:
    """So many orders under faults of these kinds (all, unless told otherwise), each with this probability: three of
    four are sent, of the fourth a unit is cancelled. Ends when the books balance, or `within` seconds."""
    outcome = campaigns.Outcome(title)
    began = time.monotonic()
    already = here.sandbox.control("GET", "")["accounts"]
    for turn, account in enumerate(_VENDORS):
        rules = [rule for rule in campaigns.rules(probability, turn) if not kinds or rule["kind"] in kinds]
        rules = [{**rule, "megabytes": 2} if rule["kind"] == "huge" else rule for rule in rules]
        here.sandbox.control("PUT", f"{account}/faults", rules)
    attendants = [Attendant(here.context, name) for name in _VENDORS]
    try:
        placed = [here.place("MUG-RED", "BOWL-BLUE", quantity=2) for _ in range(orders)]
        outcome.books = _until_balanced(here, attendants, began + within)
        for number, order_id in enumerate(placed):
            if number % 4 == 3:
                here.sandbox.act(JL, "request_cancellation", order_id=order_id, line_ref="1", quantity=1)
            elif here.all_stored(order_id):
                here.ship(order_id, tracking_numbers=[f"RM{order_id}"])
        outcome.books = _until_balanced(here, attendants, began + within)
        campaigns.struck(outcome, here.sandbox.control("GET", "")["accounts"], already)
        outcome.open_items = str(here.work_items())
    finally:
        for account in _VENDORS:
            here.sandbox.control("PUT", f"{account}/faults", [])
        for attendant in attendants:
            attendant.leave()
    outcome.seconds = time.monotonic() - began
    return outcome


def calm(here: Town, within: float) -> Books:
    """What the books say once the faults are over, when they balance or `within` seconds."""
    attendants = [Attendant(here.context, name) for name in _VENDORS]
    try:
        return _until_balanced(here, attendants, time.monotonic() + within)
    finally:
        for attendant in attendants:
            attendant.leave()


def _until_balanced(here: Town, attendants: list[Attendant], give_up: float) -> Books:
    while True:
        for attendant in attendants:
            attendant.stay(60)
        here.sync()
        books = balance(lambda path: here.sandbox.control("GET", path), {"Royal Mail"})
        if books.balanced or time.monotonic() > give_up:
            return books
