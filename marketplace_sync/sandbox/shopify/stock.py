"""Stock levels and how orders move them: available to committed when sold, off the shelf when shipped."""

from __future__ import annotations

from marketplace_sync.sandbox.shopify.shop import Shop
from marketplace_sync.sandbox.shopify.wiring import refused
from marketplace_sync.sandbox.state import Document

STATES = ("available", "committed", "reserved", "damaged", "safety_stock", "quality_control")
"""What `on_hand` is the sum of (Shopify, inventory states)."""
NAMES = (*STATES, "on_hand", "incoming")


def new_level(shop: Shop, available: int) -> Document:
    now = shop.now()
    level: Document = dict.fromkeys((*STATES, "incoming"), 0)
    level.update(id=shop.next_id("InventoryLevel"), available=available, createdAt=now, updatedAt=now, isActive=True)
    return level


def quantity(level: Document, name: str) -> int:
    return sum(int(level[state]) for state in STATES) if name == "on_hand" else int(level[name])


def level_at(shop: Shop, item: Document, location_id: int) -> Document:
    """The item's level at a location; any location can hold any item (Shopify, since 2026-10)."""
    levels = item["levels"]
    if str(location_id) not in levels:
        levels[str(location_id)] = new_level(shop, 0)
    level: Document = levels[str(location_id)]
    return level


def total_available(item: Document) -> int:
    return sum(level["available"] for level in item["levels"].values() if level["isActive"])


def move(shop: Shop, item: Document, location_id: int, **changes: int) -> None:
    """Add to some states of a level, e.g. available=-1, committed=1, and tell who listens. Untracked items stay."""
    if not item["tracked"]:
        return
    level = level_at(shop, item, location_id)
    before = total_available(item)
    for state, change in changes.items():
        level[state] += change
    level["updatedAt"] = shop.now()
    item["updatedAt"] = level["updatedAt"]
    shop.items.put(str(item["id"]), item)
    if not changes.get("available"):
        return
    shop.happened("inventory_levels/update", subject={"item": item["id"], "location": location_id})
    variant, after = shop.variants.get(str(item["variantId"])), total_available(item)
    if variant is not None and (before > 0) != (after > 0):
        shop.happened("variants/in_stock" if after > 0 else "variants/out_of_stock", subject=variant)


def item_of(shop: Shop, line: Document) -> Document | None:
    """The inventory item of an order line; None for free lines and when the product was deleted since."""
    return shop.items.get(str(line["inventoryItemId"])) if line["inventoryItemId"] else None


def claim(shop: Shop, order: Document, obey: bool) -> None:
    """Commit the units of a new order. Raises Refused, before any change, when `obey` and stock is short."""
    location = shop.primary_location()["id"]
    wanted: dict[int, int] = {}
    for at, line in enumerate(order["lines"]):
        item = item_of(shop, line)
        if item is None or not item["tracked"]:
            continue
        wanted[item["id"]] = wanted.get(item["id"], 0) + line["quantity"]
        variant = shop.variants.get(str(line["variantId"]))
        may_oversell = variant is not None and variant["inventoryPolicy"] == "CONTINUE"
        if obey and not may_oversell and level_at(shop, item, location)["available"] < wanted[item["id"]]:
            raise refused("Unable to reserve inventory", "order", "lineItems", str(at), code="INVENTORY_CLAIM_FAILED")
    for number, units in wanted.items():
        move(shop, shop.items[str(number)], location, available=-units, committed=units)
    order["claimed"] = True


def shipped(shop: Shop, order: Document, line: Document, location_id: int, units: int) -> None:
    """Units left the building. What an order never claimed is not counted down either."""
    item = item_of(shop, line)
    if item is not None and order["claimed"]:
        move(shop, item, location_id, committed=-units)


def came_back(shop: Shop, order: Document, line: Document, location_id: int, units: int) -> None:
    """A shipment was cancelled: the units are committed again."""
    item = item_of(shop, line)
    if item is not None and order["claimed"]:
        move(shop, item, location_id, committed=units)


def released(shop: Shop, order: Document, line: Document, location_id: int, units: int, restock: bool) -> None:
    """Units were taken off the order before they were shipped."""
    item = item_of(shop, line)
    if item is not None and order["claimed"]:
        move(shop, item, location_id, committed=-units, available=units if restock else 0)


def returned(shop: Shop, line: Document, location_id: int, units: int) -> None:
    """Units are back on the shelf."""
    item = item_of(shop, line)
    if item is not None:
        move(shop, item, location_id, available=units)
