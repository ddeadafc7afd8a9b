"""The folder that finance puts files into: each is imported once, and lies beside what came of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from marketplace_sync.flows import settlement_inbox as inbox
from marketplace_sync.flows.sync import sync
from marketplace_sync_tests.settlement.office import NAME, Office, opened, settlement_file
from marketplace_sync_tests.settlement.scene import SETTINGS, payment, sale


@pytest.fixture
def office(database_url: str, tmp_path: Path) -> Iterator[Office]:
    with opened(database_url, tmp_path, {**SETTINGS, "settlement": "files"}) as found:
        yield found


def put(folder: Path, kind: str, name: str, content: str, *, seconds_ago: float = 60) -> Path:
    path = folder / NAME / kind / name
    path.write_text(content)
    status = path.stat()
    os.utime(path, (status.st_atime, status.st_mtime - seconds_ago))
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name.partition("-settlement-")[2] for path in folder.iterdir())


def test_a_file_is_taken_once_and_lies_beside_what_came_of_it(office: Office, tmp_path: Path) -> None:
    folder = tmp_path / "inbox"
    inbox.prepare(folder, [NAME])
    put(folder, "settlement", "september.csv", settlement_file([*sale(), payment(4510)]) + "bad row\n")
    put(folder, "settlement", "picture.csv", "no settlement at all\n")
    put(folder, "settlement", ".hidden", "")

    taken = {each.file: each for each in inbox.take(office.context, NAME, folder)}

    assert set(taken) == {"september.csv", "picture.csv"}
    report = taken["september.csv"].report
    assert report is not None
    assert (report.new, len(report.rejected)) == (5, 1)
    assert "has no column" in taken["picture.csv"].problem
    assert names(folder / NAME / "taken") == ["september.csv", "september.csv.txt"]
    assert names(folder / NAME / "refused") == ["picture.csv", "picture.csv.txt"]
    (said,) = (folder / NAME / "taken").glob("*.txt")
    assert '"raw": "bad row"' in said.read_text()
    put(folder, "settlement", "again.csv", settlement_file([*sale(), payment(4510)]) + "bad row\n")
    (again,) = inbox.take(office.context, NAME, folder)
    assert again.report is not None
    assert again.report.seen_before


def test_a_file_that_is_still_being_written_is_left_alone(office: Office, tmp_path: Path) -> None:
    folder = tmp_path / "inbox"
    inbox.prepare(folder, [NAME])
    put(folder, "settlement", "half.csv", "id,type\n", seconds_ago=0)
    assert inbox.take(office.context, NAME, folder) == []


def test_a_headless_pass_takes_the_files_and_says_which_it_cannot(office: Office, tmp_path: Path) -> None:
    folder = tmp_path / "inbox"
    inbox.prepare(folder, [NAME])
    put(folder, "settlement", "september.csv", settlement_file(sale()))
    put(folder, "bank_receipts", "bank.csv", "nothing\n")
    said: list[str] = []
    report = sync(office.context, said.append, rounds=1, inbox=folder)
    assert [problem for problem in report.problems if "bank.csv" in problem]
    (files,) = [line for line in said if line.startswith(f"{NAME}: files: ")]
    assert "1 taken: september.csv; 1 refused: bank.csv: The file has no column " in files
    assert office.rows("SELECT count(*) AS lines FROM ledger.settlement_lines") == [{"lines": 4}]


def test_an_inbox_that_cannot_be_used_does_not_stop_a_headless_pass(office: Office, tmp_path: Path) -> None:
    (tmp_path / "inbox").write_text("in the way")
    report = sync(office.context, rounds=1, inbox=tmp_path / "inbox")
    assert f"{NAME}: the inbox {tmp_path / 'inbox'} cannot be used (Not a directory); the files in it wait" in (
        report.problems
    )
