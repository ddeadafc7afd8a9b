"""Runs the command as a person does: another process, its output, its exit code."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

COMMAND = [sys.executable, "-m", "marketplace_sync.cli"]


def run(*arguments: str, environ: Mapping[str, str] | None = None, cwd: Path | None = None) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "200", **(environ or {})},
        cwd=cwd,
        timeout=120,
    )
    return done.returncode, done.stdout, done.stderr


class Going:
    """A command that runs until it is told to stop, with what it printed so far."""

    def __init__(self, command: list[str], environ: Mapping[str, str], cwd: Path) -> None:
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **environ},
            cwd=cwd,
            start_new_session=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def until(self, true: Callable[[], object], seconds: float = 90) -> None:
        """Wait until something is so. Fails with everything that was printed."""
        give_up = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < give_up, f"waited in vain; it printed\n{self.text}"
            assert self.process.poll() is None or true(), f"it ended with {self.process.returncode}:\n{self.text}"
            time.sleep(0.05)

    def until_printed(self, text: str, seconds: float = 90) -> None:
        self.until(lambda: text in self.text, seconds)

    def end(self, seconds: float = 60) -> int:
        """Wait for its end. The exit code."""
        code = self.process.wait(seconds)
        self._reader.join(5)
        return code
