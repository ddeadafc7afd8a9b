"""What of each product can be sold, with what Magento forgets: orders that came over its API reserve nothing.

Such a unit is missing for good from what Magento calls salable, whether its order is open, shipped, cancelled or
credited since, until somebody repairs the reservations (Magento, the reservation trap). So every unit ordered that way
since the last repair is taken off, unless the shop has a module that reserves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeVar

import msgspec
import structlog

from marketplace_sync.connectors.magento.answers import Number, whole
from marketplace_sync.connectors.magento.calls import Calls
from marketplace_sync.connectors.magento.searching import Filter, Found, Search, Stuck, by_id, chunks, none_of
from marketplace_sync.connectors.magento.settings import MagentoSettings
from marketplace_sync.connectors.magento.shop import Shop, View
from marketplace_sync.domain.errors import RequestRejected

T = TypeVar("T")

_log = structlog.get_logger(__name__)
_SALABLE = "/inventory/export-stock-salable-qty/website/"


class _Salable(msgspec.Struct):
    sku: str
    qty: Number = None
    is_salable: bool = True


class _SourceItem(msgspec.Struct):
    sku: str
    source_code: str
    quantity: Number = None
    status: int = 1


class _Stock(msgspec.Struct):
    stock_id: int


class _Link(msgspec.Struct):
    source_code: str


class _Source(msgspec.Struct):
    source_code: str
    enabled: bool = True


class SoldItem(msgspec.Struct):
    """A line of an order of ours, as far as it says what was sold and what is still to be shipped."""

    item_id: int
    sku: str | None = None
    qty_ordered: Number = None
    qty_shipped: Number = None
    qty_canceled: Number = None
    qty_refunded: Number = None


def folded(sku: str) -> str:
    """SKUs as Magento's database compares them (Magento, SKUs)."""
    return sku.casefold().rstrip()


class Stock:
    """Stock of the connection's website. Every method raises TransportError."""

    def __init__(
        self,
        settings: MagentoSettings,
        calls: Calls,
        shop: Shop,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings = settings
        self._calls = calls
        self._shop = shop
        self._now = now

    def available(self) -> Mapping[str, int]:
        """Folded SKU -> units that can be sold; what is not in it cannot be."""
        view = self._shop.view()
        salable = self.salable(view)
        if salable is None:
            _log.warning(
                "stock without reservations",
                connection=self._calls.connection,
                reason="the shop has no Magento_InventoryExportStock: its own open orders are not taken off",
            )
            found = self._on_hand(view)
            taken = self._of_ours(view, lambda item: max(0, _open(item)), since=None)
        else:
            found = salable
            taken = {}
            if self._settings.reservations != "module":
                since = self._settings.repaired_until(self._now())
                taken = self._of_ours(view, lambda item: whole(item.qty_ordered, "qty_ordered"), since=since)
        return {sku: max(0, units - taken.get(sku, 0)) for sku, units in found.items()}

    def unreserved(self) -> tuple[list[str], int]:
        """Folded SKUs with open units of our orders of which the shop calls salable all that lies there, so that
        nothing is reserved of them; and how many were looked at. What changes meanwhile is not held against the shop.

        Where products sell beyond their stock it calls more than that salable, and is not judged."""
        view = self._shop.view()
        before = self._of_ours(view, lambda item: max(0, _open(item)), since=None)
        if not any(before.values()):
            return [], 0
        salable = self.salable(view) or {}
        there = self._on_hand(view)
        after = self._of_ours(view, lambda item: max(0, _open(item)), since=None)
        looked_at = [sku for sku, units in before.items() if sku in salable and min(units, after.get(sku, 0)) > 0]
        return [sku for sku in looked_at if salable[sku] == there.get(sku, 0) > 0], len(looked_at)

    def salable(self, view: View, *, first_page_only: bool = False) -> dict[str, int] | None:
        """What Magento calls salable; None where the shop lacks the module that says it for many products at once.

        Pages are of products: those that are not assigned to the stock are missing, so short pages mean nothing and
        the count of products says how many pages there are (Magento, stock).
        """
        found: dict[str, int] = {}
        size = self._settings.catalogue_page_size
        page = 1
        while True:
            search = Search(page_size=size, page=page)
            try:
                answer = self._calls.get(
                    f"{_SALABLE}{view.website}", Found[_Salable], search=search, operation="salable quantities"
                )
            except RequestRejected as problem:
                if problem.status == 404:
                    return None
                raise
            for one in answer.items or ():
                found[folded(one.sku)] = int(Decimal(one.qty or 0)) if one.is_salable else 0
            if first_page_only or page * size >= answer.total_count:
                return found
            page += 1

    def _on_hand(self, view: View) -> dict[str, int]:
        """What lies in the enabled sources of the website's stock."""
        stock_id = self._stock_of(view.website)
        linked = {
            link.source_code
            for link in self._paged("/inventory/stock-source-links", _Link, "sources of the stock", "source_code",
                                    ((Filter("stock_id", str(stock_id)),),))
        }  # fmt: skip
        enabled = {
            source.source_code
            for source in self._paged("/inventory/sources", _Source, "sources", "source_code")
            if source.enabled
        }
        found: dict[str, int] = {}
        codes = sorted(linked & enabled)
        for some in chunks(codes):
            wanted = ((Filter("source_code", ",".join(some), "in"),),)
            for item in self._paged("/inventory/source-items", _SourceItem, "source items", "sku", wanted):
                units = int(Decimal(item.quantity or 0)) if item.status == 1 else 0
                found[folded(item.sku)] = found.get(folded(item.sku), 0) + units
        return found

    def _stock_of(self, website: str) -> int:
        return self._calls.get(f"/inventory/stock-resolver/website/{website}", _Stock, operation="stock").stock_id

    def _views(self, view: View) -> list[int]:
        """The store views whose orders draw on the same stock, ours first: what other connections put there is missing
        as well (Magento, the reservation trap: per SKU and stock)."""
        others = [(website, ids) for website, ids in view.views.items() if website != view.website]
        mine = self._stock_of(view.website) if others else None
        sharing = [one for website, ids in others if self._stock_of(website) == mine for one in ids]
        return [view.store_id, *(one for one in view.views.get(view.website, ()) if one != view.store_id), *sharing]

    def _paged(
        self, path: str, kind: type[T], operation: str, sort: str, groups: tuple[tuple[Filter, ...], ...] = ()
    ) -> Iterator[T]:
        """A list without ids to walk by: page by page in a fixed order, as many pages as the count asks for."""
        size = self._settings.catalogue_page_size
        page = 1
        while True:
            search = Search(groups=groups, sort=(sort,), page_size=size, page=page)
            answer: Found[T] = self._calls.get(path, Found[kind], search=search, operation=operation)  # type: ignore[valid-type]
            if not answer.items and page == 1 and answer.total_count > 0:
                raise self._calls.unreadable(operation, none_of(answer.total_count))
            yield from answer.items or ()
            if page * size >= answer.total_count:
                return
            page += 1

    def _of_ours(self, view: View, units: Callable[[SoldItem], int], since: datetime | None) -> dict[str, int]:
        """Folded SKU -> units of orders over the API, whichever connection put them there, made since then."""
        found: dict[str, int] = {}
        for item in self._sold(view, since):
            sku = folded(item.sku or "")
            found[sku] = found.get(sku, 0) + units(item)
        return found

    def _sold(self, view: View, since: datetime | None) -> Iterator[SoldItem]:
        groups = [
            (Filter("ext_order_item_id", "1", "notnull"),),
            (Filter("store_id", ",".join(map(str, self._views(view))), "in"),),
        ]
        if since is not None:
            groups.append((Filter("created_at", since.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"), "gteq"),))
        search = Search(
            groups=tuple(groups),
            page_size=self._settings.catalogue_page_size,
            fields="item_id,sku,qty_ordered,qty_shipped,qty_canceled,qty_refunded",
        )

        def ask(search: Search) -> Found[SoldItem]:
            return self._calls.get("/orders/items", Found[SoldItem], search=search, operation="units of our orders")

        try:
            for page in by_id(search, "item_id", ask, lambda item: item.item_id):
                yield from page
        except (Stuck, ValueError) as problem:
            raise self._calls.unreadable("units of our orders", str(problem)) from None


def _open(item: SoldItem) -> int:
    gone = max(whole(item.qty_shipped, "qty_shipped"), whole(item.qty_refunded, "qty_refunded"))
    return whole(item.qty_ordered, "qty_ordered") - gone - whole(item.qty_canceled, "qty_canceled")
