"""`up` brings everything, mends what dies, and leaves nothing: seen from outside, with the sandbox's configuration."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from marketplace_sync.cli import readiness
from marketplace_sync.cli.previous import MARK
from marketplace_sync.home import checkout
from marketplace_sync.ledger import embedded
from marketplace_sync.sandbox.serve import RunningSandbox
from marketplace_sync_tests.cli.command import COMMAND, Going, run


class Up:
    """A running `up` in a home of its own, on ports of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.sandbox_port = free.getsockname()[1]
        self.environ = {"MARKETPLACE_SYNC_HOME": str(home)}
        options = ["--port", "0", "--receiver-port", "0", "--sandbox-port", str(self.sandbox_port)]
        self.going = Going([*COMMAND, "up", *options], self.environ, home.parent)

    def until_ready(self) -> None:
        self.going.until_printed("Ctrl-C stops everything.")

    @property
    def web(self) -> str:
        found = re.search(r"Web interface +(http://\S+)", self.going.text)
        assert found is not None
        return found.group(1)

    def process(self, part: str) -> psutil.Process | None:
        """The program of this home whose command line has `part`."""
        return next((process for process, command in belonging_to(self.home) if part in command), None)

    def postmaster(self) -> int:
        return int((self.home / "postgres" / "data" / "postmaster.pid").read_text().split()[0])


def belonging_to(home: Path) -> list[tuple[psutil.Process, str]]:
    """Everything that was started, at whatever remove, by an `up` or a command in this home, with its command line."""
    found = []
    for process in psutil.process_iter():
        try:
            environ, command, where = process.environ(), process.cmdline(), process.cwd()
        except psutil.Error:
            continue
        ours = environ.get(MARK) and environ.get("MARKETPLACE_SYNC_HOME") == str(home)
        if ours or str(home) in command or where.startswith(str(home / "postgres")):
            found.append((process, " ".join(command)))
    return found


def ask(url: str, body: Any = None) -> Any:
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data=data, headers={"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def until(there: Callable[[], bool], seconds: float) -> None:
    give_up = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < give_up, "it never happened"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """As closed as temporary folders are, and short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="mst-up-") as folder:
        yield Path(folder) / "home"
        for process, _ in belonging_to(Path(folder) / "home"):
            process.kill()


@pytest.fixture(scope="module")
def up(home: Path) -> Iterator[Up]:
    """One life for all tests of this module, in the order in which they stand here."""
    started = Up(home)
    yield started
    if started.going.process.poll() is None:
        started.going.process.kill()
        started.going.end()


def test_it_gets_ready_and_says_where_everything_is(up: Up) -> None:
    up.until_ready()
    assert re.search(r"ready in \d+\.\d s", up.going.text)
    assert ask(f"{up.web}/server_info")["dagster_version"]
    workspace = "{ workspaceOrError { ... on Workspace { locationEntries { name loadStatus } } } }"
    entries = ask(f"{up.web}/graphql", {"query": workspace})["data"]["workspaceOrError"]["locationEntries"]
    assert entries == [{"name": "marketplace_sync", "loadStatus": "LOADED"}]
    assert ask(f"http://127.0.0.1:{up.sandbox_port}/control")["failures"] == []


def test_runs_and_ticks_are_kept_in_the_one_database_in_a_schema_of_their_own(up: Up) -> None:
    with embedded.start(up.home) as server, psycopg.connect(server.url.replace("+psycopg", "")) as connection:
        found = {row[0] for row in connection.execute("SELECT DISTINCT schemaname FROM pg_tables")}
        beats = connection.execute("SELECT count(*) FROM dagster.daemon_heartbeats").fetchone()
        versions = connection.execute(
            "SELECT schemaname FROM pg_tables WHERE tablename = 'alembic_version' ORDER BY 1"
        ).fetchall()
    assert found == {"ledger", "dagster", "pg_catalog", "information_schema"}
    assert beats is not None
    assert beats[0] > 0
    assert versions == [("dagster",), ("ledger",)]


def test_marketplacer_delivers_to_the_receiver_and_what_it_delivers_is_followed(up: Up) -> None:
    control = f"http://127.0.0.1:{up.sandbox_port}/control/arcade"
    until(lambda: len(ask(f"{control}/state/webhooks")) == 3, 60)
    order = ask(f"{control}/act/place_order", {"lines": [{"sku": "MUG-RED", "quantity": 1}]})
    about = order["invoices"][0]["id"]

    def delivered() -> bool:
        events = ask(f"{control}/state/webhook_events?limit=1000")
        return any(
            event["status"] == "processed" and event["payload"]["data"]["node"]["id"] == about for event in events
        )

    until(delivered, 60)
    with embedded.start(up.home) as server, psycopg.connect(server.url.replace("+psycopg", "")) as connection:
        held = "SELECT count(*) FROM ledger.orders WHERE connection = 'arcade' AND order_id = %s"
        until(lambda: connection.execute(held, (order["id"],)).fetchone() == (1,), 60)
    assert all(hook["enabled"] for hook in ask(f"{control}/state/webhooks"))


def test_nothing_listens_beyond_this_machine_and_no_command_line_has_a_secret(up: Up) -> None:
    for process, command in belonging_to(up.home):
        try:
            hosts = {c.laddr.ip for c in process.net_connections() if c.status == psutil.CONN_LISTEN and c.laddr}
        except psutil.NoSuchProcess:
            continue
        assert hosts <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}, command
        assert "postgres@" not in command
        assert "postgresql" not in command.replace("dagster_postgres", ""), command


def test_code_servers_have_threads_for_all_sensors_and_more(up: Up) -> None:
    """With the default of six on two cores, sensors that stay in their tick would hold up runs and heartbeats."""
    end = time.monotonic() + 60
    servers: list[psutil.Process] = []
    while not servers and time.monotonic() < end:
        servers = [process for process, command in belonging_to(up.home) if " api grpc " in command]
    assert servers
    for server in servers:
        assert "--max-workers 64" in " ".join(server.cmdline())


def test_a_second_one_in_the_same_home_is_refused_in_one_line(up: Up) -> None:
    code, _, complaint = run("up", environ=up.environ, cwd=up.home.parent)
    assert (code, complaint.count("\n")) == (1, 1)
    assert f"already running in {up.home} (process {up.going.process.pid}, {up.web})" in complaint


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("sandbox", "marketplace_sync.sandbox.serve"),
        ("webhook receiver", "marketplace_sync.receiver"),
        ("web interface", "dagster_webserver"),
        ("daemon", "dagster._daemon"),
    ],
)
def test_a_part_that_is_killed_comes_back(up: Up, name: str, part: str) -> None:
    killed = up.process(part)
    assert killed is not None
    killed.send_signal(signal.SIGKILL)
    up.going.until_printed(f"{name} died (SIGKILL); starting it again")
    up.going.until(lambda: up.process(part) not in (None, killed))


def test_a_killed_database_comes_back_at_the_same_address(up: Up) -> None:
    killed = up.postmaster()
    os.kill(killed, signal.SIGKILL)
    up.going.until_printed("PostgreSQL is back")
    assert up.postmaster() != killed

    def runs_are_listed() -> bool:
        try:
            answer = ask(f"{up.web}/graphql", {"query": "{ runsOrError { __typename } }"})
        except OSError:
            return False
        return bool(answer.get("data") and answer["data"]["runsOrError"]["__typename"] == "Runs")

    up.going.until(runs_are_listed)


def test_when_it_is_killed_itself_the_next_one_starts_all_the_same(up: Up) -> None:
    up.going.process.send_signal(signal.SIGKILL)
    up.going.end()
    again = Up(up.home)
    again.until_ready()
    up.going, up.sandbox_port = again.going, again.sandbox_port


def test_ctrl_c_ends_every_process_and_leaves_with_zero(up: Up) -> None:
    up.going.process.send_signal(signal.SIGINT)
    assert up.going.end() == 0, up.going.text
    assert "stopped" in up.going.text
    psutil.wait_procs([process for process, _ in belonging_to(up.home)], timeout=10)
    assert [command for _, command in belonging_to(up.home)] == []
    assert not (up.home / "postgres" / "data" / "postmaster.pid").exists(), "PostgreSQL was not shut down in order"


def test_a_port_that_is_taken_is_said_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = str(listening.getsockname()[1])
        code, output, complaint = run(
            "up",
            "--no-sandbox",
            "--receiver-port",
            "0",
            "--port",
            port,
            environ={"MARKETPLACE_SYNC_HOME": str(tmp_path)},
        )
    assert code == 1
    assert complaint.startswith(f"marketplace-sync: port {port} (web interface) is taken by process {os.getpid()}")
    assert "PostgreSQL" not in output


def test_a_database_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    environ = {
        "MARKETPLACE_SYNC_HOME": str(tmp_path),
        "MARKETPLACE_SYNC_DATABASE_URL": "postgresql://me:hush@127.0.0.1:1/sync",
    }
    code, _, complaint = run("up", "--no-sandbox", "--port", "0", "--receiver-port", "0", environ=environ)
    assert code == 1
    assert complaint.startswith("marketplace-sync: the database postgresql://me@127.0.0.1:1/sync cannot be used")
    assert "hush" not in complaint


def test_plain_dagster_dev_works_in_a_checkout_with_nothing_prepared(tmp_path: Path) -> None:
    """Whoever knows Dagster types this first, beside `marketplace-sync sandbox`. Only the home and the sandbox's port
    are named, so that the test has its own."""
    top = checkout()
    assert top is not None
    home = tmp_path / "home"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    before, since = {path.name for path in top.iterdir()}, time.time()
    command = [sys.executable, "-m", "dagster", "dev", "-p", str(port), "-w", str(top / "workspace.yaml")]
    with RunningSandbox() as vendors:
        sandbox = vendors.base_url.rpartition(":")[2]
        dev = Going(command, {"MARKETPLACE_SYNC_HOME": str(home), "MARKETPLACE_SYNC_SANDBOX_PORT": sandbox}, top)
        try:
            dev.until(lambda: readiness.missing(f"http://127.0.0.1:{port}", since) is None)
            assert embedded.is_running(home)
        finally:
            # It waits for runs under way, and gives them a minute.
            dev.process.send_signal(signal.SIGINT)
            dev.end(120)
    assert "OperationalError" not in dev.text, dev.text
    assert embedded.wait_until_stopped(home, 60), "the last process of `dagster dev` left, and the database stayed"
    assert {path.name for path in top.iterdir()} - before <= {".pytest_cache", "__pycache__"}
