"""A shop of its own for each test: prompt and without limits, as no test is about those unless it says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from marketplace_sync.sandbox.serve import RunningSandbox
from marketplace_sync_tests.sandbox.shopify.app import ACCOUNT, App

CALM = {"restore_rate": None, "search_lag_seconds": 0.0, "routing_seconds": 0.0, "job_seconds": 0.0}


@pytest.fixture
def shop_with() -> Iterator[Callable[..., App]]:
    """Starts a sandbox with these settings of the shop and returns an app in it."""
    with ExitStack() as running:

        def start(**settings: Any) -> App:
            sandbox = RunningSandbox(accounts={ACCOUNT: "shopify"}, settings={ACCOUNT: {**CALM, **settings}})
            app = App(running.enter_context(sandbox))
            running.callback(app.http.close)
            return app

        yield start


@pytest.fixture
def app(shop_with: Callable[..., App]) -> App:
    return shop_with()
