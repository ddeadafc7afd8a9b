"""A seller at the simulated Mirakl marketplace, as a test needs one: calling over real HTTP with its key."""

from __future__ import annotations

from typing import Any

import httpx

from marketplace_sync.sandbox.serve import RunningSandbox
from marketplace_sync_tests.loopback import NO_TLS

ACCOUNT = "mirakl"
KEY = "sandbox-mirakl-shop-key"
MUG, LAMP, BOWL = "MUG-RED", "LAMP-BLACK", "BOWL-SAND"
DAY = 86_400


class Seller:
    def __init__(self, sandbox: RunningSandbox) -> None:
        self.sandbox = sandbox
        self.address = f"{sandbox.base_url}/{ACCOUNT}"
        self.http = httpx.Client(
            verify=NO_TLS,
            base_url=self.address,
            headers={"Authorization": KEY, "Accept": "application/json"},
            timeout=30,
        )

    def act(self, name: str, **arguments: Any) -> Any:
        return self.sandbox.act(ACCOUNT, name, **arguments)

    def later(self, seconds: float) -> None:
        self.sandbox.control("POST", "clock", {"advance_seconds": seconds})

    def placed(self, *lines: tuple[str, int], **details: Any) -> str:
        """The id of a new order with these (sku, quantity) lines; one mug, unless told."""
        wanted = [{"sku": sku, "quantity": quantity} for sku, quantity in lines or ((MUG, 1),)]
        return str(self.act("place_order", lines=wanted, **details)["order_id"])

    def order(self, order_id: str) -> dict[str, Any]:
        (found,) = self.get("/api/orders", order_ids=order_id)["orders"]
        return dict(found)

    def state(self, order_id: str) -> str:
        return str(self.order(order_id)["order_state"])

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get(path, params=query).raise_for_status().json()
        return found

    def put(self, path: str, body: Any = None) -> httpx.Response:
        return self.http.put(path, json=body) if body is not None else self.http.put(path)

    def accept(self, order_id: str, *accepted: bool) -> httpx.Response:
        """Accept the order's lines, all of them unless told."""
        lines = self.order(order_id)["order_lines"]
        answers = accepted or (True,) * len(lines)
        decided = [
            {"id": line["order_line_id"], "accepted": answer} for line, answer in zip(lines, answers, strict=True)
        ]
        return self.put(f"/api/orders/{order_id}/accept", {"order_lines": decided})

    def paid(self, *lines: tuple[str, int], **details: Any) -> str:
        """The id of a new order that may ship."""
        order_id = self.placed(*lines, **details)
        assert self.accept(order_id).status_code == 204
        self.act("accept_payment", order_id=order_id)
        return order_id

    def shipped(self, *lines: tuple[str, int], **details: Any) -> str:
        order_id = self.paid(*lines, **details)
        tracking = {"carrier_code": "dpd", "tracking_number": "15970001"}
        assert self.put(f"/api/orders/{order_id}/tracking", tracking).status_code == 204
        assert self.put(f"/api/orders/{order_id}/ship").status_code == 204
        return order_id

    def received(self, *lines: tuple[str, int], **details: Any) -> str:
        order_id = self.shipped(*lines, **details)
        self.act("receive", order_id=order_id)
        return order_id

    def refund(self, line_id: str, amount: str, **details: Any) -> httpx.Response:
        item = {"order_line_id": line_id, "amount": float(amount), "shipping_amount": 0, "reason_code": "20", **details}
        return self.put("/api/orders/refund", {"refunds": [item]})

    def cancel(self, line_id: str, amount: str, quantity: int, **details: Any) -> httpx.Response:
        item = {
            "order_line_id": line_id,
            "amount": float(amount),
            "shipping_amount": 0,
            "quantity": quantity,
            **details,
        }
        return self.put("/api/orders/cancel", {"cancelations": [{"reason_code": "10", **item}]})

    def upload(self, path: str, content: str, **fields: str) -> httpx.Response:
        return self.http.post(path, files={"file": ("upload.csv", content.encode(), "text/csv")}, data=fields)

    def offer(self, sku: str) -> dict[str, Any]:
        (found,) = self.get("/api/offers", sku=sku)["offers"]
        return dict(found)

    def documents(self, collection: str) -> list[dict[str, Any]]:
        return self.sandbox.documents(ACCOUNT, collection)

    def actions(self, operation: str) -> list[dict[str, Any]]:
        return [action for action in self.documents("actions") if action["operation"] == operation]

    def pages(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """Every row of a list with page tokens."""
        page = self.get(path, **query)
        found = list(page["data"])
        while "next_page_token" in page:
            page = self.get(path, page_token=page["next_page_token"])
            found += page["data"]
        return found
