"""Sources, stocks and salable quantities, over the wire. (stock)"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from marketplace_sync.sandbox.magento import criteria, stock
from marketplace_sync.sandbox.magento.amounts import number
from marketplace_sync.sandbox.magento.catalogue_api import product_column, product_columns
from marketplace_sync.sandbox.magento.errors import Refused, no_such
from marketplace_sync.sandbox.magento.gate import Call, Gate
from marketplace_sync.sandbox.magento.shapes import SOURCE_ITEM, Shape
from marketplace_sync.sandbox.magento.shop import Shop
from marketplace_sync.sandbox.state import Document

UNMANAGED = 9999
"""What a product whose stock is not managed is listed with: a fixed number."""


class StockApi:
    def __init__(self, shop: Shop) -> None:
        self.shop = shop

    def open_in(self, gate: Gate) -> None:
        source, stocks, sales = (
            "Magento_InventoryApi::source", "Magento_InventoryApi::stock", "Magento_InventorySalesApi::stock",
        )  # fmt: skip
        items = Shape({"sourceItems": [SOURCE_ITEM]}, frozenset({"sourceItems"}))
        gate.open("GET", "inventory/source-items", source, self._source_items)
        gate.open("POST", "inventory/source-items", source, self._set, items)
        gate.open("POST", "inventory/source-items-delete", source, self._unassign, items)
        gate.open("GET", "inventory/sources", source, self._sources)
        gate.open("GET", "inventory/sources/{sourceCode}", source, self._source)
        gate.open("GET", "inventory/stocks", stocks, self._stocks)
        gate.open("GET", "inventory/stocks/{stockId}", stocks, lambda c: _stock(self._stock(c.number("stockId"))))
        gate.open("GET", "inventory/stock-source-links", "Magento_InventoryApi::stock_source_link", self._links)
        gate.open("GET", "inventory/stock-resolver/{type}/{code}", sales, lambda c: _stock(self._resolved(c)))
        gate.open("GET", "inventory/get-product-salable-quantity/{sku}/{stockId}", sales, self._salable)
        gate.open("GET", "inventory/is-product-salable/{sku}/{stockId}", sales, self._is_salable)
        gate.open("GET", "inventory/are-products-salable", sales, self._are_salable)
        if self.shop.settings.export_module:
            channel = "{salesChannelType}/{salesChannelCode}"
            gate.open("GET", f"inventory/export-stock-salable-qty/{channel}", stocks, self._export)
            gate.open("GET", f"inventory/dump-stock-index-data/{channel}", stocks, self._dump)

    def _search(self, call: Call, rows: Iterator[Document], columns: frozenset[str]) -> dict[str, Any]:
        asked = criteria.parse(call.query, self.shop.settings)
        return criteria.search(
            rows, asked, self.shop.settings, lambda row, name: row.get(name), columns.__contains__, _shown
        )

    def _source_items(self, call: Call) -> dict[str, Any]:
        columns = frozenset({"source_item_id", "sku", "source_code", "quantity", "status"})
        return self._search(call, self.shop.source_items.values(), columns)

    def _set(self, call: Call) -> list[Any]:
        """Absolute, several SKUs at once; all of them or none. There is no compare-and-set."""
        errors = [problem for one in call.body["sourceItems"] for problem in self._problems(one)]
        if errors:
            raise Refused(400, "Validation Failed", errors=errors)
        for one in call.body["sourceItems"]:
            status = one.get("status", 1)
            stock.put_quantity(self.shop, one["source_code"], one["sku"], one["quantity"], status)
        return []

    def _problems(self, one: dict[str, Any]) -> Iterator[dict[str, Any]]:
        sku, code = one.get("sku") or "", one.get("source_code") or ""
        for name, value in (("sku", sku), ("source_code", code)):
            if not value.strip():
                yield {"message": '"%field" can not be empty.', "parameters": {"field": name}}
        if sku != sku.strip():
            yield {"message": '"%field" can not contain leading or trailing spaces.', "parameters": {"field": "sku"}}
        if " " in code.strip():
            message = '"%field" can not contain whitespaces.'
            yield {"message": message, "parameters": {"field": "source_code"}}
        elif code.strip() and code not in self.shop.sources:
            message = 'Source with source code "%sourceCode" does not exist.'
            yield {"message": message, "parameters": {"sourceCode": code}}
        if one.get("quantity") is None:
            yield {"message": '"%field" should be numeric.', "parameters": {"field": "quantity"}}
        if one.get("status", 1) not in (0, 1):
            yield {"message": '"%field" should a known status.', "parameters": {"field": "status"}}

    def _unassign(self, call: Call) -> list[Any]:
        for one in call.body["sourceItems"]:
            key = stock.item_key(str(one.get("source_code")), str(one.get("sku")))
            if key in self.shop.source_items:
                self.shop.source_items.delete(key)
        return []

    def _sources(self, call: Call) -> dict[str, Any]:
        columns = frozenset({"source_code", "name", "enabled", "country_id", "postcode"})
        return self._search(call, self.shop.sources.values(), columns)

    def _source(self, call: Call) -> Document:
        found = self.shop.sources.get(call.path["sourceCode"])
        if found is None:
            raise Refused(404, 'Source with code "%value" does not exist.', {"value": call.path["sourceCode"]})
        return found

    def _stocks(self, call: Call) -> dict[str, Any]:
        rows = (_stock(one) for one in self.shop.stocks.values())
        return self._search(call, rows, frozenset({"stock_id", "name"}))

    def _stock(self, stock_id: int) -> Document:
        found = self.shop.stocks.get(str(stock_id))
        if found is None:
            raise Refused(404, 'Stock with id "%value" does not exist.', {"value": stock_id})
        return found

    def _links(self, call: Call) -> dict[str, Any]:
        rows = ({"stock_id": one["stock_id"], **link} for one in self.shop.stocks.values() for link in one["links"])
        return self._search(call, rows, frozenset({"stock_id", "source_code", "priority"}))

    def _resolved(self, call: Call) -> Document:
        """The stock of a sales channel; only websites are channels."""
        kind = call.path.get("type") or call.path["salesChannelType"]
        code = call.path.get("code") or call.path["salesChannelCode"]
        for one in self.shop.stocks.values():
            if kind == "website" and code in one["channels"]:
                return one
        raise Refused(404, "No linked stock found")

    def _product(self, call: Call) -> Document:
        product = self.shop.product(call.path["sku"])
        if product["type_id"] in stock.COMPOSITE:
            raise Refused(400, "Can't check requested quantity for products without Source Items support.")
        return product

    def _salable(self, call: Call) -> int | float:
        self._stock(call.number("stockId"))
        return number(stock.salable(self.shop, call.number("stockId"), self._product(call)["sku"]))

    def _is_salable(self, call: Call) -> bool:
        product = self.shop.products.get(call.path["sku"].casefold())
        return product is not None and stock.salable(self.shop, call.number("stockId"), product["sku"]) > 0

    def _are_salable(self, call: Call) -> list[Document]:
        number_ = call.asked("stockId") or ""
        if not number_.isdigit():
            raise no_such("stockId", number_)
        skus = [value for name, value in call.query if name.partition("[")[0] == "skus"]
        return [
            {"sku": sku, "stock_id": int(number_), "salable": stock.salable(self.shop, int(number_), sku) > 0}
            for sku in skus
        ]

    def _export(self, call: Call) -> dict[str, Any]:
        """Pages over products: those that no source has are counted and left out, so pages are short."""
        stock_id = self._resolved(call)["stock_id"]
        asked = criteria.parse(call.query, self.shop.settings)
        found = criteria.search(
            self.shop.products.values(), asked, self.shop.settings, product_column, product_columns(self.shop)
        )
        rows = [self._exported(product, stock_id) for product in found["items"] or []]
        return {**found, "items": [row for row in rows if row is not None]}

    def _exported(self, product: Document, stock_id: int) -> Document | None:
        sku = product["sku"]
        if product["type_id"] in stock.COMPOSITE:
            return {"sku": sku, "qty": 0, "is_salable": True}
        if not stock.is_managed(product):
            return {"sku": sku, "qty": UNMANAGED, "is_salable": True}
        if stock.index_quantity(self.shop, stock_id, sku) is None:
            return None
        quantity = stock.salable(self.shop, stock_id, sku)
        return {"sku": sku, "qty": number(quantity), "is_salable": quantity > 0}

    def _dump(self, call: Call) -> list[Document]:
        """The index only: reservations are not in it."""
        stock_id = self._resolved(call)["stock_id"]
        rows = []
        for product in self.shop.products.values():
            quantity = stock.index_quantity(self.shop, stock_id, product["sku"])
            if quantity is not None:
                rows.append({"sku": product["sku"], "qty": number(quantity), "is_salable": quantity > 0})
        return rows


def _shown(row: Document) -> Document:
    return {name: value for name, value in row.items() if not name.startswith("_")}


def _stock(one: Document) -> Document:
    channels = [{"type": "website", "code": code} for code in one["channels"]]
    return {"stock_id": one["stock_id"], "name": one["name"], "extension_attributes": {"sales_channels": channels}}
