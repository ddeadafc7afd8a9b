"""A small Mirakl marketplace that answers over HTTP, keeps what it is told and fails where a test wants it to."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

KEY = "raw-key-of-the-shop"
ADDRESS = {
    "firstname": "Ada",
    "lastname": "Byron",
    "company": None,
    "street_1": "1 High Street",
    "street_2": "Flat 2",
    "zip_code": "N1 1AA",
    "city": "London",
    "state": None,
    "country": "Royaume-Uni",
    "country_iso_code": "GBR",
    "phone": "07700900123",
}


def line(number: int, sku: str, quantity: int, price: float, **changes: Any) -> dict[str, Any]:
    """One order line as OR11 states it; `price` is of the whole line."""
    return {
        "can_refund": False,
        "cancelations": [],
        "category_code": "mugs",
        "category_label": "Mugs",
        "commission_fee": 0,
        "commission_rate_vat": 20,
        "commission_vat": 0,
        "created_date": "2026-03-01T10:00:00Z",
        "description": None,
        "last_updated_date": "2026-03-01T10:00:00Z",
        "offer_id": 100 + number,
        "offer_sku": sku,
        "offer_state_code": "11",
        "order_line_additional_fields": [],
        "order_line_id": str(number),
        "order_line_index": number,
        "order_line_state": None,
        "price": price,
        "price_unit": price / quantity,
        "product_medias": [],
        "product_sku": f"P-{sku}",
        "product_title": sku.title(),
        "quantity": quantity,
        "refunds": [],
        "shipping_price": 0,
        "taxes": [],
        "shipping_taxes": [],
        "total_commission": 0,
        "total_price": price,
        **changes,
    }


@dataclass
class Marketplace:
    """What the marketplace holds, and what it does wrong on request."""

    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    returns: list[dict[str, Any]] = field(default_factory=list)
    shipments: list[dict[str, Any]] = field(default_factory=list)
    transactions: list[dict[str, Any]] = field(default_factory=list)
    cycles: list[dict[str, Any]] = field(default_factory=list)
    files: list[bytes] = field(default_factory=list)
    file_status: dict[str, Any] = field(default_factory=lambda: {"status": "COMPLETE", "has_error_report": False})
    file_report: str = ""
    model: str = "MARKETPLACE"
    multi_shipment: bool = False
    only_registered_carriers: bool = False
    lose_answers_of: set[str] = field(default_factory=set)
    """Paths whose write is carried out once and answered with a 500."""
    calls: list[tuple[str, str]] = field(default_factory=list)
    polls_refused: bool = False
    """Whether the list of orders was read too often; single orders may still be read."""
    blank_from: float = math.inf
    """The place in the list of orders from which on its pages hold nothing, whatever they say of the count."""
    on_page: Callable[[int], None] = lambda offset: None
    clock: int = 0

    def place(self, order_id: str, *lines: dict[str, Any], state: str = "SHIPPING", **changes: Any) -> dict[str, Any]:
        for one in lines:
            one["order_line_id"] = f"{order_id}-{one['order_line_id']}"
            one["order_line_state"] = one["order_line_state"] or state
        price = sum(one["price"] for one in lines)
        waiting = state in ("STAGING", "WAITING_ACCEPTANCE")
        order = {
            "order_id": order_id,
            "commercial_id": order_id.removesuffix("-A"),
            "order_state": state,
            "created_date": "2026-03-01T10:00:00Z",
            "currency_iso_code": "GBP",
            "price": price,
            "shipping_price": 3.95,
            "total_price": round(price + 3.95, 2),
            "total_commission": 0,
            "order_tax_mode": "TAX_INCLUDED",
            "can_cancel": True,
            "can_shop_ship": True,
            "fully_refunded": False,
            "has_customer_message": False,
            "has_incident": False,
            "has_invoice": False,
            "leadtime_to_ship": 2,
            "paymentType": "card",
            "shipping_type_code": "STD",
            "shipping_type_label": "Standard",
            "shipping_zone_code": "GB",
            "shipping_zone_label": "GB",
            "fulfillment": {"center": {"code": "DEFAULT"}},
            "shipping_deadline": "2026-03-04T16:00:00Z",
            "delivery_date": {"earliest": "2026-03-05T00:00:00Z", "latest": "2026-03-07T00:00:00Z"},
            "customer_notification_email": f"notification+{order_id.lower()}.x@notification.mirakl.net",
            "customer": {
                "customer_id": "c1",
                "firstname": "Ada",
                "lastname": "Byron",
                "locale": "en_GB",
                "billing_address": None if waiting else dict(ADDRESS),
                "shipping_address": None if waiting else dict(ADDRESS),
            },
            "order_lines": list(lines),
            **changes,
        }
        self.orders[order_id] = order
        self.touch(order_id)
        return order

    def touch(self, order_id: str) -> None:
        self.clock += 1
        self.orders[order_id]["last_updated_date"] = f"2026-03-01T12:{self.clock // 60:02}:{self.clock % 60:02}Z"

    def state(self, order_id: str, state: str) -> None:
        self.orders[order_id]["order_state"] = state
        for one in self.orders[order_id]["order_lines"]:
            one["order_line_state"] = state
        self.touch(order_id)

    # -- what it answers ---------------------------------------------------------------------------------------------

    async def answer(self, request: Request) -> Response:
        if request.headers.get("authorization") != KEY:
            return JSONResponse({"message": "Unauthorized", "status": 401}, 401)
        path = request.url.path
        self.calls.append((request.method, path))
        body = await request.body()
        if request.method == "GET":
            several = {"order_ids_of_shipments": ",".join(request.query_params.getlist("order_id"))}
            return self._read(path, {**dict(request.query_params), **several})
        done = self._write(path, body)
        if path in self.lose_answers_of and done.status_code < 300:
            self.lose_answers_of.discard(path)
            return PlainTextResponse("gateway", 504)
        return done

    def _read(self, path: str, query: dict[str, str]) -> Response:
        if path == "/api/orders":
            return self._orders(query)
        if path == "/api/account":
            return JSONResponse(
                {"shop_id": 2000, "shop_name": "Mugs", "shop_state": "OPEN", "model": self.model,
                 "currency_iso_code": "GBP"}
            )  # fmt: skip
        if path == "/api/platform/configuration":
            return JSONResponse(
                {
                    "features": {
                        "disable_seller_alternative_carrier": self.only_registered_carriers,
                        "order_tax_mode": "TAX_INCLUDED",
                        "shipment": {"multi_shipment": self.multi_shipment, "multi_part_item_shipment": False},
                        "returns": {"marketplace": True, "drop_ship": False, "one_creditor": False},
                    },
                    "platform_name": "Best Mugs",
                    "timezone": "Europe/London",
                }
            )
        if path == "/api/shipping/carriers":
            return JSONResponse({"carriers": [{"code": "royal-mail", "label": "Royal Mail"}]})
        if path == "/api/reasons":
            reasons = [
                {"code": "9", "label": "Buyer", "type": "CANCELATION", "is_shop_right": False},
                {"code": "10", "label": "Out of stock", "type": "CANCELATION", "is_shop_right": True},
                {"code": "20", "label": "Goodwill", "type": "REFUND", "is_shop_right": True},
            ]
            return JSONResponse({"reasons": reasons, "total_count": 3})
        if path == "/api/returns":
            wanted = query.get("return_id")
            return self._sought([one for one in self.returns if wanted in (None, one["id"])], query)
        if path == "/api/shipments":
            wanted_orders = query["order_ids_of_shipments"].split(",")
            return self._sought([one for one in self.shipments if one["order_id"] in wanted_orders], query)
        if path == "/api/sellerpayment/transactions_logs":
            return self._sought(self.transactions, query)
        if path == "/api/seller-billing-cycles":
            return self._sought(self.cycles, query)
        if path.endswith("/status"):
            known = {"import_id": "77", "date_created": "2026-03-01T10:00:00Z", "shop_id": 2000}
            return JSONResponse({**known, **self.file_status})
        if path.endswith("/error_report"):
            return PlainTextResponse(self.file_report, media_type="text/csv")
        return JSONResponse({"message": "not found", "status": 404}, 404)

    def _orders(self, query: dict[str, str]) -> Response:
        if self.polls_refused and "order_ids" not in query:
            return JSONResponse({"message": "too many requests", "status": 429}, 429, {"retry-after": "3600"})
        found = sorted(self.orders.values(), key=lambda one: (one["created_date"], one["order_id"]))
        if "order_ids" in query:
            found = [one for one in found if one["order_id"] in query["order_ids"].split(",")]
        if "start_update_date" in query:
            found = [one for one in found if one["last_updated_date"] >= query["start_update_date"]]
        start, size = int(query.get("offset", 0)), int(query.get("max", 10))
        page = [] if start >= self.blank_from else found[start : start + size]
        text = json.dumps({"orders": page, "total_count": len(found)})
        self.on_page(start)
        return Response(text, media_type="application/json")

    def _sought(self, rows: list[dict[str, Any]], query: dict[str, str]) -> Response:
        start, size = int(query.get("page_token", 0)), int(query.get("limit", 10))
        more = {"next_page_token": str(start + size)} if start + size < len(rows) else {}
        return JSONResponse({"data": rows[start : start + size], **more})

    def _write(self, path: str, body: bytes) -> Response:
        if path == "/api/offers/stock/imports":
            self.files.append(body)
            return JSONResponse({"import_id": "77"}, 201)
        sent = json.loads(body) if body else {}
        if path == "/api/orders/refund":
            return self._reverse(sent["refunds"], "refunds", "refund_id", sent)
        if path == "/api/orders/cancel":
            return self._reverse(sent["cancelations"], "cancelations", "cancelation_id", sent)
        if path == "/api/shipments":
            return self._ship(sent["shipments"])
        if path.startswith("/api/returns/"):
            return self._return_step(path.rpartition("/")[2], sent["returns"])
        order_id, _, action = path.removeprefix("/api/orders/").partition("/")
        return self._act(self.orders[order_id], action, sent)

    def _return_step(self, action: str, sent: list[dict[str, Any]]) -> Response:
        needed = {"accept": "WAITING_ACCEPTANCE", "receive": "IN_PROGRESS"}.get(action, "RECEIVED")
        target = {"accept": "IN_PROGRESS", "close": "CLOSED"}.get(action, "RECEIVED")
        known = {one["id"]: one for one in self.returns}
        done, errors = [], []
        for one in sent:
            found = known.get(one["id"])
            if found is None or found["state"] != needed:
                what = "not known" if found is None else found["state"]
                errors.append({"id": one["id"], "message": f"the return is {what}"})
                continue
            said = {line["order_line_id"]: line for line in one.get("return_lines", ())}
            for line in found["return_lines"]:
                if line["order_line_id"] in said:
                    line["compliance"] = [dict(said[line["order_line_id"]])]
                    del line["compliance"][0]["order_line_id"]
            found["state"] = target
            done.append({"id": one["id"]})
        return JSONResponse({"return_success": done, "return_errors": errors})

    def _act(self, order: dict[str, Any], action: str, sent: dict[str, Any]) -> Response:
        needed = {"accept": ("WAITING_ACCEPTANCE",), "tracking": ("SHIPPING", "SHIPPED")}.get(action, ("SHIPPING",))
        if order["order_state"] not in needed:
            return JSONResponse(
                {"message": f"the order is {order['order_state']}", "status": 400, "code": "ORDER_INVALID_STATE"}, 400
            )
        if action == "accept":
            if {one["id"] for one in sent["order_lines"]} != {one["order_line_id"] for one in order["order_lines"]}:
                return JSONResponse({"message": "x", "code": "ORDER_LINE_ACCEPTANCE_DECISION_MISSING"}, 400)
            self.state(order["order_id"], "WAITING_DEBIT_PAYMENT")
        elif action == "tracking":
            order["shipping_tracking"] = sent["tracking_number"]
        elif action == "ship":
            if not order.get("shipping_tracking"):
                return JSONResponse({"message": "Tracking details are mandatory for this shipping method"}, 400)
            self.state(order["order_id"], "SHIPPED")
        return Response(status_code=204)

    def _reverse(self, entries: list[dict[str, Any]], name: str, key: str, sent: dict[str, Any]) -> Response:
        made = []
        for entry in entries:
            for order in self.orders.values():
                for one in order["order_lines"]:
                    if one["order_line_id"] == entry["order_line_id"]:
                        self.touch(order["order_id"])
                        number = str(5000 + self.clock)
                        one[name].append(
                            {"id": number, "taxes": [], **entry, "created_date": order["last_updated_date"]}
                        )
                        if name == "cancelations":
                            one["quantity"] -= entry["quantity"]
                            one["price"] = round(one["price"] - entry["amount"], 2)
                        made.append({**entry, key: number, **({"order_refund_id": "1"} if name == "refunds" else {})})
        return JSONResponse({"order_tax_mode": sent.get("order_tax_mode", "TAX_INCLUDED"), name: made})

    def _ship(self, shipments: list[dict[str, Any]]) -> Response:
        done, errors = [], []
        for one in shipments:
            if self.orders[one["order_id"]]["order_state"] != "SHIPPING":
                errors.append({"order_id": one["order_id"], "message": "order is not in SHIPPING"})
                continue
            made = {
                "id": f"s{len(self.shipments)}",
                "created_date": "2026-03-02T10:00:00Z",
                "last_updated_date": "2026-03-02T10:00:00Z",
                "status": "SHIPPED",
                "status_customer_debit": "NO_DEBIT",
                **{key: value for key, value in one.items() if key != "shipped"},
            }
            self.shipments.append(made)
            done.append(made)
        return JSONResponse({"shipment_success": done, "shipment_errors": errors}, 201)


def stated_return(return_id: str, *lines: tuple[str, int], state: str = "WAITING_ACCEPTANCE") -> dict[str, Any]:
    return {
        "id": return_id,
        "order_id": "O1-A",
        "order_commercial_id": "O1",
        "state": state,
        "method_code": "RETURN_METHOD_BY_MAIL",
        "reason_code": "RETURN_OTHER",
        "date_created": "2026-03-10T10:00:00Z",
        "last_updated": "2026-03-10T10:00:00Z",
        "return_address": {"city": "London", "country_iso_code": "GBR", "street1": "1", "zip_code": "N1"},
        "return_lines": [{"order_line_id": key, "quantity": n, "reason_code": "RETURN_OTHER"} for key, n in lines],
    }
