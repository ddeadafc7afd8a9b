"""A Magento whose merchant takes the integration's token as a bearer (off since 2.4.4), and one that does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from marketplace_sync_tests.flows.stores import MagentoSide
from marketplace_sync_tests.flows.town import town

TOKEN = {"env": "TOWN_MAGENTO", "default": "sandbox-magento-access-token"}


class ByBearer(MagentoSide):
    """Nothing but the token is configured."""

    def __init__(self, allowed: bool) -> None:
        super().__init__()
        signing = ("consumer_key", "consumer_secret", "access_token", "access_token_secret")
        kept = {key: value for key, value in self.connection.items() if key not in signing}
        self.connection: dict[str, Any] = {**kept, "authentication": "bearer", "access_token": TOKEN}
        self.vendor = {"integration_as_bearer": allowed}


def test_an_order_goes_in_and_its_parcel_comes_back_with_the_token_alone(database_url: str, tmp_path: Path) -> None:
    with town(database_url, tmp_path, store=ByBearer(allowed=True)) as here:
        assert all(finding.works for finding in here.context.stores[here.store.name].check())
        order_id = here.place("MUG-RED", quantity=2)
        here.settle()
        assert here.stored(order_id).units == {"MUG-RED": 2}
        here.ship(order_id)
        here.settle()
        assert {line["status"] for line in here.jl_order(order_id)["lines"]} == {"DISPATCH"}
        assert here.work_items() == {}


def test_where_the_merchant_did_not_allow_it_the_connection_says_so_and_the_order_waits(
    database_url: str, tmp_path: Path
) -> None:
    with town(database_url, tmp_path, store=ByBearer(allowed=False)) as here:
        refused = [finding for finding in here.context.stores[here.store.name].check() if not finding.works]
        assert refused
        assert any("bearer" in f"{finding.detail} {finding.fix}" for finding in refused), refused
        here.place("MUG-RED")
        report = here.sync()
        assert any("magento_main" in problem for problem in report.problems)
        assert here.work_items()["CONNECTION_REFUSED"] == 1
        assert here.all_stored() == []
