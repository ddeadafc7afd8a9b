"""Where webhooks arrive in tests: keeps every delivery, and answers as it is told."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any


@dataclass
class Delivery:
    headers: dict[str, str]
    """Names in lower case."""
    raw: bytes

    @property
    def topic(self) -> str:
        return self.headers["x-shopify-topic"]

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    def is_signed_with(self, secret: str) -> bool:
        expected = base64.b64encode(hmac.new(secret.encode(), self.raw, hashlib.sha256).digest()).decode()
        return hmac.compare_digest(expected, self.headers["x-shopify-hmac-sha256"])


class Receiver:
    """A real HTTP server on a free port. `status` is what it answers; 0 hangs up without an answer. While `answering`
    is not set it says nothing."""

    def __init__(self) -> None:
        self.status = 200
        self.deliveries: list[Delivery] = []
        self.answering = threading.Event()
        self.answering.set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.deliveries.append(Delivery(headers, raw))
                receiver.answering.wait(60)
                if receiver.status:
                    self.send_response(receiver.status)
                    self.send_header("content-length", "0")
                    self.end_headers()
                else:
                    self.close_connection = True

            def log_message(self, format: str, *arguments: Any) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hooks"

    def __enter__(self) -> Receiver:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.answering.set()
        self._server.shutdown()
        self._server.server_close()

    def of(self, topic: str) -> list[Delivery]:
        return [one for one in list(self.deliveries) if one.topic == topic]
