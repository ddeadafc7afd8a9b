"""Every question this connector asks about products, stock and locations."""

from __future__ import annotations

import msgspec

from marketplace_sync.connectors.shopify.graphql import Document, PageInfo
from marketplace_sync.connectors.shopify.order_answers import Connection, Reference


class Collection(msgspec.Struct):
    title: str


class Product(msgspec.Struct, rename="camel"):
    id: str
    title: str
    status: str
    collections: Connection[Collection]
    vendor: str = ""
    product_type: str = ""
    online_store_url: str | None = None


class ProductsPage(msgspec.Struct):
    products: Connection[Product]

    @property
    def page_info(self) -> PageInfo:
        return self.products.page_info


class ProductPage(msgspec.Struct):
    product: Product | None = None

    @property
    def page_info(self) -> PageInfo:
        return self.product.collections.page_info if self.product else PageInfo(has_next_page=False)


class Quantity(msgspec.Struct):
    name: str
    quantity: int


class Level(msgspec.Struct, rename="camel"):
    location: Reference
    quantities: list[Quantity]


class InventoryItem(msgspec.Struct, rename="camel"):
    id: str
    tracked: bool
    inventory_levels: Connection[Level]


class ProductVariant(msgspec.Struct, rename="camel"):
    id: str
    title: str
    price: str
    product: Reference
    inventory_item: InventoryItem
    sku: str | None = None
    barcode: str | None = None


class VariantsPage(msgspec.Struct, rename="camel"):
    product_variants: Connection[ProductVariant]

    @property
    def page_info(self) -> PageInfo:
        return self.product_variants.page_info


class InventoryItemPage(msgspec.Struct, rename="camel"):
    inventory_item: InventoryItem | None = None

    @property
    def page_info(self) -> PageInfo:
        return self.inventory_item.inventory_levels.page_info if self.inventory_item else PageInfo(has_next_page=False)


class Location(msgspec.Struct, rename="camel"):
    id: str
    name: str
    is_active: bool


class LocationsPage(msgspec.Struct):
    locations: Connection[Location]

    @property
    def page_info(self) -> PageInfo:
        return self.locations.page_info


class Shop(msgspec.Struct, rename="camel"):
    name: str
    currency_code: str
    taxes_included: bool


class ShopAnswer(msgspec.Struct):
    shop: Shop


_PRODUCT = """
fragment ProductFacts on Product {
  id
  title
  status
  vendor
  productType
  onlineStoreUrl
}
"""

PRODUCTS = Document(
    "Products",
    """
query Products($first: Int!, $after: String, $collections: Int!) {
  products(first: $first, after: $after, sortKey: ID) {
    nodes {
      ...ProductFacts
      collections(first: $collections) {
        nodes { title }
        pageInfo { hasNextPage }
      }
    }
    pageInfo { hasNextPage endCursor }
  }
}
"""
    + _PRODUCT,
    ProductsPage,
    cost=1000,
)

PRODUCT = Document(
    "Product",
    """
query Product($id: ID!, $first: Int!, $after: String) {
  product(id: $id) {
    ...ProductFacts
    collections(first: $first, after: $after) {
      nodes { title }
      pageInfo { hasNextPage endCursor }
    }
  }
}
"""
    + _PRODUCT,
    ProductPage,
    cost=260,
)

_LEVEL = """
fragment LevelFacts on InventoryLevel {
  location { id }
  quantities(names: ["available"]) { name quantity }
}
"""

VARIANTS = Document(
    "Variants",
    """
query Variants($first: Int!, $after: String, $levels: Int!) {
  productVariants(first: $first, after: $after, sortKey: ID) {
    nodes {
      id
      sku
      title
      price
      barcode
      product { id }
      inventoryItem {
        id
        tracked
        inventoryLevels(first: $levels) {
          nodes { ...LevelFacts }
          pageInfo { hasNextPage }
        }
      }
    }
    pageInfo { hasNextPage endCursor }
  }
}
"""
    + _LEVEL,
    VariantsPage,
    cost=1000,
)

LEVELS = Document(
    "Levels",
    """
query Levels($id: ID!, $first: Int!, $after: String) {
  inventoryItem(id: $id) {
    id
    tracked
    inventoryLevels(first: $first, after: $after) {
      nodes { ...LevelFacts }
      pageInfo { hasNextPage endCursor }
    }
  }
}
"""
    + _LEVEL,
    InventoryItemPage,
    cost=760,
)

LOCATIONS = Document(
    "Locations",
    """
query Locations($first: Int!, $after: String) {
  locations(first: $first, after: $after, includeInactive: true, includeLegacy: true) {
    nodes { id name isActive }
    pageInfo { hasNextPage endCursor }
  }
}
""",
    LocationsPage,
    cost=105,
)

SHOP = Document("Shop", "query Shop {\n  shop { name currencyCode taxesIncluded }\n}\n", ShopAnswer, cost=1)
