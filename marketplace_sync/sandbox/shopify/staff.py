"""What people in the shop do in its admin: pack, correct, cancel, refund, count stock, change products."""

from __future__ import annotations

import itertools
from typing import Any

from marketplace_sync.sandbox.shopify import fulfilment, refunds, returns, stock, totals
from marketplace_sync.sandbox.shopify.cancellation import why_not
from marketplace_sync.sandbox.shopify.shop import Shop, find
from marketplace_sync.sandbox.shopify.things import gid, split_gid
from marketplace_sync.sandbox.state import Document

Lines = list[dict[str, Any]]
"""[{"sku": ..., "quantity": ...}]"""


class Staff:
    """The acts of one shop. Every one is a single action of one person, with one event id in its webhooks."""

    shop: Shop

    # --- looking

    def act_list_orders(self, unfulfilled: bool = True, limit: int = 50) -> list[dict[str, Any]]:
        """Orders, oldest first; by default those with something left to ship."""
        keys = self.shop.to_ship if unfulfilled else self.shop.orders.keys()
        return [self._listed(self.shop.orders[key]) for key in itertools.islice(keys, limit)]

    def act_order_by_source(self, source_identifier: str) -> dict[str, Any] | None:
        """The first order with this marketplace number, with the ids of all of them; None when there is none."""
        keys = self.shop.orders_by_source.get(source_identifier, [])
        if not keys:
            return None
        order = self.shop.orders[keys[0]]
        return {
            **self._listed(order),
            "all_ids": [gid("Order", key) for key in keys],
            "cancelled": order["cancelledAt"] is not None,
            "financial_status": totals.financial_status(order),
            "fulfillment_status": totals.fulfillment_status(order),
            "fulfillments": [
                {"id": gid("Fulfillment", f["id"]), "status": f["status"], "tracking": f["trackingInfo"]}
                for f in order["fulfillments"]
            ],
        }

    def _listed(self, order: Document) -> dict[str, Any]:
        return {
            "id": gid("Order", order["id"]),
            "name": order["name"],
            "source_identifier": order["sourceIdentifier"],
            "created_at": order["createdAt"],
            "lines": [
                {
                    "id": gid("LineItem", line["id"]), "sku": line["sku"], "quantity": line["quantity"],
                    "unfulfilled": totals.unfulfilled(order, line),
                }
                for line in order["lines"]
            ],
        }  # fmt: skip

    # --- finding what is meant

    def _order(self, order_id: str | int) -> Document:
        parts = split_gid(str(order_id))
        key = parts[1] if parts else str(order_id)
        order = self.shop.orders.get(key) if parts is None or parts[0] == "Order" else None
        if order is None:
            raise LookupError(f"there is no order {order_id}")
        return order

    def _fulfillment(self, fulfillment_id: str | int) -> tuple[Document, Document]:
        parts = split_gid(str(fulfillment_id))
        found = self.shop.part("Fulfillment", parts[1] if parts else str(fulfillment_id))
        if found is None:
            raise LookupError(f"there is no fulfilment {fulfillment_id}")
        return found

    def _pick(
        self, order: Document, wanted: Lines | None, able: dict[int, int], what: str
    ) -> list[tuple[Document, int]]:
        """Units of lines by SKU, spread over lines of the same SKU. `able` says how many of each line can be taken."""
        if wanted is None:
            return [(line, able[line["id"]]) for line in order["lines"] if able[line["id"]] > 0]
        picked: dict[int, int] = {}
        for one in wanted:
            sku, units = one["sku"], int(one.get("quantity", 1))
            if units < 1:
                raise ValueError(f"{what} {units} of {sku} is not possible: at least one")
            for line in order["lines"]:
                if line["sku"] == sku and units:
                    take = min(units, able[line["id"]] - picked.get(line["id"], 0))
                    if take > 0:
                        picked[line["id"]] = picked.get(line["id"], 0) + take
                        units -= take
            if units:
                raise ValueError(
                    f"order {order['name']}: {what} {sku} is not possible for {units} of the units asked for"
                )
        return [(line, picked[line["id"]]) for line in order["lines"] if line["id"] in picked]

    # --- parcels

    def act_ship(
        self,
        order_id: str | int,
        lines: Lines | None = None,
        company: str | None = "Royal Mail",
        tracking_numbers: list[str] | None = None,
        tracking_url: str | None = None,
    ) -> dict[str, Any]:
        """Pack and send a parcel with these units (everything left, by default). Returns the fulfilment's id."""
        shop, order = self.shop, self._order(order_id)
        if order["cancelledAt"]:
            raise ValueError(f"order {order['name']} is cancelled: nothing can be shipped")
        able = {line["id"]: totals.unfulfilled(order, line) for line in order["lines"]}
        picked = self._pick(order, lines, able, "shipping")
        if not picked:
            raise ValueError(f"order {order['name']} has nothing left to ship")
        with shop.action():
            if order["routeDue"] is not None:
                fulfilment.route(shop, order)
            work = self._work(order, picked)
            numbers = tracking_numbers or []
            tracked = fulfilment.tracking(
                {
                    "company": company,
                    "numbers": numbers,
                    "urls": [tracking_url] * max(1, len(numbers)) if tracking_url else [],
                }
            )
            made = fulfilment.fulfil(shop, order, work, tracked)
        return {"id": gid("Fulfillment", made["id"]), "name": made["name"], "order_id": gid("Order", order["id"])}

    def _work(
        self, order: Document, picked: list[tuple[Document, int]]
    ) -> list[tuple[Document, list[tuple[Document, int]]]]:
        work = []
        left = {line["id"]: units for line, units in picked}
        for fulfillment_order in order["fulfillmentOrders"]:
            rows = []
            for row in fulfillment_order["lines"]:
                take = min(left.get(row["lineId"], 0), row["remaining"])
                if take > 0:
                    rows.append((row, take))
                    left[row["lineId"]] -= take
            if rows:
                work.append((fulfillment_order, rows))
        return work

    def act_edit_tracking(
        self,
        fulfillment_id: str | int,
        company: str | None = "Royal Mail",
        tracking_numbers: list[str] | None = None,
        tracking_url: str | None = None,
    ) -> dict[str, Any]:
        """Replace a parcel's tracking."""
        order, found = self._fulfillment(fulfillment_id)
        if found["status"] == "CANCELLED":
            raise ValueError(f"fulfilment {found['name']} is cancelled")
        numbers = tracking_numbers or []
        urls = [tracking_url] * max(1, len(numbers)) if tracking_url else []
        with self.shop.action():
            tracked = fulfilment.tracking({"company": company, "numbers": numbers, "urls": urls})
            fulfilment.retrack(self.shop, order, found, tracked)
        return {"id": gid("Fulfillment", found["id"]), "tracking": found["trackingInfo"]}

    def act_cancel_fulfillment(self, fulfillment_id: str | int) -> dict[str, Any]:
        """The parcel did not leave after all: its units are to be shipped again."""
        order, found = self._fulfillment(fulfillment_id)
        if found["status"] == "CANCELLED":
            raise ValueError(f"fulfilment {found['name']} is already cancelled")
        with self.shop.action():
            fulfilment.cancel(self.shop, order, found)
        return {"id": gid("Fulfillment", found["id"]), "status": found["status"]}

    # --- units added

    def act_add_line(self, order_id: str | int, sku: str, quantity: int = 1) -> dict[str, Any]:
        """Edit an order: one more product of the shop on it, at the shop's price, to be shipped like the rest."""
        shop, order = self.shop, self._order(order_id)
        variant = next((one for one in shop.variants.values() if one["sku"] == sku), None)
        if variant is None or order["cancelledAt"]:
            raise ValueError(f"{sku} cannot be added to order {order['name']}")
        product, item = shop.products[str(variant["productId"])], shop.items.get(str(variant["inventoryItemId"]))
        line: Document = {
            "id": shop.next_id("LineItem"), "variantId": variant["id"], "productId": product["id"],
            "inventoryItemId": variant["inventoryItemId"], "sku": sku, "title": product["title"],
            "variantTitle": None, "vendor": product["vendor"], "quantity": quantity, "price": variant["price"],
            "discount": 0, "requiresShipping": True, "taxable": True, "isGiftCard": False, "weight": None,
            "taxLines": [], "customAttributes": [],
        }  # fmt: skip
        with shop.action():
            if order["routeDue"] is not None:
                fulfilment.route(shop, order)
            order["lines"].append(line)
            order["edited"] = True
            fulfilment.open_fulfillment_order(shop, order, [(line["id"], quantity)])
            if item is not None and order["claimed"]:
                stock.move(shop, item, shop.primary_location()["id"], available=-quantity, committed=quantity)
            shop.save_order(order)
            shop.happened("orders/updated", order)
        return {"line_id": gid("LineItem", line["id"]), "order_id": gid("Order", order["id"])}

    # --- units and money taken back

    def act_remove_unit(
        self, order_id: str | int, sku: str, quantity: int = 1, with_money: bool = False, restock: bool = True
    ) -> dict[str, Any]:
        """Take unshipped units off an order; it shows as a refund with restock type CANCEL. Damaged or lost units are
        not put back into stock (`restock`): those show as NO_RESTOCK."""
        shop, order = self.shop, self._order(order_id)
        if order["cancelledAt"]:
            raise ValueError(f"order {order['name']} is already cancelled")
        able = {
            line["id"]: min(totals.unfulfilled(order, line), totals.current(order, line)) for line in order["lines"]
        }
        picked = self._pick(order, [{"sku": sku, "quantity": quantity}], able, "removing")
        location = shop.primary_location()["id"]
        with shop.action():
            if order["routeDue"] is not None:
                fulfilment.route(shop, order)
            rows = [
                (line, units, *(("CANCEL", location) if restock else ("NO_RESTOCK", None))) for line, units in picked
            ]
            money = self._payments(order, self._worth(order, picked), with_money)
            made = refunds.record(shop, order, rows, payments=money, removal=True)
        return {"id": gid("Refund", made["id"]), "order_id": gid("Order", order["id"])}

    def _worth(self, order: Document, picked: list[tuple[Document, int]]) -> int:
        parts = [totals.refund_share(order, line, units) for line, units in picked]
        return sum(part for part, _ in parts) + (0 if order["taxesIncluded"] else sum(tax for _, tax in parts))

    def _payments(self, order: Document, amount: int, with_money: bool) -> list[tuple[int, str, int | None]]:
        amount = min(amount, refunds.refundable_money(order))
        if not with_money or amount <= 0:
            return []
        paid = next(t for t in order["transactions"] if t["kind"] in ("SALE", "CAPTURE") and t["status"] == "SUCCESS")
        return [(amount, paid["gateway"], paid["id"])]

    def act_cancel_order(
        self, order_id: str | int, reason: str = "CUSTOMER", restock: bool = True, with_money: bool = True
    ) -> dict[str, Any]:
        """Cancel a whole order that has no parcels."""
        order = self._order(order_id)
        if reason not in ("CUSTOMER", "DECLINED", "FRAUD", "INVENTORY", "OTHER", "STAFF"):
            raise ValueError(f"{reason!r} is not a reason Shopify knows")
        problem = why_not(order)
        if problem:
            raise ValueError(f"order {order['name']}: {problem}")
        with self.shop.action():
            refunds.cancel_order(self.shop, order, reason, restock=restock, with_money=with_money)
        return {"id": gid("Order", order["id"]), "cancelled_at": order["cancelledAt"]}

    def act_refund(
        self,
        order_id: str | int,
        lines: Lines | None = None,
        amount: int | None = None,
        restock: str = "RETURN",
        with_money: bool = True,
    ) -> dict[str, Any]:
        """Refund units that came back, or with `amount` (minor units) and no lines, money alone.

        Without both, everything not yet refunded. `restock` is RETURN or NO_RESTOCK; for units that never left there
        is `remove_unit`.
        """
        shop, order = self.shop, self._order(order_id)
        if restock not in ("RETURN", "NO_RESTOCK"):
            raise ValueError(f"restock is RETURN or NO_RESTOCK, not {restock!r}")
        able = {line["id"]: totals.current(order, line) for line in order["lines"]}
        picked = [] if lines is None and amount is not None else self._pick(order, lines, able, "refunding")
        left = refunds.refundable_money(order)
        if amount is not None and not 0 < amount <= left:
            raise ValueError(
                f"order {order['name']}: {amount} cannot be paid back, {left} of what was received is left"
            )
        if not picked and amount is None:
            raise ValueError(f"order {order['name']} has nothing left to refund")
        location = shop.primary_location()["id"]
        payments = self._payments(order, self._worth(order, picked) if amount is None else amount, with_money)
        with shop.action():
            if order["routeDue"] is not None:
                fulfilment.route(shop, order)
            rows = [(line, units, restock, location if restock == "RETURN" else None) for line, units in picked]
            made = refunds.record(shop, order, rows, payments=payments)
        return {"id": gid("Refund", made["id"]), "amount": sum(paid for paid, _, _ in payments)}

    def act_return(self, order_id: str | int, lines: Lines | None = None, reason: str = "UNWANTED") -> dict[str, Any]:
        """Open a return for shipped units. Nothing is refunded yet."""
        order = self._order(order_id)
        rows: list[tuple[Document, int, str, str]] = []
        shipped = [row for f in order["fulfillments"] if f["status"] == "SUCCESS" for row in f["lines"]]
        able = {line["id"]: 0 for line in order["lines"]}
        for row in shipped:
            able[row["lineId"]] += row["quantity"] - returns.under_return(order, row["id"])
        for line, units in self._pick(order, lines, able, "returning"):
            for row in shipped:
                take = (
                    min(units, row["quantity"] - returns.under_return(order, row["id"]))
                    if row["lineId"] == line["id"]
                    else 0
                )
                if take > 0:
                    rows.append((row, take, reason, ""))
                    units -= take
        if not rows:
            raise ValueError(f"order {order['name']} has nothing that could come back")
        with self.shop.action():
            entry = returns.open_return(self.shop, order, rows)
        return {"id": gid("Return", entry["id"]), "name": entry["name"]}

    def act_close_return(self, return_id: str | int, with_money: bool = True) -> dict[str, Any]:
        """The goods are back: refund what is on the return and close it."""
        shop = self.shop
        parts = split_gid(str(return_id))
        found = shop.part("Return", parts[1] if parts else str(return_id))
        if found is None:
            raise LookupError(f"there is no return {return_id}")
        order, entry = found
        if entry["status"] != "OPEN":
            raise ValueError(f"return {entry['name']} is {entry['status'].lower()}")
        picked: list[tuple[Document, int]] = []
        for row in entry["lines"]:
            line = find(order["lines"], row["lineId"])
            assert line is not None
            units = min(row["quantity"], totals.current(order, line))
            if units > 0:
                picked.append((line, units))
        location = shop.primary_location()["id"]
        payments = self._payments(order, self._worth(order, picked), with_money)
        with shop.action():
            rows = [(line, units, "RETURN", location) for line, units in picked]
            made = refunds.record(shop, order, rows, payments=payments, return_id=entry["id"])
            returns.close_return(shop, order, entry)
        return {"id": gid("Return", entry["id"]), "refund_id": gid("Refund", made["id"])}
