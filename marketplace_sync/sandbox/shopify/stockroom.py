"""What people in the shop do to stock and products: count, add, delete, price."""

from __future__ import annotations

from typing import Any

from marketplace_sync.sandbox.shopify import seed, stock
from marketplace_sync.sandbox.shopify.shop import Shop
from marketplace_sync.sandbox.shopify.things import gid
from marketplace_sync.sandbox.state import Document


class Stockroom:
    """Acts on stock and products. Every one is a single action of one person, with one event id in its webhooks."""

    shop: Shop

    def _variant(self, sku: str) -> Document:
        keys = self.shop.variants_by_sku.get(sku)
        if not keys:
            raise LookupError(f"there is no variant with the SKU {sku!r}")
        return self.shop.variants[keys[0]]

    def act_set_stock(self, sku: str, available: int) -> dict[str, Any]:
        """Count the stock of a SKU (of the first variant that has it)."""
        shop, variant = self.shop, self._variant(sku)
        item = shop.items[str(variant["inventoryItemId"])]
        location = shop.primary_location()["id"]
        with shop.action():
            change = available - stock.level_at(shop, item, location)["available"]
            stock.move(shop, item, location, available=change)
        return {"sku": sku, "available": available, "inventory_item_id": gid("InventoryItem", item["id"])}

    def act_delete_variant(self, sku: str) -> dict[str, Any]:
        """Delete the (first) variant with this SKU, and its product with its last variant."""
        shop, variant = self.shop, self._variant(sku)
        product = shop.products[str(variant["productId"])]
        with shop.action():
            shop.delete_variant(variant)
            shop.items.delete(str(variant["inventoryItemId"]))
            product["variantIds"].remove(variant["id"])
            product["updatedAt"] = shop.now()
            shop.happened("inventory_items/delete", subject={"id": variant["inventoryItemId"]})
            if product["variantIds"]:
                shop.products.put(str(product["id"]), product)
                shop.happened("products/update", subject=product)
            else:
                self._delete_product(product)
        return {"id": gid("ProductVariant", variant["id"])}

    def _delete_product(self, product: Document) -> None:
        shop = self.shop
        for collection in shop.collections.values():
            if product["id"] in collection["productIds"]:
                collection["productIds"].remove(product["id"])
                shop.collections.put(str(collection["id"]), collection)
        shop.products.delete(str(product["id"]))
        shop.happened("products/delete", subject={"id": product["id"]})

    def act_add_variant(
        self,
        sku: str | None,
        title: str,
        price: int,
        product_title: str | None = None,
        stock: int = 0,
        barcode: str | None = None,
        vendor: str = "Hearth & Field",
        category: str = "Kitchen",
    ) -> dict[str, Any]:
        """Add a variant to the product called `product_title`, or a product of its own. `price` in minor units."""
        shop = self.shop
        product = next((p for p in shop.products.values() if p["title"] == product_title), None)
        with shop.action():
            topic = "products/update" if product else "products/create"
            if product is None:
                product = seed.new_product(shop, product_title or title, vendor, category, "Title", [])
            variant = seed.new_variant(shop, product, title, sku, barcode, price, stock)
            if title not in product["options"][0]["values"]:
                product["options"][0]["values"].append(title)
            product["updatedAt"] = shop.now()
            shop.products.put(str(product["id"]), product)
            shop.happened(topic, subject=product)
            shop.happened("inventory_items/create", subject=shop.items[str(variant["inventoryItemId"])])
        return {
            "id": gid("ProductVariant", variant["id"]),
            "inventory_item_id": gid("InventoryItem", variant["inventoryItemId"]),
        }

    def act_duplicate_sku(self, sku: str) -> dict[str, Any]:
        """Give a second variant the same SKU, as nothing in the shop prevents."""
        variant = self._variant(sku)
        product = self.shop.products[str(variant["productId"])]
        added: dict[str, Any] = self.act_add_variant(
            sku, f"{variant['title']} copy", variant["price"], product["title"]
        )
        return added

    def act_set_price(self, sku: str, price: int) -> dict[str, Any]:
        """Change the price (minor units) of the first variant with this SKU."""
        shop, variant = self.shop, self._variant(sku)
        product = shop.products[str(variant["productId"])]
        with shop.action():
            variant["price"] = price
            shop.save_variant(variant)
            shop.happened("products/update", subject=product)
        return {"id": gid("ProductVariant", variant["id"]), "price": price}
