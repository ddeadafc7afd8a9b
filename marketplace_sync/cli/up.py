"""`marketplace-sync up`: starts everything in order, keeps it running, and leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from marketplace_sync.cli import readiness
from marketplace_sync.cli.addresses import Address, answers, claim
from marketplace_sync.cli.previous import MARK, Tenancy
from marketplace_sync.cli.progress import Progress
from marketplace_sync.cli.supervisor import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    STOPS_WITHIN,
    Program,
    StopRequested,
    Supervisor,
)
from marketplace_sync.config import SANDBOX_PORT, SANDBOX_PORT_VARIABLE, VARIABLE, Configuration, load
from marketplace_sync.domain.errors import MarketplaceSyncError
from marketplace_sync.home import VARIABLE as HOME_VARIABLE
from marketplace_sync.home import ensure
from marketplace_sync.ledger import embedded
from marketplace_sync.ledger.location import VARIABLE as DATABASE_VARIABLE
from marketplace_sync.ledger.location import DatabaseUrls, prepare, resolve_database

WEB, RECEIVER, SANDBOX, DAEMON = "web interface", "webhook receiver", "sandbox", "daemon"
CODE = "code server"
LOCATION = "marketplace_sync"
CODE_SERVER_THREADS = 64
"""It answers everything in one pool of threads: ticks that stay for 4.5 s each, but also runs, schedules and pings."""
STARTS_WITHIN = 180.0
"""Seconds that any one of them may take; ten on a quiet machine for all together."""
_GIVES_UP_AFTER_DEATHS = 3
_LOOKS_AFTER_DATABASE_EVERY = 1.0


class DidNotStart(MarketplaceSyncError):
    """Something does not start, and the message says what and why."""


def up(
    sandbox: Annotated[
        bool, typer.Option(help="Run the simulated vendors too, when a connection of the configuration leads there.")
    ] = True,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The web interface's; 0 takes a free one.")] = 3000,
    receiver_port: Annotated[int, typer.Option(min=0, max=65535, help="The webhook receiver's.")] = 8701,
    sandbox_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help=f"The sandbox's.  [default: {SANDBOX_PORT}]")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Where the web interface listens. It asks nobody for a password: think before opening.")
    ] = "127.0.0.1",
    receiver_host: Annotated[
        str, typer.Option(help="Where the webhook receiver listens; it checks every delivery's signature.")
    ] = "127.0.0.1",
) -> None:
    """Start everything and keep it running until Ctrl-C.

    PostgreSQL (unless MARKETPLACE_SYNC_DATABASE_URL names a server), the webhook receiver, Dagster's web interface and
    daemon and, for the sandbox's configuration, the simulated vendors. Data and logs are under MARKETPLACE_SYNC_HOME.
    """
    began = time.monotonic()
    progress = Progress()
    if sandbox_port is not None:
        os.environ[SANDBOX_PORT_VARIABLE] = str(sandbox_port)
    with progress.step("configuration"):
        configuration = load()
        home = ensure(configuration.home)
    tenancy = Tenancy(home)
    try:
        _clear_previous(tenancy, progress)
        wanted = [
            Address(WEB, host, port, "--port"),
            Address(RECEIVER, receiver_host, receiver_port, "--receiver-port"),
            Address(CODE, "127.0.0.1", 0, ""),
        ]
        sandbox_at = sandbox_port or SANDBOX_PORT
        if sandbox and configuration.on_this_machine(sandbox_at):
            wanted.append(Address(SANDBOX, "127.0.0.1", sandbox_at, "--sandbox-port"))
        addresses = {address.what: address for address in claim(wanted)}
        _Up(configuration, home, addresses, tenancy, progress, began).live()
    finally:
        tenancy.leave()


def _clear_previous(tenancy: Tenancy, progress: Progress) -> None:
    ended = tenancy.clear_previous()
    if ended:
        progress.say(f"an earlier `up` was killed: ended {ended} of its processes")


class _Up:
    """One life of an installation."""

    def __init__(
        self,
        configuration: Configuration,
        home: Path,
        addresses: dict[str, Address],
        tenancy: Tenancy,
        progress: Progress,
        began: float,
    ) -> None:
        self._configuration = configuration
        self._home = home
        self._addresses = addresses
        self._tenancy = tenancy
        self._progress = progress
        self._began = began
        self._database: DatabaseUrls | None = None
        self._look_after_database_at = 0.0
        self._failed_looks = 0
        logs = home / "logs"
        logs.mkdir(mode=0o700, exist_ok=True)
        self._supervisor = Supervisor(
            logs,
            {**os.environ, **self._environment()},
            progress.say,
            lambda processes: tenancy.remember(processes, addresses[WEB].url),
        )

    def live(self) -> None:
        self._supervisor.listen_to_signals()
        self._tenancy.remember([], self._addresses[WEB].url)
        try:
            self._start()
            self._announce()
            while True:
                self._supervisor.tick()
                self._look_after_database()
        except StopRequested:
            self._progress.plain()
        finally:
            self._stop()

    def _environment(self) -> dict[str, str]:
        return {
            HOME_VARIABLE: str(self._home),
            VARIABLE: str(self._configuration.path),
            "DAGSTER_HOME": str(self._home / "dagster"),
            "MARKETPLACE_SYNC_RECEIVER_URL": os.environ.get(
                "MARKETPLACE_SYNC_RECEIVER_URL", self._addresses[RECEIVER].url
            ),
            MARK: self._tenancy.mark,
            # A log that lags behind its program by a buffer misses what it said last.
            "PYTHONUNBUFFERED": "1",
        }

    def _start(self) -> None:
        step = self._progress.step
        if SANDBOX in self._addresses:
            self._start_sandbox()
        with step("PostgreSQL"):
            self._database = resolve_database(self._home)
            prepare(self._database)
        self._supervisor.set_environment(DATABASE_VARIABLE, self._database.ledger)
        with step("database schema"):
            self._run_to_end("migrate", [sys.executable, "-m", "marketplace_sync.cli", "migrate"])
        if SANDBOX in self._addresses:
            with step(SANDBOX):
                self._wait_for(SANDBOX, lambda: answers(self._addresses[SANDBOX]))
        receiver = self._addresses[RECEIVER]
        self._start_python(RECEIVER, "marketplace_sync.receiver", "--host", receiver.host, "--port", str(receiver.port))
        self._prepare_dagster()
        workspace = str(self._home / "dagster" / "workspace.yaml")
        web, code = self._addresses[WEB], self._addresses[CODE]
        since = time.time()
        # Lazily, so that code that does not load is an answer of the server instead of its end.
        self._start_python(
            CODE, "dagster", "api", "grpc", "--lazy-load-user-code", "--use-python-environment-entry-point",
            "--host", code.host, "--port", str(code.port), "--max-workers", str(CODE_SERVER_THREADS),
            "--module-name", "marketplace_sync.definitions", "--location-name", LOCATION,
        )  # fmt: skip
        with step(CODE):
            self._wait_for(CODE, lambda: answers(code))
        self._start_python(WEB, "dagster_webserver", "-h", web.host, "-p", str(web.port), "-w", workspace)
        self._start_python(DAEMON, "dagster._daemon", "run", "-w", workspace)
        with step(RECEIVER):
            self._wait_for(RECEIVER, lambda: answers(receiver))
        with step("web interface and daemons"):
            self._wait_for_dagster(web, since)

    def _start_python(self, name: str, module: str, *arguments: str) -> None:
        self._supervisor.start(Program(name, [sys.executable, "-m", module, *arguments]))

    def _start_sandbox(self) -> None:
        state = self._home / "sandbox" / "world.sqlite"
        state.parent.mkdir(mode=0o700, exist_ok=True)
        port = str(self._addresses[SANDBOX].port)
        self._start_python(SANDBOX, "marketplace_sync.sandbox.serve", "--port", port, "--state", str(state))

    def _prepare_dagster(self) -> None:
        """Dagster's home, fresh at every start beside what Dagster keeps: our dagster.yaml, and a workspace of one code
        server that web interface and daemon share (with one of its own each, the daemon would start another every
        minute). Its tables are made or brought up to date before two processes meet in them."""
        folder = self._home / "dagster"
        folder.mkdir(mode=0o700, exist_ok=True)
        shutil.copyfile(Path(__file__).parent.parent / "dagster.yaml", folder / "dagster.yaml")
        code = self._addresses[CODE]
        server = f"{{host: {code.host}, port: {code.port}, location_name: {LOCATION}}}"
        (folder / "workspace.yaml").write_text(f"load_from:\n  - grpc_server: {server}\n", encoding="utf-8")
        done = folder / "schema_of"
        this = version("dagster")
        if not done.is_file() or done.read_text() != this:
            with self._progress.step(f"tables of Dagster {this}"):
                self._run_to_end("dagster-migrate", [sys.executable, "-m", "dagster", "instance", "migrate"])
            done.write_text(this)

    def _run_to_end(self, name: str, command: list[str]) -> None:
        finished = self._supervisor.run(Program(name, command), STARTS_WITHIN)
        if finished.code != 0:
            last = [line.removeprefix("marketplace-sync: ") for line in finished.lines if line][-3:]
            raise DidNotStart("\n".join(last) or f"{name} ended with {finished.code} and said nothing")

    def _wait_for(self, name: str, there: Callable[[], bool]) -> None:
        give_up = time.monotonic() + STARTS_WITHIN
        while not there():
            self._supervisor.tick(0.05)
            self._give_up_on(name)
            if time.monotonic() > give_up:
                raise DidNotStart(f"the {name} does not answer; its log: {self._log(name)}")

    def _wait_for_dagster(self, web: Address, since: float) -> None:
        give_up = time.monotonic() + STARTS_WITHIN
        while True:
            try:
                missing = readiness.missing(web.url, since)
            except readiness.DoesNotLoad as problem:
                raise DidNotStart(f"Dagster cannot load marketplace_sync.definitions: {problem}") from None
            if missing is None:
                return
            if time.monotonic() > give_up:
                raise DidNotStart(f"Dagster does not get ready: {missing}; logs: {self._home / 'logs'}")
            self._supervisor.tick(0.1)
            self._give_up_on(WEB)
            self._give_up_on(DAEMON)
            self._give_up_on(CODE)

    def _give_up_on(self, name: str) -> None:
        if self._supervisor.deaths(name) >= _GIVES_UP_AFTER_DEATHS:
            last = "\n".join(f"  {line}" for line in self._supervisor.last_lines(name)[-8:])
            raise DidNotStart(f"the {name} does not start; its log: {self._log(name)}\n{last}")

    def _log(self, name: str) -> Path:
        return self._supervisor.log(name)

    def _announce(self) -> None:
        say = self._progress.plain
        say(f"ready in {time.monotonic() - self._began:.1f} s")
        say()
        say(f"  Web interface  {self._addresses[WEB].url}")
        say(f"  Webhooks       {self._addresses[RECEIVER].url}/webhooks/<connection>")
        if SANDBOX in self._addresses:
            say(f"  Sandbox        {self._addresses[SANDBOX].url}/control")
        say(f"  Data and logs  {self._home}")
        if self._addresses[WEB].host not in ("127.0.0.1", "localhost", "::1"):
            say()
            say("  The web interface asks nobody for a password: whoever can reach it can operate it.")
        say()
        say("Ctrl-C stops everything.")

    def _look_after_database(self) -> None:
        """The embedded server is no child of ours, as others may use it after us: nobody tells us of its end."""
        if self._database is None or self._database.server is None:
            return
        now = time.monotonic()
        if now < self._look_after_database_at:
            return
        self._look_after_database_at = now + _LOOKS_AFTER_DATABASE_EVERY
        if embedded.is_running(self._home):
            return
        self._progress.say("PostgreSQL died; starting it again")
        died = self._database
        try:
            self._database = resolve_database(self._home)
        except MarketplaceSyncError as problem:
            self._failed_looks += 1
            pause = min(FIRST_PAUSE * 2**self._failed_looks, LONGEST_PAUSE)
            self._look_after_database_at = now + pause
            self._progress.say(f"{problem}; trying again in {pause:g} s")
            return
        self._failed_looks = 0
        died.close()
        self._progress.say("PostgreSQL is back")

    def _stop(self) -> None:
        self._progress.plain(
            f"stopping; runs under way get {STOPS_WITHIN:g} s to finish, a second Ctrl-C ends them now"
        )
        with self._progress.step("stopped"):
            killed = self._supervisor.stop(DAEMON)
            self._tenancy.clear_own()
            if self._database is not None:
                self._database.close()
                if self._database.server is not None and not embedded.wait_until_stopped(self._home, 60):
                    self._progress.say("PostgreSQL still runs: another command is using it, and will stop it")
        if killed:
            self._progress.say(
                f"did not end by itself: {', '.join(killed)}; nothing is lost, what was cut short is tried again"
            )
