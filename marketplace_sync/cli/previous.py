"""One `up` per home: keeps a second one out, and clears away what a killed one left."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil

from marketplace_sync.domain.errors import MarketplaceSyncError

MARK = "MARKETPLACE_SYNC_UP"
"""An environment variable that everything started by one `up` carries: what those started in turn carries it too."""


class AlreadyUp(MarketplaceSyncError):
    """Another `up` runs in this home."""


class Tenancy:
    """The right to be the `up` of a home. The kernel takes it back from whoever dies."""

    def __init__(self, home: Path) -> None:
        """Raises AlreadyUp."""
        self._record = home / "up.json"
        self.mark = uuid4().hex
        self._lock = os.open(home / "up.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise AlreadyUp(_already(home, self._read())) from None

    def clear_previous(self) -> int:
        """End what a killed `up` left behind, if anything. How many processes that were."""
        left = {process.pid: process for process in _left(self._read())}
        _end(list(left.values()))
        return len(left)

    def clear_own(self) -> None:
        """End what our own programs may have started outside of their groups."""
        _end(list(_marked(self.mark)))

    def remember(self, processes: list[psutil.Process], url: str) -> None:
        """Write down who we are and what we started, whole or not at all."""
        children = []
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                children.append({"pid": process.pid, "started": process.create_time()})
        content = {"pid": os.getpid(), "mark": self.mark, "since": time.time(), "url": url, "children": children}
        unfinished = self._record.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(content))
        unfinished.replace(self._record)

    def leave(self) -> None:
        self._record.unlink(missing_ok=True)
        os.close(self._lock)

    def _read(self) -> dict[str, Any]:
        """What an `up` wrote down; nothing when there is no record or it cannot be understood."""
        try:
            content = json.loads(self._record.read_text())
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}


def _already(home: Path, record: dict[str, Any]) -> str:
    pid, url = record.get("pid"), record.get("url")
    who = f" (process {pid}, {url})" if pid and url else ""
    stop = f"`kill {pid}`" if pid else "Ctrl-C where it runs"
    return f"it is already running in {home}{who}: stop it with {stop}, or set MARKETPLACE_SYNC_HOME to another folder"


def _left(record: dict[str, Any]) -> Iterator[psutil.Process]:
    """Processes of a former `up`. A number alone proves nothing, it may be somebody else's by now: the process must
    have been started when the record says, or carry the mark."""
    for child in record.get("children", []):
        with contextlib.suppress(psutil.Error, KeyError, TypeError, ValueError):
            process = psutil.Process(int(child["pid"]))
            if abs(process.create_time() - float(child["started"])) < 0.05:
                yield process
    if isinstance(record.get("mark"), str):
        yield from _marked(record["mark"])


def _marked(mark: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(MARK) == mark:
                yield process


def _end(processes: list[psutil.Process]) -> None:
    for request in ("terminate", "kill"):
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                getattr(process, request)()
        _, processes = psutil.wait_procs(processes, timeout=5)
