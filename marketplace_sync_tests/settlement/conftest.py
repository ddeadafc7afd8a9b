"""One office for the tests of a module, cleared before each: a ledger of its own for every test would cost too much."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from marketplace_sync_tests.settlement.office import Office, opened
from marketplace_sync_tests.settlement.scene import SETTINGS


@pytest.fixture(scope="module")
def shared_office(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with opened(module_database_url, tmp_path_factory.mktemp("office"), SETTINGS) as found:
        yield found


@pytest.fixture
def office(shared_office: Office) -> Office:
    shared_office.clear()
    return shared_office
