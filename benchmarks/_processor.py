"""What processes cost, from Linux' own books: wall time says little on a machine that others use too."""

from __future__ import annotations

import os
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


def megabytes_now() -> float:
    """Resident memory of this process now, MiB; 0 without /proc."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE / 2**20
    except OSError:
        return 0.0
