"""An app in the simulated shop: speaks GraphQL over HTTP, and holds every exchange against the vendor's schema."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx

from marketplace_sync.sandbox.serve import RunningSandbox
from marketplace_sync_tests.conformance.shopify_schema import have_contracts, validate_exchange
from marketplace_sync_tests.loopback import NO_TLS

ACCOUNT = "shop"
TOKEN = "shpat_sandbox"
VERSION = "2026-10"

CREATE = """
mutation Create($order: OrderCreateOrderInput!, $options: OrderCreateOptionsInput) {
  orderCreate(order: $order, options: $options) {
    order { id name updatedAt lineItems(first: 10) { nodes { id sku quantity unfulfilledQuantity } } }
    userErrors { code field message }
  }
}
"""

DECREMENT = {"inventoryBehaviour": "DECREMENT_IGNORING_POLICY", "sendReceipt": False, "sendFulfillmentReceipt": False}


def pounds(amount: str) -> dict[str, Any]:
    return {"shopMoney": {"amount": amount, "currencyCode": "GBP"}}


class App:
    """What a connector is to the shop. `ask` expects success; `send` shows everything."""

    def __init__(self, sandbox: RunningSandbox) -> None:
        self.sandbox = sandbox
        self.http = httpx.Client(verify=NO_TLS, timeout=20)
        self.base_url = f"{sandbox.base_url}/{ACCOUNT}"

    def post(self, body: Any, version: str | None = VERSION, token: str = TOKEN) -> httpx.Response:
        path = f"/admin/api/{version}/graphql.json" if version else "/admin/api/graphql.json"
        return self.http.post(f"{self.base_url}{path}", json=body, headers={"X-Shopify-Access-Token": token})

    def send(self, document: str, variables: dict[str, Any] | None = None, **how: Any) -> dict[str, Any]:
        """The whole answer. Where the contracts are at hand the vendor's schema must agree with both directions."""
        response = self.post({"query": document, "variables": variables or {}}, **how)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        if have_contracts():
            complaints = validate_exchange(document, variables or {}, answer)
            assert complaints == [], "\n".join(complaints)
        return answer

    def ask(self, document: str, **variables: Any) -> Any:
        """The one root field's value, of a call that has to succeed."""
        answer = self.send(document, variables)
        assert "errors" not in answer, answer["errors"]
        (value,) = answer["data"].values()
        return value

    def do(self, document: str, **variables: Any) -> Any:
        """The payload of a mutation that has to succeed."""
        payload = self.ask(document, **variables)
        assert _problems(payload) == [], payload
        return payload

    def refuse(self, document: str, **variables: Any) -> dict[str, Any]:
        """The first user error of a mutation that has to be refused."""
        found = _problems(self.ask(document, **variables))
        assert found, "it was not refused"
        return found[0]

    def error(self, document: str, **variables: Any) -> dict[str, Any]:
        """The first top-level error of a call that has to fail."""
        found: list[dict[str, Any]] = self.send(document, variables)["errors"]
        return found[0]

    # --- what many tests need

    def variant(self, sku: str = "MUG-RED") -> dict[str, Any]:
        document = """query($q: String) { productVariants(first: 5, query: $q) { nodes {
          id sku price inventoryItem { id } } } }"""
        found: list[dict[str, Any]] = self.ask(document, q=f"sku:'{sku}'")["nodes"]
        return found[0]

    def order_input(self, **changes: Any) -> dict[str, Any]:
        order = {
            "sourceIdentifier": "JL-1001",
            "tags": ["john-lewis"],
            "currency": "GBP",
            "taxesIncluded": True,
            "email": "relay@example.test",
            "shippingAddress": {"firstName": "A", "lastName": "Buyer", "city": "Leeds", "countryCode": "GB"},
            "lineItems": [self.line()],
            "transactions": [{"kind": "SALE", "gateway": "John Lewis", "amountSet": pounds("24.00")}],
        }
        return {**order, **changes}

    def line(self, sku: str = "MUG-RED", quantity: int = 2, **changes: Any) -> dict[str, Any]:
        line = {
            "variantId": self.variant(sku)["id"],
            "quantity": quantity,
            "requiresShipping": True,
            "priceSet": pounds("12.00"),
            "taxLines": [{"title": "VAT", "rate": "0.2", "priceSet": pounds("4.00")}],
        }
        return {**line, **changes}

    def create(self, options: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
        """A new order of two red mugs at 12.00 each, paid, its stock claimed."""
        payload = self.do(CREATE, order=self.order_input(**changes), options=options or DECREMENT)
        found: dict[str, Any] = payload["order"]
        return found

    def order(self, order_id: str, fields: str) -> Any:
        return self.ask(f"query($id: ID!) {{ order(id: $id) {{ {fields} }} }}", id=order_id)

    def stock(self, sku: str = "MUG-RED") -> dict[str, int]:
        """Quantities of a SKU by name."""
        document = """query($id: ID!) { inventoryItem(id: $id) { inventoryLevels(first: 5) { nodes {
          quantities(names: ["available", "committed", "on_hand"]) { name quantity } } } } }"""
        item = self.ask(document, id=self.variant(sku)["inventoryItem"]["id"])
        return {one["name"]: one["quantity"] for one in item["inventoryLevels"]["nodes"][0]["quantities"]}

    def location(self) -> str:
        return str(self.ask("{ location { id } }")["id"])

    def act(self, name: str, **arguments: Any) -> Any:
        return self.sandbox.act(ACCOUNT, name, **arguments)

    def advance(self, seconds: float) -> None:
        self.sandbox.control("POST", "clock", {"advance_seconds": seconds})

    def routed(self, order_id: str) -> list[dict[str, Any]]:
        """The order's fulfilment orders, once they are there."""
        fields = """fulfillmentOrders(first: 10) { nodes { id status requestStatus assignedLocation { location { id } }
          supportedActions { action } lineItems(first: 10) { nodes { id sku totalQuantity remainingQuantity
          lineItem { id } inventoryItemId } } } }"""
        found: list[dict[str, Any]] = wait_for(lambda: self.order(order_id, fields)["fulfillmentOrders"]["nodes"])
        return found


def _problems(payload: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = payload.get("orderCancelUserErrors") or payload.get("userErrors") or []
    return found


def wait_for(condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    """The condition's first true value. Fails when it never comes."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)
    return value
