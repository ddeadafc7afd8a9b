"""Fulfilment orders appear a moment after their order; fulfilments are made against them, tracked and cancelled."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from marketplace_sync.sandbox.shopify import stock, totals
from marketplace_sync.sandbox.shopify.shop import Shop, find
from marketplace_sync.sandbox.shopify.things import Thing, split_gid
from marketplace_sync.sandbox.shopify.wiring import Call, mutation, refused
from marketplace_sync.sandbox.state import Document

MOST_LINES = 512

WRITE_SCOPES = (
    "write_merchant_managed_fulfillment_orders", "write_assigned_fulfillment_orders",
    "write_third_party_fulfillment_orders",
)  # fmt: skip
READ_SCOPES = tuple(scope.replace("write_", "read_") for scope in WRITE_SCOPES)

_TRACKING_PAGES = {
    "Royal Mail": "https://www.royalmail.com/track-your-item#/tracking-results/{}",
    "DPD UK": "https://track.dpd.co.uk/search?reference={}",
    "DPD": "https://www.dpd.com/tracking?parcelNumber={}",
    "Evri": "https://www.evri.com/track/parcel/{}",
    "Yodel": "https://www.yodel.co.uk/track?parcel_id={}",
    "UPS": "https://www.ups.com/track?tracknum={}",
    "DHL Express": "https://www.dhl.com/track?AWB={}",
    "FedEx": "https://www.fedex.com/fedextrack/?trknbr={}",
    "Parcelforce": "https://www.parcelforce.com/track-trace?trackNumber={}",
}
"""Companies whose name is enough to make the address of the tracking page."""


def route(shop: Shop, order: Document) -> None:
    """Give the order its fulfilment order at the primary location; lines that need no shipping get none."""
    order["routeDue"] = None
    lines = [(line["id"], totals.unfulfilled(order, line)) for line in order["lines"]]
    if order["cancelledAt"] is None:
        open_fulfillment_order(shop, order, [(line, units) for line, units in lines if units > 0])


def open_fulfillment_order(shop: Shop, order: Document, units: list[tuple[int, int]]) -> None:
    """A new fulfilment order for these units of lines; none for no units."""
    if not units:
        return
    now = shop.now()
    order["fulfillmentOrders"].append(
        {
            "id": shop.next_id("FulfillmentOrder"),
            "status": "OPEN",
            "requestStatus": "UNSUBMITTED",
            "createdAt": now,
            "updatedAt": now,
            "locationId": shop.primary_location()["id"],
            "lines": [
                {"id": shop.next_id("FulfillmentOrderLineItem"), "lineId": line, "total": count, "remaining": count}
                for line, count in units
            ],
        }
    )


def settle(shop: Shop, order: Document, fulfillment_order: Document) -> None:
    """The status that follows from what is left to do."""
    left = sum(line["remaining"] for line in fulfillment_order["lines"])
    done = any(
        fulfillment_order["id"] in f["fulfillmentOrderIds"] and f["status"] == "SUCCESS" for f in order["fulfillments"]
    )
    if left:
        fulfillment_order["status"] = "IN_PROGRESS" if done else "OPEN"
    else:
        fulfillment_order["status"] = "CLOSED" if done else "CANCELLED"
    fulfillment_order["updatedAt"] = shop.now()


def take_off(shop: Shop, order: Document, line_id: int, units: int) -> None:
    """Units of a line are no longer to be shipped."""
    for fulfillment_order in order["fulfillmentOrders"]:
        for row in fulfillment_order["lines"]:
            if row["lineId"] == line_id and units and row["remaining"]:
                less = min(units, row["remaining"])
                row["remaining"] -= less
                units -= less
                settle(shop, order, fulfillment_order)


def tracking(given: dict[str, Any]) -> list[Document]:
    """Tracking as kept: one entry per number. A company known by name makes the addresses itself."""
    company = given.get("company")
    numbers = given.get("numbers") or ([given["number"]] if given.get("number") else [])
    urls = given.get("urls") or ([given["url"]] if given.get("url") else [])
    if not numbers and not urls and not company:
        return []
    page = _TRACKING_PAGES.get(company or "")
    found = []
    for at, number in enumerate(numbers or [None] * max(1, len(urls))):
        url = urls[at] if at < len(urls) else None
        if url is None and page and number:
            url = page.format(quote(number))
        found.append({"company": company, "number": number, "url": url})
    return found


def fulfil(
    shop: Shop, order: Document, work: list[tuple[Document, list[tuple[Document, int]]]], tracked: list[Document]
) -> Document:
    """Ship units of fulfilment-order lines: checked by the caller, one location. Returns the fulfilment."""
    now = shop.now()
    units: dict[int, int] = {}
    for _, rows in work:
        for row, count in rows:
            units[row["lineId"]] = units.get(row["lineId"], 0) + count
    fulfillment: Document = {
        "id": shop.next_id("Fulfillment"),
        "name": f"{order['name']}-F{len(order['fulfillments']) + 1}",
        "status": "SUCCESS",
        "displayStatus": "FULFILLED",
        "createdAt": now,
        "updatedAt": now,
        "deliveredAt": None,
        "inTransitAt": None,
        "estimatedDeliveryAt": None,
        "locationId": work[0][0]["locationId"],
        "fulfillmentOrderIds": [fulfillment_order["id"] for fulfillment_order, _ in work],
        "trackingInfo": tracked,
        "events": [],
        "lines": [
            {"id": shop.next_id("FulfillmentLineItem"), "lineId": line, "quantity": count}
            for line, count in units.items()
        ],
    }
    order["fulfillments"].append(fulfillment)
    for fulfillment_order, rows in work:
        for row, count in rows:
            row["remaining"] -= count
            line = find(order["lines"], row["lineId"])
            assert line is not None
            stock.shipped(shop, order, line, fulfillment_order["locationId"], count)
        settle(shop, order, fulfillment_order)
    if totals.fulfillment_status(order) == "FULFILLED" and totals.outstanding(order) == 0:
        order["closedAt"] = order["closedAt"] or now
    shop.save_order(order)
    shop.happened("fulfillments/create", order, fulfillment)
    complete = totals.fulfillment_status(order) == "FULFILLED"
    shop.happened("orders/fulfilled" if complete else "orders/partially_fulfilled", order)
    shop.happened("orders/updated", order)
    return fulfillment


@mutation("fulfillmentCreate", *WRITE_SCOPES)
def fulfillment_create(call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
    """One order and one location per call, at most 512 items; no item list means all of it."""
    shop, given = call.shop, arguments["fulfillment"]
    path = ("fulfillment", "lineItemsByFulfillmentOrder")
    orders: dict[int, Document] = {}
    work: list[tuple[Document, list[tuple[Document, int]]]] = []
    for at, wanted in enumerate(given["lineItemsByFulfillmentOrder"]):
        order, fulfillment_order = _fulfillment_order(shop, wanted["fulfillmentOrderId"], *path, str(at))
        if fulfillment_order["status"] not in ("OPEN", "IN_PROGRESS"):
            raise refused(
                f"Fulfillment order {fulfillment_order['id']} has an unfulfillable status= "
                f"{fulfillment_order['status'].lower()}.",
                "fulfillment",
            )
        orders[order["id"]] = order
        work.append((fulfillment_order, _rows(fulfillment_order, wanted, *path, str(at))))
    if not work:
        raise refused("At least one fulfillment order is needed", *path)
    if len(orders) > 1:
        raise refused("Fulfillment orders must belong to the same order.", *path)
    if len({fulfillment_order["locationId"] for fulfillment_order, _ in work}) > 1:
        raise refused("Fulfillment orders must be assigned to the same location.", *path)
    if sum(len(rows) for _, rows in work) > MOST_LINES:
        raise refused(f"A fulfillment can have at most {MOST_LINES} line items.", *path)
    order = next(iter(orders.values()))
    made = fulfil(shop, order, work, tracking(given.get("trackingInfo") or {}))
    shop.mail("shipped", order, given.get("notifyCustomer"))
    return {"fulfillment": Thing("Fulfillment", made, order)}


def _fulfillment_order(shop: Shop, given: str, *path: str) -> tuple[Document, Document]:
    parts = split_gid(given)
    found = shop.part("FulfillmentOrder", parts[1]) if parts and parts[0] == "FulfillmentOrder" else None
    if found is None:
        raise refused("Fulfillment order does not exist.", *path, "fulfillmentOrderId")
    return found


def _rows(fulfillment_order: Document, wanted: dict[str, Any], *path: str) -> list[tuple[Document, int]]:
    asked = wanted.get("fulfillmentOrderLineItems")
    if asked is None:
        return [(row, row["remaining"]) for row in fulfillment_order["lines"] if row["remaining"]]
    rows: list[tuple[Document, int]] = []
    for at, one in enumerate(asked):
        parts = split_gid(one["id"])
        row = find(fulfillment_order["lines"], parts[1] if parts else "")
        place = (*path, "fulfillmentOrderLineItems", str(at))
        if row is None or any(row is other for other, _ in rows):
            raise refused("Fulfillment order line item does not exist.", *place, "id")
        if not 0 < one["quantity"] <= row["remaining"]:
            raise refused(
                f"Invalid fulfillment order line item quantity requested: {one['quantity']} of {row['remaining']}.",
                *place, "quantity",
            )  # fmt: skip
        rows.append((row, one["quantity"]))
    if not rows:
        raise refused("At least one line item is needed", *path)
    return rows


def fulfillment_of(shop: Shop, given: str, *path: str) -> tuple[Document, Document]:
    """The order and the fulfilment with this global id. Raises Refused."""
    parts = split_gid(given)
    found = shop.part("Fulfillment", parts[1]) if parts and parts[0] == "Fulfillment" else None
    if found is None:
        raise refused("Fulfillment does not exist.", *path)
    return found


def retrack(shop: Shop, order: Document, fulfillment: Document, tracked: list[Document]) -> None:
    fulfillment["trackingInfo"] = tracked
    _touched(shop, order, fulfillment)


def _touched(shop: Shop, order: Document, fulfillment: Document) -> None:
    fulfillment["updatedAt"] = shop.now()
    shop.save_order(order)
    shop.happened("fulfillments/update", order, fulfillment)
    shop.happened("orders/updated", order)


@mutation("fulfillmentTrackingInfoUpdate", *WRITE_SCOPES)
def fulfillment_tracking_info_update(call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
    order, fulfillment = fulfillment_of(call.shop, arguments["fulfillmentId"], "fulfillmentId")
    if fulfillment["status"] == "CANCELLED":
        raise refused("Fulfillment is cancelled.", "fulfillmentId")
    retrack(call.shop, order, fulfillment, tracking(arguments["trackingInfoInput"]))
    call.shop.mail("tracking changed", order, arguments.get("notifyCustomer"))
    return {"fulfillment": Thing("Fulfillment", fulfillment, order)}


def cancel(shop: Shop, order: Document, fulfillment: Document) -> None:
    """Undo a shipment: its units are to be shipped again, on a new fulfilment order (Shopify, fulfillmentCancel)."""
    fulfillment["status"] = "CANCELLED"
    fulfillment["displayStatus"] = "CANCELED"
    for row in fulfillment["lines"]:
        line = find(order["lines"], row["lineId"])
        assert line is not None
        stock.came_back(shop, order, line, fulfillment["locationId"], row["quantity"])
    open_fulfillment_order(shop, order, [(row["lineId"], row["quantity"]) for row in fulfillment["lines"]])
    order["closedAt"] = None
    _touched(shop, order, fulfillment)


@mutation("fulfillmentCancel", *WRITE_SCOPES)
def fulfillment_cancel(call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
    order, fulfillment = fulfillment_of(call.shop, arguments["id"], "id")
    if fulfillment["status"] == "CANCELLED":
        raise refused("Fulfillment is already cancelled.", "id")
    cancel(call.shop, order, fulfillment)
    return {"fulfillment": Thing("Fulfillment", fulfillment, order)}


_AFTER_EVENT = {"DELIVERED": "deliveredAt", "IN_TRANSIT": "inTransitAt"}


@mutation("fulfillmentEventCreate", "write_fulfillments")
def fulfillment_event_create(call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
    shop, given = call.shop, arguments["fulfillmentEvent"]
    order, fulfillment = fulfillment_of(shop, given["fulfillmentId"], "fulfillmentEvent", "fulfillmentId")
    now = shop.now()
    event = {
        "id": shop.next_id("FulfillmentEvent"),
        "status": given["status"],
        "message": given.get("message"),
        "happenedAt": given.get("happenedAt") or now,
        "createdAt": now,
    }
    fulfillment["events"].append(event)
    fulfillment["displayStatus"] = given["status"]
    if given["status"] in _AFTER_EVENT:
        fulfillment[_AFTER_EVENT[given["status"]]] = event["happenedAt"]
    if given.get("estimatedDeliveryAt"):
        fulfillment["estimatedDeliveryAt"] = given["estimatedDeliveryAt"]
    _touched(shop, order, fulfillment)
    shop.happened("fulfillment_events/create", order, {"fulfillment": fulfillment["id"], "event": event})
    return {"fulfillmentEvent": Thing("FulfillmentEvent", event, order)}


def route_due(shop: Shop) -> None:
    """Route every order whose time has come (Shopify, order routing is asynchronous)."""
    now = shop.clock.timestamp()
    for key in list(shop.unrouted):
        order = shop.orders[key]
        if order["routeDue"] is not None and order["routeDue"] <= now:
            with shop.action():
                route(shop, order)
                shop.save_order(order)
                for fulfillment_order in order["fulfillmentOrders"]:
                    shop.happened("fulfillment_orders/order_routing_complete", order, fulfillment_order)
