"""A private PostgreSQL server in the home folder: started by whoever needs it first, stopped when the last one left.

Everybody who uses the server holds a shared lock on `users.lock`. A small process, the closer, waits for the exclusive
lock on it, which the kernel grants when the last user is gone, however it went: then it stops the server. So a killed
`up` leaves nothing running, and a command that runs beside `up` neither starts a second server nor stops the first.

The bundled programs are called directly, not through their Python package, because as root that package opens every
folder above the data to all users and creates a Unix user. Here, as root, the server enters its data folder before it
gives up its rights and knows it as /proc/self/cwd, so that no folder above needs to be open to anybody.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

import psutil

from marketplace_sync.domain.errors import LedgerUnavailable
from marketplace_sync.home import HomeUnusable, ensure
from marketplace_sync.ledger import postmaster
from marketplace_sync.ledger.software import MAJOR, Runner, programs_for, runner

DATABASE = "marketplace_sync"
USER = "postgres"
SOCKET = ".s.PGSQL.5432"
LONGEST_SOCKET_PATH = 107 if sys.platform == "linux" else 103

SETTINGS = {
    # Dagster opens a connection per operation, and every worker, courier and sensor has its own.
    "max_connections": "200",
    # Only this machine's user can reach the socket; there is no network listener.
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Every query here is short: compiling one costs more than running it.
    "jit": "off",
    "random_page_cost": "1.1",
}

_HERE = "/proc/self/cwd"
_STARTS_WITHIN = 120.0
"""Seconds; does not count while the server says that it recovers from a crash."""
_STOPS_WITHIN = 60.0
_LARGEST_LOG = 10_000_000
"""Bytes after which a start begins a new log; one older is kept. The server writes a few lines a day."""


@dataclass
class EmbeddedServer:
    """A use of the embedded server. It runs at least until `close`, or until this process ends."""

    home: Path
    url: str
    """For SQLAlchemy with psycopg 3."""
    psycopg2_url: str
    pid: int
    _lock: int | None = field(repr=False, default=None)

    def close(self) -> None:
        """Give it up. If nobody else uses the server, it is stopped within a moment."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> EmbeddedServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Folders:
    """What lies where under the home."""

    def __init__(self, home: Path) -> None:
        self.top = home / "postgres"
        self.data = self.top / "data"
        self.log = self.top / "server.log"
        self.socket_note = self.top / "socket_folder"

    def lock(self, name: str) -> int:
        return os.open(self.top / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)


def start(home: Path, settings: Mapping[str, str] | None = None) -> EmbeddedServer:
    """Use the server of this home, starting it when it does not run (about 0.5 s the first time, 0.1 s after that).

    `settings` are PostgreSQL settings on top of SETTINGS; they count when this call starts the server.
    Raises HomeUnusable, LedgerUnavailable, each with one line that says what to do.
    """
    folders = _Folders(ensure(home))
    _ours(folders)
    users = _lock_shared(folders)
    try:
        starting = folders.lock("start")
        try:
            fcntl.flock(starting, fcntl.LOCK_EX)
            _ensure_closer(home, folders)
            logged = 0
            server = postmaster.find(folders.data)
            if server is None:
                server, logged = _launch(folders, {**SETTINGS, **(settings or {})})
            _wait_until_ready(folders, server, logged)
        finally:
            os.close(starting)
        sockets = _socket_folder(folders)
        return EmbeddedServer(
            home=home,
            url=_url("postgresql+psycopg", sockets),
            psycopg2_url=_url("postgresql+psycopg2", sockets),
            pid=server.pid,
            _lock=users,
        )
    except BaseException:
        os.close(users)
        raise


def is_running(home: Path) -> bool:
    """Whether a server runs on this home's data, whoever started it."""
    return postmaster.find(_Folders(home).data) is not None


def stop(home: Path) -> None:
    """Stop the server of this home now, whoever uses it; transactions under way are rolled back. Nothing happens when
    it does not run. Raises LedgerUnavailable when it will not stop."""
    folders = _Folders(home)
    server = postmaster.find(folders.data)
    if server is None:
        return
    for request, patience in ((signal.SIGINT, _STOPS_WITHIN), (signal.SIGQUIT, 10.0)):
        with contextlib.suppress(psutil.NoSuchProcess):
            server.send_signal(request)
        if postmaster.gone(server, patience):
            return
    raise LedgerUnavailable(f"PostgreSQL (process {server.pid}) does not stop; its log is {folders.log}")


def wait_until_stopped(home: Path, seconds: float) -> bool:
    """Wait for the closer to have stopped the server after the last user left. False: it still runs."""
    server = postmaster.find(_Folders(home).data)
    return server is None or postmaster.gone(server, seconds)


def _ours(folders: _Folders) -> None:
    """Make our folder in the home. Raises HomeUnusable, also when another user's server lives there."""
    try:
        folders.top.mkdir(mode=0o700, exist_ok=True)
        belongs_to = folders.top.stat().st_uid
    except OSError as problem:
        raise HomeUnusable(
            f"the database folder {folders.top} cannot be used ({problem.strerror or problem}): set"
            " MARKETPLACE_SYNC_HOME to a folder that can be written to"
        ) from None
    if belongs_to != os.geteuid():
        raise HomeUnusable(
            f"the database in {folders.top} was made by another user (id {belongs_to}): run this as that user, or set"
            " MARKETPLACE_SYNC_HOME to a folder of your own"
        )


def _lock_shared(folders: _Folders) -> int:
    """Become a user. While the closer stops the server this waits: it holds the lock until that is done."""
    users = folders.lock("users")
    give_up = time.monotonic() + _STOPS_WITHIN + 20
    while True:
        try:
            fcntl.flock(users, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return users
        except BlockingIOError:
            if time.monotonic() > give_up:
                os.close(users)
                raise LedgerUnavailable(
                    f"the database in {folders.top} has been stopping for over a minute; its log is {folders.log}"
                ) from None
            time.sleep(0.02)


def _ensure_closer(home: Path, folders: _Folders) -> None:
    """Start the process that will stop the server. It inherits the lock that says it exists: there is exactly one."""
    lock = folders.lock("closer")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        postmaster.started.append(
            subprocess.Popen(
                [sys.executable, "-m", "marketplace_sync.ledger.embedded", str(home), str(lock)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                pass_fds=(lock,),
                cwd="/",
                env=_environment_of_the_closer(),
            )
        )
    except BlockingIOError:
        pass
    finally:
        os.close(lock)


def _environment_of_the_closer() -> dict[str, str]:
    """Ours without what marks the children of one `up`: the closer outlives it on purpose."""
    return {name: value for name, value in os.environ.items() if name not in ("MARKETPLACE_SYNC_UP", "DAGSTER_HOME")}


def _close_when_nobody_is_left(home: Path, lock: int) -> None:
    """The closer's life. It ignores what a terminal sends: the users decide when it is over."""
    for ignored in (signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    users = _Folders(home).lock("users")
    fcntl.flock(users, fcntl.LOCK_EX)
    stop(home)
    _forget_socket_folder(_Folders(home))
    # First this one, then the users' lock with the end of the process: the next user must find no closer.
    os.close(lock)


def _launch(folders: _Folders, settings: Mapping[str, str]) -> tuple[psutil.Process, int]:
    """The new server, and the byte of the log where its own words begin."""
    as_user = runner(folders.data)
    programs = programs_for(as_user)
    postmaster.end_orphans(folders.data)
    _initialise(folders, programs, as_user)
    _refuse_other_version(folders.data)
    (folders.data / "postmaster.pid").unlink(missing_ok=True)
    sockets = _choose_socket_folder(folders, as_user)
    data = _as_seen_by(as_user, folders.data)
    arguments = [str(programs / "postgres"), "-D", data]
    arguments += ["-k", data if sockets == folders.data else str(sockets)]
    for name, value in settings.items():
        arguments += ["-c", f"{name}={value}"]
    if folders.log.exists() and folders.log.stat().st_size > _LARGEST_LOG:
        folders.log.replace(folders.log.with_name("server.log.1"))
    with folders.log.open("ab") as log:
        logged = log.tell()
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=_plain_environment(),
            **as_user.options(folders.data),
        )
    postmaster.started.append(process)
    return psutil.Process(process.pid), logged


def _initialise(folders: _Folders, programs: Path, as_user: Runner) -> None:
    """Make the data folder, whole or not at all."""
    if (folders.data / "PG_VERSION").exists():
        return
    unfinished = folders.top / "data.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    as_user.own(unfinished)
    made = subprocess.run(
        [
            str(programs / "initdb"),
            f"--pgdata={_as_seen_by(as_user, unfinished)}",
            f"--username={USER}",
            # The socket lies in a folder that only this user can enter.
            "--auth=trust",
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
            "--no-instructions",
        ],
        capture_output=True,
        text=True,
        env=_plain_environment(),
        **as_user.options(unfinished),
    )
    if made.returncode != 0:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise LedgerUnavailable(
            f"the database could not be made in {folders.top}: {postmaster.last_line(made.stderr or made.stdout)}"
        )
    if folders.data.is_dir():
        folders.data.rmdir()
    unfinished.rename(folders.data)


def _refuse_other_version(data: Path) -> None:
    found = (data / "PG_VERSION").read_text().strip()
    if found != str(MAJOR):
        raise LedgerUnavailable(
            f"the database in {data} was made by PostgreSQL {found}, and this version of marketplace-sync brings"
            f" {MAJOR}: back it up with the version of marketplace-sync that made it (`marketplace-sync backup FILE`),"
            " move the folder away, then `marketplace-sync restore FILE`"
        )


def _as_seen_by(as_user: Runner, folder: Path) -> str:
    """How the server names the folder it is started in. As another user it may be unable to walk there by name."""
    if as_user.uid is not None and Path(_HERE).exists():
        return _HERE
    return str(folder)


def _plain_environment() -> dict[str, str]:
    """No PG* variable of the person may change the server, and none of our secrets belongs in its environment."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _choose_socket_folder(folders: _Folders, as_user: Runner) -> Path:
    """The data folder itself; when its path is too long for a socket, a private temporary folder, the same after every
    restart as long as somebody uses the server, because others have been told its address."""
    if len(os.fsencode(folders.data / SOCKET)) <= LONGEST_SOCKET_PATH:
        folders.socket_note.unlink(missing_ok=True)
        return folders.data
    noted = _noted_socket_folder(folders)
    if noted is not None:
        return noted
    base = tempfile.gettempdir()
    if len(os.fsencode(base)) > LONGEST_SOCKET_PATH - 48:
        base = "/tmp"
    made = Path(tempfile.mkdtemp(prefix="marketplace_sync-", dir=base))
    as_user.own(made)
    folders.socket_note.write_text(str(made))
    return made


def _noted_socket_folder(folders: _Folders) -> Path | None:
    try:
        noted = Path(folders.socket_note.read_text())
        found = noted.lstat()
        allowed = {os.geteuid(), folders.data.stat().st_uid}
    except OSError:
        return None
    closed_folder = found.st_mode & 0o170777 == 0o040700
    return noted if closed_folder and found.st_uid in allowed else None


def _forget_socket_folder(folders: _Folders) -> None:
    noted = _noted_socket_folder(folders)
    if noted is not None:
        shutil.rmtree(noted, ignore_errors=True)
    folders.socket_note.unlink(missing_ok=True)


def _socket_folder(folders: _Folders) -> Path:
    return _noted_socket_folder(folders) or folders.data


def _url(scheme: str, sockets: Path) -> str:
    return f"{scheme}://{USER}@/{DATABASE}?host={quote(str(sockets), safe='/')}"


def _wait_until_ready(folders: _Folders, server: psutil.Process, logged: int) -> None:
    """Until it takes connections and has our database. Recovery from a crash is given all the time it needs."""
    import psycopg

    give_up = time.monotonic() + _STARTS_WITHIN
    where = {"host": str(_socket_folder(folders)), "user": USER, "dbname": "postgres", "connect_timeout": 5}
    while True:
        postmaster.reap()
        if not postmaster.serves(server, folders.data):
            reason = postmaster.complaint(folders.log, logged).replace(_HERE, str(folders.data))
            raise LedgerUnavailable(f"PostgreSQL did not start: {reason} (its log is {folders.log})")
        try:
            with psycopg.connect(**where, autocommit=True) as connection:  # type: ignore[arg-type]
                found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone()
                if found is None:
                    connection.execute(f"CREATE DATABASE {DATABASE}")
            return
        except psycopg.OperationalError as problem:
            recovering = "starting up" in str(problem) or "not yet accepting" in str(problem)
            if time.monotonic() > give_up and not recovering:
                raise LedgerUnavailable(
                    f"PostgreSQL runs (process {server.pid}) and does not answer: {postmaster.last_line(str(problem))}"
                    f" (its log is {folders.log})"
                ) from None
        time.sleep(0.02)


if __name__ == "__main__":
    _close_when_nobody_is_left(Path(sys.argv[1]), int(sys.argv[2]))
