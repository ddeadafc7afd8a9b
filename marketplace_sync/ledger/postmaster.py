"""Tells whether a PostgreSQL server runs on a data folder, and ends what a killed one left."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import psutil

started: list[subprocess.Popen[bytes]] = []
"""Servers and closers this process started; kept so that their ends are noticed and nobody waits for them at exit."""


def find(data: Path) -> psutil.Process | None:
    """The running server of this data folder. A number in a file proves nothing: after a crash or in a new container
    it may be anybody's, so the process must be a PostgreSQL that stands in this very folder."""
    try:
        pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
        process = psutil.Process(pid)
    except (OSError, ValueError, psutil.NoSuchProcess):
        return None
    return process if serves(process, data) else None


def serves(process: psutil.Process, data: Path) -> bool:
    with contextlib.suppress(psutil.Error, OSError):
        return (
            process.status() != psutil.STATUS_ZOMBIE
            and process.name().startswith("postgres")
            and os.path.realpath(process.cwd()) == os.path.realpath(data)
        )
    return False


def end_orphans(data: Path) -> None:
    """End what a killed server left behind: while one of its processes lives, no new server can start on the data."""
    orphans = [process for process in psutil.process_iter() if serves(process, data)]
    for request in (signal.SIGQUIT, signal.SIGKILL):
        for orphan in orphans:
            with contextlib.suppress(psutil.NoSuchProcess):
                orphan.send_signal(request)
        _, orphans = psutil.wait_procs(orphans, timeout=5)


def gone(process: psutil.Process, seconds: float) -> bool:
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        reap()
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.02)
                continue
        return True
    return False


def reap() -> None:
    started[:] = [process for process in started if process.poll() is None]


def complaint(log: Path, since: int) -> str:
    """The server's own reason for its last end, out of what it wrote after the byte `since` of its log."""
    try:
        with log.open("rb") as opened:
            opened.seek(since)
            lines = [line.strip() for line in opened.read(65536).decode(errors="replace").splitlines() if line.strip()]
    except OSError:
        lines = []
    for mark in ("PANIC:", "FATAL:"):
        for line in reversed(lines):
            # What callers were told while it was on its way says nothing about why it did not get there.
            if mark in line and "the database system is" not in line:
                return line.partition(mark)[2].strip()
    return " ".join(lines[-3:]) or "it gave no reason"


def last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it gave no reason"
