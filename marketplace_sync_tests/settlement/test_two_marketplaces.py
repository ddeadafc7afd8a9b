"""The same order id, line ids and payout number at two marketplaces: two orders, two payouts, nothing mixed up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from marketplace_sync.config import load
from marketplace_sync.domain.settlement.layouts import FileKind
from marketplace_sync.flows.settlement import reconcile_connection
from marketplace_sync.flows.settlement_import import ImportReport, import_file
from marketplace_sync.flows.settlement_payout import reconcile_payout
from marketplace_sync.ledger import work_items
from marketplace_sync.ledger.location import urls_of
from marketplace_sync.project import Project, open_project
from marketplace_sync_tests.settlement.office import NAME, bank_file, configuration, settlement_file, store_file
from marketplace_sync_tests.settlement.scene import SETTINGS, TODAY, order, payment, receipt, sale

OTHER = "souk"


@pytest.fixture
def both(database_url: str, tmp_path: Path) -> Iterator[Project]:
    content = configuration(SETTINGS)
    content["connections"][OTHER] = content["connections"][NAME] | {"channel": "the souk"}
    content["routes"][OTHER] = {"marketing": "klaviyo", "finance": {"commission_rates": {"default": "0.20"}}}
    path = tmp_path / "marketplace_sync.yaml"
    path.write_text(yaml.safe_dump(content))
    with open_project(load(path), database=urls_of(database_url)) as project:
        yield project


def take(project: Project, name: str, kind: FileKind, content: str) -> ImportReport:
    return import_file(project.context, name, kind, "file.csv", content.encode())


def concluded(project: Project, name: str) -> dict[str, Any]:
    result = reconcile_connection(project.context, name, TODAY).result
    return {f"{row['channel']} {row['order_id']}": row["codes"] for row in result.orders.iter_rows(named=True)}


def test_one_order_id_at_two_marketplaces_is_two_orders(both: Project) -> None:
    here = [*sale(), payment(4510)]
    there = [*sale(commission=-1100, vat=-220, product=4900, channel="the souk"), payment(4080)]
    take(both, NAME, FileKind.STORE_ORDERS, store_file([order("A")]))
    take(both, OTHER, FileKind.STORE_ORDERS, store_file([order("A", channel="the souk")]))
    assert take(both, NAME, FileKind.SETTLEMENT, settlement_file(here)).new == 5
    plain = settlement_file(there).replace(",bazaar,", ",,")
    assert take(both, OTHER, FileKind.SETTLEMENT, plain).new == 5, "the same ids are other lines there"
    take(both, NAME, FileKind.BANK_RECEIPTS, bank_file([receipt(4510, "D1")]))
    take(both, OTHER, FileKind.BANK_RECEIPTS, bank_file([receipt(4080, "D1")]))

    assert concluded(both, NAME) == {"bazaar A": []}
    assert concluded(both, OTHER) == {"the souk A": ["AMOUNT_MISMATCH"]}
    assert concluded(both, NAME) == {"bazaar A": []}
    assert [each.lines_total for each in reconcile_payout(both.context, OTHER, "D1", TODAY).figures] == [4080]
    assert [each.lines_total for each in reconcile_payout(both.context, NAME, "D1", TODAY).figures] == [4510]
    with both.ledger.begin() as connection:
        items = [(item["code"], item["connection"]) for item in work_items.listing(connection)]
    assert items == [("AMOUNT_MISMATCH", OTHER)]


def test_rows_of_the_other_marketplace_are_named_or_left_to_it(both: Project) -> None:
    mixed = settlement_file([*sale(), *sale(name="x", channel="the souk")])
    report = take(both, NAME, FileKind.SETTLEMENT, mixed)
    assert report.new == 4
    assert {each.reason for each in report.rejected} == {"it belongs to the connection souk: import it there"}
    records = store_file([order("A"), order("A", channel="the souk")])
    assert take(both, NAME, FileKind.STORE_ORDERS, records).elsewhere == 1
    assert take(both, OTHER, FileKind.STORE_ORDERS, records).elsewhere == 1
    assert concluded(both, NAME) == {"bazaar A": []}
    assert concluded(both, OTHER) == {"the souk A": ["NOT_YET_DUE"]}
