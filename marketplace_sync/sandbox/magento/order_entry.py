"""Saving an order as it is sent: nothing is reckoned or reserved, only what the database insists on is checked."""

from __future__ import annotations

import copy
from typing import Any

from marketplace_sync.sandbox.magento import stock, workflow
from marketplace_sync.sandbox.magento.amounts import exact, number, rate_of, twins
from marketplace_sync.sandbox.magento.errors import MASKED, Refused, no_such
from marketplace_sync.sandbox.magento.shop import Shop
from marketplace_sync.sandbox.state import Document

_LENGTHS = {
    "increment_id": 50, "ext_order_id": 32, "customer_email": 128, "customer_firstname": 128,
    "customer_lastname": 128, "customer_middlename": 128, "shipping_method": 120, "customer_prefix": 32,
    "customer_suffix": 32,
}  # fmt: skip
"""Of columns. (creating an order)"""

_COUNTED = ("qty_canceled", "qty_invoiced", "qty_refunded", "qty_shipped")


def save(shop: Shop, entity: dict[str, Any]) -> Document:
    """A new order, or with `entity_id` that one overwritten. Raises Refused."""
    given = copy.deepcopy({name: value for name, value in entity.items() if value is not None})
    _fit(shop, given)
    if "entity_id" in given:
        return _overwrite(shop, given)
    store_id = given.get("store_id")
    increment_id = given.get("increment_id") or shop.next_number("orders", store_id)
    if shop.numbered(increment_id, store_id) is not None:
        raise _duplicate(shop)
    number_, now = shop.next_id("order"), shop.now()
    order: Document = {
        **given, "entity_id": number_, "increment_id": increment_id, "store_id": store_id, "created_at": now,
        "state": given.get("state"), "status": given.get("status"),
        "items": [_item(shop, number_, item, now) for item in given["items"]],
    }  # fmt: skip
    _set_parents(order)
    assigned = (given.get("extension_attributes") or {}).get("shipping_assignments")
    if not assigned:
        # Without an assignment there is nowhere to send it, whatever else is said. (creating an order)
        order["is_virtual"] = 1
    _addresses(shop, order)
    _histories(shop, order)
    if "payment" in order:
        order["payment"].update(entity_id=shop.next_id("payment"), parent_id=number_)
    due = {"total_due": exact(order["grand_total"]) - exact(order.get("total_paid"))}
    order |= {name: number(amount) for name, amount in twins(due, rate_of(order)).items()}
    workflow.settle(order)
    shop.put_order(order)
    if shop.settings.reserve_api_orders:
        reserve(shop, order)
    return order


def reserve(shop: Shop, order: Document) -> None:
    """What placing an order does, and saving one does not. (the reservation trap)"""
    for item in order["items"]:
        if not workflow.is_part(item) and exact(item.get("qty_ordered")):
            shop.reserve(stock.STOCK, item["sku"], -item["qty_ordered"], "order_placed", order)


def _duplicate(shop: Shop) -> Refused:
    if shop.settings.duplicate_answer == 500:
        return Refused(500, MASKED, [f"webapi-{shop.next_id('report'):013x}"])
    return Refused(400, "Unique constraint violation found")


def _fit(shop: Shop, given: dict[str, Any]) -> None:
    for name, most in _LENGTHS.items():
        value = given.get(name)
        if isinstance(value, str) and len(value) > most:
            if shop.settings.too_long == "error":
                raise Refused(
                    400,
                    f"SQLSTATE[22001]: String data, right truncated: 1406 Data too long for column '{name}' at row 1",
                )
            given[name] = value[:most]


def _item(shop: Shop, order_id: int, item: dict[str, Any], now: str) -> Document:
    kept = {name: value for name, value in item.items() if value is not None}
    counts = {name: kept.get(name, 0) for name in _COUNTED}
    return {**kept, **counts, "item_id": shop.next_id("order item"), "order_id": order_id, "created_at": now,
            "updated_at": now}  # fmt: skip


def _set_parents(order: Document) -> None:
    """A child that was sent with its parent inside belongs to the parent of that SKU and product."""
    for item in order["items"]:
        parent = item.pop("parent_item", None)
        if parent is not None:
            found = [one for one in order["items"] if one is not item and one["sku"] == parent.get("sku")]
            if found:
                item["parent_item_id"] = found[0]["item_id"]


def _addresses(shop: Shop, order: Document) -> None:
    if "billing_address" in order:
        order["billing_address"].update(entity_id=shop.next_id("address"), parent_id=order["entity_id"])
        order["billing_address_id"] = order["billing_address"]["entity_id"]
    for assignment in (order.get("extension_attributes") or {}).get("shipping_assignments") or []:
        assignment.pop("items", None)
        if address := assignment["shipping"].get("address"):
            address.update(entity_id=shop.next_id("address"), parent_id=order["entity_id"])


def _histories(shop: Shop, order: Document) -> None:
    for history in order.setdefault("status_histories", []):
        history.update(entity_id=shop.next_id("history"), parent_id=order["entity_id"], created_at=shop.now())
        history.setdefault("entity_name", "order")


def _overwrite(shop: Shop, given: dict[str, Any]) -> Document:
    """Sending a whole order back: what was changed meanwhile is overwritten. (state machine)"""
    before = shop.orders.get(str(given["entity_id"]))
    if before is None:
        raise no_such("entityId", given["entity_id"])
    kept = {**before, **given}
    other = shop.numbered(kept["increment_id"], kept["store_id"])
    if other is not None and other is not before:
        raise _duplicate(shop)
    now = shop.now()
    items = list(before["items"])
    for item in given.pop("items"):
        place = next((n for n, one in enumerate(items) if one["item_id"] == item.get("item_id")), None)
        if place is None:
            items.append(_item(shop, before["entity_id"], item, now))
        else:
            items[place] = {**items[place], **item, "updated_at": now}
    order: Document = {**before, **given, "entity_id": before["entity_id"], "items": items}
    workflow.settle(order)
    shop.put_order(order)
    return order


def answer(order: Document) -> dict[str, Any]:
    """As it is read: shipping assignments have the items in them again, nothing is null."""
    found = dict(order)
    extension = dict(order.get("extension_attributes") or {})
    if assigned := extension.get("shipping_assignments"):
        extension["shipping_assignments"] = [{**one, "items": order["items"]} for one in assigned]
    found["extension_attributes"] = extension
    return {name: value for name, value in found.items() if value is not None}


def add_comment(
    shop: Shop, order: Document, comment: str, status: str | None, visible: int = 0, notified: int = 0
) -> None:
    order["status_histories"].append({
        "comment": comment, "created_at": shop.now(), "entity_id": shop.next_id("history"), "entity_name": "order",
        "is_customer_notified": notified, "is_visible_on_front": visible, "parent_id": order["entity_id"],
        "status": status or order["status"],
    })  # fmt: skip
    if status and workflow.STATUSES.get(status) == order["state"]:
        order["status"] = status
    shop.put_order(order)
