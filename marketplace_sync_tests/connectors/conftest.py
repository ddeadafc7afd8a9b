"""A Marketplacer instance that tests of its connector share, made anew for each of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from marketplace_sync_tests.connectors.marketplacer_instance import Instance, instance


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Instance, str]]:
    with instance() as found:
        yield found


@pytest.fixture
def pots(served: tuple[Instance, str]) -> tuple[Instance, str]:
    served[0].__init__()  # type: ignore[misc]
    return served
