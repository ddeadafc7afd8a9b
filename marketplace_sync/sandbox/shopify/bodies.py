"""Webhook bodies: shaped like the old REST resources, numbers for ids, times in the shop's zone (Shopify, webhooks)."""

from __future__ import annotations

from typing import Any

from marketplace_sync.sandbox.shopify import stock, totals
from marketplace_sync.sandbox.shopify.money import plain, rest_bag
from marketplace_sync.sandbox.shopify.shop import APP_ID, Occurrence, Shop, find
from marketplace_sync.sandbox.shopify.shop_fields import local
from marketplace_sync.sandbox.shopify.things import gid
from marketplace_sync.sandbox.state import Document

Body = dict[str, Any]


class Bodies:
    """Builds the body of each topic from the shop's documents."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop

    def of(self, occurrence: Occurrence) -> Body:
        """The body for what happened. Raises KeyError for a topic nothing is known about."""
        topic, order, subject = occurrence.topic, occurrence.order, occurrence.subject or {}
        if topic == "orders/delete":
            return {"id": subject["id"]}
        if topic.startswith("orders/"):
            assert order is not None
            return self.order(order)
        if topic == "inventory_levels/update":
            return self.level(subject)
        if topic.startswith("products/"):
            return {"id": subject["id"]} if topic == "products/delete" else self.product(subject)
        if topic.startswith("variants/"):
            return self.variant(subject)
        if topic.startswith("inventory_items/"):
            return {"id": subject["id"]} if topic == "inventory_items/delete" else self.item(subject)
        assert order is not None
        if topic in ("fulfillments/create", "fulfillments/update"):
            return self.fulfillment(order, subject)
        if topic == "refunds/create":
            return self.refund(order, subject)
        if topic.startswith("returns/"):
            return self.return_(order, subject)
        if topic == "order_transactions/create":
            return self.transaction(order, subject)
        if topic == "fulfillment_events/create":
            return self.event(order, subject)
        if topic == "fulfillment_orders/order_routing_complete":
            return {"fulfillment_order": {"id": gid("FulfillmentOrder", subject["id"]), "status": "open"}}
        raise KeyError(f"no webhook body is known for {topic}")

    def _time(self, text: str | None) -> str | None:
        return local(self.shop.settings, text)

    def _bag(self, order: Document, units: int) -> Body:
        return rest_bag(units, order["currency"])

    def order(self, order: Document) -> Body:
        money = {
            "total_price": totals.total(order), "current_total_price": totals.current_total(order),
            "subtotal_price": totals.subtotal(order), "total_tax": totals.tax(order),
            "total_discounts": totals.discounts(order), "total_line_items_price": totals.subtotal(order),
            "total_outstanding": totals.outstanding(order), "total_shipping_price": totals.shipping(order),
        }  # fmt: skip
        return {
            "id": order["id"],
            "admin_graphql_api_id": gid("Order", order["id"]),
            "app_id": APP_ID,
            "name": order["name"],
            "number": order["number"] - 1000,
            "order_number": order["number"],
            "source_name": order["sourceName"],
            "source_identifier": order["sourceIdentifier"],
            "source_url": order["sourceUrl"],
            "po_number": order["poNumber"],
            "note": order["note"],
            "note_attributes": [{"name": a["key"], "value": a["value"]} for a in order["customAttributes"]],
            "tags": ", ".join(order["tags"]),
            "email": order["email"] or "",
            "contact_email": order["email"],
            "phone": order["phone"],
            "buyer_accepts_marketing": order["customerAcceptsMarketing"],
            "test": order["test"],
            "financial_status": totals.financial_status(order).lower(),
            "fulfillment_status": totals.rest_fulfillment_status(order),
            "cancelled_at": self._time(order["cancelledAt"]),
            "cancel_reason": order["cancelReason"].lower() if order["cancelReason"] else None,
            "closed_at": self._time(order["closedAt"]),
            "created_at": self._time(order["createdAt"]),
            "updated_at": self._time(order["updatedAt"]),
            "processed_at": self._time(order["processedAt"]),
            "currency": order["currency"],
            "presentment_currency": order["currency"],
            "taxes_included": order["taxesIncluded"],
            **{name: plain(units, order["currency"]) for name, units in money.items()},
            **{f"{name}_set": self._bag(order, units) for name, units in money.items()},
            "tax_lines": [self._tax(order, t) for line in order["lines"] for t in line["taxLines"]],
            "discount_codes": (
                [{"code": order["discountCode"], "amount": plain(totals.discounts(order), order["currency"])}]
                if order["discountCode"]
                else []
            ),
            "payment_gateway_names": list(dict.fromkeys(t["gateway"] for t in order["transactions"])),
            "line_items": [self.line(order, line) for line in order["lines"]],
            "shipping_lines": [
                {
                    "id": line["id"], "title": line["title"], "code": line["code"], "source": line["source"],
                    "price": plain(line["price"], order["currency"]), "price_set": self._bag(order, line["price"]),
                    "tax_lines": [self._tax(order, tax) for tax in line["taxLines"]],
                }
                for line in order["shippingLines"]
            ],
            "shipping_address": self._address(order["shippingAddress"]),
            "billing_address": self._address(order["billingAddress"]),
            "customer": self._customer(order),
            "fulfillments": [self.fulfillment(order, one) for one in order["fulfillments"]],
            "refunds": [self.refund(order, one) for one in order["refunds"]],
        }  # fmt: skip

    def _tax(self, order: Document, tax: Document) -> Body:
        return {
            "title": tax["title"], "rate": float(tax["rate"]), "price": plain(tax["price"], order["currency"]),
            "price_set": self._bag(order, tax["price"]), "channel_liable": tax["channelLiable"],
        }  # fmt: skip

    def _address(self, address: Document | None) -> Body | None:
        if address is None:
            return None
        name = " ".join(part for part in (address["firstName"], address["lastName"]) if part)
        return {
            "first_name": address["firstName"], "last_name": address["lastName"], "company": address["company"],
            "address1": address["address1"], "address2": address["address2"], "city": address["city"],
            "province": address["province"], "province_code": address["provinceCode"], "zip": address["zip"],
            "country": address["country"], "country_code": address["countryCode"], "phone": address["phone"],
            "name": name, "latitude": None, "longitude": None,
        }  # fmt: skip

    def _customer(self, order: Document) -> Body | None:
        customer = self.shop.customers.get(str(order["customerId"]))
        if customer is None:
            return None
        return {
            "id": customer["id"], "email": customer["email"], "first_name": customer["firstName"],
            "last_name": customer["lastName"], "phone": customer["phone"], "tags": ", ".join(customer["tags"]),
            "admin_graphql_api_id": gid("Customer", customer["id"]),
        }  # fmt: skip

    def line(self, order: Document, line: Document, quantity: int | None = None) -> Body:
        done, left = totals.fulfilled(order, line["id"]), totals.unfulfilled(order, line)
        return {
            "id": line["id"],
            "admin_graphql_api_id": gid("LineItem", line["id"]),
            "variant_id": line["variantId"],
            "product_id": line["productId"],
            "product_exists": str(line["productId"]) in self.shop.products,
            "title": line["title"],
            "variant_title": line["variantTitle"],
            "name": f"{line['title']} - {line['variantTitle']}" if line["variantTitle"] else line["title"],
            "sku": line["sku"],
            "vendor": line["vendor"],
            "quantity": line["quantity"] if quantity is None else quantity,
            "current_quantity": totals.current(order, line),
            "fulfillable_quantity": left,
            "fulfillment_status": None if not done else "partial" if left else "fulfilled",
            "fulfillment_service": "manual",
            "price": plain(line["price"], order["currency"]),
            "price_set": self._bag(order, line["price"]),
            "total_discount": plain(line["discount"], order["currency"]),
            "requires_shipping": line["requiresShipping"],
            "taxable": line["taxable"],
            "gift_card": line["isGiftCard"],
            "properties": [{"name": a["key"], "value": a["value"]} for a in line["customAttributes"]],
            "tax_lines": [self._tax(order, tax) for tax in line["taxLines"]],
        }

    def fulfillment(self, order: Document, fulfillment: Document) -> Body:
        tracked = fulfillment["trackingInfo"]
        numbers = [one["number"] for one in tracked if one["number"]]
        urls = [one["url"] for one in tracked if one["url"]]
        shipment_status = fulfillment["displayStatus"].lower() if fulfillment["events"] else None
        lines = []
        for row in fulfillment["lines"]:
            line = find(order["lines"], row["lineId"])
            assert line is not None
            lines.append(self.line(order, line, row["quantity"]))
        return {
            "id": fulfillment["id"],
            "admin_graphql_api_id": gid("Fulfillment", fulfillment["id"]),
            "order_id": order["id"],
            "name": fulfillment["name"].replace("-F", "."),
            "status": fulfillment["status"].lower(),
            "service": "manual",
            "location_id": fulfillment["locationId"],
            "created_at": self._time(fulfillment["createdAt"]),
            "updated_at": self._time(fulfillment["updatedAt"]),
            "tracking_company": tracked[0]["company"] if tracked else None,
            "tracking_number": numbers[0] if numbers else None,
            "tracking_numbers": numbers,
            "tracking_url": urls[0] if urls else None,
            "tracking_urls": urls,
            "shipment_status": shipment_status,
            "origin_address": None,
            "receipt": {},
            "line_items": lines,
        }

    def refund(self, order: Document, refund: Document) -> Body:
        rows = []
        for row in refund["lines"]:
            line = find(order["lines"], row["lineId"])
            assert line is not None
            rows.append(
                {
                    "id": row["id"], "line_item_id": row["lineId"], "quantity": row["quantity"],
                    "restock_type": row["restockType"].lower(), "location_id": row["locationId"],
                    "subtotal": float(plain(row["subtotal"], order["currency"])),
                    "subtotal_set": self._bag(order, row["subtotal"]),
                    "total_tax": float(plain(row["tax"], order["currency"])),
                    "total_tax_set": self._bag(order, row["tax"]), "line_item": self.line(order, line),
                }
            )  # fmt: skip
        return {
            "id": refund["id"],
            "admin_graphql_api_id": gid("Refund", refund["id"]),
            "order_id": order["id"],
            "created_at": self._time(refund["createdAt"]),
            "processed_at": self._time(refund["processedAt"]),
            "note": refund["note"],
            "user_id": None,
            "restock": any(row["restocked"] for row in refund["lines"]),
            "refund_line_items": rows,
            "transactions": [
                self.transaction(order, t) for t in order["transactions"] if t["id"] in refund["transactions"]
            ],
            "order_adjustments": [
                {
                    "id": one["id"], "order_id": order["id"], "refund_id": refund["id"],
                    "amount": plain(one["amount"], order["currency"]), "kind": "refund_discrepancy",
                    "reason": one["reason"].replace("_", " ").capitalize(),
                }
                for one in refund["adjustments"]
            ],
            "refund_shipping_lines": [
                {
                    "id": one["id"], "shipping_line_id": one["shippingLineId"],
                    "subtotal_amount_set": self._bag(order, one["amount"]),
                }
                for one in refund["shipping"]
            ],
            "duties": [],
        }  # fmt: skip

    def transaction(self, order: Document, transaction: Document) -> Body:
        return {
            "id": transaction["id"],
            "admin_graphql_api_id": gid("OrderTransaction", transaction["id"]),
            "order_id": order["id"],
            "kind": transaction["kind"].lower(),
            "status": transaction["status"].lower(),
            "gateway": transaction["gateway"],
            "amount": plain(transaction["amount"], order["currency"]),
            "currency": order["currency"],
            "parent_id": transaction["parentId"],
            "test": transaction["test"],
            "created_at": self._time(transaction["createdAt"]),
            "processed_at": self._time(transaction["processedAt"]),
        }

    def event(self, order: Document, subject: Document) -> Body:
        event = subject["event"]
        return {
            "id": event["id"],
            "fulfillment_id": subject["fulfillment"],
            "order_id": order["id"],
            "status": event["status"].lower(),
            "message": event["message"],
            "happened_at": self._time(event["happenedAt"]),
            "created_at": self._time(event["createdAt"]),
        }

    def return_(self, order: Document, entry: Document) -> Body:
        return {
            "id": entry["id"],
            "admin_graphql_api_id": gid("Return", entry["id"]),
            "order": {"id": order["id"], "admin_graphql_api_id": gid("Order", order["id"])},
            "name": entry["name"],
            "status": entry["status"].lower(),
            "total_return_line_items": sum(row["quantity"] for row in entry["lines"]),
            "return_line_items": [
                {
                    "id": row["id"], "admin_graphql_api_id": gid("ReturnLineItem", row["id"]),
                    "fulfillment_line_item": {"id": row["fulfillmentLineId"], "line_item": {"id": row["lineId"]}},
                    "quantity": row["quantity"], "return_reason": row["returnReason"].lower(),
                    "return_reason_note": row["returnReasonNote"],
                }
                for row in entry["lines"]
            ],
        }  # fmt: skip

    def level(self, subject: Document) -> Body:
        """No SKU in it: the item has to be known (Shopify, webhooks)."""
        item = self.shop.items[str(subject["item"])]
        level = item["levels"][str(subject["location"])]
        return {
            "inventory_item_id": item["id"],
            "location_id": subject["location"],
            "available": level["available"],
            "updated_at": self._time(level["updatedAt"]),
            "admin_graphql_api_id": f"{gid('InventoryLevel', level['id'])}?inventory_item_id={item['id']}",
        }

    def item(self, item: Document) -> Body:
        variant = self.shop.variants.get(str(item["variantId"]))
        return {
            "id": item["id"],
            "admin_graphql_api_id": gid("InventoryItem", item["id"]),
            "sku": variant["sku"] if variant else None,
            "tracked": item["tracked"],
            "created_at": self._time(item["createdAt"]),
            "updated_at": self._time(item["updatedAt"]),
        }

    def product(self, product: Document) -> Body:
        variants = [self.shop.variants.get(str(number)) for number in product["variantIds"]]
        return {
            "id": product["id"],
            "admin_graphql_api_id": gid("Product", product["id"]),
            "title": product["title"],
            "handle": product["handle"],
            "status": product["status"].lower(),
            "vendor": product["vendor"],
            "product_type": product["productType"],
            "tags": ", ".join(product["tags"]),
            "created_at": self._time(product["createdAt"]),
            "updated_at": self._time(product["updatedAt"]),
            "options": [{"id": o["id"], "name": o["name"], "values": o["values"]} for o in product["options"]],
            "images": [],
            "variants": [self.variant(variant) for variant in variants if variant is not None],
        }

    def variant(self, variant: Document) -> Body:
        item = self.shop.items[str(variant["inventoryItemId"])]
        return {
            "id": variant["id"],
            "admin_graphql_api_id": gid("ProductVariant", variant["id"]),
            "product_id": variant["productId"],
            "inventory_item_id": variant["inventoryItemId"],
            "title": variant["title"],
            "sku": variant["sku"],
            "barcode": variant["barcode"],
            "price": plain(variant["price"], self.shop.settings.currency),
            "inventory_quantity": stock.total_available(item),
            "inventory_policy": variant["inventoryPolicy"].lower(),
            "created_at": self._time(variant["createdAt"]),
            "updated_at": self._time(variant["updatedAt"]),
        }
