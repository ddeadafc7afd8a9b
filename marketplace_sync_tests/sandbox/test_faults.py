"""What goes wrong on the wire on purpose, and whether the vendor had done the work by then."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from marketplace_sync.sandbox.serve import RunningSandbox
from marketplace_sync_tests.sandbox.toy import toy_sandbox


@pytest.fixture
def toys(tmp_path: Path) -> Iterator[RunningSandbox]:
    with RunningSandbox(toy_sandbox(tmp_path)) as running:
        yield running


def with_faults(toys: RunningSandbox, *rules: dict[str, Any]) -> None:
    toys.control("PUT", "toy/faults", list(rules))


def write(toys: RunningSandbox, key: str = "a") -> httpx.Response:
    return httpx.put(f"{toys.base_url}/toy/notes/{key}", content="x", timeout=20)


def written(toys: RunningSandbox) -> int:
    return len(toys.documents("toy", "notes"))


def test_a_status_is_answered_instead_of_the_vendor(toys: RunningSandbox) -> None:
    with_faults(toys, {"kind": "status", "status": 503, "retry_after": 7})
    answer = write(toys)
    assert (answer.status_code, answer.headers["retry-after"], written(toys)) == (503, "7", 0)


def test_a_throttle_is_a_429(toys: RunningSandbox) -> None:
    with_faults(toys, {"kind": "throttle", "retry_after": None})
    answer = write(toys)
    assert (answer.status_code, "retry-after" in answer.headers, written(toys)) == (429, False, 0)


@pytest.mark.parametrize(("kind", "kept"), [("cut", 0), ("lost_answer", 1)])
def test_a_cut_connection_before_and_after_the_write(toys: RunningSandbox, kind: str, kept: int) -> None:
    with_faults(toys, {"kind": kind})
    with pytest.raises(httpx.TransportError):
        write(toys)
    assert written(toys) == kept


def test_an_error_after_the_write(toys: RunningSandbox) -> None:
    with_faults(toys, {"kind": "error_after"})
    assert (write(toys).status_code, written(toys)) == (500, 1)


def test_a_truncated_answer_promises_more_than_it_brings(toys: RunningSandbox) -> None:
    with_faults(toys, {"kind": "truncate"})
    with pytest.raises(httpx.TransportError):
        write(toys)
    assert written(toys) == 1


@pytest.mark.parametrize(("kind", "status"), [("html", 502), ("garbage", 200)])
def test_an_answer_that_is_no_json(toys: RunningSandbox, kind: str, status: int) -> None:
    with_faults(toys, {"kind": kind})
    answer = write(toys)
    assert (answer.status_code, written(toys)) == (status, 0)
    with pytest.raises(ValueError, match="Expecting"):
        answer.json()


def test_a_huge_answer(toys: RunningSandbox) -> None:
    with_faults(toys, {"kind": "huge", "megabytes": 3})
    assert len(write(toys).content) == 3 * 2**20 + 2


def test_a_delay_happens_before_the_vendor_hears_of_the_call(toys: RunningSandbox) -> None:
    with_faults(toys, {"kind": "delay", "seconds": 0.3})
    started = time.monotonic()
    assert write(toys).status_code == 200
    assert time.monotonic() - started >= 0.3


def test_a_fault_strikes_where_and_as_often_as_it_is_told(toys: RunningSandbox) -> None:
    with_faults(toys, {"kind": "status", "path": "/notes/b", "method": "PUT", "remaining": 2})
    answers = [write(toys, key).status_code for key in "abbb"]
    assert answers == [200, 503, 503, 200]
    assert toys.control("GET")["accounts"]["toy"]["faults"]["struck"] == {"status": 2}


def test_faults_are_taken_away_again(toys: RunningSandbox) -> None:
    with_faults(toys, {"kind": "status"})
    with_faults(toys)
    assert write(toys).status_code == 200


def test_faults_can_be_part_of_a_worlds_settings() -> None:
    faults = {"jl": [{"kind": "status", "status": 502, "remaining": 1}]}
    with RunningSandbox(accounts={"jl": "john_lewis"}, faults=faults) as running:
        answers = [httpx.get(f"{running.base_url}/jl/restapi/v4/orders/").status_code for _ in range(2)]
    assert answers == [502, 401]


def test_a_probability_is_kept_roughly(toys: RunningSandbox) -> None:
    with_faults(toys, {"kind": "status", "probability": 0.3})
    struck = sum(write(toys).status_code == 503 for _ in range(100))
    assert 15 < struck < 45


def test_a_cut_leaves_no_complaint_in_the_log(capfd: pytest.CaptureFixture[str], toys: RunningSandbox) -> None:
    for kind in ("cut", "lost_answer", "truncate"):
        with_faults(toys, {"kind": kind})
        with pytest.raises(httpx.TransportError):
            write(toys)
    with_faults(toys)
    write(toys)
    assert capfd.readouterr().err == ""
