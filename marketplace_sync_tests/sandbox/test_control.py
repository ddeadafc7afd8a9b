"""The control endpoint, and what the server guarantees to every vendor."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from marketplace_sync.sandbox.serve import RunningSandbox
from marketplace_sync.sandbox.server import Sandbox
from marketplace_sync_tests.sandbox.toy import Toy, toy_sandbox


@pytest.fixture
def toys(tmp_path: Path) -> Any:
    with RunningSandbox(toy_sandbox(tmp_path)) as running:
        yield running


def test_the_overview_says_what_is_running(toys: RunningSandbox) -> None:
    overview = toys.control("GET")
    assert overview["now"].endswith("+00:00")
    assert (overview["shop"], overview["failures"]) == (None, [])
    assert overview["accounts"]["toy"]["platform"] == "toy"
    assert overview["accounts"]["toy"]["base_url"] == f"{toys.base_url}/toy"


def test_a_written_document_is_listed(toys: RunningSandbox) -> None:
    for key in "abc":
        httpx.put(f"{toys.base_url}/toy/notes/{key}", content=key)
    assert toys.documents("toy", "notes") == [{"text": "a"}, {"text": "b"}, {"text": "c"}]
    assert toys.control("GET", "toy/state/notes?offset=1&limit=1") == [{"text": "b"}]
    assert toys.control("GET", "toy/state")["notes"] == 3


def test_a_handler_that_fails_leaves_nothing_behind(toys: RunningSandbox, tmp_path: Path) -> None:
    httpx.put(f"{toys.base_url}/toy/notes/a", content="before")
    answer = httpx.put(f"{toys.base_url}/toy/notes/a?fail=yes", content="half")
    assert answer.status_code == 500
    assert toys.control("GET")["failures"] == ["toy PUT /toy/notes/a: RuntimeError: half way"]
    assert toys.documents("toy", "notes") == [{"text": "before"}]


def test_a_caller_who_goes_away_in_the_middle_of_a_request_is_no_failure_and_changes_nothing() -> None:
    toys = toy_sandbox(None)
    said: list[Any] = []
    parts = [{"type": "http.request", "body": b"half", "more_body": True}, {"type": "http.disconnect"}]

    async def receive() -> Any:
        return parts.pop(0)

    async def send(message: Any) -> None:
        said.append(message)

    scope = {"type": "http", "method": "PUT", "path": "/toy/notes/a", "headers": [], "query_string": b""}
    asyncio.run(toys.app(scope, receive, send))
    assert (said, toys.failures.noted, parts) == ([], [], [])
    assert toys.vendors["toy"].state.collection("notes").get("a") is None


def test_a_tick_that_fails_is_undone_shown_and_followed_by_the_next(toys: RunningSandbox) -> None:
    Toy.fail_at_tick = True
    assert toys.eventually(lambda: toys.control("GET")["failures"] == ["toy: RuntimeError: the tick broke"])
    assert toys.documents("toy", "notes") == []
    Toy.fail_at_tick = True
    assert toys.eventually(lambda: len(toys.control("GET")["failures"]) == 2)


def test_an_act_answers_with_its_result(toys: RunningSandbox) -> None:
    assert toys.act("toy", "note", key="a", text="x") == {"kept": "a"}
    assert toys.act("toy", "later", key="b") == "b"
    assert toys.documents("toy", "notes") == [{"text": "x"}]


@pytest.mark.parametrize(("fail", "status"), [("value", 409), ("lookup", 404)])
def test_an_act_that_is_refused_says_why_and_leaves_nothing_behind(
    toys: RunningSandbox, fail: str, status: int
) -> None:
    with pytest.raises(ValueError, match=rf"{status}.*no thing"):
        toys.act("toy", "note", key="thing", fail=fail)
    assert toys.documents("toy", "notes") == []


def test_a_defect_in_an_act_is_a_500_and_leaves_nothing_behind(toys: RunningSandbox) -> None:
    with pytest.raises(ValueError, match="500"):
        toys.act("toy", "note", key="thing", fail="defect")
    assert toys.control("GET")["failures"] == ["toy: the act note: RuntimeError: no thing"]
    assert toys.documents("toy", "notes") == []


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "said"),
    [
        ("POST", "toy/act/dance", {}, 404, "it has: later, note"),
        ("POST", "toy/act/note", {"colour": "red"}, 409, "missing a required argument|unexpected"),
        ("POST", "nobody/act/note", {}, 404, "it has: toy"),
        ("GET", "nobody/state", None, 404, "it has: toy"),
        ("GET", "toy/state/letters", None, 400, "there are: .*notes"),
        ("GET", "toy/state/notes?limit=x", None, 400, "whole numbers"),
        ("POST", "clock", {"advance_seconds": -1}, 400, "only moves forward"),
        ("POST", "clock", {}, 400, "advance_seconds"),
        ("PUT", "toy/faults", [{"kind": "earthquake"}], 400, "unknown fault kind"),
        ("PUT", "toy/faults", [{"kind": "delay", "force": 8}], 400, "unknown keys"),
        ("PUT", "toy/faults", [{"kind": "delay", "probability": 2}], 400, "between 0 and 1"),
        ("PUT", "toy/faults", {"kind": "delay"}, 400, "list of rules"),
        ("PUT", "toy/faults", [{"probability": 1}], 400, "at least a kind"),
        ("PUT", "toy/webhooks", {"speed": 1}, 400, "duplicate"),
        ("PUT", "shop", {"running": True}, 409, "without a shop"),
    ],
)
def test_the_control_endpoint_says_what_is_wrong(
    toys: RunningSandbox, method: str, path: str, body: Any, status: int, said: str
) -> None:
    with pytest.raises(ValueError, match=rf"{status}.*({said})"):
        toys.control(method, path, body)


def test_a_body_that_is_no_json_is_refused(toys: RunningSandbox) -> None:
    assert httpx.post(f"{toys.base_url}/control/clock", content=b"{").status_code == 400
    assert httpx.post(f"{toys.base_url}/control/clock", content=b"[1]").status_code == 400


def test_the_clock_moves_forward_and_keeps_its_lead_over_a_restart(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"accounts": {"jl": "john_lewis"}, "state_file": tmp_path / "w.sqlite"}
    with RunningSandbox(**settings) as before:
        real = before.sandbox.clock.timestamp()
        before.control("POST", "clock", {"advance_seconds": 86_400})
        assert 86_400 <= before.sandbox.clock.timestamp() - real < 86_460
    with RunningSandbox(**settings) as after:
        assert 86_400 <= after.sandbox.clock.timestamp() - real < 86_460


def test_a_fast_clock_does_not_go_back_at_a_restart(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"accounts": {"jl": "john_lewis"}, "state_file": tmp_path / "w.sqlite"}
    with RunningSandbox(**settings, clock_speed=100_000.0) as before:
        start = before.sandbox.clock.timestamp()
        assert before.eventually(lambda: before.sandbox.clock.timestamp() > start + 10_000)
        reached = before.sandbox.clock.timestamp()
    with RunningSandbox(**settings) as after:
        assert after.sandbox.clock.timestamp() >= reached


def test_account_names_are_unique_and_none_is_the_control_endpoint() -> None:
    toy = toy_sandbox(None).vendors["toy"]
    for account in ("toy", "control"):
        other = Toy(account, state=toy.state, clock=toy.clock)
        with pytest.raises(ValueError, match="different names"):
            Sandbox([toy, other], toy.clock)
