"""Places, what lies there, and what of it may still be sold: the index plus the reservations. (stock)"""

from __future__ import annotations

from decimal import Decimal

from marketplace_sync.sandbox.magento import workflow
from marketplace_sync.sandbox.magento.amounts import exact, number
from marketplace_sync.sandbox.magento.errors import NOT_AVAILABLE, Refused
from marketplace_sync.sandbox.magento.shop import Shop, sku_key
from marketplace_sync.sandbox.state import Document

STOCK = 1
"""The stock that is linked to the website; orders of every store view draw on it."""

COMPOSITE = ("configurable", "bundle", "grouped")


def item_key(source: str, sku: str) -> str:
    return f"{source}/{sku_key(sku)}"


def put_quantity(shop: Shop, source: str, sku: str, quantity: float, status: int) -> None:
    """Set what lies at a place. The stock index hears of it a while later, if the shop is such. (stock)"""
    key = item_key(source, sku)
    before = shop.source_items.get(key)
    index = {"quantity": 0, "status": 0} if before is None else _indexed(shop, before)
    until = shop.clock.timestamp() + shop.settings.index_delay_seconds
    name = before["sku"] if before else sku
    row = {"sku": name, "source_code": source, "quantity": quantity, "status": status}
    shop.source_items.put(key, {**row, "_index": {**index, "until": until}})


def _indexed(shop: Shop, row: Document) -> Document:
    """Quantity and status as the index has them."""
    index: Document = row["_index"]
    if index["until"] > shop.clock.timestamp():
        return {"quantity": index["quantity"], "status": index["status"]}
    return {"quantity": row["quantity"], "status": row["status"]}


def sources_of(shop: Shop, stock_id: int) -> list[str]:
    """Codes of the enabled sources of a stock, by priority."""
    stock = shop.stocks.get(str(stock_id))
    links = sorted(stock["links"], key=lambda link: link["priority"]) if stock else []
    return [link["source_code"] for link in links if shop.sources[link["source_code"]]["enabled"]]


def index_quantity(shop: Shop, stock_id: int, sku: str) -> Decimal | None:
    """Without reservations; None for a SKU that no source of the stock has."""
    rows = [shop.source_items.get(item_key(source, sku)) for source in sources_of(shop, stock_id)]
    known = [_indexed(shop, row) for row in rows if row is not None]
    if not known:
        return None
    return sum((exact(row["quantity"]) for row in known if row["status"] == 1), Decimal(0))


def is_managed(product: Document) -> bool:
    """Whether its stock is counted at all."""
    return product.get("_manage_stock") is not False


def salable(shop: Shop, stock_id: int, sku: str) -> Decimal:
    """Enabled sources plus reservations, less the threshold; nothing when out of stock."""
    quantity = index_quantity(shop, stock_id, sku)
    if quantity is None or quantity <= 0:
        return Decimal(0)
    return quantity + exact(shop.reserved(stock_id, sku)) - shop.settings.out_of_stock_threshold


def source_for(shop: Shop, given: str | None) -> str:
    """Where a parcel leaves from: as told, or the only source, or `default`. (shipment)"""
    if given is not None:
        if given not in shop.sources:
            raise Refused(400, 'Source with source code "%1" does not exist.', [given])
        return given
    sources = sources_of(shop, STOCK)
    return sources[0] if len(sources) == 1 else "default"


def take(shop: Shop, source: str, units: list[tuple[str, Decimal]]) -> None:
    """Units leave a place. Raises Refused, before any of them does, when there is not enough of one."""
    rows = []
    wanted: dict[str, Decimal] = {}
    for sku, quantity in units:
        wanted[item_key(source, sku)] = wanted.get(item_key(source, sku), Decimal(0)) + quantity
    for key, quantity in wanted.items():
        row = shop.source_items.get(key)
        if row is None or row["status"] != 1 or exact(row["quantity"]) < quantity:
            raise Refused(400, NOT_AVAILABLE)
        rows.append((row, quantity))
    for row, quantity in rows:
        left = exact(row["quantity"]) - quantity
        put_quantity(shop, source, row["sku"], number(left), 1 if left > 0 else 0)


def put_back(shop: Shop, source: str, sku: str, quantity: Decimal) -> None:
    row = shop.source_items.get(item_key(source, sku))
    there = exact(row["quantity"]) if row else Decimal(0)
    put_quantity(shop, source, sku, number(there + quantity), 1)


def repair(shop: Shop) -> list[Document]:
    """What `inventory:reservation:list-inconsistencies` finds, and `create-compensations` sets right: afterwards the
    reservations of every order are what is still open of it. (the reservation trap)"""
    kept: dict[tuple[str, str], float] = {}
    for one in shop.reservations.values():
        key = (one["metadata"]["object_id"], one["sku"])
        kept[key] = kept.get(key, 0) + one["quantity"]
    made = []
    for order in list(shop.orders.values()):
        wanted: dict[str, Decimal] = {}
        at_rest = order["state"] in ("complete", "closed", "canceled")
        for item in order["items"]:
            if not workflow.is_part(item):
                left = Decimal(0) if at_rest else workflow.to_ship(order, item)
                wanted[item["sku"]] = wanted.get(item["sku"], Decimal(0)) + left
        for sku, units in wanted.items():
            missing = exact(kept.get((str(order["entity_id"]), sku), 0)) + units
            if missing:
                shop.reserve(STOCK, sku, number(-missing), "manual_compensation", order)
                made.append({"order": order["increment_id"], "sku": sku, "quantity": number(-missing)})
    return made
