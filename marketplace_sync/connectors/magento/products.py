"""Looks up products by their ids: never by a SKU in a path, which breaks signatures and web servers (Magento, SKUs)."""

from __future__ import annotations

from collections.abc import Sequence

from marketplace_sync.connectors.magento.calls import Calls
from marketplace_sync.connectors.magento.order_input import Product
from marketplace_sync.connectors.magento.searching import MOST_IN_A_LIST, Filter, Found, Search, chunks


def products(calls: Calls, product_ids: Sequence[str]) -> dict[str, Product]:
    """Product id -> what an order's line must say of it. Those that are gone are left out. Raises TransportError."""
    found: dict[str, Product] = {}
    for some in chunks(sorted(set(product_ids))):
        search = Search(
            groups=((Filter("entity_id", ",".join(some), "in"),),),
            page_size=MOST_IN_A_LIST,
            fields="id,sku,name,type_id,weight",
        )
        page = calls.get("/products", Found[Product], search=search, operation="products of an order", view="all")
        found |= {str(product.id): product for product in page.items or ()}
    return found
