"""What a seller does to an order: accept, track, ship, cancel, refund, reference, fields, and closing an incident."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from marketplace_sync.sandbox.mirakl.actions import Actions
from marketplace_sync.sandbox.mirakl.carriers import CARRIERS, is_reason
from marketplace_sync.sandbox.mirakl.catalogue_api import CUSTOM_FIELDS
from marketplace_sync.sandbox.mirakl.gate import Gate, answer, items, json_body, text, whole
from marketplace_sync.sandbox.mirakl.lifecycle import Lifecycle
from marketplace_sync.sandbox.mirakl.order_book import Order, OrderBook
from marketplace_sync.sandbox.mirakl.settings import MiraklSettings
from marketplace_sync.sandbox.mirakl.values import BadValue, minor, money
from marketplace_sync.sandbox.mirakl.wire import additional_fields
from marketplace_sync.sandbox.mirakl.workflow import CANCELLABLE, DEAD, Refused, line_of

_REFERENCE_LENGTH = 2000


def tracking_of(body: dict[str, Any], settings: MiraklSettings, url_name: str = "carrier_url") -> dict[str, Any]:
    """Carrier and number as sent. Raises Refused for a carrier the operator does not take."""
    code, name = body.get("carrier_code"), body.get("carrier_name")
    for field in ("carrier_code", "carrier_name", "carrier_standard_code", "tracking_number", url_name):
        if not isinstance(body.get(field), str | None):
            raise BadValue(f"The field '{field}' has a wrong datatype")
    if code and code not in CARRIERS:
        raise Refused(f"The carrier with code '{code}' was not found")
    if not code and settings.registered_carriers_only:
        raise Refused("The carrier must be one of the registered carriers")
    if not code and not name and not body.get("carrier_standard_code"):
        raise Refused("The field 'carrier_name' is required when no carrier code is given")
    return {
        "carrier_code": code or None,
        "carrier_name": CARRIERS[code][0] if code else name,
        "carrier_standard_code": body.get("carrier_standard_code"),
        "tracking_number": body.get("tracking_number"),
        "tracking_url": None if code else body.get(url_name),
    }


class OrderWrites:
    """Handlers of OR04, OR21, OR23, OR24, OR28 to OR31 and OR64. (Mirakl, order writes)"""

    def __init__(self, settings: MiraklSettings, book: OrderBook, lifecycle: Lifecycle, actions: Actions) -> None:
        self.settings = settings
        self._book = book
        self._lifecycle = lifecycle
        self._actions = actions

    def open_in(self, gate: Gate) -> None:
        gate.open("OR04", "PUT", "/api/orders", self._reference)
        gate.open("OR21", "PUT", "/api/orders/{order_id}/accept", self._accept)
        gate.open("OR23", "PUT", "/api/orders/{order_id}/tracking", self._track)
        gate.open("OR24", "PUT", "/api/orders/{order_id}/ship", self._ship)
        gate.open("OR28", "PUT", "/api/orders/refund", self._refund)
        gate.open("OR29", "PUT", "/api/orders/{order_id}/cancel", self._cancel_all)
        gate.open("OR30", "PUT", "/api/orders/cancel", self._cancel)
        gate.open("OR31", "PUT", "/api/orders/{order_id}/additional_fields", self._fields)
        gate.open("OR64", "PUT", "/api/orders/{order_id}/lines/{line}/resolve_incident", self._resolve)

    def _copy(self, request: Request) -> Order:
        order_id = request.path_params["order_id"]
        if self._book.get(order_id) is None:
            raise Refused(f"The order with id '{order_id}' was not found", "ORDER_NOT_FOUND", 404)
        return self._book.copy_of(order_id)

    async def _accept(self, request: Request) -> Response:
        order = self._copy(request)
        decisions: dict[str, bool] = {}
        body = await json_body(request)
        if isinstance(body.get("order_lines"), list) and None in body["order_lines"]:
            raise Refused("An order line is null", "ORDER_LINE_NULL_ELEMENT")
        for item in items(body, "order_lines"):
            line_id, accepted = text(item, "id"), item.get("accepted")
            if not isinstance(accepted, bool):
                raise BadValue("The field 'accepted' has a wrong datatype")
            if line_id in decisions:
                raise Refused(f"The order line '{line_id}' is given twice", "ORDER_LINE_DUPLICATE_ID")
            decisions[line_id] = accepted
        lines = {line["id"] for line in order["lines"]}
        if order["state"] != "WAITING_ACCEPTANCE":
            raise Refused(f"The order is {order['state']}, not WAITING_ACCEPTANCE", "ORDER_INVALID_STATE")
        if unknown := set(decisions) - lines:
            raise Refused(f"The order line '{min(unknown)}' was not found", "ORDER_LINE_NOT_FOUND")
        if missing := lines - set(decisions):
            raise Refused(f"The order line '{min(missing)}' has no decision", "ORDER_LINE_ACCEPTANCE_DECISION_MISSING")
        if not self.settings.partial_acceptance and len(set(decisions.values())) > 1:
            raise Refused("All lines must be accepted or refused together", "ORDER_PARTIAL_ACCEPTANCE_DISABLED")
        self._lifecycle.decide(order, decisions)
        self._actions.note("OR21", order["id"], accepted=decisions)
        return Response(status_code=204)

    async def _track(self, request: Request) -> Response:
        order = self._copy(request)
        tracking = tracking_of(await json_body(request), self.settings)
        if order["state"] not in ("SHIPPING", "SHIPPED", "TO_COLLECT"):
            raise Refused(f"The tracking of an order in state {order['state']} cannot be changed")
        order["tracking"] = tracking
        self._book.put(order)
        self._actions.note("OR23", order["id"], **tracking)
        return Response(status_code=204)

    async def _ship(self, request: Request) -> Response:
        order = self._copy(request)
        if self.settings.multi_shipment:
            raise Refused("Orders of a multi-shipment platform are shipped by their shipments")
        if order["state"] != "SHIPPING":
            raise Refused(f"The order is {order['state']}, not SHIPPING")
        if self.settings.mandatory_tracking and not (order["tracking"] or {}).get("tracking_number"):
            raise Refused("Tracking details are mandatory for this shipping method")
        self._lifecycle.ship(order)
        self._actions.note("OR24", order["id"])
        return Response(status_code=204)

    async def _cancel_all(self, request: Request) -> Response:
        order = self._copy(request)
        if order["state"] not in CANCELLABLE:
            raise Refused(f"The order is {order['state']}: it cannot be canceled")
        self._lifecycle.cancel_all(order, "CANCELED_BY_SELLER")
        self._actions.note("OR29", order["id"])
        return Response(status_code=204)

    def _amounts(self, item: dict[str, Any]) -> tuple[str, int, int, str]:
        line_id, reason = text(item, "order_line_id"), text(item, "reason_code")
        if item.get("currency_iso_code") not in (None, self.settings.currency):
            raise Refused(f"The currency of the order line '{line_id}' is {self.settings.currency}")
        amounts = [minor(item.get(name), self.settings.currency, name) for name in ("amount", "shipping_amount")]
        return line_id, amounts[0], amounts[1], reason

    def _taxes(self, item: dict[str, Any], name: str) -> int:
        taxes = item.get(name) or []
        if not isinstance(taxes, list) or not all(isinstance(tax, dict) for tax in taxes):
            raise BadValue(f"The field '{name}' has a wrong datatype")
        return sum(minor(tax.get("amount"), self.settings.currency, f"{name}.amount") for tax in taxes)

    def _tax_mode(self, body: dict[str, Any]) -> None:
        if body.get("order_tax_mode", self.settings.order_tax_mode) != self.settings.order_tax_mode:
            raise Refused(f"The tax mode of the orders is {self.settings.order_tax_mode}")

    async def _refund(self, request: Request) -> Response:
        """All of the items or none. (Mirakl, errors)"""
        body = await json_body(request)
        self._tax_mode(body)
        changed: dict[str, Order] = {}
        done = []
        for item in items(body, "refunds"):
            line_id, amount, shipping, reason = self._amounts(item)
            order = self._order_of(line_id, changed)
            line = line_of(order, line_id)
            if not is_reason(reason, "REFUND"):
                raise Refused(f"The reason '{reason}' was not found")
            taxes = None
            if self.settings.order_tax_mode == "TAX_EXCLUDED":
                if "taxes" not in item:
                    raise Refused("The field 'taxes' is required")
                taxes = (self._taxes(item, "taxes"), self._taxes(item, "shipping_taxes"))
            quantity = whole(item, "quantity") if item.get("quantity") is not None else 0
            refund = self._lifecycle.refund(order, line, amount, shipping, quantity, reason, taxes)
            done.append((item, line_id, order, refund))
        for order in changed.values():
            self._book.put(order)
        for _, line_id, order, refund in done:
            details = {name: refund[name] for name in ("amount", "shipping_amount", "quantity", "reason_code")}
            self._actions.note("OR28", line_id, order_id=order["id"], refund_id=refund["id"], **details)
        rows = [
            {
                **self._echo(item, refund),
                "refund_id": refund["id"],
                "order_refund_id": refund["order_refund_id"],
            }
            for item, _, _, refund in done
        ]
        return answer({"order_tax_mode": self.settings.order_tax_mode, "refunds": rows})

    def _order_of(self, line_id: str, changed: dict[str, Order]) -> Order:
        """The copy that is being changed already, or a new one. A line that is not there fails the whole call."""
        for order in changed.values():
            if any(line["id"] == line_id for line in order["lines"]):
                return order
        try:
            order = self._book.of_line(line_id)
        except LookupError:
            raise Refused(f"The order line with id '{line_id}' was not found") from None
        return changed.setdefault(order["id"], order)

    def _echo(self, item: dict[str, Any], made: dict[str, Any]) -> dict[str, Any]:
        currency = self.settings.currency
        return {
            "order_line_id": item["order_line_id"],
            "amount": money(made["amount"], currency),
            "shipping_amount": money(made["shipping_amount"], currency),
            "currency_iso_code": currency,
            "quantity": made["quantity"],
            "reason_code": made["reason_code"],
        }

    async def _cancel(self, request: Request) -> Response:
        """All of the items or none."""
        body = await json_body(request)
        self._tax_mode(body)
        changed: dict[str, Order] = {}
        done = []
        for item in items(body, "cancelations"):
            line_id, amount, shipping, reason = self._amounts(item)
            order = self._order_of(line_id, changed)
            if not is_reason(reason, "CANCELATION"):
                raise Refused(f"The reason '{reason}' was not found")
            if order["state"] not in (*CANCELLABLE, *DEAD):
                raise Refused(f"The order is {order['state']}: it cannot be canceled")
            quantity = whole(item, "quantity")
            taken = self._lifecycle.cancel(order, line_of(order, line_id), amount, shipping, quantity, reason)
            done.append((item, line_id, order, taken))
        for order in changed.values():
            self._book.put(order)
        for _, line_id, order, taken in done:
            details = {name: taken[name] for name in ("amount", "shipping_amount", "quantity", "reason_code")}
            self._actions.note("OR30", line_id, order_id=order["id"], cancelation_id=taken["id"], **details)
        rows = [{**self._echo(item, taken), "cancelation_id": taken["id"]} for item, _, _, taken in done]
        return answer({"order_tax_mode": self.settings.order_tax_mode, "cancelations": rows})

    async def _reference(self, request: Request) -> Response:
        """Each order for itself: what is wrong with one is in the answer beside the others."""
        rows: list[dict[str, Any]] = []
        for item in items(await json_body(request), "orders", 100):
            order_id = text(item, "order_id")
            reference = (item.get("references") or {}).get("order_reference_for_seller")
            error = None
            if self._book.get(order_id) is None:
                error = {"code": "ORDER_NOT_FOUND", "field": "order_id", "message": f"Order '{order_id}' not found"}
            elif not isinstance(reference, str | None) or len(reference or "") > _REFERENCE_LENGTH:
                field = "references.order_reference_for_seller"
                error = {"code": "VALIDATION_ERROR", "field": field, "message": "The reference is too long"}
            if error is not None:
                rows.append({"order_id": order_id, "errors": [error]})
                continue
            order = self._book.copy_of(order_id)
            if reference is not None:
                order["seller_reference"] = reference
                self._book.put(order)
                self._actions.note("OR04", order_id, order_reference_for_seller=reference)
            updated = {"references": {"order_reference_for_seller": order["seller_reference"]}}
            rows.append({"order_id": order_id, "updated": updated})
        return answer({"updated_orders": rows})

    async def _fields(self, request: Request) -> Response:
        order = self._copy(request)
        body = await json_body(request)
        self._set_fields(order["additional_fields"], body.get("order_additional_fields") or [])
        for item in body.get("order_lines") or []:
            line = line_of(order, text(item, "order_line_id"))
            self._set_fields(line["additional_fields"], item.get("order_line_additional_fields") or [])
        self._book.put(order)
        self._actions.note("OR31", order["id"], fields=order["additional_fields"])
        lines = [
            {
                "order_line_id": line["id"],
                "order_line_additional_fields": additional_fields(line["additional_fields"]),
            }
            for line in order["lines"]
            if line["additional_fields"]
        ]
        kept = additional_fields(order["additional_fields"])
        return answer({"order_update_result": {"order_additional_fields": kept, "order_lines": lines}})

    @staticmethod
    def _set_fields(kept: dict[str, str], sent: list[dict[str, Any]]) -> None:
        for field in sent:
            if not CUSTOM_FIELDS.get(text(field, "code"), ("", "", False))[2]:
                raise Refused(f"The additional field '{field['code']}' cannot be changed by the shop")
            if field.get("value") is None:
                kept.pop(text(field, "code"), None)
            else:
                kept[text(field, "code")] = str(field["value"])

    async def _resolve(self, request: Request) -> Response:
        order = self._copy(request)
        reason = text(await json_body(request), "reason_code")
        if not is_reason(reason, "INCIDENT_CLOSE"):
            raise Refused(f"The reason '{reason}' was not found")
        line = line_of(order, request.path_params["line"])
        self._lifecycle.close_incident(order, line, reason)
        self._actions.note("OR64", line["id"], order_id=order["id"], reason_code=reason)
        return Response(status_code=204)
