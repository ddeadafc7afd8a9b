"""A seller at the simulated John Lewis, as a test needs one: logged in, calling over real HTTP."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import httpx

from marketplace_sync.sandbox.serve import RunningSandbox
from marketplace_sync_tests.loopback import NO_TLS

ACCOUNT = "john_lewis"
LOGIN = ("sandbox-seller", "sandbox-john-lewis")
RETAILER_LOGIN = ("sandbox-john-lewis-buying", "sandbox-partner")
MUG, LAMP, BOWL = "MUG-RED", "LAMP-BLACK", "BOWL-SAND"


class Seller:
    """Calls the account with Basic, so that a test about something else needs no token."""

    def __init__(self, sandbox: RunningSandbox, login: tuple[str, str] | None = LOGIN) -> None:
        self.sandbox = sandbox
        self.address = f"{sandbox.base_url}/{ACCOUNT}"
        self.http = httpx.Client(verify=NO_TLS, base_url=self.address, auth=login, timeout=30)

    def act(self, name: str, **arguments: Any) -> Any:
        return self.sandbox.act(ACCOUNT, name, **arguments)

    def placed(self, *lines: tuple[str, int], **details: Any) -> int:
        """The id of a new order with these (sku, quantity) lines; one mug, unless told."""
        wanted = [{"sku": sku, "quantity": quantity} for sku, quantity in lines or ((MUG, 1),)]
        return int(self.act("place_order", lines=wanted, **details)["order_id"])

    def accepted(self, *lines: tuple[str, int]) -> int:
        """The id of a new order that was acknowledged."""
        order_id = self.placed(*lines)
        assert self.do("acknowledge", order_id).status_code == 200
        return order_id

    def dispatched(self, *lines: tuple[str, int]) -> int:
        """The id of a new order that has left."""
        order_id = self.accepted(*lines)
        assert self.do("dispatch", order_id).status_code == 200
        return order_id

    def order(self, order_id: int) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get(f"/restapi/v4/orders/{order_id}/").raise_for_status().json()
        return found

    def rows(self, order_id: int) -> list[tuple[str, int, str]]:
        """(line reference, quantity, status) of every row."""
        return [(item["line_reference"], item["quantity"], item["status"]) for item in self.order(order_id)["items"]]

    def items(self, order_id: int, **changes: Any) -> list[dict[str, Any]]:
        """Every row of the order as the items of an action, with the same changes to each."""
        dispatch = {"carrier": "dpd", "tracking_number": "15970001", "supplier_dispatch_date": "2026-11-23"}
        return [
            {
                "part_number": item["part_number"],
                "line_ref": item["line_reference"],
                "quantity": item["quantity"],
                **dispatch,
                **changes,
            }
            for item in self.order(order_id)["items"]
        ]

    def do(self, action: str, order_id: int, items: Iterable[dict[str, Any]] | None = None) -> httpx.Response:
        """An action on these items, or on all of the order's rows as they are."""
        body = {"items": list(items) if items is not None else self.items(order_id)}
        return self.http.post(f"/restapi/v4/orders/{order_id}/{action}/", json=body)

    def listed(self, **query: Any) -> dict[str, Any]:
        page: dict[str, Any] = self.http.get("/restapi/v4/orders/", params=query).raise_for_status().json()
        return page

    def listed_ids(self, **query: Any) -> list[int]:
        return [int(order["url"].rstrip("/").rpartition("/")[2]) for order in self.listed(**query)["results"]]

    def actions(self) -> list[dict[str, Any]]:
        return self.sandbox.documents(ACCOUNT, "actions")
