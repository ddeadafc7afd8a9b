"""An integration at the simulated Magento shop: signs every call with oauthlib, holds every exchange to the Swagger."""

from __future__ import annotations

from typing import Any

import httpx
from oauthlib.oauth1 import Client

from marketplace_sync.sandbox.serve import RunningSandbox
from marketplace_sync_tests.conformance.magento_schema import available, validate_exchange
from marketplace_sync_tests.loopback import NO_TLS

ACCOUNT = "magento"
MUG, LAMP, BOWL = "MUG-RED", "LAMP-BLACK", "BOWL-SAND"
KEYS = {
    "client_key": "sandbox-magento-consumer-key",
    "client_secret": "sandbox-magento-consumer-secret",
    "resource_owner_key": "sandbox-magento-access-token",
    "resource_owner_secret": "sandbox-magento-access-token-secret",
}
STREET = {"firstname": "A", "lastname": "Buyer", "street": ["1 High St"], "city": "Leeds", "postcode": "LS1 1AA"}
ADDRESS = {**STREET, "country_id": "GB", "telephone": "-", "email": "relay@example.test"}
LATEST = "searchCriteria[sortOrders][0]"
GROUP = "searchCriteria[filter_groups]"


def doubled(**amounts: float) -> dict[str, float]:
    """Every amount twice, as the shop wants it."""
    return {**amounts, **{f"base_{name}": amount for name, amount in amounts.items()}}


def where(*conditions: tuple[str, Any] | tuple[str, str, Any], **more: Any) -> dict[str, Any]:
    """A query in which all conditions (field, value) or (field, condition, value) have to hold."""
    query: dict[str, Any] = {"searchCriteria": ""}
    for place, condition in enumerate(conditions):
        filter_ = f"{GROUP}[{place}][filters][0]"
        query[f"{filter_}[field]"], query[f"{filter_}[value]"] = condition[0], condition[-1]
        if len(condition) == 3:
            query[f"{filter_}[condition_type]"] = condition[1]
    return {**query, **{f"searchCriteria[{name}]": value for name, value in more.items()}}


class Caller:
    """`get` and `post` expect success; `send` shows everything."""

    def __init__(self, sandbox: RunningSandbox, version: str = "2.4.9") -> None:
        self.sandbox = sandbox
        self.base_url = f"{sandbox.base_url}/{ACCOUNT}"
        self.http = httpx.Client(verify=NO_TLS, timeout=30)
        self.version = version
        self.judging = available()
        self.seen: set[tuple[str, str]] = set()

    def send(
        self, method: str, path: str, body: Any = None, query: dict[str, Any] | None = None, store: str = "default",
        **keys: Any,
    ) -> httpx.Response:  # fmt: skip
        """One signed call; `path` after /V1/ and percent-encoded. `keys` replace what it is signed with."""
        address = path if path.startswith("/") else f"/rest/{store}/V1/{path}"
        url = httpx.URL(f"{self.base_url}{address}", params=query) if query else httpx.URL(f"{self.base_url}{address}")
        signing = {"signature_method": "HMAC-SHA256", "realm": None, **KEYS, **keys}
        _, headers, _ = Client(**signing).sign(str(url), method)
        request = self.http.build_request(method, url, headers=headers, json=body)
        response = self.http.send(request)
        self._judge(method, address, query or {}, body, response)
        return response

    def _judge(self, method: str, address: str, query: dict[str, Any], body: Any, response: httpx.Response) -> None:
        if not self.judging or response.status_code >= 400:
            return
        found = validate_exchange(
            method, address, query, body, response.status_code, response.json(), version=self.version, answers="strict"
        )
        assert found == [], "\n".join(found[:10])
        self.seen.add((method, address.partition("/V1/")[2]))

    def get(self, path: str, query: dict[str, Any] | None = None, **how: Any) -> Any:
        response = self.send("GET", path, query=query, **how)
        assert response.status_code == 200, response.text
        return response.json()

    def post(self, path: str, body: Any = None, **how: Any) -> Any:
        response = self.send("POST", path, body, **how)
        assert response.status_code in (200, 202), response.text
        return response.json()

    def put(self, path: str, body: Any = None, **how: Any) -> Any:
        response = self.send("PUT", path, body, **how)
        assert response.status_code == 200, response.text
        return response.json()

    def refused(self, method: str, path: str, body: Any = None, **how: Any) -> dict[str, Any]:
        """The body of a call that has to be refused, with its status."""
        response = self.send(method, path, body, **how)
        assert response.status_code >= 400, response.text
        found: dict[str, Any] = response.json()
        return {"status": response.status_code, **found}

    def act(self, name: str, **arguments: Any) -> Any:
        return self.sandbox.act(ACCOUNT, name, **arguments)

    def later(self, seconds: float) -> None:
        self.sandbox.control("POST", "clock", {"advance_seconds": seconds})

    # --- what many tests need

    def entity(self, *lines: tuple[str, int], number: str = "JL-1001", **changes: Any) -> dict[str, Any]:
        """An order as complete as it has to be, at 12.00 a unit with tax; two red mugs, unless told."""
        items = [self.item(sku, quantity, f"{number}-{place}") for place, (sku, quantity) in enumerate(lines or _MUGS)]
        units = sum(item["qty_ordered"] for item in items)
        codes = ("global_currency_code", "base_currency_code", "store_currency_code", "order_currency_code")
        rates = ("base_to_global_rate", "base_to_order_rate", "store_to_base_rate", "store_to_order_rate")
        assignment = {
            "method": "flatrate_flatrate", "address": {"address_type": "shipping", **ADDRESS},
            "total": doubled(shipping_amount=0),
        }  # fmt: skip
        return {
            "ext_order_id": number, "increment_id": number, "store_id": 1, "state": "new", "status": "pending",
            "is_virtual": 0, "customer_is_guest": 1, "customer_group_id": 0, "customer_email": "relay@example.test",
            "customer_firstname": "A", "customer_lastname": "Buyer", **dict.fromkeys(codes, "GBP"),
            **dict.fromkeys(rates, 1), "shipping_description": "Marketplace - Standard", "total_qty_ordered": units,
            "total_item_count": len(items), "weight": units, "items": items,
            **doubled(subtotal=10 * units, subtotal_incl_tax=12 * units, tax_amount=2 * units, discount_amount=0,
                      shipping_amount=0, shipping_incl_tax=0, shipping_tax_amount=0, grand_total=12 * units),
            "billing_address": {"address_type": "billing", **ADDRESS},
            "payment": {"method": "checkmo", "account_status": "", "cc_last4": "",
                        "additional_information": ["John Lewis"],
                        **doubled(amount_ordered=12 * units, shipping_amount=0)},
            "extension_attributes": {"shipping_assignments": [{"shipping": assignment, "items": []}]},
            **changes,
        }  # fmt: skip

    def item(self, sku: str, quantity: int, number: str) -> dict[str, Any]:
        return {
            "sku": sku, "name": sku, "product_id": 1, "product_type": "simple", "store_id": 1, "weight": 1,
            "qty_ordered": quantity, "row_weight": quantity, "tax_percent": 20, "ext_order_item_id": number,
            **doubled(price=10, original_price=12, price_incl_tax=12, tax_amount=2 * quantity, discount_amount=0,
                      row_total=10 * quantity, row_total_incl_tax=12 * quantity),
        }  # fmt: skip

    def ordered(self, *lines: tuple[str, int], **changes: Any) -> dict[str, Any]:
        """The answer to a new order of these (SKU, quantity) lines."""
        found: dict[str, Any] = self.post("orders", {"entity": self.entity(*lines, **changes)})
        return found

    def invoiced(self, *lines: tuple[str, int], **changes: Any) -> int:
        """The id of a new order that is paid."""
        order_id = int(self.ordered(*lines, **changes)["entity_id"])
        self.post(f"order/{order_id}/invoice", {"capture": True})
        return order_id

    def order(self, order_id: int) -> dict[str, Any]:
        found: dict[str, Any] = self.get(f"orders/{order_id}")
        return found

    def salable(self, sku: str = MUG) -> int:
        return int(self.get(f"inventory/get-product-salable-quantity/{sku}/1"))

    def lying(self, sku: str = MUG, source: str = "default") -> int:
        (found,) = self.get("inventory/source-items", where(("sku", sku), ("source_code", source)))["items"]
        return int(found["quantity"])


_MUGS = ((MUG, 2),)
