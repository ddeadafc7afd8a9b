"""What happens to an invoice after it is paid: parcels, refunds through the workflow, and amendments that bypass it."""

from __future__ import annotations

from typing import Any

from marketplace_sync.sandbox.marketplacer.market import Market, moment_of
from marketplace_sync.sandbox.marketplacer.things import Refused
from marketplace_sync.sandbox.state import Document

OPEN = ("PENDING_APPROVAL", "AWAITING_RETURN")


def waiting(line: Document) -> int:
    """Units that are still to be dispatched."""
    return max(0, int(line["quantity"] - line["sent"] - line["cancelled"]))


def returnable(line: Document) -> int:
    return max(0, int(line["sent"] - line["returned"]))


def save_invoice(market: Market, invoice: Document) -> None:
    """Work out the flags again and keep the invoice; whether the order moves as well is a setting (sheet, 5)."""
    invoice["flags"] = _flags(market, invoice)
    market.save("Invoice", invoice)
    if market.settings.order_moves_with_invoices:
        market.save("Order", market.get("Order", invoice["order"]))


def _flags(market: Market, invoice: Document) -> list[str]:
    """A set that gathers history; what is awaited leaves it once it came (assumed, sheet, 4)."""
    lines = market.all("LineItem", invoice["lineItems"])
    requests = market.all("RefundRequest", invoice["refundRequests"])
    flags = [f for f in invoice["flags"] if f not in ("AWAITING_RETURN", "AWAITING_REFUND", "PARTIALLY_SENT")]
    sent, left = any(line["sent"] for line in lines), any(waiting(line) for line in lines)
    if sent and (left or ("PARTIALLY_SENT" in invoice["flags"] and market.settings.keeps_partially_sent)):
        flags.append("PARTIALLY_SENT")
    if sent and not left and "SENT" not in flags:
        flags.append("SENT")
    if invoice["ready"]:
        flags += [
            f for f in (("READY", "COLLECTED") if invoice["ready"] == "COLLECTED" else ("READY",)) if f not in flags
        ]
    states = {request["status"] for request in requests}
    if any(item["status"] == "AWAITING_RETURN" and not item["back"] for r in requests for item in items(market, r)):
        flags.append("AWAITING_RETURN")
    if states & {"RETURNED", "PROCESSED"}:
        flags.append("AWAITING_REFUND")
    money_back = any(line["cancelled"] or line["returned"] for line in lines) or "REFUNDED" in states
    if all(line["cancelled"] == line["quantity"] for line in lines) and "CANCELLED" not in flags:
        flags.append("CANCELLED")
    if money_back and "PAID" in flags and "REFUNDED" not in flags:
        flags.append("REFUNDED")
    return flags


# --- parcels


def ship(market: Market, invoice: Document, units: list[tuple[Document, int]], parcel: Document) -> Document:
    """One parcel. Raises Refused when there is not so much left to dispatch, or it left before it was ordered."""
    order = market.get("Order", invoice["order"])
    dispatched = moment_of(parcel["dispatchedAt"])
    if market.day(dispatched) < market.day(moment_of(order["createdAt"])):
        raise Refused("dispatched_at", "can't be before the order was placed")
    if not units:
        raise Refused("shipped_items", "can't be blank")
    for line, quantity in units:
        if quantity < 1 or quantity > waiting(line):
            raise Refused(
                "shipped_items", f"quantity can't be greater than the undispatched quantity ({waiting(line)})"
            )
    shipment = market.add(
        "Shipment",
        {
            **parcel,
            "dispatchedAt": market.written(dispatched),
            "invoice": invoice["n"],
            "items": [{"n": market.next("ShippedItem"), "line": line["n"], "quantity": q} for line, q in units],
            "log": [],
        },
    )
    for line, quantity in units:
        line["sent"] += quantity
        market.save("LineItem", line)
    invoice["shipments"].append(shipment["n"])
    save_invoice(market, invoice)
    return shipment


# --- the workflow of refunds


def items(market: Market, request: Document) -> list[Document]:
    return market.all("RefundRequestLineItem", request["lineItems"])


def request_refund(
    market: Market,
    invoice: Document,
    wanted: list[dict[str, Any]],
    initiator: str,
    notes: list[str],
    marks: Document | None = None,
) -> Document:
    """A new request. A wanted line has {line, quantity, reason, dispatched, status} or {custom, quantity,
    amountPerItemCents, onlyRemittance}; `marks` are external ids and metadata as they are kept. Raises Refused for a
    line of another invoice and for too many units."""
    if not wanted:
        raise Refused("line_items", "can't be blank")
    for one in wanted:
        _check(market, invoice, one)
    request = market.add(
        "RefundRequest",
        {
            "invoice": invoice["n"],
            "initiatedBy": initiator,
            "status": "AWAITING",
            "refundedAt": None,
            "cashAmountCents": None,
            "lineItems": [],
            "notes": [],
            "isBack": False,
            **(marks or {}),
        },
    )
    invoice["refundRequests"].append(request["n"])
    _add_items(market, request, wanted)
    settle(market, request, notes)
    return request


def _check(market: Market, invoice: Document, one: dict[str, Any]) -> None:
    line = one.get("line")
    if line is None:
        if one.get("custom") is None or one.get("amountPerItemCents") is None:
            raise Refused("line_items", "need a line item, or a custom description and an amount")
        return
    if line["invoice"] != invoice["n"]:
        raise Refused("line_items", "must belong to the invoice")
    asked = sum(
        item["quantity"]
        for request in market.all("RefundRequest", invoice["refundRequests"])
        for item in items(market, request)
        if item["line"] == line["n"] and item["dispatched"] is one["dispatched"]
        and item["status"] not in ("REFUND_DENIED", "REFUNDED")
    )  # fmt: skip
    most = (returnable(line) if one["dispatched"] else waiting(line)) - asked
    if not 1 <= one["quantity"] <= most:
        kind = "returnable" if one["dispatched"] else "undispatched"
        raise Refused("line_items", f"quantity can't be greater than the {kind} quantity ({max(0, most)})")


def _add_items(market: Market, request: Document, wanted: list[dict[str, Any]]) -> None:
    for one in wanted:
        line = one.get("line")
        per_item = one.get("amountPerItemCents")
        amount = per_item * one["quantity"] if per_item is not None else share(line or {}, one["quantity"])
        item = market.add(
            "RefundRequestLineItem",
            {
                "request": request["n"],
                "line": line["n"] if line else None,
                "quantity": one["quantity"],
                "amountCents": amount,
                "amountPerItemCents": amount // one["quantity"],
                "reason": one.get("reason"),
                "description": one.get("custom"),
                "dispatched": one.get("dispatched"),
                "onlyRemittance": bool(one.get("onlyRemittance")),
                "status": one.get("status") or "AWAITING_RETURN",
                "denyRefundReason": None,
                "back": False,
                **one.get("marks", {}),
            },
        )
        request["lineItems"].append(item["n"])


def share(line: Document, quantity: int) -> int:
    """What the buyer paid for so many units, without postage; all units together are the whole."""
    goods = line["totalCents"] - line["postageCents"]
    done = line["cancelled"] + line["returned"]
    return int(goods * (done + quantity) // line["quantity"] - goods * done // line["quantity"])


def settle(market: Market, request: Document, notes: list[str] | None = None) -> None:
    """Work out the request's status from its lines (sheet, 4), keep it, and move its invoice."""
    states = [item["status"] for item in items(market, request)]
    if "REFUNDED" in states:
        status = "REFUNDED"
    elif all(state == "REFUND_DENIED" for state in states):
        status = "DENIED"
    elif request["isBack"]:
        status = "RETURNED"
    elif any(state in OPEN for state in states):
        status = "AWAITING"
    else:
        status = "PROCESSED"
    request["status"] = status
    for note in notes or []:
        number = market.next("RefundRequestNote")
        kept = {"n": number, "note": note, "newStatus": status if status in _NOTED else "PROCESSED"}
        request["notes"].append({**kept, "timestamp": market.now()})
    market.save("RefundRequest", request)
    save_invoice(market, market.get("Invoice", request["invoice"]))


_NOTED = ("AWAITING", "RETURNED", "DENIED", "PROCESSED", "REFUNDED")


def move_item(market: Market, item: Document, status: str, notes: list[str], reason: str | None = None) -> None:
    """The seller's or the operator's word about one line."""
    if item["status"] == "REFUNDED":
        raise Refused("status", "line item has already been refunded")
    item["status"] = status
    item["denyRefundReason"] = reason
    market.save("RefundRequestLineItem", item)
    settle(market, market.get("RefundRequest", item["request"]), notes)


def bring_back(market: Market, request: Document, notes: list[str]) -> None:
    """The goods are back. Raises Refused for a request that is over."""
    if request["status"] in ("REFUNDED", "DENIED"):
        raise Refused("status", f"can't be returned from {request['status'].lower()}")
    for item in items(market, request):
        item["back"] = True
        market.save("RefundRequestLineItem", item)
    request["isBack"] = True
    settle(market, request, notes)


def deny(market: Market, request: Document, notes: list[str]) -> None:
    if request["status"] == "REFUNDED":
        raise Refused("status", "can't be denied once refunded")
    for item in items(market, request):
        item["status"] = "REFUND_DENIED"
        market.save("RefundRequestLineItem", item)
    settle(market, request, notes)


def revert_denial(market: Market, request: Document, notes: list[str]) -> None:
    if request["status"] != "DENIED":
        raise Refused("status", "isn't denied")
    for item in items(market, request):
        item["status"] = "PENDING_APPROVAL"
        market.save("RefundRequestLineItem", item)
    settle(market, request, notes)


def refund(
    market: Market,
    request: Document,
    notes: list[str],
    cash: int | None = None,
    more: list[dict[str, Any]] | None = None,
    legal: tuple[str, ...] = ("RETURNED", "PROCESSED"),
) -> None:
    """Give the money back. Legal only from RETURNED or PROCESSED (sheet, 4)."""
    if request["status"] not in legal:
        raise Refused("status", f"refund request can't be refunded from {request['status'].lower()}")
    invoice = market.get("Invoice", request["invoice"])
    for one in more or []:
        _check(market, invoice, one)
    _add_items(market, request, more or [])
    for item in items(market, request):
        if item["status"] == "REFUND_DENIED":
            continue
        item["status"] = "REFUNDED"
        market.save("RefundRequestLineItem", item)
        if item["line"] is not None and not item["onlyRemittance"]:
            take_off(market, market.get("LineItem", item["line"]), item["quantity"], bool(item["dispatched"]))
    request["refundedAt"] = market.now()
    paid = sum(
        i["amountCents"] for i in items(market, request) if i["status"] == "REFUNDED" and not i["onlyRemittance"]
    )
    request["cashAmountCents"] = paid if cash is None else cash
    settle(market, request, notes)


def take_off(market: Market, line: Document, quantity: int, dispatched: bool) -> None:
    """Units that came back, or never left."""
    line["returned" if dispatched else "cancelled"] += quantity
    market.save("LineItem", line)


# --- amendments


def amend(market: Market, invoice: Document, wanted: list[dict[str, Any]]) -> Document:
    """Money back without a request: {line, quantity, status, dispatched, amountCents} each, or {custom, quantity,
    amountCents}. No webhook tells of it; the invoice is updated (sheet, 0 and 4)."""
    if not wanted:
        raise Refused("line_items", "can't be blank")
    lines = []
    for one in wanted:
        line = one.get("line")
        if line is not None:
            _check(market, invoice, {**one, "dispatched": bool(one.get("dispatched"))})
        elif one.get("custom") is None or one.get("amountCents") is None:
            raise Refused("line_items", "need a line item, or a custom description and an amount")
        amount = one["amountCents"] if one.get("amountCents") is not None else share(line or {}, one["quantity"])
        lines.append(
            {
                "n": market.next("InvoiceAmendmentLineItem"),
                "line": line["n"] if line else None,
                "custom": one.get("custom"),
                "status": one.get("status") or "REFUNDED",
                "dispatched": bool(one.get("dispatched")),
                "quantity": one["quantity"],
                "amountCents": amount,
            }
        )
        if line is not None:
            take_off(market, line, one["quantity"], bool(one.get("dispatched")))
    total = sum(line["amountCents"] for line in lines)
    amendment = market.add(
        "InvoiceAmendment",
        {
            "invoice": invoice["n"],
            "order": invoice["order"],
            "totalCents": total,
            "lineItems": lines,
            "remittedAt": None,
        },
    )
    invoice["amendments"].append(amendment["n"])
    save_invoice(market, invoice)
    return amendment
