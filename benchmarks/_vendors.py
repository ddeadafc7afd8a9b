"""The simulated vendors in a process of their own, with settings that the command line of the sandbox does not have.

Run as a program it serves them: `python _vendors.py PORT SETTINGS_AS_JSON`.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

JL, SHOP, KLAVIYO, MIRAKL = "john_lewis", "shopify_main", "klaviyo_main", "mirakl_shop"
MAGENTO, MARKETPLACER = "magento_main", "arcade"
ACCOUNTS = {
    JL: "john_lewis", SHOP: "shopify", KLAVIYO: "klaviyo", MIRAKL: "mirakl", MAGENTO: "magento",
    MARKETPLACER: "marketplacer",
}  # fmt: skip


class Vendors:
    """A sandbox with these settings per account, for as long as the `with` block lasts. The shop is closed."""

    def __init__(self, settings: dict[str, dict[str, Any]], state_file: Path | None = None) -> None:
        self._settings = settings
        self._state_file = state_file
        self._client = httpx.Client(timeout=600)

    def __enter__(self) -> Vendors:
        port = free_port()
        given = {
            "accounts": {name: ACCOUNTS[name] for name in self._settings},
            "settings": self._settings,
            "state_file": None if self._state_file is None else str(self._state_file),
        }
        command = [sys.executable, str(Path(__file__).resolve()), str(port), json.dumps(given)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        if "ready" not in self.process.stdout.readline():
            raise RuntimeError("the sandbox did not start")
        self.base_url = f"http://127.0.0.1:{port}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def act(self, account: str, name: str, **arguments: Any) -> Any:
        return self.control("POST", f"{account}/act/{name}", arguments)

    def control(self, method: str, path: str = "", body: Any = None) -> Any:
        answer = self._client.request(method, f"{self.base_url}/control/{path}".rstrip("/"), json=body)
        answer.raise_for_status()
        return answer.json()

    def documents(self, account: str, collection: str, offset: int = 0) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.control(
            "GET", f"{account}/state/{collection}?limit=10000000&offset={offset}"
        )
        return found

    def counts(self, account: str) -> dict[str, int]:
        found: dict[str, int] = self.control("GET", f"{account}/state")
        return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _serve() -> None:
    from marketplace_sync.sandbox.serve import serve
    from marketplace_sync.sandbox.world import WorldSettings

    port, given = int(sys.argv[1]), json.loads(sys.argv[2])
    state_file = Path(given["state_file"]) if given["state_file"] else None
    serve(
        WorldSettings(
            state_file=state_file,
            accounts=given["accounts"],
            settings=given["settings"],
            shop=False,
            oddities=False,
        ),
        port,
    )


if __name__ == "__main__":
    _serve()
