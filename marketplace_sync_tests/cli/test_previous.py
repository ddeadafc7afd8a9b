"""One `up` per home; what a killed one left is ended, and nobody else is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from marketplace_sync.cli.previous import MARK, AlreadyUp, Tenancy

WAITS = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture
def bystander() -> Iterator[psutil.Process]:
    with subprocess.Popen(WAITS) as process:
        yield psutil.Process(process.pid)
        process.kill()


def abandon(home: Path, record: dict[str, object]) -> Tenancy:
    """A home in which an `up` was killed that had written this down."""
    (home / "up.json").write_text(json.dumps(record))
    return Tenancy(home)


def test_a_second_one_is_refused_and_told_about_the_first(tmp_path: Path) -> None:
    first = Tenancy(tmp_path)
    first.remember([], "http://127.0.0.1:3000")
    with pytest.raises(AlreadyUp, match=rf"process {os.getpid()}, http://127.0.0.1:3000\): stop it with `kill"):
        Tenancy(tmp_path)
    first.leave()
    Tenancy(tmp_path).leave()


def test_programs_of_a_killed_one_are_ended(tmp_path: Path, bystander: psutil.Process) -> None:
    child = {"pid": bystander.pid, "started": bystander.create_time()}
    tenancy = abandon(tmp_path, {"mark": "unused", "children": [child]})
    assert tenancy.clear_previous() == 1
    assert not bystander.is_running()
    tenancy.leave()


def test_what_those_programs_had_started_is_ended_by_its_mark(tmp_path: Path) -> None:
    """A code server or a run of a daemon that is gone is nobody's child any more."""
    with subprocess.Popen(WAITS, env={**os.environ, MARK: "the-killed-one"}, start_new_session=True) as orphan:
        tenancy = abandon(tmp_path, {"mark": "the-killed-one", "children": []})
        assert tenancy.clear_previous() == 1
        assert not psutil.pid_exists(orphan.pid)
        tenancy.leave()


def test_a_stranger_who_got_the_number_since_comes_to_no_harm(tmp_path: Path, bystander: psutil.Process) -> None:
    child = {"pid": bystander.pid, "started": bystander.create_time() - 3600}
    tenancy = abandon(tmp_path, {"mark": "unused", "children": [child]})
    assert tenancy.clear_previous() == 0
    assert bystander.is_running()
    tenancy.leave()


@pytest.mark.parametrize("record", ["", "not json", "[1]", '{"children": [{}, {"pid": "x"}], "mark": 7}'])
def test_a_damaged_record_keeps_nobody_from_starting(tmp_path: Path, record: str) -> None:
    (tmp_path / "up.json").write_text(record)
    tenancy = Tenancy(tmp_path)
    assert tenancy.clear_previous() == 0
    tenancy.leave()
