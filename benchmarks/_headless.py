"""What brings a parcel from the store to the marketplace, in this process and without Dagster: receiver and couriers.

For small doses: an interpreter for each of Dagster's programs costs more than all that is measured there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import uvicorn
import yaml
from _vendors import JL, SHOP, free_port

from marketplace_sync.config import load
from marketplace_sync.flows.attend import Attendant
from marketplace_sync.flows.import_orders import import_feed
from marketplace_sync.flows.observe_store import refresh_catalogue
from marketplace_sync.flows.subscribe import subscribe
from marketplace_sync.ledger import embedded
from marketplace_sync.ledger.database import migrate
from marketplace_sync.ledger.location import urls_of
from marketplace_sync.project import open_project
from marketplace_sync.receiver.app import build

_FOR_LONG = 3600.0


class Headless:
    """Runs as long as the `with` block, on a home in this folder. `ready_seconds` is how long its start took."""

    def __init__(self, folder: Path, content: Mapping[str, Any]) -> None:
        self._folder = folder
        self._path = folder / "marketplace_sync.yaml"
        self._path.write_text(yaml.safe_dump(dict(content)), encoding="utf-8")
        self._open = ExitStack()

    def __enter__(self) -> Headless:
        began = time.monotonic()
        with self._open:
            server = self._open.enter_context(embedded.start(self._folder / "home"))
            migrate(server.url)
            configuration, database = load(self._path), urls_of(server.url)
            self._context = self._open.enter_context(open_project(configuration, database=database)).context
            port = free_port()
            # its application closes the project that it is given
            receiver = uvicorn.Server(
                uvicorn.Config(
                    build(open_project(configuration, database=database)), port=port, log_level="warning",
                    access_log=False,
                )
            )  # fmt: skip
            thread = threading.Thread(target=receiver.run)
            thread.start()
            self._open.callback(thread.join)
            self._open.callback(setattr, receiver, "should_exit", True)
            while not receiver.started:
                if not thread.is_alive():
                    raise RuntimeError("the receiver did not start")
                time.sleep(0.01)
            refresh_catalogue(self._context, SHOP)
            subscribe(self._context, SHOP, f"http://127.0.0.1:{port}")
            for name in configuration.connections:
                attendant = Attendant(self._context, name)
                attendant.stay(_FOR_LONG)
                self._open.callback(attendant.leave)
            self.poll_orders()
            self._open = self._open.pop_all()
        self.ready_seconds = time.monotonic() - began
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def poll_orders(self) -> None:
        import_feed(self._context, JL, "orders")
