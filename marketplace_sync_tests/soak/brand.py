"""A brand with four marketplaces and two stores: its simulated vendors in a process of their own, whose clock jumps
from one part of a day to the next, and our side in this process, whose clocks keep step."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
import uvicorn
import yaml
from sqlalchemy import text

from marketplace_sync.config import PACKAGED, load
from marketplace_sync.connectors import shopify
from marketplace_sync.connectors.budget import CostBucket
from marketplace_sync.flows import subscribe
from marketplace_sync.ledger.location import urls_of
from marketplace_sync.project import Project, open_project
from marketplace_sync.receiver import app as receiver
from marketplace_sync.sandbox import catalogue
from marketplace_sync.sandbox.faults import KINDS
from marketplace_sync.sandbox.serve import serve
from marketplace_sync.sandbox.world import WorldSettings

EDGE, HOME, BAZAAR, ARCADE = "john_lewis", "john_lewis_home", "bazaar", "arcade"
SHOPIFY, MAGENTO, KLAVIYO = "shopify_main", "magento_main", "klaviyo_main"
STORE_OF = {EDGE: SHOPIFY, HOME: MAGENTO, BAZAAR: SHOPIFY, ARCADE: MAGENTO}
TELLING = (SHOPIFY, ARCADE)
"""Who sends webhooks."""

ACCOUNTS = {
    EDGE: "john_lewis", HOME: "mirakl", BAZAAR: "mirakl", ARCADE: "marketplacer",
    SHOPIFY: "shopify", MAGENTO: "magento", KLAVIYO: "klaviyo",
}  # fmt: skip

_FREE_OF_LIMITS: dict[str, dict[str, Any]] = {
    # else John Lewis lets nobody take off part of a line, and each such order would wait for a person
    EDGE: {"limit": None, "partial_seller_cancel": True},
    HOME: {"shop_model": "DROPSHIP", "instance": "john-lewis", "multi_shipment": True, "rate_factor": 0},
    BAZAAR: {"instance": "bazaar", "multi_shipment": True, "rate_factor": 0},
    ARCADE: {"per_address": None, "per_key": None, "per_operator": None, "burst_seconds": 0.0},
    SHOPIFY: {"restore_rate": 100_000, "bucket": 1_000_000, "search_lag_seconds": 0},
    # without it the units of all orders that were ever made are read and taken off, at each look at the stock
    MAGENTO: {"reserve_api_orders": True},
    KLAVIYO: {"rate_limits": False},
}
"""A simulated day has more minutes than a run can wait for, so no vendor counts calls per minute. How the limits are
kept is measured elsewhere."""

_QUICK = {"timeout_seconds": 5, "max_attempts": 100, "max_answer_megabytes": 3}
_MIRAKL: dict[str, Any] = {
    "orders_interval": "0s",
    "returns_interval": "0s",
    **dict.fromkeys(
        (
            f"{what}_per_minute"
            for what in (
                "requests", "orders_requests", "lookups", "returns_requests", "imports", "stock_files", "transactions",
            )
        ),
        100_000,
    ),
    "transactions_per_hour": 1_000_000,
    "concurrency": 16,
}  # fmt: skip
_CONNECTIONS: dict[str, dict[str, Any]] = {
    EDGE: {"requests_per_minute": 100_000, "settle_after": "1s", "concurrency": 16},
    HOME: _MIRAKL,
    BAZAAR: _MIRAKL,
    ARCADE: {"requests_per_second": 75, "concurrency": 16},
    SHOPIFY: {"doubt_settles_after": "1s", "concurrent_writes": 16},
    MAGENTO: {
        "requests_per_minute": 100_000,
        "doubt_settles_after": "1s",
        "reservations": "module",
        "concurrent_writes": 16,
    },
    KLAVIYO: {},
}

_CARRIERS_OF_ARCADE = {
    "Royal Mail": "Royal Mail", "DPD UK": "DPD UK", "Evri": "Evri", "Parcelforce": "Other", "Yodel": "Other",
}  # fmt: skip

_HABITS: dict[str, Any] = {
    "orders_per_minute": 0, "stock_changes_per_minute": 0, "history": 0, "discrepancies": False,
    "buyer_cancel_rate": 0.08, "return_rate": 0.12, "seller_cancel_rate": 0.05,
    # longer than a parcel takes: whoever has nothing to send back within hours gives it up
    "return_after_seconds": 1.5 * 86_400,
}  # fmt: skip
"""Somewhat more is cancelled and sent back than the shop has by itself, so that a small dose meets it too."""


def settings(folder: Path, seed: int) -> WorldSettings:
    return WorldSettings(
        state_file=folder / "brand.sqlite",
        seed=seed,
        accounts=dict(ACCOUNTS),
        settings=_FREE_OF_LIMITS,
        shop_settings=_HABITS,
        oddities=False,
    )


def rules(share: float) -> list[dict[str, Any]]:
    """Faults of every kind that together strike this share of all calls."""
    more: dict[str, dict[str, Any]] = {"huge": {"megabytes": 4}, "delay": {"seconds": 0.2}}
    left, found = 1.0, []
    for kind in KINDS:
        # a rule is asked only when none before it struck
        found.append({"kind": kind, "probability": share / len(KINDS) / left, "retry_after": 1, **more.get(kind, {})})
        left -= share / len(KINDS)
    return found


_NOTED_BY_THE_LEDGER = (
    "UPDATE ledger.effects SET not_before = not_before - :by, failing_since = failing_since - :by,"
    " in_doubt_since = in_doubt_since - :by WHERE state IN ('pending', 'in_doubt')",
    "UPDATE ledger.inbox SET not_before = not_before - :by WHERE state = 'received'",
    "UPDATE ledger.outages SET since = since - :by, next_try = next_try - :by",
    "UPDATE ledger.vendor_answers SET kept_at = kept_at - :by",
)
"""A database's clock cannot be moved, so what it noted grows older by as much: a pause of minutes is over by then."""


_UNDER_WAY = (
    "SELECT EXISTS (SELECT FROM ledger.effects e WHERE state = 'sending' OR state IN ('pending', 'in_doubt')"
    " AND not_before <= now() AND effect_id = (SELECT min(effect_id) FROM ledger.effects b WHERE b.subject = e.subject"
    " AND b.connection = e.connection AND b.state IN ('pending', 'sending', 'in_doubt')))"
    " OR EXISTS (SELECT FROM ledger.inbox WHERE state = 'received' AND not_before <= now())"
)


class Brand:
    """`ask` speaks to the simulated vendors' control endpoint, `project` is our side."""

    def __init__(self, url: str, vendors: subprocess.Popen[str], project: Project, clock: Any) -> None:
        self.url = url
        self.vendors = vendors
        self.project = project
        self._clock = clock

    def ask(self, path: str = "", body: Any = None, method: str | None = None) -> Any:
        request = urllib.request.Request(
            f"{self.url}/control/{path}".rstrip("/"),
            data=None if body is None else json.dumps(body).encode(),
            headers={"content-type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=600) as answer:
            return json.load(answer)

    def jump(self, seconds: float) -> None:
        """It is later everywhere."""
        self.ask("clock", {"advance_seconds": seconds}, "POST")
        self._clock.shift(seconds)
        for noted in _NOTED_BY_THE_LEDGER:
            # one table after the other, and whole: whoever works meanwhile locks rows in another sequence
            with self.project.ledger.begin() as connection:
                connection.execute(text(f"LOCK TABLE {noted.split()[1]} IN EXCLUSIVE MODE"))
                connection.execute(text(noted), {"by": timedelta(seconds=seconds)})

    def fill_the_shelves(self) -> None:
        """Nobody in this simulation buys goods in, and what a store cannot ship is late for ever."""
        for account in (SHOPIFY, MAGENTO, ARCADE):
            for product in catalogue.products():
                self.ask(f"{account}/act/set_stock", {"sku": product.sku, "available": 1_000_000}, "POST")

    def set_faults(self, described: list[dict[str, Any]]) -> None:
        for account in ACCOUNTS:
            self.ask(f"{account}/faults", described, "PUT")

    def placed(self) -> int:
        return int(self.ask()["shop"]["done"].get("orders placed", 0))

    def trade(self, orders: int, seconds: float) -> None:
        """So much later, about so many people order, and everything happens that was planned for before."""
        before = self.placed()
        self.ask("shop", {"orders_per_minute": orders}, "PUT")
        self._until(lambda: self.placed() > before)
        self.jump(seconds)
        # the shop makes up for a minute's orders at a jump
        self._until(lambda: self.placed() >= before + orders)
        self.ask("shop", {"orders_per_minute": 0}, "PUT")

    def under_way(self) -> bool:
        """Whether something is at a vendor or may be brought there, or a webhook that came is not handled yet."""
        with self.project.ledger.begin() as connection:
            return bool(connection.execute(text(_UNDER_WAY)).scalar())

    def planned(self) -> set[str]:
        return set(self.ask()["shop"]["plans"])

    def _until(self, there: Any, seconds: float = 300.0) -> None:
        give_up = time.monotonic() + seconds
        while not there():
            assert time.monotonic() < give_up, f"nobody orders: {self.ask()}"
            time.sleep(0.1)


@contextlib.contextmanager
def brand(database_url: str, folder: Path, seed: int = 1) -> Iterator[Brand]:
    """Its vendors' process is ended with the block. What they remember is in the folder: with the same folder and the
    same database a brand goes on living, at the same addresses."""
    known = folder / "addresses.json"
    addresses = json.loads(known.read_text(encoding="ascii")) if known.exists() else {"vendors": 0, "receiver": 0}
    command = [sys.executable, "-m", __name__, str(folder), str(seed), str(addresses["vendors"])]
    vendors = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert vendors.stdout is not None
        said = vendors.stdout.readline().split()
        assert said[:3] == ["sandbox", "ready", "on"], said
        configuration = load(_configuration(folder, said[3]))
        with (
            _free_of_shopifys_cost(),
            open_project(configuration, database=urls_of(database_url)) as project,
            time_machine.travel(_their_time(said[3]), tick=True) as clock,
        ):
            here = Brand(said[3], vendors, project, clock)
            with _receiver(project, addresses["receiver"]) as url:
                addresses = {"vendors": _port(said[3]), "receiver": _port(url)}
                known.write_text(json.dumps(addresses), encoding="ascii")
                here.fill_the_shelves()
                for name in TELLING:
                    assert subscribe.subscribe(project.context, name, url), name
                    here.ask(f"{name}/webhooks", _UNRELIABLE, "PUT")
                yield here
    finally:
        vendors.kill()
        vendors.wait()


_UNRELIABLE = {"duplicate": 0.1, "reorder": 0.2, "drop": 0.05}
"""What happens to webhooks on their way, as probabilities. What is dropped is found by polling, or never."""


def _their_time(url: str) -> datetime:
    """The vendors' clock goes on from where it was."""
    with urllib.request.urlopen(f"{url}/control", timeout=60) as answer:
        return datetime.fromisoformat(json.load(answer)["now"])


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])


@contextlib.contextmanager
def _receiver(project: Project, port: int) -> Iterator[str]:
    """The receiver of webhooks at this address (port 0: any that is free); the project stays open when it ends."""
    server = uvicorn.Server(uvicorn.Config(receiver.build(project), port=port, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, name="receiver")
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@contextlib.contextmanager
def _free_of_shopifys_cost() -> Iterator[None]:
    """Whenever an answer is lost, which tells of the shop's real plan, ours goes by the smallest. No setting changes
    that, and here half a minute would go by each time."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(shopify, "_SMALLEST_BUCKET", CostBucket(capacity=1_000_000, restore_per_second=100_000))
        yield


def _configuration(folder: Path, url: str) -> Path:
    """The packaged configuration less what this brand does not have, in a hurry."""
    content = yaml.safe_load(PACKAGED.read_text(encoding="utf-8"))
    content["connections"] = {
        name: {**content["connections"][name], "base_url": f"{url}/{name}", **_QUICK, **_CONNECTIONS[name]}
        for name in ACCOUNTS
    }
    content["routes"] = {name: content["routes"][name] | {"store": store} for name, store in STORE_OF.items()}
    content["routes"][ARCADE]["carriers"] = _CARRIERS_OF_ARCADE
    path = folder / "marketplace_sync.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


if __name__ == "__main__":
    serve(settings(Path(sys.argv[1]), int(sys.argv[2])), int(sys.argv[3]))
