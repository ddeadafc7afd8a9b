"""An instance of its own for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from marketplace_sync.sandbox.serve import RunningSandbox
from marketplace_sync_tests.sandbox.marketplacer.client import ACCOUNT, Client


@pytest.fixture
def market_with() -> Iterator[Callable[..., Client]]:
    """Starts a sandbox with these settings of the instance."""
    with ExitStack() as running:

        def start(**settings: Any) -> Client:
            sandbox = RunningSandbox(
                accounts={ACCOUNT: "marketplacer"}, settings={ACCOUNT: {"burst_seconds": 0.0, **settings}}
            )
            client = Client(running.enter_context(sandbox))
            running.callback(client.http.close)
            return client

        yield start


@pytest.fixture
def market(market_with: Callable[..., Client]) -> Client:
    return market_with()
