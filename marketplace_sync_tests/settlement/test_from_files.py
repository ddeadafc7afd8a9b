"""The labelled cases again, by way of files, ledger and report: as finance meets them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from marketplace_sync.domain.settlement.layouts import FileKind
from marketplace_sync.flows.context import Route
from marketplace_sync_tests.settlement.cases import CASES
from marketplace_sync_tests.settlement.office import Office, bank_file, opened, settlement_file, store_file
from marketplace_sync_tests.settlement.scene import SETTINGS, Scene


def fits_into_files(scene: Scene) -> bool:
    """A store record cannot say everything that a marketplace's feed can."""
    if scene.awaited:
        return False
    for order in scene.sold:
        if not order.held or order.placed_on or order.shipped_on or order.refund_reasons:
            return False
        for line in order.lines:
            if line.categories or line.fees or line.base_price is not None or line.other_prices:
                return False
            if line.own_commission is not None or line.invoice:
                return False
    return True


SCENES = [case for case in CASES if fits_into_files(case)]


@pytest.fixture(scope="module")
def office(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with opened(module_database_url, tmp_path_factory.mktemp("office"), SETTINGS) as found:
        yield found


def test_most_cases_fit_into_files() -> None:
    assert len(SCENES) > 200


@pytest.mark.parametrize("scene", SCENES, ids=[case.name for case in SCENES])
def test_a_case_from_files_is_concluded_as_labelled(scene: Scene, office: Office) -> None:
    office.clear()
    _under(office, scene)
    assert not office.take(FileKind.STORE_ORDERS, store_file(scene.sold)).rejected
    assert not office.take(FileKind.SETTLEMENT, settlement_file(scene.lines, scene.goods)).rejected
    assert not office.take(FileKind.BANK_RECEIPTS, bank_file(scene.receipts)).rejected
    report = office.report(scene.as_of)
    assert {order["order_id"]: set(order["codes"]) for order in report["orders"]} == scene.orders, scene.why
    assert {line["line_id"]: line["code"] for line in report["unallocated"]} == scene.outside
    suggested = {line["line_id"]: line["suggested_order"] or "" for line in report["unallocated"]}
    assert {name: suggested[name] for name in scene.suggested} == scene.suggested
    if scene.documents:
        found = {each["accounting_document_number"]: set(each["codes"]) for each in report["documents"]}
        assert found == scene.documents


def _under(office: Office, scene: Scene) -> None:
    """The same installation under the scene's settings."""
    (route,) = office.context.routes
    settings = route.settings.model_copy(update={"finance": SETTINGS | scene.settings})
    changed = Route(route.name, route.marketplace, route.display_name, settings, route.store, route.marketing)
    object.__setattr__(office.context, "routes", (changed,))
