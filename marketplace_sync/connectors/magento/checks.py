"""Tries a connection with harmless reads, one permission after the other, and says in words what is missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from marketplace_sync.connectors.magento.calls import Calls
from marketplace_sync.connectors.magento.catalogue import CatalogueReader
from marketplace_sync.connectors.magento.searching import Found, Search
from marketplace_sync.connectors.magento.settings import MagentoSettings
from marketplace_sync.connectors.magento.shop import Shop
from marketplace_sync.connectors.magento.stock import Stock
from marketplace_sync.connectors.ports import Finding
from marketplace_sync.connectors.trying import gone_wrong
from marketplace_sync.domain.errors import TransportError

_GRANT = "grant it to the integration (System, Integrations, API) and activate it again"
_WRITES = ("create", "invoice", "creditmemo", "cancel")


class _Anything(msgspec.Struct):
    pass


class Checks:
    """Every look at the shop is its own finding: one that fails does not hide the others."""

    def __init__(
        self, settings: MagentoSettings, calls: Calls, shop: Shop, catalogue: CatalogueReader, stock: Stock
    ) -> None:
        self._settings = settings
        self._calls = calls
        self._shop = shop
        self._catalogue = catalogue
        self._stock = stock

    def run(self) -> Sequence[Finding]:
        """Never raises for what the vendor does, and never writes."""
        found = [
            self._look(
                "store view",
                self._view,
                "check base_url (without /rest), the integration's keys and that it is active, and store_view",
            )
        ]
        if not found[0].works:
            # Without the shop itself every other look would only say the same again.
            return found
        found += [
            self._look("orders", lambda: self._list("/orders"), f"Sales, Operations, Orders, Actions, View: {_GRANT}"),
            self._look("shipments", lambda: self._list("/shipments"), f"Sales, Operations, Shipments: {_GRANT}"),
            self._look(
                "credit memos", lambda: self._list("/creditmemos"), f"Sales, Operations, Credit Memos: {_GRANT}"
            ),
            self._look("products", self._products, f"Catalog, Inventory, Products: {_GRANT}"),
            self._look("stock", self._salable, f"Stores, Inventory: {_GRANT}; and enable Magento_InventoryExportStock"),
            self._look(
                "reservations",
                self._reservations,
                "see that the module is enabled (bin/magento module:status), or write reservations: subtract",
            ),
            Finding(
                subject="writing",
                works=True,
                detail="reads cannot try it: the integration also needs Sales, Operations, Orders, Actions: "
                + ", ".join(_WRITES),
            ),
        ]
        return found

    def _look(self, subject: str, what: Callable[[], str], fix: str) -> Finding:
        try:
            return Finding(subject=subject, works=True, detail=what())
        except _Missing as problem:
            return Finding(subject=subject, works=False, detail=str(problem), fix=fix)
        except TransportError as problem:
            return gone_wrong(subject, problem, fix)

    def _view(self) -> str:
        view = self._shop.view()
        if not view.website:
            raise _Missing(
                f"the website of store view {self._settings.store_view} cannot be read, so neither its stock"
            )
        return f"{self._settings.store_view} of website {view.website}, books in {view.currency}"

    def _list(self, path: str) -> str:
        search = Search(page_size=1, fields="entity_id")
        found = self._calls.get(path, Found[_Anything], search=search, operation=path.strip("/"))
        return f"{found.total_count} can be read"

    def _products(self) -> str:
        return f"{self._catalogue.count()} can be read"

    def _salable(self) -> str:
        if self._stock.salable(self._shop.view(), first_page_only=True) is None:
            raise _Missing(
                "the shop does not say salable quantities for many products at once: source quantities are used"
                " instead, without the open orders of the shop's own customers, which can be sold twice"
            )
        return "salable quantities can be read"

    def _reservations(self) -> str:
        """What is said of them; that a module reserves is held against orders of ours that are there (Magento, the
        reservation trap)."""
        if self._settings.reservations == "module":
            return self._reserved()
        return {
            "repaired": "the shop is said to repair reservations every"
            f" {self._settings.reservations_repaired_every}; units of orders younger than twice that are taken off",
            "subtract": "the units of all our orders are taken off"
            + (
                f" that were made since {self._settings.reservations_repaired_at}"
                if self._settings.reservations_repaired_at
                else "; if somebody repairs reservations, say when in reservations_repaired_at"
            ),
        }[self._settings.reservations]

    def _reserved(self) -> str:
        said = "a module of the shop is said to reserve stock for orders over the API"
        unreserved, looked_at = self._stock.unreserved()
        if not looked_at:
            return f"{said}: salable quantities are believed, and no order of ours is open that could show it"
        if unreserved:
            raise _Missing(
                f"{said}, and of {len(unreserved)} products with open orders of ours all that lies there is called"
                f" salable ({', '.join(map(repr, sorted(unreserved)[:3]))}): they would be sold twice"
            )
        return f"{said}, and nothing speaks against it in the {looked_at} products with open orders of ours"


class _Missing(Exception):
    """The shop answers, and something is not as it must be."""
