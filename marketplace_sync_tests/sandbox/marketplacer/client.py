"""An integration at the simulated instance: GraphQL over HTTP, every exchange held against the vendor's schema."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx

from marketplace_sync.sandbox.serve import RunningSandbox
from marketplace_sync_tests.conformance.marketplacer_schema import have_contracts, validate_exchange
from marketplace_sync_tests.loopback import NO_TLS

ACCOUNT = "market"
OPERATOR = "sandbox-marketplacer-operator-key"
SELLER = "sandbox-marketplacer-seller-hearth"

INVOICE = """query($id: ID!) { node(id: $id) { id __typename ... on Invoice { statusFlags updatedAt totalCents
  shipments { id carrier trackingNumber trackingLink } amendments { id } lineItems { id statusFull quantity } } } }"""


class Client:
    """`ask` expects success; `send` shows everything."""

    def __init__(self, sandbox: RunningSandbox) -> None:
        self.sandbox = sandbox
        self.http = httpx.Client(verify=NO_TLS, timeout=20)
        self.url = f"{sandbox.base_url}/{ACCOUNT}/graphql"

    def post(self, document: str, variables: Any = None, headers: dict[str, str] | None = None) -> httpx.Response:
        sent = {"marketplacer-api-key": OPERATOR} if headers is None else headers
        return self.http.post(self.url, json={"query": document, "variables": variables or {}}, headers=sent)

    def send(self, document: str, variables: Any = None, key: str = OPERATOR) -> dict[str, Any]:
        response = self.post(document, variables, {"marketplacer-api-key": key})
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        if have_contracts() and answer.get("data") is not None:
            complaints = validate_exchange(document, variables or {}, answer)
            assert complaints == [], "\n".join(complaints)
        return answer

    def ask(self, document: str, *, key: str = OPERATOR, **variables: Any) -> Any:
        """The one root field's value."""
        answer = self.send(document, variables, key)
        assert "errors" not in answer, answer["errors"]
        (value,) = answer["data"].values()
        return value

    def act(self, name: str, **arguments: Any) -> Any:
        return self.sandbox.act(ACCOUNT, name, **arguments)

    def advance(self, seconds: float) -> None:
        self.sandbox.control("POST", "clock", {"advance_seconds": seconds})

    def order(self, *skus: str, **more: Any) -> Any:
        lines = [{"sku": sku, "quantity": 2} for sku in skus or ("MUG-RED",)]
        return self.act("place_order", lines=lines, **more)

    def invoice(self, order: Any, number: int = 0) -> Any:
        return self.ask(INVOICE, id=order["invoices"][number]["id"])


def wait_for(condition: Callable[[], Any], seconds: float = 20.0) -> Any:
    """The condition's first true value. Fails when it never comes."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)
    return value
