"""A John Lewis of its own for each test: calm, without limit, as no test is about a limit unless it says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from marketplace_sync.sandbox.serve import RunningSandbox
from marketplace_sync_tests.sandbox.john_lewis.seller import ACCOUNT, Seller

CALM = {"limit": None, "missing_email_rate": 0.0, "missing_state_rate": 0.0}


@pytest.fixture
def seller_with() -> Iterator[Callable[..., Seller]]:
    """Starts a sandbox with these settings of John Lewis and returns its seller."""
    with ExitStack() as running:

        def start(**settings: Any) -> Seller:
            sandbox = RunningSandbox(accounts={ACCOUNT: "john_lewis"}, settings={ACCOUNT: {**CALM, **settings}})
            seller = Seller(running.enter_context(sandbox))
            running.callback(seller.http.close)
            return seller

        yield start


@pytest.fixture
def seller(seller_with: Callable[..., Seller]) -> Seller:
    return seller_with()
