"""How webhooks leave the sandbox: after the commit, in order, again when refused, and wrongly when told to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from marketplace_sync.sandbox.serve import RunningSandbox
from marketplace_sync_tests.sandbox.toy import toy_sandbox


class Receiver:
    """Somebody's webhook endpoint; answers with `status`."""

    def __init__(self) -> None:
        self.received: list[str] = []
        self.status = 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.received.append(self.rfile.read(int(self.headers["content-length"])).decode())
                self.send_response(receiver.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Tests need no log."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.close()


@pytest.fixture
def toys(tmp_path: Path) -> Iterator[RunningSandbox]:
    with RunningSandbox(toy_sandbox(tmp_path)) as running:
        yield running


def send(toys: RunningSandbox, url: str, *texts: str) -> None:
    answer = httpx.post(f"{toys.base_url}/toy/hooks", json={"url": url, "texts": texts, "subscription": "s"})
    assert answer.status_code == 200


def waiting(toys: RunningSandbox) -> int:
    count: int = toys.control("GET")["accounts"]["toy"]["webhooks"]["waiting"]
    return count


TEXTS = [f"{number}" for number in range(20)]


def test_deliveries_of_a_subscription_arrive_in_order(toys: RunningSandbox, receiver: Receiver) -> None:
    send(toys, receiver.url, *TEXTS)
    assert toys.eventually(lambda: waiting(toys) == 0)
    assert receiver.received == TEXTS


def test_deliveries_out_of_order_when_told_to(toys: RunningSandbox, receiver: Receiver) -> None:
    toys.control("PUT", "toy/webhooks", {"reorder": 1.0})
    send(toys, receiver.url, *TEXTS)
    assert toys.eventually(lambda: waiting(toys) == 0)
    assert sorted(receiver.received) == sorted(TEXTS)
    assert receiver.received != TEXTS


def test_deliveries_come_twice_when_told_to(toys: RunningSandbox, receiver: Receiver) -> None:
    toys.control("PUT", "toy/webhooks", {"duplicate": 1.0})
    send(toys, receiver.url, "a", "b")
    assert toys.eventually(lambda: waiting(toys) == 0)
    assert receiver.received == ["a", "a", "b", "b"]


def test_deliveries_are_lost_when_told_to(toys: RunningSandbox, receiver: Receiver) -> None:
    toys.control("PUT", "toy/webhooks", {"drop": 1.0})
    send(toys, receiver.url, "a")
    toys.control("PUT", "toy/webhooks", {"drop": 0.0})
    send(toys, receiver.url, "b")
    assert toys.eventually(lambda: receiver.received == ["b"])


def test_a_refused_delivery_comes_again_when_its_time_has_come(toys: RunningSandbox, receiver: Receiver) -> None:
    receiver.status = 500
    send(toys, receiver.url, "a")
    assert toys.eventually(lambda: len(receiver.received) == 1)
    receiver.status = 204
    toys.control("POST", "clock", {"advance_seconds": 11})
    assert toys.eventually(lambda: waiting(toys) == 0)
    assert receiver.received == ["a", "a"]


def test_a_delivery_is_given_up_after_its_last_retry(toys: RunningSandbox, receiver: Receiver) -> None:
    receiver.status = 500
    toys.control("PUT", "toy/webhooks", {"time_scale": 0.0})
    send(toys, receiver.url, "a")
    assert toys.eventually(lambda: waiting(toys) == 0)
    assert receiver.received == ["a"] * 9


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/nobody", "not a url", "http://[::bad", "ftp://example.com/"])
def test_a_bad_address_stops_nobody_elses_deliveries(toys: RunningSandbox, receiver: Receiver, url: str) -> None:
    send(toys, url, "lost")
    send(toys, receiver.url, "a")
    assert toys.eventually(lambda: receiver.received == ["a"])
    assert toys.eventually(lambda: waiting(toys) == 1)


def test_what_waits_is_sent_after_a_restart(tmp_path: Path, receiver: Receiver) -> None:
    with RunningSandbox(toy_sandbox(tmp_path)) as before:
        before.control("PUT", "toy/webhooks", {"delay": 3600})
        send(before, receiver.url, "a")
    with RunningSandbox(toy_sandbox(tmp_path)) as after:
        after.control("POST", "clock", {"advance_seconds": 3601})
        assert after.eventually(lambda: receiver.received == ["a"])


def test_the_log_says_when_each_delivery_was_first_sent(toys: RunningSandbox, receiver: Receiver) -> None:
    """What measures how soon somebody reacts needs the moment at which they could first know; a retry is no news."""
    toys.control("PUT", "toy/webhooks", {"time_scale": 0})
    receiver.status = 500
    send(toys, receiver.url, "a", "b")
    assert toys.eventually(lambda: len(receiver.received) > 4)
    receiver.status = 200
    assert toys.eventually(lambda: toys.control("GET")["accounts"]["toy"]["webhooks"]["waiting"] == 0)
    log = toys.control("GET", "toy/webhooks")
    assert [entry["about"] for entry in log] == ["", ""]
    assert log[0]["sent_at"] <= log[1]["sent_at"]
