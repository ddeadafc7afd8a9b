"""A whole installation under `marketplace-sync up`, in a home and on ports of its own, that can be shot at."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import yaml

from marketplace_sync.cli.previous import MARK
from marketplace_sync.config import PACKAGED
from marketplace_sync.ledger import embedded
from marketplace_sync.sandbox import default_world
from marketplace_sync.sandbox.serve import RunningSandbox
from marketplace_sync.sandbox.world import WorldSettings
from marketplace_sync_tests.cli.command import COMMAND, Going
from marketplace_sync_tests.faults.books import Books, balance
from marketplace_sync_tests.faults.documents import JL, KLAVIYO, SHOP
from marketplace_sync_tests.flows.town import small

CARRIERS = {
    "Royal Mail": "royal-mail", "DPD UK": "dpd", "Evri": "evri", "Parcelforce": "parcelforce", "Yodel": "yodel",
}  # fmt: skip
"""Every carrier that the simulated warehouse uses, but for the one that exists nowhere."""

_PARTS = {
    "sandbox": "marketplace_sync.sandbox.serve",
    "receiver": "marketplace_sync.receiver",
    "web interface": "dagster_webserver",
    "daemon": "dagster._daemon",
    "code server": " api grpc ",
    "run": "multiprocessing.spawn import spawn_main",
    "closer of the database": "marketplace_sync.ledger.embedded",
}

_ENDLESS_PLANS = {"change_consent", "return"}
"""What the simulated shop may have in mind for hours: an order that never leaves is never sent back."""


def write_configuration(
    path: Path, sandbox_url: str, connections: Mapping[str, Mapping[str, Any]] | None = None
) -> Path:
    """The packaged configuration for a sandbox elsewhere, with every carrier mapped and short patience, so that doubts
    are settled within a test."""
    content = small(yaml.safe_load(PACKAGED.read_text(encoding="utf-8")))
    patience: dict[str, dict[str, Any]] = {
        JL: {"settle_after": "2s"}, SHOP: {"doubt_settles_after": "2s"}, KLAVIYO: {},
    }  # fmt: skip
    for name, connection in content["connections"].items():
        connection |= {"base_url": f"{sandbox_url}/{name}", "timeout_seconds": 3, "connect_timeout_seconds": 1}
        connection |= {**patience[name], "max_attempts": 100, **(connections or {}).get(name, {})}
    content["routes"]["john_lewis"]["carriers"] = dict(CARRIERS)
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]


class Installation:
    """`up`, its sandbox, and whoever shoots at them. `kills` counts by part."""

    def __init__(self, home: Path, shop: Mapping[str, Any] | None = None) -> None:
        self.home = home
        self.web_port, self.receiver_port, self.sandbox_port = _free_ports(3)
        self.sandbox_url = f"http://127.0.0.1:{self.sandbox_port}"
        home.mkdir(parents=True, exist_ok=True)
        configuration = write_configuration(home / "marketplace_sync.yaml", self.sandbox_url)
        self.environ = {
            **{name: "" for name in os.environ if name.startswith(("MARKETPLACE_SYNC_", "DAGSTER_"))},
            "MARKETPLACE_SYNC_HOME": str(home),
            "MARKETPLACE_SYNC_CONFIG": str(configuration),
        }
        self.shop = dict(shop or {})
        """Knobs of the simulated shop."""
        self.kills: dict[str, int] = {}
        self.passing: subprocess.Popen[bytes] | None = None
        self._open_shop()
        self.going = self._up()

    def _open_shop(self) -> None:
        """The world as `up` makes it, but with these knobs from its first morning on: what is planned stays planned."""
        world = WorldSettings(
            state_file=self.home / "sandbox" / "world.sqlite",
            accounts=dict(default_world.ACCOUNTS),
            settings=dict(default_world.SETTINGS),
            shop_settings={**self.shop, "orders_per_minute": 0.0},
        )
        with RunningSandbox(world) as running:
            give_up = time.monotonic() + 60
            # the first change of a stock is what the shop does when its first morning is over
            while "set_stock" not in running.control("GET")["shop"]["done"]:
                assert time.monotonic() < give_up, "the shop has no first morning"
                time.sleep(0.05)

    def _up(self) -> Going:
        ports = ["--port", self.web_port, "--receiver-port", self.receiver_port, "--sandbox-port", self.sandbox_port]
        return Going([*COMMAND, "up", *map(str, ports)], self.environ, self.home.parent)

    def until_ready(self) -> None:
        self.going.until_printed("Ctrl-C stops everything.", 180)

    # the sandbox

    def ask(self, path: str, body: Any = None, method: str | None = None) -> Any:
        """One call of the control endpoint. It may be down because it was shot: then it is waited for."""
        request = urllib.request.Request(
            f"{self.sandbox_url}/control/{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"content-type": "application/json"},
            method=method,
        )
        give_up = time.monotonic() + 120
        while True:
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as problem:
                raise AssertionError(f"{path}: {problem.code} {problem.read().decode()}") from None
            except OSError:
                assert time.monotonic() < give_up, f"the sandbox is gone; up printed\n{self.going.text}"
                time.sleep(0.2)

    def set_shop(self, **knobs: Any) -> None:
        self.ask("shop", knobs, "PUT")

    def set_faults(self, account: str, rules: list[dict[str, Any]]) -> None:
        self.ask(f"{account}/faults", rules, "PUT")

    def books(self) -> Books:
        return balance(self.ask, set(CARRIERS))

    # shooting

    def targets(self) -> dict[str, list[psutil.Process]]:
        """Every process of this installation, by what it is."""
        found: dict[str, list[psutil.Process]] = {"up": [psutil.Process(self.going.process.pid)]}
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                environ = process.environ()
                if not environ.get(MARK) or environ.get("MARKETPLACE_SYNC_HOME") != str(self.home):
                    continue
                command = f"{' '.join(process.cmdline())} "
                part = next((part for part, words in _PARTS.items() if words in command), None)
                if part is not None:
                    found.setdefault(part, []).append(process)
        with contextlib.suppress(psutil.Error, OSError, ValueError, IndexError):
            pid = int((self.home / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
            server = psutil.Process(pid)
            found["database server"] = [server]
            found["database session"] = server.children()
        if self.passing is not None and self.passing.poll() is None:
            found["pass by hand"] = [psutil.Process(self.passing.pid)]
        return {part: processes for part, processes in found.items() if processes}

    def shoot(self, chance: random.Random, part: str | None = None) -> str:
        """SIGKILL for one process of this part, or of any with the same chance. Returns which part it was; empty when
        that process had just ended by itself."""
        targets = self.targets()
        part = part if part in targets else chance.choice(sorted(targets))
        try:
            chance.choice(targets[part]).send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            return ""
        self.kills[part] = self.kills.get(part, 0) + 1
        if part == "up":
            self.going.end()
            self.going = self._up()
            self.until_ready()
        return part

    # settling

    def keep_passing(self) -> None:
        """Have a pass over everything under way, beside what `up` does: a further courier, import and target."""
        if self.passing is None or self.passing.poll() is not None:
            self.passing = subprocess.Popen(
                [*COMMAND, "sync"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                env={**os.environ, **self.environ}, cwd=self.home.parent,
            )  # fmt: skip

    def end_passing(self) -> None:
        """Let the pass come to its end, or give it one: being killed must cost nothing."""
        if self.passing is not None:
            try:
                self.passing.wait(60)
            except subprocess.TimeoutExpired:
                self.passing.kill()
                self.passing.wait(10)

    def pass_over_everything(self) -> str:
        """`marketplace-sync sync`: what the schedules would do within the hour, now. What it said."""
        return self.say("sync")

    def open_items(self) -> str:
        """The open work items and what waits, as a person sees them."""
        return self.say("work-items") + self.say("effects", "list", "--state", "dead", "--state", "in_doubt")

    def say(self, *arguments: str) -> str:
        """What a command prints."""
        done = subprocess.run(
            [*COMMAND, *arguments], capture_output=True, text=True,
            env={**os.environ, "COLUMNS": "250", **self.environ}, cwd=self.home.parent, timeout=900,
        )  # fmt: skip
        return done.stdout + done.stderr

    def settle(self, seconds: float) -> tuple[Books, str]:
        """Wait until the shop has nothing planned and the books balance. The last books, and the last pass's words."""
        give_up = time.monotonic() + seconds
        said = ""
        while True:
            planned = set(self.ask("")["shop"]["plans"]) - _ENDLESS_PLANS
            books = self.books()
            if (books.balanced and not planned) or time.monotonic() > give_up:
                return books, said
            said = self.pass_over_everything()
            time.sleep(1)

    def stop(self) -> None:
        if self.passing is not None and self.passing.poll() is None:
            self.passing.kill()
            self.passing.wait(10)
        if self.going.process.poll() is None:
            self.going.process.send_signal(signal.SIGINT)
            try:
                self.going.end(60)
            except subprocess.TimeoutExpired:
                self.going.process.kill()
        for processes in self.targets_left().values():
            for process in processes:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        embedded.wait_until_stopped(self.home, 30)

    def targets_left(self) -> dict[str, list[psutil.Process]]:
        try:
            return {part: found for part, found in self.targets().items() if part != "up"}
        except psutil.NoSuchProcess:
            return {}


@contextlib.contextmanager
def installation(home: Path, shop: Mapping[str, Any] | None = None) -> Iterator[Installation]:
    running = Installation(home, shop)
    try:
        running.until_ready()
        running.set_shop(**running.shop)
        yield running
    finally:
        running.stop()
