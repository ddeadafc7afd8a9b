"""The embedded server: started by the first, stopped after the last, whoever is killed, and nothing else is touched."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from marketplace_sync.domain.errors import LedgerUnavailable
from marketplace_sync.home import HomeUnusable, home_folder
from marketplace_sync.ledger import embedded, software
from marketplace_sync.ledger.location import with_driver

USE_IT = """
import sys, time
from pathlib import Path
from marketplace_sync.ledger import embedded, software
server = embedded.start(Path(sys.argv[1]))
print(server.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home below folders that nobody else may enter, as temporary folders are."""
    folder = tmp_path_factory.mktemp("h") / "home"
    yield folder
    embedded.stop(folder)


def until(true: Callable[[], bool], seconds: float = 20) -> bool:
    give_up = time.monotonic() + seconds
    while not true():
        if time.monotonic() > give_up:
            return False
        time.sleep(0.02)
    return True


def using_process(home: Path) -> tuple[subprocess.Popen[str], int]:
    """Another process that uses the server, and the server's process id."""
    process = subprocess.Popen([sys.executable, "-c", USE_IT, str(home)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def query(server: embedded.EmbeddedServer, statement: str) -> object:
    with psycopg.connect(with_driver(server.url, None), autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def test_it_starts_serves_and_stops(home: Path) -> None:
    with embedded.start(home) as server:
        assert embedded.is_running(home)
        assert query(server, "SELECT current_database()") == "marketplace_sync"
        assert query(server, "SHOW max_connections") == "200"
        assert query(server, "SHOW listen_addresses") == ""
        assert query(server, "SHOW fsync") == "on"
    assert embedded.wait_until_stopped(home, 20)
    assert not embedded.is_running(home)


def test_no_folder_that_was_there_before_changes_its_mode(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Running as root must not open somebody's private folder on the way to the data."""
    home = tmp_path_factory.mktemp("private") / "deep" / "home"
    home.parent.mkdir(mode=0o700)
    before = {folder: folder.stat().st_mode for folder in home.parents}
    software = Path(sys.prefix)
    before |= {folder: folder.stat().st_mode for folder in (software, *software.parents)}
    with embedded.start(home) as server:
        assert query(server, "SELECT 1") == 1
        assert {folder: folder.stat().st_mode for folder in before} == before
        assert home.stat().st_mode & 0o777 == 0o700
        assert (home / "postgres" / "data").stat().st_mode & 0o777 == 0o700
    assert embedded.wait_until_stopped(home, 20)


def test_a_second_user_finds_the_same_server_and_the_first_does_not_stop_it(home: Path) -> None:
    other, pid = using_process(home)
    try:
        with embedded.start(home) as server:
            assert server.pid == pid
        time.sleep(0.3)
        assert embedded.is_running(home)
    finally:
        other.kill()
        other.wait()
    assert embedded.wait_until_stopped(home, 20), "the last user was killed, and the server was not stopped"


def test_many_who_come_at_once_share_one_server(home: Path) -> None:
    users = [using_process(home) for _ in range(4)]
    try:
        assert len({pid for _, pid in users}) == 1
    finally:
        for process, _ in users:
            process.kill()
            process.wait()
    assert embedded.wait_until_stopped(home, 20)


def test_what_was_committed_survives_the_server_s_violent_death(home: Path) -> None:
    with embedded.start(home) as server:
        query(server, "CREATE TABLE kept (n int)")
        query(server, "INSERT INTO kept SELECT generate_series(1, 1000)")
        psutil.Process(server.pid).send_signal(signal.SIGKILL)
        assert until(lambda: not embedded.is_running(home))
        with embedded.start(home) as again:
            assert again.pid != server.pid
            assert again.url == server.url, "others have been told the address"
            assert query(again, "SELECT count(*) FROM kept") == 1000


def test_backends_of_a_killed_server_do_not_keep_the_next_one_from_starting(home: Path) -> None:
    """A query that runs for minutes outlives its postmaster, and holds on to the shared memory."""
    with embedded.start(home) as server:
        busy = psycopg.connect(with_driver(server.url, None), autocommit=True)
        slow = "DO $$ DECLARE n bigint := 0; BEGIN LOOP n := n + 1; EXIT WHEN n > 20000000000; END LOOP; END $$"
        busy.pgconn.send_query(slow.encode())
        psutil.Process(server.pid).send_signal(signal.SIGKILL)
        assert until(lambda: not embedded.is_running(home))
        with embedded.start(home) as again:
            assert query(again, "SELECT 1") == 1
        busy.close()


def test_a_stale_pid_file_that_names_a_living_stranger_is_not_believed(home: Path) -> None:
    """After a restart of a container the number belongs to somebody else, who must come to no harm."""
    with embedded.start(home):
        pass
    assert embedded.wait_until_stopped(home, 20)
    (home / "postgres" / "data" / "postmaster.pid").write_text(f"{os.getpid()}\n/somewhere\n1\n5432\n\n\n\nready\n")
    assert not embedded.is_running(home)
    with embedded.start(home) as server:
        assert server.pid != os.getpid()
        assert query(server, "SELECT 1") == 1


def test_a_killed_closer_is_replaced(home: Path) -> None:
    with embedded.start(home):
        closer = next(p for p in psutil.process_iter(["cmdline"]) if str(home) in (p.info["cmdline"] or []))
        closer.kill()
        closer.wait(10)
        with embedded.start(home):
            pass
    assert embedded.wait_until_stopped(home, 20)


def test_a_first_start_that_was_cut_short_is_begun_anew(home: Path) -> None:
    unfinished = home / "postgres" / "data.unfinished"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    with embedded.start(home) as server:
        assert query(server, "SELECT 1") == 1


def test_a_home_with_a_long_path_works_and_keeps_its_address_over_a_crash(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """The path of a Unix socket may have about 100 bytes."""
    home = tmp_path_factory.mktemp("l") / ("a-rather-long-name-for-a-folder-" * 5)
    with embedded.start(home) as server:
        assert query(server, "SELECT 1") == 1
        sockets = Path(server.url.partition("host=")[2])
        assert sockets.stat().st_mode & 0o777 == 0o700
        psutil.Process(server.pid).send_signal(signal.SIGKILL)
        assert until(lambda: not embedded.is_running(home))
        with embedded.start(home) as again:
            assert again.url == server.url
    assert embedded.wait_until_stopped(home, 20)
    assert until(lambda: not sockets.exists()), "the temporary folder of the socket was left behind"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as somebody else")
def test_programs_in_a_closed_folder_are_copied_and_the_folder_stays_closed(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A virtual environment under /root: the server's user cannot read it, and is not let in."""
    site, shared = tmp_path / "site", Path(tempfile.mkdtemp(prefix="mst-")) / "software"
    shared.parent.chmod(0o711)
    package = software.bundled().parent.parent
    shutil.copytree(
        package / "pginstall18", site / package.name / "pginstall18", ignore=shutil.ignore_patterns("include")
    )
    shutil.copytree(package.with_name(f"{package.name}.libs"), site / f"{package.name}.libs")
    site.chmod(0o700)
    monkeypatch.setattr(software, "bundled", lambda: site / package.name / "pginstall18" / "bin")
    monkeypatch.setattr(software, "_SHARED_SOFTWARE", shared)
    try:
        for _ in range(2):
            with embedded.start(home) as server:
                assert query(server, "SELECT 1") == 1
                assert Path(psutil.Process(server.pid).exe()).is_relative_to(shared)
            assert embedded.wait_until_stopped(home, 20)
        assert len(list(shared.iterdir())) == 1, "the copy is made once"
        assert site.stat().st_mode & 0o777 == 0o700
    finally:
        shutil.rmtree(shared.parent)


def test_data_of_another_postgresql_is_refused_in_words(home: Path) -> None:
    with embedded.start(home):
        pass
    assert embedded.wait_until_stopped(home, 20)
    (home / "postgres" / "data" / "PG_VERSION").write_text("15\n")
    with pytest.raises(LedgerUnavailable, match=r"made by PostgreSQL 15, and this version of marketplace-sync brings"):
        embedded.start(home)
    (home / "postgres" / "data" / "PG_VERSION").write_text("18\n")


def test_damaged_data_is_reported_with_the_server_s_own_reason(home: Path) -> None:
    with embedded.start(home):
        pass
    assert embedded.wait_until_stopped(home, 20)
    (home / "postgres" / "data" / "global" / "pg_control").unlink()
    with pytest.raises(LedgerUnavailable, match=r"PostgreSQL did not start: .*(control|expected to find)"):
        embedded.start(home)


def test_a_home_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(HomeUnusable, match=r"file/home cannot be used .*: set MARKETPLACE_SYNC_HOME to a folder"):
        embedded.start(tmp_path / "file" / "home")


def test_root_keeps_its_data_in_a_system_folder_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout may lie in somebody's private home, where the server's user has no business."""
    assert home_folder({"MARKETPLACE_SYNC_HOME": "/srv/sync"}) == Path("/srv/sync")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert home_folder({}) == Path("/var/lib/marketplace_sync")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert home_folder({}) == Path(__file__).parents[2] / ".marketplace_sync"
