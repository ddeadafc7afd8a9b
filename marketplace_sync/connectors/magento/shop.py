"""The facts of a shop that everything else needs: its store view, currency, website and stock. Asked for once in a
while, because they hardly ever change."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

import msgspec

from marketplace_sync.connectors.magento.calls import Calls
from marketplace_sync.connectors.magento.settings import MagentoSettings
from marketplace_sync.domain.errors import RequestRejected

_VALID_SECONDS = 3600.0


class _Config(msgspec.Struct):
    id: int
    code: str
    website_id: int
    base_currency_code: str = ""


class _Website(msgspec.Struct):
    id: int
    code: str


class View(msgspec.Struct, frozen=True):
    """The store view orders are placed in."""

    store_id: int
    website_id: int
    website: str
    currency: str
    """The base currency, in which the shop keeps its books."""
    views: Mapping[str, tuple[int, ...]]
    """Website -> the ids of its store views, of every website of the shop."""


class Shop:
    """Thread-safe."""

    def __init__(self, settings: MagentoSettings, calls: Calls, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._calls = calls
        self._clock = clock
        self._lock = threading.Lock()
        self._view: View | None = None
        self._asked_at = 0.0

    def view(self) -> View:
        """Raises TransportError; RequestRejected when the shop has no such store view."""
        with self._lock:
            if self._view is None or self._clock() - self._asked_at > _VALID_SECONDS:
                self._view, self._asked_at = self._ask(), self._clock()
            return self._view

    def _ask(self) -> View:
        code = self._settings.store_view
        # All scopes: a view that does not exist would answer 404 for everything, without saying why.
        configs = self._calls.get("/store/storeConfigs", list[_Config], operation="store views", view="all")
        config = next((one for one in configs if one.code == code), None)
        if config is None:
            known = ", ".join(sorted(one.code for one in configs)) or "none"
            raise RequestRejected(
                f"{self._calls.connection}: the shop has no store view {code!r}; write one of these as store_view:"
                f" {known}",
                connection=self._calls.connection,
                operation="store views",
            )
        websites = self._calls.get("/store/websites", list[_Website], operation="websites", view="all")
        views = {
            website.code: ids
            for website in websites
            if (ids := tuple(one.id for one in configs if one.website_id == website.id))
        }
        return View(
            store_id=config.id,
            website_id=config.website_id,
            website=next((one.code for one in websites if one.id == config.website_id), ""),
            currency=config.base_currency_code,
            views=views,
        )
