"""The receiver on a free port, in a thread, for as long as a test needs it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from marketplace_sync.project import Project
from marketplace_sync.receiver.app import build


@contextmanager
def receiving(project: Project) -> Iterator[str]:
    """Its address. The receiver closes the project when it stops: hand it one of its own."""
    server = uvicorn.Server(uvicorn.Config(build(project), port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
