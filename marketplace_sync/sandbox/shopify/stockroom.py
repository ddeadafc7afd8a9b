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

    def act_set_stock(self, sku: str, available: int, location: str | None = None) -> dict[str, Any]:
        """Count the stock of a SKU (of the first variant that has it), at the primary location or the one of this
        name."""
        shop, variant = self.shop, self._variant(sku)
        item = shop.items[str(variant["inventoryItemId"])]
        place = self._location(location)["id"] if location else shop.primary_location()["id"]
        if not item["tracked"]:
            raise ValueError(f"the stock of {sku} is not tracked")
        with shop.action():
            change = available - stock.level_at(shop, item, place)["available"]
            stock.move(shop, item, place, available=change)
        return {"sku": sku, "available": available, "inventory_item_id": gid("InventoryItem", item["id"])}

    def act_set_tracked(self, sku: str, tracked: bool) -> dict[str, Any]:
        """Say whether the stock of a SKU is counted at all."""
        shop, variant = self.shop, self._variant(sku)
        item = shop.items[str(variant["inventoryItemId"])]
        with shop.action():
            item["tracked"] = tracked
            item["updatedAt"] = shop.now()
            shop.items.put(str(item["id"]), item)
            shop.happened("inventory_items/update", subject=item)
        return {"sku": sku, "tracked": tracked}

    def _location(self, name: str) -> Document:
        found = next((one for one in self.shop.locations.values() if one["name"] == name), None)
        if found is None:
            raise LookupError(f"there is no location called {name!r}")
        return found

    def act_add_location(self, location: str) -> dict[str, Any]:
        """Open another location of this name, without stock."""
        shop = self.shop
        if any(one["name"] == location for one in shop.locations.values()):
            raise ValueError(f"there is already a location called {location!r}")
        opened = seed.new_location(shop, location, is_primary=False)
        shop.locations.put(str(opened["id"]), opened)
        return {"id": gid("Location", opened["id"])}

    def act_deactivate_location(self, location: str) -> dict[str, Any]:
        """Close a location: what lies there no longer counts."""
        shop, closed = self.shop, self._location(location)
        if closed["isPrimary"]:
            raise ValueError(f"{location!r} is the primary location: orders are shipped from it")
        closed.update(isActive=False, deactivatedAt=shop.now(), updatedAt=shop.now(), activatable=True)
        shop.locations.put(str(closed["id"]), closed)
        for item in shop.items.values():
            level = item["levels"].get(str(closed["id"]))
            if level is not None:
                level["isActive"] = False
                shop.items.put(str(item["id"]), item)
        return {"id": gid("Location", closed["id"])}

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
