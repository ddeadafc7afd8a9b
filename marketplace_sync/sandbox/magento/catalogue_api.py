"""Products, their attributes, categories, over the wire. (products and SKUs)"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from marketplace_sync.sandbox.magento import criteria, seed, stock
from marketplace_sync.sandbox.magento.amounts import exact, number
from marketplace_sync.sandbox.magento.errors import Refused, no_such, required
from marketplace_sync.sandbox.magento.gate import Call, Gate
from marketplace_sync.sandbox.magento.shapes import PRODUCT, STOCK_ITEM, TRUTH, named
from marketplace_sync.sandbox.magento.shop import Shop, sku_key
from marketplace_sync.sandbox.state import Document

_STATIC = frozenset({"entity_id", "sku", "type_id", "attribute_set_id", "created_at", "updated_at", "category_id",
                     "website_id", "store_id", "store"})  # fmt: skip
_LONGEST_SKU = 64


def product_column(product: Document, name: str) -> Any:
    """A product's value of a column or of an attribute; several values of one come as a comma list."""
    if name == "entity_id":
        return product["id"]
    if name == "category_id":
        return ",".join(link["category_id"] for link in product["extension_attributes"].get("category_links", []))
    if name in product:
        return product[name]
    for one in product["custom_attributes"]:
        if one["attribute_code"] == name:
            value = one["value"]
            return ",".join(map(str, value)) if isinstance(value, list) else value
    return None


def product_columns(shop: Shop) -> Callable[[str], bool]:
    """Attributes can be filtered by as well as columns."""
    return lambda name: name in _STATIC or name in shop.attributes


class CatalogueApi:
    def __init__(self, shop: Shop) -> None:
        self.shop = shop

    def open_in(self, gate: Gate) -> None:
        products, attributes, categories = (
            "Magento_Catalog::products", "Magento_Catalog::attributes_attributes", "Magento_Catalog::categories",
        )  # fmt: skip
        body = named("product", PRODUCT, saveOptions=TRUTH)
        gate.open("GET", "products", products, self._list)
        gate.open("POST", "products", products, self._save, body)
        gate.open("GET", "products/attributes", attributes, self._attributes)
        gate.open("GET", "products/attributes/{attributeCode}", attributes, self._attribute)
        gate.open("GET", "products/attributes/{attributeCode}/options", attributes,
                  lambda call: self._attribute(call)["options"])  # fmt: skip
        gate.open(
            "GET", "products/{sku}", products, lambda call: self._shown(self.shop.product(call.path["sku"]), call)
        )
        gate.open("PUT", "products/{sku}", products, self._save, body)
        gate.open("DELETE", "products/{sku}", products, self._delete)
        gate.open("GET", "stockItems/{productSku}", "Magento_CatalogInventory::cataloginventory", self._stock_item)
        gate.open("PUT", "products/{productSku}/stockItems/{itemId}", products, self._set_stock_item,
                  named("stockItem", STOCK_ITEM))  # fmt: skip
        gate.open("GET", "categories", categories, self._tree)
        gate.open("GET", "categories/list", categories, self._category_list)
        gate.open("GET", "categories/{categoryId}", categories, lambda call: _category(self._category(call)))
        gate.open("GET", "categories/{categoryId}/products", categories, self._category_products)

    # Products

    def _list(self, call: Call) -> dict[str, Any]:
        asked = criteria.parse(call.query, self.shop.settings)
        return criteria.search(
            self.shop.products.values(), asked, self.shop.settings, product_column, product_columns(self.shop),
            lambda product: self._shown(product, call, listed=True),
        )  # fmt: skip

    def _shown(self, product: Document, call: Call, *, listed: bool = False) -> Document:
        """With what this store view says instead; the stock item comes with a single product only."""
        override = (product.get("_stores") or {}).get(call.store, {})
        shown = {name: value for name, value in {**product, **override}.items() if not name.startswith("_")}
        if not listed:
            extension = {**product["extension_attributes"], "stock_item": self._legacy(product)}
            shown["extension_attributes"] = extension
        return shown

    def _save(self, call: Call) -> Document:
        """Makes or changes. With a store code in the address texts become that store view's own."""
        given = dict(call.body["product"])
        sku: str = call.path.get("sku") or given["sku"]
        if len(given["sku"]) > _LONGEST_SKU:
            raise Refused(400, "SKU length should be %1 characters maximum.", [_LONGEST_SKU])
        product = self.shop.products.get(sku_key(sku))
        if product is None:
            for name in ("name", "price"):
                if given.get(name) is None:
                    raise required(name)
            product = seed.new_product(self.shop, given["sku"], given["name"], 0, "Default Category")
            product["custom_attributes"] = []
        self._change(product, given, call.store)
        self.shop.products.delete(sku_key(sku))
        self.shop.products.put(sku_key(product["sku"]), product)
        return self._shown(product, call)

    def _change(self, product: Document, given: dict[str, Any], store: str) -> None:
        for one in given.pop("custom_attributes", None) or []:
            code = one["attribute_code"]
            if code not in self.shop.attributes and code not in ("meta_title", "meta_description", "short_description"):
                continue  # Unknown attributes are passed over without a word.
            kept = [each for each in product["custom_attributes"] if each["attribute_code"] != code]
            product["custom_attributes"] = [*kept, one]
        extension = given.pop("extension_attributes", None) or {}
        stock_item = extension.pop("stock_item", None)
        product["extension_attributes"].update(extension)
        if stock_item is not None:
            self._set_legacy(product, stock_item)
        own = {name: given.pop(name) for name in ("name", "status", "visibility") if name in given and store != "all"}
        if own:
            views = product.setdefault("_stores", {})
            views[store] = {**views.get(store, {}), **own}
            for name, value in own.items():
                product.setdefault(name, value)
        product.update({name: value for name, value in given.items() if value is not None and name != "id"})
        product["updated_at"] = self.shop.now()

    def _delete(self, call: Call) -> bool:
        product = self.shop.product(call.path["sku"])
        remove(self.shop, product)
        return True

    # The default source's stock, as it was before there were several

    def _legacy(self, product: Document) -> Document:
        row = self.shop.source_items.get(stock.item_key("default", product["sku"]))
        return {
            "item_id": product["id"], "product_id": product["id"], "stock_id": 1, "qty": row["quantity"] if row else 0,
            "is_in_stock": bool(row and row["status"]), "is_qty_decimal": False,
            "show_default_notification_message": False, "use_config_min_qty": True, "min_qty": 0,
            "use_config_min_sale_qty": 1, "min_sale_qty": 1, "use_config_max_sale_qty": True, "max_sale_qty": 10000,
            "use_config_backorders": True, "backorders": 0, "use_config_notify_stock_qty": True,
            "notify_stock_qty": 1, "use_config_qty_increments": True, "qty_increments": 0,
            "use_config_enable_qty_inc": True, "enable_qty_increments": False, "use_config_manage_stock": True,
            "manage_stock": stock.is_managed(product), "low_stock_date": None, "is_decimal_divided": False,
            "stock_status_changed_auto": 0,
        }  # fmt: skip

    def _stock_item(self, call: Call) -> Document:
        return self._legacy(self.shop.product(call.path["productSku"]))

    def _set_stock_item(self, call: Call) -> int:
        product = self.shop.product(call.path["productSku"])
        self._set_legacy(product, call.body["stockItem"])
        return int(product["id"])

    def _set_legacy(self, product: Document, given: dict[str, Any]) -> None:
        before = self._legacy(product)
        if (managed := given.get("manage_stock")) is not None:
            product["_manage_stock"] = bool(managed)
            self.shop.products.put(sku_key(product["sku"]), product)
        quantity = {**before, **given}["qty"]
        status = {**before, **given}["is_in_stock"]
        stock.put_quantity(self.shop, "default", product["sku"], number(exact(quantity)), int(status))

    # Attributes and categories

    def _attributes(self, call: Call) -> dict[str, Any]:
        asked = criteria.parse(call.query, self.shop.settings)
        columns = {"attribute_code", "attribute_id", "frontend_input", "is_user_defined", "is_visible"}
        return criteria.search(
            self.shop.attributes.values(), asked, self.shop.settings, lambda row, name: row.get(name),
            columns.__contains__,
        )  # fmt: skip

    def _attribute(self, call: Call) -> Document:
        found = self.shop.attributes.get(call.path["attributeCode"])
        if found is None:
            message = 'The attribute with a "%1" attributeCode doesn\'t exist. Verify the attribute and try again.'
            raise Refused(404, message, [call.path["attributeCode"]])
        return found

    def _category(self, call: Call) -> Document:
        found = self.shop.categories.get(call.path["categoryId"])
        if found is None:
            raise no_such("id", call.path["categoryId"])
        return found

    def _category_list(self, call: Call) -> dict[str, Any]:
        asked = criteria.parse(call.query, self.shop.settings)
        columns = {"entity_id", "name", "level", "parent_id", "is_active", "path"}
        return criteria.search(
            self.shop.categories.values(), asked, self.shop.settings,
            lambda row, name: row["id"] if name == "entity_id" else row.get(name), columns.__contains__, _category,
        )  # fmt: skip

    def _tree(self, call: Call) -> Document:
        root = self.shop.categories.get(call.asked("rootCategoryId") or str(seed.ROOT))
        if root is None:
            raise no_such("id", call.asked("rootCategoryId"))
        return self._branch(root)

    def _branch(self, one: Document) -> Document:
        children = [each for each in self.shop.categories.values() if each["parent_id"] == one["id"]]
        return {
            **{name: one[name] for name in ("id", "parent_id", "name", "is_active", "position", "level")},
            "product_count": len(self._in_category(str(one["id"]))),
            "children_data": [self._branch(child) for child in children],
        }

    def _in_category(self, key: str) -> list[Document]:
        return [
            product
            for product in self.shop.products.values()
            if key in str(product_column(product, "category_id")).split(",")
        ]

    def _category_products(self, call: Call) -> list[Document]:
        key = str(self._category(call)["id"])
        return [{"sku": one["sku"], "position": 0, "category_id": key} for one in self._in_category(key)]


def _category(one: Document) -> Document:
    return {**one, "available_sort_by": [], "custom_attributes": []}


def remove(shop: Shop, product: Document) -> None:
    """Delete a product and what lies of it everywhere. Orders keep their rows."""
    shop.products.delete(sku_key(product["sku"]))
    for source in list(shop.sources.keys()):
        key = stock.item_key(source, product["sku"])
        if key in shop.source_items:
            shop.source_items.delete(key)
