"""A shop that is killed comes back with everything it had answered for; a call that failed half way left nothing."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from marketplace_sync.sandbox.clock import Clock
from marketplace_sync.sandbox.shopify import Shopify
from marketplace_sync.sandbox.state import State
from marketplace_sync_tests.sandbox.shopify.app import CREATE, App, wait_for

DEFINE = """mutation($d: MetafieldDefinitionInput!) { metafieldDefinitionCreate(definition: $d) {
  createdDefinition { id } userErrors { message } } }"""
NUMBER = {"namespace": "$app", "key": "number"}

SERVE = """
import sys
from pathlib import Path
from marketplace_sync.sandbox.serve import serve
from marketplace_sync.sandbox.world import WorldSettings
settings = {"restore_rate": None, "search_lag_seconds": 0.0}
serve(WorldSettings(state_file=Path(sys.argv[1]), shop=False, accounts={"shop": "shopify"},
                    settings={"shop": settings}), int(sys.argv[2]))
"""


class Remote:
    """Stands in for the sandbox of a test where it is a process of its own."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self._http = httpx.Client(timeout=20)

    def act(self, account: str, name: str, **arguments: Any) -> Any:
        answer = self._http.post(f"{self.base_url}/control/{account}/act/{name}", json=arguments)
        answer.raise_for_status()
        return answer.json()


@contextmanager
def process(state: Path, port: int) -> Iterator[tuple[App, subprocess.Popen[bytes]]]:
    child = subprocess.Popen([sys.executable, "-c", SERVE, str(state), str(port)])
    base_url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            return httpx.get(f"{base_url}/control").status_code == 200
        except httpx.TransportError:
            return False

    try:
        wait_for(answers, 20)
        yield App(Remote(base_url)), child  # type: ignore[arg-type]
    finally:
        child.kill()
        child.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_killed_shop_has_every_order_it_answered_for_and_no_half_ones(tmp_path: Path) -> None:
    port, state = free_port(), tmp_path / "sandbox.sqlite"
    answered: list[str] = []
    with process(state, port) as (app, child):
        app.do(DEFINE, d={**NUMBER, "name": "N", "type": "id", "ownerType": "ORDER"})
        order = app.order_input()

        def orders() -> None:
            for number in range(10000):
                metafield = {**NUMBER, "type": "id", "value": f"J-{number}"}
                given = {**order, "sourceIdentifier": f"J-{number}", "metafields": [metafield]}
                try:
                    app.do(CREATE, order=given, options={"inventoryBehaviour": "DECREMENT_IGNORING_POLICY"})
                except httpx.TransportError:
                    return
                answered.append(f"J-{number}")

        writer = threading.Thread(target=orders)
        writer.start()
        wait_for(lambda: len(answered) > 40, 20)
        os.kill(child.pid, signal.SIGKILL)
        writer.join(timeout=20)
        app.http.close()
    with process(state, port) as (app, _):
        lookup = "query($i: OrderIdentifierInput!) { orderByIdentifier(identifier: $i) { id sourceIdentifier } }"
        for number in answered:
            found = app.ask(lookup, i={"customId": {**NUMBER, "value": number}})
            assert found["sourceIdentifier"] == number
        kept = len(app.act("list_orders", limit=100000))
        assert kept in (len(answered), len(answered) + 1)
        # One commit per order: the stock has moved exactly as often as orders exist.
        assert app.stock()["committed"] == 2 * kept
        taken = {**app.order_input(), "metafields": [{**NUMBER, "type": "id", "value": answered[0]}]}
        assert app.refuse(CREATE, order=taken)["code"] == "INVALID"
        (work,) = app.routed(app.act("order_by_source", source_identifier=answered[0])["id"])
        assert work["lineItems"]["nodes"][0]["remainingQuantity"] == 2
        assert app.ask("{ ordersCount { count } }") == {"count": kept}
        app.http.close()


def shop(path: Path) -> Shopify:
    return Shopify("shop", state=State("shop", path), clock=Clock(), settings={"search_lag_seconds": 0.0})


def test_a_call_that_fails_inside_leaves_nothing_and_says_so(tmp_path: Path) -> None:
    running = shop(tmp_path / "state.sqlite")
    before = running.state.collections()

    def breaks(*_: Any) -> None:
        raise RuntimeError("the disk is on fire")

    running.shop.publish = breaks
    variant = next(iter(running.shop.variants.values()))
    given = {"lineItems": [{"variantId": f"gid://shopify/ProductVariant/{variant['id']}", "quantity": 1}]}
    answer = _run(running, CREATE, {"order": given, "options": {"inventoryBehaviour": "DECREMENT_IGNORING_POLICY"}})
    assert answer["errors"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert answer["errors"][0]["extensions"]["requestId"] in answer["errors"][0]["message"]
    assert "fire" not in str(answer)
    assert running.state.collections() == before
    level = next(iter(running.shop.items[str(variant["inventoryItemId"])]["levels"].values()))
    assert level["committed"] == 0
    running.state.close()


def _run(running: Shopify, document: str, variables: dict[str, Any]) -> dict[str, Any]:
    import asyncio

    from marketplace_sync.sandbox.shopify.wiring import Call

    call = Call(running.shop, "app", frozenset({"write_orders"}), "2026-10", variables)
    return asyncio.run(running.endpoint.answer(call, document, None, "a-request"))[0]


def test_a_shop_that_opens_again_is_not_filled_twice(tmp_path: Path) -> None:
    first = shop(tmp_path / "state.sqlite")
    seen = first.state.collections()
    first.state.close()
    second = shop(tmp_path / "state.sqlite")
    assert second.state.collections() == seen
    second.state.close()
