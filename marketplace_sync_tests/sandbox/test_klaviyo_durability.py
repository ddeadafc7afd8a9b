"""What was accepted survives the death of the process: the same state comes back, and queued work is still done."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from marketplace_sync_tests.sandbox.klaviyo_caller import KEY, bulk, event, resource

SERVE = """
import sys
from pathlib import Path
from marketplace_sync.sandbox.serve import serve
from marketplace_sync.sandbox.world import WorldSettings
settings = {"visibility_delay": float(sys.argv[2]), "rate_limits": False}
accounts, of_accounts = {"klaviyo_main": "klaviyo"}, {"klaviyo_main": settings}
serve(WorldSettings(state_file=Path(sys.argv[1]), accounts=accounts, shop=False, settings=of_accounts), 0)
"""


@contextmanager
def process(state: Path, delay: float) -> Iterator[tuple[httpx.Client, int]]:
    """A sandbox in a process of its own: a client for its account, and the process id. Killed at the end."""
    running = subprocess.Popen([sys.executable, "-c", SERVE, str(state), str(delay)], stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    try:
        address = running.stdout.readline().split()[3]
        headers = {"authorization": f"Klaviyo-API-Key {KEY}", "revision": "2026-10-15"}
        with httpx.Client(base_url=address, timeout=30, headers=headers) as client:
            yield client, running.pid
    finally:
        running.kill()
        running.wait()
        running.stdout.close()


def _post(client: httpx.Client, path: str, body: Any) -> int:
    content = json.dumps(body).encode()
    kind = {"content-type": "application/vnd.api+json"}
    return client.post(f"/klaviyo_main{path}", content=content, headers=kind).status_code


def _kept(client: httpx.Client, collection: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(f"/control/klaviyo_main/state/{collection}").json()
    return found


def test_a_killed_account_comes_back_with_everything_it_answered_for(tmp_path: Path) -> None:
    state = tmp_path / "sandbox.sqlite"
    with process(state, 0) as (client, pid):
        assert _post(client, "/api/profile-import", resource("profile", {"email": "kim@example.com"})) == 201
        assert _post(client, "/api/events", event("A-1")) == 202
        row = {"email": "kim@example.com", "subscriptions": {"email": {"marketing": {"consent": "SUBSCRIBED"}}}}
        job = {"profiles": {"data": [{"type": "profile", "attributes": row}]}}
        related = {"list": {"data": {"type": "list", "id": "SbxNws"}}}
        body = resource("profile-subscription-bulk-create-job", job, relationships=related)
        assert _post(client, "/api/profile-subscription-bulk-create-jobs", body) == 202
        before = {name: _kept(client, name) for name in ("profiles", "events", "metrics", "consents", "list_members")}
        assert all(before.values())
        os.kill(pid, signal.SIGKILL)
    with process(state, 0) as (client, _):
        assert {name: _kept(client, name) for name in before} == before
        assert _post(client, "/api/events", event("A-1")) == 202
        assert len(_kept(client, "events")) == 1, "the key is still known"
        assert _post(client, "/api/profiles", resource("profile", {"email": "kim@example.com"})) == 409
        assert _post(client, "/api/events", event("A-2")) == 202
        ids = [one["id"] for one in _kept(client, "events")]
        assert len(set(ids)) == 2, "ids are not handed out twice"


def test_work_that_was_queued_when_the_process_died_is_done_by_the_next_one(tmp_path: Path) -> None:
    state = tmp_path / "sandbox.sqlite"
    with process(state, 2.0) as (client, pid):
        assert _post(client, "/api/event-bulk-create-jobs", bulk(({"email": "kim@example.com"}, [event("A-1")]))) == 202
        assert _kept(client, "events") == []
        os.kill(pid, signal.SIGKILL)
    with process(state, 2.0) as (client, _):
        deadline = time.monotonic() + 20
        client.post("/control/clock", json={"advance_seconds": 2})
        while not _kept(client, "events"):
            assert time.monotonic() < deadline, "the queued event was lost"
        assert [one["unique_id"] for one in _kept(client, "events")] == ["A-1"]
        assert len(_kept(client, "flow_messages")) == 1
        assert _kept(client, "queue") == []


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_killed_in_the_middle_of_a_stream_nothing_answered_is_missing_and_nothing_is_doubled(
    tmp_path: Path, seed: int
) -> None:
    state = tmp_path / "sandbox.sqlite"
    answered: list[str] = []
    with process(state, 0) as (client, pid):
        for number in range(400):
            if number == 50 * seed:
                subprocess.Popen([sys.executable, "-c", f"import os; os.kill({pid}, 9)"])
            try:
                if _post(client, "/api/events", event(f"A-{number}")) == 202:
                    answered.append(f"A-{number}")
            except httpx.TransportError:
                break
        else:
            raise AssertionError("the process did not die")
    with process(state, 0) as (client, _):
        kept = [one["unique_id"] for one in _kept(client, "events")]
        assert len(kept) == len(set(kept))
        assert kept[: len(answered)] == answered
        assert len(kept) - len(answered) <= 1, "at most the one whose answer was lost"
        assert _post(client, "/api/events", event(f"A-{len(answered)}")) == 202
        assert len(_kept(client, "events")) == len(answered) + 1, "repeating it is safe"
