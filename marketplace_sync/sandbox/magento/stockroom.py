"""What people in the shop do to stock and products: count, add, delete, price; and buy in its web shop."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from marketplace_sync.sandbox.magento import order_entry, seed, stock, workflow
from marketplace_sync.sandbox.magento.amounts import exact, number, pence
from marketplace_sync.sandbox.magento.catalogue_api import remove
from marketplace_sync.sandbox.magento.shop import Shop, sku_key
from marketplace_sync.sandbox.state import Document


class Stockroom:
    """Acts on stock and products. LookupError for a SKU or source that does not exist."""

    shop: Shop

    def _product(self, sku: str) -> Document:
        found = self.shop.products.get(sku_key(sku))
        if found is None:
            raise LookupError(f"there is no product with the SKU {sku!r}")
        return found

    def _source(self, source: str) -> str:
        if source not in self.shop.sources:
            raise LookupError(f"there is no source {source!r}")
        return source

    def act_set_stock(self, sku: str, available: int) -> dict[str, Any]:
        """Let so many units be free to sell: what open orders are waiting for lies at the warehouse besides."""
        waiting = sum(
            (
                workflow.to_ship(self.shop.orders[key], item)
                for key in self.shop.to_ship
                for item in self.shop.orders[key]["items"]
                if sku_key(item["sku"]) == sku_key(sku)
            ),
            Decimal(0),
        )
        return self.act_count_stock(sku, int(waiting) + available)

    def act_count_stock(self, sku: str, quantity: int, source: str = "default") -> dict[str, Any]:
        """Enter what lies at a source, units for open orders included."""
        product = self._product(sku)
        stock.put_quantity(self.shop, self._source(source), product["sku"], quantity, 1 if quantity > 0 else 0)
        return {"sku": product["sku"], "quantity": quantity, "source": source}

    def act_salable(self, sku: str) -> dict[str, Any]:
        """What may still be sold, as the shop reports it, and what the reservations in it are."""
        product = self._product(sku)
        quantity = stock.salable(self.shop, stock.STOCK, product["sku"])
        return {"salable": number(quantity), "reserved": self.shop.reserved(stock.STOCK, product["sku"])}

    def act_add_source(self, source: str, priority: int = 2) -> dict[str, Any]:
        """Open another place of the website's stock, without anything in it."""
        if source in self.shop.sources:
            raise ValueError(f"there is already a source {source!r}")
        self.shop.sources.put(source, seed.new_source(source, source.capitalize()))
        one = self.shop.stocks["1"]
        one["links"].append({"source_code": source, "priority": priority})
        self.shop.stocks.put("1", one)
        return {"source": source}

    def act_enable_source(self, source: str, enabled: bool) -> dict[str, Any]:
        """Close a place, or open it again: what lies in a closed one does not count."""
        found = self.shop.sources[self._source(source)]
        self.shop.sources.put(source, {**found, "enabled": enabled})
        return {"source": source, "enabled": enabled}

    def act_manage_stock(self, sku: str, managed: bool) -> dict[str, Any]:
        """Say whether the stock of a product is counted at all."""
        product = self._product(sku)
        product["_manage_stock"] = managed
        self.shop.products.put(sku_key(product["sku"]), product)
        return {"sku": product["sku"], "managed": managed}

    def act_unassign_source(self, sku: str, source: str = "default") -> dict[str, Any]:
        """A product is no longer kept at a place."""
        self.shop.source_items.delete(stock.item_key(self._source(source), self._product(sku)["sku"]))
        return {"sku": sku, "source": source}

    def act_repair_reservations(self) -> list[dict[str, Any]]:
        """Run the shop's two commands that find reservations that do not add up, and compensate them."""
        return stock.repair(self.shop)

    # --- products

    def act_add_product(
        self,
        sku: str,
        title: str,
        price: int,
        stock_quantity: int | None = 0,
        category: str = "Kitchen",
        brand: str | None = None,
        collection: str | None = None,
        barcode: str | None = None,
        type_id: str = "simple",
    ) -> dict[str, Any]:
        """Add a product. `price` in minor units with VAT; `stock_quantity` None keeps it from every source."""
        if sku_key(sku) in self.shop.products:
            raise ValueError(f"there is already a product with the SKU {sku!r}")
        more: dict[str, Any] = {} if barcode is None else {"ean": barcode}
        made = seed.new_product(self.shop, sku, title, price, category, brand, collection, type_id=type_id, **more)
        if stock_quantity is not None and type_id not in stock.COMPOSITE:
            stock.put_quantity(self.shop, "default", sku, stock_quantity, 1 if stock_quantity > 0 else 0)
        return {"id": made["id"], "sku": sku}

    def act_delete_product(self, sku: str) -> dict[str, Any]:
        """Delete a product and its stock. Orders keep their rows."""
        product = self._product(sku)
        remove(self.shop, product)
        return {"id": product["id"], "sku": product["sku"]}

    def act_set_price(self, sku: str, price: int) -> dict[str, Any]:
        """Change the price (minor units, with VAT)."""
        return self._changed(sku, price=price // 100 if price % 100 == 0 else price / 100)

    def act_enable_product(self, sku: str, enabled: bool) -> dict[str, Any]:
        """Take a product off sale, or put it on again."""
        return self._changed(sku, status=1 if enabled else 2)

    def act_rename_sku(self, sku: str, new_sku: str) -> dict[str, Any]:
        """Give a product another SKU, as nothing in the shop prevents. Its stock goes with it."""
        product = self._product(sku)
        if sku_key(new_sku) in self.shop.products and sku_key(new_sku) != sku_key(sku):
            raise ValueError(f"there is already a product with the SKU {new_sku!r}")
        rows = [row for row in self.shop.source_items.values() if sku_key(row["sku"]) == sku_key(sku)]
        remove(self.shop, product)
        product.update(sku=new_sku, updated_at=self.shop.now())
        self.shop.products.put(sku_key(new_sku), product)
        for row in rows:
            stock.put_quantity(self.shop, row["source_code"], new_sku, row["quantity"], row["status"])
        return {"id": product["id"], "sku": new_sku}

    def _changed(self, sku: str, **changes: Any) -> dict[str, Any]:
        product = self._product(sku)
        product.update(changes, updated_at=self.shop.now())
        self.shop.products.put(sku_key(product["sku"]), product)
        return {"id": product["id"], **changes}

    # --- the web shop's own buyers

    def act_place_web_order(self, lines: list[dict[str, Any]], store_id: int = 1) -> dict[str, Any]:
        """Somebody buys in the web shop, `lines` are {sku, quantity}: this order does reserve its units."""
        items: list[dict[str, Any]] = []
        total = 0
        for line in lines:
            product, quantity = self._product(line["sku"]), int(line.get("quantity", 1))
            price = int(exact(product["price"]) * 100)
            total += price * quantity
            each = exact(price) / 100
            net = {"price": each / Decimal("1.2"), "row_total": each * quantity / Decimal("1.2")}
            gross = {"price_incl_tax": each, "row_total_incl_tax": each * quantity}
            prices = {name: number(pence(value)) for name, value in {**net, **gross}.items()}
            prices["tax_amount"] = number(pence(gross["row_total_incl_tax"]) - pence(net["row_total"]))
            twins = {f"base_{name}": value for name, value in prices.items()}
            items.append({
                "sku": product["sku"], "name": product["name"], "product_id": product["id"],
                "product_type": product["type_id"], "store_id": store_id, "qty_ordered": quantity, **prices, **twins,
            })  # fmt: skip
        address = {
            "firstname": "Web", "lastname": "Buyer", "street": ["2 Low Row"], "city": "York", "postcode": "YO1 7HH",
            "country_id": "GB", "telephone": "01904 000000",
        }  # fmt: skip
        order = order_entry.save(self.shop, {
            "store_id": store_id, "state": "new", "status": "pending", "customer_email": "web.buyer@example.test",
            "customer_is_guest": 1, "is_virtual": 0, "grand_total": number(exact(total) / 100),
            "base_grand_total": number(exact(total) / 100),
            "order_currency_code": self.shop.settings.currency, "base_currency_code": self.shop.settings.currency,
            "items": items, "billing_address": {"address_type": "billing", **address},
            "payment": {"method": "checkmo", "account_status": "", "cc_last4": "", "additional_information": []},
            "extension_attributes": {"shipping_assignments": [
                {"shipping": {"method": "flatrate_flatrate", "address": {"address_type": "shipping", **address}}},
            ]},
        })  # fmt: skip
        if not self.shop.settings.reserve_api_orders:
            order_entry.reserve(self.shop, order)
        return {"id": order["entity_id"], "name": order["increment_id"]}
