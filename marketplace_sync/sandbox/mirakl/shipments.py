"""Shipments of multi-shipment platforms: several parcels of one order, each with its quantities and tracking."""

from __future__ import annotations

import uuid
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.mirakl import wire
from marketplace_sync.sandbox.mirakl.actions import Actions
from marketplace_sync.sandbox.mirakl.carriers import tracking_url
from marketplace_sync.sandbox.mirakl.gate import Gate, answer, items, json_body, text, whole
from marketplace_sync.sandbox.mirakl.lifecycle import Lifecycle
from marketplace_sync.sandbox.mirakl.order_book import Order, OrderBook
from marketplace_sync.sandbox.mirakl.order_writes import tracking_of
from marketplace_sync.sandbox.mirakl.paging import asked, seek, several, time_of
from marketplace_sync.sandbox.mirakl.settings import MiraklSettings
from marketplace_sync.sandbox.mirakl.values import BadValue, iso
from marketplace_sync.sandbox.mirakl.workflow import DEAD, Refused
from marketplace_sync.sandbox.state import State

Shipment = dict[str, Any]


class Shipments:
    """Handlers of ST01, ST11, ST12, ST23 and ST24. (Mirakl, shipments)"""

    def __init__(
        self,
        state: State,
        clock: Clock,
        settings: MiraklSettings,
        book: OrderBook,
        lifecycle: Lifecycle,
        actions: Actions,
    ) -> None:
        self.settings = settings
        self._state = state
        self._clock = clock
        self._book = book
        self._lifecycle = lifecycle
        self._actions = actions
        self._shipments = state.collection("shipments")
        state.on_reload.append(self._rebuild)
        self._rebuild()

    def _rebuild(self) -> None:
        self._by_order: dict[str, list[str]] = {}
        self._by_number: dict[int, str] = {}
        for shipment in self._shipments.values():
            self._enter(shipment)

    def _enter(self, shipment: Shipment) -> None:
        self._by_order.setdefault(shipment["order_id"], []).append(shipment["id"])
        self._by_number[shipment["number"]] = shipment["id"]

    def open_in(self, gate: Gate) -> None:
        gate.open("ST01", "POST", "/api/shipments", self._create)
        gate.open("ST11", "GET", "/api/shipments", self._list)
        gate.open("ST12", "GET", "/api/shipments/items_to_ship", self._to_ship)
        gate.open("ST23", "POST", "/api/shipments/tracking", self._track)
        gate.open("ST24", "PUT", "/api/shipments/ship", self._ship)

    async def _create(self, request: Request) -> Response:
        """201 even when every shipment failed: the errors are in the body."""
        made: list[Shipment] = []
        errors = []
        for item in items(await json_body(request), "shipments", 1000):
            order_id = text(item, "order_id")
            try:
                made.append(self.make(order_id, item))
            except (Refused, BadValue) as problem:
                errors.append({"order_id": order_id, "message": str(problem)})
        rows = [self._row(shipment) for shipment in made]
        return answer({"shipment_success": rows, "shipment_errors": errors}, 201)

    def make(self, order_id: str, item: dict[str, Any]) -> Shipment:
        """One parcel as it is stated, over the API or by hand. Raises Refused, BadValue."""
        if not self.settings.multi_shipment:
            raise Refused("Multi-shipment is not enabled on this platform")
        if self._book.get(order_id) is None:
            raise Refused(f"The order with id '{order_id}' was not found")
        order = self._book.copy_of(order_id)
        if order["state"] != "SHIPPING":
            raise Refused(f"The order is {order['state']}, not SHIPPING")
        lines = [self._line(order, each) for each in items(item, "shipment_lines")]
        tracking = tracking_of(item["tracking"], self.settings, "tracking_url") if item.get("tracking") else None
        wanted: dict[str, int] = {}
        for each in lines:
            wanted[each["order_line_id"]] = wanted.get(each["order_line_id"], 0) + each["quantity"]
        free = self._free(order)
        if any(not each["quantity"] > 0 for each in lines) or any(wanted[each] > free.get(each, 0) for each in wanted):
            raise Refused("The quantity to ship is not valid")
        now = self._clock.timestamp()
        number = self._state.counter("shipment")
        shipment: Shipment = {
            "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{order_id}/shipments/{number}")),
            "number": number,
            "order_id": order_id,
            "created": now,
            "updated": now,
            "shipped": None,
            "status": "SHIPPING",
            "lines": lines,
            "tracking": tracking,
            "invoice_reference": item.get("invoice_reference"),
        }
        self._shipments.put(shipment["id"], shipment)
        self._enter(shipment)
        self._actions.note("ST01", order_id, shipment_id=shipment["id"], lines=lines, tracking=tracking)
        return self._send(shipment) if item.get("shipped") is True else shipment

    def _line(self, order: Order, item: dict[str, Any]) -> dict[str, Any]:
        for line in order["lines"]:
            if (
                item.get("order_line_id", line["id"]) == line["id"]
                and item.get("offer_sku", line["sku"]) == line["sku"]
            ):
                if "order_line_id" not in item and "offer_sku" not in item:
                    break
                return {
                    "order_line_id": line["id"],
                    "offer_sku": line["sku"],
                    "quantity": whole(item, "quantity"),
                    "package_reference": item.get("package_reference"),
                }
        raise Refused("The order line of the shipment was not found")

    def _free(self, order: Order) -> dict[str, int]:
        """What of each line is in no shipment yet."""
        free = {line["id"]: line["quantity"] for line in order["lines"] if line["state"] not in DEAD}
        for shipment in self._of(order["id"]):
            for line in shipment["lines"]:
                free[line["order_line_id"]] = free.get(line["order_line_id"], 0) - line["quantity"]
        return free

    def _of(self, order_id: str) -> list[Shipment]:
        return [self._shipments[shipment_id] for shipment_id in self._by_order.get(order_id, [])]

    def _send(self, shipment: Shipment) -> Shipment:
        """The parcel leaves; the order is SHIPPED when its last one did."""
        if shipment["status"] != "SHIPPING":
            raise Refused(f"The shipment is {shipment['status']}, not SHIPPING")
        if self.settings.mandatory_tracking and not (shipment["tracking"] or {}).get("tracking_number"):
            raise Refused("Tracking details are mandatory for this shipping method")
        now = self._clock.timestamp()
        sent = {**shipment, "status": "SHIPPED", "shipped": now, "updated": now}
        self._shipments.put(shipment["id"], sent)
        order = self._book.copy_of(shipment["order_id"])
        for part in shipment["lines"]:
            for line in order["lines"]:
                if line["id"] == part["order_line_id"]:
                    line["sent"] += part["quantity"]
        whole_lines = [line for line in order["lines"] if line["quantity"] and line["sent"] >= line["quantity"]]
        order["tracking"] = sent["tracking"]
        if whole_lines:
            self._lifecycle.ship(order, whole_lines)
        else:
            self._book.put(order)
        return sent

    async def _track(self, request: Request) -> Response:
        def track(shipment: Shipment, item: dict[str, Any]) -> None:
            tracking = item.get("tracking")
            if not isinstance(tracking, dict):
                raise BadValue("The field 'tracking' has a wrong datatype")
            kept = tracking_of(tracking, self.settings, "tracking_url")
            self._shipments.put(shipment["id"], {**shipment, "tracking": kept, "updated": self._clock.timestamp()})
            self._actions.note("ST23", shipment["id"], **kept)

        return await self._each(request, track)

    async def _ship(self, request: Request) -> Response:
        def ship(shipment: Shipment, item: dict[str, Any]) -> None:
            self._send(shipment)
            self._actions.note("ST24", shipment["id"], order_id=shipment["order_id"])

        return await self._each(request, ship)

    async def _each(self, request: Request, do: Any) -> Response:
        done, errors = [], []
        for item in items(await json_body(request), "shipments", 1000):
            shipment_id = text(item, "id")
            try:
                shipment = self._shipments.get(shipment_id)
                if shipment is None:
                    raise Refused(f"The shipment with id '{shipment_id}' was not found")
                do(shipment, item)
                done.append({"id": shipment_id})
            except (Refused, BadValue) as problem:
                errors.append({"id": shipment_id, "message": str(problem)})
        return answer({"shipment_success": done, "shipment_errors": errors})

    async def _list(self, request: Request) -> Response:
        query, start = asked(request)
        orders, states = several(query, "order_id"), several(query, "shipment_state_code")
        since, until = time_of(query, "last_updated_from"), time_of(query, "last_updated_to")

        def wanted(shipment: Shipment) -> bool:
            return (
                (not orders or shipment["order_id"] in orders)
                and (not states or shipment["status"] in states)
                and (since is None or shipment["updated"] >= since)
                and (until is None or shipment["updated"] < until + 1)
            )

        def row_of(number: int) -> Shipment:
            return self._shipments[self._by_number[number]]

        places = sorted((shipment["created"], shipment["number"]) for shipment in self._shipments.values())
        return answer(seek(query, start, places, row_of, wanted).body(self._row))

    def _row(self, shipment: Shipment) -> dict[str, Any]:
        order = self._book.get(shipment["order_id"])
        debited = None if order is None else order["debited"]
        status = shipment["status"]
        if order is not None and status == "SHIPPED" and order["state"] in ("RECEIVED", "CLOSED"):
            status = order["state"]
        tracking = None
        if shipment["tracking"] is not None:
            tracking = {**shipment["tracking"], "tracking_url": tracking_url(shipment["tracking"])}
        row: dict[str, Any] = {
            "id": shipment["id"],
            "order_id": shipment["order_id"],
            "created_date": iso(shipment["created"]),
            "last_updated_date": iso(shipment["updated"]),
            "shipped_date": iso(shipment["shipped"]),
            "invoice_reference": shipment["invoice_reference"],
            "shipment_lines": shipment["lines"],
            "shipment_additional_information": [],
            "status": status,
            "status_customer_debit": "DEBIT_OK" if debited is not None else "NOT_STARTED",
            "tracking": tracking,
        }
        if order is not None and debited is not None:
            dates = {"customer_debited_date": iso(debited), "transaction_date": iso(debited)}
            row["payment_details"] = {**dates, "transaction_number": order["transaction_number"]}
        return row

    async def _to_ship(self, request: Request) -> Response:
        """What is in no shipment yet, order by order."""
        query, start = asked(request)
        orders = several(query, "order_id")
        waiting = {order["number"]: order for order in self._book.newest("SHIPPING", len(self._book))}
        places = sorted((order["created"], number) for number, order in waiting.items())

        def wanted(order: Order) -> bool:
            return (not orders or order["id"] in orders) and any(left > 0 for left in self._free(order).values())

        return answer(seek(query, start, places, waiting.__getitem__, wanted).body(self._to_ship_row))

    def _to_ship_row(self, order: Order) -> dict[str, Any]:
        free = self._free(order)
        ready = order["debited"] or order["accepted"] or order["created"]
        return {
            "order_id": order["id"],
            "fulfillment": {"center": {"code": "DEFAULT"}},
            "references": {
                "order_reference_for_customer": order["customer_reference"],
                "order_reference_for_seller": order["seller_reference"],
            },
            "shipment_lines": [
                {
                    "order_line_id": line["id"],
                    "offer_sku": line["sku"],
                    "product_title": line["title"],
                    "quantity": free[line["id"]],
                }
                for line in order["lines"]
                if free.get(line["id"], 0) > 0
            ],
            "shipping_address": wire.address(order, self.settings),
            "shipping_date": iso(ready),
            "shipping_deadline": iso(ready + self.settings.lead_time_days * 86_400),
            "shipping_type_code": "STD",
            "shipping_type_standard_code": "CST_HOME",
        }
