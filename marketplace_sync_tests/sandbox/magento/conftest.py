"""A Magento shop of its own for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from marketplace_sync.sandbox.serve import RunningSandbox
from marketplace_sync_tests.sandbox.magento.caller import ACCOUNT, Caller


@pytest.fixture
def shop_with() -> Iterator[Callable[..., Caller]]:
    """Starts a sandbox with these settings of Magento and returns an integration in it."""
    with ExitStack() as running:

        def start(world: dict[str, Any] | None = None, **settings: Any) -> Caller:
            made = {"accounts": {ACCOUNT: "magento"}, "settings": {ACCOUNT: settings}, **(world or {})}
            sandbox = RunningSandbox(**made)
            caller = Caller(running.enter_context(sandbox), settings.get("version", "2.4.9"))
            running.callback(caller.http.close)
            return caller

        yield start


@pytest.fixture
def caller(shop_with: Callable[..., Caller]) -> Caller:
    return shop_with()
