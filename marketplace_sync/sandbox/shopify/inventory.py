"""Stock set and adjusted over the API: compare-and-set that insists on being told what to compare with."""

from __future__ import annotations

from typing import Any

from marketplace_sync.sandbox.shopify import stock
from marketplace_sync.sandbox.shopify.idempotency import KEPT_SECONDS, idempotently
from marketplace_sync.sandbox.shopify.shop import Shop, forget_old
from marketplace_sync.sandbox.shopify.things import Thing, TopLevelError, split_gid
from marketplace_sync.sandbox.shopify.wiring import Call, mutation, refused
from marketplace_sync.sandbox.state import Document

REASONS = {
    "correction", "cycle_count_available", "damaged", "movement_canceled", "movement_created", "movement_received",
    "movement_updated", "other", "promotion", "quality_control", "received", "reservation_created",
    "reservation_deleted", "reservation_updated", "restock", "safety_stock", "shrinkage",
}  # fmt: skip

MOST_UNITS = 1_000_000_000
COMPARED_SINCE = "2026-04"


def _item(shop: Shop, given: str, *path: str) -> Document:
    parts = split_gid(given)
    item = shop.items.get(parts[1]) if parts and parts[0] == "InventoryItem" else None
    if item is None:
        raise refused(
            "The specified inventory item could not be found.", *path, "inventoryItemId", code="INVALID_INVENTORY_ITEM"
        )
    if not item["tracked"]:
        raise refused(
            "The specified inventory item is not tracked.", *path, "inventoryItemId", code="NON_MUTABLE_INVENTORY_ITEM"
        )
    return item


def _location(shop: Shop, given: str, *path: str) -> int:
    parts = split_gid(given)
    location = shop.locations.get(parts[1]) if parts and parts[0] == "Location" else None
    if location is None or not location["isActive"]:
        raise refused("The specified location could not be found.", *path, "locationId", code="INVALID_LOCATION")
    return int(location["id"])


def _check_head(given: dict[str, Any], names: tuple[str, ...], name_code: str) -> None:
    if given["name"] not in names:
        raise refused(f"The quantity name must be one of {', '.join(names)}.", "input", "name", code=name_code)
    if given["reason"] not in REASONS:
        raise refused("The specified reason is invalid.", "input", "reason", code="INVALID_REASON")
    uri = given.get("referenceDocumentUri")
    if uri is not None and "://" not in uri:
        raise refused(
            "The specified reference document is invalid.", "input", "referenceDocumentUri",
            code="INVALID_REFERENCE_DOCUMENT",
        )  # fmt: skip


def _check_presence(call: Call, rows: list[dict[str, Any]], where: str) -> None:
    """The key has to be there, if only as null (Shopify, since 2026-04)."""
    if call.version < COMPARED_SINCE:
        return
    for at, row in enumerate(rows):
        if "changeFromQuantity" not in row:
            raise TopLevelError(
                f"InvalidFieldArguments: input.{where}.{at}.changeFromQuantity must be given (null for no comparison)",
                "INVALID_FIELD_ARGUMENTS",
            )


def _compare(row: dict[str, Any], level: Document | None, name: str, *path: str) -> None:
    expected = row.get("changeFromQuantity")
    known = stock.quantity(level, name) if level else 0
    if expected is not None and expected != known:
        raise refused(
            "The changeFromQuantity argument no longer matches the persisted quantity.", *path, "changeFromQuantity",
            code="CHANGE_FROM_QUANTITY_STALE",
        )  # fmt: skip


def _apply(shop: Shop, given: dict[str, Any], moves: list[tuple[Document, int, int, str | None]]) -> dict[str, Any]:
    """Carry out (item, location, change, ledger document). A change of on_hand is a change of available."""
    if not any(delta for _, _, delta, _ in moves):
        return {"inventoryAdjustmentGroup": None}
    name = given["name"]
    changes = []
    for item, location, delta, ledger in moves:
        stock.move(shop, item, location, **{name if name != "on_hand" else "available": delta})
        affected = [name] if name in ("incoming",) else [name, "on_hand"] if name != "on_hand" else ["available", name]
        for one in affected:
            changes.append(
                {
                    "name": one, "delta": delta, "item": item["id"], "location": location, "ledgerDocumentUri": ledger,
                    "quantityAfterChange": stock.quantity(stock.level_at(shop, item, location), one),
                }
            )  # fmt: skip
    group = {
        "id": shop.next_id("InventoryAdjustmentGroup"),
        "at": shop.clock.timestamp(),
        "createdAt": shop.now(),
        "reason": given["reason"],
        "referenceDocumentUri": given.get("referenceDocumentUri"),
        "changes": changes,
    }
    # Only a repeated idempotency key asks for a group again.
    forget_old(shop.adjustments, group["at"] - 2 * KEPT_SECONDS)
    shop.adjustments.put(str(group["id"]), group)
    return {"inventoryAdjustmentGroup": Thing("InventoryAdjustmentGroup", group)}


@mutation("inventorySetQuantities", "write_inventory", around=idempotently)
def inventory_set_quantities(call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
    """Sets `available` or `on_hand`, all rows or none. Needs `@idempotent` and `changeFromQuantity`."""
    shop, given = call.shop, arguments["input"]
    _check_presence(call, given["quantities"], "quantities")
    _check_head(given, ("available", "on_hand"), "INVALID_NAME")
    moves: list[tuple[Document, int, int, str | None]] = []
    seen: set[tuple[int, int]] = set()
    for at, row in enumerate(given["quantities"]):
        path = ("input", "quantities", str(at))
        item = _item(shop, row["inventoryItemId"], *path)
        location = _location(shop, row["locationId"], *path)
        if (item["id"], location) in seen:
            raise refused(
                "The combination of inventoryItemId and locationId must be unique.", *path,
                code="NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR",
            )  # fmt: skip
        seen.add((item["id"], location))
        if row["quantity"] < 0:
            raise refused("The quantity can't be negative.", *path, "quantity", code="INVALID_QUANTITY_NEGATIVE")
        if row["quantity"] > MOST_UNITS:
            raise refused(
                f"The quantity can't be higher than {MOST_UNITS}.", *path, "quantity", code="INVALID_QUANTITY_TOO_HIGH"
            )
        level = item["levels"].get(str(location))
        _compare(row, level, given["name"], *path)
        known = stock.quantity(level, given["name"]) if level else 0
        moves.append((item, location, row["quantity"] - known, None))
    return _apply(shop, given, moves)


@mutation("inventoryAdjustQuantities", "write_inventory", around=idempotently)
def inventory_adjust_quantities(call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
    """Adds to a quantity, all rows or none. `on_hand` follows by itself and cannot be adjusted."""
    shop, given = call.shop, arguments["input"]
    _check_presence(call, given["changes"], "changes")
    _check_head(given, (*stock.STATES[:1], *stock.STATES[2:], "incoming"), "INVALID_QUANTITY_NAME")
    moves: list[tuple[Document, int, int, str | None]] = []
    for at, row in enumerate(given["changes"]):
        path = ("input", "changes", str(at))
        item = _item(shop, row["inventoryItemId"], *path)
        location = _location(shop, row["locationId"], *path)
        ledger = row.get("ledgerDocumentUri")
        if given["name"] == "available" and ledger is not None:
            raise refused(
                "A ledger document URI is not allowed when adjusting available.", *path, "ledgerDocumentUri",
                code="INVALID_AVAILABLE_DOCUMENT",
            )  # fmt: skip
        if given["name"] != "available" and ledger is None:
            raise refused(
                "A ledger document URI is required except when adjusting available.", *path, "ledgerDocumentUri",
                code="INVALID_QUANTITY_DOCUMENT",
            )  # fmt: skip
        if abs(row["delta"]) > MOST_UNITS:
            too = "INVALID_QUANTITY_TOO_HIGH" if row["delta"] > 0 else "INVALID_QUANTITY_TOO_LOW"
            raise refused("The quantity is out of range.", *path, "delta", code=too)
        _compare(row, item["levels"].get(str(location)), given["name"], *path)
        moves.append((item, location, row["delta"], ledger))
    return _apply(shop, given, moves)


@mutation("inventoryActivate", "write_inventory", around=idempotently)
def inventory_activate(call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
    """Makes a level at a location, with its first quantity where none was stocked before."""
    shop = call.shop
    item = _item(shop, arguments["inventoryItemId"])
    location = _location(shop, arguments["locationId"])
    is_new = str(location) not in item["levels"]
    if not is_new and arguments.get("available") is not None:
        raise refused(
            "Not allowed to set available quantity when the item is already active at the location.", "available"
        )
    level = stock.level_at(shop, item, location)
    level["isActive"] = True
    first = arguments.get("available") if arguments.get("available") is not None else arguments.get("onHand")
    stock.move(shop, item, location, available=int(first or 0) if is_new else 0)
    return {"inventoryLevel": Thing("InventoryLevel", {**level, "item": item["id"], "location": location})}
