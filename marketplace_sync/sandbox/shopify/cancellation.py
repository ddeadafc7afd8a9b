"""`orderCancel` answers with a job; the order is cancelled when the job is done (Shopify, orderCancel)."""

from __future__ import annotations

import uuid
from typing import Any

from marketplace_sync.sandbox.shopify.refunds import cancel_order
from marketplace_sync.sandbox.shopify.shop import Shop
from marketplace_sync.sandbox.shopify.things import split_gid
from marketplace_sync.sandbox.shopify.wiring import Call, mutation, refused
from marketplace_sync.sandbox.state import Document


def why_not(order: Document) -> str | None:
    """Why an order cannot be cancelled, or None."""
    if order["cancelledAt"]:
        return "Cannot cancel an order that is already cancelled"
    if any(fulfillment["status"] == "SUCCESS" for fulfillment in order["fulfillments"]):
        return "Cannot cancel an order that has fulfillments: cancel those first"
    if any(entry["status"] in ("OPEN", "REQUESTED") for entry in order["returns"]):
        return "Cannot cancel an order with an open return"
    return None


@mutation("orderCancel", "write_orders", errors="orderCancelUserErrors")
def order_cancel(call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
    """Irreversible. Money moves only with `refundMethod.originalPaymentMethodsRefund`."""
    shop = call.shop
    parts = split_gid(arguments["orderId"])
    order = shop.orders.get(parts[1]) if parts and parts[0] == "Order" else None
    if order is None:
        raise refused("Order does not exist", "orderId", code="NOT_FOUND")
    problem = why_not(order)
    if problem is None and any(j["order"] == order["id"] and not j["done"] for j in shop.jobs.values()):
        problem = "Order is already being cancelled"
    if problem is not None:
        raise refused(problem, "orderId", code="INVALID")
    if len(arguments.get("staffNote") or "") > 255:
        raise refused("Staff note is too long (maximum is 255 characters)", "staffNote", code="INVALID")
    method = arguments.get("refundMethod") or {}
    job = {
        "id": str(uuid.uuid4()),
        "done": False,
        "due": shop.clock.timestamp() + shop.settings.job_seconds,
        "order": order["id"],
        "reason": arguments["reason"],
        "restock": arguments["restock"],
        "with_money": bool(method.get("originalPaymentMethodsRefund") or arguments.get("refund")),
        "note": arguments.get("staffNote"),
        "notify": bool(arguments.get("notifyCustomer")),
    }
    shop.jobs.put(job["id"], job)
    return {"job": {"id": f"gid://shopify/Job/{job['id']}", "done": False}, "userErrors": []}


def work_off(shop: Shop) -> None:
    """Do the jobs that are due."""
    now = shop.clock.timestamp()
    for job in [job for job in shop.jobs.values() if not job["done"] and job["due"] <= now]:
        order = shop.orders[str(job["order"])]
        with shop.action():
            # Shipped meanwhile: the job ends without having done anything.
            if why_not(order) is None:
                cancel_order(
                    shop, order, job["reason"], restock=job["restock"], with_money=job["with_money"], note=job["note"]
                )
                shop.mail("cancelled", order, job["notify"])
        job["done"] = True
        shop.jobs.put(job["id"], job)
