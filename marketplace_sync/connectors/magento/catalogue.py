"""Reads everything the shop sells, with what there is of it: products, brands, categories, stock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import msgspec

from marketplace_sync.connectors.magento.answers import Number
from marketplace_sync.connectors.magento.calls import Calls
from marketplace_sync.connectors.magento.searching import Filter, Found, Search, Stuck, by_id
from marketplace_sync.connectors.magento.settings import MagentoSettings
from marketplace_sync.connectors.magento.shop import Shop
from marketplace_sync.connectors.magento.stock import Stock, folded
from marketplace_sync.domain.errors import RequestRejected
from marketplace_sync.domain.money import NotMoney, minor_units
from marketplace_sync.domain.store import Variant

_SOLD_ALONE = ("simple", "virtual", "downloadable")
"""Types whose SKU is one thing with a stock of its own; the others are made of these."""


class _CategoryLink(msgspec.Struct):
    category_id: int


class _Extension(msgspec.Struct):
    category_links: list[_CategoryLink] | None = None


class _Attribute(msgspec.Struct):
    attribute_code: str
    value: Any = None


class _Product(msgspec.Struct):
    id: int
    sku: str
    name: str | None = None
    type_id: str | None = None
    price: Number = None
    extension_attributes: _Extension | None = None
    custom_attributes: list[_Attribute] | None = None


class _Category(msgspec.Struct):
    id: int
    name: str | None = None
    level: int = 0


class _Option(msgspec.Struct):
    label: str | None = None
    value: Any = None


class _AttributeFacts(msgspec.Struct):
    options: list[_Option] | None = None


class CatalogueReader:
    """The catalogue of one shop, as it is now. Every method raises TransportError."""

    def __init__(self, settings: MagentoSettings, calls: Calls, shop: Shop, stock: Stock) -> None:
        self._settings = settings
        self._calls = calls
        self._shop = shop
        self._stock = stock

    def variants(self) -> Iterator[Sequence[Variant]]:
        """Everything with a stock of its own, page by page. `price` includes tax; None where the shop states none."""
        view = self._shop.view()
        available = self._stock.available()
        brands, categories = self._brands(), self._categories()
        # products as the store view shows them: `all` would state what no buyer sees
        search = Search(
            groups=((Filter("type_id", ",".join(_SOLD_ALONE), "in"),),),
            page_size=self._settings.catalogue_page_size,
            fields="id,sku,name,type_id,price,extension_attributes[category_links],custom_attributes",
        )

        def ask(search: Search) -> Found[_Product]:
            return self._calls.get("/products", Found[_Product], search=search, operation="products")

        try:
            for page in by_id(search, "entity_id", ask, lambda product: product.id):
                yield [
                    self._variant(product, view.currency, available, brands, categories)
                    for product in page
                    if (product.type_id or "simple") in _SOLD_ALONE
                ]
        except Stuck as problem:
            raise self._calls.unreadable("products", str(problem)) from None

    def count(self) -> int:
        """How many products there are."""
        search = Search(page_size=1, fields="id,sku")
        return self._calls.get("/products", Found[_Product], search=search, operation="products").total_count

    def _variant(
        self,
        stated: _Product,
        currency: str,
        available: Mapping[str, int],
        brands: Mapping[str, str],
        categories: Mapping[int, _Category],
    ) -> Variant:
        links = stated.extension_attributes.category_links if stated.extension_attributes else None
        named = [categories[link.category_id] for link in links or () if link.category_id in categories]
        named.sort(key=lambda category: -category.level)
        attributes = {one.attribute_code: one.value for one in stated.custom_attributes or ()}
        brand = str(attributes.get(self._settings.brand_attribute) or "") if self._settings.brand_attribute else ""
        return Variant(
            sku=stated.sku,
            variant_id=str(stated.id),
            product_id=str(stated.id),
            title=stated.name or stated.sku,
            price=self._price(stated.price, currency),
            currency=currency,
            brand=brands.get(brand, brand),
            category=named[0].name or "" if named else "",
            collections=tuple(category.name for category in named if category.name),
            available=available.get(folded(stated.sku), 0),
        )

    def _price(self, stated: Number, currency: str) -> int | None:
        if stated is None:
            return None
        try:
            price = minor_units(stated, currency)
        except NotMoney:
            return None
        if self._settings.price_tax_rate is None:
            return price
        gross = Decimal(price) * (1 + self._settings.price_tax_rate)
        return int(gross.quantize(Decimal(1), rounding=ROUND_HALF_UP))

    def _brands(self) -> dict[str, str]:
        """Option id -> label of the brand attribute; empty where it has no options, or the shop no such attribute."""
        code = self._settings.brand_attribute
        if not code:
            return {}
        try:
            facts = self._calls.get(f"/products/attributes/{code}", _AttributeFacts, operation="brand attribute")
        except RequestRejected as problem:
            if problem.status == 404:
                return {}
            raise
        return {str(option.value): option.label for option in facts.options or () if option.label and option.value}

    def _categories(self) -> dict[int, _Category]:
        search = Search(page_size=self._settings.catalogue_page_size, fields="id,name,level")

        def ask(search: Search) -> Found[_Category]:
            return self._calls.get("/categories/list", Found[_Category], search=search, operation="categories")

        try:
            pages = by_id(search, "entity_id", ask, lambda category: category.id)
            # the roots at the top of the tree are no categories to anybody
            return {one.id: one for page in pages for one in page if one.level > 1}
        except Stuck as problem:
            raise self._calls.unreadable("categories", str(problem)) from None
        except RequestRejected as problem:
            if problem.status == 404:
                return {}
            raise
