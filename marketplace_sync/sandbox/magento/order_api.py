"""Orders and what is written for them, over the wire."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable
from typing import Any

from marketplace_sync.sandbox.magento import criteria, order_entry, papers
from marketplace_sync.sandbox.magento.amounts import ZERO, exact
from marketplace_sync.sandbox.magento.errors import Refused, no_such
from marketplace_sync.sandbox.magento.gate import Call, Gate
from marketplace_sync.sandbox.magento.shapes import (
    ADDRESS,
    HISTORY,
    INVOICE,
    ITEM,
    ORDER,
    REFUND,
    SHIPMENT,
    TRACK,
    Shape,
    named,
    plain,
)
from marketplace_sync.sandbox.magento.shop import NAMES, Shop
from marketplace_sync.sandbox.state import Collection, Document


def scalar_columns(shape: Shape) -> frozenset[str]:
    """Columns of the main table: only these can be filtered by, nothing nested. (search criteria)"""
    return frozenset(name for name, kind in shape.members.items() if isinstance(kind, str))


_MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
_PAPER_COLUMNS = scalar_columns(
    plain(
        text="increment_id created_at updated_at order_currency_code transaction_id",
        whole="entity_id order_id store_id state invoice_id email_sent customer_id billing_address_id"
        " shipping_address_id",
        number="total_qty",
        twins="grand_total shipping_amount adjustment subtotal tax_amount",
    )
)


class OrderApi:
    def __init__(self, shop: Shop) -> None:
        self.shop = shop

    def open_in(self, gate: Gate) -> None:
        sales, view = "Magento_Sales::", "Magento_Sales::actions_view"
        gate.open("GET", "orders", view, self._list)
        gate.open("POST", "orders", f"{sales}create", self._save, named("entity", ORDER))
        gate.open("PUT", "orders/create", f"{sales}create", self._save, named("entity", ORDER))
        gate.open("PUT", "orders/{parent_id}", f"{sales}create", self._save_address, named("entity", ADDRESS))
        gate.open("GET", "orders/items", view, self._list_items)
        gate.open("GET", "orders/items/{id}", view, self._item)
        gate.open("GET", "orders/{id}", view, lambda call: order_entry.answer(self._order(call)))
        gate.open("GET", "orders/{id}/statuses", view, lambda call: self._order(call)["status"])
        gate.open("GET", "orders/{id}/comments", view, self._comments)
        gate.open("POST", "orders/{id}/comments", f"{sales}comment", self._comment, named("statusHistory", HISTORY))
        gate.open("POST", "orders/{id}/cancel", f"{sales}cancel", lambda c: papers.cancel(self.shop, self._order(c)))
        gate.open("POST", "orders/{id}/hold", f"{sales}hold", lambda c: papers.hold(self.shop, self._order(c)))
        gate.open("POST", "orders/{id}/unhold", f"{sales}unhold", lambda c: papers.unhold(self.shop, self._order(c)))
        gate.open("POST", "orders/{id}/emails", f"{sales}email", self._email)
        gate.open("POST", "order/{orderId}/invoice", f"{sales}invoice", self._invoice, INVOICE)
        gate.open("POST", "order/{orderId}/ship", f"{sales}ship", self._ship, SHIPMENT)
        gate.open("POST", "order/{orderId}/refund", f"{sales}creditmemo", self._refund, REFUND)
        gate.open("POST", "invoice/{invoiceId}/refund", f"{sales}creditmemo", self._refund_invoice, REFUND)
        shop = self.shop
        for plural, one, resource, table in (
            ("invoices", "invoices/{id}", "sales_invoice", shop.invoices),
            ("shipments", "shipment/{id}", "shipment", shop.shipments),
            ("creditmemos", "creditmemo/{id}", "sales_creditmemo", shop.creditmemos),
        ):
            gate.open("GET", plural, sales + resource, _paper_list(shop, table))
            gate.open("GET", one, sales + resource, _paper(table))
        gate.open("POST", "shipment/track", f"{sales}shipment", self._track, named("entity", TRACK))
        gate.open("DELETE", "shipment/track/{id}", f"{sales}shipment", self._delete_track)

    def _order(self, call: Call) -> Document:
        return self.shop.order(call.number("orderId" if "orderId" in call.path else "id"))

    def _id(self, paper: Document) -> str | int:
        """A bare id, as text or not. (errors)"""
        return str(paper["entity_id"]) if self.shop.settings.ids_as_text else int(paper["entity_id"])

    def _list(self, call: Call) -> dict[str, Any]:
        columns = scalar_columns(ORDER)
        asked = criteria.parse(call.query, self.shop.settings)
        return criteria.search(
            self._narrowed(asked), asked, self.shop.settings, lambda row, name: row.get(name),
            columns.__contains__, order_entry.answer,
        )  # fmt: skip

    def _narrowed(self, asked: criteria.Criteria) -> Iterable[Document]:
        """By key or number without a scan, as an index would: the filters are still to be applied."""
        for column, condition, value in asked.certain():
            if column == "entity_id" and condition == "eq":
                found = self.shop.orders.get(value)
                return [found] if found else []
            if column == "entity_id" and condition == "in" and value.replace(",", "").isdecimal():
                keys = sorted({int(one) for one in value.split(",") if one})
                return [order for key in keys if (order := self.shop.orders.get(str(key)))]
            if column in NAMES and condition == "eq":
                return self.shop.orders_named(column, value)
            if column == "updated_at" and condition in ("gt", "gteq", "from") and _MOMENT.fullmatch(value):
                return self.shop.orders_moved_since(value)
        return self.shop.orders.values()

    def _save(self, call: Call) -> dict[str, Any]:
        return order_entry.answer(order_entry.save(self.shop, call.body["entity"]))

    def _save_address(self, call: Call) -> dict[str, Any]:
        """Easily taken for the saving of an order: it is that of an order's address. (creating an order)"""
        order, given = self.shop.order(call.number("parent_id")), call.body["entity"]
        address: Document
        if given["address_type"] == "billing":
            address = order.setdefault("billing_address", {})
        else:
            assigned = (order.get("extension_attributes") or {}).get("shipping_assignments") or []
            if not assigned:
                raise no_such("parent_id", call.path["parent_id"])
            address = assigned[0]["shipping"].setdefault("address", {})
        address.update(given, parent_id=order["entity_id"])
        self.shop.put_order(order)
        return address

    def _list_items(self, call: Call) -> dict[str, Any]:
        rows: Iterable[Document] = (item for order in self.shop.orders.values() for item in order["items"])
        asked = criteria.parse(call.query, self.shop.settings)
        for column, condition, value in asked.certain():
            if column == "item_id" and condition == "gt" and value.isdecimal():
                rows = self.shop.items_after(int(value))
        columns = scalar_columns(ITEM)
        return criteria.search(rows, asked, self.shop.settings, lambda row, name: row.get(name), columns.__contains__)

    def _item(self, call: Call) -> Document:
        wanted = call.number("id")
        for order in self.shop.orders.values():
            items: list[Document] = order["items"]
            for item in items:
                if item["item_id"] == wanted:
                    return item
        raise no_such("id", wanted)

    def _comments(self, call: Call) -> dict[str, Any]:
        histories = self._order(call)["status_histories"]
        return {"items": histories, "search_criteria": {"filter_groups": []}, "total_count": len(histories)}

    def _comment(self, call: Call) -> bool:
        given = call.body["statusHistory"]
        order_entry.add_comment(
            self.shop, self._order(call), given["comment"], given.get("status"),
            visible=int(given["is_visible_on_front"]), notified=int(given["is_customer_notified"]),
        )  # fmt: skip
        return True

    def _email(self, call: Call) -> bool:
        order = self._order(call)
        order["email_sent"] = 1
        self.shop.put_order(order)
        return True

    def _invoice(self, call: Call) -> str | int:
        order, body = self._order(call), call.body
        made = papers.invoice(self.shop, order, body.get("items"), bool(body.get("capture")))
        papers.note(self.shop, order, made, self.shop.invoices, body)
        return self._id(made)

    def _ship(self, call: Call) -> str | int:
        order, body = self._order(call), call.body
        extension = (body.get("arguments") or {}).get("extension_attributes") or {}
        made = papers.ship(self.shop, order, body.get("items"), body.get("tracks"), extension.get("source_code"))
        papers.note(self.shop, order, made, self.shop.shipments, body)
        return self._id(made)

    def _refund(self, call: Call) -> str | int:
        return self._refunded(self._order(call), call.body, None)

    def _refund_invoice(self, call: Call) -> str | int:
        invoice = self.shop.invoices.get(call.path["invoiceId"])
        if invoice is None:
            raise no_such("invoiceId", call.path["invoiceId"])
        if call.body.get("isOnline"):
            raise Refused(400, "Creditmemo Document Validation Error(s):\nThe payment method refunds nothing online.")
        return self._refunded(self.shop.order(invoice["order_id"]), call.body, invoice["entity_id"])

    def _refunded(self, order: Document, body: dict[str, Any], invoice_id: int | None) -> str | int:
        arguments = body.get("arguments") or {}
        shipping = arguments.get("shipping_amount")
        made = papers.refund(
            self.shop, order, body.get("items"),
            shipping=None if shipping is None else exact(shipping),
            positive=exact(arguments.get("adjustment_positive")) or ZERO,
            negative=exact(arguments.get("adjustment_negative")) or ZERO,
            back_to_stock=(arguments.get("extension_attributes") or {}).get("return_to_stock_items"),
            invoice_id=invoice_id,
        )  # fmt: skip
        papers.note(self.shop, order, made, self.shop.creditmemos, body)
        return self._id(made)

    def _track(self, call: Call) -> Document:
        given = call.body["entity"]
        shipment = self.shop.shipments.get(str(given["parent_id"]))
        if shipment is None or shipment["order_id"] != int(given["order_id"]):
            raise no_such("parent_id", given["parent_id"])
        return add_track(self.shop, shipment, given)

    def _delete_track(self, call: Call) -> bool:
        wanted = call.number("id")
        for shipment in self.shop.shipments.values():
            kept = [one for one in shipment["tracks"] if one["entity_id"] != wanted]
            if len(kept) < len(shipment["tracks"]):
                shipment["tracks"] = kept
                self.shop.shipments.put(str(shipment["entity_id"]), shipment)
                return True
        raise no_such("id", wanted)


def add_track(shop: Shop, shipment: Document, given: dict[str, Any]) -> Document:
    """A track that comes later. Whether the shipment's time moves is a setting: nobody is certain. (shipment)"""
    made = papers.track(shop, shipment, given)
    if shop.settings.late_track_touches_shipment:
        shipment["updated_at"] = shop.now()
    shop.shipments.put(str(shipment["entity_id"]), shipment)
    return made


def _paper_list(shop: Shop, table: Collection) -> Callable[[Call], dict[str, Any]]:
    papers = _Papers(shop, table)

    def listed(call: Call) -> dict[str, Any]:
        asked = criteria.parse(call.query, shop.settings)
        return criteria.search(
            papers.narrowed(asked), asked, shop.settings, lambda row, name: row.get(name), _PAPER_COLUMNS.__contains__
        )

    return listed


class _Papers:
    """Papers of one kind by their order, as an index would find them: none is ever deleted or moves to another."""

    def __init__(self, shop: Shop, table: Collection) -> None:
        self._table = table
        self._forget()
        shop.state.on_reload.append(self._forget)

    def _forget(self) -> None:
        self._of_order: dict[str, list[str]] = {}
        self._seen = 0

    def narrowed(self, asked: criteria.Criteria) -> Iterable[Document]:
        """Those of the orders that are asked for, in the table's order; the filters are still to be applied."""
        for column, condition, value in asked.certain():
            if column == "order_id" and condition in ("eq", "in"):
                given = [one.strip() for one in value.split(",")]
                if all(one.isdecimal() for one in given):
                    return self._of([str(int(one)) for one in given])
        return self._table.values()

    def _of(self, order_ids: list[str]) -> list[Document]:
        for key in itertools.islice(self._table.keys(), self._seen, None):
            self._of_order.setdefault(str(self._table[key]["order_id"]), []).append(key)
            self._seen += 1
        keys = {key for order_id in order_ids for key in self._of_order.get(order_id, [])}
        return [self._table[key] for key in sorted(keys, key=int)]


def _paper(table: Collection) -> Callable[[Call], Document]:
    def found(call: Call) -> Document:
        paper = table.get(call.path["id"])
        if paper is None:
            raise no_such("id", call.path["id"])
        return paper

    return found
