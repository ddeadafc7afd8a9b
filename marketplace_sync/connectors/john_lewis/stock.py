"""Stock levels at the Edge: one call per product, addressed by an id that has to be found first."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from urllib.parse import quote

import msgspec

from marketplace_sync.connectors.john_lewis import fields
from marketplace_sync.connectors.john_lewis.settings import JohnLewisSettings
from marketplace_sync.connectors.outcomes import outcome_of
from marketplace_sync.connectors.wire import Wire
from marketplace_sync.decoding import decoded
from marketplace_sync.domain.effects import Delivered, Outcome, Postponed, Refused, SetStock
from marketplace_sync.domain.errors import AnswerUnreadable, RequestRejected, TransportError

_PRODUCTS = "/api/v4/products/"
_SINGLE_LOOKUPS = 10
"""After so many searches for one product the whole list is walked once: about 20 pages for 2,000 products."""


class _Product(msgspec.Struct):
    url: str | None = None
    id: str | int | None = None
    part_number: str | int | None = None
    supplier: str | int | dict[str, object] | None = None


class _Products(msgspec.Struct):
    results: list[_Product]
    next: str | None = None


class _Ambiguous(Exception):
    pass


class Stock:
    """Sets stock levels. Remembers product ids as long as it lives. Thread-safe."""

    def __init__(self, settings: JohnLewisSettings, wire: Wire) -> None:
        self._settings = settings
        self._wire = wire
        self._lock = threading.Lock()
        self._ids: dict[str, str] = {}
        self._lookups = 0
        self._walked = False

    def set_level(self, wish: SetStock) -> Outcome:
        """Harmless to repeat. A product that is being published takes no stock for a while (409)."""
        if not wish.stock_number:
            return Refused(f"SKU {wish.sku} has no John Lewis stock number", code="NO_STOCK_NUMBER")
        try:
            for _ in range(2):  # a remembered id may be out of date: then it is looked up once more
                product_id = self._product_id(wish.stock_number)
                if product_id is None:
                    break
                answer = self._wire.request(
                    "PATCH",
                    f"{_PRODUCTS}{quote(product_id, safe='')}/stock",
                    params={"format": "json"},
                    json={"supplier_free_stock": max(0, wish.quantity)},
                    write=True,
                    reads=(404, 409),
                    operation="set stock",
                )
                if answer.status == 409:
                    return Postponed(
                        f"stock number {wish.stock_number} is being published and takes no stock meanwhile",
                        after=self._settings.publishing_retry.total_seconds(),
                        counts_as_attempt=False,
                    )
                if answer.status != 404:
                    return Delivered()
                with self._lock:
                    self._ids.pop(wish.stock_number, None)
        except _Ambiguous as problem:
            return Refused(str(problem), code="STOCK_NUMBER_AMBIGUOUS")
        except RequestRejected as problem:
            if problem.status is None:
                return outcome_of(problem)  # it was not even sent
            said, code = fields.reason_in(problem.body)
            return Refused(f"John Lewis refused it ({problem.status}): {said or 'without a reason'}", code=code)
        except TransportError as problem:
            return outcome_of(problem)
        return Refused(
            f"John Lewis has no product with stock number {wish.stock_number} (SKU {wish.sku}); it may have been given "
            "a new one when the assortment changed",
            code="PRODUCT_NOT_FOUND",
        )

    def _product_id(self, stock_number: str) -> str | None:
        with self._lock:
            known = self._ids.get(stock_number)
            if known is not None:
                return known
            self._lookups += 1
            if self._lookups > _SINGLE_LOOKUPS and not self._walked:
                self._walk()
                self._walked = True
                if stock_number in self._ids:
                    return self._ids[stock_number]
        products = self._list({"part_number": stock_number}).results
        found = sorted({number for product in products if (number := self._ours(product, stock_number))})
        if len(found) > 1:
            raise _Ambiguous(
                f"stock number {stock_number} finds {len(found)} products of several suppliers; set supplier_id to ours"
            )
        if not found:
            return None
        with self._lock:
            self._ids[stock_number] = found[0]
        return found[0]

    def _ours(self, product: _Product, stock_number: str | None = None) -> str:
        """The product's id when it is ours, else empty: a search may return products of other suppliers."""
        if stock_number is not None and fields.exact(product.part_number) != stock_number:
            return ""
        wanted = self._settings.supplier_id
        if wanted is not None and product.supplier is not None:
            stated = product.supplier.get("id") if isinstance(product.supplier, dict) else product.supplier
            if str(stated) != wanted and fields.id_in(stated) != wanted:
                return ""
        return fields.exact(product.id) or fields.id_in(product.url)

    def _walk(self) -> None:
        offset = 0
        several: set[str] = set()
        while True:
            page = self._list({"limit": self._settings.page_size, "offset": offset})
            for product in page.results:
                number, product_id = fields.exact(product.part_number), self._ours(product)
                if number and product_id and self._ids.setdefault(number, product_id) != product_id:
                    several.add(number)
            offset += len(page.results)
            if not page.results or not page.next:
                break
        for number in several:  # left to the single search, which says what is wrong
            self._ids.pop(number, None)

    def _list(self, params: Mapping[str, str | int]) -> _Products:
        answer = self._wire.request("GET", _PRODUCTS, params={**params, "format": "json"}, operation="find product")
        try:
            return decoded(fields.mended(answer.body), _Products)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
            raise AnswerUnreadable(
                f"{self._wire.connection}: the Edge's list of products cannot be read: {str(problem)[:200]}",
                connection=self._wire.connection,
                operation="find product",
                status=answer.status,
            ) from None
