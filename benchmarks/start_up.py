"""How long it takes to import the code location, and from `up` to ready, in fresh processes."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from _installation import Folder, Installation, configuration
from _report import options, show
from _vendors import JL, KLAVIYO, SHOP, Vendors

IMPORTS = {
    "python, nothing": "pass",
    "import dagster": "import dagster",
    "import the code location": "import marketplace_sync.definitions",
    "import the receiver": "import marketplace_sync.receiver.app",
    "import the command line": "import marketplace_sync.cli.main",
}


def seconds(program: str, times: int) -> float:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, timeout=120)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def main() -> None:
    given = options(__doc__ or "")
    times = 1 if given.quick else 5
    rows: list[dict[str, object]] = [
        {"what": what, "seconds": round(seconds(program, times), 2)}
        for what, program in IMPORTS.items()
        if not given.quick or what != "import dagster"  # the code location does that too
    ]
    if not given.quick:
        for what in ("up, first start: ready", "up, later start: ready"):
            with Vendors({JL: {}, SHOP: {}, KLAVIYO: {}}) as vendors, Folder() as folder:
                content = configuration(vendors.base_url)
                if "later" in what:
                    with Installation(folder, content):
                        pass
                with Installation(folder, content) as installation:
                    rows.append({"what": what, "seconds": round(installation.ready_seconds, 2)})
    show("Starting", rows, given)


if __name__ == "__main__":
    main()
