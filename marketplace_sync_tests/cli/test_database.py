"""A backup is one file and one moment; a restore happens whole or not at all, and can be undone."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from marketplace_sync.ledger import embedded
from marketplace_sync.ledger.location import with_driver
from marketplace_sync_tests.cli.command import run


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("h") / "home"
    yield folder
    embedded.stop(folder)


def call(home: Path, *arguments: str, **environ: str) -> tuple[int, str]:
    code, output, complaint = run(*arguments, environ={"MARKETPLACE_SYNC_HOME": str(home), **environ})
    assert "Traceback" not in complaint
    return code, output + complaint


def note(home: Path, text: str) -> None:
    """Put something into the ledger that a restore must bring back or take away."""
    with embedded.start(home) as server, psycopg.connect(with_driver(server.url, None)) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS ledger.notes (text text)")
        connection.execute("INSERT INTO ledger.notes VALUES (%s)", (text,))


def notes(home: Path) -> list[str]:
    with embedded.start(home) as server, psycopg.connect(with_driver(server.url, None)) as connection:
        return [row[0] for row in connection.execute("SELECT text FROM ledger.notes ORDER BY text")]


def test_a_restore_brings_back_what_was_backed_up_and_undo_what_was_replaced(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "backups" / "monday.dump"
    assert call(home, "migrate") == (0, "")
    note(home, "monday")
    code, said = call(home, "backup", str(file))
    assert (code, stat.S_IMODE(file.stat().st_mode)) == (0, 0o600)
    assert "it holds buyers' names and addresses" in said
    note(home, "tuesday")
    assert call(home, "restore", str(file))[0] == 0
    assert notes(home) == ["monday"]
    assert call(home, "restore", "--undo")[0] == 0
    assert notes(home) == ["monday", "tuesday"]
    assert [path.name for path in file.parent.iterdir()] == ["monday.dump"]


def test_a_backup_replaces_no_other_unless_it_is_told_to(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "monday.dump"
    file.write_text("an earlier one")
    code, said = call(home, "backup", str(file))
    assert (code, file.read_text()) == (1, "an earlier one")
    assert said == f"marketplace-sync: {file} is there already: choose another name, or replace it with --force\n"
    assert call(home, "backup", "--force", str(file))[0] == 0
    assert file.read_bytes().startswith(b"PGDMP")


def test_a_damaged_backup_changes_nothing(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "backup.dump"
    call(home, "migrate")
    note(home, "monday")
    call(home, "backup", str(file))
    file.write_bytes(file.read_bytes()[: file.stat().st_size * 3 // 4])
    code, said = call(home, "restore", str(file))
    assert code == 1
    assert said.startswith(f"marketplace-sync: {file} cannot be put back (pg_restore: error")
    assert "The database is what it was" in said
    assert notes(home) == ["monday"]


def test_a_backup_is_taken_while_the_database_is_in_use(home: Path, tmp_path: Path) -> None:
    call(home, "migrate")
    with embedded.start(home):
        assert call(home, "backup", str(tmp_path / "backup.dump"))[0] == 0
        assert embedded.is_running(home)


def test_a_restore_under_the_feet_of_others_is_refused(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "backup.dump"
    call(home, "migrate")
    call(home, "backup", str(file))
    with embedded.start(home) as server, psycopg.connect(with_driver(server.url, None)):
        code, said = call(home, "restore", str(file))
    assert code == 1
    assert "another command is using the database" in said


def test_a_place_that_cannot_be_written_is_one_line(home: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    code, said = call(home, "backup", str(tmp_path / "file" / "backup.dump"))
    assert (code, said.count("\n")) == (1, 1)
    assert "cannot be written" in said


def test_a_server_of_somebody_else_s_is_backed_up_but_not_replaced(
    home: Path, tmp_path: Path, database_url: str
) -> None:
    file = tmp_path / "backup.dump"
    assert call(home, "backup", str(file), MARKETPLACE_SYNC_DATABASE_URL=database_url)[0] == 0
    code, said = call(home, "restore", str(file), MARKETPLACE_SYNC_DATABASE_URL=database_url)
    assert code == 1
    assert "pg_restore --no-owner --dbname=NEW" in said


def test_undo_without_a_restore_is_refused(home: Path) -> None:
    code, said = call(home, "restore", "--undo")
    assert code == 1
    assert "there is nothing to bring back" in said
