"""A Mirakl marketplace of its own for each test: without call budget, as no test is about it unless it says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from marketplace_sync.sandbox.serve import RunningSandbox
from marketplace_sync.sandbox.world import WorldSettings
from marketplace_sync_tests.sandbox.mirakl.seller import ACCOUNT, Seller

CALM = {"rate_factor": 0, "automatic_cycles": False}


@pytest.fixture
def seller_with() -> Iterator[Callable[..., Seller]]:
    """Starts a sandbox with these settings of Mirakl and returns its seller."""
    with ExitStack() as running:

        def start(world: dict[str, Any] | None = None, **settings: Any) -> Seller:
            sandbox = RunningSandbox(
                WorldSettings(
                    accounts={ACCOUNT: "mirakl"},
                    settings={ACCOUNT: {**CALM, **settings}},
                    shop=False,
                    oddities=False,
                    **(world or {}),
                )
            )
            seller = Seller(running.enter_context(sandbox))
            running.callback(seller.http.close)
            return seller

        yield start


@pytest.fixture
def seller(seller_with: Callable[..., Seller]) -> Seller:
    return seller_with()
