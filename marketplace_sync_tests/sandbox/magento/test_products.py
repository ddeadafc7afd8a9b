"""Products as the shop has them: found by SKU whatever its case, labels behind numbers, texts of a store view."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from marketplace_sync.sandbox import catalogue
from marketplace_sync_tests.sandbox.magento.caller import MUG, Caller, where


def test_the_shop_sells_what_the_brand_sells(caller: Caller) -> None:
    rows = caller.get("products", where())["items"]
    assert {row["sku"]: round(row["price"] * 100) for row in rows} == {p.sku: p.price for p in catalogue.products()}
    first = catalogue.products()[0]
    custom = {one["attribute_code"]: one["value"] for one in rows[0]["custom_attributes"]}
    assert custom["ean"] == first.barcode
    labels = {}
    for code in ("brand", "collection"):
        options = {one["value"]: one["label"] for one in caller.get(f"products/attributes/{code}/options")}
        labels[code] = options[custom[code]]
    assert labels == {"brand": first.brand, "collection": first.collection}
    (link,) = rows[0]["extension_attributes"]["category_links"]
    assert caller.get(f"categories/{link['category_id']}")["name"] == first.category
    tree = caller.get("categories")
    assert first.category in [one["name"] for one in tree["children_data"]]


def test_a_store_code_in_the_address_makes_texts_that_view_s_own(caller: Caller) -> None:
    caller.put(f"products/{MUG}", {"product": {"sku": MUG, "name": "Outlet mug"}}, store="outlet")
    assert caller.get(f"products/{MUG}", store="outlet")["name"] == "Outlet mug"
    assert caller.get(f"products/{MUG}")["name"] == caller.get(f"products/{MUG}", store="all")["name"] != "Outlet mug"


def test_a_product_is_made_or_changed_by_one_call_and_deleted_by_another(caller: Caller) -> None:
    body = {"product": {"sku": "TEA-1", "name": "Tea", "price": 4.25, "type_id": "simple"}}
    made = caller.post("products", body, store="all")
    assert (made["price"], made["sku"]) == (4.25, "TEA-1")
    caller.post("products", {"product": {"sku": "tea-1", "price": 5}}, store="all")
    assert caller.get("products", where(("sku", "TEA-1")))["total_count"] == 1
    assert caller.refused("POST", "products", {"product": {"sku": "TEA-2"}})["parameters"] == {"fieldName": "name"}
    assert caller.refused("POST", "products", {"product": {"sku": "X" * 65, "name": "X", "price": 1}})["status"] == 400
    assert caller.send("DELETE", "products/TEA-1").json() is True
    gone = caller.refused("GET", "products/TEA-1")
    assert gone["message"] == "The product that was requested doesn't exist. Verify the product and try again."


def test_staff_add_rename_switch_off_and_delete_products(caller: Caller) -> None:
    caller.act("add_product", sku="JUG-1", title="Jug", price=2100, stock_quantity=4, brand="North Loom", barcode="1")
    assert caller.salable("JUG-1") == 4
    caller.act("rename_sku", sku="JUG-1", new_sku="Jug-1")
    assert caller.get("products/JUG-1")["sku"] == "Jug-1"
    caller.act("enable_product", sku="JUG-1", enabled=False)
    assert caller.get("products", where(("status", 2)))["total_count"] == 1
    caller.act("delete_product", sku="JUG-1")
    assert caller.get("inventory/source-items", where(("sku", "Jug-1")))["total_count"] == 0
    with pytest.raises(ValueError, match="no product with the SKU 'JUG-1'"):
        caller.act("set_price", sku="JUG-1", price=1)


def test_variants_hang_under_configurable_products_where_the_merchant_made_some(
    shop_with: Callable[..., Caller],
) -> None:
    caller = shop_with(configurables=True)
    (parent,) = caller.get("products", where(("sku", "MUG")))["items"]
    assert parent["type_id"] == "configurable"
    children = parent["extension_attributes"]["configurable_product_links"]
    found = caller.get("products", where(("entity_id", "in", ",".join(map(str, children)))))["items"]
    assert [(one["sku"], one["visibility"]) for one in found] == [("MUG-RED", 1), ("MUG-BLUE", 1), ("MUG-SAND", 1)]


def test_the_shop_says_what_it_is(caller: Caller) -> None:
    assert [(one["id"], one["code"]) for one in caller.get("store/storeViews")] == [
        (0, "admin"), (1, "default"), (2, "outlet"),
    ]  # fmt: skip
    assert [one["code"] for one in caller.get("store/websites")] == ["admin", "base"]
    assert caller.get("directory/currency")["base_currency_code"] == "GBP"
    (config,) = caller.get("store/storeConfigs", {"storeCodes[]": "default"})
    assert (config["timezone"], config["base_url"]) == ("Europe/London", f"{caller.base_url}/")
    paths = caller.http.get(f"{caller.base_url}/rest/all/schema?services=all").json()["paths"]
    assert set(paths["/V1/orders"]) == {"get", "post"}
    assert "/V1/returns" not in paths
