"""`python -m marketplace_sync.receiver --host 127.0.0.1 --port 8701`: runs the receiver until it is told to stop."""

from __future__ import annotations

import argparse
import sys

import uvicorn

from marketplace_sync.domain.errors import MarketplaceSyncError
from marketplace_sync.project import open_project
from marketplace_sync.receiver.app import build


def main() -> int:
    arguments = argparse.ArgumentParser(prog="marketplace_sync.receiver")
    arguments.add_argument("--host", default="127.0.0.1")
    arguments.add_argument("--port", type=int, default=8701)
    given = arguments.parse_args()
    try:
        project = open_project()
    except MarketplaceSyncError as problem:
        sys.stderr.write(f"{problem}\n")
        return 2
    uvicorn.run(build(project), host=given.host, port=given.port, log_level="warning", access_log=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
