"""A parcel that was to go first is refused, and the answer to the next one of the same line is lost: it is stated once.

What tells whether it was taken is how many units had left before it, and the refused one did not leave.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from marketplace_sync_tests.flows.mirakl_town import BAZAAR, CARRIERS, mirakl_town, writes
from marketplace_sync_tests.flows.town import JL, Town, town

ONE = [{"sku": "MUG-RED", "quantity": 1}]


def two_parcels(here: Town, order_id: Any, at: str, first: dict[str, Any], path: str, fault: str) -> None:
    """Both of one read: the first will be refused without a call, and the answer to the second is lost."""
    here.settle()
    here.ship(order_id, at=at, lines=ONE, **first)
    here.ship(order_id, at=at, lines=ONE, tracking_numbers=["TAKEN"])
    here.read_store()
    here.sandbox.control("PUT", f"{at}/faults", [{"kind": fault, "path": path, "method": "POST", "remaining": 1}])
    here.settle(40)


@pytest.mark.parametrize("fault", ["lost_answer", "cut"])
def test_at_the_edge_the_second_parcel_of_a_line_is_stated_once(database_url: str, tmp_path: Path, fault: str) -> None:
    with town(database_url, tmp_path) as here:
        order_id = here.place("MUG-RED", quantity=2)
        two_parcels(here, order_id, JL, {"tracking_numbers": ["R" * 101]}, "/dispatch", fault)
        assert [one["tracking_number"] for one in here.jl_actions("dispatch", order_id)] == ["TAKEN"]
        assert here.work_items() == {"EFFECT_REFUSED": 1}


def test_of_a_line_with_a_third_unit_only_the_second_parcel_is_stated(database_url: str, tmp_path: Path) -> None:
    with mirakl_town(
        database_url,
        tmp_path,
        like={BAZAAR: {"multi_shipment": True, "registered_carriers_only": True}},
        routes={BAZAAR: {"carriers": {**CARRIERS, "Parrot Post": "parrot"}}},
    ) as here:
        order_id = here.place("MUG-RED", quantity=3, at=BAZAAR)
        here.settle()
        two_parcels(here, order_id, BAZAAR, {"company": "Parrot Post"}, "/api/shipments", "lost_answer")
        here.settle()
        assert len(writes(here, "ST01", BAZAAR)) == 1
        assert here.work_items() == {"EFFECT_REFUSED": 1}
