"""The receiver over real HTTP: stored before it is answered, once, and nothing forged or foreign ever."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from marketplace_sync.config import load
from marketplace_sync.flows.deliveries import process_inbox
from marketplace_sync.ledger import work_items
from marketplace_sync.ledger.location import urls_of
from marketplace_sync.project import Project, open_project
from marketplace_sync.receiver.app import LARGEST_BODY, build
from marketplace_sync_tests.flows.town import SHOP, write_configuration
from marketplace_sync_tests.loopback import NO_TLS

SECRET = b"sandbox-shopify-secret"


class Receiver:
    """The receiver on a free port, in a thread."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.server = uvicorn.Server(uvicorn.Config(build(project), port=0, log_level="warning"))
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)
        port = self.server.servers[0].sockets[0].getsockname()[1]
        self.client = httpx.Client(verify=NO_TLS, base_url=f"http://127.0.0.1:{port}", timeout=30)

    def deliver(
        self,
        body: bytes,
        delivery_id: str = "d-1",
        *,
        signature: str | None = None,
        topic: str = "fulfillments/create",
    ) -> httpx.Response:
        headers = {
            "X-Shopify-Topic": topic,
            "X-Shopify-Webhook-Id": delivery_id,
            "X-Shopify-Shop-Domain": "sandbox.myshopify.com",
            "X-Shopify-Hmac-Sha256": signed(body) if signature is None else signature,
        }
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        return self.client.post(f"/webhooks/{SHOP}", content=body, headers=raw)

    def stored(self) -> int:
        with self.project.ledger.begin() as connection:
            return int(connection.execute(text("SELECT count(*) FROM ledger.inbox")).scalar_one())

    def stop(self) -> None:
        self.client.close()
        self.server.should_exit = True
        self.thread.join(10)


def signed(body: bytes) -> str:
    return base64.b64encode(hmac.new(SECRET, body, hashlib.sha256).digest()).decode()


@pytest.fixture
def receiver(database_url: str, tmp_path: Path) -> Iterator[Receiver]:
    path = write_configuration(tmp_path, "http://127.0.0.1:9", {}, {})
    running = Receiver(open_project(load(path), database=urls_of(database_url)))
    yield running
    running.stop()


def test_a_genuine_delivery_is_stored_before_it_is_answered_and_only_once(receiver: Receiver) -> None:
    body = json.dumps({"id": 1, "order_id": 2}).encode()
    assert receiver.deliver(body).status_code == 200
    assert receiver.deliver(body).status_code == 200
    assert receiver.stored() == 1


@pytest.mark.parametrize("signature", ["", "x", "é", base64.b64encode(b"0" * 32).decode(), "A" * 10_000])
def test_a_forged_delivery_is_refused_and_nothing_of_it_is_kept(receiver: Receiver, signature: str) -> None:
    answer = receiver.deliver(b'{"id": 1}', signature=signature)
    assert answer.status_code == 401
    assert receiver.stored() == 0


def test_a_changed_byte_is_a_forgery(receiver: Receiver) -> None:
    assert receiver.deliver(b'{"id": 2}', signature=signed(b'{"id": 1}')).status_code == 401


def test_a_body_of_any_bytes_with_the_right_signature_is_kept_and_shown_or_followed(receiver: Receiver) -> None:
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.binary(max_size=400) | st.from_type(str).map(lambda s: json.dumps({"order_id": s}).encode()))
    def any_body(body: bytes) -> None:
        before = receiver.stored()
        assert receiver.deliver(body, f"d-{hashlib.sha256(body).hexdigest()}").status_code == 200
        assert receiver.stored() in (before, before + 1)

    any_body()
    process_inbox(receiver.project.context, SHOP, limit=1000)
    with receiver.project.ledger.begin() as connection:
        lost = connection.execute(
            text("SELECT count(*) FROM ledger.inbox WHERE state = 'unreadable' AND problem IS NULL")
        ).scalar()
        shown = work_items.counts(connection).get("UNREADABLE_WEBHOOK", 0)
        unreadable = connection.execute(text("SELECT count(*) FROM ledger.inbox WHERE state = 'unreadable'")).scalar()
    assert lost == 0
    assert shown == unreadable
    assert shown > 0


def test_a_delivery_for_nobody_is_404_and_a_giant_one_is_not_read(receiver: Receiver) -> None:
    assert receiver.client.post("/webhooks/nobody", content=b"{}").status_code == 404
    assert receiver.client.post("/webhooks/klaviyo_main", content=b"{}").status_code == 404
    assert receiver.deliver(b" " * (LARGEST_BODY + 1)).status_code == 413
    assert receiver.stored() == 0


def test_without_the_database_a_delivery_is_not_accepted(tmp_path: Path) -> None:
    """The vendor keeps what was not accepted, and comes again."""
    path = write_configuration(tmp_path, "http://127.0.0.1:9", {}, {})
    running = Receiver(open_project(load(path), database=urls_of("postgresql://nobody@127.0.0.1:9/nothing")))
    try:
        assert running.deliver(b'{"id": 1}').status_code == 503
        assert running.client.get("/health").status_code == 503
        assert 'outcome="not_stored"' in running.client.get("/metrics").text
    finally:
        running.stop()
