"""A whole installation as people run it: `marketplace-sync up` in a home of its own, on ports of its own."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml

from marketplace_sync.config import PACKAGED
from marketplace_sync.ledger import embedded
from marketplace_sync.sandbox.world import SMALL_WORLD


def configuration(
    base_url: str,
    changes: Mapping[str, Mapping[str, Any]] | None = None,
    further: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Of the packaged configuration John Lewis' route, pointed at a sandbox elsewhere, with keys of some connections
    changed, and further connections that no route uses: as packaged, where they are, with these keys."""
    whole: dict[str, Any] = yaml.safe_load(PACKAGED.read_text(encoding="utf-8"))
    content: dict[str, Any] = {
        "connections": {name: whole["connections"].get(name, {}) for name in (*SMALL_WORLD, *(further or {}))},
        "routes": {"john_lewis": whole["routes"]["john_lewis"]},
    }
    for name, connection in content["connections"].items():
        connection["base_url"] = f"{base_url}/{name}"
        connection.update({**(further or {}), **(changes or {})}.get(name, {}))
    return content


class Folder:
    """A folder for one benchmark, closed to others, with a path short enough for PostgreSQL's socket. A server whose
    home is `home` in it has stopped before the folder goes."""

    def __enter__(self) -> Path:
        self._path = Path(tempfile.mkdtemp(prefix="msb-"))
        return self._path

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Its last user has left; the server writes until it has stopped, and a folder that is written to cannot go.
        if not embedded.wait_until_stopped(self._path / "home", 60):
            raise RuntimeError(f"PostgreSQL still runs a minute after its last user left; {self._path} was kept")
        shutil.rmtree(self._path)


class Installation:
    """`up`, from its start to its end. `ready_seconds` is how long it took to say that it is ready."""

    def __init__(self, folder: Path, content: Mapping[str, Any], *options: str) -> None:
        self._folder = folder
        self._options = options
        path = folder / "marketplace_sync.yaml"
        path.write_text(yaml.safe_dump(dict(content)), encoding="utf-8")
        environ = {k: v for k, v in os.environ.items() if not k.startswith(("MARKETPLACE_SYNC_", "DAGSTER_"))}
        self.home = folder / "home"
        self.environ = {
            **environ,
            "MARKETPLACE_SYNC_HOME": str(self.home),
            "MARKETPLACE_SYNC_CONFIG": str(path),
            "DAGSTER_HOME": str(self.home / "dagster"),
        }

    def __enter__(self) -> Installation:
        began = time.monotonic()
        command = [
            sys.executable, "-m", "marketplace_sync.cli", "up", "--port", "0", "--receiver-port", "0", *self._options
        ]  # fmt: skip
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=self.environ, cwd=self._folder
        )
        assert self.process.stdout is not None
        self.lines: list[str] = []
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            if line.startswith("ready in"):
                self.ready_seconds = time.monotonic() - began
            if line.startswith("Ctrl-C"):
                break
        else:
            raise RuntimeError("`up` did not get ready:\n" + "\n".join(self.lines))
        # What it says later is not read: it says next to nothing, and a pipe holds that.
        found = re.search(r"Web interface +(http://\S+)", "\n".join(self.lines))
        assert found is not None
        self.web = found[1]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(90)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def step_seconds(self) -> dict[str, float]:
        """How long each step took that `up` names, in seconds."""
        found = {}
        for line in self.lines:
            step = re.fullmatch(r"✓ (.+) \((\d+\.\d) s\)", line)
            if step:
                found[step[1]] = float(step[2])
        return found

    def poll_orders(self) -> None:
        """Have new orders read now, instead of at the next tick."""
        self._run(
            "dagster", "asset", "materialize", "--select", 'key:"john_lewis/orders"', "-m",
            "marketplace_sync.definitions",
        )  # fmt: skip

    def _run(self, *command: str) -> str:
        """A command beside it, in its environment; what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", *command],
            env=self.environ, cwd=self._folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout
