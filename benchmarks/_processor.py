"""What processes cost, from Linux' own books: wall time says little on a machine that others use too."""

from __future__ import annotations

import os
import resource
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def server_seconds(folder: Path) -> float:
    """Processor seconds so far of the PostgreSQL server whose data lies under this folder; 0 without /proc."""
    ticks = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(process / "cwd").startswith(str(folder)) and "postgres" in (process / "comm").read_text():
                stated = (process / "stat").read_text().rpartition(")")[2].split()
                ticks += sum(map(int, stated[11:15]))
        except OSError:  # it has ended, or is somebody else's
            continue
    return ticks / _TICKS


def highest_megabytes() -> int:
    """The most resident memory that this process alone had so far: what `getrusage` says of a child begins with the
    peak of whoever started it."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) // 1024


def megabytes_now() -> float:
    """Resident memory of this process now, MiB; 0 without /proc."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE / 2**20
    except OSError:
        return 0.0
