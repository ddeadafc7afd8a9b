"""Every exchange an integration can have with the simulated shop fits the Swagger of its release, strictly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from marketplace_sync.sandbox.magento import shapes
from marketplace_sync.sandbox.magento.shapes import NUMBER, TEXT, TRUTH, WHOLE, Shape
from marketplace_sync_tests.conformance.magento_schema import FILES, WHY_SKIPPED, available, definition
from marketplace_sync_tests.sandbox.magento.caller import LAMP, MUG, Caller, where

pytestmark = pytest.mark.skipif(not available(), reason=WHY_SKIPPED)

SEARCHES = (
    "orders", "orders/items", "invoices", "shipments", "creditmemos", "products", "products/attributes",
    "categories/list", "inventory/source-items", "inventory/sources", "inventory/stocks",
    "inventory/stock-source-links", "inventory/export-stock-salable-qty/website/base",
)  # fmt: skip
READS = (
    "categories", "categories/3", "categories/3/products", "store/storeConfigs", "store/storeViews",
    "store/storeGroups", "store/websites", "directory/currency", "modules", "products/attributes/brand",
    "products/attributes/brand/options", f"products/{MUG}", f"stockItems/{MUG}", "inventory/sources/default",
    "inventory/stocks/1", "inventory/stock-resolver/website/base", f"inventory/is-product-salable/{MUG}/1",
    f"inventory/get-product-salable-quantity/{MUG}/1", "inventory/dump-stock-index-data/website/base",
)  # fmt: skip


@pytest.mark.parametrize("version", FILES)
def test_a_whole_life_of_orders_stock_and_products_fits_the_description(
    shop_with: Callable[..., Caller], version: str
) -> None:
    caller = shop_with(version=version, configurables=True)
    order_id = caller.invoiced((MUG, 2), (LAMP, 1))
    items = caller.order(order_id)["items"]
    some = [{"order_item_id": items[0]["item_id"], "qty": 1}]
    tracks = [{"track_number": "JX1", "title": "Royal Mail", "carrier_code": "custom"}]
    shipment_id = int(caller.post(f"order/{order_id}/ship", {"items": some, "tracks": tracks}))
    track = {"order_id": order_id, "parent_id": shipment_id, "weight": 1, "qty": 1, "description": "", **tracks[0]}
    track_id = caller.post("shipment/track", {"entity": track})["entity_id"]
    assert caller.send("DELETE", f"shipment/track/{track_id}").json() is True
    back = {"extension_attributes": {"return_to_stock_items": [items[0]["item_id"]]}}
    caller.post(f"order/{order_id}/refund", {"items": some, "arguments": back})
    (invoice,) = caller.get("invoices", where(("order_id", order_id)))["items"]
    lamp = [{"order_item_id": items[1]["item_id"], "qty": 1}]
    caller.post(f"invoice/{invoice['entity_id']}/refund", {"items": lamp})
    comment = {"comment": "x", "is_customer_notified": 0, "is_visible_on_front": 0, "parent_id": order_id}
    caller.post(f"orders/{order_id}/comments", {"statusHistory": comment})
    for step in ("hold", "unhold", "cancel", "emails"):
        caller.post(f"orders/{order_id}/{step}")
    address = {**caller.order(order_id)["billing_address"], "city": "York"}
    caller.put(f"orders/{order_id}", {"entity": address})
    caller.put("orders/create", {"entity": caller.entity(number="JL-2")})
    given = [{"sku": MUG, "source_code": "default", "quantity": 5, "status": 1}]
    caller.post("inventory/source-items", {"sourceItems": given})
    caller.post("inventory/source-items-delete", {"sourceItems": [{"sku": LAMP, "source_code": "default"}]})
    caller.post("products", {"product": {"sku": "NEW", "name": "New", "price": 5}}, store="all")
    caller.put("products/NEW", {"product": {"sku": "NEW", "price": 6.5}}, store="all")
    stock_item = {**caller.get("stockItems/NEW"), "qty": 3, "is_in_stock": True, "low_stock_date": ""}
    caller.put("products/NEW/stockItems/1", {"stockItem": stock_item})
    bulk = caller.post("/rest/all/async/bulk/V1/inventory/source-items", [{"sourceItems": given}])["bulk_uuid"]
    caller.act("run_consumers")
    for path in SEARCHES:
        caller.get(path, where(pageSize=50))
    one = (f"orders/{order_id}", f"orders/{order_id}/comments", f"orders/{order_id}/statuses", "orders/items/1",
           f"shipment/{shipment_id}", "creditmemo/1", f"invoices/{invoice['entity_id']}", f"bulk/{bulk}/status",
           f"bulk/{bulk}/detailed-status", f"bulk/{bulk}/operation-status/1")  # fmt: skip
    for path in (*READS, *one):
        caller.get(path)
    caller.get("inventory/are-products-salable", {"skus[0]": MUG, "skus[1]": LAMP, "stockId": 1})
    assert caller.send("DELETE", "products/NEW").json() is True
    assert len(caller.seen) > 60


OF_OTHER_EDITIONS = (
    "gw_", "gift", "reward", "company_", "customer_balance", "base_customer_balance", "base_gift", "base_reward",
    "event_id", "custom_fees", "vault", "downloadable", "bundle", "itemized",
)  # fmt: skip
NOT_SENT = (
    "taxes",
    "applied_taxes",
    "item_applied_taxes",
    "additional_itemized_taxes",
    "coupon_discounts",
    "discounts",
)
SPELT = {"string": TEXT, "integer": WHOLE, "number": NUMBER, "boolean": TRUTH}


@pytest.mark.parametrize(
    ("shape", "name"),
    [
        (shapes.ORDER, "sales-data-order-interface"),
        (shapes.ORDER.members["extension_attributes"], "sales-data-order-extension-interface"),
        (shapes.ITEM, "sales-data-order-item-interface"),
        (shapes.ADDRESS, "sales-data-order-address-interface"),
        (shapes.PAYMENT, "sales-data-order-payment-interface"),
        (shapes.HISTORY, "sales-data-order-status-history-interface"),
        (shapes.TRACK, "sales-data-shipment-track-interface"),
        (shapes.SOURCE_ITEM, "inventory-api-data-source-item-interface"),
        (shapes.STOCK_ITEM, "catalog-inventory-data-stock-item-interface"),
        (shapes.PRODUCT, "catalog-data-product-interface"),
        (shapes.PRODUCT.members["extension_attributes"], "catalog-data-product-extension-interface"),
        (shapes.ASSIGNMENT, "sales-data-shipping-assignment-interface"),
        (shapes.ASSIGNMENT.members["shipping"], "sales-data-shipping-interface"),
    ],
)
@pytest.mark.parametrize("version", FILES)
def test_a_body_may_hold_what_the_description_names_for_this_edition_and_no_more(
    shape: Shape, name: str, version: str
) -> None:
    described: dict[str, Any] = definition(name, version)
    members = {
        member: one
        for member, one in described.get("properties", {}).items()
        if not member.startswith(OF_OTHER_EDITIONS) and member not in NOT_SENT
    }
    assert set(shape.members) == set(members)
    if shape is not shapes.STOCK_ITEM:  # A product's stock item is taken with a quantity alone.
        assert shape.required == frozenset(described.get("required", ()))
    for member, kind in shape.members.items():
        if isinstance(kind, str):
            assert kind == SPELT[members[member]["type"]], member
