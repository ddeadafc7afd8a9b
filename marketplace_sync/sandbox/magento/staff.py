"""What people in the shop do to orders in its admin: pack, cancel, refund, comment, hold."""

from __future__ import annotations

import itertools
from typing import Any

from marketplace_sync.sandbox.magento import order_entry, papers, workflow
from marketplace_sync.sandbox.magento.amounts import ZERO, exact, number
from marketplace_sync.sandbox.magento.order_api import add_track
from marketplace_sync.sandbox.magento.shop import NAMES, Shop
from marketplace_sync.sandbox.state import Document

Lines = list[dict[str, Any]]
"""[{"sku": ..., "quantity": ...}]"""

CARRIER_CODES = {"DPD UK": "dpd", "DHL": "dhl", "FedEx": "fedex", "UPS": "ups", "USPS": "usps"}
"""Carriers the shop has; every other one is `custom`, with its name as the title. (shipment)"""


class Staff:
    """Acts on orders. Refused (a ValueError) when the workflow forbids it, LookupError for what does not exist."""

    shop: Shop

    # --- looking

    def act_list_orders(self, unfulfilled: bool = True, limit: int = 50) -> list[dict[str, Any]]:
        """Orders, oldest first; by default those with something left to ship."""
        keys = list(self.shop.to_ship if unfulfilled else self.shop.orders.keys())
        orders = (self.shop.orders[key] for key in keys)
        wanted = (order for order in orders if not unfulfilled or workflow.can_ship(order))
        return [self._listed(order) for order in itertools.islice(wanted, limit)]

    def act_order_by_source(self, source_identifier: str) -> dict[str, Any] | None:
        """The first order with this number of the marketplace (ext_order_id or increment_id, or else what whoever
        entered it wrote beside its payment), and the ids of all."""
        named = [one for column in NAMES for one in self.shop.orders_named(column, source_identifier)] or [
            one for one in self.shop.orders.values() if _says(one, source_identifier)
        ]
        found = list({one["entity_id"]: one for one in named}.values())
        if not found:
            return None
        shipments = [s for s in self.shop.shipments.values() if s["order_id"] == found[0]["entity_id"]]
        return {
            **self._listed(found[0]),
            "all_ids": [order["entity_id"] for order in found],
            "state": found[0]["state"],
            "status": found[0]["status"],
            "cancelled": found[0]["state"] == "canceled",
            "shipments": [{"id": one["entity_id"], "tracks": one["tracks"]} for one in shipments],
        }

    def _listed(self, order: Document) -> dict[str, Any]:
        return {
            "id": order["entity_id"],
            "name": order["increment_id"],
            "source_identifier": order.get("ext_order_id"),
            "created_at": order["created_at"],
            "state": order["state"],
            "lines": [
                {
                    "id": item["item_id"], "sku": item["sku"], "quantity": item.get("qty_ordered"),
                    "unfulfilled": number(workflow.to_ship(order, item)),
                }
                for item in order["items"]
            ],
        }  # fmt: skip

    def _order(self, order_id: str | int) -> Document:
        order = self.shop.orders.get(str(order_id)) or self.shop.numbered(str(order_id), 1)
        if order is None:
            raise LookupError(f"there is no order {order_id}")
        return order

    def _shipment(self, shipment_id: str | int) -> Document:
        found = self.shop.shipments.get(str(shipment_id))
        if found is None:
            raise LookupError(f"there is no shipment {shipment_id}")
        return found

    def _pick(self, order: Document, wanted: Lines | None, able: dict[int, Any]) -> Lines | None:
        """By item instead of by SKU, spread over items of the same SKU."""
        if wanted is None:
            return None
        picked: Lines = []
        for one in wanted:
            units = exact(one.get("quantity", 1))
            for item in order["items"]:
                take = min(units, able.get(item["item_id"], ZERO))
                if item["sku"] == one["sku"] and take > 0:
                    picked.append({"order_item_id": item["item_id"], "qty": number(take)})
                    units -= take
            if units > 0:
                raise ValueError(f"order {order['increment_id']}: {units} of {one['sku']} too many")
        return picked

    # --- parcels

    def act_ship(
        self,
        order_id: str | int,
        lines: Lines | None = None,
        company: str | None = "Royal Mail",
        tracking_numbers: list[str] | None = None,
        source: str | None = None,
    ) -> dict[str, Any]:
        """Pack and send a parcel with these units (everything left, by default). Returns the shipment's id."""
        order = self._order(order_id)
        able = {item["item_id"]: workflow.to_ship(order, item) for item in order["items"]}
        tracks = [_track(company, tracking_number) for tracking_number in tracking_numbers or []]
        made = papers.ship(self.shop, order, self._pick(order, lines, able), tracks, source)
        return {"id": made["entity_id"], "name": made["increment_id"], "order_id": order["entity_id"]}

    def act_add_track(
        self, shipment_id: str | int, tracking_number: str, company: str | None = "Royal Mail"
    ) -> dict[str, Any]:
        """The label is printed later than the shipment was made."""
        made = add_track(self.shop, self._shipment(shipment_id), _track(company, tracking_number))
        return {"id": made["entity_id"]}

    def act_remove_track(self, track_id: int) -> dict[str, Any]:
        """A wrong number is taken off again."""
        for shipment in self.shop.shipments.values():
            kept = [one for one in shipment["tracks"] if one["entity_id"] != track_id]
            if len(kept) < len(shipment["tracks"]):
                shipment["tracks"] = kept
                self.shop.shipments.put(str(shipment["entity_id"]), shipment)
                return {"shipment_id": shipment["entity_id"]}
        raise LookupError(f"there is no track {track_id}")

    # --- units and money taken back

    def act_invoice(self, order_id: str | int, lines: Lines | None = None, capture: bool = True) -> dict[str, Any]:
        """Write an invoice for these units (all that is left, by default)."""
        order = self._order(order_id)
        able = {item["item_id"]: workflow.to_invoice(item) for item in order["items"]}
        made = papers.invoice(self.shop, order, self._pick(order, lines, able), capture)
        return {"id": made["entity_id"]}

    def act_cancel_order(self, order_id: str | int, reason: str = "") -> dict[str, Any]:
        """Give up what was not sent: cancel, or once it is invoiced make a credit memo, as there is no other way."""
        order = self._order(order_id)
        if papers.cancel(self.shop, order):
            how = "cancelled"
        else:
            unsent = [
                {"order_item_id": item["item_id"], "qty": number(min(workflow.to_refund(item), left))}
                for item in order["items"]
                if (left := workflow.to_ship(order, item)) > 0 and workflow.to_refund(item) > 0
            ]
            if not unsent:
                raise ValueError(f"order {order['increment_id']} is {order['status']}: nothing of it can be cancelled")
            papers.refund(self.shop, order, unsent, shipping=_unsent_shipping(order))
            how = "credit memo"
        if reason:
            order_entry.add_comment(self.shop, order, reason, None)
        return {"id": order["entity_id"], "state": order["state"], "how": how}

    def act_remove_unit(self, order_id: str | int, sku: str, quantity: int = 1) -> dict[str, Any]:
        """Take unsent units of one SKU off: it shows as qty_canceled, or as qty_refunded once they are invoiced."""
        order = self._order(order_id)
        able = {item["item_id"]: workflow.to_ship(order, item) for item in order["items"]}
        picked = self._pick(order, [{"sku": sku, "quantity": quantity}], able) or []
        by_id = {item["item_id"]: item for item in order["items"]}
        invoiced = [one for one in picked if workflow.to_refund(by_id[one["order_item_id"]]) >= exact(one["qty"])]
        if invoiced:
            papers.refund(self.shop, order, invoiced, shipping=ZERO)
        for one in (each for each in picked if each not in invoiced):
            papers.cancel_units(self.shop, order, by_id[one["order_item_id"]], exact(one["qty"]))
        if all(exact(item["qty_canceled"]) >= exact(item.get("qty_ordered")) for item in order["items"]):
            order["state"] = order["status"] = "canceled"
        workflow.settle(order)
        self.shop.put_order(order)
        return {"id": order["entity_id"], "state": order["state"]}

    def act_refund(
        self,
        order_id: str | int,
        lines: Lines | None = None,
        amount: int | None = None,
        shipping: int | None = None,
        restock: bool | None = None,
    ) -> dict[str, Any]:
        """Make an offline credit memo: for units, or with `amount` (minor units) and no lines for money alone.

        Without both, for everything not yet refunded. `shipping` in minor units; what is left of it, unless told.
        """
        order = self._order(order_id)
        money = lines is None and amount is not None
        able = {item["item_id"]: workflow.to_refund(item) for item in order["items"]}
        restock = self.shop.settings.back_to_stock if restock is None else restock
        made = papers.refund(
            self.shop, order, self._pick(order, lines, able),
            shipping=exact(shipping) / 100 if shipping is not None else (ZERO if money else None),
            positive=exact(amount) / 100 if amount is not None else ZERO,
            back_to_stock=[item["item_id"] for item in order["items"]] if restock else None, money_only=money,
        )  # fmt: skip
        return {"id": made["entity_id"], "amount": int(exact(made["grand_total"]) * 100)}

    # --- words

    def act_comment(self, order_id: str | int, comment: str, status: str | None = None) -> dict[str, Any]:
        """Write something on the order, perhaps with another status of the same state."""
        order_entry.add_comment(self.shop, self._order(order_id), comment, status)
        return {"id": self._order(order_id)["entity_id"]}

    def act_set_status(self, order_id: str | int, status: str) -> dict[str, Any]:
        """Give the order a status of the merchant's own; its state stays."""
        order = self._order(order_id)
        order["status"] = status
        self.shop.put_order(order)
        return {"id": order["entity_id"], "state": order["state"], "status": status}

    def act_hold(self, order_id: str | int) -> dict[str, Any]:
        """Put the order on hold: nothing can be done to it until it is released."""
        if not papers.hold(self.shop, order := self._order(order_id)):
            raise ValueError(f"order {order['increment_id']} is {order['status']}: it cannot be held")
        return {"id": order["entity_id"], "state": order["state"]}

    def act_unhold(self, order_id: str | int) -> dict[str, Any]:
        """Release an order."""
        if not papers.unhold(self.shop, order := self._order(order_id)):
            raise ValueError(f"order {order['increment_id']} is not on hold")
        return {"id": order["entity_id"], "state": order["state"]}


def _track(company: str | None, tracking_number: str) -> dict[str, Any]:
    code = CARRIER_CODES.get(company or "", "custom")
    return {"track_number": tracking_number, "title": company, "carrier_code": code}


def _says(order: Document, source_identifier: str) -> bool:
    said = (order.get("payment") or {}).get("additional_information") or ()
    return any(str(entry).rpartition(" ")[2] == source_identifier for entry in said)


def _unsent_shipping(order: Document) -> Any:
    """Shipping goes back with an order of which nothing was sent."""
    return ZERO if any(exact(item["qty_shipped"]) for item in order["items"]) else None
