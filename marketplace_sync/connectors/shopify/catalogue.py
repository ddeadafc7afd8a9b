"""Reads everything the shop sells, with what there is of it: every product, variant, collection and stock level."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import structlog
from msgspec.structs import replace

from marketplace_sync.connectors.shopify import catalogue_queries as queries
from marketplace_sync.connectors.shopify.graphql import COSTLIEST, GraphQL
from marketplace_sync.connectors.shopify.settings import ShopifySettings
from marketplace_sync.domain.errors import RequestRejected
from marketplace_sync.domain.money import NotMoney, minor_units
from marketplace_sync.domain.store import Variant

_log = structlog.get_logger(__name__)
_PRODUCTS_A_PAGE = 60
_COLLECTIONS = 8
_PAGE = 100
_MOST_LEVELS = 50
_VARIANT_POINTS = 6
_LEVEL_POINTS = 3
_ONLY_VARIANT = "Default Title"


class CatalogueReader:
    """The catalogue of one shop, as it is now. Every method raises TransportError."""

    def __init__(self, settings: ShopifySettings, graphql: GraphQL) -> None:
        self._settings = settings
        self._graphql = graphql

    def variants(self) -> Iterator[Sequence[Variant]]:
        """All variants that have a SKU, page by page; a SKU that several have comes several times.

        Products are read first, then the variants with their stock: so a product's collections are not paid for with
        every variant. `available` is summed over the chosen locations that are active; None when Shopify does not
        count the variant; `price` None when it is none.
        """
        currency = self._graphql.run(queries.SHOP).shop.currency_code
        active = [location for location in self.locations() if location.is_active]
        counted = self.counted(active)
        products = {product.id: product for product in self._products()}
        levels = min(max(1, len(active)), _MOST_LEVELS)
        first = max(1, (COSTLIEST - 20) // (_VARIANT_POINTS + _LEVEL_POINTS * levels))
        for page in self._graphql.pages(queries.VARIANTS, {"levels": levels}, first):
            found = []
            for stated in page.product_variants.nodes:
                product = products.get(stated.product.id) or self._product(stated.product.id)
                if product is None or not stated.sku:
                    continue
                if product.status == "ARCHIVED" and not self._settings.include_archived:
                    continue
                found.append(_variant(stated, product, currency, self._available(stated.inventory_item, counted)))
            yield found

    def locations(self) -> list[queries.Location]:
        """Every location of the shop, deactivated ones and those of fulfilment services included."""
        return [
            location for page in self._graphql.pages(queries.LOCATIONS, {}, _PAGE) for location in page.locations.nodes
        ]

    def counted(self, active: Sequence[queries.Location]) -> set[str]:
        """Ids of the active locations whose stock counts. Raises RequestRejected when none of the chosen is active."""
        ids = {location.id for location in active}
        chosen = ids & set(self._settings.locations) if self._settings.locations else ids
        if not chosen:
            raise RequestRejected(
                f"{self._graphql.connection}: no stock can be read: none of the locations chosen in the configuration "
                "is an active location of the shop",
                connection=self._graphql.connection,
                operation=queries.LOCATIONS.name,
            )
        return chosen

    def _products(self) -> Iterator[queries.Product]:
        for page in self._graphql.pages(queries.PRODUCTS, {"collections": _COLLECTIONS}, _PRODUCTS_A_PAGE):
            for product in page.products.nodes:
                if product.collections.page_info.has_next_page:
                    whole = self._product(product.id)
                    if whole is not None:
                        yield whole
                else:
                    yield product

    def _product(self, product_id: str) -> queries.Product | None:
        """One product with all its collections; None when it is gone by now."""
        collections: list[queries.Collection] = []
        product: queries.Product | None = None
        for page in self._graphql.pages(queries.PRODUCT, {"id": product_id}, _PAGE):
            product = page.product
            if product is None:
                return None
            collections.extend(product.collections.nodes)
        return product and replace(product, collections=replace(product.collections, nodes=collections))

    def _available(self, item: queries.InventoryItem, locations: set[str]) -> int | None:
        """Sellable units, possibly below zero; None when the shop does not count this item."""
        if not item.tracked:
            return None
        levels = item.inventory_levels.nodes
        if item.inventory_levels.page_info.has_next_page:
            levels = [
                level
                for page in self._graphql.pages(queries.LEVELS, {"id": item.id}, _PAGE)
                if page.inventory_item is not None
                for level in page.inventory_item.inventory_levels.nodes
            ]
        return sum(
            quantity.quantity
            for level in levels
            if level.location.id in locations
            for quantity in level.quantities
            if quantity.name == "available"
        )


def _variant(stated: queries.ProductVariant, product: queries.Product, currency: str, available: int | None) -> Variant:
    price: int | None
    try:
        price = minor_units(stated.price, currency)
    except NotMoney as problem:
        # Without a price it still takes orders; an amount that is none must not stop the whole catalogue.
        _log.warning("a price cannot be read", variant=stated.id, sku=stated.sku, reason=str(problem))
        price = None
    named = product.title if stated.title in ("", _ONLY_VARIANT) else f"{product.title} – {stated.title}"
    return Variant(
        sku=stated.sku or "",
        variant_id=stated.id,
        title=named,
        price=price,
        currency=currency,
        brand=product.vendor,
        category=product.product_type,
        collections=tuple(collection.title for collection in product.collections.nodes),
        barcode=stated.barcode or "",
        url=product.online_store_url or "",
        inventory_item_id=stated.inventory_item.id,
        available=available,
        product_id=product.id,
    )
